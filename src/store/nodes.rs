//! Inodes born here: local directories, dropped files, and photos rewritten in place.

use super::error::{StoreError, StoreResult};
use super::{ContentRow, Rows, Tx};
use crate::base::{AlbumNo, ContentNo, FileId, Ino, Nanos, Timestamp, VaultId};
use rusqlite::{OptionalExtension, Row, params};

/// What an inode of this machine is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeKind {
    /// A drop's own directory.
    DropRoot,
    Directory,
    /// A file with a name of its own, in a drop or an album directory.
    File,
    /// New bytes for an album inode, until they are registered; its names are the photo's.
    Shadow,
}

impl NodeKind {
    const ALL: [Self; 4] = [Self::DropRoot, Self::Directory, Self::File, Self::Shadow];

    fn from_row(value: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as i64 == value)
    }

    pub fn is_directory(self) -> bool {
        matches!(self, Self::DropRoot | Self::Directory)
    }
}

/// One inode.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeRow {
    pub ino: Ino,
    pub kind: NodeKind,
    pub mode: u32,
    /// `None`: the mounting user's.
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub size: u64,
    pub mtime: Nanos,
    pub ctime: Nanos,
    /// The album a directory maps to, once known: it stays the same when it is renamed elsewhere.
    pub album: Option<AlbumNo>,
    /// The bytes, while they are in the spool.
    pub vault: Option<VaultId>,
    /// The photo they became, and the content it had then.
    pub file: Option<FileId>,
    pub content: Option<ContentNo>,
    /// Capture time of what was sent (semantics 2.12).
    pub taken: Option<Timestamp>,
    /// It has, or had, more than one name.
    pub linked: bool,
}

impl NodeRow {
    /// A fresh inode with the mounting user's ownership.
    pub fn new(ino: Ino, kind: NodeKind, mode: u32, now: Nanos) -> Self {
        Self {
            ino,
            kind,
            mode,
            uid: None,
            gid: None,
            size: 0,
            mtime: now,
            ctime: now,
            album: None,
            vault: None,
            file: None,
            content: None,
            taken: None,
            linked: false,
        }
    }

    /// The inode of a photo as a file of this machine, once it is to have other bytes.
    pub fn of_photo(content: &ContentRow, file_mode: u32) -> Self {
        Self {
            mode: content.mode.unwrap_or(file_mode),
            uid: content.uid,
            gid: content.gid,
            size: content.size,
            mtime: content.mtime,
            ctime: content.ctime,
            file: Some(content.file),
            content: Some(content.no),
            ..Self::new(content.ino, NodeKind::Shadow, file_mode, content.mtime)
        }
    }
}

const COLUMNS: &str = "ino, kind, mode, uid, gid, size, mtime, ctime, album, vault, file, content, taken, linked";

pub(super) fn vault_of(blob: Option<Vec<u8>>) -> StoreResult<Option<VaultId>> {
    blob.map(|bytes| bytes.try_into().map(VaultId).map_err(|_| StoreError::Malformed { table: "nodes" })).transpose()
}

fn node_of(row: &Row<'_>) -> StoreResult<NodeRow> {
    Ok(NodeRow {
        ino: Ino(row.get(0)?),
        kind: NodeKind::from_row(row.get(1)?).ok_or(StoreError::Malformed { table: "nodes" })?,
        mode: row.get(2)?,
        uid: row.get(3)?,
        gid: row.get(4)?,
        size: row.get(5)?,
        mtime: Nanos(row.get(6)?),
        ctime: Nanos(row.get(7)?),
        album: row.get::<_, Option<i64>>(8)?.map(AlbumNo),
        vault: vault_of(row.get(9)?)?,
        file: row.get::<_, Option<i64>>(10)?.map(FileId),
        content: row.get::<_, Option<i64>>(11)?.map(ContentNo),
        taken: row.get::<_, Option<i64>>(12)?.map(Timestamp),
        linked: row.get(13)?,
    })
}

