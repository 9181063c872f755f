//! What follows once a photo is registered: its record, its place in the albums, the version it replaces, and what
//! happened to its file meanwhile.

use super::hash::load_followers;
use super::pair::{archive_places, load_clip};
use super::parts::{Prepared, SealedMagic, Told};
use super::sidecar::favor;
use super::step::{StepError, forget_prepared, load_blob};
use crate::base::{AlbumNo, ContentNo, FileId, FileKind, Ino, Nanos, Part};
use crate::namespace::{
    Destination, Dirty, add_photo, destination, directory_of, leave_album, move_photo, name_photo, path_of, relist,
    resolve_album, show_as,
};
use crate::store::{
    ContentRow, Counter, FileFacts, Label, MemberRow, NameRow, NewContent, NodeKind, NodeRow, Place, RawMagic,
    RawRecord, Tx, UploadBlob, UploadRow,
};
use crate::tree::{DropRules, NameClass, NameRules, Stage};

/// A photo that came into being.
pub struct Registration {
    pub upload: UploadRow,
    pub file: FileId,
}

/// Makes the photo part of everything: idempotent with a pull that saw it first.
///
/// # Errors
/// Where the store cannot be read or written, or an earlier step's words are gone.
pub fn apply_registration(
    tx: &Tx<'_>,
    rules: &DropRules,
    row: UploadRow,
    file: FileId,
    now: Nanos,
    dirty: &mut Dirty,
) -> Result<(), StepError> {
    let prepared: Option<Prepared> = load_blob(tx, row.no, UploadBlob::Prepared)?;
    let prepared = prepared.ok_or_else(super::transfer::unreadable)?;
    let target = row.target.ok_or(StepError::Lost)?;
    save_record(tx, file, &prepared)?;
    let node = tx.load_node(row.ino)?.filter(|node| node.vault == Some(row.vault));
    let names = tx.load_names_of(row.ino)?;
    let in_album = album_name(tx, &names, target)?;
    // Its membership shows it from here on, under its own inode.
    let becomes_photo = in_album.is_some() || node.as_ref().is_some_and(|node| node.kind == NodeKind::Shadow);
    let content = save_content(tx, file, &prepared, node.as_ref(), in_album.is_some(), dirty)?;
    let clip = load_clip(tx, &row).ok().flatten();
    let clip_names = clip.as_ref().map(|clip| tx.load_names_of(clip.ino)).transpose()?.unwrap_or_default();
    register_clip(tx, &row, &content, &prepared, target, now, dirty)?;
    tx.save_member(target, file, true, crate::base::Timestamp::ZERO)?;
    let replaced = row.supersedes.filter(|_| is_version_of(node.as_ref(), &prepared));
    if let Some(old) = replaced {
        pass_place_on(tx, &row, Some(file))?;
        replace_version(tx, &row, old, file, target, now, dirty)?;
        name_as_old(tx, old, file, &prepared, now, dirty)?;
    }
    settle_node(tx, &row, node, in_album.clone(), &content, &prepared, target, dirty)?;
    relist(tx, file, dirty)?;
    if let Some(old) = row.supersedes {
        relist(tx, old, dirty)?;
    }
    let told: Option<Told> = load_blob(tx, row.no, UploadBlob::Told)?;
    favor(tx, file, told.and_then(|told| told.sidecar).as_ref(), now, dirty)?;
    wake_waiting(tx, &prepared, now)?;
    tell_later(tx, &row, file)?;
    close_row(tx, row.clone(), file, now)?;
    match in_album {
        Some(name) => {
            // A version is called as the one before it, which was renamed along with its file.
            if replaced.is_none() {
                name_as_file(tx, rules, &name, file, now, dirty)?;
            }
            follow_into(tx, &name, target, file, now, dirty)?;
        }
        None if !becomes_photo => follow_up(tx, rules, &row, file, now, dirty)?,
        None => {}
    }
    if let Some(clip) = clip {
        join_further(tx, rules, &clip_names, clip.ino, target, file, now, dirty)?;
    }
    join_further(tx, rules, &names, row.ino, target, file, now, dirty)
}

