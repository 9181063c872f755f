//! Memberships: which photo is in which album, as the server said and as pending changes make it. What is in Ente's
//! trash is kept the same way, under [`AlbumNo::TRASH`]; it is no membership, and only who names it is told of it.

use super::error::StoreResult;
use super::listing::Listing;
use super::seal::{Seals, Spot};
use super::{Rows, Tx};
use crate::base::{AlbumNo, FileId, Part, Timestamp};
use rusqlite::{OptionalExtension, Row, params};

/// One photo in one album.
#[derive(Clone, Debug)]
pub struct MemberRow {
    pub album: AlbumNo,
    pub file: FileId,
    /// What the server said last.
    pub live: bool,
    /// What a pending change makes of it.
    pub want: Option<bool>,
    pub updation: Timestamp,
    /// What its directory shows; `None` while it has no name, and for what is not listed.
    pub listing: Option<Listing>,
    /// The same of a live photo's clip.
    pub clip: Option<Listing>,
}

impl MemberRow {
    /// Confirmed ⊕ pending (I6).
    pub fn is_visible(&self) -> bool {
        self.want.unwrap_or(self.live)
    }
}

/// A name given to a member: which suffix, and how its group is found again.
#[derive(Clone, Copy, Debug)]
pub struct NameSlot<'a> {
    pub stem: &'a [u8],
    pub together: i64,
    pub suffix: u32,
    /// May pass to a newcomer at the next complete pull (semantics 1.6).
    pub provisional: bool,
}

/// What a directory shows of a member, still sealed.
struct SealedMember {
    file: FileId,
    listing: Vec<u8>,
    clip: Option<Vec<u8>>,
}

impl SealedMember {
    fn open(&self, seals: &Seals, album: AlbumNo) -> StoreResult<(FileId, Listing, Option<Listing>)> {
        let open = |column, sealed: &[u8]| Listing::from_bytes(&seals.open(spot(album, self.file, column), sealed)?);
        let clip = self.clip.as_deref().map(|clip| open("clip", clip)).transpose()?;
        Ok((self.file, open("listing", &self.listing)?, clip))
    }
}

/// Members of a large album whose records are opened at one time, by all cores.
const OPENED_TOGETHER: usize = 16 << 10;
/// Fewer than so many are opened by whoever asks: starting a thread takes as long.
const WORTH_A_THREAD: usize = 256;

