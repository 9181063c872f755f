//! Floor 5: the write path after the drop.
//!
//! Guarantees: every step is a row, done when its transaction is, and can be resumed; what the network is about to
//! see is durable before; a request that makes a photo is sent unchanged until its outcome is known (I15); a key
//! and header seal one plaintext (I3); bad items stop nothing else.
//!
//! Assumes that a frozen spool file never changes (I2) and that one process works on the rows.

mod adopt;
mod albums;
mod answers;
mod finish;
mod hash;
mod hold;
pub mod isolate;
mod janitor;
mod lanes;
mod link;
mod opened;
mod pair;
mod parts;
mod prepare;
mod recall;
pub mod record;
mod register;
mod retry;
mod seal;
mod settle;
mod sidecar;
mod step;
mod transfer;
mod worker;

pub use adopt::{Adoption, adopt_spool};
pub use albums::{AlbumMaker, AlbumMakingError};
pub use answers::{Answer, Call, back_off, on_answer};
pub use finish::{Registration, apply_registration};
pub use hash::find_known;
pub use hold::{Hold, MeteredFlag};
pub use parts::{Prepared, Told, Transfer, encode_told};
pub use retry::retry_parked;
pub use sidecar::favor;
pub use step::StepError;
pub use worker::{Progress, Uploader, UploaderOptions, UploaderParts};

use crate::remote::RemoteError;
use async_trait::async_trait;
use std::time::Instant;

/// Looks at what the server has now. `sync` does it; `upload` asks for it before it registers, and when an answer
/// leaves doubt.
#[async_trait]
pub trait Pull: Send + Sync {
    /// Returns once a pull that began after `moment` is complete. Calls that meet share one.
    ///
    /// # Errors
    /// Why the server could not be asked.
    async fn pull_since(&self, moment: Instant) -> Result<(), RemoteError>;

    /// A pull that looks back as well: a change may have an earlier stamp than one that was seen before it (protocol
    /// notes, data 7.3). For whoever would act on not finding something.
    ///
    /// # Errors
    /// Why the server could not be asked.
    async fn pull_closely(&self) -> Result<(), RemoteError>;
}
