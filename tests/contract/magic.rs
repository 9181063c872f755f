//! Magic metadata of files (data 2.5).

use crate::client::{Client, Reply};
use crate::people::{ada, ben};
use crate::photos::{listed, magic, new_album, new_photo, row, wrapped};
use entefs::base::FileId;
use entefs::wire::{AddFiles, FileMagic, Magic, MoveFiles, UpdateFileMagic, path};

async fn set(client: &Client, path: &str, items: &[(FileId, Magic)]) -> Reply {
    let metadata_list = items.iter().map(|(id, magic)| FileMagic { id: *id, magic_metadata: magic.clone() }).collect();
    client.put(path, &UpdateFileMagic { metadata_list, skip_version: false }).await
}

#[tokio::test]
async fn the_version_is_the_stored_one_and_the_count_hardly_shrinks() {
    let ada = ada().await;
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let photo = new_photo(&client, &album).await;
    for path in [path::FILES_MAGIC, path::FILES_PUBLIC_MAGIC] {
        set(&client, path, &[(photo.id, magic(1, 5))]).await.empty();
        set(&client, path, &[(photo.id, magic(1, 5))]).await.refused(409);
        set(&client, path, &[(photo.id, magic(3, 5))]).await.refused(409);
        set(&client, path, &[(photo.id, magic(2, 2))]).await.refused(409);
        let last = magic(2, 3);
        set(&client, path, &[(photo.id, last.clone())]).await.empty();
        let seen = row(&client, album.id, photo.id).await.unwrap();
        let stored = if path == path::FILES_MAGIC { seen.magic_metadata } else { seen.pub_magic_metadata };
        assert_eq!(stored, Some(Magic { version: 3, ..last }));
    }
}

#[tokio::test]
async fn what_is_sent_is_not_looked_at() {
    let ada = ada().await;
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let photo = new_photo(&client, &album).await;
    set(&client, path::FILES_PUBLIC_MAGIC, &[(photo.id, Magic { version: 1, ..Magic::default() })]).await.empty();
    let seen = row(&client, album.id, photo.id).await.unwrap().pub_magic_metadata.expect("an envelope");
    assert_eq!((seen.version, seen.count, seen.data.is_empty(), seen.header.is_empty()), (2, 0, true, true));
    set(&client, path::FILES_PUBLIC_MAGIC, &[]).await.empty();
}

#[tokio::test]
async fn a_batch_is_all_or_nothing_and_ones_own() {
    let (ada, ben) = (ada().await, ben().await);
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let (a, b) = (new_photo(&client, &album).await, new_photo(&client, &album).await);
    set(&client, path::FILES_MAGIC, &[(b.id, magic(1, 1))]).await.empty();
    set(&client, path::FILES_MAGIC, &[(a.id, magic(1, 1)), (b.id, magic(1, 1))]).await.refused(409);
    assert_eq!(row(&client, album.id, a.id).await.unwrap().magic_metadata, None);
    set(&ben.client(), path::FILES_MAGIC, &[(a.id, magic(1, 1))]).await.refused(403);
    set(&client, path::FILES_MAGIC, &[(FileId(900_000_000_000), magic(1, 1))]).await.refused(404);
    let last = magic(1, 2);
    set(&client, path::FILES_MAGIC, &[(a.id, magic(1, 5)), (a.id, last.clone())]).await.empty();
    assert_eq!(row(&client, album.id, a.id).await.unwrap().magic_metadata, Some(Magic { version: 2, ..last }));
    let many: Vec<_> = (0..1001).map(|i| (FileId(900_000_000_000 + i), magic(1, 1))).collect();
    set(&client, path::FILES_MAGIC, &many).await.refused(413);
}

#[tokio::test]
async fn every_live_membership_is_stamped_unless_told_not_to() {
    let ada = ada().await;
    let client = ada.client();
    let (a, b, c) = (new_album(&client, ada).await, new_album(&client, ada).await, new_album(&client, ada).await);
    let photo = new_photo(&client, &a).await;
    let add = AddFiles { collection_id: b.id, files: vec![wrapped(photo.id)] };
    client.post(path::ADD_FILES, &add).await.empty();
    let through = MoveFiles { from_collection_id: c.id, to_collection_id: b.id, files: vec![wrapped(photo.id)] };
    client.post(path::ADD_FILES, &AddFiles { collection_id: c.id, files: vec![wrapped(photo.id)] }).await.empty();
    client.post(path::MOVE_FILES, &through).await.empty();
    let removed = row(&client, c.id, photo.id).await.unwrap();
    set(&client, path::FILES_PUBLIC_MAGIC, &[(photo.id, magic(1, 1))]).await.empty();
    let (in_a, in_b) = (row(&client, a.id, photo.id).await.unwrap(), row(&client, b.id, photo.id).await.unwrap());
    assert_eq!(in_a.updation_time, in_b.updation_time);
    assert!(in_a.updation_time > removed.updation_time);
    assert_eq!(row(&client, c.id, photo.id).await.unwrap().updation_time, removed.updation_time);
    assert_eq!(listed(&client, a.id).await.unwrap().updation_time, in_a.updation_time);

    let metadata_list = vec![FileMagic { id: photo.id, magic_metadata: magic(2, 1) }];
    let quiet = UpdateFileMagic { metadata_list, skip_version: true };
    client.put(path::FILES_PUBLIC_MAGIC, &quiet).await.empty();
    let after = row(&client, a.id, photo.id).await.unwrap();
    assert_eq!(after.updation_time, in_a.updation_time);
    assert_eq!(after.pub_magic_metadata.map(|magic| magic.version), Some(3));
}

#[tokio::test]
async fn a_trashed_file_can_be_described() {
    let ada = ada().await;
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let photo = new_photo(&client, &album).await;
    let items = serde_json::json!({"items": [{"fileID": photo.id, "collectionID": album.id}]});
    client.post(path::FILES_TRASH, &items).await.empty();
    set(&client, path::FILES_PUBLIC_MAGIC, &[(photo.id, magic(1, 1))]).await.empty();
}
