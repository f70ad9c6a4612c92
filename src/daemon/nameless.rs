//! For how long datagrams may come of which the kernel does not say who sent them.
//!
//! It notes that only for a socket that was asked to note it (`SO_PASSCRED`). What was queued before, from the time of Cyrus' own
//! notifyd for instance, has no sender; nor has what was blocked in `sendto(2)` then, because the queue was full, and
//! gets through when we have taken something. Later, who has no sender is somebody outside of our namespaces.

use std::time::{Duration, Instant};

/// How long the last ones that were blocked may take to get through.
const THROUGH: Duration = Duration::from_secs(1);
/// How long all of them may take.
const ALL_THROUGH: Duration = Duration::from_secs(10);

/// Whether senders may have no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nameless {
    /// No.
    Refused,
    /// What is queued was queued before the kernel noted senders.
    Queued {
        /// Something was read, and nothing taken yet.
        read: bool,
    },
    /// Something was taken, for the first and for the last time then.
    Taken {
        /// The first time.
        first: Instant,
        /// The last time.
        last: Instant,
    },
}

impl Nameless {
    /// Whether a datagram without a sender is one of those.
    pub(super) fn allowed(self, now: Instant) -> bool {
        match self {
            Nameless::Refused => false,
            Nameless::Queued { .. } => true,
            Nameless::Taken { first, last } => {
                now.duration_since(last) < THROUGH && now.duration_since(first) < ALL_THROUGH
            }
        }
    }

    /// Something was read.
    pub(super) fn read(&mut self) {
        if let Nameless::Queued { read } = self {
            *read = true;
        }
    }

    /// Nothing unread is queued. When that is so at the start, nobody was blocked either.
    pub(super) fn queue_was_empty(&mut self) {
        if *self == (Nameless::Queued { read: false }) {
            *self = Nameless::Refused;
        }
    }

    /// What was read has been taken out of the queue.
    pub(super) fn taken(&mut self, now: Instant) {
        *self = match *self {
            Nameless::Queued { .. } => Nameless::Taken {
                first: now,
                last: now,
            },
            Nameless::Taken { first, .. } if self.allowed(now) => {
                Nameless::Taken { first, last: now }
            }
            Nameless::Taken { .. } | Nameless::Refused => Nameless::Refused,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_old_when_nothing_was_queued() {
        let mut nameless = Nameless::Queued { read: false };
        let now = Instant::now();
        assert!(nameless.allowed(now));
        nameless.queue_was_empty();
        assert!(!nameless.allowed(now));
        nameless.taken(now);
        assert!(!nameless.allowed(now));
    }

    #[test]
    fn who_was_blocked_gets_through_and_nobody_after_that() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut nameless = Nameless::Queued { read: false };
        nameless.read();
        nameless.queue_was_empty(); // all was read, nothing taken: they are still blocked
        assert!(nameless.allowed(at(60_000)), "a slow disk");
        nameless.taken(at(60_000));
        nameless.queue_was_empty();
        assert!(nameless.allowed(at(60_900)));
        nameless.taken(at(60_900));
        assert!(nameless.allowed(at(61_800)));
        assert!(
            !nameless.allowed(at(61_900)),
            "nothing was taken for a second"
        );
        for millis in (61_500..80_000).step_by(500) {
            nameless.taken(at(millis));
        }
        assert!(!nameless.allowed(at(80_000)), "not for ever");
        assert_eq!(nameless, Nameless::Refused);
    }
}