impl Rows<'_> {
    pub fn load_node(&self, ino: Ino) -> StoreResult<Option<NodeRow>> {
        let mut query = self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM nodes WHERE ino = ?1"))?;
        query.query_row([ino.0], |row| Ok(node_of(row))).optional()?.transpose()
    }

    fn load_nodes(&self, condition: &str, values: impl rusqlite::Params) -> StoreResult<Vec<NodeRow>> {
        let mut query = self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM nodes WHERE {condition}"))?;
        let rows = query.query_map(values, |row| Ok(node_of(row)))?;
        rows.map(|row| row?).collect()
    }

    /// Drop entries that became this photo.
    pub fn load_nodes_of_file(&self, file: FileId) -> StoreResult<Vec<NodeRow>> {
        self.load_nodes("file = ?1", [file.0])
    }

    /// Files of drops and albums that became a photo.
    pub fn load_sent_files(&self) -> StoreResult<Vec<NodeRow>> {
        self.load_nodes("file IS NOT NULL AND kind = ?1", [NodeKind::File as i64])
    }

    /// Photos that are being rewritten in place.
    pub fn load_shadows(&self) -> StoreResult<Vec<NodeRow>> {
        self.load_nodes("kind = ?1", [NodeKind::Shadow as i64])
    }

    /// Directories that map to this album.
    pub fn load_directories_of_album(&self, album: AlbumNo) -> StoreResult<Vec<NodeRow>> {
        self.load_nodes("album = ?1 AND kind IN (0, 1)", [album.0])
    }

    /// The inode whose bytes lie in this spool file.
    pub fn load_node_of_vault(&self, vault: VaultId) -> StoreResult<Option<NodeRow>> {
        Ok(self.load_nodes("vault = ?1", [&vault.0[..]])?.pop())
    }
}

impl Tx<'_> {
    /// Stores or replaces an inode.
    pub fn save_node(&self, node: &NodeRow) -> StoreResult<()> {
        let mut upsert = self.conn.prepare_cached(
            "INSERT OR REPLACE INTO nodes (ino, kind, mode, uid, gid, size, mtime, ctime, album, vault, file, content, taken, \
             linked) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?;
        upsert.execute(params![
            node.ino.0,
            node.kind as i64,
            node.mode,
            node.uid,
            node.gid,
            node.size,
            node.mtime.0,
            node.ctime.0,
            node.album.map(|album| album.0),
            node.vault.as_ref().map(|vault| &vault.0[..]),
            node.file.map(|file| file.0),
            node.content.map(|content| content.0),
            node.taken.map(|taken| taken.0),
            node.linked,
        ])?;
        Ok(())
    }

    /// Removes an inode and what hangs on it.
    pub fn delete_node(&self, ino: Ino) -> StoreResult<()> {
        self.conn.prepare_cached("DELETE FROM nodes WHERE ino = ?1")?.execute([ino.0])?;
        self.conn.prepare_cached("DELETE FROM xattrs WHERE ino = ?1")?.execute([ino.0])?;
        Ok(())
    }

    /// Files that lost their last name while somebody had them open, and that nothing else knows any more: to be called
    /// while nobody has any open. Answers how many there were.
    pub fn delete_nameless_files(&self) -> StoreResult<usize> {
        let nameless = "kind = ?1 AND NOT EXISTS (SELECT 1 FROM names WHERE names.ino = nodes.ino) \
                        AND NOT EXISTS (SELECT 1 FROM uploads WHERE uploads.ino = nodes.ino)";
        let kind = NodeKind::File as i64;
        self.conn
            .execute(&format!("DELETE FROM xattrs WHERE ino IN (SELECT ino FROM nodes WHERE {nameless})"), [kind])?;
        Ok(self.conn.execute(&format!("DELETE FROM nodes WHERE {nameless}"), [kind])?)
    }

    /// Remembers which album a directory maps to; `None` ends the link.
    pub fn save_node_album(&self, ino: Ino, album: Option<AlbumNo>) -> StoreResult<()> {
        let mut update = self.conn.prepare_cached("UPDATE nodes SET album = ?2 WHERE ino = ?1")?;
        update.execute(params![ino.0, album.map(|album| album.0)])?;
        Ok(())
    }
}
