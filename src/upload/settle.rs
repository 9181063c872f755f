//! Settling: is it for Ente, is it whole, has it stayed as it is? Then its bytes are frozen (semantics 2.3, 2.4).

use super::sidecar::SIDECAR_LOOK;
use super::step::{Next, StepError, StepResult};
use super::worker::Uploader;
use crate::base::{Ino, ParkReason, ReadAt, Timestamp};
use crate::media::{Completeness, HEAD, Sniffed, looks_complete, sniff};
use crate::namespace::path_of;
use crate::spool::SpoolFile;
use crate::store::{NodeRow, Rows, StoreResult, UploadRow};
use crate::tree::{DropSettings, NameClass, NameRules, Stage, classify_directory};
use crate::vault::CommitRecord;
use std::sync::Arc;
use std::time::Duration;

/// A file that looks cut off is sent as it is when it has not changed for this long (semantics 2.3).
pub(super) const INCOMPLETE_FOR: Duration = Duration::from_secs(24 * 3600);
/// An empty version of a photo shows the old one again after this long (semantics 2.12).
const EMPTY_FOR: Duration = Duration::from_secs(3600);

/// What settling decides.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Verdict {
    Freeze,
    KeepLocal,
    /// A zip: its photos come by `import` (semantics 2.13).
    KeepArchive,
    /// Looks cut off; why.
    Incomplete(String),
    Park(ParkReason, String),
    /// No name is left: nothing to upload.
    Nameless,
    /// An empty version of a photo: its writer may still come.
    EmptyVersion,
    /// An earlier version of the same file has been sent and its outcome is not known.
    AfterEarlier,
    /// A sidecar whose photo is on its way.
    BeforePhoto,
}

/// The file as it lies in the tree.
struct Placed {
    node: NodeRow,
    path: Vec<Vec<u8>>,
    earlier: bool,
}

impl Uploader {
    pub(super) async fn settle(&self, row: &UploadRow) -> StepResult {
        let Some(placed) = self.store().read(|rows| place(rows, row))? else {
            return self.conclude(row, Verdict::Nameless);
        };
        if placed.earlier {
            return self.conclude(row, Verdict::AfterEarlier);
        }
        if placed.node.size == 0 && row.generation.is_none() {
            // Made and closed without a byte: no commit of it is there to be opened.
            return self.conclude(row, empty_verdict(row));
        }
        let vault = self.open_spooled(row)?;
        if let Some(verdict) = self.judge_name(row, &placed, &vault) {
            return self.conclude(row, verdict);
        }
        self.fill_base(&placed.node, &vault).await?;
        let judged = {
            let (vault, name) = (Arc::clone(&vault), placed.path.last().cloned().unwrap_or_default());
            let (row, mtime) = (row.clone(), placed.node.mtime.0);
            self.on_blocking_thread(move || judge_bytes(&row, mtime, &vault, &name)).await?
        };
        match judged {
            Verdict::Freeze => self.freeze(row, &placed, &vault).await,
            Verdict::KeepLocal if !self.apply_sidecar(row, &vault).await? => self.conclude(row, Verdict::BeforePhoto),
            other => self.conclude(row, other),
        }
    }

    /// What the name alone decides.
    fn judge_name(&self, row: &UploadRow, placed: &Placed, vault: &SpoolFile) -> Option<Verdict> {
        if vault.is_poisoned() {
            return Some(Verdict::Park(ParkReason::Interrupted, "a write to it failed".into()));
        }
        if vault.is_empty() {
            return Some(empty_verdict(row));
        }
        let rules = self.drop_of(&placed.path).map_or_else(NameRules::default, |drop| drop.names.clone());
        let (name, dirs) = placed.path.split_last()?;
        let junk_dir = dirs.iter().any(|dir| classify_directory(dir) != NameClass::Plain);
        (junk_dir || rules.classify(name) != NameClass::Plain).then_some(Verdict::KeepLocal)
    }

