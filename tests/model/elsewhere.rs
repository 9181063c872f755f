//! Another device of the same account: it changes the account directly, as the official apps do.

use crate::ente::{Ente, Facts};
use crate::photos::Content;
use entefs::account::{OpenMagic, open_magic, rename_collection, seal_magic, wrap_file_key};
use entefs::base::{AlbumId, AlbumKind, B64, FileId, Visibility};
use entefs::crypto::{FileKey, StreamHeader, StreamSealer, seal_blob};
use entefs::wire::{
    AddFiles, FileMagic, MetadataAttributes, MoveFiles, ObjectAttributes, RegisterFile, TrashFiles, TrashItem,
    UpdateCollectionMagic, UpdateFileMagic,
};
use serde_json::{Map, Value, json};

/// An album by what it is called, or the special one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    X,
    Y,
    Favorites,
    Uncategorized,
}

/// What the other device does; what is not possible at the moment is not done. `photo` counts the live ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Elsewhere {
    MakeAlbum(Place),
    RenameAlbum(Place, Place),
    DeleteAlbum(Place),
    Archive(Place, bool),
    Upload(Place, &'static str, Content),
    Add(u8, Place),
    Move(u8, Place, Place),
    Rename(u8, &'static str),
    Trash(u8),
    Restore(u8, Place),
    /// When something joins an album next, a registration there comes through that arrived long ago.
    Late,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::X => "X",
            Self::Y => "Y",
            Self::Favorites => "Favorites",
            Self::Uncategorized => "Uncategorized",
        }
    }

    fn kind(self) -> AlbumKind {
        match self {
            Self::X | Self::Y => AlbumKind::Album,
            Self::Favorites => AlbumKind::Favorites,
            Self::Uncategorized => AlbumKind::Uncategorized,
        }
    }
}

fn find(facts: &Facts, place: Place) -> Option<AlbumId> {
    let is_it = |album: &crate::ente::Album| match place.kind() {
        AlbumKind::Album => matches!(album.kind, AlbumKind::Album | AlbumKind::Folder) && album.name == place.name(),
        kind => album.kind == kind,
    };
    facts.albums.iter().find(|(_, album)| is_it(album)).map(|(id, _)| *id)
}

fn pick(facts: &Facts, number: u8, trashed: bool) -> Option<FileId> {
    let photos: Vec<FileId> =
        facts.photos.iter().filter(|(_, photo)| photo.trashed == trashed).map(|(id, _)| *id).collect();
    photos.get(usize::from(number) % photos.len().max(1)).copied()
}

/// Answers whether anything was done.
pub fn act(ente: &Ente, change: Elsewhere) -> bool {
    try_act(ente, change).is_some()
}

fn try_act(ente: &Ente, change: Elsewhere) -> Option<()> {
    let facts = ente.facts();
    match change {
        Elsewhere::MakeAlbum(place) => make(ente, &facts, place).map(|_| ()),
        Elsewhere::RenameAlbum(place, name) => rename_album(ente, &facts, place, name),
        Elsewhere::DeleteAlbum(place) => delete_album(ente, &facts, place),
        Elsewhere::Archive(place, archived) => archive(ente, find(&facts, place)?, archived),
        Elsewhere::Upload(place, name, content) => {
            let album = find(&facts, place).or_else(|| make(ente, &facts, place))?;
            upload(ente, album, name, content)
        }
        Elsewhere::Add(photo, place) => add(ente, &facts, pick(&facts, photo, false)?, find(&facts, place)?),
        Elsewhere::Move(photo, from, to) => {
            move_photo(ente, &facts, pick(&facts, photo, false)?, find(&facts, from)?, find(&facts, to)?)
        }
        Elsewhere::Rename(photo, name) => rename(ente, pick(&facts, photo, false)?, name),
        Elsewhere::Trash(photo) => trash(ente, &facts, pick(&facts, photo, false)?),
        Elsewhere::Late => {
            ente.turn_back_next();
            Some(())
        }
        Elsewhere::Restore(photo, place) => restore(ente, pick(&facts, photo, true)?, find(&facts, place)?),
    }
}

fn make(ente: &Ente, facts: &Facts, place: Place) -> Option<AlbumId> {
    if find(facts, place).is_some() {
        return None;
    }
    let (request, _) = ente.keys().new_collection(place.name().as_bytes(), place.kind());
    Some(ente.create_album(&request).expect("a new album").id)
}

fn rename_album(ente: &Ente, facts: &Facts, place: Place, name: Place) -> Option<()> {
    let ordinary = place.kind() == AlbumKind::Album && name.kind() == AlbumKind::Album && place != name;
    let album = find(facts, place).filter(|_| ordinary)?;
    ente.rename_album(&rename_collection(album, &ente.album_key(album), name.name().as_bytes())).ok()
}

/// "Delete the album, keep the photos".
fn delete_album(ente: &Ente, facts: &Facts, place: Place) -> Option<()> {
    let album = find(facts, place).filter(|_| place.kind() == AlbumKind::Album)?;
    for photo in facts.albums[&album].photos.iter().copied() {
        let home = facts.homes(photo).into_iter().find(|home| *home != album);
        let home = home.unwrap_or_else(|| uncategorized(ente));
        move_to(ente, photo, album, home)?;
    }
    ente.delete_album(album).ok()
}

