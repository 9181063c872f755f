//! How the object storage refuses: XML bodies with MinIO's codes (protocol notes, data 3.3, 3.4, 5.1).

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// What the handlers of the storage answer.
pub(super) type StorageAnswer<T> = Result<T, StorageRefusal>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StorageRefusal {
    /// No signature, or one that has run out.
    AccessDenied,
    /// A header that the URL binds is missing.
    HeaderMissing,
    /// The method, or a header that the URL binds, is not the signed one.
    SignatureDoesNotMatch,
    /// `Authorization` beside a presigned URL.
    TwoAuthorizations,
    /// The body does not say how long it is.
    MissingContentLength,
    /// `Content-MD5` is no MD5.
    InvalidDigest,
    /// The body is not what `Content-MD5` says.
    BadDigest,
    /// The body ended too early.
    IncompleteBody,
    NoSuchKey,
    NoSuchUpload,
    InvalidPart,
    InvalidPartOrder,
    MalformedXml,
    InvalidRange {
        length: u64,
    },
    Internal,
}

impl StorageRefusal {
    fn status_and_code(self) -> (StatusCode, &'static str) {
        match self {
            Self::AccessDenied => (StatusCode::FORBIDDEN, "AccessDenied"),
            Self::HeaderMissing => (StatusCode::BAD_REQUEST, "AccessDenied"),
            Self::SignatureDoesNotMatch => (StatusCode::FORBIDDEN, "SignatureDoesNotMatch"),
            Self::TwoAuthorizations => (StatusCode::BAD_REQUEST, "InvalidRequest"),
            Self::MissingContentLength => (StatusCode::LENGTH_REQUIRED, "MissingContentLength"),
            Self::InvalidDigest => (StatusCode::BAD_REQUEST, "InvalidDigest"),
            Self::BadDigest => (StatusCode::BAD_REQUEST, "BadDigest"),
            Self::IncompleteBody => (StatusCode::BAD_REQUEST, "IncompleteBody"),
            Self::NoSuchKey => (StatusCode::NOT_FOUND, "NoSuchKey"),
            Self::NoSuchUpload => (StatusCode::NOT_FOUND, "NoSuchUpload"),
            Self::InvalidPart => (StatusCode::BAD_REQUEST, "InvalidPart"),
            Self::InvalidPartOrder => (StatusCode::BAD_REQUEST, "InvalidPartOrder"),
            Self::MalformedXml => (StatusCode::BAD_REQUEST, "MalformedXML"),
            Self::InvalidRange { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        }
    }
}

impl IntoResponse for StorageRefusal {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code></Error>");
        let mut response = (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response();
        if let Self::InvalidRange { length } = self {
            set(&mut response, header::CONTENT_RANGE, &format!("bytes */{length}"));
        }
        response
    }
}

/// Sets a header whose value is plain text.
pub(super) fn set(response: &mut Response, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        response.headers_mut().insert(name, value);
    }
}

impl From<std::io::Error> for StorageRefusal {
    fn from(error: std::io::Error) -> Self {
        tracing::error!(%error, "embedded server: object storage");
        Self::Internal
    }
}

impl From<super::refusal::Refusal> for StorageRefusal {
    fn from(refusal: super::refusal::Refusal) -> Self {
        tracing::error!(?refusal, "embedded server: object storage");
        Self::Internal
    }
}
