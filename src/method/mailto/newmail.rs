//! A short note about new mail: class `MAIL`, which lmtpd sends when imapd.conf has `mailnotifier`.
//!
//! The message of such a notification is `From: …`, `Subject: …` and `To: …`, each as often as the mail has it, in raw
//! encoded words (RFC 2047). A note is a mail too, and must not lead to a note about itself: it is known by its sender, and
//! no note goes to the mailbox that it is about. What else there is of loops, over several mailboxes, ends at the
//! recipient's limit.

use super::super::Delivery;
use super::mail::{Composed, Mail};
use super::notice::{self, server, targets};
use super::office::Office;
use crate::mail::address::Address;
use crate::mail::encoded_word::decode;
use crate::wire::Notification;
use serde_json::{Value, json};

/// The mail that `delivery` leads to.
pub(super) fn compose(office: &Office, delivery: &Delivery) -> Composed {
    let n = &delivery.notification;
    let mut to = match targets(office, &office.config.newmail.to.0, &n.user) {
        Ok(to) => to,
        Err(why) => return Composed::Wrong(format!("[newmail] to: {why}")),
    };
    if to.is_empty() {
        return Composed::Nothing("no recipient: [newmail] to is empty".into());
    }
    let message = String::from_utf8_lossy(&n.message);
    if is_ours(office, &message) {
        return Composed::Nothing("it is a note of our own".into());
    }
    let own = office.user(&n.user);
    to.retain(|to| !own.as_ref().is_some_and(|own| same_mailbox(own, to)));
    if to.is_empty() {
        return Composed::Nothing("[newmail] to is the mailbox itself".into());
    }
    let values = values(office, n, &message);
    let words = office.words("newmail", &n.user, &values);
    match notice::message(office, delivery, 0, &to, &words, &[]) {
        None => Composed::Wrong(notice::UNWRITABLE.into()),
        Some(message) => Composed::Mails(vec![Mail {
            sender: None,
            recipients: to,
            message,
            // Who writes to the user uses nothing of the user's share.
            owner: Vec::new(),
            once: None,
            until: None,
            wanted: None,
            remember: Vec::new(),
        }]),
    }
}

/// The first field of that name, as it came.
fn field<'a>(message: &'a str, name: &str) -> &'a str {
    let of = |line: &'a str| {
        let (known, value) = line.split_once(':')?;
        known
            .trim()
            .eq_ignore_ascii_case(name)
            .then_some(value.trim())
    };
    message.lines().find_map(of).unwrap_or_default()
}

/// Whether the mail is from the address that our own mails are from.
fn is_ours(office: &Office, message: &str) -> bool {
    let from = field(message, "From");
    let address = match from.rsplit_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or_default(),
        None => from,
    };
    let sender = Address::parse(address.as_bytes()).ok();
    let ours = office.from();
    sender
        .zip(ours)
        .is_some_and(|(sender, ours)| same_mailbox(&ours, &sender))
}

/// Whether two addresses are one mailbox, or one mailbox and a folder of it (`bob+work`), in any case.
fn same_mailbox(one: &Address, other: &Address) -> bool {
    let mailbox = |address: &Address| {
        let key = address.key().to_lowercase();
        let (local, domain) = key.rsplit_once('@').unwrap_or((&key, ""));
        let user = local.split('+').next().unwrap_or_default();
        (user.to_owned(), domain.to_owned())
    };
    mailbox(one) == mailbox(other)
}

/// What the template gets.
fn values(office: &Office, n: &Notification, message: &str) -> Value {
    let of = |name| decode(field(message, name).as_bytes());
    json!({
        "user": String::from_utf8_lossy(&n.user),
        "mailbox": String::from_utf8_lossy(&n.mailbox),
        "from": of("From"),
        "subject": of("Subject"),
        "to": of("To"),
        "server": server(office, None),
    })
}

#[cfg(test)]
mod tests {
    use super::super::desk::{self, Desk, desk, mails, recorded, why};
    use super::*;
    use crate::config::toml::Text;

    const FILE: &str = "3.6.1/mail.jsonl";

    fn to(to: &str) -> Desk {
        desk(|config| {
            config.newmail.to = Text(to.into());
            config.mailto.from = Text("notifier@cyr.test".into());
        })
    }

    fn note(desk: &Desk, user: &str, message: &str) -> Composed {
        compose(&desk.office, &desk::of("MAIL", user, message))
    }

    #[test]
    fn each_new_mail_is_a_note() {
        let desk = to("{user}@phone.example");
        let all = recorded(FILE, "MAIL", "");
        assert_eq!(all.len(), 12);
        for delivery in &all {
            let mail = mails(compose(&desk.office, delivery)).remove(0);
            let user = String::from_utf8_lossy(&delivery.notification.user);
            assert_eq!(desk::field(&mail, "To"), format!("{user}@phone.example"));
            assert_eq!(desk::field(&mail, "Auto-Submitted"), "auto-generated");
            assert_eq!(desk::field(&mail, "From"), "notifier@cyr.test");
            assert!(mail.owner.is_empty() && mail.sender.is_none());
        }
    }

    #[test]
    fn what_the_template_gets() {
        let desk = to("x@y");
        let told = |part: &str| {
            let n = recorded(FILE, "MAIL", part).remove(0).notification;
            values(&desk.office, &n, &String::from_utf8_lossy(&n.message))
        };
        assert_eq!(
            told("Subject: =?UTF-8?B?R3LDvMOfZQ==?="),
            json!({
                "user": "alice", "mailbox": "INBOX", "from": "Sender <sender@example.net>",
                "subject": "Grüße", "to": "alice@cyr.test", "server": "cyr.test"
            })
        );
        assert_eq!(told("Subject: two\n")["subject"], "two");
        assert_eq!(told("From: \"J")["subject"], "Hello XXXWorldXXX Grüße");
    }

    #[test]
    fn there_is_none_to_nobody_to_itself_or_about_ourselves() {
        let of = |desk: &Desk, message: &str| why(note(desk, "bob", message));
        assert_eq!(
            of(&to(""), ""),
            (true, "no recipient: [newmail] to is empty".into())
        );
        for own in [
            "{user}",
            "bob@CYR.test",
            "bob+notes@cyr.test",
            "BOB@cyr.test",
        ] {
            assert_eq!(
                of(&to(own), "").1,
                "[newmail] to is the mailbox itself",
                "{own}"
            );
        }
        let desk = to("{user}@phone.example");
        for ours in [
            "notifier@cyr.test",
            "<NOTIFIER@cyr.test>",
            "\"a <b@c>\" <notifier@cyr.test> (x)",
        ] {
            assert_eq!(
                of(&desk, &format!("From: {ours}\nSubject: x\n")).1,
                "it is a note of our own"
            );
        }
        assert!(!of(&to("a b"), "").0);
        assert!(!why(note(&desk, "", "")).0, "no user to put in");
        let both = to("{user},x@phone.example");
        let mail = mails(note(&both, "bob", "")).remove(0);
        assert_eq!(desk::field(&mail, "To"), "x@phone.example");
    }
}
