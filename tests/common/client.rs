//! Another client of the account: what Ente has, and changes from elsewhere, by the API alone.

use entefs::account::{
    AccountKeys, OpenMagic, Opened, open_collection_name, open_file, open_magic, rename_collection, seal_magic,
    wrap_file_key,
};
use entefs::base::{AlbumId, AlbumKind, B64, FileId, FileKind, Timestamp};
use entefs::crypto::{
    CHUNK, CHUNK_OVERHEAD, CIPHER_CHUNK, CollectionKey, FileKey, MacIndex, MacPrefix, StreamHeader, StreamOpener,
    StreamSealer, md5, seal_blob, seal_sealed_box,
};
use entefs::remote::{HttpOptions, HttpRemote, ObjectBody, Page, Part, RemoteApi};
use entefs::upload::record::{PhotoFacts, base_metadata};
use entefs::wire::{
    AddFiles, Collection, File, FileMagic, MetadataAttributes, MoveFiles, ObjectAttributes, RegisterFile,
    ShareCollection, TrashDelete, TrashFiles, TrashItem, UpdateCollectionMagic, UpdateFileMagic, header, path,
};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::runtime::Handle;

/// No object of a test is longer.
const LONGEST: u64 = 64 << 20;

pub struct Client {
    runtime: Handle,
    remote: HttpRemote,
    keys: Arc<AccountKeys>,
    endpoint: String,
    token: String,
    pub email: String,
}

/// One photo of the account.
pub struct Photo {
    pub id: FileId,
    pub title: String,
    /// As the client that uploaded it says.
    pub hash: String,
    /// Names of the albums that hold it.
    pub albums: BTreeSet<String>,
    /// The record as it was uploaded, and what may be edited.
    pub base: Map<String, Value>,
    pub public: Map<String, Value>,
    key: FileKey,
    header: StreamHeader,
    magic_version: i64,
}

struct Album {
    id: AlbumId,
    visibility: i64,
    kind: AlbumKind,
    name: String,
    key: CollectionKey,
}

impl Photo {
    /// As it is called now.
    pub fn name(&self) -> &str {
        self.public.get("editedName").and_then(Value::as_str).unwrap_or(&self.title)
    }

    /// When it was taken, as Ente's apps show it: seconds of the epoch.
    pub fn taken(&self) -> i64 {
        let time = |record: &Map<String, Value>, key: &str| record.get(key).and_then(Value::as_i64);
        time(&self.public, "editedTime").or_else(|| time(&self.base, "creationTime")).unwrap_or(0).div_euclid(1_000_000)
    }

    /// Where, likewise.
    pub fn place(&self) -> Option<(f64, f64)> {
        let degrees = |record: &Map<String, Value>, key: &str| record.get(key).and_then(Value::as_f64);
        let edited = degrees(&self.public, "lat").zip(degrees(&self.public, "long"));
        edited.or_else(|| degrees(&self.base, "latitude").zip(degrees(&self.base, "longitude")))
    }

    pub fn caption(&self) -> Option<&str> {
        self.public.get("caption").and_then(Value::as_str)
    }
}

impl Client {
    pub fn new(runtime: Handle, endpoint: &str, opened: Opened) -> Self {
        let options = HttpOptions::new(endpoint, opened.session.token_cell());
        let keys = Arc::clone(&opened.session.keys);
        let (token, email) = (opened.session.token.to_string(), opened.session.email.clone());
        Self {
            runtime,
            remote: HttpRemote::new(options.clone()).expect("a client"),
            keys,
            endpoint: endpoint.into(),
            token,
            email,
        }
    }

    pub(super) fn remote(&self) -> &HttpRemote {
        &self.remote
    }

    pub(super) fn keys(&self) -> &AccountKeys {
        &self.keys
    }

    pub(super) fn wait<T>(&self, future: impl Future<Output = entefs::remote::RemoteResult<T>>) -> T {
        self.runtime.block_on(future).expect("the server answers")
    }

    fn live_albums(&self) -> Vec<Album> {
        let page = self.wait(self.remote.fetch_albums(Timestamp::ZERO));
        assert_eq!(page.malformed, 0);
        page.rows.iter().filter(|album| !album.is_deleted).map(|album| self.open(album)).collect()
    }

    fn open(&self, album: &Collection) -> Album {
        let key = self.keys.open_collection_key(album).expect("our own album");
        let name = open_collection_name(album, &key).expect("our own album");
        let name = String::from_utf8(name).expect("tests give albums UTF-8 names");
        let settings = open_magic(&key, album.magic_metadata.as_ref());
        let visibility = settings.get("visibility").and_then(Value::as_i64).unwrap_or(0);
        Album { id: album.id, kind: AlbumKind::from_wire(&album.kind), name, visibility, key }
    }

