//! What must be in Ente, and what is.

use crate::common::{Client, hash_text};
use std::collections::{BTreeMap, BTreeSet};

/// Photos by title and hash, each with the albums that must hold it.
#[derive(Default)]
pub struct Ledger(BTreeMap<(String, String), BTreeSet<String>>);

impl Ledger {
    /// These bytes under this name must be in this album, once.
    pub fn expect(&mut self, title: &str, bytes: &[u8], album: &str) {
        let albums = self.0.entry((title.to_owned(), hash_text(bytes))).or_default();
        albums.insert(album.to_owned());
    }

    /// Both name the same photos in the same albums.
    #[track_caller]
    pub fn check_equal(&self, other: &Self) {
        let difference: Vec<_> = self.0.iter().filter(|(key, albums)| other.0.get(*key) != Some(albums)).collect();
        assert!(difference.is_empty() && self.0.len() == other.0.len(), "differ: {difference:?}");
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Ente has exactly these photos, each once, in exactly these albums, byte for byte; and nothing is in the trash.
    #[track_caller]
    pub fn check(&self, client: &Client) {
        let mut missing = self.0.clone();
        for photo in client.photos() {
            let bytes = client.download(&photo);
            let what = format!("{} ({}), in {:?}", photo.title, photo.id, photo.albums);
            assert_eq!(photo.hash, hash_text(&bytes), "{what}: not the bytes that its record says");
            let expected = missing.remove(&(photo.title.clone(), photo.hash.clone()));
            assert_eq!(expected.as_ref(), Some(&photo.albums), "{what}: doubled, foreign, or in other albums");
        }
        assert!(missing.is_empty(), "not in Ente: {:?}", missing.keys().map(|key| &key.0).collect::<Vec<_>>());
        assert_eq!(client.trashed(), [], "nothing is ever trashed");
        let names = client.album_names();
        let unique: BTreeSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len(), "two albums of one name: {names:?}");
    }
}
