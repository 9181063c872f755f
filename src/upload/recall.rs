//! A half that comes when the other one is a photo in Ente already (semantics 2.11): that photo is recalled, as a new
//! version of itself with the same bytes, which pairs like any file. Where no pair comes about it is no version at all,
//! and everything is as it was.

use super::hash::is_live;
use super::pair::{Half, LARGEST, Pairing, are_near};
use super::parts::{Hashed, Told};
use super::settle::record_of;
use super::step::{StepError, save_blob};
use super::worker::Uploader;
use crate::base::{FileId, FileKind, Ino, Part, UploadNo};
use crate::namespace::path_of;
use crate::store::{ContentRow, NodeRow, Rows, StoreResult, UploadBlob, UploadRow};
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
        let part = half_by_name(&other.name);
        let Some((content, node)) = self.store().read(|rows| recallable(rows, &other, part))? else {
            return Ok(Pairing::Alone);
        };
        let evidence = self.evidence_of(&other.mine).await?;
        let taken = self.store().read(|rows| rows.load_file(other.file))?.and_then(|file| file.label);
        let near = evidence.taken.zip(taken).is_some_and(|(mine, label)| are_near(mine, label.taken));
        if !near && !other.one_has_sidecar && evidence.identifier.is_none() {
            return Ok(Pairing::Alone);
        }
        let node = node.unwrap_or_else(|| NodeRow::of_photo(&content, self.namespace.defaults().file_mode));
        self.recall(row, hashed, &content, node).await?;
        self.look_later(row)
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

/// An own, live photo that is one file and of the right kind, and its inode where this machine has one for it.
fn recallable(
    rows: &Rows<'_>,
    other: &InEnte,
    part: Option<Part>,
) -> StoreResult<Option<(ContentRow, Option<NodeRow>)>> {
    let kind = if part == Some(Part::Clip) { FileKind::Video } else { FileKind::Image };
    let Some(file) = rows.load_file(other.file)?.filter(|file| file.own && !file.hidden && !file.trashed) else {
        return Ok(None);
    };
    let content = file.content.map(|no| rows.load_content(no)).transpose()?.flatten();
    let content = content.filter(|content| content.part == Part::Whole && content.size <= LARGEST);
    let node = rows.load_node(other.ino)?;
    let is_free = node.as_ref().is_none_or(|node| node.vault.is_none()) && !rows.is_being_replaced(file.id)?;
    let is_apt = is_free && file.kind == Some(kind) && is_live(rows, &file)?;
    // A drop entry shows the version that was written there; only that one is its half.
    let content = content.filter(|content| node.as_ref().is_none_or(|node| node.content == Some(content.no)));
    Ok(content.filter(|_| is_apt).map(|content| (content, node)))
}

/// Until it is frozen it says of itself that it was removed: its bytes are in Ente, so that alone it is of no use.
fn first_record(node: &NodeRow, path: Vec<u8>) -> CommitRecord {
    CommitRecord { removed: true, ..record_of(node, path) }
}
