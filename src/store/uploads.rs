//! The upload stage machine's rows: every step is one, every one can be resumed (semantics 6.1).

use super::error::{StoreError, StoreResult};
use super::nodes::vault_of;
use super::seal::Spot;
use super::{Rows, Tx};
use crate::base::{AlbumNo, B64, FileId, FileKind, Generation, Ino, ParkReason, Part, Timestamp, UploadNo, VaultId};
use crate::tree::Stage;
use rusqlite::{OptionalExtension, Row, params};
use std::ops::Range;
use std::time::Duration;

/// One upload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UploadRow {
    pub no: UploadNo,
    pub ino: Ino,
    pub vault: VaultId,
    /// The newest commit of the spool file known to be durable.
    pub generation: Option<Generation>,
    pub stage: Stage,
    /// Plaintext bytes.
    pub size: u64,
    /// When something is to be done about it; a wall-clock time, recomputed at start.
    pub due: Timestamp,
    pub attempts: u32,
    pub parked: Option<ParkReason>,
    /// Since when it is parked, or in its stage.
    pub since: Timestamp,
    /// The user wants it sent although it looks cut off.
    pub as_is: bool,
    pub target: Option<AlbumNo>,
    /// The photo whose place it takes once it is registered.
    pub supersedes: Option<FileId>,
    /// The photo it became, or is linked to.
    pub file: Option<FileId>,
    /// A request that makes or links it may have reached the server.
    pub sent: bool,
    /// It was sealed once: its bytes never change again (I2).
    pub frozen: bool,
    /// Its last writer was ended by a signal (semantics 2.3).
    pub killed: bool,
    /// Found in the spool without a row: a photo with its bytes is it, whatever its name (I17).
    pub adopted: bool,
    /// It is half of a live photo that is made of two files.
    pub half: Option<HalfOf>,
}

/// Half of a live photo being made: the still's row goes on for both, the clip's waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HalfOf {
    pub part: Part,
    pub partner: UploadNo,
}

impl UploadRow {
    /// Bytes in the spool of which nothing is sent or known yet, and nothing is due.
    pub fn new(ino: Ino, vault: VaultId, stage: Stage, since: Timestamp) -> Self {
        Self {
            no: UploadNo(0),
            ino,
            vault,
            generation: None,
            stage,
            size: 0,
            due: Timestamp(i64::MAX),
            attempts: 0,
            parked: None,
            since,
            as_is: false,
            target: None,
            supersedes: None,
            file: None,
            sent: false,
            frozen: false,
            killed: false,
            adopted: false,
            half: None,
        }
    }

    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Back to settling, for as long as somebody holds it open for writing.
    pub fn hold(&mut self) {
        self.stage = Stage::Settling;
        self.due = HELD;
        self.parked = None;
    }

    pub fn is_held(&self) -> bool {
        // What stays local is never due either, and nobody holds it.
        self.stage == Stage::Writing || (self.stage == Stage::Settling && self.due == HELD)
    }

    /// Back to settling: it is looked at when it has stayed as it is for `delay`.
    pub fn settle(&mut self, now: Timestamp, delay: Duration) {
        self.stage = Stage::Settling;
        self.due = now.saturating_add(delay);
        self.since = now;
        self.attempts = 0;
        self.parked = None;
        // What it was to be linked to is decided anew.
        self.file = None;
    }
}

/// Whether a removed file's bytes are kept for a while (semantics 4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    No,
    /// The row alone says that it was removed.
    Yes,
    /// So does the file, durably.
    Marked,
}

/// Sets the tags of wrapped keys apart from those of hashes.
const REQUEST: i64 = -1;

/// Due when its writer has closed it.
const HELD: Timestamp = Timestamp(i64::MAX);

/// What a stage leaves for the next ones; written by `upload`, sealed here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UploadBlob {
    Facts = 0,
    Prepared = 1,
    Transfer = 2,
    /// Sent as it is, byte for byte (I15).
    Request = 3,
    /// What happened, for people.
    Detail = 4,
    /// What is told of it from outside: by an import, or a sidecar.
    Told = 5,
}