/// The albums that the file's further names stand for have the photo, too. In an album's directory its membership
/// shows it from here on; in a drop the name stays.
#[expect(clippy::too_many_arguments, reason = "one transaction's facts, named")]
pub(super) fn join_further(
    tx: &Tx<'_>,
    rules: &DropRules,
    names: &[NameRow],
    ino: Ino,
    target: AlbumNo,
    file: FileId,
    now: Nanos,
    dirty: &mut Dirty,
) -> Result<(), StepError> {
    let is_gone = tx.load_node(ino)?.is_none();
    // One name is the file's own, unless its album is somebody else's.
    let of_another =
        |name: &NameRow| Ok::<_, StepError>(tx.load_album_by_ino(name.parent)?.is_some_and(|album| !album.own));
    for name in names {
        if names.len() < 2 && !of_another(name)? {
            continue;
        }
        if is_gone {
            tx.delete_name(name.parent, &name.name)?;
            dirty.name(name.parent, &name.name);
        }
        if let Some(album) = resolve_album(tx, rules, name.parent, now, dirty)?.filter(|album| *album != target) {
            add_photo(tx, file, album, now, dirty)?;
        }
    }
    Ok(())
}

fn save_record(tx: &Tx<'_>, file: FileId, prepared: &Prepared) -> Result<(), StepError> {
    let key = prepared.key().ok_or_else(super::transfer::unreadable)?;
    let label = Label { title: prepared.title.clone(), edited: prepared.edited_name.clone(), taken: prepared.created };
    let facts = FileFacts {
        own: true,
        kind: Some(prepared.kind()),
        key: Some(&key),
        label: Some(&label),
        hash: Some(&prepared.hash),
        hidden: false,
        stand_in: prepared.stand_in,
    };
    let bytes = |field: &crate::base::B64| field.bytes().unwrap_or_default();
    let public = |magic: &SealedMagic| RawMagic { version: 1, header: bytes(&magic.header), data: bytes(&magic.data) };
    let record = RawRecord {
        thumb_header: bytes(&prepared.thumb_header),
        meta_header: bytes(&prepared.meta_header),
        meta: bytes(&prepared.meta),
        public: prepared.public.as_ref().map(public),
        private: None,
    };
    Ok(tx.save_file(file, &facts, &record)?)
}

/// The clip of a live photo made of two files: its own inode, its own entry, the same photo.
fn register_clip(
    tx: &Tx<'_>,
    row: &UploadRow,
    still: &ContentRow,
    prepared: &Prepared,
    target: AlbumNo,
    now: Nanos,
    dirty: &mut Dirty,
) -> Result<(), StepError> {
    let Some([_, half]) = &prepared.pair else { return Ok(()) };
    // The photo is in Ente, whatever became of the clip's file meanwhile.
    let row = load_clip(tx, row).ok().flatten();
    let node = row.as_ref().map(|row| tx.load_node(row.ino)).transpose()?.flatten();
    let node = node.filter(|node| node.vault == row.as_ref().map(|row| row.vault));
    let names = row.as_ref().map(|row| tx.load_names_of(row.ino)).transpose()?.unwrap_or_default();
    let in_album = album_name(tx, &names, target)?;
    let own = node.as_ref().filter(|node| in_album.is_some() || node.kind == NodeKind::Shadow);
    let ino = match own {
        Some(node) => free_ino(tx, node.ino, dirty)?,
        None => Ino::of_clip(still.file).map_or_else(|| tx.next_ino(), Ok)?,
    };
    let known = tx.load_clip_of(still)?.map(|clip| clip.no);
    let no = match known {
        Some(no) => {
            tx.save_content_ino(no, ino)?;
            no
        }
        None => tx.insert_content(&NewContent {
            file: still.file,
            part: Part::Clip,
            header: still.header,
            cipher_size: still.cipher_size,
            size: half.size,
            ino,
            mtime: Nanos(0),
            ctime: Nanos(0),
        })?,
    };
    save_own_facts(tx, no, node.as_ref())?;
    save_half(tx, no, still.no, prepared, Part::Clip)?;
    let content = tx.load_content(no)?.ok_or(StepError::Lost)?;
    let Some(row) = row else { return Ok(()) };
    settle_node(tx, &row, node, in_album, &content, prepared, target, dirty)?;
    let (stage, due) = (Stage::Registered, now.to_timestamp());
    Ok(tx.save_upload(&UploadRow { stage, file: Some(still.file), parked: None, due, since: due, ..row })?)
}

