//! `Timeline/`: years, their months, and in these a link to each own photo by its capture time (semantics 1). Nothing of
//! it is stored: it follows from the photos and from what the albums show of them.

use super::Namespace;
use super::attr::{Attr, AttrKind};
use super::change::{Dirty, Invalidation};
use super::dir::{Entry, EntryKey};
use super::path::{directory_of, path_of};
use super::project::Projector;
use crate::base::{AlbumKind, FileId, Ino, InoKind, Part, Timestamp, Visibility};
use crate::store::{AlbumRow, Listing, MemberRow, Rows, StoreResult};
use crate::tree::{FixedPlace, Period, join_name, split_name};
use std::collections::HashSet;

/// From a month back to the mount's root.
const UP: &[u8] = b"../../..";

impl Projector<'_> {
    /// Years, or the months of one.
    pub(super) fn push_periods(&self, year: Option<Period>, entries: &mut Vec<(Entry, Attr)>) -> StoreResult<()> {
        let mut from = year.unwrap_or(Period::Year(1)).begin();
        let end = year.map_or(Timestamp(i64::MAX), |year| year.end().unwrap_or(Timestamp(i64::MAX)));
        while let Some(begin) = from
            && let Some(taken) = self.rows.load_next_taken(begin)?.filter(|taken| *taken < end)
            && let Some(month) = Period::month_of(taken)
        {
            let period = if year.is_some() { month } else { month.year() };
            let ino = Ino::of_period(period.number());
            let entry = Entry { name: period.name().as_bytes().into(), ino, key: EntryKey::Period(period) };
            entries.push((entry, self.defaults.directory(ino, self.defaults.now)));
            from = period.end();
        }
        Ok(())
    }

    /// The photos of a month. Of equal names the lowest file number has it plain, the others have their number in it.
    pub(super) fn push_links(&self, month: Period, entries: &mut Vec<(Entry, Attr)>) -> StoreResult<()> {
        let Some((from, to)) = month.begin().zip(month.end()) else { return Ok(()) };
        let mut given: HashSet<Vec<u8>> = HashSet::new();
        for file in self.rows.load_taken_between(from, to)? {
            let Some((album, member)) = home_of(self.rows, file)? else { continue };
            for (part, listing) in [(Part::Whole, member.listing), (Part::Clip, member.clip)] {
                let Some((ino, listing)) = Ino::of_link(file, part).zip(listing) else { continue };
                let Some(target) = target_in(self.rows, &album, &listing)? else { continue };
                let name = if given.contains(&listing.name) { numbered(&listing.name, file) } else { listing.name };
                given.insert(name.clone());
                let entry = Entry { name: name.into(), ino, key: EntryKey::Link(file, part) };
                entries.push((entry, self.link(ino, &target)));
            }
        }
        Ok(())
    }

    pub(super) fn link_attr(&self, ino: Ino) -> StoreResult<Option<Attr>> {
        Ok(target_of(self.rows, ino)?.map(|target| self.link(ino, &target)))
    }

    fn link(&self, ino: Ino, target: &[u8]) -> Attr {
        Attr { kind: AttrKind::Link, mode: 0o777, ..self.defaults.file(ino, target.len() as u64) }
    }

    /// Whether anything was taken then.
    pub(super) fn has_photos(&self, period: Period) -> StoreResult<bool> {
        let Some((from, to)) = period.begin().zip(period.end()) else { return Ok(false) };
        Ok(self.rows.load_next_taken(from)?.is_some_and(|taken| taken < to))
    }
}

fn numbered(name: &[u8], file: FileId) -> Vec<u8> {
    let (stem, extension) = split_name(name);
    join_name(stem, format!(" ({})", file.0).as_bytes(), extension)
}

/// What the album shows of a photo that a link leads to: an album of its own if it can be, never a hidden one.
fn home_of(rows: &Rows<'_>, file: FileId) -> StoreResult<Option<(AlbumRow, MemberRow)>> {
    let mut homes = Vec::new();
    for member in rows.load_memberships(file)?.into_iter().filter(MemberRow::is_visible) {
        let album = rows.load_album(member.album)?;
        let fits = |album: &AlbumRow| {
            album.own && album.complete && album.has_directory() && album.visibility() != Visibility::Hidden
        };
        homes.extend(album.filter(fits).filter(|_| member.listing.is_some()).map(|album| (album, member)));
    }
    Ok(homes.into_iter().min_by_key(|(album, _)| {
        let rank = match album.kind {
            AlbumKind::Album | AlbumKind::Folder => 0,
            AlbumKind::Favorites => 1,
            AlbumKind::Uncategorized => 2,
        };
        (rank, album.no)
    }))
}

