//! What holds for every mail, whatever is in the notification that it comes from.
//!
//! Written over [`compose`], so that it holds for each occasion that leads to a mail.

#![allow(clippy::unwrap_used)]

use super::super::{Context, Delivery};
use super::compose;
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
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tempfile::TempDir;

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
        received: UNIX_EPOCH + Duration::from_secs(1_764_000_000),
        notification,
        message_file,
    }
}

/// The message as a reader sees it.
pub(super) fn parsed(bytes: &[u8]) -> Message<'_> {
    MessageParser::default().parse(bytes).unwrap()
}

/// What somebody may put into a field that he has in his hand. Only what is in here may name `evil`.
fn text() -> BoxedStrategy<Vec<u8>> {
    let pieces = [
        "\r\nBcc: evil@evil.test\r\n",
        "\nBcc: evil@evil.test",
        "\rBcc: evil@evil.test",
        "\r\n\r\nevil",
        "\0",
        "<",
        ">",
        ",",
        ";",
        ":",
        "\"",
        "\\",
        "(",
        ")",
        "@",
        "%0D%0ABcc:%20evil@evil.test",
        "%0a",
        "%00",
        "%22",
        "%2C",
        "?bcc=evil@evil.test",
        "&",
        "=?UTF-8?Q?=0D=0ABcc:_evil@evil.test?=",
        "=?UTF-8?B?DQpCY2M6IGV2aWxAZXZpbC50ZXN0?=",
        "=?",
        "?=",
        "\u{202e}",
        "\u{2066}",
        "\u{2028}",
        "\u{85}",
        "\u{fc}\u{df}",
        "\u{1f600}",
        "-oQ/tmp",
        "--",
        "\t",
        " ",
        "plain words",
        "{{ user }}",
        "{%",
        "\u{1b}[0m",
        "user",
        "example.org",
        "Auto-Submitted: no",
    ];
    let piece = select(pieces.to_vec()).prop_map(|p| p.as_bytes().to_vec());
    prop_oneof![
        8 => prop::collection::vec(piece, 0..6).prop_map(|all| all.concat()),
        2 => prop::collection::vec(any::<u8>(), 0..60),
        1 => select(vec![b"x".to_vec(), b"x ".to_vec(), "\u{fc}".into(), b"<a@b> ".to_vec(), b"\n".to_vec()])
            .prop_map(|unit| unit.repeat(100_000 / unit.len())),
    ]
    .boxed()
}

/// A text that is in JSON already.
fn string() -> BoxedStrategy<String> {
    text()
        .prop_map(|t| String::from_utf8_lossy(&t).into_owned())
        .boxed()
}

/// A recipient that is meant, and then anything.
fn option() -> BoxedStrategy<Vec<u8>> {
    let field = (
        select(vec![
            "subject",
            "body",
            "cc",
            "to",
            "from",
            "bcc",
            "x-a",
            "keywords",
            "content-type",
        ]),
        text(),
    );
    let fields = prop::collection::vec(field, 0..4);
    let start = select(vec![
        "good@good.test",
        "mailto:good@good.test",
        "good@good.test,other@good.test",
    ]);
    let uri = (start, fields).prop_map(|(start, fields)| {
        let mut uri = start.as_bytes().to_vec();
        for (n, (name, value)) in fields.iter().enumerate() {
            let between = if n == 0 { b'?' } else { b'&' };
            uri.extend([&[between], name.as_bytes(), b"=", &*value].concat());
        }
        uri
    });
    prop_oneof![3 => uri, 1 => text()].boxed()
}

