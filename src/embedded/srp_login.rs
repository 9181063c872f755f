//! Log-in and password by SRP (protocol notes, auth 2.4).

use super::database::{one, run, value};
use super::refusal::{Answer, Refusal};
use super::users;
use super::visit::{Body, Caller, Visitor};
use super::{accounts, second_factor, sessions};
use crate::base::{B64, Timestamp, UserId};
use crate::crypto::{self, SrpServer};
use crate::wire::{
    Authorization, SrpAttributes, SrpAttributesAnswer, SrpCompleteAnswer, SrpCompleteRequest, SrpCreateSessionAnswer,
    SrpCreateSessionRequest, SrpSetupAnswer, SrpSetupRequest, SrpUpdateRequest, SrpVerifySessionRequest,
    UpdatedKeyAttributes, code,
};
use axum::Json;
use rusqlite::{Connection, params};
use std::time::Duration;
use uuid::Uuid;

const BAD_REQUEST: Refusal = Refusal::code(400, code::BAD_REQUEST);
/// The length of A and B.
const PUBLIC_LEN: usize = 512;
const MAX_MISSES: i64 = 5;
/// Sessions of one SRP user ID that may wait for their proof, and for how long each counts.
const MAX_UNVERIFIED: i64 = 10;
const UNVERIFIED_WINDOW: Duration = Duration::from_secs(3600);

/// A log-in or setup that waits for the client's proof.
struct Session {
    id: String,
    user: UserId,
    srp_user_id: String,
    salt: Option<String>,
    verifier: Vec<u8>,
    secret: Vec<u8>,
    a_public: Vec<u8>,
    misses: i64,
    is_verified: bool,
}

/// `GET /users/srp/attributes?email=`
pub(super) fn attributes(visitor: &Visitor, (): ()) -> Answer<Json<SrpAttributesAnswer>> {
    let email = users::normalize(visitor.text("email"));
    if email.is_empty() {
        return Err(Refusal::BAD_REQUEST);
    }
    let found = visitor.server.database.write(|tx| load_attributes(tx, &email))?;
    match found {
        Err(Refusal::NOT_FOUND) if !visitor.server.limits.may_disclose("addresses", visitor.arrived) => {
            Ok(Json(SrpAttributesAnswer { attributes: invent_attributes(visitor, &email) }))
        }
        found => Ok(Json(SrpAttributesAnswer { attributes: found? })),
    }
}

/// SRP without keys is what a sign-up in the other order left half done: it is taken back (auth 2.2).
fn load_attributes(tx: &Connection, email: &str) -> Answer<Answer<SrpAttributes>> {
    let Some(user) = users::load_by_email(tx, email)? else { return Ok(Err(Refusal::NOT_FOUND)) };
    let incomplete = Err(Refusal::code(404, code::NOT_FOUND));
    let Some(keys) = users::key_attributes(&user)? else {
        run(tx, "DELETE FROM srp WHERE user = ?", [user.id.0])?;
        return Ok(incomplete);
    };
    let sql = "SELECT srp_user_id, salt FROM srp WHERE user = ?";
    let found = one(tx, sql, [user.id.0], |row| Ok((row.get(0)?, B64(row.get(1)?))))?;
    let Some((srp_user_id, srp_salt)) = found else { return Ok(incomplete) };
    let (mem_limit, ops_limit, kek_salt) = (keys.mem_limit, keys.ops_limit, keys.kek_salt);
    let is_email_mfa_enabled = user.email_mfa;
    Ok(Ok(SrpAttributes { srp_user_id, srp_salt, mem_limit, ops_limit, kek_salt, is_email_mfa_enabled }))
}

/// What is told of addresses without an account once too many have been asked for: always the same of one.
fn invent_attributes(visitor: &Visitor, email: &str) -> SrpAttributes {
    let seed = |what: &str| visitor.server.presigner.tag(&[b"invented", what.as_bytes(), email.as_bytes()]);
    SrpAttributes {
        srp_user_id: uuid::Builder::from_random_bytes(seed("id")).into_uuid().to_string(),
        srp_salt: B64::of(seed("srp")),
        mem_limit: 1 << 30,
        ops_limit: 4,
        kek_salt: B64::of(seed("kek")),
        is_email_mfa_enabled: false,
    }
}

/// `POST /users/srp/create-session`: an unknown ID gets a session too, which no proof opens.
pub(super) fn create_session(
    visitor: &Visitor,
    Body(request): Body<SrpCreateSessionRequest>,
) -> Answer<Json<SrpCreateSessionAnswer>> {
    let (srp_user_id, a_public) = check_ephemeral(&request.srp_user_id, &request.srp_a)?;
    let sql = "SELECT user, verifier FROM srp WHERE srp_user_id = ?";
    let found = visitor.server.database.read(|tx| {
        let found = one(tx, sql, [&srp_user_id], |row| Ok((UserId(row.get(0)?), row.get::<_, Vec<u8>>(1)?)))?;
        let Some((user, verifier)) = found else { return Ok(None) };
        if users::load(tx, user)?.email_mfa {
            return Err(Refusal::code(409, code::EMAIL_MFA_ENABLED));
        }
        check_unverified(tx, &srp_user_id, visitor.now())?;
        Ok(Some((user, verifier)))
    })?;
    let Some((user, verifier)) = found else { return Ok(Json(invent_session())) };
    let (session_id, b_public) = open_session(visitor, user, &srp_user_id, None, &verifier, &a_public)?;
    Ok(Json(SrpCreateSessionAnswer { session_id, srp_b: B64::of(b_public) }))
}

