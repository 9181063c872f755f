//! One sequence: the account, the device, and what must hold after every operation.

use crate::device::Device;
use crate::elsewhere::{Elsewhere, act};
use crate::ente::{Ente, Facts};
use crate::operation::{Dir, Op};
use crate::photos::Content;
use crate::rules::{self, Owed};
use crate::view::{View, check_memo, walk};
use entefs::account::AccountDir;
use entefs::account::NoKeyring;
use entefs::base::{Clock, FileId, FixedClock, Ino, Nanos, Timestamp};
use entefs::store::{OpKind, OpRow};
use entefs::sync::{Reach, SyncError};
use entefs::tree::Stage;
use entefs::vfs::{AttrChange, RenameMode, VfsResult};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// When every sequence begins.
const BEGIN: Timestamp = Timestamp(1_750_000_000_000_000);
/// Rounds of work after which everything has come to rest, whatever was put off.
const ROUNDS: u32 = 40;

pub struct World {
    clock: Arc<FixedClock>,
    ente: Arc<Ente>,
    pub device: Device,
    view: View,
    /// What the server had when the last pull came to its end; `None` after one that did not.
    pulled: Option<Facts>,
    /// Another device changed something that was not pulled yet.
    foreign: bool,
    /// Another device uploaded or restored, so equal photos may come from two; or it deleted an album, and what was to go
    /// there stays beside the version that took its place.
    doubles: bool,
    /// Bytes that were accepted under a name that is sent, by inode.
    owed: HashMap<Ino, Owed>,
    /// When a photo was first seen in the trash.
    trashed: HashMap<FileId, Timestamp>,
    _root: TempDir,
}

/// Memory where there is some: nothing here tests the disk.
fn scratch() -> TempDir {
    let builder = tempfile::Builder::new().prefix("entefs-model-").to_owned();
    builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).expect("a temporary directory")
}

impl World {
    pub fn new(runtime: Arc<Runtime>, template: &Path) -> Result<Self, String> {
        let root = scratch();
        let clock = Arc::new(FixedClock::at(BEGIN));
        let opened =
            AccountDir::with_places(template, Arc::new(NoKeyring), None).read().expect("somebody is logged in");
        let ente = Arc::new(Ente::new(Arc::clone(&opened.session.keys), Arc::clone(&clock)));
        let device = Device::new(runtime, root.path(), template, &ente, Arc::clone(&clock));
        let mut world = Self {
            clock,
            ente,
            device,
            view: View::new(),
            pulled: None,
            foreign: false,
            doubles: false,
            owed: HashMap::new(),
            trashed: HashMap::new(),
            _root: root,
        };
        world.device.wait(world.device.engine.sync.pull(Reach::New)).map_err(|error| error.to_string())?;
        world.observe()?;
        Ok(world)
    }

    /// Does one operation and checks everything.
    pub fn step(&mut self, op: Op) -> Result<(), String> {
        self.clock.advance(Duration::from_millis(1));
        let failures = self.device.line.failures.load(Ordering::Relaxed);
        let before = self.view.clone();
        let outcome = self.apply(op);
        self.observe()?;
        let failed = failures != self.device.line.failures.load(Ordering::Relaxed);
        match outcome {
            Outcome::Local(done) => {
                let done = done.is_ok();
                rules::check_local(op, done, &before, &self.view)?;
                self.note_local(op, done, &before);
            }
            Outcome::Worked if failed => {}
            // What waits meets what another device did, and may be refused.
            Outcome::Worked if self.foreign => self.foreign = self.waiting()? != (0, 0),
            Outcome::Worked => rules::check_kept(&before, &self.view)?,
            Outcome::Crashed => rules::check_same(&before, &self.view)?,
            Outcome::Elsewhere(done) => {
                self.foreign |= done;
                self.doubles |= done
                    && matches!(
                        op,
                        Op::Other(Elsewhere::Upload(..) | Elsewhere::Restore(..) | Elsewhere::DeleteAlbum(_))
                    );
                rules::check_same(&before, &self.view)?;
            }
            Outcome::Nothing => rules::check_same(&before, &self.view)?,
        }
        let facts = self.ente.facts();
        self.ente.note_beside(&facts);
        rules::check_homes(&facts)?;
        self.check_projection()
    }

    /// An operation of a person is refused, and changes nothing.
    pub fn check_refused(&mut self, op: Op, errno: i32) -> Result<(), String> {
        let before = self.view.clone();
        let refused = self.local(op).err().map(|error| error.errno().0);
        self.observe()?;
        if refused != Some(errno) {
            return Err(format!("it is refused with {refused:?}"));
        }
        rules::check_same(&before, &self.view)
    }

