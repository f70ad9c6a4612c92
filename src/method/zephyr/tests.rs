//! What Cyrus' stock notifyd made of thirteen notifications, and what we make of them.
#![allow(clippy::unwrap_used)]

use super::*;

/// The notices that stock sent, packet by packet.
fn captured() -> Vec<Packet> {
    include_str!("../../../tests/fixtures/zephyr.jsonl")
        .lines()
        .map(|line| {
            let packet: serde_json::Value = serde_json::from_str(line).unwrap();
            let raw = packet["raw"].as_str().unwrap().chars();
            Packet::decode(
                &raw.map(|c| u8::try_from(u32::from(c)).unwrap())
                    .collect::<Vec<u8>>(),
            )
            .unwrap()
        })
        .filter(|packet| packet.notice.kind == zephyr::Kind::UNSAFE)
        .collect()
}

fn notification(
    class: &[u8],
    priority: &[u8],
    user: &[u8],
    mailbox: &[u8],
    message: &[u8],
) -> Notification {
    Notification {
        method: b"zephyr".to_vec(),
        class: class.to_vec(),
        priority: priority.to_vec(),
        user: user.to_vec(),
        mailbox: mailbox.to_vec(),
        message: message.to_vec(),
        ..Notification::default()
    }
}

/// What stock was given, in this order, on a host called `vm`.
fn given() -> Vec<Notification> {
    let plain = notification(b"SIEVE", b"normal", b"root", b"INBOX", b"hello world");
    let long = b"0123456789abcdef".repeat(62);
    vec![
        plain.clone(),
        Notification {
            options: vec![b"bob".to_vec(), b"carol".to_vec()],
            ..plain
        },
        notification(b"SIEVE", b"high", b"root", b"", b"hello"),
        notification(b"MAIL", b"", b"root", b"INBOX", b"From: x\nSubject: y\n"),
        notification(b"", b"", b"root", b"", b"m"),
        notification(b"", b"", b"root", b"INBOX", b"m"),
        notification(b"MAIL", b"", b"root", b"INBOX", b""),
        notification(b"MAIL", b"", b"root", b"", b""),
        notification(b"C", b"x", b"root@OTHER.REALM", b"INBOX", b"m"),
        notification(
            b"C",
            "prü".as_bytes(),
            b"root",
            "Entwürfe".as_bytes(),
            "Grüße ☕ 😀".as_bytes(),
        ),
        notification(b"C", b"p\xfc", b"root", b"m\xfc", b"Gr\xfc\xdfe"),
        notification(b"C", b"x", b"root", b"m", &long[..800]),
        notification(b"C", b"x", b"root", b"m", &long),
    ]
}

#[test]
fn packets_equal_stocks_in_all_but_time_port_and_uid() {
    let mut ours = Vec::new();
    for notification in given() {
        for notice in notices(&notification, b"vm", b"local-realm") {
            ours.extend(
                notice
                    .packets(1, || next_uid([10, 99, 0, 1].into()))
                    .unwrap(),
            );
        }
    }
    let theirs = captured();
    assert_eq!(
        ours.len(),
        theirs.len() + 1,
        "the capture ended before the very last fragment"
    );
    for (ours, theirs) in ours.iter().zip(theirs) {
        let ours = Packet::decode(ours).unwrap();
        let like_theirs = Packet {
            uid: theirs.uid,
            multi_uid: theirs.multi_uid,
            port: theirs.port,
            ..ours
        };
        assert_eq!(like_theirs, theirs);
        assert_eq!(ours.uid.address, theirs.uid.address);
        assert_eq!(like_theirs.encode(), theirs.encode());
    }
}

#[test]
fn an_empty_option_means_everybody() {
    let notification = Notification {
        options: vec![b"".to_vec()],
        ..notification(b"C", b"", b"root", b"", b"m")
    };
    let recipients: Vec<_> = notices(&notification, b"vm", b"local-realm")
        .map(|notice| notice.recipient)
        .collect();
    assert_eq!(recipients, [b"root@local-realm".to_vec(), b"".to_vec()]);
}

#[test]
fn no_user_is_nothing_to_do() {
    let delivery = Delivery {
        id: 1,
        attempt: 1,
        begun: 1,
        asked: 0,
        received: SystemTime::now(),
        notification: notification(b"EVENT", b"", b"", b"", b"{}"),
        message_file: std::path::PathBuf::new(),
    };
    let outcome = Zephyr {
        realm: Vec::new(),
        ledger: Arc::new(Ledger::in_memory().unwrap()),
    }
    .deliver(&delivery, KIND.timeout, &Cancel::new().unwrap());
    assert_eq!(
        outcome,
        Outcome::Discarded("no recipient: the notification names no user".into())
    );
}

#[test]
fn ids_never_repeat() {
    let key = |uid: Uid| (uid.seconds, uid.micros);
    let mut last = key(next_uid(Ipv4Addr::LOCALHOST));
    for _ in 0..10_000 {
        let next = key(next_uid(Ipv4Addr::LOCALHOST));
        assert!(last < next, "{last:?} {next:?}"); // others may take ids in between
        last = next;
    }
}

#[test]
fn what_does_not_fit_is_permanent_and_says_how_far_it_got() {
    let too_long = Unsendable::Header(1000);
    assert!(matches!(verdict(1, None, "z"), Outcome::Delivered(_)));
    assert_eq!(
        verdict(0, Some(&too_long), "z"),
        Outcome::Permanent(too_long.to_string())
    );
    let Outcome::Permanent(why) = verdict(2, Some(&too_long), "z") else {
        panic!()
    };
    assert!(
        why.starts_with("sent to 2 names, not to all: class, instance"),
        "{why}"
    );
}

#[test]
fn the_realm_is_the_one_that_the_configuration_names() {
    let notification = Notification {
        options: vec![b"bob@OTHER".to_vec()],
        ..notification(b"C", b"", b"root", b"", b"m")
    };
    let all: Vec<_> = notices(&notification, b"vm", b"EXAMPLE.ORG").collect();
    assert_eq!(all[0].sender, b"imap@EXAMPLE.ORG");
    assert_eq!(all[0].recipient, b"root@EXAMPLE.ORG");
    assert_eq!(all[1].recipient, b"bob@OTHER");
}
