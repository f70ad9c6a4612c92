//! Calendar alarms: put by CalDAV, told by calalarmd, mailed by notifyd.

use super::calendar::{self, BERLIN, Start, put as put_event, utc, value, written};
use super::inbox::Received;
use super::scene::Scene;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned, civil};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// calalarmd looks for alarms every ten seconds; this is for all of them.
const LIMIT: Duration = Duration::from_secs(40);
/// So soon is an alarm due that is put now.
const SOON: i64 = 4;
const QUARTER: i64 = 15 * 60;

/// An alarm, and what its mail shall have.
pub(super) struct Alarm {
    /// UID and name of the appointment; its summary begins with it.
    name: &'static str,
    /// Who gets a mail.
    to: &'static [&'static str],
    start: Start,
    /// What the text says; of several with a bar between them, one.
    says: Vec<String>,
}

const SUMMARY: &str = r"Besuch bei Jürgen\, „Tür“ 😀";
const MAIL: &str = "BEGIN:VALARM\r\nACTION:EMAIL\r\nSUMMARY:soon\r\nDESCRIPTION:soon\r\n";
const BEFORE: &str = "TRIGGER:-PT15M\r\nEND:VALARM\r\n";

/// Puts them all. They are due in a few seconds.
pub(super) fn put(scene: &Scene) -> Vec<Alarm> {
    calendar::make(scene);
    vec![
        to_the_user(scene),
        to_two(scene),
        in_berlin(scene, "summer", 7, "CEST|+02:00|UTC+2|Europe/Berlin"),
        in_berlin(scene, "winter", 1, "CET|+01:00|UTC+1|Europe/Berlin"),
        all_day(scene),
        recurring(scene),
        shown_only(scene),
    ]
}

/// Looks at their mails.
pub(super) fn cases(scene: &mut Scene, alarms: &[Alarm]) {
    let end = Instant::now() + LIMIT;
    for alarm in alarms {
        let name = format!("alarm {}", alarm.name);
        let limit = end.saturating_duration_since(Instant::now());
        scene.case(&name, |scene| look(scene, alarm, limit));
    }
    scene.case("one mail for each alarm and recipient", |scene| {
        scene.settle();
        alarms.iter().for_each(|alarm| count(scene, alarm));
    });
}

fn to_the_user(scene: &Scene) -> Alarm {
    let start = Timestamp::now() + (QUARTER + SOON).seconds();
    let lines = format!(
        "DTSTART:{}\r\nDTEND:{}\r\nSUMMARY:plain {SUMMARY}\r\nLOCATION:Büro 3\\; Erdgeschoß\r\n\
         DESCRIPTION:Zeile eins\\nZeile zwei\\, mit Komma\r\n{MAIL}ATTENDEE:mailto:alice@cyr.test\r\n{BEFORE}",
        utc(QUARTER + SOON),
        utc(QUARTER + SOON + 3600),
    );
    put_event(scene, "plain", "", &lines);
    let time = start.to_zoned(TimeZone::UTC).strftime("%H:%M").to_string();
    let words = [
        &time,
        "UTC|GMT|+00:00",
        "Büro 3; Erdgeschoß",
        "Zeile eins\n",
    ];
    let words = words.iter().chain(&["Zeile zwei, mit Komma"]);
    Alarm {
        name: "plain",
        to: &["alice"],
        start: second(start),
        says: words.map(|word| (*word).to_owned()).collect(),
    }
}

fn to_two(scene: &Scene) -> Alarm {
    let start = Timestamp::now() + (QUARTER + SOON).seconds();
    let lines = format!(
        "DTSTART:{}\r\nDTEND:{}\r\nSUMMARY:two {SUMMARY}\r\n{MAIL}ATTENDEE:mailto:bob@cyr.test\r\n\
         ATTENDEE:mailto:carol@cyr.test\r\n{BEFORE}",
        utc(QUARTER + SOON),
        utc(QUARTER + SOON + 3600),
    );
    put_event(scene, "two", "", &lines);
    Alarm {
        name: "two",
        to: &["bob", "carol"],
        start: second(start),
        says: Vec::new(),
    }
}

/// At half past six in the evening of a day far away, with an alarm now, and with nobody named to whom it goes.
fn in_berlin(scene: &Scene, name: &'static str, month: i8, zone: &str) -> Alarm {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let year = Zoned::now().year() + 1;
    let start = civil::date(year, month, 15).at(18, 30, 0, 0);
    let start = start.to_zoned(berlin).unwrap();
    let lines = format!(
        "DTSTART;TZID=Europe/Berlin:{}\r\nDURATION:PT1H\r\nSUMMARY:{name} {SUMMARY}\r\n{MAIL}\
         TRIGGER;VALUE=DATE-TIME:{}\r\nEND:VALARM\r\n",
        written(&start),
        utc(SOON),
    );
    put_event(scene, name, BERLIN, &lines);
    Alarm {
        name,
        to: &["alice"],
        start: Start::At(start.timestamp()),
        says: vec!["18:30".to_owned(), zone.to_owned(), year.to_string()],
    }
}

