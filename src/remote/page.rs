//! Reading a page of a listing so that one malformed row does not lose the others.

use super::api::Page;
use super::call::malformed;
use super::error::{RemoteError, RemoteResult};
use crate::base::Timestamp;
use crate::wire::{Collection, File, TrashRow};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::Value;

/// A row of a listing.
pub(super) trait Row: DeserializeOwned {
    /// The list's name in the answer.
    const LIST: &'static str;
    /// The stamp's name in the row.
    const STAMP: &'static str;

    fn id(&self) -> i64;
    fn stamp(&self) -> Timestamp;
}

impl Row for Collection {
    const LIST: &'static str = "collections";
    const STAMP: &'static str = "updationTime";

    fn id(&self) -> i64 {
        self.id.0
    }

    fn stamp(&self) -> Timestamp {
        self.updation_time
    }
}

impl Row for File {
    const LIST: &'static str = "diff";
    const STAMP: &'static str = "updationTime";

    fn id(&self) -> i64 {
        self.id.0
    }

    fn stamp(&self) -> Timestamp {
        self.updation_time
    }
}

impl Row for TrashRow {
    const LIST: &'static str = "diff";
    const STAMP: &'static str = "updatedAt";

    fn id(&self) -> i64 {
        self.file.id.0
    }

    fn stamp(&self) -> Timestamp {
        self.updated_at
    }
}

/// The usual page. Its list must be there, be it `null`: an answer without one is not Ente's.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned", rename_all = "camelCase")]
struct WellFormed<T> {
    #[serde(alias = "collections", deserialize_with = "null_as_empty")]
    diff: Vec<T>,
    #[serde(default)]
    has_more: Option<bool>,
}

fn null_as_empty<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

/// # Errors
/// [`RemoteError::Malformed`] where the answer as a whole is not a page.
pub(super) fn read_page<T: Row>(endpoint: &'static str, body: &[u8]) -> RemoteResult<Page<T>> {
    match serde_json::from_slice::<WellFormed<T>>(body) {
        Ok(page) if page.diff.iter().all(|row| row.id() > 0) => {
            let last = page.diff.iter().map(Row::stamp).max();
            Ok(Page { rows: page.diff, malformed: 0, last, has_more: page.has_more.unwrap_or(false) })
        }
        _ => read_row_by_row(endpoint, body),
    }
}

fn read_row_by_row<T: Row>(endpoint: &'static str, body: &[u8]) -> RemoteResult<Page<T>> {
    let mut answer: Value = serde_json::from_slice(body).map_err(|error| malformed(endpoint, body, &error))?;
    let has_more = answer.get("hasMore").and_then(Value::as_bool).unwrap_or(false);
    let rows = match answer.get_mut(T::LIST).map(Value::take) {
        Some(Value::Array(rows)) => rows,
        Some(Value::Null) => Vec::new(),
        _ => return Err(RemoteError::Malformed { endpoint, detail: format!("there is no list {:?}", T::LIST) }),
    };
    let mut page = Page { has_more, ..Page::default() };
    for row in rows {
        let stamp = row.get(T::STAMP).and_then(Value::as_i64).map(Timestamp);
        page.last = page.last.max(stamp);
        let id = id_of(&row);
        match serde_json::from_value::<T>(row) {
            Ok(row) if row.id() > 0 => page.rows.push(row),
            _ => {
                page.malformed += 1;
                tracing::warn!(endpoint, id, "a row is malformed and left out");
            }
        }
    }
    Ok(page)
}

fn id_of(row: &Value) -> Option<i64> {
    row.get("id").or_else(|| row.get("file")?.get("id")).and_then(Value::as_i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{AlbumId, FileId};

    fn files(body: &str) -> RemoteResult<Page<File>> {
        read_page("/collections/v2/diff", body.as_bytes())
    }

    #[test]
    fn a_whole_page_is_read_at_once() {
        let page = files(r#"{"diff":[{"id":1,"updationTime":9},{"id":2,"updationTime":5}],"hasMore":true}"#).unwrap();
        assert_eq!(page.rows.iter().map(|row| row.id).collect::<Vec<_>>(), [FileId(1), FileId(2)]);
        assert_eq!((page.malformed, page.last, page.has_more), (0, Some(Timestamp(9)), true));
    }

    #[test]
    fn a_malformed_row_does_not_lose_the_page() {
        let page = files(
            r#"{"diff":[{"id":1,"updationTime":5},{"id":"two","updationTime":9},7,null,{"updationTime":8},
                {"id":3,"updationTime":6,"metadata":{"encryptedData":12}},{"id":4,"updationTime":7}],"hasMore":true}"#,
        )
        .unwrap();
        assert_eq!(page.rows.iter().map(|row| row.id).collect::<Vec<_>>(), [FileId(1), FileId(4)]);
        assert_eq!((page.malformed, page.has_more), (5, true));
        assert_eq!(page.last, Some(Timestamp(9)), "the next page begins behind the malformed row too");
    }

    #[test]
    fn albums_and_trash_have_their_own_names() {
        let albums: Page<Collection> =
            read_page("/collections/v2", br#"{"collections":[{"id":7,"updationTime":3},{"id":0},[]]}"#).unwrap();
        assert_eq!((albums.rows[0].id, albums.malformed, albums.last), (AlbumId(7), 2, Some(Timestamp(3))));
        let trash: Page<TrashRow> =
            read_page("/trash/v2/diff", br#"{"diff":[{"file":{"id":7},"updatedAt":4},{"file":0,"updatedAt":6}]}"#)
                .unwrap();
        assert_eq!((trash.rows[0].file.id, trash.malformed, trash.last), (FileId(7), 1, Some(Timestamp(6))));
    }

    #[test]
    fn an_empty_list_is_a_page_and_none_is_not() {
        for body in [r#"{"diff":[],"hasMore":false}"#, r#"{"diff":null}"#, r#"{"diff":[],"hasMore":null}"#] {
            assert_eq!(files(body), Ok(Page::default()), "{body}");
        }
        for body in ["", "{}", "[]", "null", "<html>", r#"{"diff":{}}"#, r#"{"status":"ok"}"#, r#"{"diff":[{"id":1}"#] {
            assert!(matches!(files(body), Err(RemoteError::Malformed { .. })), "{body}");
        }
    }
}