/// What `work` makes of each, in their order.
fn in_order_on_all_cores<T: Sync, U: Send>(items: &[T], work: impl Fn(&T) -> U + Sync) -> Vec<U> {
    // Asking for the number of cores reads a dozen files.
    if items.len() <= WORTH_A_THREAD {
        return items.iter().map(work).collect();
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = items.len().div_ceil(cores).max(WORTH_A_THREAD);
    let (own, others) = items.split_at(share.min(items.len()));
    std::thread::scope(|scope| {
        let work = &work;
        let helpers: Vec<_> =
            others.chunks(share).map(|items| scope.spawn(move || items.iter().map(work).collect::<Vec<_>>())).collect();
        let mut made: Vec<U> = own.iter().map(work).collect();
        for helper in helpers {
            match helper.join() {
                Ok(theirs) => made.extend(theirs),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        made
    })
}

const COLUMNS: &str = "album, file, live, want, updation, listing, clip";

fn spot(album: AlbumNo, file: FileId, column: &'static str) -> Spot {
    Spot { table: "members", column, row: (album.0, file.0) }
}

impl Rows<'_> {
    fn member_of(&self, row: &Row<'_>) -> StoreResult<MemberRow> {
        let (album, file) = (AlbumNo(row.get(0)?), FileId(row.get(1)?));
        Ok(MemberRow {
            album,
            file,
            live: row.get(2)?,
            want: row.get(3)?,
            updation: Timestamp(row.get(4)?),
            listing: self.listing_of(row, 5, spot(album, file, "listing"))?,
            clip: self.listing_of(row, 6, spot(album, file, "clip"))?,
        })
    }

    fn listing_of(&self, row: &Row<'_>, at: usize, spot: Spot) -> StoreResult<Option<Listing>> {
        let sealed = row.get_ref(at)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
        sealed.map(|sealed| Listing::from_bytes(&self.seals.open(spot, sealed)?)).transpose()
    }

    fn load_members(&self, condition: &str, values: impl rusqlite::Params) -> StoreResult<Vec<MemberRow>> {
        let mut query = self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM members WHERE {condition}"))?;
        let rows = query.query_map(values, |row| Ok(self.member_of(row)))?;
        rows.map(|row| row?).collect()
    }

    pub fn load_member(&self, album: AlbumNo, file: FileId) -> StoreResult<Option<MemberRow>> {
        Ok(self.load_members("album = ?1 AND file = ?2", [album.0, file.0])?.pop())
    }

    /// All memberships of a photo, those that ended too.
    pub fn load_memberships(&self, file: FileId) -> StoreResult<Vec<MemberRow>> {
        self.load_members("file = ?1 AND album <> 0", [file.0])
    }

    /// The same, and Ente's trash as one of them.
    pub fn load_places(&self, file: FileId) -> StoreResult<Vec<MemberRow>> {
        self.load_members("file = ?1", [file.0])
    }

    /// Whether a photo is in Ente's trash, as far as this machine wants it to be.
    pub fn is_in_trash(&self, file: FileId) -> StoreResult<bool> {
        Ok(self.load_member(AlbumNo::TRASH, file)?.is_some_and(|member| member.is_visible()))
    }

    /// Calls `each` for everything that an album's directory shows, in the order of the file numbers; of a live photo
    /// twice.
    pub fn for_each_listed(&self, album: AlbumNo, mut each: impl FnMut(FileId, Part, Listing)) -> StoreResult<()> {
        let mut query = self.conn.prepare_cached(
            "SELECT file, listing, clip FROM members \
             WHERE album = ?1 AND listing IS NOT NULL AND coalesce(want, live) = 1",
        )?;
        let mut rows = query.query([album.0])?;
        let mut sealed = Vec::with_capacity(OPENED_TOGETHER);
        loop {
            let row = rows.next()?;
            if let Some(row) = row {
                sealed.push(SealedMember { file: FileId(row.get(0)?), listing: row.get(1)?, clip: row.get(2)? });
            }
            if row.is_none() || sealed.len() == OPENED_TOGETHER {
                for opened in in_order_on_all_cores(&sealed, |member| member.open(self.seals, album)) {
                    let (file, listing, clip) = opened?;
                    each(file, if clip.is_some() { Part::Still } else { Part::Whole }, listing);
                    if let Some(clip) = clip {
                        each(file, Part::Clip, clip);
                    }
                }
                sealed.clear();
            }
            if row.is_none() {
                return Ok(());
            }
        }
    }

    /// Calls `each` for every membership of an album, those that ended too.
    pub fn for_each_member(&self, album: AlbumNo, mut each: impl FnMut(FileId)) -> StoreResult<()> {
        let mut query = self.conn.prepare_cached("SELECT file FROM members WHERE album = ?1")?;
        let mut rows = query.query([album.0])?;
        while let Some(row) = rows.next()? {
            each(FileId(row.get(0)?));
        }
        Ok(())
    }

    /// Members of an album that another one has, or had, too.
    pub fn load_shared_members(&self, album: AlbumNo) -> StoreResult<Vec<FileId>> {
        let mut query = self.conn.prepare_cached(
            "SELECT m.file FROM members m WHERE m.album = ?1 \
             AND EXISTS (SELECT 1 FROM members o WHERE o.file = m.file AND o.album NOT IN (0, ?1))",
        )?;
        let rows = query.query_map([album.0], |row| Ok(FileId(row.get(0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Visible members that have no name yet, lowest file number first, of readable photos.
    pub fn load_unnamed(&self, album: AlbumNo) -> StoreResult<Vec<FileId>> {
        let mut query = self.conn.prepare_cached(
            "SELECT m.file FROM members m JOIN files f ON f.id = m.file \
             WHERE m.album = ?1 AND m.listing IS NULL AND coalesce(m.want, m.live) = 1 AND f.kind IS NOT NULL \
             AND f.content IS NOT NULL ORDER BY m.file",
        )?;
        let rows = query.query_map([album.0], |row| Ok(FileId(row.get(0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Albums with suffixes that may still be given up.
    pub fn load_provisional_albums(&self) -> StoreResult<Vec<AlbumNo>> {
        let mut query = self.conn.prepare_cached("SELECT DISTINCT album FROM members WHERE provisional > 0")?;
        let rows = query.query_map([], |row| Ok(AlbumNo(row.get(0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Members of an album whose suffix was given in the pull before this one, lowest file number first.
    pub fn load_settling_names(&self, album: AlbumNo) -> StoreResult<Vec<FileId>> {
        let mut query = self.conn.prepare_cached(
            "SELECT file FROM members INDEXED BY members_provisional \
             WHERE album = ?1 AND provisional > 0 AND provisional = 1 ORDER BY file",
        )?;
        let rows = query.query_map([album.0], |row| Ok(FileId(row.get(0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The visible member of this name; of a live photo, that one of its halves has.
    pub fn find_member(&self, album: AlbumNo, name: &[u8]) -> StoreResult<Option<FileId>> {
        self.find_named(album, name, None)
    }

    fn find_named(&self, album: AlbumNo, name: &[u8], other_than: Option<FileId>) -> StoreResult<Option<FileId>> {
        let tag = self.seals.name_tag(album.0, name);
        let mut query = self.conn.prepare_cached(
            // Left to itself SQLite walks the whole album: its primary key begins with the album, too.
            "SELECT file FROM members INDEXED BY members_by_name \
             WHERE album = ?1 AND name_tag = ?2 AND coalesce(want, live) = 1 AND file <> ?3 \
             UNION ALL SELECT file FROM members INDEXED BY members_by_clip \
             WHERE album = ?1 AND clip_tag = ?2 AND coalesce(want, live) = 1 AND file <> ?3 LIMIT 1",
        )?;
        let other_than = other_than.map_or(i64::MIN, |file| file.0);
        Ok(query.query_row(params![album.0, &tag[..], other_than], |row| Ok(FileId(row.get(0)?))).optional()?)
    }

    /// Whether another visible member than `file` has this name: two can, after a removal was refused whose name was given
    /// to a newcomer meanwhile.
    pub fn is_name_of_other(&self, album: AlbumNo, name: &[u8], file: FileId) -> StoreResult<bool> {
        Ok(self.find_named(album, name, Some(file))?.is_some())
    }

    /// The suffix that an earlier member of the group got.
    pub fn find_suffix(&self, album: AlbumNo, stem: &[u8], together: i64) -> StoreResult<Option<u32>> {
        let tag = self.seals.stem_tag(album.0, stem, together);
        let mut query = self.conn.prepare_cached(
            "SELECT suffix FROM members INDEXED BY members_by_stem \
             WHERE album = ?1 AND stem_tag = ?2 AND coalesce(want, live) = 1 LIMIT 1",
        )?;
        Ok(query.query_row(params![album.0, &tag[..]], |row| row.get(0)).optional()?)
    }

    /// Whether anything at all is in the album, shown or not; what the server would call not empty.
    pub fn has_members(&self, album: AlbumNo) -> StoreResult<bool> {
        let mut query =
            self.conn.prepare_cached("SELECT 1 FROM members WHERE album = ?1 AND coalesce(want, live) = 1 LIMIT 1")?;
        Ok(query.exists([album.0])?)
    }

    /// How many memberships of an album the server last called live.
    pub fn count_live(&self, album: AlbumNo) -> StoreResult<u64> {
        let mut query = self.conn.prepare_cached("SELECT count(*) FROM members WHERE album = ?1 AND live = 1")?;
        Ok(query.query_row([album.0], |row| row.get(0))?)
    }
}

impl Tx<'_> {
    /// What the server says of a membership.
    pub fn save_member(&self, album: AlbumNo, file: FileId, live: bool, updation: Timestamp) -> StoreResult<()> {
        let mut upsert = self.conn.prepare_cached(
            "INSERT INTO members (album, file, live, updation) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (album, file) DO UPDATE SET live = ?3, updation = ?4",
        )?;
        upsert.execute(params![album.0, file.0, live, updation.0])?;
        Ok(())
    }

    /// What a pending change makes of a membership; `None` once it is settled.
    pub fn save_member_want(&self, album: AlbumNo, file: FileId, want: Option<bool>) -> StoreResult<()> {
        let mut upsert = self.conn.prepare_cached(
            "INSERT INTO members (album, file, live, want, updation) VALUES (?1, ?2, 0, ?3, 0) \
             ON CONFLICT (album, file) DO UPDATE SET want = ?3",
        )?;
        upsert.execute(params![album.0, file.0, want])?;
        Ok(())
    }

    /// Gives a member its name, or another one; a live photo two.
    pub fn save_listing(
        &self,
        album: AlbumNo,
        file: FileId,
        (listing, clip): (&Listing, Option<&Listing>),
        slot: NameSlot<'_>,
    ) -> StoreResult<()> {
        let mut update = self.conn.prepare_cached(
            "UPDATE members SET listing = ?3, name_tag = ?4, stem_tag = ?5, suffix = ?6, provisional = ?7, clip = ?8, \
             clip_tag = ?9 WHERE album = ?1 AND file = ?2",
        )?;
        let sealed = self.seals.seal(spot(album, file, "listing"), &listing.to_bytes());
        let sealed_clip = clip.map(|clip| self.seals.seal(spot(album, file, "clip"), &clip.to_bytes()));
        let name_tag = self.seals.name_tag(album.0, &listing.name);
        let clip_tag = clip.map(|clip| self.seals.name_tag(album.0, &clip.name));
        let stem_tag = self.seals.stem_tag(album.0, slot.stem, slot.together);
        update.execute(params![
            album.0,
            file.0,
            sealed,
            &name_tag[..],
            &stem_tag[..],
            slot.suffix,
            slot.provisional,
            sealed_clip,
            clip_tag.as_ref().map(|tag| &tag[..]),
        ])?;
        Ok(())
    }

    /// Changes what is shown beside the name.
    pub fn save_listing_facts(
        &self,
        album: AlbumNo,
        file: FileId,
        listing: &Listing,
        clip: Option<&Listing>,
    ) -> StoreResult<()> {
        let mut update =
            self.conn.prepare_cached("UPDATE members SET listing = ?3, clip = ?4 WHERE album = ?1 AND file = ?2")?;
        let sealed = self.seals.seal(spot(album, file, "listing"), &listing.to_bytes());
        let sealed_clip = clip.map(|clip| self.seals.seal(spot(album, file, "clip"), &clip.to_bytes()));
        update.execute(params![album.0, file.0, sealed, sealed_clip])?;
        Ok(())
    }

    /// Takes the name away: the member is not shown until it gets one.
    pub fn clear_listing(&self, album: AlbumNo, file: FileId) -> StoreResult<()> {
        let mut update = self.conn.prepare_cached(
            "UPDATE members SET listing = NULL, name_tag = NULL, clip = NULL, clip_tag = NULL, stem_tag = NULL, \
             suffix = NULL, provisional = 0 WHERE album = ?1 AND file = ?2",
        )?;
        update.execute([album.0, file.0])?;
        Ok(())
    }

    /// One more pull is complete: suffixes given in it may be given up in the next, older ones are lasting.
    pub fn age_names(&self, album: AlbumNo) -> StoreResult<()> {
        let mut update = self
            .conn
            .prepare_cached("UPDATE members INDEXED BY members_provisional SET provisional = provisional - 1 WHERE album = ?1 AND provisional > 0")?;
        update.execute([album.0])?;
        Ok(())
    }

    /// Marks every membership of an album as ended, and forgets their names.
    pub fn end_members(&self, album: AlbumNo) -> StoreResult<()> {
        let mut update = self.conn.prepare_cached(
            "UPDATE members SET live = 0, want = NULL, listing = NULL, name_tag = NULL, clip = NULL, clip_tag = NULL, \
             stem_tag = NULL WHERE album = ?1",
        )?;
        update.execute([album.0])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_on_all_cores_comes_back_in_order() {
        for count in [0, 1, WORTH_A_THREAD, WORTH_A_THREAD + 1, 10_000] {
            let items: Vec<usize> = (0..count).collect();
            let made = in_order_on_all_cores(&items, |item| item * 2);
            assert_eq!(made, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        }
    }
}
