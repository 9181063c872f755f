//! The little XML that S3 speaks: the completion of multipart uploads, and errors.

use crate::wire::{CompleteMultipartUpload, CompletedPart};
use serde::Deserialize;

use super::api::Part;

#[derive(Deserialize)]
struct StorageError {
    #[serde(rename = "Code", default)]
    code: String,
}

/// `Code` of an `<Error>` document; `None` for anything else.
pub(super) fn error_code(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    if root_of(text)? != "Error" {
        return None;
    }
    quick_xml::de::from_str::<StorageError>(text).ok().map(|error| error.code)
}

/// The name of a document's outermost element.
pub(super) fn root_of(text: &str) -> Option<&str> {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    while let Some(declaration) = rest.strip_prefix("<?") {
        rest = declaration.split_once("?>")?.1.trim_start();
    }
    let name = rest.strip_prefix('<')?;
    let end = name.find(|c: char| !c.is_alphanumeric() && c != ':' && c != '_')?;
    let name = &name[..end];
    Some(name.rsplit(':').next().unwrap_or(name)).filter(|name| !name.is_empty())
}

/// The body of the completion call, parts in ascending order.
pub(super) fn completion_of(parts: &[Part]) -> Result<String, quick_xml::SeError> {
    let mut parts: Vec<CompletedPart> =
        parts.iter().map(|part| CompletedPart { part_number: part.number, etag: part.etag.clone() }).collect();
    parts.sort_by_key(|part| part.part_number);
    quick_xml::se::to_string(&CompleteMultipartUpload { parts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_found_behind_declarations() {
        for (text, root) in [
            ("<Error><Code>x</Code></Error>", Some("Error")),
            ("  \n<?xml version=\"1.0\"?>\n<Error>", Some("Error")),
            ("<s3:Error xmlns:s3='x'>", Some("Error")),
            ("<html lang=en>", Some("html")),
            ("<!DOCTYPE html>", None),
            ("", None),
            ("<", None),
            ("<?xml", None),
            ("Error", None),
        ] {
            assert_eq!(root_of(text), root, "{text}");
        }
    }

    #[test]
    fn a_code_is_read_from_an_error_alone() {
        let body = b"<?xml version=\"1.0\"?><Error><Code>NoSuchUpload</Code><Message>gone</Message></Error>";
        assert_eq!(error_code(body).as_deref(), Some("NoSuchUpload"));
        assert_eq!(error_code(b"<html><Code>x</Code></html>"), None);
        assert_eq!(error_code(&[0xff, 0xfe]), None);
    }

    #[test]
    fn parts_are_listed_ascending_with_their_etags_quotes() {
        let parts = [(2, "\"b\""), (1, "\"a&b\"")].map(|(number, etag)| Part { number, etag: etag.into() });
        let text = completion_of(&parts).unwrap();
        let read: CompleteMultipartUpload = quick_xml::de::from_str(&text).unwrap();
        let etags: Vec<_> = read.parts.iter().map(|part| (part.part_number, part.etag.as_str())).collect();
        assert_eq!(etags, [(1, "\"a&b\""), (2, "\"b\"")]);
        assert!(text.starts_with("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"), "{text}");
    }
}
