//! The guard, alone; how it is used is tested with `mailto`.

use super::*;
use crate::config::toml::Config;
use crate::mail::Message;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

struct Stage {
    dir: tempfile::TempDir,
    limits: &'static str,
}

impl Stage {
    fn new(limits: &'static str) -> Stage {
        let dir = tempfile::tempdir().unwrap();
        Stage { dir, limits }
    }

    /// A guard as after a restart.
    fn guard(&self) -> Guard {
        let (config, problems) = Config::read(self.limits, &crate::method::known());
        assert_eq!(problems, []);
        Guard::new(Arc::new(Ledger::new(self.dir.path())), &config.mailto)
    }
}

fn mail(to: &[&str], once: Option<&str>) -> Mail {
    let address = |text: &&str| Address::parse(text.as_bytes()).unwrap();
    Mail {
        sender: None,
        recipients: to.iter().map(address).collect(),
        message: Message::new(),
        owner: b"alice".to_vec(),
        once: once.map(|key| Once {
            key: key.into(),
            keep: Duration::from_secs(86_400),
        }),
        until: None,
        wanted: None,
        remember: Vec::new(),
    }
}

fn settle(guard: &Guard, id: i64, mail: &Mail, answer: &Answer) {
    let answers = mail.recipients.iter().map(|to| (to, answer));
    guard.settle(NOW, id, 0, mail, answers).unwrap();
}

const NOW: Micros = 1_795_370_292_000_000;

fn sent() -> Answer {
    Answer::Sent("250".into())
}

fn lost() -> Answer {
    Answer::Lost("closed".into())
}

fn busy() -> Answer {
    Answer::Temporary("451".into())
}

fn never() -> Answer {
    Answer::Permanent("550".into())
}

#[test]
fn who_has_it_does_not_get_it_again_after_a_restart() {
    let stage = Stage::new("");
    let mail = mail(&["bob@example.org"], None);
    let guard = stage.guard();
    assert_eq!(guard.admit(NOW, 1, 1, 0, &mail).unwrap(), [Standing::Go]);
    settle(&guard, 1, &mail, &busy());
    assert_eq!(guard.admit(NOW, 1, 2, 0, &mail).unwrap(), [Standing::Go]);
    settle(&guard, 1, &mail, &sent());
    let again = stage.guard().admit(NOW, 1, 3, 0, &mail);
    assert_eq!(again.unwrap(), [Standing::Has]);
    let other = stage.guard().admit(NOW, 2, 1, 0, &mail);
    assert_eq!(other.unwrap(), [Standing::Go], "another delivery");
}

#[test]
fn a_lost_answer_is_tried_once_more_and_then_by_the_operator_only() {
    let stage = Stage::new("");
    let mail = mail(&["bob@example.org"], None);
    let guard = stage.guard();
    assert_eq!(guard.admit(NOW, 1, 1, 0, &mail).unwrap(), [Standing::Go]);
    settle(&guard, 1, &mail, &lost());
    // The daemon may as well have died: nothing was settled then.
    let guard = stage.guard();
    assert_eq!(guard.admit(NOW, 1, 2, 0, &mail).unwrap(), [Standing::Again]);
    settle(&guard, 1, &mail, &lost());
    for _ in 0..2 {
        assert_eq!(
            guard.admit(NOW, 1, 3, 0, &mail).unwrap(),
            [Standing::GivenUp]
        );
    }
    guard.leave_to_operator(NOW, 1, &[mail]);
    let mail = self::mail(&["bob@example.org"], None);
    assert_eq!(guard.admit(NOW, 1, 4, 0, &mail).unwrap(), [Standing::Go]);
}

#[test]
fn the_same_is_sent_once_unless_it_was_refused() {
    let stage = Stage::new("");
    let guard = stage.guard();
    let mail = mail(&["bob@example.org", "eve@example.org"], Some("staged"));
    let both = |standing: Standing| vec![standing.clone(), standing];
    assert_eq!(
        guard.admit(NOW, 1, 1, 0, &mail).unwrap(),
        both(Standing::Go)
    );
    let meanwhile = guard.admit(NOW, 2, 1, 0, &mail).unwrap();
    assert_eq!(meanwhile, both(Standing::Repeat), "while it is under way");
    settle(&guard, 1, &mail, &never());
    assert_eq!(
        guard.admit(NOW, 3, 1, 0, &mail).unwrap(),
        both(Standing::Go)
    );
    settle(&guard, 3, &mail, &sent());
    let later = NOW + 25 * HOUR;
    assert_eq!(
        guard.admit(later, 4, 1, 0, &mail).unwrap(),
        both(Standing::Go)
    );
}

