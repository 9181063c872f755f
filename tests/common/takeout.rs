//! A photo library as Google Takeout exports it: two archives, sidecars in other ones than their photos, names cut,
//! numbered and marked as edited, albums with titles that no directory can have, photos in their year and in albums.

use super::{hash_text, jpeg};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const ROOT: &str = "Takeout/Google Photos";
/// A title, and what a directory makes of it.
const ALBUM: (&str, &str) = ("Été: 2019/20", "Été_ 2019_20");

/// What must be in Ente of one photo.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Expected {
    pub albums: BTreeSet<String>,
    /// Seconds; `None` where nothing tells.
    pub taken: Option<i64>,
    pub place: Option<(f64, f64)>,
    pub caption: Option<String>,
}

/// Photos by title and hash.
pub type Library = BTreeMap<(String, String), Expected>;

pub struct Takeout {
    archives: Vec<(PathBuf, ZipWriter<File>)>,
    library: Library,
    next: u64,
}

/// Makes an export of at least `photos` photos; answers its archives and what must come of it.
pub fn takeout(dir: &Path, photos: usize) -> (Vec<PathBuf>, Library) {
    let archive = |number: u32| {
        let path = dir.join(format!("takeout-20240102T030405Z-00{number}.zip"));
        (path.clone(), ZipWriter::new(File::create(path).expect("a temporary directory")))
    };
    let mut made = Takeout { archives: vec![archive(1), archive(2)], library: Library::new(), next: 0 };
    let text = format!(
        r#"{{"title": "{}", "description": "", "access": "protected", "date": {{"timestamp": "1"}}}}"#,
        ALBUM.0
    );
    made.write(1, &format!("{}/metadata.json", ALBUM.1), text.as_bytes());
    made.write(0, "../archive_browser.html", b"<html></html>");
    made.write(0, "print-subscriptions.json", b"{}");
    while made.library.len() < photos {
        made.add_kind();
    }
    let paths = made.archives.into_iter().map(|(path, zip)| {
        zip.finish().expect("a complete archive");
        path
    });
    (paths.collect(), made.library)
}

