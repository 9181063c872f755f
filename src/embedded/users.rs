//! The table of accounts.

use super::database::{one, run};
use super::refusal::{Answer, Refusal};
use crate::base::{Timestamp, UserId};
use crate::wire::KeyAttributes;
use rusqlite::{Connection, Row, params};
use std::time::Duration;

/// A free plan lasts a century (auth 4).
const PLAN_TIME: Duration = Duration::from_secs(100 * 365 * 86_400);

pub(super) struct User {
    pub(super) id: UserId,
    pub(super) email: String,
    /// JSON; `None` while sign-up is incomplete.
    key_attributes: Option<String>,
    pub(super) email_mfa: bool,
    pub(super) totp_secret: Option<Vec<u8>>,
    pub(super) has_passkey: bool,
    pub(super) storage: i64,
    pub(super) plan_expiry: Timestamp,
    pub(super) usage: i64,
}

const COLUMNS: &str = "id, email, key_attributes, email_mfa, totp_secret, has_passkey, storage, plan_expiry, usage";

fn of_row(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: UserId(row.get(0)?),
        email: row.get(1)?,
        key_attributes: row.get(2)?,
        email_mfa: row.get(3)?,
        totp_secret: row.get(4)?,
        has_passkey: row.get(5)?,
        storage: row.get(6)?,
        plan_expiry: Timestamp(row.get(7)?),
        usage: row.get(8)?,
    })
}

/// As the server compares addresses everywhere: trimmed, in lower case.
pub(super) fn normalize(email: &str) -> String {
    email.trim().to_lowercase()
}

pub(super) fn load(tx: &Connection, user: UserId) -> Answer<User> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE id = ?");
    one(tx, &sql, [user.0], of_row)?.ok_or(Refusal::NOT_FOUND)
}

/// `email` as [`normalize`] gives it.
pub(super) fn load_by_email(tx: &Connection, email: &str) -> Answer<Option<User>> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE email = ?");
    Ok(one(tx, &sql, [email], of_row)?)
}

/// `None` while sign-up is incomplete.
pub(super) fn key_attributes(user: &User) -> Answer<Option<KeyAttributes>> {
    Ok(user.key_attributes.as_deref().map(serde_json::from_str).transpose()?)
}

pub(super) fn has_keys(user: &User) -> bool {
    user.key_attributes.is_some()
}

/// A new account on the free plan.
pub(super) fn insert(tx: &Connection, email: &str, quota: u64, now: Timestamp) -> Answer<UserId> {
    let storage = i64::try_from(quota).unwrap_or(i64::MAX);
    let sql = "INSERT INTO users (email, created_at, storage, plan_expiry) VALUES (?, ?, ?, ?)";
    run(tx, sql, params![email, now.0, storage, now.saturating_add(PLAN_TIME).0])?;
    Ok(UserId(tx.last_insert_rowid()))
}

pub(super) fn set_key_attributes(tx: &Connection, user: UserId, keys: &KeyAttributes) -> Answer<()> {
    let text = serde_json::to_string(keys)?;
    run(tx, "UPDATE users SET key_attributes = ? WHERE id = ?", params![text, user.0])?;
    Ok(())
}

/// When a plan made now runs out.
pub(super) fn fresh_expiry(now: Timestamp) -> Timestamp {
    now.saturating_add(PLAN_TIME)
}
