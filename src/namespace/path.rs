//! Where an inode lies in the mount.

use crate::base::{AlbumKind, FileId, Ino, InoKind, Part};
use crate::store::{AlbumRow, MemberRow, Owner, Rows, StoreResult};
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
    if let Some(InoKind::Owner(id)) = ino.kind() {
        let owners = rows.load_albums()?.into_iter().filter_map(|album| album.owner);
        let owner = owners.into_iter().find(|owner| owner.id == id);
        return Ok(owner.map(|owner| (FixedPlace::Shared.ino(), owner_name(&owner))));
    }
    if let Some(name) = rows.load_names_of(ino)?.into_iter().next() {
        return Ok(Some((name.parent, name.name)));
    }
    if let Some(album) = rows.load_album_by_ino(ino)? {
        let name =
            album.shown.clone().unwrap_or_else(|| safe_name(album.display_name().as_bytes(), FileId(album.no.0), ""));
        return Ok(Some((list_of(&album), name)));
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

/// The list that an album is in, or was.
fn list_of(album: &AlbumRow) -> Ino {
    let of_owner = |owner: &Owner| Ino::of_owner(owner.id).unwrap_or(FixedPlace::Shared.ino());
    let was = || album.owner.as_ref().map_or(FixedPlace::of_albums(album.visibility()).ino(), of_owner);
    album.list().unwrap_or_else(was)
}

/// The directory of somebody's albums in `Shared/`: the address, else a name from the number.
pub(super) fn owner_name(owner: &Owner) -> Vec<u8> {
    match owner.email.as_str() {
        "" => format!("user {}", owner.id.0).into_bytes(),
        email => safe_name(email.as_bytes(), FileId(owner.id.0), ""),
    }
}

/// The directory that shows an album.
pub fn directory_of(album: &AlbumRow) -> Ino {
    match album.kind {
        AlbumKind::Favorites => FixedPlace::Favorites.ino(),
        AlbumKind::Uncategorized => FixedPlace::Uncategorized.ino(),
        AlbumKind::Album | AlbumKind::Folder => album.ino,
    }
}
