//! Changes to the account: shown at once, recorded to be pushed. These run inside a transaction.

use super::change::Dirty;
use super::members::{enter, leave, name_album_directory, rename_photo};
use super::path::directory_of;
use crate::base::{AlbumKind, AlbumNo, FileId, Ino, Nanos, Timestamp, Visibility};
use crate::crypto::CollectionKey;
use crate::store::{AlbumRow, AlbumState, MemberRow, NewAlbum, NewOp, OpKind, Rows, StoreError, StoreResult, Tx};
use crate::tree::FixedPlace;
use std::time::Duration;

/// An empty album made here is pushed after this long, under the name it then has (semantics 3).
pub const ALBUM_DELAY: Duration = Duration::from_secs(10);

/// A new own album that the server does not know yet. It has no directory name; the caller gives it one.
///
/// # Errors
/// Where the store cannot be read or written, here and below.
pub fn make_album(
    tx: &Tx<'_>,
    kind: AlbumKind,
    name: &str,
    due: Timestamp,
    now: Nanos,
    dirty: &mut Dirty,
) -> StoreResult<AlbumNo> {
    let ino = match kind {
        AlbumKind::Favorites => FixedPlace::Favorites.ino(),
        AlbumKind::Uncategorized => FixedPlace::Uncategorized.ino(),
        AlbumKind::Album | AlbumKind::Folder => tx.next_ino()?,
    };
    make_album_at(tx, ino, kind, name, due, now, dirty)
}

/// `make_album`, whose directory has this number.
pub fn make_album_at(
    tx: &Tx<'_>,
    ino: Ino,
    kind: AlbumKind,
    name: &str,
    due: Timestamp,
    now: Nanos,
    dirty: &mut Dirty,
) -> StoreResult<AlbumNo> {
    let key = CollectionKey::random();
    let album = tx.insert_album(&NewAlbum {
        remote: None,
        own: true,
        kind,
        ino,
        key: &key,
        create_request: None,
        name,
        state: AlbumState::Local,
        create_after: Some(due),
        mtime: now,
    })?;
    dirty.album(album);
    dirty.dir(ino);
    Ok(album)
}

/// The album of a kind that there is one of, made where there is none.
pub fn special_album(tx: &Tx<'_>, kind: AlbumKind, now: Nanos, dirty: &mut Dirty) -> StoreResult<AlbumNo> {
    if let Some(album) = tx.load_special_album(kind)? {
        return Ok(album.no);
    }
    // The names Ente's clients give them (protocol notes, data 1.1).
    let name = if kind == AlbumKind::Favorites { "Favorites" } else { "Uncategorized" };
    make_album(tx, kind, name, now.to_timestamp(), now, dirty)
}

/// Albums, other than `from`, that keep a photo out of Uncategorized (semantics 4.1).
pub fn other_homes(rows: &Rows<'_>, file: FileId, from: AlbumNo) -> StoreResult<Vec<AlbumRow>> {
    let mut homes = Vec::new();
    for member in rows.load_memberships(file)?.into_iter().filter(MemberRow::is_visible) {
        if member.album != from
            && let Some(album) = rows.load_album(member.album)?.filter(AlbumRow::is_home)
        {
            homes.push(album);
        }
    }
    Ok(homes)
}

/// The photo leaves an album; without another home it goes to Uncategorized (I11).
pub fn leave_album(tx: &Tx<'_>, from: AlbumNo, file: FileId, now: Nanos, dirty: &mut Dirty) -> StoreResult<()> {
    let home = other_homes(tx, file, from)?.into_iter().next();
    let to = match &home {
        Some(home) => home.no,
        None => special_album(tx, AlbumKind::Uncategorized, now, dirty)?,
    };
    if to == from {
        return Ok(());
    }
    let op =
        NewOp { file: Some(file), from: Some(from), to: Some(to), ..NewOp::new(OpKind::Leave, now.to_timestamp()) };
    tx.insert_op(&op)?;
    dirty.pending();
    leave(tx, from, file, dirty)?;
    // A home that it has now, too: it is there until the change is settled, whatever becomes of it elsewhere.
    enter(tx, to, file, dirty)
}

