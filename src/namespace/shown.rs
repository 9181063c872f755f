//! What a photo's names show: its content, or the two of a live photo (semantics 1.2).

use crate::base::FileKind;
use crate::store::{ContentRow, FileRow, Listing, Rows, StoreResult};
use crate::tree::{join_name, safe_name, split_name};

/// One photo's contents, as its names show them.
pub struct Shown {
    content: ContentRow,
    pair: Option<Pair>,
}

/// What makes a live photo two files.
struct Pair {
    clip: ContentRow,
    /// With their dots; empty where the zip names none.
    extensions: [String; 2],
}

impl Shown {
    /// `None` where the photo has no content yet, or half of one.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn load(rows: &Rows<'_>, row: &FileRow) -> StoreResult<Option<Self>> {
        let content = row.content.map(|no| rows.load_content(no)).transpose()?.flatten();
        let Some(content) = content else { return Ok(None) };
        if content.packed.is_none() {
            return Ok(Some(Self { content, pair: None }));
        }
        let Some(clip) = rows.load_clip_of(&content)? else { return Ok(None) };
        let extension = |no| -> StoreResult<String> { Ok(rows.load_extension(no)?.unwrap_or_default()) };
        let extensions = [extension(content.no)?, extension(clip.no)?];
        Ok(Some(Self { content, pair: Some(Pair { clip, extensions }) }))
    }

    pub(super) fn is_pair(&self) -> bool {
        self.pair.is_some()
    }

    /// The names it would have alone; a pending edited name counts.
    pub fn plain_names(&self, row: &FileRow) -> Vec<Vec<u8>> {
        let label = row.label.as_ref().map_or("", |label| label.display_name());
        let title = row.want_name.as_deref().unwrap_or(label);
        let invented = if row.kind == Some(FileKind::Video) { ".mp4" } else { ".jpg" };
        let plain = safe_name(title.as_bytes(), row.id, invented);
        let Some(Pair { extensions: [still, clip], .. }) = &self.pair else { return vec![plain] };
        let (stem, own) = split_name(&plain);
        let still = if still.is_empty() { own } else { still.as_bytes() };
        let clip = if clip.is_empty() { b".mov" } else { clip.as_bytes() };
        // Two halves of one extension are no live photo that a client makes; they must not be one name either.
        let clip = if clip == still { b".clip.mov" } else { clip };
        vec![join_name(stem, b"", still), join_name(stem, b"", clip)]
    }

    /// The title that gives one of its names this very name; `None` for a half, where that is of another extension.
    pub fn title_for(&self, row: &FileRow, name: &str) -> Option<String> {
        if self.pair.is_none() {
            return Some(name.to_owned());
        }
        let (stem, extension) = split_name(name.as_bytes());
        let is_half = self.plain_names(row).iter().any(|plain| split_name(plain).1 == extension);
        let display = row.want_name.as_deref().or_else(|| row.label.as_ref().map(|label| label.display_name()));
        let (_, own) = split_name(display.unwrap_or_default().as_bytes());
        is_half.then(|| String::from_utf8_lossy(&[stem, own].concat()).into_owned())
    }

    /// What a directory shows of it under these names.
    pub(super) fn listings(&self, links: u32, name: Vec<u8>, clip: Option<Vec<u8>>) -> (Listing, Option<Listing>) {
        let clip = self.pair.as_ref().zip(clip).map(|(pair, name)| listing_of(&pair.clip, links, name));
        (listing_of(&self.content, links, name), clip)
    }
}

fn listing_of(content: &ContentRow, links: u32, name: Vec<u8>) -> Listing {
    Listing {
        ino: content.ino,
        size: content.size,
        mtime: content.mtime,
        ctime: content.ctime,
        links,
        mode: content.mode,
        uid: content.uid,
        gid: content.gid,
        name,
    }
}
