//! Taking back what was removed, moved or renamed at the mount (semantics 4.5): the latest first, in steps that are
//! each a transaction with the journal's lines it takes back, so that one that is cut short goes on the next time.

use super::Namespace;
use super::change::{Dirty, Origin};
use super::members::name_album_directory;
use super::ops::{
    ALBUM_DELAY, add_photo, make_album, name_album, name_photo, restore_photo, shelve_album, transfer_photo,
    withdraw_photo,
};
use super::place::{directory_at, free_name, is_name_taken};
use crate::base::{AlbumKind, AlbumNo, FileId, Ino, JournalNo, Nanos, Printable, Timestamp, Visibility};
use crate::store::{AlbumRow, Change, JournalRow, Kept, Label, MemberRow, NodeRow, Rows, StoreError, StoreResult, Tx};
use crate::tree::{DropRules, FixedPlace, PhotoPlaces, Return, latest_run, plan_return};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Lines taken back in one transaction: others write between two of them.
const STEP: usize = 200;

/// Which changes are taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UndoReach {
    /// The latest run of changes, with no pause over a minute.
    LatestRun,
    Since(Timestamp),
}

/// What was, or would be, taken back: how often each.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Undone {
    pub done: BTreeMap<String, u64>,
    /// What cannot be taken back, and why.
    pub left_out: BTreeMap<String, u64>,
}

impl Undone {
    pub fn is_empty(&self) -> bool {
        self.done.is_empty() && self.left_out.is_empty()
    }

    fn count(&mut self, outcome: Outcome) {
        let (lines, text) = match outcome {
            Outcome::Done(text) => (&mut self.done, text),
            Outcome::LeftOut(text) => (&mut self.left_out, text),
            Outcome::Nothing => return,
        };
        *lines.entry(text).or_insert(0) += 1;
    }
}

/// What taking back needs to know.
pub struct UndoContext<'a> {
    pub rules: &'a DropRules,
    pub now: Nanos,
    /// How long what comes back to a drop settles.
    pub settle: Duration,
}

/// What became of one line.
enum Outcome {
    Done(String),
    LeftOut(String),
    /// It is so already.
    Nothing,
}

/// Takes changes back.
///
/// # Errors
/// Where the store cannot be read or written; what was taken back until then stays so.
pub fn undo(namespace: &Namespace, reach: UndoReach, context: &UndoContext<'_>) -> StoreResult<Undone> {
    let mut undone = Undone::default();
    let Some((first, last)) = namespace.store().read(|rows| range_of(rows, reach))? else { return Ok(undone) };
    loop {
        let counted = namespace
            .commit(Origin::Elsewhere, |tx, dirty| take_back_latest(tx, (first, last), STEP, context, dirty))?;
        if counted.is_empty() {
            return Ok(undone);
        }
        counted.into_iter().for_each(|outcome| undone.count(outcome));
    }
}

/// What [`undo`] would do; nothing is changed.
///
/// # Errors
/// Where the store cannot be read.
pub fn preview_undo(namespace: &Namespace, reach: UndoReach, context: &UndoContext<'_>) -> StoreResult<Undone> {
    /// Rolls back what was only tried.
    enum Tried {
        Done(Undone),
        Failed(StoreError),
    }
    impl From<StoreError> for Tried {
        fn from(error: StoreError) -> Self {
            Self::Failed(error)
        }
    }
    let tried: Result<(), Tried> = namespace.store().write(|tx| {
        let mut undone = Undone::default();
        if let Some((first, last)) = range_of(tx, reach)? {
            let outcomes = take_back_latest(tx, (first, last), usize::MAX, context, &mut Dirty::default())?;
            outcomes.into_iter().for_each(|outcome| undone.count(outcome));
        }
        Err(Tried::Done(undone))
    });
    match tried {
        Err(Tried::Done(undone)) => Ok(undone),
        Err(Tried::Failed(error)) => Err(error),
        Ok(()) => Ok(Undone::default()),
    }
}

/// The first and the last line that are meant.
fn range_of(rows: &Rows<'_>, reach: UndoReach) -> StoreResult<Option<(JournalNo, JournalNo)>> {
    let lines = rows.load_journal_times()?;
    let times: Vec<Timestamp> = lines.iter().map(|(_, at)| *at).collect();
    let meant = match reach {
        UndoReach::LatestRun => latest_run(&times),
        UndoReach::Since(since) => times.iter().take_while(|at| **at >= since).count(),
    };
    Ok(lines[..meant].last().zip(lines.first()).map(|(first, last)| (first.0, last.0)))
}

