//! Hard links: one more album for a photo, one more drop entry for a file (semantics 3); and copies of a whole photo,
//! which are links, too (2.9).

use super::Vfs;
use super::error::{VfsError, VfsResult};
use super::handles::Handle;
use super::journal::note;
use super::local::LocalState;
use super::lookup::Found;
use crate::base::{AlbumNo, FileId, Ino, Nanos, Part};
use crate::namespace::{DirInfo, Dirty, Shown, add_photo, resolve_album, show_as};
use crate::store::{Change, ContentRow, FileRow, MemberRow, NodeRow, Rows, StoreResult, Tx, UploadRow};
use crate::tree::{
    EntryKind, Event, FixedPlace, LinkPlan, LinkSource, NameClass, Refusal, Stage, Verdict, on_event, plan_link,
};
use std::sync::Arc;
use std::time::Duration;

/// What gets one more name.
enum Linked {
    Photo(ContentRow),
    File(NodeRow),
}

impl Vfs {
    /// # Errors
    /// EPERM for another basename in an album, or a second name in the same one; EXDEV between drops and albums;
    /// EEXIST where the name is there.
    pub fn link(&self, ino: Ino, parent: Ino, name: &[u8]) -> VfsResult<Found> {
        self.check_writable()?;
        let dir = self.namespace.dir_info(parent)?;
        let (linked, source) = self.store().read(|rows| look_up(rows, ino, &dir, name))?.ok_or(VfsError::Stale)?;
        let plan = plan_link(source, dir.kind, name)?;
        let (now, settle) = (self.clock.now_nanos(), self.settle_time(parent)?);
        self.commit(&[(parent, name)], Some(ino), |tx, dirty| {
            super::create::check_free(tx, &dir, name)?;
            super::create::touch_directory(tx, parent, now, dirty)?;
            match (plan, &linked) {
                (LinkPlan::AddPhoto, Linked::Photo(content)) => {
                    let album = self.album_of(tx, &dir, now, dirty)?;
                    note_joining(tx, content.file, album, now)?;
                    add_photo(tx, content.file, album, now, dirty)?;
                    Ok(show_as(tx, album, content.file, name, dirty)?)
                }
                (_, Linked::File(node)) => self.name_twice(tx, node, &dir, name, now, settle, dirty),
                (LinkPlan::NameTwice, Linked::Photo(_)) => Err(Refusal::AcrossTrees.into()),
            }
        })?;
        self.bells.uploads.ring();
        self.bells.ops.ring();
        self.found(ino)
    }

    #[expect(clippy::too_many_arguments, reason = "one transaction's facts, named")]
    fn name_twice(
        &self,
        tx: &Tx<'_>,
        node: &NodeRow,
        dir: &DirInfo,
        name: &[u8],
        now: Nanos,
        settle: Duration,
        dirty: &mut Dirty,
    ) -> VfsResult<()> {
        let node = tx.load_node(node.ino)?.ok_or(VfsError::NotFound)?;
        tx.save_node(&NodeRow { linked: true, ctime: now, ..node.clone() })?;
        tx.save_name(dir.ino, name, node.ino)?;
        dirty.name(dir.ino, name);
        dirty.ino(node.ino);
        settle_anew(tx, node.ino, now, settle)?;
        let Some(file) = node.file else { return Ok(()) };
        // Of what was deleted in Ente there is nothing to add.
        if !tx.load_memberships(file)?.iter().any(MemberRow::is_visible) {
            return Ok(());
        }
        let album = resolve_album(tx, &self.options.drops, dir.ino, now, dirty)?;
        let Some(album) = album else { return Ok(()) };
        note_joining(tx, file, album, now)?;
        Ok(add_photo(tx, file, album, now, dirty)?)
    }

    /// Whether a copy was a link: a whole photo, into a new file of a name that it has. Otherwise the caller must
    /// move the bytes.
    ///
    /// # Errors
    /// EOPNOTSUPP where the bytes must be moved.
    pub fn copy_file_range(
        &self,
        (from, from_offset): (u64, u64),
        (to, to_offset): (u64, u64),
        len: u64,
    ) -> VfsResult<u64> {
        let source = match self.handles.get(from)? {
            Handle::Photo { content } => content,
            _ => return Err(VfsError::Unsupported),
        };
        let Handle::Local { file, write: true } = self.handles.get(to)? else { return Err(VfsError::BadHandle) };
        let mut state = file.lock();
        let whole =
            source.part == Part::Whole && from_offset == 0 && to_offset == 0 && len >= source.size && source.size > 0;
        // What one answer can say.
        let countable = u32::try_from(source.size).is_ok();
        if !whole || !countable || state.wrote || state.node.size > 0 || state.old.is_some() || state.writers != 1 {
            return Err(VfsError::Unsupported);
        }
        self.link_copy(&mut state, &source)?;
        Ok(source.size)
    }

