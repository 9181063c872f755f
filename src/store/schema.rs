//! Connections and numbered migrations.

use super::error::{StoreError, StoreResult};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// One file a version; a version is never changed once it was released.
const MIGRATIONS: &[&str] = &[include_str!("schema/001.sql")];
/// SQLite's `user_version` of a database this program writes.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// Page cache of a connection, in KiB (negative, as the pragma has it): small, the records are opened once.
const WRITER_CACHE: &str = "-8192";
const READER_CACHE: &str = "-2048";

pub(super) fn connect(path: &Path) -> StoreResult<Connection> {
    make_private(path)?;
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    configure(&conn, WRITER_CACHE)?;
    Ok(conn)
}

pub(super) fn connect_reader(path: &Path) -> StoreResult<Connection> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    configure(&conn, READER_CACHE)?;
    conn.pragma_update(None, "query_only", true)?;
    Ok(conn)
}

/// The log and its index take the mode of the database. One that is there is not opened here: POSIX has a process give
/// up all its locks on a file when it closes any descriptor of it, those of SQLite's connections, too.
fn make_private(path: &Path) -> StoreResult<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            Err(StoreError::Open { path: path.into(), source })
        }
        _ => Ok(()),
    }
}

fn configure(conn: &Connection, cache: &str) -> StoreResult<()> {
    conn.busy_timeout(Duration::from_secs(10))?;
    conn.pragma_update(None, "journal_mode", "wal")?;
    // A commit survives the process; `Store::sync` makes it survive a power cut.
    conn.pragma_update(None, "synchronous", "normal")?;
    // Checkpoints wait for the disk: a background thread makes them.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "cache_size", cache)?;
    conn.pragma_update(None, "temp_store", "memory")?;
    conn.set_prepared_statement_cache_capacity(256);
    // Otherwise every new value that a partial index's condition is compared with has its statement parsed anew.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

pub(super) fn migrate(conn: &mut Connection) -> StoreResult<()> {
    let found: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > SCHEMA_VERSION {
        let path = conn.path().unwrap_or_default().into();
        return Err(StoreError::Newer { path, found, known: SCHEMA_VERSION });
    }
    for (version, migration) in (1..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        let tx = conn.transaction()?;
        tx.execute_batch(migration)?;
        tx.pragma_update(None, "user_version", version)?;
        tx.commit()?;
    }
    Ok(())
}
