//! Who decides whether the data go out: an attempt that is left must not send them behind the back of who left it.

use std::sync::atomic::{AtomicU8, Ordering};

const OPEN: u8 = 0;
const TAKEN: u8 = 1;
const LEFT: u8 = 2;

/// Shared by who waits for an attempt and the thread that makes it.
#[derive(Debug, Default)]
pub(super) struct Turn(AtomicU8);

impl Turn {
    /// The thread wants to send the data: false when nobody waits for it any more.
    pub(super) fn take(&self) -> bool {
        self.0
            .compare_exchange(OPEN, TAKEN, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Whoever waited goes away: true when the data may have been sent by then, false when they never will be.
    pub(super) fn leave(&self) -> bool {
        self.0
            .compare_exchange(OPEN, LEFT, Ordering::AcqRel, Ordering::Acquire)
            == Err(TAKEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_decides() {
        let turn = Turn::default();
        assert!(!turn.leave() && !turn.take(), "left before");
        assert!(!turn.leave(), "and still so");
        let turn = Turn::default();
        assert!(turn.take() && turn.leave(), "left after");
    }

    #[test]
    fn never_both() {
        for _ in 0..200 {
            let turn = Turn::default();
            let (took, left) = std::thread::scope(|scope| {
                let took = scope.spawn(|| turn.take());
                let left = turn.leave();
                (took.join().unwrap(), left)
            });
            assert_eq!(took, left);
        }
    }
}
