//! Presigned URLs, shaped like S3's: what they allow is in them, and a keyed tag proves that the server
//! said so. The storage needs no table to check one.
//!
//! The tag binds method, key, time, and where the URL says so the body's length and MD5. The host is named
//! among the signed headers, as S3 does, but is not bound: a proxy may stand in between.

use super::storage_refusal::{StorageAnswer, StorageRefusal};
use super::visit::header_text;
use crate::base::Timestamp;
use crate::crypto::{DeviceKey, TagKey};
use axum::http::HeaderMap;
use std::fmt::Write;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Where the storage lies on the server; followed by `/<user>/<uuid>`.
pub(super) const OBJECTS: &str = "/objects";
/// Seven days.
const LIFETIME: Duration = Duration::from_secs(604_800);
const PURPOSE: &str = "entefs embedded server, presigned URLs, version 1";
const BOUND_HEADERS: &str = "content-length;content-md5;host";

/// What a URL allows.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Grant {
    /// `GET`, `PUT` or `POST`.
    pub(super) method: String,
    /// `<user>/<uuid>`.
    pub(super) key: String,
    /// The multipart upload that this belongs to; empty for a plain object.
    pub(super) upload: String,
    /// From 1; 0 where it is not a part.
    pub(super) part: u32,
    /// Length and MD5 of the only body that is taken.
    pub(super) bound: Option<(u64, String)>,
}

pub(super) struct Presigner(TagKey);

impl Presigner {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self(TagKey::derive(&DeviceKey::from_bytes(secret), PURPOSE))
    }

    /// A tag that nobody else can make.
    pub(super) fn tag(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut framed = Vec::new();
        for part in parts {
            framed.extend_from_slice(&(part.len() as u64).to_le_bytes());
            framed.extend_from_slice(part);
        }
        self.0.tag(&[&framed])
    }

    /// A URL under `origin` that is valid for seven days.
    pub(super) fn url(&self, origin: &str, grant: &Grant, now: Timestamp) -> String {
        let date = now.0 / 1_000_000;
        let mut url = format!("{origin}{OBJECTS}/{}?", grant.key);
        if grant.part > 0 {
            let _ = write!(url, "partNumber={}&", grant.part);
        }
        if !grant.upload.is_empty() {
            let _ = write!(url, "uploadId={}&", grant.upload);
        }
        let headers = if grant.bound.is_some() { BOUND_HEADERS } else { "host" };
        let _ = write!(
            url,
            "X-Amz-Algorithm=ENTEFS-BLAKE3&X-Amz-Date={date}&X-Amz-Expires={}&X-Amz-SignedHeaders={}&X-Amz-Signature={}",
            LIFETIME.as_secs(),
            headers.replace(';', "%3B"),
            hex(&self.sign(grant, date)),
        );
        url
    }

    fn sign(&self, grant: &Grant, date: i64) -> [u8; 16] {
        let (length, md5) = match &grant.bound {
            Some((length, md5)) => (length.to_string(), md5.as_str()),
            None => (String::new(), ""),
        };
        let part = grant.part.to_string();
        self.tag(&[
            grant.method.as_bytes(),
            grant.key.as_bytes(),
            grant.upload.as_bytes(),
            part.as_bytes(),
            length.as_bytes(),
            md5.as_bytes(),
            &date.to_le_bytes(),
        ])
    }

    /// What a request may do, if its URL is good and its headers are the bound ones.
    pub(super) fn check(
        &self,
        method: &str,
        key: &str,
        query: &[(String, String)],
        headers: &HeaderMap,
        now: Timestamp,
    ) -> StorageAnswer<Grant> {
        let text = |name: &str| query.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value);
        if headers.contains_key("Authorization") {
            return Err(StorageRefusal::TwoAuthorizations);
        }
        let (date, signature) = (text("X-Amz-Date").parse::<i64>(), text("X-Amz-Signature"));
        let date = date.map_err(|_| StorageRefusal::AccessDenied)?;
        let signed_at = Timestamp(date.saturating_mul(1_000_000));
        if signature.is_empty() || signed_at.saturating_add(LIFETIME) < now {
            return Err(StorageRefusal::AccessDenied);
        }
        let bound = match text("X-Amz-SignedHeaders") {
            BOUND_HEADERS => Some(bound_by(headers)?),
            _ => None,
        };
        let (method, key, upload) = (method.to_owned(), key.to_owned(), text("uploadId").to_owned());
        let grant = Grant { method, key, upload, part: text("partNumber").parse().unwrap_or(0), bound };
        let expected = hex(&self.sign(&grant, date));
        let is_right = bool::from(expected.as_bytes().ct_eq(signature.as_bytes()));
        if is_right { Ok(grant) } else { Err(StorageRefusal::SignatureDoesNotMatch) }
    }
}

