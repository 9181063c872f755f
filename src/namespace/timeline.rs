//! `Timeline/`: years, their months, and in these a link to each own photo by its capture time (semantics 1). Nothing of
//! it is stored: it follows from the photos and from what the albums show of them. A commit looks again at the links of
//! the photos it touched, and at those of an album's only if they lead elsewhere now.

use super::Namespace;
use super::attr::{Attr, AttrKind};
use super::change::{Dirty, Invalidation};
use super::dir::{Entry, EntryKey};
use super::memo::Memo;
use super::path::{directory_of, path_of};
use super::project::{Projector, period_of};
use crate::base::{AlbumKind, AlbumNo, FileId, Ino, InoKind, Name, Part, Timestamp, Visibility};
use crate::store::{AlbumRow, Listing, MemberRow, Rows, StoreResult};
use crate::tree::{FixedPlace, LinkKey, LinkNames, Period};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// From a month back to the mount's root.
const UP: &[u8] = b"../../..";

/// What links that lead into an album have in common.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Home {
    /// The lowest of a photo's homes is the one.
    rank: (u8, AlbumNo),
    /// To its directory, from a month.
    path: Vec<u8>,
}

impl Home {
    /// An album of its own if it can be, never a hidden one. `None` where links cannot lead.
    fn load(rows: &Rows<'_>, album: AlbumNo) -> StoreResult<Option<Self>> {
        let fits = |album: &AlbumRow| {
            album.own && album.complete && album.has_directory() && album.visibility() != Visibility::Hidden
        };
        let Some(album) = rows.load_album(album)?.filter(fits) else { return Ok(None) };
        let Some(mut path) = path_of(rows, directory_of(&album))? else { return Ok(None) };
        path.insert(0, UP.to_vec());
        let rank = match album.kind {
            AlbumKind::Album | AlbumKind::Folder => 0,
            AlbumKind::Favorites => 1,
            AlbumKind::Uncategorized => 2,
        };
        Ok(Some(Self { rank: (rank, album.no), path: path.join(&b'/') }))
    }

    /// Where a link to this name leads: relative, so that it holds wherever the mount is.
    fn target(&self, listing: &Listing) -> Vec<u8> {
        [&self.path[..], b"/", &listing.name].concat()
    }
}

/// A photo's links, or none: under the name that each would have alone.
type Links = [(LinkKey, Option<(Name, Attr)>); 2];

fn no_links(file: FileId) -> Links {
    [Part::Whole, Part::Clip].map(|part| ((file, part), None))
}

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
            entries.push(self.period(period));
            from = period.end();
        }
        Ok(())
    }

    fn period(&self, period: Period) -> (Entry, Attr) {
        let ino = Ino::of_period(period.number());
        let entry = Entry { name: period.name().as_bytes().into(), ino, key: EntryKey::Period(period) };
        (entry, self.defaults.directory(ino, self.defaults.now))
    }

    /// The photos of a month.
    pub(super) fn push_links(&self, month: Period, entries: &mut Vec<(Entry, Attr)>) -> StoreResult<LinkNames> {
        let (mut names, mut attrs) = (LinkNames::default(), Vec::new());
        let Some((from, to)) = month.begin().zip(month.end()) else { return Ok(names) };
        for file in self.rows.load_taken_between(from, to)? {
            for (key, link) in self.links_of(file)? {
                let Some((plain, attr)) = link else { continue };
                names.set(key, Some(plain));
                attrs.push((key, attr));
            }
        }
        entries.extend(attrs.into_iter().filter_map(|(key, attr)| Some((link_entry(key, names.get(key)?)?, attr))));
        Ok(names)
    }

    fn links_of(&self, file: FileId) -> StoreResult<Links> {
        let mut links = no_links(file);
        let Some((home, member)) = self.home_of(file)? else { return Ok(links) };
        for ((key, link), listing) in links.iter_mut().zip([member.listing, member.clip]) {
            let Some((ino, listing)) = Ino::of_link(key.0, key.1).zip(listing) else { continue };
            let attr = self.link(ino, &home.target(&listing));
            *link = Some((listing.name.into(), attr));
        }
        Ok(links)
    }

    pub(super) fn link_attr(&self, ino: Ino) -> StoreResult<Option<Attr>> {
        Ok(self.target_of(ino)?.map(|target| self.link(ino, &target)))
    }

    fn link(&self, ino: Ino, target: &[u8]) -> Attr {
        Attr { kind: AttrKind::Link, mode: 0o777, ..self.defaults.file(ino, target.len() as u64) }
    }

    fn target_of(&self, ino: Ino) -> StoreResult<Option<Vec<u8>>> {
        let Some(InoKind::Link(file, part)) = ino.kind() else { return Ok(None) };
        let Some((home, member)) = self.home_of(file)? else { return Ok(None) };
        let listing = if part == Part::Clip { member.clip } else { member.listing };
        Ok(listing.map(|listing| home.target(&listing)))
    }

    /// The home that a photo's links lead to, and what it shows of the photo.
    fn home_of(&self, file: FileId) -> StoreResult<Option<(Home, MemberRow)>> {
        let mut best: Option<(Home, MemberRow)> = None;
        for member in self.rows.load_memberships(file)?.into_iter().filter(MemberRow::is_visible) {
            let home = self.home(member.album)?.filter(|_| member.listing.is_some());
            if let Some(home) = home.filter(|home| best.as_ref().is_none_or(|(best, _)| home.rank < best.rank)) {
                best = Some((home, member));
            }
        }
        Ok(best)
    }

    /// Each album is looked at once.
    fn home(&self, album: AlbumNo) -> StoreResult<Option<Home>> {
        if let Some(known) = self.homes.borrow().get(&album) {
            return Ok(known.clone());
        }
        let home = Home::load(self.rows, album)?;
        self.homes.borrow_mut().insert(album, home.clone());
        Ok(home)
    }

    /// Whether anything was taken then.
    pub(super) fn has_photos(&self, period: Period) -> StoreResult<bool> {
        let Some((from, to)) = period.begin().zip(period.end()) else { return Ok(false) };
        Ok(self.rows.load_next_taken(from)?.is_some_and(|taken| taken < to))
    }
}

