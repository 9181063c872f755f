//! Add, move, remove, restore (data 6.1 to 6.4).

use crate::client::{Client, Reply};
use crate::people::{ada, ben};
use crate::photos::{is_in, listed, new_album, new_photo, row, trash_row, wrapped};
use entefs::base::{AlbumId, FileId};
use entefs::wire::{AddFiles, MoveFiles, RemoveFiles, WrappedFile, code, path};
use serde_json::json;

async fn add(client: &Client, album: AlbumId, files: Vec<WrappedFile>) -> Reply {
    client.post(path::ADD_FILES, &AddFiles { collection_id: album, files }).await
}

async fn restore(client: &Client, album: AlbumId, files: Vec<WrappedFile>) -> Reply {
    client.post(path::RESTORE_FILES, &AddFiles { collection_id: album, files }).await
}

async fn move_files(client: &Client, from: AlbumId, to: AlbumId, files: Vec<WrappedFile>) -> Reply {
    client.post(path::MOVE_FILES, &MoveFiles { from_collection_id: from, to_collection_id: to, files }).await
}

async fn trash(client: &Client, album: AlbumId, file: FileId) {
    client.post(path::FILES_TRASH, &json!({"items": [{"fileID": file, "collectionID": album}]})).await.empty();
}

/// What the server takes for a file that nobody has.
const UNKNOWN: FileId = FileId(900_000_000_000);

#[tokio::test]
async fn adding_links_a_file_and_the_first_wrapped_key_stays() {
    let ada = ada().await;
    let client = ada.client();
    let (home, album) = (new_album(&client, ada).await, new_album(&client, ada).await);
    let photo = new_photo(&client, &home).await;
    let (first, second) = (wrapped(photo.id), wrapped(photo.id));
    add(&client, album.id, vec![first.clone()]).await.empty();
    let before = row(&client, album.id, photo.id).await.expect("added");
    assert_eq!(
        (&before.encrypted_key, &before.key_decryption_nonce),
        (&first.encrypted_key, &first.key_decryption_nonce)
    );
    assert_eq!(listed(&client, album.id).await.expect("own").updation_time, before.updation_time);
    add(&client, album.id, vec![second.clone()]).await.empty();
    let after = row(&client, album.id, photo.id).await.expect("still there");
    assert_eq!(after.encrypted_key, first.encrypted_key);
    assert!(after.updation_time > before.updation_time);
    assert_eq!(after.collection_added_at, before.collection_added_at, "not added anew while it lives");

    move_files(&client, album.id, home.id, vec![wrapped(photo.id)]).await.empty();
    add(&client, album.id, vec![second]).await.empty();
    let again = row(&client, album.id, photo.id).await.expect("added again");
    assert_eq!((again.is_deleted, &again.encrypted_key), (false, &first.encrypted_key));
    assert!(again.collection_added_at > before.collection_added_at);
}

#[tokio::test]
async fn a_batch_is_own_known_files_each_once() {
    let (ada, ben) = (ada().await, ben().await);
    let client = ada.client();
    let (home, album) = (new_album(&client, ada).await, new_album(&client, ada).await);
    let photo = new_photo(&client, &home).await;
    let foreign = new_photo(&ben.client(), &new_album(&ben.client(), ben).await).await;
    add(&client, album.id, vec![]).await.refused(400);
    add(&client, album.id, vec![wrapped(photo.id), wrapped(photo.id)]).await.refused(400);
    add(&client, album.id, vec![wrapped(photo.id), wrapped(UNKNOWN)]).await.refused(400);
    add(&client, album.id, vec![wrapped(photo.id), wrapped(foreign.id)]).await.refused(403);
    add(&client, album.id, vec![wrapped(foreign.id), wrapped(UNKNOWN)]).await.refused(403);
    add(&client, album.id, vec![wrapped(foreign.id), wrapped(foreign.id)]).await.refused(400);
    let many = (0..1001).map(|i| wrapped(FileId(UNKNOWN.0 + i))).collect();
    add(&client, album.id, many).await.refused(413);
    add(&ben.client(), album.id, vec![wrapped(foreign.id)]).await.refused(404);
    add(&client, AlbumId(4_000_000_000_000_000), vec![wrapped(photo.id)]).await.refused(404);
    assert!(!is_in(&client, album.id, photo.id).await, "all or nothing");
    trash(&client, home.id, photo.id).await;
    add(&client, album.id, vec![wrapped(photo.id)]).await.refused_with(409, code::FILE_IN_TRASH);
    move_files(&client, home.id, album.id, vec![wrapped(photo.id)]).await.refused_with(409, code::FILE_IN_TRASH);
}

#[tokio::test]
async fn moving_stamps_both_sides_alike_and_asks_nothing_of_the_source() {
    let ada = ada().await;
    let client = ada.client();
    let (a, b, c) = (new_album(&client, ada).await, new_album(&client, ada).await, new_album(&client, ada).await);
    let photo = new_photo(&client, &a).await;
    move_files(&client, a.id, b.id, vec![wrapped(photo.id)]).await.empty();
    let (left, came) = (row(&client, a.id, photo.id).await.unwrap(), row(&client, b.id, photo.id).await.unwrap());
    assert!(left.is_deleted && !came.is_deleted);
    assert_eq!(left.updation_time, came.updation_time);
    for album in [a.id, b.id] {
        assert_eq!(listed(&client, album).await.unwrap().updation_time, came.updation_time);
    }
    assert_eq!(left.metadata, photo.metadata, "a removed row keeps what it said");
    move_files(&client, a.id, b.id, vec![wrapped(photo.id)]).await.empty();
    let again = row(&client, b.id, photo.id).await.unwrap();
    assert!(again.updation_time > came.updation_time, "a repeat stamps again");
    assert_eq!(row(&client, a.id, photo.id).await.unwrap().updation_time, again.updation_time);
    move_files(&client, c.id, a.id, vec![wrapped(photo.id)]).await.empty();
    assert!(is_in(&client, a.id, photo.id).await && is_in(&client, b.id, photo.id).await);
    assert_eq!(row(&client, c.id, photo.id).await, None);
}

