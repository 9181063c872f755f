//! Single facts: cursors, counters, the inode counter.

use super::error::StoreResult;
use super::{Rows, Tx};
use crate::base::{Ino, Timestamp, UserId};
use rusqlite::OptionalExtension;
use rusqlite::types::{FromSql, ToSql};

/// How many inode numbers one durable reservation covers.
const STRIDE: u64 = 1024;

/// Where a pull goes on; the value comes from the server (house rule 16).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cursor {
    Albums,
    Trash,
}

/// What `status` counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counter {
    /// Files registered by this state directory.
    Uploaded,
    /// Files that dedup turned into links.
    Linked,
    /// Records of the server that could not be opened.
    Unreadable,
}

impl Cursor {
    fn key(self) -> &'static str {
        match self {
            Self::Albums => "cursor.albums",
            Self::Trash => "cursor.trash",
        }
    }
}

impl Counter {
    fn key(self) -> &'static str {
        match self {
            Self::Uploaded => "count.uploaded",
            Self::Linked => "count.linked",
            Self::Unreadable => "count.unreadable",
        }
    }
}

/// Inode numbers reserved and not given out yet.
#[derive(Default)]
pub(super) struct InoStride {
    next: u64,
    end: u64,
}

impl InoStride {
    pub(super) fn is_spent(&self) -> bool {
        self.next >= self.end
    }

    pub(super) fn take(&mut self) -> Ino {
        self.next += 1;
        Ino(self.next - 1)
    }
}

const NEXT_INO: &str = "next_ino";

impl Rows<'_> {
    fn get_meta<T: FromSql>(&self, key: &str) -> StoreResult<Option<T>> {
        let mut query = self.conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
        Ok(query.query_row([key], |row| row.get(0)).optional()?)
    }

    fn load_time(&self, key: &str) -> StoreResult<Option<Timestamp>> {
        Ok(self.get_meta(key)?.map(Timestamp))
    }

    pub fn load_cursor(&self, cursor: Cursor) -> StoreResult<Timestamp> {
        Ok(self.load_time(cursor.key())?.unwrap_or(Timestamp::ZERO))
    }

    pub fn load_counter(&self, counter: Counter) -> StoreResult<u64> {
        Ok(self.get_meta(counter.key())?.unwrap_or(0))
    }

    /// The account that this database belongs to.
    pub fn load_user(&self) -> StoreResult<Option<UserId>> {
        Ok(self.get_meta("user")?.map(UserId))
    }

    /// When a pull was last complete, by this machine's clock.
    pub fn load_last_pull(&self) -> StoreResult<Option<Timestamp>> {
        self.load_time("pull.last")
    }

    /// Whether all of Ente's trash has been pulled once.
    pub fn load_trash_complete(&self) -> StoreResult<bool> {
        Ok(self.get_meta("trash.complete")?.unwrap_or(false))
    }

    /// When everything was last asked for from the beginning.
    pub fn load_last_full_pull(&self) -> StoreResult<Option<Timestamp>> {
        self.load_time("pull.full")
    }

    /// Until when uploads are paused; `i64::MAX` for as long as nobody resumes them.
    pub fn load_paused_until(&self) -> StoreResult<Option<Timestamp>> {
        self.load_time("paused")
    }

    /// Since when the brake holds removals back (semantics 4.5).
    pub fn load_removals_held(&self) -> StoreResult<Option<Timestamp>> {
        self.load_time("removals.held")
    }

    /// Until when removals are not counted.
    pub fn load_removals_allowed_until(&self) -> StoreResult<Option<Timestamp>> {
        self.load_time("removals.allowed")
    }

    /// Used and total bytes of the account, as last told.
    pub fn load_quota(&self) -> StoreResult<Option<(u64, u64)>> {
        let used: Option<u64> = self.get_meta("quota.used")?;
        Ok(used.zip(self.get_meta("quota.total")?))
    }

    /// The lowest inode number that was never reserved.
    pub fn load_next_ino(&self) -> StoreResult<Ino> {
        Ok(Ino(self.get_meta(NEXT_INO)?.unwrap_or(Ino::FIRST_LOCAL.0)))
    }
}

impl Tx<'_> {
    fn set_meta(&self, key: &str, value: impl ToSql) -> StoreResult<()> {
        let mut insert = self.conn.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?;
        insert.execute((key, value))?;
        Ok(())
    }

    fn clear_meta(&self, key: &str) -> StoreResult<()> {
        self.conn.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([key])?;
        Ok(())
    }

    pub fn save_cursor(&self, cursor: Cursor, value: Timestamp) -> StoreResult<()> {
        self.set_meta(cursor.key(), value.0)
    }

    pub fn count(&self, counter: Counter, more: u64) -> StoreResult<()> {
        let value = self.load_counter(counter)? + more;
        self.set_meta(counter.key(), value)
    }

    pub fn save_counter(&self, counter: Counter, value: u64) -> StoreResult<()> {
        self.set_meta(counter.key(), value)
    }

    pub fn save_user(&self, user: UserId) -> StoreResult<()> {
        self.set_meta("user", user.0)
    }

    pub fn save_last_pull(&self, at: Timestamp) -> StoreResult<()> {
        self.set_meta("pull.last", at.0)
    }

    pub fn save_trash_complete(&self) -> StoreResult<()> {
        self.set_meta("trash.complete", true)
    }

    pub fn save_last_full_pull(&self, at: Timestamp) -> StoreResult<()> {
        self.set_meta("pull.full", at.0)
    }

    pub fn save_paused_until(&self, until: Option<Timestamp>) -> StoreResult<()> {
        match until {
            Some(until) => self.set_meta("paused", until.0),
            None => self.clear_meta("paused"),
        }
    }

    pub fn save_removals_held(&self, since: Option<Timestamp>) -> StoreResult<()> {
        match since {
            Some(since) => self.set_meta("removals.held", since.0),
            None => self.clear_meta("removals.held"),
        }
    }

    /// Releases the brake until then; afterwards it counts anew.
    pub fn allow_removals(&self, until: Timestamp) -> StoreResult<()> {
        self.save_removals_held(None)?;
        self.clear_removal_weights()?;
        self.set_meta("removals.allowed", until.0)
    }

    pub fn save_quota(&self, used: u64, total: u64) -> StoreResult<()> {
        self.set_meta("quota.used", used.min(i64::MAX as u64))?;
        self.set_meta("quota.total", total.min(i64::MAX as u64))
    }

    /// A number that is durable together with what it names.
    pub fn next_ino(&self) -> StoreResult<Ino> {
        let ino = self.load_next_ino()?;
        self.set_meta(NEXT_INO, ino.0 + 1)?;
        Ok(ino)
    }

    /// Raises the counter above a number found elsewhere: in a spool file, after a power cut (I8).
    pub fn raise_next_ino(&self, found: Ino) -> StoreResult<()> {
        if matches!(found.kind(), Some(crate::base::InoKind::Local(_))) && found >= self.load_next_ino()? {
            self.set_meta(NEXT_INO, found.0 + 1)?;
        }
        Ok(())
    }

    pub(super) fn reserve_inos(&self) -> StoreResult<InoStride> {
        let next = self.load_next_ino()?.0;
        self.set_meta(NEXT_INO, next + STRIDE)?;
        Ok(InoStride { next, end: next + STRIDE })
    }
}
