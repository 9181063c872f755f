//! Which album a file of this machine goes to (semantics 2.8): the directory remembers it by its number; until
//! then it is the own album of exactly that name.

use super::change::Dirty;
use super::members::name_album_directory;
use super::ops::make_album;
use super::path::path_of;
use crate::base::{AlbumKind, AlbumNo, Ino, Nanos, Visibility};
use crate::store::{AlbumRow, NodeKind, NodeRow, Rows, StoreResult, Tx};
use crate::tree::{AlbumMapping, DropRules, FixedPlace, album_name_for};

/// Where the photos of a directory go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Destination {
    /// An album that is there.
    Album(AlbumNo),
    /// One of this name, to be made; `remember` is the directory that keeps its number.
    Named { name: String, remember: Ino },
    /// The favorites album, not made yet, or Uncategorized.
    Special(AlbumKind),
}

/// Where a file in `dir` goes; nothing is made. `None` where the directory has no place in the tree.
///
/// # Errors
/// Where the store cannot be read or written, here and below.
pub fn destination(rows: &Rows<'_>, rules: &DropRules, dir: Ino) -> StoreResult<Option<Destination>> {
    match FixedPlace::of(dir) {
        Some(FixedPlace::Favorites) => return special(rows, AlbumKind::Favorites).map(Some),
        Some(FixedPlace::Uncategorized) => return special(rows, AlbumKind::Uncategorized).map(Some),
        Some(_) => return Ok(None),
        None => {}
    }
    if let Some(album) = rows.load_album_by_ino(dir)? {
        // Deleted elsewhere meanwhile: what was put there must not be lost with it.
        return match album.is_present() {
            true => Ok(Some(Destination::Album(album.no))),
            false => special(rows, AlbumKind::Uncategorized).map(Some),
        };
    }
    let Some(node) = rows.load_node(dir)? else { return Ok(None) };
    let Some(path) = path_of(rows, dir)? else { return Ok(None) };
    let Some((name, remember)) = album_name(rows, rules, &node, &path)? else { return Ok(None) };
    let keeper = rows.load_node(remember)?.and_then(|node| node.album);
    if let Some(album) = keeper.map(|album| rows.load_album(album)).transpose()?.flatten().filter(AlbumRow::is_present)
    {
        return Ok(Some(Destination::Album(album.no)));
    }
    Ok(Some(match find_own_album(rows, &name)? {
        Some(album) => Destination::Album(album),
        None => Destination::Named { name, remember },
    }))
}

fn special(rows: &Rows<'_>, kind: AlbumKind) -> StoreResult<Destination> {
    Ok(rows.load_special_album(kind)?.map_or(Destination::Special(kind), |album| Destination::Album(album.no)))
}

/// The album's name and the directory that remembers it.
fn album_name(
    rows: &Rows<'_>,
    rules: &DropRules,
    node: &NodeRow,
    path: &[Vec<u8>],
) -> StoreResult<Option<(String, Ino)>> {
    if let Some((drop, below)) = rules.find(path) {
        let root = ancestor(rows, node.ino, below.len())?;
        let remember = if drop.albums == AlbumMapping::Single { root } else { node.ino };
        return Ok(Some((album_name_for(drop, below), remember)));
    }
    inside_album(rows, node.ino, path)
}

/// A directory inside an album behaves as a drop of one album, called after both (semantics 3).
fn inside_album(rows: &Rows<'_>, dir: Ino, path: &[Vec<u8>]) -> StoreResult<Option<(String, Ino)>> {
    let lists = [FixedPlace::Albums, FixedPlace::Archive, FixedPlace::Hidden];
    let Some((list, below)) = path.split_first() else { return Ok(None) };
    if !lists.iter().any(|known| known.name().as_bytes() == list) {
        return Ok(None);
    }
    let top = ancestor(rows, dir, below.len().saturating_sub(2))?;
    let shown = |part: &Vec<u8>| String::from_utf8_lossy(part).into_owned();
    Ok(match below {
        [album, sub, ..] => Some((format!("{} - {}", shown(album), shown(sub)), top)),
        _ => None,
    })
}

fn ancestor(rows: &Rows<'_>, mut dir: Ino, steps: usize) -> StoreResult<Ino> {
    for _ in 0..steps {
        match rows.load_names_of(dir)?.into_iter().next() {
            Some(name) => dir = name.parent,
            None => break,
        }
    }
    Ok(dir)
}

/// The own, present album of exactly this name; of several the one that was known first.
fn find_own_album(rows: &Rows<'_>, name: &str) -> StoreResult<Option<AlbumNo>> {
    let fits = |album: &&AlbumRow| {
        album.own
            && album.is_present()
            && !album.quick_link
            && album.visibility() != Visibility::Hidden
            && matches!(album.kind, AlbumKind::Album | AlbumKind::Folder)
            && album.display_name() == name
    };
    Ok(rows.load_albums()?.iter().find(fits).map(|album| album.no))
}

/// The album a file in `dir` goes to, made where there is none, and remembered.
pub fn resolve_album(
    tx: &Tx<'_>,
    rules: &DropRules,
    dir: Ino,
    now: Nanos,
    dirty: &mut Dirty,
) -> StoreResult<Option<AlbumNo>> {
    let Some(destination) = destination(tx, rules, dir)? else { return Ok(None) };
    Ok(Some(match destination {
        Destination::Album(album) => {
            remember(tx, rules, dir, album)?;
            album
        }
        Destination::Special(kind) => super::ops::special_album(tx, kind, now, dirty)?,
        Destination::Named { name, remember } => {
            let album = make_album(tx, AlbumKind::Album, &name, now.to_timestamp(), now, dirty)?;
            name_album_directory(tx, album, dirty)?;
            tx.save_node_album(remember, Some(album))?;
            album
        }
    }))
}

/// The own album of this name, made where there is none.
///
/// # Errors
/// Where the store cannot be read or written.
pub fn album_named(tx: &Tx<'_>, name: &str, now: Nanos, dirty: &mut Dirty) -> StoreResult<AlbumNo> {
    if let Some(album) = find_own_album(tx, name)? {
        return Ok(album);
    }
    let due = now.to_timestamp().saturating_add(super::ops::ALBUM_DELAY);
    let album = make_album(tx, AlbumKind::Album, name, due, now, dirty)?;
    name_album_directory(tx, album, dirty)?;
    Ok(album)
}

/// From its first photo on the directory knows its album by number, whatever that is called later.
fn remember(tx: &Tx<'_>, rules: &DropRules, dir: Ino, album: AlbumNo) -> StoreResult<()> {
    let Some(node) = tx.load_node(dir)?.filter(|node| node.kind != NodeKind::File) else { return Ok(()) };
    let path = path_of(tx, dir)?.unwrap_or_default();
    if let Some((_, keeper)) = album_name(tx, rules, &node, &path)?
        && tx.load_node(keeper)?.is_some_and(|keeper| keeper.album != Some(album))
    {
        tx.save_node_album(keeper, Some(album))?;
    }
    Ok(())
}
