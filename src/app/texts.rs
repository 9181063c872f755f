//! `STATUS.txt` and what is in `.entefs/`.

use super::report::Reporter;
use crate::base::sync::Mutex;
use crate::control::{Status, render_page};
use crate::tree::FixedPlace;
use crate::vfs::Texts;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Size and content agree for so long.
const KEPT: Duration = Duration::from_secs(1);
const README: &str = "\
This directory is a view of an Ente Photos account, mounted by entefs.

Drop/           copy photos and videos here: they are encrypted and sent to Ente; each directory becomes an album
Albums/         your albums; a photo in several of them is one file with several names
Favorites/      your favorites
Uncategorized/  photos in no album; where photos go that are removed from their last album
Trash/          what Ente deletes in 30 days; move a photo out of it to restore it
STATUS.txt      what is waiting, what is parked and why, and what to do

Removing a photo from its last album moves it to Uncategorized/: nothing is deleted in Ente.
`entefs status` tells more, `entefs --help` lists all commands.
";

/// Each text with the moment it was made.
type Kept = HashMap<FixedPlace, (Instant, Arc<[u8]>)>;

/// Makes the generated files from the engine's status.
pub(super) struct StatusTexts {
    reporter: Arc<Reporter>,
    kept: Mutex<Kept>,
}

impl StatusTexts {
    pub(super) fn new(reporter: Arc<Reporter>) -> Self {
        Self { reporter, kept: Mutex::default() }
    }

    fn make(&self, place: FixedPlace) -> String {
        if place == FixedPlace::ReadmeTxt {
            return README.into();
        }
        match self.reporter.status() {
            Ok(status) => text_of(place, &status),
            Err(error) => format!("the status cannot be read: {error}\n"),
        }
    }
}

impl Texts for StatusTexts {
    fn text(&self, place: FixedPlace) -> Arc<[u8]> {
        let mut kept = self.kept.lock();
        if let Some((_, text)) = kept.get(&place).filter(|(made, _)| made.elapsed() < KEPT) {
            return Arc::clone(text);
        }
        let text: Arc<[u8]> = self.make(place).into_bytes().into();
        kept.insert(place, (Instant::now(), Arc::clone(&text)));
        text
    }
}

fn text_of(place: FixedPlace, status: &Status) -> String {
    match place {
        FixedPlace::StatusJson => serde_json::to_string_pretty(status).unwrap_or_default() + "\n",
        FixedPlace::ErrorsTxt => errors_text(status),
        _ => render_page(status, None),
    }
}

fn errors_text(status: &Status) -> String {
    let mut text = String::new();
    for trouble in &status.troubles {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}  {}  {}", trouble.at, trouble.kind, trouble.text);
    }
    text
}
