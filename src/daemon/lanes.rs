//! The lanes of the dispatcher: for each method a queue of claimed deliveries and as many threads as it has permits.
//!
//! A lane has as many deliveries in hand as it has permits, so that what a crash may repeat is bounded by
//! them. Only a method that is done at once (`null`, `log`) gets more, which wait in its queue, in
//! order: with one transaction and two changes of thread for each, a backlog would take long to go.
//!
//! A thread cannot be killed. An attempt that does not end at its time limit (a disk that hangs, a bug) is abandoned
//! after [`GRACE`]: a fresh thread takes over its permit, and the old one ends when the attempt does. There are at most
//! [`MAX_ABANDONED`] of those for a method; then permits stay taken.

use super::retry::Policy;
use super::rules::LaneRules;
use crate::method::{Delivery, Kind, Method, Outcome};
use crate::spool::{Row, Settlement, files, id_text};
use crate::system::{cancel::Cancel, thread};
use crate::wire::datagram;
use prometheus_client::metrics::gauge::Gauge;
use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

/// How many deliveries a method that is done at once may have in hand.
const AHEAD: usize = 512;
/// With so many bytes of notifications in hand it takes no more.
const AHEAD_BYTES: usize = 16 << 20;
/// How long ended attempts wait at most for others to be reported with them.
const REPORT_EVERY: Duration = Duration::from_millis(5);

/// How long an attempt may go on past its time limit: programs have to be killed, servers to be left.
pub(super) const GRACE: Duration = Duration::from_secs(10);
/// How many abandoned attempts of a method may go on.
const MAX_ABANDONED: i64 = 16;

/// A delivery in hand: of the thread that attempts it, and of the dispatcher, which watches.
pub(super) struct Attempt {
    pub(super) row: Row,
    stage: Mutex<Stage>,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Running(Instant),
    /// It runs long past its time limit, and is counted as such.
    Stuck,
    /// The same, and nobody waits for it any more.
    Abandoned,
    Ended,
}

impl Attempt {
    fn new(row: Row) -> Arc<Attempt> {
        let stage = Mutex::new(Stage::Waiting);
        Arc::new(Attempt { row, stage })
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the stage of one that runs, and counts it once; false when it has ended meanwhile.
    fn turn(&self, to: Stage, stuck: &Gauge) -> bool {
        let mut stage = self.stage();
        match *stage {
            Stage::Running(_) => stuck.inc(),
            Stage::Stuck => 0,
            _ => return false,
        };
        *stage = to;
        true
    }
}

/// An attempt that has ended.
pub(super) struct Ended {
    pub(super) attempt: Arc<Attempt>,
    /// It was abandoned before: the delivery is tried again already, or will be.
    pub(super) abandoned: bool,
    /// `None`: it was not made, because the lane was told to stop.
    pub(super) outcome: Option<Outcome>,
    /// How long it took.
    pub(super) took: Duration,
}

/// Who is told of attempts that have ended, with the lane they ran in.
pub(super) type Report = Arc<dyn Fn(usize, Vec<Ended>) + Send + Sync>;

/// What all lanes of a dispatcher share.
pub(super) struct Common {
    /// Raised when attempts shall end.
    pub(super) cancel: Arc<Cancel>,
    /// The spool's.
    pub(super) folder: PathBuf,
    pub(super) report: Report,
}

/// One method's lane, as the dispatcher sees it.
pub(super) struct Lane {
    pub(super) kind: &'static Kind,
    permits: usize,
    /// How long to go on trying.
    pub(super) policy: Policy,
    timeout: Duration,
    /// Those that are claimed, and neither ended nor abandoned, by id.
    in_hand: BTreeMap<i64, Arc<Attempt>>,
    /// When it looks into the spool again, if nobody tells it to before.
    pub(super) look_at: Instant,
    /// What comes first may be what the process died of: see [`super::suspects`]. Until something else has come.
    pub(super) careful: bool,
    jobs: Sender<Vec<Arc<Attempt>>>,
    worker: Worker,
}

impl Lane {
    /// Starts the threads of a lane; they end when the lane is dropped.
    pub(super) fn start(
        place: usize,
        kind: &'static Kind,
        rules: &LaneRules,
        method: &Arc<dyn Method>,
        common: &Common,
        stuck: &Gauge,
    ) -> io::Result<Lane> {
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let worker = Worker {
            place,
            kind,
            timeout: rules.timeout,
            method: method.clone(),
            cancel: common.cancel.clone(),
            folder: common.folder.clone(),
            queue,
            report: common.report.clone(),
            stop: Arc::new(AtomicBool::new(false)),
            stuck: stuck.clone(),
        };
        for _ in 0..rules.permits {
            worker.start()?;
        }
        Ok(Lane {
            kind,
            permits: rules.permits,
            policy: rules.policy.clone(),
            timeout: rules.timeout,
            in_hand: BTreeMap::new(),
            look_at: Instant::now(),
            careful: !kind.immediate,
            jobs,
            worker,
        })
    }