fn save_half(tx: &Tx<'_>, no: ContentNo, archive: ContentNo, prepared: &Prepared, part: Part) -> Result<(), StepError> {
    let Some(pair) = &prepared.pair else { return Ok(()) };
    let which = usize::from(part == Part::Clip);
    tx.save_half(no, archive, &pair[which].extension)?;
    let place = Place { at: archive_places(pair)[which], len: pair[which].size, deflated: false };
    Ok(tx.save_place(no, pair[which].size, place)?)
}

/// What the file's own inode shows passes to the content.
fn save_own_facts(tx: &Tx<'_>, no: ContentNo, node: Option<&NodeRow>) -> Result<(), StepError> {
    let Some(node) = node else { return Ok(()) };
    tx.save_content_times(no, node.mtime, node.ctime)?;
    Ok(tx.save_content_owner(no, Some(node.mode), node.uid, node.gid)?)
}

/// The name that the file has in the directory of its album, or of another one, if it was written there, or put there
/// while its request was under way.
fn album_name(tx: &Tx<'_>, names: &[NameRow], target: AlbumNo) -> Result<Option<NameRow>, StepError> {
    let dir = tx.load_album(target)?.map(|album| directory_of(&album));
    if let Some(name) = names.iter().find(|name| Some(name.parent) == dir) {
        return Ok(Some(name.clone()));
    }
    for name in names {
        if tx.load_album_by_ino(name.parent)?.is_some_and(|album| !album.own || album.is_present()) {
            return Ok(Some(name.clone()));
        }
    }
    Ok(None)
}

/// The photo's content. A file born in an album's directory, or rewritten in place, keeps its inode (I8).
fn save_content(
    tx: &Tx<'_>,
    file: FileId,
    prepared: &Prepared,
    node: Option<&NodeRow>,
    in_album: bool,
    dirty: &mut Dirty,
) -> Result<ContentRow, StepError> {
    let header = prepared.header().ok_or_else(super::transfer::unreadable)?;
    let own = node.filter(|node| in_album || node.kind == NodeKind::Shadow).map(|node| node.ino);
    let ino = match own {
        Some(ino) => free_ino(tx, ino, dirty)?,
        None => Ino::of_photo(file).map_or_else(|| tx.next_ino(), Ok)?,
    };
    let modified = tx.load_content_by_header(file, &header)?;
    let no = match modified {
        Some(known) => {
            tx.save_content_ino(known.no, ino)?;
            known.no
        }
        None => tx.insert_content(&NewContent {
            file,
            part: if prepared.pair.is_some() { Part::Still } else { Part::Whole },
            header,
            cipher_size: prepared.cipher_len,
            size: prepared.pair.as_ref().map_or(prepared.plain_len, |pair| pair[0].size),
            ino,
            mtime: Nanos(0),
            ctime: Nanos(0),
        })?,
    };
    save_own_facts(tx, no, node)?;
    save_half(tx, no, no, prepared, Part::Still)?;
    tx.save_macs(no, &prepared.macs.bytes().unwrap_or_default())?;
    tx.save_file_content(file, no)?;
    tx.load_content(no)?.ok_or(StepError::Lost)
}

/// The content that had this inode gets a fresh number: the new one goes on under it, here only.
fn free_ino(tx: &Tx<'_>, ino: Ino, dirty: &mut Dirty) -> Result<Ino, StepError> {
    if let Some(old) = tx.load_content_by_ino(ino)? {
        tx.save_content_ino(old.no, tx.next_ino()?)?;
        relist(tx, old.file, dirty)?;
    }
    Ok(ino)
}

/// New bytes with another capture time are a new photo, not a new version (semantics 2.12).
fn is_version_of(node: Option<&NodeRow>, prepared: &Prepared) -> bool {
    match node.and_then(|node| node.taken) {
        Some(taken) if prepared.dated => taken == prepared.created,
        _ => true,
    }
}