/// Takes back at most `most` lines. Each is read when its turn comes: one that is taken back may change those before
/// it.
fn take_back_latest(
    tx: &Tx<'_>,
    (first, last): (JournalNo, JournalNo),
    most: usize,
    context: &UndoContext<'_>,
    dirty: &mut Dirty,
) -> StoreResult<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    while outcomes.len() < most
        && let Some(line) = tx.load_latest_change(first, last)?
    {
        outcomes.push(take_back(tx, &line, context, dirty)?);
        tx.delete_change(line.no)?;
    }
    Ok(outcomes)
}

fn take_back(tx: &Tx<'_>, line: &JournalRow, context: &UndoContext<'_>, dirty: &mut Dirty) -> StoreResult<Outcome> {
    let now = context.now;
    match &line.change {
        Change::Left { file, album } => bring_back(tx, *file, *album, None, false, now, dirty),
        Change::Trashed { file, album } => bring_back(tx, *file, *album, None, true, now, dirty),
        Change::Moved { file, from, to, joined } => {
            bring_back(tx, *file, *from, Some((*to, *joined)), false, now, dirty)
        }
        Change::Joined { file, album } => take_out(tx, *file, *album, now, dirty),
        Change::PhotoNamed { file, was } => name_photo_again(tx, *file, was, now, dirty),
        Change::AlbumNamed { album, was } => name_album_again(tx, *album, was, now, dirty),
        Change::AlbumShelved { album, was } => shelve_again(tx, *album, *was, now, dirty),
        Change::AlbumRemoved { album } => make_again(tx, *album, now, dirty),
        Change::FileRemoved { ino, path } => put_back(tx, *ino, path, context, dirty),
        Change::EntryMoved { ino, path } => move_back(tx, *ino, path, context, dirty),
    }
}

/// A photo comes back to the album it left; `trashed`: out of Ente's trash.
fn bring_back(
    tx: &Tx<'_>,
    file: FileId,
    old: AlbumNo,
    new: Option<(AlbumNo, bool)>,
    trashed: bool,
    now: Nanos,
    dirty: &mut Dirty,
) -> StoreResult<Outcome> {
    let Some(album) = tx.load_album(old)?.filter(AlbumRow::is_present) else {
        return Ok(Outcome::LeftOut("photos whose album is gone".into()));
    };
    let members = tx.load_memberships(file)?;
    let is_in = |album: AlbumNo| members.iter().any(|member| member.album == album && member.is_visible());
    let places = PhotoPlaces {
        in_old: is_in(old),
        in_new: new.is_some_and(|(new, _)| is_in(new)),
        anywhere: members.iter().any(MemberRow::is_visible),
        trashed: trashed && tx.is_in_trash(file)?,
    };
    let joined = new.is_some_and(|(_, joined)| joined);
    match (plan_return(places, joined), new) {
        (Return::Gone, _) => return Ok(Outcome::LeftOut("photos that were deleted meanwhile".into())),
        (Return::Nothing, _) => return Ok(Outcome::Nothing),
        (Return::Restore, _) => restore_photo(tx, file, old, now, dirty)?,
        (Return::Add, _) | (_, None) => add_photo(tx, file, old, now, dirty)?,
        (Return::MoveBack, Some((new, _))) => transfer_photo(tx, file, new, old, now, dirty)?,
        (Return::Leave, Some((new, _))) => withdraw_photo(tx, new, file, now, dirty)?,
    }
    if let Some((new, _)) = new {
        // A drop entry that moved with it maps to the old album again.
        for node in tx.load_nodes_of_file(file)?.into_iter().filter(|node| node.album == Some(new)) {
            tx.save_node_album(node.ino, Some(old))?;
        }
    }
    Ok(Outcome::Done(format!("photos back in {}", called(&album))))
}

