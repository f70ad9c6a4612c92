//! Delivers what is owed: takes due deliveries from the spool as far as there are permits, has the
//! methods attempt them, and writes down what became of them. One thread decides; the attempts
//! run on threads of the lanes' own.

use super::instances::Instances;
use super::lanes::{Attempt, Common, Ended, GRACE, Lane, Report};
use super::monitor::Monitor;
use super::retry::{Verdict, verdict};
use super::rules::Rules;
use super::suspects::{self, Alone, Danger, danger};
use super::waker::{Waker, Wants};
use super::watchdog::Beat;
use crate::event;
use crate::method::{METHODS, Outcome};
use crate::spool::{self, Micros, Progress, Retiming, Row, Settlement, Spool};
use crate::system::cancel::Cancel;
use crate::system::syslog::printable;
use crate::system::thread;
use crate::system::throttle::{Throttle, and_more};
use crate::wire::{Notification, datagram};
use log::{error, info, warn};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Longest sleep: how often it is asked whether `notifyctl` has changed the spool, and whether the clock was set.
const IDLE: Duration = Duration::from_secs(1);
/// Sleep when the disk refuses.
const TROUBLE: Duration = Duration::from_secs(1);
/// How long an attempt may take to end after it was told to.
const KILL_PATIENCE: Duration = Duration::from_secs(2);
/// How often those are looked through.
const PURGE_EVERY: Duration = Duration::from_secs(3600);
/// How many batches of what was on hold for too long are given up before anything else is done.
const EXPIRE_BATCHES: usize = 8;
/// Longest value of a field in a log line, in bytes.
const SHOWN: usize = 100;

/// What the dispatcher's thread is told.
pub(super) enum Event {
    /// New deliveries are in the spool.
    Wake,
    /// Attempts of a lane have ended.
    Ended(usize, Vec<Ended>),
    /// Begin no attempt any more; end those that still run when the time has passed.
    Stop(Duration),
}

/// A running dispatcher.
pub struct Dispatcher {
    waker: Waker,
    /// Raised each time that it goes round.
    pub(super) beat: Beat,
}

impl Dispatcher {
    /// Starts delivering; `left` is what its predecessor in this process has left undone. `ended` is called when it has
    /// stopped, with what it leaves undone itself. One process may have one dispatcher at a time.
    ///
    /// # Errors
    /// When the system has no thread or descriptor left.
    pub fn start(
        spool: Arc<Spool>,
        instances: &Instances,
        rules: &Rules,
        monitor: Arc<Monitor>,
        left: Vec<Settlement>,
        ended: impl FnOnce(Vec<Settlement>) + Send + 'static,
    ) -> io::Result<Dispatcher> {
        let (sender, events) = channel();
        let cancel = Arc::new(Cancel::new()?);
        let ends = sender.clone();
        // A dispatcher that is gone has been told by the last attempt already.
        let report: Report =
            Arc::new(move |lane, ended| drop(ends.send(Event::Ended(lane, ended))));
        let common = Common {
            cancel,
            folder: spool.folder().to_owned(),
            report,
        };
        let start_lane = |(place, kind)| {
            Lane::start(
                place,
                kind,
                &rules.lanes[place],
                instances.get(place),
                &common,
                &monitor.metrics.of(place).stuck,
            )
        };
        let lanes = METHODS
            .iter()
            .enumerate()
            .map(start_lane)
            .collect::<io::Result<_>>()?;
        let wants = Wants::none();
        let waker = Waker::new(sender, wants.clone());
        let mut dispatch = Dispatch {
            spool,
            lanes,
            events,
            wants,
            cancel: common.cancel,
            keep_failed: rules.keep_failed,
            keep_held: rules.keep_held,
            say_delivered: rules.say_delivered,
            unsettled: left,
            deferrals: Throttle::default(),
            monitor,
            stop: None,
            purge_at: Instant::now(),
            alone: Alone::default(),
            changes_at: Instant::now(),
            retiming: None,
            beat: Beat::default(),
        };
        let beat = dispatch.beat.clone();
        let body = move || {
            let mut end = CallAtEnd(Some(ended), Vec::new());
            end.1 = dispatch.run();
        };
        thread("dispatch", body)?;
        Ok(Dispatcher { waker, beat })
    }

