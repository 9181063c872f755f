//! Photos to try things with.

use super::random::Random;
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
