//! TOTP and passkeys (protocol notes, auth 2.5 and 2.6).
//!
//! There is no page on which to touch a passkey: [`super::Server::verify_passkey_session`] stands for it.
//! Recovery of a lost second factor is left out.

use super::database::{one, run, value};
use super::refusal::{Answer, Refusal};
use super::sessions;
use super::users::{self, User};
use super::visit::{Body, Caller, Visitor};
use crate::base::{B64, Timestamp, UserId, encode_url_safe};
use crate::crypto;
use crate::wire::{Authorization, TotpEnableRequest, TotpSetupAnswer, TotpStatusAnswer, TotpVerifyRequest, code};
use axum::Json;
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use std::time::Duration;
use totp_rs::{Builder, Secret, Totp};

const SESSION_LIFETIME: Duration = Duration::from_secs(600);
const MAX_MISSES: i64 = 10;
const SECRET_LEN: usize = 20;
/// Steps of 30 s after which a used code has run out anyway.
const USED_STEPS: i64 = 10;
/// A verified passkey session gives its result this often and for so long.
const MAX_FETCHES: i64 = 2;
const FETCH_WINDOW: Duration = Duration::from_secs(120);
/// A PNG of one pixel: nobody scans a code of this server.
const QR_PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// The answer after the first factor: complete, or with the sessions of the second one.
pub(super) fn authorize_or_challenge(tx: &Connection, visitor: &Visitor, user: &User) -> Answer<Authorization> {
    let (has_totp, has_passkey) = (user.totp_secret.is_some(), user.has_passkey);
    if !has_totp && !has_passkey {
        return sessions::authorize(tx, visitor, user);
    }
    let mut answer = Authorization { id: user.id, ..Authorization::default() };
    if has_totp {
        let session = open_session(tx, "totp_sessions", user.id, visitor.now())?;
        let field = if has_passkey { &mut answer.two_factor_session_id_v2 } else { &mut answer.two_factor_session_id };
        *field = session;
    }
    if has_passkey {
        answer.passkey_session_id = open_session(tx, "passkey_sessions", user.id, visitor.now())?;
        answer.accounts_url = format!("{}/accounts", visitor.origin);
    }
    Ok(answer)
}

fn open_session(tx: &Connection, table: &'static str, user: UserId, now: Timestamp) -> Answer<String> {
    let id = encode_url_safe(crypto::random::<32>());
    run(tx, &format!("INSERT INTO {table} (id, user, created_at) VALUES (?, ?, ?)"), params![id, user.0, now.0])?;
    Ok(id)
}

/// What completes a log-in after a second factor has no session fields, not even empty ones.
fn complete(tx: &Connection, visitor: &Visitor, user: &User) -> Answer<Json<Value>> {
    let answer = sessions::authorize(tx, visitor, user)?;
    let (id, keys, token) = (answer.id, answer.key_attributes, answer.encrypted_token);
    Ok(Json(json!({"id": id, "keyAttributes": keys, "encryptedToken": token})))
}

/// `POST /users/two-factor/verify`
pub(super) fn verify_totp(visitor: &Visitor, Body(request): Body<TotpVerifyRequest>) -> Answer<Json<Value>> {
    if request.session_id.is_empty() || request.code.is_empty() {
        return Err(Refusal::BAD_REQUEST);
    }
    // A miss is counted although the call is refused, so the refusal is a value here.
    let used = visitor.server.database.write(|tx| use_totp(tx, &request, visitor.now()))?;
    let user = used?;
    visitor.server.database.write(|tx| complete(tx, visitor, &users::load(tx, user)?))
}

