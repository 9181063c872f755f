//! Starting up: what an earlier process left in the spool meets what the database knows of it (architecture 3,
//! durability barrier). A spool file alone is enough (I17): one without a row gets one.

use super::step::StepError;
use crate::base::{Clock, Generation, Ino, ParkReason, Part, Timestamp, VaultId};
use crate::namespace::{Dirty, Namespace, Origin, directory_at, free_name};
use crate::spool::{Spool, SpoolError, Swept, SweptState};
use crate::store::{ContentRow, Kept, NodeKind, NodeRow, Trouble, Tx, UploadRow};
use crate::tree::{DropRules, Stage};
use crate::vault::{Base, CommitRecord};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// How long the bytes of a removed file are kept (semantics 4.3).
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// What the sweep did.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Adoption {
    /// Files without a row that got one.
    pub adopted: u64,
    /// Files whose close or fsync never returned.
    pub interrupted: u64,
    pub corrupt: u64,
}

/// A committed file that no row names.
struct Stray {
    id: VaultId,
    record: CommitRecord,
    generation: Generation,
    len: u64,
    base: Option<Base>,
}

/// Brings rows and spool files together. To be called once, before the mount, with the albums known.
///
/// # Errors
/// Where spool or store cannot be read or written; nothing is lost by that.
pub fn adopt_spool(
    namespace: &Namespace,
    spool: &Spool,
    rules: &DropRules,
    clock: &dyn Clock,
    settle: Duration,
) -> Result<Adoption, StepError> {
    let rows: HashMap<VaultId, UploadRow> =
        namespace.store().read(|rows| rows.load_all_uploads())?.into_iter().map(|row| (row.vault, row)).collect();
    let (mut found, mut strays, mut empty) = (Adoption::default(), Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    let now = clock.now();
    for swept in spool.sweep(|id| rows.get(&id).and_then(|row| row.generation)) {
        seen.insert(swept.id);
        match rows.get(&swept.id) {
            Some(row) => namespace
                .commit(Origin::Elsewhere, |tx, dirty| meet(tx, row.clone(), &swept, now, settle, &mut found, dirty))?,
            None => sort_stray(spool, swept, &mut strays, &mut empty, &mut found)?,
        }
    }
    for row in rows.values().filter(|row| !seen.contains(&row.vault)) {
        namespace.commit(Origin::Elsewhere, |tx, _| miss(tx, row.clone(), now, &mut found))?;
    }
    adopt_strays(namespace, spool, rules, strays, now, settle, &mut found)?;
    spool.recycle(&empty)?;
    // Removed while somebody had them open, by a process that did not see them closed.
    namespace.store().write(|tx| tx.delete_nameless_files())?;
    Ok(found)
}

/// A row and its file.
fn meet(
    tx: &Tx<'_>,
    mut row: UploadRow,
    swept: &Swept,
    now: Timestamp,
    settle: Duration,
    found: &mut Adoption,
    dirty: &mut Dirty,
) -> Result<(), StepError> {
    if row.stage.is_over() {
        row.due = row.due.min(now.saturating_add(KEPT));
        return Ok(tx.save_upload(&row)?);
    }
    dirty.ino(row.ino);
    match &swept.state {
        Ok(SweptState::Committed { record, generation, len, .. }) => {
            let newer = row.generation.is_none_or(|known| *generation > known);
            row.generation = Some(*generation);
            if record.poisoned {
                park(&mut row, ParkReason::Interrupted, now, found);
            } else if row.stage == Stage::Writing || (newer && row.stage.is_writable()) {
                // The record is what the last flush made durable; the row may be older.
                take_record(tx, &row, record, *len, dirty)?;
                row.size = *len;
                row.settle(now, settle);
            } else if row.is_held() {
                row.settle(now, settle);
            } else {
                row.due = row.due.min(now.saturating_add(settle));
            }
        }
        Ok(SweptState::Empty | SweptState::NeverCommitted { has_cells: false, .. }) => {
            if tx.load_node(row.ino)?.is_some_and(|node| node.size == 0) {
                row.settle(now, settle);
            } else {
                park(&mut row, ParkReason::Interrupted, now, found);
            }
        }
        Ok(SweptState::NeverCommitted { .. }) => park(&mut row, ParkReason::Interrupted, now, found),
        Ok(SweptState::Corrupt { .. }) | Err(_) => park(&mut row, ParkReason::Corrupt, now, found),
    }
    Ok(tx.save_upload(&row)?)
}

fn park(row: &mut UploadRow, reason: ParkReason, now: Timestamp, found: &mut Adoption) {
    if row.stage == Stage::Writing {
        row.stage = Stage::Settling;
    }
    (row.parked, row.since) = (Some(reason), now);
    match reason {
        ParkReason::Interrupted => found.interrupted += 1,
        _ => found.corrupt += 1,
    }
}

fn take_record(
    tx: &Tx<'_>,
    row: &UploadRow,
    record: &CommitRecord,
    len: u64,
    dirty: &mut Dirty,
) -> Result<(), StepError> {
    if let Some(node) = tx.load_node(row.ino)?.filter(|node| node.vault == Some(row.vault)) {
        // A time set after the flush is in the row alone, and later than what the record says of it.
        let (mtime, ctime) = if node.size == len { (node.mtime, node.ctime) } else { (record.mtime, record.ctime) };
        tx.save_node(&NodeRow { size: len, mtime, ctime, ..node })?;
        dirty.ino(row.ino);
    }
    Ok(())
}

/// A row whose file is not there.
fn miss(tx: &Tx<'_>, mut row: UploadRow, now: Timestamp, found: &mut Adoption) -> Result<(), StepError> {
    if row.stage.is_over() {
        return Ok(tx.delete_upload(row.no)?);
    }
    if row.parked != Some(ParkReason::Corrupt) {
        let reason = if row.generation.is_none() { ParkReason::Interrupted } else { ParkReason::Corrupt };
        park(&mut row, reason, now, found);
        tx.save_upload(&row)?;
    }
    Ok(())
}

/// A file without a row: to be adopted, to be used again, or of no use.
fn sort_stray(
    spool: &Spool,
    swept: Swept,
    strays: &mut Vec<Stray>,
    empty: &mut Vec<VaultId>,
    found: &mut Adoption,
) -> Result<(), StepError> {
    match swept.state {
        Ok(SweptState::Empty) => empty.push(swept.id),
        Ok(SweptState::Committed { record, generation, len, base, .. }) => {
            strays.push(Stray { id: swept.id, record, generation, len, base });
        }
        // Nothing of it was ever promised.
        Ok(SweptState::NeverCommitted { .. }) => spool.remove(swept.id)?,
        Ok(SweptState::Corrupt { .. }) | Err(SpoolError::Vault(_)) => {
            tracing::error!(id = ?swept.id, "a spool file without a row does not verify; it is left where it is");
            found.corrupt += 1;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn adopt_strays(
    namespace: &Namespace,
    spool: &Spool,
    rules: &DropRules,
    strays: Vec<Stray>,
    now: Timestamp,
    settle: Duration,
    found: &mut Adoption,
) -> Result<(), StepError> {
    // Directories are made on the way, and must not take the number of a file that comes later (I8).
    namespace
        .commit(Origin::Elsewhere, |tx, _| strays.iter().try_for_each(|stray| tx.raise_next_ino(stray.record.ino)))?;
    let superseded: HashSet<VaultId> = strays.iter().filter_map(|stray| stray.record.supersedes).collect();
    for stray in strays {
        let dead = stray.record.removed || superseded.contains(&stray.id);
        if dead && !stray.record.removed {
            spool.remove(stray.id)?;
            continue;
        }
        namespace.commit(Origin::Elsewhere, |tx, dirty| adopt(tx, rules, &stray, dead, now, settle, dirty))?;
        if !dead {
            found.adopted += 1;
        }
    }
    Ok(())
}

fn adopt(
    tx: &Tx<'_>,
    rules: &DropRules,
    stray: &Stray,
    removed: bool,
    now: Timestamp,
    settle: Duration,
    dirty: &mut Dirty,
) -> Result<(), StepError> {
    let older = tx.load_node(stray.record.ino)?;
    if let Some(node) = older.as_ref().filter(|node| is_newer(stray, node) && !removed) {
        return take_over(tx, node, stray, now, settle, dirty);
    }
    if let Some(photo) = rewritten_photo(tx, stray)?.filter(|_| older.is_none() && !removed) {
        return take_over(tx, &photo, stray, now, settle, dirty);
    }
    let ino = match older {
        None if tx.load_content_by_ino(stray.record.ino)?.is_none() => stray.record.ino,
        _ => tx.next_ino()?,
    };
    let row = row_of(stray, ino, now);
    if removed {
        let no = tx.insert_upload(&row)?;
        return Ok(tx.save_upload_kept(no, Kept::Marked)?);
    }
    insert_settling(tx, row, stray, now, settle)?;
    place(tx, rules, stray, ino, dirty)?;
    let text = "a file that was accepted was found without its entry and has been put back".to_owned();
    Ok(tx.insert_trouble(&Trouble { at: now, kind: "adopted".into(), text })?)
}

/// Whether it has new bytes for what this file shows: the version that it says it supersedes, or a photo in Ente.
fn is_newer(stray: &Stray, node: &NodeRow) -> bool {
    let has_version =
        matches!(node.kind, NodeKind::File | NodeKind::Shadow) && (node.vault.is_some() || node.file.is_some());
    has_version && node.vault == stray.record.supersedes
}

/// The photo that it was written over in place, under its own inode.
fn rewritten_photo(tx: &Tx<'_>, stray: &Stray) -> Result<Option<NodeRow>, StepError> {
    let content = base_of(tx, stray)?.filter(|content| content.ino == stray.record.ino);
    Ok(content.map(|content| NodeRow::of_photo(&content, stray.record.mode)))
}

/// What it needs the rest of its bytes from.
fn base_of(tx: &Tx<'_>, stray: &Stray) -> Result<Option<ContentRow>, StepError> {
    let Some(base) = &stray.base else { return Ok(None) };
    let content = tx.load_content_by_header(base.file, &base.header)?;
    match content {
        Some(still) if base.part == Part::Clip => Ok(tx.load_clip_of(&still)?),
        content => Ok(content),
    }
}

/// The newest version of a file: its row was lost, that of the version before it was not (a power cut within the group
/// commit's 200 ms).
fn take_over(
    tx: &Tx<'_>,
    node: &NodeRow,
    stray: &Stray,
    now: Timestamp,
    settle: Duration,
    dirty: &mut Dirty,
) -> Result<(), StepError> {
    let older = stray.record.supersedes.map(|vault| tx.load_upload_of_vault(vault)).transpose()?.flatten();
    if let Some(older) = older.filter(|row| !row.sent && !row.stage.is_over()) {
        tx.save_upload(&UploadRow { stage: Stage::Removed, due: now, parked: None, ..older })?;
        tx.save_upload_hash(older.no, None)?;
    }
    let row = UploadRow { supersedes: node.file, adopted: false, ..row_of(stray, node.ino, now) };
    insert_settling(tx, row, stray, now, settle)?;
    let (mtime, ctime) = (stray.record.mtime, stray.record.ctime);
    tx.save_node(&NodeRow { vault: Some(stray.id), size: stray.len, mtime, ctime, ..node.clone() })?;
    dirty.ino(node.ino);
    Ok(())
}

/// Its row goes the way of a file just closed; one with a failed write waits for a person.
fn insert_settling(
    tx: &Tx<'_>,
    mut row: UploadRow,
    stray: &Stray,
    now: Timestamp,
    settle: Duration,
) -> Result<(), StepError> {
    row.settle(now, settle);
    if stray.record.poisoned {
        row.parked = Some(ParkReason::Interrupted);
    }
    tx.insert_upload(&row)?;
    Ok(())
}

/// Its row, as that of a removed file.
fn row_of(stray: &Stray, ino: Ino, now: Timestamp) -> UploadRow {
    UploadRow {
        generation: Some(stray.generation),
        size: stray.len,
        due: now.saturating_add(KEPT),
        supersedes: stray.base.map(|base| base.file),
        adopted: true,
        ..UploadRow::new(ino, stray.id, Stage::Removed, now)
    }
}

/// Puts an adopted file where its record says it was, or as near as that is possible.
fn place(tx: &Tx<'_>, rules: &DropRules, stray: &Stray, ino: Ino, dirty: &mut Dirty) -> Result<(), StepError> {
    let record = &stray.record;
    let path: Vec<&[u8]> = record.path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect();
    let (name, dirs) = path.split_last().map_or((&b"recovered"[..], &[][..]), |(name, dirs)| (*name, dirs));
    let parent = directory_at(tx, rules, dirs, record.ctime, dirty)?;
    let name = free_name(tx, parent, name)?;
    let own = |id: u32| Some(id).filter(|id| *id != u32::MAX);
    let content = base_of(tx, stray)?.map(|content| content.no);
    tx.save_node(&NodeRow {
        content,
        uid: own(record.uid),
        gid: own(record.gid),
        size: stray.len,
        mtime: record.mtime,
        ctime: record.ctime,
        vault: Some(stray.id),
        ..NodeRow::new(ino, NodeKind::File, record.mode, record.ctime)
    })?;
    tx.save_name(parent, &name, ino)?;
    dirty.name(parent, &name);
    Ok(())
}
