//! What every request sees of the server.

use super::connection::Cutters;
use super::database::Database;
use super::faults::Faults;
use super::limits::RateLimits;
use super::objects::ObjectStore;
use super::presign::Presigner;
use crate::base::Clock;
use crate::base::sync::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Told each e-mail address and the code that would have been mailed to it.
pub type CodeReporter = Arc<dyn Fn(&str, &str) + Send + Sync>;

pub(super) struct Shared {
    pub(super) database: Database,
    pub(super) objects: ObjectStore,
    pub(super) presigner: Presigner,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: RateLimits,
    pub(super) faults: Faults,
    pub(super) counts: RequestCounts,
    pub(super) cutters: Cutters,
    pub(super) code: Option<String>,
    pub(super) report_code: CodeReporter,
    /// Bytes a new account may store.
    pub(super) quota: u64,
    /// For requests that name no host.
    pub(super) base_url: String,
}

/// How often each route was asked, by method and pattern: `GET /files/download/{id}`.
#[derive(Default)]
pub(super) struct RequestCounts(Mutex<BTreeMap<String, u64>>);

impl RequestCounts {
    pub(super) fn count(&self, method: &str, route: &str) {
        let key = format!("{method} {route}");
        *self.0.lock().entry(key).or_default() += 1;
    }

    pub(super) fn get(&self) -> BTreeMap<String, u64> {
        self.0.lock().clone()
    }

    pub(super) fn reset(&self) {
        self.0.lock().clear();
    }
}
