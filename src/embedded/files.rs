//! Registration, new content, and what is asked of files (protocol notes, data 3.5, 3.6).
//!
//! Guarantees: the stamp of a registration or update is the arrival of its request, its commit comes after
//! the objects were looked at; so a reader may see a later stamp first, as on a real server (data 7.3).

use super::access;
use super::collections::magic_text;
use super::database::{all, id_list, one, run, value};
use super::details::{Demand, add_usage, check_quota};
use super::links;
use super::refusal::{Answer, Refusal};
use super::trash::REPLACED_OBJECTS;
use super::visit::{Bind, Body, Caller};
use crate::base::{FileId, Timestamp, UserId};
use crate::wire::{
    File, FileIds, FileInfo, FileInfoRow, FilesInfoAnswer, FilesSizeAnswer, MAX_OBJECT, MetadataAttributes,
    ObjectAttributes, RegisterFile, UpdateFile, UpdateFileAnswer, WrappedFile, code,
};
use axum::Json;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use rusqlite::{Connection, params};
use serde::Deserialize;
use std::time::Duration;

/// Objects that are not there are looked for again, as a slow storage would need.
const OBJECT_PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_millis(1000)];

/// Lengths of both objects in the storage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Sizes {
    file: i64,
    thumbnail: i64,
}

impl Sizes {
    fn sum(self) -> i64 {
        self.file.saturating_add(self.thumbnail)
    }
}

/// `POST /files`: with an ID it is an update.
pub(super) enum RegisterBody {
    New(RegisterFile),
    Update(UpdateFile),
}

#[derive(Deserialize)]
struct WithId {
    #[serde(default)]
    id: i64,
}

impl Bind for RegisterBody {
    fn bind(bytes: &Bytes) -> Answer<Self> {
        let Body(WithId { id }) = Body::bind(bytes)?;
        if id == 0 {
            Body::bind(bytes).map(|body| Self::New(body.0))
        } else {
            Body::bind(bytes).map(|body| Self::Update(body.0))
        }
    }
}

/// `POST /files`
pub(super) fn register(caller: &Caller, body: RegisterBody) -> Answer<Response> {
    match body {
        RegisterBody::New(request) => register_new(caller, request).map(|file| Json(file).into_response()),
        RegisterBody::Update(request) => apply_update(caller, &request).map(|done| Json(done).into_response()),
    }
}

fn register_new(caller: &Caller, request: RegisterFile) -> Answer<File> {
    if request.encrypted_key.is_empty() || request.key_decryption_nonce.is_empty() {
        return Err(Refusal::BAD_REQUEST);
    }
    super::collections::check_magic(request.magic_metadata.as_ref())?;
    super::collections::check_magic(request.pub_magic_metadata.as_ref())?;
    check_shape(&request.file, &request.thumbnail, &request.metadata)?;
    check_keys(caller.user, &request.file, &request.thumbnail)?;
    let sizes = match read_sizes(caller, &request.file, &request.thumbnail) {
        Some(sizes) => sizes,
        None => {
            caller.server.database.read(|tx| check_album(tx, caller, &request))?;
            wait_for_sizes(caller, &request.file, &request.thumbnail)
                .ok_or(Refusal::code(503, code::OBJECT_SIZE_FETCH_FAILED))?
        }
    };
    let id = caller.server.database.write(|tx| {
        check_album(tx, caller, &request)?;
        check_sizes(sizes, &request.file, &request.thumbnail)?;
        check_quota(tx, caller.user, Demand::Bytes(sizes.sum()), caller.now())?;
        match load_registered(tx, &request.file.object_key, &request.thumbnail.object_key)? {
            None => insert(tx, caller, &request, sizes),
            Some(id) => check_replay(tx, caller.user, id, &request, sizes),
        }
    })?;
    Ok(echo(caller, id, request, sizes))
}

/// The parts that may not be missing.
fn check_shape(file: &ObjectAttributes, thumbnail: &ObjectAttributes, metadata: &MetadataAttributes) -> Answer<()> {
    let required = [
        file.decryption_header.is_empty(),
        thumbnail.decryption_header.is_empty(),
        metadata.decryption_header.is_empty(),
        file.object_key.is_empty(),
        thumbnail.object_key.is_empty(),
    ];
    if required.contains(&true) { Err(Refusal::BAD_REQUEST) } else { Ok(()) }
}

/// Two different objects of the caller's own.
fn check_keys(user: UserId, file: &ObjectAttributes, thumbnail: &ObjectAttributes) -> Answer<()> {
    let prefix = format!("{user}/");
    let are_own = [file, thumbnail].iter().all(|object| object.object_key.starts_with(&prefix));
    if are_own && file.object_key != thumbnail.object_key { Ok(()) } else { Err(Refusal::BAD_REQUEST) }
}

