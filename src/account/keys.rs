//! What the account's keys open and wrap: albums, names, files, magic metadata (protocol notes, data 0.2,
//! 0.3, 1.3 and 2). Pure.

use super::error::{AccountError, AccountResult};
use crate::base::{AlbumId, AlbumKind, B64, FileId, UserId};
use crate::crypto::{
    CollectionKey, CryptoError, FileKey, KeyPair, MasterKey, SymmetricKey, open_blob, open_box, open_sealed_box,
    seal_blob, seal_box,
};
use crate::wire::{Collection, CollectionAttributes, CreateCollection, File, Magic, RenameCollection, WrappedFile};
use serde_json::{Map, Value};

/// Whose account it is and what opens it. Made by a log-in; shared, never copied.
pub struct AccountKeys {
    pub user: UserId,
    pub master: MasterKey,
    pub pair: KeyPair,
}

impl AccountKeys {
    /// The key of an own or a shared album. Whose it is decides how it opens: `GET /collections/:id` gives
    /// a sharee the owner's nonce too (data 1.3, trap).
    ///
    /// # Errors
    /// [`AccountError::Unreadable`] or [`AccountError::Malformed`]: the album is to be skipped, the server
    /// accepts any bytes for a key.
    pub fn open_collection_key(&self, album: &Collection) -> AccountResult<CollectionKey> {
        let what = "an album's key";
        let sealed = bytes_of(&album.encrypted_key, what)?;
        let key = if album.owner.id == self.user {
            open_box(&self.master, &bytes_of(&album.key_decryption_nonce, what)?, &sealed)
        } else {
            open_sealed_box(&self.pair, &sealed)
        };
        CollectionKey::from_slice(&key.map_err(unreadable(what))?).map_err(unreadable(what))
    }

    /// A new album with its key; the request is stored before it is sent, because an unknown outcome is
    /// resolved by the wrapped key in it.
    pub fn new_collection(&self, name: &[u8], kind: AlbumKind) -> (CreateCollection, CollectionKey) {
        let key = CollectionKey::random();
        (self.wrap_new_collection(name, kind, &key), key)
    }

    /// The same for an album whose key was drawn before.
    pub fn wrap_new_collection(&self, name: &[u8], kind: AlbumKind, key: &CollectionKey) -> CreateCollection {
        let (encrypted_key, key_decryption_nonce) = wrap(&self.master, key.bytes());
        let (encrypted_name, name_decryption_nonce) = wrap(key, name);
        CreateCollection {
            encrypted_key,
            key_decryption_nonce,
            encrypted_name,
            name_decryption_nonce,
            kind: kind.to_wire().into(),
            attributes: CollectionAttributes { version: 1, ..CollectionAttributes::default() },
            magic_metadata: None,
            pub_magic_metadata: None,
        }
    }
}

/// An album's name, in the bytes it was given.
///
/// # Errors
/// For a name that does not open; the server accepts any, and none.
pub fn open_collection_name(album: &Collection, key: &CollectionKey) -> AccountResult<Vec<u8>> {
    if !album.name.is_empty() {
        return Ok(album.name.clone().into_bytes());
    }
    let what = "an album's name";
    let name = open_box(key, &bytes_of(&album.name_decryption_nonce, what)?, &bytes_of(&album.encrypted_name, what)?);
    name.map(|name| name.to_vec()).map_err(unreadable(what))
}

/// The request that gives an album another name.
pub fn rename_collection(album: AlbumId, key: &CollectionKey, name: &[u8]) -> RenameCollection {
    let (encrypted_name, name_decryption_nonce) = wrap(key, name);
    RenameCollection { collection_id: album, encrypted_name, name_decryption_nonce }
}

/// A file's key under an album's: what adding, moving, restoring and registering send.
pub fn wrap_file_key(album: &CollectionKey, file: FileId, key: &FileKey) -> WrappedFile {
    let (encrypted_key, key_decryption_nonce) = wrap(album, key.bytes());
    WrappedFile { id: file, encrypted_key, key_decryption_nonce }
}