    /// How many deliveries it would take now. One that works ahead takes many at once, or none.
    pub(super) fn room(&self) -> usize {
        let bytes = |attempt: &Arc<Attempt>| attempt.row.kept.notification.len();
        if self.kind.immediate && self.in_hand.values().map(bytes).sum::<usize>() >= AHEAD_BYTES {
            return 0;
        }
        let room = room(self.kind.immediate, self.permits, self.in_hand.len());
        if self.careful { room.min(1) } else { room }
    }

    /// Begins attempts, in this order; there must be room for them.
    pub(super) fn begin(&mut self, rows: Vec<Row>) {
        let attempts: Vec<Arc<Attempt>> = rows.into_iter().map(Attempt::new).collect();
        let of_each = attempts.iter().map(|one| (one.row.kept.id, one.clone()));
        self.in_hand.extend(of_each);
        let together = if self.kind.immediate { AHEAD } else { 1 };
        let mut attempts = attempts.into_iter();
        loop {
            let job: Vec<Arc<Attempt>> = attempts.by_ref().take(together).collect();
            if job.is_empty() {
                return;
            }
            let _ = self.jobs.send(job); // the threads live as long as the lane
        }
    }

    /// Attempts have ended.
    pub(super) fn ended(&mut self, ended: &[Ended]) {
        for one in ended.iter().filter(|one| !one.abandoned) {
            self.in_hand.remove(&one.attempt.row.kept.id);
        }
        self.look_at = Instant::now(); // it stopped looking when it had no room
    }

    /// Begins no attempt any more: what is in hand and not begun ends without an outcome.
    pub(super) fn stop(&self) {
        self.worker.stop.store(true, Ordering::Relaxed);
    }

    /// Attempts that have gone on for longer than they may, at `now`. Methods that are done at once wait for nothing.
    pub(super) fn overdue(&self, now: Instant) -> Vec<Arc<Attempt>> {
        let limit = self.timeout + GRACE;
        let is_overdue = |attempt: &&Arc<Attempt>| match *attempt.stage() {
            Stage::Running(since) => now.saturating_duration_since(since) >= limit,
            Stage::Stuck => true,
            _ => false,
        };
        let watched = self.in_hand.values().filter(|_| !self.kind.immediate);
        watched.filter(is_overdue).cloned().collect()
    }

    /// Abandons an attempt, when it still runs; false when too many go on already, and it keeps its permit.
    ///
    /// # Errors
    /// When the system has no thread left: then there is a permit less until the next start.
    pub(super) fn abandon(&mut self, attempt: &Attempt) -> io::Result<bool> {
        let stuck = &self.worker.stuck;
        if stuck.get() >= MAX_ABANDONED {
            attempt.turn(Stage::Stuck, stuck);
            return Ok(false);
        }
        if attempt.turn(Stage::Abandoned, stuck) {
            self.in_hand.remove(&attempt.row.kept.id);
            self.worker.start().inspect_err(|_| self.permits -= 1)?;
        }
        Ok(true)
    }

