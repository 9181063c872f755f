//! A still and a clip that belong together become one live photo (semantics 2.11).
//!
//! Each half is frozen and hashed for itself. Then the still's row goes on for both, and the clip's waits at `Twin` with
//! its partner noted, its bytes part of what the still's row seals. Both rows move in one transaction, so that a kill
//! leaves either two files or one pair; a half that changes before the request is sent dissolves the pair.

use super::isolate::Isolated;
use super::parts::{Hashed, PairedHalf, Told};
use super::recall::{InEnte, Rewritten, rewritten_half};
use super::step::{Next, StepError, StepResult, forget_prepared, load_blob, save_blob};
use super::worker::Uploader;
use crate::base::{FileId, FileKind, Ino, Nanos, Part, ReadAt, Timestamp};
use crate::media::job::Request;
use crate::media::live::{HalfFacts, LiveArchive};
use crate::media::{DateSource, Format, HEAD, Sniffed, Zone, sniff};
use crate::namespace::{Entry, EntryKey, path_of};
use crate::store::{HalfOf, Rows, StoreError, StoreResult, Tx, UploadBlob, UploadRow};
use crate::tree::{Stage, are_halves, half_by_name, other_half_names, split_name};
use std::sync::Arc;
use std::time::Duration;

/// Ente's clients pair files up to this size.
pub(super) const LARGEST: u64 = 20 << 20;
/// A half whose partner is there waits for it so long.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// And looks this often.
const LOOK: Duration = Duration::from_millis(500);
/// Halves were taken within this time of each other.
const APART: Duration = Duration::from_secs(24 * 3600);
/// A clip whose still is on its way looks this often whether it still is.
const WATCH: Duration = Duration::from_secs(10);

/// A half whose partner is not there yet is alone when its directory has been quiet for so long.
const QUIET: Duration = Duration::from_secs(60);
/// Where Apple's note is in a JPEG: its metadata come first.
const NOTE_IN: usize = 64 << 10;

/// What is to become of a file that may be half of a live photo.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pairing {
    /// A photo of its own.
    Alone,
    /// Its other half is there and has not settled yet, or is expected.
    Wait,
    /// The still goes on for both.
    Formed,
}

/// One half, frozen and hashed.
pub(super) struct Half {
    pub(super) row: UploadRow,
    pub(super) name: Vec<u8>,
    has_sidecar: bool,
}

/// What a half says of the moment it belongs to.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Evidence {
    /// As embedded; never its time stamp, nor what its name says.
    pub(super) taken: Option<Timestamp>,
    /// Apple's identifier, the same in both halves.
    pub(super) identifier: Option<String>,
}

enum Found {
    /// It is no half, or what has the other half's name is none.
    Nobody,
    /// Nothing has the other half's name.
    Absent(Ino),
    Unsettled,
    /// The other half is a photo in Ente already.
    InEnte(Box<InEnte>),
    /// The still first.
    Both(Box<[Half; 2]>),
}

impl Uploader {
    pub(super) async fn seek_partner(&self, row: &UploadRow) -> Result<Pairing, StepError> {
        let hashed: Hashed = self.load_blob(row, UploadBlob::Facts)?;
        let now = self.clock.now();
        let patient = now.since(row.since) < PATIENCE;
        if let Some(asker) = hashed.recalled_for {
            return if patient && self.is_undecided(asker)? { self.look_later(row) } else { Ok(Pairing::Alone) };
        }
        match self.find_partner(row, &hashed)? {
            Found::Nobody => Ok(Pairing::Alone),
            Found::Absent(dir) => self.await_absent(row, dir).await,
            Found::Unsettled if patient => self.look_later(row),
            Found::Unsettled => Ok(Pairing::Alone),
            Found::InEnte(other) => self.recall_if_apt(row, hashed, *other).await,
            Found::Both(halves) if self.were_taken_together(&halves).await? => {
                self.form(row, &halves)?;
                Ok(Pairing::Formed)
            }
            Found::Both(halves) => self.decline(row, &halves),
        }
    }

