//! What holds for every mail, whatever is in the notification that it comes from.
//!
//! Written over [`compose`], so that it holds for each occasion that leads to a mail.

#![allow(clippy::unwrap_used)]

use super::super::{Context, Delivery};
use super::desk::compose;
use super::mail::{Composed, Mail};
use super::office::Office;
use crate::config::Settings;
use crate::config::toml::{MailWhen, OwnerForm, Style};
use crate::mail::header::MAX_LINE;
use crate::mail::uri::MailtoUri;
use crate::spool::ledger::Ledger;
use crate::system::syslog::{Identity, Syslog};
use crate::wire::Notification;
use mail_parser::{Message, MessageParser};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tempfile::TempDir;

mod anything;

use anything::{notification, staged, string, usual_event};

/// An office in a folder of its own, of settings that `change` has changed.
pub(super) fn office(change: impl FnOnce(&mut Settings)) -> (Office, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = Settings::for_tests(dir.path());
    settings.servername = b"cyr.test".into();
    settings.defaultdomain = b"example.org".into();
    change(&mut settings);
    let identity = Identity {
        ident: "notify".into(),
        facility: 2,
    };
    let context = Context {
        settings: &settings,
        syslog: &Syslog::open(&dir.path().join("log"), identity).unwrap(),
        ledger: &Arc::new(Ledger::new(dir.path())),
        late: &(Arc::new(|_| {}) as super::Late),
    };
    (Office::new(&context), dir)
}

/// A delivery of `notification`, with `staged` as the message that it is about.
pub(super) fn delivery(notification: Notification, dir: &Path, staged: Option<&[u8]>) -> Delivery {
    let message_file = dir.join("staged");
    match staged {
        Some(bytes) => std::fs::write(&message_file, bytes).unwrap(),
        None => drop(std::fs::remove_file(&message_file)),
    }
    Delivery {
        id: 1_764_000_000_000_000,
        attempt: 1,
        begun: 1,
        asked: 0,
        received: UNIX_EPOCH + Duration::from_secs(1_764_000_000),
        notification,
        message_file,
    }
}

/// The message as a reader sees it.
pub(super) fn parsed(bytes: &[u8]) -> Message<'_> {
    MessageParser::default().parse(bytes).unwrap()
}

/// Everything switched on, in either style.
fn all_on(rfc5436: bool, token: bool) -> (Office, TempDir) {
    office(|settings| {
        let config = &mut settings.own.config;
        config.mailto.style = if rfc5436 {
            Style::Rfc5436
        } else {
            Style::Cyrus
        };
        config.mailto.owner = if token {
            OwnerForm::Token
        } else {
            OwnerForm::Email
        };
        for when in [
            &mut config.alarm.mail,
            &mut config.quota.mail,
            &mut config.imip.mail,
            &mut config.newmail.mail,
            &mut config.signin.mail,
        ] {
            *when = MailWhen::Always;
        }
        config.newmail.to.0 = "notes@good.test".into();
    })
}

/// Every field that a mail of ours may have, besides those of a URI.
const FIELDS: &[&str] = &[
    "message-id",
    "date",
    "x-sieve",
    "from",
    "to",
    "cc",
    "reply-to",
    "subject",
    "auto-submitted",
    "references",
    "importance",
    "x-priority",
    "priority",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
    "content-language",
    "x-a",
    "keywords",
];

/// `uri` are the fields that a URI may add.
fn check(mail: &Mail, uri: &[String]) {
    let bytes = mail.message.to_bytes();
    let end = bytes.windows(2).position(|w| w == b"\n\n").unwrap();
    let (header, body) = (&bytes[..end], &bytes[end + 2..]);
    check_lines(header, body);
    // Our own reading, by lines, and the real parser's must agree on what is a field.
    let ours: Vec<String> = header
        .split(|&b| b == b'\n')
        .filter(|line| !line.starts_with(b" "))
        .map(|line| {
            String::from_utf8_lossy(line)
                .split(':')
                .next()
                .unwrap()
                .to_ascii_lowercase()
        })
        .collect();
    let parsed = parsed(&bytes);
    let theirs: Vec<String> = parsed
        .headers_raw()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    assert_eq!(ours, theirs);
    for (n, name) in ours.iter().enumerate() {
        assert!(
            FIELDS.contains(&name.as_str()) || uri.contains(name),
            "a field {name}: {}",
            bytes.escape_ascii()
        );
        assert!(!ours[..n].contains(name), "{name} twice");
    }
    for needed in ["message-id", "date", "from", "auto-submitted"] {
        assert!(ours.iter().any(|name| name == needed), "no {needed}");
    }
    check_recipients(mail, &parsed);
    assert!(parsed.body_text(0).is_some(), "no body");
}

/// The names of the fields that the notification's URI asks for and may have.
fn fields_of_uri(n: &Notification) -> Vec<String> {
    let uri = n
        .options
        .first()
        .and_then(|option| MailtoUri::parse(option).ok());
    let fields = uri.unwrap_or_default().fields.into_iter();
    fields.map(|(name, _)| name.to_ascii_lowercase()).collect()
}

