//! A still and a clip that belong together become one live photo (semantics 2.11).
//!
//! Each half is frozen and hashed for itself. Then the still's row goes on for both, and the clip's waits at `Twin` with
//! its partner noted, its bytes part of what the still's row seals. Both rows move in one transaction, so that a kill
//! leaves either two files or one pair; a half that changes before the request is sent dissolves the pair.

use super::parts::{Hashed, PairedHalf};
use super::step::{Next, StepError, StepResult, forget_prepared, load_blob, save_blob};
use super::worker::Uploader;
use crate::base::{FileKind, Ino, Part, ReadAt};
use crate::media::job::Request;
use crate::media::live::{HalfFacts, LiveArchive};
use crate::media::{DateSource, HEAD, Sniffed, Zone, sniff};
use crate::namespace::EntryKey;
use crate::store::{HalfOf, Tx, UploadBlob, UploadRow};
use crate::tree::{Stage, are_halves, half_by_name, other_half_names, split_name};
use std::sync::Arc;
use std::time::Duration;

/// Ente's clients pair files up to this size.
const LARGEST: u64 = 20 << 20;
/// A half whose partner is there waits for it so long.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// And looks this often.
const LOOK: Duration = Duration::from_millis(500);
/// Halves were taken within this time of each other.
const APART: Duration = Duration::from_secs(24 * 3600);
/// A clip whose still is on its way looks this often whether it still is.
const WATCH: Duration = Duration::from_secs(10);

/// What is to become of a file that may be half of a live photo.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pairing {
    /// A photo of its own.
    Alone,
    /// Its other half is there and has not settled yet.
    Wait,
    /// The still goes on for both.
    Formed,
}

/// One half, frozen and hashed.
struct Half {
    row: UploadRow,
    name: Vec<u8>,
    has_sidecar: bool,
}

enum Found {
    Nobody,
    Unsettled,
    /// The still first.
    Both(Box<[Half; 2]>),
}

impl Uploader {
    pub(super) async fn seek_partner(&self, row: &UploadRow) -> Result<Pairing, StepError> {
        match self.find_partner(row)? {
            Found::Nobody => Ok(Pairing::Alone),
            Found::Unsettled if self.clock.now().since(row.since) < PATIENCE => {
                let due = self.clock.now().saturating_add(LOOK);
                self.commit_step(row, |tx, now, _| Ok(tx.save_upload(&UploadRow { due, ..now })?))?;
                Ok(Pairing::Wait)
            }
            Found::Unsettled => Ok(Pairing::Alone),
            Found::Both(halves) if self.were_taken_together(&halves).await? => {
                self.form(row, &halves)?;
                Ok(Pairing::Formed)
            }
            Found::Both(_) => Ok(Pairing::Alone),
        }
    }

    fn find_partner(&self, row: &UploadRow) -> Result<Found, StepError> {
        let name = self.store().read(|rows| Ok(rows.load_names_of(row.ino)?.into_iter().next()))?;
        let Some(name) = name.filter(|_| may_pair(row)) else { return Ok(Found::Nobody) };
        let Some((other, ino)) = self.partner_of(name.parent, &name.name) else { return Ok(Found::Nobody) };
        let partner = self.store().read(|rows| Ok(rows.load_uploads_of(ino)?.pop()))?;
        // It still waits for what this row was before: it looks soon, and settles anew.
        let orphan = Some(HalfOf { part: Part::Clip, partner: row.no });
        if partner.as_ref().is_some_and(|partner| partner.half == orphan && !partner.stage.is_over()) {
            return Ok(Found::Unsettled);
        }
        let Some(partner) = partner.filter(|partner| partner.parked.is_none() && may_pair(partner)) else {
            return Ok(Found::Nobody);
        };
        match partner.stage {
            Stage::Writing | Stage::Settling | Stage::Incomplete | Stage::Sealed => return Ok(Found::Unsettled),
            Stage::Hashed => {}
            _ => return Ok(Found::Nobody),
        }
        let half = |row: UploadRow, text: Vec<u8>| {
            let sidecars = [&b".json"[..], b".supplemental-metadata.json"].map(|ending| [&text[..], ending].concat());
            let has_sidecar = sidecars.iter().any(|sidecar| self.local_file(name.parent, sidecar).is_some());
            Half { row, name: text, has_sidecar }
        };
        let (mine, theirs) = (half(row.clone(), name.name.clone()), half(partner, other));
        let is_still = half_by_name(&name.name) == Some(Part::Still);
        Ok(Found::Both(Box::new(if is_still { [mine, theirs] } else { [theirs, mine] })))
    }
    /// The file in the same directory that is the other half, if each is the other's first choice.
    fn partner_of(&self, dir: Ino, name: &[u8]) -> Option<(Vec<u8>, Ino)> {
        let (other, ino) = self.first_choice(dir, name)?;
        let (back, _) = self.first_choice(dir, &other)?;
        (back == name).then_some((other, ino))
    }

