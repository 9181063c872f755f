//! Decoded pixels: made plain in place, shrunk, turned, encoded. In place, because the original may fill what
//! memory there is.

use super::ThumbnailError;
use crate::media::findings::Size;
use crate::media::orientation::Orientation;
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, Resizer};
use image::ColorType;
use jpeg_encoder::{ChromaSubsamplingMethod, Encoder};

/// Eight-bit grey or RGB, row by row from the top, no padding.
pub struct Pixels {
    pub size: Size,
    pub grey: bool,
    pub bytes: Vec<u8>,
}

impl Pixels {
    /// Of what a decoder of `image` wrote: narrowed to eight bits, transparency laid on white.
    pub fn from_decoder(size: Size, colour: ColorType, mut bytes: Vec<u8>) -> Result<Self, ThumbnailError> {
        let channels = usize::from(colour.channel_count());
        match colour.bytes_per_pixel() as usize / channels {
            1 => {}
            2 => narrow(&mut bytes, |sample: [u8; 2]| (u16::from_ne_bytes(sample) >> 8) as u8),
            4 => narrow(&mut bytes, |sample: [u8; 4]| (f32::from_ne_bytes(sample).clamp(0.0, 1.0) * 255.0) as u8),
            _ => return Err(ThumbnailError::Unsupported),
        }
        match channels {
            2 => flatten::<2>(&mut bytes),
            4 => flatten::<4>(&mut bytes),
            _ => {}
        }
        Ok(Self { size, grey: channels <= 2, bytes })
    }

    /// Of four inks as `jpeg-decoder` gives them: 0 is none, if `adobe` stored them inverted as it always does.
    pub fn from_cmyk(size: Size, adobe: bool, mut bytes: Vec<u8>) -> Self {
        let paper = if adobe { 255 } else { 0 };
        let mut written = 0;
        for at in (0..bytes.len() / 4 * 4).step_by(4) {
            let black = u16::from(bytes[at + 3] ^ paper);
            for channel in 0..3 {
                bytes[written] = (u16::from(bytes[at + channel] ^ paper) * black / 255) as u8;
                written += 1;
            }
        }
        bytes.truncate(written);
        Self { size, grey: false, bytes }
    }

    /// Fitted into a square, aspect kept; never enlarged.
    pub fn fit(self, side: u32) -> Result<Self, ThumbnailError> {
        let size = fitted(self.size, side);
        if size == self.size {
            return Ok(self);
        }
        let kind = if self.grey { PixelType::U8 } else { PixelType::U8x3 };
        let wrong = |error: &dyn std::fmt::Display| ThumbnailError::Malformed(error.to_string());
        let from =
            ImageRef::new(self.size.width, self.size.height, &self.bytes, kind).map_err(|error| wrong(&error))?;
        let mut to = Image::new(size.width, size.height, kind);
        Resizer::new().resize(&from, &mut to, None).map_err(|error| wrong(&error))?;
        Ok(Self { size, grey: self.grey, bytes: to.into_vec() })
    }

    pub fn upright(self, orientation: Orientation) -> Self {
        if orientation == Orientation::Upright {
            return self;
        }
        let bytes = match self.grey {
            true => orientation.apply::<1>(&self.bytes, self.size),
            false => orientation.apply::<3>(&self.bytes, self.size),
        };
        Self { size: orientation.seen(self.size), grey: self.grey, bytes }
    }

    pub fn encode(&self, quality: u8) -> Result<Vec<u8>, ThumbnailError> {
        let too_large = |_| ThumbnailError::TooLarge(format!("{} × {}", self.size.width, self.size.height));
        let width = u16::try_from(self.size.width).map_err(too_large)?;
        let height = u16::try_from(self.size.height).map_err(too_large)?;
        let kind = if self.grey { jpeg_encoder::ColorType::Luma } else { jpeg_encoder::ColorType::Rgb };
        let mut jpeg = Vec::new();
        let mut encoder = Encoder::new(&mut jpeg, quality);
        encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
        let encoded = encoder.encode(&self.bytes, width, height, kind);
        encoded.map_err(|error| ThumbnailError::Malformed(error.to_string()))?;
        Ok(jpeg)
    }
}

