//! Deliveries in whose attempts the process died, or which it had to abandon. Pure.
//!
//! A notification that kills whoever delivers it would do so after each start, and nothing would be delivered any more.
//! So such attempts are counted, and after [`MAX`] of them the delivery goes on hold. Others that were under way at
//! the same time are counted as well, which is not their fault: a delivery with one attempt less is tried alone, for
//! [`ALONE`] at least, and either it is the one or it is delivered.
//!
//! The spooled form of what is done at once (`null`, `log`) does not count: many of those are claimed at a time, and
//! none of them runs anything that could break.

use super::lanes::Lane;
use crate::spool::{Row, id_text};
use std::time::{Duration, Instant};

/// How many such attempts a delivery may have.
pub(super) const MAX: u32 = 3;
/// How long others wait while one is tried alone.
const ALONE: Duration = Duration::from_secs(5);

/// What to do with a delivery that was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Danger {
    /// Begin it.
    None,
    /// Begin it, and nothing else meanwhile.
    Suspect,
    /// Put it on hold.
    Poison,
}

/// How dangerous it is to attempt a delivery after so many crashes, at once (`immediate`) or not.
pub(super) fn danger(immediate: bool, crashes: u32) -> Danger {
    match crashes {
        _ if immediate => Danger::None,
        MAX.. => Danger::Poison,
        crashes if crashes + 1 == MAX => Danger::Suspect,
        _ => Danger::None,
    }
}

/// Why a delivery is on hold, and what to do.
pub(super) fn why(row: &Row) -> String {
    let id = id_text(row.kept.id);
    format!(
        "the daemon died in {} of its attempts, or had to abandon them: look at it with notifyctl show {id}, then notifyctl release {id} or notifyctl delete {id}",
        row.crashes
    )
}

/// The lane in which a suspect is being tried, and until when the others wait for it.
#[derive(Default)]
pub(super) struct Alone(Option<(usize, Instant)>);

impl Alone {
    /// A suspect was begun in this lane; how long the others wait.
    pub(super) fn begin(&mut self, lane: usize) -> Duration {
        self.0 = Some((lane, Instant::now() + ALONE));
        ALONE
    }

    /// How long nothing else may begin; `None` when it may.
    pub(super) fn wait(&mut self, lanes: &[Lane]) -> Option<Duration> {
        let (lane, until) = self.0?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || lanes[lane].is_idle() {
            self.0 = None;
            return None;
        }
        Some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_crashes_make_a_suspect_and_three_a_poison() {
        let all: Vec<Danger> = (0..5).map(|crashes| danger(false, crashes)).collect();
        use Danger::*;
        assert_eq!(all, [None, None, Suspect, Poison, Poison]);
        assert_eq!(danger(true, 9), None);
    }
}
