//! Ente's trash (protocol notes, data 6.4).

use super::file::File;
use super::nullable::nullable;
use crate::base::{AlbumId, FileId, Timestamp};
use serde::{Deserialize, Serialize};

/// `POST /files/trash`, at most 1000. Name an album in which the file has or had a membership.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct TrashFiles {
    pub items: Vec<TrashItem>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct TrashItem {
    #[serde(rename = "fileID")]
    pub file_id: FileId,
    #[serde(rename = "collectionID")]
    pub collection_id: AlbumId,
}

/// `GET /trash/v2/diff?sinceTime=`. Live ⇔ neither flag.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrashAnswer {
    #[serde(deserialize_with = "nullable")]
    pub diff: Vec<TrashRow>,
    #[serde(deserialize_with = "nullable")]
    pub has_more: bool,
}

#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrashRow {
    pub file: File,
    #[serde(deserialize_with = "nullable")]
    pub is_deleted: bool,
    #[serde(deserialize_with = "nullable")]
    pub is_restored: bool,
    pub delete_by: Timestamp,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// `POST /trash/delete`, at most 2500.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct TrashDelete {
    #[serde(rename = "fileIDs")]
    pub file_ids: Vec<FileId>,
}

/// `POST /trash/empty`: what the client has not seen survives.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrashEmpty {
    pub last_updated_at: Timestamp,
}
