//! The memory that unsealed blocks may take, shared by every open file of the mount.

use super::layout::BLOCK;
use crate::base::{PageBuf, PagePool};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Blocks kept when nobody writes: 16 MiB.
const KEPT: usize = 256;

/// How much is unsealed in the whole mount. It is never refused: who goes over it seals what is its own, so that it
/// is exceeded by the writes under way at most.
pub struct WriteBudget {
    limit: usize,
    used: AtomicUsize,
    pool: PagePool,
}

impl WriteBudget {
    /// What a mount has unless told otherwise.
    pub const DEFAULT_BYTES: usize = 64 << 20;

    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Arc<Self> {
        let limit = (bytes / BLOCK).max(1);
        Arc::new(Self { limit, used: AtomicUsize::new(0), pool: PagePool::new(BLOCK, limit.min(KEPT)) })
    }

    /// Bytes in unsealed blocks now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed) * BLOCK
    }

    pub(crate) fn is_over(&self) -> bool {
        self.used.load(Ordering::Relaxed) > self.limit
    }

    /// No file may hold more blocks than this, lest one idle file take the buffers from all others.
    pub(crate) fn share(&self) -> usize {
        self.limit.div_ceil(2)
    }

    /// A block with unspecified content.
    pub(crate) fn take(self: &Arc<Self>) -> BlockBuf {
        self.used.fetch_add(1, Ordering::Relaxed);
        BlockBuf { pages: Some(self.pool.take_buf()), budget: Arc::clone(self) }
    }

    /// A block of zeros.
    pub(crate) fn take_zeroed(self: &Arc<Self>) -> BlockBuf {
        let mut block = self.take();
        block.fill(0);
        block
    }
}

/// The plaintext of one block, counted in the budget until dropped.
pub(crate) struct BlockBuf {
    pages: Option<PageBuf>,
    budget: Arc<WriteBudget>,
}

impl Deref for BlockBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.pages.as_ref().expect("held until dropped")
    }
}

impl DerefMut for BlockBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.pages.as_mut().expect("held until dropped")
    }
}

impl Drop for BlockBuf {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(1, Ordering::Relaxed);
        if let Some(pages) = self.pages.take() {
            self.budget.pool.put_back(pages);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_count_until_they_are_dropped() {
        let budget = WriteBudget::new(2 * BLOCK);
        let mut held: Vec<_> = (0..3).map(|_| budget.take()).collect();
        assert!(budget.is_over());
        held[0].fill(7);
        held.clear();
        assert_eq!(budget.used(), 0);
        assert!(budget.take_zeroed().iter().all(|byte| *byte == 0));
    }
}