/// What was put over a version since takes the place of what came of it: of no photo, where that is one that other albums
/// have for themselves.
pub(super) fn pass_place_on(tx: &Tx<'_>, row: &UploadRow, new: Option<FileId>) -> Result<(), StepError> {
    for later in load_followers(tx, row)? {
        tx.save_upload(&UploadRow { supersedes: new, ..later })?;
    }
    Ok(())
}

/// The new version takes the old one's place in every own album; the old one goes to Uncategorized. Not where
/// another drop entry with the old bytes maps.
pub(super) fn replace_version(
    tx: &Tx<'_>,
    row: &UploadRow,
    old: FileId,
    new: FileId,
    target: AlbumNo,
    now: Nanos,
    dirty: &mut Dirty,
) -> Result<(), StepError> {
    let others = tx.load_nodes_of_file(old)?;
    let kept: Vec<AlbumNo> = others
        .iter()
        .filter(|node| node.ino != row.ino && node.vault.is_none())
        .filter_map(|node| node.album)
        .collect();
    let mut left = Vec::new();
    for member in tx.load_memberships(old)?.into_iter().filter(MemberRow::is_visible) {
        let album = tx.load_album(member.album)?.filter(|album| album.own && album.is_present());
        let Some(album) = album else { continue };
        if kept.contains(&album.no) {
            continue;
        }
        if !album.is_home() {
            // Both stay in Uncategorized; the name is the new one's.
            tx.clear_listing(album.no, old)?;
            continue;
        }
        leave_album(tx, album.no, old, now, dirty)?;
        left.push(album.no);
    }
    // The old one has left all of them: its name is free in each.
    for album in left.into_iter().filter(|album| *album != target) {
        add_photo(tx, new, album, now, dirty)?;
    }
    if kept.is_empty() {
        tx.save_file_previous(old)?;
    }
    Ok(())
}

/// The old version was named otherwise after the new one was prepared (semantics 2.12).
fn name_as_old(
    tx: &Tx<'_>,
    old: FileId,
    new: FileId,
    prepared: &Prepared,
    now: Nanos,
    dirty: &mut Dirty,
) -> Result<(), StepError> {
    let Some(old) = tx.load_file(old)? else { return Ok(()) };
    let edited = old.want_name.or_else(|| old.label.and_then(|label| label.edited)).filter(|name| !name.is_empty());
    // A clip's name is none for the live photo that it became half of.
    let is_clips = prepared.pair.is_some() && old.kind == Some(FileKind::Video);
    let shown = prepared.edited_name.as_ref().filter(|name| !name.is_empty()).unwrap_or(&prepared.title);
    match edited.filter(|name| !is_clips && name != shown) {
        Some(name) => Ok(name_photo(tx, new, &name, now, dirty)?),
        None => Ok(()),
    }
}

/// What becomes of the file's own inode.
#[expect(clippy::too_many_arguments, reason = "one transaction's facts, named")]
fn settle_node(
    tx: &Tx<'_>,
    row: &UploadRow,
    node: Option<NodeRow>,
    in_album: Option<NameRow>,
    content: &ContentRow,
    prepared: &Prepared,
    target: AlbumNo,
    dirty: &mut Dirty,
) -> Result<(), StepError> {
    dirty.ino(row.ino);
    let Some(node) = node else { return Ok(()) };
    if let Some(name) = in_album {
        // The membership shows it from here on: same name, same inode.
        tx.delete_name(name.parent, &name.name)?;
        dirty.name(name.parent, &name.name);
        return Ok(tx.delete_node(node.ino)?);
    }
    match node.kind {
        NodeKind::Shadow => Ok(tx.delete_node(node.ino)?),
        _ => Ok(tx.save_node(&NodeRow {
            vault: None,
            file: Some(content.file),
            content: Some(content.no),
            album: Some(target),
            taken: prepared.dated.then_some(prepared.created),
            ..node
        })?),
    }
}