fn invent_session() -> SrpCreateSessionAnswer {
    let b_public = *SrpServer::new(&crypto::random::<PUBLIC_LEN>()).b_public();
    SrpCreateSessionAnswer { session_id: Uuid::new_v4().to_string(), srp_b: B64::of(b_public) }
}

/// The ID in the form that the server keeps, and A.
fn check_ephemeral(srp_user_id: &str, a_public: &B64) -> Answer<(String, Vec<u8>)> {
    let srp_user_id = Uuid::parse_str(srp_user_id).map_err(|_| Refusal::BAD_REQUEST)?;
    if a_public.is_empty() {
        return Err(Refusal::BAD_REQUEST);
    }
    let a_public = a_public.array::<PUBLIC_LEN>().ok_or(BAD_REQUEST)?;
    Ok((srp_user_id.to_string(), a_public.to_vec()))
}

fn check_unverified(tx: &Connection, srp_user_id: &str, now: Timestamp) -> Answer<()> {
    let sql = "SELECT count(*) FROM srp_sessions WHERE srp_user_id = ? AND created_at > ? AND NOT is_verified";
    let waiting: i64 = value(tx, sql, params![srp_user_id, now.saturating_sub(UNVERIFIED_WINDOW).0])?;
    let refusal = Refusal::code(429, code::TOO_MANY_UNVERIFIED_SESSIONS);
    if waiting >= MAX_UNVERIFIED { Err(refusal) } else { Ok(()) }
}

/// Stores a session; its ID and B. `salt` makes it a setup.
fn open_session(
    visitor: &Visitor,
    user: UserId,
    srp_user_id: &str,
    salt: Option<&str>,
    verifier: &[u8],
    a_public: &[u8],
) -> Answer<(String, [u8; PUBLIC_LEN])> {
    let srp = SrpServer::new(verifier);
    // Museum's library panics on such an A.
    srp.check_client(a_public, &[0; 32]).map_err(|_| Refusal::CRASH)?;
    let id = Uuid::new_v4().to_string();
    let sql = "INSERT INTO srp_sessions (id, user, srp_user_id, salt, verifier, secret, a_public, created_at)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    let row = params![id, user.0, srp_user_id, salt, verifier, srp.secret(), a_public, visitor.now().0];
    visitor.server.database.write(|tx| Ok(run(tx, sql, row)?))?;
    Ok((id, *srp.b_public()))
}

/// `POST /users/srp/verify-session`
pub(super) fn verify_session(
    visitor: &Visitor,
    Body(request): Body<SrpVerifySessionRequest>,
) -> Answer<Json<Authorization>> {
    let srp_user_id = Uuid::parse_str(&request.srp_user_id).map_err(|_| Refusal::BAD_REQUEST)?.to_string();
    let m1 = check_proof_shape(&request.srp_m1)?;
    let session = load_session(visitor, &request.session_id)?
        .filter(|session| session.srp_user_id == srp_user_id && session.salt.is_none())
        .ok_or(Refusal::UNAUTHORIZED)?;
    let m2 = prove(visitor, &session, &m1)?;
    visitor.server.database.write(|tx| {
        let user = users::load(tx, session.user)?;
        let mut answer = second_factor::authorize_or_challenge(tx, visitor, &user)?;
        answer.srp_m2 = Some(m2);
        Ok(Json(answer))
    })
}

fn check_proof_shape(m1: &B64) -> Answer<[u8; 32]> {
    if m1.is_empty() {
        return Err(Refusal::BAD_REQUEST);
    }
    m1.array().ok_or(BAD_REQUEST)
}

fn load_session(visitor: &Visitor, id: &str) -> Answer<Option<Session>> {
    let sql = "SELECT id, user, srp_user_id, salt, verifier, secret, a_public, misses, is_verified
               FROM srp_sessions WHERE id = ?";
    let id = Uuid::parse_str(id).map_err(|_| Refusal::BAD_REQUEST)?.to_string();
    visitor.server.database.read(|tx| {
        Ok(one(tx, sql, [id], |row| {
            Ok(Session {
                id: row.get(0)?,
                user: UserId(row.get(1)?),
                srp_user_id: row.get(2)?,
                salt: row.get(3)?,
                verifier: row.get(4)?,
                secret: row.get(5)?,
                a_public: row.get(6)?,
                misses: row.get(7)?,
                is_verified: row.get(8)?,
            })
        })?)
    })
}

