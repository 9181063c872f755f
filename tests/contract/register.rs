//! `POST /files`: its checks and its repeats (data 3.5).

use crate::client::Client;
use crate::people::{ada, ben};
use crate::photos::{
    Album, changes_since, draft, is_in, listed, magic, new_album, new_photo, noise, put_object, row, trash_row,
};
use entefs::base::{AlbumId, B64, FileId, Timestamp};
use entefs::wire::{
    File, MetadataAttributes, ObjectAttributes, RegisterFile, UpdateFile, UpdateFileAnswer, code, path,
};
use serde_json::json;
use std::time::Instant;

async fn register(client: &Client, request: &RegisterFile) -> crate::client::Reply {
    client.post(path::FILES, request).await
}

#[tokio::test]
async fn a_registration_is_echoed_with_what_the_server_adds() {
    let ada = ada().await;
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let request = RegisterFile { pub_magic_metadata: Some(magic(1, 2)), ..draft(&client, &album).await };
    let file: File = register(&client, &request).await.json();
    assert_eq!((file.owner_id, file.collection_id, file.collection_owner_id), (ada.id, album.id, None));
    assert_eq!((&file.file, &file.metadata), (&request.file, &request.metadata));
    assert_eq!(file.info.map(|info| info.file_size), Some(request.file.size));
    assert_eq!(row(&client, album.id, file.id).await.unwrap().pub_magic_metadata, request.pub_magic_metadata);
}

#[tokio::test]
async fn what_a_registration_must_have() {
    let ada = ada().await;
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let good = draft(&client, &album).await;
    let object = |object_key: &str| ObjectAttributes { object_key: object_key.into(), ..good.file.clone() };
    let mutations = [
        RegisterFile { encrypted_key: B64::default(), ..good.clone() },
        RegisterFile { key_decryption_nonce: B64::default(), ..good.clone() },
        RegisterFile {
            file: ObjectAttributes { decryption_header: B64::default(), ..good.file.clone() },
            ..good.clone()
        },
        RegisterFile { thumbnail: ObjectAttributes::default(), ..good.clone() },
        RegisterFile { metadata: MetadataAttributes::default(), ..good.clone() },
        RegisterFile { file: object(&good.thumbnail.object_key), ..good.clone() },
        RegisterFile { file: object("1/01234567-89ab-cdef-0123-456789abcdef"), ..good.clone() },
        RegisterFile { file: ObjectAttributes { size: good.file.size + 1, ..good.file.clone() }, ..good.clone() },
        RegisterFile { thumbnail: ObjectAttributes { size: 1, ..good.thumbnail.clone() }, ..good.clone() },
        RegisterFile { magic_metadata: Some(magic(0, 1)), ..good.clone() },
        RegisterFile { pub_magic_metadata: Some(magic(1, 0)), ..good.clone() },
    ];
    for (index, request) in mutations.iter().enumerate() {
        let reply = register(&client, request).await;
        assert_eq!(reply.status, 400, "mutation {index}: {}", reply.text());
    }
    register(&client, &good).await.ok();
}

#[tokio::test]
async fn an_album_must_be_ones_own_and_alive() {
    let (ada, ben) = (ada().await, ben().await);
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let good = draft(&client, &album).await;
    let into = |collection_id: AlbumId| RegisterFile { collection_id, ..good.clone() };
    let theirs = new_album(&ben.client(), ben).await;
    register(&client, &into(theirs.id)).await.refused(403);
    register(&client, &into(AlbumId(4_000_000_000_000_000))).await.refused(404);
    register(&client, &into(AlbumId(0))).await.refused(404);
    let id = album.id;
    client.delete(&format!("{}/{id}?collectionID={id}&keepFiles=true", path::COLLECTION_DELETE)).await.empty();
    register(&client, &good).await.refused_with(404, code::COLLECTION_DELETED);
}

#[tokio::test]
async fn an_object_that_is_not_there_is_waited_for() {
    let ada = ada().await;
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let good = draft(&client, &album).await;
    let object_key = format!("{}/{}", ada.id, uuid::Uuid::new_v4());
    let missing = RegisterFile { file: ObjectAttributes { object_key, ..good.file.clone() }, ..good };
    let start = Instant::now();
    register(&client, &missing).await.refused_with(503, code::OBJECT_SIZE_FETCH_FAILED);
    assert!(start.elapsed().as_millis() >= 500, "it tries several times");
}

#[tokio::test]
async fn keys_and_contents_are_nobodys_concern() {
    let ada = ada().await;
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let good = draft(&client, &album).await;
    let strange = RegisterFile {
        encrypted_key: noise(3),
        metadata: MetadataAttributes { encrypted_data: noise(300_000), ..good.metadata.clone() },
        ..good
    };
    let file: File = register(&client, &strange).await.json();
    assert_eq!(row(&client, album.id, file.id).await.unwrap().encrypted_key, strange.encrypted_key);
}

