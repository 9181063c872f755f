//! The trash (data 6.4).

use crate::client::{Client, Reply};
use crate::people::{ada, ben, cyd};
use crate::photos::{is_in, listed, magic, new_album, new_photo, row, share, trash_row, trash_since, wrapped};
use entefs::base::{AlbumId, FileId, Timestamp};
use entefs::wire::{
    AddFiles, FileMagic, MoveFiles, TrashDelete, TrashEmpty, TrashFiles, TrashItem, UpdateFileMagic, path,
};
use std::time::Duration;

const RETENTION: Duration = Duration::from_secs(30 * 86_400);

async fn trash(client: &Client, items: &[(FileId, AlbumId)]) -> Reply {
    let items =
        items.iter().map(|(file_id, collection_id)| TrashItem { file_id: *file_id, collection_id: *collection_id });
    client.post(path::FILES_TRASH, &TrashFiles { items: items.collect() }).await
}

#[tokio::test]
async fn trashing_takes_a_file_out_of_every_album() {
    let ada = ada().await;
    let client = ada.client();
    let (a, b) = (new_album(&client, ada).await, new_album(&client, ada).await);
    let photo = new_photo(&client, &a).await;
    let add = AddFiles { collection_id: b.id, files: vec![wrapped(photo.id)] };
    client.post(path::ADD_FILES, &add).await.empty();
    trash(&client, &[(photo.id, b.id)]).await.empty();
    assert!(!is_in(&client, a.id, photo.id).await && !is_in(&client, b.id, photo.id).await);
    let first = trash_row(&client, photo.id).await.expect("in the trash");
    assert!(!first.is_deleted && !first.is_restored);
    assert_eq!((first.file.collection_id, first.file.collection_owner_id), (b.id, None));
    assert_eq!(&first.file.encrypted_key, &row(&client, b.id, photo.id).await.unwrap().encrypted_key);
    let kept = first.delete_by.since(first.created_at);
    assert!(kept.abs_diff(RETENTION) < Duration::from_secs(60), "{kept:?}");
    trash(&client, &[(photo.id, a.id)]).await.empty();
    let again = trash_row(&client, photo.id).await.expect("in the trash");
    assert_eq!(again.file.collection_id, b.id, "the album of the first time");
}

#[tokio::test]
async fn trashing_again_after_a_restore_begins_anew() {
    let ada = ada().await;
    let client = ada.client();
    let (a, b) = (new_album(&client, ada).await, new_album(&client, ada).await);
    let photo = new_photo(&client, &a).await;
    trash(&client, &[(photo.id, a.id)]).await.empty();
    let first = trash_row(&client, photo.id).await.unwrap();
    let restore = AddFiles { collection_id: b.id, files: vec![wrapped(photo.id)] };
    client.post(path::RESTORE_FILES, &restore).await.empty();
    let restored = trash_row(&client, photo.id).await.unwrap();
    trash(&client, &[(photo.id, b.id)]).await.empty();
    let second = trash_row(&client, photo.id).await.unwrap();
    assert!(!second.is_restored && second.updated_at > restored.updated_at && second.delete_by > first.delete_by);
    assert_eq!(second.file.collection_id, a.id);
    assert!(trash_since(&client, second.updated_at).await.iter().all(|row| row.file.id != photo.id));
    let late = trash_since(&client, restored.updated_at).await;
    assert!(late.iter().any(|row| row.file.id == photo.id));
}

#[tokio::test]
async fn a_batch_names_own_files_in_albums_they_were_in() {
    let (ada, ben) = (ada().await, ben().await);
    let client = ada.client();
    let (album, other) = (new_album(&client, ada).await, new_album(&client, ada).await);
    let (photo, second) = (new_photo(&client, &album).await, new_photo(&client, &album).await);
    let theirs = new_album(&ben.client(), ben).await;
    let foreign = new_photo(&ben.client(), &theirs).await;
    trash(&client, &[]).await.refused(400);
    trash(&client, &[(photo.id, album.id), (photo.id, album.id)]).await.refused(400);
    trash(&client, &[(photo.id, album.id), (FileId(900_000_000_000), album.id)]).await.refused(400);
    trash(&client, &[(photo.id, album.id), (foreign.id, album.id)]).await.refused(403);
    trash(&client, &[(photo.id, theirs.id)]).await.refused(403);
    trash(&client, &[(photo.id, AlbumId(4_000_000_000_000_000))]).await.refused(404);
    trash(&client, &[(second.id, album.id), (photo.id, other.id)]).await.refused(500);
    let many: Vec<_> = (0..1001).map(|i| (FileId(900_000_000_000 + i), album.id)).collect();
    trash(&client, &many).await.refused(413);
    assert!(is_in(&client, album.id, photo.id).await && is_in(&client, album.id, second.id).await);
}

