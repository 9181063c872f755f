//! From a file's ID to its bytes (data 5.1), and the whole way of a photo's bytes through real encryption.

use crate::client::{Client, send};
use crate::people::{ada, ben};
use crate::photos::{draft_of, new_album, new_photo, put_object, row, share};
use entefs::base::B64;
use entefs::crypto::{
    CHUNK, CHUNK_OVERHEAD, FileKey, MacIndex, StreamHeader, StreamOpener, StreamSealer, chunk_count, cipher_len,
    open_blob, open_box, seal_blob, seal_box,
};
use entefs::wire::{File, MetadataAttributes, ObjectAttributes, RegisterFile, path};
use serde_json::json;

#[tokio::test]
async fn both_objects_are_reached_by_a_redirect() {
    let ada = ada().await;
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let file: File = client.post(path::FILES, &draft_of(&client, &album, b"photo", b"thumb").await).await.json();
    for (path, bytes) in [(path::FILE_DOWNLOAD, b"photo"), (path::FILE_PREVIEW, b"thumb")] {
        let reply = client.get(&format!("{path}/{}", file.id)).await;
        assert_eq!(reply.status, 307);
        assert!(reply.text().contains("<a href="), "a short page: {}", reply.text());
        let url = reply.header("Location").to_owned();
        assert!(url.contains("X-Amz-Expires=604800") && !url.contains("token="), "{url}");
        assert_eq!(send(client.http.get(url)).await.ok().body.as_ref(), bytes);
        client.get(&format!("{path}/900000000000")).await.refused(404);
        client.get(&format!("{path}/seven")).await.refused(404);
    }
    let by_query = format!("{}/{}?token={}", path::FILE_DOWNLOAD, file.id, ada.token);
    let reply = Client::new().get(&by_query).await;
    assert_eq!(reply.status, 307);
    assert!(!reply.header("Location").contains(&ada.token));
}

#[tokio::test]
async fn a_file_is_for_its_owner_and_whom_it_is_shown_to() {
    let (ada, ben) = (ada().await, ben().await);
    let (owner, member) = (ada.client(), ben.client());
    let album = new_album(&owner, ada).await;
    let photo = new_photo(&owner, &album).await;
    let path = format!("{}/{}", path::FILE_DOWNLOAD, photo.id);
    member.get(&path).await.refused(403);
    share(&owner, &album, ben, "VIEWER").await;
    assert_eq!(member.get(&path).await.status, 307);
    let items = json!({"items": [{"fileID": photo.id, "collectionID": album.id}]});
    owner.post(path::FILES_TRASH, &items).await.empty();
    member.get(&path).await.refused(403);
    assert_eq!(owner.get(&path).await.status, 307, "the owner reads from the trash");
    owner.post(path::TRASH_DELETE, &json!({"fileIDs": [photo.id]})).await.empty();
    owner.get(&path).await.refused(404);
    member.get(&path).await.refused(403);
}

/// A file's ciphertext under this key and header.
fn seal(key: &FileKey, header: &StreamHeader, plain: &[u8]) -> Vec<u8> {
    let mut sealer = StreamSealer::new(key, header);
    let count = chunk_count(plain.len() as u64) as usize;
    let mut sealed = Vec::new();
    for index in 0..count {
        let chunk = &plain[index * CHUNK..plain.len().min((index + 1) * CHUNK)];
        let mut out = vec![0; chunk.len() + CHUNK_OVERHEAD];
        sealer.seal_chunk(chunk, index + 1 == count, &mut out).expect("lengths fit");
        sealed.extend_from_slice(&out);
    }
    sealed
}

fn open(key: &FileKey, header: &StreamHeader, sealed: &[u8]) -> Vec<u8> {
    let opener = StreamOpener::new(key, header);
    let count = sealed.chunks(CHUNK + CHUNK_OVERHEAD).count();
    let mut macs = MacIndex::new(count as u64);
    let mut plain = Vec::new();
    for (index, chunk) in sealed.chunks(CHUNK + CHUNK_OVERHEAD).enumerate() {
        let mut out = vec![0; chunk.len() - CHUNK_OVERHEAD];
        macs.set(index as u64, entefs::crypto::MacPrefix::of_chunk(chunk).expect("a whole chunk"));
        opener.open_chunk(index as u64, &macs, index + 1 == count, chunk, &mut out).expect("what was sealed");
        plain.extend_from_slice(&out);
    }
    plain
}

#[tokio::test]
async fn a_photo_survives_the_whole_way_there_and_back() {
    let ada = ada().await;
    let client = ada.client();
    let album = new_album(&client, ada).await;
    for size in [0, 1, CHUNK, CHUNK + 1] {
        let plain: Vec<u8> = (0..size).map(|i| ((i * 13) >> 2) as u8).collect();
        let (key, header) = (FileKey::random(), StreamHeader::random());
        let sealed = seal(&key, &header, &plain);
        assert_eq!(sealed.len() as u64, cipher_len(size as u64));
        let (thumbnail, metadata) = (seal_blob(&key, b"thumbnail"), seal_blob(&key, br#"{"title":"a.jpg"}"#));
        let wrapped = seal_box(&album.key, key.bytes());
        let request = RegisterFile {
            collection_id: album.id,
            encrypted_key: B64::of(wrapped.ciphertext),
            key_decryption_nonce: B64::of(wrapped.nonce),
            file: ObjectAttributes {
                object_key: put_object(&client, &sealed).await.object_key,
                decryption_header: B64::of(header.0),
                size: sealed.len() as i64,
            },
            thumbnail: ObjectAttributes {
                object_key: put_object(&client, &thumbnail.ciphertext).await.object_key,
                decryption_header: B64::of(thumbnail.header.0),
                size: 0,
            },
            metadata: MetadataAttributes {
                encrypted_data: B64::of(metadata.ciphertext),
                decryption_header: B64::of(metadata.header.0),
                size: 0,
            },
            ..RegisterFile::default()
        };
        let file: File = client.post(path::FILES, &request).await.json();
        let seen = row(&client, album.id, file.id).await.expect("registered");
        let bytes = |field: &B64| field.bytes().expect("base64");
        let key = open_box(&album.key, &bytes(&seen.key_decryption_nonce), &bytes(&seen.encrypted_key)).unwrap();
        let key = FileKey::from_slice(&key).unwrap();
        let title = open_blob(&key, &bytes(&seen.metadata.decryption_header), &bytes(&seen.metadata.encrypted_data));
        assert_eq!(title.unwrap(), br#"{"title":"a.jpg"}"#);
        let url = client.get(&format!("{}/{}", path::FILE_DOWNLOAD, file.id)).await.header("Location").to_owned();
        let body = send(client.http.get(url)).await.ok().body;
        let header = StreamHeader(bytes(&seen.file.decryption_header).try_into().unwrap());
        assert_eq!(open(&key, &header, &body), plain);
    }
}
