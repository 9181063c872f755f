//! Floor 7: the kernel's side. The only user of fuser.
//!
//! Guarantees: every callback answers; a panic in one is EIO for its caller and nothing else; the kernel is
//! notified from one thread that holds no lock (I9); a live name is expired, never invalidated.

mod adapter;
mod convert;
mod dying;
mod invalidator;
mod notices;
mod session;

pub use session::{MountError, MountSettings, Mounted, is_mounted, is_stale, mount, unmount};
