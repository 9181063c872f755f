//! Floor 4: the one owner of what is visible.
//!
//! Guarantees: what a directory shows is confirmed ⊕ pending ⊕ local, and nothing else (I6); every name the
//! kernel may hold came from here, so every change finds the names it spoils (I7); looking a name up and
//! listing touch memory alone once a directory was built; names in a directory are unique and stable (I12);
//! a directory that is not fully pulled is refused, never shown partial (I13).
//!
//! Lock order: the store's write lock, then the memo. The listener is called with neither held (I9).

mod attr;
mod change;
mod dir;
mod drops;
mod error;
mod facts;
mod members;
mod memo;
mod ops;
mod path;
mod place;
mod project;
mod refresh;
mod shown;
mod space;
mod state;
mod timeline;
mod traffic;
mod trash;
mod undo;

pub use attr::{Attr, AttrKind, Defaults};
pub use change::{Dirty, Invalidation, Origin};
pub use dir::{DirInfo, Entry, EntryKey, Listed};
pub use drops::{Destination, album_named, destination, resolve_album};
pub use error::NamespaceError;
pub use facts::{RecordFacts, content_hash};
pub use members::{
    Naming, PhotoDir, enter, is_called, leave, name_album_directory, name_member, relist, relist_naming, rename_photo,
    settle, show_as,
};
pub use ops::{
    ALBUM_DELAY, add_photo, delete_album, edit_photo, leave_album, make_album_at, move_photo, name_album, name_photo,
    other_homes, restore_photo, shelve_album, special_album, transfer_photo, trash_in_ente, withdraw_photo,
};
pub use path::{directory_of, path_of};
pub use place::{directory_at, free_name, is_name_taken};
pub use shown::Shown;
pub use space::Space;
pub use state::{FileState, content_of, current_upload, photo_of, reason_of, state_of};
pub use traffic::{Load, Traffic};
pub use trash::{Trashing, is_below_trash, trash_album, trash_photo, untrash};
pub use undo::{UndoContext, UndoReach, Undone, preview_undo, undo};

use crate::base::sync::Bell;
use crate::base::{Ino, Nanos};
use crate::store::{Store, StoreError, StoreResult, Tx};
use memo::{Memo, Written};
use project::Projector;
use std::sync::Arc;

type Listener = Box<dyn Fn(Vec<Invalidation>) + Send + Sync>;

/// What is visible, memoised from the store.
pub struct Namespace {
    store: Arc<Store>,
    defaults: Defaults,
    space: Space,
    traffic: Traffic,
    memo: crate::base::sync::RwLock<Memo>,
    listener: crate::base::sync::RwLock<Option<Listener>>,
    pending: Bell,
}

impl Namespace {
    pub fn new(store: Arc<Store>, defaults: Defaults) -> Self {
        let (memo, listener) = Default::default();
        let (space, traffic) = Default::default();
        Self { store, defaults, space, traffic, memo, listener, pending: Bell::default() }
    }

    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    pub fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    /// How much room is left.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// How fast bytes come in.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Rung when a change to the account is recorded, whoever made it: a person, an upload or a pull.
    pub fn pending(&self) -> &Bell {
        &self.pending
    }

    /// Who is told which names and attributes the kernel must ask for again. Called from any thread; it must
    /// not notify the kernel itself (I9).
    pub fn listen(&self, listener: impl Fn(Vec<Invalidation>) + Send + Sync + 'static) {
        *self.listener.write() = Some(Box::new(listener));
    }

    /// One change: committed to the store, then shown. `change` marks in [`Dirty`] what it touched.
    ///
    /// # Errors
    /// What `change` answers; then nothing has changed.
    pub fn commit<T, E: From<StoreError>>(
        &self,
        origin: Origin<'_>,
        change: impl FnOnce(&Tx<'_>, &mut Dirty) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut writer = self.store.writer();
        let mut dirty = Dirty::default();
        let outcome = writer.commit(|tx| change(tx, &mut dirty))?;
        let invalidations = self.refresh(&writer.rows(), &dirty);
        drop(writer);
        self.tell(origin.without_own(invalidations));
        if dirty.is_pending {
            self.pending.ring();
        }
        Ok(outcome)
    }

    /// Waits until all that is committed now shows: readers of the store see a commit a moment before the directories do.
    pub fn wait_until_shown(&self) {
        // Held from before a commit until what it touched was looked at again.
        drop(self.store.writer());
    }

    fn tell(&self, invalidations: Vec<Invalidation>) {
        if invalidations.is_empty() {
            return;
        }
        if let Some(listener) = self.listener.read().as_ref() {
            listener(invalidations);
        }
    }

    /// What `name` names in a directory.
    ///
    /// # Errors
    /// [`NamespaceError`] where the directory is none, or cannot be trusted yet.
    pub fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Option<(Entry, Attr)>, NamespaceError> {
        self.with_dir(dir, |memo| {
            let entry = memo.dir(dir)?.get(name)?.clone();
            let attr = memo.attr(entry.ino)?;
            Some((entry, attr))
        })
    }

    /// What an inode is; of one that no listed directory shows, the store is asked.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn attr(&self, ino: Ino) -> Result<Option<Attr>, NamespaceError> {
        if let Some(attr) = self.memo.read().attr(ino) {
            return Ok(Some(attr));
        }
        let attr = self.store.read(|rows| Projector::new(rows, &self.defaults).attr(ino))?;
        Ok(attr.map(|attr| self.memo.read().as_written(attr)))
    }

