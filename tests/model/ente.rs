//! One account on an Ente server, in memory: the facts that everything else is held against. Strict where the
//! server is (protocol notes, data 1, 3.5, 6): what it would refuse is refused with its status. Every object that is
//! registered is opened and compared with the hash that its record states.

use crate::photos::{Content, content_of};
use crate::rules::photos_beside_equal_ones;
use entefs::account::{AccountKeys, OpenFile, open_collection_name, open_file};
use entefs::base::{AlbumId, AlbumKind, B64, Clock, FileId, FixedClock, Timestamp, Visibility};
use entefs::crypto::{CollectionKey, ContentHash, FileKey, MacIndex, StreamHeader, StreamOpener, plain_len};
use entefs::remote::{RemoteError, RemoteResult};
use entefs::wire::{
    AddFiles, Collection, CreateCollection, File, FileInfo, Magic, Member, MoveFiles, RegisterFile, RenameCollection,
    TrashFiles, TrashRow, UpdateCollectionMagic, UpdateFileMagic, WrappedFile,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

/// A photo as anybody with the keys sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Photo {
    pub title: String,
    pub edited: Option<String>,
    pub content: Content,
    pub trashed: bool,
}

impl Photo {
    pub fn display_name(&self) -> &str {
        self.edited.as_deref().unwrap_or(&self.title)
    }
}

/// An album that is not deleted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Album {
    pub kind: AlbumKind,
    pub name: String,
    pub visibility: Visibility,
    pub photos: BTreeSet<FileId>,
}

/// All of it at one moment.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Facts {
    pub albums: BTreeMap<AlbumId, Album>,
    pub photos: BTreeMap<FileId, Photo>,
}

impl Facts {
    /// Albums that hold a photo.
    pub fn homes(&self, file: FileId) -> Vec<AlbumId> {
        self.albums.iter().filter(|(_, album)| album.photos.contains(&file)).map(|(id, _)| *id).collect()
    }
}

struct AlbumRow {
    record: Collection,
    key: CollectionKey,
    name: String,
}

struct FileRow {
    record: File,
    key: FileKey,
    object: String,
    thumb: String,
    photo: Photo,
}

struct Membership {
    live: bool,
    wrapped: WrappedFile,
    updation: Timestamp,
}

#[derive(Default)]
pub struct State {
    stamp: i64,
    next: i64,
    albums: BTreeMap<AlbumId, AlbumRow>,
    files: BTreeMap<FileId, FileRow>,
    members: BTreeMap<(AlbumId, FileId), Membership>,
    trash: BTreeMap<FileId, TrashRow>,
    objects: HashMap<String, Vec<u8>>,
    /// The next album that something joins gets an earlier stamp than it had.
    late: bool,
    /// Photos that were in Uncategorized alone beside an equal one: new bytes of what no album has (semantics 2.9).
    beside: BTreeSet<FileId>,
}

pub struct Ente {
    keys: Arc<AccountKeys>,
    clock: Arc<FixedClock>,
    state: Mutex<State>,
}

pub fn refused(status: u16) -> RemoteError {
    RemoteError::Status { endpoint: "/model", status, code: String::new(), retry_after: None }
}

impl Ente {
    pub fn new(keys: Arc<AccountKeys>, clock: Arc<FixedClock>) -> Self {
        Self { keys, clock, state: Mutex::default() }
    }

    pub fn keys(&self) -> &AccountKeys {
        &self.keys
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test goes on after a panic")
    }

    fn stamp(&self, state: &mut State) -> Timestamp {
        state.stamp = self.clock.now().0.max(state.stamp + 1);
        Timestamp(state.stamp)
    }

    pub fn facts(&self) -> Facts {
        let state = self.state();
        let mut facts = Facts::default();
        for (id, row) in state.albums.iter().filter(|(_, row)| !row.record.is_deleted) {
            let photos = state.members.iter().filter(|((album, _), member)| album == id && member.live);
            let album = Album {
                kind: AlbumKind::from_wire(&row.record.kind),
                name: row.name.clone(),
                visibility: visibility_of(row),
                photos: photos.map(|((_, file), _)| *file).collect(),
            };
            facts.albums.insert(*id, album);
        }
        facts.photos = state.files.iter().map(|(id, row)| (*id, row.photo.clone())).collect();
        facts
    }

