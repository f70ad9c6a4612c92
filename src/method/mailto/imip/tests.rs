//! Tests of iMIP, with what Cyrus sent.

use super::super::desk::{desk, field, mails, of, parts_of, recorded, why};
use super::*;
use crate::config::toml::Size;

const OLD: &str = "3.6.1/imip.jsonl";
const NEW: &str = "3.13/imip.jsonl";

fn read(delivery: &Delivery) -> Invitation {
    Invitation::read(&desk(|_| {}).office, delivery)
        .ok()
        .unwrap()
}

fn told(file: &str, part: &str) -> Map<String, Value> {
    read(&recorded(file, "IMIP", part)[0]).values(b"alice")
}

fn made(with: &str, ical: &str) -> Delivery {
    let ical = serde_json::to_string(ical).unwrap();
    of(
        "IMIP",
        "alice",
        &format!(
            r#"{{"recipient":"ext@example.org","sender":"alice@cyr.test","ical":{ical}{with}}}"#
        ),
    )
}

#[test]
fn each_is_one_mail_that_calendar_programs_understand() {
    let desk = desk(|_| {});
    for file in [OLD, NEW] {
        let all = recorded(file, "IMIP", "");
        assert_eq!(all.len(), 9, "{file}");
        for delivery in &all {
            let all = mails(compose(&desk.office, delivery));
            let (mail, event) = (
                &all[0],
                Event::parse(&delivery.notification.message).unwrap(),
            );
            let ical = event.text(Param::Ical).unwrap();
            assert_eq!(all.len(), 1);
            assert_eq!(mail.sender.as_ref().unwrap().to_string(), "alice@cyr.test");
            assert_eq!(
                mail.recipients[0].to_string(),
                event.text(Param::Recipient).unwrap()
            );
            assert_eq!(field(mail, "Auto-Submitted"), "auto-generated");
            assert_eq!(mail.owner, b"alice");
            let method = ical
                .split("METHOD:")
                .nth(1)
                .unwrap()
                .split("\r\n")
                .next()
                .unwrap();
            let parts = parts_of(mail);
            let kinds: Vec<&str> = parts.iter().map(|(kind, ..)| kind.as_str()).collect();
            assert_eq!(
                kinds[..3],
                ["multipart/mixed", "multipart/alternative", "text/plain"]
            );
            assert_eq!(kinds[3], "text/html");
            assert_eq!(kinds[4], format!("text/calendar; {method}"));
            assert_eq!(parts[4].2.trim_end(), ical.replace("\r\n", "\n").trim_end());
            assert_eq!(parts[5].1.as_deref(), Some("invite.ics"));
            assert_eq!(parts[5].2, ical, "to the octet");
        }
    }
}

#[test]
fn names_are_those_of_the_object() {
    let desk = desk(|_| {});
    let delivery = recorded(OLD, "IMIP", "inv1-110ea").remove(0);
    let mail = mails(compose(&desk.office, &delivery)).remove(0);
    assert_eq!(field(&mail, "From"), "Alice <alice@cyr.test>");
    assert_eq!(
        field(&mail, "To"),
        "=?UTF-8?B?RXh0ZXJuIMOW?= <ext@example.org>"
    );
    let named = "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nORGANIZER:mailto:ALICE@cyr.test\n\
        ATTENDEE;CN=\"Müller, \u{202e}Jörg\":mailto:ext@example.org\nATTENDEE;CN=\"Al^nBcc: x\":mailto:alice@cyr.test\nEND:VEVENT\nEND:VCALENDAR\n";
    let mail = mails(compose(&desk.office, &made("", named))).remove(0);
    assert_eq!(field(&mail, "From"), "\"Al Bcc: x\" <alice@cyr.test>");
    assert!(field(&mail, "To").ends_with("?= <ext@example.org>"));
    let same = named.replace("CN=\"Müller, \u{202e}Jörg\"", "CN=EXT@example.org");
    let mail = mails(compose(&desk.office, &made("", &same))).remove(0);
    assert_eq!(field(&mail, "To"), "ext@example.org");
}