    /// How many attempts of this method go on long past their time limit.
    pub(super) fn stuck(&self) -> i64 {
        self.worker.stuck.get()
    }

    /// The time limit of an attempt.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.in_hand.is_empty()
    }

    /// Whether nothing is under way that is worth waiting for.
    pub(super) fn is_idle_or_stuck(&self) -> bool {
        let mut all = self.in_hand.values();
        all.all(|attempt| *attempt.stage() == Stage::Stuck)
    }

    /// Nobody waits any more for what is in hand: what is to be written down about it.
    pub(super) fn leave_all(&mut self) -> Vec<Settlement> {
        let all = std::mem::take(&mut self.in_hand);
        let settle = |(id, attempt): (i64, Arc<Attempt>)| {
            let begun = *attempt.stage() != Stage::Waiting;
            let runs = attempt.turn(Stage::Abandoned, &self.worker.stuck);
            match (begun, runs) {
                (false, _) => vec![Settlement::GiveBack(id)],
                (true, false) => vec![Settlement::Release(id)], // it has ended in this moment
                (true, true) => vec![Settlement::Abandon(id), Settlement::Release(id)],
            }
        };
        all.into_iter().flat_map(settle).collect()
    }
}

fn room(immediate: bool, permits: usize, in_hand: usize) -> usize {
    match immediate {
        false => permits.saturating_sub(in_hand),
        true if in_hand <= AHEAD / 2 => AHEAD - in_hand,
        true => 0,
    }
}

/// One thread of a lane.
#[derive(Clone)]
struct Worker {
    place: usize,
    kind: &'static Kind,
    timeout: Duration,
    method: Arc<dyn Method>,
    cancel: Arc<Cancel>,
    folder: PathBuf,
    queue: Arc<Mutex<Receiver<Vec<Arc<Attempt>>>>>,
    report: Report,
    stop: Arc<AtomicBool>,
    /// How many attempts of the method go on long past their time limit, those of former lanes included.
    stuck: Gauge,
}

impl Worker {
    fn start(&self) -> io::Result<()> {
        let worker = self.clone();
        thread(self.kind.name, move || worker.work()).map(drop)
    }

    fn work(&self) {
        loop {
            let job = self
                .queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .recv();
            let Ok(attempts) = job else { return };
            let mut ended = Vec::with_capacity(attempts.len());
            let mut report_at = Instant::now() + REPORT_EVERY;
            for attempt in attempts {
                let one = self.make(attempt);
                let (now, abandoned) = (Instant::now(), one.abandoned);
                ended.push(one);
                if abandoned {
                    (self.report)(self.place, ended);
                    return; // another thread has the permit
                }
                if now >= report_at {
                    (self.report)(self.place, std::mem::take(&mut ended));
                    report_at = now + REPORT_EVERY;
                }
            }
            if !ended.is_empty() {
                (self.report)(self.place, ended);
            }
        }
    }

    /// Makes an attempt, unless the lane was told to stop.
    fn make(&self, attempt: Arc<Attempt>) -> Ended {
        let began = Instant::now();
        let outcome = (!self.stop.load(Ordering::Relaxed)).then(|| {
            *attempt.stage() = Stage::Running(began);
            self.outcome(&attempt.row)
        });
        let before = std::mem::replace(&mut *attempt.stage(), Stage::Ended);
        if matches!(before, Stage::Stuck | Stage::Abandoned) {
            self.stuck.dec();
        }
        Ended {
            attempt,
            abandoned: before == Stage::Abandoned,
            outcome,
            took: began.elapsed(),
        }
    }

    /// A bug in one method must not stop the others, nor this one for ever.
    fn outcome(&self, row: &Row) -> Outcome {
        catch_unwind(AssertUnwindSafe(|| self.attempt(row))).unwrap_or_else(|_| {
            Outcome::Temporary("internal error: the method has panicked".into())
        })
    }

