//! The longest of many times, lately and ever.
//!
//! "Lately" is the last whole minute and the one under way, so that a scrape each minute misses nothing and an old
//! trouble does not show for ever. Noting a time costs one load unless it is a new longest.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// In microseconds.
#[derive(Debug, Default)]
pub struct Peak {
    this_minute: AtomicU64,
    last_minute: AtomicU64,
    ever: AtomicU64,
}

impl Peak {
    /// Notes a time.
    pub fn note(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        if micros > self.this_minute.load(Ordering::Relaxed) {
            self.this_minute.fetch_max(micros, Ordering::Relaxed);
            self.ever.fetch_max(micros, Ordering::Relaxed);
        }
    }

    /// To be called each minute.
    pub fn turn(&self) {
        let last = self.this_minute.swap(0, Ordering::Relaxed);
        self.last_minute.store(last, Ordering::Relaxed);
    }

    /// The longest of this minute and the one before.
    pub fn lately(&self) -> Duration {
        let micros = self.this_minute.load(Ordering::Relaxed);
        Duration::from_micros(micros.max(self.last_minute.load(Ordering::Relaxed)))
    }

    /// The longest since the start.
    pub fn ever(&self) -> Duration {
        Duration::from_micros(self.ever.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_is_forgotten_after_two_turns_and_remembered_for_good() {
        let peak = Peak::default();
        let ms = Duration::from_millis;
        peak.note(ms(5));
        peak.note(ms(3));
        assert_eq!((peak.lately(), peak.ever()), (ms(5), ms(5)));
        peak.turn();
        peak.note(ms(2));
        assert_eq!(peak.lately(), ms(5));
        peak.turn();
        assert_eq!(peak.lately(), ms(2));
        peak.turn();
        assert_eq!((peak.lately(), peak.ever()), (ms(0), ms(5)));
    }
}
