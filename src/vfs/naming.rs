//! What photos are called by a rename: one name in Ente, in every album (semantics 1.6, 2.12, 3).

use super::Vfs;
use super::error::{VfsError, VfsResult};
use super::journal::note_photo_name;
use super::rename::{Rename, is_album, move_local_name};
use crate::base::{AlbumNo, FileId, Ino, Nanos, Part};
use crate::namespace::{Dirty, Shown, current_upload, is_called, name_photo, path_of, show_as};
use crate::store::{MemberRow, NameRow, NodeRow, Rows, StoreResult, Tx, UploadRow};
use crate::tree::{NameClass, NameRules, Refusal};

impl Vfs {
    /// Ente's names are text.
    pub(super) fn text_name(&self, rename: &Rename<'_>) -> VfsResult<String> {
        String::from_utf8(rename.name.to_vec()).map_err(|_| VfsError::Refused(Refusal::InvalidName))
    }

    /// What the photo is to be called: the name it is given, or for a live photo that name's stem (semantics 1.2).
    pub(super) fn title_of(&self, tx: &Tx<'_>, rename: &Rename<'_>, file: FileId) -> VfsResult<String> {
        let name = self.text_name(rename)?;
        let row = tx.load_file(file)?.ok_or(VfsError::NotFound)?;
        let Some(shown) = Shown::load(tx, &row)? else { return Ok(name) };
        // A half keeps its extension: it says what the zip has.
        shown.title_for(&row, &name).ok_or(VfsError::Refused(Refusal::FixedPlace))
    }

    /// The photo is called as the rename says.
    pub(super) fn name_photo_as(
        &self,
        tx: &Tx<'_>,
        rename: &Rename<'_>,
        file: FileId,
        dirty: &mut Dirty,
    ) -> VfsResult<()> {
        let title = self.title_of(tx, rename, file)?;
        note_photo_name(tx, file, rename.now)?;
        let masks = load_masks(tx, file)?;
        name_photo(tx, file, &title, rename.now, dirty)?;
        for mask in masks {
            if mask.name.parent == rename.to.ino {
                mask.part_from(tx)?;
            } else {
                mask.follow(tx, file, rename.now, dirty)?;
            }
        }
        Ok(())
    }

    /// The photo of an entry, or the one whose place it is to take, is called so, too: in an album as the entry is, in a
    /// drop as it is renamed. Temporary and junk names are not pushed (semantics 2.4).
    pub(super) fn name_along(
        &self,
        tx: &Tx<'_>,
        rename: &Rename<'_>,
        node: &NodeRow,
        dirty: &mut Dirty,
    ) -> VfsResult<()> {
        // Most are new files that get their final names: there is nothing to be called otherwise.
        let Some(file) = node.file.map_or_else(|| replaced_by(tx, node.ino), |file| Ok(Some(file)))? else {
            return Ok(());
        };
        let is_pushed = self.name_rules(rename.to.ino).classify(rename.name) == NameClass::Plain;
        if !is_pushed || tx.is_in_trash(file)? {
            return Ok(());
        }
        let named = if is_album(&rename.to) {
            let album = self.album_of(tx, &rename.to, rename.now, dirty)?;
            self.name_if_other(tx, rename, album, file, dirty)
        } else if is_renamed_alone(rename, node) {
            self.name_photo_as(tx, rename, file, dirty)
        } else {
            Ok(())
        };
        match named {
            // A half of a live photo keeps its extension; the file itself may have any name.
            Err(VfsError::Refused(_)) => Ok(()),
            named => named,
        }
    }

