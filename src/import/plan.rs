//! What an import will do, decided before it does anything.

use super::catalog::{Catalog, Listed, Root};
use crate::media::takeout::{METADATA, Sidecar, sidecar_key, sidecar_keys};
use crate::tree::{AlbumMapping, NameClass, NameRules, are_halves, classify_directory, half_stem, is_camera_directory};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::PathBuf;

/// Ends of names that are never photos (protocol notes, data 8.1).
const OTHER: [&str; 20] = [
    "zip", "rar", "7z", "tar", "gz", "tgz", "bz2", "txt", "ini", "sfv", "md5", "sha1", "sha256", "sha512", "sha",
    "html", "htm", "xmp", "db", "csv",
];

/// Which albums the photos go to.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Choice {
    pub albums: AlbumMapping,
    /// The album of what lies in no directory, and of everything with [`AlbumMapping::Single`]; the source's own name
    /// without it.
    pub album: Option<String>,
}

/// Why a file is left out.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Why {
    Empty,
    TooLarge,
    Junk,
    NotMedia,
    /// JSON that tells nothing of a photo or an album here.
    NoSidecar,
    Encrypted,
    GoogleTrash,
    Archive,
    NoFile,
    Damaged(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::TooLarge => "over 10 GiB, which Ente does not take",
            Self::Junk => "a temporary or junk name",
            Self::NotMedia => "neither image nor video",
            Self::NoSidecar => "a sidecar without its photo, or other JSON",
            Self::Encrypted => "encrypted in its archive: unpack it, then import the folder",
            Self::GoogleTrash => "in Google's trash",
            Self::Archive => "an archive in an archive: unpack it, then import it",
            Self::NoFile => "a link or a special file",
            Self::Damaged(why) => return write!(f, "it cannot be read: {why}"),
        })
    }
}

/// A file that is left out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Skipped {
    pub path: String,
    pub why: Why,
}

/// A photo and what becomes of it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Planned {
    pub(super) file: Listed,
    pub(super) path: String,
    /// The source it lies in.
    pub(super) root: PathBuf,
    pub(super) album: String,
    pub(super) sidecar: Option<Sidecar>,
}

/// What an import will do.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Plan {
    pub(super) photos: Vec<Planned>,
    pub skipped: Vec<Skipped>,
    /// Sidecars and albums' files that were made use of.
    pub sidecars: usize,
}

impl Plan {
    /// Photos and videos to be handed over.
    pub fn files(&self) -> usize {
        self.photos.len()
    }

    /// At most so many files at a time, and the halves of a live photo together: neither is taken for a photo of its own
    /// because the other is not here yet.
    pub(super) fn batches(&self, most: usize) -> Vec<&[Planned]> {
        let (mut batches, mut rest) = (Vec::new(), &self.photos[..]);
        while !rest.is_empty() {
            let mut end = most.clamp(1, rest.len());
            let cuts = |end: usize| rest.get(end).is_some_and(|next| are_pair(&rest[end - 1], next));
            if end > 1 && cuts(end) && !cuts(end - 1) {
                end -= 1;
            }
            let (batch, later) = rest.split_at(end);
            batches.push(batch);
            rest = later;
        }
        batches
    }

    pub fn bytes(&self) -> u64 {
        self.photos.iter().map(|photo| photo.file.size).sum()
    }

    /// What Ente would store at most: of files of one name and size, which exports have in several albums, one.
    pub fn new_bytes(&self) -> u64 {
        let mut seen = BTreeSet::new();
        let fresh = self.photos.iter().filter(|photo| seen.insert((&photo.file.name, photo.file.size)));
        fresh.map(|photo| photo.file.size).sum()
    }

    /// The albums, each with how many it gets.
    pub fn albums(&self) -> Vec<(String, usize)> {
        let mut albums: Vec<(String, usize)> = Vec::new();
        for photo in &self.photos {
            match albums.iter_mut().find(|(name, _)| *name == photo.album) {
                Some((_, count)) => *count += 1,
                None => albums.push((photo.album.clone(), 1)),
            }
        }
        albums.sort();
        albums
    }
}

/// Decides for every file of the sources.
pub fn plan_import(sources: &super::Sources, choice: &Choice) -> Plan {
    plan(&sources.catalog, choice)
}

/// Directories are the same in all archives of a set; a folder's own top is no other folder's.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Dir {
    /// Set where directories of one name are not the same.
    root: Option<usize>,
    dirs: Vec<String>,
}

