//! The other half of a live photo follows what is done to one (semantics 1.2). A shell that was told `rm IMG_1.*` or
//! `mv IMG_1.* ../B/` comes for it all the same: for some seconds its old name answers that same operation with
//! success, and nothing more is done.
//!
//! Guarantees: an echo is never listed, has an inode of its own, and ends at once for anybody who wants the name for
//! something else: opening it is refused as stale, upon which the kernel looks again and finds nothing.

use super::Vfs;
use super::error::{VfsError, VfsResult};
use super::lookup::Found;
use crate::base::sync::Mutex;
use crate::base::{AlbumNo, FileId, Ino, Name, Part};
use crate::namespace::{Attr, DirInfo, Entry, EntryKey};
use crate::store::{NameRow, NodeRow, Rows};
use crate::tree::split_name;
use std::time::{Duration, Instant};

/// How long the old name answers.
const LASTS: Duration = Duration::from_secs(10);

/// What was done to both halves by way of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Done {
    Removed,
    /// To this directory, under this stem.
    Renamed(Ino, Vec<u8>),
}

struct Echo {
    dir: Ino,
    name: Name,
    attr: Attr,
    done: Done,
    until: Instant,
}

/// Names that answer once more.
#[derive(Default)]
pub(super) struct Echoes(Mutex<Vec<Echo>>);

impl Echoes {
    fn find<T>(&self, is_it: impl Fn(&Echo) -> bool, answer: impl FnOnce(&Echo) -> T) -> Option<T> {
        let now = Instant::now();
        let mut echoes = self.0.lock();
        echoes.retain(|echo| echo.until > now);
        echoes.iter().find(|echo| is_it(echo)).map(answer)
    }

    pub(super) fn attr_of(&self, ino: Ino) -> Option<Attr> {
        self.find(|echo| echo.attr.ino == ino, |echo| echo.attr)
    }

    pub(super) fn lookup(&self, dir: Ino, name: &[u8]) -> Option<Attr> {
        self.find(|echo| echo.dir == dir && echo.name[..] == *name, |echo| echo.attr)
    }

    /// Whether this operation has been done by way of the other half; then the name answers no more.
    pub(super) fn answers(&self, dir: Ino, name: &[u8], operation: &Done) -> bool {
        let found = self
            .find(|echo| echo.dir == dir && echo.name[..] == *name && echo.done == *operation, |echo| echo.attr.ino);
        found.inspect(|ino| self.forget(*ino)).is_some()
    }

    pub(super) fn forget(&self, ino: Ino) {
        self.0.lock().retain(|echo| echo.attr.ino != ino);
    }

    fn add(&self, echo: Echo) {
        self.0.lock().push(echo);
    }
}

/// The half that an operation on the other takes along, as it is before.
pub(super) struct Sibling {
    dir: Ino,
    entry: Entry,
    attr: Attr,
}

impl Sibling {
    pub(super) fn ino(&self) -> Ino {
        self.entry.ino
    }

    pub(super) fn name(&self) -> &[u8] {
        &self.entry.name
    }
}

impl Vfs {
    /// The other half of the live photo that `entry` is one of, in the same directory.
    pub(super) fn sibling(&self, dir: &DirInfo, entry: &Entry) -> VfsResult<Option<Sibling>> {
        let (Some(file), Some(album)) = (entry.key.photo(), dir.album) else { return Ok(None) };
        let Some(name) = self.store().read(|rows| other_name(rows, album, file, entry.key))? else { return Ok(None) };
        let found = self.namespace.lookup(dir.ino, &name)?.filter(|(other, _)| other.key.photo() == Some(file));
        Ok(found.map(|(entry, attr)| Sibling { dir: dir.ino, entry, attr }))
    }