impl UploadBlob {
    fn column(self) -> &'static str {
        match self {
            Self::Facts => "facts",
            Self::Prepared => "prepared",
            Self::Transfer => "transfer",
            Self::Request => "request",
            Self::Detail => "detail",
            Self::Told => "told",
        }
    }

    fn id(self, no: UploadNo) -> i64 {
        BLOBS * no.0 + self as i64
    }
}

/// Room for this many blobs among the IDs of an upload.
const BLOBS: i64 = 8;

/// Files and bytes of one stage or park reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StageTotals {
    pub stage: Stage,
    pub parked: Option<ParkReason>,
    pub files: u64,
    pub bytes: u64,
}

const COLUMNS: &str = "no, ino, vault, stage, size, due, attempts, parked, since, as_is, target, supersedes, file, sent, frozen, killed, generation, adopted, part, partner";

fn malformed() -> StoreError {
    StoreError::Malformed { table: "uploads" }
}

fn reason_of(word: Option<String>) -> StoreResult<Option<ParkReason>> {
    word.map(|word| ParkReason::from_word(&word).ok_or_else(malformed)).transpose()
}

fn half_of(row: &Row<'_>) -> StoreResult<Option<HalfOf>> {
    let Some(part) = row.get::<_, Option<i64>>(18)? else { return Ok(None) };
    let part = Part::from_row(part).ok_or_else(malformed)?;
    Ok(Some(HalfOf { part, partner: UploadNo(row.get(19)?) }))
}

fn upload_of(row: &Row<'_>) -> StoreResult<UploadRow> {
    Ok(UploadRow {
        no: UploadNo(row.get(0)?),
        ino: Ino(row.get(1)?),
        vault: vault_of(Some(row.get(2)?))?.ok_or_else(malformed)?,
        stage: Stage::from_row(row.get(3)?).ok_or_else(malformed)?,
        size: row.get(4)?,
        due: Timestamp(row.get(5)?),
        attempts: row.get(6)?,
        parked: reason_of(row.get(7)?)?,
        since: Timestamp(row.get(8)?),
        as_is: row.get(9)?,
        target: row.get::<_, Option<i64>>(10)?.map(AlbumNo),
        supersedes: row.get::<_, Option<i64>>(11)?.map(FileId),
        file: row.get::<_, Option<i64>>(12)?.map(FileId),
        sent: row.get(13)?,
        frozen: row.get(14)?,
        killed: row.get(15)?,
        generation: Some(Generation(row.get(16)?)).filter(|generation| generation.0 > 0),
        adopted: row.get(17)?,
        half: half_of(row)?,
    })
}

fn spot(no: UploadNo, blob: UploadBlob) -> Spot {
    Spot::new("uploads", blob.column(), no.0)
}

/// Due at ?1, of ?2 bytes and more but fewer than ?3, the smallest ?4.
fn due_condition(stages: &[Stage]) -> String {
    let list = stages.iter().map(|stage| (*stage as i64).to_string()).collect::<Vec<_>>().join(", ");
    // The index's own condition is repeated, or it could not be used; it leaves out what is never due.
    format!(
        "uploads INDEXED BY uploads_by_size WHERE parked IS NULL AND due < {} AND due <= ?1 AND stage IN ({list}) \
         AND size >= ?2 AND size < ?3 ORDER BY size, no LIMIT ?4",
        i64::MAX
    )
}

