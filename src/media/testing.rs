//! Files for tests, made by hand: small, and broken in known places.

use super::ifd::Order;
use image::ImageFormat;
use std::io::Cursor;

/// A seeded stream of numbers (xorshift64*): the same on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn byte(&mut self) -> u8 {
        (self.next() >> 56) as u8
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end.max(1)
    }
}

/// RGB pixels that compress badly.
pub fn noise(width: u32, height: u32) -> Vec<u8> {
    let mut random = Random(u64::from(width) << 32 | u64::from(height) | 1 << 60);
    (0..width * height * 3).map(|_| random.byte()).collect()
}

/// RGB pixels in four quarters: red, green, blue, white from the top left on.
pub fn quarters(width: u32, height: u32) -> Vec<u8> {
    let colour = |x, y| match (x < width / 2, y < height / 2) {
        (true, true) => [255, 0, 0],
        (false, true) => [0, 255, 0],
        (true, false) => [0, 0, 255],
        (false, false) => [255, 255, 255],
    };
    (0..height).flat_map(|y| (0..width).flat_map(move |x| colour(x, y))).collect()
}

pub fn jpeg_of(width: u16, height: u16, rgb: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    jpeg_encoder::Encoder::new(&mut bytes, 90)
        .encode(rgb, width, height, jpeg_encoder::ColorType::Rgb)
        .expect("a picture");
    bytes
}

/// A JPEG with a segment `APP1` behind its start.
pub fn app1(jpeg: &[u8], body: &[u8]) -> Vec<u8> {
    let len = (body.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], b"\xff\xe1", &len, body, &jpeg[2..]].concat()
}

pub fn with_exif(jpeg: &[u8], exif: &Exif) -> Vec<u8> {
    app1(jpeg, &[b"Exif\0\0".to_vec(), exif.bytes()].concat())
}

pub fn encoded(format: ImageFormat, width: u32, height: u32, rgb: &[u8]) -> Vec<u8> {
    let image = image::RgbImage::from_raw(width, height, rgb.to_vec()).expect("as many pixels as said");
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("memory takes all");
    bytes.into_inner()
}

pub fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}

pub fn full_boxed(kind: &[u8; 4], version: u8, body: &[u8]) -> Vec<u8> {
    boxed(kind, &[&[version, 0, 0, 0], body].concat())
}

pub fn riff(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let padding = &[0][..body.len() % 2];
    [&name[..], &(body.len() as u32).to_le_bytes(), body, padding].concat()
}

pub fn ebml(number: &[u8], body: &[u8]) -> Vec<u8> {
    [number, &(body.len() as u64 | 1 << 56).to_be_bytes(), body].concat()
}

/// 1280 × 720, 12.25 s, of 2001-09-09T01:46:40Z.
pub fn matroska() -> Vec<u8> {
    let since_2001 = (1_000_000_000_u64 - 978_307_200) * 1_000_000_000;
    let info =
        [ebml(&[0x44, 0x89], &12_250_f32.to_be_bytes()), ebml(&[0x44, 0x61], &since_2001.to_be_bytes())].concat();
    let video = [ebml(&[0xb0], &1280_u16.to_be_bytes()), ebml(&[0xba], &720_u16.to_be_bytes())].concat();
    let tracks = ebml(&[0xae], &ebml(&[0xe0], &video));
    let segment = [
        ebml(&[0x15, 0x49, 0xa9, 0x66], &info),
        ebml(&[0x16, 0x54, 0xae, 0x6b], &tracks),
        ebml(&[0x1f, 0x43, 0xb6, 0x75], &[0; 50]),
    ];
    let header = ebml(&[0x1a, 0x45, 0xdf, 0xa3], &ebml(&[0x42, 0x82], b"matroska"));
    [header, ebml(&[0x18, 0x53, 0x80, 0x67], &segment.concat())].concat()
}

/// A movie of 1920 × 1080, 1000 ticks a second, created 2020-01-01T00:00:00Z.
pub struct Movie {
    /// Headers of version 1, with times of 64 bits.
    pub wide: bool,
    /// Signs of the matrix's a, b, c and d.
    pub turned: [i32; 4],
    pub ticks: u32,
    /// Further boxes in `moov`.
    pub more: Vec<u8>,
    pub tags: Vec<(String, String)>,
}

