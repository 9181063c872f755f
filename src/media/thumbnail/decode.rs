//! From a file to [`Pixels`], within limits. JPEGs are decoded at an eighth, a quarter or half their size where
//! that is enough: a 24-megapixel photo then takes a few megabytes.

use super::colour::Colours;
use super::pixels::{Pixels, fitted};
use super::{BOX, ThumbnailError, ThumbnailLimits};
use super::{avif, coarse};
use crate::base::{ReadAt, format_bytes};
use crate::media::findings::Size;
use crate::media::format::Format;
use crate::media::heif;
use crate::media::jpeg::{Frame, read_frame, read_profile};
use crate::media::preview::find_preview;
use crate::media::source::{BUDGET, Source, Window, read_fully};
use image::codecs::{bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, tiff::TiffDecoder, webp::WebPDecoder};
use image::{ImageDecoder, ImageError, Limits};
use jpeg_decoder::{Decoder, PixelFormat};
use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// Each read may be a request to another process.
const READ: usize = 256 << 10;

/// A picture as it came out of its file.
pub struct Decoded {
    pub pixels: Pixels,
    pub colours: Colours,
    /// The decoder has turned it already.
    pub is_upright: bool,
}

impl Decoded {
    fn stored(pixels: Pixels, profile: Option<Vec<u8>>) -> Self {
        Self { pixels, colours: Colours::of_profile(profile), is_upright: false }
    }
}

pub fn decode(file: &dyn ReadAt, format: Format, limits: &ThumbnailLimits) -> Result<Decoded, ThumbnailError> {
    let bytes = BufReader::with_capacity(READ, Stream { file, at: 0 });
    match format {
        Format::Jpeg => decode_jpeg(file, limits),
        Format::Heif => decode_heif(file, limits),
        Format::Avif => decode_avif(file, limits),
        raw if raw.is_raw() => {
            let preview = find_preview(&Source::new(file, BUDGET), raw, BOX).ok_or(ThumbnailError::Unsupported)?;
            decode_jpeg(&Window::new(file, preview), limits)
        }
        Format::Png => run(PngDecoder::with_limits(bytes, image_limits(limits)), limits),
        Format::WebP => run(WebPDecoder::new(bytes), limits),
        Format::Gif => run(GifDecoder::new(bytes), limits),
        Format::Tiff => run(TiffDecoder::new(bytes), limits),
        Format::Bmp => run(BmpDecoder::new(bytes), limits),
        _ => Err(ThumbnailError::Unsupported),
    }
}

fn check(size: Option<Size>, memory: u64, limits: &ThumbnailLimits) -> Result<Size, ThumbnailError> {
    let size = size.ok_or_else(|| ThumbnailError::Malformed("it has no pixels".into()))?;
    if size.pixels() > limits.pixels {
        return Err(ThumbnailError::TooLarge(format!("{} × {} pixels", size.width, size.height)));
    }
    if memory > limits.memory {
        return Err(ThumbnailError::TooLarge(format!("{} of memory", format_bytes(memory))));
    }
    Ok(size)
}

/// HEVC pictures, single or in tiles.
fn decode_heif(file: &dyn ReadAt, limits: &ThumbnailLimits) -> Result<Decoded, ThumbnailError> {
    /// Bytes a pixel, of all that the decoder holds at once: planes, colours, and their copy when they are turned.
    const COST: u64 = 10;
    let bytes = whole_file(file)?;
    let options = heic_rs::DecodeOptions::default().with_max_pixels(Some(limits.pixels.min(limits.memory / COST)));
    let image = heic_rs::decode(&bytes, &options).map_err(heif_error)?;
    let size = check(Size::new(image.width, image.height), 0, limits)?;
    let source = Source::new(file, BUDGET);
    let coded = || heif::coded_colours(&source).map(|(primaries, transfer)| Colours::Coded { primaries, transfer });
    let colours = heif::profile(&source).map(Colours::Profile).or_else(coded).unwrap_or_default();
    Ok(Decoded { pixels: Pixels { size, bytes: image.data }, colours, is_upright: true })
}

fn decode_avif(file: &dyn ReadAt, limits: &ThumbnailLimits) -> Result<Decoded, ThumbnailError> {
    let source = Source::new(file, BUDGET);
    let place = heif::primary_data(&source, b"av01").ok_or(ThumbnailError::Unsupported)?;
    let data = whole_file(&Window::new(file, place))?;
    let (pixels, coded) = avif::decode(data, limits.pixels.min(limits.memory / avif::COST))?;
    let colours = heif::profile(&source).map_or(coded, Colours::Profile);
    Ok(Decoded { pixels, colours, is_upright: false })
}