fn all_day(scene: &Scene) -> Alarm {
    let day = Zoned::now().date() + 40.days();
    let lines = format!(
        "DTSTART;VALUE=DATE:{}\r\nDTEND;VALUE=DATE:{}\r\nSUMMARY:allday {SUMMARY}\r\n{MAIL}\
         TRIGGER;VALUE=DATE-TIME:{}\r\nEND:VALARM\r\n",
        day.strftime("%Y%m%d"),
        day.tomorrow().unwrap().strftime("%Y%m%d"),
        utc(SOON),
    );
    put_event(scene, "allday", "", &lines);
    Alarm {
        name: "allday",
        to: &["alice"],
        start: Start::Day(day),
        says: vec![day.year().to_string(), day.day().to_string()],
    }
}

/// Its first instance was yesterday, the one that is told of is today.
fn recurring(scene: &Scene) -> Alarm {
    const DAY: i64 = 24 * 3600;
    let start = Timestamp::now() + (QUARTER + SOON).seconds();
    let lines = format!(
        "DTSTART:{}\r\nDTEND:{}\r\nRRULE:FREQ=DAILY;COUNT=3\r\nSUMMARY:recurring {SUMMARY}\r\n{MAIL}{BEFORE}",
        utc(QUARTER + SOON - DAY),
        utc(QUARTER + SOON - DAY + 3600),
    );
    put_event(scene, "recurring", "", &lines);
    let time = start.to_zoned(TimeZone::UTC).strftime("%H:%M").to_string();
    Alarm {
        name: "recurring",
        to: &["alice"],
        start: second(start),
        says: vec![time],
    }
}

/// For the calendar program, not for mail.
fn shown_only(scene: &Scene) -> Alarm {
    let start = Timestamp::now() + (QUARTER + SOON).seconds();
    let lines = format!(
        "DTSTART:{}\r\nDTEND:{}\r\nSUMMARY:shown {SUMMARY}\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\n\
         DESCRIPTION:soon\r\n{BEFORE}",
        utc(QUARTER + SOON),
        utc(QUARTER + SOON + 3600),
    );
    put_event(scene, "shown", "", &lines);
    Alarm {
        name: "shown",
        to: &[],
        start: second(start),
        says: Vec::new(),
    }
}

/// A start, in whole seconds.
fn second(time: Timestamp) -> Start {
    Start::At(Timestamp::from_second(time.as_second()).unwrap())
}

fn is_of(alarm: &Alarm, mail: &Received) -> bool {
    mail.says(&format!("{} Besuch", alarm.name))
}

fn look(scene: &Scene, alarm: &Alarm, limit: Duration) {
    for user in alarm.to {
        let what = format!("the mail for the alarm '{}'", alarm.name);
        let mail = scene.wait(user, &what, limit, |mail| is_of(alarm, mail));
        check(alarm, user, &mail);
    }
}

fn check(alarm: &Alarm, user: &str, mail: &Rc<Received>) {
    let summary = format!("{} Besuch bei Jürgen, „Tür“ 😀", alarm.name);
    assert!(mail.subject().contains(&summary), "Subject, in\n{mail}");
    assert_eq!(mail.from(), ["postmaster@cyr.test"], "From, in\n{mail}");
    assert_eq!(mail.to(), [format!("{user}@cyr.test")], "To, in\n{mail}");
    assert_eq!(mail.cc(), [""; 0], "Cc, in\n{mail}");
    mail.has_field("Return-Path", "<>");
    mail.has_field("Auto-Submitted", "auto-generated");
    mail.is_proper();
    let text = mail.text();
    for words in alarm.says.iter().chain([&summary]) {
        let said = words.split('|').any(|word| text.contains(word));
        assert!(said, "{words:?} is not said in\n{text}\nin\n{mail}");
    }
    let (_, text) = mail
        .calendar()
        .unwrap_or_else(|| panic!("no calendar in\n{mail}"));
    let (_, event) = calendar::read(&text);
    assert_eq!(value(&event.properties, "UID"), alarm.name, "{text}");
    assert_eq!(Start::of(&event), alarm.start, "{text}");
}

/// Everybody has one mail who shall have one.
fn count(scene: &Scene, alarm: &Alarm) {
    for user in ["alice", "bob", "carol"] {
        let count = scene.mails(user, |mail| is_of(alarm, mail)).len();
        let wanted = usize::from(alarm.to.contains(&user));
        assert_eq!(count, wanted, "mails for alarm '{}' to {user}", alarm.name);
    }
}
