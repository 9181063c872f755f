//! Presigned URLs of files that are being read: asked for once, kept until shortly before they expire.

use crate::base::FileId;
use crate::base::sync::Mutex;
use reqwest::Url;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// As many files as may be read at the same time and then some.
const MOST: usize = 1024;
/// How long a URL lives that does not say so; Ente's say 7 days.
const UNSAID: Duration = Duration::from_secs(6 * 3600);

/// At most [`MOST`] URLs; the one not used for longest goes first.
#[derive(Default)]
pub(in crate::remote) struct KeptUrls(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    files: HashMap<FileId, Entry>,
    uses: u64,
}

struct Entry {
    slot: Arc<Slot>,
    last_use: u64,
}

/// One file's place: whoever holds its lock asks for the URL, the others wait for the answer.
#[derive(Default)]
pub(in crate::remote) struct Slot(pub(in crate::remote) tokio::sync::Mutex<Option<KeptUrl>>);

/// A URL and when it stops working.
#[derive(Clone)]
pub(in crate::remote) struct KeptUrl {
    pub(in crate::remote) url: Url,
    expires: Instant,
}

impl KeptUrls {
    pub(in crate::remote) fn slot(&self, file: FileId) -> Arc<Slot> {
        let mut kept = self.0.lock();
        kept.uses += 1;
        let now = kept.uses;
        if kept.files.len() >= MOST && !kept.files.contains_key(&file) {
            kept.evict();
        }
        let entry = kept.files.entry(file).or_insert_with(|| Entry { slot: Arc::default(), last_use: now });
        entry.last_use = now;
        Arc::clone(&entry.slot)
    }

    pub(in crate::remote) fn forget(&self, file: FileId) {
        self.0.lock().files.remove(&file);
    }
}

impl Kept {
    /// Makes room for an eighth at once, so that the search for the oldest is rare.
    fn evict(&mut self) {
        let mut uses: Vec<u64> = self.files.values().map(|entry| entry.last_use).collect();
        uses.sort_unstable();
        let oldest = uses[uses.len() / 8];
        self.files.retain(|_, entry| entry.last_use > oldest);
    }
}

impl KeptUrl {
    pub(in crate::remote) fn new(url: Url) -> Self {
        let life = life_of(&url);
        Self { url, expires: Instant::now() + life - life / 10 }
    }

    pub(in crate::remote) fn is_alive(&self) -> bool {
        Instant::now() < self.expires
    }
}

/// How long a presigned URL says it lives.
fn life_of(url: &Url) -> Duration {
    let said = url.query_pairs().find(|(name, _)| name.eq_ignore_ascii_case("X-Amz-Expires"));
    let seconds = said.and_then(|(_, value)| value.parse().ok()).filter(|seconds| *seconds <= 7 * 24 * 3600);
    seconds.map_or(UNSAID, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(query: &str) -> Url {
        Url::parse(&format!("http://127.0.0.1/bucket/7/uuid?{query}")).unwrap()
    }

    #[test]
    fn a_url_lives_as_long_as_it_says() {
        for (query, seconds) in [
            ("X-Amz-Expires=604800&X-Amz-Signature=00", 604_800),
            ("x-amz-expires=60", 60),
            ("X-Amz-Expires=soon", 21_600),
            ("X-Amz-Expires=99999999999999", 21_600),
            ("", 21_600),
        ] {
            assert_eq!(life_of(&url(query)), Duration::from_secs(seconds), "{query}");
        }
        assert!(KeptUrl::new(url("X-Amz-Expires=60")).is_alive());
        assert!(!KeptUrl::new(url("X-Amz-Expires=0")).is_alive());
    }

    #[test]
    fn the_urls_used_last_are_kept() {
        let kept = KeptUrls::default();
        let first = kept.slot(FileId(0));
        for file in 1..2 * MOST as i64 {
            kept.slot(FileId(file));
            assert!(Arc::ptr_eq(&first, &kept.slot(FileId(0))), "used all the time");
        }
        assert!(kept.0.lock().files.len() <= MOST);
        kept.forget(FileId(0));
        assert!(!Arc::ptr_eq(&first, &kept.slot(FileId(0))));
    }
}