/// The photo moves from album to album.
pub fn move_photo(
    tx: &Tx<'_>,
    file: FileId,
    from: AlbumNo,
    to: AlbumNo,
    now: Nanos,
    dirty: &mut Dirty,
) -> StoreResult<()> {
    if from == to {
        return Ok(());
    }
    let op = NewOp { file: Some(file), from: Some(from), to: Some(to), ..NewOp::new(OpKind::Move, now.to_timestamp()) };
    tx.insert_op(&op)?;
    dirty.pending();
    leave(tx, from, file, dirty)?;
    enter(tx, to, file, dirty)
}

/// The photo joins an album; from Uncategorized into an own one that is always a move (semantics 2.9).
pub fn add_photo(tx: &Tx<'_>, file: FileId, to: AlbumNo, now: Nanos, dirty: &mut Dirty) -> StoreResult<()> {
    if tx.load_member(to, file)?.is_some_and(|member| member.is_visible()) {
        return Ok(());
    }
    let is_own = tx.load_album(to)?.is_none_or(|album| album.own);
    if let Some(uncategorized) = tx.load_special_album(AlbumKind::Uncategorized)?
        && uncategorized.no != to
        && is_own
        && tx.load_member(uncategorized.no, file)?.is_some_and(|member| member.is_visible())
    {
        return move_photo(tx, file, uncategorized.no, to, now, dirty);
    }
    tx.insert_op(&NewOp { file: Some(file), to: Some(to), ..NewOp::new(OpKind::Add, now.to_timestamp()) })?;
    dirty.pending();
    enter(tx, to, file, dirty)
}

/// The photo, last in `from`, goes to Ente's trash, out of every album.
pub fn trash_in_ente(tx: &Tx<'_>, file: FileId, from: AlbumNo, now: Nanos, dirty: &mut Dirty) -> StoreResult<()> {
    tx.insert_op(&NewOp { file: Some(file), from: Some(from), ..NewOp::new(OpKind::Trash, now.to_timestamp()) })?;
    dirty.pending();
    for member in tx.load_memberships(file)?.into_iter().filter(MemberRow::is_visible) {
        tx.save_member_want(member.album, file, Some(false))?;
    }
    enter(tx, AlbumNo::TRASH, file, dirty)
}

/// The photo comes out of Ente's trash, into an own album.
pub fn restore_photo(tx: &Tx<'_>, file: FileId, to: AlbumNo, now: Nanos, dirty: &mut Dirty) -> StoreResult<()> {
    tx.insert_op(&NewOp { file: Some(file), to: Some(to), ..NewOp::new(OpKind::Restore, now.to_timestamp()) })?;
    dirty.pending();
    leave(tx, AlbumNo::TRASH, file, dirty)?;
    enter(tx, to, file, dirty)
}

/// The photo gets an edited name: one name, in every album.
pub fn name_photo(tx: &Tx<'_>, file: FileId, name: &str, now: Nanos, dirty: &mut Dirty) -> StoreResult<()> {
    let op = NewOp { file: Some(file), name: Some(name.into()), ..NewOp::new(OpKind::NamePhoto, now.to_timestamp()) };
    tx.insert_op(&op)?;
    dirty.pending();
    tx.save_file_want_name(file, Some(name))?;
    rename_photo(tx, file, dirty)
}

/// The photo's public metadata gets these fields; `null` takes one away. The next pull shows them.
pub fn edit_photo(
    tx: &Tx<'_>,
    file: FileId,
    fields: &serde_json::Map<String, serde_json::Value>,
    now: Nanos,
    dirty: &mut Dirty,
) -> StoreResult<()> {
    let name = Some(serde_json::Value::Object(fields.clone()).to_string());
    tx.insert_op(&NewOp { file: Some(file), name, ..NewOp::new(OpKind::EditPhoto, now.to_timestamp()) })?;
    dirty.pending();
    Ok(())
}