fn use_totp(tx: &Connection, request: &TotpVerifyRequest, now: Timestamp) -> Answer<Answer<UserId>> {
    let opened_after = now.saturating_sub(SESSION_LIFETIME).0;
    let sql = "SELECT user, misses FROM totp_sessions WHERE id = ? AND created_at > ?";
    let map = |row: &rusqlite::Row<'_>| Ok((UserId(row.get(0)?), row.get::<_, i64>(1)?));
    let (user, misses) = one(tx, sql, params![request.session_id, opened_after], map)?.ok_or(Refusal::NOT_FOUND)?;
    if misses >= MAX_MISSES {
        return Err(Refusal::TOO_MANY);
    }
    let secret = users::load(tx, user)?.totp_secret.ok_or(Refusal::BAD_REQUEST)?;
    let matched = match_step(&secret, &request.code, now);
    let fresh =
        matched.map(|step| run(tx, "INSERT OR IGNORE INTO totp_used (user, step) VALUES (?, ?)", [user.0, step]));
    if fresh.transpose()?.unwrap_or(0) == 0 {
        run(tx, "UPDATE totp_sessions SET misses = misses + 1 WHERE id = ?", [&request.session_id])?;
        return Ok(Err(Refusal::UNAUTHORIZED));
    }
    run(tx, "DELETE FROM totp_used WHERE user = ? AND step < ?", [user.0, step_of(now) - USED_STEPS])?;
    run(tx, "DELETE FROM totp_sessions WHERE id = ?", [&request.session_id])?;
    Ok(Ok(user))
}

fn step_of(now: Timestamp) -> i64 {
    now.0 / 30_000_000
}

fn totp(secret: &[u8]) -> Option<Totp> {
    let secret: [u8; SECRET_LEN] = secret.try_into().ok()?;
    Builder::new().with_secret(Secret::new_stack(secret)).build().ok()
}

/// The step whose code this is, at most one away from now.
fn match_step(secret: &[u8], code: &str, now: Timestamp) -> Option<i64> {
    let seconds = u64::try_from(now.0 / 1_000_000).ok()?;
    let step = totp(secret)?.check(code, seconds)?;
    i64::try_from(step).ok()
}

/// `POST /users/two-factor/setup`
pub(super) fn set_up_totp(caller: &Caller, (): ()) -> Answer<Json<TotpSetupAnswer>> {
    let secret = crypto::random::<SECRET_LEN>();
    let sql = "INSERT OR REPLACE INTO totp_setups (user, secret, created_at) VALUES (?, ?, ?)";
    caller.server.database.write(|tx| Ok(run(tx, sql, params![caller.user.0, secret, caller.now().0])?))?;
    Ok(Json(TotpSetupAnswer { secret_code: base32(&secret), qr_code: B64(QR_PNG.to_owned()) }))
}

/// `POST /users/two-factor/enable`
pub(super) fn enable_totp(caller: &Caller, Body(request): Body<TotpEnableRequest>) -> Answer<()> {
    let sealed = [&request.encrypted_two_factor_secret, &request.two_factor_secret_decryption_nonce];
    if request.code.is_empty() || sealed.iter().any(|field| field.is_empty()) {
        return Err(Refusal::BAD_REQUEST);
    }
    let sql = "SELECT secret FROM totp_setups WHERE user = ? AND created_at > ?";
    let begun_after = caller.now().saturating_sub(SESSION_LIFETIME).0;
    caller.server.database.write(|tx| {
        let secret = one(tx, sql, [caller.user.0, begun_after], |row| row.get::<_, Vec<u8>>(0))?;
        let secret = secret.filter(|secret| match_step(secret, &request.code, caller.now()).is_some());
        set_totp_secret(tx, caller.user, Some(&secret.ok_or(Refusal::UNAUTHORIZED)?))
    })
}

pub(super) fn set_totp_secret(tx: &Connection, user: UserId, secret: Option<&[u8]>) -> Answer<()> {
    run(tx, "UPDATE users SET totp_secret = ? WHERE id = ?", params![secret, user.0])?;
    run(tx, "DELETE FROM totp_setups WHERE user = ?", [user.0])?;
    run(tx, "DELETE FROM totp_used WHERE user = ?", [user.0])?;
    Ok(())
}

