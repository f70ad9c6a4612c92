//! Notifications with anything in them, for [`super`]: line ends, NUL, brackets, encoded words, bidirectional controls, 100 kB
//! of the same, in each field, each parameter of an event, and each field of the message that it is about.

use crate::wire::Notification;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

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
        80 => prop::collection::vec(piece, 0..6).prop_map(|all| all.concat()),
        20 => prop::collection::vec(any::<u8>(), 0..60),
        2 => select(vec![b"x".to_vec(), b"x ".to_vec(), "\u{fc}".into(), b"<a@b> ".to_vec(), b"\n".to_vec()])
            .prop_map(|unit| unit.repeat(100_000 / unit.len())),
    ]
    .boxed()
}

/// A text that is in JSON already.
pub(super) fn string() -> BoxedStrategy<String> {
    text()
        .prop_map(|t| String::from_utf8_lossy(&t).into_owned())
        .boxed()
}

/// A recipient that is meant, and then anything.
fn option() -> BoxedStrategy<Vec<u8>> {
    let field = (
        select(vec![
            "subject",
            "subject",
            "body",
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
            uri.extend([&[between], name.as_bytes(), b"=", value.as_slice()].concat());
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
    // Without these there is seldom a mail.
    let needed = [
        "user",
        "userId",
        "alarmTime",
        "action",
        "start",
        "sender",
        "recipient",
        "method",
        "clientIP",
    ];
    let others = [
        "alertId",
        "calendarId",
        "calendarName",
        "calendarOwner",
        "uid",
        "recurrenceId",
        "summary",
        "description",
        "location",
        "timezone",
        "end",
        "organizer",
        "serverFQDN",
        "mailboxID",
        "uri",
        "service",
        "clientAddress",
        "serverAddress",
        "timestamp",
    ];
    let seldom = prop_oneof![1 => string().prop_map(Some), 19 => Just(None)];
    let often = prop_oneof![1 => string().prop_map(Some), 2 => Just(None)];
    let values = (
        prop::collection::vec(seldom, needed.len()),
        prop::collection::vec(often, others.len()),
    );
    let lists = prop::collection::vec(prop::collection::vec(string(), 0..3), 2);
    (kind, values, lists, invitation(), select(NETWORKS.to_vec()))
        .prop_map(move |(kind, (seldom, often), lists, ical, client)| {
            let mut event = usual_event(kind);
            event["ical"] = Value::String(ical);
            event["clientIP"] = json!(client);
            let values = seldom.into_iter().chain(often);
            for (key, value) in needed.iter().chain(&others).zip(values) {
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

/// Where somebody signs in from.
const NETWORKS: &[&str] = &[
    "203.0.113.9",
    "198.51.100.7",
    "192.0.2.33",
    "2001:db8:1::1",
    "2001:db8:2::1",
];

/// An iCalendar object, with anything in its texts.
fn invitation() -> BoxedStrategy<String> {
    prop::collection::vec(string(), 4)
        .prop_map(|texts| {
            let [summary, location, name, description] = &texts[..] else {
                return String::new();
            };
            format!(
                "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20251124T170000Z\r\n\
                 SUMMARY:{summary}\r\nLOCATION:{location}\r\nDESCRIPTION:{description}\r\n\
                 ORGANIZER;CN={name}:mailto:good@good.test\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
            )
        })
        .boxed()
}

/// One that leads to a mail.
pub(super) fn usual_event(kind: &str) -> Value {
    json!({
        "event": kind, "timestamp": "2025-11-24T16:00:00.000+00:00", "user": "good", "userId": "good",
        "alarmTime": "20251124T160000Z", "action": "email", "calendarName": "Work", "uid": "1", "summary": "s",
        "start": "20251124T170000Z", "end": "20251124T180000Z", "allDay": 0, "timezone": "UTC",
        "diskUsed": 95, "diskQuota": 100, "uri": "imap://good@cyr.test/INBOX", "service": "imap",
        "sender": "good@good.test", "recipient": "good@good.test", "method": "REQUEST",
    })
}

pub(super) fn notification() -> BoxedStrategy<Notification> {
    let class = prop_oneof![
        3 => Just(b"SIEVE".to_vec()),
        4 => Just(b"EVENT".to_vec()),
        2 => Just(b"IMIP".to_vec()),
        1 => Just(b"MAIL".to_vec()),
        1 => text()
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
                    message: match class.as_slice() {
                        b"EVENT" | b"IMIP" => event,
                        b"MAIL" => [b"From: ", &message[..], b"\nSubject: ", &message].concat(),
                        _ => message,
                    },
                    fname: Some(b"stage./1-2-0".into()),
                    class,
                }
            },
        )
        .boxed()
}

/// The header of a message that somebody sent, with anything in it.
pub(super) fn staged() -> BoxedStrategy<Option<Vec<u8>>> {
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