fn link_entry((file, part): LinkKey, name: Name) -> Option<Entry> {
    Some(Entry { name, ino: Ino::of_link(file, part)?, key: EntryKey::Link(file, part) })
}

/// Months that may have come or gone, and whether a photo is known to be there.
type Months = BTreeMap<Period, bool>;

impl Namespace {
    /// Where a link of `Timeline/` leads.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn link_target(&self, ino: Ino) -> StoreResult<Option<Vec<u8>>> {
        self.store().read(|rows| Projector::new(rows, &self.defaults).target_of(ino))
    }

    /// What was looked at of `Timeline/` follows the photos: where they are now, and where links to them were.
    pub(super) fn refresh_timeline(
        &self,
        projector: &Projector<'_>,
        dirty: &Dirty,
        told: &mut Vec<Invalidation>,
    ) -> StoreResult<()> {
        let periods = self.memo.read().periods();
        if periods.is_empty() {
            return Ok(());
        }
        let mut months: Months =
            dirty.retaken.iter().filter_map(|taken| Some((Period::month_of(*taken)?, false))).collect();
        let mut files: BTreeSet<FileId> = dirty.photos.iter().map(|(_, file)| *file).collect();
        for album in dirty.albums.iter().collect::<BTreeSet<_>>() {
            self.find_moved_links(projector, *album, &mut files, &mut months)?;
        }
        for file in files {
            self.refresh_links(projector, &periods, file, &mut months, told)?;
        }
        self.refresh_periods(projector, months, told)?;
        self.memo.write().know_homes(projector.homes.take());
        Ok(())
    }

    /// The photos of an album, if links lead elsewhere because of it.
    fn find_moved_links(
        &self,
        projector: &Projector<'_>,
        album: AlbumNo,
        files: &mut BTreeSet<FileId>,
        months: &mut Months,
    ) -> StoreResult<()> {
        let now = projector.home(album)?;
        let memo = self.memo.read();
        if memo.home(album) == Some(&now) {
            return Ok(());
        }
        projector.rows.for_each_taken(album, |file, taken| {
            let Some(month) = Period::month_of(taken) else { return };
            months.entry(month).or_insert(false);
            if memo.dir(Ino::of_period(month.number())).is_some() {
                files.insert(file);
            }
        })
    }

    fn refresh_links(
        &self,
        projector: &Projector<'_>,
        periods: &[Ino],
        file: FileId,
        months: &mut Months,
        told: &mut Vec<Invalidation>,
    ) -> StoreResult<()> {
        let taken = projector.rows.load_taken(file)?;
        let now = taken.and_then(|(taken, _)| Period::month_of(taken));
        let can_be_shown = taken.is_some_and(|(_, can)| can);
        for month in periods.iter().filter_map(|dir| period_of(*dir)).filter(|month| Some(*month) != now) {
            let mut memo = self.memo.write();
            if memo.has_links(month, file) {
                months.entry(month).or_insert(false);
                show_links(&mut memo, month, no_links(file), told);
            }
        }
        let Some(month) = now else { return Ok(()) };
        let links = if can_be_shown { projector.links_of(file)? } else { no_links(file) };
        *months.entry(month).or_insert(false) |= links.iter().any(|(_, link)| link.is_some());
        show_links(&mut self.memo.write(), month, links, told);
        Ok(())
    }

    /// A month comes with its first photo and goes with its last, and so does a year.
    fn refresh_periods(
        &self,
        projector: &Projector<'_>,
        months: Months,
        told: &mut Vec<Invalidation>,
    ) -> StoreResult<()> {
        let mut years = Months::new();
        for (month, has_photos) in months {
            *years.entry(month.year()).or_insert(false) |= has_photos;
            self.refresh_period(projector, Ino::of_period(month.year().number()), month, has_photos, told)?;
        }
        for (year, has_photos) in years {
            self.refresh_period(projector, FixedPlace::Timeline.ino(), year, has_photos, told)?;
        }
        Ok(())
    }

    fn refresh_period(
        &self,
        projector: &Projector<'_>,
        parent: Ino,
        period: Period,
        has_photos: bool,
        told: &mut Vec<Invalidation>,
    ) -> StoreResult<()> {
        let (entry, attr) = projector.period(period);
        let (is_known, shows_some) = {
            let memo = self.memo.read();
            let table = memo.dir(entry.ino);
            (table.is_some() || memo.dir(parent).is_some(), table.is_some_and(|table| !table.is_empty()))
        };
        if !is_known {
            return Ok(());
        }
        let stays = has_photos || shows_some || projector.has_photos(period)?;
        let mut memo = self.memo.write();
        if stays {
            memo.show(parent, None, entry, attr, told);
        } else {
            memo.hide(parent, &entry.name, told);
            memo.remove_dir(entry.ino, told);
        }
        Ok(())
    }
}