fn check_album(tx: &Connection, caller: &Caller, request: &RegisterFile) -> Answer<()> {
    access::check_app(&access::load_album(tx, request.collection_id)?, caller.app)?;
    let album = access::load_own(tx, caller, request.collection_id)?;
    if album.is_deleted { Err(Refusal::code(404, code::COLLECTION_DELETED)) } else { Ok(()) }
}

fn read_sizes(caller: &Caller, file: &ObjectAttributes, thumbnail: &ObjectAttributes) -> Option<Sizes> {
    let size = |object: &ObjectAttributes| caller.server.objects.size(&object.object_key);
    Some(Sizes { file: size(file)?, thumbnail: size(thumbnail)? })
}

fn wait_for_sizes(caller: &Caller, file: &ObjectAttributes, thumbnail: &ObjectAttributes) -> Option<Sizes> {
    OBJECT_PAUSES.into_iter().find_map(|pause| {
        std::thread::sleep(pause);
        read_sizes(caller, file, thumbnail)
    })
}

/// 413 for what Ente does not take, 400 for a size that is not the object's; 0 says nothing.
fn check_sizes(sizes: Sizes, file: &ObjectAttributes, thumbnail: &ObjectAttributes) -> Answer<()> {
    if sizes.file > MAX_OBJECT as i64 {
        return Err(Refusal::TOO_LARGE);
    }
    let is_right = |sent: i64, found: i64| sent == 0 || sent == found;
    if is_right(file.size, sizes.file) && is_right(thumbnail.size, sizes.thumbnail) {
        Ok(())
    } else {
        Err(Refusal::BAD_REQUEST)
    }
}

/// A file that one of these objects belongs to, deleted ones too.
fn load_registered(tx: &Connection, file_key: &str, thumb_key: &str) -> Answer<Option<FileId>> {
    let sql = "SELECT file FROM objects WHERE object_key IN (?, ?) LIMIT 1";
    Ok(one(tx, sql, [file_key, thumb_key], |row| Ok(FileId(row.get(0)?)))?)
}

/// The answer to a repeat (data 3.5, replay table): nothing is written.
fn check_replay(tx: &Connection, user: UserId, id: FileId, request: &RegisterFile, sizes: Sizes) -> Answer<FileId> {
    let sql = "SELECT is_deleted, owner = ?2 AND file_key = ?3 AND thumb_key = ?4 AND file_header = ?5
                   AND thumb_header = ?6 AND metadata = ?7 AND metadata_header = ?8 AND file_size = ?9
                   AND thumb_size = ?10
               FROM files WHERE id = ?1";
    let row = params![
        id.0,
        user.0,
        request.file.object_key,
        request.thumbnail.object_key,
        request.file.decryption_header.0,
        request.thumbnail.decryption_header.0,
        request.metadata.encrypted_data.0,
        request.metadata.decryption_header.0,
        sizes.file,
        sizes.thumbnail,
    ];
    let found = one(tx, sql, row, |row| Ok((row.get::<_, bool>(0)?, row.get::<_, bool>(1)?)))?;
    match found {
        Some((false, true)) => Ok(id),
        Some((false, false)) => Err(Refusal::BAD_REQUEST),
        Some((true, _)) | None => Err(Refusal::INTERNAL),
    }
}

fn insert(tx: &Connection, caller: &Caller, request: &RegisterFile, sizes: Sizes) -> Answer<FileId> {
    let sql = "INSERT INTO files (owner, file_key, file_header, file_size, thumb_key, thumb_header, thumb_size,
               metadata, metadata_header, magic, pub_magic, updation_time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let stamp = caller.arrived;
    let row = params![
        caller.user.0,
        request.file.object_key,
        request.file.decryption_header.0,
        sizes.file,
        request.thumbnail.object_key,
        request.thumbnail.decryption_header.0,
        sizes.thumbnail,
        request.metadata.encrypted_data.0,
        request.metadata.decryption_header.0,
        magic_text(request.magic_metadata.as_ref())?,
        magic_text(request.pub_magic_metadata.as_ref())?,
        stamp.0,
    ];
    run(tx, sql, row)?;
    let id = FileId(tx.last_insert_rowid());
    claim_objects(tx, id, &request.file.object_key, &request.thumbnail.object_key)?;
    let wrapped = WrappedFile {
        id,
        encrypted_key: request.encrypted_key.clone(),
        key_decryption_nonce: request.key_decryption_nonce.clone(),
    };
    links::upsert(tx, request.collection_id, &[wrapped], stamp)?;
    access::touch(tx, request.collection_id, stamp)?;
    add_usage(tx, caller.user, sizes.sum())?;
    Ok(id)
}

