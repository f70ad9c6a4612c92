//! How far purging may go: an entry is removed when it has been over for a day of running time, whatever the clock showed
//! meanwhile. A clock that is set forward and back again costs nothing that was known. Pure.

use super::super::Micros;
use std::time::Duration;

/// How long an entry must have been over.
const LONG: Duration = Duration::from_secs(86_400);

/// The lowest time that the clock has shown for a while, and how long that while is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Running {
    /// The clock was at this or later...
    floor: Micros,
    /// ...for so long.
    ran: Duration,
    /// What was over then is removed.
    pub(super) purge: Micros,
}

impl Running {
    /// A ledger that has just been made.
    pub(super) fn new(now: Micros) -> Running {
        Running {
            floor: now,
            ran: Duration::ZERO,
            purge: Micros::MIN,
        }
    }

    /// The clock shows `now`, and `passed` has passed since it was looked at. Whether more may be removed.
    pub(super) fn advance(&mut self, now: Micros, passed: Duration) -> bool {
        if now < self.floor {
            (self.floor, self.ran) = (now, Duration::ZERO);
            return false;
        }
        self.ran = self.ran.saturating_add(passed);
        if self.ran < LONG {
            return false;
        }
        self.purge = self.floor;
        (self.floor, self.ran) = (now, Duration::ZERO);
        true
    }

    /// As it stands in the ledger.
    pub(super) fn written(&self) -> Vec<u8> {
        let ran = u64::try_from(self.ran.as_micros()).unwrap_or(u64::MAX);
        [
            self.floor.to_be_bytes(),
            ran.to_be_bytes(),
            self.purge.to_be_bytes(),
        ]
        .concat()
    }

    /// What [`written`](Running::written) wrote.
    pub(super) fn read(value: &[u8]) -> Option<Running> {
        let (floor, rest) = value.split_first_chunk()?;
        let (ran, rest) = rest.split_first_chunk()?;
        let (purge, _) = rest.split_first_chunk()?;
        Some(Running {
            floor: Micros::from_be_bytes(*floor),
            ran: Duration::from_micros(u64::from_be_bytes(*ran)),
            purge: Micros::from_be_bytes(*purge),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const STEP: Micros = 3_600_000_000;

    #[test]
    fn what_is_over_goes_after_a_day_of_running() {
        let mut running = Running::new(1000);
        let mut now = 1000;
        for _ in 0..23 {
            now += STEP;
            assert!(!running.advance(now, HOUR));
        }
        running = Running::read(&running.written()).unwrap();
        assert!(running.advance(now + STEP, HOUR), "over a restart, too");
        assert_eq!(running.purge, 1000);
    }

    #[test]
    fn a_clock_that_is_ten_days_ahead_for_a_while_removes_nothing_more() {
        let mut running = Running::new(0);
        for hour in 0..22 {
            running.advance(hour * STEP, HOUR);
        }
        let ahead = 240 * STEP;
        for hour in 22..30 {
            running.advance(ahead + hour * STEP, HOUR);
        }
        for hour in 30..80 {
            running.advance(hour * STEP, HOUR);
            assert!(running.purge <= hour * STEP, "{hour}");
        }
        assert!(running.purge > 0);
    }

    proptest! {
        /// No clock makes it remove what was not over for a day of running time.
        #[test]
        fn only_what_was_over_for_a_day(clock in prop::collection::vec((0i64..1000, 1u64..30), 1..60)) {
            let mut running = Running::new(clock[0].0 * STEP);
            let mut past: Vec<(Micros, Duration)> = Vec::new();
            for (hour, passed) in clock {
                let passed = HOUR * u32::try_from(passed).unwrap();
                past.push((hour * STEP, passed));
                if running.advance(hour * STEP, passed) {
                    let mut ran = Duration::ZERO;
                    for (at, passed) in past.iter().rev() {
                        prop_assert!(*at >= running.purge);
                        ran += *passed;
                        if ran >= LONG {
                            break;
                        }
                    }
                }
            }
        }
    }
}
