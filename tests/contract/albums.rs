//! Collections: made, listed, renamed, described, deleted (data 1).

use crate::client::{Client, Reply};
use crate::people::{ada, ben};
use crate::photos::{
    Album, album_request, albums_since, is_in, listed, magic, new_album, new_photo, noise, open_album_key,
    special_album, trash_row,
};
use entefs::base::{AlbumId, B64, Timestamp};
use entefs::crypto::{CollectionKey, open_box};
use entefs::wire::{
    Collection, CollectionAnswer, CreateCollection, Magic, RenameCollection, UpdateCollectionMagic, code, path,
};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_new_album_is_echoed_and_listed() {
    let ada = ada().await;
    let client = ada.client();
    let key = CollectionKey::random();
    let request = CreateCollection { magic_metadata: Some(magic(1, 1)), ..album_request(ada, &key, "album") };
    let reply = client.post(path::COLLECTIONS, &request).await.ok();
    let shape: Value = serde_json::from_slice(&reply.body).unwrap();
    assert!(shape["collection"]["sharees"].is_null(), "{shape}");
    let made = reply.json::<CollectionAnswer>().collection;
    assert_eq!((made.owner.id, made.app.as_str(), made.kind.as_str()), (ada.id, "photos", "album"));
    let seen = listed(&client, made.id).await.expect("in the list");
    assert_eq!(seen.updation_time, made.updation_time);
    assert_eq!((seen.encrypted_key, seen.encrypted_name), (request.encrypted_key, request.encrypted_name));
    assert_eq!(seen.magic_metadata.map(|magic| magic.version), Some(1), "stored as sent");
    assert_eq!((seen.owner.email.as_str(), seen.attributes.version, seen.is_deleted), ("", 1, false));
    let one: CollectionAnswer = client.get(&format!("{}/{}", path::COLLECTIONS, made.id)).await.json();
    assert_eq!(one.collection.owner.email, ada.email);
    assert_eq!(open_album_key(ada, &one.collection).bytes(), key.bytes());
}

#[tokio::test]
async fn an_album_needs_a_key_of_the_right_length() {
    let ada = ada().await;
    let client = ada.client();
    let good = album_request(ada, &CollectionKey::random(), "album");
    let refuse = |request: CreateCollection| {
        let client = client.clone();
        async move { client.post(path::COLLECTIONS, &request).await }
    };
    refuse(CreateCollection { encrypted_key: B64::default(), ..good.clone() }).await.refused(400);
    refuse(CreateCollection { key_decryption_nonce: B64::default(), ..good.clone() }).await.refused(400);
    refuse(CreateCollection { encrypted_key: noise(47), ..good.clone() }).await.refused(500);
    refuse(CreateCollection { key_decryption_nonce: noise(12), ..good.clone() }).await.refused(500);
    refuse(CreateCollection { kind: "heap".into(), ..good.clone() }).await.refused(500);
    refuse(CreateCollection { magic_metadata: Some(magic(0, 1)), ..good.clone() }).await.refused(400);
    refuse(CreateCollection { pub_magic_metadata: Some(magic(1, 0)), ..good.clone() }).await.refused(400);
    let nameless =
        CreateCollection { encrypted_name: B64::default(), name_decryption_nonce: B64::default(), ..good.clone() };
    client.post(path::COLLECTIONS, &nameless).await.ok();
}

#[tokio::test]
async fn special_albums_are_one_of_a_kind_and_stay() {
    let ada = ada().await;
    let client = ada.client();
    for kind in ["favorites", "uncategorized"] {
        let first = special_album(&client, ada, kind).await;
        let again = special_album(&client, ada, kind).await;
        assert_eq!((first.id, first.key.bytes()), (again.id, again.key.bytes()), "the existing one, with its own key");
        delete(&client, first.id, true).await.refused(400);
    }
}

#[tokio::test]
async fn the_list_is_of_what_changed_strictly_after() {
    let ada = ada().await;
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let seen = listed(&client, album.id).await.expect("in the list");
    let names = |albums: Vec<Collection>| albums.iter().map(|album| album.id).collect::<Vec<_>>();
    assert!(!names(albums_since(&client, seen.updation_time).await).contains(&album.id));
    let before = Timestamp(seen.updation_time.0 - 1);
    assert!(names(albums_since(&client, before).await).contains(&album.id));
}

#[tokio::test]
async fn renaming_replaces_the_sealed_name() {
    let (ada, ben) = (ada().await, ben().await);
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let before = listed(&client, album.id).await.expect("in the list");
    let name = entefs::crypto::seal_box(&album.key, b"Winter");
    let request = RenameCollection {
        collection_id: album.id,
        encrypted_name: B64::of(&name.ciphertext),
        name_decryption_nonce: B64::of(name.nonce),
    };
    client.post(path::COLLECTION_RENAME, &request).await.empty();
    let after = listed(&client, album.id).await.expect("in the list");
    assert!(after.updation_time > before.updation_time);
    let (nonce, sealed) = (after.name_decryption_nonce.bytes().unwrap(), after.encrypted_name.bytes().unwrap());
    assert_eq!(open_box(&album.key, &nonce, &sealed).unwrap().as_slice(), b"Winter");
    let nameless = RenameCollection { encrypted_name: B64::default(), ..request.clone() };
    client.post(path::COLLECTION_RENAME, &nameless).await.refused(400);
    ben.client().post(path::COLLECTION_RENAME, &request).await.refused(403);
    let unknown = RenameCollection { collection_id: AlbumId(4_000_000_000_000_000), ..request };
    client.post(path::COLLECTION_RENAME, &unknown).await.refused(404);
}

