//! Tests of all composers together: with all that Cyrus sent, and with anything.

use super::desk::compose;
use super::desk::{Desk, desk, of, recorded};
use super::*;
use crate::config::toml::{Config, Flag, Text};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::Path as FsPath;

fn open(config: &mut Config) {
    config.alarm.display = Flag(true);
    config.newmail.to = Text("{user}@phone.example".into());
}

/// What every mail must be, whatever it was made from.
fn check(mail: &Mail) {
    let bytes = mail.message.to_bytes();
    let text = String::from_utf8(bytes).expect("UTF-8");
    let (head, _) = text.split_once("\n\n").expect("fields and a body");
    assert!(text.lines().all(|line| line.len() <= 998), "{head}");
    assert!(!text.contains(['\r', '\0']), "{head}");
    let mut names = BTreeSet::new();
    for line in head.lines().filter(|line| !line.starts_with(' ')) {
        let (name, _) = line.split_once(": ").expect(line);
        assert!(names.insert(name), "{name} is there twice");
    }
    let wanted = [
        "Auto-Submitted",
        "Content-Transfer-Encoding",
        "Content-Type",
        "Date",
        "From",
        "MIME-Version",
        "Message-ID",
        "Subject",
        "To",
    ];
    let known = names.iter().all(|name| wanted.contains(name));
    assert!(known && names.len() >= 8, "{names:?}");
    assert!(!mail.recipients.is_empty());
}

fn check_all(desk: &Desk, delivery: &Delivery) -> usize {
    match compose(&desk.office, delivery) {
        Composed::Mails(mails) => {
            mails.iter().for_each(check);
            mails.len()
        }
        _ => 0,
    }
}

#[test]
fn all_that_cyrus_sent() {
    let desk = desk(open);
    let mut mails = 0;
    for folder in ["3.6.1", "3.13"] {
        let path = FsPath::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(folder);
        for entry in std::fs::read_dir(path).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            for class in ["EVENT", "IMIP", "MAIL"] {
                let all = recorded(&format!("{folder}/{file}"), class, "");
                mails += all
                    .iter()
                    .map(|delivery| check_all(&desk, delivery))
                    .sum::<usize>();
            }
        }
    }
    assert!(mails > 60, "{mails}");
}

/// Text with what has a meaning somewhere on its way.
fn nasty() -> impl Strategy<Value = String> {
    "(\r\n|\n|\r|\0|Bcc: x@y|mailto:|urn:|[%;,:<>\"@\\\\?=^]|=\\?UTF-8\\?B\\?|BEGIN:VEVENT|[a-zä☕\u{202e} ]|20261122T175112Z?|20261123|Europe/Berlin|192\\.0\\.2\\.){0,12}"
}

/// A JSON value that holds such a text, in a form that fits or not.
fn value() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        4 => nasty().prop_map(serde_json::Value::from),
        1 => any::<i64>().prop_map(serde_json::Value::from),
        1 => Just(serde_json::Value::Null),
        2 => prop::collection::vec(nasty(), 0..4).prop_map(serde_json::Value::from),
        1 => nasty().prop_map(|text| serde_json::json!({ text.clone(): text })),
    ]
}

fn event(
    name: &'static str,
    keys: &'static [&'static str],
) -> impl Strategy<Value = serde_json::Value> {
    prop::collection::vec(proptest::option::weighted(0.9, value()), keys.len()).prop_map(
        move |values| {
            let mut event = serde_json::json!({
                "event": name, "action": "email", "userId": "alice", "user": "alice",
                "recipient": "x@y", "sender": "alice@cyr.test",
            });
            for (key, value) in keys.iter().zip(values) {
                if let Some(value) = value {
                    event[*key] = value;
                }
            }
            event
        },
    )
}

