//! Albums: the server's, and those made here that it does not know yet.

use super::error::{StoreError, StoreResult};
use super::seal::Spot;
use super::{Rows, Tx};
use crate::base::{AlbumId, AlbumKind, AlbumNo, Ino, Nanos, Role, Timestamp, UserId, Visibility};
use crate::crypto::CollectionKey;
use crate::tree::FixedPlace;
use rusqlite::{OptionalExtension, Row, params};

/// How far an album has come.
///
/// ```text
///  Local ──made on the server──▶ Live ──rmdir──▶ Deleting ──confirmed──▶ Deleted
///    └──────────rmdir before it was made──────────────────────────────────▲
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AlbumState {
    Live,
    /// Made here; the server does not know it yet.
    Local,
    /// Removed here; the server still has it.
    Deleting,
    Deleted,
}

impl AlbumState {
    const ALL: [Self; 4] = [Self::Live, Self::Local, Self::Deleting, Self::Deleted];

    fn from_row(value: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as i64 == value)
    }
}

/// Somebody who shares albums with us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    pub id: UserId,
    /// Empty where the server did not say.
    pub email: String,
}

/// One album, its names opened.
#[derive(Clone, Debug)]
pub struct AlbumRow {
    pub no: AlbumNo,
    pub remote: Option<AlbumId>,
    pub own: bool,
    pub kind: AlbumKind,
    pub ino: Ino,
    /// Its name on the server.
    pub name: String,
    /// A rename that the server has not confirmed.
    pub want_name: Option<String>,
    /// The name of its directory, once it has one.
    pub shown: Option<Vec<u8>>,
    pub visibility: Visibility,
    /// Archiving, hiding or showing that the server has not confirmed.
    pub want_visibility: Option<Visibility>,
    /// Whose it is, where somebody shares it with us.
    pub owner: Option<Owner>,
    /// What we may do in it.
    pub role: Role,
    pub quick_link: bool,
    /// Somebody else can see it: sharees or a public link.
    pub shared: bool,
    pub state: AlbumState,
    pub complete: bool,
    pub updation: Timestamp,
    pub cursor: Timestamp,
    pub synced: Timestamp,
    pub create_after: Option<Timestamp>,
    pub mtime: Nanos,
}

impl AlbumRow {
    /// Whether it exists for this account, as far as this machine wants it to.
    pub fn is_present(&self) -> bool {
        matches!(self.state, AlbumState::Live | AlbumState::Local)
    }

    /// The directory whose entry it is: `Albums/`, `Archive/`, `Hidden/`, or that of its owner in `Shared/`.
    pub fn list(&self) -> Option<Ino> {
        let ordinary = matches!(self.kind, AlbumKind::Album | AlbumKind::Folder);
        if !self.is_present() || !self.complete || self.quick_link || !ordinary {
            return None;
        }
        match &self.owner {
            _ if self.own => Some(FixedPlace::of_albums(self.visibility()).ino()),
            // What we hid of somebody else's is not shown.
            Some(owner) if self.visibility() != Visibility::Hidden => Ino::of_owner(owner.id),
            _ => None,
        }
    }

    /// Whether it is a directory of one of the lists.
    pub fn is_listed(&self) -> bool {
        self.list().is_some()
    }

    /// Archived, hidden or neither: a pending change counts.
    pub fn visibility(&self) -> Visibility {
        self.want_visibility.unwrap_or(self.visibility)
    }

    /// Whether its members can be reached through the mount.
    pub fn has_directory(&self) -> bool {
        self.is_listed()
            || (self.is_present() && self.own && matches!(self.kind, AlbumKind::Favorites | AlbumKind::Uncategorized))
    }

    /// Whether it is a home that keeps a photo out of Uncategorized (semantics 4.1).
    pub fn is_home(&self) -> bool {
        self.is_present() && self.own && self.kind != AlbumKind::Uncategorized
    }

    /// The name people know it by: a pending rename counts.
    pub fn display_name(&self) -> &str {
        self.want_name.as_deref().unwrap_or(&self.name)
    }
}

