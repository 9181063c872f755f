//! Tokens: made, checked, listed, ended (protocol notes, auth 2.8).
//!
//! A revoked token dies at once. Museum's cache, which lets one live for up to a minute, is not imitated.

use super::database::{all, one, run};
use super::refusal::{Answer, Refusal};
use super::users::{self, User};
use super::visit::{App, Caller, Visitor};
use crate::base::{Timestamp, UserId, decode_url_safe, encode_url_safe};
use crate::crypto;
use crate::wire::{Authorization, SessionRow, SessionValidity, SessionsAnswer};
use axum::Json;
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use std::time::Duration;

/// A token dies when it has not been used for this long.
const LIFETIME: Duration = Duration::from_secs(365 * 86_400);
/// The time of last use is written at most this often.
const USE_INTERVAL: Duration = Duration::from_secs(60);

/// The user of the visitor's token.
pub(super) fn authenticate(visitor: &Visitor) -> Answer<UserId> {
    if visitor.token.is_empty() {
        return Err(Refusal::middleware(401, "missing token"));
    }
    let sql = "SELECT user, last_used FROM tokens WHERE token = ? AND app = ?";
    let found = visitor.server.database.read(|tx| {
        let map = |row: &rusqlite::Row<'_>| Ok((UserId(row.get(0)?), Timestamp(row.get(1)?)));
        Ok(one(tx, sql, params![visitor.token, visitor.app.word()], map)?)
    })?;
    let (user, last_used) = found.ok_or(Refusal::middleware(401, "invalid token"))?;
    let idle = visitor.arrived.since(last_used);
    if idle > LIFETIME {
        return Err(Refusal::middleware(401, "token expired"));
    }
    if idle > USE_INTERVAL {
        let sql = "UPDATE tokens SET last_used = ? WHERE token = ?";
        visitor.server.database.write(|tx| Ok(run(tx, sql, params![visitor.arrived.0, visitor.token])?))?;
    }
    Ok(user)
}

/// A fresh token of `user`, in the form of `X-Auth-Token`.
pub(super) fn create(tx: &Connection, visitor: &Visitor, user: UserId) -> Answer<String> {
    insert(tx, user, visitor.app, visitor.now(), &visitor.ip, &visitor.agent)
}

pub(super) fn insert(tx: &Connection, user: UserId, app: App, now: Timestamp, ip: &str, agent: &str) -> Answer<String> {
    let token = encode_url_safe(crypto::random::<32>());
    let sql = "INSERT INTO tokens (token, user, app, created_at, last_used, ip, agent) VALUES (?, ?, ?, ?4, ?4, ?, ?)";
    run(tx, sql, params![token, user.0, app.word(), now.0, ip, agent])?;
    Ok(token)
}

/// The answer that completes a log-in: the keys, and a token that only they open; in clear while there
/// are no keys yet.
pub(super) fn authorize(tx: &Connection, visitor: &Visitor, user: &User) -> Answer<Authorization> {
    let token = create(tx, visitor, user.id)?;
    let mut answer = Authorization { id: user.id, ..Authorization::default() };
    let Some(keys) = users::key_attributes(user)? else {
        answer.token = Some(token);
        return Ok(answer);
    };
    let raw = decode_url_safe(&token).ok_or(Refusal::INTERNAL)?;
    let public = keys.public_key.bytes().ok_or(Refusal::INTERNAL)?;
    let sealed = crypto::seal_sealed_box(&public, &raw).map_err(|_| Refusal::INTERNAL)?;
    answer.encrypted_token = Some(crate::base::B64::of(sealed));
    answer.key_attributes = Some(keys);
    Ok(answer)
}

/// `GET /users/session-validity/v2`
pub(super) fn validity(caller: &Caller, (): ()) -> Answer<Json<SessionValidity>> {
    let user = caller.server.database.read(|tx| users::load(tx, caller.user))?;
    let key_attributes = users::key_attributes(&user)?;
    Ok(Json(SessionValidity { has_set_keys: key_attributes.is_some(), key_attributes }))
}

/// `GET /users/sessions`: the same app's alone.
pub(super) fn list(caller: &Caller, (): ()) -> Answer<Json<SessionsAnswer>> {
    let sql = "SELECT token, created_at, last_used, ip, agent FROM tokens WHERE user = ? AND app = ?";
    let sessions = caller.server.database.read(|tx| {
        Ok(all(tx, sql, params![caller.user.0, caller.app.word()], |row| {
            let ua: String = row.get(4)?;
            let pretty_ua = ua.clone();
            let (token, creation_time) = (row.get(0)?, row.get(1)?);
            Ok(SessionRow { token, creation_time, last_used_time: row.get(2)?, ip: row.get(3)?, ua, pretty_ua })
        })?)
    })?;
    Ok(Json(SessionsAnswer { sessions }))
}

/// `POST /users/logout`
pub(super) fn logout(caller: &Caller, (): ()) -> Answer<Json<Value>> {
    end(caller, &caller.token)
}

/// `DELETE /users/session?token=`: any of the user's own; an unknown one is no error.
pub(super) fn end_other(caller: &Caller, (): ()) -> Answer<Json<Value>> {
    end(caller, caller.text("token"))
}

fn end(caller: &Caller, token: &str) -> Answer<Json<Value>> {
    let sql = "DELETE FROM tokens WHERE token = ? AND user = ?";
    caller.server.database.write(|tx| Ok(run(tx, sql, params![token, caller.user.0])?))?;
    Ok(Json(json!({})))
}

/// Ends every session of the caller but the one that asks.
pub(super) fn end_others(tx: &Connection, caller: &Caller) -> Answer<()> {
    run(tx, "DELETE FROM tokens WHERE user = ? AND token <> ?", params![caller.user.0, caller.token])?;
    Ok(())
}
