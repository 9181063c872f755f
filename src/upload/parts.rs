//! What the stages leave for each other, as it stands sealed in their rows.

use super::record::PhotoFacts;
use crate::base::{B64, FileId, FileKind, Timestamp, UploadNo};
use crate::crypto::{FileKey, MacIndex, StreamHeader, chunk_count};
use crate::media::takeout::Sidecar;
use crate::remote::{Part, PutTarget};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What hashing found out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hashed {
    pub hash: String,
    pub kind: i64,
    /// The name it is to have in Ente.
    pub title: String,
    pub modified: Timestamp,
    /// For the zip of a live photo.
    #[serde(default)]
    pub crc: u32,
    /// The still and the clip of a live photo; then this speaks of both.
    #[serde(default)]
    pub pair: Option<[PairedHalf; 2]>,
    /// The photo in Ente that was recalled to become its other half.
    #[serde(default)]
    pub recalled: Option<FileId>,
    /// An upload whose name is that of the other half, and which belongs to another moment.
    #[serde(default)]
    pub declined: Option<UploadNo>,
    /// It is a photo in Ente, recalled for this upload.
    #[serde(default)]
    pub recalled_for: Option<UploadNo>,
}

/// One half in the zip of a live photo.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PairedHalf {
    pub extension: String,
    pub size: u64,
    pub crc: u32,
}

impl Hashed {
    pub fn kind(&self) -> FileKind {
        FileKind::from_wire(self.kind)
    }
}

/// What is told of a file from outside it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Told {
    /// The name that an import gives it, whatever name it got here meanwhile.
    pub title: Option<String>,
    /// What the sidecar beside it says (semantics 2.13).
    pub sidecar: Option<Sidecar>,
    /// It has the bytes of a photo in Ente, to become half of a live photo with this upload (semantics 2.11).
    #[serde(default)]
    pub recalled_for: Option<UploadNo>,
}

/// Everything the upload needs, drawn once (I3): keys, headers, and the records sealed under them.
#[derive(Clone, Serialize, Deserialize)]
pub struct Prepared {
    pub title: String,
    pub edited_name: Option<String>,
    pub hash: String,
    pub kind: i64,
    pub created: Timestamp,
    /// The file's own metadata gave the date, not its name or time stamp.
    pub dated: bool,
    pub stand_in: bool,
    pub plain_len: u64,
    pub cipher_len: u64,
    pub key: B64,
    pub header: B64,
    pub macs: B64,
    /// MD5 of the whole object, or of each part.
    pub md5s: Vec<B64>,
    pub thumb_header: B64,
    pub thumb: B64,
    pub meta_header: B64,
    pub meta: B64,
    pub public: Option<SealedMagic>,
    #[serde(default)]
    pub pair: Option<[PairedHalf; 2]>,
}

/// Public magic metadata as it goes over the wire.
#[derive(Clone, Serialize, Deserialize)]
pub struct SealedMagic {
    pub count: i64,
    pub header: B64,
    pub data: B64,
}

/// A large file on its way: its target and which parts are there.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Transfer {
    pub target: Option<PutTarget>,
    pub done: Vec<Part>,
}

impl Prepared {
    pub fn kind(&self) -> FileKind {
        FileKind::from_wire(self.kind)
    }

    pub fn key(&self) -> Option<FileKey> {
        FileKey::from_slice(&self.key.bytes()?).ok()
    }

    pub fn header(&self) -> Option<StreamHeader> {
        self.header.array().map(StreamHeader)
    }

    pub fn macs(&self) -> MacIndex {
        MacIndex::from_bytes(chunk_count(self.plain_len), &self.macs.bytes().unwrap_or_default())
    }

    pub fn md5s(&self) -> Vec<[u8; 16]> {
        self.md5s.iter().filter_map(B64::array).collect()
    }
}

pub(super) fn encode(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("our own records are texts, numbers and lists")
}

/// As [`Told`] stands in an upload's row.
pub fn encode_told(told: &Told) -> Vec<u8> {
    encode(told)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

/// Facts for the record of a photo whose title, times and hash are known.
pub(super) fn plain_facts(hashed: &Hashed) -> PhotoFacts {
    PhotoFacts {
        title: hashed.title.clone(),
        created: hashed.modified,
        modified: hashed.modified,
        hash: hashed.hash.clone(),
        ..PhotoFacts::default()
    }
}
