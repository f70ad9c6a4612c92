//! The lanes of the dispatcher: for each method a queue of claimed deliveries and as many threads as it has permits.
//!
//! A lane has as many deliveries in hand as it has permits, so that what a crash may repeat is bounded by
//! them. Only a method that is done at once (`null`, `log`) gets more, which wait in its queue, in
//! order: with one transaction and two changes of thread for each, a backlog would take long to go.

use super::retry::Policy;
use super::rules::LaneRules;
use crate::method::{Delivery, Kind, Method, Outcome};
use crate::spool::{Row, files, id_text};
use crate::system::{cancel::Cancel, thread};
use crate::wire::datagram;
use std::collections::BTreeSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

/// How many deliveries a method that is done at once may have in hand.
const AHEAD: usize = 512;
/// How long ended attempts wait at most for others to be reported with them.
const REPORT_EVERY: Duration = Duration::from_millis(5);

/// An attempt that has ended.
pub(super) struct Ended {
    pub(super) row: Row,
    /// `None`: it was not made, because the lane was told to stop.
    pub(super) outcome: Option<Outcome>,
    /// How long it took.
    pub(super) took: Duration,
}

/// Who is told of attempts that have ended, with the lane they ran in.
pub(super) type Report = Arc<dyn Fn(usize, Vec<Ended>) + Send + Sync>;

/// One method's lane, as the dispatcher sees it.
pub(super) struct Lane {
    pub(super) kind: &'static Kind,
    permits: usize,
    /// How long to go on trying.
    pub(super) policy: Policy,
    /// Ids of those that are claimed, and not ended.
    in_hand: BTreeSet<i64>,
    /// When it looks into the spool again, if nobody tells it to before.
    pub(super) look_at: Instant,
    /// What comes first may be what the process died of: see [`super::suspects`]. Until something else has come.
    pub(super) careful: bool,
    jobs: Sender<Vec<Row>>,
    stop: Arc<AtomicBool>,
}

impl Lane {
    /// Starts the threads of a lane; they end when the lane is dropped.
    pub(super) fn start(
        place: usize,
        kind: &'static Kind,
        rules: &LaneRules,
        method: &Arc<dyn Method>,
        cancel: &Arc<Cancel>,
        folder: &Path,
        report: &Report,
    ) -> io::Result<Lane> {
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let stop = Arc::new(AtomicBool::new(false));
        for _ in 0..rules.permits {
            let worker = Worker {
                place,
                timeout: rules.timeout,
                method: method.clone(),
                cancel: cancel.clone(),
                folder: folder.to_owned(),
                queue: queue.clone(),
                report: report.clone(),
                stop: stop.clone(),
            };
            thread(kind.name, move || worker.work())?;
        }
        Ok(Lane {
            kind,
            permits: rules.permits,
            policy: rules.policy.clone(),
            in_hand: BTreeSet::new(),
            look_at: Instant::now(),
            careful: !kind.immediate,
            jobs,
            stop,
        })
    }

    /// How many deliveries it would take now. One that works ahead takes many at once, or none.
    pub(super) fn room(&self) -> usize {
        let room = room(self.kind.immediate, self.permits, self.in_hand.len());
        if self.careful { room.min(1) } else { room }
    }

    /// Begins attempts, in this order; there must be room for them.
    pub(super) fn begin(&mut self, rows: Vec<Row>) {
        self.in_hand.extend(rows.iter().map(|row| row.kept.id));
        let together = if self.kind.immediate { AHEAD } else { 1 };
        let mut rows = rows.into_iter();
        loop {
            let job: Vec<Row> = rows.by_ref().take(together).collect();
            if job.is_empty() {
                return;
            }
            let _ = self.jobs.send(job); // the threads live as long as the lane
        }
    }

    /// Attempts have ended.
    pub(super) fn ended(&mut self, ended: &[Ended]) {
        for one in ended {
            self.in_hand.remove(&one.row.kept.id);
        }
        self.look_at = Instant::now(); // it stopped looking when it had no room
    }

    /// Begins no attempt any more: what is in hand and not begun ends without an outcome.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.in_hand.is_empty()
    }

    /// Those of which nobody knows how they end.
    pub(super) fn in_hand(&self) -> impl Iterator<Item = i64> {
        self.in_hand.iter().copied()
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
struct Worker {
    place: usize,
    timeout: Duration,
    method: Arc<dyn Method>,
    cancel: Arc<Cancel>,
    folder: PathBuf,
    queue: Arc<Mutex<Receiver<Vec<Row>>>>,
    report: Report,
    stop: Arc<AtomicBool>,
}

impl Worker {
    fn work(&self) {
        loop {
            let job = self
                .queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .recv();
            let Ok(rows) = job else { return };
            let mut ended = Vec::with_capacity(rows.len());
            let mut report_at = Instant::now() + REPORT_EVERY;
            for row in rows {
                let began = Instant::now();
                let outcome = (!self.stop.load(Ordering::Relaxed)).then(|| self.outcome(&row));
                let now = Instant::now();
                let took = now - began;
                ended.push(Ended { row, outcome, took });
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
        let folder = Path::new("/");
        let mut lane = Lane::start(0, kind, &rules, &method, &cancel, folder, &report).unwrap();
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
        let ids = ended.iter().map(|e| e.row.kept.id);
        assert!(ids.eq(1..=20));
    }
}
