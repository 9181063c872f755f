//! From a file's ID to its object (protocol notes, data 5.1).

use super::database::{one, value};
use super::presign::Grant;
use super::refusal::{Answer, Refusal};
use super::visit::Caller;
use crate::base::{FileId, UserId};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use rusqlite::{Connection, params};

/// `GET /files/download/:id`
pub(super) fn file(caller: &Caller, (): ()) -> Answer<Response> {
    redirect(caller, "file_key")
}

/// `GET /files/preview/:id`
pub(super) fn preview(caller: &Caller, (): ()) -> Answer<Response> {
    redirect(caller, "thumb_key")
}

fn redirect(caller: &Caller, column: &'static str) -> Answer<Response> {
    let id = FileId(caller.tail_id().ok_or(Refusal::NOT_FOUND)?);
    let key = caller.server.database.read(|tx| load_key(tx, caller.user, id, column))?;
    let grant = Grant { method: "GET".to_owned(), key, ..Grant::default() };
    let url = caller.server.presigner.url(&caller.origin, &grant, caller.now());
    let body = format!("<a href=\"{}\">Temporary Redirect</a>.\n", url.replace('&', "&amp;"));
    let headers = [(header::LOCATION, url.as_str()), (header::CONTENT_TYPE, "text/html; charset=utf-8")];
    Ok((StatusCode::TEMPORARY_REDIRECT, headers, body).into_response())
}

fn load_key(tx: &Connection, user: UserId, id: FileId, column: &'static str) -> Answer<String> {
    let sql = format!("SELECT owner, iif(is_deleted, NULL, {column}) FROM files WHERE id = ?");
    let found = one(tx, &sql, [id.0], |row| Ok((UserId(row.get(0)?), row.get::<_, Option<String>>(1)?)))?;
    let (owner, key) = found.ok_or(Refusal::NOT_FOUND)?;
    if owner != user && !is_shown(tx, user, id)? {
        return Err(Refusal::FORBIDDEN);
    }
    key.ok_or(Refusal::NOT_FOUND)
}

/// A live membership in an album of the reader's own or shared with the reader.
fn is_shown(tx: &Connection, user: UserId, id: FileId) -> Answer<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM memberships m JOIN collections c ON c.id = m.collection
               WHERE m.file = ?1 AND NOT m.is_deleted AND NOT c.is_deleted AND (c.owner = ?2 OR EXISTS
                   (SELECT 1 FROM shares s WHERE s.collection = c.id AND s.member = ?2 AND NOT s.is_deleted)))";
    Ok(value(tx, sql, params![id.0, user.0])?)
}