/// One membership, opened.
pub struct OpenFile {
    pub key: FileKey,
    /// The base metadata (data 2.3).
    pub metadata: Map<String, Value>,
    /// Only the owner's.
    pub magic: OpenMagic,
    pub public_magic: OpenMagic,
}

/// Magic metadata, opened. The version is what the next write must name.
#[derive(Clone, PartialEq, Debug)]
pub enum OpenMagic {
    /// There is none, or an envelope with nothing in it (data 0.1, exception).
    Absent {
        version: i64,
    },
    Open {
        version: i64,
        fields: Map<String, Value>,
    },
    /// There is some that does not open: it must not be overwritten.
    Unreadable {
        version: i64,
    },
}

/// Opens a live membership under its album's key; of deleted ones nothing is to be opened.
///
/// # Errors
/// For a key or metadata that does not open. Magic metadata that does not is told in its place.
pub fn open_file(file: &File, album: &CollectionKey) -> AccountResult<OpenFile> {
    let (what, content) = ("a photo's key", "a photo's metadata");
    let key = open_box(album, &bytes_of(&file.key_decryption_nonce, what)?, &bytes_of(&file.encrypted_key, what)?);
    let key = FileKey::from_slice(&key.map_err(unreadable(what))?).map_err(unreadable(what))?;
    let header = bytes_of(&file.metadata.decryption_header, content)?;
    let metadata = open_blob(&key, &header, &bytes_of(&file.metadata.encrypted_data, content)?);
    let metadata = fields_of(metadata.map_err(unreadable(content))?);
    Ok(OpenFile {
        metadata: metadata.ok_or(AccountError::Malformed { what: content })?,
        magic: open_magic(&key, file.magic_metadata.as_ref()),
        public_magic: open_magic(&key, file.pub_magic_metadata.as_ref()),
        key,
    })
}

/// Opens an envelope of magic metadata (data 0.3).
pub fn open_magic(key: &impl SymmetricKey, magic: Option<&Magic>) -> OpenMagic {
    let Some(magic) = magic else { return OpenMagic::Absent { version: 0 } };
    let version = magic.version;
    if magic.data.is_empty() && magic.header.is_empty() {
        return OpenMagic::Absent { version };
    }
    let plain =
        magic.header.bytes().zip(magic.data.bytes()).and_then(|(header, data)| open_blob(key, &header, &data).ok());
    match plain.as_deref().and_then(fields_of) {
        Some(fields) => OpenMagic::Open { version, fields },
        None => OpenMagic::Unreadable { version },
    }
}

/// Seals magic metadata: `version` is the stored one, or 1 where there is none. Fields that are `null` are
/// left out, and the count is of what remains.
pub fn seal_magic(key: &impl SymmetricKey, version: i64, fields: &Map<String, Value>) -> Magic {
    let fields: Map<_, _> = fields
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let plain = Value::Object(fields.clone()).to_string();
    let blob = seal_blob(key, plain.as_bytes());
    Magic {
        version: version.max(1),
        count: fields.len() as i64,
        data: B64::of(&blob.ciphertext),
        header: B64::of(blob.header.0),
    }
}

impl OpenMagic {
    /// The version to write next.
    pub fn version(&self) -> i64 {
        match self {
            Self::Absent { version } | Self::Open { version, .. } | Self::Unreadable { version } => *version,
        }
    }

    /// One field, where there is such.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Open { fields, .. } => fields.get(name).filter(|value| !value.is_null()),
            Self::Absent { .. } | Self::Unreadable { .. } => None,
        }
    }
}

fn fields_of(plain: impl AsRef<[u8]>) -> Option<Map<String, Value>> {
    serde_json::from_slice(plain.as_ref()).ok()
}

