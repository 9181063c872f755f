//! E-mail codes, key attributes and what else belongs to an account (protocol notes, auth 2.2, 2.3, 2.8).

use super::database::{all, run, value};
use super::refusal::{Answer, Refusal};
use super::users::{self, User};
use super::visit::{Body, Caller, Visitor};
use super::{second_factor, sessions};
use crate::base::Timestamp;
use crate::crypto;
use crate::wire::{
    Authorization, EmailMfaRequest, KeyAttributes, OttRequest, PublicKeyAnswer, SetKeyAttributes, VerifyEmailRequest,
    code,
};
use axum::Json;
use rusqlite::{Connection, params};
use std::time::Duration;

const CODE_LIFETIME: Duration = Duration::from_secs(3600);
const MAX_ACTIVE_CODES: i64 = 10;
const MAX_MISSES: i64 = 20;
/// Museum's check of how strong a password derivation is (auth 1.4).
const KDF_STRENGTH: i64 = 4_294_967_296;
const KDF_MIN_MEMORY: i64 = 134_217_728;

const WEAK_KDF: Refusal = Refusal::code(400, code::BAD_REQUEST);

/// `POST /users/ott`
pub(super) fn send_code(visitor: &Visitor, Body(request): Body<OttRequest>) -> Answer<()> {
    let email = users::normalize(&request.email);
    if email.is_empty() {
        return Err(Refusal::BAD_REQUEST);
    }
    let user = visitor.server.database.read(|tx| users::load_by_email(tx, &email))?;
    if let Err(refusal) = check_purpose(&request.purpose, user.as_ref()) {
        let may_tell = visitor.server.limits.may_disclose("codes", visitor.arrived);
        return if may_tell { Err(refusal) } else { Ok(()) };
    }
    visitor.server.limits.check_code(&visitor.ip, visitor.arrived)?;
    let code = new_code(visitor, &request.purpose);
    visitor.server.database.write(|tx| insert_code(tx, visitor, &email, &code))?;
    (visitor.server.report_code)(&email, &code);
    Ok(())
}

/// Whether an account in this state may ask for a code with this purpose; others are not checked.
fn check_purpose(purpose: &str, user: Option<&User>) -> Answer<()> {
    let complete = user.map(users::has_keys);
    match (purpose, complete) {
        ("signup", Some(true)) => Err(Refusal::code(409, code::USER_ALREADY_REGISTERED)),
        ("login", None) => Err(Refusal::code(404, code::USER_NOT_REGISTERED)),
        ("login", Some(false)) => Err(Refusal::code(404, code::USER_SIGNUP_INCOMPLETE)),
        ("change", Some(_)) => Err(Refusal::FORBIDDEN),
        _ => Ok(()),
    }
}

/// The fixed code is not given for a change of address (auth 4).
fn new_code(visitor: &Visitor, purpose: &str) -> String {
    let fixed = visitor.server.code.clone().filter(|_| purpose != "change");
    fixed.unwrap_or_else(|| format!("{:06}", u32::from_le_bytes(crypto::random()) % 1_000_000))
}

/// A code that is active already is not another one.
fn insert_code(tx: &Connection, visitor: &Visitor, email: &str, code: &str) -> Answer<()> {
    let (app, now) = (visitor.app.word(), visitor.now());
    run(tx, "DELETE FROM codes WHERE expires_at <= ?", [now.0])?;
    let others = "SELECT count(*) FROM codes WHERE email = ? AND app = ? AND code <> ?";
    if value::<i64>(tx, others, params![email, app, code])? >= MAX_ACTIVE_CODES {
        return Err(Refusal::TOO_MANY);
    }
    let sql = "INSERT INTO codes (email, app, code, expires_at) VALUES (?, ?, ?, ?)
               ON CONFLICT DO UPDATE SET expires_at = excluded.expires_at";
    run(tx, sql, params![email, app, code, now.saturating_add(CODE_LIFETIME).0])?;
    Ok(())
}