/// The objects are this file's; bytes that were to go stay.
fn claim_objects(tx: &Connection, id: FileId, file_key: &str, thumb_key: &str) -> Answer<()> {
    run(tx, "INSERT INTO objects (object_key, file) VALUES (?1, ?3), (?2, ?3)", params![file_key, thumb_key, id.0])?;
    run(tx, "DELETE FROM doomed_objects WHERE object_key IN (?, ?)", [file_key, thumb_key])?;
    Ok(())
}

/// The answer is the request and what the server adds; it is not the stored row.
fn echo(caller: &Caller, id: FileId, request: RegisterFile, sizes: Sizes) -> File {
    File {
        id,
        owner_id: caller.user,
        collection_id: request.collection_id,
        encrypted_key: request.encrypted_key,
        key_decryption_nonce: request.key_decryption_nonce,
        file: request.file,
        thumbnail: request.thumbnail,
        metadata: request.metadata,
        updation_time: caller.arrived,
        magic_metadata: request.magic_metadata,
        pub_magic_metadata: request.pub_magic_metadata,
        info: Some(FileInfo { file_size: sizes.file, thumb_size: sizes.thumbnail }),
        ..File::default()
    }
}

/// What an update compares with.
struct Stored {
    file_key: String,
    thumb_key: String,
    sizes: Sizes,
}

/// `PUT /files/update`: new content, or new metadata alone, under the same key.
pub(super) fn update(caller: &Caller, Body(request): Body<UpdateFile>) -> Answer<Json<UpdateFileAnswer>> {
    if request.id.0 <= 0 {
        return Err(Refusal::BAD_REQUEST);
    }
    apply_update(caller, &request).map(Json)
}

fn apply_update(caller: &Caller, request: &UpdateFile) -> Answer<UpdateFileAnswer> {
    check_shape(&request.file, &request.thumbnail, &request.metadata)?;
    check_keys(caller.user, &request.file, &request.thumbnail)?;
    caller.server.database.read(|tx| load_own_file(tx, caller.user, request.id))?;
    let sizes = read_sizes(caller, &request.file, &request.thumbnail)
        .or_else(|| wait_for_sizes(caller, &request.file, &request.thumbnail))
        .ok_or(Refusal::INTERNAL)?;
    check_sizes(sizes, &request.file, &request.thumbnail)?;
    caller.server.database.write(|tx| {
        let stored = load_own_file(tx, caller.user, request.id)?;
        let growth = sizes.sum().saturating_sub(stored.sizes.sum());
        check_quota(tx, caller.user, Demand::Bytes(growth), caller.now())?;
        replace_objects(tx, caller, &stored, request)?;
        store_update(tx, request, sizes, caller.arrived)?;
        add_usage(tx, caller.user, growth)
    })?;
    Ok(UpdateFileAnswer { id: request.id, updation_time: caller.arrived })
}

/// 404 unknown or gone for good, 403 somebody else's.
fn load_own_file(tx: &Connection, user: UserId, id: FileId) -> Answer<Stored> {
    let sql = "SELECT owner, file_key, thumb_key, file_size, thumb_size FROM files WHERE id = ? AND NOT is_deleted";
    let found = one(tx, sql, [id.0], |row| {
        let sizes = Sizes { file: row.get(3)?, thumbnail: row.get(4)? };
        Ok((UserId(row.get(0)?), Stored { file_key: row.get(1)?, thumb_key: row.get(2)?, sizes }))
    })?;
    let (owner, stored) = found.ok_or(Refusal::NOT_FOUND)?;
    if owner == user { Ok(stored) } else { Err(Refusal::FORBIDDEN) }
}

/// Both objects are new or both are the old ones: 500 else, as for objects of another file.
fn replace_objects(tx: &Connection, caller: &Caller, stored: &Stored, request: &UpdateFile) -> Answer<()> {
    let (file_key, thumb_key) = (&request.file.object_key, &request.thumbnail.object_key);
    match (*file_key == stored.file_key, *thumb_key == stored.thumb_key) {
        (true, true) => return Ok(()),
        (false, false) => {}
        _ => return Err(Refusal::INTERNAL),
    }
    let due = caller.now().saturating_add(REPLACED_OBJECTS).0;
    let sql = "INSERT OR REPLACE INTO doomed_objects (object_key, due_at)
               SELECT object_key, ? FROM objects WHERE file = ?";
    run(tx, sql, [due, request.id.0])?;
    run(tx, "DELETE FROM objects WHERE file = ?", [request.id.0])?;
    claim_objects(tx, request.id, file_key, thumb_key)
}