fn take_out(tx: &Tx<'_>, file: FileId, album: AlbumNo, now: Nanos, dirty: &mut Dirty) -> StoreResult<Outcome> {
    let is_in = tx.load_member(album, file)?.is_some_and(|member| member.is_visible());
    let Some(row) = tx.load_album(album)?.filter(|row| is_in && row.is_present()) else { return Ok(Outcome::Nothing) };
    withdraw_photo(tx, album, file, now, dirty)?;
    Ok(Outcome::Done(format!("photos taken out of {}", called(&row))))
}

fn name_photo_again(tx: &Tx<'_>, file: FileId, was: &str, now: Nanos, dirty: &mut Dirty) -> StoreResult<Outcome> {
    // One that comes back from the trash is in an album again, whatever the server last said.
    let is_somewhere = tx.load_memberships(file)?.iter().any(MemberRow::is_visible);
    let Some(row) = tx.load_file(file)?.filter(|row| !row.trashed || is_somewhere) else {
        return Ok(Outcome::LeftOut("photos that were deleted meanwhile".into()));
    };
    let known = row.label.as_ref().map(Label::display_name);
    let called = row.want_name.as_deref().or(known).unwrap_or_default().to_owned();
    if called == was {
        return Ok(Outcome::Nothing);
    }
    name_photo(tx, file, was, now, dirty)?;
    Ok(Outcome::Done(format!("'{}' is called '{}' again", shown(&called), shown(was))))
}

fn name_album_again(tx: &Tx<'_>, album: AlbumNo, was: &str, now: Nanos, dirty: &mut Dirty) -> StoreResult<Outcome> {
    let Some(row) = tx.load_album(album)?.filter(AlbumRow::is_present) else {
        return Ok(Outcome::LeftOut("albums that are gone".into()));
    };
    if row.display_name() == was {
        return Ok(Outcome::Nothing);
    }
    if row.list().is_some_and(|list| tx.is_album_name_taken(list, was.as_bytes()).unwrap_or(true)) {
        return Ok(Outcome::LeftOut(format!("the album {}: another one is called '{}'", called(&row), shown(was))));
    }
    name_album(tx, &row, was, now, dirty)?;
    Ok(Outcome::Done(format!("the album {} is called '{}' again", called(&row), shown(was))))
}

/// Archived, hidden or shown again, under the name that is free there.
fn shelve_again(tx: &Tx<'_>, album: AlbumNo, was: Visibility, now: Nanos, dirty: &mut Dirty) -> StoreResult<Outcome> {
    let Some(row) = tx.load_album(album)?.filter(AlbumRow::is_present) else {
        return Ok(Outcome::LeftOut("albums that are gone".into()));
    };
    if row.visibility() == was {
        return Ok(Outcome::Nothing);
    }
    shelve_album(tx, &row, was, row.display_name().as_bytes(), now, dirty)?;
    let list = FixedPlace::of_albums(was).name();
    Ok(Outcome::Done(format!("the album {} back in {list}", called(&row))))
}

/// An album of the same name takes the removed one's place, here and in what else is taken back.
fn make_again(tx: &Tx<'_>, old: AlbumNo, now: Nanos, dirty: &mut Dirty) -> StoreResult<Outcome> {
    let Some(row) = tx.load_album(old)?.filter(|row| !row.is_present()) else { return Ok(Outcome::Nothing) };
    let name = row.display_name().to_owned();
    let due = now.to_timestamp().saturating_add(ALBUM_DELAY);
    let new = make_album(tx, AlbumKind::Album, &name, due, now, dirty)?;
    name_album_directory(tx, new, dirty)?;
    tx.rename_album_in_journal(old, new)?;
    Ok(Outcome::Done(format!("the album {} made again", called(&row))))
}

/// A file that was not in Ente yet has its name again, as long as its bytes are kept (semantics 4.3).
fn put_back(tx: &Tx<'_>, ino: Ino, path: &[u8], context: &UndoContext<'_>, dirty: &mut Dirty) -> StoreResult<Outcome> {
    let now = context.now;
    let node = tx.load_node(ino)?.filter(|_| tx.load_names_of(ino).is_ok_and(|names| names.is_empty()));
    let (Some(node), Some(mut row)) = (node, tx.load_kept_upload(ino)?) else {
        return Ok(Outcome::LeftOut("files whose bytes were not kept".into()));
    };
    let (dir, name) = place_of(tx, path, context, dirty)?;
    let name = free_name(tx, dir, &name)?;
    tx.save_name(dir, &name, ino)?;
    tx.save_node(&NodeRow { ctime: now, ..node })?;
    row.settle(now.to_timestamp(), context.settle);
    tx.save_upload(&row)?;
    tx.save_upload_kept(row.no, Kept::No)?;
    dirty.name(dir, &name);
    dirty.ino(ino);
    Ok(Outcome::Done("files back in their drop, to be sent".into()))
}