#[tokio::test]
async fn settings_of_albums_compare_no_version() {
    let (ada, ben) = (ada().await, ben().await);
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let set = |client: &Client, path: &'static str, id: AlbumId, magic: Magic| {
        let (client, request) = (client.clone(), UpdateCollectionMagic { id, magic_metadata: magic });
        async move { client.put(path, &request).await }
    };
    for (path, version) in
        [(path::COLLECTION_MAGIC, 1), (path::COLLECTION_MAGIC, 9), (path::COLLECTION_PUBLIC_MAGIC, 4)]
    {
        set(&client, path, album.id, magic(version, 1)).await.empty();
        let seen = listed(&client, album.id).await.expect("in the list");
        let stored = if path == path::COLLECTION_MAGIC { seen.magic_metadata } else { seen.pub_magic_metadata };
        assert_eq!(stored.map(|magic| magic.version), Some(version + 1));
        set(&client, path, album.id, magic(0, 1)).await.refused(400);
        set(&client, path, album.id, magic(1, 0)).await.refused(400);
        set(&ben.client(), path, album.id, magic(1, 1)).await.refused(403);
        set(&client, path, AlbumId(4_000_000_000_000_000), magic(1, 1)).await.refused(404);
    }
    set(&client, path::COLLECTION_SHAREE_MAGIC, album.id, magic(1, 1)).await.refused_with(400, code::BAD_REQUEST);
}

async fn delete(client: &Client, album: AlbumId, keep_files: bool) -> Reply {
    client.delete(&format!("{}/{album}?collectionID={album}&keepFiles={keep_files}", path::COLLECTION_DELETE)).await
}

#[tokio::test]
async fn an_album_is_deleted_empty_and_leaves_a_tombstone() {
    let (ada, ben) = (ada().await, ben().await);
    let client = ada.client();
    let (album, other) = (new_album(&client, ada).await, new_album(&client, ada).await);
    let photo = new_photo(&client, &album).await;
    let id = album.id;
    client.delete(&format!("{}/{id}", path::COLLECTION_DELETE)).await.refused(400);
    client.delete(&format!("{}/{id}?collectionID={id}", path::COLLECTION_DELETE)).await.refused(400);
    delete(&client, id, true).await.refused_with(409, code::COLLECTION_NOT_EMPTY);
    delete(&ben.client(), id, true).await.refused(403);
    delete(&client, AlbumId(4_000_000_000_000_000), true).await.refused(404);
    let request =
        json!({"fromCollectionID": id, "toCollectionID": other.id, "files": [crate::photos::wrapped(photo.id)]});
    client.post(path::MOVE_FILES, &request).await.empty();
    delete(&client, id, true).await.empty();
    delete(&client, id, true).await.empty();
    delete(&client, id, false).await.empty();
    let tombstone = listed(&client, id).await.expect("a tombstone");
    assert!(tombstone.is_deleted && !tombstone.encrypted_key.is_empty());
    client.get(&format!("{}?collectionID={id}", path::COLLECTIONS_DIFF)).await.refused(404);
    let one: CollectionAnswer = client.get(&format!("{}/{id}", path::COLLECTIONS)).await.json();
    assert!(one.collection.is_deleted);
    client.get(&format!("{}/4000000000000000", path::COLLECTIONS)).await.refused(404);
    ben.client().get(&format!("{}/{}", path::COLLECTIONS, other.id)).await.refused(404);
}

/// A real server does it by a job, about once a minute.
#[tokio::test]
async fn an_album_deleted_with_its_files_trashes_them_from_everywhere() {
    let ada = ada().await;
    let client = ada.client();
    let (album, other) = (new_album(&client, ada).await, new_album(&client, ada).await);
    let photo = new_photo(&client, &album).await;
    let request = json!({"collectionID": other.id, "files": [crate::photos::wrapped(photo.id)]});
    client.post(path::ADD_FILES, &request).await.empty();
    delete(&client, album.id, false).await.empty();
    assert!(listed(&client, album.id).await.expect("a tombstone").is_deleted);
    if !crate::world::may_take_long("the job that trashes an album's files") {
        return;
    }
    for _ in 0..180 {
        if trash_row(&client, photo.id).await.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let row = trash_row(&client, photo.id).await.expect("in the trash");
    assert_eq!(row.file.collection_id, album.id);
    assert!(!is_in(&client, other.id, photo.id).await);
}

#[tokio::test]
async fn an_album_of_another_app_is_an_error() {
    let ada = ada().await;
    let client = ada.client();
    let album: Album = new_album(&client, ada).await;
    let locker = Client::new().with_package("io.ente.locker");
    let token = crate::people::unlock(&crate::people::verify_email(&locker, &ada.email, "login").await);
    let locker = locker.with_token(&token);
    assert!(listed(&locker, album.id).await.is_none());
    let photo = new_photo(&client, &album).await;
    let request = json!({"collectionID": album.id, "files": [crate::photos::wrapped(photo.id)]});
    locker.post(path::ADD_FILES, &request).await.refused(500);
}
