//! How much the spool takes, and how much is in it.
//!
//! Bytes are asked of SQLite. Rows are counted here, because SQLite would have to walk through all of them: what is added
//! and settled is known, what `notifyctl` deletes is not, so the housekeeper counts anew now and then, and soon when the
//! spool seems full. In the first moments after a start the number is not known yet, and nothing is refused for it.

use super::share::Full;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How often rows are counted while there is room.
const COUNT_EVERY: Duration = Duration::from_secs(60);
/// How often rows are counted when there seems to be no room.
const COUNT_SOON: Duration = Duration::from_secs(1);

/// What the spool takes. New limits are in force at once, but for `sync_each`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most rows; 0 for no limit.
    pub rows: u64,
    /// Most bytes on disk, as far as rows use them.
    pub bytes: u64,
    /// How much of that one user may have when the spool is half full, in percent; 0 for no limit.
    pub user_share: u64,
    /// Whether senders wait when it is full; else new rows are dropped.
    pub block: bool,
    /// Whether each commit waits for the platter (`synchronous=FULL`).
    pub sync_each: bool,
}

/// The longest write-ahead log, in bytes; a small spool has a shorter one, a quarter of its bytes.
const LONGEST_LOG: u64 = 256 << 20;
const SHORTEST_LOG: u64 = 8 << 20;

impl Limits {
    /// What makes the spool full, and how much of that is one user's.
    pub(super) fn full(&self) -> Full {
        Full {
            rows: self.rows,
            bytes: self.bytes,
            percent: self.user_share,
        }
    }

    /// From what length on, in bytes, a log that cannot be emptied keeps new rows from the disk.
    pub(super) fn longest_log(&self) -> u64 {
        (self.bytes / 4).clamp(SHORTEST_LOG, LONGEST_LOG)
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            rows: 0,
            bytes: 4 << 30,
            user_share: 25,
            block: false,
            sync_each: false,
        }
    }
}

/// The limits in force, and the number of rows.
pub(super) struct Room {
    limits: RwLock<Limits>,
    rows: AtomicI64,
    count_at: Mutex<Instant>,
}

impl Room {
    pub(super) fn new(limits: Limits) -> Room {
        Room {
            limits: RwLock::new(limits),
            rows: AtomicI64::new(0),
            count_at: Mutex::new(Instant::now()),
        }
    }

    pub(super) fn limits(&self) -> Limits {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, limits: Limits) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
        *self.count_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Whether there are as many rows as may be.
    pub(super) fn is_full(&self) -> bool {
        let most = i64::try_from(self.limits().rows).unwrap_or(i64::MAX);
        most > 0 && self.rows.load(Ordering::Relaxed) >= most
    }

    /// To be called while the writing connection is held, like [`Room::removed`]: so it agrees with the table.
    pub(super) fn added(&self, rows: usize) {
        self.rows.fetch_add(rows as i64, Ordering::Relaxed);
    }

    pub(super) fn removed(&self, rows: usize) {
        self.rows.fetch_sub(rows as i64, Ordering::Relaxed);
    }

    /// As many as are known.
    pub(super) fn rows(&self) -> i64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// When it is time to, asks `count` how many more there are than [`Room::rows`] knew at that moment.
    pub(super) fn recount<E>(&self, count: impl FnOnce() -> Result<i64, E>) -> Result<(), E> {
        let mut count_at = self.count_at.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        if self.limits().rows == 0 || begun < *count_at {
            return Ok(());
        }
        self.rows.fetch_add(count()?, Ordering::Relaxed);
        // A large table takes long to count: a twentieth of the time at most.
        let pause = if self.is_full() {
            COUNT_SOON
        } else {
            COUNT_EVERY
        };
        *count_at = Instant::now() + pause.max(begun.elapsed() * 20);
        Ok(())
    }

    /// When it seems full, looks again soon. Who asks is the intake: it does not wait while rows are being counted.
    pub(super) fn count_soon(&self) {
        if let Ok(mut count_at) = self.count_at.try_lock() {
            *count_at = (*count_at).min(Instant::now() + COUNT_SOON);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_and_the_count_is_mended() {
        let room = Room::new(Limits {
            rows: 10,
            ..Limits::default()
        });
        room.added(9);
        assert!(!room.is_full());
        room.added(1);
        assert!(room.is_full());
        room.removed(1);
        assert!(!room.is_full());
        let counted: Result<(), ()> = room.recount(|| {
            room.count_soon(); // by the intake, meanwhile: it does not wait
            Ok(1)
        });
        assert!(counted.is_ok() && room.is_full());
        // Not again at once, whatever happens.
        let counted: Result<(), ()> = room.recount(|| Err(()));
        assert!(counted.is_ok());
        room.set(Limits::default());
        assert!(!room.is_full(), "no limit");
    }
}