    pub fn album_key(&self, album: AlbumId) -> CollectionKey {
        let state = self.state();
        CollectionKey::from_slice(state.albums[&album].key.bytes()).expect("a key's length")
    }

    pub fn file_key(&self, file: FileId) -> FileKey {
        FileKey::from_slice(self.state().files[&file].key.bytes()).expect("a key's length")
    }

    /// The version that a change of the public metadata must name, and what there is.
    pub fn public_magic(&self, file: FileId) -> Option<Magic> {
        self.state().files[&file].record.pub_magic_metadata.clone()
    }

    /// Looks for photos beside equal ones: they may be elsewhere a moment later.
    pub fn note_beside(&self, facts: &Facts) {
        self.state().beside.extend(photos_beside_equal_ones(facts));
    }

    pub fn was_beside(&self, file: FileId) -> bool {
        self.state().beside.contains(&file)
    }

    // Albums

    pub fn albums_since(&self, since: Timestamp) -> Vec<Collection> {
        let state = self.state();
        let rows = state.albums.values().map(|row| row.record.clone());
        rows.filter(|album| album.updation_time > since).collect()
    }

    pub fn album(&self, id: AlbumId) -> RemoteResult<Collection> {
        self.state().albums.get(&id).map(|row| row.record.clone()).ok_or_else(|| refused(404))
    }

    pub fn create_album(&self, request: &CreateCollection) -> RemoteResult<Collection> {
        let mut state = self.state();
        if matches!(AlbumKind::from_wire(&request.kind), AlbumKind::Favorites | AlbumKind::Uncategorized)
            && let Some(row) = state.albums.values().find(|row| row.record.kind == request.kind)
        {
            return Ok(row.record.clone());
        }
        state.next += 1;
        let id = AlbumId(state.next);
        let record = Collection {
            id,
            owner: Member { id: self.keys.user, ..Member::default() },
            encrypted_key: request.encrypted_key.clone(),
            key_decryption_nonce: request.key_decryption_nonce.clone(),
            encrypted_name: request.encrypted_name.clone(),
            name_decryption_nonce: request.name_decryption_nonce.clone(),
            kind: request.kind.clone(),
            attributes: request.attributes.clone(),
            updation_time: self.stamp(&mut state),
            magic_metadata: request.magic_metadata.clone(),
            ..Collection::default()
        };
        let key = self.keys.open_collection_key(&record).expect("wrapped by the account's key");
        let name = name_of(&record, &key);
        state.albums.insert(id, AlbumRow { record: record.clone(), key, name });
        Ok(record)
    }

    fn change_album(&self, id: AlbumId, change: impl FnOnce(&mut AlbumRow)) -> RemoteResult<()> {
        let mut state = self.state();
        let stamp = self.stamp(&mut state);
        let row = state.albums.get_mut(&id).filter(|row| !row.record.is_deleted).ok_or_else(|| refused(404))?;
        change(row);
        row.record.updation_time = stamp;
        Ok(())
    }

    pub fn rename_album(&self, request: &RenameCollection) -> RemoteResult<()> {
        self.change_album(request.collection_id, |row| {
            row.record.encrypted_name = request.encrypted_name.clone();
            row.record.name_decryption_nonce = request.name_decryption_nonce.clone();
            row.name = name_of(&row.record, &row.key);
        })
    }

    pub fn set_album_magic(&self, request: &UpdateCollectionMagic) -> RemoteResult<()> {
        self.change_album(request.id, |row| {
            let version = request.magic_metadata.version + 1;
            row.record.magic_metadata = Some(Magic { version, ..request.magic_metadata.clone() });
        })
    }