/// Brings the links of a photo, in a month that was looked into, to what they are: first what is gone, then what gets a
/// free name, then what gets a name that another had.
fn show_links(memo: &mut Memo, month: Period, links: Links, told: &mut Vec<Invalidation>) {
    let dir = Ino::of_period(month.number());
    let Some(names) = memo.dir_mut(dir).and_then(|table| table.links.as_mut()) else { return };
    let (mut touched, mut attrs) = (BTreeSet::new(), HashMap::new());
    for (key, link) in links {
        touched.insert(key);
        touched.extend(names.set(key, link.as_ref().map(|(plain, _)| plain.clone())));
        attrs.extend(link.map(|(_, attr)| (key, attr)));
    }
    let called: Vec<_> = touched.into_iter().map(|key| (key, names.get(key))).collect();
    let mut changes: Vec<_> = called.into_iter().map(|(key, name)| change_of(memo, dir, key, name, &attrs)).collect();
    changes.sort_by_key(|change| change.order);
    for LinkChange { key, shown, .. } in changes {
        match shown {
            Some((entry, attr)) => memo.show(dir, None, entry, attr, told),
            None => {
                let was = memo.dir(dir).and_then(|table| table.get_member(EntryKey::Link(key.0, key.1)));
                if let Some(name) = was.map(|was| was.name.clone()) {
                    memo.hide(dir, &name, told);
                }
            }
        }
    }
}

/// What becomes of one link, and when.
struct LinkChange {
    order: u8,
    key: LinkKey,
    shown: Option<(Entry, Attr)>,
}

