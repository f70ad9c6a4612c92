//! What the other parts tell about their work: counted for [`super::metrics`], shown to [`super::watchers`].
//!
//! Each event is one call here. It costs a few additions when nobody watches. Nothing here waits for anybody.

use super::intake::Counts;
use super::lanes::Ended;
use super::metrics::health::{Facts, Health};
use super::metrics::scrape::{Now, Scrape};
use super::metrics::{Metrics, OfMethod};
use super::retry::Verdict;
use super::stats;
use super::watchers::{Line, Watchers};
use crate::method::{Kind, Late, METHODS};
use crate::spool::depth::{self, Depths};
use crate::spool::queue::Queue;
use crate::spool::{self, Kept, Micros, NewRow, Row, Spool};
use crate::system::command;
use crate::system::socket::{Arrival, Sent};
use crate::system::syslog::Syslog;
use crate::system::thread;
use crate::wire::{Notification, datagram};
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How long what was counted in the spool is good for; longer when counting takes long.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// Counting may take this part of the time at most.
const COUNT_PART: u32 = 20;
/// A commit that takes so long means that the disk hangs: then nobody asks it how much is owed.
const DISK_HANGS: Duration = Duration::from_secs(2);
/// How long drops are a reason to be failing.
const DROPS_MATTER: Duration = Duration::from_secs(60);

/// Knows how it goes. One for the process.
pub struct Monitor {
    /// The counts.
    pub metrics: Metrics,
    /// Who watches.
    pub watchers: Watchers,
    spool: Arc<Spool>,
    syslog: Arc<Syslog>,
    scrape: Mutex<Scrape>,
    counted: Mutex<Option<Counted>>,
    configuration: Mutex<Option<String>>,
    /// Whether the file of counts has its last form.
    stats_finished: Mutex<bool>,
    born: Instant,
    started: Micros,
    /// When the commit under way began and when deliveries were dropped last: microseconds after `born`, 0 for never.
    committing: AtomicU64,
    dropped: AtomicU64,
}