/// `POST /users/verify-email`: the first time, this makes the account.
pub(super) fn verify_email(visitor: &Visitor, Body(request): Body<VerifyEmailRequest>) -> Answer<Json<Authorization>> {
    let (email, sent) = (users::normalize(&request.email), request.ott.trim());
    // A miss is counted although the call is refused, so the refusal is a value here.
    let used = visitor.server.database.write(|tx| use_code(tx, visitor, &email, sent))?;
    used?;
    visitor.server.database.write(|tx| {
        let user = load_or_insert(tx, visitor, &email)?;
        second_factor::authorize_or_challenge(tx, visitor, &user).map(Json)
    })
}

fn use_code(tx: &Connection, visitor: &Visitor, email: &str, sent: &str) -> Answer<Answer<()>> {
    let key = params![email, visitor.app.word(), visitor.now().0];
    let active = "SELECT code, misses FROM codes WHERE email = ? AND app = ? AND expires_at > ?";
    let active: Vec<(String, i64)> = all(tx, active, key, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let key = params![email, visitor.app.word(), sent];
    match judge_code(&active, sent) {
        Ok(()) => run(tx, "DELETE FROM codes WHERE email = ? AND app = ? AND code = ?", key)?,
        Err(Refusal::UNAUTHORIZED) => {
            run(tx, "UPDATE codes SET misses = misses + 1 WHERE email = ? AND app = ? AND code <> ?", key)?
        }
        Err(refusal) => return Ok(Err(refusal)),
    };
    Ok(judge_code(&active, sent))
}

/// `active` are the codes that wait, each with the wrong guesses made while it did.
fn judge_code(active: &[(String, i64)], sent: &str) -> Answer<()> {
    let misses = active.iter().map(|(_, misses)| *misses).max().ok_or(Refusal::GONE)?;
    if misses >= MAX_MISSES {
        return Err(Refusal::TOO_MANY);
    }
    active.iter().any(|(code, _)| code == sent).then_some(()).ok_or(Refusal::UNAUTHORIZED)
}

fn load_or_insert(tx: &Connection, visitor: &Visitor, email: &str) -> Answer<User> {
    if let Some(user) = users::load_by_email(tx, email)? {
        return Ok(user);
    }
    let id = users::insert(tx, email, visitor.server.quota, visitor.now())?;
    users::load(tx, id)
}

/// `PUT /users/attributes`: once.
pub(super) fn set_key_attributes(caller: &Caller, Body(request): Body<SetKeyAttributes>) -> Answer<()> {
    let mut keys = request.key_attributes;
    check_key_attributes(&keys)?;
    keys.kek_hash.clear();
    caller.server.database.write(|tx| {
        if users::has_keys(&users::load(tx, caller.user)?) {
            return Err(Refusal::FORBIDDEN);
        }
        users::set_key_attributes(tx, caller.user, &keys)
    })
}

/// The recovery fields may be empty; lengths and encodings are nobody's concern here (auth 2.1).
fn check_key_attributes(keys: &KeyAttributes) -> Answer<()> {
    let required = [
        &keys.kek_salt,
        &keys.encrypted_key,
        &keys.key_decryption_nonce,
        &keys.public_key,
        &keys.encrypted_secret_key,
        &keys.secret_key_decryption_nonce,
    ];
    if required.iter().any(|field| field.is_empty()) || keys.mem_limit == 0 || keys.ops_limit == 0 {
        return Err(Refusal::BAD_REQUEST);
    }
    check_kdf(keys.mem_limit, keys.ops_limit)
}

/// Memory and passes of a password derivation.
pub(super) fn check_kdf(mem_limit: i64, ops_limit: i64) -> Answer<()> {
    let strong = mem_limit.checked_mul(ops_limit) == Some(KDF_STRENGTH) && mem_limit >= KDF_MIN_MEMORY;
    strong.then_some(()).ok_or(WEAK_KDF)
}

/// `GET /users/public-key?email=`
pub(super) fn public_key(caller: &Caller, (): ()) -> Answer<Json<PublicKeyAnswer>> {
    let email = users::normalize(caller.text("email"));
    let user = caller.server.database.read(|tx| users::load_by_email(tx, &email))?.ok_or(Refusal::NOT_FOUND)?;
    let keys = users::key_attributes(&user)?.ok_or(Refusal::NOT_FOUND)?;
    Ok(Json(PublicKeyAnswer { public_key: keys.public_key }))
}

/// `PUT /users/email-mfa`: whoever has no SRP must keep it on.
pub(super) fn set_email_mfa(caller: &Caller, Body(request): Body<EmailMfaRequest>) -> Answer<()> {
    caller.server.database.write(|tx| {
        let has_srp: bool = value(tx, "SELECT EXISTS (SELECT 1 FROM srp WHERE user = ?)", [caller.user.0])?;
        if !request.is_enabled && !has_srp {
            return Err(Refusal::code(409, code::CONFLICT));
        }
        run(tx, "UPDATE users SET email_mfa = ? WHERE id = ?", params![request.is_enabled, caller.user.0])?;
        Ok(())
    })
}

/// Plants an account that is complete; see [`super::Server::create_account`].
pub(super) fn plant(
    tx: &Connection,
    seed: &super::AccountSeed,
    email: &str,
    quota: u64,
    now: Timestamp,
) -> Answer<String> {
    let user = users::insert(tx, email, quota, now)?;
    users::set_key_attributes(tx, user, &seed.key_attributes)?;
    let sql = "INSERT INTO srp (user, srp_user_id, salt, verifier) VALUES (?, ?, ?, ?)";
    let salt = crate::base::B64::of(&seed.srp_salt).0;
    run(tx, sql, params![user.0, seed.srp_user_id, salt, seed.srp_verifier])?;
    sessions::insert(tx, user, super::visit::App::Photos, now, "", "entefs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::B64;

    fn keys() -> KeyAttributes {
        let field = || B64("AA==".into());
        KeyAttributes {
            kek_salt: field(),
            encrypted_key: field(),
            key_decryption_nonce: field(),
            public_key: field(),
            encrypted_secret_key: field(),
            secret_key_decryption_nonce: field(),
            mem_limit: KDF_MIN_MEMORY,
            ops_limit: 32,
            ..KeyAttributes::default()
        }
    }

    #[test]
    fn key_attributes_need_all_but_the_recovery_fields() {
        assert_eq!(check_key_attributes(&keys()), Ok(()));
        let missing = KeyAttributes { public_key: B64::default(), ..keys() };
        assert_eq!(check_key_attributes(&missing), Err(Refusal::BAD_REQUEST));
        let missing = KeyAttributes { ops_limit: 0, ..keys() };
        assert_eq!(check_key_attributes(&missing), Err(Refusal::BAD_REQUEST));
    }

    #[test]
    fn the_strength_of_a_derivation_is_exact_and_its_memory_has_a_floor() {
        for (mem, ops) in [(1 << 30, 4), (1 << 29, 8), (1 << 28, 16), (1 << 27, 32)] {
            assert_eq!(check_kdf(mem, ops), Ok(()));
        }
        for (mem, ops) in [(1 << 26, 64), (1 << 26, 2), (1 << 28, 15), (i64::MAX, 2), (-1 << 28, -16)] {
            assert_eq!(check_kdf(mem, ops), Err(WEAK_KDF), "{mem} {ops}");
        }
    }

    #[test]
    fn a_code_is_judged_by_what_waits() {
        let active = |misses| vec![("111111".to_owned(), misses), ("222222".to_owned(), 0)];
        assert_eq!(judge_code(&[], "111111"), Err(Refusal::GONE));
        assert_eq!(judge_code(&active(0), "222222"), Ok(()));
        assert_eq!(judge_code(&active(19), "333333"), Err(Refusal::UNAUTHORIZED));
        assert_eq!(judge_code(&active(20), "222222"), Err(Refusal::TOO_MANY));
    }
}