fn plan(catalog: &Catalog, choice: &Choice) -> Plan {
    let sidecars = Sidecars::new(catalog);
    let (mut plan, mut used) = (Plan::default(), BTreeSet::new());
    for file in &catalog.files {
        if sidecar_key(&file.name).is_some() && file.obstacle.is_none() {
            continue;
        }
        let told = sidecars.find(file);
        used.extend(told);
        let sidecar = told.and_then(|told| catalog.sidecars.get(&told)).cloned();
        let path = file.path(&catalog.roots);
        match reason_against(file, sidecar.as_ref()) {
            Some(why) => plan.skipped.push(Skipped { path, why }),
            None => {
                let album = album_of(file, &catalog.roots, &sidecars, choice);
                let root = catalog.roots.get(file.root).map(|root| root.path.clone()).unwrap_or_default();
                plan.photos.push(Planned { file: file.clone(), path, root, album, sidecar });
            }
        }
    }
    share_sidecars(&mut plan.photos);
    plan.photos = with_halves_together(plan.photos);
    plan.sidecars = used.len() + catalog.titles.len();
    plan.skipped.extend(lonely(catalog, &used));
    plan
}

/// JSON that told nothing.
fn lonely<'a>(catalog: &'a Catalog, used: &'a BTreeSet<usize>) -> impl Iterator<Item = Skipped> + 'a {
    let is_lonely = |(index, file): &(usize, &Listed)| {
        sidecar_key(&file.name).is_some()
            && file.obstacle.is_none()
            && !used.contains(index)
            && !catalog.titles.contains_key(index)
    };
    let files = catalog.files.iter().enumerate().filter(is_lonely);
    files.map(|(_, file)| Skipped { path: file.path(&catalog.roots), why: Why::NoSidecar })
}

/// Exports put a photo into its year and into its albums, and its sidecar often into one of them only.
fn share_sidecars(photos: &mut [Planned]) {
    let key = |photo: &Planned| (photo.file.name.clone(), photo.file.size);
    let told: HashMap<_, _> = photos.iter().filter_map(|photo| Some((key(photo), photo.sidecar.clone()?))).collect();
    for photo in photos.iter_mut().filter(|photo| photo.sidecar.is_none()) {
        photo.sidecar = told.get(&key(photo)).cloned();
    }
}

/// In their order, but the second half of what may be a live photo follows the first: they pair by their names, in the
/// directory of their album.
fn with_halves_together(photos: Vec<Planned>) -> Vec<Planned> {
    let stem = |photo: &Planned| half_stem(photo.file.name.as_bytes()).map(|stem| (photo.album.clone(), stem.to_vec()));
    let mut alike: HashMap<_, Vec<usize>> = HashMap::new();
    for (at, photo) in photos.iter().enumerate() {
        if let Some(stem) = stem(photo) {
            alike.entry(stem).or_default().push(at);
        }
    }
    let mut photos: Vec<Option<Planned>> = photos.into_iter().map(Some).collect();
    let mut ordered = Vec::with_capacity(photos.len());
    for at in 0..photos.len() {
        let Some(photo) = photos[at].take() else { continue };
        let others = stem(&photo).and_then(|stem| alike.get(&stem)).into_iter().flatten();
        let other = others.copied().find_map(|at| photos[at].take_if(|other| are_pair(&photo, other)));
        ordered.push(photo);
        ordered.extend(other);
    }
    ordered
}

/// Whether they may be the halves of one live photo.
fn are_pair(one: &Planned, other: &Planned) -> bool {
    let (first, second) = (one.file.name.as_bytes(), other.file.name.as_bytes());
    one.album == other.album && (are_halves(first, second) || are_halves(second, first))
}

fn reason_against(file: &Listed, sidecar: Option<&Sidecar>) -> Option<Why> {
    if let Some(why) = &file.obstacle {
        return Some(why.clone());
    }
    let extension = file.name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    let junk_dir = file.dirs.iter().any(|dir| classify_directory(dir.as_bytes()) != NameClass::Plain);
    if junk_dir || NameRules::default().classify(file.name.as_bytes()) != NameClass::Plain {
        Some(Why::Junk)
    } else if extension.is_some_and(|extension| OTHER.contains(&extension.as_str())) {
        Some(Why::NotMedia)
    } else if sidecar.is_some_and(|sidecar| sidecar.trashed) {
        Some(Why::GoogleTrash)
    } else if file.size == 0 {
        Some(Why::Empty)
    } else {
        (crate::crypto::cipher_len(file.size) > crate::wire::MAX_OBJECT).then_some(Why::TooLarge)
    }
}