impl Takeout {
    fn write(&mut self, archive: usize, path: &str, bytes: &[u8]) {
        let method = if path.len().is_multiple_of(2) { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        let (_, zip) = &mut self.archives[archive];
        zip.start_file(format!("{ROOT}/{path}"), SimpleFileOptions::default().compression_method(method))
            .expect("room");
        zip.write_all(bytes).expect("room");
    }

    /// A photo in a directory, and what must come of it.
    fn photo(&mut self, dir: &str, name: &str, bytes: &[u8], told: Option<&Told>) {
        self.write((self.next % 2) as usize, &format!("{dir}/{name}"), bytes);
        let entry = self.library.entry((name.to_owned(), hash_text(bytes))).or_default();
        entry.albums.insert(if dir == ALBUM.1 { ALBUM.0.to_owned() } else { dir.to_owned() });
        if let Some(told) = told {
            entry.taken = Some(told.taken);
            entry.place = told.place;
            entry.caption = told.caption.clone();
            if told.favorite {
                entry.albums.insert("Favorites".into());
            }
        }
    }

    /// In the archive that the photo is not in.
    fn sidecar(&mut self, dir: &str, name: &str, title: &str, told: &Told) {
        let place = told.place.unwrap_or((0.0, 0.0));
        let mut json = serde_json::json!({
            "title": title,
            "description": told.caption.as_deref().unwrap_or(""),
            "imageViews": "1",
            "creationTime": {"timestamp": "1700000000", "formatted": "Nov 14, 2023, 10:13:20 PM UTC"},
            "photoTakenTime": {"timestamp": told.taken.to_string(), "formatted": "x"},
            "geoData": {"latitude": place.0, "longitude": place.1, "altitude": 0.0},
            "url": "https://photos.google.com/photo/x",
        });
        if told.favorite {
            json["favorited"] = true.into();
        }
        self.write(1 - (self.next % 2) as usize, &format!("{dir}/{name}.json"), json.to_string().as_bytes());
    }

    /// The next photo, of one kind after the other.
    fn add_kind(&mut self) {
        self.next += 1;
        let n = self.next;
        let told = Told {
            taken: 1_300_000_000 + n as i64 * 86_400,
            place: n.is_multiple_of(3).then_some((n as f64 / 100.0 - 10.0, 0.5 - n as f64 / 50.0)),
            caption: n.is_multiple_of(5).then(|| format!("Nr. {n}: \"äöü\"")),
            favorite: n.is_multiple_of(7),
        };
        let year = format!("Photos from {}", 2011 + n % 4);
        let bytes = jpeg(n, 2000);
        let plain = format!("IMG_{n:06}.jpg");
        match n % 9 {
            0 => self.numbered(&year, &plain, &bytes, &told),
            1 => self.edited(&year, n, &bytes, &told),
            2 => self.cut(&year, n, &bytes, &told),
            3 => {
                // In its year, with the sidecar, and in an album, without.
                self.photo(&year, &plain, &bytes, Some(&told));
                self.sidecar(&year, &plain, &plain, &told);
                self.photo(ALBUM.1, &plain, &bytes, Some(&told));
            }
            4 => {
                let name = format!("Screenshot_20190102-{n:06}_Chrome.png.jpg");
                self.photo(&year, &name, &bytes, Some(&told));
                let key: String = format!("{name}.supplemental-metadata").chars().take(46).collect();
                self.sidecar(&year, &key, &name, &told);
            }
            5 => self.photo(&year, &plain, &bytes, None),
            6 => {
                let name = format!("写真 🦀 {n}.jpg");
                self.photo(&year, &name, &bytes, Some(&told));
                self.sidecar(&year, &format!("{name}.supplemental-metadata"), &name, &told);
            }
            _ => {
                self.photo(&year, &plain, &bytes, Some(&told));
                self.sidecar(&year, &plain, &plain, &told);
            }
        }
    }

    /// Two photos of one name: the number is here before the extension and there after it.
    fn numbered(&mut self, dir: &str, plain: &str, bytes: &[u8], told: &Told) {
        self.photo(dir, plain, bytes, Some(told));
        self.sidecar(dir, plain, plain, told);
        let other = Told { taken: told.taken + 60, caption: Some("the other".into()), ..told.clone() };
        self.photo(dir, &plain.replace(".jpg", "(1).jpg"), &jpeg(self.next + 1_000_000, 2000), Some(&other));
        self.sidecar(dir, &format!("{plain}(1)"), plain, &other);
    }

    /// An edited copy has the sidecar of its original.
    fn edited(&mut self, dir: &str, n: u64, bytes: &[u8], told: &Told) {
        let plain = format!("PXL_{n:06}.jpg");
        self.photo(dir, &plain, bytes, Some(told));
        self.sidecar(dir, &plain, &plain, told);
        let mark = ["edited", "bearbeitet", "modifié", "編集済み"][(n / 9 % 4) as usize];
        let copy = jpeg(n + 2_000_000, 2000);
        self.photo(dir, &plain.replace(".jpg", &format!("-{mark}.jpg")), &copy, Some(told));
    }

    fn cut(&mut self, dir: &str, n: u64, bytes: &[u8], told: &Told) {
        let title = format!("A long name that somebody gave to photo number {n:06} one day.jpg");
        // The number stands where nothing is cut.
        let title = format!("{n:06} {title}");
        let name = format!("{}.jpg", &title[..47]);
        self.photo(dir, &name, bytes, Some(told));
        self.sidecar(dir, &title[..46], &title, told);
    }
}

#[derive(Clone)]
struct Told {
    taken: i64,
    place: Option<(f64, f64)>,
    caption: Option<String>,
    favorite: bool,
}
