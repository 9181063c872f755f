use super::*;
use crate::media::testing::{Random, noise, quarters};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

/// Smooth, with an edge: what makes wrong blocks stand out.
fn hills(width: u32, height: u32) -> Vec<u8> {
    let colour = |x: u32, y: u32| {
        let edge = if x * 3 > y * 2 { 60 } else { 0 };
        [(x * 190 / width + edge) as u8, (y * 250 / height) as u8, ((x + y) * 250 / (width + height)) as u8]
    };
    (0..height).flat_map(|y| (0..width).flat_map(move |x| colour(x, y))).collect()
}

struct Kind {
    sampling: SamplingFactor,
    progressive: bool,
    restart: u16,
    colours: ColorType,
}

fn encoded(pixels: &[u8], width: u16, height: u16, kind: &Kind) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 92);
    encoder.set_sampling_factor(kind.sampling);
    encoder.set_progressive(kind.progressive);
    if kind.restart > 0 {
        encoder.set_restart_interval(kind.restart);
    }
    encoder.encode(pixels, width, height, kind.colours).expect("a picture");
    file
}

/// By the general decoder, at the same scale.
fn reference(file: &[u8], size: Size) -> Vec<u8> {
    let mut decoder = jpeg_decoder::Decoder::new(file);
    let scaled = decoder.scale(size.width as u16, size.height as u16).expect("a JPEG");
    assert_eq!((u32::from(scaled.0), u32::from(scaled.1)), (size.width, size.height));
    let bytes = decoder.decode().expect("a JPEG");
    match decoder.info().expect("decoded").pixel_format {
        jpeg_decoder::PixelFormat::L8 => bytes.iter().flat_map(|grey| [*grey; 3]).collect(),
        _ => bytes,
    }
}

/// Mean difference of two pictures' values.
fn apart(one: &[u8], other: &[u8]) -> f64 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(one, other)| f64::from(one.abs_diff(*other))).sum::<f64>() / one.len() as f64
}

#[test]
fn every_kind_of_camera_jpeg_looks_as_the_general_decoder_has_it() {
    let colourful = hills(163, 123);
    let grey: Vec<u8> = colourful.chunks_exact(3).map(|pixel| pixel[1]).collect();
    for sampling in [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_1_2, SamplingFactor::F_2_2] {
        for (restart, colours, pixels) in
            [(0, ColorType::Rgb, &colourful), (1, ColorType::Rgb, &colourful), (7, ColorType::Luma, &grey)]
        {
            let file = encoded(pixels, 163, 123, &Kind { sampling, progressive: false, restart, colours });
            for (width, height) in [(21, 16), (41, 31)] {
                let size = Size { width, height };
                let found = decode(&file, size).expect("a camera's JPEG");
                assert_eq!(found.size, size);
                let apart = apart(&found.bytes, &reference(&file, size));
                // Colours at half the size are spread out smoothly there, and evenly here.
                assert!(apart < 5.0, "{sampling:?} {restart} {colours:?} {size:?}: {apart}");
            }
        }
    }
}

#[test]
fn of_a_progressive_jpeg_the_first_scan_is_enough_for_an_eighth() {
    let kind = Kind { sampling: SamplingFactor::F_2_2, progressive: true, restart: 0, colours: ColorType::Rgb };
    let file = encoded(&hills(163, 123), 163, 123, &kind);
    let (eighth, quarter) = (Size { width: 21, height: 16 }, Size { width: 41, height: 31 });
    if let Some(found) = decode(&file, eighth) {
        let apart = apart(&found.bytes, &reference(&file, eighth));
        assert!(apart < 2.0, "{apart}");
    }
    assert!(decode(&file, quarter).is_none(), "a quarter needs the other scans");
}

#[test]
fn what_is_too_small_or_of_another_kind_is_left_to_the_general_decoder() {
    let kind = Kind { sampling: SamplingFactor::F_2_2, progressive: false, restart: 0, colours: ColorType::Rgb };
    let file = encoded(&quarters(400, 300), 400, 300, &kind);
    assert!(decode(&file, Size { width: 101, height: 75 }).is_none(), "half the size is not made here");
    assert!(decode(&file, Size { width: 100, height: 75 }).is_some());
    let inks = Kind { colours: ColorType::Cmyk, ..kind };
    let file = encoded(&vec![9; 400 * 300 * 4], 400, 300, &inks);
    assert!(decode(&file, Size { width: 10, height: 10 }).is_none());
}

#[test]
fn coded_data_that_breaks_off_or_is_bent_is_given_up_or_shown_but_never_a_panic() {
    let kind = Kind { sampling: SamplingFactor::F_2_2, progressive: false, restart: 5, colours: ColorType::Rgb };
    let file = encoded(&noise(160, 120), 160, 120, &kind);
    let target = Size { width: 20, height: 15 };
    let start = file.windows(2).position(|marker| marker == [0xff, 0xda]).expect("a scan");
    for len in (start..file.len() - 200).step_by(499) {
        assert!(decode(&file[..len].to_vec(), target).is_none(), "{len} of {}", file.len());
    }
    let mut random = Random(11);
    for _ in 0..100 {
        let mut bent = file.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bent.len());
            bent[at] = random.byte();
        }
        let _ = decode(&bent, target);
    }
}