fn album_of(file: &Listed, roots: &[Root], sidecars: &Sidecars<'_>, choice: &Choice) -> String {
    let below: &[String] = match file.dirs.as_slice() {
        [takeout, _product, below @ ..] if takeout == "Takeout" && !below.is_empty() => below,
        dirs => dirs,
    };
    let above = file.dirs.len() - below.len();
    let title = |len: usize| sidecars.title(file, above + len).unwrap_or_else(|| below[len - 1].clone());
    let named = match choice.albums {
        AlbumMapping::Single => None,
        AlbumMapping::Separate => {
            (1..=below.len()).rev().find(|len| !is_camera_directory(below[len - 1].as_bytes())).map(title)
        }
        AlbumMapping::Path if below.is_empty() => None,
        AlbumMapping::Path => Some((1..=below.len()).map(title).collect::<Vec<_>>().join(" - ")),
    };
    let own = || roots.get(file.root).map_or_else(|| "Import".into(), |root| root.name.clone());
    named.or_else(|| choice.album.clone()).unwrap_or_else(own)
}

/// Sidecars and albums' titles, to be found.
struct Sidecars<'a> {
    catalog: &'a Catalog,
    by_key: HashMap<(Dir, &'a str), usize>,
    titles: HashMap<Dir, &'a str>,
}

impl<'a> Sidecars<'a> {
    fn new(catalog: &'a Catalog) -> Self {
        let mut found = Self { catalog, by_key: HashMap::new(), titles: HashMap::new() };
        for (index, file) in catalog.files.iter().enumerate() {
            let dirs = match file.dirs.as_slice() {
                [dirs @ .., last] if last == METADATA => dirs,
                dirs => dirs,
            };
            let dir = found.dir(file, dirs);
            if let Some(title) = catalog.titles.get(&index) {
                found.titles.entry(dir).or_insert(title);
            } else if let Some(key) = sidecar_key(&file.name).filter(|_| catalog.sidecars.contains_key(&index)) {
                found.by_key.entry((dir, key)).or_insert(index);
            }
        }
        found
    }

    fn dir(&self, file: &Listed, dirs: &[String]) -> Dir {
        let is_archive = self.catalog.roots.get(file.root).is_some_and(|root| root.is_archive);
        let apart = dirs.is_empty() && !is_archive;
        Dir { root: apart.then_some(file.root), dirs: dirs.to_vec() }
    }

    fn find(&self, file: &Listed) -> Option<usize> {
        let dir = self.dir(file, &file.dirs);
        sidecar_keys(&file.name).into_iter().find_map(|key| {
            // The map's keys borrow from the catalog; a look-up need not.
            self.by_key.get(&(dir.clone(), key.as_str())).copied()
        })
    }

