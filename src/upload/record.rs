//! What a photo's record says, as Ente's clients write it (protocol notes, data 2.3, 2.4 and 3.10).

use crate::base::{FileKind, Timestamp};
use serde_json::{Map, Value, json};

/// What is written down of a photo, found out or taken over from the version before it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PhotoFacts {
    pub title: String,
    pub created: Timestamp,
    pub modified: Timestamp,
    pub hash: String,
    /// Degrees; both or neither, and (0, 0) is none.
    pub place: Option<(f64, f64)>,
    /// Seconds, rounded up.
    pub duration: Option<u64>,
    /// The thumbnail is the stand-in.
    pub stand_in: bool,
    /// Local wall-clock time without zone, and its offset.
    pub wall: Option<String>,
    pub offset: Option<String>,
    /// As shown: the orientation is applied.
    pub size: Option<(u32, u32)>,
    pub camera_make: Option<String>,
    pub camera_model: Option<String>,
    pub caption: Option<String>,
    pub edited_name: Option<String>,
    /// Where a motion photo's movie begins.
    pub motion: Option<u64>,
    pub panorama: bool,
}

/// The immutable base metadata.
pub fn base_metadata(facts: &PhotoFacts, kind: FileKind) -> Vec<u8> {
    let mut record = Map::new();
    record.insert("title".into(), json!(facts.title));
    record.insert("fileType".into(), json!(kind.to_wire()));
    record.insert("creationTime".into(), json!(facts.created.0));
    record.insert("modificationTime".into(), json!(facts.modified.0));
    record.insert("hash".into(), json!(facts.hash));
    if let Some((latitude, longitude)) = facts.place {
        record.insert("latitude".into(), json!(latitude));
        record.insert("longitude".into(), json!(longitude));
    }
    if let Some(duration) = facts.duration {
        record.insert("duration".into(), json!(duration));
    }
    if facts.stand_in {
        record.insert("hasStaticThumbnail".into(), json!(true));
    }
    Value::Object(record).to_string().into_bytes()
}

/// The public magic metadata and how many keys it has; `None` where there is nothing to say.
pub fn public_magic(facts: &PhotoFacts) -> Option<(Vec<u8>, i64)> {
    let mut record = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            record.insert(key.into(), value);
        }
    };
    put("dateTime", facts.wall.as_ref().map(|wall| json!(wall)));
    put("offsetTime", facts.wall.as_ref().and(facts.offset.as_ref()).map(|offset| json!(offset)));
    put("w", facts.size.map(|(width, _)| json!(width)));
    put("h", facts.size.map(|(_, height)| json!(height)));
    put("cameraMake", facts.camera_make.as_ref().map(|make| json!(make)));
    put("cameraModel", facts.camera_model.as_ref().map(|model| json!(model)));
    put("caption", facts.caption.as_ref().map(|caption| json!(caption)));
    put("mvi", facts.motion.map(|place| json!(place)));
    put("mediaType", facts.panorama.then(|| json!(1)));
    put("editedName", facts.edited_name.as_ref().map(|name| json!(name)));
    let count = record.len() as i64;
    (count > 0).then(|| (Value::Object(record).to_string().into_bytes(), count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_record_has_the_clients_keys() {
        let facts = PhotoFacts {
            title: "a.jpg".into(),
            created: Timestamp(5),
            modified: Timestamp(-6),
            hash: "h".into(),
            place: Some((1.5, -2.0)),
            stand_in: true,
            ..PhotoFacts::default()
        };
        let record: Value = serde_json::from_slice(&base_metadata(&facts, FileKind::Image)).unwrap();
        let expected = json!({"title": "a.jpg", "fileType": 0, "creationTime": 5, "modificationTime": -6, "hash": "h",
            "latitude": 1.5, "longitude": -2.0, "hasStaticThumbnail": true});
        assert_eq!(record, expected);
    }

    #[test]
    fn the_public_record_counts_its_keys_and_may_be_absent() {
        assert_eq!(public_magic(&PhotoFacts::default()), None);
        let facts = PhotoFacts {
            wall: Some("2024-01-02T03:04:05".into()),
            offset: Some("+02:00".into()),
            size: Some((3, 4)),
            caption: Some("hi".into()),
            ..PhotoFacts::default()
        };
        let (text, count) = public_magic(&facts).unwrap();
        let record: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(record["w"], 3);
        assert_eq!((count, record.as_object().map(Map::len)), (5, Some(5)));
        let moving = PhotoFacts { motion: Some(17), panorama: true, ..PhotoFacts::default() };
        let (text, _) = public_magic(&moving).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), json!({"mvi": 17, "mediaType": 1}));
        let no_wall = PhotoFacts { wall: None, size: None, caption: None, ..facts };
        assert_eq!(public_magic(&no_wall), None, "an offset without its time says nothing");
    }
}
