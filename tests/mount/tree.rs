//! A tree of photos as people have them.

use super::ledger::Ledger;
use crate::common::{Random, jpeg};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// Directories, and the albums that their photos go to (semantics 2.8).
const DIRECTORIES: [(&str, &str); 8] = [
    ("", "Drop"),
    ("Summer", "Summer"),
    ("Summer/at the sea", "at the sea"),
    ("ünïcode/日本語", "日本語"),
    ("cafe\u{301}", "cafe\u{301}"),
    ("Trip/DCIM/100CANON", "Trip"),
    ("deep/x/y/z", "z"),
    ("deep/Summer", "Summer"),
];

pub struct Tree {
    pub root: PathBuf,
    pub ledger: Ledger,
    pub files: Vec<PathBuf>,
}

impl Tree {
    /// `photos` photos and what lies beside them, below `root`. Every tenth has the bytes of an earlier one, every
    /// twentieth its name, too.
    pub fn grow(root: &Path, photos: u64, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut tree = Self { root: root.into(), ledger: Ledger::default(), files: Vec::new() };
        for number in 0..photos {
            let (dir, album) = DIRECTORIES[(number % DIRECTORIES.len() as u64) as usize];
            // Nine further on lies in the next directory.
            let copied = (number % 10 == 9).then(|| number - 9);
            let same_name = number % 20 == 19;
            let name = title(if same_name { number - 9 } else { number });
            let extra = random.below(20_000) as usize;
            let is_alone = copied.is_none() && number % 10 != 0;
            let bytes = jpeg(seed << 20 | copied.unwrap_or(number), if is_alone { extra } else { 200 });
            tree.ledger.expect(&name, &bytes, album);
            tree.put(&Path::new(dir).join(name), &bytes, number);
        }
        tree.put(Path::new("empty.jpg"), b"", 1);
        tree.put(Path::new(".DS_Store"), &random.bytes(6148), 2);
        tree.put(Path::new("Summer/side.xmp"), br#"<x:xmpmeta xmlns:x="adobe:ns:meta/"/>"#, 3);
        tree.put(Path::new("Summer/notes.txt"), b"not a photo", 4);
        for (number, (directory, _)) in (0..).zip(DIRECTORIES) {
            // All above it, too: two trees of one seed are equal in everything.
            for directory in Path::new(directory).ancestors() {
                set_mtime(&tree.root.join(directory), 1_500_000_000_000_000_123 + number);
            }
        }
        tree
    }

    fn put(&mut self, below: &Path, bytes: &[u8], number: u64) {
        let path = self.root.join(below);
        fs::create_dir_all(path.parent().expect("below the root")).expect("a directory");
        fs::write(&path, bytes).expect("a file");
        set_mtime(&path, 1_600_000_000_123_456_789 + number * 1_000_000_007);
        self.files.push(below.into());
    }
}

fn title(number: u64) -> String {
    match number % 4 {
        0 => format!("IMG_{number:04}.JPG"),
        1 => format!("photo {number}.jpg"),
        2 => format!("Été à la mer {number}.jpeg"),
        _ => format!("写真-{number}.jpg"),
    }
}

fn set_mtime(path: &Path, nanos: u64) {
    let file = File::open(path).expect("it is there");
    file.set_modified(UNIX_EPOCH + Duration::from_nanos(nanos)).expect("it is ours");
}
