//! AVIF: one AV1 picture in a file of boxes (AV1 Image File Format 1.1), decoded by rav1d. Pictures in tiles and the
//! transparency that stands in a picture of its own are not read.

use super::ThumbnailError;
use super::colour::Colours;
use super::pixels::Pixels;
use crate::media::findings::Size;
use re_rav1d::pixel::{ColorPrimaries, MatrixCoefficients, TransferCharacteristic, YUVRange};
use re_rav1d::{Decoder, Error, Picture, PixelLayout, PlanarImageComponent as Component, Settings};

/// Bytes a pixel that decoding takes: planes of up to 16 bits, what restoration keeps of them, the colours.
pub const COST: u64 = 12;

/// Decodes the picture in `data`, an item of type `av01`.
pub fn decode(data: Vec<u8>, most_pixels: u64) -> Result<(Pixels, Colours), ThumbnailError> {
    let picture = first_picture(data, most_pixels).map_err(explain)?;
    let colours = colours(&picture);
    let size = Size::new(picture.width(), picture.height());
    let size = size.ok_or_else(|| ThumbnailError::Malformed("it has no pixels".into()))?;
    Ok((Pixels { size, bytes: Planes::of(&picture).rgb(size) }, colours))
}

fn first_picture(data: Vec<u8>, most_pixels: u64) -> Result<Picture, Error> {
    /// Rounds after which a decoder that wants more has had all there is.
    const PATIENCE: usize = 64;
    let mut settings = Settings::new();
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    settings.set_frame_size_limit(u32::try_from(most_pixels).unwrap_or(u32::MAX));
    if data.is_empty() {
        return Err(Error::InvalidArgument);
    }
    let mut decoder = Decoder::with_settings(&settings)?;
    let mut sent = decoder.send_data(data, None, None, None);
    for _ in 0..PATIENCE {
        match sent {
            Ok(()) | Err(Error::Again) => {}
            Err(error) => return Err(error),
        }
        match decoder.get_picture() {
            Err(Error::Again) => sent = decoder.send_pending_data(),
            outcome => return outcome,
        }
    }
    Err(Error::InvalidArgument)
}

fn explain(error: Error) -> ThumbnailError {
    match error {
        Error::UnsupportedBitstream => ThumbnailError::Unsupported,
        Error::NotEnoughMemory => ThumbnailError::TooLarge(error.to_string()),
        other => ThumbnailError::Malformed(other.to_string()),
    }
}

fn colours(picture: &Picture) -> Colours {
    let primaries = match picture.color_primaries() {
        ColorPrimaries::BT2020 => 9,
        ColorPrimaries::P3Display => 12,
        _ => 1,
    };
    let transfer = match picture.transfer_characteristic() {
        TransferCharacteristic::PerceptualQuantizer => 16,
        TransferCharacteristic::HybridLogGamma => 18,
        _ => 1,
    };
    Colours::Coded { primaries, transfer }
}

/// A decoded picture's brightness and its two differences of colour.
struct Planes<'p> {
    picture: &'p Picture,
    /// How often the differences are halved across and down; `None` for grey.
    halved: Option<(u32, u32)>,
    /// To values between 0 and 1, around which zero lies where differences have it.
    scale: Scale,
    matrix: Matrix,
}

#[derive(Clone, Copy)]
struct Scale {
    black: f32,
    luma: f32,
    middle: f32,
    chroma: f32,
}

/// Shares of red and blue in brightness; `None` where the planes are green, blue and red themselves.
type Matrix = Option<(f32, f32)>;

impl<'p> Planes<'p> {
    fn of(picture: &'p Picture) -> Self {
        let halved = match picture.pixel_layout() {
            PixelLayout::I400 => None,
            PixelLayout::I420 => Some((1, 1)),
            PixelLayout::I422 => Some((1, 0)),
            PixelLayout::I444 => Some((0, 0)),
        };
        let matrix = match picture.matrix_coefficients() {
            MatrixCoefficients::Identity => None,
            MatrixCoefficients::BT709 => Some((0.2126, 0.0722)),
            MatrixCoefficients::BT2020NonConstantLuminance | MatrixCoefficients::BT2020ConstantLuminance => {
                Some((0.2627, 0.0593))
            }
            _ => Some((0.299, 0.114)),
        };
        let depth = picture.bits_per_component().map_or(8, |depth| depth.0);
        let unit = (1_u32 << (depth - 8)) as f32;
        let scale = match picture.color_range() {
            YUVRange::Limited => Scale {
                black: 16.0 * unit,
                luma: 1.0 / (219.0 * unit),
                middle: 128.0 * unit,
                chroma: 1.0 / (224.0 * unit),
            },
            YUVRange::Full => {
                let whole = 1.0 / ((1_u32 << depth) - 1) as f32;
                Scale { black: 0.0, luma: whole, middle: 128.0 * unit, chroma: whole }
            }
        };
        Self { picture, halved, scale, matrix }
    }

    fn rgb(&self, size: Size) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size.pixels() as usize * 3);
        let plane = |component| Rows {
            plane: self.picture.plane(component),
            stride: self.picture.stride(component),
            wide: self.picture.bit_depth() > 8,
        };
        let luma = plane(Component::Y);
        let chroma = self.halved.map(|halved| (halved, plane(Component::U), plane(Component::V)));
        for y in 0..size.height {
            for x in 0..size.width {
                let colour = match &chroma {
                    None => [self.brightness(luma.at(x, y)); 3],
                    Some(((across, down), u, v)) => {
                        let (cx, cy) = (x >> across, y >> down);
                        self.colour(luma.at(x, y), u.at(cx, cy), v.at(cx, cy))
                    }
                };
                bytes.extend(colour.map(|value| (value * 255.0 + 0.5) as u8));
            }
        }
        bytes
    }

    fn brightness(&self, value: f32) -> f32 {
        (value - self.scale.black) * self.scale.luma
    }

    fn colour(&self, y: f32, u: f32, v: f32) -> [f32; 3] {
        let Some((red, blue)) = self.matrix else {
            return [self.brightness(v), self.brightness(y), self.brightness(u)];
        };
        let y = self.brightness(y);
        let [u, v] = [u, v].map(|value| (value - self.scale.middle) * self.scale.chroma);
        let (r, b) = (y + 2.0 * (1.0 - red) * v, y + 2.0 * (1.0 - blue) * u);
        [r, (y - red * r - blue * b) / (1.0 - red - blue), b]
    }
}

struct Rows {
    plane: re_rav1d::Plane,
    /// In bytes.
    stride: u32,
    wide: bool,
}

impl Rows {
    fn at(&self, x: u32, y: u32) -> f32 {
        let row = y as usize * self.stride as usize;
        if self.wide {
            let at = row + x as usize * 2;
            u16::from_ne_bytes([self.plane[at], self.plane[at + 1]]).into()
        } else {
            self.plane[row + x as usize].into()
        }
    }
}