    fn apply(&mut self, op: Op) -> Outcome {
        let device = &mut self.device;
        match op {
            Op::Wait(seconds) => self.clock.advance(Duration::from_secs(seconds)),
            Op::Down => device.line.up.store(false, Ordering::Relaxed),
            Op::Up => device.line.heal(),
            Op::Fail(calls, when) => device.line.fail_after(calls, when),
            Op::Upload | Op::Push | Op::Pull | Op::Work => {
                let worked = self.work(op);
                self.pulled = worked.is_ok().then(|| self.ente.facts());
                return Outcome::Worked;
            }
            Op::Crash => {
                device.crash();
                return Outcome::Crashed;
            }
            Op::AllowTrash => {
                device.allow_trash();
                return Outcome::Crashed;
            }
            Op::Other(change) => return Outcome::Elsewhere(act(&self.ente, change)),
            local => return Outcome::Local(self.local(local)),
        }
        Outcome::Nothing
    }

    /// What this device does in the background; each ends with a pull, so that it is known what the device knows.
    fn work(&self, op: Op) -> Result<(), SyncError> {
        let engine = &self.device.engine;
        self.device.wait(async {
            if matches!(op, Op::Upload | Op::Work) {
                engine.uploader.note_online();
                engine.uploader.drive_due().await?;
            }
            if matches!(op, Op::Push | Op::Work) {
                engine.sync.push().await?;
            }
            engine.sync.pull(Reach::New).await
        })
    }

    fn local(&self, op: Op) -> VfsResult<()> {
        let device = &self.device;
        let (vfs, dir) = (&device.vfs, |dir: Dir| device.dir(dir.path()));
        let root = |path: &[&str]| device.dir(path);
        match op {
            Op::Write(at, name, content) => self.on_file(at, name, |dir| device.write(dir, name.as_bytes(), content)),
            Op::Patch(at, name, content) => self.on_file(at, name, |dir| device.patch(dir, name.as_bytes(), content)),
            Op::Unlink(at, name) => {
                let dir = dir(at)?;
                let done = vfs.unlink(dir, name.as_bytes());
                self.by_kernel(done.is_ok(), &[(dir, name)]);
                done
            }
            Op::Rename(from, old, to, new) => self.rename((dir(from)?, old), (dir(to)?, new)),
            Op::Touch(at, name, seconds) => self.on_file(at, name, |dir| {
                let mtime = Some(Nanos::from_parts(seconds, 5));
                let ino = vfs.lookup(dir, name.as_bytes())?.attr.ino;
                vfs.setattr(ino, AttrChange { mtime, ..AttrChange::default() }).map(|_| ())
            }),
            Op::MakeDropX => self.on_name(root(&["Drop"])?, "X", |dir| device.mkdir(dir, b"X")),
            Op::MakeAlbum(album) => {
                self.on_name(root(&["Albums"])?, album.name(), |dir| device.mkdir(dir, album.name().as_bytes()))
            }
            Op::RemoveAlbum(album) => {
                self.on_name(root(&["Albums"])?, album.name(), |dir| vfs.rmdir(dir, album.name().as_bytes()))
            }
            Op::RemoveDropX => self.on_name(root(&["Drop"])?, "X", |dir| vfs.rmdir(dir, b"X")),
            Op::RenameAlbum(from, to) => {
                let albums = root(&["Albums"])?;
                self.rename((albums, from.name()), (albums, to.name()))
            }
            other => unreachable!("{other:?} is not a person's"),
        }
    }

    fn rename(&self, from: (Ino, &str), to: (Ino, &str)) -> VfsResult<()> {
        let vfs = &self.device.vfs;
        let done = vfs.rename(from.0, from.1.as_bytes(), to.0, to.1.as_bytes(), RenameMode::Replace);
        self.by_kernel(done.is_ok(), &[from, to]);
        done
    }

    /// Whatever the kernel asked for it knows the outcome of.
    fn by_kernel(&self, done: bool, names: &[(Ino, &str)]) {
        let mut kernel = self.device.kernel();
        for (dir, name) in names.iter().filter(|_| done) {
            kernel.act_on(*dir, name.as_bytes());
        }
    }

    fn on_name(&self, dir: Ino, name: &str, act: impl FnOnce(Ino) -> VfsResult<()>) -> VfsResult<()> {
        let done = act(dir);
        self.by_kernel(done.is_ok(), &[(dir, name)]);
        done
    }

    fn on_file(&self, at: Dir, name: &str, act: impl FnOnce(Ino) -> VfsResult<()>) -> VfsResult<()> {
        let dir = self.device.dir(at.path())?;
        let known = self.device.vfs.lookup(dir, name.as_bytes()).ok();
        let done = act(dir);
        match known {
            Some(found) => self.device.kernel().act_on_ino(found.attr.ino),
            None => self.by_kernel(true, &[(dir, name)]),
        }
        done
    }

    /// Looks at everything that is visible.
    fn observe(&mut self) -> Result<(), String> {
        let walk = walk(&self.device)?;
        check_memo(&self.device, &walk)?;
        self.device.kernel().check(&walk.entries, &walk.dirs)?;
        rules::check_links(&walk.view)?;
        let now = self.clock.now();
        let known = std::mem::take(&mut self.trashed);
        let trashed = rules::photos_in_trash(&walk.view).into_iter();
        self.trashed = trashed.map(|file| (file, known.get(&file).copied().unwrap_or(now))).collect();
        self.view = walk.view;
        Ok(())
    }

