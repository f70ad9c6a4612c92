//! systemd's watchdog: tells it that the main parts live, as long as they do.
//!
//! The main thread pings, so it lives; it pings only when the dispatcher has gone round since the last time, which it does
//! each second, through the spool and its lock. The threads that read the socket report their end by themselves.
//! Without pings systemd ends us and starts us again, and nothing that was committed is lost.

use crate::system::systemd;
use log::{debug, error};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What the dispatcher raises each time that it goes round.
#[derive(Clone, Default)]
pub(super) struct Beat(Arc<AtomicBool>);

impl Beat {
    /// It has gone round.
    pub(super) fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it has, since this was last asked.
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// When to ping.
pub(super) struct Watchdog {
    every: Duration,
    next: Instant,
    silent: bool,
}

impl Watchdog {
    /// One for the time that systemd has set, if it has.
    pub(super) fn new() -> Option<Watchdog> {
        systemd::watchdog().map(|limit| Watchdog::every(limit, Instant::now()))
    }

    fn every(limit: Duration, now: Instant) -> Watchdog {
        // Twice in the time, as sd_watchdog_enabled(3) recommends.
        let every = limit / 2;
        Watchdog {
            every,
            next: now + every,
            silent: false,
        }
    }

    /// Pings, if it is time and the dispatcher moves; how long until the next time.
    pub(super) fn tick(&mut self, beat: &Beat) -> Duration {
        let was_silent = self.silent;
        if self.due(Instant::now(), beat) {
            let sent = systemd::notify("WATCHDOG=1");
            debug!("watchdog: {sent:?}");
        } else if self.silent && !was_silent {
            error!(
                "watchdog: deliveries have not moved for {} s; systemd will start us again unless they do",
                self.every.as_secs()
            );
        }
        self.next.saturating_duration_since(Instant::now())
    }

    /// Whether to ping now.
    fn due(&mut self, now: Instant, beat: &Beat) -> bool {
        if now < self.next {
            return false;
        }
        self.next = now + self.every;
        let moves = beat.take();
        self.silent = !moves;
        moves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_pings_only_for_who_moves() {
        let beat = Beat::default();
        let start = Instant::now();
        let mut watchdog = Watchdog::every(Duration::from_secs(20), start);
        let at = |seconds| start + Duration::from_secs(seconds);
        beat.now();
        assert!(!watchdog.due(at(9), &beat), "not yet");
        assert!(watchdog.due(at(10), &beat));
        assert!(!watchdog.due(at(11), &beat), "just done");
        assert!(
            !watchdog.due(at(20), &beat) && watchdog.silent,
            "it has not moved since"
        );
        beat.now();
        assert!(watchdog.due(at(30), &beat) && !watchdog.silent);
    }
}
