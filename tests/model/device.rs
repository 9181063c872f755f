//! This device: everything a mount consists of but FUSE, its clock and line in the test's hand, and what the kernel
//! remembers of it.

use crate::ente::Ente;
use crate::photos::Content;
use crate::remote::Line;
use entefs::app::{Config, Engine, EngineParts, MountOptions, Paths};
use entefs::base::{FixedClock, Ino, Name};
use entefs::namespace::{Attr, AttrKind, Entry, Invalidation};
use entefs::tree::FixedPlace;
use entefs::upload::isolate::Isolation;
use entefs::vfs::{Maker, ReadStep, Texts, Vfs, VfsError, VfsResult};
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;

pub const SETTLE: Duration = Duration::from_secs(10);
const ME: Maker = Maker { uid: 0, gid: 0, mode: 0o644 };

struct NoTexts;

impl Texts for NoTexts {
    fn text(&self, _: FixedPlace) -> Arc<[u8]> {
        Arc::from(&b""[..])
    }
}

/// What the kernel may go on answering by itself.
#[derive(Default)]
pub struct Kernel {
    names: HashMap<(Ino, Name), Ino>,
    attrs: HashMap<Ino, Attr>,
}

pub struct Device {
    runtime: Arc<Runtime>,
    paths: Paths,
    clock: Arc<FixedClock>,
    pub line: Arc<Line>,
    pub engine: Arc<Engine>,
    pub vfs: Arc<Vfs>,
    kernel: Arc<Mutex<Kernel>>,
    allow_trash: bool,
}

impl Device {
    /// A fresh device; `template` is the state directory of somebody who is logged in.
    pub fn new(runtime: Arc<Runtime>, root: &Path, template: &Path, ente: &Arc<Ente>, clock: Arc<FixedClock>) -> Self {
        let paths = Paths::under(root);
        std::fs::create_dir_all(&paths.state).expect("a temporary directory");
        for file in std::fs::read_dir(template).expect("somebody is logged in").flatten() {
            std::fs::copy(file.path(), paths.state.join(file.file_name())).expect("a small file");
        }
        let line = Arc::new(Line::new(Arc::clone(ente)));
        let (engine, vfs) = open(&runtime, &paths, &clock, &line, false);
        let device = Self { runtime, paths, clock, line, engine, vfs, kernel: Arc::default(), allow_trash: false };
        device.listen();
        device
    }

    /// What `kill -9` leaves, opened again.
    pub fn crash(&mut self) {
        let (engine, vfs) = open(&self.runtime, &self.paths, &self.clock, &self.line, self.allow_trash);
        (self.engine, self.vfs) = (engine, vfs);
        self.kernel = Arc::default();
        self.listen();
    }

    /// Mounts anew, with `allow_trash`.
    pub fn allow_trash(&mut self) {
        self.allow_trash = true;
        self.crash();
    }

    fn listen(&self) {
        let kernel = Arc::clone(&self.kernel);
        self.engine.namespace.listen(move |invalidations| {
            let mut kernel = kernel.lock().expect("no panic");
            for invalidation in invalidations {
                kernel.forget(invalidation);
            }
        });
    }

    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(async {
            let output = future.await;
            // Of what was given up half-way a thread may still write: nobody looks before it is done.
            let _ = tokio::task::spawn_blocking(|| ()).await;
            output
        })
    }

    /// Walks to a directory.
    pub fn dir(&self, path: &[&str]) -> VfsResult<Ino> {
        let mut ino = Ino::ROOT;
        for name in path {
            ino = self.vfs.lookup(ino, name.as_bytes())?.attr.ino;
        }
        Ok(ino)
    }

    /// Opens or makes a file and writes all of it, as `cp` does.
    pub fn write(&self, dir: Ino, name: &[u8], content: Content) -> VfsResult<()> {
        let fh = match self.vfs.lookup(dir, name) {
            Ok(found) => {
                let fh = self.vfs.open(found.attr.ino, true)?.fh;
                let cut = entefs::vfs::AttrChange { size: Some(0), ..Default::default() };
                self.vfs.setattr(found.attr.ino, cut)?;
                fh
            }
            Err(VfsError::NotFound) => self.vfs.create(dir, name, ME)?.1.fh,
            Err(error) => return Err(error),
        };
        let written = self.vfs.write(fh, 0, content.bytes()).map(|_| ());
        self.close(fh, written)
    }

    /// Turns one photo into another by the one byte in which they differ.
    pub fn patch(&self, dir: Ino, name: &[u8], content: Content) -> VfsResult<()> {
        let ino = self.vfs.lookup(dir, name)?.attr.ino;
        let fh = self.vfs.open(ino, true)?.fh;
        let at = crate::photos::PATCH;
        let written = self.vfs.write(fh, at, &content.bytes()[at as usize..=at as usize]).map(|_| ());
        self.close(fh, written)
    }

    fn close(&self, fh: u64, written: VfsResult<()>) -> VfsResult<()> {
        let flushed = self.vfs.flush(fh, false);
        self.vfs.release(fh)?;
        written.and(flushed)
    }

    pub fn mkdir(&self, dir: Ino, name: &[u8]) -> VfsResult<()> {
        self.vfs.mkdir(dir, name, Maker { mode: 0o755, ..ME }).map(|_| ())
    }

    /// All bytes of a file, read as `cat` does.
    pub fn read(&self, ino: Ino) -> VfsResult<Vec<u8>> {
        let fh = self.vfs.open(ino, false)?.fh;
        let bytes = self.read_handle(fh);
        self.vfs.release(fh)?;
        bytes
    }

    pub fn read_handle(&self, fh: u64) -> VfsResult<Vec<u8>> {
        let mut buf = vec![0; 4096];
        match self.vfs.read(fh, 0, &mut buf)? {
            ReadStep::Done(read) => {
                buf.truncate(read);
                Ok(buf)
            }
            ReadStep::Later(reading) => Ok(self.wait(reading)?.to_vec()),
        }
    }

    pub fn list(&self, dir: Ino) -> VfsResult<Vec<(Entry, Attr)>> {
        let mut entries = Vec::new();
        self.vfs.opendir(dir)?;
        let listed = self.vfs.readdir(dir, 0, |_, entry, found| {
            entries.push((entry.clone(), found.attr));
            true
        });
        self.vfs.releasedir(dir);
        listed.map(|()| entries)
    }

    /// The rows themselves: what no product writes, and what no product shows.
    pub fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.paths.state.join("entefs.db")).expect("the database is there")
    }

    pub fn kernel(&self) -> std::sync::MutexGuard<'_, Kernel> {
        self.kernel.lock().expect("no panic")
    }

    pub fn is_up(&self) -> bool {
        self.line.up.load(Ordering::Relaxed)
    }
}

