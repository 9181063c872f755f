//! What a photo's opened record says (protocol notes, data 2.3 and 2.4); tolerant of everything a client ever wrote.

use crate::account::{OpenFile, OpenMagic};
use crate::base::{FileId, FileKind, Timestamp, Visibility};
use crate::namespace::content_hash;
use crate::store::{Label, RawMagic, RawRecord};
use crate::wire::{File, Magic};
use serde_json::{Map, Value};

/// The facts that this machine keeps beside the record itself.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct PhotoRecord {
    pub(super) kind: FileKind,
    pub(super) label: Label,
    pub(super) modified: Timestamp,
    pub(super) hash: Option<String>,
    pub(super) hidden: bool,
    pub(super) stand_in: bool,
}

impl PhotoRecord {
    pub(super) fn of(id: FileId, open: &OpenFile) -> Self {
        let base = &open.metadata;
        let kind = kind_of(open);
        let created = number(base, "creationTime").unwrap_or(0);
        let edited = magic_number(&open.public_magic, "editedTime").filter(|time| *time != 0);
        Self {
            kind,
            label: Label {
                title: text(base, "title").unwrap_or_else(|| invented_title(id, kind)),
                edited: open.public_magic.get("editedName").and_then(Value::as_str).map(str::to_owned),
                taken: Timestamp(edited.unwrap_or(created)),
            },
            modified: Timestamp(number(base, "modificationTime").unwrap_or(created)),
            hash: content_hash(base),
            hidden: magic_number(&open.magic, "visibility").map(Visibility::from_wire) == Some(Visibility::Hidden),
            stand_in: base.get("hasStaticThumbnail").and_then(Value::as_bool).unwrap_or(false)
                || open.public_magic.get("noThumb").and_then(Value::as_bool).unwrap_or(false),
        }
    }
}

/// Missing in very old files, which are images.
pub(super) fn kind_of(open: &OpenFile) -> FileKind {
    FileKind::from_wire(number(&open.metadata, "fileType").unwrap_or(0))
}

/// No official client survives a missing title; a filesystem must.
fn invented_title(id: FileId, kind: FileKind) -> String {
    let extension = if kind == FileKind::Video { "mp4" } else { "jpg" };
    format!("{id}.{extension}")
}

fn text(record: &Map<String, Value>, key: &str) -> Option<String> {
    record.get(key)?.as_str().map(str::to_owned)
}

/// Integers, and the floats that some client wrote for them.
fn number(record: &Map<String, Value>, key: &str) -> Option<i64> {
    whole(record.get(key)?)
}

fn magic_number(magic: &OpenMagic, key: &str) -> Option<i64> {
    whole(magic.get(key)?)
}

fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().filter(|float| float.abs() < 9e18).map(|float| float as i64))
}

/// The record as it came, but for its content's header.
pub(super) fn raw_record(file: &File) -> RawRecord {
    let bytes = |field: &crate::base::B64| field.bytes().unwrap_or_default();
    let magic =
        |magic: &Magic| RawMagic { version: magic.version, header: bytes(&magic.header), data: bytes(&magic.data) };
    RawRecord {
        thumb_header: bytes(&file.thumbnail.decryption_header),
        meta_header: bytes(&file.metadata.decryption_header),
        meta: bytes(&file.metadata.encrypted_data),
        public: file.pub_magic_metadata.as_ref().map(magic),
        private: file.magic_metadata.as_ref().map(magic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::FileKey;
    use serde_json::json;

    fn record(base: Value, public: Value) -> PhotoRecord {
        let fields = |value: Value| value.as_object().cloned().unwrap_or_default();
        let open = OpenFile {
            key: FileKey::random(),
            metadata: fields(base),
            magic: OpenMagic::Absent { version: 0 },
            public_magic: OpenMagic::Open { version: 1, fields: fields(public) },
        };
        PhotoRecord::of(FileId(7), &open)
    }

    #[test]
    fn a_full_record_is_read() {
        let read = record(
            json!({"title": "a.jpg", "fileType": 1, "creationTime": 5, "modificationTime": 6.0, "hash": "h", "unknown": []}),
            json!({"editedName": "b.jpg", "editedTime": 9}),
        );
        assert_eq!(read.kind, FileKind::Video);
        assert_eq!(read.label, Label { title: "a.jpg".into(), edited: Some("b.jpg".into()), taken: Timestamp(9) });
        assert_eq!((read.modified, read.hash.as_deref()), (Timestamp(6), Some("h")));
    }

    #[test]
    fn what_is_missing_or_null_is_survived() {
        let read = record(json!({"title": null, "creationTime": 5}), json!({"editedName": null}));
        assert_eq!((read.label.title.as_str(), read.label.edited, read.modified), ("7.jpg", None, Timestamp(5)));
        assert_eq!(record(json!({}), json!({})).kind, FileKind::Image);
        let old = record(json!({"fileType": 2, "imageHash": "i", "videoHash": "v"}), json!({}));
        assert_eq!((old.kind, old.hash.as_deref()), (FileKind::LivePhoto, Some("i:v")));
        assert!(record(json!({"creationTime": 1e300}), json!({})).label.taken == Timestamp(0));
    }
}
