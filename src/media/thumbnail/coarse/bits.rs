//! The coded data of a JPEG, bit by bit.

use crate::base::ReadAt;
use crate::media::source::read_fully;
use std::collections::VecDeque;

const READ: usize = 256 << 10;
/// More than one unit of coded data can take.
const LONGEST_UNIT: usize = 16 << 10;

/// Stuffed zeros are taken out; behind a marker there is nothing but zeros.
pub(super) struct Bits<'f> {
    file: &'f dyn ReadAt,
    /// Where the next bytes are in the file.
    at: u64,
    raw: Vec<u8>,
    /// The last byte read was `FF`, whose meaning the next one says.
    after_ff: bool,
    /// Nothing more is coded data.
    ended: bool,
    bytes: Vec<u8>,
    next: usize,
    /// Where the next marker stood, or all that is in memory ends.
    limit: usize,
    /// The restarts in memory: where they stood, and which.
    restarts: VecDeque<(usize, u8)>,
    /// The next bits, the first of them on top.
    held: u64,
    count: u32,
    /// Of those held, zeros that are not there.
    padded: u32,
}

impl<'f> Bits<'f> {
    /// Those that begin at a place in the file.
    pub(super) fn new(file: &'f dyn ReadAt, at: u64) -> Self {
        Self {
            file,
            at,
            raw: Vec::new(),
            after_ff: false,
            ended: false,
            bytes: Vec::new(),
            next: 0,
            limit: 0,
            restarts: VecDeque::new(),
            held: 0,
            count: 0,
            padded: 0,
        }
    }

    /// Sees to it that a whole unit is in memory, if there is as much before the next restart.
    pub(super) fn load(&mut self) -> Option<()> {
        while self.limit - self.next < LONGEST_UNIT && self.restarts.is_empty() && !self.ended {
            self.read_more()?;
            self.limit = self.end_of_stretch();
        }
        Some(())
    }

    fn end_of_stretch(&self) -> usize {
        self.restarts.front().map_or(self.bytes.len(), |(end, _)| *end)
    }

    fn read_more(&mut self) -> Option<()> {
        self.bytes.drain(..self.next);
        self.next = 0;
        let mut raw = std::mem::take(&mut self.raw);
        raw.resize(READ, 0);
        let read = read_fully(self.file, self.at, &mut raw).ok()?;
        self.at += read as u64;
        self.ended |= read == 0;
        self.take_in(&raw[..read]);
        self.raw = raw;
        Some(())
    }

    /// Takes out what was stuffed in, and notes the markers.
    fn take_in(&mut self, mut raw: &[u8]) {
        while let (false, Some((first, rest))) = (self.ended, raw.split_first()) {
            if self.after_ff {
                self.after_ff = *first == 0xff;
                self.take_marked(*first);
                raw = rest;
                continue;
            }
            let plain = memchr::memchr(0xff, raw).unwrap_or(raw.len());
            self.bytes.extend_from_slice(&raw[..plain]);
            self.after_ff = plain < raw.len();
            raw = raw.get(plain + 1..).unwrap_or_default();
        }
    }

    /// What stands behind `FF`.
    fn take_marked(&mut self, byte: u8) {
        match byte {
            0 => self.bytes.push(0xff),
            0xd0..=0xd7 => self.restarts.push_back((self.bytes.len(), byte)),
            // A marker may begin with several.
            0xff => {}
            _ => self.ended = true,
        }
    }

    /// At least 56 bits are held then.
    #[inline]
    pub(super) fn fill(&mut self) {
        let word = self.bytes.get(self.next..self.next + 8).and_then(|bytes| bytes.try_into().ok());
        match word.map(u64::from_be_bytes).filter(|_| self.next + 8 <= self.limit) {
            // Bits beyond the count are there already, or come again.
            Some(word) => {
                self.held |= word >> self.count;
                self.next += ((63 - self.count) >> 3) as usize;
                self.count |= 56;
            }
            None => self.fill_slowly(),
        }
    }

    #[cold]
    fn fill_slowly(&mut self) {
        while self.count <= 56 {
            let byte = match self.bytes.get(self.next) {
                Some(byte) if self.next < self.limit => {
                    self.next += 1;
                    *byte
                }
                _ => {
                    self.padded += 8;
                    0
                }
            };
            // What an earlier word left beyond the count may be of another stretch.
            self.held &= !(u64::MAX >> self.count);
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    pub(super) fn peek(&self, len: u32) -> u32 {
        (self.held >> (64 - len)) as u32
    }

    pub(super) fn take(&mut self, len: u32) {
        self.held <<= len;
        self.count = self.count.saturating_sub(len);
    }

    /// A value of so many bits, those below half of what they can say being negative (T.81, F.2.2.1).
    pub(super) fn value(&mut self, len: u32) -> i32 {
        if len == 0 {
            return 0;
        }
        let value = self.peek(len) as i32;
        self.take(len);
        if value < 1 << (len - 1) { value - (1 << len) + 1 } else { value }
    }

    /// Zeros that stood in for data were not taken.
    pub(super) fn is_sound(&self) -> bool {
        self.padded <= self.count
    }

    /// The marker between two stretches, which have nothing to do with each other.
    pub(super) fn restart(&mut self, number: u8) -> Option<()> {
        self.load()?;
        let (end, marker) = self.restarts.pop_front()?;
        let follows = self.is_sound() && self.next == end && marker == 0xd0 + number;
        (self.held, self.count, self.padded) = (0, 0, 0);
        self.limit = self.end_of_stretch();
        follows.then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All bits, as they come, up to the first that is not there.
    fn bytes_of(file: &[u8], restarts: &[u8]) -> Option<Vec<Vec<u8>>> {
        let file = file.to_vec();
        let (mut bits, mut stretches) = (Bits::new(&file, 0), Vec::new());
        for number in restarts.iter().map(Some).chain([None]) {
            let mut stretch = Vec::new();
            loop {
                bits.load()?;
                bits.fill();
                let byte = bits.peek(8) as u8;
                if bits.count < bits.padded + 8 {
                    break;
                }
                bits.take(8);
                stretch.push(byte);
            }
            stretches.push(stretch);
            number.map_or(Some(()), |number| bits.restart(*number))?;
        }
        Some(stretches)
    }

    #[test]
    fn stuffed_zeros_are_taken_out_and_nothing_is_read_behind_a_marker() {
        let coded = [1, 2, 0xff, 0, 3, 0xff, 0xff, 0xd0, 4, 0xff, 0, 0xff, 0, 5, 6, 7, 8, 9, 10, 0xff, 0xd9, 11];
        let expected = vec![vec![1, 2, 0xff, 3], vec![4, 0xff, 0xff, 5, 6, 7, 8, 9, 10]];
        assert_eq!(bytes_of(&coded, &[0]), Some(expected));
        assert_eq!(bytes_of(&coded, &[1]), None, "another one was due");
        assert_eq!(bytes_of(&[1, 2, 3], &[0]), None, "there is none");
    }

    #[test]
    fn what_is_stuffed_or_marked_between_two_reads_is_seen() {
        for shift in 0..4 {
            let plain: Vec<u8> = (0..READ - shift).map(|n| (n % 251) as u8).collect();
            let coded = [&plain[..], &[0xff, 0, 9, 0xff, 0xd3, 8]].concat();
            let expected = vec![[&plain[..], &[0xff, 9]].concat(), vec![8]];
            assert!(bytes_of(&coded, &[3]) == Some(expected), "{shift}");
        }
    }
}
