use super::*;
use crate::base::{AlbumKind, AlbumNo, FileId, FileKind, Ino, Nanos, ParkReason, Part, Timestamp, VaultId};
use crate::crypto::{CollectionKey, FileKey, StreamHeader};
use crate::tree::Stage;
use std::fs;

fn open() -> (tempfile::TempDir, DeviceKey, Store) {
    let dir = tempfile::tempdir().unwrap();
    let device = DeviceKey::random();
    let store = Store::open(dir.path(), &device).unwrap();
    (dir, device, store)
}

fn insert_album(store: &Store, name: &str, ino: u64) -> AlbumNo {
    let key = CollectionKey::from_bytes([ino as u8; 32]);
    write(store, |tx| {
        tx.insert_album(&NewAlbum {
            remote: Some(crate::base::AlbumId(ino as i64)),
            own: true,
            kind: AlbumKind::Album,
            ino: Ino(ino),
            key: &key,
            create_request: None,
            name,
            state: AlbumState::Live,
            create_after: None,
            mtime: Nanos(5),
        })
    })
}

fn write<T>(store: &Store, change: impl FnOnce(&Tx<'_>) -> StoreResult<T>) -> T {
    store.write(change).unwrap()
}

fn listing(name: &str, ino: u64) -> Listing {
    Listing {
        ino: Ino(ino),
        size: 7,
        mtime: Nanos(1),
        ctime: Nanos(2),
        links: 1,
        mode: None,
        uid: None,
        gid: None,
        name: name.into(),
    }
}

fn slot(stem: &'static str) -> NameSlot<'static> {
    NameSlot { stem: stem.as_bytes(), together: 3, suffix: 1, provisional: false }
}

#[test]
fn an_album_keeps_its_names_and_its_key() {
    let (_dir, _, store) = open();
    let no = insert_album(&store, "Summer", 77);
    write(&store, |tx| {
        tx.save_album_shown(no, Ino(2), b"Summer (2)")?;
        tx.save_album_want_name(no, Some("Winter"))
    });
    let row = store.read(|rows| rows.load_album_by_ino(Ino(77))).unwrap().unwrap();
    assert_eq!(
        (row.name.as_str(), row.display_name(), row.shown.as_deref()),
        ("Summer", "Winter", Some(&b"Summer (2)"[..]))
    );
    assert!(store.read(|rows| rows.is_album_name_taken(Ino(2), b"Summer (2)")).unwrap());
    assert!(!store.read(|rows| rows.is_album_name_taken(Ino(2), b"Summer")).unwrap());
    let key = store.read(|rows| rows.load_album_key(no)).unwrap().unwrap();
    assert_eq!(key.bytes(), &[77; 32]);
}

#[test]
fn a_failed_write_leaves_nothing() {
    let (_dir, _, store) = open();
    let failed: StoreResult<()> = store.write(|tx| {
        tx.save_user(crate::base::UserId(5))?;
        Err(StoreError::Malformed { table: "test" })
    });
    assert!(failed.is_err());
    assert_eq!(store.read(|rows| rows.load_user()).unwrap(), None);
}

#[test]
fn a_member_is_what_the_server_said_and_what_is_pending() {
    let (_dir, _, store) = open();
    let no = insert_album(&store, "A", 9);
    let file = FileId(4);
    write(&store, |tx| {
        tx.save_member(no, file, true, Timestamp(8))?;
        tx.save_listing(no, file, (&listing("a.jpg", 99), None), slot("a"))
    });
    let shown = || {
        let mut names = Vec::new();
        store.read(|rows| rows.for_each_listed(no, |_, _, listing| names.push(listing.name))).unwrap();
        names
    };
    assert_eq!(shown(), [b"a.jpg"]);
    assert_eq!(store.read(|rows| rows.find_member(no, b"a.jpg")).unwrap(), Some(file));
    assert_eq!(store.read(|rows| rows.find_suffix(no, b"a", 3)).unwrap(), Some(1));
    write(&store, |tx| tx.save_member_want(no, file, Some(false)));
    assert!(shown().is_empty());
    assert_eq!(store.read(|rows| rows.find_member(no, b"a.jpg")).unwrap(), None);
    write(&store, |tx| tx.save_member_want(no, file, None));
    assert_eq!(shown(), [b"a.jpg"]);
}

/// Nothing was committed since the last sync.
fn is_synced(store: &Store) -> bool {
    !store.is_unsynced.load(std::sync::atomic::Ordering::Acquire)
}

#[test]
fn inode_numbers_are_never_given_twice_not_even_after_a_power_cut() {
    let (dir, device, store) = open();
    let first = store.next_ino().unwrap();
    assert_eq!(store.next_ino().unwrap().0, first.0 + 1);
    assert!(is_synced(&store), "the stride is durable before a number of it is used");
    let within = write(&store, |tx| tx.next_ino());
    assert!(within.0 > first.0 + 1);
    drop(store);
    let store = Store::open(dir.path(), &device).unwrap();
    assert!(store.next_ino().unwrap() > within);
    write(&store, |tx| tx.raise_next_ino(Ino(1 << 40)));
    assert!(write(&store, |tx| tx.next_ino()) > Ino(1 << 40));
}

#[test]
fn an_upload_keeps_every_step() {
    let (_dir, _, store) = open();
    let row = UploadRow {
        size: 10,
        due: Timestamp(50),
        target: Some(AlbumNo(1)),
        ..UploadRow::new(Ino(70_000), VaultId([3; 16]), Stage::Settling, Timestamp(1))
    };
    let no = write(&store, |tx| tx.insert_upload(&row));
    let due =
        |now| store.read(|rows| rows.find_due_uploads(Timestamp(now), &[Stage::Settling], 0..100, 9)).unwrap().len();
    assert_eq!((due(49), due(50)), (0, 1));
    assert_eq!(store.read(|rows| rows.load_next_due(&[Stage::Settling])).unwrap(), Some(Timestamp(50)));
    write(&store, |tx| {
        tx.save_upload_blob(no, UploadBlob::Request, Some(b"{}"))?;
        tx.save_upload_hash(no, Some(("abc", FileKind::Image)))?;
        tx.save_upload(&UploadRow {
            no,
            stage: Stage::Uploaded,
            sent: true,
            parked: Some(ParkReason::Quota),
            ..row.clone()
        })
    });
    assert_eq!(due(100), 0, "parked");
    assert_eq!(store.read(|rows| rows.load_upload_blob(no, UploadBlob::Request)).unwrap().as_deref(), Some(&b"{}"[..]));
    assert_eq!(store.read(|rows| rows.load_twins("abc", FileKind::Image)).unwrap().len(), 1);
    assert!(store.read(|rows| rows.load_twins("abc", FileKind::Video)).unwrap().is_empty());
    let totals = store.read(|rows| rows.load_stage_totals()).unwrap();
    assert_eq!(totals, [StageTotals { stage: Stage::Uploaded, parked: Some(ParkReason::Quota), files: 1, bytes: 10 }]);
}

#[test]
fn a_photo_keeps_its_record_and_its_contents() {
    let (_dir, _, store) = open();
    let (id, key) = (FileId(12), FileKey::from_bytes([4; 32]));
    let label = Label { title: "a.jpg".into(), edited: Some("b.jpg".into()), taken: Timestamp(3) };
    let facts = FileFacts {
        own: true,
        kind: Some(FileKind::Image),
        key: Some(&key),
        label: Some(&label),
        hash: Some("h"),
        hidden: false,
        stand_in: true,
    };
    let record = RawRecord {
        meta: vec![1, 2],
        public: Some(RawMagic { version: 3, header: vec![], data: vec![] }),
        ..RawRecord::default()
    };
    let header = StreamHeader([6; 24]);
    let content = NewContent {
        file: id,
        part: Part::Whole,
        header,
        cipher_size: 27,
        size: 10,
        ino: Ino(5 << 20),
        mtime: Nanos(1),
        ctime: Nanos(2),
    };
    let no = write(&store, |tx| {
        tx.save_file(id, &facts, &record)?;
        let no = tx.insert_content(&content)?;
        tx.save_file_content(id, no)?;
        tx.save_macs(no, &[7; 8])?;
        Ok(no)
    });
    assert_eq!(store.read(|rows| rows.load_record(id)).unwrap(), Some(record.clone()));
    assert_eq!(store.read(|rows| rows.load_file_key(id)).unwrap().unwrap().bytes(), &[4; 32]);
    assert_eq!(store.read(|rows| rows.load_files_by_hash("h", FileKind::Image)).unwrap()[0].content, Some(no));
    assert_eq!(store.read(|rows| rows.load_content_by_header(id, &header)).unwrap().unwrap().no, no);
    assert_eq!(store.read(|rows| rows.load_file(id)).unwrap().unwrap().label, Some(label.clone()));
    assert_eq!(store.read(|rows| rows.load_macs(no)).unwrap(), [7; 8]);
    assert!(store.read(|rows| rows.has_content_of_size(10)).unwrap());
    assert!(!store.read(|rows| rows.has_content_of_size(11)).unwrap());
    let keyless = FileFacts { key: None, ..facts };
    write(&store, |tx| tx.save_file(id, &keyless, &record));
    assert!(store.read(|rows| rows.load_file_key(id)).unwrap().is_some(), "a key once known stays");
}

#[test]
fn nothing_readable_is_in_the_files() {
    let (dir, _, store) = open();
    let no = insert_album(&store, "Grandmother's birthday", 9);
    write(&store, |tx| {
        tx.save_album_shown(no, Ino(2), b"Grandmother's birthday")?;
        tx.save_member(no, FileId(4), true, Timestamp(8))?;
        tx.save_listing(no, FileId(4), (&listing("IMG_birthday.jpg", 99), None), slot("IMG_birthday"))?;
        tx.save_name(Ino(3), b"secret-folder", Ino(70_001))?;
        tx.save_xattr(Ino(3), b"user.comment", b"secret-comment")?;
        tx.insert_trouble(&Trouble { at: Timestamp(1), kind: "test".into(), text: "secret-trouble".into() })?;
        tx.insert_op(&NewOp { name: Some("secret-name".into()), ..NewOp::new(OpKind::NameAlbum, Timestamp(0)) })
    });
    assert_eq!(
        store.read(|rows| rows.load_xattr(Ino(3), b"user.comment")).unwrap().as_deref(),
        Some(&b"secret-comment"[..])
    );
    assert_eq!(store.read(|rows| rows.load_xattr_names(Ino(3))).unwrap(), [b"user.comment"]);
    assert_eq!(store.read(|rows| rows.load_ops()).unwrap()[0].name.as_deref(), Some("secret-name"));
    store.sync().unwrap();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        for secret in ["birthday", "secret", "comment"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
        }
        assert!(!bytes.windows(32).any(|window| window == [9; 32]), "the album's key");
    }
}

#[test]
fn a_newer_database_is_refused_with_both_versions() {
    let (dir, device, store) = open();
    store.close().unwrap();
    rusqlite::Connection::open(dir.path().join(DATABASE)).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let refused = Store::open(dir.path(), &device).map(|_| ()).unwrap_err();
    assert!(matches!(refused, StoreError::Newer { found: 99, known: SCHEMA_VERSION, .. }), "{refused}");
}

#[test]
fn another_device_key_opens_nothing() {
    let (dir, _, store) = open();
    let no = insert_album(&store, "A", 9);
    store.close().unwrap();
    let store = Store::open(dir.path(), &DeviceKey::random()).unwrap();
    assert!(store.read(|rows| rows.load_album(no)).unwrap_err().is_damaged());
}

#[test]
fn the_log_is_folded_in_while_readers_and_writers_go_on() {
    let (dir, _, store) = open();
    for i in 0..300 {
        write(&store, |tx| tx.save_xattr(Ino(i), b"user.bulk", &[7; 60_000]));
    }
    let wal = dir.path().join("entefs.db-wal");
    let grown = fs::metadata(&wal).unwrap().len();
    assert!(grown > CHECKPOINT_BYTES);
    store.checkpoint_if_due().unwrap();
    write(&store, |tx| tx.save_xattr(Ino(0), b"user.more", &[7; 60_000]));
    assert!(fs::metadata(&wal).unwrap().len() <= grown + 100_000, "the log starts over");
    assert_eq!(
        store.read(|rows| rows.load_xattr(Ino(299), b"user.bulk")).unwrap().map(|value| value.len()),
        Some(60_000)
    );
}

/// Whether SQLite's lock on the database is held by anybody, as another process would see it.
fn is_locked(path: &Path) -> bool {
    use std::os::fd::AsRawFd;
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut probe =
        libc::flock { l_type: libc::F_WRLCK as _, l_whence: libc::SEEK_SET as _, l_start: 0, l_len: 0, l_pid: 0 };
    // SAFETY: the descriptor is open, `probe` outlives the call.
    assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut probe) }, 0);
    probe.l_type != libc::F_UNLCK as libc::c_short
}

