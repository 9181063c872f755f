//! Colours as a screen without colour management shows them: sRGB. Done to the small picture, where it costs little.
//!
//! Guarantees: a profile that does not read, or is none of three colours, leaves the picture as it is.

use super::pixels::Pixels;
use moxcms::{
    CicpColorPrimaries, CicpProfile, ColorProfile, DataColorSpace, Layout, MatrixCoefficients, TransferCharacteristics,
    TransformOptions,
};

/// What the values of a picture mean.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Colours {
    #[default]
    Srgb,
    /// An ICC profile.
    Profile(Vec<u8>),
    /// Numbers of ITU-T H.273.
    Coded { primaries: u8, transfer: u8 },
}

impl Colours {
    pub fn of_profile(profile: Option<Vec<u8>>) -> Self {
        profile.map_or(Self::Srgb, Self::Profile)
    }
}

pub fn to_srgb(pixels: Pixels, colours: &Colours) -> Pixels {
    match colours {
        Colours::Srgb => pixels,
        Colours::Profile(profile) => match ColorProfile::new_from_slice(profile) {
            Ok(profile) if profile.color_space == DataColorSpace::Rgb => convert(pixels, &profile),
            _ => pixels,
        },
        Colours::Coded { primaries, transfer } => match Brightness::of(*transfer) {
            Some(brightness) => tone_map(pixels, brightness, *primaries),
            None => narrow(pixels, *primaries),
        },
    }
}

fn convert(mut pixels: Pixels, profile: &ColorProfile) -> Pixels {
    let srgb = ColorProfile::new_srgb();
    let transform = profile.create_transform_8bit(Layout::Rgb, &srgb, Layout::Rgb, TransformOptions::default());
    let mut converted = vec![0; pixels.bytes.len()];
    if transform.is_ok_and(|transform| transform.transform(&pixels.bytes, &mut converted).is_ok()) {
        pixels.bytes = converted;
    }
    pixels
}

/// From wider primaries with the usual curve.
fn narrow(pixels: Pixels, primaries: u8) -> Pixels {
    const BT2020: u8 = 9;
    const DISPLAY_P3: u8 = 12;
    let color_primaries = match primaries {
        BT2020 => CicpColorPrimaries::Bt2020,
        DISPLAY_P3 => CicpColorPrimaries::Smpte432,
        _ => return pixels,
    };
    let coded = CicpProfile {
        color_primaries,
        transfer_characteristics: TransferCharacteristics::Srgb,
        matrix_coefficients: MatrixCoefficients::Bt709,
        full_range: true,
    };
    convert(pixels, &ColorProfile::new_from_cicp(coded))
}

/// How a picture that is brighter than paper codes its light.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Brightness {
    /// SMPTE ST 2084: absolute.
    Pq,
    /// ARIB STD-B67 (ITU-R BT.2100): relative to the brightest.
    Hlg,
}

impl Brightness {
    fn of(transfer: u8) -> Option<Self> {
        match transfer {
            16 => Some(Self::Pq),
            18 => Some(Self::Hlg),
            _ => None,
        }
    }

    /// Light, 1 being the white of paper (203 candela a square metre, ITU-R BT.2408).
    fn light(self, value: f32) -> f32 {
        const PAPER: f32 = 203.0;
        match self {
            Self::Pq => {
                let power = value.powf(1.0 / 78.843_75);
                let ratio = (power - 0.835_937_5).max(0.0) / (18.851_563 - 18.6875 * power);
                10_000.0 / PAPER * ratio.powf(1.0 / 0.159_301_76)
            }
            Self::Hlg => {
                let scene = if value <= 0.5 {
                    value * value / 3.0
                } else {
                    (((value - 0.559_910_7) / 0.178_832_77).exp() + 0.284_668_92) / 12.0
                };
                // What a display of 1000 candela makes of it.
                1000.0 / PAPER * scene.powf(1.2)
            }
        }
    }
}

