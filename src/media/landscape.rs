//! Made-up pictures, for the demo and for filling accounts.

use jpeg_encoder::{ColorType, Encoder};

const WIDTH: u16 = 1200;
const HEIGHT: u16 = 800;
const QUALITY: u8 = 88;

/// A JPEG of hills under a sun; each `seed` gives another one.
pub fn landscape(seed: u64) -> Vec<u8> {
    let scene = Scene::of(seed);
    let (width, height) = (u32::from(WIDTH), u32::from(HEIGHT));
    let rgb: Vec<u8> =
        (0..height).flat_map(|y| (0..width).flat_map(move |x| scene.colour(x as f32, y as f32))).collect();
    let mut jpeg = Vec::new();
    // A vector takes everything, and the size is one that JPEGs may have.
    let _ = Encoder::new(&mut jpeg, QUALITY).encode(&rgb, WIDTH, HEIGHT, ColorType::Rgb);
    jpeg
}

#[derive(Clone, Copy)]
struct Scene {
    hue: f32,
    sun: (f32, f32),
    phase: f32,
}

impl Scene {
    fn of(seed: u64) -> Self {
        // Multiplied by the golden ratio, successive seeds lie far apart.
        let spread = |salt: u64| {
            let mixed = seed.wrapping_add(salt).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            (mixed >> 40) as f32 / (1 << 24) as f32
        };
        Self { hue: spread(1), sun: (spread(2) * f32::from(WIDTH), spread(3) * 300.0 + 60.0), phase: spread(4) * 6.3 }
    }

    fn colour(self, x: f32, y: f32) -> [u8; 3] {
        for (nearness, crest) in [(1.0, 620.0), (0.7, 520.0), (0.45, 430.0)] {
            let hill =
                crest + 50.0 * (x / 170.0 * nearness + self.phase + crest).sin() + 18.0 * (x / 37.0 + crest).sin();
            if y > hill {
                return mix([30.0, 60.0 + 60.0 * self.hue, 50.0], [120.0, 150.0, 160.0], 1.0 - nearness);
            }
        }
        let distance = (x - self.sun.0).hypot(y - self.sun.1);
        let sky = mixed([90.0 + 120.0 * self.hue, 140.0, 210.0], [250.0, 215.0, 180.0], y / f32::from(HEIGHT));
        mix(sky, [255.0, 245.0, 200.0], (1.0 - (distance - 40.0) / 90.0).clamp(0.0, 1.0))
    }
}

fn mixed(from: [f32; 3], to: [f32; 3], share: f32) -> [f32; 3] {
    std::array::from_fn(|channel| from[channel] + (to[channel] - from[channel]) * share)
}

fn mix(from: [f32; 3], to: [f32; 3], share: f32) -> [u8; 3] {
    mixed(from, to, share).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Completeness, Format, looks_complete};

    #[test]
    fn each_is_a_whole_jpeg_of_its_own() {
        let (first, second) = (landscape(1), landscape(2));
        assert_ne!(first, second);
        assert_eq!(looks_complete(&first, Format::Jpeg).expect("memory reads"), Completeness::Complete);
    }
}