    /// How to wake it.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Begins no attempt any more, lets those under way end for at most `grace`, then ends them. What they
    /// owe is due again. A second call can only shorten the time.
    pub fn stop(&self, grace: Duration) {
        self.waker.send(Event::Stop(grace));
    }
}

/// Calls even when the thread panics: somebody waits for it.
struct CallAtEnd<F: FnOnce(Vec<Settlement>)>(Option<F>, Vec<Settlement>);

impl<F: FnOnce(Vec<Settlement>)> Drop for CallAtEnd<F> {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call(std::mem::take(&mut self.1));
        }
    }
}

/// The thread's own state.
struct Dispatch {
    spool: Arc<Spool>,
    lanes: Vec<Lane>,
    events: Receiver<Event>,
    wants: Wants,
    cancel: Arc<Cancel>,
    keep_failed: Duration,
    keep_held: Duration,
    say_delivered: bool,
    /// Known ends of attempts that are not written down yet. While the disk refuses no row is claimed from it, so
    /// there are at most as many as the lanes had in hand.
    unsettled: Vec<Settlement>,
    deferrals: Throttle,
    monitor: Arc<Monitor>,
    stop: Option<Stop>,
    purge_at: Instant,
    alone: Alone,
    /// When it is asked again whether somebody else has changed the spool.
    changes_at: Instant,
    /// Due times are being set right; no attempt begins meanwhile, or new deliveries would overtake old ones.
    retiming: Option<Retiming>,
    beat: Beat,
}

/// How far stopping has come.
struct Stop {
    kill_at: Instant,
    killed: bool,
}

impl Dispatch {
    /// Until it is told to stop; what is not written down then.
    fn run(&mut self) -> Vec<Settlement> {
        loop {
            self.beat.now();
            self.abandon_overdue(Instant::now());
            if self.stop.is_none() && self.retime() == Some(Progress::More) {
                self.receive(Duration::ZERO);
                continue;
            }
            let settled = self.settle();
            let mut wait = if settled && self.spool.mend() {
                IDLE
            } else {
                TROUBLE
            };
            match &mut self.stop {
                Some(stop) => {
                    let patience_ends = stop.kill_at + KILL_PATIENCE;
                    if self.lanes.iter().all(Lane::is_idle_or_stuck)
                        || Instant::now() >= patience_ends
                    {
                        return self.left();
                    }
                    let left = stop.kill_at.saturating_duration_since(Instant::now());
                    if left.is_zero() && !stop.killed {
                        self.cancel.raise();
                        stop.killed = true;
                    }
                    wait = if stop.killed { TROUBLE } else { left };
                }
                None => {
                    wait = wait.min(self.begin_due());
                    self.purge();
                }
            }
            self.receive(wait);
        }
    }

    /// What the next start of the process would find `active`, and a successor in this one never: it must set it right.
    fn left(&mut self) -> Vec<Settlement> {
        let mut left = std::mem::take(&mut self.unsettled);
        left.extend(self.lanes.iter_mut().flat_map(Lane::leave_all));
        left
    }

    /// Goes on without attempts that do not end: see [`super::lanes`].
    fn abandon_overdue(&mut self, now: Instant) {
        for place in 0..self.lanes.len() {
            for attempt in self.lanes[place].overdue(now) {
                self.abandon(place, attempt);
            }
        }
    }

    fn abandon(&mut self, place: usize, attempt: Arc<Attempt>) {
        let lane = &mut self.lanes[place];
        let (name, limit) = (lane.kind.name, lane.timeout());
        match lane.abandon(&attempt) {
            Ok(true) => {}
            Ok(false) => {
                let key = [b"stuck ", name.as_bytes()].concat();
                if let Some(kept_back) = self.deferrals.may_say(&key, 1, Instant::now()) {
                    error!(
                        "method {name}: {} attempts go on long past their time limit, and those that follow keep their permits; restart notifyd to end them{}",
                        lane.stuck(),
                        and_more(kept_back)
                    );
                }
                return;
            }
            Err(error) => error!("method {name}: a permit is lost: {error}"),
        }
        let why = format!(
            "abandoned: it goes on {} s after its time limit of {} s",
            GRACE.as_secs(),
            limit.as_secs()
        );
        let id = attempt.row.kept.id;
        error!("{}: an attempt is {why}", spool::id_text(id));
        let is_last = attempt.row.crashes + 1 >= suspects::MAX;
        let ended = Ended {
            attempt,
            abandoned: true,
            outcome: None,
            took: limit + GRACE,
        };
        let mut settlement = self.judge(place, &ended, &Outcome::Temporary(why));
        if let Settlement::Defer { due, delay, .. } = &mut settlement
            && is_last
        {
            (*due, *delay) = (self.spool.now(), 0); // to be put on hold when it is claimed
        }
        self.unsettled.extend([Settlement::Abandon(id), settlement]);
    }