/// A file or directory of this machine has its old path again, where that is free.
fn move_back(tx: &Tx<'_>, ino: Ino, path: &[u8], context: &UndoContext<'_>, dirty: &mut Dirty) -> StoreResult<Outcome> {
    let Some((node, at)) = tx.load_node(ino)?.zip(tx.load_names_of(ino)?.into_iter().next()) else {
        return Ok(Outcome::LeftOut("files that are gone".into()));
    };
    let (dir, name) = place_of(tx, path, context, dirty)?;
    if (at.parent, &at.name) == (dir, &name) {
        return Ok(Outcome::Nothing);
    }
    if is_name_taken(tx, dir, &name)? || (node.kind.is_directory() && is_below(tx, dir, ino)?) {
        return Ok(Outcome::LeftOut("files whose old name is taken".into()));
    }
    tx.delete_name(at.parent, &at.name)?;
    tx.save_name(dir, &name, ino)?;
    dirty.name(at.parent, &at.name);
    dirty.name(dir, &name);
    if node.kind.is_directory() {
        tx.save_node_album(ino, None)?;
        dirty.dir(ino);
    }
    dirty.ino(ino);
    Ok(Outcome::Done("files and directories under their old names".into()))
}

/// The directory and the name of a path; directories that are gone are made again.
fn place_of(tx: &Tx<'_>, path: &[u8], context: &UndoContext<'_>, dirty: &mut Dirty) -> StoreResult<(Ino, Vec<u8>)> {
    let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect();
    let (name, dirs) = parts.split_last().map_or((&b"recovered"[..], &[][..]), |(name, dirs)| (*name, dirs));
    Ok((directory_at(tx, context.rules, dirs, context.now, dirty)?, name.to_vec()))
}

/// Whether `dir` is `above` or lies below it.
fn is_below(rows: &Rows<'_>, mut dir: Ino, above: Ino) -> StoreResult<bool> {
    while dir != above {
        match rows.load_names_of(dir)?.into_iter().next() {
            Some(name) => dir = name.parent,
            None => return Ok(false),
        }
    }
    Ok(true)
}

fn called(album: &AlbumRow) -> String {
    match album.kind {
        AlbumKind::Uncategorized => "Uncategorized".into(),
        AlbumKind::Favorites => "Favorites".into(),
        AlbumKind::Album | AlbumKind::Folder => format!("'{}'", shown(album.display_name())),
    }
}