/// M2 for a right proof; the session is used up. A wrong one is counted.
fn prove(visitor: &Visitor, session: &Session, m1: &[u8; 32]) -> Answer<B64> {
    if session.is_verified {
        return Err(Refusal::code(410, code::SESSION_ALREADY_VERIFIED));
    }
    if session.misses >= MAX_MISSES {
        return Err(Refusal::code(410, code::TOO_MANY_WRONG_ATTEMPTS));
    }
    let srp = SrpServer::with_secret(&session.verifier, &session.secret);
    let m2 = srp.check_client(&session.a_public, m1).map_err(|_| Refusal::CRASH)?;
    let sql = match m2 {
        Some(_) => "UPDATE srp_sessions SET is_verified = 1 WHERE id = ? AND NOT is_verified",
        None => "UPDATE srp_sessions SET misses = misses + 1 WHERE id = ?",
    };
    let changed = visitor.server.database.write(|tx| Ok(run(tx, sql, [&session.id])?))?;
    let m2 = m2.ok_or(Refusal::UNAUTHORIZED)?;
    if changed == 0 {
        return Err(Refusal::code(410, code::SESSION_ALREADY_VERIFIED));
    }
    Ok(B64::of(m2))
}

/// `POST /users/srp/setup`
pub(super) fn setup(caller: &Caller, Body(request): Body<SrpSetupRequest>) -> Answer<Json<SrpSetupAnswer>> {
    if request.srp_salt.is_empty() || request.srp_verifier.is_empty() {
        return Err(Refusal::BAD_REQUEST);
    }
    let (srp_user_id, a_public) = check_ephemeral(&request.srp_user_id, &request.srp_a)?;
    let verifier = request.srp_verifier.bytes().ok_or(BAD_REQUEST)?;
    let salt = request.srp_salt.0.as_str();
    caller.server.database.read(|tx| check_unverified(tx, &srp_user_id, caller.now()))?;
    let (setup_id, b_public) = open_session(caller, caller.user, &srp_user_id, Some(salt), &verifier, &a_public)?;
    Ok(Json(SrpSetupAnswer { setup_id, srp_b: B64::of(b_public) }))
}

/// `POST /users/srp/complete`: the first time only.
pub(super) fn complete(caller: &Caller, Body(request): Body<SrpCompleteRequest>) -> Answer<Json<SrpCompleteAnswer>> {
    let m1 = check_proof_shape(&request.srp_m1)?;
    let setup = load_setup(caller, &request.setup_id)?;
    let has_srp: bool = caller
        .server
        .database
        .read(|tx| Ok(value(tx, "SELECT EXISTS (SELECT 1 FROM srp WHERE user = ?)", [caller.user.0])?))?;
    if has_srp {
        return Err(BAD_REQUEST);
    }
    let srp_m2 = prove(caller, &setup, &m1)?;
    caller.server.database.write(|tx| replace_srp(tx, &setup))?;
    Ok(Json(SrpCompleteAnswer { setup_id: setup.id, srp_m2 }))
}

/// `POST /users/srp/update`: a new password for the same keys.
pub(super) fn update(caller: &Caller, Body(request): Body<SrpUpdateRequest>) -> Answer<Json<SrpCompleteAnswer>> {
    let m1 = check_proof_shape(&request.srp_m1)?;
    // Museum's handler panics without them.
    let keys = request.updated_key_attr.ok_or(Refusal::CRASH)?;
    let setup = load_setup(caller, &request.setup_id)?;
    // The setup is used up even where the new keys are refused.
    let srp_m2 = prove(caller, &setup, &m1)?;
    accounts::check_kdf(keys.mem_limit, keys.ops_limit)?;
    caller.server.database.write(|tx| {
        replace_srp(tx, &setup)?;
        rewrap(tx, caller.user, keys)?;
        if request.log_out_other_devices.unwrap_or(true) { sessions::end_others(tx, caller) } else { Ok(()) }
    })?;
    Ok(Json(SrpCompleteAnswer { setup_id: setup.id, srp_m2 }))
}

fn load_setup(caller: &Caller, id: &str) -> Answer<Session> {
    let setup = load_session(caller, id)?;
    setup.filter(|setup| setup.user == caller.user && setup.salt.is_some()).ok_or(Refusal::NOT_FOUND)
}

fn replace_srp(tx: &Connection, setup: &Session) -> Answer<()> {
    let sql = "INSERT OR REPLACE INTO srp (user, srp_user_id, salt, verifier) VALUES (?, ?, ?, ?)";
    run(tx, sql, params![setup.user.0, setup.srp_user_id, setup.salt, setup.verifier])?;
    Ok(())
}

fn rewrap(tx: &Connection, user: UserId, new: UpdatedKeyAttributes) -> Answer<()> {
    let mut keys = users::key_attributes(&users::load(tx, user)?)?.ok_or(Refusal::NOT_FOUND)?;
    keys.kek_salt = new.kek_salt;
    keys.encrypted_key = new.encrypted_key;
    keys.key_decryption_nonce = new.key_decryption_nonce;
    (keys.mem_limit, keys.ops_limit) = (new.mem_limit, new.ops_limit);
    users::set_key_attributes(tx, user, &keys)
}