const ALARM: &[&str] = &[
    "alarmTime",
    "alarmRecipients",
    "alertId",
    "calendarName",
    "calendarColor",
    "uid",
    "recurrenceId",
    "summary",
    "description",
    "location",
    "timezone",
    "start",
    "end",
    "allDay",
    "attendeeNames",
    "attendeeEmails",
    "attendeeStatus",
    "organizer",
    "serverFQDN",
];

/// What an appointment may have.
const PROPERTIES: [&str; 16] = [
    "RRULE",
    "RDATE;VALUE=PERIOD",
    "EXDATE;TZID=Europe/Berlin",
    "EXRULE",
    "RECURRENCE-ID;RANGE=THISANDFUTURE",
    "DTSTART;TZID=Europe/Berlin",
    "CONFERENCE;VALUE=URI",
    "X-GOOGLE-CONFERENCE",
    "URL",
    "DESCRIPTION",
    "X-ALT-DESC;FMTTYPE=text/html",
    "LOCATION",
    "ATTENDEE;EMAIL=ext@example.net",
    "ORGANIZER;CN=<b>x</b>",
    "END:VEVENT\nBEGIN:VEVENT\nX",
    "STATUS",
];

/// Pieces of rules, links and HTML.
fn pieces() -> impl Strategy<Value = String> {
    "(FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)|;BYDAY=|-1|[0-9]|MO|,|;UNTIL=|;COUNT=|;INTERVAL=|20270301T100000Z?|https?://|javascript:|zoom\\.us/j/|@|<script>|<a href=|<br>|</p>|&lt;|\"|'|>| |\\\\n|é|\u{202e}){0,14}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn an_appointment_with_anything_in_it_is_a_mail_with_nothing_but_links_of_the_web(
        lines in prop::collection::vec((prop::sample::select(&PROPERTIES[..]), pieces()), 0..10),
        method in "(REQUEST|CANCEL|COUNTER|ADD|X)",
    ) {
        let lines: String = lines.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect();
        let ical = format!("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:20270301T100000Z\r\n{lines}END:VEVENT\r\nEND:VCALENDAR\r\n");
        let message = serde_json::json!({"recipient": "ext@example.net", "sender": "a@b.example", "method": method, "ical": ical});
        let desk = desk(open);
        let all = super::desk::mails(compose(&desk.office, &of("IMIP", "alice", &message.to_string())));
        all.iter().for_each(check);
        let parts = super::desk::parts_of(&all[0]);
        let html = &parts.iter().find(|(kind, ..)| kind == "text/html").unwrap().2;
        prop_assert!(!html.contains("<script") && !html.contains("href=\"j"), "{}", html);
        let links = html.matches("<a href=").count();
        let of_the_web = html.matches("<a href=\"http").count();
        prop_assert_eq!(links, of_the_web);
    }

    #[test]
    fn alarms(event in event("CalendarAlarm", ALARM)) {
        let mails = check_all(&desk(open), &of("EVENT", "", &event.to_string()));
        prop_assert!(mails > 0, "an alarm is told, whatever is wrong with it");
    }

    #[test]
    fn others(
        quota in event("QuotaExceed", &["user", "uri", "diskUsed", "diskQuota", "messages", "maxMessages"]),
        login in event("Login", &["user", "clientIP", "timestamp", "service", "serverFQDN"]),
        imip in event("", &["recipient", "sender", "ical", "method", "is_update"]),
        lines in prop::collection::vec(nasty(), 0..8),
    ) {
        let desk = desk(open);
        for event in [quota, login] {
            check_all(&desk, &of("EVENT", "", &event.to_string()));
        }
        check_all(&desk, &of("IMIP", "alice", &imip.to_string()));
        let mut named = imip;
        named["ical"] = format!("BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\n{}", lines.join("\n")).into();
        named["recipient"] = "x@y".into();
        named["method"] = serde_json::Value::Null;
        check_all(&desk, &of("IMIP", "alice", &named.to_string()));
        check_all(&desk, &of("MAIL", "alice", &format!("From: {}\nSubject: {}", lines.concat(), lines.join("\n"))));
    }
}
