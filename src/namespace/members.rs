//! Photos entering and leaving albums: their names, their link counts, what each directory shows of them.
//! These run inside a transaction and mark what they touched.

use super::change::Dirty;
use super::path::directory_of;
use super::shown::Shown;
use crate::base::{AlbumNo, FileId, Ino};
use crate::store::{AlbumRow, FileRow, Listing, MemberRow, NameSlot, Rows, StoreResult, Tx, UploadRow};
use crate::tree::{FixedPlace, NameRequest, assign_names, join_name, safe_name, split_name};

/// A pending change puts the photo into the album; it is shown there at once.
///
/// # Errors
/// Where the store cannot be read or written, here and below.
pub fn enter(tx: &Tx<'_>, album: AlbumNo, file: FileId, dirty: &mut Dirty) -> StoreResult<()> {
    tx.save_member_want(album, file, Some(true))?;
    relist(tx, file, dirty)
}

/// A pending change takes the photo out of the album; its name is kept in case the server refuses.
pub fn leave(tx: &Tx<'_>, album: AlbumNo, file: FileId, dirty: &mut Dirty) -> StoreResult<()> {
    tx.save_member_want(album, file, Some(false))?;
    relist(tx, file, dirty)
}

/// Nothing is pending any more: the membership is what the server said.
pub fn settle(tx: &Tx<'_>, album: AlbumNo, file: FileId, dirty: &mut Dirty) -> StoreResult<()> {
    tx.save_member_want(album, file, None)?;
    relist(tx, file, dirty)
}

/// A directory that gives photos their names: an album's, or `Trash/`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PhotoDir {
    no: AlbumNo,
    ino: Ino,
    /// Its first pull is complete.
    complete: bool,
}

impl PhotoDir {
    pub fn of(album: &AlbumRow) -> Self {
        Self { no: album.no, ino: directory_of(album), complete: album.complete }
    }

    /// That of an album, or of [`AlbumNo::TRASH`].
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn load(rows: &Rows<'_>, no: AlbumNo) -> StoreResult<Option<Self>> {
        if no == AlbumNo::TRASH {
            let (ino, complete) = (FixedPlace::Trash.ino(), rows.load_trash_complete()?);
            return Ok(Some(Self { no, ino, complete }));
        }
        Ok(rows.load_album(no)?.map(|album| Self::of(&album)))
    }

    pub(super) fn ino(&self) -> Ino {
        self.ino
    }
}

/// When a photo that has no name in an album gets one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Naming {
    Now,
    /// When all of a pull is here: the lower file number keeps the plain name (semantics 1.6).
    Later,
}

/// Brings what every album, and the trash, shows of a photo to its content, its link count and its names.
pub fn relist(tx: &Tx<'_>, file: FileId, dirty: &mut Dirty) -> StoreResult<()> {
    relist_naming(tx, file, Naming::Now, dirty)
}

/// [`relist`], choosing when what has no name gets one.
pub fn relist_naming(tx: &Tx<'_>, file: FileId, naming: Naming, dirty: &mut Dirty) -> StoreResult<()> {
    let Some(row) = tx.load_file(file)? else { return Ok(()) };
    let shown = Shown::load(tx, &row)?;
    let (mut reachable, mut links) = (Vec::new(), 0);
    for member in tx.load_places(file)? {
        dirty.photo(member.album, file);
        let dir = reach(tx, member.album)?.filter(|_| member.is_visible());
        if let Some((dir, is_link)) = dir {
            links += u32::from(is_link);
            reachable.push((dir, member));
        } else if !member.live && member.want.is_none() && member.listing.is_some() {
            tx.clear_listing(member.album, file)?;
        }
    }
    let Some(shown) = shown.filter(|_| row.kind.is_some()) else { return Ok(()) };
    // An album that is named before it is shown, in its first pull, is a link of what it alone has.
    for (dir, member) in reachable {
        relist_member(tx, &row, &shown, links.max(1), naming, dir, member)?;
    }
    Ok(())
}

/// The photo is called something else: it gets a new name in every album that shows it.
pub fn rename_photo(tx: &Tx<'_>, file: FileId, dirty: &mut Dirty) -> StoreResult<()> {
    for member in tx.load_places(file)? {
        if member.listing.is_some() {
            tx.clear_listing(member.album, file)?;
        }
    }
    relist(tx, file, dirty)
}

