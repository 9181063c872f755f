//! Files made to break parsers: mutated, cut, nested, looped. What is asserted is that all of it ends, in time and
//! without a panic ([`super::probe::examine`] is the probe without its net).

use super::ifd::Order;
use super::probe::examine;
use super::testing::{
    Exif, Movie, Random, Value, app1, boxed, encoded, full_boxed, heif, jpeg_of, matroska, noise, riff, with_exif,
};
use super::{Format, Orientation, Sniffed, ThumbnailLimits, looks_complete, sniff, thumbnail};
use image::ImageFormat;
use std::time::{Duration, Instant};

fn exif() -> Exif {
    Exif::new(Order::Big)
        .main(0x010f, Value::Text("Maker".into()))
        .main(0x0112, Value::Short(6))
        .main(0x014a, Value::Long(8))
        .main(
            0x02bc,
            Value::Undefined(b"<x xmp:CreateDate='2024-01-02T03:04:05Z'><dc:description><a><rdf:li>&#x41;".to_vec()),
        )
        .exif(0x9003, Value::Text("2024:01:02 03:04:05".into()))
        .exif(
            0x927c,
            Value::Undefined(b"Apple iOS\0\0\x01MM\0\x01\0\x11\0\x02\0\0\0\x05\0\0\0\x20\0\0\0\0ABCD\0".to_vec()),
        )
        .gps(2, Value::Rationals(vec![(48, 1), (30, 1), (0, 1)]))
        .gps(4, Value::Rationals(vec![(11, 1), (15, 1), (0, 1)]))
}

/// One small file of every layout.
fn seeds() -> Vec<(Format, Vec<u8>)> {
    let rgb = noise(12, 10);
    let movie = Movie::default()
        .tag("com.apple.quicktime.creationdate", "2019-02-12T15:27:12+0800")
        .tag("com.apple.quicktime.location.ISO6709", "+48.8577-002.2950+035.000/")
        .file();
    let png = encoded(ImageFormat::Png, 12, 10, &rgb);
    let block = exif().bytes();
    let chunk = [&(block.len() as u32).to_be_bytes()[..], b"eXIf", &block, &[0; 4]].concat();
    let canvas = riff(b"VP8X", b"\x08\0\0\0\x0b\0\0\x09\0\0");
    vec![
        (Format::Jpeg, with_exif(&jpeg_of(12, 10, &rgb), &exif())),
        (Format::Png, [&png[..33], &chunk, &png[33..]].concat()),
        (Format::WebP, riff(b"RIFF", &[&b"WEBP"[..], &canvas, &riff(b"EXIF", &block)].concat())),
        (Format::WebP, encoded(ImageFormat::WebP, 12, 10, &rgb)),
        (Format::Gif, encoded(ImageFormat::Gif, 12, 10, &rgb)),
        (Format::Bmp, encoded(ImageFormat::Bmp, 12, 10, &rgb)),
        (Format::Tiff, encoded(ImageFormat::Tiff, 12, 10, &rgb)),
        (Format::Dng, block.clone()),
        (Format::Heif, heif(&[boxed(b"irot", &[3]), boxed(b"imir", &[1])], &block)),
        (Format::Cr3, movie.clone()),
        (Format::Mov, movie),
        (Format::Matroska, matroska()),
        (
            Format::Avi,
            riff(b"RIFF", &[&b"AVI "[..], &riff(b"LIST", &[&b"hdrl"[..], &riff(b"avih", &[1; 56])].concat())].concat()),
        ),
        (
            Format::Raf,
            [&b"FUJIFILMCCD-RAW "[..], &[0; 68], &100_u32.to_be_bytes(), &[0; 12], &app1(&jpeg_of(12, 10, &rgb), b"x")]
                .concat(),
        ),
    ]
}

/// Flips, overwrites, cuts, repeats: what a fuzzer does first.
fn mutate(file: &[u8], random: &mut Random) -> Vec<u8> {
    let mut mutated = file.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(mutated.len());
        match random.below(6) {
            0 => mutated[at] ^= 1 << random.below(8),
            1 => mutated[at] = random.byte(),
            2 => mutated[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            3 => {
                let end = (at + 4).min(mutated.len());
                mutated[at..end].fill([0, 0xff][random.below(2)]);
            }
            4 => mutated.truncate(at.max(1)),
            _ => {
                let end = (at + random.below(64)).min(mutated.len());
                let copied = mutated[at..end].to_vec();
                mutated.splice(at..at, copied);
            }
        }
    }
    mutated
}

fn examine_all(file: &[u8], format: Format) {
    let file = file.to_vec();
    let _ = sniff(&file[..file.len().min(4096)], b"a.jpg");
    let _ = examine(&file, format);
    assert!(looks_complete(&file, format).is_ok() || file.len() < 16);
}

