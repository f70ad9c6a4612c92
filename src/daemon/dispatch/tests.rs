//! The dispatcher's own thread, with lanes that are told to stop.

use super::*;
use crate::daemon::retry::Policy;
use crate::daemon::rules::LaneRules;
use crate::method::{self, Delivery, Method};
use crate::spool::NewRow;
use prometheus_client::metrics::gauge::Gauge;

/// Must not be asked.
struct Never;

impl Method for Never {
    fn deliver(&self, _: &Delivery, _: Duration, _: &Cancel) -> Outcome {
        Outcome::Permanent("attempted".into())
    }
}

fn row(id: i64) -> NewRow {
    NewRow {
        method: "null".into(),
        notification: crate::wire::datagram::encode(&Default::default()),
        ..NewRow::example(id)
    }
}

/// A dispatcher with one lane, which has nothing in hand yet.
fn dispatch(spool: &Arc<Spool>, method: Arc<dyn Method>) -> Dispatch {
    dispatch_of("null", spool, method)
}

fn dispatch_of(name: &str, spool: &Arc<Spool>, method: Arc<dyn Method>) -> Dispatch {
    let (sender, events) = channel();
    let report: Report = Arc::new(move |lane, ended| drop(sender.send(Event::Ended(lane, ended))));
    let kind = method::find(name.as_bytes()).unwrap();
    let rules = LaneRules {
        permits: 1,
        timeout: kind.timeout,
        policy: Policy::default(),
    };
    let cancel = Arc::new(Cancel::new().unwrap());
    let common = Common {
        cancel: cancel.clone(),
        folder: spool.folder().to_owned(),
        report,
    };
    let lane = Lane::start(0, kind, &rules, &method, &common, &Gauge::default()).unwrap();
    Dispatch {
        spool: spool.clone(),
        lanes: vec![lane],
        events,
        wants: Wants::none(),
        cancel,
        keep_failed: Duration::from_secs(3600),
        keep_held: Duration::from_secs(3600),
        say_delivered: true,
        unsettled: Vec::new(),
        deferrals: Throttle::default(),
        monitor: Monitor::for_tests(spool.clone()),
        stop: None,
        alone: Alone::default(),
        beat: Beat::default(),
        purge_at: Instant::now(),
        changes_at: Instant::now(),
        retiming: None,
    }
}

#[test]
fn what_was_claimed_and_not_attempted_is_due_again_and_not_counted() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Arc::new(Spool::open(&dir.path().join("s")).unwrap());
    spool.commit(&[row(1), row(2)]);
    let mut dispatch = dispatch(&spool, Arc::new(Never));
    dispatch.lanes[0].stop();
    dispatch.lanes[0].begin(spool.claim("null", 9, 9).unwrap());
    while !dispatch.lanes[0].is_idle() {
        dispatch.receive(Duration::from_secs(60));
    }
    assert!(dispatch.settle());
    let again = spool.claim("null", 9, 9).unwrap();
    let attempts = again.iter().map(|r| (r.kept.id, r.attempts, r.begun));
    assert!(attempts.eq([(1, 1, 1), (2, 1, 1)]));
}

/// What a limit or the operator has put on hold does not stay for ever, and how long is counted from then on.
#[test]
fn what_is_on_hold_for_too_long_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Arc::new(Spool::open(&dir.path().join("s")).unwrap());
    let ids: Vec<i64> = (1..=40).collect();
    spool.commit(&ids.iter().map(|&id| row(id)).collect::<Vec<_>>());
    spool.claim("null", spool::now(), 99).unwrap();
    let hold = |id: i64, at| Settlement::Hold {
        id,
        at,
        error: "over the limit".into(),
    };
    let long_ago = spool::now() - 2 * 3600 * 1_000_000;
    let holds = ids.iter().map(|&id| match id {
        40 => hold(id, spool::now()),
        _ => hold(id, long_ago),
    });
    spool.settle(&mut holds.collect()).unwrap();
    let mut dispatch = dispatch(&spool, Arc::new(Never));
    dispatch.purge();
    let depths = spool::queue::Queue::open(spool.folder())
        .unwrap()
        .unwrap()
        .depths()
        .unwrap();
    let counts: Vec<(&str, u64)> = depths["null"]
        .states
        .iter()
        .map(|(state, rows)| (state.as_str(), *rows))
        .collect();
    assert_eq!(counts, [("failed", 39), ("hold", 1)]);
}

/// Does not end, whatever it is told, until its channel is closed; says when it has begun.
struct Stuck(std::sync::Mutex<Receiver<()>>, std::sync::mpsc::Sender<()>);

impl Method for Stuck {
    fn deliver(&self, _: &Delivery, _: Duration, _: &Cancel) -> Outcome {
        let _ = self.1.send(());
        let _ = self.0.lock().unwrap().recv();
        Outcome::Permanent("too late".into())
    }
}

#[test]
fn what_does_not_end_is_left_to_the_successor() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Arc::new(Spool::open(&dir.path().join("s")).unwrap());
    spool.commit(&[row(1)]);
    let (gate, closed) = channel();
    let (begins, begun) = channel();
    let mut dispatch = dispatch(&spool, Arc::new(Stuck(closed.into(), begins)));
    dispatch.lanes[0].begin(spool.claim("null", 9, 9).unwrap());
    begun.recv_timeout(Duration::from_secs(60)).unwrap();
    dispatch.stop = Some(Stop {
        kill_at: Instant::now() - KILL_PATIENCE,
        killed: true,
    });
    let mut left = dispatch.run();
    assert_eq!(left, [Settlement::Abandon(1), Settlement::Release(1)]);
    spool.settle(&mut left).unwrap();
    assert_eq!(spool.claim("null", 9, 9).unwrap()[0].kept, row(1));
    drop(gate);
}

