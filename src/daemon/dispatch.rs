//! Delivers what is owed: takes due deliveries from the spool as far as there are permits, gives them to the methods, and
//! writes down what became of them. One thread decides; the attempts run on threads of the methods' own.

use super::instances::Instances;
use super::retry::{Policy, Verdict, verdict};
use super::throttle::{Throttle, and_more};
use crate::method::{Delivery, Kind, METHODS, Method, Outcome};
use crate::spool::{self, Micros, Row, Settlement, Spool, files};
use crate::system::cancel::Cancel;
use crate::system::syslog::printable;
use crate::system::thread;
use crate::wire::datagram;
use log::{error, info, warn};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// Longest sleep when nothing is due.
const IDLE: Duration = Duration::from_secs(60);
/// Sleep when the disk refuses.
const TROUBLE: Duration = Duration::from_secs(1);
/// How long failed deliveries are kept for the operator.
const KEEP_FAILED: Duration = Duration::from_secs(7 * 86_400);
/// How often those are looked through.
const PURGE_EVERY: Duration = Duration::from_secs(3600);

enum Event {
    /// New deliveries are in the spool.
    Wake,
    /// An attempt of the method at this place has ended.
    Ended(usize, Box<(Row, Outcome)>),
    /// Start no attempt any more; kill what still runs when the time has passed.
    Stop(Duration),
}

/// The way to wake a dispatcher; cheap when it is awake already.
#[derive(Clone)]
pub struct Waker {
    events: Sender<Event>,
    awake: Arc<AtomicBool>,
}

impl Waker {
    /// Tells it that something is due.
    pub fn wake(&self) {
        if !self.awake.swap(true, Ordering::AcqRel) {
            let _ = self.events.send(Event::Wake); // a dispatcher that has ended needs no waking
        }
    }
}

/// A running dispatcher.
pub struct Dispatcher {
    waker: Waker,
    thread: JoinHandle<()>,
}

impl Dispatcher {
    /// Starts delivering.
    ///
    /// # Errors
    /// When the system has no thread or descriptor left.
    pub fn start(spool: Arc<Spool>, instances: Arc<Instances>) -> io::Result<Dispatcher> {
        let (sender, events) = channel();
        let waker = Waker { events: sender, awake: Arc::new(AtomicBool::new(true)) };
        let cancel = Arc::new(Cancel::new()?);
        let lanes = METHODS
            .iter()
            .enumerate()
            .map(|(place, kind)| Lane::start(place, kind, instances.get(place), &waker, &cancel))
            .collect::<io::Result<Vec<Lane>>>()?;
        let awake = waker.awake.clone();
        let mut dispatch = Dispatch {
            spool, lanes, events, awake, cancel,
            policy: Policy::default(),
            unsettled: Vec::new(),
            deferred: Throttle::default(),
            kill_at: None,
            stopping: false,
            purge_at: Instant::now(),
        };
        Ok(Dispatcher { waker, thread: thread("dispatch", move || dispatch.run())? })
    }

    /// How to wake it.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Lets the attempts under way end, for at most `grace`, then ends them. What they owe is due again.
    pub fn stop(self, grace: Duration) {
        let _ = self.waker.events.send(Event::Stop(grace)); // it may have ended by itself
        if self.thread.join().is_err() {
            error!("internal error: the dispatcher has panicked");
        }
    }
}

/// One method with its permits: a queue of jobs, and as many threads as there are permits.
struct Lane {
    kind: &'static Kind,
    free: usize,
    jobs: Sender<Row>,
}

impl Lane {
    fn start(place: usize, kind: &'static Kind, method: Arc<dyn Method>, waker: &Waker, cancel: &Arc<Cancel>) -> io::Result<Lane> {
        let (jobs, queue) = channel::<Row>();
        let queue = Arc::new(Mutex::new(queue));
        let worker = Arc::new(Worker { place, kind, method, cancel: cancel.clone(), folder: Mutex::new(None) });
        for _ in 0..kind.permits {
            let (queue, worker, events) = (queue.clone(), worker.clone(), waker.events.clone());
            thread(kind.name, move || worker.work(&queue, &events))?;
        }
        Ok(Lane { kind, free: kind.permits, jobs })
    }
}

struct Worker {
    place: usize,
    kind: &'static Kind,
    method: Arc<dyn Method>,
    cancel: Arc<Cancel>,
    folder: Mutex<Option<()>>,
}