#[tokio::test]
async fn moving_is_between_two_own_albums() {
    let (ada, ben) = (ada().await, ben().await);
    let client = ada.client();
    let (a, b) = (new_album(&client, ada).await, new_album(&client, ada).await);
    let photo = new_photo(&client, &a).await;
    move_files(&client, a.id, a.id, vec![wrapped(photo.id)]).await.refused(400);
    let theirs = new_album(&ben.client(), ben).await;
    move_files(&client, a.id, theirs.id, vec![wrapped(photo.id)]).await.refused(403);
    move_files(&client, theirs.id, b.id, vec![wrapped(photo.id)]).await.refused(403);
    let unknown = AlbumId(4_000_000_000_000_000);
    move_files(&client, a.id, unknown, vec![wrapped(photo.id)]).await.refused(404);
    move_files(&client, a.id, b.id, vec![]).await.refused(400);
    let many = (0..1001).map(|i| wrapped(FileId(UNKNOWN.0 + i))).collect();
    move_files(&client, a.id, b.id, many).await.refused(413);
}

#[tokio::test]
async fn removing_is_not_for_the_owners_own_files() {
    let ada = ada().await;
    let client = ada.client();
    let (home, album) = (new_album(&client, ada).await, new_album(&client, ada).await);
    let photo = new_photo(&client, &home).await;
    let remove = |album: AlbumId, files: Vec<FileId>| {
        let (client, request) = (client.clone(), RemoveFiles { collection_id: album, file_ids: files });
        async move { client.post(path::REMOVE_FILES, &request).await }
    };
    remove(home.id, vec![photo.id]).await.refused_with(400, code::BAD_REQUEST);
    remove(album.id, vec![photo.id]).await.refused(500);
    remove(album.id, vec![UNKNOWN]).await.refused(500);
    remove(home.id, (0..1001).map(|i| FileId(UNKNOWN.0 + i)).collect()).await.refused(413);
    move_files(&client, home.id, album.id, vec![wrapped(photo.id)]).await.empty();
    remove(home.id, vec![photo.id]).await.empty();
}

#[tokio::test]
async fn restoring_takes_out_of_the_trash_into_one_album() {
    let ada = ada().await;
    let client = ada.client();
    let (a, b) = (new_album(&client, ada).await, new_album(&client, ada).await);
    let (photo, live) = (new_photo(&client, &a).await, new_photo(&client, &a).await);
    trash(&client, a.id, photo.id).await;
    assert!(!is_in(&client, a.id, photo.id).await);
    restore(&client, b.id, vec![wrapped(photo.id), wrapped(live.id)]).await.refused(400);
    restore(&client, b.id, vec![wrapped(photo.id), wrapped(photo.id)]).await.refused(400);
    restore(&client, b.id, vec![wrapped(UNKNOWN), wrapped(photo.id)]).await.refused(404);
    restore(&client, b.id, vec![]).await.empty();
    let before = trash_row(&client, photo.id).await.expect("in the trash");
    restore(&client, b.id, vec![wrapped(photo.id)]).await.empty();
    let after = trash_row(&client, photo.id).await.expect("a row");
    assert!(after.is_restored && !after.is_deleted && after.updated_at > before.updated_at);
    assert!(is_in(&client, b.id, photo.id).await && !is_in(&client, a.id, photo.id).await);
    restore(&client, b.id, vec![wrapped(photo.id)]).await.refused(400);
    trash(&client, b.id, photo.id).await;
    let unknown = AlbumId(4_000_000_000_000_000);
    restore(&client, unknown, vec![wrapped(photo.id)]).await.refused(404);
    let dead = new_album(&client, ada).await.id;
    client.delete(&format!("{}/{dead}?collectionID={dead}&keepFiles=true", path::COLLECTION_DELETE)).await.empty();
    restore(&client, dead, vec![wrapped(photo.id)]).await.refused(404);
}

/// Nobody looks into the list: a client that forgets to wrap the key has a row that nobody can open, and
/// adding once more does not repair it.
#[tokio::test]
async fn an_empty_wrapped_key_is_taken_and_stays() {
    let ada = ada().await;
    let client = ada.client();
    let (home, album) = (new_album(&client, ada).await, new_album(&client, ada).await);
    let photo = new_photo(&client, &home).await;
    let keyless = json!({"collectionID": album.id, "files": [{"id": photo.id}]});
    client.post(path::ADD_FILES, &keyless).await.empty();
    add(&client, album.id, vec![wrapped(photo.id)]).await.empty();
    let seen = row(&client, album.id, photo.id).await.expect("added");
    assert!(seen.encrypted_key.is_empty() && seen.key_decryption_nonce.is_empty() && !seen.is_deleted);
}
