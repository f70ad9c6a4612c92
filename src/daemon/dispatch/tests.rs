//! The dispatcher's own thread, with lanes that are told to stop.

use super::*;
use crate::daemon::retry::Policy;
use crate::daemon::rules::LaneRules;
use crate::method::{self, Delivery, Method};
use crate::spool::NewRow;

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
    let (sender, events) = channel();
    let report: Report = Arc::new(move |lane, ended| drop(sender.send(Event::Ended(lane, ended))));
    let kind = method::find(b"null").unwrap();
    let rules = LaneRules {
        permits: 1,
        timeout: kind.timeout,
        policy: Policy::default(),
    };
    let cancel = Arc::new(Cancel::new().unwrap());
    let lane = Lane::start(0, kind, &rules, &method, &cancel, spool.folder(), &report).unwrap();
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

/// Does not end, whatever it is told, until its channel is closed.
struct Stuck(std::sync::Mutex<Receiver<()>>);

impl Method for Stuck {
    fn deliver(&self, _: &Delivery, _: Duration, _: &Cancel) -> Outcome {
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
    let mut dispatch = dispatch(&spool, Arc::new(Stuck(closed.into())));
    dispatch.lanes[0].begin(spool.claim("null", 9, 9).unwrap());
    dispatch.stop = Some(Stop {
        kill_at: Instant::now() - KILL_PATIENCE,
        killed: true,
    });
    let mut left = dispatch.run();
    assert_eq!(left, [Settlement::Release(1)]);
    spool.settle(&mut left).unwrap();
    assert_eq!(spool.claim("null", 9, 9).unwrap()[0].kept, row(1));
    drop(gate);
}