/// Where a photo has a name: own albums, hidden ones too, those that somebody shares with us, and the trash. With whether
/// that is one of its links.
fn reach(rows: &Rows<'_>, no: AlbumNo) -> StoreResult<Option<(PhotoDir, bool)>> {
    if no == AlbumNo::TRASH {
        return Ok(PhotoDir::load(rows, no)?.map(|dir| (dir, true)));
    }
    let album = rows.load_album(no)?.filter(|album| album.is_present() && (album.own || album.owner.is_some()));
    Ok(album.map(|album| (PhotoDir::of(&album), album.has_directory())))
}

fn relist_member(
    tx: &Tx<'_>,
    row: &FileRow,
    shown: &Shown,
    links: u32,
    naming: Naming,
    dir: PhotoDir,
    member: MemberRow,
) -> StoreResult<()> {
    let Some(listing) = member.listing else {
        // An album that is still being pulled names its members when all are there.
        let now = dir.complete && naming == Naming::Now;
        return if now { name_member(tx, dir, row, shown, links, false) } else { Ok(()) };
    };
    let is_others = |name: &[u8]| tx.is_name_of_other(dir.no, name, row.id);
    let clip_name = member.clip.as_ref().map(|clip| clip.name.clone());
    let clip_is_others = clip_name.as_deref().map(&is_others).transpose()?.unwrap_or(false);
    if is_others(&listing.name)? || clip_is_others || clip_name.is_some() != shown.is_pair() {
        return name_member(tx, dir, row, shown, links, false);
    }
    let (wanted, wanted_clip) = shown.listings(links, listing.name.clone(), clip_name);
    if wanted != listing || wanted_clip != member.clip {
        tx.save_listing_facts(dir.no, row.id, &wanted, wanted_clip.as_ref())?;
    }
    Ok(())
}

/// Gives a photo its name in an album (semantics 1.6), a live photo its two. `provisional`: another machine's new
/// version caused the suffix, a name freed until the next complete pull goes to it.
pub fn name_member(
    tx: &Tx<'_>,
    dir: PhotoDir,
    row: &FileRow,
    shown: &Shown,
    links: u32,
    provisional: bool,
) -> StoreResult<()> {
    let plain = shown.plain_names(row);
    let together = together(row);
    let requests: Vec<NameRequest> = plain.iter().map(|plain| NameRequest { plain: plain.clone(), together }).collect();
    let names = |group_suffix: &dyn Fn(&[u8], i64) -> Option<u32>| {
        assign_names(&requests, |name| is_taken(tx, dir, row.id, name).unwrap_or(true), group_suffix)
    };
    let mut given = names(&|stem, together| tx.find_suffix(dir.no, stem, together).unwrap_or(None));
    let suffix = |given: &[Vec<u8>], half: usize| suffix_of(&plain[half], &given[half]);
    if given.len() == 2 && suffix(&given, 0) != suffix(&given, 1) {
        // The suffix of what was shot together is free for one half alone: the halves keep together.
        given = names(&|_, _| None);
    }
    let (stem, _) = split_name(&plain[0]);
    let suffix = suffix(&given, 0);
    let slot = NameSlot { stem, together, suffix, provisional: provisional && suffix > 1 };
    let mut given = given.into_iter();
    let (still, clip) = shown.listings(links, given.next().unwrap_or_else(|| plain[0].clone()), given.next());
    tx.save_listing(dir.no, row.id, (&still, clip.as_ref()), slot)
}

