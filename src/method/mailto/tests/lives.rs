//! Lives of deliveries: whatever servers answer, whenever the daemon dies or is told to end, whatever the operator does.

use super::*;
use proptest::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What happens at a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Accepted,
    Deferred,
    Rejected,
    /// The answer is lost.
    Lost,
    /// The daemon ends before anything is submitted.
    CutBefore,
    /// The daemon ends while the answer is on its way.
    CutAfter,
    /// The process dies before anything is submitted.
    DiesBefore,
    /// The process dies while the answer is on its way.
    DiesAfter,
}

use Fate::*;

/// A submission to one recipient, as the server saw it.
#[derive(Clone, Debug)]
struct Seen {
    to: String,
    marked: bool,
    fate: Fate,
    /// The attempt.
    #[allow(dead_code, reason = "shown when a law is broken")]
    begun: u32,
    /// How often the operator had asked by then.
    asked: usize,
}

#[derive(Clone, Default)]
struct World(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    fates: VecDeque<[Fate; 2]>,
    seen: Vec<Seen>,
    begun: u32,
    asked: usize,
}

struct Death;

impl Transport for World {
    fn submit(&self, letter: &Letter<'_>, _: Duration, cancel: &Cancel) -> Vec<Answer> {
        let mut inner = self.0.lock().unwrap();
        let fates = inner.fates.pop_front().unwrap_or([Accepted; 2]);
        let dies = |at| fates.contains(&at);
        if dies(DiesBefore) {
            drop(inner);
            resume_unwind(Box::new(Death));
        }
        let marked = String::from_utf8_lossy(letter.message).contains("X-Notifyd-Again");
        let mut answers = Vec::new();
        for (n, to) in letter.recipients.iter().enumerate() {
            let fate = if dies(DiesAfter) {
                DiesAfter
            } else {
                fates[n % 2]
            };
            let (begun, asked) = (inner.begun, inner.asked);
            inner.seen.push(Seen {
                to: to.envelope(),
                marked,
                fate,
                begun,
                asked,
            });
            if matches!(fate, CutBefore | CutAfter) {
                cancel.raise();
            }
            answers.push(match fate {
                Accepted => sent(),
                Deferred | CutBefore => busy(),
                Rejected => refused(),
                Lost | CutAfter | DiesBefore | DiesAfter => lost(),
            });
        }
        drop(inner);
        if dies(DiesAfter) {
            resume_unwind(Box::new(Death));
        }
        answers
    }
}

/// What the spool knows, and what it does at the end of an attempt (`daemon::dispatch`, `spool::db::settle`).
#[derive(Debug, Default)]
struct Row {
    attempts: u32,
    begun: u32,
    asked: u32,
}

/// What happens between two attempts.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    /// A claim that was given back without an attempt.
    GivenBack,
    /// The operator puts it on hold and releases it.
    HeldAndReleased,
}

fn fates() -> impl Strategy<Value = Vec<[Fate; 2]>> {
    let fate = prop::sample::select(vec![
        Accepted, Deferred, Rejected, Lost, CutBefore, CutAfter, DiesBefore, DiesAfter,
    ]);
    prop::collection::vec([fate.clone(), fate], 0..14)
}

fn between() -> impl Strategy<Value = Vec<Between>> {
    use Between::*;
    let one = prop::sample::select(vec![Nothing, Nothing, GivenBack, HeldAndReleased]);
    prop::collection::vec(one, 14)
}

fn mails(split: bool, once: bool) -> Vec<Mail> {
    let to: Vec<&[&str]> = match split {
        true => vec![&["a@x.example"], &["b@x.example", "c@y.example"]],
        false => vec![&["a@x.example", "b@x.example", "c@y.example"]],
    };
    let mut mails: Vec<Mail> = to.into_iter().map(mail).collect();
    for mail in &mut mails {
        mail.once = once.then(|| Once {
            key: b"same".to_vec(),
            keep: Duration::from_secs(86_400),
        });
    }
    mails
}

/// A daemon, whose guard is made anew for each attempt, as after a restart.
struct Daemon {
    dir: tempfile::TempDir,
    settings: Settings,
    mailto: Mailto,
}

