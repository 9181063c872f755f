//! The disk under a sealed file: a real file, or in tests one that loses power.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt};

use rustix::fs::{Advice, FallocateFlags, SeekFrom};
use rustix::io::{Errno, ReadWriteFlags};

/// What a sealed file needs of the disk. Offsets and lengths are bytes of the file on disk. Writes are durable when
/// [`Self::sync_data`] has returned `Ok`, in any order and in part before that; after it failed, nothing is known.
pub trait Disk: Send + Sync {
    /// Fills as much of `buf` as there is; 0 at the end.
    ///
    /// # Errors
    /// What the disk says.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// As [`Self::read_at`] where that need not wait for the disk: all of `buf`, or nothing.
    ///
    /// # Errors
    /// `WouldBlock` where any of it is not in memory; what the disk says.
    fn read_resident(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let _ = (offset, buf);
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Fills the buffers one after the other from `offset` on, as far as there is something to read.
    ///
    /// # Errors
    /// What the disk says.
    fn read_scattered(&self, mut offset: u64, bufs: &mut [IoSliceMut<'_>]) -> io::Result<()> {
        for buf in bufs {
            self.read_at(offset, buf)?;
            offset += buf.len() as u64;
        }
        Ok(())
    }

    /// Writes all of `data`.
    ///
    /// # Errors
    /// What the disk says; then any part of `data` may be written.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Makes what was written durable, with the length needed to read it back.
    ///
    /// # Errors
    /// What the disk says. The kernel forgets then what it could not write: a later success promises nothing of it.
    fn sync_data(&self) -> io::Result<()>;

    /// Cuts or extends the file.
    ///
    /// # Errors
    /// What the disk says.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// The length in bytes, holes counted.
    ///
    /// # Errors
    /// What the disk says.
    fn size(&self) -> io::Result<u64>;

    /// Gives the space of a range back; it reads as zeros.
    ///
    /// # Errors
    /// What the disk says; `Unsupported` where the filesystem has no holes.
    fn punch(&self, range: Range<u64>) -> io::Result<()>;

    /// Bytes taken on the disk.
    ///
    /// # Errors
    /// What the disk says.
    fn allocated(&self) -> io::Result<u64>;

    /// A hint: begin to write this range out, so that the next sync has less to wait for.
    fn start_writeback(&self, range: Range<u64>);

    /// A hint: this range is read soon.
    fn will_read(&self, range: Range<u64>);
}

/// A file of the local filesystem.
pub struct FileDisk(File);

impl FileDisk {
    pub fn new(file: File) -> Self {
        Self(file)
    }

    /// The ranges that are not holes, in order. What lies between reads as zeros.
    ///
    /// # Errors
    /// What the disk says.
    pub fn data_ranges(&self) -> io::Result<Vec<Range<u64>>> {
        let mut ranges = Vec::new();
        let mut at = 0;
        loop {
            let start = match rustix::fs::seek(&self.0, SeekFrom::Data(at)) {
                Ok(start) => start,
                Err(Errno::NXIO) => return Ok(ranges),
                Err(error) => return Err(error.into()),
            };
            at = rustix::fs::seek(&self.0, SeekFrom::Hole(start))?;
            ranges.push(start..at);
        }
    }
}

impl AsFd for FileDisk {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Disk for FileDisk {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match FileExt::read_at(&self.0, &mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn read_resident(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let wanted = buf.len();
        let read = rustix::io::preadv2(&self.0, &mut [IoSliceMut::new(buf)], offset, ReadWriteFlags::NOWAIT)?;
        if read == wanted { Ok(read) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    fn read_scattered(&self, mut offset: u64, bufs: &mut [IoSliceMut<'_>]) -> io::Result<()> {
        let wanted: usize = bufs.iter().map(|buf| buf.len()).sum();
        let read = rustix::io::retry_on_intr(|| rustix::io::preadv(&self.0, bufs, offset))?;
        if read < wanted {
            // Short: a signal, or the end of the file. Once more, piece by piece, tells which.
            for buf in bufs {
                Disk::read_at(self, offset, buf)?;
                offset += buf.len() as u64;
            }
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn punch(&self, range: Range<u64>) -> io::Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&self.0, flags, range.start, range.end - range.start) {
            Err(Errno::OPNOTSUPP) => Err(io::ErrorKind::Unsupported.into()),
            result => Ok(result?),
        }
    }

    fn allocated(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.blocks() * 512)
    }

    fn start_writeback(&self, range: Range<u64>) {
        let (Ok(offset), Ok(len)) = (i64::try_from(range.start), i64::try_from(range.end - range.start)) else {
            return;
        };
        // SAFETY: the descriptor is open as long as `self`, and no memory is passed. A failure loses a hint only:
        // what could not be written is reported by the next sync.
        unsafe {
            libc::sync_file_range(self.0.as_raw_fd(), offset, len, libc::SYNC_FILE_RANGE_WRITE);
        }
    }

    fn will_read(&self, range: Range<u64>) {
        let len = std::num::NonZeroU64::new(range.end - range.start);
        // A lost hint costs time only.
        let _ = rustix::fs::fadvise(&self.0, range.start, len, Advice::WillNeed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_read_as_zeros_and_take_no_room() {
        let disk = FileDisk::new(tempfile::tempfile().unwrap());
        disk.write_at(1 << 20, &[7; 8192]).unwrap();
        let mut resident = [0; 8192];
        assert_eq!(disk.read_resident(1 << 20, &mut resident).unwrap(), 8192, "it was just written");
        assert!(resident == [7; 8192] && disk.read_resident((1 << 20) + 1, &mut resident).is_err());
        let ranges = disk.data_ranges().unwrap();
        assert_eq!((ranges.len(), &ranges[0]), (1, &((1 << 20)..(1 << 20) + 8192)));
        disk.punch((1 << 20)..(1 << 20) + 4096).unwrap();
        let (mut one, mut two) = ([1; 4096], [1; 8192]);
        let mut bufs = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
        disk.read_scattered(1 << 20, &mut bufs).unwrap();
        assert!(one == [0; 4096] && two[..4096] == [7; 4096]);
        assert_eq!(two[4096..], [1; 4096], "beyond the end nothing is touched");
        assert_eq!((disk.size().unwrap(), disk.allocated().unwrap()), ((1 << 20) + 8192, 4096));
    }
}