    /// What a directory is.
    ///
    /// # Errors
    /// As [`Self::lookup`].
    pub fn dir_info(&self, dir: Ino) -> Result<DirInfo, NamespaceError> {
        self.with_dir(dir, |memo| memo.dir(dir).map(|table| table.info.clone()))?.ok_or(NamespaceError::NotDirectory)
    }

    /// Begins a listing: until [`Self::end_listing`] no entry changes its offset.
    ///
    /// # Errors
    /// As [`Self::lookup`].
    pub fn begin_listing(&self, dir: Ino) -> Result<(), NamespaceError> {
        self.ensure(dir)?;
        if let Some(table) = self.memo.write().dir_mut(dir) {
            table.listings += 1;
        }
        Ok(())
    }

    pub fn end_listing(&self, dir: Ino) {
        if let Some(table) = self.memo.write().dir_mut(dir) {
            table.listings = table.listings.saturating_sub(1);
        }
    }

    /// Whether a name is half of a live photo, whose other half goes where it goes (semantics 1.2).
    ///
    /// # Errors
    /// As [`Self::lookup`].
    pub fn is_half(&self, dir: Ino, key: EntryKey) -> Result<bool, NamespaceError> {
        Ok(self.with_dir(dir, |memo| memo.dir(dir).map(|table| table.is_half(key)))?.unwrap_or(false))
    }

    /// Calls `each` with the entries from `offset` on (0: the first), until it answers `false`.
    ///
    /// # Errors
    /// As [`Self::lookup`].
    pub fn list(&self, dir: Ino, offset: u64, mut each: impl FnMut(Listed<'_>) -> bool) -> Result<(), NamespaceError> {
        self.with_dir(dir, |memo| {
            let table = memo.dir(dir)?;
            for (next, entry) in table.from(offset) {
                let Some(attr) = memo.attr(entry.ino) else { continue };
                if !each(Listed { next, entry, attr, is_half: table.is_half(entry.key) }) {
                    break;
                }
            }
            Some(())
        })
        .map(|_| ())
    }

    /// Whether a directory shows nothing.
    ///
    /// # Errors
    /// As [`Self::lookup`].
    pub fn is_empty(&self, dir: Ino) -> Result<bool, NamespaceError> {
        Ok(self.with_dir(dir, |memo| memo.dir(dir).map(dir::DirTable::is_empty))?.unwrap_or(true))
    }

    /// Shows what an open file has become, until [`Self::settle`]; the row follows when it is closed. Whatever else
    /// is committed meanwhile reads the row as it was.
    pub fn touch(&self, ino: Ino, size: u64, mtime: Nanos, ctime: Nanos) {
        self.memo.write().write(ino, Written { size, mtime, ctime });
    }

    /// The row says again what the file is.
    pub fn settle(&self, ino: Ino) {
        self.memo.write().settle(ino);
    }

    /// Builds a directory again from the store and tells the kernel what was wrong.
    ///
    /// # Errors
    /// As [`Self::lookup`].
    pub fn rebuild(&self, dir: Ino) -> Result<(), NamespaceError> {
        self.commit(Origin::Elsewhere, |_, dirty| {
            dirty.dir(dir);
            Ok::<_, StoreError>(())
        })?;
        Ok(())
    }

    fn with_dir<T>(&self, dir: Ino, look: impl FnOnce(&Memo) -> Option<T>) -> Result<Option<T>, NamespaceError> {
        self.ensure(dir)?;
        Ok(look(&self.memo.read()))
    }

    /// Builds a directory's table where there is none.
    fn ensure(&self, dir: Ino) -> Result<(), NamespaceError> {
        if self.memo.read().dir(dir).is_some() {
            return Ok(());
        }
        // The write lock keeps commits away while the table is built and put in place.
        let writer = self.store.writer();
        if self.memo.read().dir(dir).is_some() {
            return Ok(());
        }
        let rows = writer.rows();
        let projector = Projector::new(&rows, &self.defaults);
        let built = projector.dir(dir)?;
        let mut memo = self.memo.write();
        memo.insert_dir(built);
        memo.know_homes(projector.homes.take());
        Ok(())
    }

    /// The store's rows under the defaults of this mount, for what need not be memoised.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn load_attr(&self, ino: Ino) -> StoreResult<Option<Attr>> {
        self.store.read(|rows| Projector::new(rows, &self.defaults).attr(ino))
    }
}

#[cfg(test)]
mod tests;