    /// What was accepted is owed until its user takes it away.
    fn note_local(&mut self, op: Op, done: bool, before: &View) {
        let seen: BTreeSet<Ino> = self.view.values().map(|seen| seen.ino).collect();
        let were: BTreeSet<Ino> = before.values().map(|seen| seen.ino).collect();
        self.owed.retain(|ino, _| seen.contains(ino) || !were.contains(ino));
        if let (Op::Write(dir, name, content) | Op::Patch(dir, name, content), true) = (op, done) {
            let seen = self.view.get(&format!("{}/{name}", dir.path().join("/")));
            self.owed.extend(seen.map(|seen| (seen.ino, Owed { content, since: self.clock.now() })));
        }
    }

    /// Confirmed ⊕ pending (I6): what each album shows is what the server had at the last pull, and the changes that
    /// wait since then.
    fn check_projection(&self) -> Result<(), String> {
        let Some(facts) = &self.pulled else { return Ok(()) };
        let store = self.device.engine.store();
        let (ops, albums) = store
            .read(|rows| Ok((rows.load_ops()?, rows.load_albums()?)))
            .map_err(|error| format!("the store: {error}"))?;
        let mut members: BTreeMap<_, BTreeSet<FileId>> = BTreeMap::new();
        for album in &albums {
            let photos = album.remote.and_then(|id| facts.albums.get(&id)).map(|album| album.photos.clone());
            members.insert(album.no, photos.unwrap_or_default());
        }
        let mut trash: BTreeSet<FileId> =
            facts.photos.iter().filter(|(_, photo)| photo.trashed).map(|(file, _)| *file).collect();
        let mut trashing = BTreeSet::new();
        for OpRow { kind, file, from, to, .. } in ops {
            let Some(file) = file else { continue };
            match kind {
                OpKind::Trash => {
                    trashing.insert(file);
                    trash.insert(file);
                }
                OpKind::Restore => trash.retain(|other| *other != file),
                _ => {}
            }
            if let Some(from) = from {
                members.entry(from).or_default().remove(&file);
            }
            if let Some(to) = to {
                members.entry(to).or_default().insert(file);
            }
        }
        for album in albums.iter().filter(|album| album.has_directory()) {
            let dir = rules::directory_of(album);
            // What goes to the trash leaves all its albums, but those that another device puts it into meanwhile.
            let photos = members.entry(album.no).or_default();
            photos.retain(|file| !trashing.contains(file) || rules::is_shown(&self.view, &dir, *file));
            rules::check_members(&self.view, &dir, photos, facts)?;
        }
        rules::check_trash(&self.view, &trash)
    }

    /// Changes that are not confirmed, and uploads that are not over.
    fn waiting(&self) -> Result<(u64, usize), String> {
        let counted = self.device.engine.store().read(|rows| {
            let uploads = rows.load_all_uploads()?;
            let under_way = uploads.iter().filter(|row| !row.stage.is_over() && row.stage != Stage::LocalOnly);
            Ok((rows.count_ops()?, under_way.count()))
        });
        counted.map_err(|error| error.to_string())
    }

    /// Everything comes to rest, and is as it should be.
    pub fn finish(&mut self) -> Result<(), String> {
        self.device.line.heal();
        for round in 0.. {
            self.clock.advance(Duration::from_secs(400));
            self.step(Op::Work)?;
            let waits = self.waiting()?;
            if waits == (0, 0) {
                break;
            }
            if round == ROUNDS {
                return Err(format!("it does not come to rest: (changes, uploads) are {waits:?}"));
            }
        }
        self.step(Op::Work)?;
        let facts = self.ente.facts();
        rules::check_rest(&self.view, &facts)?;
        rules::check_links_at_rest(&self.view)?;
        rules::check_owed(&self.owed, &self.view, &facts, &self.trashed)?;
        let store = self.device.engine.store();
        let is_being_replaced = |file| store.read(|rows| rows.is_being_replaced(file)).unwrap_or(true);
        let counts = |file| !self.ente.was_beside(file) && !is_being_replaced(file);
        if self.doubles { Ok(()) } else { rules::check_no_doubles(&facts, counts) }
    }

    /// Whether Ente has these bytes outside its trash.
    pub fn has_live(&self, content: Content) -> bool {
        self.ente.facts().photos.values().any(|photo| photo.content == content && !photo.trashed)
    }

    /// For a person who looks at a failure.
    pub fn describe(&self) -> String {
        let names: Vec<String> = self
            .view
            .iter()
            .map(|(path, seen)| format!("  {path}: {:?} {:?} {:?}", seen.ino, seen.key, seen.content))
            .collect();
        let waiting = self.device.engine.store().read(|rows| {
            let uploads = rows.load_all_uploads()?.into_iter().filter(|row| !row.stage.is_over());
            Ok((rows.load_ops()?, uploads.collect::<Vec<_>>()))
        });
        format!("{}\nserver: {:#?}\nwaiting: {waiting:#?}", names.join("\n"), self.ente.facts())
    }
}

enum Outcome {
    /// A person's operation.
    Local(VfsResult<()>),
    Worked,
    Crashed,
    Elsewhere(bool),
    Nothing,
}