/// Without it a command that ends beside the mount takes itself for the last one, and removes the log that the mount
/// still writes to.
#[test]
fn a_second_connection_takes_no_lock_from_the_first() {
    let (dir, _, store) = open();
    insert_album(&store, "A", 9);
    let second = schema::connect(&dir.path().join(DATABASE)).unwrap();
    drop(second);
    // Last: closing any descriptor of the file gives this process's locks up.
    assert!(is_locked(&dir.path().join(DATABASE)));
}

#[test]
fn syncs_that_meet_share_one() {
    let (_dir, _, store) = open();
    std::thread::scope(|scope| {
        for i in 0..8_u64 {
            let store = &store;
            scope.spawn(move || {
                for j in 0..20 {
                    write(store, |tx| tx.save_xattr(Ino(i), b"user.n", &[j]));
                    store.sync().unwrap();
                }
            });
        }
    });
    assert!(is_synced(&store));
}

#[test]
fn the_journal_keeps_every_kind_of_change_and_counts_what_is_counted() {
    let (_dir, _, store) = open();
    let (file, album, to, ino) = (FileId(7), AlbumNo(1), AlbumNo(2), Ino(70_000));
    let changes = [
        Change::Left { file, album },
        Change::Moved { file, from: album, to, joined: true },
        Change::Joined { file, album },
        Change::PhotoNamed { file, was: "a.jpg".into() },
        Change::AlbumNamed { album, was: "Summer".into() },
        Change::AlbumRemoved { album },
        Change::FileRemoved { ino, path: b"Drop/x\xff.jpg".to_vec() },
        Change::EntryMoved { ino, path: b"Drop/y".to_vec() },
    ];
    write(&store, |tx| {
        for (at, change) in (1..).zip(&changes) {
            tx.insert_change(Timestamp(at), at as u64 % 2, change)?;
        }
        Ok(())
    });
    let times = store.read(|rows| rows.load_journal_times()).unwrap();
    let (last, first) = (times[0].0, times[7].0);
    let latest = |last| store.read(|rows| rows.load_latest_change(first, last)).unwrap();
    for ((no, at), change) in times.iter().rev().zip(&changes) {
        let row = latest(*no).unwrap();
        assert_eq!((row.no, row.at, &row.change), (*no, *at, change));
    }
    let weights = |since| store.read(|rows| rows.load_removal_weight(Timestamp(since))).unwrap();
    assert_eq!((weights(0), weights(3), weights(7)), (4, 2, 0));
    assert_eq!(store.read(|rows| rows.load_album_removal_weight(album, Timestamp(0))).unwrap(), 3);
    write(&store, |tx| {
        tx.rename_album_in_journal(album, AlbumNo(9))?;
        tx.allow_removals(Timestamp(50))?;
        tx.trim_journal(Timestamp(2))
    });
    assert_eq!((weights(0), latest(first)), (0, None));
    write(&store, |tx| tx.delete_change(last));
    assert_eq!(store.read(|rows| rows.load_journal_times()).unwrap().len(), 6);
    assert_eq!(latest(times[6].0).unwrap().change, Change::Moved { file, from: AlbumNo(9), to, joined: true });
}