fn check_lines(header: &[u8], body: &[u8]) {
    for line in header.split(|&b| b == b'\n') {
        assert!(line.len() <= MAX_LINE, "a line of {}", line.len());
        // Longer than that only what has no place to fold.
        let inside = line.trim_ascii_start();
        let foldable = inside
            .windows(2)
            .skip(1)
            .any(|w| w[0] == b' ' && w[1] != b' ')
            && line.starts_with(b" ");
        assert!(
            line.len() <= 76 || !foldable,
            "not folded: {}",
            line.escape_ascii()
        );
        assert!(
            !line.iter().any(u8::is_ascii_control),
            "a control: {}",
            line.escape_ascii()
        );
        assert!(!line.trim_ascii().is_empty(), "an empty line");
    }
    for line in body.split(|&b| b == b'\n') {
        assert!(
            line.len() <= MAX_LINE,
            "a line of {} in the body",
            line.len()
        );
        assert!(
            !line.contains(&b'\r') && !line.contains(&0),
            "a bare CR or a NUL in the body"
        );
    }
}

/// To and Cc name the recipients and nobody else, and each stands for itself.
fn check_recipients(mail: &Mail, parsed: &Message<'_>) {
    assert!(!mail.recipients.is_empty() && mail.recipients.len() <= 8);
    let visible = |list: Option<&mail_parser::Address<'_>>| -> usize {
        list.map_or(0, |list| {
            list.iter().filter(|a| a.address().is_some()).count()
        })
    };
    assert_eq!(
        visible(parsed.to()) + visible(parsed.cc()),
        mail.recipients.len(),
        "{:?} {:?} {:?}",
        mail.recipients,
        parsed.to(),
        parsed.cc()
    );
    assert_eq!(visible(parsed.from()), 1);
    assert!(parsed.bcc().is_none());
    for address in mail.recipients.iter().chain(&mail.sender) {
        let argument = address.envelope();
        let outside: String = argument.split('"').step_by(2).collect();
        assert!(!argument.contains(char::is_control) && !argument.is_empty());
        assert!(
            argument.contains('\\') || !outside.contains([' ', ',', ';', '<', '>', '(']),
            "{argument}"
        );
    }
}

/// One of each style and form of owner.
fn offices() -> Vec<(Office, TempDir)> {
    let both = [false, true];
    let all = both.map(|style| both.map(|owner| all_on(style, owner)));
    all.into_iter().flatten().collect()
}

/// Tries the law with some notifications, staged messages and offices.
fn for_all(law: impl Fn(&Office, &Delivery) -> Result<(), TestCaseError>) {
    let offices = offices();
    let case = (notification(), staged(), 0..offices.len());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(CASES));
    let done = runner.run(&case, |(n, staged, office)| {
        let (office, dir) = &offices[office];
        law(office, &delivery(n, dir.path(), staged.as_deref()))
    });
    done.unwrap_or_else(|error| panic!("{error}"));
}

/// How many cases each law is tried with.
const CASES: u32 = 400;

#[test]
fn no_field_makes_another() {
    for_all(|office, delivery| {
        match compose(office, delivery) {
            Composed::Mails(mails) => {
                let uri = fields_of_uri(&delivery.notification);
                mails.iter().for_each(|mail| check(mail, &uri));
            }
            Composed::Nothing(why) | Composed::Wrong(why) => {
                prop_assert!(
                    !why.contains(char::is_control) && why.len() < 2000,
                    "{why:?}"
                );
            }
        }
        Ok(())
    });
}

/// Who is not named as a recipient gets nothing, whatever else is in the notification.
#[test]
fn nobody_else_gets_it() {
    for_all(|office, delivery| {
        let mut delivery = delivery.clone();
        delivery.notification.class = b"SIEVE".into();
        delivery.notification.options = vec![b"good@good.test".into()];
        if let Composed::Mails(mails) = compose(office, &delivery) {
            for mail in &mails {
                let to: Vec<String> = mail.recipients.iter().map(ToString::to_string).collect();
                prop_assert_eq!(to, ["good@good.test"]);
                check(mail, &[]);
            }
        }
        Ok(())
    });
}

/// At each attempt the same mail.
#[test]
fn composing_again_changes_nothing() {
    for_all(|office, delivery| {
        let mails = || match compose(office, delivery) {
            Composed::Mails(mails) => mails.iter().map(|m| m.message.to_bytes()).collect(),
            _ => Vec::new(),
        };
        prop_assert_eq!(mails(), mails());
        Ok(())
    });
}

/// The text arrives as it was sent, in the style of Cyrus.
#[test]
fn the_body_arrives() {
    let (office, dir) = all_on(false, false);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(CASES));
    let done = runner.run(&string(), |text| {
        let n = Notification {
            class: b"SIEVE".into(),
            options: vec![b"good@good.test".into()],
            message: text.clone().into(),
            ..Notification::default()
        };
        let Composed::Mails(mails) = compose(&office, &delivery(n, dir.path(), None)) else {
            panic!("no mail");
        };
        let bytes = mails[0].message.to_bytes();
        let got = parsed(&bytes).body_text(0).unwrap().into_owned();
        prop_assert_eq!(got, text.replace("\r\n", "\n") + "\n");
        Ok(())
    });
    done.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn usual_events_are_events() {
    for kind in ["CalendarAlarm", "QuotaExceed", "Login"] {
        let event = usual_event(kind);
        assert_eq!(event["event"], kind);
    }
}