impl Rows<'_> {
    fn load_uploads(&self, condition: &str, values: impl rusqlite::Params) -> StoreResult<Vec<UploadRow>> {
        self.query_uploads(&format!("uploads WHERE {condition}"), values)
    }

    fn query_uploads(&self, source: &str, values: impl rusqlite::Params) -> StoreResult<Vec<UploadRow>> {
        let mut query = self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM {source}"))?;
        let rows = query.query_map(values, |row| Ok(upload_of(row)))?;
        rows.map(|row| row?).collect()
    }

    pub fn load_upload(&self, no: UploadNo) -> StoreResult<Option<UploadRow>> {
        Ok(self.load_uploads("no = ?1", [no.0])?.pop())
    }

    pub fn load_upload_of_vault(&self, vault: VaultId) -> StoreResult<Option<UploadRow>> {
        Ok(self.load_uploads("vault = ?1", [&vault.0[..]])?.pop())
    }

    /// All uploads of an inode, the latest last: new bytes under the same name are a new one.
    pub fn load_uploads_of(&self, ino: Ino) -> StoreResult<Vec<UploadRow>> {
        self.load_uploads("ino = ?1 ORDER BY no", [ino.0])
    }

    pub fn load_all_uploads(&self) -> StoreResult<Vec<UploadRow>> {
        self.load_uploads("1 ORDER BY no", [])
    }

    /// What can be worked on at `now` of these sizes, small files first.
    pub fn find_due_uploads(
        &self,
        now: Timestamp,
        stages: &[Stage],
        sizes: Range<u64>,
        limit: usize,
    ) -> StoreResult<Vec<UploadNo>> {
        let sql = format!("SELECT no FROM {}", due_condition(stages));
        let mut query = self.conn.prepare_cached(&sql)?;
        let rows = query.query_map(params![now.0, sizes.start, sizes.end, limit], |row| row.get(0).map(UploadNo))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Likewise of any size, with all that is in the rows.
    pub fn load_due_uploads(&self, now: Timestamp, stages: &[Stage], limit: usize) -> StoreResult<Vec<UploadRow>> {
        self.query_uploads(&due_condition(stages), params![now.0, 0, i64::MAX, limit])
    }

    /// When the next one becomes due.
    pub fn load_next_due(&self, stages: &[Stage]) -> StoreResult<Option<Timestamp>> {
        let list = stages.iter().map(|stage| (*stage as i64).to_string()).collect::<Vec<_>>().join(", ");
        let sql = format!("SELECT min(due) FROM uploads WHERE parked IS NULL AND stage IN ({list})");
        let due: Option<i64> = self.conn.prepare_cached(&sql)?.query_row([], |row| row.get(0))?;
        Ok(due.map(Timestamp))
    }

    /// Removed files that are kept, and whose spool files do not say so yet.
    pub fn load_unmarked_removals(&self, limit: usize) -> StoreResult<Vec<UploadRow>> {
        self.load_uploads("stage = 11 AND kept = 1 ORDER BY no LIMIT ?1", params![limit])
    }

    /// The upload of an inode that was removed and whose bytes are kept.
    pub fn load_kept_upload(&self, ino: Ino) -> StoreResult<Option<UploadRow>> {
        Ok(self.load_uploads("ino = ?1 AND stage = 11 AND kept > 0 ORDER BY no", [ino.0])?.pop())
    }

    /// What stands still until somebody acts: parked, or held back because it looks cut off.
    pub fn load_parked_uploads(&self) -> StoreResult<Vec<UploadRow>> {
        self.load_uploads("(parked IS NOT NULL OR stage = 3) AND stage < 10 ORDER BY no", [])
    }

    /// What stays local for a reason that people should know: archives.
    pub fn load_explained_local(&self) -> StoreResult<Vec<UploadRow>> {
        let has_detail =
            format!("EXISTS (SELECT 1 FROM upload_blobs WHERE id = {BLOBS} * no + {})", UploadBlob::Detail as i64);
        self.load_uploads(&format!("stage = 2 AND {has_detail} ORDER BY no"), [])
    }

    /// Uploads of equal bytes that are not over.
    pub fn load_twins(&self, hash: &str, kind: FileKind) -> StoreResult<Vec<UploadRow>> {
        let tag = self.seals.hash_tag(hash, kind.to_wire());
        self.load_uploads("hash_tag = ?1 AND stage BETWEEN 4 AND 9 ORDER BY no", [&tag[..]])
    }

    /// Whether new bytes that are to take a photo's place are on their way.
    pub fn is_being_replaced(&self, file: FileId) -> StoreResult<bool> {
        let sql = "SELECT 1 FROM uploads WHERE supersedes = ?1 AND stage < 10";
        Ok(self.conn.prepare_cached(sql)?.exists([file.0])?)
    }

    /// Those new bytes.
    pub fn load_replacing(&self, file: FileId) -> StoreResult<Vec<UploadRow>> {
        self.load_uploads("supersedes = ?1 AND stage < 10 ORDER BY no", [file.0])
    }

    /// Uploads that became, or are linked to, a photo.
    pub fn load_uploads_to(&self, file: FileId) -> StoreResult<Vec<UploadRow>> {
        self.load_uploads("file = ?1 ORDER BY no", [file.0])
    }

    /// The upload whose register request has this wrapped key, if its outcome is not known yet.
    pub fn find_upload_by_request_key(&self, key: &B64) -> StoreResult<Option<UploadRow>> {
        let tag = self.seals.hash_tag(&key.0, REQUEST);
        Ok(self.load_uploads("request_tag = ?1 AND stage = 9", [&tag[..]])?.pop())
    }

    pub fn load_upload_blob(&self, no: UploadNo, blob: UploadBlob) -> StoreResult<Option<Vec<u8>>> {
        let sql = "SELECT sealed FROM upload_blobs WHERE id = ?1";
        let sealed: Option<Vec<u8>> =
            self.conn.prepare_cached(sql)?.query_row([blob.id(no)], |row| row.get(0)).optional()?;
        sealed.map(|sealed| self.seals.open(spot(no, blob), &sealed)).transpose()
    }

    /// Files and bytes by stage and park reason, for `status`.
    pub fn load_stage_totals(&self) -> StoreResult<Vec<StageTotals>> {
        let mut query = self
            .conn
            .prepare_cached("SELECT stage, parked, count(*), sum(size) FROM uploads GROUP BY stage, parked")?;
        let rows = query.query_map([], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?, row.get(2)?, row.get(3)?))
        })?;
        rows.map(|row| {
            let (stage, parked, files, bytes) = row?;
            let stage = Stage::from_row(stage).ok_or_else(malformed)?;
            Ok(StageTotals { stage, parked: reason_of(parked)?, files, bytes })
        })
        .collect()
    }
}