/// Stamps every membership, removed ones too, and their albums.
fn store_update(tx: &Connection, request: &UpdateFile, sizes: Sizes, stamp: Timestamp) -> Answer<()> {
    let sql = "UPDATE files SET file_key = ?, file_header = ?, file_size = ?, thumb_key = ?, thumb_header = ?,
               thumb_size = ?, metadata = ?, metadata_header = ?, updation_time = ? WHERE id = ?";
    let row = params![
        request.file.object_key,
        request.file.decryption_header.0,
        sizes.file,
        request.thumbnail.object_key,
        request.thumbnail.decryption_header.0,
        sizes.thumbnail,
        request.metadata.encrypted_data.0,
        request.metadata.decryption_header.0,
        stamp.0,
        request.id.0,
    ];
    run(tx, sql, row)?;
    run(tx, "UPDATE memberships SET updation_time = ? WHERE file = ?", [stamp.0, request.id.0])?;
    let sql =
        "UPDATE collections SET updation_time = ? WHERE id IN (SELECT collection FROM memberships WHERE file = ?)";
    run(tx, sql, [stamp.0, request.id.0])?;
    Ok(())
}

/// `POST /files/info`: own files, each once, those that are gone for good too; in the order of the request.
pub(super) fn info(caller: &Caller, Body(request): Body<FileIds>) -> Answer<Json<FilesInfoAnswer>> {
    let ids: Vec<i64> = request.file_ids.iter().map(|id| id.0).collect();
    let sql =
        "SELECT f.id, f.file_size, f.thumb_size FROM json_each(?) j JOIN files f ON f.id = j.value ORDER BY j.key";
    let files_info = caller.server.database.read(|tx| {
        access::check_own_files(tx, caller.user, &ids)?;
        Ok(all(tx, sql, [id_list(ids)], |row| {
            let file_info = FileInfo { file_size: row.get(1)?, thumb_size: row.get(2)? };
            Ok(FileInfoRow { id: FileId(row.get(0)?), file_info })
        })?)
    })?;
    Ok(Json(FilesInfoAnswer { files_info }))
}

/// `POST /files/size`: of the files' objects, thumbnails not counted. What is not one's own, or gone for
/// good, weighs nothing.
pub(super) fn size(caller: &Caller, Body(request): Body<FileIds>) -> Answer<Json<FilesSizeAnswer>> {
    let list = id_list(request.file_ids.iter().map(|id| id.0));
    let sql = "SELECT coalesce(sum(file_size), 0) FROM files
               WHERE owner = ? AND NOT is_deleted AND id IN (SELECT value FROM json_each(?))";
    let size = caller.server.database.read(|tx| Ok(value(tx, sql, params![caller.user.0, list])?))?;
    Ok(Json(FilesSizeAnswer { size }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str, size: i64) -> ObjectAttributes {
        ObjectAttributes { object_key: key.into(), size, ..ObjectAttributes::default() }
    }

    #[test]
    fn objects_are_the_callers_own_and_two() {
        let user = UserId(7);
        assert_eq!(check_keys(user, &object("7/a", 0), &object("7/b", 0)), Ok(()));
        for (file, thumbnail) in [("7/a", "7/a"), ("7/a", "8/b"), ("77/a", "7/b"), ("7", "7/b")] {
            let refused = check_keys(user, &object(file, 0), &object(thumbnail, 0));
            assert_eq!(refused, Err(Refusal::BAD_REQUEST), "{file} {thumbnail}");
        }
    }

    #[test]
    fn a_size_is_right_or_not_given() {
        let sizes = Sizes { file: 100, thumbnail: 20 };
        assert_eq!(check_sizes(sizes, &object("", 100), &object("", 0)), Ok(()));
        assert_eq!(check_sizes(sizes, &object("", 100), &object("", 21)), Err(Refusal::BAD_REQUEST));
        let huge = Sizes { file: 10_737_418_241, thumbnail: 20 };
        assert_eq!(check_sizes(huge, &object("", 0), &object("", 0)), Err(Refusal::TOO_LARGE));
    }

    #[test]
    fn a_body_with_an_id_is_an_update() {
        let new = Bytes::from_static(br#"{"id":0,"collectionID":3}"#);
        assert!(matches!(RegisterBody::bind(&new), Ok(RegisterBody::New(request)) if request.collection_id.0 == 3));
        let update = Bytes::from_static(br#"{"id":5}"#);
        assert!(matches!(RegisterBody::bind(&update), Ok(RegisterBody::Update(request)) if request.id.0 == 5));
    }
}