    pub(super) fn look_later(&self, row: &UploadRow) -> Result<Pairing, StepError> {
        self.look_at(row, self.clock.now().saturating_add(LOOK))
    }

    fn look_at(&self, row: &UploadRow, due: Timestamp) -> Result<Pairing, StepError> {
        self.commit_step(row, |tx, now, _| Ok(tx.save_upload(&UploadRow { due, ..now })?))?;
        Ok(Pairing::Wait)
    }

    /// The half of a live photo that was not written over, or was as well.
    fn find_rest(&self, row: &UploadRow, hashed: &Hashed, rewritten: Rewritten) -> Result<Found, StepError> {
        let kind = if rewritten.part == Part::Clip { FileKind::Video } else { FileKind::Image };
        let is_version = hashed.kind() == kind && rewritten.hash.as_ref() != Some(&hashed.hash);
        if !is_version || row.size > LARGEST || row.sent {
            return Ok(Found::Nobody);
        }
        let (mine, theirs, partner) = self.store().read(|rows| {
            let name =
                |ino| Ok::<_, StoreError>(path_of(rows, ino)?.and_then(|mut path| path.pop()).unwrap_or_default());
            Ok((name(row.ino)?, name(rewritten.ino)?, rows.load_uploads_of(rewritten.ino)?.pop()))
        })?;
        let half = |row: UploadRow, name| Half { row, name, has_sidecar: false };
        let Some(partner) = partner.filter(|partner| !partner.stage.is_over()) else {
            let (mine, file) = (half(row.clone(), mine), rewritten.other.file);
            let other = InEnte { mine, file, ino: rewritten.ino, name: theirs, one_has_sidecar: false };
            return Ok(Found::InEnte(Box::new(other)));
        };
        self.weigh(row, hashed, partner, |row, partner| {
            let (mine, theirs) = (half(row.clone(), mine), half(partner, theirs));
            if rewritten.part == Part::Still { [mine, theirs] } else { [theirs, mine] }
        })
    }

    /// What another half that is on its way is to `row`.
    fn weigh(
        &self,
        row: &UploadRow,
        hashed: &Hashed,
        partner: UploadRow,
        halves: impl FnOnce(&UploadRow, UploadRow) -> [Half; 2],
    ) -> Result<Found, StepError> {
        if hashed.declined == Some(partner.no) {
            return Ok(Found::Nobody);
        }
        if !self.is_fit(row, &partner)? {
            return Ok(if is_released(row, &partner) { Found::Unsettled } else { Found::Nobody });
        }
        Ok(match partner.stage {
            Stage::Hashed => Found::Both(Box::new(halves(row, partner))),
            Stage::LocalOnly => Found::Nobody,
            // On its way alone: once it is in Ente it is recalled.
            _ => Found::Unsettled,
        })
    }

    fn find_partner(&self, row: &UploadRow, hashed: &Hashed) -> Result<Found, StepError> {
        if let Some(rewritten) = self.store().read(|rows| rewritten_half(rows, row))? {
            return self.find_rest(row, hashed, rewritten);
        }
        let name = self.store().read(|rows| Ok(rows.load_names_of(row.ino)?.into_iter().next()))?;
        let Some(name) = name.filter(|_| may_pair(row)) else { return Ok(Found::Nobody) };
        if half_by_name(&name.name).is_none() {
            return Ok(Found::Nobody);
        }
        let Some((other, entry)) = self.partner_of(name.parent, &name.name) else {
            return Ok(if self.first_choice(name.parent, &name.name).is_some() {
                Found::Nobody
            } else {
                Found::Absent(name.parent)
            });
        };
        let half =
            |row: UploadRow, text: Vec<u8>| Half { has_sidecar: self.has_sidecar(name.parent, &text), row, name: text };
        let mine = half(row.clone(), name.name.clone());
        let partner = self.store().read(|rows| Ok(rows.load_uploads_of(entry.ino)?.pop()))?;
        let Some(partner) = partner.filter(|partner| !partner.stage.is_over()) else {
            let photo = photo_of(&entry);
            let one_has_sidecar = mine.has_sidecar != self.has_sidecar(name.parent, &other);
            return Ok(photo.map_or(Found::Nobody, |file| {
                Found::InEnte(Box::new(InEnte { mine, file, ino: entry.ino, name: other, one_has_sidecar }))
            }));
        };
        let is_still = half_by_name(&name.name) == Some(Part::Still);
        self.weigh(row, hashed, partner, |_, partner| {
            let theirs = half(partner, other);
            if is_still { [mine, theirs] } else { [theirs, mine] }
        })
    }

