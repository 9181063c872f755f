//! Fills an existing account with albums and photos, through the real API.
//!
//! ```text
//! cargo run --release --example seed -- --endpoint http://127.0.0.1:8080 --email ada@example.org \
//!     --password-file password.txt --albums 200 --photos 100000 [--bytes 4096]
//! ```
//!
//! The photos are spread over the albums; each is a JPEG of its own, at least `--bytes` long. Runs add up.
//! `--gather TITLE=COUNT` puts so many of this run into one more album besides, without sending them again.

use bytes::Bytes;
use clap::Parser;
use entefs::account::{
    AccountDir, AccountError, AccountFlows, AccountKeys, AccountResult, Derivation, NoKeyring, PasswordPurpose, Prompt,
    wrap_file_key,
};
use entefs::base::{AlbumId, AlbumKind, B64, Clock, FileId, FileKind, SystemClock};
use entefs::crypto::{
    self, CHUNK, CHUNK_OVERHEAD, CIPHER_CHUNK, CollectionKey, ContentHash, FileKey, StreamHeader, StreamSealer,
    Zeroizing, seal_blob,
};
use entefs::media::{landscape, stand_in};
use entefs::remote::{HttpLogin, HttpOptions, HttpRemote, ObjectBody, PutTarget, RemoteApi, RemoteResult, TokenCell};
use entefs::upload::record::{PhotoFacts, base_metadata};
use entefs::wire::{AddFiles, MetadataAttributes, ObjectAttributes, RegisterFile};
use futures_util::StreamExt;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Photos sent at once.
const PARALLEL: usize = 16;
/// A larger object goes in parts of this length.
const PART: usize = 5 * CIPHER_CHUNK;
/// The longest text of a JPEG's comment.
const COMMENT: usize = 65_533;

#[derive(Parser)]
struct Args {
    #[arg(long)]
    endpoint: String,
    #[arg(long)]
    email: String,
    /// Its first line is the password
    #[arg(long)]
    password_file: PathBuf,
    #[arg(long)]
    albums: usize,
    /// Of this run, over all albums
    #[arg(long)]
    photos: usize,
    /// The least length of a photo
    #[arg(long, default_value_t = 0, value_parser = entefs::base::parse_size)]
    bytes: u64,
    /// One more album, for so many of this run; may be given again
    #[arg(long, value_name = "TITLE=COUNT")]
    gather: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let (keys, token) = log_in(&args).await?;
    let remote = HttpRemote::new(HttpOptions::new(&args.endpoint, token))?;
    let began = Instant::now();
    let albums = make_albums(&remote, &keys, args.albums.max(1)).await?;
    let sample = Sample::new(args.bytes as usize);
    let run = u64::from_le_bytes(crypto::random());
    let (remote, sample, albums) = (&remote, &sample, &albums);
    let mut photos = futures_util::stream::iter((0..args.photos).map(|number| async move {
        let (album, key) = &albums[number % albums.len()];
        upload(remote, *album, key, &format!("IMG_{number:06}.jpg"), sample.photo(run ^ number as u64)).await
    }))
    .buffer_unordered(PARALLEL);
    let mut done = 0;
    let mut made = Vec::new();
    while let Some(outcome) = photos.next().await {
        made.push(outcome?);
        done += 1;
        if done % 1000 == 0 {
            eprintln!("{done} photos, {:.0} a second", done as f64 / began.elapsed().as_secs_f64());
        }
    }
    drop(photos);
    for wanted in &args.gather {
        let (title, count) = wanted.split_once('=').ok_or("--gather wants TITLE=COUNT")?;
        gather(remote, &keys, title, &made[..count.parse::<usize>()?.min(made.len())]).await?;
    }
    println!("{} albums and {done} photos in {:.1} s", args.albums.max(1), began.elapsed().as_secs_f64());
    Ok(())
}

async fn log_in(args: &Args) -> Result<(Arc<AccountKeys>, TokenCell), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let api = HttpLogin::new(&HttpOptions::new(&args.endpoint, TokenCell::default()))?;
    let account = AccountDir::with_places(dir.path(), Arc::new(NoKeyring), None);
    let prompt = PasswordFile(args.password_file.clone());
    let opened = AccountFlows::new(Arc::new(api), Arc::new(prompt), account, &args.endpoint).login(&args.email).await?;
    Ok((Arc::clone(&opened.session.keys), opened.session.token_cell()))
}

async fn make_albums(
    remote: &HttpRemote,
    keys: &AccountKeys,
    count: usize,
) -> RemoteResult<Vec<(AlbumId, CollectionKey)>> {
    let mut albums = Vec::new();
    for number in 0..count {
        let (request, key) = keys.new_collection(format!("Album {number:03}").as_bytes(), AlbumKind::Album);
        albums.push((remote.create_album(&request).await?.id, key));
    }
    Ok(albums)
}

/// Adds photos to a new album, a thousand at a time, as Ente takes them.
async fn gather(
    remote: &HttpRemote,
    keys: &AccountKeys,
    title: &str,
    photos: &[(FileId, FileKey)],
) -> RemoteResult<()> {
    let (request, album_key) = keys.new_collection(title.as_bytes(), AlbumKind::Album);
    let album = remote.create_album(&request).await?.id;
    for batch in photos.chunks(1000) {
        let files = batch.iter().map(|(file, key)| wrap_file_key(&album_key, *file, key)).collect();
        remote.add_files(&AddFiles { collection_id: album, files }).await?;
    }
    Ok(())
}

