//! Albums and photos to test with. Ciphertext is opaque to a server, so most of it is made up.

use crate::client::{Client, Reply, send};
use crate::people::Account;
use entefs::base::{AlbumId, B64, FileId, Timestamp};
use entefs::crypto::{self, CollectionKey, FileKey, md5, open_box, seal_blob, seal_box, seal_sealed_box};
use entefs::wire::{
    Collection, CollectionAnswer, CollectionsAnswer, CreateCollection, DiffAnswer, File, Magic, MetadataAttributes,
    ObjectAttributes, RegisterFile, ShareCollection, TrashAnswer, TrashRow, UploadUrl, UploadUrlRequest,
    UploadUrlsAnswer, WrappedFile, path,
};
use reqwest::Method;

pub struct Album {
    pub id: AlbumId,
    pub key: CollectionKey,
}

/// Base64 of so many random bytes.
pub fn noise(len: usize) -> B64 {
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        bytes.extend_from_slice(&crypto::random::<32>());
    }
    B64::of(&bytes[..len])
}

pub fn magic(version: i64, count: i64) -> Magic {
    Magic { version, count, data: noise(40), header: noise(24) }
}

pub fn album_request(account: &Account, key: &CollectionKey, kind: &str) -> CreateCollection {
    let (wrapped, name) = (seal_box(&account.master, key.bytes()), seal_box(key, "Été 2024".as_bytes()));
    CreateCollection {
        encrypted_key: B64::of(wrapped.ciphertext),
        key_decryption_nonce: B64::of(wrapped.nonce),
        encrypted_name: B64::of(name.ciphertext),
        name_decryption_nonce: B64::of(name.nonce),
        kind: kind.to_owned(),
        attributes: entefs::wire::CollectionAttributes { version: 1, ..Default::default() },
        ..CreateCollection::default()
    }
}

/// The key of an own album.
#[track_caller]
pub fn open_album_key(account: &Account, collection: &Collection) -> CollectionKey {
    let bytes = |field: &B64| field.bytes().expect("base64");
    let key = open_box(&account.master, &bytes(&collection.key_decryption_nonce), &bytes(&collection.encrypted_key));
    CollectionKey::from_slice(&key.expect("wrapped by the master key")).expect("32 bytes")
}

pub async fn new_album(client: &Client, account: &Account) -> Album {
    let key = CollectionKey::random();
    let answer: CollectionAnswer = client.post(path::COLLECTIONS, &album_request(account, &key, "album")).await.json();
    Album { id: answer.collection.id, key }
}

/// An own album of a kind of which there is one.
pub async fn special_album(client: &Client, account: &Account, kind: &str) -> Album {
    let request = album_request(account, &CollectionKey::random(), kind);
    let answer: CollectionAnswer = client.post(path::COLLECTIONS, &request).await.json();
    Album { id: answer.collection.id, key: open_album_key(account, &answer.collection) }
}

pub fn share_request(album: &Album, with: &Account, role: Option<&str>) -> ShareCollection {
    let sealed = seal_sealed_box(&with.pair.public, album.key.bytes()).expect("a public key");
    ShareCollection {
        collection_id: album.id,
        email: with.email.clone(),
        encrypted_key: B64::of(sealed),
        role: role.map(str::to_owned),
    }
}

pub async fn share(client: &Client, album: &Album, with: &Account, role: &str) {
    client.post(path::COLLECTION_SHARE, &share_request(album, with, Some(role))).await.ok();
}

/// Asks for a URL that binds these bytes and puts them there.
pub async fn put_object(client: &Client, bytes: &[u8]) -> UploadUrl {
    let content_md5 = B64::of(md5(bytes));
    let request = UploadUrlRequest { content_length: bytes.len() as i64, content_md5: content_md5.clone() };
    let target: UploadUrl = client.post(path::UPLOAD_URL, &request).await.json();
    put_bytes(client, &target.url, bytes, &content_md5.0).await.ok();
    target
}

/// With a `Content-MD5`, unless it is empty.
pub async fn put_bytes(client: &Client, url: &str, bytes: &[u8], content_md5: &str) -> Reply {
    let request = client.http.request(Method::PUT, url).body(bytes.to_vec());
    send(if content_md5.is_empty() { request } else { request.header("Content-MD5", content_md5) }).await
}