#[test]
fn twenty_thousand_mutated_files_end_without_a_panic() {
    let mut random = Random(0x5eed);
    let seeds = seeds();
    let start = Instant::now();
    for _ in 0..20_000 {
        let (format, file) = &seeds[random.below(seeds.len())];
        examine_all(&mutate(file, &mut random), *format);
    }
    assert!(start.elapsed() < Duration::from_secs(120), "{:?}", start.elapsed());
}

#[test]
fn every_parser_survives_every_other_format_and_every_prefix() {
    for (_, file) in seeds() {
        for format in Format::ALL {
            examine_all(&file, format);
        }
    }
    for (format, file) in seeds() {
        assert!(matches!(sniff(&file, b"a"), Sniffed::Media { .. }), "{format:?}");
        for len in 1..file.len() {
            examine_all(&file[..len], format);
        }
    }
}

#[test]
fn mutated_pictures_make_a_thumbnail_or_an_error() {
    let mut random = Random(0xdec0de);
    let limits = ThumbnailLimits { pixels: 1 << 20, memory: 16 << 20 };
    for _ in 0..3000 {
        let (format, file) = &seeds()[random.below(7)];
        if let Ok(made) = thumbnail(&mutate(file, &mut random), *format, Orientation::Left, &limits) {
            assert!(made.jpeg.len() <= super::thumbnail::LARGEST);
        }
    }
}

#[test]
fn boxes_within_boxes_without_end_end() {
    let deep = (0..10_000).fold(Vec::new(), |inner: Vec<u8>, _| {
        if inner.len() > 200_000 { inner } else { boxed(b"moov", &boxed(b"trak", &boxed(b"mdia", &inner))) }
    });
    examine_all(&deep, Format::Mov);
    let tracks = boxed(b"moov", &boxed(b"trak", &boxed(b"mdia", b"")).repeat(50_000));
    examine_all(&tracks, Format::Mov);
    let empty = [b"\0\0\0\x08free".repeat(300_000), b"\0\0\0\0".to_vec()].concat();
    examine_all(&empty, Format::Mov);
}

#[test]
fn tables_that_claim_billions_of_rows_cost_what_is_there() {
    let start = Instant::now();
    let claims = [&b"\x44\x44\xff\xff\xff\xff"[..], &[0xff; 400]].concat();
    let meta = full_boxed(
        b"meta",
        0,
        &[
            full_boxed(b"pitm", 0, b"\0\x01"),
            full_boxed(b"iloc", 2, &claims),
            full_boxed(b"iinf", 1, &[&b"\xff\xff\xff\xff"[..], &full_boxed(b"infe", 2, b"\0\x02\0\0Exif\0")].concat()),
            boxed(b"iprp", &[boxed(b"ipco", b""), full_boxed(b"ipma", 0, &[0xff; 400])].concat()),
        ]
        .concat(),
    );
    examine_all(&[boxed(b"ftyp", b"heic\0\0\0\0"), meta].concat(), Format::Heif);
    let keys = full_boxed(b"keys", 0, &[0xff; 100]);
    let movie =
        boxed(b"moov", &boxed(b"meta", &[full_boxed(b"hdlr", 0, b""), keys, boxed(b"ilst", &[0xff; 100])].concat()));
    examine_all(&movie, Format::Mov);
    assert!(start.elapsed() < Duration::from_secs(1));
}

/// What brings readers down that follow every link: thousands of directories in one another, all in one block.
#[test]
fn a_block_of_nothing_but_links_costs_what_is_asked_for() {
    let start = Instant::now();
    let mut block = b"MM\0*\0\0\0\x08\xff\xff".to_vec();
    for place in 0..40_000_u32 {
        block.extend([&[0x87, 0x69, 0, 4, 0, 0, 0, 1][..], &(500_000 + place).to_be_bytes()].concat());
    }
    block.resize(1 << 20, 0x10);
    examine_all(&block, Format::Tiff);
    examine_all(&heif(&[], &block), Format::Heif);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn tags_and_attributes_by_the_hundred_thousand_are_stepped_over() {
    let start = Instant::now();
    let attributes: String = (0..60_000).map(|n| format!(" a{n}=\"&amp;\"")).collect();
    let nested = "<dc:description><rdf:li>".repeat(40_000);
    for packet in [format!("<x{attributes}>"), nested, "&#x41;".repeat(100_000), "<![CDATA[".repeat(90_000)] {
        examine_all(&Exif::new(Order::Big).main(0x02bc, Value::Undefined(packet.into_bytes())).bytes(), Format::Tiff);
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
