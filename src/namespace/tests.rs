use super::*;
use crate::base::sync::Mutex;
use crate::base::{AlbumId, AlbumKind, AlbumNo, FileId, FileKind, Name, Part, Timestamp};
use crate::crypto::{CollectionKey, DeviceKey, FileKey, StreamHeader};
use crate::store::{AlbumState, FileFacts, Label, NewAlbum, NewContent, NodeKind, NodeRow, RawRecord};
use crate::tree::FixedPlace;

pub(super) struct House {
    _dir: tempfile::TempDir,
    pub(super) names: Namespace,
    told: Arc<Mutex<Vec<Invalidation>>>,
}

const ME: (u32, u32) = (1000, 1000);

impl House {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(dir.path(), &DeviceKey::random()).unwrap());
        let names = Namespace::new(store, Defaults::new(ME.0, ME.1, 0, Nanos(9)));
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        names.listen(move |invalidations| heard.lock().extend(invalidations));
        Self { _dir: dir, names, told }
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&Tx<'_>, &mut Dirty) -> StoreResult<T>) -> T {
        self.names.commit(Origin::Elsewhere, change).unwrap()
    }

    pub(super) fn album(&self, name: &str, kind: AlbumKind, ino: Ino) -> AlbumNo {
        self.change(|tx, dirty| {
            let key = CollectionKey::random();
            let no = tx.insert_album(&NewAlbum {
                remote: Some(AlbumId(ino.0 as i64)),
                own: true,
                kind,
                ino,
                key: &key,
                create_request: None,
                name,
                state: AlbumState::Live,
                create_after: None,
                mtime: Nanos(1),
            })?;
            tx.save_album_shown(no, FixedPlace::Albums.ino(), name.as_bytes())?;
            tx.save_album_complete(no)?;
            dirty.album(no);
            dirty.dir(ino);
            Ok(no)
        })
    }

    /// A pulled photo, in no album yet.
    pub(super) fn photo(&self, id: i64, title: &str) -> FileId {
        let file = FileId(id);
        self.change(|tx, _| {
            save_label(tx, file, title, Timestamp(id * 1_000_000))?;
            let content = tx.insert_content(&NewContent {
                file,
                part: Part::Whole,
                header: StreamHeader([id as u8; 24]),
                cipher_size: 117,
                size: 100,
                ino: Ino::of_photo(file).unwrap(),
                mtime: Nanos(2),
                ctime: Nanos(3),
            })?;
            tx.save_file_content(file, content)
        });
        file
    }

    pub(super) fn put(&self, album: AlbumNo, file: FileId) {
        self.change(|tx, dirty| {
            tx.save_member(album, file, true, Timestamp(1))?;
            relist(tx, file, dirty)
        });
    }

    pub(super) fn take(&self, album: AlbumNo, file: FileId) {
        self.change(|tx, dirty| {
            tx.save_member(album, file, false, Timestamp(2))?;
            relist(tx, file, dirty)
        });
    }

    pub(super) fn shown(&self, dir: Ino) -> Vec<String> {
        let mut names = Vec::new();
        self.names
            .list(dir, 0, |listed| {
                names.push(String::from_utf8(listed.entry.name.to_vec()).unwrap());
                true
            })
            .unwrap();
        names.sort();
        names
    }

    fn find(&self, dir: Ino, name: &str) -> Option<(Entry, Attr)> {
        self.names.lookup(dir, name.as_bytes()).unwrap()
    }

    pub(super) fn told(&self) -> Vec<Invalidation> {
        std::mem::take(&mut self.told.lock())
    }
}

/// What a pull says a photo is called, and when it was taken.
pub(super) fn save_label(tx: &Tx<'_>, file: FileId, title: &str, taken: Timestamp) -> StoreResult<()> {
    let facts = FileFacts {
        own: true,
        kind: Some(FileKind::Image),
        key: Some(&FileKey::random()),
        label: Some(&Label { title: title.into(), edited: None, taken }),
        hash: None,
        hidden: false,
        stand_in: false,
    };
    tx.save_file(file, &facts, &RawRecord::default())
}

fn name(text: &str) -> Name {
    text.as_bytes().into()
}

pub(super) const SUMMER: Ino = Ino(3 << 56 | 5);
pub(super) const WINTER: Ino = Ino(3 << 56 | 6);

