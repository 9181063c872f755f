//! The shapes in which the server refuses (protocol notes, auth 5.1 and data 0.1).

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An answer that is not a success. Which of the shapes it has is part of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    body: Shape,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    /// `{}`: the status says it all.
    Object,
    /// `{"code": …, "message": ""}`.
    Code(&'static str),
    /// `{"error": …}`: middleware.
    Error(&'static str),
    /// No byte: unknown routes and crashed handlers.
    Empty,
}

/// What handlers answer.
pub(super) type Answer<T> = Result<T, Refusal>;

impl Refusal {
    pub(super) const BAD_REQUEST: Self = Self::plain(400);
    pub(super) const UNAUTHORIZED: Self = Self::plain(401);
    pub(super) const NO_PLAN: Self = Self::plain(402);
    pub(super) const FORBIDDEN: Self = Self::plain(403);
    pub(super) const NOT_FOUND: Self = Self::plain(404);
    pub(super) const CONFLICT: Self = Self::plain(409);
    pub(super) const GONE: Self = Self::plain(410);
    pub(super) const TOO_LARGE: Self = Self::plain(413);
    pub(super) const NO_ROOM: Self = Self::plain(426);
    pub(super) const TOO_MANY: Self = Self::plain(429);
    /// What museum does not classify.
    pub(super) const INTERNAL: Self = Self::plain(500);
    /// Where museum's handler panics.
    pub(super) const CRASH: Self = Self::empty(500);
    pub(super) const NO_ROUTE: Self = Self::empty(404);

    pub(super) const fn plain(status: u16) -> Self {
        Self { status, body: Shape::Object }
    }

    pub(super) const fn code(status: u16, code: &'static str) -> Self {
        Self { status, body: Shape::Code(code) }
    }

    pub(super) const fn middleware(status: u16, error: &'static str) -> Self {
        Self { status, body: Shape::Error(error) }
    }

    pub(super) const fn empty(status: u16) -> Self {
        Self { status, body: Shape::Empty }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match self.body {
            Shape::Object => (status, Json(json!({}))).into_response(),
            Shape::Code(code) => (status, Json(json!({"code": code, "message": ""}))).into_response(),
            Shape::Error(error) => (status, Json(json!({"error": error}))).into_response(),
            Shape::Empty => status.into_response(),
        }
    }
}

impl From<rusqlite::Error> for Refusal {
    /// A row that is not there is a 404 wherever nobody said otherwise, as in museum.
    fn from(error: rusqlite::Error) -> Self {
        if matches!(error, rusqlite::Error::QueryReturnedNoRows) {
            return Self::NOT_FOUND;
        }
        tracing::error!(%error, "embedded server: database");
        Self::INTERNAL
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        tracing::error!(%error, "embedded server: disk");
        Self::INTERNAL
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        tracing::error!(%error, "embedded server: a stored record does not read back");
        Self::INTERNAL
    }
}
