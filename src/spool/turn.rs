//! A lock with two queues: who calls [`Turns::first`] (intake, for which Cyrus waits) goes before
//! everybody who calls [`Turns::later`] (settlements, which nobody waits for).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub(super) struct Turns<T> {
    value: Mutex<T>,
    hurried: AtomicUsize,
    calm: Condvar,
}

impl<T> Turns<T> {
    pub(super) fn new(value: T) -> Turns<T> {
        Turns {
            value: Mutex::new(value),
            hurried: AtomicUsize::new(0),
            calm: Condvar::new(),
        }
    }

    /// The value, before anyone who waits in [`Turns::later`].
    pub(super) fn first(&self) -> MutexGuard<'_, T> {
        self.hurried.fetch_add(1, Ordering::SeqCst);
        let guard = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        self.hurried.fetch_sub(1, Ordering::SeqCst);
        // Those who stepped back look again once this guard is dropped.
        self.calm.notify_all();
        guard
    }

    /// For tests: whether nobody has the value at this moment.
    #[cfg(test)]
    pub(super) fn is_free(&self) -> bool {
        self.value.try_lock().is_ok()
    }

    /// The value, when nobody is in a hurry.
    pub(super) fn later(&self) -> MutexGuard<'_, T> {
        let guard = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        let hurried = |_: &mut T| self.hurried.load(Ordering::SeqCst) > 0;
        self.calm
            .wait_while(guard, hurried)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn both_queues_make_progress_and_exclude_each_other() {
        let turns = Arc::new(Turns::new(0u64));
        let threads: Vec<_> = (0..4)
            .map(|n| {
                let turns = turns.clone();
                std::thread::spawn(move || {
                    for _ in 0..5000 {
                        let mut guard = if n % 2 == 0 {
                            turns.first()
                        } else {
                            turns.later()
                        };
                        let seen = *guard;
                        *guard = seen + 1;
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(*turns.first(), 20_000);
    }
}