/// Ciphertext and nonce as two fields.
pub(super) fn wrap(key: &impl SymmetricKey, plain: &[u8]) -> (B64, B64) {
    let boxed = seal_box(key, plain);
    (B64::of(boxed.ciphertext), B64::of(boxed.nonce))
}

pub(super) fn bytes_of(field: &B64, what: &'static str) -> AccountResult<Vec<u8>> {
    field.bytes().ok_or(AccountError::Malformed { what })
}

pub(super) fn unreadable(what: &'static str) -> impl FnOnce(CryptoError) -> AccountError {
    move |reason| AccountError::Unreadable { what, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::seal_sealed_box;
    use crate::wire::{Member, MetadataAttributes};
    use serde_json::json;

    fn account(user: i64) -> AccountKeys {
        AccountKeys { user: UserId(user), master: MasterKey::random(), pair: KeyPair::random() }
    }

    /// The album as the server gives it back to its owner.
    fn stored(owner: &AccountKeys, request: CreateCollection) -> Collection {
        Collection {
            id: AlbumId(7),
            owner: Member { id: owner.user, ..Member::default() },
            encrypted_key: request.encrypted_key,
            key_decryption_nonce: request.key_decryption_nonce,
            encrypted_name: request.encrypted_name,
            name_decryption_nonce: request.name_decryption_nonce,
            kind: request.kind,
            ..Collection::default()
        }
    }

    #[test]
    fn an_own_album_opens_by_the_master_key() {
        let owner = account(1);
        let (request, key) = owner.new_collection("Süd".as_bytes(), AlbumKind::Album);
        assert_eq!((request.kind.as_str(), request.attributes.version), ("album", 1));
        assert_eq!(request.encrypted_key.bytes().map(|key| key.len()), Some(48), "the server checks it");
        let album = stored(&owner, request);
        let opened = owner.open_collection_key(&album).unwrap();
        assert_eq!(opened.bytes(), key.bytes());
        assert_eq!(open_collection_name(&album, &opened).unwrap(), "Süd".as_bytes());
        assert!(account(1).open_collection_key(&album).is_err(), "another master key");
    }

    #[test]
    fn a_shared_album_opens_by_the_key_pair_whatever_nonce_comes_with_it() {
        let (owner, sharee) = (account(1), account(2));
        let (request, key) = owner.new_collection(b"shared", AlbumKind::Album);
        let mut album = stored(&owner, request);
        album.encrypted_key = B64::of(seal_sealed_box(&sharee.pair.public, key.bytes()).unwrap());
        assert!(!album.key_decryption_nonce.is_empty(), "the trap of data 1.3");
        assert_eq!(sharee.open_collection_key(&album).unwrap().bytes(), key.bytes());
        album.key_decryption_nonce = B64::default();
        assert_eq!(sharee.open_collection_key(&album).unwrap().bytes(), key.bytes());
        assert!(account(3).open_collection_key(&album).is_err());
    }

    #[test]
    fn a_key_that_is_none_is_an_error_and_no_panic() {
        let owner = account(1);
        for garbage in [B64::default(), B64("?".into()), B64::of([0; 48]), B64::of([0; 3])] {
            let mut album = stored(&owner, owner.new_collection(b"x", AlbumKind::Album).0);
            album.encrypted_key = garbage;
            assert!(owner.open_collection_key(&album).is_err());
        }
        let (encrypted_key, key_decryption_nonce) = wrap(&owner.master, b"only sixteen byt");
        let mut album = stored(&owner, owner.new_collection(b"x", AlbumKind::Album).0);
        (album.encrypted_key, album.key_decryption_nonce) = (encrypted_key, key_decryption_nonce);
        assert!(matches!(owner.open_collection_key(&album), Err(AccountError::Unreadable { .. })));
    }

    #[test]
    fn a_legacy_name_is_the_name_and_a_renamed_album_opens_again() {
        let owner = account(1);
        let (request, key) = owner.new_collection(b"old", AlbumKind::Folder);
        let mut album = stored(&owner, request);
        let renamed = rename_collection(album.id, &key, b"new");
        (album.encrypted_name, album.name_decryption_nonce) = (renamed.encrypted_name, renamed.name_decryption_nonce);
        assert_eq!(open_collection_name(&album, &key).unwrap(), b"new");
        album.name = "in clear".into();
        assert_eq!(open_collection_name(&album, &key).unwrap(), b"in clear");
        (album.name, album.encrypted_name) = (String::new(), B64::default());
        assert!(open_collection_name(&album, &key).is_err());
    }

    fn file(album: &CollectionKey, key: &FileKey, metadata: &Value) -> File {
        let wrapped = wrap_file_key(album, FileId(5), key);
        let blob = seal_blob(key, metadata.to_string().as_bytes());
        File {
            id: wrapped.id,
            encrypted_key: wrapped.encrypted_key,
            key_decryption_nonce: wrapped.key_decryption_nonce,
            metadata: MetadataAttributes {
                encrypted_data: B64::of(blob.ciphertext),
                decryption_header: B64::of(blob.header.0),
                size: 0,
            },
            ..File::default()
        }
    }

    fn fields(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_file_opens_under_its_album_with_all_three_kinds_of_metadata() {
        let (album, key) = (CollectionKey::random(), FileKey::random());
        let mut row = file(&album, &key, &json!({"title": "a.jpg", "fileType": 0}));
        row.magic_metadata = Some(seal_magic(&key, 4, &fields(json!({"visibility": 1}))));
        row.pub_magic_metadata = Some(seal_magic(&key, 0, &fields(json!({"editedName": "b.jpg", "caption": null}))));
        assert_eq!(row.pub_magic_metadata.as_ref().map(|magic| (magic.version, magic.count)), Some((1, 1)));
        let opened = open_file(&row, &album).unwrap();
        assert_eq!(opened.key.bytes(), key.bytes());
        assert_eq!(opened.metadata["title"], "a.jpg");
        assert_eq!((opened.magic.version(), opened.magic.get("visibility")), (4, Some(&json!(1))));
        assert_eq!(opened.public_magic, OpenMagic::Open { version: 1, fields: fields(json!({"editedName": "b.jpg"})) });
        assert!(open_file(&row, &CollectionKey::random()).is_err());
    }

    #[test]
    fn magic_that_does_not_open_spoils_neither_its_file_nor_itself() {
        let (album, key) = (CollectionKey::random(), FileKey::random());
        let mut row = file(&album, &key, &json!({}));
        row.magic_metadata = Some(Magic { version: 2, ..Magic::default() });
        row.pub_magic_metadata = Some(seal_magic(&FileKey::random(), 9, &Map::new()));
        let opened = open_file(&row, &album).unwrap();
        assert_eq!(opened.magic, OpenMagic::Absent { version: 2 });
        assert_eq!(opened.public_magic, OpenMagic::Unreadable { version: 9 });
        assert_eq!(open_magic(&key, None), OpenMagic::Absent { version: 0 });
        let list = seal_blob(&key, b"[1]");
        let list = Magic { version: 1, count: 1, data: B64::of(list.ciphertext), header: B64::of(list.header.0) };
        assert_eq!(open_magic(&key, Some(&list)), OpenMagic::Unreadable { version: 1 });
    }

    #[test]
    fn metadata_that_is_no_object_is_malformed() {
        let (album, key) = (CollectionKey::random(), FileKey::random());
        for metadata in [json!([1]), json!("title"), json!(null)] {
            assert!(matches!(open_file(&file(&album, &key, &metadata), &album), Err(AccountError::Malformed { .. })));
        }
        let mut scrubbed = file(&album, &key, &json!({}));
        scrubbed.metadata.encrypted_data = B64("-".into());
        assert!(open_file(&scrubbed, &album).is_err());
    }
}