/// An album to be stored.
pub struct NewAlbum<'a> {
    pub remote: Option<AlbumId>,
    pub own: bool,
    pub kind: AlbumKind,
    pub ino: Ino,
    pub key: &'a CollectionKey,
    pub create_request: Option<&'a [u8]>,
    pub name: &'a str,
    pub state: AlbumState,
    pub create_after: Option<Timestamp>,
    pub mtime: Nanos,
}

const COLUMNS: &str = "no, remote, own, kind, ino, name, want_name, shown, visibility, quick_link, shared, state, \
                       complete, updation, cursor, synced, create_after, mtime, want_visibility, owner, owner_email, role";

impl Rows<'_> {
    fn album_of(&self, row: &Row<'_>) -> StoreResult<AlbumRow> {
        let no: i64 = row.get(0)?;
        let kind: String = row.get(3)?;
        let name: Vec<u8> = row.get(5)?;
        let (want_name, shown): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get(6)?, row.get(7)?);
        let want_name =
            want_name.map(|sealed| self.seals.open_text(name_spot(no, "want_name"), &sealed)).transpose()?;
        let shown = shown.map(|sealed| self.seals.open(name_spot(no, "shown"), &sealed)).transpose()?;
        let email: Option<Vec<u8>> = row.get(20)?;
        let email = email.map(|sealed| self.seals.open_text(name_spot(no, "owner_email"), &sealed)).transpose()?;
        let owner = row.get::<_, Option<i64>>(19)?;
        let own: bool = row.get(2)?;
        let role = row.get::<_, Option<String>>(21)?.and_then(|word| Role::from_wire(&word));
        Ok(AlbumRow {
            no: AlbumNo(no),
            remote: row.get::<_, Option<i64>>(1)?.map(AlbumId),
            own,
            kind: AlbumKind::from_wire(&kind),
            ino: Ino(row.get(4)?),
            name: self.seals.open_text(name_spot(no, "name"), &name)?,
            want_name,
            shown,
            visibility: Visibility::from_wire(row.get(8)?),
            want_visibility: row.get::<_, Option<i64>>(18)?.map(Visibility::from_wire),
            owner: owner.map(|id| Owner { id: UserId(id), email: email.unwrap_or_default() }),
            role: if own { Role::Owner } else { role.unwrap_or(Role::Viewer) },
            quick_link: row.get(9)?,
            shared: row.get(10)?,
            state: AlbumState::from_row(row.get(11)?).ok_or(StoreError::Malformed { table: "albums" })?,
            complete: row.get(12)?,
            updation: Timestamp(row.get(13)?),
            cursor: Timestamp(row.get(14)?),
            synced: Timestamp(row.get(15)?),
            create_after: row.get::<_, Option<i64>>(16)?.map(Timestamp),
            mtime: Nanos(row.get(17)?),
        })
    }

    fn load_one_album(&self, condition: &str, value: impl rusqlite::ToSql) -> StoreResult<Option<AlbumRow>> {
        let mut query = self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM albums WHERE {condition}"))?;
        query.query_row([value], |row| Ok(self.album_of(row))).optional()?.transpose()
    }

    pub fn load_album(&self, no: AlbumNo) -> StoreResult<Option<AlbumRow>> {
        self.load_one_album("no = ?1", no.0)
    }

    pub fn load_album_by_remote(&self, id: AlbumId) -> StoreResult<Option<AlbumRow>> {
        self.load_one_album("remote = ?1", id.0)
    }

    pub fn load_album_by_ino(&self, ino: Ino) -> StoreResult<Option<AlbumRow>> {
        self.load_one_album("ino = ?1", ino.0)
    }

    /// The present own album of a kind that there is one of.
    pub fn load_special_album(&self, kind: AlbumKind) -> StoreResult<Option<AlbumRow>> {
        let present = "kind = ?1 AND own AND state IN (0, 1) ORDER BY no LIMIT 1";
        self.load_one_album(present, kind.to_wire())
    }

    /// All albums, deleted ones too, in the order they became known.
    pub fn load_albums(&self) -> StoreResult<Vec<AlbumRow>> {
        let mut query = self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM albums ORDER BY no"))?;
        let rows = query.query_map([], |row| Ok(self.album_of(row)))?;
        rows.map(|row| row?).collect()
    }

    /// Whether a directory name in a list of albums is given to one.
    pub fn is_album_name_taken(&self, list: Ino, shown: &[u8]) -> StoreResult<bool> {
        let tag = self.seals.name_tag(list.0 as i64, shown);
        Ok(self.conn.prepare_cached("SELECT 1 FROM albums WHERE shown_tag = ?1")?.exists([&tag[..]])?)
    }

    /// Who shares albums with us that are listed, each once.
    pub fn load_owners(&self) -> StoreResult<Vec<Owner>> {
        let mut owners: Vec<Owner> = Vec::new();
        for album in self.load_albums()?.into_iter().filter(|album| !album.own && album.is_listed()) {
            owners.extend(album.owner.filter(|owner| owners.iter().all(|known| known.id != owner.id)));
        }
        Ok(owners)
    }

    pub fn load_album_key(&self, no: AlbumNo) -> StoreResult<Option<CollectionKey>> {
        let mut query = self.conn.prepare_cached("SELECT key FROM albums WHERE no = ?1")?;
        let sealed: Option<Vec<u8>> = query.query_row([no.0], |row| row.get(0)).optional()?;
        sealed.map(|sealed| self.seals.open_collection_key(name_spot(no.0, "key"), &sealed)).transpose()
    }

    /// The exact request that makes a local album.
    pub fn load_create_request(&self, no: AlbumNo) -> StoreResult<Option<Vec<u8>>> {
        let mut query = self.conn.prepare_cached("SELECT create_request FROM albums WHERE no = ?1")?;
        Ok(query.query_row([no.0], |row| row.get(0)).optional()?.flatten())
    }
}