    pub fn delete_album(&self, id: AlbumId) -> RemoteResult<()> {
        if self.facts().albums.get(&id).is_some_and(|album| !album.photos.is_empty()) {
            return Err(refused(409));
        }
        let state = self.state();
        let kind = state.albums.get(&id).map(|row| AlbumKind::from_wire(&row.record.kind));
        drop(state);
        if matches!(kind, Some(AlbumKind::Favorites | AlbumKind::Uncategorized)) {
            return Err(refused(400));
        }
        self.change_album(id, |row| row.record.is_deleted = true)
    }

    // Memberships

    pub fn changes_since(&self, album: AlbumId, since: Timestamp) -> RemoteResult<Vec<File>> {
        let state = self.state();
        state.albums.get(&album).filter(|row| !row.record.is_deleted).ok_or_else(|| refused(404))?;
        let mut rows: Vec<File> = state
            .members
            .iter()
            .filter(|((of, _), member)| *of == album && member.updation > since)
            .map(|((_, file), member)| File {
                collection_id: album,
                encrypted_key: member.wrapped.encrypted_key.clone(),
                key_decryption_nonce: member.wrapped.key_decryption_nonce.clone(),
                is_deleted: !member.live,
                updation_time: member.updation,
                ..state.files[file].record.clone()
            })
            .collect();
        rows.sort_by_key(|row| row.updation_time);
        Ok(rows)
    }

    fn check_files(state: &State, files: &[WrappedFile]) -> RemoteResult<()> {
        for file in files {
            let row = state.files.get(&file.id).ok_or_else(|| refused(404))?;
            if row.photo.trashed {
                return Err(refused(400));
            }
        }
        Ok(())
    }

    fn check_album(state: &State, album: AlbumId) -> RemoteResult<()> {
        let row = state.albums.get(&album).filter(|row| !row.record.is_deleted);
        row.map(|_| ()).ok_or_else(|| refused(404))
    }

    fn link(state: &mut State, album: AlbumId, file: &WrappedFile, stamp: Timestamp) {
        let known = state.members.remove(&(album, file.id));
        let wrapped = known.map_or_else(|| file.clone(), |known| known.wrapped);
        state.members.insert((album, file.id), Membership { live: true, wrapped, updation: stamp });
        state.albums.get_mut(&album).expect("checked").record.updation_time = stamp;
    }

    fn unlink(state: &mut State, album: AlbumId, file: FileId, stamp: Timestamp) {
        if let Some(member) = state.members.get_mut(&(album, file)) {
            (member.live, member.updation) = (false, stamp);
        }
        state.albums.get_mut(&album).expect("checked").record.updation_time = stamp;
    }

    pub fn add(&self, request: &AddFiles) -> RemoteResult<()> {
        let mut state = self.state();
        Self::check_album(&state, request.collection_id)?;
        Self::check_files(&state, &request.files)?;
        let stamp = self.stamp(&mut state);
        let before = state.albums[&request.collection_id].record.updation_time;
        for file in &request.files {
            Self::link(&mut state, request.collection_id, file, stamp);
        }
        if std::mem::take(&mut state.late) {
            let album = state.albums.get_mut(&request.collection_id).expect("checked");
            album.record.updation_time = Timestamp(before.0 - 1);
        }
        Ok(())
    }

    /// As a registration does that arrived long ago and comes through behind the next change (protocol notes, data 7.3).
    pub fn turn_back_next(&self) {
        self.state().late = true;
    }

    pub fn move_files(&self, request: &MoveFiles) -> RemoteResult<()> {
        let mut state = self.state();
        let (from, to) = (request.from_collection_id, request.to_collection_id);
        if from == to {
            return Err(refused(400));
        }
        Self::check_album(&state, from)?;
        Self::check_album(&state, to)?;
        Self::check_files(&state, &request.files)?;
        let stamp = self.stamp(&mut state);
        for file in &request.files {
            Self::link(&mut state, to, file, stamp);
            Self::unlink(&mut state, from, file.id, stamp);
        }
        Ok(())
    }

