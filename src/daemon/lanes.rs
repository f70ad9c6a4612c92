//! The lanes of the dispatcher: for each method a queue of claimed deliveries and as many threads as it has permits.

use super::retry::Policy;
use super::rules::LaneRules;
use crate::method::{Delivery, Kind, Method, Outcome};
use crate::spool::{Row, files, id_text};
use crate::system::{cancel::Cancel, thread};
use crate::wire::datagram;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

/// An attempt that has ended.
pub(super) struct Ended {
    /// The lane it ran in.
    pub(super) lane: usize,
    pub(super) row: Row,
    pub(super) outcome: Outcome,
}

/// Who is told of each attempt that has ended.
pub(super) type Report = Arc<dyn Fn(Ended) + Send + Sync>;

/// One method's lane, as the dispatcher sees it.
pub(super) struct Lane {
    pub(super) kind: &'static Kind,
    /// Permits that are not in use.
    pub(super) free: usize,
    permits: usize,
    /// How long to go on trying.
    pub(super) policy: Policy,
    /// When it looks into the spool again, if nobody tells it to before.
    pub(super) look_at: Instant,
    jobs: Sender<Row>,
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
        for _ in 0..rules.permits {
            let worker = Worker {
                place,
                timeout: rules.timeout,
                method: method.clone(),
                cancel: cancel.clone(),
                folder: folder.to_owned(),
                queue: queue.clone(),
                report: report.clone(),
            };
            thread(kind.name, move || worker.work())?;
        }
        Ok(Lane {
            kind,
            free: rules.permits,
            permits: rules.permits,
            policy: rules.policy.clone(),
            look_at: Instant::now(),
            jobs,
        })
    }

    /// Begins an attempt; there must be a free permit.
    pub(super) fn begin(&mut self, row: Row) {
        self.free -= 1;
        let _ = self.jobs.send(row); // the threads live as long as the lane
    }

    /// Attempts under way.
    pub(super) fn busy(&self) -> usize {
        self.permits - self.free
    }
}

/// One thread of a lane.
struct Worker {
    place: usize,
    timeout: Duration,
    method: Arc<dyn Method>,
    cancel: Arc<Cancel>,
    folder: PathBuf,
    queue: Arc<Mutex<Receiver<Row>>>,
    report: Report,
}

impl Worker {
    fn work(&self) {
        loop {
            let job = self
                .queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .recv();
            let Ok(row) = job else { return };
            // A bug in one method must not stop the others, nor this one for ever.
            let outcome =
                catch_unwind(AssertUnwindSafe(|| self.attempt(&row))).unwrap_or_else(|_| {
                    Outcome::Temporary("internal error: the method has panicked".into())
                });
            let ended = Ended {
                lane: self.place,
                row,
                outcome,
            };
            (self.report)(ended);
        }
    }

    fn attempt(&self, row: &Row) -> Outcome {
        match datagram::decode(&row.kept.notification) {
            Ok(notification) => {
                let delivery = Delivery {
                    id: row.kept.id,
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
