//! The one thread that notifies the kernel (I9). It holds no lock, and no callback ever waits for it.

use super::notices::Notices;
use crate::namespace::{Invalidation, Namespace};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// What the thread needs.
pub(super) struct Invalidator {
    pub(super) notices: Notices,
    pub(super) namespace: Arc<Namespace>,
    /// Without it names that changed live until their TTL, which is short then.
    pub(super) can_expire: bool,
}

/// Starts the thread; it ends when the sender is dropped.
pub(super) fn spawn_invalidator(invalidator: Invalidator) -> io::Result<(Sender<Vec<Invalidation>>, JoinHandle<()>)> {
    let (sender, receiver) = channel();
    let thread = std::thread::Builder::new().name("invalidator".into()).spawn(move || invalidator.run(&receiver))?;
    Ok((sender, thread))
}

impl Invalidator {
    fn run(mut self, receiver: &Receiver<Vec<Invalidation>>) {
        for invalidation in receiver.iter().flatten() {
            if let Err(error) = self.notify(&invalidation) {
                tracing::debug!(%error, "a notice did not reach the kernel");
            }
        }
    }

    fn notify(&mut self, invalidation: &Invalidation) -> io::Result<()> {
        match invalidation {
            // It may have come back since: a live name must not be detached.
            Invalidation::Gone { dir, name } if self.namespace.lookup(*dir, name).ok().flatten().is_none() => {
                self.notices.forget_name(dir.0, name)
            }
            Invalidation::Gone { dir, name } | Invalidation::Changed { dir, name } if self.can_expire => {
                self.notices.expire_name(dir.0, name)
            }
            Invalidation::Gone { .. } | Invalidation::Changed { .. } => Ok(()),
            Invalidation::Attr { ino } => self.notices.forget_attributes(ino.0),
        }
    }
}