    /// An attempt has ended that was abandoned. Only that it has delivered counts.
    fn come_late(&mut self, lane: usize, ended: &Ended) {
        if let Some(outcome @ Outcome::Delivered(_)) = &ended.outcome {
            let settlement = self.judge(lane, ended, outcome);
            self.unsettled.push(settlement);
        } else if let Some(outcome) = &ended.outcome {
            let id = spool::id_text(ended.attempt.row.kept.id);
            info!(
                "{id}: an abandoned attempt has ended after {} s: {}",
                ended.took.as_secs(),
                outcome.why()
            );
        }
    }

    /// Waits for an event and takes all that have come.
    fn receive(&mut self, wait: Duration) {
        let first = match self.events.recv_timeout(wait) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        };
        self.handle(first);
        while let Ok(event) = self.events.try_recv() {
            self.handle(event);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Wake => {}
            Event::Stop(grace) => {
                self.lanes.iter().for_each(Lane::stop);
                let kill_at = Instant::now() + grace;
                let stop = self.stop.get_or_insert(Stop {
                    kill_at,
                    killed: false,
                });
                stop.kill_at = stop.kill_at.min(kill_at);
            }
            Event::Ended(lane, ended) => {
                self.lanes[lane].ended(&ended);
                for one in &ended {
                    if one.abandoned {
                        self.come_late(lane, one);
                        continue;
                    }
                    let settlement = match &one.outcome {
                        Some(outcome) => self.judge(lane, one, outcome),
                        None => Settlement::GiveBack(one.attempt.row.kept.id),
                    };
                    self.unsettled.push(settlement);
                }
            }
        }
    }

    /// Looks at the clock, and sets due times right when it was set: a batch of them. `None` when the disk refuses.
    fn retime(&mut self) -> Option<Progress> {
        if self.retiming.is_none() {
            self.retiming = self.spool.look_at_clock();
            if let Some(step) = self
                .retiming
                .as_ref()
                .map(Retiming::step)
                .filter(|by| *by != 0)
            {
                warn!("spool: {}; due times are moved with it", step_text(step));
            }
        }
        let Some(retiming) = &mut self.retiming else {
            return Some(Progress::Done);
        };
        match self.spool.retime(retiming) {
            Ok(Progress::More) => Some(Progress::More),
            Ok(Progress::Done) => {
                let (step, late) = (retiming.step(), retiming.too_late);
                if step == 0 && late > 0 {
                    warn!(
                        "spool: {late} deliveries have times in the future: the clock was set back while no notifyd ran; none waits longer than its delay from now on"
                    );
                }
                self.retiming = None;
                self.look_at_all();
                Some(Progress::Done)
            }
            Err(error) => {
                if let Some(kept_back) = self.deferrals.may_say(b"clock", 1, Instant::now()) {
                    error!(
                        "spool: cannot set due times right: {error}{}",
                        and_more(kept_back)
                    );
                }
                None
            }
        }
    }

    /// Each lane looks into the spool before it sleeps again.
    fn look_at_all(&mut self) {
        let now = Instant::now();
        for lane in &mut self.lanes {
            lane.look_at = now;
        }
    }

    /// Looks whether somebody else has changed the spool; how long until it looks again.
    fn look_for_changes(&mut self) -> Duration {
        let now = Instant::now();
        if now >= self.changes_at {
            self.changes_at = now + IDLE;
            if self.spool.changed_by_others() {
                self.look_at_all();
            }
        }
        self.changes_at - now
    }

    /// Begins attempts as far as there are permits; how long it may sleep then.
    fn begin_due(&mut self) -> Duration {
        let mut wait = self.look_for_changes();
        if let Some(alone) = self.alone.wait(&self.lanes) {
            return wait.min(alone);
        }
        let now = self.spool.now();
        let mut poison = Vec::new();
        for (place, lane) in self.lanes.iter_mut().enumerate() {
            if lane.room() == 0 {
                continue; // the end of an attempt wakes us
            }
            let rest = lane.look_at.saturating_duration_since(Instant::now());
            if !rest.is_zero() && self.wants.is_up(place) {
                wait = wait.min(rest); // nothing new for it
                continue;
            }
            self.beat.now(); // each look may wait for who has the file locked, as sqlite3 by hand
            self.wants.raise(place);
            match begin_lane(&self.spool, lane, now, &mut poison) {
                Ok(Looked::Next(next)) => {
                    lane.look_at = Instant::now() + next;
                    wait = wait.min(next);
                }
                Ok(Looked::Suspect) => {
                    wait = wait.min(self.alone.begin(place));
                    break;
                }
                Err(error) => {
                    if let Some(kept_back) = self.deferrals.may_say(b"spool", 1, Instant::now()) {
                        error!(
                            "spool: cannot take deliveries from it: {error}{}",
                            and_more(kept_back)
                        );
                    }
                    wait = wait.min(TROUBLE);
                }
            }
        }
        if !poison.is_empty() {
            poison.iter().for_each(|row| self.hold_poison(row, now));
            self.settle();
        }
        wait
    }

    /// The process died too often in attempts of this delivery.
    fn hold_poison(&mut self, row: &Row, now: Micros) {
        let why = suspects::why(row);
        self.monitor.put_on_hold(row, &why, now);
        error!("{}", line(row, "held", &why, now));
        let (id, error) = (row.kept.id, why);
        self.unsettled.push(Settlement::Hold { id, at: now, error });
    }

    /// Writes down how attempts ended; false when the disk refuses, and they stay for the next time.
    fn settle(&mut self) -> bool {
        match self.spool.settle(&mut self.unsettled) {
            Ok(()) => true,
            Err(error) => {
                if let Some(kept_back) = self.deferrals.may_say(b"settle", 1, Instant::now()) {
                    error!(
                        "spool: cannot write down what was delivered: {error}{}",
                        and_more(kept_back)
                    );
                }
                false
            }
        }
    }

    fn purge(&mut self) {
        if Instant::now() < self.purge_at {
            return;
        }
        self.purge_at = Instant::now() + PURGE_EVERY;
        let before = self.spool.now() - self.keep_failed.as_micros() as Micros;
        match self.spool.purge_failed(before) {
            Ok(0) => {}
            Ok(count) => {
                info!("spool: {count} deliveries removed that failed longer ago than keep_failed")
            }
            Err(error) => warn!("spool: cannot remove old failed deliveries: {error}"),
        }
        self.expire_held();
    }

    /// Gives up what has been on hold for longer than `keep_held`, some of it: the rest follows in the next round.
    fn expire_held(&mut self) {
        let now = self.spool.now();
        let before = now - self.keep_held.as_micros() as Micros;
        for _ in 0..EXPIRE_BATCHES {
            match self.spool.expire_held(before, now) {
                Ok(rows) if rows.is_empty() => return,
                Ok(rows) => rows.iter().for_each(|row| {
                    let why = row.error.as_deref().unwrap_or_default();
                    let why = format!("on hold for longer than keep_held: {why}");
                    self.monitor.expired_on_hold(row, &why, now);
                    warn!("{}", line(row, "expired", &why, now));
                }),
                Err(error) => {
                    return warn!("spool: cannot give up what is on hold: {error}");
                }
            }
        }
        self.purge_at = Instant::now();
    }

    /// What follows from the end of an attempt; says it in the log when it is final.
    fn judge(&mut self, lane: usize, ended: &Ended, outcome: &Outcome) -> Settlement {
        let row = &ended.attempt.row;
        let (id, now) = (row.kept.id, self.spool.now());
        let stopped = self.stop.as_ref().is_some_and(|stop| stop.killed);
        if stopped && matches!(outcome, Outcome::Temporary(_)) {
            return Settlement::Release(id);
        }
        let why = outcome.why();
        let error = why.to_owned();
        let waited = row.age(ended.took);
        let policy = &self.lanes[lane].policy;
        let verdict = verdict(policy, outcome, id, row.attempts, waited);
        self.monitor.ended(lane, ended, &verdict, why, now);
        match verdict {
            Verdict::Done | Verdict::Discarded => {
                let status = match verdict {
                    Verdict::Done => "delivered",
                    _ => "discarded",
                };
                if self.say_delivered {
                    info!("{}", line(row, status, why, now));
                }
                Settlement::Done(id)
            }
            Verdict::GiveUp => {
                warn!("{}", line(row, "failed", why, now));
                Settlement::Fail { id, at: now, error }
            }
            Verdict::Expired => {
                warn!("{}", line(row, "expired", why, now));
                Settlement::Fail { id, at: now, error }
            }
            // The method says once what it holds and why.
            Verdict::Hold => Settlement::Hold { id, at: now, error },
            Verdict::Again(delay) => {
                let method = &row.kept.method;
                if let Some(kept_back) =
                    self.deferrals.may_say(method.as_bytes(), 1, Instant::now())
                {
                    warn!("{}{}", line(row, "deferred", why, now), and_more(kept_back));
                }
                Settlement::Defer {
                    id,
                    due: now + delay,
                    delay,
                    waited,
                    error,
                }
            }
        }
    }
}