/// The size within a square, at least one pixel each way.
pub fn fitted(size: Size, side: u32) -> Size {
    let largest = size.width.max(size.height);
    if largest <= side {
        return size;
    }
    let scaled = |length: u32| {
        let rounded = (u64::from(length) * u64::from(side) + u64::from(largest) / 2) / u64::from(largest);
        (rounded as u32).clamp(1, side)
    };
    Size { width: scaled(size.width), height: scaled(size.height) }
}

/// One byte for each sample of `N`.
fn narrow<const N: usize>(bytes: &mut Vec<u8>, sample: impl Fn([u8; N]) -> u8) {
    let samples = bytes.len() / N;
    for n in 0..samples {
        let mut wide = [0; N];
        wide.copy_from_slice(&bytes[n * N..(n + 1) * N]);
        bytes[n] = sample(wide);
    }
    bytes.truncate(samples);
}

/// `N` channels, the last of them alpha, become one less on white.
fn flatten<const N: usize>(bytes: &mut Vec<u8>) {
    let pixels = bytes.len() / N;
    for n in 0..pixels {
        let alpha = u16::from(bytes[n * N + N - 1]);
        for channel in 0..N - 1 {
            let value = u16::from(bytes[n * N + channel]);
            bytes[n * (N - 1) + channel] = ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        }
    }
    bytes.truncate(pixels * (N - 1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_fit_the_box_and_never_grow() {
        for (width, height, expected) in [
            (6000, 4000, (720, 480)),
            (4000, 6000, (480, 720)),
            (720, 720, (720, 720)),
            (100, 50, (100, 50)),
            (65_535, 1, (720, 1)),
            (u32::MAX, u32::MAX, (720, 720)),
        ] {
            let fitted = fitted(Size { width, height }, 720);
            assert_eq!((fitted.width, fitted.height), expected);
        }
    }

    #[test]
    fn transparency_is_laid_on_white() {
        let size = Size { width: 3, height: 1 };
        let bytes = vec![10, 20, 30, 255, 10, 20, 30, 0, 0, 0, 0, 128];
        let pixels = Pixels::from_decoder(size, ColorType::Rgba8, bytes).expect("a known type");
        assert_eq!(pixels.bytes, [10, 20, 30, 255, 255, 255, 127, 127, 127]);
        let pixels = Pixels::from_decoder(size, ColorType::La8, vec![9, 255, 9, 0, 0, 128]).expect("a known type");
        assert_eq!((pixels.bytes, pixels.grey), (vec![9, 255, 127], true));
    }

    #[test]
    fn wide_samples_keep_their_upper_byte() {
        let size = Size { width: 1, height: 1 };
        let words = [0x1234_u16, 0xff00, 0x00ff].map(u16::to_ne_bytes).concat();
        let pixels = Pixels::from_decoder(size, ColorType::Rgb16, words).expect("a known type");
        assert_eq!(pixels.bytes, [0x12, 0xff, 0x00]);
        let floats = [0.5_f32, 2.0, f32::NAN].map(f32::to_ne_bytes).concat();
        let pixels = Pixels::from_decoder(size, ColorType::Rgb32F, floats).expect("a known type");
        assert_eq!(pixels.bytes, [127, 255, 0]);
    }

    #[test]
    fn inks_are_read_in_both_conventions() {
        let size = Size { width: 2, height: 1 };
        let ink = vec![0, 0, 0, 0, 255, 0, 0, 0];
        assert_eq!(Pixels::from_cmyk(size, true, ink.clone()).bytes, [255, 255, 255, 0, 255, 255]);
        let inverted: Vec<u8> = ink.iter().map(|ink| 255 - ink).collect();
        assert_eq!(Pixels::from_cmyk(size, false, inverted).bytes, [255, 255, 255, 0, 255, 255]);
    }
}