    /// Whether an upload may be the other half of `row`, now or later.
    fn is_fit(&self, row: &UploadRow, partner: &UploadRow) -> Result<bool, StepError> {
        let told: Option<Told> = self.store().read(|rows| load_blob(rows, partner.no, UploadBlob::Told))?;
        let is_recalled = told.and_then(|told| told.recalled_for) == Some(row.no);
        // New bytes for both halves of one photo.
        let is_of_one = partner.supersedes.is_some() && partner.supersedes == row.supersedes;
        let is_own = is_recalled || is_of_one || partner.supersedes.is_none();
        Ok(partner.parked.is_none() && partner.half.is_none() && partner.size <= LARGEST && is_own)
    }

    fn has_sidecar(&self, dir: Ino, name: &[u8]) -> bool {
        let sidecars = [&b".json"[..], b".supplemental-metadata.json"].map(|ending| [name, ending].concat());
        sidecars.iter().any(|sidecar| self.entry_at(dir, sidecar).is_some())
    }

    /// The file in the same directory that is the other half, if each is the other's first choice.
    fn partner_of(&self, dir: Ino, name: &[u8]) -> Option<(Vec<u8>, Entry)> {
        let (other, entry) = self.first_choice(dir, name)?;
        let (back, _) = self.first_choice(dir, &other)?;
        (back == name).then_some((other, entry))
    }

    fn first_choice(&self, dir: Ino, name: &[u8]) -> Option<(Vec<u8>, Entry)> {
        let is_still = half_by_name(name)? == Part::Still;
        let fits = |other: &[u8]| if is_still { are_halves(name, other) } else { are_halves(other, name) };
        let others = other_half_names(name).into_iter().filter(|other| fits(other));
        others.into_iter().find_map(|other| self.entry_at(dir, &other).map(|entry| (other, entry)))
    }

    /// A file, of this machine alone or a photo.
    fn entry_at(&self, dir: Ino, name: &[u8]) -> Option<Entry> {
        let (entry, _) = self.namespace.lookup(dir, name).ok()??;
        matches!(entry.key, EntryKey::LocalFile { .. } | EntryKey::Photo(_) | EntryKey::Clip(_)).then_some(entry)
    }

    /// A half with Apple's identifier has another one somewhere: it waits until its directory has been quiet.
    async fn await_absent(&self, row: &UploadRow, dir: Ino) -> Result<Pairing, StepError> {
        let now = self.clock.now();
        let changed = self.store().read(|rows| last_change(rows, dir))?;
        // Of an archive nothing more is to come.
        let due = if row.as_is { None } else { wait_until(now, row.since, changed.to_timestamp()) };
        let Some(due) = due else { return Ok(Pairing::Alone) };
        let (file, isolated) = (self.reader_of(row, self.open_spooled(row)?.as_ref()), Arc::clone(&self.isolated));
        let name = self.store().read(|rows| Ok(rows.load_names_of(row.ino)?.into_iter().next()))?;
        let name = name.map(|name| name.name).unwrap_or_default();
        let evidence = self.on_blocking_thread(move || {
            if may_have_identifier(file.as_ref(), &name)? {
                examine(&isolated, file.as_ref(), name, now)
            } else {
                Ok(Evidence::default())
            }
        });
        match evidence.await??.identifier {
            Some(_) => self.look_at(row, due),
            None => Ok(Pairing::Alone),
        }
    }

    pub(super) async fn evidence_of(&self, half: &Half) -> Result<Evidence, StepError> {
        let file = self.reader_of(&half.row, self.open_spooled(&half.row)?.as_ref());
        let isolated = Arc::clone(&self.isolated);
        let (name, now) = (half.name.clone(), self.clock.now());
        self.on_blocking_thread(move || examine(&isolated, file.as_ref(), name, now)).await?
    }

