//! A small JPEG of a picture, as Ente's clients store beside every file (protocol notes, data 3.7).
//!
//! Guarantees: upright, in sRGB, at most [`BOX`] pixels a side and never larger than the original, at most [`LARGEST`] bytes;
//! sizes that a file merely claims are refused before memory is taken for them. Assumes that a decoder may still
//! hang or run out of memory on crafted bytes: [`super::job`] runs this in a child with limits.
//!
mod avif;
mod coarse;
mod colour;
mod decode;
mod pixels;

use super::findings::Size;
use super::format::Format;
use super::orientation::Orientation;
use crate::base::ReadAt;
pub use colour::Colours;
use pixels::Pixels;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use thiserror::Error;

/// The side of the square a thumbnail fits in, in pixels.
pub const BOX: u32 = 720;
/// In bytes.
pub const LARGEST: usize = 100 << 10;

/// A finished thumbnail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Thumbnail {
    pub jpeg: Vec<u8>,
    /// Of the JPEG itself.
    pub size: Size,
}

/// What a decoder may take.
#[derive(Clone, Copy, Debug)]
pub struct ThumbnailLimits {
    /// Of the original.
    pub pixels: u64,
    /// Bytes for the decoded original.
    pub memory: u64,
}

impl Default for ThumbnailLimits {
    fn default() -> Self {
        Self { pixels: 268_435_456, memory: 512 << 20 }
    }
}

/// Why there is no thumbnail; [`stand_in`] takes its place.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ThumbnailError {
    #[error("no decoder for this format or variant")]
    Unsupported,
    #[error("the picture is too large to decode: {0}")]
    TooLarge(String),
    #[error("the picture is damaged: {0}")]
    Malformed(String),
}

/// Makes the thumbnail of an image. `orientation` is what [`super::probe()`] found.
///
/// # Errors
/// [`ThumbnailError::Unsupported`] for video, for an AVIF in tiles, and for a RAW without a preview.
pub fn thumbnail(
    file: &dyn ReadAt,
    format: Format,
    orientation: Orientation,
    limits: &ThumbnailLimits,
) -> Result<Thumbnail, ThumbnailError> {
    let make = AssertUnwindSafe(|| {
        let decoded = decode::decode(file, format, limits)?;
        let small = colour::to_srgb(decoded.pixels.fit(BOX)?, &decoded.colours);
        encode(if decoded.is_upright { small } else { small.upright(orientation) })
    });
    catch_unwind(make).unwrap_or_else(|_| Err(ThumbnailError::Malformed("the decoder gave up".into())))
}

/// Of a picture that was decoded elsewhere, upright already.
///
/// # Errors
/// Where the bytes are not those of such a picture.
pub(super) fn thumbnail_of_pixels(size: Size, bytes: Vec<u8>, colours: &Colours) -> Result<Thumbnail, ThumbnailError> {
    encode(colour::to_srgb(Pixels { size, bytes }.fit(BOX)?, colours))
}

/// Box and quality, tried in turn until the result is small enough. Ente's clients stop after the third; noise that
/// is too large even then is made smaller.
const LADDER: [(u32, u8); 5] = [(BOX, 70), (BOX, 60), (BOX, 50), (512, 50), (360, 50)];

fn encode(mut pixels: Pixels) -> Result<Thumbnail, ThumbnailError> {
    let mut jpeg = Vec::new();
    for (side, quality) in LADDER {
        pixels = pixels.fit(side)?;
        jpeg = pixels.encode(quality)?;
        if jpeg.len() <= LARGEST {
            break;
        }
    }
    Ok(Thumbnail { jpeg, size: pixels.size })
}

/// What stands where no thumbnail could be made: 300 × 150, black, as Ente's clients have it. A file that has it is
/// marked `hasStaticThumbnail`.
pub fn stand_in() -> &'static [u8] {
    static JPEG: OnceLock<Vec<u8>> = OnceLock::new();
    JPEG.get_or_init(|| {
        let size = Size { width: 300, height: 150 };
        let black = Pixels { size, bytes: vec![0; 300 * 150 * 3] };
        black.encode(70).expect("45,000 black pixels always encode")
    })
}

#[cfg(test)]
mod tests;
