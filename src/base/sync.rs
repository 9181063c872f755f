//! Locks and bells. One facade, so that a lock's poisoning is decided once: a panic in a callback
//! answers EIO and the mount goes on (facts of FUSE, line 9), so a poisoned lock is simply taken.
//!
//! No guard may live across `.await`, a network call or a kernel notification (house rule 17).

use std::sync::{Arc, PoisonError};
use std::time::Duration;

pub use std::sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};

/// [`std::sync::Mutex`] without poisoning.
#[derive(Default, Debug)]
pub struct Mutex<T: ?Sized>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    pub fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> Mutex<T> {
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// [`std::sync::RwLock`] without poisoning.
#[derive(Default, Debug)]
pub struct RwLock<T: ?Sized>(std::sync::RwLock<T>);

impl<T> RwLock<T> {
    pub const fn new(value: T) -> Self {
        Self(std::sync::RwLock::new(value))
    }
}

impl<T: ?Sized> RwLock<T> {
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// [`std::sync::Condvar`] for the [`Mutex`] above.
#[derive(Default, Debug)]
pub struct Condvar(std::sync::Condvar);

impl Condvar {
    pub const fn new() -> Self {
        Self(std::sync::Condvar::new())
    }

    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.0.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    /// The guard, and whether the time ran out.
    pub fn wait_timeout<'a, T>(&self, guard: MutexGuard<'a, T>, time: Duration) -> (MutexGuard<'a, T>, bool) {
        let (guard, result) = self.0.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner);
        (guard, result.timed_out())
    }

    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

type Ringer = Arc<dyn Fn() + Send + Sync>;

/// Wakes workers whose mailbox is a table (house rule 15). Ringing is cheap, never blocks, and rings
/// nobody when nobody listens; a listener looks at the rows, so rings may merge.
#[derive(Clone, Default)]
pub struct Bell(Arc<Mutex<Vec<Ringer>>>);

impl Bell {
    /// Calls `ringer` at every later ring; it must not block.
    pub fn listen(&self, ringer: impl Fn() + Send + Sync + 'static) {
        self.0.lock().push(Arc::new(ringer));
    }

    pub fn ring(&self) {
        let ringers = self.0.lock().clone();
        for ringer in ringers {
            ringer();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_lock_survives_a_panic_of_its_holder() {
        let lock = Arc::new(Mutex::new(1));
        let held = Arc::clone(&lock);
        let outcome = std::thread::spawn(move || {
            let _guard = held.lock();
            panic!("on purpose");
        })
        .join();
        assert!(outcome.is_err());
        assert_eq!(*lock.lock(), 1);
    }

    #[test]
    fn every_listener_hears_every_ring() {
        let (bell, heard) = (Bell::default(), Arc::new(AtomicUsize::new(0)));
        bell.ring();
        for _ in 0..2 {
            let heard = Arc::clone(&heard);
            bell.listen(move || {
                heard.fetch_add(1, Ordering::Relaxed);
            });
        }
        bell.ring();
        assert_eq!(heard.load(Ordering::Relaxed), 2);
    }
}
