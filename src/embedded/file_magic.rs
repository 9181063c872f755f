//! Magic metadata of files (protocol notes, data 2.5).

use super::access;
use super::collections::{magic_of, magic_text};
use super::database::{id_list, one, run};
use super::refusal::{Answer, Refusal};
use super::visit::{Body, Caller};
use crate::base::{Timestamp, UserId};
use crate::wire::{FileMagic, Magic, UpdateFileMagic};
use rusqlite::{Connection, params};

/// So many keys fewer than stored are still no mistake.
const COUNT_SLACK: i64 = 2;

/// `PUT /files/magic-metadata`, at most 1000.
pub(super) fn set_private(caller: &Caller, Body(request): Body<UpdateFileMagic>) -> Answer<()> {
    access::check_batch(request.metadata_list.len())?;
    set(caller, &request, "magic")
}

/// `PUT /files/public-magic-metadata`: nobody counts.
pub(super) fn set_public(caller: &Caller, Body(request): Body<UpdateFileMagic>) -> Answer<()> {
    set(caller, &request, "pub_magic")
}

/// All of them or none.
fn set(caller: &Caller, request: &UpdateFileMagic, column: &'static str) -> Answer<()> {
    caller.server.database.write(|tx| {
        let (now, sql) = (caller.now(), format!("UPDATE files SET {column} = ?, updation_time = ? WHERE id = ?"));
        // Each is compared with what was stored before the call, so a file may be named twice.
        let plan = |item: &FileMagic| {
            let stored = load_stored(tx, caller.user, item, column)?;
            Ok((item.id, magic_text(Some(&plan_magic(stored.as_ref(), &item.magic_metadata)?))?))
        };
        for (id, text) in request.metadata_list.iter().map(plan).collect::<Answer<Vec<_>>>()? {
            run(tx, &sql, params![text, now.0, id.0])?;
        }
        if request.skip_version {
            return Ok(());
        }
        bump(tx, &request.metadata_list, now)
    })
}

fn load_stored(tx: &Connection, user: UserId, item: &FileMagic, column: &'static str) -> Answer<Option<Magic>> {
    let sql = format!("SELECT owner, {column} FROM files WHERE id = ?");
    let map = |row: &rusqlite::Row<'_>| Ok((UserId(row.get(0)?), row.get(1)?));
    let (owner, text) = one(tx, &sql, [item.id.0], map)?.ok_or(Refusal::NOT_FOUND)?;
    if owner != user { Err(Refusal::FORBIDDEN) } else { Ok(magic_of(text)) }
}

/// What to store for what was sent. Nothing else is checked of an item, not even that it says anything.
fn plan_magic(stored: Option<&Magic>, sent: &Magic) -> Answer<Magic> {
    let fits = stored.is_none_or(|stored| sent.version == stored.version && sent.count >= stored.count - COUNT_SLACK);
    let version = sent.version.saturating_add(1);
    if fits { Ok(Magic { version, ..sent.clone() }) } else { Err(Refusal::CONFLICT) }
}

/// Stamps the files' live memberships and the albums of these.
fn bump(tx: &Connection, items: &[FileMagic], now: Timestamp) -> Answer<()> {
    let list = id_list(items.iter().map(|item| item.id.0));
    for sql in [
        "UPDATE collections SET updation_time = ?1 WHERE id IN (SELECT collection FROM memberships
         WHERE NOT is_deleted AND file IN (SELECT value FROM json_each(?2)))",
        "UPDATE memberships SET updation_time = ?1 WHERE NOT is_deleted AND file IN (SELECT value FROM json_each(?2))",
    ] {
        run(tx, sql, params![now.0, list])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn magic(version: i64, count: i64) -> Magic {
        Magic { version, count, ..Magic::default() }
    }

    #[test]
    fn the_version_must_be_the_stored_one_and_grows() {
        assert_eq!(plan_magic(None, &magic(1, 1)), Ok(magic(2, 1)));
        assert_eq!(plan_magic(None, &magic(0, 0)), Ok(magic(1, 0)));
        assert_eq!(plan_magic(Some(&magic(3, 1)), &magic(3, 1)), Ok(magic(4, 1)));
        for wrong in [2, 4] {
            assert_eq!(plan_magic(Some(&magic(3, 1)), &magic(wrong, 1)), Err(Refusal::CONFLICT));
        }
    }

    #[test]
    fn at_most_two_keys_may_be_lost() {
        assert_eq!(plan_magic(Some(&magic(1, 5)), &magic(1, 3)), Ok(magic(2, 3)));
        assert_eq!(plan_magic(Some(&magic(1, 5)), &magic(1, 2)), Err(Refusal::CONFLICT));
    }
}
