//! `info`: everything that is known of an entry.

use crate::base::calendar::rfc3339;
use crate::base::{AlbumNo, FileId, Ino, Printable};
use crate::cache::Cache;
use crate::namespace::{
    Namespace, NamespaceError, RecordFacts, content_of, current_upload, photo_of, reason_of, state_of,
};
use crate::store::{MemberRow, Rows, StoreError, StoreResult, UploadBlob};
use crate::tree::FixedPlace;
use serde::{Deserialize, Serialize};

/// What is known of one entry. What is not known, or makes no sense for it, is left out.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct EntryInfo {
    pub path: String,
    pub found: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// Ente's number of the photo.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub albums: Vec<String>,
    /// BLAKE2b-512, as Ente has it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub taken: Option<String>,
    /// Of a photo in Ente's trash: when it is deleted for good.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delete_by: Option<String>,
    /// Latitude and longitude in degrees.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub place: Option<(f64, f64)>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub size: Option<u64>,
    /// Where the bytes are on this machine: `spool`, `cache`, or `not complete`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub local_copy: Option<String>,
}

/// The inode at a path of components separated by slashes, from the mount on.
///
/// # Errors
/// Where a directory on the way cannot be read.
pub fn resolve(namespace: &Namespace, path: &[u8]) -> Result<Option<Ino>, NamespaceError> {
    let mut at = Ino::ROOT;
    for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".") {
        match namespace.lookup(at, name) {
            Ok(Some((entry, _))) => at = entry.ino,
            Ok(None) | Err(NamespaceError::NotDirectory) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(at))
}

/// What is known of the entry at `path`. Without a cache nothing is said of copies in it.
///
/// # Errors
/// Where a directory on the way, or the store, cannot be read.
pub fn collect_info(namespace: &Namespace, cache: Option<&Cache>, path: &[u8]) -> Result<EntryInfo, NamespaceError> {
    let shown = Printable(path).to_string();
    let Some(ino) = resolve(namespace, path)? else { return Ok(EntryInfo { path: shown, ..EntryInfo::default() }) };
    let size = namespace.attr(ino)?.map(|attr| attr.size).filter(|_| FixedPlace::of(ino).is_none());
    let info = namespace.store().read(|rows| entry_info(rows, cache, ino))?;
    Ok(EntryInfo { path: shown, found: true, size, ..info })
}

fn entry_info(rows: &Rows<'_>, cache: Option<&Cache>, ino: Ino) -> StoreResult<EntryInfo> {
    let upload = current_upload(rows, ino)?;
    let detail = upload.as_ref().map(|row| rows.load_upload_blob(row.no, UploadBlob::Detail)).transpose()?.flatten();
    let mut info = EntryInfo {
        state: state_of(rows, ino)?.map(|state| state.word().to_owned()),
        reason: reason_of(rows, ino)?,
        detail: detail.map(|text| String::from_utf8_lossy(&text).into_owned()),
        ..EntryInfo::default()
    };
    if let Some(file) = photo_of(rows, ino)? {
        describe_photo(rows, file, &mut info)?;
    }
    info.local_copy = local_copy(rows, cache, ino, upload.is_some())?.map(str::to_owned);
    Ok(info)
}

fn describe_photo(rows: &Rows<'_>, file: FileId, info: &mut EntryInfo) -> StoreResult<()> {
    info.id = Some(file.0);
    info.albums = rows
        .load_memberships(file)?
        .iter()
        .filter(|member| member.is_visible())
        .map(|member| album_name(rows, member))
        .collect::<StoreResult<_>>()?;
    let delete_by = rows.load_file(file)?.and_then(|row| row.delete_by);
    info.delete_by = delete_by.map(rfc3339);
    if let Some(facts) = RecordFacts::load(rows, file)? {
        (info.taken, info.hash, info.place) = (facts.taken(), facts.hash(), facts.place());
    }
    Ok(())
}

fn album_name(rows: &Rows<'_>, member: &MemberRow) -> StoreResult<String> {
    let missing = StoreError::Malformed { table: "members" };
    let album: AlbumNo = member.album;
    Ok(rows.load_album(album)?.ok_or(missing)?.display_name().to_owned())
}

fn local_copy(
    rows: &Rows<'_>,
    cache: Option<&Cache>,
    ino: Ino,
    is_under_way: bool,
) -> StoreResult<Option<&'static str>> {
    if is_under_way {
        return Ok(Some("spool"));
    }
    if rows.load_node(ino)?.is_some_and(|node| node.kind.is_directory()) {
        return Ok(None);
    }
    let (Some(content), Some(cache)) = (content_of(rows, ino)?, cache) else { return Ok(None) };
    let key = cache.key(content.file, &content.header, content.part);
    let present = cache.get(key, content.size).present(0..content.size);
    Ok(Some(if present { "cache" } else { "not complete" }))
}
