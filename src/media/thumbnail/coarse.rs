//! A JPEG at an eighth or a quarter of its size, which is what thumbnails of cameras' pictures are made from.
//!
//! At an eighth one value of each block of 64 counts, its mean, and at a quarter four do; the others are stepped over
//! by their lengths, two to three times as fast as a general decoder reads them. Of a progressive file the first scan
//! is all that an eighth needs: a twentieth of the file, and no memory for its coefficients.
//!
//! Guarantees: reads what cameras write (T.81: Huffman, eight bits, one scan for all colours, restarts) and gives up,
//! with `None`, on everything else and at the first thing amiss; the general decoder then has its turn.
//!
//! ```text
//! block   mean  a  .  e  ...    read: the mean, and at a quarter a, b and c
//!         b     c  .            stepped over: the 60 others
//!         .  .
//! ```

mod bits;
mod codes;

use super::pixels::Pixels;
use crate::base::ReadAt;
use crate::media::findings::Size;
use crate::media::jpeg::{Segment, segments};
use crate::media::source::Source;
use bits::Bits;
use codes::Codes;

/// The picture at the smallest of the two scales that is no smaller than `target`; `None` where that cannot be done here.
pub fn decode(file: &dyn ReadAt, target: Size) -> Option<Pixels> {
    const HEADERS: u64 = 16 << 20;
    let source = Source::new(file, HEADERS);
    let header = Header::read(&source)?;
    let side = header.side_for(target)?;
    let mut planes: Vec<Plane> = header.parts.iter().map(|part| Plane::new(&header, part, side)).collect();
    let mut bits = Bits::new(file, header.scan);
    header.read_scan(&mut bits, &mut planes)?;
    Some(header.colours(&planes, side))
}

/// What stands before the coded data.
struct Header {
    size: Size,
    progressive: bool,
    parts: Vec<Part>,
    /// The largest of the parts' samplings.
    across: u32,
    down: u32,
    /// Units between two restarts; 0 for none.
    restart: u32,
    /// The parts are red, green and blue, not brightness and two differences.
    is_rgb: bool,
    /// The lowest bits that the scan leaves out.
    shift: u32,
    /// Where the coded data begins.
    scan: u64,
}

/// One colour, or brightness.
struct Part {
    number: u8,
    across: u32,
    down: u32,
    /// What the values that count are to be multiplied by: the mean, a, b, c.
    steps: [i32; 4],
    means: Codes,
    details: Codes,
}

#[derive(Default)]
struct Tables {
    steps: [Option<[i32; 4]>; 4],
    means: [Option<Codes>; 4],
    details: [Option<Codes>; 4],
    frame: Option<(bool, Vec<u8>)>,
    restart: u32,
    adobe_rgb: bool,
}

impl Header {
    fn read(source: &Source<'_>) -> Option<Self> {
        let (mut tables, mut end) = (Tables::default(), 2);
        for Segment { marker, body } in segments(source, 0) {
            end = body.end;
            let bytes = || source.bytes(body.clone());
            match marker {
                0xc0 | 0xc1 => tables.frame = Some((false, bytes()?)),
                0xc2 => tables.frame = Some((true, bytes()?)),
                0xc3 | 0xc5..=0xc7 | 0xc9..=0xcf => return None,
                0xc4 => tables.add_codes(&bytes()?)?,
                0xdb => tables.add_steps(&bytes()?)?,
                0xdd => tables.restart = source.be_u16(body.start)?.into(),
                0xee => tables.adobe_rgb = bytes()?.starts_with(b"Adobe") && source.array(body.start + 11) == Some([0]),
                _ => {}
            }
        }
        if source.array::<2>(end)? != [0xff, 0xda] {
            return None;
        }
        let len = u64::from(source.be_u16(end + 2)?);
        let scan = source.bytes(end + 4..(end + 2).checked_add(len)?)?;
        tables.header(&scan, end + 2 + len)
    }

    /// Pixels of a block's side: 1 or 2.
    fn side_for(&self, target: Size) -> Option<u32> {
        [1, 2].into_iter().find(|side| {
            let scaled = self.scaled(*side);
            scaled.width >= target.width && scaled.height >= target.height && (*side == 1 || !self.progressive)
        })
    }

    fn scaled(&self, side: u32) -> Size {
        Size { width: (self.size.width * side).div_ceil(8), height: (self.size.height * side).div_ceil(8) }
    }

    fn units(&self) -> (u32, u32) {
        (self.size.width.div_ceil(8 * self.across), self.size.height.div_ceil(8 * self.down))
    }