fn shown(name: &str) -> String {
    Printable(name.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{House, SUMMER, WINTER};
    use super::*;
    use crate::namespace::leave_album;

    const NOW: Nanos = Nanos(9_000_000_000);

    fn undo_all(house: &House) -> Undone {
        let rules = DropRules::new(Vec::new(), Duration::ZERO);
        let context = UndoContext { rules: &rules, now: NOW, settle: Duration::ZERO };
        let reach = UndoReach::Since(Timestamp::ZERO);
        let preview = preview_undo(&house.names, reach, &context).unwrap();
        let undone = undo(&house.names, reach, &context).unwrap();
        assert_eq!(preview, undone, "a preview says what is done then");
        undone
    }

    fn removed(house: &House, file: FileId, album: AlbumNo) {
        house.change(|tx, dirty| {
            tx.insert_change(Timestamp(1), 1, &Change::Left { file, album })?;
            leave_album(tx, album, file, NOW, dirty)
        });
    }

    fn two_albums() -> (House, AlbumNo, AlbumNo) {
        let house = House::new();
        house.album("Uncategorized", AlbumKind::Uncategorized, FixedPlace::Uncategorized.ino());
        let (summer, winter) =
            (house.album("Summer", AlbumKind::Album, SUMMER), house.album("Winter", AlbumKind::Album, WINTER));
        (house, summer, winter)
    }

    #[test]
    fn a_photo_comes_back_to_each_album_it_was_taken_out_of() {
        let (house, summer, winter) = two_albums();
        let (both, one) = (house.photo(7, "a.jpg"), house.photo(8, "b.jpg"));
        house.put(summer, both);
        house.put(winter, both);
        house.put(summer, one);
        for (file, album) in [(both, summer), (both, winter), (one, summer)] {
            removed(&house, file, album);
        }
        assert_eq!(house.shown(FixedPlace::Uncategorized.ino()), ["a.jpg", "b.jpg"]);
        let undone = undo_all(&house);
        let lines = [("photos back in 'Summer'".to_owned(), 2), ("photos back in 'Winter'".to_owned(), 1)];
        assert_eq!((undone.done, undone.left_out), (lines.into(), BTreeMap::new()));
        assert_eq!(
            (house.shown(SUMMER), house.shown(WINTER)),
            (vec!["a.jpg".into(), "b.jpg".into()], vec!["a.jpg".into()])
        );
        assert!(house.shown(FixedPlace::Uncategorized.ino()).is_empty());
        assert!(undo_all(&house).is_empty(), "once");
    }

    /// The lines before it are about the album that was: each is read when its turn comes.
    #[test]
    fn a_removed_album_is_made_again_before_its_photos_come_back() {
        let (house, summer, _) = two_albums();
        let file = house.photo(7, "a.jpg");
        house.put(summer, file);
        removed(&house, file, summer);
        house.change(|tx, dirty| {
            tx.insert_change(Timestamp(2), 50, &Change::AlbumRemoved { album: summer })?;
            let album = tx.load_album(summer)?.unwrap();
            super::super::delete_album(tx, &album, NOW, dirty)
        });
        assert_eq!(house.shown(FixedPlace::Albums.ino()), ["Winter"]);
        assert_eq!(undo_all(&house).left_out, BTreeMap::new());
        assert_eq!(house.shown(FixedPlace::Albums.ino()), ["Summer", "Winter"]);
        let albums = house.names.store().read(|rows| rows.load_albums()).unwrap();
        let again = albums.iter().find(|album| album.is_listed() && album.name == "Summer").unwrap();
        assert_ne!(again.no, summer, "Ente has deleted that one, or will");
        assert_eq!(house.shown(again.ino), ["a.jpg"]);
    }

    #[test]
    fn an_archived_album_is_back_among_the_others() {
        let (house, summer, _) = two_albums();
        house.change(|tx, dirty| {
            let row = tx.load_album(summer)?.unwrap();
            tx.insert_change(Timestamp(1), 0, &Change::AlbumShelved { album: summer, was: row.visibility() })?;
            shelve_album(tx, &row, Visibility::Archived, b"Summer", NOW, dirty)
        });
        let shown = || (house.shown(FixedPlace::Albums.ino()), house.shown(FixedPlace::Archive.ino()));
        assert_eq!(shown(), (vec!["Winter".into()], vec!["Summer".into()]));
        assert_eq!(undo_all(&house).left_out, BTreeMap::new());
        assert_eq!(shown(), (vec!["Summer".into(), "Winter".into()], vec![]));
    }

    #[test]
    fn what_was_deleted_meanwhile_is_left_out_and_said() {
        let (house, summer, winter) = two_albums();
        let (gone, kept) = (house.photo(7, "a.jpg"), house.photo(8, "b.jpg"));
        house.put(summer, kept);
        house.change(|tx, dirty| {
            tx.insert_change(Timestamp(1), 1, &Change::Left { file: gone, album: summer })?;
            tx.insert_change(Timestamp(2), 0, &Change::PhotoNamed { file: kept, was: "was.jpg".into() })?;
            tx.insert_change(Timestamp(3), 0, &Change::AlbumNamed { album: winter, was: "Summer".into() })?;
            tx.insert_change(Timestamp(4), 1, &Change::FileRemoved { ino: Ino(99_999), path: b"Drop/x.jpg".to_vec() })?;
            dirty.dir(SUMMER);
            Ok(())
        });
        let undone = undo_all(&house);
        assert_eq!(undone.done.keys().collect::<Vec<_>>(), ["'b.jpg' is called 'was.jpg' again"]);
        assert_eq!(undone.left_out.len(), 3, "{undone:?}");
        assert_eq!(house.shown(SUMMER), ["was.jpg"]);
    }
}
