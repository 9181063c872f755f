//! Where a path that was told of leads now: directories that are gone are made again.

use super::change::Dirty;
use crate::base::{Ino, Nanos};
use crate::store::{AlbumRow, NodeKind, NodeRow, Rows, StoreResult, Tx};
use crate::tree::{DropRules, FixedPlace, suffixed};

/// The directory at these components from the mount on: an album's that is still there under that name, or one in a
/// drop, made where it is missing. What lay elsewhere leads below `Drop/`, under the same directory names, so that it
/// reaches an album of the same name.
///
/// # Errors
/// Where the store cannot be read or written, here and below.
pub fn directory_at(tx: &Tx<'_>, rules: &DropRules, dirs: &[&[u8]], now: Nanos, dirty: &mut Dirty) -> StoreResult<Ino> {
    match album_directory(tx, dirs)? {
        Some(album) => Ok(album),
        None => make_directories(tx, rules, dirs, now, dirty),
    }
}

/// The name, with a suffix where something else has it there.
pub fn free_name(rows: &Rows<'_>, dir: Ino, name: &[u8]) -> StoreResult<Vec<u8>> {
    for n in 1.. {
        let candidate = suffixed(name, n);
        if !is_name_taken(rows, dir, &candidate)? {
            return Ok(candidate);
        }
    }
    Ok(name.to_vec())
}

/// Whether a directory has something of this name.
pub fn is_name_taken(rows: &Rows<'_>, dir: Ino, name: &[u8]) -> StoreResult<bool> {
    let photo = match rows.load_album_by_ino(dir)? {
        Some(album) => rows.find_member(album.no, name)?.is_some(),
        None => false,
    };
    Ok(photo || rows.find_name(dir, name)?.is_some())
}

/// The directory of an album that is still there under that name.
fn album_directory(rows: &Rows<'_>, dirs: &[&[u8]]) -> StoreResult<Option<Ino>> {
    let is = |place: FixedPlace| move |part: &&[u8]| *part == place.name().as_bytes();
    match dirs {
        [place] if is(FixedPlace::Favorites)(place) => Ok(Some(FixedPlace::Favorites.ino())),
        [place] if is(FixedPlace::Uncategorized)(place) => Ok(Some(FixedPlace::Uncategorized.ino())),
        [trash, files] if is(FixedPlace::DotTrash)(trash) && is(FixedPlace::TrashFiles)(files) => {
            Ok(Some(FixedPlace::TrashFiles.ino()))
        }
        [trash, info] if is(FixedPlace::DotTrash)(trash) && is(FixedPlace::TrashInfo)(info) => {
            Ok(Some(FixedPlace::TrashInfo.ino()))
        }
        [list, album] => {
            let lists = [FixedPlace::Albums, FixedPlace::Archive, FixedPlace::Hidden];
            let list = lists.into_iter().find(|place| is(*place)(list)).map(FixedPlace::ino);
            album_called(rows, |row| row.list().is_some() && row.list() == list, album)
        }
        [shared, owner, album] if is(FixedPlace::Shared)(shared) => {
            let email = std::str::from_utf8(owner).unwrap_or_default();
            album_called(rows, |row| row.owner.as_ref().is_some_and(|owner| owner.email == email), album)
        }
        _ => Ok(None),
    }
}

fn album_called(rows: &Rows<'_>, fits: impl Fn(&AlbumRow) -> bool, shown: &[u8]) -> StoreResult<Option<Ino>> {
    let albums = rows.load_albums()?;
    let found = albums.iter().find(|row| row.is_listed() && fits(row) && row.shown.as_deref() == Some(shown));
    Ok(found.map(|row| row.ino))
}

fn make_directories(tx: &Tx<'_>, rules: &DropRules, dirs: &[&[u8]], now: Nanos, dirty: &mut Dirty) -> StoreResult<Ino> {
    let owned: Vec<Vec<u8>> = dirs.iter().map(|dir| dir.to_vec()).collect();
    let inside = rules.find(&owned).is_some();
    let outside = [vec![b"Drop".to_vec()], owned.iter().skip(1).cloned().collect()].concat();
    let path = if inside { owned } else { outside };
    let mut parent = Ino::ROOT;
    for (depth, name) in path.iter().enumerate() {
        parent = match tx.find_name(parent, name)? {
            Some(known) => known,
            None => {
                let kind = if depth == 0 { NodeKind::DropRoot } else { NodeKind::Directory };
                let ino = tx.next_ino()?;
                tx.save_node(&NodeRow::new(ino, kind, 0o755, now))?;
                tx.save_name(parent, name, ino)?;
                dirty.name(parent, name);
                ino
            }
        };
    }
    Ok(parent)
}
