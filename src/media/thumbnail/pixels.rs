//! Decoded pixels: made plain in place, shrunk, turned, encoded. In place, because the original may fill what
//! memory there is.

use super::ThumbnailError;
use crate::media::findings::Size;
use crate::media::orientation::Orientation;
use fast_image_resize::Resizer;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use image::ColorType;
use jpeg_encoder::{ChromaSubsamplingMethod, Encoder, ImageBuffer, JpegColorType, rgb_to_ycbcr};

/// Eight-bit RGB, row by row from the top, no padding.
///
/// The crates used below are generic over what they work on and compile into us; one kind of pixel, and nothing
/// that chooses among kinds at run time, keeps the program small and its build short.
pub struct Pixels {
    pub size: Size,
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
        Ok(if channels <= 2 { Self::from_grey(size, &bytes) } else { Self { size, bytes } })
    }

    pub fn from_grey(size: Size, grey: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(grey.len() * 3);
        grey.iter().for_each(|value| bytes.extend_from_slice(&[*value; 3]));
        Self { size, bytes }
    }

    /// Of four inks as `jpeg-decoder` gives them: 0 is none, if `adobe` stored them inverted as it always does.
    pub fn from_cmyk(size: Size, adobe: bool, inks: &[u8]) -> Self {
        let paper = if adobe { 255 } else { 0 };
        let colours = inks.chunks_exact(4).flat_map(|ink| {
            let [cyan, magenta, yellow, black] = [ink[0], ink[1], ink[2], ink[3]].map(|ink| u16::from(ink ^ paper));
            [cyan, magenta, yellow].map(|ink| (ink * black / 255) as u8)
        });
        Self { size, bytes: colours.collect() }
    }

    /// Fitted into a square, aspect kept; never enlarged.
    pub fn fit(self, side: u32) -> Result<Self, ThumbnailError> {
        let size = fitted(self.size, side);
        if size == self.size {
            return Ok(self);
        }
        let bytes = self.shrunk(size).map_err(|error| ThumbnailError::Malformed(error.to_string()))?;
        Ok(Self { size, bytes })
    }

    fn shrunk(&self, size: Size) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let mut bytes = vec![0; size.pixels() as usize * 3];
        let from = TypedImageRef::<U8x3>::from_buffer(self.size.width, self.size.height, &self.bytes)?;
        let mut to = TypedImage::<U8x3>::from_buffer(size.width, size.height, &mut bytes)?;
        // Lanczos, by default.
        Resizer::new().resize_typed(&from, &mut to, None)?;
        Ok(bytes)
    }

    pub fn upright(self, orientation: Orientation) -> Self {
        match orientation {
            Orientation::Upright => self,
            _ => Self { size: orientation.seen(self.size), bytes: orientation.apply::<3>(&self.bytes, self.size) },
        }
    }

    pub fn encode(&self, quality: u8) -> Result<Vec<u8>, ThumbnailError> {
        let mut jpeg = Vec::new();
        let mut encoder = Encoder::new(&mut jpeg, quality);
        encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
        encoder.encode_image(self).map_err(|error| ThumbnailError::Malformed(error.to_string()))?;
        Ok(jpeg)
    }
}

impl ImageBuffer for &Pixels {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    /// Saturates: what is encoded fits a thumbnail's box.
    fn width(&self) -> u16 {
        u16::try_from(self.size.width).unwrap_or(u16::MAX)
    }

    fn height(&self) -> u16 {
        u16::try_from(self.size.height).unwrap_or(u16::MAX)
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let width = self.size.width as usize * 3;
        let row = self.bytes.chunks_exact(width).nth(y.into()).unwrap_or_default();
        for pixel in row.chunks_exact(3) {
            let (luma, blue, red) = rgb_to_ycbcr(pixel[0], pixel[1], pixel[2]);
            for (buffer, value) in buffers.iter_mut().zip([luma, blue, red]) {
                buffer.push(value);
            }
        }
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
        assert_eq!(pixels.bytes, [9, 9, 9, 255, 255, 255, 127, 127, 127]);
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
        assert_eq!(Pixels::from_cmyk(size, true, &ink).bytes, [255, 255, 255, 0, 255, 255]);
        let inverted: Vec<u8> = ink.iter().map(|ink| 255 - ink).collect();
        assert_eq!(Pixels::from_cmyk(size, false, &inverted).bytes, [255, 255, 255, 0, 255, 255]);
    }
}
