//! The clock by which a process stamps deliveries, and what becomes of due times when the system's clock is set.
//!
//! Due times are stored as times of day, because they outlive the process. Between two looks at the system's clock this
//! clock runs with the monotonic one, so that nothing is received or due in the wrong order meanwhile. The dispatcher
//! looks at least each second. A small difference is taken over silently: NTP slews the clock. A larger one is a step:
//! the clock was set, or the machine slept. Then the due times in the spool are moved by as much, and what waits goes
//! on waiting as long as it had to.
//!
//! Over a restart there is only the time of day. No delivery can have been deferred in the future, and none waits longer
//! than it was deferred for: see [`Retiming`].

use super::db::Db;
use super::{Micros, Spool, now};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

/// Least difference that is a step of the clock, in microseconds.
const STEP: Micros = 2_000_000;

/// The clock of one process.
#[derive(Debug)]
pub struct Clock {
    source: Source,
    /// The time of day when the monotonic clock was 0, as it was found last.
    offset: AtomicI64,
}

#[derive(Debug)]
enum Source {
    System(Instant),
    #[cfg(test)]
    Fake(std::sync::Arc<FakeTime>),
}

impl Source {
    fn wall(&self) -> Micros {
        match self {
            Source::System(_) => now(),
            #[cfg(test)]
            Source::Fake(time) => time.wall.load(Ordering::SeqCst),
        }
    }

    fn monotonic(&self) -> Micros {
        match self {
            Source::System(start) => {
                Micros::try_from(start.elapsed().as_micros()).unwrap_or(Micros::MAX)
            }
            #[cfg(test)]
            Source::Fake(time) => time.monotonic.load(Ordering::SeqCst),
        }
    }
}

impl Clock {
    /// The system's.
    #[must_use]
    pub fn system() -> Clock {
        Clock::new(Source::System(Instant::now()))
    }

    fn new(source: Source) -> Clock {
        let offset = source.wall() - source.monotonic();
        Clock {
            source,
            offset: AtomicI64::new(offset),
        }
    }

    /// The time, in microseconds since 1970.
    #[must_use]
    pub fn now(&self) -> Micros {
        self.source.monotonic() + self.offset.load(Ordering::SeqCst)
    }

    /// Looks at the system's clock and goes by it from now on. When that is a step: by how many microseconds, negative
    /// when the clock was set back.
    fn look(&self) -> Option<Micros> {
        let offset = self.source.wall() - self.source.monotonic();
        let step = offset - self.offset.swap(offset, Ordering::SeqCst);
        (step.abs() >= STEP).then_some(step)
    }
}

/// Due times that are to be set right, a batch at a time, so that the intake never waits long.
#[derive(Debug)]
pub struct Retiming {
    /// By how much rows that were received before the step are moved; 0 when there was none.
    step: Micros,
    stage: Stage,
    /// Whether what is in memory is done.
    in_memory: bool,
    /// How many due times were changed, because they lay too far ahead.
    pub too_late: usize,
}

#[derive(Debug)]
enum Stage {
    /// Moves all rows with greater ids than the first, up to the second.
    Move(i64, i64),
    /// Looks for rows of the future.
    Limit,
    /// Looks for rows with greater ids that were never tried.
    Untried(i64),
}

/// How much of a [`Retiming`] is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do.
    More,
    /// All is done.
    Done,
}

impl Retiming {
    fn new(step: Micros, last_id: i64) -> Retiming {
        Retiming {
            step,
            stage: match step {
                0 => Stage::Limit,
                _ => Stage::Move(i64::MIN, last_id),
            },
            in_memory: step == 0,
            too_late: 0,
        }
    }

    /// By how many microseconds the clock was set; 0 for a look after a restart.
    #[must_use]
    pub fn step(&self) -> Micros {
        self.step
    }

