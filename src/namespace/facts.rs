//! What a photo's stored record says beside its name: hash, caption, capture time, place, type (semantics 3). The only
//! place where a record is opened once it is stored; what the server sends is opened by `account`.

use crate::base::calendar::rfc3339_at;
use crate::base::{FileId, FileKind, Part, Timestamp};
use crate::crypto::{FileKey, open_blob};
use crate::store::{Rows, StoreResult};
use serde_json::{Map, Value};

/// The content hash in a photo's base metadata. Very old web uploads kept the two hashes of a live photo apart (protocol
/// notes, data 2.2).
pub fn content_hash(base: &Map<String, Value>) -> Option<String> {
    let text = |name: &str| base.get(name)?.as_str().filter(|text| !text.is_empty());
    let halves = || Some(format!("{}:{}", text("imageHash")?, text("videoHash")?));
    text("hash").map(str::to_owned).or_else(halves)
}

/// A photo's record, opened. What its fields are: protocol notes, data 2.3 and 2.4.
pub struct RecordFacts {
    kind: Option<FileKind>,
    taken: Option<Timestamp>,
    base: Map<String, Value>,
    public: Map<String, Value>,
}

impl RecordFacts {
    /// `None` for a photo that is not known. Of a record that does not open, the fields are empty.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn load(rows: &Rows<'_>, file: FileId) -> StoreResult<Option<Self>> {
        let Some(row) = rows.load_file(file)? else { return Ok(None) };
        let (key, record) = (rows.load_file_key(file)?, rows.load_record(file)?.unwrap_or_default());
        let public = record.public.unwrap_or_default();
        Ok(Some(Self {
            kind: row.kind,
            taken: row.label.map(|label| label.taken),
            base: fields(key.as_ref(), &record.meta_header, &record.meta),
            public: fields(key.as_ref(), &public.header, &public.data),
        }))
    }

    /// BLAKE2b-512 as Ente has it; of a live photo `image:video`.
    pub fn hash(&self) -> Option<String> {
        content_hash(&self.base)
    }

    /// The hash of one of a photo's files. Those of a live photo's halves are in one, or apart.
    pub fn part_hash(&self, part: Part) -> Option<String> {
        let hash = self.hash()?;
        match (hash.split_once(':'), part) {
            (None, Part::Whole) => Some(hash),
            (Some((still, _)), Part::Still) => Some(still.to_owned()),
            (Some((_, clip)), Part::Clip) => Some(clip.to_owned()),
            _ => None,
        }
    }

    pub fn caption(&self) -> Option<String> {
        match self.public("caption")? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    pub fn edited_name(&self) -> Option<String> {
        self.public("editedName")?.as_str().map(str::to_owned)
    }

    /// A field of the public metadata, where there is such.
    pub fn public(&self, field: &str) -> Option<&Value> {
        self.public.get(field).filter(|value| !value.is_null())
    }

    /// Capture time; `None` where the record does not open.
    pub fn taken_at(&self) -> Option<Timestamp> {
        self.taken
    }

    /// RFC 3339, with the offset that the photo names, else in UTC.
    pub fn taken(&self) -> Option<String> {
        let offset = self.public("offsetTime").and_then(Value::as_str).unwrap_or("Z");
        self.taken.map(|time| rfc3339_at(time, offset))
    }

    /// Latitude and longitude in degrees: an edited place counts. Both zero says that nothing is known.
    pub fn place(&self) -> Option<(f64, f64)> {
        let pair = |fields: &Map<String, Value>, names: [&str; 2]| {
            let [lat, long] = names.map(|name| fields.get(name).and_then(Value::as_f64));
            lat.zip(long).filter(|place| *place != (0.0, 0.0))
        };
        pair(&self.public, ["lat", "long"]).or_else(|| pair(&self.base, ["latitude", "longitude"]))
    }

    /// `image`, `video` or `live-photo`.
    pub fn kind(&self) -> Option<&'static str> {
        Some(match self.kind? {
            FileKind::Image => "image",
            FileKind::Video => "video",
            FileKind::LivePhoto => "live-photo",
            FileKind::Other(_) => "other",
        })
    }

    /// The value of `user.ente.<word>`.
    pub fn get(&self, word: &[u8]) -> Option<String> {
        match word {
            b"hash" => self.hash(),
            b"caption" => self.caption(),
            b"taken" => self.taken(),
            b"place" => self.place().map(|(lat, long)| format!("{lat},{long}")),
            b"type" => self.kind().map(str::to_owned),
            _ => None,
        }
    }
}

fn fields(key: Option<&FileKey>, header: &[u8], data: &[u8]) -> Map<String, Value> {
    let plain = key.and_then(|key| open_blob(key, header, data).ok());
    plain.and_then(|plain| serde_json::from_slice(&plain).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts(base: Value, public: Value) -> RecordFacts {
        let map = |value: Value| value.as_object().cloned().unwrap_or_default();
        let taken = Some(Timestamp(1_700_000_000_000_000));
        RecordFacts { kind: Some(FileKind::Image), taken, base: map(base), public: map(public) }
    }

    /// "`hash`, `caption`, `taken` (RFC 3339 with offset), `place` (lat,lon), `type`."
    #[test]
    fn a_record_says_what_the_attributes_say() {
        let full = facts(
            json!({"hash": "h", "latitude": 1.5, "longitude": -2.25}),
            json!({"caption": "At the sea", "offsetTime": "+05:30"}),
        );
        let all = [&b"hash"[..], b"caption", b"taken", b"place", b"type", b"other"].map(|word| full.get(word));
        let words =
            [Some("h"), Some("At the sea"), Some("2023-11-15T03:43:20+05:30"), Some("1.5,-2.25"), Some("image"), None];
        assert_eq!(all, words.map(|word| word.map(str::to_owned)));
        let edited = facts(json!({"latitude": 1.5, "longitude": 2.0}), json!({"lat": 3.0, "long": 4.0}));
        assert_eq!(edited.place(), Some((3.0, 4.0)));
    }

    #[test]
    fn what_is_missing_or_nonsense_is_left_out() {
        let none =
            facts(json!({"latitude": 0, "longitude": 0, "hash": ""}), json!({"caption": "", "offsetTime": "soon"}));
        assert_eq!((none.hash(), none.caption(), none.place()), (None, None, None));
        assert_eq!(none.taken().as_deref(), Some("2023-11-14T22:13:20Z"));
        let old = facts(json!({"imageHash": "i", "videoHash": "v"}), json!({"caption": 7}));
        assert_eq!((old.hash().as_deref(), old.caption().as_deref()), (Some("i:v"), Some("7")));
    }

    #[test]
    fn each_half_of_a_live_photo_has_a_hash_of_its_own() {
        let hashes = |base: Value| {
            [Part::Whole, Part::Still, Part::Clip].map(|part| facts(base.clone(), json!({})).part_hash(part))
        };
        let (still, clip) = (Some("s".to_owned()), Some("c".to_owned()));
        assert_eq!(hashes(json!({"hash": "h"})), [Some("h".into()), None, None]);
        assert_eq!(hashes(json!({"hash": "s:c"})), [None, still.clone(), clip.clone()]);
        assert_eq!(hashes(json!({"imageHash": "s", "videoHash": "c"})), [None, still, clip]);
        assert_eq!(hashes(json!({"hash": ""})), [None, None, None]);
    }
}
