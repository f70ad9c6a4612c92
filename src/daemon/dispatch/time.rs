//! Laws of time, whatever the clock does: a machine whose clock is set at random, and whose process dies and comes back.

use crate::daemon::retry::{Policy, Verdict, verdict};
use crate::method::Outcome;
use crate::spool::{Clock, FakeTime, Limits, Micros, NewRow, Progress, Settlement, Spool};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const SECOND: Micros = 1_000_000;
const HOUR: Micros = 3600 * SECOND;
/// The clock at the start of each test, in 2026.
const START: Micros = 1_795_860_000 * SECOND;
/// What a step may be at most without being noticed, and how often the clock is looked at.
const SLACK: Micros = 3 * SECOND;

#[derive(Clone, Debug)]
enum Happens {
    /// So many notifications arrive.
    Arrive(usize),
    /// Time passes.
    Pass(Micros),
    /// The clock is set.
    Step(Micros),
    /// The process dies; the next one starts later, and the clock may be set meanwhile.
    Restart { later: Micros, step: Micros },
}

fn happens() -> impl Strategy<Value = Happens> {
    let step = prop_oneof![
        -10 * 24 * HOUR..10 * 24 * HOUR,
        -7200 * SECOND..7200 * SECOND,
        Just(-START),
        Just(START),
    ];
    prop_oneof![
        (1usize..4).prop_map(Happens::Arrive),
        (0..3 * HOUR).prop_map(Happens::Pass),
        (0..30 * SECOND).prop_map(Happens::Pass),
        step.clone().prop_map(Happens::Step),
        (0..48 * HOUR, prop_oneof![Just(0), step])
            .prop_map(|(later, step)| Happens::Restart { later, step }),
    ]
}

/// What is known of a delivery that was not given up.
#[derive(Clone, Debug)]
struct Owed {
    received: Micros,
    /// By the monotonic clock: it must be attempted between these.
    earliest: Micros,
    latest: Micros,
    /// How long it was deferred.
    delay: Micros,
    attempts: u32,
}

/// A machine on which each attempt fails for a reason that may pass.
struct Machine {
    time: Arc<FakeTime>,
    folder: tempfile::TempDir,
    spool: Option<Spool>,
    owed: BTreeMap<i64, Owed>,
    policy: Policy,
}

impl Machine {
    fn new(policy: Policy) -> Machine {
        let time = Arc::new(FakeTime::default());
        time.step(START);
        let mut machine = Machine {
            time,
            folder: tempfile::tempdir().unwrap(),
            spool: None,
            owed: BTreeMap::new(),
            policy,
        };
        machine.start();
        machine
    }

    fn start(&mut self) {
        self.spool = None; // one at a time
        let clock = Clock::fake(&self.time);
        let folder = self.folder.path().join("s");
        self.spool = Some(Spool::open_at(&folder, Limits::default(), clock).unwrap());
    }

    fn spool(&self) -> &Spool {
        self.spool.as_ref().unwrap()
    }

    fn monotonic(&self) -> Micros {
        self.time.monotonic.load(Ordering::SeqCst)
    }

    fn happen(&mut self, event: &Happens) {
        match *event {
            Happens::Arrive(count) => self.arrive(count),
            Happens::Pass(time) => self.pass(time),
            Happens::Step(step) => {
                self.set_clock(step);
                self.arrive(1); // before anybody has looked at the clock
            }
            Happens::Restart { later, step } => {
                self.time.pass(later);
                self.set_clock(step);
                let now = self.monotonic();
                for owed in self.owed.values_mut() {
                    // Nobody knows how long it was off: it may be early, or wait for as long as its delay once more.
                    owed.latest = owed.latest.max(now + owed.delay);
                    owed.earliest = owed.earliest.min(now);
                }
                self.start();
                self.arrive(1); // before what is there was looked at
            }
        }
        self.attempt();
    }

    /// The clock is set, though not to before 1970.
    fn set_clock(&self, step: Micros) {
        let wall = self.time.wall.load(Ordering::SeqCst);
        self.time.step(step.max(HOUR - wall).min(2 * START - wall));
    }

    fn arrive(&mut self, count: usize) {
        for _ in 0..count {
            let received = self.spool().now();
            let id = self.spool().new_id(received);
            let row = NewRow {
                received,
                ..NewRow::example(id)
            };
            self.spool().commit(&[row]);
            let now = self.monotonic();
            let owed = Owed {
                received: now,
                earliest: now,
                latest: now,
                delay: 0,
                attempts: 0,
            };
            self.owed.insert(id, owed);
        }
    }

    fn pass(&mut self, time: Micros) {
        let end = self.monotonic() + time;
        loop {
            self.attempt();
            let left = end - self.monotonic();
            let due = self.spool().next_due("a").unwrap();
            let next = due.map_or(left, |due| due - self.spool().now());
            if left == 0 {
                return;
            }
            assert!(next > 0, "what is due was attempted");
            self.time.pass(next.min(left));
        }
    }

