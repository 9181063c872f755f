//! Page-aligned buffers, reused. The allocator puts every large buffer at page offset 0x10, where a copy between
//! kernel and program runs at a sixth of its speed on AMD Zen 3; and fresh pages cost a fault each.

use super::sync::Mutex;
use std::ops::{Deref, DerefMut};

const PAGE: usize = 4096;
/// Buffers of this length take huge pages where the kernel has them: two faults instead of a thousand.
const HUGE: usize = 2 << 20;

/// A buffer that begins on a page border.
pub struct PageBuf {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl PageBuf {
    /// `len` bytes of zeros.
    pub fn zeroed(len: usize) -> Self {
        let border = if len >= HUGE { HUGE } else { PAGE };
        let bytes = vec![0; len + border];
        // Misaligned at worst: `align_offset` may give up in theory, and correctness does not hang on it.
        let start = Some(bytes.as_ptr().align_offset(border)).filter(|at| *at < border).unwrap_or(0);
        if len >= HUGE {
            ask_for_huge_pages(&bytes[start..start + len]);
        }
        Self { bytes, start, len }
    }
}

/// A hint; where the kernel has none, or has its own mind, nothing changes.
fn ask_for_huge_pages(bytes: &[u8]) {
    let whole = bytes.len() / HUGE * HUGE;
    // SAFETY: the range is memory that `bytes` borrows, and this advice leaves its content as it is.
    let _ = unsafe { libc::madvise(bytes.as_ptr().cast_mut().cast(), whole, libc::MADV_HUGEPAGE) };
}

impl Deref for PageBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }
}

impl DerefMut for PageBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

impl AsRef<[u8]> for PageBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// Buffers of one size. Their content is what the last user left: whoever takes one overwrites what it shows.
pub struct PagePool {
    len: usize,
    keep: usize,
    free: Mutex<Vec<PageBuf>>,
}

impl PagePool {
    /// Buffers of `len` bytes, of which `keep` are held when nobody uses them.
    pub const fn new(len: usize, keep: usize) -> Self {
        Self { len, keep, free: Mutex::new(Vec::new()) }
    }

    /// A buffer with unspecified content, and back to the pool when dropped.
    pub fn take(&self) -> Pooled<'_> {
        let buf = self.take_buf();
        Pooled { pool: self, buf: Some(buf) }
    }

    /// A buffer with unspecified content, to be given back by [`Self::put_back`].
    pub fn take_buf(&self) -> PageBuf {
        let kept = self.free.lock().pop();
        kept.unwrap_or_else(|| PageBuf::zeroed(self.len))
    }

    /// Keeps a buffer of this pool for the next who takes one.
    pub fn put_back(&self, buf: PageBuf) {
        let mut free = self.free.lock();
        if free.len() < self.keep {
            free.push(buf);
        }
    }
}

/// A buffer on loan.
pub struct Pooled<'a> {
    pool: &'a PagePool,
    buf: Option<PageBuf>,
}

impl Deref for Pooled<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.buf.as_ref().expect("held until dropped")
    }
}

impl DerefMut for Pooled<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.buf.as_mut().expect("held until dropped")
    }
}

impl AsRef<[u8]> for Pooled<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Pooled<'_> {
    fn drop(&mut self) {
        if let Some(buf) = self.buf.take() {
            self.pool.put_back(buf);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_buffer_begins_on_a_page() {
        let pool = PagePool::new(200_000, 1);
        for _ in 0..3 {
            let (one, two) = (pool.take(), pool.take());
            for buf in [&one, &two] {
                assert_eq!((buf.as_ptr() as usize % PAGE, buf.len()), (0, 200_000));
            }
        }
        assert_eq!(pool.free.lock().len(), 1);
        let mut large = PageBuf::zeroed(2 * HUGE + 17);
        assert_eq!((large.as_ptr() as usize % HUGE, large.len()), (0, 2 * HUGE + 17));
        assert!(large.iter().all(|byte| *byte == 0));
        large.fill(1);
    }
}
