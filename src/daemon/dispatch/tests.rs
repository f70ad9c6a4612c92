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

#[test]
fn what_was_claimed_and_not_attempted_is_due_again_and_not_counted() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Arc::new(Spool::open(&dir.path().join("s")).unwrap());
    let row = |id| NewRow {
        id,
        method: "null".into(),
        received: id,
        uid: None,
        file: None,
        notification: vec![1],
    };
    spool.commit(&[row(1), row(2)]);
    let (sender, events) = channel();
    let report: Report = Arc::new(move |lane, ended| drop(sender.send(Event::Ended(lane, ended))));
    let kind = method::find(b"null").unwrap();
    let rules = LaneRules {
        permits: 1,
        timeout: kind.timeout,
        policy: Policy::default(),
    };
    let cancel = Arc::new(Cancel::new().unwrap());
    let never: Arc<dyn Method> = Arc::new(Never);
    let mut lane = Lane::start(0, kind, &rules, &never, &cancel, spool.folder(), &report).unwrap();
    lane.stop();
    lane.begin(spool.claim("null", 9, 9).unwrap());
    let mut dispatch = Dispatch {
        spool: spool.clone(),
        lanes: vec![lane],
        events,
        wants: Wants::none(),
        cancel,
        keep_failed: Duration::MAX,
        say_delivered: true,
        unsettled: Vec::new(),
        deferrals: Throttle::default(),
        monitor: Monitor::for_tests(spool.clone()),
        stop: None,
        beat: Beat::default(),
        purge_at: Instant::now(),
    };
    while !dispatch.lanes[0].is_idle() {
        dispatch.receive(Duration::from_secs(60));
    }
    assert!(dispatch.settle());
    let again = spool.claim("null", 9, 9).unwrap();
    let attempts: Vec<_> = again.iter().map(|r| (r.kept.id, r.attempts)).collect();
    assert_eq!(attempts, [(1, 1), (2, 1)]);
}