fn change_of(memo: &Memo, dir: Ino, key: LinkKey, name: Option<Name>, attrs: &HashMap<LinkKey, Attr>) -> LinkChange {
    let entry = name.and_then(|name| link_entry(key, name));
    let attr = |entry: &Entry| attrs.get(&key).copied().or_else(|| memo.attr(entry.ino));
    let Some((entry, attr)) = entry.and_then(|entry| attr(&entry).map(|attr| (entry, attr))) else {
        return LinkChange { order: 0, key, shown: None };
    };
    let held = memo.dir(dir).and_then(|table| table.get(&entry.name)).is_some_and(|held| held.ino != entry.ino);
    LinkChange { order: 1 + u8::from(held), key, shown: Some((entry, attr)) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{House, SUMMER, WINTER, save_label};
    use super::super::{Listed, leave, relist, rename_photo, settle, shelve_album};
    use super::*;
    use crate::base::Nanos;
    use std::sync::Arc;

    fn leads_to(house: &House, month: Ino, name: &str) -> String {
        let (entry, attr) = house.names.lookup(month, name.as_bytes()).unwrap().unwrap();
        let target = house.names.link_target(entry.ino).unwrap().unwrap();
        assert_eq!((attr.kind, attr.size), (AttrKind::Link, target.len() as u64));
        String::from_utf8(target).unwrap()
    }

    fn hide(house: &House, album: AlbumNo) {
        house.change(|tx, dirty| {
            let row = tx.load_album(album)?.unwrap();
            shelve_album(tx, &row, Visibility::Hidden, b"Winter", Nanos(9), dirty)
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

    /// The kernel, as far as it asked: names and what they stood for, until it was told otherwise.
    #[derive(Default)]
    struct Kernel(HashMap<(Ino, Name), Ino>);

    type Rows = Vec<(Name, Ino, EntryKey, Attr, Option<Vec<u8>>)>;

    fn rows_of(names: &Namespace, dir: Ino) -> Option<Rows> {
        let mut rows = Rows::new();
        names
            .list(dir, 0, |Listed { entry, attr, .. }| {
                rows.push((entry.name.clone(), entry.ino, entry.key, attr, None));
                true
            })
            .ok()?;
        for row in &mut rows {
            row.4 = names.link_target(row.1).unwrap();
        }
        rows.sort_by(|one, other| one.0.cmp(&other.0));
        Some(rows)
    }

    impl Kernel {
        /// It forgets what it is told to; all else is still so. Then it looks again.
        fn check(&mut self, house: &House, dirs: &[Ino]) {
            for invalidation in house.told() {
                if let Invalidation::Gone { dir, name } | Invalidation::Changed { dir, name } = invalidation {
                    self.0.remove(&(dir, name));
                }
            }
            for ((dir, name), ino) in &self.0 {
                let now = house.names.lookup(*dir, name).unwrap().map(|(entry, _)| entry.ino);
                assert_eq!(now, Some(*ino), "{dir:?} {:?}", String::from_utf8_lossy(name));
            }
            for dir in dirs {
                let rows = rows_of(&house.names, *dir).unwrap_or_default();
                self.0.extend(rows.into_iter().map(|(name, ino, ..)| ((*dir, name), ino)));
            }
        }
    }

    /// Whatever changes, what was looked at before is what a first look shows, and the kernel is told what is not so
    /// any more.
    #[test]
    fn the_timeline_is_what_a_first_look_shows_whatever_changed() {
        const TITLES: [&str; 4] = ["a.jpg", "a (12).jpg", "b.jpg", "a (12.2).jpg"];
        let house = House::new();
        let albums = [
            house.album("Summer", AlbumKind::Album, SUMMER),
            house.album("Winter", AlbumKind::Album, WINTER),
            house.album("Favorites", AlbumKind::Favorites, FixedPlace::Favorites.ino()),
        ];
        let files: Vec<FileId> = (10..16).map(|id| house.photo(id, "a.jpg")).collect();
        let moments: Vec<Timestamp> = [0, 3, 40, 400].map(|day| Timestamp(day * 86_400_000_000)).to_vec();
        let mut dirs = vec![FixedPlace::Timeline.ino()];
        for period in
            moments.iter().filter_map(|taken| Period::month_of(*taken)).flat_map(|month| [month.year(), month])
        {
            dirs.push(Ino::of_period(period.number()));
        }
        let (mut seed, mut kernel) = (11_u64, Kernel::default());
        let mut below = |end: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((seed >> 33) % end as u64) as usize
        };
        for step in 0..400 {
            let (album, file) = (albums[below(3)], files[below(files.len())]);
            match below(8) {
                0 | 1 => house.put(album, file),
                2 => house.take(album, file),
                3 => house.change(|tx, dirty| leave(tx, album, file, dirty)),
                4 => house.change(|tx, dirty| settle(tx, album, file, dirty)),
                5 => {
                    let (title, taken) = (TITLES[below(4)], moments[below(4)]);
                    house.change(|tx, dirty| {
                        dirty.retaken(tx.load_taken(file)?.unwrap().0);
                        save_label(tx, file, title, taken)?;
                        rename_photo(tx, file, dirty)
                    });
                }
                6 => house.change(|tx, dirty| {
                    let row = tx.load_album(albums[0])?.unwrap();
                    let visibility = [Visibility::Visible, Visibility::Archived, Visibility::Hidden][below(3)];
                    shelve_album(tx, &row, visibility, format!("{step}").as_bytes(), Nanos(9), dirty)?;
                    relist(tx, file, dirty)
                }),
                _ => house.change(|_, dirty| {
                    dirty.album(album);
                    dirty.dir(dirs[below(dirs.len())]);
                    Ok(())
                }),
            }
            // At first the year is known, and not all of its months.
            let looked = if step < 200 { &dirs[5..] } else { &dirs[..] };
            kernel.check(&house, looked);
            let fresh = Namespace::new(Arc::clone(house.names.store()), *house.names.defaults());
            let known: Vec<Ino> =
                dirs.iter().copied().filter(|dir| house.names.memo.read().dir(*dir).is_some()).collect();
            for dir in known {
                assert_eq!(rows_of(&house.names, dir), rows_of(&fresh, dir), "after {step}, {dir:?}");
            }
        }
    }
}
