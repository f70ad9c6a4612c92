//! Tests of mail for quotas, with what Cyrus sent.

use super::super::desk::{Desk, desk, field, mails, of, recorded, why};
use super::super::guard::Standing;
use super::*;
use crate::config::toml::{Percentages, Text};
use crate::spool;
use proptest::prelude::*;

fn compose(office: &Office, delivery: &Delivery) -> Composed {
    let mut notes = Notes::default();
    let composed = super::compose(office, delivery, &mut notes);
    office.note(&notes.changes);
    composed
}

const ONE: &str = "3.13/quota-one-resource.jsonl";

fn event(kind: &str, rest: &str) -> Delivery {
    let json =
        format!(r#"{{"event":"{kind}","uri":"imap://cyr.test/user/bob","user":"bob",{rest}}}"#);
    of("EVENT", "", &json)
}

fn storage(kind: &str, used: u64) -> Delivery {
    event(
        kind,
        &format!(r#""diskQuota":100,"diskUsed":{used},"maxMessages":-1,"messages":1"#),
    )
}

/// Composes, and writes down what is remembered when it was sent. Gives the percentage that is told.
fn sent(desk: &Desk, delivery: &Delivery) -> Option<u8> {
    match compose(&desk.office, delivery) {
        Composed::Mails(mails) => {
            let mail = &mails[0];
            desk.sent(delivery.id, mail);
            Some(mail.remember[0].value[0])
        }
        Composed::Nothing(_) => None,
        Composed::Wrong(why) => panic!("{why}"),
    }
}

/// The values for an event that is told.
fn told(desk: &Desk, delivery: &Delivery) -> Value {
    let event = Event::parse(&delivery.notification.message).unwrap();
    let quota = Quota {
        user: event.text(Param::User).unwrap().into_owned(),
        root: root(&event),
    };
    let exceeded = *event.kind() == EventKind::QuotaExceed;
    let found = crossing(
        &desk.office,
        &quota,
        &usages(&event),
        exceeded,
        &mut Notes::default(),
    )
    .unwrap();
    values(&desk.office, &event, &quota, &found)
}

#[test]
fn each_percentage_is_told_when_it_is_reached_and_not_on_the_way_down() {
    let desk = desk(|_| {});
    let story = [
        (79, None),
        (80, Some(80)),
        (85, None),
        (100, Some(100)),
        (95, None),
        (99, None),
        (100, Some(100)),
        (10, None),
        (92, Some(90)),
    ];
    for (n, (used, wanted)) in story.into_iter().enumerate() {
        assert_eq!(
            sent(&desk, &storage("QuotaChange", used)),
            wanted,
            "{n}: {used}"
        );
    }
}

#[test]
fn nothing_is_known_before_it_was_sent() {
    let desk = desk(|_| {});
    let delivery = storage("QuotaChange", 85);
    let make = || {
        mails(compose(&desk.office, &delivery))
            .remove(0)
            .message
            .to_bytes()
    };
    assert_eq!(make(), make());
    assert_eq!(sent(&desk, &delivery), Some(80));
    assert!(why(compose(&desk.office, &delivery)).0);
}

#[test]
fn what_is_refused_is_told_each_time_as_far_as_grace_lets() {
    let desk = desk(|_| {});
    let all = recorded(ONE, "EVENT", "QuotaExceed");
    assert!(all.len() > 3);
    let keys: Vec<_> = all
        .iter()
        .map(|delivery| {
            assert_eq!(sent(&desk, delivery), Some(100));
            let mail = mails(compose(&desk.office, delivery)).remove(0);
            assert_eq!(
                mail.once.as_ref().unwrap().keep,
                Duration::from_secs(86_400)
            );
            let values = told(&desk, delivery);
            let quota = [&values["root"], &values["resource"]].map(Value::to_string);
            (quota, mail.once.unwrap().key)
        })
        .collect();
    for (quota, key) in &keys {
        assert!(
            keys.iter()
                .all(|(other, same)| (other == quota) == (same == key))
        );
    }
    let values = told(&desk, &all[0]);
    assert_eq!(
        values,
        json!({
            "user": "bob", "root": "user/bob", "resource": "storage", "used": 17, "limit": 20,
            "used_text": "17 KiB", "limit_text": "20 KiB", "percent": 85, "threshold": 100,
            "exceeded": true, "server": "cyr.test"
        })
    );
    let messages = all
        .iter()
        .find(|d| String::from_utf8_lossy(&d.notification.message).contains("maxMessages"));
    let values = told(&desk, messages.unwrap());
    assert_eq!(
        (&values["resource"], &values["used_text"]),
        (&json!("messages"), &json!("3"))
    );
}

#[test]
fn within_grace_the_same_is_a_repeat() {
    let desk = desk(|_| {});
    let standing = |id: i64, hours: i64| {
        let mail = mails(compose(&desk.office, &storage("QuotaExceed", 100))).remove(0);
        let now = spool::now() + hours * 3_600_000_000;
        desk.admit(now, id, &mail).remove(0).standing
    };
    assert_eq!(standing(1, 0), Standing::Go);
    assert_eq!(
        (standing(2, 0), standing(3, 23)),
        (Standing::Repeat, Standing::Repeat)
    );
    assert_eq!(standing(4, 25), Standing::Go);
}

#[test]
fn every_recorded_event_is_understood() {
    for file in [
        "3.6.1/min-quota.jsonl",
        "3.6.1/all-quota.jsonl",
        "3.13/min-quota.jsonl",
        ONE,
    ] {
        let desk = desk(|_| {});
        let all = recorded(file, "EVENT", r#"{"event":"Quota"#);
        assert!(!all.is_empty(), "{file}");
        for delivery in all {
            if let Composed::Wrong(why) = compose(&desk.office, &delivery) {
                panic!("{file}: {why}");
            }
        }
    }
}

#[test]
fn the_mail() {
    let mail = mails(compose(&desk(|_| {}).office, &storage("QuotaChange", 90))).remove(0);
    assert_eq!(field(&mail, "To"), "bob@cyr.test");
    assert_eq!(field(&mail, "Auto-Submitted"), "auto-generated");
    assert!(mail.sender.is_none() && mail.owner.is_empty() && mail.until.is_none());
    let office =
        desk(|config| config.quota.to = Text("{user}, postmaster@cyr.test,bob@CYR.test".into()));
    let mail = mails(compose(&office.office, &storage("QuotaChange", 90))).remove(0);
    assert_eq!(field(&mail, "To"), "bob@cyr.test, postmaster@cyr.test");
}

#[test]
fn why_there_is_none() {
    let desk = desk(|_| {});
    let reason = |delivery: Delivery| why(compose(&desk.office, &delivery)).1;
    let unsaid = recorded(
        "3.6.1/min-quota.jsonl",
        "EVENT",
        r#""diskQuota":20,"maxMessages":-1"#,
    );
    let usages_of =
        |delivery: &Delivery| usages(&Event::parse(&delivery.notification.message).unwrap());
    assert_eq!(usages_of(&unsaid[0]), []);
    assert!(reason(unsaid[0].clone()).contains("diskUsed"));
    assert_eq!(
        reason(event("QuotaChange", r#""maxMessages":-1,"messages":5"#)),
        "there is no limit"
    );
    assert!(reason(storage("QuotaChange", 5)).contains("no percentage"));
    let nobody = r#"{"event":"QuotaExceed","uri":"imap://h/shared","diskQuota":1,"diskUsed":1}"#;
    assert!(reason(of("EVENT", "", nobody)).starts_with("no recipient"));
}

#[test]
fn odd_limits_and_percentages() {
    let desk = desk(|_| {});
    let percent = |used, limit| {
        Usage {
            resource: "storage",
            used,
            limit,
        }
        .percent()
    };
    assert_eq!(
        (percent(0, 0), percent(1, 0), percent(u64::MAX, 1)),
        (0, 100, u64::MAX)
    );
    assert_eq!(
        sent(
            &desk,
            &event("QuotaChange", r#""maxMessages":0,"messages":3"#)
        ),
        Some(100)
    );
    assert_eq!(
        sent(
            &desk,
            &event("QuotaChange", r#""diskQuota":"10","diskUsed":"9""#)
        ),
        Some(90)
    );
    let none =
        super::super::desk::desk(|config| config.quota.percentages = Percentages(Vec::new()));
    assert_eq!(sent(&none, &storage("QuotaExceed", 100)), None);
}

#[test]
fn the_worse_of_two_is_told_first_and_the_other_by_the_next_event() {
    let desk = desk(|_| {});
    let both = event(
        "QuotaChange",
        r#""diskQuota":100,"diskUsed":85,"maxMessages":10,"messages":10"#,
    );
    assert_eq!(told(&desk, &both)["resource"], "messages");
    assert_eq!(
        (sent(&desk, &both), sent(&desk, &both), sent(&desk, &both)),
        (Some(100), Some(80), None)
    );
}

#[test]
fn sizes_as_people_write_them() {
    for (kib, text) in [
        (0, "0 KiB"),
        (17, "17 KiB"),
        (1023, "1023 KiB"),
        (1024, "1 MiB"),
        (1228, "1.2 MiB"),
        (20 << 10, "20 MiB"),
        (1_258_291, "1.2 GiB"),
        (10_444_800, "10 GiB"),
        (u64::MAX, "16777216 PiB"),
    ] {
        assert_eq!(size(kib), text, "{kib}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    #[test]
    fn a_percentage_is_told_exactly_when_it_rises(used in prop::collection::vec(0_u64..130, 1..40)) {
        let desk = desk(|_| {});
        let level = |used: u64| [100, 90, 80].into_iter().find(|&level| used >= level).unwrap_or(0);
        let mut known = 0;
        for used in used {
            let wanted = (level(used) > known).then_some(level(used) as u8);
            known = level(used);
            prop_assert_eq!(sent(&desk, &storage("QuotaChange", used)), wanted);
        }
    }
}
