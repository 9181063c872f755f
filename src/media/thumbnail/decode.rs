//! From a file to [`Pixels`], within limits. JPEGs are decoded at an eighth, a quarter or half their size where
//! that is enough: a 24-megapixel photo then takes a few megabytes.

use super::pixels::{Pixels, fitted};
use super::{BOX, ThumbnailError, ThumbnailLimits};
use crate::base::{ReadAt, format_bytes};
use crate::media::findings::Size;
use crate::media::format::Format;
use crate::media::jpeg::{Frame, read_frame};
use crate::media::source::Source;
use image::codecs::{bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, tiff::TiffDecoder, webp::WebPDecoder};
use image::{ImageDecoder, ImageError, Limits};
use jpeg_decoder::{Decoder, PixelFormat};
use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// Each read may be a request to another process.
const READ: usize = 256 << 10;

pub fn decode(file: &dyn ReadAt, format: Format, limits: &ThumbnailLimits) -> Result<Pixels, ThumbnailError> {
    let bytes = BufReader::with_capacity(READ, Stream { file, at: 0 });
    match format {
        Format::Jpeg => decode_jpeg(file, bytes, limits),
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

fn decode_jpeg(file: &dyn ReadAt, bytes: impl Read, limits: &ThumbnailLimits) -> Result<Pixels, ThumbnailError> {
    const HEADERS: u64 = 16 << 20;
    let frame = read_frame(&Source::new(file, HEADERS), 0);
    let frame = frame.ok_or_else(|| ThumbnailError::Malformed("it has no frame".into()))?;
    check(Some(frame.size), jpeg_memory(&frame), limits)?;
    let target = fitted(frame.size, BOX);
    let mut decoder = Decoder::new(bytes);
    // Both sides are at most BOX.
    let (width, height) = decoder.scale(target.width as u16, target.height as u16).map_err(jpeg_error)?;
    let size = Size { width: width.into(), height: height.into() };
    let info = decoder.info().ok_or(ThumbnailError::Unsupported)?;
    let decoded = decoder.decode().map_err(jpeg_error)?;
    match info.pixel_format {
        PixelFormat::L8 => Ok(Pixels::from_grey(size, &decoded)),
        PixelFormat::L16 => Pixels::from_decoder(size, image::ColorType::L16, decoded),
        PixelFormat::RGB24 => Ok(Pixels { size, bytes: decoded }),
        PixelFormat::CMYK32 => Ok(Pixels::from_cmyk(size, frame.adobe, &decoded)),
    }
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
fn run<D: ImageDecoder>(decoder: Result<D, ImageError>, limits: &ThumbnailLimits) -> Result<Pixels, ThumbnailError> {
    let mut decoder = decoder.map_err(image_error)?;
    let ((width, height), colour) = (decoder.dimensions(), decoder.color_type());
    // Grey becomes three colours beside it.
    let copy = if colour.has_color() { 0 } else { u64::from(width) * u64::from(height) * 3 };
    let size = check(Size::new(width, height), decoder.total_bytes().saturating_add(copy), limits)?;
    decoder.set_limits(image_limits(limits)).map_err(image_error)?;
    let mut bytes = Vec::new();
    let total = usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX);
    bytes.try_reserve_exact(total).map_err(|_| ThumbnailError::TooLarge(format_bytes(total as u64)))?;
    bytes.resize(total, 0);
    decoder.read_image(&mut bytes).map_err(image_error)?;
    Pixels::from_decoder(size, colour, bytes)
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