/// What came of looking for due deliveries of a lane.
enum Looked {
    /// It may sleep so long before the next is due.
    Next(Duration),
    /// It has begun one that may be what the process died of.
    Suspect,
}

/// Begins attempts of one lane. What must not be attempted any more is added to `poison`.
fn begin_lane(
    spool: &Spool,
    lane: &mut Lane,
    now: Micros,
    poison: &mut Vec<Row>,
) -> rusqlite::Result<Looked> {
    while lane.room() > 0 {
        match spool.next_due(lane.kind.name)? {
            None => return Ok(Looked::Next(IDLE)),
            Some(due) if due > now => {
                let wait = Duration::from_micros((due - now).unsigned_abs());
                return Ok(Looked::Next(wait));
            }
            Some(_) => {
                let rows = spool.claim(lane.kind.name, now, lane.room())?;
                if rows.is_empty() {
                    return Ok(Looked::Next(TROUBLE)); // due, but not to be had: somebody else changed it
                }
                let of = |row: &Row| danger(lane.kind.immediate, row.crashes);
                let (bad, rows): (Vec<Row>, Vec<Row>) =
                    rows.into_iter().partition(|row| of(row) == Danger::Poison);
                poison.extend(bad);
                let is_suspect = rows.iter().any(|row| of(row) == Danger::Suspect);
                let alone = lane.careful && is_suspect;
                lane.careful &= is_suspect || rows.is_empty();
                lane.begin(rows);
                if alone {
                    return Ok(Looked::Suspect);
                }
            }
        }
    }
    Ok(Looked::Next(IDLE)) // the end of an attempt wakes us
}

