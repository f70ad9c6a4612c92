//! Tests of notes about sign-ins, with what Cyrus sent.

use super::super::desk::{Desk, desk, field, mails, of, recorded, why};
use super::*;
use crate::config::toml::Text;

fn compose(office: &Office, delivery: &Delivery) -> Composed {
    let mut notes = Notes::default();
    let composed = super::compose(office, delivery, &mut notes);
    office.note(&notes.changes);
    composed
}

fn login(user: &str, address: &str) -> Delivery {
    let json = format!(
        r#"{{"event":"Login","timestamp":"2026-11-22T17:45:41.488Z","service":"imap","clientIP":"{address}","user":"{user}","serverFQDN":"cyr.test"}}"#
    );
    of("EVENT", "", &json)
}

fn sent(desk: &Desk, delivery: &Delivery) -> bool {
    let Composed::Mails(mails) = compose(&desk.office, delivery) else {
        return false;
    };
    desk.sent(delivery.id, &mails[0]);
    true
}

#[test]
fn the_first_network_is_learned_and_each_new_one_told_once() {
    let desk = desk(|_| {});
    for (user, address, told) in [
        ("alice", "192.0.2.7", false),
        ("alice", "192.0.2.200", false),
        ("alice", "198.51.100.1", true),
        ("alice", "198.51.100.2", false),
        ("bob", "198.51.100.2", false),
        ("alice", "2001:db8:0:1::1", true),
        ("alice", "2001:db8:0:1:ffff::", false),
        ("alice", "2001:db8:0:2::1", true),
        ("alice", "::ffff:192.0.2.9", false),
        ("alice", "[198.51.100.9]", false),
        // The same networks in IPv6, and others.
        ("alice", "64:ff9b::192.0.2.9", false),
        ("alice", "64:ff9b::203.0.113.1", true),
        ("alice", "64:ff9b:1::203.0.113.9", false),
        ("alice", "64:ff9b:1:c000:2:700::", false),
        ("alice", "2002:c000:207::1", false),
        ("alice", "::ffff:0:198.51.100.3", false),
        ("alice", "::198.51.100.3", false),
        ("alice", "2001:0:4136:e378:8000:63bf:3fff:fdd2", false),
        ("alice", "2002:cb00:7201::1", true),
        ("alice", "2001:db8:64:ff9b::1", true),
    ] {
        assert_eq!(sent(&desk, &login(user, address)), told, "{user} {address}");
    }
}

#[test]
fn it_is_told_until_it_was_sent() {
    let desk = desk(|_| {});
    sent(&desk, &login("alice", "192.0.2.7"));
    let delivery = login("alice", "198.51.100.1");
    let make = || mails(compose(&desk.office, &delivery)).remove(0);
    assert_eq!(make().message.to_bytes(), make().message.to_bytes());
    let other = mails(compose(&desk.office, &login("alice", "198.51.100.77"))).remove(0);
    assert_eq!(
        make().once.unwrap().key,
        other.once.unwrap().key,
        "a repeat"
    );
    assert!(sent(&desk, &delivery) && !sent(&desk, &delivery));
}

#[test]
fn the_mail_and_what_the_template_gets() {
    let desk = desk(|config| config.signin.to = Text("security@example.org".into()));
    sent(&desk, &login("alice", "192.0.2.7"));
    let delivery = login("alice", "2001:db8::7");
    let mail = mails(compose(&desk.office, &delivery)).remove(0);
    assert_eq!(field(&mail, "To"), "security@example.org");
    assert_eq!(field(&mail, "Auto-Submitted"), "auto-generated");
    assert!(mail.owner.is_empty() && mail.sender.is_none());
    let event = Event::parse(&delivery.notification.message).unwrap();
    let values = values(
        &desk.office,
        &delivery,
        &event,
        "alice",
        address("2001:db8::7").unwrap(),
    );
    assert_eq!(values["network"], "2001:db8::/64");
    assert_eq!(
        (&values["address"], &values["service"]),
        (&json!("2001:db8::7"), &json!("imap"))
    );
    let time = Timestamp::from_millisecond(1_795_369_541_488)
        .unwrap()
        .to_zoned(TimeZone::system());
    assert_eq!(values["time"], parts(&Moment::Zoned(time)));
}

#[test]
fn why_there_is_none() {
    let desk = desk(|_| {});
    let reason = |delivery: &Delivery| {
        let (well, why) = why(compose(&desk.office, delivery));
        assert!(well);
        why
    };
    let local = recorded("3.6.1/all-access.jsonl", "EVENT", r#"{"event":"Login""#);
    assert!(!local.is_empty());
    for delivery in &local {
        let n = &delivery.notification;
        let message = String::from_utf8_lossy(&n.message);
        let (well, why) = why(compose(&desk.office, delivery));
        assert!(well && why == "from this very machine", "{why}: {message}");
    }
    for file in ["3.6.1/min-access.jsonl", "3.13/min-access.jsonl"] {
        let unsaid = recorded(file, "EVENT", r#"{"event":"Login""#);
        assert!(reason(&unsaid[0]).contains("clientAddress"));
    }
    for odd in ["", "x", "192.0.2.7;143", "192.0.2"] {
        assert!(reason(&login("alice", odd)).contains("no address"), "{odd}");
    }
    assert_eq!(reason(&login("", "192.0.2.7")), "nobody signed in");
    assert_eq!(reason(&login("anonymous", "192.0.2.7")), "nobody signed in");
}

#[test]
fn a_user_whose_name_is_no_address_gets_none() {
    let desk = desk(|_| {});
    let odd = |address| login("a b\\n<x>", address);
    assert!(!sent(&desk, &odd("192.0.2.7")));
    assert!(
        why(compose(&desk.office, &odd("198.51.100.1")))
            .1
            .starts_with("no recipient")
    );
}