/// Gives a photo the very name in an album that a person typed, where it is free: one of its own, with a suffix it
/// has elsewhere, say. A live photo's other half keeps its extension. What Ente calls otherwise is shown so in the trash
/// alone: nothing is renamed there.
pub fn show_as(tx: &Tx<'_>, album: AlbumNo, file: FileId, name: &[u8], dirty: &mut Dirty) -> StoreResult<()> {
    let (Some(dir), Some(row)) = (PhotoDir::load(tx, album)?, tx.load_file(file)?) else { return Ok(()) };
    let Some(MemberRow { listing: Some(still), clip, .. }) = tx.load_member(album, file)? else { return Ok(()) };
    let Some(shown) = Shown::load(tx, &row)? else { return Ok(()) };
    let plain = shown.plain_names(&row);
    if album != AlbumNo::TRASH && !fits_one_of(&plain, name) {
        return Ok(());
    }
    let (typed, extension) = split_name(name);
    let renamed = |listing: &Listing| match clip {
        Some(_) => [typed, split_name(&listing.name).1].concat(),
        None => name.to_vec(),
    };
    let given: Vec<Vec<u8>> = std::iter::once(&still).chain(&clip).map(renamed).collect();
    let is_own = given.iter().any(|given| given == name) || split_name(&still.name).1 == extension;
    let is_so = given.iter().eq(std::iter::once(&still.name).chain(clip.as_ref().map(|clip| &clip.name)));
    for name in &given {
        if is_so || !is_own || is_taken(tx, dir, file, name)? {
            return Ok(());
        }
    }
    let (stem, _) = split_name(&plain[0]);
    let slot = NameSlot { stem, together: together(&row), suffix: suffix_of(&plain[0], &given[0]), provisional: false };
    dirty.photo(album, file);
    let mut given = given.into_iter();
    let (still, clip) = shown.listings(still.links, given.next().unwrap_or_else(|| still.name.clone()), given.next());
    tx.save_listing(album, file, (&still, clip.as_ref()), slot)
}

/// Whether a photo is called so, a suffix that an album gave it aside.
pub fn is_called(rows: &Rows<'_>, file: FileId, name: &[u8]) -> StoreResult<bool> {
    let Some(row) = rows.load_file(file)? else { return Ok(false) };
    let Some(shown) = Shown::load(rows, &row)? else { return Ok(false) };
    Ok(fits_one_of(&shown.plain_names(&row), name))
}

/// Whether a name is one of these, or one of them with a suffix.
fn fits_one_of(plain: &[Vec<u8>], name: &[u8]) -> bool {
    plain.iter().any(|plain| {
        let (stem, extension) = split_name(plain);
        let suffix = format!(" ({})", suffix_of(plain, name));
        plain == name || join_name(stem, suffix.as_bytes(), extension) == name
    })
}

/// What was shot in the same second shares a suffix.
fn together(row: &FileRow) -> i64 {
    row.label.as_ref().map_or(0, |label| label.taken.0.div_euclid(1_000_000))
}

fn is_taken(rows: &Rows<'_>, dir: PhotoDir, file: FileId, name: &[u8]) -> StoreResult<bool> {
    if rows.is_name_of_other(dir.no, name, file)? {
        return Ok(true);
    }
    let Some(local) = rows.find_name(dir.ino, name)? else { return Ok(false) };
    // Behind a file that is to take its place the photo has that very name, and no second one beside it.
    let follows = |upload: &UploadRow| !upload.stage.is_over() && upload.supersedes == Some(file);
    Ok(!rows.load_uploads_of(local)?.iter().any(follows))
}

/// Which ` (n)` a name got.
fn suffix_of(plain: &[u8], name: &[u8]) -> u32 {
    if plain == name {
        return 1;
    }
    let (stem, _) = split_name(name);
    let digits = stem.strip_suffix(b")").and_then(|stem| stem.rsplit(|byte| *byte == b'(').next());
    digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()).unwrap_or(1)
}

/// Gives an album's directory its name: the album's own, with a suffix where another album has it.
pub fn name_album_directory(tx: &Tx<'_>, album: AlbumNo, dirty: &mut Dirty) -> StoreResult<()> {
    let Some(row) = tx.load_album(album)? else { return Ok(()) };
    dirty.album(album);
    let Some(list) = row.list() else { return Ok(()) };
    let plain = safe_name(row.display_name().as_bytes(), FileId(album.0), "");
    // Its own name is free for it, in this list too.
    tx.clear_album_shown(album)?;
    let taken = |name: &[u8]| tx.is_album_name_taken(list, name).unwrap_or(true);
    // An album's name has no extension to keep: the suffix goes at its end.
    let free = (1..).map(|n| album_suffix(&plain, n)).find(|name| !taken(name));
    free.map_or(Ok(()), |name| tx.save_album_shown(album, list, &name))
}

fn album_suffix(plain: &[u8], n: u32) -> Vec<u8> {
    if n == 1 { plain.to_vec() } else { join_name(plain, format!(" ({n})").as_bytes(), b"") }
}