#[test]
fn the_root_shows_the_fixed_places() {
    let house = House::new();
    assert_eq!(
        house.shown(Ino::ROOT),
        [
            ".Trash-1000",
            ".entefs",
            "Albums",
            "Archive",
            "Favorites",
            "STATUS.txt",
            "Shared",
            "Timeline",
            "Trash",
            "Uncategorized"
        ]
    );
    assert_eq!(house.shown(FixedPlace::DotEntefs.ino()), ["README.txt", "errors.txt", "status.json"]);
    assert!(house.shown(FixedPlace::Uncategorized.ino()).is_empty());
    assert!(matches!(house.names.dir_info(Ino(99)), Err(NamespaceError::NotDirectory)));
}

#[test]
fn a_photo_in_three_albums_is_one_inode_with_three_links() {
    let house = House::new();
    let albums = [
        house.album("Summer", AlbumKind::Album, SUMMER),
        house.album("Winter", AlbumKind::Album, WINTER),
        house.album("Favorites", AlbumKind::Favorites, FixedPlace::Favorites.ino()),
    ];
    let file = house.photo(7, "a.jpg");
    assert!(house.shown(SUMMER).is_empty());
    for album in albums {
        house.put(album, file);
    }
    let found: Vec<Attr> = [SUMMER, WINTER, FixedPlace::Favorites.ino()]
        .into_iter()
        .map(|dir| house.find(dir, "a.jpg").unwrap().1)
        .collect();
    assert!(found.iter().all(|attr| attr.ino == Ino::of_photo(file).unwrap() && attr.links == 3 && attr.size == 100));
    house.take(albums[0], file);
    assert!(house.find(SUMMER, "a.jpg").is_none());
    assert_eq!(house.find(WINTER, "a.jpg").unwrap().1.links, 2);
    assert!(house.told().contains(&Invalidation::Gone { dir: SUMMER, name: name("a.jpg") }));
}

#[test]
fn equal_titles_keep_their_names_when_a_sibling_goes() {
    let house = House::new();
    let album = house.album("Summer", AlbumKind::Album, SUMMER);
    let files: Vec<FileId> = (1..4).map(|id| house.photo(id, "a.jpg")).collect();
    for file in &files {
        house.put(album, *file);
    }
    assert_eq!(house.shown(SUMMER), ["a (2).jpg", "a (3).jpg", "a.jpg"]);
    house.take(album, files[0]);
    assert_eq!(house.shown(SUMMER), ["a (2).jpg", "a (3).jpg"]);
    house.put(album, house.photo(9, "a.jpg"));
    assert_eq!(house.shown(SUMMER), ["a (2).jpg", "a (3).jpg", "a.jpg"]);
}

#[test]
fn a_pending_change_shows_at_once_and_a_refused_one_reverts() {
    let house = House::new();
    let (summer, winter) =
        (house.album("Summer", AlbumKind::Album, SUMMER), house.album("Winter", AlbumKind::Album, WINTER));
    let file = house.photo(7, "a.jpg");
    house.put(summer, file);
    assert_eq!((house.shown(SUMMER).len(), house.shown(WINTER).len()), (1, 0));
    house.change(|tx, dirty| {
        leave(tx, summer, file, dirty)?;
        enter(tx, winter, file, dirty)
    });
    assert_eq!((house.shown(SUMMER).len(), house.shown(WINTER).len()), (0, 1));
    assert_eq!(house.find(WINTER, "a.jpg").unwrap().1.links, 1);
    house.change(|tx, dirty| {
        settle(tx, summer, file, dirty)?;
        settle(tx, winter, file, dirty)
    });
    assert_eq!((house.shown(SUMMER), house.shown(WINTER)), (vec!["a.jpg".to_owned()], vec![]));
}

