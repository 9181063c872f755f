//! Presigned uploads (protocol notes, data 3.2 to 3.4).

use super::nullable::nullable;
use crate::base::B64;
use serde::{Deserialize, Serialize};

/// `POST /files/upload-url`: the URL binds the length and the MD5.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct UploadUrlRequest {
    #[serde(rename = "contentLength")]
    pub content_length: i64,
    #[serde(rename = "contentMD5")]
    pub content_md5: B64,
}

/// An object's place and where to PUT it.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UploadUrl {
    pub object_key: String,
    pub url: String,
}

/// `GET /files/upload-urls?count=`, at most 50; these bind nothing but the host.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct UploadUrlsAnswer {
    #[serde(deserialize_with = "nullable")]
    pub urls: Vec<UploadUrl>,
}

/// `POST /files/multipart-upload-url`: each part's URL binds its length and MD5.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MultipartUploadUrlRequest {
    pub content_length: i64,
    pub part_length: i64,
    pub part_md5s: Vec<B64>,
}

#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct MultipartUploadUrls {
    #[serde(rename = "objectKey")]
    pub object_key: String,
    #[serde(rename = "partURLs", deserialize_with = "nullable")]
    pub part_urls: Vec<String>,
    #[serde(rename = "completeURL")]
    pub complete_url: String,
}

/// `GET /files/multipart-upload-urls?count=` (legacy): a single object under a plural name.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct MultipartUploadUrlsAnswer {
    pub urls: MultipartUploadUrls,
}

/// The body of the completion call (data 3.4).
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename = "CompleteMultipartUpload")]
pub struct CompleteMultipartUpload {
    #[serde(rename = "Part", default)]
    pub parts: Vec<CompletedPart>,
}

#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct CompletedPart {
    /// From 1, ascending.
    #[serde(rename = "PartNumber")]
    pub part_number: u32,
    /// As the part's PUT answered it, with its quotes.
    #[serde(rename = "ETag")]
    pub etag: String,
}

/// The largest encrypted object Ente takes: 10 GiB (data 10).
pub const MAX_OBJECT: u64 = 10 << 30;
/// The least length of a part but the last, where there are several.
pub const MIN_PART: u64 = 5 << 20;
pub const MAX_PARTS: usize = 10_000;
/// The most URLs that one call of the batch endpoint gives.
pub const URL_BATCH: usize = 50;