/// `GET /users/two-factor/status`
pub(super) fn totp_status(caller: &Caller, (): ()) -> Answer<Json<TotpStatusAnswer>> {
    let sql = "SELECT totp_secret IS NOT NULL FROM users WHERE id = ?";
    let status = caller.server.database.read(|tx| Ok(value(tx, sql, [caller.user.0])?))?;
    Ok(Json(TotpStatusAnswer { status }))
}

/// `POST /users/two-factor/disable`
pub(super) fn disable_totp(caller: &Caller, (): ()) -> Answer<()> {
    caller.server.database.write(|tx| set_totp_secret(tx, caller.user, None))
}

/// `GET /users/two-factor/passkeys/get-token?sessionID=`
pub(super) fn passkey_token(visitor: &Visitor, (): ()) -> Answer<Json<Value>> {
    let id = visitor.text("sessionID");
    if id.is_empty() {
        return Err(Refusal::code(400, code::BAD_REQUEST));
    }
    let now = visitor.now();
    let opened_after = now.saturating_sub(SESSION_LIFETIME).0;
    let sql = "SELECT user, verified_at, fetches FROM passkey_sessions WHERE id = ? AND created_at > ?";
    visitor.server.database.write(|tx| {
        let map = |row: &rusqlite::Row<'_>| Ok((UserId(row.get(0)?), row.get::<_, Option<i64>>(1)?, row.get(2)?));
        let found = one(tx, sql, params![id, opened_after], map)?.ok_or(Refusal::NOT_FOUND)?;
        let (user, verified_at, fetches) = found;
        judge_passkey(verified_at.map(Timestamp), fetches, now)?;
        run(tx, "UPDATE passkey_sessions SET fetches = fetches + 1 WHERE id = ?", [id])?;
        complete(tx, visitor, &users::load(tx, user)?)
    })
}

fn judge_passkey(verified_at: Option<Timestamp>, fetches: i64, now: Timestamp) -> Answer<()> {
    let verified_at = verified_at.ok_or(Refusal::code(400, code::SESSION_NOT_VERIFIED))?;
    let is_over = fetches >= MAX_FETCHES || now.since(verified_at) > FETCH_WINDOW;
    if is_over { Err(Refusal::code(410, "INVALID_SESSION")) } else { Ok(()) }
}

/// RFC 4648 without padding, which 20 bytes do not need.
fn base32(bytes: &[u8; SECRET_LEN]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::with_capacity(32);
    for five in bytes.chunks_exact(5) {
        let bits = five.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        text.extend((0..8).rev().map(|digit| char::from(ALPHABET[(bits >> (5 * digit) & 31) as usize])));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_6238_and_one_step_to_either_side() {
        let secret = b"12345678901234567890";
        let at = |seconds: i64| Timestamp(seconds * 1_000_000);
        assert_eq!(match_step(secret, "287082", at(59)), Some(1));
        assert_eq!(match_step(secret, "287082", at(89)), Some(1));
        assert_eq!(match_step(secret, "287082", at(90)), None);
        assert_eq!(match_step(secret, "287082", at(29)), Some(1));
        for bad in ["", "28708", "2870820", "+87082", "abcdef"] {
            assert_eq!(match_step(secret, bad, at(59)), None, "{bad}");
        }
    }

    #[test]
    fn secrets_are_written_in_base32() {
        assert_eq!(base32(b"12345678901234567890"), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(base32(&[0xff; 20]), "7".repeat(32));
    }

    #[test]
    fn a_passkeys_result_is_given_twice_and_for_two_minutes() {
        let at = |seconds: i64| Timestamp(seconds * 1_000_000);
        let over = Err(Refusal::code(410, "INVALID_SESSION"));
        assert_eq!(judge_passkey(None, 0, at(5)), Err(Refusal::code(400, code::SESSION_NOT_VERIFIED)));
        assert_eq!(judge_passkey(Some(at(5)), 1, at(125)), Ok(()));
        assert_eq!(judge_passkey(Some(at(5)), 2, at(6)), over);
        assert_eq!(judge_passkey(Some(at(5)), 0, at(126)), over);
    }
}