    pub(super) fn drop_of(&self, path: &[Vec<u8>]) -> Option<DropSettings> {
        self.options.drops.find(path).map(|(drop, _)| drop.clone())
    }

    /// Bytes of the old version that were not written over.
    async fn fill_base(&self, node: &NodeRow, vault: &Arc<SpoolFile>) -> Result<(), StepError> {
        let missing = vault.missing_base();
        if missing.is_empty() {
            return Ok(());
        }
        let content = node.content.map(|no| self.store().read(|rows| rows.load_content(no))).transpose()?.flatten();
        let gone = || StepError::park(ParkReason::Corrupt, "the version it was written over is gone from Ente");
        let content = Arc::new(content.ok_or_else(gone)?);
        for range in missing {
            let mut at = range.start;
            while at < range.end {
                let len = (range.end - at).min(4 << 20) as usize;
                let bytes = self.fetch.read(&content, at, len).await?;
                if bytes.is_empty() {
                    return Err(gone());
                }
                vault.fill_base(at, &bytes)?;
                at += bytes.len() as u64;
            }
        }
        Ok(())
    }

    /// From here on the bytes never change (I2): first the row says so, then the file. Which commit it was is noted with
    /// the hash.
    async fn freeze(&self, row: &UploadRow, placed: &Placed, vault: &Arc<SpoolFile>) -> StepResult {
        let next = self.advance(row, Stage::Sealed, |_, row| {
            row.frozen = true;
            row.killed = false;
            row.size = vault.len();
            Ok(())
        })?;
        let (spool, vault) = (Arc::clone(&self.spool), Arc::clone(vault));
        let record = final_record(row.ino, placed);
        self.on_blocking_thread(move || {
            vault.commit(&record)?;
            Ok::<_, StepError>(spool.seal(vault.id())?)
        })
        .await??;
        Ok(next)
    }

    fn conclude(&self, row: &UploadRow, verdict: Verdict) -> StepResult {
        let now = self.clock.now();
        self.commit_step(row, |tx, mut row, dirty| {
            row.since = now;
            let mut detail = None;
            match verdict {
                Verdict::Freeze => return Err(StepError::Lost),
                Verdict::KeepLocal => (row.stage, row.due) = (Stage::LocalOnly, Timestamp(i64::MAX)),
                Verdict::KeepArchive => {
                    (row.stage, row.due) = (Stage::LocalOnly, Timestamp(i64::MAX));
                    detail = Some("an archive is not taken apart here; `entefs import` does that".into());
                }
                Verdict::Nameless => (row.stage, row.due) = (Stage::Removed, now),
                Verdict::Incomplete(why) => {
                    (row.stage, row.due) = (Stage::Incomplete, now.saturating_add(INCOMPLETE_FOR));
                    detail = Some(why);
                }
                Verdict::Park(reason, why) => {
                    row.parked = Some(reason);
                    detail = Some(why);
                }
                Verdict::EmptyVersion => return empty_version(tx, row, now, dirty),
                Verdict::AfterEarlier => row.due = now.saturating_add(Duration::from_secs(2)),
                Verdict::BeforePhoto => row.due = now.saturating_add(SIDECAR_LOOK),
            }
            tx.save_upload_blob(row.no, crate::store::UploadBlob::Detail, detail.as_deref().map(str::as_bytes))?;
            tx.save_upload(&row)?;
            dirty.ino(row.ino);
            Ok(Next::Wait)
        })
    }
}

fn empty_verdict(row: &UploadRow) -> Verdict {
    if row.supersedes.is_some() { Verdict::EmptyVersion } else { Verdict::KeepLocal }
}

