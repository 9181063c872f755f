//! The formats this module can tell apart. What cannot be told apart further is one of the two `Other…`.

/// What Ente files a media file under (protocol notes, data 3.9).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MediaKind {
    Image,
    Video,
}

/// A container or encoding, as far as anything here treats it differently.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Format {
    Jpeg,
    Png,
    WebP,
    Gif,
    Tiff,
    Bmp,
    Heif,
    Avif,
    Cr2,
    Cr3,
    Nef,
    Arw,
    Dng,
    Raf,
    Orf,
    Rw2,
    OtherImage,
    Mov,
    Mp4,
    M4v,
    ThreeGp,
    Matroska,
    WebM,
    Avi,
    MpegPs,
    MpegTs,
    OtherVideo,
}

/// How a format's metadata is laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Layout {
    Jpeg,
    Png,
    Riff,
    Gif,
    Bmp,
    /// A chain of directories with the photo's EXIF in it: TIFF and most RAW formats.
    Tiff,
    /// Fuji's RAW: a header that points at a JPEG.
    Raf,
    /// Boxes with an item list: HEIF and AVIF.
    Items,
    /// Boxes with directories in them: Canon's CR3.
    Cr3,
    /// Boxes with tracks: MOV, MP4, 3GP.
    Movie,
    Ebml,
    Opaque,
}

impl Format {
    /// In the order of their numbers on the wire of [`super::job`]; only ever appended to.
    pub(super) const ALL: [Self; 27] = [
        Self::Jpeg,
        Self::Png,
        Self::WebP,
        Self::Gif,
        Self::Tiff,
        Self::Bmp,
        Self::Heif,
        Self::Avif,
        Self::Cr2,
        Self::Cr3,
        Self::Nef,
        Self::Arw,
        Self::Dng,
        Self::Raf,
        Self::Orf,
        Self::Rw2,
        Self::OtherImage,
        Self::Mov,
        Self::Mp4,
        Self::M4v,
        Self::ThreeGp,
        Self::Matroska,
        Self::WebM,
        Self::Avi,
        Self::MpegPs,
        Self::MpegTs,
        Self::OtherVideo,
    ];

    pub fn kind(self) -> MediaKind {
        match self {
            Self::Mov
            | Self::Mp4
            | Self::M4v
            | Self::ThreeGp
            | Self::Matroska
            | Self::WebM
            | Self::Avi
            | Self::MpegPs
            | Self::MpegTs
            | Self::OtherVideo => MediaKind::Video,
            _ => MediaKind::Image,
        }
    }

    /// Sensor data of a camera, which only a raw developer turns into a picture.
    pub fn is_raw(self) -> bool {
        use Format::{Arw, Cr2, Cr3, Dng, Nef, Orf, Raf, Rw2};
        matches!(self, Cr2 | Cr3 | Nef | Arw | Dng | Raf | Orf | Rw2)
    }

    pub(super) fn layout(self) -> Layout {
        match self {
            Self::Jpeg => Layout::Jpeg,
            Self::Png => Layout::Png,
            Self::WebP | Self::Avi => Layout::Riff,
            Self::Gif => Layout::Gif,
            Self::Bmp => Layout::Bmp,
            Self::Tiff | Self::Cr2 | Self::Nef | Self::Arw | Self::Dng | Self::Orf | Self::Rw2 => Layout::Tiff,
            Self::Raf => Layout::Raf,
            Self::Heif | Self::Avif => Layout::Items,
            Self::Cr3 => Layout::Cr3,
            Self::Mov | Self::Mp4 | Self::M4v | Self::ThreeGp => Layout::Movie,
            Self::Matroska | Self::WebM => Layout::Ebml,
            Self::OtherImage | Self::MpegPs | Self::MpegTs | Self::OtherVideo => Layout::Opaque,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_stands_once_in_the_list_and_in_its_order() {
        for (at, format) in Format::ALL.into_iter().enumerate() {
            assert_eq!(format as usize, at);
        }
        assert_eq!(Format::OtherVideo as usize + 1, Format::ALL.len());
    }
}