    fn first_choice(&self, dir: Ino, name: &[u8]) -> Option<(Vec<u8>, Ino)> {
        let is_still = half_by_name(name)? == Part::Still;
        let fits = |other: &[u8]| if is_still { are_halves(name, other) } else { are_halves(other, name) };
        let others = other_half_names(name).into_iter().filter(|other| fits(other));
        others.into_iter().find_map(|other| self.local_file(dir, &other).map(|ino| (other, ino)))
    }

    fn local_file(&self, dir: Ino, name: &[u8]) -> Option<Ino> {
        let (entry, _) = self.namespace.lookup(dir, name).ok()??;
        matches!(entry.key, EntryKey::LocalFile { .. }).then_some(entry.ino)
    }

    /// Embedded dates less than a day apart; where those do not tell, exactly one half with a sidecar.
    async fn were_taken_together(&self, halves: &[Half; 2]) -> Result<bool, StepError> {
        let mut dates = Vec::new();
        for half in halves {
            let (isolated, vault) = (Arc::clone(&self.isolated), self.open_spooled(&half.row)?);
            let (name, now) = (half.name.clone(), self.clock.now());
            let facts = self.on_blocking_thread(move || {
                let reader = vault.reader();
                let mut head = vec![0; HEAD];
                let read = reader.read_at(0, &mut head)?;
                let Sniffed::Media { format, .. } = sniff(&head[..read], &name) else { return Ok(None) };
                let request =
                    Request { format, name, modified: now, now, zone: Zone::Local, facts: true, thumbnail: false };
                Ok::<_, StepError>(Some(isolated.examine(&request, &reader)?.facts))
            });
            let facts = facts.await??.filter(|facts| facts.created_from == DateSource::Embedded);
            dates.extend(facts.map(|facts| facts.created));
        }
        let near = matches!(dates[..], [still, clip] if Duration::from_micros(still.0.abs_diff(clip.0)) < APART);
        Ok(near || halves[0].has_sidecar != halves[1].has_sidecar)
    }

    /// Both rows, in one transaction.
    fn form(&self, row: &UploadRow, halves: &[Half; 2]) -> Result<(), StepError> {
        let now = self.clock.now();
        let [still, clip] = halves;
        self.commit_step(row, |tx, _, dirty| {
            for half in halves {
                let is_there =
                    tx.load_upload(half.row.no)?.is_some_and(|now| now.stage == Stage::Hashed && now.parked.is_none());
                if !is_there {
                    return Err(StepError::Lost);
                }
            }
            let facts = |half: &Half| load_blob::<Hashed>(tx, half.row.no, UploadBlob::Facts)?.ok_or(StepError::Lost);
            let (one, two) = (facts(still)?, facts(clip)?);
            if one.kind() != FileKind::Image || two.kind() != FileKind::Video {
                return Err(StepError::Lost);
            }
            let paired = |hashed: &Hashed, half: &Half| PairedHalf {
                extension: String::from_utf8_lossy(split_name(&half.name).1).into_owned(),
                size: half.row.size,
                crc: hashed.crc,
            };
            let joined = Hashed {
                hash: format!("{}:{}", one.hash, two.hash),
                kind: FileKind::LivePhoto.to_wire(),
                pair: Some([paired(&one, still), paired(&two, clip)]),
                ..one
            };
            save_blob(tx, still.row.no, UploadBlob::Facts, Some(&joined))?;
            tx.save_upload_hash(still.row.no, Some((&joined.hash, joined.kind())))?;
            tx.save_upload_hash(clip.row.no, None)?;
            let half_of = |part, partner| Some(HalfOf { part, partner });
            let (due, since) = (now, now);
            tx.save_upload(&UploadRow { half: half_of(Part::Still, clip.row.no), due, since, ..still.row.clone() })?;
            let due = now.saturating_add(WATCH);
            let waiting = UploadRow {
                half: half_of(Part::Clip, still.row.no),
                stage: Stage::Twin,
                due,
                since,
                ..clip.row.clone()
            };
            tx.save_upload(&waiting)?;
            dirty.ino(still.row.ino);
            dirty.ino(clip.row.ino);
            Ok(())
        })?;
        self.ring();
        Ok(())
    }