impl Tx<'_> {
    /// A new upload of `row.vault`; `row.no` is chosen here.
    pub fn insert_upload(&self, row: &UploadRow) -> StoreResult<UploadNo> {
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO uploads (ino, vault, size, due, parked, file, stage, since) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0)",
        )?;
        let values = params![
            row.ino.0,
            &row.vault.0[..],
            row.size,
            row.due.0,
            row.parked.map(ParkReason::word),
            row.file.map(|file| file.0),
        ];
        insert.execute(values)?;
        let no = UploadNo(self.conn.last_insert_rowid());
        self.save_progress(&UploadRow { no, ..row.clone() })?;
        Ok(no)
    }

    /// Everything but the blobs. A column that an index has is written where it changed alone: SQLite makes the entries
    /// of all its indexes anew, changed or not, and each is a page more in the log.
    pub fn save_upload(&self, row: &UploadRow) -> StoreResult<()> {
        self.save_progress(row)?;
        let mut update = self.conn.prepare_cached("UPDATE uploads SET due = ?2 WHERE no = ?1 AND due IS NOT ?2")?;
        update.execute(params![row.no.0, row.due.0])?;
        let mut update = self.conn.prepare_cached(
            "UPDATE uploads SET ino = ?2, vault = ?3, size = ?4, parked = ?5, file = ?6 \
             WHERE no = ?1 AND (ino, vault, size, parked, file) IS NOT (?2, ?3, ?4, ?5, ?6)",
        )?;
        update.execute(params![
            row.no.0,
            row.ino.0,
            &row.vault.0[..],
            row.size,
            row.parked.map(ParkReason::word),
            row.file.map(|file| file.0),
        ])?;
        Ok(())
    }

    /// What no index has.
    fn save_progress(&self, row: &UploadRow) -> StoreResult<()> {
        let mut update = self.conn.prepare_cached(
            "UPDATE uploads SET stage = ?2, attempts = ?3, since = ?4, as_is = ?5, target = ?6, supersedes = ?7, \
             sent = ?8, frozen = ?9, killed = ?10, generation = ?11, adopted = ?12, part = ?13, partner = ?14 \
             WHERE no = ?1",
        )?;
        update.execute(params![
            row.no.0,
            row.stage as i64,
            row.attempts,
            row.since.0,
            row.as_is,
            row.target.map(|album| album.0),
            row.supersedes.map(|file| file.0),
            row.sent,
            row.frozen,
            row.killed,
            row.generation.unwrap_or_default().0,
            row.adopted,
            row.half.map(|half| half.part.to_row()),
            row.half.map(|half| half.partner.0),
        ])?;
        Ok(())
    }

    pub fn save_upload_blob(&self, no: UploadNo, blob: UploadBlob, plain: Option<&[u8]>) -> StoreResult<()> {
        let Some(plain) = plain else {
            self.conn.prepare_cached("DELETE FROM upload_blobs WHERE id = ?1")?.execute([blob.id(no)])?;
            return Ok(());
        };
        let sql = "INSERT INTO upload_blobs (id, sealed) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET sealed = ?2";
        self.conn.prepare_cached(sql)?.execute(params![blob.id(no), self.seals.seal(spot(no, blob), plain)])?;
        Ok(())
    }

    /// Lets equal bytes find this upload; `None` when it is no longer one to wait for.
    pub fn save_upload_hash(&self, no: UploadNo, hash: Option<(&str, FileKind)>) -> StoreResult<()> {
        let tag = hash.map(|(hash, kind)| self.seals.hash_tag(hash, kind.to_wire()));
        let mut update = self.conn.prepare_cached("UPDATE uploads SET hash_tag = ?2 WHERE no = ?1")?;
        update.execute(params![no.0, tag.as_ref().map(|tag| &tag[..])])?;
        Ok(())
    }

    /// Lets a pull recognise the photo that this upload's request makes (I15).
    pub fn save_upload_request_key(&self, no: UploadNo, key: &B64) -> StoreResult<()> {
        let tag = self.seals.hash_tag(&key.0, REQUEST);
        let mut update = self.conn.prepare_cached("UPDATE uploads SET request_tag = ?2 WHERE no = ?1")?;
        update.execute(params![no.0, &tag[..]])?;
        Ok(())
    }

    /// Everything on its way waits for the same reason.
    pub fn park_under_way(&self, reason: ParkReason, now: Timestamp) -> StoreResult<()> {
        let mut update = self.conn.prepare_cached(
            "UPDATE uploads SET parked = ?1, since = ?2 WHERE parked IS NULL AND stage BETWEEN 4 AND 9",
        )?;
        update.execute(params![reason.word(), now.0])?;
        Ok(())
    }

    /// What was parked for this reason is due again. Answers how many there were.
    pub fn unpark(&self, reason: ParkReason, now: Timestamp) -> StoreResult<usize> {
        let mut update = self
            .conn
            .prepare_cached("UPDATE uploads SET parked = NULL, attempts = 0, due = ?2, since = ?2 WHERE parked = ?1")?;
        Ok(update.execute(params![reason.word(), now.0])?)
    }

    /// Those that wait for equal bytes look again.
    pub fn wake_twins(&self, now: Timestamp) -> StoreResult<()> {
        let mut update = self.conn.prepare_cached("UPDATE uploads SET due = ?1 WHERE stage = 7 AND due > ?1")?;
        update.execute([now.0])?;
        Ok(())
    }

    /// The clock was set: due times move along, by microseconds. What is held stays held.
    pub fn shift_due(&self, by: i64) -> StoreResult<()> {
        let mut update = self.conn.prepare_cached("UPDATE uploads SET due = due + ?1 WHERE due < ?2 - abs(?1)")?;
        update.execute([by, HELD.0])?;
        Ok(())
    }

    pub fn save_upload_kept(&self, no: UploadNo, kept: Kept) -> StoreResult<()> {
        let mut update = self.conn.prepare_cached("UPDATE uploads SET kept = ?2 WHERE no = ?1")?;
        update.execute(params![no.0, kept as i64])?;
        Ok(())
    }

    pub fn delete_upload(&self, no: UploadNo) -> StoreResult<()> {
        let all = params![BLOBS * no.0, BLOBS * (no.0 + 1)];
        self.conn.prepare_cached("DELETE FROM upload_blobs WHERE id >= ?1 AND id < ?2")?.execute(all)?;
        self.conn.prepare_cached("DELETE FROM uploads WHERE no = ?1")?.execute([no.0])?;
        Ok(())
    }
}