/// For decoders that take nothing less.
fn whole_file(file: &dyn ReadAt) -> Result<Vec<u8>, ThumbnailError> {
    const LARGEST: u64 = 128 << 20;
    if file.size() > LARGEST {
        return Err(ThumbnailError::TooLarge(format_bytes(file.size())));
    }
    let mut bytes = vec![0; file.size() as usize];
    let read = read_fully(file, 0, &mut bytes).map_err(|error| ThumbnailError::Malformed(error.to_string()))?;
    bytes.truncate(read);
    Ok(bytes)
}

fn heif_error(error: heic_rs::Error) -> ThumbnailError {
    match error {
        heic_rs::Error::Unsupported(_) => ThumbnailError::Unsupported,
        heic_rs::Error::PixelLimit { pixels, .. } => ThumbnailError::TooLarge(format!("{pixels} pixels")),
        other => ThumbnailError::Malformed(other.to_string()),
    }
}

fn decode_jpeg(file: &dyn ReadAt, limits: &ThumbnailLimits) -> Result<Decoded, ThumbnailError> {
    const HEADERS: u64 = 16 << 20;
    let frame = read_frame(&Source::new(file, HEADERS), 0);
    let frame = frame.ok_or_else(|| ThumbnailError::Malformed("it has no frame".into()))?;
    check(Some(frame.size), 0, limits)?;
    let (target, profile) = (fitted(frame.size, BOX), read_profile(&Source::new(file, HEADERS), 0));
    if let Some(pixels) = coarse::decode(file, target) {
        return Ok(Decoded::stored(pixels, profile));
    }
    check(Some(frame.size), jpeg_memory(&frame), limits)?;
    let mut decoder = Decoder::new(BufReader::with_capacity(READ, Stream { file, at: 0 }));
    // Both sides are at most BOX.
    let (width, height) = decoder.scale(target.width as u16, target.height as u16).map_err(jpeg_error)?;
    let size = Size { width: width.into(), height: height.into() };
    let info = decoder.info().ok_or(ThumbnailError::Unsupported)?;
    let decoded = decoder.decode().map_err(jpeg_error)?;
    let pixels = match info.pixel_format {
        PixelFormat::L8 => Pixels::from_grey(size, &decoded),
        PixelFormat::L16 => Pixels::from_decoder(size, image::ColorType::L16, decoded)?,
        PixelFormat::RGB24 => Pixels { size, bytes: decoded },
        PixelFormat::CMYK32 => Pixels::from_cmyk(size, frame.adobe, &decoded),
    };
    Ok(Decoded::stored(pixels, profile))
}

/// Progressive files keep every coefficient until the last scan; others go row by row.
fn jpeg_memory(frame: &Frame) -> u64 {
    if frame.progressive { frame.samples.saturating_mul(2) } else { 0 }
}

fn jpeg_error(error: jpeg_decoder::Error) -> ThumbnailError {
    match error {
        jpeg_decoder::Error::Unsupported(_) => ThumbnailError::Unsupported,
        other => ThumbnailError::Malformed(other.to_string()),
    }
}

fn image_limits(limits: &ThumbnailLimits) -> Limits {
    let mut bounds = Limits::default();
    bounds.max_alloc = Some(limits.memory);
    bounds
}

/// The first picture of a decoder, if the file has several.
fn run<D: ImageDecoder>(decoder: Result<D, ImageError>, limits: &ThumbnailLimits) -> Result<Decoded, ThumbnailError> {
    let mut decoder = decoder.map_err(image_error)?;
    let ((width, height), colour) = (decoder.dimensions(), decoder.color_type());
    // Grey becomes three colours beside it.
    let copy = if colour.has_color() { 0 } else { u64::from(width) * u64::from(height) * 3 };
    let size = check(Size::new(width, height), decoder.total_bytes().saturating_add(copy), limits)?;
    decoder.set_limits(image_limits(limits)).map_err(image_error)?;
    // A profile that does not read is as good as none.
    let profile = decoder.icc_profile().unwrap_or_default();
    let mut bytes = Vec::new();
    let total = usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX);
    bytes.try_reserve_exact(total).map_err(|_| ThumbnailError::TooLarge(format_bytes(total as u64)))?;
    bytes.resize(total, 0);
    decoder.read_image(&mut bytes).map_err(image_error)?;
    Pixels::from_decoder(size, colour, bytes).map(|pixels| Decoded::stored(pixels, profile))
}

fn image_error(error: ImageError) -> ThumbnailError {
    match error {
        ImageError::Limits(error) => ThumbnailError::TooLarge(error.to_string()),
        ImageError::Unsupported(_) => ThumbnailError::Unsupported,
        other => ThumbnailError::Malformed(other.to_string()),
    }
}

/// What decoders want of a file.
struct Stream<'f> {
    file: &'f dyn ReadAt,
    at: u64,
}

impl Read for Stream<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(self.at, buf)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Stream<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.file.size().checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
