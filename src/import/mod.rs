//! Floor 6: archives and folders of photos, handed to the upload path (semantics 2.13, command line `import`).
//!
//! Guarantees: all sources given at once are one set, whose sidecars may lie in other archives than their photos; they
//! are read where they lie, in order, and nothing of them is written to disk in clear; what Ente has already is
//! linked without being staged; everything else goes into the spool, encrypted, a bounded number of bytes at a time.
//! What was handed over is a row, so an import that was cut off goes on where it was when it is begun again.
//!
//! Assumes that the sources do not change meanwhile, and that one import at a time works on them.

mod catalog;
mod error;
mod feed;
mod plan;
mod sources;

pub use error::ImportError;
pub use feed::{Feed, Progress, Report};
pub use plan::{Choice, Plan, Skipped, Why, plan_import};
pub use sources::Sources;
