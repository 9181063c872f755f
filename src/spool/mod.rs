//! Floor 3: bytes on their way in.
//!
//! Guarantees: a file's name is durable before the file is handed out, so that its first commit is all a close waits
//! for; a file found here says with the device key alone what photo it is (I17); once sealed its content cannot
//! change (I2); nothing readable is at rest (I16), in names neither.
//!
//! Assumes: one process at a time has the directory (the lock on the state directory sees to it); a local filesystem
//! whose `fsync` means it. Rows of the database that name files here are the caller's: a file goes first, its row
//! after [`Spool::sync_removals`].

mod dir;
mod error;
mod file;
mod open;
mod pool;
mod room;
#[allow(clippy::module_inception)] // The folder is the floor's name, the type is the field's word.
mod spool;
#[cfg(test)]
mod tests;

pub use error::SpoolError;
pub use file::SpoolFile;
pub use pool::PoolSize;
pub use spool::{Found, Spool, SpoolOptions, Swept, SweptState};
