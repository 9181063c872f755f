use super::*;
use crate::media::testing::{encoded, jpeg_of, noise, quarters};
use image::{ColorType, ExtendedColorType, ImageEncoder, ImageFormat};

fn make(file: &[u8], format: Format, orientation: Orientation) -> Result<Thumbnail, ThumbnailError> {
    thumbnail(&file.to_vec(), format, orientation, &ThumbnailLimits::default())
}

/// Decodes a thumbnail to RGB.
fn seen(thumbnail: &Thumbnail) -> Vec<u8> {
    let mut decoder = jpeg_decoder::Decoder::new(thumbnail.jpeg.as_slice());
    let bytes = decoder.decode().expect("our own JPEG decodes");
    let info = decoder.info().expect("it was decoded");
    assert_eq!((u32::from(info.width), u32::from(info.height)), (thumbnail.size.width, thumbnail.size.height));
    match info.pixel_format {
        jpeg_decoder::PixelFormat::L8 => bytes.iter().flat_map(|grey| [*grey; 3]).collect(),
        _ => bytes,
    }
}

/// The letters of the colours in the middle of the four quarters.
fn letters(thumbnail: &Thumbnail) -> String {
    let pixels = seen(thumbnail);
    let Size { width, height } = thumbnail.size;
    let letter = |x: u32, y: u32| {
        let at = ((y * width + x) * 3) as usize;
        match [pixels[at] > 128, pixels[at + 1] > 128, pixels[at + 2] > 128] {
            [true, false, false] => 'r',
            [false, true, false] => 'g',
            [false, false, true] => 'b',
            [true, true, true] => 'w',
            _ => '?',
        }
    };
    [(1, 1), (3, 1), (1, 3), (3, 3)].iter().map(|(x, y)| letter(width * x / 4, height * y / 4)).collect()
}

#[test]
fn every_format_gives_the_same_picture() {
    for (width, height) in [(1600, 1200), (300, 200)] {
        let rgb = quarters(width, height);
        let mut files = vec![(Format::Jpeg, jpeg_of(width as u16, height as u16, &rgb))];
        for (format, encoding) in [
            (Format::Png, ImageFormat::Png),
            (Format::WebP, ImageFormat::WebP),
            (Format::Gif, ImageFormat::Gif),
            (Format::Tiff, ImageFormat::Tiff),
            (Format::Bmp, ImageFormat::Bmp),
        ] {
            files.push((format, encoded(encoding, width, height, &rgb)));
        }
        let size = if width > 720 { Size { width: 720, height: 540 } } else { Size { width, height } };
        for (format, file) in files {
            let thumbnail = make(&file, format, Orientation::Upright).expect("a picture");
            assert_eq!((thumbnail.size, letters(&thumbnail).as_str()), (size, "rgbw"), "{format:?}");
        }
    }
}

#[test]
fn the_eight_orientations_turn_the_quarters() {
    let file = jpeg_of(1600, 800, &quarters(1600, 800));
    for (value, expected) in
        [(1, "rgbw"), (2, "grwb"), (3, "wbgr"), (4, "bwrg"), (5, "rbgw"), (6, "brwg"), (7, "wgbr"), (8, "gwrb")]
    {
        let orientation = Orientation::from_exif(value).expect("a value of the standard");
        let thumbnail = make(&file, Format::Jpeg, orientation).expect("a picture");
        assert_eq!(letters(&thumbnail), expected, "{value}");
        let (width, height) = if value >= 5 { (360, 720) } else { (720, 360) };
        assert_eq!(thumbnail.size, Size { width, height }, "{value}");
    }
}

#[test]
fn noise_is_made_smaller_until_it_fits() {
    let file = encoded(ImageFormat::Png, 1000, 1000, &noise(1000, 1000));
    let thumbnail = make(&file, Format::Png, Orientation::Upright).expect("a picture");
    assert!(thumbnail.jpeg.len() <= LARGEST, "{}", thumbnail.jpeg.len());
    let crisp = encoded(ImageFormat::Png, 720, 720, &noise(720, 720));
    let thumbnail = make(&crisp, Format::Png, Orientation::Upright).expect("a picture");
    assert!(thumbnail.jpeg.len() <= LARGEST && thumbnail.size.width < 720, "{}", thumbnail.jpeg.len());
}

