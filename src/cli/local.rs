//! What a command can see without a mount: the same database, read on the spot.

use crate::account::{AccountDir, AccountError};
use crate::app::{Failure, Paths};
use crate::base::{Clock, SystemClock};
use crate::cli::status::account_of;
use crate::control::{Live, Status, collect_status};
use crate::namespace::{Defaults, Namespace};
use crate::store::{Store, StoreError};
use std::sync::Arc;

/// The state directory as it lies there.
pub(super) struct Local {
    account: AccountDir,
    email: String,
    endpoint: String,
    store: Arc<Store>,
}

impl Local {
    /// `None` where nothing was ever mounted.
    ///
    /// # Errors
    /// Where nobody is logged in, or what is there cannot be opened.
    pub(super) fn open(paths: &Paths) -> Result<Option<Self>, Failure> {
        let account = AccountDir::new(&paths.state);
        let opened = account.read().map_err(|error: AccountError| Failure::account("log-in", &error))?;
        match Store::open_existing(&paths.state, &opened.device) {
            Ok(store) => {
                let (email, endpoint) = (opened.session.email.clone(), opened.session.endpoint.clone());
                Ok(Some(Self { account, email, endpoint, store: Arc::new(store) }))
            }
            Err(StoreError::Absent(_)) => Ok(None),
            Err(error) => Err(Failure::store("database", &error)),
        }
    }

    pub(super) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    pub(super) fn status(&self) -> Result<Status, Failure> {
        let account = account_of(&self.account, &self.email, &self.endpoint);
        let live = Live::unmounted(account, SystemClock.now());
        self.store.read(|rows| collect_status(rows, live)).map_err(|error| Failure::store("status", &error))
    }

    /// The tree, for looking paths up.
    pub(super) fn namespace(&self) -> Namespace {
        Namespace::new(Arc::clone(&self.store), Defaults::new(0, 0, 0, SystemClock.now_nanos()))
    }
}