    /// Names of the live albums, special ones left out; two of one name are two.
    pub fn album_names(&self) -> Vec<String> {
        let ordinary = |album: &Album| matches!(album.kind, AlbumKind::Album | AlbumKind::Folder);
        let mut names: Vec<String> = self.live_albums().into_iter().filter(ordinary).map(|album| album.name).collect();
        names.sort();
        names
    }

    fn members(&self, album: &Album) -> Vec<File> {
        let (mut since, mut latest) = (Timestamp::ZERO, BTreeMap::new());
        loop {
            let Page { rows, malformed, last, has_more } = self.wait(self.remote.fetch_changes(album.id, since));
            assert_eq!(malformed, 0);
            for row in rows {
                latest.insert(row.id, row);
            }
            since = last.unwrap_or(since);
            if !has_more {
                return latest.into_values().filter(|row| !row.is_deleted).collect();
            }
        }
    }

    /// The live albums: each one's directory in a mount, but for the suffixes of equal names, and its photos.
    pub fn albums(&self) -> Vec<(String, BTreeSet<FileId>)> {
        let list = |album: &Album| match (album.kind, album.visibility) {
            (AlbumKind::Uncategorized | AlbumKind::Favorites, _) => String::new(),
            (_, 0) => "Albums/".into(),
            (_, 1) => "Archive/".into(),
            _ => "Hidden/".into(),
        };
        let photos = |album: &Album| self.members(album).iter().map(|file| file.id).collect();
        let albums = self.live_albums();
        albums.iter().map(|album| (list(album) + &shown(album), photos(album))).collect()
    }

    /// Every live photo, each once.
    pub fn photos(&self) -> Vec<Photo> {
        let mut photos: BTreeMap<FileId, Photo> = BTreeMap::new();
        for album in self.live_albums() {
            for file in self.members(&album) {
                let photo = photos.entry(file.id).or_insert_with(|| photo_of(&file, &album.key));
                photo.albums.insert(shown(&album));
            }
        }
        photos.into_values().collect()
    }

    /// The one photo of this title.
    #[track_caller]
    pub fn photo(&self, title: &str) -> Photo {
        let mut found: Vec<Photo> = self.photos().into_iter().filter(|photo| photo.title == title).collect();
        assert_eq!(found.len(), 1, "photos called {title}");
        found.remove(0)
    }

    /// A photo's bytes, every chunk of them verified.
    pub fn download(&self, photo: &Photo) -> Vec<u8> {
        let mut sealed = Vec::new();
        self.wait(self.remote.fetch_range(photo.id, 0..LONGEST, &mut sealed));
        let chunks: Vec<&[u8]> = sealed.chunks(CIPHER_CHUNK).collect();
        let mut macs = MacIndex::new(chunks.len() as u64);
        for (index, chunk) in (0..).zip(&chunks) {
            macs.set(index, MacPrefix::of_chunk(chunk).expect("a chunk"));
        }
        let (opener, mut plain) = (StreamOpener::new(&photo.key, &photo.header), Vec::new());
        for (index, chunk) in (0..).zip(&chunks) {
            let mut part = vec![0; chunk.len() - CHUNK_OVERHEAD];
            let last = index + 1 == chunks.len() as u64;
            opener.open_chunk(index, &macs, last, chunk, &mut part).expect("what is stored verifies");
            plain.extend_from_slice(&part);
        }
        plain
    }

    /// How many photos the account has outside the trash, as its server counts them, in an album or not.
    pub fn file_count(&self) -> u64 {
        let count = self.wait(self.remote.fetch_details()).file_count;
        count.and_then(|count| count.try_into().ok()).expect("the server counts")
    }

    /// IDs of what lies in the trash.
    pub fn trashed(&self) -> Vec<FileId> {
        let page = self.wait(self.remote.fetch_trash(Timestamp::ZERO));
        page.rows.iter().filter(|row| !row.is_restored && !row.is_deleted).map(|row| row.file.id).collect()
    }

    #[track_caller]
    fn album(&self, name: &str) -> Album {
        let album = self.live_albums().into_iter().find(|album| shown(album) == name);
        album.unwrap_or_else(|| panic!("an album called {name}"))
    }