impl Default for Movie {
    fn default() -> Self {
        Self { wide: false, turned: [1, 0, 0, 1], ticks: 2500, more: Vec::new(), tags: Vec::new() }
    }
}

impl Movie {
    const CREATED: u32 = 2_082_844_800 + 1_577_836_800;

    pub fn tag(mut self, name: &str, value: &str) -> Self {
        self.tags.push((name.into(), value.into()));
        self
    }

    fn time(&self, value: u32) -> Vec<u8> {
        if self.wide { u64::from(value).to_be_bytes().to_vec() } else { value.to_be_bytes().to_vec() }
    }

    fn track(&self) -> Vec<u8> {
        let [a, b, c, d] = self.turned.map(|sign| (sign << 16).to_be_bytes());
        let matrix = [a, b, [0; 4], c, d, [0; 4], [0; 4], [0; 4], [0x40, 0, 0, 0]].concat();
        let size = [(1920_u32 << 16).to_be_bytes(), (1080_u32 << 16).to_be_bytes()].concat();
        let times = [self.time(1), self.time(1), vec![0; 8], self.time(self.ticks)].concat();
        let header = [times, vec![0; 16], matrix, size].concat();
        let handler = full_boxed(b"hdlr", 0, b"\0\0\0\0vide\0\0\0\0\0\0\0\0\0\0\0\0\0");
        boxed(b"trak", &[full_boxed(b"tkhd", self.wide.into(), &header), boxed(b"mdia", &handler)].concat())
    }

    pub fn meta(&self) -> Vec<u8> {
        let keys: Vec<u8> = self.tags.iter().flat_map(|(name, _)| boxed(b"mdta", name.as_bytes())).collect();
        let keys = full_boxed(b"keys", 0, &[&(self.tags.len() as u32).to_be_bytes()[..], &keys].concat());
        let value = |value: &str| boxed(b"data", &[b"\0\0\0\x01\0\0\0\0", value.as_bytes()].concat());
        let values =
            self.tags.iter().zip(1_u32..).flat_map(|((_, text), number)| boxed(&number.to_be_bytes(), &value(text)));
        let handler = full_boxed(b"hdlr", 0, b"\0\0\0\0mdta\0\0\0\0\0\0\0\0\0\0\0\0\0");
        boxed(b"meta", &[handler, keys, boxed(b"ilst", &values.collect::<Vec<_>>())].concat())
    }

    pub fn index(&self) -> Vec<u8> {
        let times = [
            self.time(Self::CREATED),
            self.time(Self::CREATED),
            1000_u32.to_be_bytes().to_vec(),
            self.time(self.ticks),
        ]
        .concat();
        let header = full_boxed(b"mvhd", self.wide.into(), &[times, vec![0; 80]].concat());
        boxed(b"moov", &[header, self.track(), self.meta(), self.more.clone()].concat())
    }

    pub fn file(&self) -> Vec<u8> {
        [boxed(b"ftyp", b"qt  \0\0\0\0qt  "), boxed(b"mdat", &[0; 64]), self.index()].concat()
    }
}

/// A HEIF whose primary item is 4032 × 3024 and has these properties besides; its EXIF item is `block`.
pub fn heif(properties: &[Vec<u8>], block: &[u8]) -> Vec<u8> {
    let ispe = full_boxed(b"ispe", 0, &[4032_u32.to_be_bytes(), 3024_u32.to_be_bytes()].concat());
    let stock = boxed(b"ipco", &[ispe, properties.concat()].concat());
    let indices: Vec<u8> = (1..=properties.len() as u8 + 1).map(|index| index | 0x80).collect();
    let other_item = b"\0\x02\x01\x01";
    let links = [b"\0\0\0\x02", &other_item[..], &[0, 1, indices.len() as u8], &indices].concat();
    let item = |number: u8, kind: &[u8; 4]| full_boxed(b"infe", 2, &[&[0, number, 0, 0], &kind[..], b"\0"].concat());
    let items = full_boxed(b"iinf", 0, &[b"\0\x02".to_vec(), item(1, b"hvc1"), item(2, b"Exif")].concat());
    let payload = [&b"\0\0\0\x06Exif\0\0"[..], block].concat();
    let meta = |offset: u32| {
        let place =
            [&b"\x44\x00\0\x01\0\x02\0\0\0\x01"[..], &offset.to_be_bytes(), &(payload.len() as u32).to_be_bytes()]
                .concat();
        let parts = [
            full_boxed(b"pitm", 0, b"\0\x01"),
            items.clone(),
            full_boxed(b"iloc", 0, &place),
            boxed(b"iprp", &[stock.clone(), full_boxed(b"ipma", 0, &links)].concat()),
        ];
        full_boxed(b"meta", 0, &parts.concat())
    };
    let brand = boxed(b"ftyp", b"heic\0\0\0\0mif1heic");
    let offset = brand.len() + meta(0).len() + 8;
    [brand, meta(offset as u32), boxed(b"mdat", &payload)].concat()
}

