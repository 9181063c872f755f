//! SQLite behind two locks: one connection that writes, one that only reads, so that a listing does not
//! wait for a batch.
//!
//! Assumes blocking threads: a lock is held for one transaction, which on a batch of thousands of files
//! takes a second. Lock order: neither is taken while the other is held.

use super::error::EmbeddedError;
use super::refusal::Answer;
use crate::base::sync::Mutex;
use rusqlite::{Connection, OptionalExtension, Params, Row, Transaction, TransactionBehavior};
use std::path::Path;
use std::time::Duration;

const SCHEMA: &str = include_str!("schema.sql");
const VERSION: i64 = 1;
/// Pages of the log before it is folded into the database: a checkpoint syncs, and small writes are many.
const CHECKPOINT_PAGES: i64 = 4000;

pub(super) struct Database {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
}

impl Database {
    /// Opens or creates `path`. `durable` decides whether an answered request survives a power cut; it
    /// survives the death of this process either way.
    pub(super) fn open(path: &Path, durable: bool) -> Result<Self, EmbeddedError> {
        let mut writer = connect(path, durable)?;
        migrate(&mut writer)?;
        let reader = connect(path, durable)?;
        reader.pragma_update(None, "query_only", true)?;
        Ok(Self { writer: Mutex::new(writer), reader: Mutex::new(reader) })
    }

    /// One transaction; a refusal rolls it back.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Answer<T>) -> Answer<T> {
        let mut connection = self.writer.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let outcome = work(&transaction)?;
        transaction.commit()?;
        Ok(outcome)
    }

    /// One transaction outside of any request.
    pub(super) fn control<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, EmbeddedError>,
    ) -> Result<T, EmbeddedError> {
        let mut connection = self.writer.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let outcome = work(&transaction)?;
        transaction.commit()?;
        Ok(outcome)
    }

    /// One consistent view.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Answer<T>) -> Answer<T> {
        let mut connection = self.reader.lock();
        let transaction = connection.transaction()?;
        work(&transaction)
    }
}

fn connect(path: &Path, durable: bool) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(30))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), EmbeddedError> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match found {
        0 => {
            let transaction = connection.transaction()?;
            transaction.execute_batch(SCHEMA)?;
            Ok(transaction.commit()?)
        }
        VERSION => Ok(()),
        found => Err(EmbeddedError::Version { found, known: VERSION }),
    }
}

/// The first row, if there is one.
pub(super) fn one<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    connection.prepare_cached(sql)?.query_row(params, map).optional()
}

/// The single value of a query that always has a row.
pub(super) fn value<T: rusqlite::types::FromSql>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> rusqlite::Result<T> {
    connection.prepare_cached(sql)?.query_row(params, |row| row.get(0))
}

pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(params, map)?.collect()
}

/// How many rows were changed.
pub(super) fn run(connection: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute(params)
}

/// A list of IDs for `IN (SELECT value FROM json_each(?))`.
pub(super) fn id_list(ids: impl IntoIterator<Item = i64>) -> String {
    let ids: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
    format!("[{}]", ids.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::refusal::Refusal;

    #[test]
    fn a_refusal_rolls_back_and_a_later_version_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("server.db");
        let database = Database::open(&path, false).unwrap();
        let insert = "INSERT INTO doomed_objects VALUES ('7/x', 1)";
        let refused = database.write(|tx| {
            run(tx, insert, [])?;
            Err::<(), _>(Refusal::CONFLICT)
        });
        assert_eq!(refused, Err(Refusal::CONFLICT));
        let count = || database.read(|tx| Ok(value::<i64>(tx, "SELECT count(*) FROM doomed_objects", [])?));
        assert_eq!(count(), Ok(0));
        database.write(|tx| Ok(run(tx, insert, [])?)).unwrap();
        assert_eq!(count(), Ok(1));
        database.write(|tx| Ok(tx.pragma_update(None, "user_version", 99)?)).unwrap();
        drop(database);
        assert!(matches!(Database::open(&path, false), Err(EmbeddedError::Version { found: 99, .. })));
    }

    #[test]
    fn every_kind_of_number_starts_in_its_own_range() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("server.db"), true).unwrap();
        let first = database.write(|tx| {
            run(tx, "INSERT INTO users (email, created_at, storage, plan_expiry) VALUES ('a@b', 1, 1, 1)", [])?;
            Ok(tx.last_insert_rowid())
        });
        assert_eq!(first, Ok(1_580_559_962_386_438));
    }
}
