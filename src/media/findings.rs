//! What the parsers of one file have found so far, in the words they found it in.
//!
//! Each fact keeps its first finder, except dates and captions, which are all kept: which one counts is decided at
//! the end, by where each stood.

use super::date::Moment;
use super::orientation::Orientation;
use serde::{Deserialize, Serialize};

/// Where a date stood, first choice first (protocol notes, data 3.10).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum DateRank {
    XmpOriginal,
    IptcCreated,
    /// EXIF `DateTimeOriginal`.
    Original,
    XmpCreated,
    XmpDigitized,
    IptcDigitized,
    /// EXIF `DateTimeDigitized`.
    Digitized,
    XmpCreate,
    XmpMetadata,
    XmpDateTime,
    /// EXIF `DateTime`.
    Modified,
    XmpModified,
    /// A movie's `com.apple.quicktime.creationdate`.
    MovieTag,
    /// The creation time in a movie's header.
    MovieHeader,
}

/// Whose caption is first choice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Standard {
    Xmp,
    Iptc,
    Exif,
}

/// Ente's clients cap what they show at this many characters (protocol notes, data 2.4).
const CAPTION: usize = 5000;

/// Degrees, north and east positive.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Place {
    pub latitude: f64,
    pub longitude: f64,
}

impl Place {
    /// `None` outside the globe, and at 0,0, which is what devices without a fix write.
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let on_globe = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
        (on_globe && (latitude, longitude) != (0.0, 0.0)).then_some(Self { latitude, longitude })
    }
}

/// Width and height in pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

impl Size {
    /// `None` where either is zero.
    pub fn new(width: u32, height: u32) -> Option<Self> {
        (width > 0 && height > 0).then_some(Self { width, height })
    }

    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    pub fn turned(self) -> Self {
        Self { width: self.height, height: self.width }
    }
}

#[derive(Default, Debug)]
pub(super) struct Findings {
    pub dates: Vec<(DateRank, Moment)>,
    pub place: Option<Place>,
    /// As stored, before any orientation.
    pub size: Option<Size>,
    pub orientation: Option<Orientation>,
    /// In seconds.
    pub duration: Option<f64>,
    pub camera_make: Option<String>,
    pub camera_model: Option<String>,
    pub content_identifier: Option<String>,
    /// What XMP says of a motion photo: how far before the end its movie begins.
    pub motion_length: Option<u64>,
    /// Where a motion photo's movie begins.
    pub motion: Option<u64>,
    pub panorama: bool,
    captions: Vec<(Standard, String)>,
}

impl Findings {
    pub fn add_date(&mut self, rank: DateRank, date: Option<Moment>) {
        self.dates.extend(date.map(|date| (rank, date)));
    }

    pub fn add_caption(&mut self, standard: Standard, caption: Option<String>) {
        self.captions.extend(caption.map(|caption| (standard, caption.chars().take(CAPTION).collect())));
    }

    pub fn caption(&self) -> Option<String> {
        self.captions.iter().min_by_key(|(standard, _)| *standard).map(|(_, caption)| caption.clone())
    }

    /// The date of the best rank. One that lacks its offset takes it from another that shows the same time: XMP often
    /// repeats EXIF's date without it.
    pub fn date(&self) -> Option<Moment> {
        let (_, best) = self.dates.iter().min_by_key(|(rank, _)| *rank)?;
        let twin = self.dates.iter().map(|(_, date)| date).find(|date| date.completes(*best));
        Some(*twin.unwrap_or(best))
    }
}

/// Fills an empty slot, leaves a filled one.
pub(super) fn keep<T>(slot: &mut Option<T>, found: Option<T>) {
    if slot.is_none() {
        *slot = found;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_off_the_globe_or_at_its_origin_are_none() {
        for (latitude, longitude) in [(0.0, 0.0), (90.5, 1.0), (1.0, -180.5), (f64::NAN, 1.0), (1.0, f64::INFINITY)] {
            assert_eq!(Place::new(latitude, longitude), None);
        }
        assert!(Place::new(0.0, -0.5).is_some());
    }
}
