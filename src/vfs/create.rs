//! Making files and directories.

use super::Vfs;
use super::error::{VfsError, VfsResult};
use super::handles::Handle;
use super::local::{LocalFile, LocalState};
use super::lookup::Found;
use super::open::Opened;
use crate::base::{AlbumKind, Ino, Nanos, Timestamp, Visibility};
use crate::namespace::{ALBUM_DELAY, DirInfo, Dirty, make_album_at, shelve_album};
use crate::store::{AlbumRow, NodeKind, NodeRow, Tx, UploadRow};
use crate::tree::{DirKind, Refusal, Stage, check_new_directory, check_new_file};
use std::time::Instant;

/// Who makes something, and with which permission bits.
#[derive(Clone, Copy, Debug)]
pub struct Maker {
    pub uid: u32,
    pub gid: u32,
    /// The process's umask is applied already.
    pub mode: u32,
}

impl Vfs {
    /// Makes a file and opens it for writing. Nothing is synced: its bytes are, when it is flushed.
    ///
    /// # Errors
    /// Refused outside drops and albums, no room for any byte, or the name is there already.
    pub fn create(&self, parent: Ino, name: &[u8], maker: Maker) -> VfsResult<(Found, Opened)> {
        self.check_writable()?;
        let dir = self.namespace.dir_info(parent)?;
        check_new_file(dir.kind, name)?;
        self.check_room(0)?;
        let vault = self.spool.take()?;
        let node = self.new_node(NodeKind::File, maker)?;
        let (ino, now) = (node.ino, node.mtime);
        let node = NodeRow { vault: Some(vault.id()), ..node };
        let upload = self.commit(&[(parent, name)], Some(ino), |tx, dirty| {
            check_free(tx, &dir, name)?;
            tx.save_node(&node)?;
            tx.save_name(parent, name, ino)?;
            touch_directory(tx, parent, now, dirty)?;
            dirty.name(parent, name);
            Ok(tx.insert_upload(&new_upload(&node, Stage::Writing, now.to_timestamp()))?)
        })?;
        let mut state = LocalState::new(node);
        state.vault = Some(vault);
        state.upload = Some(upload);
        (state.writing, state.writers) = (true, 1);
        let file = LocalFile::new(state);
        self.files.insert(&file);
        let fh = self.handles.insert(Handle::Local { file, write: true });
        self.namespace.traffic().note_file(Instant::now());
        match self.found(ino) {
            Ok(found) => Ok((found, Opened::buffered(fh))),
            // The kernel learns of no handle, and closes none.
            Err(error) => self.release(fh).and(Err(error)),
        }
    }

    /// Makes a directory: local in a drop or an album, an album in `Albums/`.
    ///
    /// # Errors
    /// Refused elsewhere, or the name is there already.
    pub fn mkdir(&self, parent: Ino, name: &[u8], maker: Maker) -> VfsResult<Found> {
        self.check_writable()?;
        let dir = self.namespace.dir_info(parent)?;
        check_new_directory(dir.kind, name)?;
        if let DirKind::AlbumList(visibility) = dir.kind {
            return self.make_album(parent, visibility, name);
        }
        let node = self.new_node(NodeKind::Directory, maker)?;
        self.commit(&[(parent, name)], Some(node.ino), |tx, dirty| {
            check_free(tx, &dir, name)?;
            tx.save_node(&node)?;
            tx.save_name(parent, name, node.ino)?;
            touch_directory(tx, parent, node.mtime, dirty)?;
            dirty.name(parent, name);
            Ok(())
        })?;
        self.found(node.ino)
    }

    /// `mkdir Albums/X`: shown at once, made in Ente with its first photo or a little later (semantics 3).
    fn make_album(&self, parent: Ino, list: Visibility, name: &[u8]) -> VfsResult<Found> {
        let now = self.clock.now_nanos();
        let album = self.commit(&[(parent, name)], None, |tx, dirty| {
            let ino = tx.next_ino()?;
            new_album(tx, ino, parent, list, name, now, dirty)
        })?;
        self.bells.ops.ring();
        self.found(album.ino)
    }

    fn new_node(&self, kind: NodeKind, maker: Maker) -> VfsResult<NodeRow> {
        let defaults = self.namespace.defaults();
        let ino = self.store().next_ino()?;
        Ok(NodeRow {
            uid: Some(maker.uid).filter(|uid| *uid != defaults.uid),
            gid: Some(maker.gid).filter(|gid| *gid != defaults.gid),
            ..NodeRow::new(ino, kind, maker.mode & 0o7777, self.clock.now_nanos())
        })
    }
}

/// An album in the list `parent`, which is `list`; `ino`: its directory's number.
pub(super) fn new_album(
    tx: &Tx<'_>,
    ino: Ino,
    parent: Ino,
    list: Visibility,
    name: &[u8],
    now: Nanos,
    dirty: &mut Dirty,
) -> VfsResult<AlbumRow> {
    let title = String::from_utf8(name.to_vec()).map_err(|_| VfsError::Refused(Refusal::InvalidName))?;
    if tx.is_album_name_taken(parent, name)? {
        return Err(Refusal::Exists.into());
    }
    let due = now.to_timestamp().saturating_add(ALBUM_DELAY);
    let album = make_album_at(tx, ino, AlbumKind::Album, &title, due, now, dirty)?;
    tx.save_album_shown(album, parent, name)?;
    dirty.album(album);
    let made = tx.load_album(album)?.ok_or(VfsError::NotFound)?;
    if list != Visibility::Visible {
        shelve_album(tx, &made, list, name, now, dirty)?;
    }
    Ok(made)
}

/// The upload of a fresh spool file.
pub(super) fn new_upload(node: &NodeRow, stage: Stage, now: Timestamp) -> UploadRow {
    let vault = node.vault.unwrap_or(crate::base::VaultId([0; 16]));
    UploadRow { size: node.size, ..UploadRow::new(node.ino, vault, stage, now) }
}

/// Neither a local entry nor a photo has the name.
pub(super) fn check_free(tx: &Tx<'_>, dir: &DirInfo, name: &[u8]) -> VfsResult<()> {
    let local = tx.find_name(dir.ino, name)?.is_some();
    let photo = match dir.album {
        Some(album) => tx.find_member(album, name)?.is_some(),
        None => false,
    };
    if local || photo { Err(Refusal::Exists.into()) } else { Ok(()) }
}

/// A directory's times say that its names changed.
pub(super) fn touch_directory(tx: &Tx<'_>, dir: Ino, now: Nanos, dirty: &mut Dirty) -> VfsResult<()> {
    if let Some(node) = tx.load_node(dir)? {
        tx.save_node(&NodeRow { mtime: now, ctime: now, ..node })?;
        dirty.ino(dir);
    }
    Ok(())
}