#[tokio::test]
async fn an_identical_repeat_finds_the_file_and_writes_nothing() {
    let ada = ada().await;
    let client = ada.client();
    let (album, other) = (new_album(&client, ada).await, new_album(&client, ada).await);
    let request = draft(&client, &album).await;
    let first: File = register(&client, &request).await.json();
    let stored = row(&client, album.id, first.id).await.unwrap();
    let no_sizes = RegisterFile { file: ObjectAttributes { size: 0, ..request.file.clone() }, ..request.clone() };
    for repeat in [
        request.clone(),
        no_sizes,
        RegisterFile { encrypted_key: noise(48), ..request.clone() },
        RegisterFile { collection_id: other.id, ..request.clone() },
        RegisterFile { pub_magic_metadata: Some(magic(1, 1)), ..request.clone() },
    ] {
        let again: File = register(&client, &repeat).await.json();
        assert_eq!((again.id, again.collection_id), (first.id, repeat.collection_id));
        assert!(again.updation_time > first.updation_time, "the time of the repeat, not the stored one");
    }
    assert_eq!(row(&client, album.id, first.id).await.unwrap(), stored);
    assert!(changes_since(&client, album.id, stored.updation_time).await.is_empty());
    assert!(!is_in(&client, other.id, first.id).await);
    assert_eq!(listed(&client, album.id).await.unwrap().updation_time, stored.updation_time);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_repeats_at_once_make_one_file() {
    let ada = ada().await;
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let request = draft(&client, &album).await;
    let one = || async { register(&client, &request).await.json::<File>().id };
    let (a, b, c, d, e, f) = tokio::join!(one(), one(), one(), one(), one(), one());
    assert!([b, c, d, e, f].iter().all(|id| *id == a));
    assert_eq!(changes_since(&client, album.id, Timestamp::ZERO).await.len(), 1);
}

#[tokio::test]
async fn used_objects_with_other_words_are_refused() {
    let ada = ada().await;
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let request = draft(&client, &album).await;
    let first: File = register(&client, &request).await.json();
    let metadata = MetadataAttributes { encrypted_data: noise(70), ..request.metadata.clone() };
    let header = ObjectAttributes { decryption_header: noise(24), ..request.file.clone() };
    let fresh = put_object(&client, b"another thumbnail").await.object_key;
    let thumbnail = ObjectAttributes { object_key: fresh, size: 0, ..request.thumbnail.clone() };
    for other in [
        RegisterFile { metadata, ..request.clone() },
        RegisterFile { file: header, ..request.clone() },
        RegisterFile { thumbnail, ..request.clone() },
    ] {
        let reply = register(&client, &other).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
    }
    assert!(is_in(&client, album.id, first.id).await);
    client.get(&format!("{}/{}", path::FILE_DOWNLOAD, first.id)).await;
}

async fn trash(client: &Client, album: &Album, file: FileId) {
    client.post(path::FILES_TRASH, &json!({"items": [{"fileID": file, "collectionID": album.id}]})).await.empty();
}

#[tokio::test]
async fn a_repeat_does_not_take_a_file_out_of_the_trash() {
    let ada = ada().await;
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let request = draft(&client, &album).await;
    let first: File = register(&client, &request).await.json();
    trash(&client, &album, first.id).await;
    let again: File = register(&client, &request).await.json();
    assert_eq!(again.id, first.id);
    assert!(!is_in(&client, album.id, first.id).await);
    assert!(trash_row(&client, first.id).await.is_some_and(|row| !row.is_restored));
    client.post(path::TRASH_DELETE, &json!({"fileIDs": [first.id]})).await.empty();
    register(&client, &request).await.refused(500);
}

async fn update(client: &Client, request: &UpdateFile) {
    client.put::<UpdateFile>(path::FILES_UPDATE, request).await.json::<UpdateFileAnswer>();
}

#[tokio::test]
async fn a_repeat_after_an_update_makes_a_second_file_or_none() {
    let ada = ada().await;
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let (first, second) = (draft(&client, &album).await, draft(&client, &album).await);
    let file: File = register(&client, &first).await.json();
    let RegisterFile { file: object, thumbnail, metadata, .. } = second;
    update(&client, &UpdateFile { id: file.id, file: object, thumbnail, metadata }).await;
    let revenant: File = register(&client, &first).await.json();
    assert_ne!(revenant.id, file.id, "the old content appears as a second file");
    assert!(is_in(&client, album.id, revenant.id).await);

    let third = draft(&client, &album).await;
    let file: File = register(&client, &third).await.json();
    let metadata = MetadataAttributes { encrypted_data: noise(70), decryption_header: noise(24), size: 0 };
    let (object, thumbnail) = (third.file.clone(), third.thumbnail.clone());
    update(&client, &UpdateFile { id: file.id, file: object, thumbnail, metadata }).await;
    let reply = register(&client, &third).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
}

#[tokio::test]
async fn equal_contents_are_two_files() {
    let ada = ada().await;
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let (a, b) = (new_photo(&client, &album).await, new_photo(&client, &album).await);
    assert_ne!(a.id, b.id);
    assert_eq!(changes_since(&client, album.id, Timestamp::ZERO).await.len(), 2);
}

#[tokio::test]
async fn a_registration_with_an_id_is_an_update() {
    let ada = ada().await;
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let photo = new_photo(&client, &album).await;
    let request = draft(&client, &album).await;
    let mut body = serde_json::to_value(&request).unwrap();
    body["id"] = json!(photo.id);
    let answer: UpdateFileAnswer = client.post(path::FILES, &body).await.json();
    assert_eq!(answer.id, photo.id);
    let seen = row(&client, album.id, photo.id).await.unwrap();
    assert_eq!((seen.metadata, seen.encrypted_key), (request.metadata, photo.encrypted_key));
}
