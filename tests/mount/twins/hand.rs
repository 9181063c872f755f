//! What a person and their programs do in one of the mounts.

use super::Weather;
use crate::common::{Random, close, hash_text, jpeg, try_sorted};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use xattr::FileExt as _;

const ALBUMS: [&str; 5] = ["Trip", "Home", "Sea", "Zoo", "Été"];
/// Names that meet; most others are of one photo alone.
const NAMES: [&str; 3] = ["IMG_1.jpg", "same.jpg", "写真.jpg"];
/// Where in a photo its bytes may be anything, and be only its own.
const FREE: (u64, usize) = (8, 8);

/// What Ente owes for the bytes that were written, by their hash.
#[derive(Default)]
pub struct Written {
    /// Closed, with success.
    pub accepted: BTreeSet<String>,
    /// Not closed with success, or written over or removed before they were in Ente.
    pub withdrawn: BTreeSet<String>,
    /// Copied: the same photo, or, where its name had changed meanwhile, one more.
    pub copied: BTreeSet<String>,
    /// What was done, for who must find out what went wrong.
    pub story: Story,
}

/// Lines, printed when the test has failed.
#[derive(Default)]
pub struct Story(Vec<String>);

impl Drop for Story {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.sort();
            self.0.iter().for_each(|line| println!("{line}"));
        }
    }
}

impl Written {
    pub fn add(&mut self, mut other: Self) {
        self.accepted.append(&mut other.accepted);
        self.withdrawn.append(&mut other.withdrawn);
        self.copied.append(&mut other.copied);
        self.story.0.append(&mut other.story.0);
    }

    fn accept(&mut self, bytes: &[u8]) {
        let hash = hash_text(bytes);
        self.withdrawn.remove(&hash);
        self.accepted.insert(hash);
    }

    pub(super) fn withdraw(&mut self, bytes: &[u8]) {
        let hash = hash_text(bytes);
        self.accepted.remove(&hash);
        self.withdrawn.insert(hash);
    }
}