/// Delivers all but those with a small id, whose outcome has to be given to it.
struct Hangs(std::sync::Mutex<Receiver<Outcome>>);

const HANGS_BELOW: i64 = 100;

impl Method for Hangs {
    fn deliver(&self, delivery: &Delivery, _: Duration, _: &Cancel) -> Outcome {
        if delivery.id >= HANGS_BELOW {
            return Outcome::Delivered("at once".into());
        }
        self.0.lock().unwrap().recv().unwrap()
    }
}

fn external(id: i64) -> NewRow {
    NewRow {
        method: "external".into(),
        ..row(id)
    }
}

/// A dispatcher that owes these deliveries to a method that hangs; and what ends the attempts that do.
fn hanging(
    ids: impl Iterator<Item = i64>,
) -> (
    tempfile::TempDir,
    Dispatch,
    std::sync::mpsc::Sender<Outcome>,
) {
    let dir = tempfile::tempdir().unwrap();
    let spool = Arc::new(Spool::open(&dir.path().join("s")).unwrap());
    spool.commit(&ids.map(external).collect::<Vec<_>>());
    let (gate, closed) = channel();
    let dispatch = dispatch_of("external", &spool, Arc::new(Hangs(closed.into())));
    (dir, dispatch, gate)
}

/// The time at which all attempts that run now are overdue.
fn later() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < limit, "{what}");
        std::thread::yield_now();
    }
}

/// Begins the attempt of the first delivery, and abandons it.
fn abandon_one(dispatch: &mut Dispatch) {
    dispatch.begin_due();
    wait("an attempt that goes on too long", || {
        dispatch.abandon_overdue(later());
        dispatch.lanes[0].is_idle()
    });
    assert!(dispatch.settle());
}

fn queue(dispatch: &Dispatch) -> Vec<(i64, String, u32)> {
    let queue = spool::queue::Queue::open(dispatch.spool.folder()).unwrap();
    let mut all = Vec::new();
    let each = |row: Row, state: &str| {
        all.push((row.kept.id, state.to_owned(), row.crashes));
        Ok::<(), spool::queue::Unreadable>(())
    };
    queue.unwrap().each(&Default::default(), each).unwrap();
    all
}

#[test]
fn an_attempt_that_does_not_end_is_abandoned_and_gives_its_permit_back() {
    let (_dir, mut dispatch, gate) = hanging([1, 101].into_iter());
    abandon_one(&mut dispatch);
    assert_eq!(dispatch.lanes[0].stuck(), 1);
    assert_eq!(queue(&dispatch)[0], (1, "deferred".to_owned(), 1));
    dispatch.lanes[0].look_at = Instant::now();
    wait("the other delivery", || {
        dispatch.begin_due();
        dispatch.receive(Duration::from_millis(10));
        assert!(dispatch.settle());
        queue(&dispatch).len() == 1
    });
    // What comes of it in the end counts only when it was delivered.
    gate.send(Outcome::Permanent("too late".into())).unwrap();
    wait("its end", || {
        dispatch.receive(Duration::from_millis(10));
        dispatch.lanes[0].stuck() == 0
    });
    assert!(dispatch.settle());
    assert_eq!(queue(&dispatch), [(1, "deferred".to_owned(), 1)]);
}

#[test]
fn an_abandoned_attempt_that_has_delivered_is_the_last() {
    let (_dir, mut dispatch, gate) = hanging([1].into_iter());
    abandon_one(&mut dispatch);
    gate.send(Outcome::Delivered("at last".into())).unwrap();
    wait("its end", || {
        dispatch.receive(Duration::from_millis(10));
        assert!(dispatch.settle());
        queue(&dispatch).is_empty()
    });
}

/// Its retry policy may want to wait longer than a test.
fn make_due(dispatch: &mut Dispatch) {
    let file = dispatch.spool.folder().join("spool.db");
    let db = rusqlite::Connection::open(file).unwrap();
    db.execute("UPDATE delivery SET due = 0", []).unwrap();
    dispatch.lanes[0].look_at = Instant::now();
}

#[test]
fn what_was_abandoned_three_times_goes_on_hold() {
    let (_dir, mut dispatch, _gate) = hanging([1].into_iter());
    for times in 1..=3 {
        make_due(&mut dispatch);
        abandon_one(&mut dispatch);
        assert_eq!(queue(&dispatch), [(1, "deferred".to_owned(), times)]);
    }
    dispatch.lanes[0].look_at = Instant::now();
    dispatch.begin_due();
    assert_eq!(queue(&dispatch), [(1, "hold".to_owned(), 3)]);
}

#[test]
fn not_too_many_are_abandoned() {
    let (_dir, mut dispatch, gate) = hanging(1..=17);
    for abandoned in 1..=16 {
        dispatch.lanes[0].look_at = Instant::now();
        abandon_one(&mut dispatch);
        assert_eq!(dispatch.lanes[0].stuck(), abandoned);
    }
    dispatch.lanes[0].look_at = Instant::now();
    dispatch.begin_due();
    wait("one that keeps its permit", || {
        dispatch.abandon_overdue(later());
        dispatch.lanes[0].stuck() == 17
    });
    assert!(!dispatch.lanes[0].is_idle() && dispatch.lanes[0].room() == 0);
    // Who stops does not wait for it.
    assert!(dispatch.lanes[0].is_idle_or_stuck());
    for _ in 1..=17 {
        gate.send(Outcome::Permanent("too late".into())).unwrap();
    }
    wait("the end of all", || {
        dispatch.receive(Duration::from_millis(10));
        dispatch.lanes[0].stuck() == 0 && dispatch.lanes[0].is_idle()
    });
    assert_eq!(dispatch.lanes[0].room(), 1);
}