    /// The title of the directory that the first `len` directories lead to.
    fn title(&self, file: &Listed, len: usize) -> Option<String> {
        self.titles.get(&self.dir(file, &file.dirs[..len])).map(|title| (*title).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalog::Origin;
    use super::*;
    use crate::base::Timestamp;

    /// Files as `root:path` (roots that begin with `z` are archives), all of one size.
    fn catalog(paths: &[&str]) -> Catalog {
        let mut catalog = Catalog::default();
        for path in paths {
            let (root, below) = path.split_once(':').unwrap();
            let known = catalog.roots.iter().position(|known| known.name == root);
            let number = known.unwrap_or_else(|| {
                let (name, path) = (root.to_owned(), PathBuf::from("/").join(root));
                catalog.roots.push(Root { name, is_archive: root.starts_with('z'), path });
                catalog.roots.len() - 1
            });
            let mut dirs: Vec<String> = below.split('/').map(str::to_owned).collect();
            let name = dirs.pop().unwrap();
            let origin = Origin::File(PathBuf::from(path));
            catalog.files.push(Listed { origin, root: number, dirs, name, size: 9, modified: None, obstacle: None });
        }
        catalog
    }

    fn with_sidecar(mut catalog: Catalog, index: usize, sidecar: Sidecar) -> Catalog {
        catalog.sidecars.insert(index, sidecar);
        catalog
    }

    fn taken(seconds: i64) -> Sidecar {
        Sidecar { taken: Some(Timestamp(seconds)), ..Sidecar::default() }
    }

    fn albums(plan: &Plan) -> Vec<&str> {
        plan.photos.iter().map(|photo| photo.album.as_str()).collect()
    }

    fn reasons(plan: &Plan) -> Vec<(&str, &Why)> {
        plan.skipped.iter().map(|skipped| (skipped.path.as_str(), &skipped.why)).collect()
    }

    #[test]
    fn a_sidecar_is_found_in_another_archive_of_the_set() {
        let files = catalog(&["z1:Takeout/P/2019/a.jpg", "z2:Takeout/P/2019/a.jpg.json", "z2:Takeout/P/2020/a.jpg"]);
        let plan = plan(&with_sidecar(files, 1, taken(7)), &Choice::default());
        let told: Vec<_> = plan.photos.iter().map(|photo| photo.sidecar.clone()).collect();
        // The last one is the same photo in another album, by name and size.
        assert_eq!(told, [Some(taken(7)), Some(taken(7))]);
        assert_eq!((plan.files(), plan.bytes(), plan.new_bytes(), plan.sidecars), (2, 18, 9, 1));
    }

    #[test]
    fn what_lies_at_the_top_of_a_folder_is_no_business_of_another_folder() {
        let files = catalog(&["one:a.jpg", "two:a.jpg.json", "two:x/b.jpg", "two:x/metadata/b.jpg.json"]);
        let files = with_sidecar(with_sidecar(files, 1, taken(7)), 3, taken(8));
        let plan = plan(&files, &Choice::default());
        let told: Vec<_> = plan.photos.iter().map(|photo| photo.sidecar.clone()).collect();
        assert_eq!(told, [None, Some(taken(8))]);
        assert_eq!(reasons(&plan), [("two/a.jpg.json", &Why::NoSidecar)]);
        assert_eq!(albums(&plan), ["one", "x"]);
    }

    #[test]
    fn folders_become_albums_by_the_choice() {
        let mut files = catalog(&[
            "z1:Takeout/P/Trip_/a.jpg",
            "z1:Takeout/P/Trip_/metadata.json",
            "z1:x/DCIM/100CANON/b.jpg",
            "pics:c.jpg",
        ]);
        files.titles.insert(1, "Trip: 2019".into());
        let choice = |albums, album: Option<&str>| Choice { albums, album: album.map(str::to_owned) };
        assert_eq!(albums(&plan(&files, &Choice::default())), ["Trip: 2019", "x", "pics"]);
        let path = plan(&files, &choice(AlbumMapping::Path, Some("Rest")));
        assert_eq!(albums(&path), ["Trip: 2019", "x - DCIM - 100CANON", "Rest"]);
        assert_eq!(albums(&plan(&files, &choice(AlbumMapping::Single, Some("All")))), ["All", "All", "All"]);
        assert_eq!(path.albums().len(), 3);
        assert!(path.skipped.is_empty(), "an album's file was made use of");
    }

    #[test]
    fn the_halves_of_a_live_photo_go_together() {
        let files = catalog(&[
            "d:x/1.jpg",
            "d:x/IMG_1.HEIC",
            "d:y/IMG_1.MOV",
            "d:x/2.jpg",
            "d:x/IMG_2.mp4",
            "d:x/IMG_2.mp4.jpg",
            "d:x/IMG_1_HVEC.MOV",
            "d:x/IMG_1.png",
        ]);
        let plan = plan(&files, &Choice::default());
        let names = |photos: &[Planned]| photos.iter().map(|photo| photo.file.name.clone()).collect::<Vec<_>>();
        let whole =
            ["1.jpg", "IMG_1.HEIC", "IMG_1_HVEC.MOV", "IMG_1.MOV", "2.jpg", "IMG_2.mp4", "IMG_2.mp4.jpg", "IMG_1.png"];
        assert_eq!(names(&plan.photos), whole);
        for most in 1..9 {
            let batches = plan.batches(most);
            assert_eq!(batches.concat().len(), 8);
            assert!(batches.iter().all(|batch| (1..=most).contains(&batch.len())));
            let cut = batches.windows(2).any(|two| are_pair(&two[0][two[0].len() - 1], &two[1][0]));
            assert_eq!(cut, most == 1, "{most}");
        }
    }

    #[test]
    fn what_is_left_out_is_told_with_the_reason() {
        let mut files =
            catalog(&["d:e.jpg", "d:x.txt", "d:@eaDir/y.jpg", "d:t.jpg", "d:t.jpg.json", "d:big.mp4", "d:s.jpg"]);
        files.files[0].size = 0;
        files.files[5].size = 11 << 30;
        files.files[6].obstacle = Some(Why::Encrypted);
        let plan = plan(&with_sidecar(files, 4, Sidecar { trashed: true, ..taken(1) }), &Choice::default());
        let expected = [
            ("d/e.jpg", &Why::Empty),
            ("d/x.txt", &Why::NotMedia),
            ("d/@eaDir/y.jpg", &Why::Junk),
            ("d/t.jpg", &Why::GoogleTrash),
            ("d/big.mp4", &Why::TooLarge),
            ("d/s.jpg", &Why::Encrypted),
        ];
        assert_eq!((reasons(&plan), plan.files()), (expected.to_vec(), 0));
    }
}
