//! Accounts with many photos, made by the API and as small as photos can be.

use super::client::Client;
use bytes::Bytes;
use entefs::account::{AccountKeys, wrap_file_key};
use entefs::base::{AlbumId, AlbumKind, B64, FileId, FileKind, Timestamp};
use entefs::crypto::{
    self, CHUNK_OVERHEAD, CollectionKey, ContentHash, FileKey, StreamHeader, StreamSealer, seal_blob,
};
use entefs::remote::{HttpRemote, ObjectBody, Part, PutTarget, RemoteApi, RemoteResult};
use entefs::upload::record::{PhotoFacts, base_metadata};
use entefs::wire::{MetadataAttributes, ObjectAttributes, RegisterFile};
use futures_util::StreamExt;

const PARALLEL: usize = 8;

impl Client {
    /// `albums` albums called `Album 000`, and `photos` photos spread over them.
    pub fn plant(&self, albums: usize, photos: usize) {
        self.wait(plant(self.remote(), self.keys(), albums, photos));
    }
}

async fn plant(remote: &HttpRemote, keys: &AccountKeys, albums: usize, photos: usize) -> RemoteResult<()> {
    let mut made = Vec::new();
    for number in 0..albums {
        let (request, key) = keys.new_collection(format!("Album {number:03}").as_bytes(), AlbumKind::Album);
        made.push((remote.create_album(&request).await?.id, key));
    }
    let made = &made;
    let mut uploads = futures_util::stream::iter((0..photos).map(|number| async move {
        let (album, key) = &made[number % made.len()];
        upload(remote, *album, key, number).await
    }))
    .buffer_unordered(PARALLEL);
    while let Some(outcome) = uploads.next().await {
        outcome?;
    }
    Ok(())
}

async fn upload(remote: &HttpRemote, album: AlbumId, album_key: &CollectionKey, number: usize) -> RemoteResult<()> {
    let (key, header, plain) = (FileKey::random(), StreamHeader::random(), format!("photo {number}").into_bytes());
    let mut object = vec![0; plain.len() + CHUNK_OVERHEAD];
    StreamSealer::new(&key, &header).seal_chunk(&plain, true, &mut object).expect("it is one chunk");
    let object_len = object.len();
    let target = remote.fetch_put_target(object_len as u64, crypto::md5(&object)).await?;
    let object_key = put(remote, target, object).await?;
    let thumbnail = seal_blob(&key, b"a thumbnail");
    let thumbnail_len = thumbnail.ciphertext.len();
    let target = remote.fetch_thumbnail_target(thumbnail_len as u64, crypto::md5(&thumbnail.ciphertext)).await?;
    let thumbnail_key = put(remote, target, thumbnail.ciphertext).await?;
    let time = Timestamp(1_600_000_000_000_000 + number as i64 * 1_000_000);
    let facts = PhotoFacts {
        title: format!("IMG_{number:06}.jpg"),
        created: time,
        modified: time,
        hash: ContentHash::of(&plain).to_text(),
        ..PhotoFacts::default()
    };
    let metadata = seal_blob(&key, &base_metadata(&facts, FileKind::Image));
    let wrapped = wrap_file_key(album_key, FileId(0), &key);
    let attributes = |object_key, header: StreamHeader, size: usize| ObjectAttributes {
        object_key,
        decryption_header: B64::of(header.0),
        size: size as i64,
    };
    let request = RegisterFile {
        collection_id: album,
        encrypted_key: wrapped.encrypted_key,
        key_decryption_nonce: wrapped.key_decryption_nonce,
        file: attributes(object_key, header, object_len),
        thumbnail: attributes(thumbnail_key, thumbnail.header, thumbnail_len),
        metadata: MetadataAttributes {
            encrypted_data: B64::of(metadata.ciphertext),
            decryption_header: B64::of(metadata.header.0),
            size: 0,
        },
        ..RegisterFile::default()
    };
    let body = serde_json::to_vec(&request).expect("a request is texts and numbers");
    remote.register_file(Bytes::from(body)).await.map(|_| ())
}

async fn put(remote: &HttpRemote, target: PutTarget, object: Vec<u8>) -> RemoteResult<String> {
    let etag = remote.put_part(&target.parts[0], ObjectBody::Bytes(Bytes::from(object))).await?;
    if let Some(url) = &target.complete_url {
        remote.complete_parts(url, &[Part { number: 1, etag }]).await?;
    }
    Ok(target.object_key)
}