    fn read_scan(&self, bits: &mut Bits<'_>, planes: &mut [Plane]) -> Option<()> {
        let (wide, high) = self.units();
        let (mut left, mut restarts) = (self.restart, 0_u8);
        for row in 0..high {
            for column in 0..wide {
                if self.restart > 0 && left == 0 {
                    bits.restart(restarts)?;
                    planes.iter_mut().for_each(|plane| plane.mean = 0);
                    (left, restarts) = (self.restart, (restarts + 1) % 8);
                }
                left = left.wrapping_sub(1);
                bits.load()?;
                for (part, plane) in self.parts.iter().zip(planes.iter_mut()) {
                    self.read_unit(bits, part, plane, (column, row))?;
                }
            }
            // Zeros that stood in for data are only counted.
            bits.is_sound().then_some(())?;
        }
        Some(())
    }

    fn read_unit(&self, bits: &mut Bits<'_>, part: &Part, plane: &mut Plane, unit: (u32, u32)) -> Option<()> {
        for down in 0..part.down {
            for across in 0..part.across {
                let size = part.means.mean_size(bits)?;
                plane.mean = plane.mean.wrapping_add(bits.value(size));
                let mean = plane.mean.wrapping_shl(self.shift).wrapping_mul(part.steps[0]);
                let place = (unit.0 * part.across + across, unit.1 * part.down + down);
                match (self.progressive, plane.side) {
                    (true, _) => plane.put_mean(place, mean),
                    (false, 1) => {
                        part.details.step_over(bits)?;
                        plane.put_mean(place, mean);
                    }
                    (false, _) => {
                        let [a, b, c] = part.details.read_three(bits)?;
                        let [_, by_a, by_b, by_c] = part.steps;
                        let details = [a.wrapping_mul(by_a), b.wrapping_mul(by_b), c.wrapping_mul(by_c)];
                        plane.put_four(place, mean, details);
                    }
                }
            }
        }
        Some(())
    }

    fn colours(&self, planes: &[Plane], side: u32) -> Pixels {
        let size = self.scaled(side);
        let mut lines = vec![vec![0; size.width as usize]; planes.len()];
        let mut bytes = vec![0; size.pixels() as usize * 3];
        for (y, shown) in (0..size.height).zip(bytes.chunks_exact_mut(size.width as usize * 3)) {
            for ((plane, part), line) in planes.iter().zip(&self.parts).zip(&mut lines) {
                spread(plane.row(y * part.down / self.down), (part.across, self.across), line);
            }
            match lines.as_slice() {
                [one, two, three] => {
                    for (((pixel, one), two), three) in shown.as_chunks_mut().0.iter_mut().zip(one).zip(two).zip(three)
                    {
                        *pixel = if self.is_rgb { [*one, *two, *three] } else { rgb([*one, *two, *three]) };
                    }
                }
                _ => shown.as_chunks_mut().0.iter_mut().zip(&lines[0]).for_each(|(pixel, grey)| *pixel = [*grey; 3]),
            }
        }
        Pixels { size, bytes }
    }
}

/// A row of a part that has `own` samples where the largest has `all`.
fn spread(row: &[u8], (own, all): (u32, u32), line: &mut [u8]) {
    if own == all {
        line.copy_from_slice(&row[..line.len()]);
    } else if own * 2 == all {
        line.chunks_mut(2).zip(row).for_each(|(pair, value)| pair.fill(*value));
    } else {
        line.iter_mut().zip(0..).for_each(|(value, x)| *value = row[(x * own / all) as usize]);
    }
}

/// ITU-R BT.601 in full range, as JFIF has it; in 65,536ths.
fn rgb([y, blue, red]: [u8; 3]) -> [u8; 3] {
    let (y, blue, red) = (i32::from(y) << 16, i32::from(blue) - 128, i32::from(red) - 128);
    let shown = |value: i32| ((value + (1 << 15)) >> 16).clamp(0, 255) as u8;
    [shown(y + 91_881 * red), shown(y - 22_554 * blue - 46_802 * red), shown(y + 116_130 * blue)]
}

impl Tables {
    /// Of the 64 steps of a table, in the order of the zigzag, those of the mean, a, b and c (T.81, B.2.4.1).
    fn add_steps(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((kind, rest)) = body.split_first() {
            let wide = kind >> 4 == 1;
            let (table, rest) = rest.split_at_checked(if wide { 128 } else { 64 })?;
            let step = |n: usize| match wide {
                true => u16::from_be_bytes([table[2 * n], table[2 * n + 1]]).into(),
                false => table[n].into(),
            };
            *self.steps.get_mut(usize::from(kind & 15))? = Some([0, 1, 2, 4].map(step));
            body = rest;
        }
        Some(())
    }