    pub fn restore(&self, request: &AddFiles) -> RemoteResult<()> {
        let mut state = self.state();
        Self::check_album(&state, request.collection_id)?;
        if !request.files.iter().all(|file| state.files.get(&file.id).is_some_and(|row| row.photo.trashed)) {
            return Err(refused(400));
        }
        let stamp = self.stamp(&mut state);
        for file in &request.files {
            state.files.get_mut(&file.id).expect("checked").photo.trashed = false;
            let row = state.trash.get_mut(&file.id).expect("it is in the trash");
            (row.is_restored, row.updated_at) = (true, stamp);
            Self::link(&mut state, request.collection_id, file, stamp);
        }
        Ok(())
    }

    pub fn trash(&self, request: &TrashFiles) -> RemoteResult<()> {
        let mut state = self.state();
        let stamp = self.stamp(&mut state);
        for item in &request.items {
            // The database refuses an album that never had the photo.
            let member = state.members.get(&(item.collection_id, item.file_id)).ok_or_else(|| refused(500))?;
            let wrapped = member.wrapped.clone();
            let row = state.files.get_mut(&item.file_id).ok_or_else(|| refused(404))?;
            row.photo.trashed = true;
            let file = File {
                collection_id: item.collection_id,
                encrypted_key: wrapped.encrypted_key,
                key_decryption_nonce: wrapped.key_decryption_nonce,
                ..row.record.clone()
            };
            let row = TrashRow { file, updated_at: stamp, created_at: stamp, ..TrashRow::default() };
            state.trash.insert(item.file_id, row);
            let homes: Vec<AlbumId> = state
                .members
                .iter()
                .filter(|((_, file), m)| *file == item.file_id && m.live)
                .map(|((a, _), _)| *a)
                .collect();
            for album in homes {
                Self::unlink(&mut state, album, item.file_id, stamp);
            }
        }
        Ok(())
    }

    pub fn trash_since(&self, since: Timestamp) -> Vec<TrashRow> {
        let mut rows: Vec<TrashRow> =
            self.state().trash.values().filter(|row| row.updated_at > since).cloned().collect();
        rows.sort_by_key(|row| row.updated_at);
        rows
    }

    pub fn set_public_magic(&self, request: &UpdateFileMagic) -> RemoteResult<()> {
        let mut state = self.state();
        for item in &request.metadata_list {
            let row = state.files.get(&item.id).ok_or_else(|| refused(404))?;
            let stored = row.record.pub_magic_metadata.as_ref();
            if stored.is_some_and(|stored| stored.version != item.magic_metadata.version) {
                return Err(refused(409));
            }
        }
        let stamp = self.stamp(&mut state);
        for item in &request.metadata_list {
            let row = state.files.get_mut(&item.id).expect("checked");
            let version = item.magic_metadata.version + 1;
            row.record.pub_magic_metadata = Some(Magic { version, ..item.magic_metadata.clone() });
            row.photo.edited =
                edited_name(&entefs::account::open_magic(&row.key, row.record.pub_magic_metadata.as_ref()));
            let mut touched = Vec::new();
            for ((album, _), member) in state.members.iter_mut().filter(|((_, file), m)| *file == item.id && m.live) {
                member.updation = stamp;
                touched.push(*album);
            }
            for album in touched {
                state.albums.get_mut(&album).expect("it has a member").record.updation_time = stamp;
            }
        }
        Ok(())
    }

    // Objects and files

    pub fn new_object_key(&self) -> String {
        let mut state = self.state();
        state.next += 1;
        format!("{}/{}", self.keys.user, state.next)
    }

    pub fn put_object(&self, key: &str, bytes: Vec<u8>) {
        self.state().objects.insert(key.into(), bytes);
    }

    pub fn object_of(&self, file: FileId) -> RemoteResult<Vec<u8>> {
        let state = self.state();
        let row = state.files.get(&file).ok_or_else(|| refused(404))?;
        Ok(state.objects[&row.object].clone())
    }

    pub fn thumbnail_of(&self, file: FileId) -> RemoteResult<Vec<u8>> {
        let state = self.state();
        let row = state.files.get(&file).ok_or_else(|| refused(404))?;
        Ok(state.objects[&row.thumb].clone())
    }

