//! entefs mounts Ente Photos, the end-to-end encrypted photo backup, as a writable filesystem.
//!
//! The floors of the house, from the ground up, are drawn in `docs/ARCHITECTURE.md`; imports go down only.

pub mod base;
pub mod crypto;
pub mod media;
pub mod remote;
pub mod upload;
pub mod wire;
