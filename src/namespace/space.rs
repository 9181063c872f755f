//! How much room is left: what `df` shows and what refuses a write early (semantics 1.9, 2.6). From memory.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of the account and of what waits for it.
#[derive(Default, Debug)]
pub struct Space {
    total: AtomicU64,
    used: AtomicU64,
    /// Of closed files that are not in Ente and not known to be duplicates.
    waiting: AtomicU64,
    /// Of files somebody is writing now.
    open: AtomicU64,
}

impl Space {
    /// What the server said of the account. A total of 0 means that nothing is known yet.
    pub fn set_account(&self, used: u64, total: u64) {
        self.used.store(used, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    pub fn set_waiting(&self, bytes: u64) {
        self.waiting.store(bytes, Ordering::Relaxed);
    }

    /// A file that is being written grew.
    pub fn grow(&self, bytes: u64) {
        self.open.fetch_add(bytes, Ordering::Relaxed);
    }

    /// It was closed, cut or removed: its bytes count as waiting from here on, or not at all.
    pub fn shrink(&self, bytes: u64) {
        let less = |open: u64| Some(open.saturating_sub(bytes));
        // The closure always answers, so the update cannot fail.
        let _ = self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// What the plan leaves for new bytes; `None` while nothing is known of the account.
    pub fn left(&self) -> Option<u64> {
        let total = Some(self.total()).filter(|total| *total > 0)?;
        let taken = self.used() + self.waiting.load(Ordering::Relaxed) + self.open.load(Ordering::Relaxed);
        Some(total.saturating_sub(taken))
    }

    /// Whether so many bytes more fit the plan.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.left().is_none_or(|left| bytes <= left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_and_what_is_being_written_counts() {
        let space = Space::default();
        assert!(space.has_room(u64::MAX) && space.left().is_none());
        space.set_account(40, 100);
        space.set_waiting(30);
        space.grow(20);
        assert_eq!(space.left(), Some(10));
        assert!(space.has_room(10) && !space.has_room(11));
        space.shrink(50);
        assert_eq!(space.left(), Some(30));
    }
}