impl Kernel {
    fn forget(&mut self, invalidation: Invalidation) {
        match invalidation {
            Invalidation::Gone { dir, name } | Invalidation::Changed { dir, name } => {
                if let Some(ino) = self.names.remove(&(dir, name)) {
                    self.attrs.remove(&ino);
                }
            }
            Invalidation::Attr { ino } => {
                self.attrs.remove(&ino);
            }
        }
    }

    /// What the kernel itself does when an operation on this name succeeds.
    pub fn act_on(&mut self, dir: Ino, name: &[u8]) {
        self.attrs.remove(&dir);
        if let Some(ino) = self.names.remove(&(dir, name.into())) {
            self.attrs.remove(&ino);
        }
    }

    pub fn act_on_ino(&mut self, ino: Ino) {
        self.attrs.remove(&ino);
    }

    /// What it remembers must be what is so; what it sees now it remembers.
    pub fn check(&mut self, seen: &[(Ino, Entry, Attr)], walked: &[Ino]) -> Result<(), String> {
        let now: HashMap<(Ino, Name), Attr> =
            seen.iter().map(|(dir, entry, attr)| ((*dir, entry.name.clone()), *attr)).collect();
        for ((dir, name), ino) in &self.names {
            let found = now.get(&(*dir, name.clone())).map(|attr| attr.ino);
            if found != Some(*ino) {
                return Err(format!(
                    "the kernel goes on answering {:?} in {dir:?} with {ino:?}, it is {found:?} (walked: {})",
                    String::from_utf8_lossy(name),
                    walked.contains(dir)
                ));
            }
        }
        for (key, attr) in &now {
            if let Some(known) = self.attrs.get(&attr.ino).filter(|known| *known != attr) {
                return Err(format!("the kernel goes on with {known:?} for {key:?}, it is {attr:?}"));
            }
        }
        for (key, attr) in now {
            self.attrs.insert(attr.ino, attr);
            self.names.insert(key, attr.ino);
        }
        Ok(())
    }
}

fn open(
    runtime: &Runtime,
    paths: &Paths,
    clock: &Arc<FixedClock>,
    line: &Arc<Line>,
    allow_trash: bool,
) -> (Arc<Engine>, Arc<Vfs>) {
    let options = MountOptions {
        settle: SETTLE,
        read_timeout: Duration::from_millis(20),
        reserve: Some(0),
        uid: Some(0),
        gid: Some(0),
        uploads: 1,
        // What a person would not do in ten minutes is done here in none.
        removal_limit: entefs::tree::RemovalLimit::Off,
        previews: entefs::tree::Previews::Off,
        allow_trash,
        ..MountOptions::default()
    };
    let drops = Config::default().drop_rules(SETTLE).expect("the standard drop");
    let parts = EngineParts {
        clock: Arc::clone(clock) as Arc<_>,
        isolation: Isolation { program: env!("CARGO_BIN_EXE_entefs").into(), ..Isolation::default() },
        remote: Some(Arc::clone(line) as Arc<_>),
        ..EngineParts::new(paths.clone(), options, drops)
    };
    runtime.block_on(async {
        let engine = Engine::open(parts).unwrap_or_else(|failure| panic!("it opens: {failure:?}"));
        engine.prepare(|_| ()).await.unwrap_or_else(|failure| panic!("it starts: {failure:?}"));
        let vfs = engine.vfs(Box::new(NoTexts));
        (engine, vfs)
    })
}

pub fn is_directory(attr: &Attr) -> bool {
    attr.kind == AttrKind::Directory
}