    /// The other entry of a live photo of which `entry` is one that lies in this directory: both become the photo.
    pub(super) fn entry_sibling(&self, dir: &DirInfo, entry: &Entry) -> VfsResult<Option<Sibling>> {
        let other = self.store().read(|rows| {
            let node = rows.load_node(entry.ino)?;
            node.map_or(Ok(None), |node| other_half(rows, &node, dir.ino, &entry.name))
        })?;
        let Some(other) = other else { return Ok(None) };
        let found = self.namespace.lookup(dir.ino, &other.name)?;
        Ok(found.map(|(entry, attr)| Sibling { dir: dir.ino, entry, attr }))
    }

    /// From here on the sibling's old name answers `done` once more.
    pub(super) fn echo(&self, sibling: Option<Sibling>, done: Done) {
        let Some(Sibling { dir, entry, attr }) = sibling else { return };
        let ino = Ino::of_echo(self.clock.now().0 as u64);
        let attr = Attr { ino, links: 1, ..attr };
        self.echoes.add(Echo { dir, name: entry.name, attr, done, until: Instant::now() + LASTS });
    }

    /// What a name that is gone still shows.
    pub(super) fn lookup_echo(&self, dir: Ino, name: &[u8]) -> VfsResult<Found> {
        let attr = self.echoes.lookup(dir, name).ok_or(VfsError::NotFound)?;
        Ok(Found { attr, lasting: false })
    }
}

fn other_name(
    rows: &Rows<'_>,
    album: AlbumNo,
    file: FileId,
    key: EntryKey,
) -> crate::store::StoreResult<Option<Vec<u8>>> {
    let member = rows.load_member(album, file)?;
    let other = member.and_then(|member| match key {
        EntryKey::Clip(_) => member.clip.and(member.listing),
        _ => member.clip,
    });
    Ok(other.map(|listing| listing.name))
}

/// The name of the other half of a live photo, of which a file of this machine shows one: of the same stem, in the same
/// directory.
pub(super) fn other_half(
    rows: &Rows<'_>,
    node: &NodeRow,
    dir: Ino,
    name: &[u8],
) -> crate::store::StoreResult<Option<NameRow>> {
    let content = node.content.map(|no| rows.load_content(no)).transpose()?.flatten();
    let Some(file) = content.filter(|content| content.part != Part::Whole).map(|content| content.file) else {
        return Ok(None);
    };
    for other in rows.load_nodes_of_file(file)?.into_iter().filter(|other| other.content != node.content) {
        let names = rows.load_names_of(other.ino)?;
        let fits = |found: &NameRow| found.parent == dir && split_name(&found.name).0 == split_name(name).0;
        if let Some(found) = names.into_iter().find(fits) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// What a rename does to both halves.
pub(super) fn renamed(dir: Ino, name: &[u8]) -> Done {
    Done::Renamed(dir, split_name(name).0.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Nanos;
    use crate::namespace::Defaults;

    #[test]
    fn an_old_name_answers_the_same_operation_once_and_no_other() {
        let echoes = Echoes::default();
        let node = crate::store::NodeRow::new(Ino::of_echo(7), crate::store::NodeKind::File, 0o644, Nanos(1));
        let attr = Defaults::new(1, 1, 0, Nanos(1)).open_file(&node);
        let until = Instant::now() + LASTS;
        echoes.add(Echo { dir: Ino(9), name: b"a.mov"[..].into(), attr, done: renamed(Ino(5), b"b.heic"), until });
        assert!(!echoes.answers(Ino(9), b"a.mov", &Done::Removed));
        assert!(!echoes.answers(Ino(9), b"a.mov", &renamed(Ino(6), b"b.mov")));
        assert!(!echoes.answers(Ino(8), b"a.mov", &renamed(Ino(5), b"b.mov")));
        assert_eq!(echoes.lookup(Ino(9), b"a.mov").map(|attr| attr.ino), Some(Ino::of_echo(7)));
        assert!(echoes.answers(Ino(9), b"a.mov", &renamed(Ino(5), b"b.mov")));
        assert!(!echoes.answers(Ino(9), b"a.mov", &renamed(Ino(5), b"b.mov")));
        assert!(echoes.lookup(Ino(9), b"a.mov").is_none() && echoes.attr_of(Ino::of_echo(7)).is_none());
    }
}
