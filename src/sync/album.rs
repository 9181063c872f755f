//! Albums from the list: known ones are brought up to date, new ones taken in, deleted ones ended.

use super::pull::SyncError;
use crate::account::{AccountKeys, OpenMagic, open_collection_name, open_magic};
use crate::base::{AlbumId, AlbumKind, AlbumNo, Ino, Nanos, Role, Visibility};
use crate::crypto::CollectionKey;
use crate::namespace::{Dirty, directory_of, name_album_directory, relist};
use crate::store::{AlbumRow, AlbumState, NewAlbum, Owner, StoreResult, Tx};
use crate::wire::Collection;
use serde_json::Value;

/// An album as the server has it, opened.
pub(super) struct AlbumRecord {
    id: AlbumId,
    own: bool,
    kind: AlbumKind,
    deleted: bool,
    key: CollectionKey,
    name: String,
    visibility: Visibility,
    quick_link: bool,
    shared: bool,
    /// Whose it is, and what we may do in it; `None` for an own one.
    shared_by: Option<(Owner, Role)>,
    updation: crate::base::Timestamp,
    wrapped_key: crate::base::B64,
}

/// Opens an album; what cannot be opened is skipped by the caller (the server accepts any bytes for a key).
pub(super) fn open_album(keys: &AccountKeys, album: &Collection) -> Result<AlbumRecord, SyncError> {
    let own = album.owner.id == keys.user;
    let key = keys.open_collection_key(album)?;
    // A name that does not open must not hide the album's photos.
    let name = open_collection_name(album, &key).map(|name| String::from_utf8_lossy(&name).into_owned());
    let settings = if own { &album.magic_metadata } else { &album.shared_magic_metadata };
    let settings = open_magic(&key, settings.as_ref());
    let sub_type = if own { number(&settings, "subType") } else { 0 };
    Ok(AlbumRecord {
        id: album.id,
        own,
        kind: if own { AlbumKind::from_wire(&album.kind) } else { AlbumKind::Album },
        deleted: album.is_deleted,
        name: name.unwrap_or_else(|_| format!("Album {}", album.id)),
        visibility: Visibility::from_wire(number(&settings, "visibility")),
        quick_link: sub_type == 2,
        shared: !album.sharees.is_empty() || !album.public_urls.is_empty(),
        shared_by: (!own)
            .then(|| (Owner { id: album.owner.id, email: album.owner.email.clone() }, role_in(album, keys))),
        updation: album.updation_time,
        wrapped_key: album.encrypted_key.clone(),
        key,
    })
}

/// What we may do in somebody's album; a word that is not known gives least.
fn role_in(album: &Collection, keys: &AccountKeys) -> Role {
    let us = album.sharees.iter().find(|member| member.id == keys.user);
    us.and_then(|member| Role::from_wire(&member.role)).unwrap_or(Role::Viewer)
}

fn number(magic: &OpenMagic, key: &str) -> i64 {
    magic.get(key).and_then(Value::as_i64).unwrap_or(0)
}

/// Brings one album up to date.
pub(super) fn apply_album(tx: &Tx<'_>, record: &AlbumRecord, now: Nanos, dirty: &mut Dirty) -> StoreResult<()> {
    let known = match tx.load_album_by_remote(record.id)? {
        Some(known) => Some(known),
        None => adopt_local(tx, record)?,
    };
    match known {
        None if record.deleted => Ok(()),
        None => insert(tx, record, now, dirty),
        Some(known) if record.deleted => end_album(tx, &known, dirty),
        Some(known) => update(tx, &known, record, dirty),
    }
}

/// An album made here whose making was not confirmed: known by its wrapped key, or by its kind.
fn adopt_local(tx: &Tx<'_>, record: &AlbumRecord) -> StoreResult<Option<AlbumRow>> {
    if !record.own || record.deleted {
        return Ok(None);
    }
    for album in tx.load_albums()?.into_iter().filter(|album| album.state == AlbumState::Local) {
        let special =
            matches!(album.kind, AlbumKind::Favorites | AlbumKind::Uncategorized) && album.kind == record.kind;
        let request = tx.load_create_request(album.no)?;
        let request = request.and_then(|bytes| serde_json::from_slice::<crate::wire::CreateCollection>(&bytes).ok());
        let same = request.is_some_and(|request| request.encrypted_key == record.wrapped_key);
        if same || special {
            tx.save_album_made(album.no, record.id)?;
            tx.save_album_key(album.no, &record.key)?;
            return tx.load_album(album.no);
        }
    }
    Ok(None)
}

