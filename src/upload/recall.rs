//! A half that comes when the other one is a photo in Ente already (semantics 2.11): that photo is recalled, as a new
//! version of itself with the same bytes, which pairs like any file. So is the other half of a live photo in Ente when
//! one half has new bytes. Where no pair comes about it is no version at all, and everything is as it was.

use super::hash::is_live;
use super::pair::{Half, LARGEST, Pairing, are_near};
use super::parts::{Hashed, Told};
use super::settle::record_of;
use super::step::{StepError, save_blob};
use super::worker::Uploader;
use crate::base::{FileId, FileKind, Ino, Part, UploadNo};
use crate::namespace::{RecordFacts, path_of};
use crate::store::{ContentRow, NodeKind, NodeRow, Rows, StoreResult, UploadBlob, UploadRow};
use crate::tree::{Stage, half_by_name};
use crate::vault::{Base, CommitRecord};

/// The other half, as it is in Ente.
pub(super) struct InEnte {
    pub(super) mine: Half,
    pub(super) file: FileId,
    pub(super) ino: Ino,
    pub(super) name: Vec<u8>,
    pub(super) one_has_sidecar: bool,
}

/// One half of a live photo in Ente has new bytes.
pub(super) struct Rewritten {
    pub(super) part: Part,
    /// What the half was before.
    pub(super) hash: Option<String>,
    /// The other half, and the inode that it has here.
    pub(super) other: ContentRow,
    pub(super) ino: Ino,
}

/// The half that `row` has new bytes for, if it is one.
pub(super) fn rewritten_half(rows: &Rows<'_>, row: &UploadRow) -> StoreResult<Option<Rewritten>> {
    let (Some(file), Some(node)) = (row.supersedes, rows.load_node(row.ino)?) else { return Ok(None) };
    let photo = rows.load_file(file)?.filter(|file| file.own && !file.hidden && !file.trashed);
    let still = photo.as_ref().and_then(|photo| photo.content).map(|no| rows.load_content(no)).transpose()?.flatten();
    let (Some(photo), Some(still)) = (photo, still.filter(|still| still.packed.is_some())) else { return Ok(None) };
    let clip = if is_live(rows, &photo)? { rows.load_clip_of(&still)? } else { None };
    let Some(clip) = clip else { return Ok(None) };
    let (part, other) = match node.content {
        Some(no) if no == still.no => (Part::Still, clip),
        Some(no) if no == clip.no => (Part::Clip, still),
        _ => return Ok(None),
    };
    let hash = RecordFacts::load(rows, file)?.and_then(|facts| facts.part_hash(part));
    let entry = if node.kind == NodeKind::File { entry_beside(rows, &node, &other)? } else { None };
    Ok(Some(Rewritten { part, hash, ino: entry.unwrap_or(other.ino), other }))
}

/// The other half's entry in the same directory.
fn entry_beside(rows: &Rows<'_>, node: &NodeRow, other: &ContentRow) -> StoreResult<Option<Ino>> {
    let here: Vec<Ino> = rows.load_names_of(node.ino)?.into_iter().map(|name| name.parent).collect();
    for entry in rows.load_nodes_of_file(other.file)?.into_iter().filter(|entry| entry.content == Some(other.no)) {
        if rows.load_names_of(entry.ino)?.iter().any(|name| here.contains(&name.parent)) {
            return Ok(Some(entry.ino));
        }
    }
    Ok(None)
}

impl Uploader {
    /// Once for each photo: whether the two belong together only their bytes tell for sure.
    pub(super) async fn recall_if_apt(
        &self,
        row: &UploadRow,
        hashed: Hashed,
        other: InEnte,
    ) -> Result<Pairing, StepError> {
        if hashed.recalled == Some(other.file) {
            return Ok(Pairing::Alone);
        }
        let rewritten = self.store().read(|rows| rewritten_half(rows, row))?;
        let is_version = rewritten.is_some();
        let Some((content, node)) = self.store().read(|rows| recallable(rows, &other, rewritten))? else {
            return Ok(Pairing::Alone);
        };
        if !is_version && !self.may_belong(&other).await? {
            return Ok(Pairing::Alone);
        }
        let node = node.unwrap_or_else(|| NodeRow::of_photo(&content, self.namespace.defaults().file_mode));
        self.recall(row, hashed, &content, node).await?;
        self.look_later(row)
    }