/// An event, with anything in each parameter that an occasion may read.
fn event() -> BoxedStrategy<Vec<u8>> {
    let kind = select(vec![
        "CalendarAlarm",
        "QuotaExceed",
        "QuotaWithin",
        "QuotaChange",
        "Login",
    ]);
    let keys = [
        "user",
        "userId",
        "alarmTime",
        "alertId",
        "action",
        "calendarId",
        "calendarName",
        "calendarOwner",
        "uid",
        "recurrenceId",
        "summary",
        "description",
        "location",
        "timezone",
        "start",
        "end",
        "organizer",
        "serverFQDN",
        "mailboxID",
        "uri",
        "service",
        "clientAddress",
        "serverAddress",
        "sender",
        "recipient",
        "method",
        "ical",
        "timestamp",
    ];
    let values = prop::collection::vec(
        prop_oneof![1 => string().prop_map(Some), 2 => Just(None)],
        keys.len(),
    );
    let lists = prop::collection::vec(prop::collection::vec(string(), 0..3), 2);
    (kind, values, lists)
        .prop_map(move |(kind, values, lists)| {
            let mut event = usual_event(kind);
            for (key, value) in keys.iter().zip(values) {
                if let Some(value) = value {
                    event[*key] = Value::String(value);
                }
            }
            event["attendeeNames"] = json!(lists[0]);
            event["alarmRecipients"] = match lists[1].is_empty() {
                true => json!(["good@good.test"]),
                false => json!(lists[1]),
            };
            serde_json::to_vec(&event).unwrap()
        })
        .boxed()
}

/// One that leads to a mail.
fn usual_event(kind: &str) -> Value {
    json!({
        "event": kind, "timestamp": "2025-11-24T16:00:00.000+00:00", "user": "good", "userId": "good",
        "alarmTime": "20251124T160000Z", "action": "email", "calendarName": "Work", "uid": "1", "summary": "s",
        "start": "20251124T170000Z", "end": "20251124T180000Z", "allDay": 0, "timezone": "UTC",
        "diskUsed": 95, "diskQuota": 100, "uri": "imap://good@cyr.test/INBOX", "service": "imap",
        "clientAddress": "[203.0.113.9:993]", "sender": "good@good.test", "recipient": "good@good.test",
        "ical": "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "method": "REQUEST",
    })
}

fn notification() -> BoxedStrategy<Notification> {
    let class = prop_oneof![
        Just(b"SIEVE".to_vec()),
        Just(b"EVENT".to_vec()),
        Just(b"IMIP".to_vec()),
        Just(b"MAIL".to_vec()),
        text()
    ];
    let user = prop_oneof![Just(b"good".to_vec()), text()];
    let priority = prop_oneof![
        select(vec!["high", "normal", "low", ""]).prop_map(Into::into),
        text()
    ];
    let options = prop_oneof![
        3 => option().prop_map(|o| vec![o]),
        1 => prop::collection::vec(option(), 0..3)
    ];
    (
        text(),
        class,
        priority,
        user,
        text(),
        options,
        text(),
        event(),
    )
        .prop_map(
            |(method, class, priority, user, mailbox, options, message, event)| {
                let is_event = matches!(class.as_slice(), b"EVENT" | b"IMIP");
                Notification {
                    method,
                    priority,
                    user,
                    mailbox,
                    options: if is_event || class == b"MAIL" {
                        Vec::new()
                    } else {
                        options
                    },
                    message: if is_event { event } else { message },
                    fname: Some(b"stage./1-2-0".into()),
                    class,
                }
            },
        )
        .boxed()
}

/// The header of a message that somebody sent, with anything in it.
fn staged() -> BoxedStrategy<Option<Vec<u8>>> {
    let field = (
        select(vec![
            "Subject",
            "From",
            "Message-ID",
            "References",
            "In-Reply-To",
            "X-Y",
        ]),
        text(),
    );
    let message = prop::collection::vec(field, 0..6).prop_map(|fields| {
        let mut message = b"Return-Path: <someone@example.net>\r\n".to_vec();
        for (name, value) in fields {
            message.extend([name.as_bytes(), b": ", &value, b"\r\n"].concat());
        }
        message.extend(b"\r\nbody\r\n");
        message
    });
    prop_oneof![Just(None), message.prop_map(Some)].boxed()
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
        config.newmail.to.0 = "{user}".into();
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
const CASES: u32 = 300;

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