    /// Makes an album.
    pub fn create_album(&self, name: &str) {
        let (request, _) = self.keys.new_collection(name.as_bytes(), AlbumKind::Album);
        self.wait(self.remote.create_album(&request));
    }

    pub fn rename_album(&self, name: &str, new: &str) {
        let album = self.album(name);
        self.wait(self.remote.rename_album(&rename_collection(album.id, &album.key, new.as_bytes())));
    }

    /// One more album holds the photo.
    pub fn add(&self, photo: &Photo, album: &str) {
        let album = self.album(album);
        let files = vec![wrap_file_key(&album.key, photo.id, &photo.key)];
        self.wait(self.remote.add_files(&AddFiles { collection_id: album.id, files }));
    }

    /// Moves a photo of this album to the trash.
    pub fn trash(&self, photo: &Photo, album: &str) {
        let items = vec![TrashItem { file_id: photo.id, collection_id: self.album(album).id }];
        self.wait(self.remote.trash_files(&TrashFiles { items }));
    }

    /// Takes a photo out of the trash, into this album.
    pub fn restore(&self, photo: &Photo, album: &str) {
        let album = self.album(album);
        let files = vec![wrap_file_key(&album.key, photo.id, &photo.key)];
        self.wait(self.remote.restore_files(&AddFiles { collection_id: album.id, files }));
    }

    /// Deletes what is in the trash for good.
    pub fn delete_for_good(&self, photo: &Photo) {
        self.post(path::TRASH_DELETE, &TrashDelete { file_ids: vec![photo.id] });
    }

    /// Deletes an empty album.
    pub fn delete_album(&self, name: &str) {
        self.wait(self.remote.delete_album(self.album(name).id));
    }

    pub fn move_photo(&self, photo: &Photo, from: &str, to: &str) {
        let (from, to) = (self.album(from), self.album(to));
        let files = vec![wrap_file_key(&to.key, photo.id, &photo.key)];
        let request = MoveFiles { from_collection_id: from.id, to_collection_id: to.id, files };
        self.wait(self.remote.move_files(&request));
    }

    /// A live photo as another client uploads it: this zip, whatever is in it.
    pub fn upload_live(&self, album: &str, title: &str, zip: &[u8]) {
        self.upload(album, title, FileKind::LivePhoto, zip, "");
    }

    /// A photo as another client uploads it: these bytes, and this hash, whatever theirs is.
    pub fn upload(&self, album: &str, title: &str, kind: FileKind, plain: &[u8], hash: &str) {
        self.upload_with(album, title, kind, plain, &[("hash", hash.to_owned())]);
    }

    /// The same with these texts in its metadata.
    pub fn upload_with(&self, album: &str, title: &str, kind: FileKind, plain: &[u8], texts: &[(&str, String)]) {
        let album = self.album(album);
        let (key, header) = (FileKey::random(), StreamHeader::random());
        let facts = PhotoFacts { title: title.into(), modified: Timestamp(7_000_000), ..PhotoFacts::default() };
        let mut base: Map<String, Value> = serde_json::from_slice(&base_metadata(&facts, kind)).expect("a record");
        base.extend(texts.iter().map(|(name, text)| ((*name).to_owned(), Value::from(text.as_str()))));
        let metadata = seal_blob(&key, &serde_json::to_vec(&base).expect("a record"));
        let thumbnail = seal_blob(&key, b"a thumbnail");
        let wrapped = wrap_file_key(&album.key, FileId(0), &key);
        let request = RegisterFile {
            collection_id: album.id,
            encrypted_key: wrapped.encrypted_key,
            key_decryption_nonce: wrapped.key_decryption_nonce,
            file: self.put(header, seal_stream(&key, &header, plain)),
            thumbnail: self.put(thumbnail.header, thumbnail.ciphertext),
            metadata: MetadataAttributes {
                encrypted_data: B64::of(metadata.ciphertext),
                decryption_header: B64::of(metadata.header.0),
                size: 0,
            },
            ..RegisterFile::default()
        };
        let body = serde_json::to_vec(&request).expect("a request is texts and numbers");
        self.wait(self.remote.register_file(body.into()));
    }

    fn put(&self, header: StreamHeader, object: Vec<u8>) -> ObjectAttributes {
        let size = object.len();
        let target = self.wait(self.remote.fetch_put_target(size as u64, md5(&object)));
        let etag = self.wait(self.remote.put_part(&target.parts[0], ObjectBody::Bytes(object.into())));
        if let Some(url) = &target.complete_url {
            self.wait(self.remote.complete_parts(url, &[Part { number: 1, etag }]));
        }
        ObjectAttributes { object_key: target.object_key, decryption_header: B64::of(header.0), size: size as i64 }
    }