    /// A clip looks whether its still is on its way for both; if not, it goes on by itself.
    pub(super) fn watch_partner(&self, row: &UploadRow, half: HalfOf) -> StepResult {
        let now = self.clock.now();
        self.commit_step(row, |tx, mut row, dirty| {
            let still = tx.load_upload(half.partner)?;
            let is_on_its_way = still.is_some_and(|still| {
                still.half == Some(HalfOf { part: Part::Still, partner: row.no })
                    && (Stage::Hashed..=Stage::Uploaded).contains(&still.stage)
            });
            if is_on_its_way {
                row.due = now.saturating_add(WATCH);
                tx.save_upload(&row)?;
                return Ok(Next::Wait);
            }
            row = UploadRow { stage: Stage::Sealed, half: None, sent: false, due: now, since: now, ..row };
            tx.save_upload(&row)?;
            dirty.ino(row.ino);
            Ok(Next::Again)
        })
    }

    /// A still whose clip went its own way before anything was sent: it starts anew, by itself.
    pub(super) fn dissolve_if_broken(&self, row: &UploadRow) -> Result<bool, StepError> {
        let is_still = row.half.is_some_and(|half| half.part == Part::Still);
        if !is_still || row.sent || !(Stage::Hashed..=Stage::Prepared).contains(&row.stage) {
            return Ok(false);
        }
        let now = self.clock.now();
        self.commit_step(row, |tx, row, dirty| {
            if load_clip(tx, &row).is_ok() {
                return Ok(false);
            }
            forget_prepared(tx, row.no)?;
            dirty.ino(row.ino);
            tx.save_upload(&UploadRow { stage: Stage::Sealed, half: None, due: now, since: now, ..row })?;
            Ok(true)
        })
    }

    /// What is sealed for Ente: the file's bytes, or the zip of both halves.
    pub(super) fn open_plaintext(&self, row: &UploadRow, hashed: &Hashed) -> Result<Arc<dyn ReadAt>, StepError> {
        let still = self.open_spooled(row)?;
        let (Some(half), Some(pair)) = (row.half, &hashed.pair) else { return Ok(Arc::new(still.reader())) };
        let partner = self.store().read(|rows| rows.load_upload(half.partner))?.ok_or(StepError::Lost)?;
        let clip = self.open_spooled(&partner)?;
        Ok(Arc::new(LiveArchive::new([still.reader(), clip.reader()], &archive_facts(pair))))
    }
}

fn archive_facts(pair: &[PairedHalf; 2]) -> [HalfFacts; 2] {
    pair.each_ref().map(|half| HalfFacts { extension: half.extension.clone(), size: half.size, crc: half.crc })
}

/// Where the halves' bytes lie in the zip.
pub(super) fn archive_places(pair: &[PairedHalf; 2]) -> [u64; 2] {
    LiveArchive::new([Vec::new(), Vec::new()], &archive_facts(pair)).places()
}

/// New versions of photos in Ente, and what has been sent already, are no halves of something new.
fn may_pair(row: &UploadRow) -> bool {
    row.size <= LARGEST && row.supersedes.is_none() && !row.sent && row.half.is_none()
}

/// The clip of a pair that is about to be sent: still frozen, unchanged, and waiting for this very row.
///
/// # Errors
/// [`StepError::Lost`] where it went its own way; the still starts anew.
pub(super) fn load_clip(tx: &Tx<'_>, row: &UploadRow) -> Result<Option<UploadRow>, StepError> {
    let Some(HalfOf { part: Part::Still, partner }) = row.half else { return Ok(None) };
    let clip = tx.load_upload(partner)?;
    let waits =
        |clip: &UploadRow| clip.stage == Stage::Twin && clip.half == Some(HalfOf { part: Part::Clip, partner: row.no });
    clip.filter(waits).map(Some).ok_or(StepError::Lost)
}