    /// Does a batch.
    fn batch(&mut self, db: &Db, now: Micros) -> rusqlite::Result<Progress> {
        match self.stage {
            Stage::Move(from, last) => match db.ids_after(from, last)? {
                Some(to) => {
                    db.move_due(from, to, self.step, now)?;
                    self.stage = Stage::Move(to, last);
                }
                None => self.stage = Stage::Limit,
            },
            Stage::Limit => match db.limit_due(now)? {
                // An id is never less than the time at which the row was received.
                0 => self.stage = Stage::Untried(now),
                some => self.too_late += some,
            },
            Stage::Untried(from) => match db.ids_after(from, i64::MAX)? {
                Some(to) => {
                    self.too_late += db.limit_untried(from, to, now)?;
                    self.stage = Stage::Untried(to);
                }
                None => return Ok(Progress::Done),
            },
        }
        Ok(Progress::More)
    }
}

impl Spool {
    /// The time by which deliveries are stamped, in microseconds since 1970.
    pub fn now(&self) -> Micros {
        self.clock.now()
    }

    /// Looks at the system's clock. What is to be set right in the spool, if anything is: because the clock was set, or
    /// because rows came from another process, whose clock may have been wrong.
    pub fn look_at_clock(&self) -> Option<Retiming> {
        let step = self.clock.look();
        let foreign = self.foreign.swap(false, Ordering::SeqCst);
        let last_id = self.last_id.load(Ordering::SeqCst);
        match step {
            Some(step) => Some(Retiming::new(step, last_id)),
            None => foreign.then(|| Retiming::new(0, last_id)),
        }
    }

    /// Does a batch of `retiming`. What is in memory is done all at once, with the first.
    ///
    /// # Errors
    /// When the disk refuses; the same batch is to be tried again.
    pub fn retime(&self, retiming: &mut Retiming) -> rusqlite::Result<Progress> {
        let now = self.now();
        if !std::mem::replace(&mut retiming.in_memory, true) && self.is_degraded() {
            let mut in_memory = Retiming::new(retiming.step, i64::MAX);
            let memory = self.memory();
            while in_memory.batch(&memory.db, now)? == Progress::More {}
        }
        retiming.batch(&self.disk.later(), now)
    }

    /// Rows of another process are in the spool: their due times are looked at soon.
    pub(super) fn rows_are_foreign(&self) {
        self.foreign.store(true, Ordering::SeqCst);
    }
}

/// A time that tests set.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct FakeTime {
    pub(crate) wall: AtomicI64,
    pub(crate) monotonic: AtomicI64,
}

#[cfg(test)]
impl FakeTime {
    /// Time passes.
    pub(crate) fn pass(&self, time: Micros) {
        self.wall.fetch_add(time, Ordering::SeqCst);
        self.monotonic.fetch_add(time, Ordering::SeqCst);
    }

    /// The clock is set.
    pub(crate) fn step(&self, by: Micros) {
        self.wall.fetch_add(by, Ordering::SeqCst);
    }
}

#[cfg(test)]
impl Clock {
    /// One that shows `time`.
    pub(crate) fn fake(time: &std::sync::Arc<FakeTime>) -> Clock {
        Clock::new(Source::Fake(time.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const SECOND: Micros = 1_000_000;

    #[test]
    fn slewing_is_no_step_and_setting_is() {
        let time = Arc::new(FakeTime::default());
        let clock = Clock::fake(&time);
        for _ in 0..1000 {
            time.pass(SECOND);
            time.step(500); // the most that NTP slews in a second
            assert_eq!(clock.look(), None);
        }
        assert_eq!(clock.now(), 1000 * (SECOND + 500));
        time.step(-3600 * SECOND);
        let before = clock.now();
        assert_eq!(clock.look(), Some(-3600 * SECOND));
        assert_eq!(clock.now(), before - 3600 * SECOND);
        assert_eq!(clock.look(), None, "said once");
        time.step(STEP);
        assert_eq!(clock.look(), Some(STEP));
    }
}