/// The request's own values of the bound headers: the signature tells whether they are the right ones.
fn bound_by(headers: &HeaderMap) -> StorageAnswer<(u64, String)> {
    let (length, md5) = (header_text(headers, "Content-Length"), header_text(headers, "Content-MD5"));
    if md5.is_empty() {
        return Err(StorageRefusal::HeaderMissing);
    }
    let length = length.parse().map_err(|_| StorageRefusal::HeaderMissing)?;
    Ok((length, md5.to_owned()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::visit::parse_query;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

    fn grant() -> Grant {
        let (method, key) = ("PUT".to_owned(), "7/abc".to_owned());
        Grant { method, key, bound: Some((10, "1B2M2Y8AsgTpgAmY7PhCfg==".into())), ..Grant::default() }
    }

    fn bound_headers(length: &str, md5: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("Content-Length", length.parse().unwrap());
        headers.insert("Content-MD5", md5.parse().unwrap());
        headers
    }

    fn check(url: &str, method: &str, headers: &HeaderMap, now: Timestamp) -> StorageAnswer<Grant> {
        let uri = url.parse().unwrap();
        Presigner::new([7; 32]).check(method, "7/abc", &parse_query(&uri), headers, now)
    }

    #[test]
    fn a_url_allows_what_was_signed_and_nothing_else() {
        let url = Presigner::new([7; 32]).url("http://localhost:1", &grant(), NOW);
        let right = bound_headers("10", "1B2M2Y8AsgTpgAmY7PhCfg==");
        assert_eq!(check(&url, "PUT", &right, NOW), Ok(grant()));
        let mismatch = Err(StorageRefusal::SignatureDoesNotMatch);
        assert_eq!(check(&url, "GET", &right, NOW), mismatch);
        assert_eq!(check(&url, "PUT", &bound_headers("11", "1B2M2Y8AsgTpgAmY7PhCfg=="), NOW), mismatch);
        assert_eq!(check(&url, "PUT", &bound_headers("10", "AAAAAAAAAAAAAAAAAAAAAA=="), NOW), mismatch);
        assert_eq!(check(&url, "PUT", &HeaderMap::new(), NOW), Err(StorageRefusal::HeaderMissing));
        // Taking the bound headers off the list does not take them out of the signature.
        let unbound = url.replace("content-length%3Bcontent-md5%3Bhost", "host");
        assert_eq!(check(&unbound, "PUT", &right, NOW), mismatch);
    }

    #[test]
    fn a_url_dies_after_seven_days_and_cannot_be_renewed() {
        let url = Presigner::new([7; 32]).url("http://localhost:1", &grant(), NOW);
        let right = bound_headers("10", "1B2M2Y8AsgTpgAmY7PhCfg==");
        let late = NOW.saturating_add(LIFETIME + Duration::from_secs(2));
        assert_eq!(check(&url, "PUT", &right, late), Err(StorageRefusal::AccessDenied));
        let renewed = url.replace("X-Amz-Date=18", "X-Amz-Date=19");
        assert_eq!(check(&renewed, "PUT", &right, late), Err(StorageRefusal::SignatureDoesNotMatch));
        assert_eq!(check("http://localhost/objects/7/abc", "PUT", &right, NOW), Err(StorageRefusal::AccessDenied));
    }

    #[test]
    fn another_server_signs_otherwise() {
        let url = Presigner::new([8; 32]).url("http://localhost:1", &Grant { bound: None, ..grant() }, NOW);
        assert_eq!(check(&url, "PUT", &HeaderMap::new(), NOW), Err(StorageRefusal::SignatureDoesNotMatch));
    }
}