#[test]
fn a_local_file_masks_the_photo_whose_place_it_takes() {
    let house = House::new();
    let album = house.album("Summer", AlbumKind::Album, SUMMER);
    let file = house.photo(7, "a.jpg");
    house.put(album, file);
    let ino = house.find(SUMMER, "a.jpg").unwrap().1.ino;
    let local = house.change(|tx, dirty| {
        let local = tx.next_ino()?;
        tx.save_node(&NodeRow { size: 5, ..NodeRow::new(local, NodeKind::File, 0o600, Nanos(4)) })?;
        tx.save_name(SUMMER, b"a.jpg", local)?;
        dirty.name(SUMMER, b"a.jpg");
        Ok(local)
    });
    let (entry, attr) = house.find(SUMMER, "a.jpg").unwrap();
    assert_eq!((entry.key, attr.ino, attr.size, attr.mode), (EntryKey::LocalFile { photo: None }, local, 5, 0o600));
    assert_eq!(house.told(), [Invalidation::Changed { dir: SUMMER, name: name("a.jpg") }]);
    house.put(album, file);
    assert_eq!(house.find(SUMMER, "a.jpg").unwrap().1.ino, local, "a pull does not uncover it");
    house.change(|tx, dirty| {
        tx.delete_name(SUMMER, b"a.jpg")?;
        dirty.name(SUMMER, b"a.jpg");
        tx.delete_node(local)
    });
    assert_eq!(house.find(SUMMER, "a.jpg").unwrap().1.ino, ino, "the photo shows again");
}

#[test]
fn new_bytes_in_place_show_through_the_photos_inode() {
    let house = House::new();
    let album = house.album("Summer", AlbumKind::Album, SUMMER);
    let file = house.photo(7, "a.jpg");
    house.put(album, file);
    let ino = house.find(SUMMER, "a.jpg").unwrap().1.ino;
    house.change(|tx, dirty| {
        tx.save_node(&NodeRow { size: 3, ..NodeRow::new(ino, NodeKind::Shadow, 0o644, Nanos(8)) })?;
        dirty.ino(ino);
        Ok(())
    });
    assert_eq!(house.find(SUMMER, "a.jpg").unwrap().1.size, 3);
    let rebuilt = Namespace::new(Arc::clone(house.names.store()), *house.names.defaults());
    let (_, attr) = rebuilt.lookup(SUMMER, b"a.jpg").unwrap().unwrap();
    assert_eq!((attr.size, attr.links), (3, 1));
}

#[test]
fn an_album_that_is_renamed_or_gone_takes_its_name_along() {
    let house = House::new();
    let album = house.album("Summer", AlbumKind::Album, SUMMER);
    assert_eq!(house.shown(FixedPlace::Albums.ino()), ["Summer"]);
    house.change(|tx, dirty| {
        tx.save_album_shown(album, FixedPlace::Albums.ino(), b"Sommer")?;
        dirty.album(album);
        Ok(())
    });
    assert_eq!(house.shown(FixedPlace::Albums.ino()), ["Sommer"]);
    assert!(house.told().contains(&Invalidation::Gone { dir: FixedPlace::Albums.ino(), name: name("Summer") }));
    house.change(|tx, dirty| {
        tx.save_album_state(album, AlbumState::Deleted)?;
        dirty.album(album);
        Ok(())
    });
    assert!(house.shown(FixedPlace::Albums.ino()).is_empty());
    assert!(matches!(house.names.lookup(SUMMER, b"x"), Err(NamespaceError::NotDirectory)));
}

#[test]
fn an_album_that_is_not_pulled_completely_is_never_shown_partial() {
    let house = House::new();
    house.change(|tx, dirty| {
        tx.insert_album(&NewAlbum {
            remote: Some(AlbumId(3)),
            own: true,
            kind: AlbumKind::Uncategorized,
            ino: FixedPlace::Uncategorized.ino(),
            key: &CollectionKey::random(),
            create_request: None,
            name: "Uncategorized",
            state: AlbumState::Live,
            create_after: None,
            mtime: Nanos(1),
        })?;
        dirty.dir(FixedPlace::Uncategorized.ino());
        Ok(())
    });
    let refused = house.names.lookup(FixedPlace::Uncategorized.ino(), b"x");
    assert!(matches!(refused, Err(NamespaceError::Untrusted(_))));
}