#[tokio::test]
async fn a_contributor_trashes_out_of_the_albums_of_others() {
    let (ada, ben) = (ada().await, ben().await);
    let shared = new_album(&ada.client(), ada).await;
    share(&ada.client(), &shared, ben, "COLLABORATOR").await;
    let home = new_album(&ben.client(), ben).await;
    let photo = new_photo(&ben.client(), &home).await;
    let add = AddFiles { collection_id: shared.id, files: vec![wrapped(photo.id)] };
    ben.client().post(path::ADD_FILES, &add).await.empty();
    assert!(is_in(&ada.client(), shared.id, photo.id).await);
    trash(&ben.client(), &[(photo.id, home.id)]).await.empty();
    assert!(!is_in(&ada.client(), shared.id, photo.id).await);
}

/// By an account that trashes nothing elsewhere: emptying spares nothing.
#[tokio::test]
async fn deleting_is_for_good_and_emptying_spares_what_came_later() {
    let account = cyd().await;
    let client = account.client();
    let album = new_album(&client, account).await;
    let photos = [new_photo(&client, &album).await, new_photo(&client, &album).await, new_photo(&client, &album).await];
    let [first, second, third] = photos.map(|photo| photo.id);
    let delete = |files: Vec<FileId>| {
        let client = client.clone();
        async move { client.post(path::TRASH_DELETE, &TrashDelete { file_ids: files }).await }
    };
    delete(vec![first]).await.empty();
    assert!(is_in(&client, album.id, first).await, "what is not in the trash is passed over");
    trash(&client, &[(first, album.id)]).await.empty();
    delete(vec![first, second]).await.empty();
    delete(vec![first]).await.empty();
    let gone = trash_row(&client, first).await.expect("a row");
    assert!(gone.is_deleted && !gone.is_restored);
    assert!(is_in(&client, album.id, second).await);
    trash(&client, &[(first, album.id)]).await.empty();
    assert!(trash_row(&client, first).await.unwrap().is_deleted);
    let restore = AddFiles { collection_id: album.id, files: vec![wrapped(first)] };
    client.post(path::RESTORE_FILES, &restore).await.refused(400);

    trash(&client, &[(second, album.id)]).await.empty();
    let seen = trash_row(&client, second).await.unwrap().updated_at;
    trash(&client, &[(third, album.id)]).await.empty();
    let empty = |last_updated_at: Timestamp| {
        let client = client.clone();
        async move { client.post(path::TRASH_EMPTY, &TrashEmpty { last_updated_at }).await }
    };
    empty(Timestamp::ZERO).await.refused(400);
    empty(seen).await.empty();
    for _ in 0..100 {
        if trash_row(&client, second).await.unwrap().is_deleted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(trash_row(&client, second).await.unwrap().is_deleted);
    assert!(!trash_row(&client, third).await.unwrap().is_deleted, "it came after the cursor");
    delete((0..2501).map(|i| FileId(900_000_000_000 + i)).collect()).await.refused(500);
}

/// The albums that a file has left before have a newer row than their own time tells.
#[tokio::test]
async fn trashing_stamps_removed_rows_but_not_their_albums() {
    let ada = ada().await;
    let client = ada.client();
    let (a, b) = (new_album(&client, ada).await, new_album(&client, ada).await);
    let photo = new_photo(&client, &a).await;
    let away = MoveFiles { from_collection_id: a.id, to_collection_id: b.id, files: vec![wrapped(photo.id)] };
    client.post(path::MOVE_FILES, &away).await.empty();
    let before = listed(&client, a.id).await.unwrap().updation_time;
    trash(&client, &[(photo.id, b.id)]).await.empty();
    let (left, last) = (row(&client, a.id, photo.id).await.unwrap(), row(&client, b.id, photo.id).await.unwrap());
    assert_eq!(left.updation_time, last.updation_time);
    assert_eq!(listed(&client, a.id).await.unwrap().updation_time, before);
    assert_eq!(listed(&client, b.id).await.unwrap().updation_time, last.updation_time);

    client.post(path::TRASH_DELETE, &TrashDelete { file_ids: vec![photo.id] }).await.empty();
    assert_eq!(row(&client, b.id, photo.id).await.unwrap(), last, "the end of a file is told by the trash alone");
    trash(&client, &[(photo.id, b.id)]).await.empty();
    assert!(row(&client, b.id, photo.id).await.unwrap().updation_time > last.updation_time);
}

/// What is written about a file in the trash shows up only when its row there changes.
#[tokio::test]
async fn a_description_moves_no_cursor_of_the_trash() {
    let ada = ada().await;
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let photo = new_photo(&client, &album).await;
    trash(&client, &[(photo.id, album.id)]).await.empty();
    let before = trash_row(&client, photo.id).await.unwrap();
    let metadata_list = vec![FileMagic { id: photo.id, magic_metadata: magic(1, 1) }];
    let request = UpdateFileMagic { metadata_list, skip_version: true };
    client.put(path::FILES_PUBLIC_MAGIC, &request).await.empty();
    let after = trash_row(&client, photo.id).await.unwrap();
    assert_eq!((after.updated_at, after.file.collection_id), (before.updated_at, before.file.collection_id));
    assert!(after.file.updation_time > before.file.updation_time && after.file.pub_magic_metadata.is_some());
    client.post(path::TRASH_DELETE, &TrashDelete { file_ids: vec![photo.id] }).await.empty();
    let gone = trash_row(&client, photo.id).await.unwrap();
    assert_eq!(gone.file.updation_time, after.file.updation_time);
}