    /// `mv A/x.jpg B/y.jpg` also names the photo, unless the album gave it that very name.
    pub(super) fn name_if_other(
        &self,
        tx: &Tx<'_>,
        rename: &Rename<'_>,
        to: AlbumNo,
        file: FileId,
        dirty: &mut Dirty,
    ) -> VfsResult<()> {
        let member = tx.load_member(to, file)?;
        let shown = member.into_iter().flat_map(|member| [member.listing, member.clip]).flatten();
        if shown.into_iter().any(|listing| listing.name == rename.name) {
            return Ok(());
        }
        // A drop entry keeps its name when the photo gets another: it is called as the entry then.
        let keeps_name = rename.entry.name[..] == *rename.name;
        if keeps_name && is_called(tx, file, rename.name)? {
            return Ok(show_as(tx, to, file, rename.name, dirty)?);
        }
        match self.name_photo_as(tx, rename, file, dirty) {
            Err(VfsError::Refused(_)) if keeps_name => Ok(()),
            named => named,
        }
    }

    /// The name rules that hold in a directory.
    pub(super) fn name_rules(&self, dir: Ino) -> NameRules {
        let path = self.store().read(|rows| path_of(rows, dir)).ok().flatten().unwrap_or_default();
        self.options.drops.find(&path).map_or_else(NameRules::default, |(drop, _)| drop.names.clone())
    }
}

/// The name of a file in an album, behind which is the photo whose place it is to take.
struct Mask {
    upload: UploadRow,
    album: AlbumNo,
    part: Part,
    name: NameRow,
}

fn load_masks(rows: &Rows<'_>, file: FileId) -> StoreResult<Vec<Mask>> {
    let mut masks = Vec::new();
    for upload in rows.load_replacing(file)? {
        for name in rows.load_names_of(upload.ino)? {
            let Some(album) = rows.load_album_by_ino(name.parent)? else { continue };
            for part in [Part::Whole, Part::Clip] {
                if name_in(rows, album.no, file, part)?.is_some_and(|shown| shown == name.name) {
                    masks.push(Mask { upload: upload.clone(), album: album.no, part, name: name.clone() });
                }
            }
        }
    }
    Ok(masks)
}

impl Mask {
    /// The photo itself is put beside the file: each is one of its own from then on.
    fn part_from(self, tx: &Tx<'_>) -> VfsResult<()> {
        Ok(tx.save_upload(&UploadRow { supersedes: None, ..self.upload })?)
    }

    /// The photo has one name in every album: what is to take its place is called so, too, and goes on masking it.
    fn follow(self, tx: &Tx<'_>, file: FileId, now: Nanos, dirty: &mut Dirty) -> VfsResult<()> {
        let NameRow { parent, name, ino } = self.name;
        let Some(new) = name_in(tx, self.album, file, self.part)?.filter(|new| *new != name) else { return Ok(()) };
        if tx.find_name(parent, &new)?.is_some() {
            return Ok(());
        }
        let Some(node) = tx.load_node(ino)? else { return Ok(()) };
        move_local_name(tx, (parent, &name), (parent, &new), &node, now, dirty)
    }
}

/// What an album calls a photo, or the clip of a live one.
fn name_in(rows: &Rows<'_>, album: AlbumNo, file: FileId, part: Part) -> StoreResult<Option<Vec<u8>>> {
    let member = rows.load_member(album, file)?.filter(MemberRow::is_visible);
    let listing = member.and_then(|member| if part == Part::Clip { member.clip } else { member.listing });
    Ok(listing.map(|listing| listing.name))
}

/// Whether an entry is renamed where it is. What is renamed over another takes its place, and leaves its photo the name
/// that Ente has.
fn is_renamed_alone(rename: &Rename<'_>, node: &NodeRow) -> bool {
    let renamed = rename.from.ino == rename.to.ino && rename.entry.name[..] != *rename.name;
    renamed && (node.file.is_some() || rename.occupant.is_none())
}

/// The own photo whose place a file is to take.
fn replaced_by(rows: &Rows<'_>, ino: Ino) -> StoreResult<Option<FileId>> {
    let file = current_upload(rows, ino)?.and_then(|upload| upload.supersedes);
    let file = file.map(|file| rows.load_file(file)).transpose()?.flatten();
    Ok(file.filter(|file| file.own).map(|file| file.id))
}
