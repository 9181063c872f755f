//! Live photos: a still and a clip in one zip (protocol notes, data 3.8).
//!
//! Guarantees: what is read of a zip is bounded by its own length, whatever its bytes are; a zip made here is a pure
//! function of its halves, so that it can be sealed twice without ever being staged (I3).
//!
//! Of the zip format only what a live photo needs is here. Libraries for it want a `Read + Seek` over all of the file;
//! this one's bytes come in verified ranges from the network, and go out of two spool files.

mod archive;
mod crc;
mod directory;
mod inflate;
#[cfg(test)]
mod tests;

pub use archive::{HalfFacts, LiveArchive};
pub use crc::Crc;
pub use directory::{ArchiveError, HalfEntry, Halves, LOCAL_HEADER, data_start, read_directory};
pub use inflate::{InflateError, Inflater};