    async fn were_taken_together(&self, halves: &[Half; 2]) -> Result<bool, StepError> {
        let [still, clip] = halves;
        let evidence = [self.evidence_of(still).await?, self.evidence_of(clip).await?];
        let are_of_one = still.row.supersedes.is_some() && still.row.supersedes == clip.row.supersedes;
        let may_be = are_of_one && !are_apart(&evidence);
        Ok(may_be || belong_together(&evidence, still.has_sidecar != clip.has_sidecar))
    }

    /// They are two photos, and neither looks at the other again.
    fn decline(&self, row: &UploadRow, halves: &[Half; 2]) -> Result<Pairing, StepError> {
        let numbers = halves.each_ref().map(|half| half.row.no);
        self.commit_step(row, |tx, _, _| {
            for (no, other) in [(numbers[0], numbers[1]), (numbers[1], numbers[0])] {
                if let Some(hashed) = load_blob::<Hashed>(tx, no, UploadBlob::Facts)? {
                    let hashed = Hashed { declined: Some(other), ..hashed };
                    save_blob(tx, no, UploadBlob::Facts, Some(&hashed))?;
                }
            }
            Ok(Pairing::Alone)
        })
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
                recalled_for: None,
                declined: None,
                ..one
            };
            save_blob(tx, still.row.no, UploadBlob::Facts, Some(&joined))?;
            tx.save_upload_hash(still.row.no, Some((&joined.hash, joined.kind())))?;
            tx.save_upload_hash(clip.row.no, None)?;
            let half_of = |part, partner| Some(HalfOf { part, partner });
            let (due, since) = (now, now);
            // The pair takes the place of whichever half is in Ente.
            let supersedes = still.row.supersedes.or(clip.row.supersedes);
            let half = half_of(Part::Still, clip.row.no);
            tx.save_upload(&UploadRow { half, supersedes, due, since, ..still.row.clone() })?;
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
            let told: Option<Told> = load_blob(tx, row.no, UploadBlob::Told)?;
            // What its clip was to replace is the clip's again.
            let is_own = told.is_some_and(|told| told.recalled_for.is_some()) || rewritten_half(tx, &row)?.is_some();
            let supersedes = row.supersedes.filter(|_| is_own);
            tx.save_upload(&UploadRow { stage: Stage::Sealed, half: None, supersedes, due: now, since: now, ..row })?;
            Ok(true)
        })
    }

    /// What is sealed for Ente: the file's bytes, or the zip of both halves.
    pub(super) fn open_plaintext(&self, row: &UploadRow, hashed: &Hashed) -> Result<Arc<dyn ReadAt>, StepError> {
        let still = self.open_spooled(row)?;
        let (Some(half), Some(pair)) = (row.half, &hashed.pair) else { return Ok(self.reader_of(row, &still)) };
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

/// Apple's identifiers decide where both have one; else embedded dates less than a day apart; where those do not tell,
/// exactly one half with a sidecar.
fn belong_together([still, clip]: &[Evidence; 2], one_has_sidecar: bool) -> bool {
    if let (Some(still), Some(clip)) = (&still.identifier, &clip.identifier) {
        return still == clip;
    }
    one_has_sidecar || still.taken.zip(clip.taken).is_some_and(|(still, clip)| are_near(still, clip))
}

/// What was one live photo is one again, unless the halves say that they are of two moments.
fn are_apart([still, clip]: &[Evidence; 2]) -> bool {
    let others = still.identifier.as_ref().zip(clip.identifier.as_ref()).is_some_and(|(still, clip)| still != clip);
    others || still.taken.zip(clip.taken).is_some_and(|(still, clip)| !are_near(still, clip))
}

pub(super) fn are_near(one: Timestamp, other: Timestamp) -> bool {
    Duration::from_micros(one.0.abs_diff(other.0)) < APART
}

/// Until when a half goes on waiting for a partner that is not there; `None`: no longer.
fn wait_until(now: Timestamp, since: Timestamp, changed: Timestamp) -> Option<Timestamp> {
    let until = changed.saturating_add(QUIET).min(since.saturating_add(PATIENCE));
    (now < until).then_some(until)
}

/// When a file last came to a directory, or left it. An album's own has its files of this machine alone.
fn last_change(rows: &Rows<'_>, dir: Ino) -> StoreResult<Nanos> {
    if let Some(node) = rows.load_node(dir)? {
        return Ok(node.ctime);
    }
    let mut last = Nanos(0);
    for name in rows.load_names(dir)? {
        last = last.max(rows.load_node(name.ino)?.map_or(last, |node| node.ctime));
    }
    Ok(last)
}

fn may_have_identifier(file: &dyn ReadAt, name: &[u8]) -> Result<bool, StepError> {
    let mut head = vec![0; NOTE_IN];
    let read = file.read_at(0, &mut head)?;
    let head = &head[..read];
    Ok(match sniff(head.get(..HEAD).unwrap_or(head), name) {
        Sniffed::Media { format: Format::Jpeg, .. } => head.windows(9).any(|window| window == b"Apple iOS"),
        Sniffed::Media { format: Format::Heif | Format::Mov | Format::Mp4, .. } => true,
        _ => false,
    })
}

fn examine(isolated: &Isolated, file: &dyn ReadAt, name: Vec<u8>, now: Timestamp) -> Result<Evidence, StepError> {
    let Sniffed::Media { format, .. } = super::settle::examine(file, &name)? else { return Ok(Evidence::default()) };
    let request = Request { format, name, modified: now, now, zone: Zone::Local, facts: true, thumbnail: false };
    let facts = isolated.facts(&request, file)?;
    let taken = Some(facts.created).filter(|_| facts.created_from == DateSource::Embedded);
    Ok(Evidence { taken, identifier: facts.content_identifier })
}

fn photo_of(entry: &Entry) -> Option<FileId> {
    match entry.key {
        EntryKey::LocalFile { photo } => photo,
        key => key.photo(),
    }
}

/// It still waits for what `row` was before: it looks soon, and settles anew.
fn is_released(row: &UploadRow, partner: &UploadRow) -> bool {
    partner.half == Some(HalfOf { part: Part::Clip, partner: row.no })
}

/// New versions of photos in Ente, but for those of halves, and what has been sent already, are no halves of something new.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(taken: i64, identifier: Option<&str>) -> Evidence {
        Evidence { taken: Some(Timestamp(taken)), identifier: identifier.map(str::to_owned) }
    }

    #[test]
    fn identifiers_decide_and_dates_only_where_there_is_none() {
        let day = 86_400_000_000;
        let together = |one, other, sidecar| belong_together(&[one, other], sidecar);
        assert!(together(evidence(0, Some("A")), evidence(3 * day, Some("A")), false));
        assert!(!together(evidence(0, Some("A")), evidence(0, Some("B")), true));
        assert!(together(evidence(0, Some("A")), evidence(day - 1, None), false));
        assert!(!together(evidence(0, None), evidence(day, None), false));
        assert!(together(evidence(0, None), evidence(day, None), true));
        assert!(!together(Evidence::default(), Evidence::default(), false));
        let apart = |one, other| are_apart(&[one, other]);
        assert!(!apart(Evidence::default(), evidence(0, Some("A"))) && !apart(evidence(0, None), evidence(9, None)));
        assert!(apart(evidence(0, None), evidence(day, None)) && apart(evidence(0, Some("A")), evidence(0, Some("B"))));
    }

    #[test]
    fn an_absent_half_is_awaited_until_the_directory_is_quiet_and_no_longer_than_ten_minutes() {
        let second = |n: i64| Timestamp(n * 1_000_000);
        assert_eq!(wait_until(second(70), second(10), second(20)), Some(second(80)));
        assert_eq!(wait_until(second(80), second(10), second(20)), None);
        assert_eq!(wait_until(second(605), second(10), second(600)), Some(second(610)));
        assert_eq!(wait_until(second(610), second(10), second(600)), None);
    }
}