#[test]
fn limits_hold_the_rest_and_the_operator_releases() {
    let stage = Stage::new("[mailto]\nowner_limit = 2\nrecipient_limit = 0\n");
    let mail = mail(&["bob@example.org"], None);
    for id in 1..3 {
        let standing = stage.guard().admit(NOW, id, 1, 0, &mail).unwrap();
        assert_eq!(standing, [Standing::Go]);
    }
    let guard = stage.guard();
    let held = guard.admit(NOW, 3, 1, 0, &mail).unwrap();
    let why = "over the limit of 2 mails an hour on behalf of user alice";
    assert_eq!(held, [Standing::Held(why.into())]);
    assert_eq!(guard.admit(NOW + 1, 3, 1, 0, &mail).unwrap(), held);
    let half = NOW + HOUR / 2;
    assert_eq!(guard.admit(half, 4, 1, 0, &mail).unwrap(), [Standing::Go]);
    assert_eq!(guard.admit(half, 5, 1, 0, &mail).unwrap(), held);
    let mails = [mail];
    guard.leave_to_operator(half, 5, &mails);
    assert_eq!(
        guard.admit(half, 5, 1, 0, &mails[0]).unwrap(),
        [Standing::Go]
    );
}

#[test]
fn each_recipient_has_a_limit_of_his_own() {
    let stage = Stage::new("[mailto]\nowner_limit = 0\nrecipient_limit = 1\n");
    let guard = stage.guard();
    let to = |who: &str| {
        guard
            .admit(NOW, 0, 1, who.len(), &mail(&[who], None))
            .unwrap()
    };
    assert_eq!(to("bob@example.org"), [Standing::Go]);
    assert_eq!(to("eve@EXAMPLE.org "), [Standing::Go]);
    let [Standing::Held(why)] = &to("  bob@Example.org")[..] else {
        panic!("held")
    };
    assert!(why.ends_with("to bob@example.org"), "{why}");
}

fn answers() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(0u8..5, 3), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever servers answer and whenever the daemon dies: after a yes there is no other submission, and after an
    /// unknown answer one.
    #[test]
    fn nobody_gets_it_twice(rounds in answers()) {
        let stage = Stage::new("");
        let mail = mail(&["a@x.example", "b@x.example", "c@y.example"], Some("same"));
        let mut heard: BTreeMap<&Address, Vec<u8>> = BTreeMap::new();
        for (attempt, round) in (1..).zip(rounds) {
            let guard = stage.guard();
            let standings = guard.admit(NOW, 7, attempt, 0, &mail).unwrap();
            let answer = |n: u8| match n {
                0 => sent(),
                1 => busy(),
                2 => never(),
                _ => lost(),
            };
            let tried: Vec<(&Address, u8)> = mail.recipients.iter().zip(&standings).zip(round)
                .filter(|((_, standing), _)| matches!(standing, Standing::Go | Standing::Again))
                .map(|((to, _), answer)| (to, answer))
                .collect();
            for (to, answer) in &tried {
                heard.entry(to).or_default().push(*answer);
            }
            let answers: Vec<(&Address, Answer)> = tried.iter().map(|(to, n)| (*to, answer(*n))).collect();
            // With 4 the daemon has died before it could write anything down, and nothing was written for anybody.
            if tried.iter().all(|(_, n)| *n != 4) {
                guard.settle(NOW, 7, 0, &mail, answers.iter().map(|(to, answer)| (*to, answer))).unwrap();
            } else {
                heard.iter_mut().filter(|(to, _)| tried.iter().any(|(tried, _)| *tried == **to))
                    .for_each(|(_, all)| if let Some(last) = all.last_mut() { *last = 4 });
            }
        }
        for (to, all) in heard {
            let unknown = all.iter().filter(|n| **n >= 3).count();
            prop_assert!(unknown <= 2, "{to}: {all:?}");
            prop_assert!(all.iter().filter(|n| **n == 0 || **n == 2).count() <= 1, "{to}: {all:?}");
            if let Some(end) = all.iter().position(|n| *n == 0 || *n == 2) {
                prop_assert_eq!(end, all.len() - 1, "{}: {:?}", to, all);
            }
        }
    }
}
