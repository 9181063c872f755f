//! Files, which entefs calls photos (protocol notes, data 2 and 3.5).

use super::collection::Magic;
use super::nullable::nullable;
use crate::base::{AlbumId, B64, FileId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// Where an object's stream begins, and at registration what it is.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectAttributes {
    /// Only in requests and in the echo of `POST /files`.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub object_key: String,
    #[serde(deserialize_with = "nullable")]
    pub decryption_header: B64,
    /// The encrypted length; always 0 in diffs.
    #[serde(deserialize_with = "nullable")]
    pub size: i64,
}

/// The immutable base metadata, encrypted (data 2.3).
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetadataAttributes {
    #[serde(deserialize_with = "nullable")]
    pub encrypted_data: B64,
    #[serde(deserialize_with = "nullable")]
    pub decryption_header: B64,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_zero")]
    pub size: i64,
}

fn is_zero(value: &i64) -> bool {
    *value == 0
}

impl MetadataAttributes {
    /// Permanently deleted long ago: the server keeps a dash in place of the data.
    pub fn is_scrubbed(&self) -> bool {
        self.encrypted_data.0 == "-"
    }
}

/// Encrypted sizes; a zero is left out, and very old files have none.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileInfo {
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_zero")]
    pub file_size: i64,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_zero")]
    pub thumb_size: i64,
}

/// One membership: a file in one collection (data 2.2). `updation_time` is the membership's.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct File {
    pub id: FileId,
    #[serde(rename = "ownerID")]
    pub owner_id: UserId,
    #[serde(rename = "collectionID")]
    pub collection_id: AlbumId,
    #[serde(rename = "collectionOwnerID")]
    pub collection_owner_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collection_added_at: Option<Timestamp>,
    /// The file's key wrapped by *this* collection's key.
    #[serde(deserialize_with = "nullable")]
    pub encrypted_key: B64,
    #[serde(deserialize_with = "nullable")]
    pub key_decryption_nonce: B64,
    #[serde(deserialize_with = "nullable")]
    pub file: ObjectAttributes,
    #[serde(deserialize_with = "nullable")]
    pub thumbnail: ObjectAttributes,
    #[serde(deserialize_with = "nullable")]
    pub metadata: MetadataAttributes,
    #[serde(deserialize_with = "nullable")]
    pub is_deleted: bool,
    pub updation_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub magic_metadata: Option<Magic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pub_magic_metadata: Option<Magic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<FileInfo>,
    /// `REMOVE` or `DELETE_SUGGESTED`; the owner alone sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_user: Option<UserId>,
}

/// `GET /collections/v2/diff?collectionID=&sinceTime=` (data 2.1).
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DiffAnswer {
    #[serde(deserialize_with = "nullable")]
    pub diff: Vec<File>,
    #[serde(deserialize_with = "nullable")]
    pub has_more: bool,
}

/// `POST /files`. The exact bytes of this request are stored and replayed (I15).
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RegisterFile {
    #[serde(rename = "collectionID")]
    pub collection_id: AlbumId,
    pub encrypted_key: B64,
    pub key_decryption_nonce: B64,
    pub file: ObjectAttributes,
    pub thumbnail: ObjectAttributes,
    pub metadata: MetadataAttributes,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pub_magic_metadata: Option<Magic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub magic_metadata: Option<Magic>,
}

/// `PUT /files/update`: new content under the same key (data 3.6).
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct UpdateFile {
    pub id: FileId,
    pub file: ObjectAttributes,
    pub thumbnail: ObjectAttributes,
    pub metadata: MetadataAttributes,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateFileAnswer {
    pub id: FileId,
    pub updation_time: Timestamp,
}

/// `PUT /files/magic-metadata` and `…/public-magic-metadata` (data 2.5).
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateFileMagic {
    pub metadata_list: Vec<FileMagic>,
    pub skip_version: bool,
}

#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileMagic {
    pub id: FileId,
    pub magic_metadata: Magic,
}

/// `POST /files/info` and `POST /files/size`.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct FileIds {
    #[serde(rename = "fileIDs")]
    pub file_ids: Vec<FileId>,
}

#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FilesInfoAnswer {
    #[serde(deserialize_with = "nullable")]
    pub files_info: Vec<FileInfoRow>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileInfoRow {
    pub id: FileId,
    pub file_info: FileInfo,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct FilesSizeAnswer {
    pub size: i64,
}

/// Rows in a diff page, softly: rows of one stamp are never split (data 2.1).
pub const DIFF_PAGE: usize = 2500;