    /// A repeat of a registration finds the file; the same objects with anything else are refused.
    pub fn register(&self, request: &RegisterFile) -> RemoteResult<File> {
        let mut state = self.state();
        Self::check_album(&state, request.collection_id)?;
        let (object, thumb) = (&request.file.object_key, &request.thumbnail.object_key);
        let (Some(bytes), Some(thumb_bytes)) = (state.objects.get(object), state.objects.get(thumb)) else {
            return Err(refused(503));
        };
        let info = FileInfo { file_size: bytes.len() as i64, thumb_size: thumb_bytes.len() as i64 };
        if let Some((id, row)) = state.files.iter().find(|(_, row)| row.object == *object || row.thumb == *thumb) {
            let same = row.record.metadata == request.metadata && row.object == *object && row.thumb == *thumb;
            let echo = echo_of(*id, self.keys.user, request, info, row.record.updation_time);
            return if same { Ok(echo) } else { Err(refused(400)) };
        }
        let id = FileId(state.next + 1);
        let stamp = self.stamp(&mut state);
        let echo = echo_of(id, self.keys.user, request, info, stamp);
        let open = open_file(&echo, &state.albums[&request.collection_id].key).expect("a record that opens");
        let photo = photo_of(&open, &request.file.decryption_header, &state.objects[object]);
        state.next += 1;
        let wrapped = WrappedFile {
            id,
            encrypted_key: request.encrypted_key.clone(),
            key_decryption_nonce: request.key_decryption_nonce.clone(),
        };
        let row = FileRow { record: echo.clone(), key: open.key, object: object.clone(), thumb: thumb.clone(), photo };
        state.files.insert(id, row);
        Self::link(&mut state, request.collection_id, &wrapped, stamp);
        drop(state);
        self.note_beside(&self.facts());
        Ok(echo)
    }
}

fn echo_of(
    id: FileId,
    user: entefs::base::UserId,
    request: &RegisterFile,
    info: FileInfo,
    updation_time: Timestamp,
) -> File {
    File {
        id,
        owner_id: user,
        collection_id: request.collection_id,
        encrypted_key: request.encrypted_key.clone(),
        key_decryption_nonce: request.key_decryption_nonce.clone(),
        file: request.file.clone(),
        thumbnail: request.thumbnail.clone(),
        metadata: request.metadata.clone(),
        updation_time,
        magic_metadata: request.magic_metadata.clone(),
        pub_magic_metadata: request.pub_magic_metadata.clone().map(|magic| Magic { version: 1, ..magic }),
        info: Some(info),
        ..File::default()
    }
}

/// What the record says, held against the object.
fn photo_of(open: &OpenFile, header: &B64, object: &[u8]) -> Photo {
    let text = |name: &str| open.metadata.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let header = StreamHeader(header.array().expect("24 bytes"));
    let mut plain = vec![0; plain_len(object.len() as u64).expect("a stream's length") as usize];
    let opener = StreamOpener::new(&open.key, &header);
    opener.open_chunk(0, &MacIndex::new(1), true, object, &mut plain).expect("one chunk that verifies");
    assert_eq!(ContentHash::of(&plain).to_text(), text("hash"), "the object is not what its record says");
    let content = content_of(&plain).expect("only known contents are written");
    Photo { title: text("title"), edited: edited_name(&open.public_magic), content, trashed: false }
}

fn edited_name(magic: &entefs::account::OpenMagic) -> Option<String> {
    magic.get("editedName").and_then(|value| value.as_str()).map(str::to_owned)
}

fn name_of(record: &Collection, key: &CollectionKey) -> String {
    String::from_utf8(open_collection_name(record, key).expect("a name that opens")).expect("text")
}

fn visibility_of(row: &AlbumRow) -> Visibility {
    let magic = entefs::account::open_magic(&row.key, row.record.magic_metadata.as_ref());
    Visibility::from_wire(magic.get("visibility").and_then(serde_json::Value::as_i64).unwrap_or(0))
}