#[derive(Clone)]
pub enum Value {
    Short(u16),
    Shorts(Vec<u16>),
    Long(u32),
    Text(String),
    Undefined(Vec<u8>),
    Rationals(Vec<(u32, u32)>),
}

/// An EXIF block of up to three directories.
#[derive(Clone)]
pub struct Exif {
    order: Order,
    main: Vec<(u16, Value)>,
    exif: Vec<(u16, Value)>,
    gps: Vec<(u16, Value)>,
}

impl Exif {
    pub fn new(order: Order) -> Self {
        Self { order, main: Vec::new(), exif: Vec::new(), gps: Vec::new() }
    }

    pub fn main(mut self, tag: u16, value: Value) -> Self {
        self.main.push((tag, value));
        self
    }

    pub fn exif(mut self, tag: u16, value: Value) -> Self {
        self.exif.push((tag, value));
        self
    }

    pub fn gps(mut self, tag: u16, value: Value) -> Self {
        self.gps.push((tag, value));
        self
    }

    /// Type, count and bytes.
    fn encode(&self, value: &Value) -> (u16, usize, Vec<u8>) {
        match value {
            Value::Short(value) => (3, 1, self.order.short(*value).to_vec()),
            Value::Shorts(values) => {
                (3, values.len(), values.iter().flat_map(|value| self.order.short(*value)).collect())
            }
            Value::Long(value) => (4, 1, self.order.long(*value).to_vec()),
            Value::Text(text) => (2, text.len() + 1, [text.as_bytes(), b"\0"].concat()),
            Value::Undefined(bytes) => (7, bytes.len(), bytes.clone()),
            Value::Rationals(pairs) => (
                5,
                pairs.len(),
                pairs.iter().flat_map(|(n, d)| [self.order.long(*n), self.order.long(*d)].concat()).collect(),
            ),
        }
    }

    /// A directory at `at`, its long values behind it.
    fn directory(&self, entries: &[(u16, Value)], at: usize) -> Vec<u8> {
        let mut values = Vec::new();
        let values_at = at + 2 + entries.len() * 12 + 4;
        let mut bytes = self.order.short(entries.len() as u16).to_vec();
        for (tag, value) in entries {
            let (kind, count, mut value) = self.encode(value);
            bytes.extend([self.order.short(*tag), self.order.short(kind)].concat());
            bytes.extend(self.order.long(count as u32));
            if value.len() <= 4 {
                value.resize(4, 0);
                bytes.extend(value);
            } else {
                bytes.extend(self.order.long((values_at + values.len()) as u32));
                values.extend(value);
            }
        }
        [bytes, self.order.long(0).to_vec(), values].concat()
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut main = self.main.clone();
        let links = usize::from(!self.exif.is_empty()) + usize::from(!self.gps.is_empty());
        let placeholder: Vec<_> = main.iter().cloned().chain((0..links).map(|_| (0, Value::Long(0)))).collect();
        let exif_at = 8 + self.directory(&placeholder, 8).len();
        let exif = self.directory(&self.exif, exif_at);
        if !self.exif.is_empty() {
            main.push((0x8769, Value::Long(exif_at as u32)));
        }
        let gps_at = exif_at + exif.len();
        if !self.gps.is_empty() {
            main.push((0x8825, Value::Long(gps_at as u32)));
        }
        let header = if self.order == Order::Little { &b"II*\0\x08\0\0\0"[..] } else { b"MM\0*\0\0\0\x08" };
        [header, &self.directory(&main, 8), &exif, &self.directory(&self.gps, gps_at)].concat()
    }
}
