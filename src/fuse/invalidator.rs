//! The one thread that notifies the kernel (I9). It holds no lock, and no callback ever waits for it.

use crate::namespace::{Invalidation, Namespace};
use fuser::{INodeNo, Notifier};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// `FUSE_NOTIFY_INVAL_ENTRY` with `FUSE_EXPIRE_ONLY` (Linux 6.2): the next lookup asks again, nothing that is
/// open is detached. fuser has no call for it.
const NOTIFY_INVAL_ENTRY: i32 = 3;
const EXPIRE_ONLY: u32 = 1;

/// What the thread needs.
pub(super) struct Invalidator {
    pub(super) notifier: Notifier,
    /// The connection to the kernel, for what fuser cannot send.
    pub(super) kernel: OwnedFd,
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
    fn run(self, receiver: &Receiver<Vec<Invalidation>>) {
        let mut kernel = match self.kernel.try_clone() {
            Ok(kernel) => File::from(kernel),
            Err(error) => return tracing::error!(%error, "the kernel cannot be notified"),
        };
        for invalidation in receiver.iter().flatten() {
            if let Err(error) = self.notify(&mut kernel, &invalidation) {
                tracing::debug!(%error, "a notice did not reach the kernel");
            }
        }
    }

    fn notify(&self, kernel: &mut File, invalidation: &Invalidation) -> io::Result<()> {
        match invalidation {
            Invalidation::Gone { dir, name } => {
                // It may have come back since: a live name must not be detached.
                let live = self.namespace.lookup(*dir, name).ok().flatten().is_some();
                if live {
                    return self.expire(kernel, dir.0, name);
                }
                self.notifier.inval_entry(INodeNo(dir.0), OsStr::from_bytes(name))
            }
            Invalidation::Changed { dir, name } => self.expire(kernel, dir.0, name),
            // A negative offset: attributes only, no page is waited for.
            Invalidation::Attr { ino } => self.notifier.inval_inode(INodeNo(ino.0), -1, 0),
        }
    }

    fn expire(&self, kernel: &mut File, dir: u64, name: &[u8]) -> io::Result<()> {
        if !self.can_expire {
            return Ok(());
        }
        match kernel.write(&expire_message(dir, name)) {
            // Not cached: nothing to expire.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

/// `fuse_out_header`, then `fuse_notify_inval_entry_out`, then the name and a NUL; native byte order.
fn expire_message(dir: u64, name: &[u8]) -> Vec<u8> {
    let len = (16 + 16 + name.len() + 1) as u32;
    let mut message = Vec::with_capacity(len as usize);
    message.extend_from_slice(&len.to_ne_bytes());
    message.extend_from_slice(&NOTIFY_INVAL_ENTRY.to_ne_bytes());
    message.extend_from_slice(&0_u64.to_ne_bytes());
    message.extend_from_slice(&dir.to_ne_bytes());
    message.extend_from_slice(&(name.len() as u32).to_ne_bytes());
    message.extend_from_slice(&EXPIRE_ONLY.to_ne_bytes());
    message.extend_from_slice(name);
    message.push(0);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_as_long_as_it_says() {
        let message = expire_message(7, b"a.jpg");
        assert_eq!(message.len(), 38);
        assert_eq!(message[..4], 38_u32.to_ne_bytes());
        assert_eq!(&message[32..], b"a.jpg\0");
    }
}
