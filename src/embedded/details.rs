//! What an account may store and what it does (protocol notes, auth 2.9 and data 3.5).
//!
//! Museum answers for small files from a cached earlier verdict, so that its refusal comes one upload
//! late; here every call is judged by the numbers of the moment.

use super::database::{run, value};
use super::refusal::{Answer, Refusal};
use super::users::{self, User};
use super::visit::Caller;
use crate::base::{Timestamp, UserId};
use crate::wire::{BonusData, ProfileData, Subscription, UserDetails};
use axum::Json;
use rusqlite::{Connection, params};

/// What uploads of a known size may exceed the plan by.
const OVERFLOW: i64 = 50 << 20;

/// What an upload call knows of the size to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Demand {
    /// Nothing: the plan counts without the allowance.
    Unknown,
    /// So many bytes more.
    Bytes(i64),
}

/// 402 without a valid plan, 426 without room.
pub(super) fn check_quota(tx: &Connection, user: UserId, demand: Demand, now: Timestamp) -> Answer<()> {
    let user = users::load(tx, user)?;
    if user.plan_expiry <= now {
        return Err(Refusal::NO_PLAN);
    }
    if has_room(user.usage, user.storage, demand) { Ok(()) } else { Err(Refusal::NO_ROOM) }
}

fn has_room(usage: i64, storage: i64, demand: Demand) -> bool {
    match demand {
        Demand::Unknown => usage <= storage,
        Demand::Bytes(bytes) => usage.saturating_add(bytes) <= storage.saturating_add(OVERFLOW),
    }
}

/// Counts bytes that came (or went, when negative).
pub(super) fn add_usage(tx: &Connection, user: UserId, bytes: i64) -> Answer<()> {
    run(tx, "UPDATE users SET usage = usage + ? WHERE id = ?", params![bytes, user.0])?;
    Ok(())
}

/// `GET /users/details/v2[?memoryCount=false]`
pub(super) fn get(caller: &Caller, (): ()) -> Answer<Json<UserDetails>> {
    let with_count = caller.text("memoryCount") != "false";
    let details = caller.server.database.read(|tx| {
        let user = users::load(tx, caller.user)?;
        let has_srp = value(tx, "SELECT EXISTS (SELECT 1 FROM srp WHERE user = ?)", [user.id.0])?;
        let count = if with_count { Some(load_file_count(tx, user.id)?) } else { None };
        Ok(of_user(&user, has_srp, count))
    })?;
    Ok(Json(details))
}

/// Files that are neither in the trash nor gone.
pub(super) fn load_file_count(tx: &Connection, user: UserId) -> Answer<i64> {
    let sql = "SELECT count(*) FROM files f WHERE f.owner = ? AND NOT f.is_deleted AND NOT EXISTS
               (SELECT 1 FROM trash t WHERE t.file = f.id AND NOT t.is_restored)";
    Ok(value(tx, sql, [user.0])?)
}

fn of_user(user: &User, has_srp: bool, file_count: Option<i64>) -> UserDetails {
    UserDetails {
        email: user.email.clone(),
        usage: user.usage,
        file_count,
        subscription: Subscription {
            id: 1,
            user_id: user.id,
            product_id: "free".to_owned(),
            storage: user.storage,
            original_transaction_id: "none".to_owned(),
            expiry_time: user.plan_expiry,
            period: "year".to_owned(),
            ..Subscription::default()
        },
        profile_data: ProfileData {
            can_disable_email_mfa: has_srp,
            is_email_mfa_enabled: user.email_mfa,
            is_two_factor_enabled: user.totp_secret.is_some(),
            passkey_count: i64::from(user.has_passkey),
        },
        bonus_data: BonusData::default(),
        ..UserDetails::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_allowance_is_for_uploads_of_a_known_size() {
        let mib = 1 << 20;
        assert!(has_room(0, mib, Demand::Bytes(51 * mib)));
        assert!(!has_room(0, mib, Demand::Bytes(51 * mib + 1)));
        assert!(!has_room(51 * mib, mib, Demand::Bytes(1)));
        assert!(has_room(mib, mib, Demand::Unknown));
        assert!(!has_room(mib + 1, mib, Demand::Unknown));
    }
}