/// Twins link to it now.
fn wake_waiting(tx: &Tx<'_>, prepared: &Prepared, now: Nanos) -> Result<(), StepError> {
    for twin in tx.load_twins(&prepared.hash, prepared.kind())?.into_iter().filter(|twin| twin.stage == Stage::Twin) {
        tx.save_upload(&UploadRow { due: now.to_timestamp(), ..twin })?;
    }
    Ok(())
}

/// Later versions of the same file take this one's place, where they were to take that of the one before it.
pub(super) fn tell_later(tx: &Tx<'_>, row: &UploadRow, file: FileId) -> Result<(), StepError> {
    for later in tx.load_uploads_of(row.ino)?.into_iter().filter(|later| later.no.0 > row.no.0) {
        let follows = later.supersedes.is_none() || later.supersedes == row.supersedes;
        if follows && !later.stage.is_over() {
            tx.save_upload(&UploadRow { supersedes: Some(file), ..later })?;
        }
    }
    Ok(())
}

fn close_row(tx: &Tx<'_>, mut row: UploadRow, file: FileId, now: Nanos) -> Result<(), StepError> {
    (row.stage, row.file, row.parked) = (Stage::Registered, Some(file), None);
    (row.due, row.since) = (now.to_timestamp(), now.to_timestamp());
    tx.save_upload(&row)?;
    tx.save_upload_hash(row.no, None)?;
    tx.save_upload_blob(row.no, UploadBlob::Facts, None)?;
    tx.count(Counter::Uploaded, 1)?;
    // The content's header stays: the spool file goes into the cache under it.
    Ok(forget_prepared(tx, row.no)?)
}

/// What happened to the file while its request was under way is made good by changes.
pub(super) fn follow_up(
    tx: &Tx<'_>,
    rules: &DropRules,
    row: &UploadRow,
    file: FileId,
    now: Nanos,
    dirty: &mut Dirty,
) -> Result<(), StepError> {
    let Some(target) = row.target else { return Ok(()) };
    // Removed before the answer came: it must not rise again with the next pull.
    let Some(node) = tx.load_node(row.ino)? else { return Ok(leave_album(tx, target, file, now, dirty)?) };
    let Some(name) = tx.load_names_of(node.ino)?.into_iter().next() else {
        return if node.kind == NodeKind::File { Ok(leave_album(tx, target, file, now, dirty)?) } else { Ok(()) };
    };
    if let Some(Destination::Album(album)) = destination(tx, rules, name.parent)?
        && album != target
    {
        move_photo(tx, file, target, album, now, dirty)?;
        tx.save_node_album(node.ino, Some(album))?;
    }
    name_as_file(tx, rules, &name, file, now, dirty)
}

/// The photo goes where its file was put in the albums meanwhile.
fn follow_into(
    tx: &Tx<'_>,
    name: &NameRow,
    target: AlbumNo,
    file: FileId,
    now: Nanos,
    dirty: &mut Dirty,
) -> Result<(), StepError> {
    // Somebody else's is joined by its further names.
    let Some(album) = tx.load_album_by_ino(name.parent)?.filter(|album| album.own) else { return Ok(()) };
    if album.no != target {
        move_photo(tx, file, target, album.no, now, dirty)?;
    }
    Ok(show_as(tx, album.no, file, &name.name, dirty)?)
}

fn name_as_file(
    tx: &Tx<'_>,
    rules: &DropRules,
    name: &NameRow,
    file: FileId,
    now: Nanos,
    dirty: &mut Dirty,
) -> Result<(), StepError> {
    let Some(row) = tx.load_file(file)? else { return Ok(()) };
    let Ok(wanted) = String::from_utf8(name.name.clone()) else { return Ok(()) };
    let known = row.label.as_ref().is_some_and(|label| label.title == wanted || label.display_name() == wanted);
    let path = path_of(tx, name.parent)?.unwrap_or_default();
    let names = rules.find(&path).map_or_else(NameRules::default, |(drop, _)| drop.names.clone());
    if known || names.classify(&name.name) != NameClass::Plain {
        return Ok(());
    }
    Ok(name_photo(tx, file, &wanted, now, dirty)?)
}