/// What the clock has done, in words.
fn step_text(step: Micros) -> String {
    let seconds = step.unsigned_abs() / 1_000_000;
    if step < 0 {
        format!("the clock was set back by {seconds} seconds")
    } else {
        format!("the clock was set ahead by {seconds} seconds, or the machine slept as long")
    }
}

/// `ID: method=…, class=…, user=…, attempts=…, delay=…, status=… (why)`; nothing of it can start another line.
fn line(row: &Row, status: &str, why: &str, now: Micros) -> String {
    let kept = &row.kept;
    let (class, user) = match datagram::decode(&kept.notification) {
        Ok(n) => (printable(&n.class, SHOWN), user(&n)),
        Err(_) => Default::default(),
    };
    let delay = (now - kept.received).max(0) as f64 / 1e6;
    format!(
        "{}: method={}, class={class}, user={user}, attempts={}, delay={delay:.3}, status={status} ({why})",
        spool::id_text(kept.id),
        kept.method,
        row.attempts,
    )
}

/// Whose notification it is; class `EVENT` has that in the event.
fn user(n: &Notification) -> String {
    let of_event = || event::Front::read(&n.message).user;
    match n.user.is_empty() && n.class == b"EVENT" {
        true => printable(of_event().unwrap_or_default().as_bytes(), SHOWN),
        false => printable(&n.user, SHOWN),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod time;
