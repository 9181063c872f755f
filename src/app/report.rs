//! What a running engine says of itself.

use super::engine::Engine;
use crate::base::calendar::rfc3339;
use crate::control::{AccountStatus, CacheStatus, HeldStatus, Live, MountStatus, SessionWord, Status, collect_status};
use crate::store::StoreResult;
use std::path::PathBuf;
use std::sync::Arc;

/// Collects the status of a mounted engine.
pub(super) struct Reporter {
    engine: Arc<Engine>,
    dir: PathBuf,
    since: String,
}

impl Reporter {
    pub(super) fn new(engine: Arc<Engine>, dir: PathBuf) -> Self {
        let since = rfc3339(engine.clock.now());
        Self { engine, dir, since }
    }

    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// # Errors
    /// Where the store cannot be read.
    pub(super) fn status(&self) -> StoreResult<Status> {
        let engine = &self.engine;
        let usage = engine.cache.usage();
        let session = if engine.account.is_expired() { SessionWord::Expired } else { SessionWord::Ok };
        let live = Live {
            account: AccountStatus { email: engine.email.clone(), endpoint: engine.endpoint.clone(), session },
            mount: Some(MountStatus {
                dir: self.dir.display().to_string(),
                pid: std::process::id(),
                since: self.since.clone(),
            }),
            pull_error: engine.sync.last_error(),
            sent: engine.uploader.progress().sent,
            held: engine
                .uploader
                .hold()
                .map(|hold| HeldStatus { reason: hold.word().into(), until: hold.until().map(rfc3339) }),
            cache: CacheStatus { bytes: usage.bytes, budget: usage.budget },
            now: engine.clock.now(),
        };
        engine.store().read(|rows| collect_status(rows, live))
    }

    /// The same for whoever looks at the mount next: what it tells of shows there already.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub(super) fn status_as_shown(&self) -> StoreResult<Status> {
        let status = self.status()?;
        self.engine.namespace.wait_until_shown();
        Ok(status)
    }
}