#[test]
fn what_the_template_gets() {
    let values = told(OLD, "inv1-110ea");
    assert_eq!(
        (&values["method"], &values["is_update"]),
        (&json!("REQUEST"), &json!(false))
    );
    assert_eq!(
        values["sender"],
        json!({"name": "Alice", "email": "alice@cyr.test"})
    );
    assert_eq!(
        values["recipient"],
        json!({"name": "Extern Ö", "email": "ext@example.org"})
    );
    assert_eq!(
        values["organizer"],
        json!({"name": "Alice", "email": "alice@cyr.test"})
    );
    assert_eq!(values["summary"], "Besuch – ☕ , \"Q\"");
    assert_eq!(
        (&values["start"]["time"], &values["end"]["time"]),
        (&json!("17:51"), &json!("18:51"))
    );
    assert_eq!(
        (&values["zone"], &values["status"]),
        (&json!("UTC"), &json!(""))
    );
    assert_eq!(
        values["attendees"][1],
        json!({"name": "Extern Ö", "email": "ext@example.org", "status": "needs-action"})
    );
    assert_eq!(values["series"], Value::Null);
    assert_eq!(told(NEW, "RRULE:")["series"]["every"], "week");
    assert_eq!(told(OLD, r#""is_update":true"#)["is_update"], true);
    for file in [OLD, NEW] {
        assert_eq!(told(file, "METHOD:CANCEL")["method"], "CANCEL");
        let answer = told(file, "METHOD:REPLY");
        assert_eq!(
            (&answer["method"], &answer["status"]),
            (&json!("REPLY"), &json!("accepted"))
        );
    }
}

#[test]
fn what_cyrus_says_of_changes_and_cancellations() {
    for (file, before) in [(OLD, "17:51"), (NEW, "18:54")] {
        let changed = told(file, r#""is_update":true"#);
        assert_eq!(changed["changed"], json!(["time"]), "{file}");
        assert_eq!(changed["before"]["start"]["time"], before);
        assert_eq!(told(file, r#""is_update":false"#)["changed"], json!([]));
        let cancelled = |recipient: &str| {
            let all = recorded(file, "IMIP", "METHOD:CANCEL").into_iter();
            let mut all = all.map(|delivery| read(&delivery).values(b"alice"));
            all.find(|values| values["recipient"]["email"] == recipient)
                .unwrap()
        };
        assert_eq!(
            cancelled("two@example.com")["off_the_list"],
            true,
            "{file}: for one"
        );
        assert_eq!(
            cancelled("ext@example.org")["off_the_list"],
            false,
            "{file}: for all"
        );
    }
}

#[test]
fn who_has_no_mail_address_gets_none() {
    let desk = desk(|_| {});
    let delivery = recorded("3.6.1/calalarm.jsonl", "IMIP", r#""recipient":"urn:uuid"#).remove(0);
    let (well, why) = why(compose(&desk.office, &delivery));
    assert!(!well, "what reaches nobody has failed");
    assert!(
        why.starts_with("no recipient: urn:uuid:") && why.ends_with("is no mail address"),
        "{why}"
    );
}

/// What a mail to `recipient` about an object with these lines has for its To, or why there is none.
fn to(recipient: &str, lines: &str) -> String {
    let desk = desk(|_| {});
    let ical = format!(
        "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nUID:1\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n"
    );
    let message = json!({"recipient": recipient, "sender": "alice@cyr.test", "ical": ical});
    match compose(&desk.office, &of("IMIP", "alice", &message.to_string())) {
        Composed::Mails(mails) => {
            assert_eq!(mails.len(), 1);
            let to = mails[0].recipients[0].to_string();
            assert!(field(&mails[0], "To").contains(&mails[0].recipients[0].in_header()));
            to
        }
        Composed::Nothing(why) => panic!("discarded: {why}"),
        Composed::Wrong(why) => why,
    }
}

#[test]
fn a_recipient_that_is_percent_coded_is_whom_the_object_names() {
    for (recipient, lines, address) in [
        // Cyrus 3.6: the URI as it stands in the object.
        (
            "ben%2Bkal@example.net",
            "ATTENDEE;CN=Ben:mailto:ben%2Bkal@example.net",
            "ben+kal@example.net",
        ),
        (
            "Ben%2bKal@Example.net",
            "ATTENDEE:MAILTO:Ben%2bKal@Example.net",
            "Ben+Kal@Example.net",
        ),
        (
            "ben%2Bkal@example.net",
            "ORGANIZER:mailto:ben%2Bkal@example.net",
            "ben+kal@example.net",
        ),
        (
            "%22ben%20k%22@example.net",
            "ATTENDEE:mailto:%22ben%20k%22@example.net",
            "\"ben k\"@example.net",
        ),
        (
            "ben@example.net?subject=x",
            "ATTENDEE:mailto:ben@example.net?subject=x",
            "ben@example.net",
        ),
        (
            "j%C3%BCrgen@example.net",
            "ATTENDEE:mailto:j%C3%BCrgen@example.net",
            "jürgen@example.net",
        ),
        // Cyrus 3.8: decoded.
        (
            "ben+kal@example.net",
            "ATTENDEE;CN=Ben:mailto:ben%2Bkal@example.net",
            "ben+kal@example.net",
        ),
        (
            "100%25@example.net",
            "ATTENDEE:mailto:100%2525@example.net",
            "100%25@example.net",
        ),
        // Written plainly, and somebody whom the object does not name.
        (
            "ben+kal@example.net",
            "ATTENDEE:mailto:ben+kal@example.net",
            "ben+kal@example.net",
        ),
        (
            "a%2Bb@example.net",
            "ATTENDEE:mailto:ben@example.net",
            "a%2Bb@example.net",
        ),
        (
            "ben@example.net",
            "ATTENDEE:\"mailto:ben@example.net\"",
            "ben@example.net",
        ),
        (
            "\"mailto:ben@example.net\"",
            "ATTENDEE:\"mailto:ben@example.net\"",
            "ben@example.net",
        ),
    ] {
        assert_eq!(to(recipient, lines), address, "{recipient} {lines}");
    }
}

#[test]
fn mail_goes_where_the_email_parameter_says() {
    let uuid = "urn:uuid:11111111-2222-3333-4444-555555555555";
    for (recipient, lines, address) in [
        (
            uuid,
            format!("ATTENDEE;CN=Ext;EMAIL=ext@example.net;PARTSTAT=NEEDS-ACTION:{uuid}"),
            "ext@example.net",
        ),
        (
            "/aMTIz/principal/",
            "ATTENDEE;CN=Ext;CUTYPE=INDIVIDUAL;EMAIL=ext@example.net:/aMTIz/principal/".into(),
            "ext@example.net",
        ),
        (
            "https://dav.example/p/ext/",
            "ATTENDEE;EMAIL=\"ext@example.net\":https://dav.example/p/ext/".into(),
            "ext@example.net",
        ),
        (
            "invalid:nomail",
            "ATTENDEE;EMAIL=\"mailto:ext@example.net\":invalid:nomail".into(),
            "ext@example.net",
        ),
        (
            uuid,
            format!("ORGANIZER;EMAIL=boss@example.net:{uuid}"),
            "boss@example.net",
        ),
        // Mail has an address of its own.
        (
            "ext@example.net",
            "ATTENDEE;EMAIL=other@example.net:mailto:ext@example.net".into(),
            "ext@example.net",
        ),
        (
            uuid,
            format!("ATTENDEE;CN=ext@example.net:{uuid}"),
            "no recipient: urn:uuid:11111111-2222-3333-4444-555555555555 is no mail address",
        ),
        (
            uuid,
            format!("ATTENDEE;EMAIL=a b:{uuid}"),
            "no recipient: urn:uuid:11111111-2222-3333-4444-555555555555 has an EMAIL that has a blank in it",
        ),
        (
            "/aMTIz/principal/",
            String::new(),
            "no recipient: /aMTIz/principal/ is no mail address",
        ),
    ] {
        assert_eq!(to(recipient, &lines), address, "{recipient} {lines}");
    }
}

#[test]
fn nobody_sends_in_the_name_that_an_email_parameter_has() {
    let desk = desk(|_| {});
    let ical = "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nORGANIZER;CN=Boss;EMAIL=boss@example.com:urn:uuid:9\nATTENDEE:mailto:ext@example.org\nEND:VEVENT\nEND:VCALENDAR\n";
    let message = |sender: &str| {
        json!({"recipient": "ext@example.org", "sender": sender, "ical": ical}).to_string()
    };
    let mail = mails(compose(
        &desk.office,
        &of("IMIP", "alice", &message("urn:uuid:9")),
    ))
    .remove(0);
    assert_eq!(mail.sender.as_ref().unwrap().to_string(), "alice@cyr.test");
    assert_eq!(field(&mail, "From"), "alice@cyr.test");
    let ical = ical.replace(
        "EMAIL=boss@example.com:urn:uuid:9",
        "X=y:mailto:al%2Bx@cyr.test",
    );
    let coded = json!({"recipient": "ext@example.org", "sender": "al%2Bx@cyr.test", "ical": ical});
    let mail = mails(compose(
        &desk.office,
        &of("IMIP", "alice", &coded.to_string()),
    ))
    .remove(0);
    assert_eq!(
        field(&mail, "From"),
        "Boss <al+x@cyr.test>",
        "as the object has it"
    );
}

#[test]
fn people_without_an_address_of_mail_are_shown_by_name_or_email() {
    let uuid = "urn:uuid:11111111-2222-3333-4444-555555555555";
    let ical = format!(
        "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nORGANIZER;CN=Chef:\"mailto:ch%2Bef@x.example\"\nATTENDEE;EMAIL=ext@example.org;CN=Ext:{uuid}\nATTENDEE;CN=Room 4:{uuid}4\nATTENDEE:{uuid}5\nEND:VEVENT\nEND:VCALENDAR\n"
    );
    let values = read(&made("", &ical)).values(b"alice");
    assert_eq!(
        values["organizer"],
        json!({"name": "Chef", "email": "ch+ef@x.example"})
    );
    let emails: Vec<&Value> = values["attendees"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| &a["email"])
        .collect();
    assert_eq!(emails, ["ext@example.org", "", &format!("{uuid}5")]);
    assert_eq!(values["recipient"]["name"], "Ext", "found by EMAIL");
}

#[test]
fn what_is_wrong_with_it_is_told() {
    let desk = desk(|config| config.imip.max_size = Size(500));
    let reason = |delivery: &Delivery| {
        let (well, why) = why(compose(&desk.office, delivery));
        assert!(!well);
        why
    };
    let large = recorded(OLD, "IMIP", "inv2-110ea").remove(0);
    assert!(reason(&large).ends_with("bytes, [imip] max_size is 500"));
    assert!(reason(&of("IMIP", "alice", "x")).contains("JSON"));
    assert!(reason(&made("", "")).contains("no iCalendar object"));
    let event = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VEVENT\nEND:VCALENDAR\n";
    assert!(reason(&made("", event)).contains("no method"));
    assert!(reason(&made(r#","method":"REQUEST; x=y""#, event)).contains("no method"));
    let stranger = of(
        "IMIP",
        "",
        r#"{"recipient":"x@y","sender":"urn:x","ical":"BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT"}"#,
    );
    assert!(reason(&stranger).contains("sender"));
}

#[test]
fn each_attempt_composes_the_same() {
    let desk = desk(|_| {});
    let all = recorded(OLD, "IMIP", "");
    let make = |delivery: &Delivery| {
        let mail = mails(compose(&desk.office, delivery)).remove(0);
        (mail.message.to_bytes(), mail.once.unwrap().key)
    };
    assert_eq!(make(&all[0]), make(&all[0]));
    assert_ne!(make(&all[0]).1, make(&all[3]).1);
}

#[test]
fn days_zones_and_lengths() {
    let ical = |lines: &str| {
        let ical = format!(
            "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\n{lines}END:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        read(&made("", &ical)).values(b"alice")
    };
    let days = ical("DTSTART;VALUE=DATE:20261230\r\nDTEND;VALUE=DATE:20270102\r\n");
    assert_eq!(
        (&days["all_day"], &days["end"]["date"]),
        (&json!(true), &json!("2027-01-01"))
    );
    let zoned = ical(
        "DTSTART;TZID=Europe/Berlin:20260701T140500\r\nDURATION:PT26H\r\nRECURRENCE-ID:20260624T120500Z\r\n",
    );
    assert_eq!(
        (&zoned["abbreviation"], &zoned["end"]["time"]),
        (&json!("CEST"), &json!("16:05"))
    );
    assert_eq!(
        (&zoned["several_days"], &zoned["recurrence"]["time"]),
        (&json!(true), &json!("14:05"))
    );
    let flight = ical(
        "DTSTART;TZID=Europe/Berlin:20260701T100000\r\nDTEND;TZID=America/New_York:20260701T130000\r\n",
    );
    assert_eq!(flight["end"]["time"], "19:00");
}
