//! Collections, which entefs calls albums (protocol notes, data 1 and 6).

use super::nullable::nullable;
use crate::base::{AlbumId, B64, FileId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// The envelope of all six kinds of magic metadata (data 0.3).
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Magic {
    pub version: i64,
    /// The number of keys in the plaintext object. A file can carry an envelope with a version and
    /// nothing else (data 0.1, exception to the binding rule).
    #[serde(deserialize_with = "nullable")]
    pub count: i64,
    #[serde(deserialize_with = "nullable")]
    pub data: B64,
    #[serde(deserialize_with = "nullable")]
    pub header: B64,
}

/// A member of an album, the owner included.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Member {
    pub id: UserId,
    #[serde(deserialize_with = "nullable")]
    pub email: String,
    #[serde(deserialize_with = "nullable")]
    pub name: String,
    #[serde(deserialize_with = "nullable")]
    pub role: String,
}

#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CollectionAttributes {
    pub version: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted_path: Option<B64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_decryption_nonce: Option<B64>,
}

/// Data 1.1. Decide how to open the key by `owner.id`, never by the presence of the nonce.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Collection {
    pub id: AlbumId,
    pub owner: Member,
    #[serde(deserialize_with = "nullable")]
    pub encrypted_key: B64,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "B64::is_empty")]
    pub key_decryption_nonce: B64,
    /// Legacy: where it is not empty it is the name, in clear.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
    #[serde(deserialize_with = "nullable")]
    pub encrypted_name: B64,
    #[serde(deserialize_with = "nullable")]
    pub name_decryption_nonce: B64,
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub kind: String,
    #[serde(deserialize_with = "nullable")]
    pub attributes: CollectionAttributes,
    #[serde(deserialize_with = "nullable")]
    pub sharees: Vec<Member>,
    #[serde(rename = "publicURLs", deserialize_with = "nullable")]
    pub public_urls: Vec<serde_json::Value>,
    pub updation_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_at: Option<Timestamp>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "std::ops::Not::not")]
    pub is_deleted: bool,
    #[serde(deserialize_with = "nullable")]
    pub app: String,
    /// Private to the owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub magic_metadata: Option<Magic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pub_magic_metadata: Option<Magic>,
    /// The asking sharee's own settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_magic_metadata: Option<Magic>,
}

/// `GET /collections/v2?sinceTime=`.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct CollectionsAnswer {
    #[serde(default, deserialize_with = "nullable")]
    pub collections: Vec<Collection>,
}

/// `GET /collections/:id` and the answer of `POST /collections`.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct CollectionAnswer {
    pub collection: Collection,
}

/// `POST /collections`.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateCollection {
    pub encrypted_key: B64,
    pub key_decryption_nonce: B64,
    pub encrypted_name: B64,
    pub name_decryption_nonce: B64,
    #[serde(rename = "type")]
    pub kind: String,
    pub attributes: CollectionAttributes,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub magic_metadata: Option<Magic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pub_magic_metadata: Option<Magic>,
}

/// `POST /collections/rename`.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RenameCollection {
    #[serde(rename = "collectionID")]
    pub collection_id: AlbumId,
    pub encrypted_name: B64,
    pub name_decryption_nonce: B64,
}

/// `PUT /collections/magic-metadata`, `…/public-magic-metadata`, `…/sharee-magic-metadata`.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateCollectionMagic {
    pub id: AlbumId,
    pub magic_metadata: Magic,
}

/// `POST /collections/share`; the key is sealed for the recipient.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ShareCollection {
    #[serde(rename = "collectionID")]
    pub collection_id: AlbumId,
    pub email: String,
    pub encrypted_key: B64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// `POST /collections/unshare`.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UnshareCollection {
    #[serde(rename = "collectionID")]
    pub collection_id: AlbumId,
    pub email: String,
}

#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct ShareesAnswer {
    #[serde(default, deserialize_with = "nullable")]
    pub sharees: Vec<Member>,
}

/// A file's key wrapped for the target album (data 6).
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WrappedFile {
    pub id: FileId,
    pub encrypted_key: B64,
    pub key_decryption_nonce: B64,
}

/// `POST /collections/add-files` and `…/restore-files`, at most 1000 files.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AddFiles {
    #[serde(rename = "collectionID")]
    pub collection_id: AlbumId,
    pub files: Vec<WrappedFile>,
}

/// `POST /collections/move-files`, at most 1000 files. The server does not check the source.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MoveFiles {
    #[serde(rename = "fromCollectionID")]
    pub from_collection_id: AlbumId,
    #[serde(rename = "toCollectionID")]
    pub to_collection_id: AlbumId,
    pub files: Vec<WrappedFile>,
}

/// `POST /collections/v3/remove-files`, at most 1000 files; never the owner's own (data 6.3).
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoveFiles {
    #[serde(rename = "collectionID")]
    pub collection_id: AlbumId,
    #[serde(rename = "fileIDs")]
    pub file_ids: Vec<FileId>,
}

/// At most this many files in one add, move, restore, remove or trash (data 10).
pub const BATCH: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_created_collection_echoes_null_lists() {
        let text = r#"{"collection":{"id":7,"owner":{"id":1,"email":"","name":"","role":""},"encryptedKey":"AA==",
            "keyDecryptionNonce":"AA==","name":"","type":"album","attributes":{"version":1},"sharees":null,
            "publicURLs":null,"updationTime":5,"app":"photos","magicMetadata":null}}"#;
        let answer: CollectionAnswer = serde_json::from_str(text).expect("museum's own shape");
        assert_eq!(answer.collection.id, AlbumId(7));
        assert!(answer.collection.sharees.is_empty() && answer.collection.magic_metadata.is_none());
    }

    #[test]
    fn an_envelope_with_nothing_but_a_version_is_survived() {
        let magic: Magic = serde_json::from_str(r#"{"version":2}"#).expect("data 0.1, exception");
        assert_eq!((magic.version, magic.count, magic.data.is_empty()), (2, 0, true));
    }
}