pub struct Hand {
    name: &'static str,
    root: PathBuf,
    random: Random,
    weather: Arc<Weather>,
    photos: u32,
    written: Written,
    /// Where the thing is done that is being done.
    told: String,
    /// How often each thing was done, and with which errno.
    tally: BTreeMap<(&'static str, i32), u32>,
}

type Act = fn(&mut Hand) -> io::Result<()>;

/// Each as often as it stands here.
const ACTS: [(&str, u32, Act); 22] = [
    ("write a photo into an album", 12, Hand::write_into_album),
    ("write a photo into a drop", 12, Hand::write_into_drop),
    ("rename a photo", 9, Hand::rename_photo),
    ("move a photo", 12, Hand::move_photo),
    ("link a photo", 8, Hand::link_photo),
    ("remove a photo", 7, Hand::remove_photo),
    ("write over a photo", 5, Hand::write_over),
    ("patch a photo", 5, Hand::patch),
    ("save over a photo", 4, Hand::save_over),
    ("copy a photo", 3, Hand::copy_photo),
    ("read a photo", 5, Hand::read_photo),
    ("make an album", 4, Hand::make_album),
    ("rename an album", 2, Hand::rename_album),
    ("remove an album", 4, Hand::remove_album),
    ("archive or show an album", 2, Hand::shelve_album),
    ("move a drop entry into an album", 5, Hand::hand_over),
    ("rename a drop entry", 4, Hand::rename_entry),
    ("link a drop entry", 2, Hand::link_entry),
    ("remove a drop entry", 2, Hand::remove_entry),
    ("rename a drop directory", 1, Hand::rename_drop),
    ("trash a photo", 1, Hand::trash),
    ("restore a photo", 2, Hand::restore),
];

/// Acts that need bytes that may be with Ente alone.
const READS: [&str; 3] = ["patch a photo", "read a photo", "copy a photo"];

/// As the daemons' logs have it.
fn clock() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later");
    let (seconds, millis) = (since.as_secs() % 86_400, since.subsec_millis());
    format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// All of a file, wherever it was read to before.
fn read(mut file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    file.rewind()?;
    Ok(bytes)
}

/// Or was there, and is in the trash.
fn is_in_ente(file: &File) -> io::Result<bool> {
    let state = file.get_xattr("user.ente.state")?;
    Ok(matches!(state.as_deref(), Some(b"in-ente" | b"deleted-in-ente")))
}

fn nothing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Hand {
    pub fn new(name: &'static str, root: &Path, random: Random, weather: Arc<Weather>) -> Self {
        let (written, told, tally) = Default::default();
        Self { name, root: root.into(), random, weather, photos: 0, written, told, tally }
    }

    /// Goes on until the time is over; answers what is owed.
    pub fn work(mut self) -> Written {
        let all: u32 = ACTS.iter().map(|act| act.1).sum();
        while !self.weather.is_over() {
            let mut at = self.random.below(u64::from(all)) as u32;
            let chosen = ACTS.iter().find(|act| {
                act.1 > at || {
                    at -= act.1;
                    false
                }
            });
            let (what, _, act) = chosen.expect("the last has the rest");
            self.weather.note(Some(format!("{}: {what}", self.name)));
            let began = Instant::now();
            let outcome = act(&mut self);
            self.weather.note(None);
            self.judge(what, began, outcome);
            thread::sleep(Duration::from_millis(self.random.below(150)));
        }
        println!("{}: {} photos, {:?}", self.name, self.photos, self.tally);
        self.written
    }

    /// Whether an errno is one of the contract, as things stood.
    fn judge(&mut self, what: &'static str, began: Instant, outcome: io::Result<()>) {
        let told = std::mem::take(&mut self.told);
        let line = format!("{} {}: {what}:{told}: {outcome:?}", clock(), self.name);
        self.written.story.0.push(line);
        let Err(error) = outcome else {
            *self.tally.entry((what, 0)).or_default() += 1;
            return;
        };
        let errno = error.raw_os_error().unwrap_or(libc::ENOENT);
        *self.tally.entry((what, errno)).or_default() += 1;
        let may = match errno {
            libc::ENOENT | libc::EEXIST | libc::ENOTEMPTY | libc::EPERM | libc::EXDEV | libc::EBUSY => true,
            // The other has just made one of those that are always there (semantics 1.8).
            libc::EIO if told.is_empty() || told.contains("Favorites") || told.contains("Uncategorized") => true,
            libc::EIO if READS.contains(&what) => !self.weather.was_fair(began),
            libc::EIO | libc::ENOTCONN | libc::ECONNABORTED | libc::ENOTDIR => !self.weather.was_up(began),
            _ => false,
        };
        assert!(may, "{}: {what}:{told}: {error}, after {:?}", self.name, began.elapsed());
    }

    fn tell(&mut self, path: &Path) {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        self.told += &format!(" {}", below.display());
    }

    fn tell_hash(&mut self, bytes: &[u8]) {
        self.told += &format!(" [{}]", &hash_text(bytes)[..12]);
    }

    fn one<T>(&mut self, mut of: Vec<T>) -> io::Result<T> {
        if of.is_empty() {
            return Err(nothing());
        }
        let at = self.random.below(of.len() as u64) as usize;
        Ok(of.swap_remove(at))
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// One of the names in a directory.
    fn name_in(&mut self, dir: &Path) -> io::Result<String> {
        let names = try_sorted(dir)?;
        self.one(names)
    }

    fn album(&mut self) -> io::Result<PathBuf> {
        let albums = self.path("Albums");
        let name = self.name_in(&albums)?;
        Ok(albums.join(name))
    }

    /// A directory of photos.
    fn place(&mut self) -> io::Result<PathBuf> {
        match self.random.below(8) {
            0 => Ok(self.path("Favorites")),
            1 => Ok(self.path("Uncategorized")),
            _ => self.album(),
        }
    }

    fn photo(&mut self) -> io::Result<(PathBuf, String)> {
        let dir = self.place()?;
        let name = self.name_in(&dir)?;
        Ok((dir, name))
    }

    /// A drop, or a directory in it.
    fn drop_dir(&mut self) -> io::Result<PathBuf> {
        let drop = self.path("Drop");
        if self.random.below(3) == 0 {
            return Ok(drop);
        }
        let dir = drop.join(self.any(&ALBUMS));
        match fs::create_dir(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(dir),
        }
    }

    fn entry(&mut self) -> io::Result<PathBuf> {
        let dir = self.drop_dir()?;
        let names = try_sorted(&dir)?.into_iter().filter(|name| name.ends_with(".jpg")).collect();
        Ok(dir.join(self.one(names)?))
    }

    fn any(&mut self, of: &[&'static str]) -> &'static str {
        of[self.random.below(of.len() as u64) as usize]
    }

    fn new_name(&mut self) -> String {
        match self.random.below(4) {
            0 => self.any(&NAMES).into(),
            _ => format!("{}-{}-{:04x}.jpg", self.name, self.photos, self.random.below(0x10000)),
        }
    }

    /// Bytes that nobody has written yet.
    fn fresh(&mut self) -> Vec<u8> {
        self.photos += 1;
        let extra = if self.random.below(20) == 0 { 300_000 } else { 20 + self.random.below(6000) as usize };
        let bytes = jpeg(self.random.next(), extra);
        self.written.withdraw(&bytes);
        self.tell_hash(&bytes);
        bytes
    }

    /// What a file holds will be gone: nothing is owed for it, unless it is in Ente.
    fn give_up(&mut self, path: &Path) -> io::Result<()> {
        match File::open(path) {
            Ok(file) => self.give_up_open(&file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn give_up_open(&mut self, file: &File) -> io::Result<()> {
        if is_in_ente(file)? {
            return Ok(());
        }
        let bytes = read(file)?;
        self.written.withdraw(&bytes);
        self.told += " withdraws";
        self.tell_hash(&bytes);
        Ok(())
    }

    fn fill(&mut self, mut file: File, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(1 + self.random.below(100_000) as usize) {
            file.write_all(piece)?;
        }
        close(file)
    }

    fn write_new(&mut self, path: &Path) -> io::Result<()> {
        self.tell(path);
        let file = File::options().write(true).create_new(true).open(path)?;
        let bytes = self.fresh();
        self.fill(file, &bytes)?;
        self.written.accept(&bytes);
        Ok(())
    }

    fn write_into_album(&mut self) -> io::Result<()> {
        let path = self.place()?.join(self.new_name());
        self.write_new(&path)
    }

    fn write_into_drop(&mut self) -> io::Result<()> {
        let path = self.drop_dir()?.join(self.new_name());
        self.write_new(&path)
    }

    /// What is in the way may go with it.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.tell(from);
        self.tell(to);
        if from != to {
            self.give_up(to)?;
        }
        fs::rename(from, to)
    }

    fn rename_photo(&mut self) -> io::Result<()> {
        let (dir, name) = self.photo()?;
        let to = dir.join(self.new_name());
        self.rename(&dir.join(name), &to)
    }

    fn move_photo(&mut self) -> io::Result<()> {
        let (dir, name) = self.photo()?;
        let there = if self.random.below(5) == 0 { self.new_name() } else { name.clone() };
        let to = self.place()?.join(there);
        self.rename(&dir.join(name), &to)
    }

    fn link_photo(&mut self) -> io::Result<()> {
        let (dir, name) = self.photo()?;
        let (from, to) = (dir.join(&name), self.place()?.join(&name));
        self.link(&from, &to)
    }

    fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.tell(from);
        self.tell(to);
        fs::hard_link(from, to)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.tell(path);
        self.give_up(path)?;
        fs::remove_file(path)
    }

    fn remove_photo(&mut self) -> io::Result<()> {
        let (dir, name) = self.photo()?;
        self.remove(&dir.join(name))
    }

    fn any_photo(&mut self) -> io::Result<PathBuf> {
        if self.random.below(4) == 0 {
            return self.entry();
        }
        self.photo().map(|(dir, name)| dir.join(name))
    }

    /// In place, as a whole.
    fn write_over(&mut self) -> io::Result<()> {
        let path = self.any_photo()?;
        self.tell(&path);
        let file = File::options().read(true).write(true).open(path)?;
        self.give_up_open(&file)?;
        let bytes = self.fresh();
        match self.random.below(2) {
            0 => file.set_len(0)?,
            _ => file.set_len(bytes.len() as u64)?,
        }
        let middle = bytes.len() / 2;
        file.write_all_at(&bytes[middle..], middle as u64)?;
        file.write_all_at(&bytes[..middle], 0)?;
        close(file)?;
        self.written.accept(&bytes);
        Ok(())
    }

    /// In place, a few bytes of it.
    fn patch(&mut self) -> io::Result<()> {
        let path = self.any_photo()?;
        self.tell(&path);
        let file = File::options().read(true).write(true).open(path)?;
        let mut bytes = read(&file)?;
        self.tell_hash(&bytes);
        let (at, len) = FREE;
        let Some(free) = bytes.get_mut(at as usize..at as usize + len) else { return Err(nothing()) };
        free.copy_from_slice(&self.random.bytes(len));
        self.give_up_open(&file)?;
        self.photos += 1;
        self.written.withdraw(&bytes);
        self.tell_hash(&bytes);
        file.write_all_at(&bytes[at as usize..at as usize + len], at)?;
        close(file)?;
        self.written.accept(&bytes);
        Ok(())
    }

    /// As editors do: under another name, and then over it.
    fn save_over(&mut self) -> io::Result<()> {
        let path = self.any_photo()?;
        self.tell(&path);
        let dir = path.parent().expect("a directory");
        let new = dir.join(format!(".edited.jpg.{:06x}", self.random.below(0x100_0000)));
        let file = File::options().write(true).create_new(true).open(&new)?;
        let bytes = self.fresh();
        self.fill(file, &bytes)?;
        self.give_up(&path)?;
        if let Err(error) = fs::rename(&new, &path) {
            let _ = fs::remove_file(&new);
            return Err(error);
        }
        self.written.accept(&bytes);
        Ok(())
    }

    fn copy_photo(&mut self) -> io::Result<()> {
        let (dir, name) = self.photo()?;
        let (from, to) = (dir.join(&name), self.place()?.join(&name));
        self.tell(&from);
        self.tell(&to);
        let mut source = File::open(from)?;
        let hash = match is_in_ente(&source)? {
            true => source.get_xattr("user.ente.hash")?.and_then(|hash| String::from_utf8(hash).ok()),
            false => None,
        };
        let hash = hash.map_or_else(|| read(&source).map(|bytes| hash_text(&bytes)), Ok)?;
        self.told += &format!(" [{}]", &hash[..12]);
        let mut file = File::options().write(true).create_new(true).open(&to)?;
        self.written.copied.insert(hash);
        let copied = io::copy(&mut source, &mut file).and_then(|_| close(file));
        if copied.is_err() {
            let _ = fs::remove_file(to);
        }
        copied
    }

    /// What is seen is true.
    fn read_photo(&mut self) -> io::Result<()> {
        let path = self.any_photo()?;
        self.tell(&path);
        let file = File::open(path)?;
        let is_in_ente = is_in_ente(&file)?;
        let bytes = read(&file)?;
        let hash = file.get_xattr("user.ente.hash")?;
        if is_in_ente {
            assert_eq!(hash.as_deref(), Some(hash_text(&bytes).as_bytes()), "{}: {} bytes", self.name, bytes.len());
        }
        Ok(())
    }

    fn make_album(&mut self) -> io::Result<()> {
        let album = self.path("Albums").join(self.any(&ALBUMS));
        self.tell(&album);
        fs::create_dir(album)
    }

    fn rename_album(&mut self) -> io::Result<()> {
        let to = self.path("Albums").join(self.any(&ALBUMS));
        let from = self.album()?;
        self.move_whole(&from, &to)
    }

    fn move_whole(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.tell(from);
        self.tell(to);
        fs::rename(from, to)
    }

    /// An empty one, if there is any.
    fn remove_album(&mut self) -> io::Result<()> {
        for name in try_sorted(&self.path("Albums"))? {
            let album = self.path("Albums").join(name);
            if try_sorted(&album)?.is_empty() {
                self.tell(&album);
                return fs::remove_dir(album);
            }
        }
        let album = self.album()?;
        self.tell(&album);
        fs::remove_dir(album)
    }

    fn shelve_album(&mut self) -> io::Result<()> {
        let archive = self.path("Archive");
        match self.name_in(&archive) {
            Ok(name) => self.move_whole(&archive.join(&name), &self.path("Albums").join(name)),
            Err(_) => {
                let album = self.album()?;
                self.move_whole(&album, &archive.join(album.file_name().expect("it has a name")))
            }
        }
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let entry = self.entry()?;
        let name = entry.file_name().expect("it has a name").to_owned();
        let to = self.place()?.join(name);
        self.rename(&entry, &to)
    }

    fn rename_entry(&mut self) -> io::Result<()> {
        let entry = self.entry()?;
        let name = if self.random.below(2) == 0 {
            self.new_name()
        } else {
            entry.file_name().expect("it has a name").to_string_lossy().into_owned()
        };
        let to = self.drop_dir()?.join(name);
        self.rename(&entry, &to)
    }

    fn link_entry(&mut self) -> io::Result<()> {
        let entry = self.entry()?;
        let to = self.drop_dir()?.join(entry.file_name().expect("it has a name"));
        self.link(&entry, &to)
    }

    fn remove_entry(&mut self) -> io::Result<()> {
        let entry = self.entry()?;
        self.remove(&entry)
    }

    fn rename_drop(&mut self) -> io::Result<()> {
        let [from, to] = [self.any(&ALBUMS), self.any(&ALBUMS)].map(|name| self.path("Drop").join(name));
        self.move_whole(&from, &to)
    }

    fn trash(&mut self) -> io::Result<()> {
        let (dir, name) = self.photo()?;
        self.move_whole(&dir.join(&name), &self.path("Trash").join(&name))
    }

    fn restore(&mut self) -> io::Result<()> {
        let trash = self.path("Trash");
        let name = self.name_in(&trash)?;
        let to = self.place()?.join(&name);
        self.rename(&trash.join(&name), &to)
    }
}
