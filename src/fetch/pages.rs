//! Buffers at page borders: a copy between kernel and a buffer at page offset 0x10, where malloc puts large
//! ones, is six times slower on some processors (facts of FUSE, 1).

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

const PAGE: usize = 4096;

/// Bytes that begin at a page border.
pub struct PageBuf {
    pages: NonNull<u8>,
    len: usize,
}

impl PageBuf {
    /// `len` zeros.
    pub fn zeroed(len: usize) -> Self {
        // SAFETY: the layout has a size that is not zero.
        let pages = unsafe { alloc_zeroed(Self::layout(len)) };
        let pages = NonNull::new(pages).unwrap_or_else(|| handle_alloc_error(Self::layout(len)));
        Self { pages, len }
    }

    fn layout(len: usize) -> Layout {
        Layout::from_size_align(len.max(1), PAGE).expect("a length that memory can hold")
    }
}

impl Deref for PageBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `pages` points to `len` initialised bytes that this value owns.
        unsafe { std::slice::from_raw_parts(self.pages.as_ptr(), self.len) }
    }
}

impl DerefMut for PageBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.pages.as_ptr(), self.len) }
    }
}

impl Drop for PageBuf {
    fn drop(&mut self) {
        // SAFETY: allocated in `zeroed` with this very layout.
        unsafe { dealloc(self.pages.as_ptr(), Self::layout(self.len)) }
    }
}

// SAFETY: the memory belongs to this value alone.
unsafe impl Send for PageBuf {}
// SAFETY: shared references only read it.
unsafe impl Sync for PageBuf {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_begin_at_a_page_and_hold_what_is_put_in() {
        for len in [0, 1, 4096, 1 << 20] {
            let mut buf = PageBuf::zeroed(len);
            assert_eq!(buf.as_ptr() as usize % PAGE, 0);
            assert!(buf.iter().all(|&byte| byte == 0) && buf.len() == len);
            buf.fill(7);
            assert!(buf.iter().all(|&byte| byte == 7));
        }
    }
}
