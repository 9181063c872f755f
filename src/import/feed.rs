//! Handing files over: into the spool, encrypted, a bounded number of bytes at a time; what Ente has is linked.

use super::catalog::Origin;
use super::plan::{Plan, Planned, Skipped, Why};
use super::{ImportError, Sources};
use crate::base::sync::Bell;
use crate::base::{AlbumNo, Clock, FileId, Generation, Nanos, UploadNo};
use crate::crypto::{ContentHash, ContentHasher};
use crate::media::{HEAD, MediaKind, Sniffed, sniff};
use crate::namespace::{Dirty, Namespace, Origin as ChangeOrigin, add_photo, album_named, directory_of};
use crate::spool::{Spool, SpoolError, SpoolFile};
use crate::store::{ImportTotals, NodeKind, NodeRow, StoreError, Tx, UploadBlob, UploadRow};
use crate::tree::{Stage, safe_name, suffixed};
use crate::upload::{Told, encode_told, favor, find_known};
use crate::vault::CommitRecord;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Files whose rows are made, and made durable, together.
const BATCH: usize = 16;
/// Bytes and files of one import that wait in the spool.
const MOST_BYTES: u64 = 1 << 30;
const MOST_FILES: u64 = 256;
/// How often what waits is looked at.
const TICK: Duration = Duration::from_millis(100);

/// How far an import is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    pub files: u64,
    pub bytes: u64,
    /// Handed over, linked or left out.
    pub done_files: u64,
    pub done_bytes: u64,
    /// Of those, not in Ente yet.
    pub waiting: u64,
}

/// What an import did.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Handed over to be uploaded, by this run or by an earlier one that was cut off.
    pub sent: u64,
    /// In Ente already, and now in one more album.
    pub linked: u64,
    /// In Ente already, in that very album.
    pub known: u64,
    /// Handed over, and standing still: `status` says why.
    pub parked: u64,
    /// Not handed over, because nothing more can be sent.
    pub left: u64,
    pub skipped: Vec<Skipped>,
}

/// Who takes what an import hands over.
pub struct Feed {
    pub namespace: Arc<Namespace>,
    pub spool: Arc<Spool>,
    pub clock: Arc<dyn Clock>,
    pub uploads: Bell,
    /// Which import it is: the same sources and the same choice are the same.
    pub job: String,
    pub stop: AtomicBool,
}

/// A file whose row is there and whose bytes are to come.
struct Begun<'p> {
    planned: &'p Planned,
    vault: Arc<SpoolFile>,
    node: NodeRow,
    upload: UploadNo,
    path: Vec<u8>,
}

/// What is to be done with a file.
enum Fate {
    Begin,
    /// An earlier run handed it over.
    Over,
    Known(FileId),
    Skip(Why),
}

