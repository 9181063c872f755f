//! Floor 6: POSIX operations on what the lower floors keep. Knows no FUSE type; `fuse` is a table of short
//! callbacks on this.
//!
//! Guarantees: no operation here waits for the network, but a read of bytes that are not here, which is
//! returned as a future (I10); what a write accepted is in the spool, and durable when `flush`, `fsync` or the
//! rename away from a temporary name returned (I1); every refusal is an errno at once.
//!
//! Lock order: a file's state, then what the namespace locks, then the table of open files. A callback holds one
//! file's state at a time.

mod attr;
mod brake;
mod close;
mod create;
mod displace;
mod echo;
mod error;
mod generated;
mod handles;
mod journal;
mod link;
mod local;
mod lookup;
mod naming;
mod open;
mod read;
mod remove;
mod rename;
mod trash;
mod version;
mod write;
mod xattr;

pub use attr::AttrChange;
pub use create::Maker;
pub use error::{Loudness, VfsError, VfsResult};
pub use generated::Texts;
pub use lookup::{Found, SpaceView};
pub use open::Opened;
pub use read::{ReadStep, Reading};
pub use rename::RenameMode;
pub use xattr::XattrMode;

use crate::base::sync::{Bell, Mutex};
use crate::base::{Clock, Ino};
use crate::fetch::Fetch;
use crate::namespace::{Dirty, Namespace, Origin};
use crate::spool::Spool;
use crate::store::{Store, Tx};
use crate::tree::{DropRules, Previews, RemovalLimit};
use handles::Handles;
use local::{LocalFile, LocalFiles};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What a mount is told.
#[derive(Clone, Debug)]
pub struct VfsOptions {
    pub drops: DropRules,
    /// How long a file must stay as it is before it is sent; a drop may have its own.
    pub settle: Duration,
    pub read_only: bool,
    pub removal_limit: RemovalLimit,
    pub previews: Previews,
    /// `rm` in `Uncategorized/` and `mv` into `Trash/` reach Ente's trash (semantics 4.2).
    pub allow_trash: bool,
}

/// Who is rung when there is work.
#[derive(Clone, Default)]
pub struct Bells {
    /// An upload's row changed.
    pub uploads: Bell,
    /// A change to the account was made.
    pub ops: Bell,
    /// The brake holds removals back from now on.
    pub brake: Bell,
    /// A directory was asked for that is not pulled completely.
    pub pull: Bell,
    /// A file was closed, and the store did not take it.
    pub unsettled: Bell,
}

/// The filesystem.
pub struct Vfs {
    namespace: Arc<Namespace>,
    spool: Arc<Spool>,
    fetch: Arc<Fetch>,
    clock: Arc<dyn Clock>,
    options: VfsOptions,
    bells: Bells,
    texts: Box<dyn Texts>,
    files: LocalFiles,
    handles: Handles,
    /// Closed, and not settled yet; each has a handle.
    unsettled: Mutex<HashMap<Ino, Arc<LocalFile>>>,
    echoes: echo::Echoes,
}

/// What a [`Vfs`] works on.
pub struct VfsParts {
    pub namespace: Arc<Namespace>,
    pub spool: Arc<Spool>,
    pub fetch: Arc<Fetch>,
    pub clock: Arc<dyn Clock>,
    pub options: VfsOptions,
    pub bells: Bells,
    pub texts: Box<dyn Texts>,
}

impl Vfs {
    pub fn new(parts: VfsParts) -> Self {
        let VfsParts { namespace, spool, fetch, clock, options, bells, texts } = parts;
        Self {
            namespace,
            spool,
            fetch,
            clock,
            options,
            bells,
            texts,
            files: LocalFiles::default(),
            handles: Handles::default(),
            unsettled: Mutex::default(),
            echoes: echo::Echoes::default(),
        }
    }

    pub fn namespace(&self) -> &Arc<Namespace> {
        &self.namespace
    }

    fn store(&self) -> &Store {
        self.namespace.store()
    }

    /// A change that the kernel asked for under these names.
    fn commit<T>(
        &self,
        names: &[(Ino, &[u8])],
        ino: Option<Ino>,
        change: impl FnOnce(&Tx<'_>, &mut Dirty) -> Result<T, VfsError>,
    ) -> VfsResult<T> {
        self.namespace.commit(Origin::Kernel { names, ino }, change)
    }

    fn check_writable(&self) -> VfsResult<()> {
        if self.options.read_only { Err(VfsError::ReadOnly) } else { Ok(()) }
    }
}
