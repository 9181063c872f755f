//! What a photo library exported by Google Takeout, or by Ente itself, says beside its photos: JSON sidecars, and
//! which photo each belongs to (semantics 2.13; protocol notes, data 3.11).
//!
//! Guarantees: pure; a sidecar that is none is `None`, never an error; what is read is within the limits of Ente's
//! clients. Assumes that a sidecar lies in its photo's directory, or in a directory `metadata` there.

mod names;
mod sidecar;

pub use names::{METADATA, media_names, sidecar_key, sidecar_keys};
pub use sidecar::{LONGEST, Sidecar, read_album_title, read_sidecar};