impl Feed {
    /// Hands everything over, and returns when all of it is in Ente or stands still. Blocks.
    ///
    /// # Errors
    /// [`ImportError`]; begun again it goes on.
    pub fn run(&self, sources: &mut Sources, plan: &Plan, watch: &dyn Fn(Progress)) -> Result<Report, ImportError> {
        let mut report = Report { skipped: plan.skipped.clone(), ..Report::default() };
        let mut progress = Progress { files: plan.files() as u64, bytes: plan.bytes(), ..Progress::default() };
        for batch in plan.batches(BATCH) {
            let bytes = batch.iter().map(|planned| planned.file.size).sum();
            if !self.await_room(bytes, &mut progress, watch)? {
                report.left = progress.files - progress.done_files;
                break;
            }
            self.hand_over(sources, batch, &mut report)?;
            progress.done_files += batch.len() as u64;
            progress.done_bytes += bytes;
        }
        self.await_end(&mut report, &mut progress, watch)?;
        if report.left == 0 {
            self.namespace.store().write(|tx| tx.end_import(&self.job))?;
        }
        self.namespace.store().sync()?;
        Ok(report)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn totals(&self, progress: &mut Progress, watch: &dyn Fn(Progress)) -> Result<ImportTotals, ImportError> {
        if self.is_stopped() {
            return Err(ImportError::Stopped);
        }
        let totals = self.namespace.store().read(|rows| rows.load_import_totals(&self.job))?;
        progress.waiting = totals.under_way;
        watch(*progress);
        Ok(totals)
    }

    /// Waits until a batch fits what may wait. `false`: nothing more can be sent.
    fn await_room(&self, bytes: u64, progress: &mut Progress, watch: &dyn Fn(Progress)) -> Result<bool, ImportError> {
        loop {
            let totals = self.totals(progress, watch)?;
            if totals.stuck > 0 {
                return Ok(false);
            }
            let fits = totals.bytes + bytes <= MOST_BYTES && totals.under_way < MOST_FILES;
            if totals.under_way == 0 || (fits && self.spool.check_room(bytes).is_ok()) {
                return Ok(true);
            }
            std::thread::sleep(TICK);
        }
    }

    fn await_end(
        &self,
        report: &mut Report,
        progress: &mut Progress,
        watch: &dyn Fn(Progress),
    ) -> Result<(), ImportError> {
        loop {
            let totals = self.totals(progress, watch)?;
            if totals.under_way == 0 {
                report.parked = totals.parked;
                return Ok(());
            }
            std::thread::sleep(TICK);
        }
    }

    fn hand_over(&self, sources: &mut Sources, batch: &[Planned], report: &mut Report) -> Result<(), ImportError> {
        let mut begun = Vec::new();
        for planned in batch {
            match self.decide(sources, planned)? {
                Fate::Over => report.sent += 1,
                Fate::Skip(why) => report.skipped.push(Skipped { path: planned.path.clone(), why }),
                Fate::Known(file) if self.link(planned, file)? => report.linked += 1,
                Fate::Known(_) => report.known += 1,
                Fate::Begin => begun.push(self.begin(planned)?),
            }
        }
        // A file's row knows more than the spool file alone does: its title and its sidecar.
        self.namespace.store().sync()?;
        let filled = self.fill_all(sources, &begun, report);
        self.uploads.ring();
        filled
    }

    fn fill_all(&self, sources: &mut Sources, begun: &[Begun<'_>], report: &mut Report) -> Result<(), ImportError> {
        for (at, next) in begun.iter().enumerate() {
            match self.fill(sources, next) {
                Ok(None) => report.sent += 1,
                Ok(Some(why)) => report.skipped.push(Skipped { path: next.planned.path.clone(), why }),
                Err(error) => {
                    // Nothing half done is left in the albums.
                    for rest in &begun[at..] {
                        self.forget(rest)?;
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn decide(&self, sources: &mut Sources, planned: &Planned) -> Result<Fate, ImportError> {
        let store = self.namespace.store();
        let item = item_of(planned);
        match store.read(|rows| rows.load_imported(&self.job, &item))? {
            Some(Some(upload)) if self.undo_unfinished(&item, upload)? => {}
            Some(_) => return Ok(Fate::Over),
            None => {}
        }
        let head = match read_head(sources, planned) {
            Ok(head) => head,
            Err(error) => return Ok(Fate::Skip(Why::Damaged(error.to_string()))),
        };
        let Sniffed::Media { kind, .. } = sniff(&head, planned.file.name.as_bytes()) else {
            return Ok(Fate::Skip(Why::NotMedia));
        };
        if !store.read(|rows| rows.has_content_of_size(planned.file.size))? {
            return Ok(Fate::Begin);
        }
        let hash = match read_hash(sources, planned) {
            Ok(hash) => hash.to_text(),
            Err(error) => return Ok(Fate::Skip(Why::Damaged(error.to_string()))),
        };
        let kind = if kind == MediaKind::Video { crate::base::FileKind::Video } else { crate::base::FileKind::Image };
        let known = store.read(|rows| find_known(rows, &hash, kind, &planned.file.name))?;
        Ok(known.map_or(Fate::Begin, Fate::Known))
    }

    /// Takes back what an earlier run began and did not finish. `false`: it finished, or it is on its way.
    fn undo_unfinished(&self, item: &str, upload: UploadNo) -> Result<bool, ImportError> {
        let row = self.namespace.store().read(|rows| rows.load_upload(upload))?;
        // Without a commit nothing of it was ever promised.
        let unfinished = |row: &UploadRow| {
            let is_open = row.generation.is_none() || row.parked == Some(crate::base::ParkReason::Interrupted);
            is_open && !row.stage.is_over()
        };
        let Some(row) = row.filter(unfinished) else { return Ok(false) };
        self.take_back(item, &row)?;
        Ok(true)
    }

    fn take_back(&self, item: &str, row: &UploadRow) -> Result<(), ImportError> {
        let now = self.clock.now();
        self.namespace.commit(ChangeOrigin::Elsewhere, |tx, dirty| {
            for name in tx.load_names_of(row.ino)? {
                tx.delete_name(name.parent, &name.name)?;
                dirty.name(name.parent, &name.name);
            }
            tx.delete_node(row.ino)?;
            tx.save_upload(&UploadRow { stage: Stage::Removed, due: now, parked: None, ..row.clone() })?;
            tx.forget_imported(&self.job, item)?;
            Ok::<_, StoreError>(())
        })?;
        Ok(())
    }

    /// The photo joins the album. `false`: it was there.
    fn link(&self, planned: &Planned, file: FileId) -> Result<bool, ImportError> {
        let now = self.clock.now_nanos();
        self.namespace.commit(ChangeOrigin::Elsewhere, |tx, dirty| {
            let album = album_named(tx, &planned.album, now, dirty)?;
            let there = tx.load_member(album, file)?.is_some_and(|member| member.is_visible());
            add_photo(tx, file, album, now, dirty)?;
            favor(tx, file, planned.sidecar.as_ref(), now, dirty)?;
            tx.save_imported(&self.job, &item_of(planned), None)?;
            Ok::<_, ImportError>(!there)
        })
    }

    /// Makes the rows of a file, in its album's directory.
    fn begin<'p>(&self, planned: &'p Planned) -> Result<Begun<'p>, ImportError> {
        let vault = self.spool.take()?;
        let (ino, now) = (self.namespace.store().next_ino()?, self.clock.now_nanos());
        let modified = planned.sidecar.as_ref().and_then(|sidecar| sidecar.modified).or(planned.file.modified);
        let mtime = modified.map_or(now, crate::base::Timestamp::to_nanos);
        let node = NodeRow { vault: Some(vault.id()), mtime, ..NodeRow::new(ino, NodeKind::File, 0o644, now) };
        let told =
            Told { title: Some(planned.file.name.clone()), sidecar: planned.sidecar.clone(), recalled_for: None };
        let (upload, path) = self.namespace.commit(ChangeOrigin::Elsewhere, |tx, dirty| {
            let album = album_named(tx, &planned.album, now, dirty)?;
            let path = place(tx, album, planned, &node, dirty)?;
            let upload = tx.insert_upload(&row_of(&node, now))?;
            tx.save_upload_blob(upload, UploadBlob::Told, Some(&encode_told(&told)))?;
            tx.save_imported(&self.job, &item_of(planned), Some(upload))?;
            Ok::<_, ImportError>((upload, path))
        })?;
        Ok(Begun { planned, vault, node, upload, path })
    }

    /// Copies a file into the spool and lets it go its way. Answers why it did not come to that.
    fn fill(&self, sources: &mut Sources, begun: &Begun<'_>) -> Result<Option<Why>, ImportError> {
        let copied = match self.copy(sources, begun) {
            Err(Copying::Spool(error)) => return Err(error.into()),
            Err(Copying::Stopped) => return Err(ImportError::Stopped),
            Err(Copying::Source(why)) => Some(Why::Damaged(why)),
            Ok(()) => None,
        };
        if let Some(why) = copied {
            self.forget(begun)?;
            return Ok(Some(why));
        }
        let generation = begun.vault.commit(&record_of(begun))?;
        self.release(begun, generation)?;
        Ok(None)
    }

    fn forget(&self, begun: &Begun<'_>) -> Result<(), ImportError> {
        begun.vault.poison();
        match self.namespace.store().read(|rows| rows.load_upload(begun.upload))? {
            Some(row) => self.take_back(&item_of(begun.planned), &row),
            None => Ok(()),
        }
    }

    fn copy(&self, sources: &mut Sources, begun: &Begun<'_>) -> Result<(), Copying> {
        let (size, mut offset, mut failed) = (begun.planned.file.size, 0, None);
        let read = sources.read(&begun.planned.file.origin, &mut |piece| {
            if self.is_stopped() {
                return Ok(false);
            }
            if let Err(error) = begun.vault.write_at(offset, piece) {
                failed = Some(error);
                return Ok(false);
            }
            offset += piece.len() as u64;
            // More than its directory says is no photo of that size: a bomb, or damage.
            Ok(offset <= size)
        });
        match failed {
            Some(error) => return Err(Copying::Spool(error)),
            None => read.map_err(|error| Copying::Source(error.to_string()))?,
        }
        if self.is_stopped() {
            return Err(Copying::Stopped);
        }
        if offset == size { Ok(()) } else { Err(Copying::Source("its length is not what is stated".into())) }
    }

    /// Its bytes are durable: from here on it is an upload like any other.
    fn release(&self, begun: &Begun<'_>, generation: Generation) -> Result<(), ImportError> {
        let (now, size) = (self.clock.now(), begun.planned.file.size);
        self.namespace.commit(ChangeOrigin::Elsewhere, |tx, dirty| {
            let Some(mut row) = tx.load_upload(begun.upload)?.filter(|row| row.stage == Stage::Writing) else {
                return Ok(());
            };
            if let Some(node) = tx.load_node(begun.node.ino)? {
                tx.save_node(&NodeRow { size, ..node })?;
            }
            (row.size, row.generation) = (size, Some(generation));
            row.settle(now, Duration::ZERO);
            tx.save_upload(&row)?;
            dirty.ino(begun.node.ino);
            Ok::<_, StoreError>(())
        })?;
        Ok(())
    }
}

/// Why bytes did not come over.
enum Copying {
    Spool(SpoolError),
    Stopped,
    Source(String),
}

/// Puts the file into its album's directory, under a name that is free; answers its path in the mount.
fn place(
    tx: &Tx<'_>,
    album: AlbumNo,
    planned: &Planned,
    node: &NodeRow,
    dirty: &mut Dirty,
) -> Result<Vec<u8>, ImportError> {
    let row = tx.load_album(album)?.ok_or(StoreError::Malformed { table: "albums" })?;
    let dir = directory_of(&row);
    let plain = safe_name(planned.file.name.as_bytes(), FileId(0), "");
    let is_free = |name: &Vec<u8>| -> Result<bool, StoreError> {
        Ok(tx.find_name(dir, name)?.is_none() && tx.find_member(album, name)?.is_none())
    };
    let mut name = plain.clone();
    for n in 2.. {
        if is_free(&name)? {
            break;
        }
        name = suffixed(&plain, n);
    }
    tx.save_node(node)?;
    tx.save_name(dir, &name, node.ino)?;
    dirty.name(dir, &name);
    Ok(crate::namespace::path_of(tx, node.ino)?.unwrap_or_default().join(&b'/'))
}

fn row_of(node: &NodeRow, now: Nanos) -> UploadRow {
    let vault = node.vault.unwrap_or(crate::base::VaultId([0; 16]));
    // What an archive holds is all there will ever be.
    UploadRow { as_is: true, ..UploadRow::new(node.ino, vault, Stage::Writing, now.to_timestamp()) }
}

fn record_of(begun: &Begun<'_>) -> CommitRecord {
    let node = &begun.node;
    CommitRecord {
        path: begun.path.clone(),
        album: None,
        ino: node.ino,
        supersedes: None,
        complete: true,
        poisoned: false,
        removed: false,
        mode: node.mode,
        uid: u32::MAX,
        gid: u32::MAX,
        mtime: node.mtime,
        ctime: node.ctime,
        btime: node.ctime,
    }
}

/// A file of a set: where it lies, how large and how old it is, where it goes.
fn item_of(planned: &Planned) -> String {
    let (file, modified) = (&planned.file, planned.file.modified.unwrap_or_default().0);
    let entry = match file.origin {
        Origin::Zipped { index, .. } => index,
        Origin::File(_) => 0,
    };
    format!("{}\0{}\0{entry}\0{}\0{modified}\0{}", planned.root.display(), planned.path, file.size, planned.album)
}

fn read_head(sources: &mut Sources, planned: &Planned) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    sources.read(&planned.file.origin, &mut |piece| {
        head.extend_from_slice(&piece[..piece.len().min(HEAD)]);
        Ok(false)
    })?;
    Ok(head)
}

fn read_hash(sources: &mut Sources, planned: &Planned) -> io::Result<ContentHash> {
    let mut hasher = ContentHasher::new();
    sources.read(&planned.file.origin, &mut |piece| {
        hasher.update(piece);
        Ok(true)
    })?;
    Ok(hasher.finish())
}