    async fn may_belong(&self, other: &InEnte) -> Result<bool, StepError> {
        let evidence = self.evidence_of(&other.mine).await?;
        let taken = self.store().read(|rows| rows.load_file(other.file))?.and_then(|file| file.label);
        let near = evidence.taken.zip(taken).is_some_and(|(mine, label)| are_near(mine, label.taken));
        Ok(near || other.one_has_sidecar || evidence.identifier.is_some())
    }

    async fn recall(
        &self,
        row: &UploadRow,
        hashed: Hashed,
        content: &ContentRow,
        node: NodeRow,
    ) -> Result<(), StepError> {
        let vault = self.spool.take()?;
        let path = self.store().read(|rows| path_of(rows, node.ino))?.unwrap_or_default();
        let record = first_record(&node, path.join(&b'/'));
        let base = Base { file: content.file, header: content.header, part: content.part, len: content.size };
        let writing = std::sync::Arc::clone(&vault);
        let generation = self
            .on_blocking_thread(move || {
                writing.start_from(base)?;
                Ok::<_, StepError>(writing.commit(&record)?)
            })
            .await??;
        let (file, now) = (content.file, self.clock.now());
        let recalled = self.commit_step(row, |tx, asker, dirty| {
            if tx.load_node(node.ino)?.is_some_and(|node| node.vault.is_some()) {
                return Err(StepError::Lost);
            }
            tx.save_node(&NodeRow { vault: Some(vault.id()), size: content.size, ..node.clone() })?;
            dirty.ino(node.ino);
            for name in tx.load_names_of(node.ino)? {
                dirty.name(name.parent, &name.name);
            }
            let no = tx.insert_upload(&UploadRow {
                generation: Some(generation),
                size: content.size,
                due: now,
                as_is: true,
                supersedes: Some(file),
                ..UploadRow::new(node.ino, vault.id(), Stage::Settling, now)
            })?;
            let told = Told { recalled_for: Some(asker.no), ..Told::default() };
            save_blob(tx, no, UploadBlob::Told, Some(&told))?;
            let hashed = Hashed { recalled: Some(file), ..hashed };
            Ok(save_blob(tx, asker.no, UploadBlob::Facts, Some(&hashed))?)
        });
        if recalled.is_err() {
            self.spool.remove(vault.id())?;
        }
        recalled?;
        self.ring();
        Ok(())
    }

    /// Whether the half that a photo was recalled for may still come to pair with it.
    pub(super) fn is_undecided(&self, asker: UploadNo) -> Result<bool, StepError> {
        let asker = self.store().read(|rows| rows.load_upload(asker))?;
        let comes = |asker: &UploadRow| {
            matches!(asker.stage, Stage::Writing | Stage::Settling | Stage::Sealed | Stage::Hashed)
                && asker.parked.is_none()
                && asker.half.is_none()
        };
        Ok(asker.as_ref().is_some_and(comes))
    }
}

/// An own, live photo that is one file and of the right kind, or the other half of the one that has new bytes; and its
/// inode where this machine has one for it.
fn recallable(
    rows: &Rows<'_>,
    other: &InEnte,
    rewritten: Option<Rewritten>,
) -> StoreResult<Option<(ContentRow, Option<NodeRow>)>> {
    let content = match rewritten {
        Some(rewritten) => Some(rewritten.other),
        None => recallable_photo(rows, other)?,
    };
    let node = rows.load_node(other.ino)?;
    let is_free = node.as_ref().is_none_or(|node| node.vault.is_none());
    // A drop entry shows the version that was written there; only that one is its half.
    let is_shown = |content: &ContentRow| node.as_ref().is_none_or(|node| node.content == Some(content.no));
    let content = content.filter(|content| content.size <= LARGEST && is_free && is_shown(content));
    Ok(content.map(|content| (content, node)))
}

fn recallable_photo(rows: &Rows<'_>, other: &InEnte) -> StoreResult<Option<ContentRow>> {
    let kind = if half_by_name(&other.name) == Some(Part::Clip) { FileKind::Video } else { FileKind::Image };
    let file = rows.load_file(other.file)?.filter(|file| file.own && !file.hidden && !file.trashed);
    let Some(file) = file.filter(|file| file.kind == Some(kind)) else { return Ok(None) };
    let is_apt = !rows.is_being_replaced(file.id)? && is_live(rows, &file)?;
    let content = file.content.filter(|_| is_apt).map(|no| rows.load_content(no)).transpose()?.flatten();
    Ok(content.filter(|content| content.part == Part::Whole))
}

/// Until it is frozen it says of itself that it was removed: its bytes are in Ente, so that alone it is of no use.
fn first_record(node: &NodeRow, path: Vec<u8>) -> CommitRecord {
    CommitRecord { removed: true, ..record_of(node, path) }
}