#[test]
fn deep_and_transparent_pngs_decode() {
    let mut deep = Vec::new();
    let words: Vec<u8> = (0..64 * 64 * 4).flat_map(|n| if n % 4 == 3 { [0, 0] } else { [1, 2] }).collect();
    let encoder = image::codecs::png::PngEncoder::new(&mut deep);
    encoder.write_image(&words, 64, 64, ExtendedColorType::from(ColorType::Rgba16)).expect("memory takes all");
    let thumbnail = make(&deep, Format::Png, Orientation::Upright).expect("a picture");
    assert_eq!(letters(&thumbnail), "wwww", "nothing but transparency is white");
}

#[test]
fn colours_of_a_profile_are_shown_in_srgb() {
    let profile = moxcms::ColorProfile::new_display_p3().encode().expect("a profile");
    for side in [64_u16, 6000] {
        let (pixels, mut file) = ([200, 100, 50].repeat(usize::from(side) * 64), Vec::new());
        let mut encoder = jpeg_encoder::Encoder::new(&mut file, 95);
        encoder.add_icc_profile(&profile).expect("a profile");
        encoder.encode(&pixels, side, 64, jpeg_encoder::ColorType::Rgb).expect("a picture");
        let thumbnail = make(&file, Format::Jpeg, Orientation::Upright).expect("a picture");
        let [red, green, blue, ..] = seen(&thumbnail)[..] else { panic!("no pixel") };
        assert!(
            red.abs_diff(215) < 6 && green.abs_diff(93) < 6 && blue.abs_diff(31) < 6,
            "{side}: {red} {green} {blue}"
        );
    }
}

#[test]
fn four_inks_become_three_colours() {
    // Red is magenta and yellow. The encoder writes inks inverted, with Adobe's segment.
    let inks: Vec<u8> = (0..64 * 64).flat_map(|_| [0, 255, 255, 0]).collect();
    for kind in [jpeg_encoder::ColorType::Cmyk, jpeg_encoder::ColorType::CmykAsYcck] {
        let mut file = Vec::new();
        jpeg_encoder::Encoder::new(&mut file, 95).encode(&inks, 64, 64, kind).expect("a picture");
        let thumbnail = make(&file, Format::Jpeg, Orientation::Upright).expect("a picture");
        assert_eq!(letters(&thumbnail), "rrrr", "{kind:?}");
    }
}

#[test]
fn sizes_that_are_only_claimed_cost_nothing() {
    let mut png = encoded(ImageFormat::Png, 4, 4, &noise(4, 4));
    png[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    let mut jpeg = jpeg_of(8, 8, &noise(8, 8));
    let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).expect("a frame");
    jpeg[frame + 5..frame + 9].fill(0xff);
    let mut gif = encoded(ImageFormat::Gif, 4, 4, &noise(4, 4));
    gif[6..10].fill(0xff);
    let mut bmp = encoded(ImageFormat::Bmp, 4, 4, &noise(4, 4));
    bmp[18..26].copy_from_slice(&[0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0]);
    for (format, file) in [(Format::Png, png), (Format::Jpeg, jpeg), (Format::Gif, gif), (Format::Bmp, bmp)] {
        let made = make(&file, format, Orientation::Upright);
        assert!(matches!(made, Err(ThumbnailError::TooLarge(_) | ThumbnailError::Malformed(_))), "{format:?} {made:?}");
    }
}

#[test]
fn progressive_pictures_are_refused_before_their_coefficients_fill_the_memory() {
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, 80);
    encoder.set_progressive(true);
    encoder.encode(&noise(200, 100), 200, 100, jpeg_encoder::ColorType::Rgb).expect("a picture");
    assert!(make(&file, Format::Jpeg, Orientation::Upright).is_ok());
    let tight = ThumbnailLimits { memory: 200 * 100 * 2, ..ThumbnailLimits::default() };
    let made = thumbnail(&file, Format::Jpeg, Orientation::Upright, &tight);
    assert!(matches!(made, Err(ThumbnailError::TooLarge(_))), "{made:?}");
}

#[test]
fn what_has_no_decoder_says_so() {
    for format in [Format::Avif, Format::Cr2, Format::Mov, Format::OtherImage] {
        assert_eq!(make(b"whatever", format, Orientation::Upright), Err(ThumbnailError::Unsupported));
    }
    assert!(matches!(make(b"\xff\xd8\xff", Format::Jpeg, Orientation::Upright), Err(ThumbnailError::Malformed(_))));
}

#[test]
fn the_stand_in_is_a_small_black_jpeg() {
    let mut decoder = jpeg_decoder::Decoder::new(stand_in());
    let pixels = decoder.decode().expect("our own JPEG decodes");
    let info = decoder.info().expect("it was decoded");
    assert_eq!((info.width, info.height), (300, 150));
    assert!(pixels.iter().all(|value| *value < 2) && stand_in().len() < 2000);
}