    fn attempt(&self, row: &Row) -> Outcome {
        match datagram::decode(&row.kept.notification) {
            Ok(notification) => {
                let delivery = Delivery {
                    id: row.kept.id,
                    attempt: row.attempts,
                    begun: row.begun.max(row.attempts),
                    asked: row.asked,
                    received: UNIX_EPOCH + Duration::from_micros(row.kept.received.unsigned_abs()),
                    notification,
                    message_file: self.message_file(row),
                };
                self.method.deliver(&delivery, self.timeout, &self.cancel)
            }
            Err(error) => {
                Outcome::Permanent(format!("the spooled notification is damaged: {error}"))
            }
        }
    }

    /// Where the kept message is, or would be.
    fn message_file(&self, row: &Row) -> PathBuf {
        let name = row
            .kept
            .file
            .clone()
            .unwrap_or_else(|| id_text(row.kept.id));
        files::path(&self.folder, &name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method;
    use crate::spool::NewRow;
    use std::sync::atomic::AtomicUsize;

    /// Waits for as long as its gate is locked.
    struct Gated(Arc<Mutex<()>>, Arc<AtomicUsize>);

    impl Method for Gated {
        fn deliver(&self, _: &Delivery, _: Duration, _: &Cancel) -> Outcome {
            self.1.fetch_add(1, Ordering::SeqCst);
            drop(self.0.lock());
            Outcome::Delivered(String::new())
        }
    }

    fn row(id: i64) -> Row {
        Row {
            kept: NewRow {
                id,
                method: "m".into(),
                received: 0,
                uid: None,
                file: None,
                notification: b"m\0\0\0\0\x000\0x\0".to_vec(),
                user: None,
            },
            due: 0,
            attempts: 1,
            begun: 1,
            crashes: 0,
            asked: 0,
            delay: 0,
            waited: 0,
            error: None,
        }
    }

    #[test]
    fn only_what_is_done_at_once_is_taken_ahead_of_the_permits() {
        assert_eq!((room(false, 4, 0), room(false, 4, 4)), (4, 0));
        assert_eq!(
            (room(true, 1, 0), room(true, 1, AHEAD / 2)),
            (AHEAD, AHEAD / 2)
        );
        assert_eq!(
            (room(true, 1, AHEAD / 2 + 1), room(true, 1, AHEAD)),
            (0, 0),
            "many or none"
        );
    }

    #[test]
    fn what_was_not_begun_when_the_lane_stops_is_given_back_in_order() {
        let (gate, begun) = (Arc::new(Mutex::new(())), Arc::new(AtomicUsize::new(0)));
        let (sender, reports) = channel();
        let report: Report = Arc::new(move |_, ended| drop(sender.send(ended)));
        let method: Arc<dyn Method> = Arc::new(Gated(gate.clone(), begun.clone()));
        let cancel = Arc::new(Cancel::new().unwrap());
        let kind = method::find(b"null").unwrap();
        let rules = LaneRules {
            permits: kind.permits,
            timeout: kind.timeout,
            policy: Policy::default(),
        };
        let common = Common {
            cancel,
            folder: "/".into(),
            report,
        };
        let mut lane = Lane::start(0, kind, &rules, &method, &common, &Gauge::default()).unwrap();
        let closed = gate.lock().unwrap();
        lane.begin((1..=20).map(row).collect());
        let limit = Instant::now() + Duration::from_secs(60);
        while begun.load(Ordering::SeqCst) == 0 {
            assert!(Instant::now() < limit);
            std::thread::yield_now();
        }
        lane.stop();
        drop(closed);
        let mut ended = Vec::new();
        while ended.len() < 20 {
            ended.extend(reports.recv_timeout(Duration::from_secs(60)).unwrap());
        }
        lane.ended(&ended);
        assert!(lane.is_idle());
        assert_eq!(begun.load(Ordering::SeqCst), 1, "one permit, one attempt");
        assert!(ended[0].outcome.is_some() && ended[1..].iter().all(|e| e.outcome.is_none()));
        let ids = ended.iter().map(|e| e.attempt.row.kept.id);
        assert!(ids.eq(1..=20));
    }
}