fn name_spot(no: i64, column: &'static str) -> Spot {
    Spot::new("albums", column, no)
}

impl Tx<'_> {
    pub fn insert_album(&self, album: &NewAlbum<'_>) -> StoreResult<AlbumNo> {
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO albums (remote, own, kind, ino, key, create_request, name, visibility, quick_link, shared, state, \
             complete, updation, cursor, synced, create_after, mtime) \
             VALUES (?1, ?2, ?3, ?4, x'', ?5, x'', 0, 0, 0, ?6, ?7, 0, 0, -1, ?8, ?9)",
        )?;
        let local = album.state == AlbumState::Local;
        insert.execute(params![
            album.remote.map(|id| id.0),
            album.own,
            album.kind.to_wire(),
            album.ino.0,
            album.create_request,
            album.state as i64,
            local,
            album.create_after.map(|time| time.0),
            album.mtime.0,
        ])?;
        let no = AlbumNo(self.conn.last_insert_rowid());
        self.save_album_key(no, album.key)?;
        self.save_album_name(no, album.name)?;
        Ok(no)
    }

    fn set_album(&self, no: AlbumNo, column: &str, value: impl rusqlite::ToSql) -> StoreResult<()> {
        let mut update = self.conn.prepare_cached(&format!("UPDATE albums SET {column} = ?2 WHERE no = ?1"))?;
        update.execute(params![no.0, value])?;
        Ok(())
    }

    pub fn save_album_key(&self, no: AlbumNo, key: &CollectionKey) -> StoreResult<()> {
        self.set_album(no, "key", self.seals.seal_key(name_spot(no.0, "key"), key))
    }

    /// The name the server has.
    pub fn save_album_name(&self, no: AlbumNo, name: &str) -> StoreResult<()> {
        self.set_album(no, "name", self.seals.seal(name_spot(no.0, "name"), name.as_bytes()))
    }

    /// The name it shall have; `None` once that is so, or was refused.
    pub fn save_album_want_name(&self, no: AlbumNo, name: Option<&str>) -> StoreResult<()> {
        let sealed = name.map(|name| self.seals.seal(name_spot(no.0, "want_name"), name.as_bytes()));
        self.set_album(no, "want_name", sealed)
    }

    /// Its directory's name; unique in the list it is in.
    pub fn save_album_shown(&self, no: AlbumNo, list: Ino, shown: &[u8]) -> StoreResult<()> {
        self.set_album(no, "shown", self.seals.seal(name_spot(no.0, "shown"), shown))?;
        self.set_album(no, "shown_tag", &self.seals.name_tag(list.0 as i64, shown)[..])
    }

    /// It is in no list.
    pub fn clear_album_shown(&self, no: AlbumNo) -> StoreResult<()> {
        self.set_album(no, "shown", None::<Vec<u8>>)?;
        self.set_album(no, "shown_tag", None::<Vec<u8>>)
    }

    /// What it shall be; `None` once that is so, or was refused.
    pub fn save_album_want_visibility(&self, no: AlbumNo, visibility: Option<Visibility>) -> StoreResult<()> {
        self.set_album(no, "want_visibility", visibility.map(Visibility::to_wire))
    }

    /// Whose it is that somebody shares with us, and what we may do there.
    pub fn save_album_owner(&self, no: AlbumNo, owner: &Owner, role: Role) -> StoreResult<()> {
        self.set_album(no, "owner", owner.id.0)?;
        self.set_album(no, "owner_email", self.seals.seal(name_spot(no.0, "owner_email"), owner.email.as_bytes()))?;
        self.set_album(no, "role", role.to_wire())
    }

    pub fn save_album_state(&self, no: AlbumNo, state: AlbumState) -> StoreResult<()> {
        self.set_album(no, "state", state as i64)
    }

    /// What the server says of an album beside its name.
    pub fn save_album_facts(
        &self,
        no: AlbumNo,
        kind: AlbumKind,
        visibility: Visibility,
        quick_link: bool,
        shared: bool,
        updation: Timestamp,
    ) -> StoreResult<()> {
        let mut update = self.conn.prepare_cached(
            "UPDATE albums SET kind = ?2, visibility = ?3, quick_link = ?4, shared = ?5, updation = ?6 WHERE no = ?1",
        )?;
        update.execute(params![no.0, kind.to_wire(), visibility.to_wire(), quick_link, shared, updation.0])?;
        Ok(())
    }

    /// The exact request that makes a local album; stored before it is sent.
    pub fn save_create_request(&self, no: AlbumNo, request: &[u8]) -> StoreResult<()> {
        self.set_album(no, "create_request", request)
    }

    /// The server has made it.
    pub fn save_album_made(&self, no: AlbumNo, id: AlbumId) -> StoreResult<()> {
        let mut update = self.conn.prepare_cached(
            "UPDATE albums SET remote = ?2, state = 0, create_request = NULL, create_after = NULL WHERE no = ?1",
        )?;
        update.execute(params![no.0, id.0])?;
        Ok(())
    }

    /// Lets a local album be made at once: its first photo is ready.
    pub fn save_album_due(&self, no: AlbumNo, at: Timestamp) -> StoreResult<()> {
        self.set_album(no, "create_after", at.0)
    }

    pub fn save_album_cursor(&self, no: AlbumNo, cursor: Timestamp) -> StoreResult<()> {
        self.set_album(no, "cursor", cursor.0)
    }

    /// The diff has been read up to the album's `updation` as it was then.
    pub fn save_album_synced(&self, no: AlbumNo, updation: Timestamp) -> StoreResult<()> {
        self.set_album(no, "synced", updation.0)
    }

    pub fn save_album_complete(&self, no: AlbumNo) -> StoreResult<()> {
        self.set_album(no, "complete", true)
    }

    pub fn save_album_mtime(&self, no: AlbumNo, mtime: Nanos) -> StoreResult<()> {
        self.set_album(no, "mtime", mtime.0)
    }
}