/// What was counted in the spool, and until when that is good.
struct Counted {
    until: Instant,
    /// `None` when it could not be read.
    depths: Option<Depths>,
    used_bytes: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Monitor {
    /// A monitor that has seen nothing yet, and the threads that write its file and serve its watchers.
    ///
    /// # Errors
    /// When the system has no descriptor or thread left.
    pub fn start(spool: &Arc<Spool>, syslog: &Arc<Syslog>) -> io::Result<Arc<Monitor>> {
        let monitor = Arc::new(Monitor::new(spool.clone(), syslog.clone())?);
        let counts = Arc::downgrade(&monitor);
        thread("stats", move || stats::keep(&counts))?;
        let watched = monitor.clone();
        thread("watch", move || watched.watchers.serve(watched.folder()))?;
        Ok(monitor)
    }

    /// One without threads.
    #[cfg(test)]
    pub(super) fn for_tests(spool: Arc<Spool>) -> Arc<Monitor> {
        use crate::system::syslog::Identity;
        let (ident, facility) = ("test".into(), 2);
        let nowhere = spool.folder().join("no syslogd");
        let syslog = Syslog::open(&nowhere, Identity { ident, facility });
        Arc::new(Monitor::new(spool, syslog.unwrap()).unwrap())
    }

    fn new(spool: Arc<Spool>, syslog: Arc<Syslog>) -> io::Result<Monitor> {
        let started = spool::now();
        let (scrape, metrics) = Scrape::new(started);
        Ok(Monitor {
            metrics,
            watchers: Watchers::new()?,
            spool,
            syslog,
            scrape: Mutex::new(scrape),
            counted: Mutex::new(None),
            configuration: Mutex::new(None),
            stats_finished: Mutex::new(false),
            born: Instant::now(),
            started,
            committing: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        })
    }

    /// Takes how late the mail for each calendar alarm left.
    pub(super) fn late(&self) -> Late {
        let histogram = self.metrics.alarm_lateness.clone();
        Arc::new(move |late| histogram.observe(late.as_secs_f64()))
    }

    /// When it began.
    pub fn started(&self) -> Micros {
        self.started
    }

    fn since_birth(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// How long ago something was marked, `None` when it is not.
    fn ago(&self, mark: &AtomicU64) -> Option<Duration> {
        match mark.load(Ordering::Relaxed) {
            0 => None,
            then => Some(Duration::from_micros(
                (self.since_birth() + 1).saturating_sub(then),
            )),
        }
    }

    /// The first datagram of a batch, which is the one that waited longest, is looked at.
    pub(super) fn looked_at(&self, arrival: Arrival) {
        if let Sent::At(time) = arrival.sent
            && let Ok(waited) = SystemTime::now().duration_since(time)
        {
            self.metrics.unread.note(waited);
        }
    }

    /// Something came that leads to no delivery: `count` counts it, `status` and `why` tell the watchers.
    pub(super) fn turned_away(
        &self,
        status: &'static str,
        why: &dyn fmt::Display,
        arrival: Arrival,
    ) {
        let metrics = &self.metrics;
        metrics.received.inc();
        match status {
            "refused" => metrics.refused.inc(),
            "truncated" => metrics.truncated.inc(),
            _ => metrics.malformed.inc(),
        };
        if self.watchers.are_there() {
            let line = Line::new(status).arrival(arrival).why(&why.to_string());
            self.watchers.tell(line);
        }
    }

    /// A notification names a method that does not exist.
    pub(super) fn unknown(&self, notification: &Notification, arrival: Arrival) {
        self.metrics.unknown_method.inc();
        if self.watchers.are_there() {
            let line = Line::new("dropped")
                .arrival(arrival)
                .method(&String::from_utf8_lossy(&notification.method))
                .notification(notification)
                .why("no such method");
            self.watchers.tell(line);
        }
    }

    /// A notification goes to the method at this place; it has an id unless the method is done at once.
    pub(super) fn routed(
        &self,
        place: usize,
        id: Option<i64>,
        notification: &Notification,
        arrival: Arrival,
    ) {
        self.metrics.of(place).routed.inc();
        if self.watchers.are_there() {
            let line = Line::new("arrived")
                .arrival(arrival)
                .id(id)
                .method(METHODS[place].name)
                .notification(notification);
            self.watchers.tell(line);
        }
    }

    /// A method that is done at once has ended.
    pub(super) fn ended_at_once(
        &self,
        place: usize,
        delivered: bool,
        notification: &Notification,
        why: &str,
    ) {
        let of = self.metrics.of(place);
        of.attempts.inc();
        match delivered {
            true => of.delivered.inc(),
            false => of.failed.inc(),
        };
        if self.watchers.are_there() {
            let line = Line::new(if delivered { "delivered" } else { "failed" })
                .method(METHODS[place].name)
                .notification(notification)
                .why(why);
            self.watchers.tell(line);
        }
    }

    /// An attempt has ended, and this follows.
    pub(super) fn ended(
        &self,
        lane: usize,
        ended: &Ended,
        verdict: &Verdict,
        why: &str,
        now: Micros,
    ) {
        let of = self.metrics.of(lane);
        let kept = &ended.attempt.row.kept;
        let delay = (now - kept.received).max(0) as f64 / 1e6;
        of.attempts.inc();
        of.attempt.observe(ended.took.as_secs_f64());
        let (status, count) = match verdict {
            Verdict::Done => ("delivered", &of.delivered),
            Verdict::Discarded => ("discarded", &of.discarded),
            Verdict::Again(_) => ("deferred", &of.deferred),
            Verdict::GiveUp => ("failed", &of.failed),
            Verdict::Expired => ("expired", &of.expired),
            Verdict::Hold => ("held", &of.held),
        };
        count.inc();
        if *verdict == Verdict::Done {
            of.delay.observe(delay);
        }
        if self.watchers.are_there() {
            let notification = datagram::decode(&kept.notification).unwrap_or_default();
            let line = Line::new(status)
                .id(Some(kept.id))
                .method(&kept.method)
                .notification(&notification)
                .attempts(ended.attempt.row.attempts, delay)
                .why(why);
            self.watchers.tell(line);
        }
    }

    /// A delivery was given up that had been on hold for too long.
    pub(super) fn expired_on_hold(&self, row: &Row, why: &str, now: Micros) {
        if let Some(of) = self.of(row) {
            of.expired.inc();
        }
        self.ended_without_attempt("expired", row, why, now);
    }

    /// A delivery was put on hold instead of being attempted.
    pub(super) fn put_on_hold(&self, row: &Row, why: &str, now: Micros) {
        if let Some(of) = self.of(row) {
            of.held.inc();
        }
        self.ended_without_attempt("held", row, why, now);
    }

    /// The counts of the method that owes `row`.
    fn of(&self, row: &Row) -> Option<&OfMethod> {
        let place = METHODS.iter().position(|k| k.name == row.kept.method)?;
        Some(self.metrics.of(place))
    }

    fn ended_without_attempt(&self, status: &'static str, row: &Row, why: &str, now: Micros) {
        if self.watchers.are_there() {
            let kept = &row.kept;
            let delay = (now - kept.received).max(0) as f64 / 1e6;
            let notification = datagram::decode(&kept.notification).unwrap_or_default();
            let line = Line::new(status)
                .id(Some(kept.id))
                .method(&kept.method)
                .notification(&notification)
                .attempts(row.attempts, delay)
                .why(why);
            self.watchers.tell(line);
        }
    }

    /// A notification is dropped, because its owner has had a share of the spool.
    pub(super) fn over_share(&self, method: &str, notification: &Notification, arrival: Arrival) {
        self.metrics.over_share.inc();
        if self.watchers.are_there() {
            let line = Line::new("dropped")
                .arrival(arrival)
                .method(method)
                .notification(notification)
                .why("no room in the spool for this user");
            self.watchers.tell(line);
        }
    }

    /// A commit begins.
    pub(super) fn commit_begins(&self) {
        self.committing
            .store(self.since_birth() + 1, Ordering::Relaxed);
    }

    /// The commit of `rows` has ended.
    pub(super) fn committed(&self, rows: &[NewRow], kept: Kept) {
        self.committing.store(0, Ordering::Relaxed);
        let Some(first) = rows.first() else { return };
        let waited = (self.spool.now() - first.received).max(0).unsigned_abs();
        self.metrics.uncommitted.note(Duration::from_micros(waited));
        let count = rows.len() as u64;
        match kept {
            Kept::Disk => drop(self.metrics.to_disk.inc_by(count)),
            Kept::Memory => drop(self.metrics.to_memory.inc_by(count)),
            Kept::Dropped => self.dropped(rows),
        }
    }

    fn dropped(&self, rows: &[NewRow]) {
        self.dropped
            .store(self.since_birth() + 1, Ordering::Relaxed);
        if self.watchers.are_there() {
            for row in rows {
                let notification = datagram::decode(&row.notification).unwrap_or_default();
                let line = Line::new("dropped")
                    .id(Some(row.id))
                    .method(&row.method)
                    .notification(&notification)
                    .why("no room in the spool");
                self.watchers.tell(line);
            }
        }
    }

    /// What is wrong with the configuration, `None` when nothing is.
    pub fn configuration(&self, wrong: Option<String>) {
        *lock(&self.configuration) = wrong;
    }

    /// To be called each minute.
    pub(super) fn minute(&self) {
        self.metrics.unread.turn();
        self.metrics.uncommitted.turn();
    }

    /// What came so far.
    pub fn counts(&self) -> Counts {
        let m = &self.metrics;
        Counts {
            received: m.received.get(),
            malformed: m.malformed.get(),
            truncated: m.truncated.get(),
            refused: m.refused.get(),
            unknown_method: m.unknown_method.get(),
        }
    }

    /// To be locked by who writes the file of counts: whether it has its last form.
    pub(super) fn stats_finished(&self) -> MutexGuard<'_, bool> {
        lock(&self.stats_finished)
    }

    /// Deliveries that were dropped for want of room.
    pub(super) fn dropped_rows(&self) -> u64 {
        self.spool.dropped()
    }

    /// Log lines that were lost.
    pub(super) fn lost_lines(&self) -> u64 {
        self.syslog.dropped()
    }

    /// The folder of the spool.
    pub(super) fn folder(&self) -> &std::path::Path {
        self.spool.folder()
    }

    /// How it goes.
    pub fn health(&self) -> Health {
        let counted = self.count();
        Health::judge(&self.facts(&counted))
    }

    /// All metrics, in the OpenMetrics text format.
    pub fn scrape(&self) -> String {
        let now = {
            let counted = self.count();
            let facts = self.facts(&counted);
            let counted = counted.as_ref();
            Now {
                depths: counted.and_then(|counted| counted.depths.clone()),
                used_bytes: facts.bytes.0,
                max_bytes: facts.bytes.1,
                dropped: self.dropped_rows(),
                syslog_dropped: self.lost_lines(),
                unread: self.metrics.unread.lately(),
                uncommitted: self.metrics.uncommitted.lately().max(facts.committing),
                health: Health::judge(&facts),
            }
        };
        lock(&self.scrape).write(&now)
    }

    fn facts(&self, counted: &Option<Counted>) -> Facts {
        let used = counted.as_ref().map_or(0, |counted| counted.used_bytes);
        let depths = counted.as_ref().and_then(|counted| counted.depths.as_ref());
        let rows = depths.map_or(0, |depths| {
            depths.values().flat_map(|d| d.states.values()).sum()
        });
        let limits = self.spool.limits();
        Facts {
            in_memory: self.spool.is_degraded(),
            bytes: (used, limits.bytes),
            rows: (rows, limits.rows),
            dropping: self
                .ago(&self.dropped)
                .is_some_and(|ago| ago < DROPS_MATTER),
            committing: self.ago(&self.committing).unwrap_or_default(),
            stuck: self.stuck(),
            strays: command::strays(),
            configuration: lock(&self.configuration).clone(),
        }
    }

    /// The methods with attempts that go on long past their time limit, and how many.
    fn stuck(&self) -> Vec<(&'static str, u64)> {
        let of = |(place, kind): (usize, &'static Kind)| {
            let count = u64::try_from(self.metrics.of(place).stuck.get()).ok()?;
            (count > 0).then_some((kind.name, count))
        };
        METHODS.iter().enumerate().filter_map(of).collect()
    }

    /// How many attempts of all methods and how many programs go on that should have ended.
    pub(super) fn stuck_in_all(&self) -> u64 {
        let attempts: u64 = self.stuck().iter().map(|(_, count)| count).sum();
        attempts + command::strays() as u64
    }

    /// Counts what is in the spool, unless that was done a moment ago.
    fn count(&self) -> MutexGuard<'_, Option<Counted>> {
        let mut counted = lock(&self.counted);
        let start = Instant::now();
        let hangs = self.ago(&self.committing) > Some(DISK_HANGS);
        if !hangs && counted.as_ref().is_none_or(|last| last.until <= start) {
            let (depths, used_bytes) = match self.look() {
                Ok((depths, used)) => (Some(depths), used),
                Err(error) => {
                    log::debug!("spool: cannot count deliveries: {error}");
                    (None, 0)
                }
            };
            let keep = COUNT_EVERY.max(start.elapsed() * COUNT_PART);
            *counted = Some(Counted {
                until: Instant::now() + keep,
                depths,
                used_bytes,
            });
        }
        counted
    }

    fn look(&self) -> io::Result<(Depths, u64)> {
        let in_memory = self.spool.depths_in_memory().map_err(io::Error::other)?;
        match self.look_at_disk() {
            Ok((mut depths, used)) => {
                depth::add(&mut depths, in_memory);
                Ok((depths, used))
            }
            // Then what is in memory is what there is to know.
            Err(_) if self.spool.is_degraded() => Ok((in_memory, 0)),
            Err(error) => Err(error),
        }
    }

    fn look_at_disk(&self) -> io::Result<(Depths, u64)> {
        // Opened each time: the file may have been replaced.
        let Some(queue) = Queue::open(self.spool.folder())? else {
            return Ok((Depths::new(), 0));
        };
        let depths = queue.depths().map_err(io::Error::other)?;
        let used = queue.used_bytes().map_err(io::Error::other)?;
        Ok((depths, used + self.spool.bytes_beside()))
    }
}