    /// Gives a photo another name.
    pub fn rename(&self, photo: &Photo, name: &str) {
        let fields = Map::from_iter([("editedName".to_owned(), Value::from(name))]);
        let magic_metadata = seal_magic(&photo.key, photo.magic_version, &fields);
        let request = UpdateFileMagic {
            metadata_list: vec![FileMagic { id: photo.id, magic_metadata }],
            ..UpdateFileMagic::default()
        };
        self.wait(self.remote.update_public_magic(&request));
    }

    /// What an album's own settings say: 0 visible, 1 archived, 2 hidden.
    pub fn visibility(&self, name: &str) -> i64 {
        let album = self.album(name);
        let stored = self.wait(self.remote.fetch_album(album.id)).magic_metadata;
        open_magic(&album.key, stored.as_ref()).get("visibility").and_then(Value::as_i64).unwrap_or(0)
    }

    pub fn set_visibility(&self, name: &str, visibility: i64) {
        let album = self.album(name);
        let version = self.wait(self.remote.fetch_album(album.id)).magic_metadata.map_or(0, |magic| magic.version);
        let fields = Map::from_iter([("visibility".to_owned(), Value::from(visibility))]);
        let magic_metadata = seal_magic(&album.key, version, &fields);
        self.wait(self.remote.update_album_magic(&UpdateCollectionMagic { id: album.id, magic_metadata }));
    }

    /// Shares an album with somebody, or changes what they may do there: `VIEWER`, `COLLABORATOR`, `ADMIN`.
    pub fn share(&self, name: &str, with: &Self, role: &str) {
        let album = self.album(name);
        let sealed = seal_sealed_box(&with.keys.pair.public, album.key.bytes()).expect("a public key");
        let request = ShareCollection {
            collection_id: album.id,
            email: with.email.clone(),
            encrypted_key: B64::of(sealed),
            role: Some(role.into()),
        };
        self.post(path::COLLECTION_SHARE, &request);
    }

    fn post(&self, path: &str, request: &impl serde::Serialize) {
        let url = format!("{}{path}", self.endpoint);
        let call = reqwest::Client::new().post(url).header(header::AUTH_TOKEN, &self.token);
        let call = call.header(header::CLIENT_PACKAGE, header::PHOTOS_PACKAGE).json(request);
        let answer = self.runtime.block_on(call.send()).expect("the server answers");
        assert!(answer.status().is_success(), "{answer:?}");
    }

    /// Keys as they must not lie about.
    pub fn secret_keys(&self) -> Vec<Vec<u8>> {
        let mut secrets = vec![self.keys.master.bytes().to_vec(), self.keys.pair.secret.bytes().to_vec()];
        secrets.extend(self.live_albums().iter().map(|album| album.key.bytes().to_vec()));
        secrets.extend(self.photos().iter().map(|photo| photo.key.bytes().to_vec()));
        secrets
    }
}

fn seal_stream(key: &FileKey, header: &StreamHeader, plain: &[u8]) -> Vec<u8> {
    let (mut sealer, mut object) = (StreamSealer::new(key, header), Vec::new());
    let mut chunks = plain.chunks(CHUNK).peekable();
    while let Some(chunk) = chunks.next() {
        let mut sealed = vec![0; chunk.len() + CHUNK_OVERHEAD];
        sealer.seal_chunk(chunk, chunks.peek().is_none(), &mut sealed).expect("a short stream");
        object.extend_from_slice(&sealed);
    }
    object
}

/// The directory in which a mount shows an album.
fn shown(album: &Album) -> String {
    match album.kind {
        AlbumKind::Uncategorized => "Uncategorized".into(),
        AlbumKind::Favorites => "Favorites".into(),
        AlbumKind::Album | AlbumKind::Folder => album.name.clone(),
    }
}

fn photo_of(file: &File, album: &CollectionKey) -> Photo {
    let opened = open_file(file, album).expect("our own photo");
    let text = |name: &str| opened.metadata.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Photo {
        id: file.id,
        title: text("title"),
        hash: text("hash"),
        base: opened.metadata.clone(),
        public: match &opened.public_magic {
            OpenMagic::Open { fields, .. } => fields.clone(),
            _ => Map::new(),
        },
        albums: BTreeSet::new(),
        magic_version: opened.public_magic.version(),
        key: opened.key,
        header: StreamHeader(file.file.decryption_header.array().expect("24 bytes")),
    }
}
