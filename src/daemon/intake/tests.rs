//! One notification at a time: what has become of it, and who may send.

use super::*;
use crate::config::toml::Config;
use crate::daemon::commit::Wiring;
use crate::daemon::waker::Waker;
use crate::method::Method;
use crate::system::socket::{Sender, Sent};
use std::time::Duration;

/// A method with a bug.
struct Panics;

impl Method for Panics {
    fn deliver(&self, _: &Delivery, _: Duration, _: &Cancel) -> Outcome {
        panic!("a bug");
    }
}

fn intake(folder: &Path) -> Intake {
    let spool = Arc::new(Spool::open(&folder.join("spool")).unwrap());
    let monitor = Monitor::for_tests(spool.clone());
    let wired = Wired::new(Wiring {
        instances: Arc::new(Instances::all(Arc::new(Panics))),
        config: Config::default(),
        default: &METHODS[0],
        waker: Waker::for_tests(),
        allowed: Vec::new(),
    });
    Intake::new(spool, wired, monitor).unwrap()
}

fn arrival(uid: Option<u32>) -> Arrival {
    Arrival {
        sender: uid.map(|uid| Sender { uid, pid: 1 }),
        sent: Sent::Unknown,
    }
}

fn named(method: &str) -> Notification {
    Notification {
        method: method.into(),
        ..Notification::default()
    }
}

#[test]
fn what_a_bug_costs_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let mut intake = intake(dir.path());
    // Done at once, by a method with a bug; spooled; for nobody.
    for (method, taken) in [
        ("log", Taken::Lost),
        ("external", Taken::Owed),
        ("xmpp", Taken::Done),
    ] {
        assert_eq!(
            intake.take(named(method), arrival(Some(0))),
            taken,
            "{method}"
        );
    }
    assert_eq!(intake.owed().len(), 1);
}

#[test]
fn who_has_no_name_is_refused_once_all_who_may_have_none_are_through() {
    let dir = tempfile::tempdir().unwrap();
    let mut intake = intake(dir.path());
    assert!(
        !intake.allows(arrival(None)),
        "senders were noted before us"
    );
    intake.senders_were_not_noted();
    assert!(intake.allows(arrival(None)));
    intake.senders_were_not_noted();
    intake.queue_was_empty();
    assert!(!intake.allows(arrival(None)));
    assert!(intake.allows(arrival(Some(0))));
    assert!(!intake.allows(arrival(Some(rustix::process::geteuid().as_raw() + 1))));
    assert_eq!(intake.counts().refused, 3);
}