/// Where a link leads: relative, so that it holds wherever the mount is.
fn target_of(rows: &Rows<'_>, ino: Ino) -> StoreResult<Option<Vec<u8>>> {
    let Some(InoKind::Link(file, part)) = ino.kind() else { return Ok(None) };
    let Some((album, member)) = home_of(rows, file)? else { return Ok(None) };
    let listing = if part == Part::Clip { member.clip } else { member.listing };
    listing.map_or(Ok(None), |listing| target_in(rows, &album, &listing))
}

fn target_in(rows: &Rows<'_>, album: &AlbumRow, listing: &Listing) -> StoreResult<Option<Vec<u8>>> {
    let Some(mut path) = path_of(rows, directory_of(album))? else { return Ok(None) };
    path.insert(0, UP.to_vec());
    path.push(listing.name.clone());
    Ok(Some(path.join(&b'/')))
}

impl Namespace {
    /// Where a link of `Timeline/` leads.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn link_target(&self, ino: Ino) -> StoreResult<Option<Vec<u8>>> {
        self.store().read(|rows| target_of(rows, ino))
    }

    /// What was looked at of `Timeline/` follows the photos: where they are now, and where links to them were.
    pub(super) fn refresh_timeline(
        &self,
        rows: &Rows<'_>,
        projector: &Projector<'_>,
        dirty: &Dirty,
        told: &mut Vec<Invalidation>,
    ) -> StoreResult<()> {
        let periods = self.memo.read().periods();
        if periods.is_empty() {
            return Ok(());
        }
        let files: HashSet<FileId> = dirty.photos.iter().map(|(_, file)| *file).collect();
        let mut dirs = HashSet::new();
        for file in files {
            let taken = rows.load_file(file)?.and_then(|row| row.label).map(|label| label.taken);
            let now = taken.and_then(Period::month_of).map(|month| Ino::of_period(month.number()));
            let links = [Part::Whole, Part::Clip].map(|part| EntryKey::Link(file, part));
            let was = periods.iter().copied().filter(|dir| self.memo.read().has_member(*dir, &links));
            dirs.extend(now.into_iter().chain(was));
        }
        // An album that is called otherwise is another target.
        if !dirty.albums.is_empty() {
            dirs.extend(periods.iter().copied());
        }
        let years = dirs.iter().filter_map(|dir| match dir.kind() {
            Some(InoKind::Period(number)) => Some(Ino::of_period(Period::from_number(number)?.year().number())),
            _ => None,
        });
        let mut all: Vec<Ino> = years.chain(dirs.iter().copied()).collect();
        if !all.is_empty() {
            all.push(FixedPlace::Timeline.ino());
        }
        self.refresh_dirs(projector, &all, told)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{House, SUMMER, WINTER};
    use super::*;
    use crate::base::{AlbumNo, Nanos};

    fn leads_to(house: &House, month: Ino, name: &str) -> String {
        let (entry, attr) = house.names.lookup(month, name.as_bytes()).unwrap().unwrap();
        let target = house.names.link_target(entry.ino).unwrap().unwrap();
        assert_eq!((attr.kind, attr.size), (AttrKind::Link, target.len() as u64));
        String::from_utf8(target).unwrap()
    }

    fn hide(house: &House, album: AlbumNo) {
        house.change(|tx, dirty| {
            let row = tx.load_album(album)?.unwrap();
            super::super::shelve_album(tx, &row, Visibility::Hidden, b"Winter", Nanos(9), dirty)
        });
    }

    /// "Timeline/<yyyy>/<yyyy-mm>/: by capture date: read-only relative symlinks."
    #[test]
    fn photos_are_found_by_the_month_they_were_taken_in() {
        let house = House::new();
        let (summer, winter) =
            (house.album("Summer", AlbumKind::Album, SUMMER), house.album("Winter", AlbumKind::Album, WINTER));
        // Taken so many seconds after the beginning of 1970.
        let (first, second, later) =
            (house.photo(7, "a.jpg"), house.photo(8, "a.jpg"), house.photo(40_000_000, "b.jpg"));
        let timeline = FixedPlace::Timeline.ino();
        assert!(house.shown(timeline).is_empty());
        house.put(summer, first);
        house.put(winter, second);
        house.put(winter, later);
        assert_eq!(house.shown(timeline), ["1970", "1971"]);
        let (year, month) = (Period::Year(1970), Period::Month(1970, 1));
        let (year, month) = (Ino::of_period(year.number()), Ino::of_period(month.number()));
        assert_eq!(house.shown(year), ["1970-01"]);
        assert_eq!(house.shown(month), ["a (8).jpg", "a.jpg"]);
        assert_eq!(leads_to(&house, month, "a.jpg"), "../../../Albums/Summer/a.jpg");
        assert_eq!(leads_to(&house, month, "a (8).jpg"), "../../../Albums/Winter/a.jpg");
        house.take(summer, first);
        assert_eq!(house.shown(month), ["a.jpg"]);
        hide(&house, winter);
        assert!(house.shown(timeline).is_empty(), "what is hidden is hidden here, too");
        assert!(house.names.dir_info(month).is_err());
    }
}