pub async fn batch_urls(client: &Client, count: usize) -> Vec<UploadUrl> {
    let answer: UploadUrlsAnswer = client.get(&format!("{}?count={count}", path::UPLOAD_URLS)).await.json();
    answer.urls
}

fn object(key: &str, size: usize) -> ObjectAttributes {
    ObjectAttributes { object_key: key.to_owned(), decryption_header: noise(24), size: size as i64 }
}

/// A registration of two objects that have been put, with a real key and metadata.
pub async fn draft(client: &Client, album: &Album) -> RegisterFile {
    draft_of(client, album, noise(60).0.as_bytes(), noise(30).0.as_bytes()).await
}

pub async fn draft_of(client: &Client, album: &Album, content: &[u8], thumbnail: &[u8]) -> RegisterFile {
    let (file, thumb) = (put_object(client, content).await, put_object(client, thumbnail).await.object_key);
    let file_key = FileKey::random();
    let wrapped = seal_box(&album.key, file_key.bytes());
    let metadata = seal_blob(&file_key, br#"{"title":"IMG_0001.JPG","fileType":0,"creationTime":1700000000000000}"#);
    RegisterFile {
        collection_id: album.id,
        encrypted_key: B64::of(wrapped.ciphertext),
        key_decryption_nonce: B64::of(wrapped.nonce),
        file: object(&file.object_key, content.len()),
        thumbnail: object(&thumb, 0),
        metadata: MetadataAttributes {
            encrypted_data: B64::of(metadata.ciphertext),
            decryption_header: B64::of(metadata.header.0),
            size: 0,
        },
        pub_magic_metadata: None,
        magic_metadata: None,
    }
}

pub async fn new_photo(client: &Client, album: &Album) -> File {
    client.post(path::FILES, &draft(client, album).await).await.json()
}

pub fn wrapped(id: FileId) -> WrappedFile {
    WrappedFile { id, encrypted_key: noise(48), key_decryption_nonce: noise(24) }
}

/// All pages from `since` on.
pub async fn changes_since(client: &Client, album: AlbumId, since: Timestamp) -> Vec<File> {
    let (mut all, mut since) = (Vec::new(), since);
    loop {
        let page = page_since(client, album, since).await;
        since = page.diff.last().map_or(since, |file| file.updation_time);
        all.extend(page.diff);
        if !page.has_more {
            return all;
        }
    }
}

pub async fn page_since(client: &Client, album: AlbumId, since: Timestamp) -> DiffAnswer {
    client.get(&format!("{}?collectionID={album}&sinceTime={}", path::COLLECTIONS_DIFF, since.0)).await.json()
}

/// The row of one file in an album, removed ones too.
pub async fn row(client: &Client, album: AlbumId, file: FileId) -> Option<File> {
    changes_since(client, album, Timestamp::ZERO).await.into_iter().find(|row| row.id == file)
}

/// Whether a file lives in an album.
pub async fn is_in(client: &Client, album: AlbumId, file: FileId) -> bool {
    row(client, album, file).await.is_some_and(|row| !row.is_deleted)
}

pub async fn trash_row(client: &Client, file: FileId) -> Option<TrashRow> {
    trash_since(client, Timestamp::ZERO).await.into_iter().find(|row| row.file.id == file)
}

pub async fn trash_since(client: &Client, since: Timestamp) -> Vec<TrashRow> {
    let (mut all, mut since) = (Vec::new(), since);
    loop {
        let page: TrashAnswer = client.get(&format!("{}?sinceTime={}", path::TRASH_DIFF, since.0)).await.json();
        since = page.diff.last().map_or(since, |row| row.updated_at);
        all.extend(page.diff);
        if !page.has_more {
            return all;
        }
    }
}

pub async fn albums_since(client: &Client, since: Timestamp) -> Vec<Collection> {
    let answer: CollectionsAnswer =
        client.get(&format!("{}?sinceTime={}", path::COLLECTIONS_LIST, since.0)).await.json();
    answer.collections
}

/// One's own view of an album in the list.
pub async fn listed(client: &Client, album: AlbumId) -> Option<Collection> {
    albums_since(client, Timestamp::ZERO).await.into_iter().find(|collection| collection.id == album)
}