/// The album gets another name, and its directory that very one.
pub fn name_album(tx: &Tx<'_>, album: &AlbumRow, name: &str, now: Nanos, dirty: &mut Dirty) -> StoreResult<()> {
    if album.state == AlbumState::Local && tx.load_create_request(album.no)?.is_none() {
        tx.save_album_name(album.no, name)?;
    } else {
        let op = NewOp {
            from: Some(album.no),
            name: Some(name.into()),
            ..NewOp::new(OpKind::NameAlbum, now.to_timestamp())
        };
        tx.insert_op(&op)?;
        dirty.pending();
        tx.save_album_want_name(album.no, Some(name))?;
    }
    if let Some(list) = album.list() {
        tx.save_album_shown(album.no, list, name.as_bytes())?;
    }
    dirty.album(album.no);
    Ok(())
}

/// The album is archived, hidden or shown again, and its directory goes to that list under `name`.
pub fn shelve_album(
    tx: &Tx<'_>,
    album: &AlbumRow,
    visibility: Visibility,
    name: &[u8],
    now: Nanos,
    dirty: &mut Dirty,
) -> StoreResult<()> {
    tx.insert_op(&NewOp { from: Some(album.no), ..NewOp::new(OpKind::ShelveAlbum, now.to_timestamp()) })?;
    dirty.pending();
    tx.save_album_want_visibility(album.no, Some(visibility))?;
    let list = FixedPlace::of_albums(visibility).ino();
    tx.clear_album_shown(album.no)?;
    if tx.is_album_name_taken(list, name)? {
        name_album_directory(tx, album.no, dirty)?;
    } else {
        tx.save_album_shown(album.no, list, name)?;
    }
    dirty.album(album.no);
    Ok(())
}

/// The photo leaves whatever album it is in: an own one as [`leave_album`] says, somebody else's just so (semantics 4.4).
pub fn withdraw_photo(tx: &Tx<'_>, from: AlbumNo, file: FileId, now: Nanos, dirty: &mut Dirty) -> StoreResult<()> {
    if tx.load_album(from)?.is_none_or(|album| album.own) {
        return leave_album(tx, from, file, now, dirty);
    }
    // An own photo that only lives in somebody else's album would be nowhere (I11).
    if !has_own_album(tx, file)? {
        let home = special_album(tx, AlbumKind::Uncategorized, now, dirty)?;
        add_photo(tx, file, home, now, dirty)?;
    }
    let op = NewOp { file: Some(file), from: Some(from), ..NewOp::new(OpKind::LeaveShared, now.to_timestamp()) };
    tx.insert_op(&op)?;
    dirty.pending();
    leave(tx, from, file, dirty)
}

fn has_own_album(rows: &Rows<'_>, file: FileId) -> StoreResult<bool> {
    for member in rows.load_memberships(file)?.into_iter().filter(MemberRow::is_visible) {
        if rows.load_album(member.album)?.is_some_and(|album| album.own && album.is_present()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// An own photo goes from album to album; where one of them is somebody else's, it joins and then leaves.
pub fn transfer_photo(
    tx: &Tx<'_>,
    file: FileId,
    from: AlbumNo,
    to: AlbumNo,
    now: Nanos,
    dirty: &mut Dirty,
) -> StoreResult<()> {
    let own = |no| Ok::<_, StoreError>(tx.load_album(no)?.is_none_or(|album: AlbumRow| album.own));
    if own(from)? && own(to)? {
        return move_photo(tx, file, from, to, now, dirty);
    }
    if from == to {
        return Ok(());
    }
    add_photo(tx, file, to, now, dirty)?;
    withdraw_photo(tx, from, file, now, dirty)
}

/// The empty album is deleted; one that the server never heard of simply goes.
pub fn delete_album(tx: &Tx<'_>, album: &AlbumRow, now: Nanos, dirty: &mut Dirty) -> StoreResult<()> {
    if album.state == AlbumState::Local && tx.load_create_request(album.no)?.is_none() {
        tx.save_album_state(album.no, AlbumState::Deleted)?;
    } else {
        tx.insert_op(&NewOp { from: Some(album.no), ..NewOp::new(OpKind::DeleteAlbum, now.to_timestamp()) })?;
        dirty.pending();
        tx.save_album_state(album.no, AlbumState::Deleting)?;
    }
    tx.clear_album_shown(album.no)?;
    for directory in tx.load_directories_of_album(album.no)? {
        tx.save_node_album(directory.ino, None)?;
    }
    dirty.album(album.no);
    dirty.dir(directory_of(album));
    Ok(())
}
