//! The text of a sidecar.

use crate::base::Timestamp;
use crate::media::Place;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Longer texts are no sidecars.
pub const LONGEST: u64 = 1 << 20;

/// What a sidecar says of its photo; it outweighs what the photo says of itself.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Sidecar {
    /// The photo's name before the export cut it.
    pub title: Option<String>,
    pub taken: Option<Timestamp>,
    pub modified: Option<Timestamp>,
    pub place: Option<Place>,
    pub caption: Option<String>,
    pub favorite: bool,
    /// It lay in Google's trash.
    pub trashed: bool,
}

/// The sidecar of a photo; `None` for other JSON.
pub fn read_sidecar(bytes: &[u8]) -> Option<Sidecar> {
    let record = object(bytes)?;
    let said =
        ["photoTakenTime", "creationTime", "modificationTime", "geoData", "geoDataExif", "description", "caption"];
    if is_album(&record) || !said.iter().any(|key| record.contains_key(*key)) {
        return None;
    }
    let flag = |key| record.get(key).and_then(Value::as_bool) == Some(true);
    Some(Sidecar {
        title: text(&record, "title"),
        taken: time(&record, "photoTakenTime").or_else(|| time(&record, "creationTime")),
        modified: time(&record, "modificationTime"),
        place: place(&record, "geoData").or_else(|| place(&record, "geoDataExif")),
        // Ente's own export has the caption under another key than the one its importer reads.
        caption: text(&record, "description").or_else(|| text(&record, "caption")),
        favorite: flag("favorited"),
        trashed: flag("trashed"),
    })
}

/// The title of the album whose directory has this JSON; its file is called `metadata.json` in English only.
pub fn read_album_title(bytes: &[u8]) -> Option<String> {
    let record = object(bytes)?;
    text(&record, "title").filter(|_| is_album(&record))
}

/// An album has a title and no time at which it was taken.
fn is_album(record: &Map<String, Value>) -> bool {
    !record.contains_key("photoTakenTime") && !record.contains_key("creationTime") && text(record, "title").is_some()
}

fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    if bytes.len() as u64 > LONGEST {
        return None;
    }
    match serde_json::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)) {
        Ok(Value::Object(record)) => Some(record),
        _ => None,
    }
}

fn text(record: &Map<String, Value>, key: &str) -> Option<String> {
    record.get(key)?.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

/// Seconds of the epoch, as a number or a text; 0 is none.
fn time(record: &Map<String, Value>, key: &str) -> Option<Timestamp> {
    let stamp = record.get(key)?.get("timestamp")?;
    let seconds = match stamp {
        Value::String(text) => text.trim().parse().ok()?,
        number => number.as_i64()?,
    };
    // What a calendar of four digits can show.
    let shown = (-62_135_596_800..253_402_300_800).contains(&seconds);
    (seconds != 0 && shown).then(|| Timestamp(seconds * 1_000_000))
}

fn place(record: &Map<String, Value>, key: &str) -> Option<Place> {
    let value = record.get(key)?;
    Place::new(value.get("latitude")?.as_f64()?, value.get("longitude")?.as_f64()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sidecar_says_when_where_what_and_whether_it_is_loved() {
        let json = br#"{"title": "IMG_1.jpg", "description": "On the ice", "imageViews": "3",
            "creationTime": {"timestamp": "1700000000", "formatted": "x"},
            "photoTakenTime": {"timestamp": "1600000000", "formatted": "x"},
            "geoData": {"latitude": 0.0, "longitude": 0.0, "altitude": 0.0},
            "geoDataExif": {"latitude": 64.1, "longitude": -21.9, "altitude": 5.0}, "favorited": true}"#;
        let read = read_sidecar(json).unwrap();
        assert_eq!(read.taken, Some(Timestamp(1_600_000_000_000_000)));
        assert_eq!(read.place, Place::new(64.1, -21.9));
        assert_eq!((read.caption.as_deref(), read.title.as_deref()), (Some("On the ice"), Some("IMG_1.jpg")));
        assert!(read.favorite && !read.trashed && read.modified.is_none());
        assert_eq!(read_album_title(json), None);
    }

    #[test]
    fn times_may_be_numbers_texts_zero_or_nonsense() {
        let taken = |stamp: &str| {
            read_sidecar(
                format!(r#"{{"photoTakenTime": {{"timestamp": {stamp}}}, "creationTime": {{"timestamp": 7}}}}"#)
                    .as_bytes(),
            )
            .and_then(|sidecar| sidecar.taken)
        };
        assert_eq!(taken("5"), Some(Timestamp(5_000_000)));
        assert_eq!(taken("\"-86400\""), Some(Timestamp(-86_400_000_000)));
        for none in ["0", "\"0\"", "\"soon\"", "null", "9223372036854775807", "\"99999999999999999999\"", "1.5"] {
            assert_eq!(taken(none), Some(Timestamp(7_000_000)), "{none}");
        }
    }

    #[test]
    fn what_is_empty_or_of_another_kind_says_nothing() {
        for other in ["", "[]", "null", "{", "7", r#"{"a": 1}"#, r#"{"user_generated_memory_titles": []}"#] {
            assert_eq!(read_sidecar(other.as_bytes()), None, "{other}");
            assert_eq!(read_album_title(other.as_bytes()), None, "{other}");
        }
        let read =
            read_sidecar(br#"{"description": " ", "favorited": "true", "geoData": {"latitude": 91, "longitude": 1}}"#);
        assert_eq!(read, Some(Sidecar::default()));
        assert_eq!(read_sidecar(&[&b"{\"description\": \"a\"}"[..], &vec![b' '; LONGEST as usize]].concat()), None);
    }

    #[test]
    fn an_albums_file_says_its_title_in_any_language() {
        let json = r#"{"title": "Été: 2019/20", "description": "", "access": "protected", "date": {"timestamp": "1", "formatted": "x"}}"#;
        assert_eq!(read_album_title(json.as_bytes()).as_deref(), Some("Été: 2019/20"));
        assert_eq!(read_sidecar(json.as_bytes()), None);
        assert_eq!(read_album_title(br#"{"title": "", "date": {}}"#), None);
    }
}