fn uncategorized(ente: &Ente) -> AlbumId {
    let (request, _) = ente.keys().new_collection(b"Uncategorized", AlbumKind::Uncategorized);
    ente.create_album(&request).expect("there is one at most").id
}

fn archive(ente: &Ente, album: AlbumId, archived: bool) -> Option<()> {
    let visibility = if archived { Visibility::Archived } else { Visibility::Visible };
    let fields = Map::from_iter([("visibility".to_owned(), Value::from(visibility.to_wire()))]);
    let magic_metadata = seal_magic(&ente.album_key(album), 1, &fields);
    ente.set_album_magic(&UpdateCollectionMagic { id: album, magic_metadata }).ok()
}

fn sealed(key: &FileKey, plain: &[u8]) -> (StreamHeader, Vec<u8>) {
    let header = StreamHeader::random();
    let mut bytes = vec![0; plain.len() + entefs::crypto::CHUNK_OVERHEAD];
    StreamSealer::new(key, &header).seal_chunk(plain, true, &mut bytes).expect("one chunk");
    (header, bytes)
}

fn upload(ente: &Ente, album: AlbumId, name: &str, content: Content) -> Option<()> {
    let key = FileKey::random();
    let object = |plain: &[u8]| {
        let (header, bytes) = sealed(&key, plain);
        let (object_key, size) = (ente.new_object_key(), bytes.len() as i64);
        ente.put_object(&object_key, bytes);
        ObjectAttributes { object_key, decryption_header: B64::of(header.0), size }
    };
    let base = json!({"title": name, "fileType": 0, "creationTime": 1_600_000_000_000_000_i64,
        "modificationTime": 1_600_000_000_000_000_i64, "hash": content.hash()});
    let meta = seal_blob(&key, base.to_string().as_bytes());
    let wrapped = wrap_file_key(&ente.album_key(album), FileId(0), &key);
    let request = RegisterFile {
        collection_id: album,
        encrypted_key: wrapped.encrypted_key,
        key_decryption_nonce: wrapped.key_decryption_nonce,
        file: object(content.bytes()),
        thumbnail: object(b"thumbnail"),
        metadata: MetadataAttributes {
            encrypted_data: B64::of(&meta.ciphertext),
            decryption_header: B64::of(meta.header.0),
            size: 0,
        },
        ..RegisterFile::default()
    };
    ente.register(&request).ok().map(|_| ())
}

fn move_to(ente: &Ente, photo: FileId, from: AlbumId, to: AlbumId) -> Option<()> {
    let files = vec![wrap_file_key(&ente.album_key(to), photo, &ente.file_key(photo))];
    ente.move_files(&MoveFiles { from_collection_id: from, to_collection_id: to, files }).ok()
}

fn add(ente: &Ente, facts: &Facts, photo: FileId, to: AlbumId) -> Option<()> {
    // What is in no other album is moved out of Uncategorized by every client.
    let uncategorized = find(facts, Place::Uncategorized);
    if let Some(from) = uncategorized.filter(|from| facts.albums[from].photos.contains(&photo) && *from != to) {
        return move_to(ente, photo, from, to);
    }
    if Some(to) == uncategorized || facts.albums[&to].photos.contains(&photo) {
        return None;
    }
    let files = vec![wrap_file_key(&ente.album_key(to), photo, &ente.file_key(photo))];
    ente.add(&AddFiles { collection_id: to, files }).ok()
}

fn move_photo(ente: &Ente, facts: &Facts, photo: FileId, from: AlbumId, to: AlbumId) -> Option<()> {
    let possible = from != to && facts.albums[&from].photos.contains(&photo);
    // A photo that has another home does not go to Uncategorized.
    let sensible = facts.albums[&to].kind != AlbumKind::Uncategorized || facts.homes(photo).len() == 1;
    (possible && sensible).then(|| move_to(ente, photo, from, to)).flatten()
}

fn rename(ente: &Ente, photo: FileId, name: &str) -> Option<()> {
    let (key, magic) = (ente.file_key(photo), ente.public_magic(photo));
    let (version, mut fields) = match open_magic(&key, magic.as_ref()) {
        OpenMagic::Open { version, fields } => (version, fields),
        OpenMagic::Absent { version } | OpenMagic::Unreadable { version } => (version, Map::new()),
    };
    fields.insert("editedName".into(), name.into());
    let metadata_list = vec![FileMagic { id: photo, magic_metadata: seal_magic(&key, version, &fields) }];
    ente.set_public_magic(&UpdateFileMagic { metadata_list, skip_version: false }).ok()
}

fn trash(ente: &Ente, facts: &Facts, photo: FileId) -> Option<()> {
    let collection_id = *facts.homes(photo).first()?;
    ente.trash(&TrashFiles { items: vec![TrashItem { file_id: photo, collection_id }] }).ok()
}

fn restore(ente: &Ente, photo: FileId, to: AlbumId) -> Option<()> {
    let files = vec![wrap_file_key(&ente.album_key(to), photo, &ente.file_key(photo))];
    ente.restore(&AddFiles { collection_id: to, files }).ok()
}