fn insert(tx: &Tx<'_>, record: &AlbumRecord, now: Nanos, dirty: &mut Dirty) -> StoreResult<()> {
    let special = matches!(record.kind, AlbumKind::Favorites | AlbumKind::Uncategorized);
    // There is one of each kind; should the server say otherwise, the first keeps the place.
    let taken = special && tx.load_special_album(record.kind)?.is_some();
    let ino = match record.kind {
        AlbumKind::Favorites if record.own && !taken => crate::tree::FixedPlace::Favorites.ino(),
        AlbumKind::Uncategorized if record.own && !taken => crate::tree::FixedPlace::Uncategorized.ino(),
        _ => Ino::of_album(record.id).map_or_else(|| tx.next_ino(), Ok)?,
    };
    let no = tx.insert_album(&NewAlbum {
        remote: Some(record.id),
        own: record.own,
        kind: if taken { AlbumKind::Album } else { record.kind },
        ino,
        key: &record.key,
        create_request: None,
        name: &record.name,
        state: AlbumState::Live,
        create_after: None,
        mtime: now,
    })?;
    save_facts(tx, no, record)?;
    dirty.album(no);
    dirty.dir(ino);
    Ok(())
}

fn update(tx: &Tx<'_>, known: &AlbumRow, record: &AlbumRecord, dirty: &mut Dirty) -> StoreResult<()> {
    if known.state == AlbumState::Deleted {
        // Shared again after it was taken away: from the beginning (protocol notes, data 1.4).
        tx.save_album_state(known.no, AlbumState::Live)?;
        tx.save_album_cursor(known.no, crate::base::Timestamp::ZERO)?;
    }
    save_facts(tx, known.no, record)?;
    if known.name != record.name {
        tx.save_album_name(known.no, &record.name)?;
    }
    let was_listed = known.shown.is_some();
    let changed = known.name != record.name && known.want_name.is_none();
    let shelved = known.visibility != record.visibility && known.want_visibility.is_none();
    if known.complete && (changed || shelved || !was_listed) {
        rename_directory(tx, known.no, dirty)?;
    }
    if (known.visibility, known.quick_link) != (record.visibility, record.quick_link) {
        // Its photos have a link more or less wherever else they are shown (semantics 1.1).
        for file in tx.load_shared_members(known.no)? {
            relist(tx, file, dirty)?;
        }
    }
    dirty.album(known.no);
    Ok(())
}

/// The directory follows the album's name, and goes where the album is not listed any more.
fn rename_directory(tx: &Tx<'_>, no: AlbumNo, dirty: &mut Dirty) -> StoreResult<()> {
    let Some(album) = tx.load_album(no)? else { return Ok(()) };
    if album.is_listed() {
        name_album_directory(tx, no, dirty)
    } else {
        tx.clear_album_shown(no)?;
        dirty.dir(album.ino);
        Ok(())
    }
}

fn save_facts(tx: &Tx<'_>, no: AlbumNo, record: &AlbumRecord) -> StoreResult<()> {
    if let Some((owner, role)) = &record.shared_by {
        tx.save_album_owner(no, owner, *role)?;
    }
    tx.save_album_facts(no, record.kind, record.visibility, record.quick_link, record.shared, record.updation)
}

/// Deleted, or taken away: its memberships end, its directory goes. Local files in it stay where they are.
fn end_album(tx: &Tx<'_>, known: &AlbumRow, dirty: &mut Dirty) -> StoreResult<()> {
    if known.state == AlbumState::Deleted {
        return Ok(());
    }
    let mut members = Vec::new();
    tx.for_each_member(known.no, |file| members.push(file))?;
    tx.end_members(known.no)?;
    tx.save_album_state(known.no, AlbumState::Deleted)?;
    tx.clear_album_shown(known.no)?;
    for directory in tx.load_directories_of_album(known.no)? {
        tx.save_node_album(directory.ino, None)?;
    }
    for file in members {
        relist(tx, file, dirty)?;
    }
    dirty.album(known.no);
    dirty.dir(directory_of(known));
    Ok(())
}