    /// T.81, B.2.4.2.
    fn add_codes(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((kind, rest)) = body.split_first() {
            let (counts, rest) = rest.split_at_checked(16)?;
            let total: usize = counts.iter().map(|count| usize::from(*count)).sum();
            let (symbols, rest) = rest.split_at_checked(total)?;
            let (tables, codes) = match kind >> 4 {
                0 => (&mut self.means, Codes::new(counts, symbols)?),
                _ => (&mut self.details, Codes::of_details(counts, symbols)?),
            };
            *tables.get_mut(usize::from(kind & 15))? = Some(codes);
            body = rest;
        }
        Some(())
    }

    /// Of the frame and the scan (T.81, B.2.2 and B.2.3).
    fn header(&mut self, scan: &[u8], at: u64) -> Option<Header> {
        let (progressive, frame) = self.frame.take()?;
        let [8, h1, h0, w1, w0, count, frame @ ..] = frame.as_slice() else { return None };
        let size = Size::new(u16::from_be_bytes([*w1, *w0]).into(), u16::from_be_bytes([*h1, *h0]).into())?;
        let (parts, [first, last, exact]) = scan.get(1..)?.split_last_chunk::<3>()?;
        let whole = matches!(count, 1 | 3) && scan[0] == *count && parts.len() == 2 * usize::from(*count);
        // A progressive file begins with the means; a quarter is not made of it.
        let expected = if progressive { (0, 0) } else { (0, 63) };
        if !whole || (*first, *last) != expected || exact >> 4 != 0 || (!progressive && *exact != 0) {
            return None;
        }
        let described = frame.chunks_exact(3).zip(parts.chunks_exact(2));
        let mut parts: Vec<_> =
            described.map(|(frame, scan)| self.part(frame, scan, progressive)).collect::<Option<_>>()?;
        if let [only] = parts.as_mut_slice() {
            (only.across, only.down) = (1, 1);
        }
        let largest = |sampling: fn(&Part) -> u32| parts.iter().map(sampling).max();
        let (across, down) = (largest(|part| part.across)?, largest(|part| part.down)?);
        let is_rgb = self.adobe_rgb || parts.iter().map(|part| part.number).eq(*b"RGB");
        let shift = u32::from(exact & 15).min(13);
        Some(Header { size, progressive, parts, across, down, restart: self.restart, is_rgb, shift, scan: at })
    }

    fn part(&self, frame: &[u8], scan: &[u8], progressive: bool) -> Option<Part> {
        let [number, sampling, steps] = frame else { return None };
        let [same, codes] = scan else { return None };
        let (across, down) = (u32::from(sampling >> 4), u32::from(sampling & 15));
        if same != number || !(1..=4).contains(&across) || !(1..=4).contains(&down) {
            return None;
        }
        let means = self.means.get(usize::from(codes >> 4))?.clone()?;
        let details = self.details.get(usize::from(codes & 15))?.clone();
        let details = if progressive { Codes::default() } else { details? };
        Some(Part { number: *number, across, down, steps: (*self.steps.get(usize::from(*steps))?)?, means, details })
    }
}

/// One part of the picture, small.
struct Plane {
    bytes: Vec<u8>,
    width: usize,
    /// Pixels of a block's side.
    side: u32,
    /// The last block's: each is told by its difference.
    mean: i32,
}

impl Plane {
    fn new(header: &Header, part: &Part, side: u32) -> Self {
        let (wide, high) = header.units();
        let width = (wide * part.across * side) as usize;
        Self { bytes: vec![0; width * (high * part.down * side) as usize], width, side, mean: 0 }
    }

    fn row(&self, y: u32) -> &[u8] {
        self.bytes.get(y as usize * self.width..).unwrap_or_default().get(..self.width).unwrap_or_default()
    }

    fn put(&mut self, x: u32, y: u32, sum: i32) {
        // A block's values are eight times too large, and lie around zero.
        let value = (sum.wrapping_add(4) >> 3).wrapping_add(128).clamp(0, 255) as u8;
        if let Some(pixel) = self.bytes.get_mut(y as usize * self.width + x as usize) {
            *pixel = value;
        }
    }

    fn put_mean(&mut self, (x, y): (u32, u32), mean: i32) {
        self.put(x, y, mean);
    }

    fn put_four(&mut self, (x, y): (u32, u32), mean: i32, [a, b, c]: [i32; 3]) {
        let sum = |a: i32, b: i32, c: i32| mean.wrapping_add(a).wrapping_add(b).wrapping_add(c);
        let (x, y) = (2 * x, 2 * y);
        self.put(x, y, sum(a, b, c));
        self.put(x + 1, y, sum(a.wrapping_neg(), b, c.wrapping_neg()));
        self.put(x, y + 1, sum(a, b.wrapping_neg(), c.wrapping_neg()));
        self.put(x + 1, y + 1, sum(a.wrapping_neg(), b.wrapping_neg(), c));
    }
}

#[cfg(test)]
mod tests;
