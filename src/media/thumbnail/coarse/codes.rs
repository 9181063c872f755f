//! Huffman codes of a JPEG, and several of them at a time.

use super::bits::Bits;

/// Huffman codes, looked up by the next bits.
#[derive(Clone, Default)]
pub(super) struct Codes {
    /// Under each start of [`FAST`] bits, the code it begins with; of length 0 where that is longer.
    fast: Vec<Code>,
    /// Longer codes by length from FAST + 1 on: one more than the last code of it, and what to add for its symbol.
    slow: Vec<(u32, i32)>,
    symbols: Vec<u8>,
    /// Under each start of [`AHEAD`] bits, what can be stepped over at once.
    strides: Vec<Stride>,
}

const FAST: u32 = 11;
const AHEAD: u32 = 12;
/// As the number of the next value: there is none, the block said so.
const ENDED: u32 = u32::MAX;

#[derive(Clone, Copy, Default)]
struct Code {
    len: u8,
    /// Zeros before the value, and bits of the value.
    symbol: u8,
}

/// The codes that begin within the next bits, and their values: small, as the tables of all of them are to stay in the
/// processor's nearest cache.
#[derive(Clone, Copy, Default)]
struct Stride(u16);

impl Stride {
    /// None where the first code is longer.
    fn bits(self) -> u32 {
        u32::from(self.0 & 63)
    }

    fn values(self) -> u32 {
        u32::from(self.0 >> 6 & 255)
    }

    /// The last of them ends the block.
    fn ends(self) -> bool {
        self.0 >> 15 == 1
    }
}

impl Codes {
    /// Those of what is stepped over.
    pub(super) fn of_details(counts: &[u8], symbols: &[u8]) -> Option<Self> {
        let mut codes = Self::new(counts, symbols)?;
        codes.strides = (0..1 << AHEAD).map(|start| codes.stride(start)).collect();
        Some(codes)
    }

    fn stride(&self, start: u32) -> Stride {
        let (mut bits, mut values, mut ends) = (0, 0, false);
        while !ends && bits < AHEAD {
            let rest = (start << bits) & ((1 << AHEAD) - 1);
            let code = self.fast[(rest >> (AHEAD - FAST)) as usize];
            if code.len == 0 || bits + u32::from(code.len) > AHEAD {
                break;
            }
            let (zeros, size) = (u32::from(code.symbol >> 4), u32::from(code.symbol & 15));
            bits += u32::from(code.len) + size;
            ends = size == 0 && zeros < 15;
            values += if ends { 0 } else { zeros + 1 };
        }
        // At most a code of one bit for each of the bits, and 15 bits of a value behind the last.
        Stride((bits | values << 6 | u32::from(ends) << 15) as u16)
    }

    /// Codes of one length are consecutive, and those of the next length go on behind them (T.81, annex C).
    pub(super) fn new(counts: &[u8], symbols: &[u8]) -> Option<Self> {
        let (mut fast, mut slow) = (vec![Code::default(); 1 << FAST], Vec::new());
        let (mut code, mut n) = (0_u32, 0_usize);
        for (len, count) in (1..=16_u32).zip(counts) {
            let count = u32::from(*count);
            if code + count > 1 << len {
                return None;
            }
            if len <= FAST {
                for (code, symbol) in (code..).zip(&symbols[n..n + count as usize]) {
                    let start = (code << (FAST - len)) as usize;
                    fast[start..start + (1 << (FAST - len))].fill(Code { len: len as u8, symbol: *symbol });
                }
            } else {
                slow.push((code + count, n as i32 - code as i32));
            }
            n += count as usize;
            code = (code + count) << 1;
        }
        Some(Self { fast, slow, symbols: symbols.to_vec(), strides: Vec::new() })
    }

    /// The next code, not taken yet. At least 16 bits are held.
    fn next(&self, bits: &Bits<'_>) -> Option<Code> {
        let code = self.fast.get(bits.peek(FAST) as usize)?;
        if code.len > 0 { Some(*code) } else { self.longer(bits) }
    }

    #[cold]
    fn longer(&self, bits: &Bits<'_>) -> Option<Code> {
        (FAST + 1..).zip(&self.slow).find_map(|(len, (end, offset))| {
            let code = bits.peek(len);
            let symbol = (code < *end).then(|| self.symbols.get(usize::try_from(code as i32 + offset).ok()?));
            symbol.flatten().map(|symbol| Code { len: len as u8, symbol: *symbol })
        })
    }

    /// How many bits the next difference of means has.
    #[inline]
    pub(super) fn mean_size(&self, bits: &mut Bits<'_>) -> Option<u32> {
        bits.fill();
        let code = self.next(bits)?;
        bits.take(code.len.into());
        (code.symbol < 16).then_some(code.symbol.into())
    }

    /// Steps over all values of a block but its mean.
    pub(super) fn step_over(&self, bits: &mut Bits<'_>) -> Option<()> {
        let mut n = 1;
        while n < 64 {
            bits.fill();
            // Twice what a stride can take is held.
            if self.stride_over(bits, &mut n) && (n >= 64 || self.stride_over(bits, &mut n)) {
                continue;
            }
            bits.fill();
            let code = self.next(bits)?;
            let (zeros, size) = (u32::from(code.symbol >> 4), u32::from(code.symbol & 15));
            bits.take(u32::from(code.len) + size);
            if size == 0 && zeros < 15 {
                return Some(());
            }
            n += zeros + 1;
        }
        (n == 64 || n == ENDED).then_some(())
    }

    /// Whether there is one to take here.
    #[inline(always)]
    fn stride_over(&self, bits: &mut Bits<'_>, n: &mut u32) -> bool {
        let stride = self.strides.get(bits.peek(AHEAD) as usize).copied().unwrap_or_default();
        let after = *n + stride.values();
        // What comes behind a full block is not of this one.
        if stride.bits() == 0 || after + u32::from(stride.ends()) > 64 {
            return false;
        }
        bits.take(stride.bits());
        *n = if stride.ends() { ENDED } else { after };
        true
    }

    /// The first, second and fourth value of a block behind its mean; the others are stepped over.
    pub(super) fn read_three(&self, bits: &mut Bits<'_>) -> Option<[i32; 3]> {
        let (mut n, mut values) = (1, [0; 3]);
        while n < 64 {
            bits.fill();
            let code = self.next(bits)?;
            let (zeros, size) = (u32::from(code.symbol >> 4), u32::from(code.symbol & 15));
            bits.take(code.len.into());
            if size == 0 && zeros < 15 {
                return Some(values);
            }
            n += zeros;
            match n {
                1 => values[0] = bits.value(size),
                2 => values[1] = bits.value(size),
                4 => values[2] = bits.value(size),
                _ => bits.take(size),
            }
            n += 1;
        }
        (n == 64).then_some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One value too many is no end of the block.
    #[test]
    fn a_block_of_65_values_is_given_up() {
        let mut counts = [0; 16];
        counts[0] = 1;
        // One code of one bit: 15 zeros and a value of one bit. Four of them go one beyond the block.
        let codes = Codes::of_details(&counts, &[0xf1]).expect("a table");
        let coded = vec![0; 64];
        let begin = || {
            let mut bits = Bits::new(&coded, 0);
            bits.load().expect("it reads");
            bits
        };
        assert!(codes.step_over(&mut begin()).is_none());
        assert!(codes.read_three(&mut begin()).is_none());
    }
}
