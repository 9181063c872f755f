//! entefs mounts Ente Photos, the end-to-end encrypted photo backup, as a writable filesystem.
//!
//! The floors of the house, from the ground up, are drawn in `docs/ARCHITECTURE.md`; imports go down only.

pub mod account;
pub mod app;
pub mod base;
pub mod cache;
pub mod cli;
pub mod control;
pub mod crypto;
pub mod embedded;
pub mod fetch;
pub mod fuse;
pub mod import;
pub mod media;
pub mod namespace;
pub mod remote;
pub mod spool;
pub mod store;
pub mod sync;
pub mod tree;
pub mod upload;
pub mod vault;
pub mod vfs;
pub mod wire;