    /// As the dispatcher does: first the clock, then what is due.
    fn attempt(&mut self) {
        if let Some(mut retiming) = self.spool().look_at_clock() {
            while self.spool().retime(&mut retiming).unwrap() == Progress::More {}
        }
        loop {
            let now = self.spool().now();
            let rows = self.spool().claim("a", now, 5).unwrap();
            if rows.is_empty() {
                break;
            }
            let untried = rows.iter().filter(|row| row.attempts == 1);
            assert!(
                untried.is_sorted_by_key(|row| row.kept.id),
                "a new one has overtaken"
            );
            for row in rows {
                let settlement = self.fail(&row, now);
                self.spool().settle(&mut vec![settlement]).unwrap();
            }
        }
        let now = self.monotonic();
        for (id, owed) in &self.owed {
            assert!(owed.latest + SLACK > now, "{id} is late: {owed:?} {now}");
        }
    }

    fn fail(&mut self, row: &crate::spool::Row, now: Micros) -> Settlement {
        let monotonic = self.monotonic();
        let id = row.kept.id;
        let owed = self.owed.get_mut(&id).unwrap();
        assert!(owed.earliest - SLACK < monotonic, "{id} is early: {owed:?}");
        owed.attempts += 1;
        let outcome = Outcome::Temporary("busy".into());
        let waited = row.age(Duration::ZERO);
        match verdict(&self.policy, &outcome, id, row.attempts, waited) {
            Verdict::Again(delay) => {
                (owed.earliest, owed.latest) = (monotonic + delay, monotonic + delay);
                owed.delay = delay;
                Settlement::Defer {
                    id,
                    due: now + delay,
                    delay,
                    waited,
                    error: "busy".into(),
                }
            }
            Verdict::Expired => {
                let owed = self.owed.remove(&id).unwrap();
                let lifetime = self.policy.lifetime.as_micros() as Micros;
                let longest = self.policy.maximum.as_micros() as Micros * 11 / 10;
                let old_enough = monotonic - owed.received >= lifetime - SLACK;
                let often_enough = i64::from(owed.attempts) > lifetime / longest;
                assert!(old_enough || often_enough, "{id} is given up: {owed:?}");
                Settlement::Fail {
                    id,
                    at: now,
                    error: "busy".into(),
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_clock_delays_repeats_or_ends_a_delivery(events in prop::collection::vec(happens(), 1..40)) {
        let policy = Policy { lifetime: Duration::from_secs(6 * 3600), ..Policy::default() };
        let mut machine = Machine::new(policy);
        for event in &events {
            machine.happen(event);
        }
        // In the end each is given up, and in time.
        machine.pass(14 * HOUR);
        prop_assert!(machine.owed.is_empty(), "{:?}", machine.owed);
    }
}

/// What was found: ten wait untried and three are deferred by 5 s when the clock is set back by an hour.
#[test]
fn set_back_by_an_hour() {
    let first = Duration::from_secs(5);
    let mut machine = Machine::new(Policy {
        first,
        ..Policy::default()
    });
    machine.arrive(3);
    machine.attempt();
    machine.arrive(10);
    machine.set_clock(-HOUR);
    machine.happen(&Happens::Restart { later: 0, step: 0 });
    machine.pass(6 * SECOND);
    let attempts: Vec<u32> = machine.owed.values().map(|owed| owed.attempts).collect();
    assert_eq!(attempts, [[2; 3].as_slice(), &[2; 11]].concat());
}

/// A machine that boots in 1970 and is told the time afterwards keeps what failed as long as any other.
#[test]
fn what_failed_is_not_old_because_the_clock_was_set() {
    let mut machine = Machine::new(Policy::default());
    let fail = |machine: &Machine| {
        let now = machine.spool().now();
        let id = machine.spool().new_id(now);
        let row = NewRow {
            received: now,
            ..NewRow::example(id)
        };
        machine.spool().commit(&[row]);
        machine.spool().claim("a", now, 1).unwrap();
        let error = "no".to_owned();
        let fail = Settlement::Fail { id, at: now, error };
        machine.spool().settle(&mut vec![fail]).unwrap();
    };
    let purged = |machine: &Machine, ago: Micros| {
        let now = machine.spool().now();
        machine.spool().purge_failed(now - ago).unwrap()
    };
    machine.attempt();
    fail(&machine); // in 2026
    let step = HOUR - machine.spool().now();
    machine.happen(&Happens::Restart { later: 0, step }); // in 1970
    fail(&machine);
    machine.set_clock(START); // 2026 again
    machine.attempt();
    machine.set_clock(5 * 24 * HOUR); // it slept
    machine.attempt();
    assert_eq!(purged(&machine, HOUR), 0);
    machine.pass(2 * HOUR);
    assert_eq!(purged(&machine, HOUR), 2);
}
