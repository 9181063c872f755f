//! `STATUS.txt` and `.entefs/`: made when they are asked for.

use crate::tree::FixedPlace;
use std::sync::Arc;

/// Who writes the generated files. Called from callbacks: answers from memory or the database, never waits.
pub trait Texts: Send + Sync {
    /// The text of a generated place as it is now; the same for about a second, so that size and content agree.
    fn text(&self, place: FixedPlace) -> Arc<[u8]>;
}
