//! Where an inode lies in the mount.

use crate::base::{AlbumKind, FileId, Ino, Part};
use crate::store::{AlbumRow, MemberRow, Rows, StoreResult};
use crate::tree::{FixedPlace, safe_name};

/// Deeper than any path the kernel resolves.
const MAX_DEPTH: usize = 2048;

/// The components of a path to an inode, from the mount on; of several the first. `None` where it has no name. An
/// album that is not shown (any more) counts by its own name, and a photo that no album shows lies in Uncategorized:
/// what was written there still goes to Ente.
///
/// # Errors
/// Where the store cannot be read.
pub fn path_of(rows: &Rows<'_>, ino: Ino) -> StoreResult<Option<Vec<Vec<u8>>>> {
    let mut path = Vec::new();
    let mut at = ino;
    for _ in 0..MAX_DEPTH {
        if at == Ino::ROOT {
            path.reverse();
            return Ok(Some(path));
        }
        let Some((parent, name)) = step_up(rows, at)? else { return Ok(None) };
        path.push(name);
        at = parent;
    }
    Ok(None)
}

fn step_up(rows: &Rows<'_>, ino: Ino) -> StoreResult<Option<(Ino, Vec<u8>)>> {
    if let Some(place) = FixedPlace::of(ino) {
        return Ok(Some((place.parent().ino(), place.name().into())));
    }
    if let Some(name) = rows.load_names_of(ino)?.into_iter().next() {
        return Ok(Some((name.parent, name.name)));
    }
    if let Some(album) = rows.load_album_by_ino(ino)? {
        let name =
            album.shown.clone().unwrap_or_else(|| safe_name(album.display_name().as_bytes(), FileId(album.no.0), ""));
        return Ok(Some((FixedPlace::Albums.ino(), name)));
    }
    let Some(content) = rows.load_content_by_ino(ino)? else { return Ok(None) };
    for member in rows.load_memberships(content.file)?.into_iter().filter(MemberRow::is_visible) {
        let album = rows.load_album(member.album)?.filter(AlbumRow::has_directory);
        let listing = if content.part == Part::Clip { member.clip } else { member.listing };
        if let (Some(album), Some(listing)) = (album, listing) {
            return Ok(Some((directory_of(&album), listing.name)));
        }
    }
    let label = rows.load_file(content.file)?.and_then(|file| file.label);
    Ok(label.map(|label| {
        let name = safe_name(label.display_name().as_bytes(), content.file, ".jpg");
        (FixedPlace::Uncategorized.ino(), name)
    }))
}

/// The directory that shows an album.
pub fn directory_of(album: &AlbumRow) -> Ino {
    match album.kind {
        AlbumKind::Favorites => FixedPlace::Favorites.ino(),
        AlbumKind::Uncategorized => FixedPlace::Uncategorized.ino(),
        AlbumKind::Album | AlbumKind::Folder => album.ino,
    }
}
