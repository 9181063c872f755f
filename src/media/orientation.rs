//! How a stored picture is turned to be seen upright: the eight values of EXIF's tag (EXIF 2.32, 4.6.4).
//!
//! ```text
//!   1        2       3      4         5            6           7          8
//! 888888  888888      88  88      8888888888  88                  88  8888888888
//! 88          88      88  88      88  88      88  88          88  88      88  88
//! 8888      8888    8888  8888    88          8888888888  8888888888          88
//! 88          88      88  88
//! 88          88  888888  888888
//! ```

use super::findings::Size;

/// 1 is upright; 2 to 8 as drawn above.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Orientation {
    #[default]
    Upright = 1,
    Mirrored = 2,
    UpsideDown = 3,
    Flipped = 4,
    MirroredLeft = 5,
    Right = 6,
    MirroredRight = 7,
    Left = 8,
}

impl Orientation {
    const ALL: [Self; 8] = [
        Self::Upright,
        Self::Mirrored,
        Self::UpsideDown,
        Self::Flipped,
        Self::MirroredLeft,
        Self::Right,
        Self::MirroredRight,
        Self::Left,
    ];

    pub fn from_exif(value: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|orientation| *orientation as u32 == value)
    }

    /// Quarter turns anticlockwise, then a mirroring left to right, as HEIF's `irot` and `imir` have it
    /// (ISO/IEC 23008-12, 6.5.10).
    pub(super) fn from_turns(anticlockwise: u8, mirrored: bool) -> Self {
        match (anticlockwise % 4, mirrored) {
            (0, false) => Self::Upright,
            (1, false) => Self::Left,
            (2, false) => Self::UpsideDown,
            (_, false) => Self::Right,
            (0, true) => Self::Mirrored,
            (1, true) => Self::MirroredRight,
            (2, true) => Self::Flipped,
            (_, true) => Self::MirroredLeft,
        }
    }

    /// Whether width and height change places.
    pub fn is_sideways(self) -> bool {
        self as u8 >= 5
    }

    /// A stored size as it is seen.
    pub fn seen(self, size: Size) -> Size {
        if self.is_sideways() { size.turned() } else { size }
    }

    /// The stored pixels of `N` bytes each, turned upright.
    pub(super) fn apply<const N: usize>(self, pixels: &[u8], size: Size) -> Vec<u8> {
        let seen = self.seen(size);
        let (width, height) = (size.width as usize, size.height as usize);
        let mut upright = Vec::with_capacity(pixels.len());
        for y in 0..seen.height as usize {
            for x in 0..seen.width as usize {
                let (sx, sy) = match self {
                    Self::Upright => (x, y),
                    Self::Mirrored => (width - 1 - x, y),
                    Self::UpsideDown => (width - 1 - x, height - 1 - y),
                    Self::Flipped => (x, height - 1 - y),
                    Self::MirroredLeft => (y, x),
                    Self::Right => (y, height - 1 - x),
                    Self::MirroredRight => (width - 1 - y, height - 1 - x),
                    Self::Left => (width - 1 - y, x),
                };
                let at = (sy * width + sx) * N;
                upright.extend_from_slice(&pixels[at..at + N]);
            }
        }
        upright
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of an F, and how the standard draws it stored under each value.
    const SEEN: [&str; 5] = ["888", "8..", "88.", "8..", "8.."];
    const STORED: [(u32, &[&str]); 8] = [
        (1, &["888", "8..", "88.", "8..", "8.."]),
        (2, &["888", "..8", ".88", "..8", "..8"]),
        (3, &["..8", "..8", ".88", "..8", "888"]),
        (4, &["8..", "8..", "88.", "8..", "888"]),
        (5, &["88888", "8.8..", "8...."]),
        (6, &["8....", "8.8..", "88888"]),
        (7, &["....8", "..8.8", "88888"]),
        (8, &["88888", "..8.8", "....8"]),
    ];

    #[test]
    fn every_orientation_turns_the_letter_of_the_standard_upright() {
        for (value, stored) in STORED {
            let orientation = Orientation::from_exif(value).expect("a value of the standard");
            let size = Size::new(stored[0].len() as u32, stored.len() as u32).expect("a picture");
            assert_eq!(orientation.apply::<1>(stored.concat().as_bytes(), size), SEEN.concat().as_bytes(), "{value}");
            assert_eq!(orientation.seen(size), Size { width: 3, height: 5 });
        }
        assert_eq!(Orientation::from_exif(0), None);
        assert_eq!(Orientation::from_exif(9), None);
    }

    #[test]
    fn turns_and_mirrorings_of_heif_are_the_same_eight() {
        let mut turned = STORED[0].1.concat().into_bytes();
        let mut size = Size { width: 3, height: 5 };
        for turns in 0..4 {
            let mirrored = Orientation::Mirrored.apply::<1>(&turned, size);
            let stored = STORED[0].1.concat().into_bytes();
            let first = Size { width: 3, height: 5 };
            assert_eq!(Orientation::from_turns(turns, false).apply::<1>(&stored, first), turned, "{turns}");
            assert_eq!(Orientation::from_turns(turns, true).apply::<1>(&stored, first), mirrored, "{turns}");
            turned = Orientation::Left.apply::<1>(&turned, size);
            size = size.turned();
        }
    }
}
