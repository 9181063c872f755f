//! Notices to the kernel, written by a thread that has nothing else in its hands.
//!
//! A notice about a name waits in the kernel for the directory's lock, which an operation may hold that is being
//! answered here, and nothing ends that wait: not even `kill -9`. As long as a thread of a killed process waits, the
//! files of the process stay open, its connection to the kernel among them; so the answer would never come, whoever
//! asked would hang, and everybody who comes near the directory. Hence the thread has a table of open files of its own
//! with nothing in it but a second connection: the first one is closed with the rest of the process, which fails what was
//! being answered, and the notice gets its lock.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, RawFd};
use std::sync::mpsc::{Receiver, Sender, channel};

/// `fuse_notify_code`; fuser has no call for the flag.
const INVAL_INODE: i32 = 2;
const INVAL_ENTRY: i32 = 3;
/// `FUSE_EXPIRE_ONLY` (Linux 6.2): the next lookup asks again, nothing that is open is detached.
const EXPIRE_ONLY: u32 = 1;
/// `FUSE_DEV_IOC_CLONE`, `_IOR(229, 0, uint32_t)`: what is opened belongs to the connection of the descriptor given.
const DEV_IOC_CLONE: u32 = 0x8004_e500;

/// To the thread that writes, and its answers.
pub(super) struct Notices {
    messages: Sender<Vec<u8>>,
    answers: Receiver<io::Result<()>>,
}

impl Notices {
    /// A second connection beside `kernel`, and its thread; it ends with what is returned.
    ///
    /// # Errors
    /// Where there can be no second connection, or no thread.
    pub(super) fn open(kernel: BorrowedFd<'_>) -> io::Result<Self> {
        let device = clone_connection(kernel)?;
        let number = device.as_raw_fd();
        let (messages, to_write) = channel();
        let (written, answers) = channel();
        std::thread::Builder::new().name("notices".into()).spawn(move || {
            let is_apart = own_nothing_but(number);
            // SAFETY: nobody else has it in this thread's table; in one that is shared it is given up below.
            let device = unsafe { File::from_raw_fd(number) };
            if written.send(is_apart).is_ok() {
                write_all(device, &to_write, &written);
            }
        })?;
        match answers.recv() {
            Ok(Ok(())) => drop(device),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the thread that notifies the kernel shares its open files");
                let _ = device.into_raw_fd();
            }
            Err(_) => return Err(gone()),
        }
        Ok(Self { messages, answers })
    }

    /// The name is gone: what the kernel knows of it is detached.
    pub(super) fn forget_name(&mut self, dir: u64, name: &[u8]) -> io::Result<()> {
        self.send(name_message(dir, name, 0))
    }

    /// The name may mean something else now.
    pub(super) fn expire_name(&mut self, dir: u64, name: &[u8]) -> io::Result<()> {
        self.send(name_message(dir, name, EXPIRE_ONLY))
    }

    pub(super) fn forget_attributes(&mut self, ino: u64) -> io::Result<()> {
        self.send(attributes_message(ino))
    }

    fn send(&mut self, message: Vec<u8>) -> io::Result<()> {
        self.messages.send(message).map_err(|_| gone())?;
        self.answers.recv().map_err(|_| gone())?
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that notifies the kernel has ended")
}

fn clone_connection(kernel: BorrowedFd<'_>) -> io::Result<File> {
    let device = File::options().read(true).write(true).open("/dev/fuse")?;
    let mut known = kernel.as_raw_fd() as u32;
    // SAFETY: the kernel reads 4 bytes, which live for the whole call.
    let cloned = unsafe { libc::ioctl(device.as_raw_fd(), DEV_IOC_CLONE as _, &raw mut known) };
    if cloned == 0 { Ok(device) } else { Err(io::Error::last_os_error()) }
}

/// Gives this thread a table of open files of its own, and closes all others in it.
fn own_nothing_but(kept: RawFd) -> io::Result<()> {
    let kept = u32::try_from(kept).map_err(io::Error::other)?;
    let below = kept.checked_sub(1).map(|last| (0, last));
    for (first, last) in std::iter::once((kept.saturating_add(1), u32::MAX)).chain(below) {
        // SAFETY: with its flag the first call makes the table this thread's own: what is closed stays open for everybody
        // else, and this thread uses nothing but `kept`.
        if unsafe { libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_UNSHARE) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

fn write_all(mut device: File, messages: &Receiver<Vec<u8>>, written: &Sender<io::Result<()>>) {
    for message in messages {
        if written.send(write(&mut device, &message)).is_err() {
            return;
        }
    }
}

fn write(device: &mut File, message: &[u8]) -> io::Result<()> {
    match device.write(message) {
        // Not cached: there is nothing to forget.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other.map(|_| ()),
    }
}

/// `fuse_out_header`, whose error is the code and whose unique is 0, then `body`; native byte order.
fn message(code: i32, body: &[&[u8]]) -> Vec<u8> {
    let len = 16 + body.iter().map(|part| part.len()).sum::<usize>();
    let mut message = Vec::with_capacity(len);
    message.extend_from_slice(&(len as u32).to_ne_bytes());
    message.extend_from_slice(&code.to_ne_bytes());
    message.extend_from_slice(&0_u64.to_ne_bytes());
    body.iter().for_each(|part| message.extend_from_slice(part));
    message
}

/// `fuse_notify_inval_entry_out`, then the name and a NUL.
fn name_message(dir: u64, name: &[u8], flags: u32) -> Vec<u8> {
    let len = (name.len() as u32).to_ne_bytes();
    message(INVAL_ENTRY, &[&dir.to_ne_bytes(), &len, &flags.to_ne_bytes(), name, &[0]])
}

/// `fuse_notify_inval_inode_out`. A negative offset: attributes only, no page is waited for.
fn attributes_message(ino: u64) -> Vec<u8> {
    message(INVAL_INODE, &[&ino.to_ne_bytes(), &(-1_i64).to_ne_bytes(), &0_i64.to_ne_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_as_long_as_it_says() {
        let name = name_message(7, b"a.jpg", EXPIRE_ONLY);
        assert_eq!(name.len(), 38);
        assert_eq!(name[..4], 38_u32.to_ne_bytes());
        assert_eq!(name[4..8], 3_i32.to_ne_bytes());
        assert_eq!(name[28..32], 1_u32.to_ne_bytes());
        assert_eq!(&name[32..], b"a.jpg\0");
        let attributes = attributes_message(9);
        assert_eq!((attributes.len(), &attributes[..4]), (40, &40_u32.to_ne_bytes()[..]));
        assert_eq!(attributes[16..24], 9_u64.to_ne_bytes());
    }
}
