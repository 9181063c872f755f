//! Floor 5: what the server has, here; what was changed here, there.
//!
//! Guarantees: a cursor comes from the server and moves in the transaction of the rows it covers (I5); a record that
//! cannot be opened is counted and stops nothing; pulls are serialised, pushes go out in order for each photo; a
//! change that the server refuses reverts the view and says why.

mod album;
mod apply;
mod halves;
mod order;
mod photo;
mod pull;
mod push;
mod trash;
mod worker;

pub use pull::{PullProgress, Reach, Sync, SyncError, SyncParts};
pub use worker::SyncOptions;
