//! When to say again that notifyd.toml has mistakes. Pure: it is told the time.

use std::time::{Duration, Instant};

/// How often it is said.
const EVERY: Duration = Duration::from_secs(60);

/// Due each minute while something is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reminder(Option<Instant>);

impl Reminder {
    /// It was said `now`, if something is `wrong`.
    pub(super) fn new(wrong: bool, now: Instant) -> Reminder {
        Reminder(wrong.then(|| now + EVERY))
    }

    /// How long until it is due; a long time when it never is.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        const NEVER: Duration = Duration::from_secs(86_400);
        self.0
            .map_or(NEVER, |due| due.saturating_duration_since(now))
    }

    /// Whether it is due; the next time is a minute from `now` then.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = self.0.is_some_and(|due| due <= now);
        if due {
            self.0 = Some(now + EVERY);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_a_minute_while_something_is_wrong() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut reminder = Reminder::new(true, start);
        assert_eq!(reminder.wait(at(10)), Duration::from_secs(50));
        assert!(!reminder.is_due(at(59)));
        assert!(reminder.is_due(at(60)));
        assert!(!reminder.is_due(at(61)));
        assert!(reminder.is_due(at(200)), "late, but once");
        assert!(!reminder.is_due(at(259)));
        assert!(reminder.is_due(at(260)));
    }

    #[test]
    fn never_when_nothing_is_wrong() {
        let start = Instant::now();
        let mut reminder = Reminder::new(false, start);
        assert!(!reminder.is_due(start + Duration::from_secs(1_000_000)));
        assert!(reminder.wait(start) > EVERY);
    }
}