async fn upload(
    remote: &HttpRemote,
    album: AlbumId,
    album_key: &CollectionKey,
    title: &str,
    jpeg: Vec<u8>,
) -> RemoteResult<(FileId, FileKey)> {
    let (key, header) = (FileKey::random(), StreamHeader::random());
    let facts = facts_of(title, &jpeg);
    let object = seal(&key, &header, &jpeg);
    let object_len = object.len();
    let object_key = put(remote, object).await?;
    let thumbnail = seal_blob(&key, stand_in());
    let thumbnail_len = thumbnail.ciphertext.len();
    let target = remote.fetch_thumbnail_target(thumbnail_len as u64, crypto::md5(&thumbnail.ciphertext)).await?;
    put_parts(remote, &target, Bytes::from(thumbnail.ciphertext)).await?;
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
        thumbnail: attributes(target.object_key, thumbnail.header, thumbnail_len),
        metadata: MetadataAttributes {
            encrypted_data: B64::of(metadata.ciphertext),
            decryption_header: B64::of(metadata.header.0),
            size: 0,
        },
        ..RegisterFile::default()
    };
    let body = serde_json::to_vec(&request).expect("a request is texts and numbers");
    let made = remote.register_file(Bytes::from(body)).await?;
    Ok((made.id, key))
}

fn facts_of(title: &str, jpeg: &[u8]) -> PhotoFacts {
    let now = SystemClock.now();
    let hash = ContentHash::of(jpeg).to_text();
    PhotoFacts { title: title.into(), created: now, modified: now, hash, ..PhotoFacts::default() }
}

fn seal(key: &FileKey, header: &StreamHeader, plain: &[u8]) -> Vec<u8> {
    let mut sealer = StreamSealer::new(key, header);
    let mut object = Vec::with_capacity(plain.len() + (plain.len() / CHUNK + 1) * CHUNK_OVERHEAD);
    let mut chunks = plain.chunks(CHUNK).peekable();
    while let Some(chunk) = chunks.next() {
        let mut sealed = vec![0; chunk.len() + CHUNK_OVERHEAD];
        sealer.seal_chunk(chunk, chunks.peek().is_none(), &mut sealed).expect("a stream of this length can be sealed");
        object.extend_from_slice(&sealed);
    }
    object
}

async fn put(remote: &HttpRemote, object: Vec<u8>) -> RemoteResult<String> {
    let length = object.len() as u64;
    let target = if object.len() > PART {
        let md5s: Vec<_> = object.chunks(PART).map(crypto::md5).collect();
        remote.fetch_multipart_target(length, PART as u64, &md5s).await?
    } else {
        remote.fetch_put_target(length, crypto::md5(&object)).await?
    };
    put_parts(remote, &target, Bytes::from(object)).await?;
    Ok(target.object_key)
}

async fn put_parts(remote: &HttpRemote, target: &PutTarget, object: Bytes) -> RemoteResult<()> {
    let (mut offset, mut parts) = (0, Vec::new());
    for (number, part) in (1..).zip(&target.parts) {
        let end = offset + part.length as usize;
        let etag = remote.put_part(part, ObjectBody::Bytes(object.slice(offset..end))).await?;
        parts.push(entefs::remote::Part { number, etag });
        offset = end;
    }
    match &target.complete_url {
        Some(url) => remote.complete_parts(url, &parts).await,
        None => Ok(()),
    }
}

/// A picture that becomes as many photos as wanted: a comment makes each another one.
struct Sample {
    jpeg: Vec<u8>,
    bytes: usize,
}

impl Sample {
    fn new(bytes: usize) -> Self {
        let jpeg = if bytes > 100_000 { landscape(7) } else { stand_in().to_vec() };
        Self { jpeg, bytes }
    }

    fn photo(&self, seed: u64) -> Vec<u8> {
        let missing = self.bytes.saturating_sub(self.jpeg.len()).max(8);
        let mut noise = seed | 1;
        let mut photo = self.jpeg[..2].to_vec();
        let mut left = missing;
        while left > 0 {
            let len = left.min(COMMENT);
            photo.extend_from_slice(&[0xff, 0xfe]);
            photo.extend_from_slice(&(len as u16 + 2).to_be_bytes());
            for _ in 0..len.div_ceil(8) {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                photo.extend_from_slice(&noise.to_le_bytes());
            }
            photo.truncate(photo.len() - (len.div_ceil(8) * 8 - len));
            left -= len;
        }
        photo.extend_from_slice(&self.jpeg[2..]);
        photo
    }
}

/// The password of a file, and nothing else.
struct PasswordFile(PathBuf);

impl Prompt for PasswordFile {
    fn ask_password(&self, _: PasswordPurpose) -> AccountResult<Zeroizing<String>> {
        let text = fs::read_to_string(&self.0).map_err(|source| AccountError::File { path: self.0.clone(), source })?;
        Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
    }

    fn ask_email_code(&self, _: &str) -> AccountResult<String> {
        Err(AccountError::Cancelled)
    }

    fn ask_totp(&self, _: bool) -> AccountResult<Option<String>> {
        Err(AccountError::Cancelled)
    }

    fn show_passkey_url(&self, _: &str) -> AccountResult<()> {
        Err(AccountError::Cancelled)
    }

    fn show_recovery_words(&self, _: &str) -> AccountResult<()> {
        Ok(())
    }

    fn note_derivation(&self, _: Derivation) {}

    fn ask_again(&self, _: &AccountError) -> bool {
        false
    }
}