/// What is in it is no membership: it is nobody's home, and named like all else.
#[test]
fn the_trash_is_not_shown_before_it_is_pulled_and_equal_names_are_told_apart() {
    let house = House::new();
    let album = house.album("Summer", AlbumKind::Album, SUMMER);
    let trash = FixedPlace::Trash.ino();
    let (first, second) = (house.photo(1, "a.jpg"), house.photo(2, "a.jpg"));
    assert!(matches!(house.names.lookup(trash, b"a.jpg"), Err(NamespaceError::Untrusted(_))));
    house.change(|tx, dirty| {
        dirty.dir(trash);
        tx.save_trash_complete()
    });
    assert!(house.shown(trash).is_empty());
    for file in [first, second] {
        house.put(AlbumNo::TRASH, file);
    }
    assert_eq!(house.shown(trash), ["a (2).jpg", "a.jpg"]);
    let told = house.told();
    assert!(told.is_empty(), "the kernel had none of it: {told:?}");
    let memberships = house.names.store().read(|rows| rows.load_memberships(first)).unwrap();
    assert!(memberships.is_empty() && house.names.store().read(|rows| rows.count_photos()).unwrap() == 0);

    let to = album;
    house.change(|tx, dirty| restore_photo(tx, first, to, Nanos(7), dirty));
    assert_eq!((house.shown(trash), house.shown(SUMMER)), (vec!["a (2).jpg".into()], vec!["a.jpg".into()]));
    assert!(house.told().contains(&Invalidation::Gone { dir: trash, name: name("a.jpg") }));
    house.change(|tx, dirty| trash_in_ente(tx, first, album, Nanos(8), dirty));
    assert_eq!((house.shown(trash), house.shown(SUMMER)), (vec!["a (2).jpg".into(), "a.jpg".into()], vec![]));
    assert_eq!(house.find(trash, "a.jpg").map(|(_, attr)| attr.links), Some(1));
}

#[test]
fn a_local_rename_keeps_its_offset_and_tells_only_what_the_kernel_does_not_know() {
    let house = House::new();
    let dir = house.change(|tx, dirty| {
        let dir = tx.next_ino()?;
        tx.save_node(&NodeRow::new(dir, NodeKind::DropRoot, 0o755, Nanos(1)))?;
        tx.save_name(Ino::ROOT, b"Drop", dir)?;
        dirty.name(Ino::ROOT, b"Drop");
        for file in [&b"a"[..], b"b"] {
            let ino = tx.next_ino()?;
            tx.save_node(&NodeRow::new(ino, NodeKind::File, 0o644, Nanos(1)))?;
            tx.save_name(dir, file, ino)?;
        }
        Ok(dir)
    });
    house.names.begin_listing(dir).unwrap();
    let mut first = None;
    house.names.list(dir, 0, |listed| first.replace((listed.next, listed.entry.name.clone())).is_some()).unwrap();
    let (offset, first) = first.unwrap();
    let other = if &first[..] == b"a" { &b"b"[..] } else { b"a" };
    let ino = house.find(dir, std::str::from_utf8(other).unwrap()).unwrap().1.ino;
    let names: [(Ino, &[u8]); 2] = [(dir, other), (dir, b"z")];
    house
        .names
        .commit(Origin::Kernel { names: &names, ino: Some(ino) }, |tx, dirty| {
            tx.delete_name(dir, other)?;
            tx.save_name(dir, b"z", ino)?;
            dirty.name(dir, other);
            dirty.name(dir, b"z");
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let mut rest = Vec::new();
    house
        .names
        .list(dir, offset, |listed| {
            rest.push(listed.entry.name.clone());
            true
        })
        .unwrap();
    assert_eq!(rest, [name("z")]);
    assert!(house.told().is_empty());
    house.names.end_listing(dir);
}

#[test]
fn a_name_of_another_photo_passes_on_in_one_step() {
    let house = House::new();
    let album = house.album("Summer", AlbumKind::Album, SUMMER);
    let (old, new) = (house.photo(1, "a.jpg"), house.photo(2, "a.jpg"));
    house.put(album, old);
    house.shown(SUMMER);
    house.told();
    house.change(|tx, dirty| {
        tx.save_member(album, old, false, Timestamp(5))?;
        relist(tx, old, dirty)?;
        tx.save_member(album, new, true, Timestamp(5))?;
        relist(tx, new, dirty)
    });
    let (entry, attr) = house.find(SUMMER, "a.jpg").unwrap();
    assert_eq!((entry.key, attr.ino), (EntryKey::Photo(new), Ino::of_photo(new).unwrap()));
    let told = house.told();
    assert!(told.contains(&Invalidation::Changed { dir: SUMMER, name: name("a.jpg") }));
    assert!(!told.contains(&Invalidation::Gone { dir: SUMMER, name: name("a.jpg") }));
}
