//! Calendar alarms: put by CalDAV, told by calalarmd, mailed by notifyd.

use super::calendar::{self, BERLIN, Start, hence, put as put_event, utc, value, written};
use super::inbox::Received;
use super::scene::Scene;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned, civil};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// calalarmd looks for alarms every ten seconds; this is for all of them.
const LIMIT: Duration = Duration::from_secs(40);
/// So soon is an alarm due that is put now.
const SOON: i64 = 5;
const QUARTER: i64 = 15 * 60;

/// An alarm, and what its mail shall have.
pub(super) struct Alarm {
    /// UID and name of the appointment; its summary begins with it.
    name: &'static str,
    /// Who gets a mail.
    to: &'static [&'static str],
    start: Start,
    /// What the text says.
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
        in_berlin(scene, "summer", 7, "(CEST)"),
        in_berlin(scene, "winter", 1, "(CET)"),
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

/// The lines of an appointment that begins in a quarter of an hour and takes one, and when it begins.
fn soon(summary: &str) -> (Timestamp, String) {
    let start = hence(QUARTER + SOON);
    (start, from_to(start, summary))
}

fn from_to(start: Timestamp, summary: &str) -> String {
    let (start, end) = (utc(start), utc(start + QUARTER.seconds()));
    format!("DTSTART:{start}\r\nDTEND:{end}\r\nSUMMARY:{summary} {SUMMARY}\r\n")
}

/// What is said of a time that is given in UTC.
fn clock(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%H:%M").to_string()
}

fn to_the_user(scene: &Scene) -> Alarm {
    let (start, lines) = soon("plain");
    let lines = format!(
        "{lines}LOCATION:Büro 3\\; Erdgeschoß\r\nDESCRIPTION:Zeile eins\\nZeile zwei\\, mit Komma\r\n\
         {MAIL}ATTENDEE:mailto:alice@cyr.test\r\n{BEFORE}"
    );
    put_event(scene, "plain", "", &lines);
    let clock = clock(start);
    let says = [
        &clock,
        "(UTC)",
        "Büro 3; Erdgeschoß",
        "Zeile eins\n",
        "Zeile zwei, mit Komma",
    ];
    Alarm {
        name: "plain",
        to: &["alice"],
        start: Start::At(start),
        says: says.map(str::to_owned).to_vec(),
    }
}

fn to_two(scene: &Scene) -> Alarm {
    let (start, lines) = soon("two");
    let to = "ATTENDEE:mailto:bob@cyr.test\r\nATTENDEE:mailto:carol@cyr.test\r\n";
    put_event(scene, "two", "", &format!("{lines}{MAIL}{to}{BEFORE}"));
    Alarm {
        name: "two",
        to: &["bob", "carol"],
        start: Start::At(start),
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
        "DTSTART;TZID=Europe/Berlin:{}\r\nDURATION:PT1H\r\nSUMMARY:{name} {SUMMARY}\r\n{MAIL}{}",
        written(&start),
        now(),
    );
    put_event(scene, name, BERLIN, &lines);
    Alarm {
        name,
        to: &["alice"],
        start: Start::At(start.timestamp()),
        says: vec!["18:30".to_owned(), zone.to_owned(), year.to_string()],
    }
}

/// The end of an alarm that is due at a time, not so long before something.
fn now() -> String {
    let due = utc(hence(SOON));
    format!("TRIGGER;VALUE=DATE-TIME:{due}\r\nEND:VALARM\r\n")
}

fn all_day(scene: &Scene) -> Alarm {
    let day = Zoned::now().date() + 40.days();
    let lines = format!(
        "DTSTART;VALUE=DATE:{}\r\nDTEND;VALUE=DATE:{}\r\nSUMMARY:allday {SUMMARY}\r\n{MAIL}{}",
        day.strftime("%Y%m%d"),
        day.tomorrow().unwrap().strftime("%Y%m%d"),
        now(),
    );
    put_event(scene, "allday", "", &lines);
    let said = day.strftime("%A, %-d %B %Y, all day").to_string();
    Alarm {
        name: "allday",
        to: &["alice"],
        start: Start::Day(day),
        says: vec![said],
    }
}

/// Its first instance was yesterday, the one that is told of is today.
fn recurring(scene: &Scene) -> Alarm {
    let start = hence(QUARTER + SOON);
    let lines = from_to(start - 24.hours(), "recurring");
    let lines = format!("{lines}RRULE:FREQ=DAILY;COUNT=3\r\n{MAIL}{BEFORE}");
    put_event(scene, "recurring", "", &lines);
    Alarm {
        name: "recurring",
        to: &["alice"],
        start: Start::At(start),
        says: vec![clock(start)],
    }
}

/// For the calendar program, not for mail.
fn shown_only(scene: &Scene) -> Alarm {
    let (start, lines) = soon("shown");
    let alarm = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:soon\r\n";
    put_event(scene, "shown", "", &format!("{lines}{alarm}{BEFORE}"));
    Alarm {
        name: "shown",
        to: &[],
        start: Start::At(start),
        says: Vec::new(),
    }
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
        assert!(text.contains(words), "{words:?} is not said in\n{text}");
    }
    let html = mail.html().is_some_and(|html| html.contains(&summary));
    assert!(html, "no HTML that has the summary, in\n{mail}");
    let (_, text) = mail
        .calendar()
        .unwrap_or_else(|| panic!("no calendar in\n{mail}"));
    let (_, event) = calendar::read(&text);
    // This Cyrus does not say whether it is one of a series.
    let uid = value(&event.properties, "UID");
    assert!(uid.ends_with("@cyrus-notifyd"), "{text}");
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
