//! `PUT /files/update`: new content under the same key (data 3.6).

use crate::client::{Client, Reply, send};
use crate::people::{ada, ben};
use crate::photos::{Album, draft, draft_of, listed, new_album, new_photo, noise, row, wrapped};
use entefs::base::FileId;
use entefs::wire::{
    AddFiles, File, FileIds, FilesInfoAnswer, FilesSizeAnswer, MetadataAttributes, MoveFiles, ObjectAttributes,
    RegisterFile, UpdateFile, UpdateFileAnswer, path,
};
use serde_json::json;

fn with(id: FileId, draft: RegisterFile) -> UpdateFile {
    UpdateFile { id, file: draft.file, thumbnail: draft.thumbnail, metadata: draft.metadata }
}

async fn update(client: &Client, request: &UpdateFile) -> Reply {
    client.put(path::FILES_UPDATE, request).await
}

async fn download(client: &Client, id: FileId) -> (String, Vec<u8>) {
    let reply = client.get(&format!("{}/{id}", path::FILE_DOWNLOAD)).await;
    assert_eq!(reply.status, 307);
    let url = reply.header("Location").to_owned();
    let body = send(client.http.get(&url)).await.ok().body.to_vec();
    (url, body)
}

#[tokio::test]
async fn new_content_reaches_every_membership_and_the_old_url_lives_on() {
    let ada = ada().await;
    let client = ada.client();
    let (a, b) = (new_album(&client, ada).await, new_album(&client, ada).await);
    let file: File = client.post(path::FILES, &draft_of(&client, &a, b"old content", b"t").await).await.json();
    client.post(path::ADD_FILES, &AddFiles { collection_id: b.id, files: vec![wrapped(file.id)] }).await.empty();
    let away = MoveFiles { from_collection_id: b.id, to_collection_id: a.id, files: vec![wrapped(file.id)] };
    client.post(path::MOVE_FILES, &away).await.empty();
    let (old_url, old) = download(&client, file.id).await;
    assert_eq!(old, b"old content");
    let request = with(file.id, draft_of(&client, &a, b"new content!", b"u").await);
    let answer: UpdateFileAnswer = update(&client, &request).await.json();
    assert_eq!(answer.id, file.id);
    for album in [&a, &b] {
        let seen = row(&client, album.id, file.id).await.unwrap();
        assert_eq!((seen.updation_time, &seen.metadata), (answer.updation_time, &request.metadata));
        assert_eq!(seen.is_deleted, album.id == b.id, "the removed one comes again, removed");
        assert_eq!(listed(&client, album.id).await.unwrap().updation_time, answer.updation_time);
    }
    let seen = row(&client, a.id, file.id).await.unwrap();
    assert_eq!(
        (seen.file.decryption_header, seen.encrypted_key),
        (request.file.decryption_header.clone(), file.encrypted_key)
    );
    assert_eq!(seen.info.unwrap().file_size, 12);
    assert_eq!(download(&client, file.id).await.1, b"new content!");
    assert_eq!(send(client.http.get(&old_url)).await.ok().body.as_ref(), b"old content");
    let again: UpdateFileAnswer = update(&client, &request).await.json();
    assert!(again.updation_time > answer.updation_time, "a repeat stamps again");
}

#[tokio::test]
async fn metadata_alone_is_replaced_by_naming_the_old_objects() {
    let ada = ada().await;
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let first = draft(&client, &album).await;
    let file: File = client.post(path::FILES, &first).await.json();
    let metadata = MetadataAttributes { encrypted_data: noise(70), decryption_header: noise(24), size: 0 };
    let request = UpdateFile { metadata: metadata.clone(), ..with(file.id, first.clone()) };
    update(&client, &request).await.json::<UpdateFileAnswer>();
    assert_eq!(row(&client, album.id, file.id).await.unwrap().metadata, metadata);
    let second = draft(&client, &album).await;
    let half = UpdateFile { thumbnail: second.thumbnail, ..request };
    update(&client, &half).await.refused(500);
}

#[tokio::test]
async fn an_update_is_refused_like_a_registration_but_for_the_missing_object() {
    let (ada, ben) = (ada().await, ben().await);
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let photo = new_photo(&client, &album).await;
    let good = with(photo.id, draft(&client, &album).await);
    let theirs: Album = new_album(&ben.client(), ben).await;
    let by_ben = with(photo.id, draft(&ben.client(), &theirs).await);
    update(&ben.client(), &by_ben).await.refused(403);
    update(&client, &by_ben).await.refused(400);
    update(&client, &UpdateFile { id: FileId(900_000_000_000), ..good.clone() }).await.refused(404);
    let size = ObjectAttributes { size: 1, ..good.file.clone() };
    update(&client, &UpdateFile { file: size, ..good.clone() }).await.refused(400);
    let object_key = format!("{}/{}", ada.id, uuid::Uuid::new_v4());
    let missing = ObjectAttributes { object_key, ..good.file.clone() };
    update(&client, &UpdateFile { file: missing, ..good.clone() }).await.refused(500);
    client.put(path::FILES_UPDATE, &json!({"file": {}, "thumbnail": {}, "metadata": {}})).await.refused(400);
    let items = json!({"items": [{"fileID": photo.id, "collectionID": album.id}]});
    client.post(path::FILES_TRASH, &items).await.empty();
    update(&client, &good).await.json::<UpdateFileAnswer>();
    client.post(path::TRASH_DELETE, &json!({"fileIDs": [photo.id]})).await.empty();
    update(&client, &good).await.refused(404);
}

#[tokio::test]
async fn sizes_can_be_asked_for() {
    let (ada, ben) = (ada().await, ben().await);
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let file: File = client.post(path::FILES, &draft_of(&client, &album, &[1; 500], &[2; 30]).await).await.json();
    let ids = FileIds { file_ids: vec![file.id] };
    let info: FilesInfoAnswer = client.post(path::FILES_INFO, &ids).await.json();
    assert_eq!(
        (info.files_info.len(), info.files_info[0].file_info.file_size, info.files_info[0].file_info.thumb_size),
        (1, 500, 30)
    );
    let size: FilesSizeAnswer = client.post(path::FILES_SIZE, &ids).await.json();
    assert_eq!(size.size, 500, "thumbnails do not count");

    let (second, unknown) = (new_photo(&client, &album).await.id, FileId(900_000_000_000));
    let theirs = new_album(&ben.client(), ben).await;
    let foreign = new_photo(&ben.client(), &theirs).await.id;
    let both = FileIds { file_ids: vec![second, file.id] };
    let info: FilesInfoAnswer = client.post(path::FILES_INFO, &both).await.json();
    assert_eq!(info.files_info.iter().map(|row| row.id).collect::<Vec<_>>(), both.file_ids, "as they were asked for");
    for (file_ids, status) in
        [(vec![file.id, foreign], 403), (vec![file.id, unknown], 400), (vec![file.id, file.id], 400), (vec![], 400)]
    {
        client.post(path::FILES_INFO, &FileIds { file_ids }).await.refused(status);
    }
    let strange = FileIds { file_ids: vec![foreign, unknown, file.id, file.id] };
    let size: FilesSizeAnswer = client.post(path::FILES_SIZE, &strange).await.json();
    assert_eq!(size.size, 500, "others weigh nothing");
}
