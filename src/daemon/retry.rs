//! What follows from how an attempt ended. Pure: no clock, no disk.
//!
//! Postfix' rule (`qmgr_active.c`): wait as long again as it has already waited, within bounds; a
//! little sooner or later, so that what failed together does not come back together. Age is what [`Row::age`] says, so that
//! no delivery is given up because the clock was set, or because the machine was off.

use crate::method::Outcome;
use crate::spool::Micros;
#[cfg(doc)]
use crate::spool::Row;
use std::time::Duration;

/// How long to go on trying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Shortest wait between two attempts.
    pub first: Duration,
    /// Longest wait between two attempts.
    pub maximum: Duration,
    /// Age at which a delivery that still fails is given up.
    pub lifetime: Duration,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            first: Duration::from_secs(10),
            maximum: Duration::from_secs(3600),
            lifetime: Duration::from_secs(86_400),
        }
    }
}

/// What to do with a delivery after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is owed any more.
    Done,
    /// Nothing is owed any more, and nobody got anything.
    Discarded,
    /// Try again after this time, in microseconds.
    Again(Micros),
    /// Give up: it can never succeed.
    GiveUp,
    /// Give up: it has failed for too long.
    Expired,
    /// Put it on hold, for the operator.
    Hold,
}

/// Decides about delivery `id`, `age` microseconds old, whose attempt ended with `outcome`.
pub fn verdict(policy: &Policy, outcome: &Outcome, id: i64, attempts: u32, age: Micros) -> Verdict {
    match outcome {
        Outcome::Delivered(_) => return Verdict::Done,
        Outcome::Discarded(_) => return Verdict::Discarded,
        Outcome::Permanent(_) => return Verdict::GiveUp,
        Outcome::Hold(_) => return Verdict::Hold,
        Outcome::Expired(_) => return Verdict::Expired,
        Outcome::Temporary(_) => {}
    }
    if age >= micros(policy.lifetime) {
        return Verdict::Expired;
    }
    let wait = age.clamp(micros(policy.first), micros(policy.maximum));
    Verdict::Again(jitter(wait, id, attempts))
}

fn micros(time: Duration) -> Micros {
    Micros::try_from(time.as_micros()).unwrap_or(Micros::MAX)
}

/// `wait`, less up to a tenth or more up to a tenth; the same for the same delivery and attempt.
fn jitter(wait: Micros, id: i64, attempts: u32) -> Micros {
    // One step of a linear congruential generator (Knuth's MMIX) spreads neighbouring ids.
    let mixed = (id as u64 ^ u64::from(attempts))
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    let part = (mixed >> 33) % 2001;
    wait - wait / 10 + wait / 10_000 * part as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Micros = 1_000_000;

    fn temporary() -> Outcome {
        Outcome::Temporary("busy".into())
    }

    fn wait_at_age(age: Micros) -> Micros {
        match verdict(&Policy::default(), &temporary(), 77, 3, age) {
            Verdict::Again(wait) => wait,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn waits_grow_with_age_within_bounds() {
        assert!((9 * SECOND..=11 * SECOND).contains(&wait_at_age(0)));
        assert!((540 * SECOND..=660 * SECOND).contains(&wait_at_age(600 * SECOND)));
        assert!((3240 * SECOND..=3960 * SECOND).contains(&wait_at_age(50_000 * SECOND)));
    }

    #[test]
    fn the_rest_is_final() {
        let decide = |outcome: &Outcome, age| verdict(&Policy::default(), outcome, 1, 1, age);
        assert_eq!(decide(&Outcome::Delivered(String::new()), 0), Verdict::Done);
        assert_eq!(
            decide(&Outcome::Discarded(String::new()), 0),
            Verdict::Discarded
        );
        assert_eq!(
            decide(&Outcome::Permanent(String::new()), 0),
            Verdict::GiveUp
        );
        assert_eq!(decide(&temporary(), 86_400 * SECOND), Verdict::Expired);
    }

    proptest! {
        #[test]
        fn it_is_tried_again_later_and_not_too_late(id: i64, attempts: u32, age: i64) {
            if let Verdict::Again(wait) = verdict(&Policy::default(), &temporary(), id, attempts, age) {
                prop_assert!((9 * SECOND..=3960 * SECOND).contains(&wait));
            }
        }
    }
}
