//! Counting at start what an earlier process left: one listing, a look at each file, the holes of the large ones.

use super::index::{Contents, extent_stride};
use super::key::CacheKey;
use super::shared::Shared;
use crate::vault::{CELLS_AT, FileDisk};
use std::fs::{self, DirEntry, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

/// A file as it was found.
struct Found {
    key: CacheKey,
    /// Roughly when it was last used.
    used: (i64, i64),
    contents: Contents,
}

/// Counts in the background, then evicts what is over the budget.
pub(super) fn spawn_scan(shared: Arc<Shared>) -> io::Result<()> {
    let scan = move || {
        match find_files(&shared) {
            Ok(mut found) => {
                found.sort_by_key(|file| file.used);
                let mut index = shared.index.lock();
                found.iter().for_each(|file| index.enroll_found(file.key, &file.contents));
            }
            Err(error) => tracing::warn!(%error, "the cache cannot be listed; it begins empty"),
        }
        shared.evict_to_budget();
        shared.set_counted();
    };
    std::thread::Builder::new().name("cache-scan".into()).spawn(scan).map(|_| ())
}

fn find_files(shared: &Shared) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(shared.dir())? {
        let entry = entry?;
        let key = entry.file_name().to_str().and_then(CacheKey::from_hex);
        // What vanishes under the scan is not there; other names are none of ours.
        found.extend(key.and_then(|key| look_at(&entry, key).ok()));
    }
    Ok(found)
}

fn look_at(entry: &DirEntry, key: CacheKey) -> io::Result<Found> {
    let meta = entry.metadata()?;
    let contents = if meta.len() <= CELLS_AT + extent_stride() {
        Contents::small(meta.blocks() * 512)
    } else {
        Contents::of_ranges(&FileDisk::new(File::open(entry.path())?).data_ranges()?)
    };
    Ok(Found { key, used: (meta.mtime(), meta.mtime_nsec()), contents })
}
