//! Somebody who does a thread's work while that thread is kept longer than usual.
//!
//! The reader of the socket says when it begins a commit and when that has ended, which costs next to nothing. As
//! long as there are commits the stand-in looks now and then whether one lasts; only then does it do
//! the reader's other work. When there are none it sleeps.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a commit may last before the stand-in steps in. lmtpd unlinks a staged message about
/// a millisecond after it has sent the notification.
const PATIENCE: Duration = Duration::from_micros(300);
/// After how many looks without a commit the stand-in goes to sleep.
const LOOKS: u32 = 4;

/// The agreement between the two.
#[derive(Default)]
pub(super) struct StandIn {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Since when the other one is busy.
    since: Option<Instant>,
    /// How often it was.
    times: u64,
    awake: bool,
    ended: bool,
}

impl StandIn {
    /// The caller is busy until the value is dropped.
    pub(super) fn busy(&self) -> Busy<'_> {
        let mut state = self.state();
        state.since = Some(Instant::now());
        state.times += 1;
        if !state.awake {
            state.awake = true;
            self.changed.notify_one();
        }
        Busy(self)
    }

    /// Ends [`StandIn::work`] when the value is dropped, by a panic as well.
    pub(super) fn end_when_dropped(&self) -> End<'_> {
        End(self)
    }

    /// The stand-in's life: calls `step` again and again while the other one is kept.
    ///
    /// # Errors
    /// What `step` says.
    pub(super) fn work(&self, mut step: impl FnMut() -> io::Result<()>) -> io::Result<()> {
        let (mut times, mut looks) = (0, 0);
        let mut state = self.state();
        while !state.ended {
            if state.since.is_some_and(|since| since.elapsed() >= PATIENCE) {
                drop(state);
                step()?;
                state = self.state();
                looks = 0;
                continue;
            }
            looks = if state.times == times { looks + 1 } else { 0 };
            times = state.times;
            state = if looks < LOOKS {
                let waited = self.changed.wait_timeout(state, PATIENCE);
                waited.unwrap_or_else(PoisonError::into_inner).0
            } else {
                looks = 0;
                state.awake = false;
                let asleep = |state: &mut State| !state.awake && !state.ended;
                let waited = self.changed.wait_while(state, asleep);
                waited.unwrap_or_else(PoisonError::into_inner)
            };
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The other one is busy while this lives.
pub(super) struct Busy<'a>(&'a StandIn);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.state().since = None;
    }
}

/// The stand-in is needed while this lives.
pub(super) struct End<'a>(&'a StandIn);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.state().ended = true;
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    #[test]
    fn it_works_while_the_other_one_is_kept_and_only_then() {
        let stand_in = StandIn::default();
        let steps = AtomicUsize::new(0);
        let step = || {
            steps.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        thread::scope(|scope| {
            scope.spawn(|| stand_in.work(step));
            let _end = stand_in.end_when_dropped();
            for _ in 0..3 {
                let before = steps.load(Ordering::SeqCst);
                let busy = stand_in.busy();
                let limit = Instant::now() + Duration::from_secs(30);
                while steps.load(Ordering::SeqCst) < before + 3 {
                    assert!(Instant::now() < limit);
                    thread::yield_now();
                }
                drop(busy);
                // It falls asleep by itself; a step may still be under way when `busy` is dropped.
                while stand_in.state().awake {
                    assert!(Instant::now() < limit);
                    thread::yield_now();
                }
                let after = steps.load(Ordering::SeqCst);
                thread::yield_now();
                assert_eq!(steps.load(Ordering::SeqCst), after);
            }
        });
    }

    #[test]
    fn a_step_that_fails_ends_it() {
        let stand_in = StandIn::default();
        let _busy = stand_in.busy();
        let result = stand_in.work(|| Err(io::Error::other("broken")));
        assert_eq!(result.unwrap_err().to_string(), "broken");
    }
}