impl Daemon {
    fn new(world: &World, limits: bool) -> Daemon {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity {
            ident: "test".into(),
            facility: 2,
        };
        let limit = if limits { 100 } else { 0 };
        let own = format!("[mailto]\nowner_limit = {limit}\nrecipient_limit = {limit}\n");
        let mut settings = Settings::for_tests(Path::new("/v"));
        settings.own.config = crate::config::toml::Config::read(&own, &crate::method::known()).0;
        let context = Context {
            settings: &settings,
            syslog: &Syslog::open(&dir.path().join("no syslogd"), identity).unwrap(),
            ledger: &Arc::new(Ledger::new(dir.path())),
            late: &(Arc::new(|_| {}) as Late),
        };
        let mailto = Mailto {
            transport: Box::new(world.clone()),
            ..Mailto::new(&context)
        };
        Daemon {
            dir,
            settings,
            mailto,
        }
    }

    /// One attempt of a process; none when it died in it.
    fn attempt(&mut self, row: &Row, mails: &[Mail]) -> Option<Outcome> {
        let ledger = Arc::new(Ledger::new(self.dir.path()));
        let mailboxes = Mailboxes::new(&self.settings, "x.example");
        self.mailto.guard = Guard::new(ledger, &self.settings.own.config, mailboxes);
        let attempt = Attempt {
            id: 7,
            begun: row.begun,
            asked: row.asked,
        };
        let cancel = Cancel::new().unwrap();
        let made = || send(&self.mailto, &attempt, mails, &cancel);
        catch_unwind(AssertUnwindSafe(made)).ok()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn nobody_gets_twice_what_a_server_accepted_and_nothing_is_lost(
        fates in fates(),
        between in between(),
        (split, once, limits) in any::<(bool, bool, bool)>(),
    ) {
        let world = World::default();
        world.0.lock().unwrap().fates = fates.into();
        let mails = mails(split, once);
        let mut daemon = Daemon::new(&world, limits);
        let mut row = Row::default();
        let mut end = None;
        for step in between.iter().cycle().take(60) {
            match step {
                Between::Nothing => {}
                Between::GivenBack => {
                    // `Settlement::GiveBack` takes back what the claim counted.
                    (row.attempts, row.begun) = (row.attempts + 1, row.begun + 1);
                    (row.attempts, row.begun) = (row.attempts - 1, row.begun - 1);
                }
                Between::HeldAndReleased if row.begun > 0 => {
                    row.asked = row.begun;
                    world.0.lock().unwrap().asked += 1;
                }
                Between::HeldAndReleased => {}
            }
            row.begun += 1;
            row.attempts += 1;
            world.0.lock().unwrap().begun = row.begun;
            let outcome = daemon.attempt(&row, &mails);
            match outcome {
                None => {}
                // As if each was cut: `Settlement::Release`.
                Some(Outcome::Temporary(_)) => row.attempts -= 1,
                Some(Outcome::Permanent(_)) if end.is_none() => {
                    // The operator asks once for what failed.
                    end = Some(());
                    row.asked = row.begun;
                    world.0.lock().unwrap().asked += 1;
                    continue;
                }
                Some(Outcome::Permanent(_) | Outcome::Delivered(_)) => {
                    check(&world, &mails, matches!(outcome, Some(Outcome::Delivered(_))))?;
                    return Ok(());
                }
                Some(other) => prop_assert!(false, "{other:?}"),
            }
        }
        prop_assert!(false, "no end: {row:?}");
    }
}

/// The laws.
fn check(world: &World, mails: &[Mail], delivered: bool) -> Result<(), TestCaseError> {
    let inner = world.0.lock().unwrap();
    let all = mails.iter().flat_map(|mail| &mail.recipients);
    for to in all {
        let seen: Vec<&Seen> = inner
            .seen
            .iter()
            .filter(|one| one.to == to.envelope())
            .collect();
        if let Some(first) = seen.iter().position(|one| one.fate == Accepted) {
            // All answers of one submission are lost when the process dies at one of them.
            prop_assert_eq!(first + 1, seen.len(), "after a yes: {:?}", seen);
        }
        if delivered {
            prop_assert!(
                seen.iter().any(|one| one.fate == Accepted),
                "lost: {seen:?}"
            );
        }
        let mut may_have = false;
        for one in &seen {
            prop_assert!(one.marked || !may_have, "not marked: {seen:?}");
            may_have |= !matches!(one.fate, Deferred | CutBefore | Rejected);
        }
        for asked in 0..=inner.asked {
            let unknown = |one: &&&Seen| {
                one.asked == asked && matches!(one.fate, Lost | CutAfter | DiesAfter)
            };
            let unknown = seen.iter().filter(unknown).count();
            // The operator's wish is good for one more.
            prop_assert!(unknown <= 2, "more than once more: {seen:?}");
        }
    }
    Ok(())
}
