//! Photos to try things with, and chance that can be repeated.

use entefs::crypto::ContentHash;
use jpeg_encoder::{ColorType, Encoder};
use std::sync::LazyLock;

const WIDTH: u16 = 320;
const HEIGHT: u16 = 200;
/// The longest text of a JPEG's comment.
const COMMENT: usize = 65_533;

static PICTURE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let rgb: Vec<u8> = (0..u32::from(HEIGHT))
        .flat_map(|y| (0..u32::from(WIDTH)).flat_map(move |x| [x as u8, y as u8, (x * y / 90) as u8]))
        .collect();
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, 80).encode(&rgb, WIDTH, HEIGHT, ColorType::Rgb).expect("a vector takes everything");
    jpeg
});

/// A complete JPEG of about `extra` bytes more than the smallest, all its own by `seed`.
pub fn jpeg(seed: u64, extra: usize) -> Vec<u8> {
    jpeg_of(&Random::new(seed).bytes(extra.max(16)))
}

/// A complete JPEG that carries these bytes as they are.
pub fn jpeg_of(cargo: &[u8]) -> Vec<u8> {
    let mut photo = PICTURE[..2].to_vec();
    for piece in cargo.chunks(COMMENT) {
        photo.extend_from_slice(&[0xff, 0xfe]);
        photo.extend_from_slice(&(piece.len() as u16 + 2).to_be_bytes());
        photo.extend_from_slice(piece);
    }
    photo.extend_from_slice(&PICTURE[2..]);
    photo
}

/// What Ente calls a photo's hash.
pub fn hash_text(bytes: &[u8]) -> String {
    ContentHash::of(bytes).to_text()
}

/// SplitMix64: small, and the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66)
    }

    /// Seeded by `ENTEFS_TEST_SEED`, else by the clock; the seed is printed, so that a failure can be had again.
    pub fn announced(test: &str) -> Self {
        let given = std::env::var("ENTEFS_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| u64::from_le_bytes(entefs::crypto::random()) >> 16);
        println!("{test}: ENTEFS_TEST_SEED={seed}");
        Self::new(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Less than `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let words = (0..len.div_ceil(8)).flat_map(|_| self.next().to_le_bytes());
        words.take(len).collect()
    }
}