    /// The new file becomes an entry of the photo, or in an album's directory the photo itself.
    fn link_copy(&self, state: &mut LocalState, source: &Arc<ContentRow>) -> VfsResult<()> {
        let (ino, now) = (state.node.ino, self.clock.now_nanos());
        let (node, passed_on) = self.commit(&[], Some(ino), |tx, dirty| {
            let names = tx.load_names_of(ino)?;
            let [name] = &names[..] else { return Err(VfsError::Unsupported) };
            let node = tx.load_node(ino)?.filter(|node| node.file.is_none()).ok_or(VfsError::Unsupported)?;
            if !self.is_linkable(tx, source, name.parent, &name.name)? {
                return Err(VfsError::Unsupported);
            }
            let in_album = is_album(tx, name.parent)?;
            let album =
                resolve_album(tx, &self.options.drops, name.parent, now, dirty)?.ok_or(VfsError::Unsupported)?;
            if in_album && tx.load_member(album, source.file)?.is_some_and(|member| member.is_visible()) {
                return Err(VfsError::Unsupported);
            }
            for row in tx.load_uploads_of(ino)?.into_iter().filter(|row| !row.stage.is_over()) {
                let due = now.to_timestamp();
                tx.save_upload(&UploadRow { stage: Stage::Removed, due, parked: None, ..row })?;
            }
            let node = entry_of(&node, source, album, now);
            if in_album {
                tx.delete_name(name.parent, &name.name)?;
                tx.delete_node(ino)?;
            } else {
                tx.save_node(&node)?;
            }
            dirty.name(name.parent, &name.name);
            dirty.ino(ino);
            note_joining(tx, source.file, album, now)?;
            add_photo(tx, source.file, album, now, dirty)?;
            show_as(tx, album, source.file, &name.name, dirty)?;
            Ok((node, in_album))
        })?;
        state.node = node;
        (state.vault, state.upload, state.writing) = (None, None, false);
        (state.old, state.passed_on, state.unlinked) = (Some(Arc::clone(source)), passed_on, passed_on);
        self.bells.uploads.ring();
        self.bells.ops.ring();
        Ok(())
    }

    /// An own, live photo that has this name; not one that is rewritten just now, and no temporary name.
    fn is_linkable(&self, rows: &Rows<'_>, source: &ContentRow, dir: Ino, name: &[u8]) -> VfsResult<bool> {
        let Some(row) = rows.load_file(source.file)? else { return Ok(false) };
        let current = row.content == Some(source.no) && rows.load_node(source.ino)?.is_none();
        let current = current && !rows.is_being_replaced(source.file)?;
        let usable = row.own && !row.hidden && !row.trashed && current;
        let memberships = rows.load_memberships(source.file)?;
        let live = memberships.iter().any(MemberRow::is_visible);
        let named = has_name(rows, &row, source.part, &memberships, name)?;
        Ok(usable && live && named && self.name_rules(dir).classify(name) == NameClass::Plain)
    }
}

fn entry_of(node: &NodeRow, source: &ContentRow, album: AlbumNo, now: Nanos) -> NodeRow {
    NodeRow {
        vault: None,
        file: Some(source.file),
        content: Some(source.no),
        album: Some(album),
        size: source.size,
        mtime: now,
        ctime: now,
        ..node.clone()
    }
}

fn is_album(rows: &Rows<'_>, dir: Ino) -> StoreResult<bool> {
    let special = matches!(FixedPlace::of(dir), Some(FixedPlace::Favorites | FixedPlace::Uncategorized));
    Ok(special || rows.load_album_by_ino(dir)?.is_some())
}

/// Whether a photo, or the half of a live photo that is meant, is called so, here or as its record says.
fn has_name(rows: &Rows<'_>, row: &FileRow, part: Part, memberships: &[MemberRow], name: &[u8]) -> StoreResult<bool> {
    let listing = |member: &MemberRow| if part == Part::Clip { member.clip.clone() } else { member.listing.clone() };
    if memberships.iter().filter_map(listing).any(|listing| listing.name == name) {
        return Ok(true);
    }
    let plain = Shown::load(rows, row)?.map(|shown| shown.plain_names(row)).unwrap_or_default();
    Ok(plain.get(usize::from(part == Part::Clip)).is_some_and(|plain| plain == name))
}

/// Undo takes the photo out again, of an album that it was not in.
pub(super) fn note_joining(tx: &Tx<'_>, file: FileId, album: AlbumNo, now: Nanos) -> VfsResult<()> {
    if tx.load_member(album, file)?.is_some_and(|member| member.is_visible()) {
        return Ok(());
    }
    note(tx, &Change::Joined { file, album }, now)
}

fn look_up(rows: &Rows<'_>, ino: Ino, dir: &DirInfo, name: &[u8]) -> StoreResult<Option<(Linked, LinkSource)>> {
    if let Some(node) = rows.load_node(ino)?.filter(|node| node.kind == crate::store::NodeKind::File) {
        let names = rows.load_names_of(ino)?;
        let in_album = match names.first() {
            Some(first) => is_album(rows, first.parent)?,
            None => return Ok(None),
        };
        let source = LinkSource {
            entry: EntryKind::LocalFile { in_ente: node.file.is_some() },
            in_album,
            same_name: names.iter().any(|known| known.name == name),
            is_member: names.iter().any(|known| known.parent == dir.ino),
            in_trash: false,
        };
        return Ok(Some((Linked::File(node), source)));
    }
    let Some(content) = rows.load_content_by_ino(ino)? else { return Ok(None) };
    let Some(row) = rows.load_file(content.file)? else { return Ok(None) };
    let memberships = rows.load_memberships(content.file)?;
    let source = LinkSource {
        entry: if row.own { EntryKind::Photo } else { EntryKind::ForeignPhoto },
        in_album: true,
        same_name: has_name(rows, &row, content.part, &memberships, name)?,
        is_member: memberships.iter().any(|member| Some(member.album) == dir.album && member.is_visible()),
        in_trash: rows.is_in_trash(content.file)?,
    };
    Ok(Some((Linked::Photo(content), source)))
}

/// An upload that has not left looks at its names again (semantics 2.3).
pub(super) fn settle_anew(tx: &Tx<'_>, ino: Ino, now: Nanos, settle: Duration) -> VfsResult<()> {
    for mut row in tx.load_uploads_of(ino)? {
        if on_event(row.stage, row.sent, Event::Renamed) == Verdict::Settle && !row.is_held() {
            row.settle(now.to_timestamp(), settle);
            tx.save_upload(&row)?;
        }
    }
    Ok(())
}