/// Left alone for an hour it goes, and the old version shows again.
fn empty_version(
    tx: &crate::store::Tx<'_>,
    mut row: UploadRow,
    now: Timestamp,
    dirty: &mut crate::namespace::Dirty,
) -> StepResult {
    let Some(node) = tx.load_node(row.ino)? else { return Err(StepError::Lost) };
    if now.since(node.mtime.to_timestamp()) < EMPTY_FOR {
        row.due = node.mtime.to_timestamp().saturating_add(EMPTY_FOR);
        tx.save_upload(&row)?;
        return Ok(Next::Wait);
    }
    if let Some(content) = node.content.map(|no| tx.load_content(no)).transpose()?.flatten() {
        if node.kind == crate::store::NodeKind::Shadow {
            tx.delete_node(node.ino)?;
        } else {
            tx.save_node(&NodeRow { vault: None, size: content.size, mtime: content.mtime, ..node })?;
        }
    }
    (row.stage, row.due) = (Stage::Removed, now);
    tx.save_upload(&row)?;
    dirty.ino(row.ino);
    Ok(Next::Wait)
}

fn place(rows: &Rows<'_>, row: &UploadRow) -> StoreResult<Option<Placed>> {
    let Some(node) = rows.load_node(row.ino)?.filter(|node| node.vault == Some(row.vault)) else { return Ok(None) };
    let Some(path) = path_of(rows, row.ino)? else { return Ok(None) };
    let uploads = rows.load_uploads_of(row.ino)?;
    let earlier = uploads.iter().any(|other| other.no.0 < row.no.0 && other.sent && !other.stage.is_over());
    Ok(Some(Placed { node, path, earlier }))
}

/// What the bytes decide.
fn judge_bytes(row: &UploadRow, mtime: i64, vault: &SpoolFile, name: &[u8]) -> Verdict {
    let file = vault.reader();
    match examine(&file, name) {
        Err(error) => Verdict::Park(ParkReason::Corrupt, format!("its bytes cannot be read back: {error}")),
        Ok(Sniffed::NotMedia) if is_archive(&file, name) => Verdict::KeepArchive,
        Ok(Sniffed::Empty | Sniffed::NotMedia | Sniffed::Unknown) => Verdict::KeepLocal,
        Ok(Sniffed::Media { .. }) if row.as_is => Verdict::Freeze,
        Ok(Sniffed::Media { .. }) if mtime == 0 => {
            Verdict::Incomplete("its time is 1970: rsync --partial leaves unfinished files so".into())
        }
        Ok(Sniffed::Media { .. }) if row.killed => {
            Verdict::Incomplete("the program that wrote it was ended by a signal".into())
        }
        Ok(Sniffed::Media { format, .. }) => match looks_complete(&file, format) {
            Ok(Completeness::Complete) => Verdict::Freeze,
            Ok(Completeness::CutOff(flaw)) => Verdict::Incomplete(flaw.to_string()),
            Err(error) => Verdict::Park(ParkReason::Corrupt, format!("its bytes cannot be read back: {error}")),
        },
    }
}

fn is_archive(file: &dyn ReadAt, name: &[u8]) -> bool {
    let mut magic = [0; 4];
    let read = file.read_at(0, &mut magic);
    read.is_ok() && magic == *b"PK\x03\x04" && name.to_ascii_lowercase().ends_with(b".zip")
}

pub(super) fn examine(file: &dyn ReadAt, name: &[u8]) -> std::io::Result<Sniffed> {
    let mut head = vec![0; HEAD];
    let read = file.read_at(0, &mut head)?;
    Ok(sniff(&head[..read], name))
}

fn final_record(ino: Ino, placed: &Placed) -> CommitRecord {
    CommitRecord { ino, ..record_of(&placed.node, placed.path.join(&b'/')) }
}

/// What a spool file says of itself, as its row has it.
pub(super) fn record_of(node: &NodeRow, path: Vec<u8>) -> CommitRecord {
    CommitRecord {
        path,
        album: None,
        ino: node.ino,
        supersedes: None,
        complete: true,
        poisoned: false,
        removed: false,
        mode: node.mode,
        uid: node.uid.unwrap_or(u32::MAX),
        gid: node.gid.unwrap_or(u32::MAX),
        mtime: node.mtime,
        ctime: node.ctime,
        btime: node.ctime,
    }
}
