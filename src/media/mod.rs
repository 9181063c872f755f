//! Floor 1: what a file is, whether all of it is there, what it says of itself, and a thumbnail of it.
//!
//! Guarantees: pure functions over bytes ([`crate::base::ReadAt`]), best effort; no panic, no endless loop, and
//! neither reads nor allocations beyond stated limits, whatever the bytes are. Decoders are foreign code all the
//! same: [`job`] lets a child process run them, fed with byte ranges, so that plaintext needs no file on disk.
//!
//! Containers are walked by parsers of our own because the bytes come in ranges from an encrypted file: they hop to
//! the few places that matter, where libraries for streams read all that stands before them, and the walk also tells
//! whether the file is whole. What lies there, directories of tags and XML, libraries read.

mod bmff;
mod complete;
mod date;
mod ebml;
mod exif;
mod findings;
mod format;
mod frame;
mod heif;
#[cfg(test)]
mod hostile;
mod ifd;
mod iptc;
pub mod job;
mod jpeg;
mod landscape;
pub mod live;
mod motion;
mod movie;
mod orientation;
mod png;
mod preview;
mod probe;
mod raw;
mod riff;
mod sniff;
mod source;
pub mod takeout;
#[cfg(test)]
mod testing;
mod thumbnail;
mod xmp;

pub use complete::{Completeness, Flaw, looks_complete};
pub use date::{Zone, local_time};
pub use findings::{Place, Size};
pub use format::{Format, MediaKind};
pub use frame::{Told, demuxers, opening, thumbnail_of_frame};
pub use landscape::landscape;
pub use orientation::Orientation;
pub use probe::{Circumstances, DateSource, Facts, probe};
pub use sniff::{HEAD, Sniffed, sniff};
pub use thumbnail::{Thumbnail, ThumbnailError, ThumbnailLimits, stand_in, thumbnail};