/// Light above a half is pressed into what is left above it, all three colours alike so that hues stay.
fn tone_map(mut pixels: Pixels, brightness: Brightness, primaries: u8) -> Pixels {
    const DISPLAY_P3: u8 = 12;
    /// To the primaries of BT.709, from those of BT.2020 and Display P3.
    const FROM_BT2020: [[f32; 3]; 3] =
        [[1.660_5, -0.587_6, -0.072_8], [-0.124_6, 1.132_9, -0.008_3], [-0.018_2, -0.100_6, 1.118_7]];
    const FROM_P3: [[f32; 3]; 3] = [[1.224_9, -0.224_7, 0.0], [-0.042_1, 1.042_1, 0.0], [-0.019_6, -0.078_6, 1.097_9]];
    let matrix = if primaries == DISPLAY_P3 { FROM_P3 } else { FROM_BT2020 };
    let light: Vec<f32> = (0..=255_u8).map(|value| brightness.light(f32::from(value) / 255.0)).collect();
    let curve: Vec<u8> = (0..=4095_u16).map(|step| srgb(f32::from(step) / 4095.0)).collect();
    for pixel in pixels.bytes.chunks_exact_mut(3) {
        let wide = [pixel[0], pixel[1], pixel[2]].map(|value| light[usize::from(value)]);
        let narrow = matrix.map(|row| row.iter().zip(wide).map(|(share, light)| share * light).sum::<f32>().max(0.0));
        let brightest = narrow.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        let scale = pressed(brightest) / brightest;
        for (value, light) in pixel.iter_mut().zip(narrow) {
            *value = curve[((light * scale).clamp(0.0, 1.0) * 4095.0) as usize];
        }
    }
    pixels
}

fn pressed(light: f32) -> f32 {
    const KNEE: f32 = 0.5;
    let above = (light - KNEE).max(0.0);
    light.min(KNEE) + (1.0 - KNEE) * (1.0 - (-above / (1.0 - KNEE)).exp())
}

fn srgb(light: f32) -> u8 {
    let value = if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    (value * 255.0 + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::findings::Size;

    fn shown(rgb: [u8; 3], colours: &Colours) -> [u8; 3] {
        let pixels = Pixels { size: Size { width: 1, height: 1 }, bytes: rgb.to_vec() };
        to_srgb(pixels, colours).bytes.try_into().expect("one pixel")
    }

    fn near(one: [u8; 3], other: [u8; 3]) -> bool {
        one.iter().zip(other).all(|(one, other)| one.abs_diff(other) <= 2)
    }

    #[test]
    fn a_profile_of_wide_colours_is_applied() {
        let p3 = Colours::Profile(ColorProfile::new_display_p3().encode().expect("a profile"));
        // What Display P3 calls (200, 100, 50) is this in sRGB (computed with the matrices of both).
        assert!(near(shown([200, 100, 50], &p3), [215, 93, 31]), "{:?}", shown([200, 100, 50], &p3));
        assert!(near(shown([200, 100, 50], &Colours::Coded { primaries: 12, transfer: 13 }), [215, 93, 31]));
        for grey in [0, 1, 60, 128, 255] {
            assert!(near(shown([grey; 3], &p3), [grey; 3]), "grey stays grey: {:?}", shown([grey; 3], &p3));
        }
    }

    #[test]
    fn what_is_no_profile_changes_nothing() {
        let colours = [7, 99, 210];
        for profile in [&b""[..], b"not a profile", &[0xff; 400]] {
            assert_eq!(shown(colours, &Colours::Profile(profile.to_vec())), colours);
        }
        let whole = ColorProfile::new_display_p3().encode().expect("a profile");
        for len in 0..whole.len() {
            shown(colours, &Colours::Profile(whole[..len].to_vec()));
        }
        for coded in [(1, 13), (2, 2), (0, 0), (255, 255)] {
            assert_eq!(shown(colours, &Colours::Coded { primaries: coded.0, transfer: coded.1 }), colours);
        }
    }

    #[test]
    fn bright_pictures_keep_their_middle_and_do_not_burn_out() {
        // Paper white is 0.58 in PQ and 0.75 in HLG.
        for (transfer, paper) in [(16, 148), (18, 191)] {
            let colours = Colours::Coded { primaries: 9, transfer };
            let [white, ..] = shown([paper; 3], &colours);
            assert!((225..=240).contains(&white), "{transfer}: {white}");
            let steps: Vec<u8> = (0..=255).map(|value| shown([value; 3], &colours)[0]).collect();
            assert!(steps.is_sorted() && steps[0] == 0 && steps[255] >= 250, "{transfer}: {steps:?}");
            let [red, green, blue] = shown([paper, 60, 60], &colours);
            assert!(red > 200 && green < 90 && blue < 90, "{red} {green} {blue}");
        }
    }
}
