//! Tests of reading and writing appointments.

use super::read::object;
use super::write::publish;
use super::*;
use ical::parser::ical::component::IcalEvent;
use ical::property::Property;
use jiff::civil::{date, datetime};
use proptest::prelude::*;

fn stamp() -> Timestamp {
    "2026-11-22T17:51:12Z".parse().unwrap()
}

/// What another parser makes of a file.
fn parsed(file: &str) -> (Vec<Property>, IcalEvent) {
    let mut calendars = ical::IcalParser::new(file.as_bytes());
    let mut calendar = calendars.next().unwrap().unwrap();
    assert!(calendars.next().is_none() && calendar.events.len() == 1);
    assert!(calendar.alarms.is_empty() && calendar.events[0].alarms.is_empty());
    (calendar.properties, calendar.events.remove(0))
}

/// Value and parameters of a property.
type Found = (String, Vec<(String, Vec<String>)>);

fn find(properties: &[Property], name: &str) -> Option<Found> {
    let found = properties.iter().find(|property| property.name == name)?;
    Some((
        found.value.clone().unwrap(),
        found.params.clone().unwrap_or_default(),
    ))
}

fn value(properties: &[Property], name: &str) -> Option<String> {
    find(properties, name).map(|(value, _)| value)
}

fn berlin() -> TimeZone {
    zone("Europe/Berlin").unwrap()
}

fn visit() -> Event {
    Event {
        uid: "u1".into(),
        summary: "Besuch – ☕ , \"Q\"; \\n".into(),
        description: "Zeile eins\nZeile zwei".into(),
        location: "Büro 3".into(),
        organizer: Some(Person {
            name: "Alice \"A\"; B".into(),
            uri: "MAILTO:alice@cyr.test".into(),
            ..Person::default()
        }),
        attendees: vec![
            Person {
                name: "Müller, Jörg".into(),
                uri: "mailto:bob@cyr.test".into(),
                status: "accepted".into(),
                ..Person::default()
            },
            Person {
                uri: "urn:uuid:1\r\nATTENDEE:mailto:evil@x".into(),
                status: "needs action".into(),
                ..Person::default()
            },
        ],
        start: Moment::read("20260701T140500", Some(&berlin())),
        end: Moment::read("20260701T150500", Some(&berlin())),
        recurrence: Moment::read("2026-06-24T14:05:00", Some(&berlin())),
        ..Event::default()
    }
}

#[test]
fn the_file_says_what_the_appointment_is() {
    let file = publish(&visit(), stamp());
    let (calendar, event) = parsed(&file);
    assert!(value(&calendar, "METHOD").is_none());
    assert_eq!(value(&calendar, "VERSION").unwrap(), "2.0");
    let of = |name| value(&event.properties, name).unwrap();
    assert_eq!(of("UID"), "u1");
    assert_eq!(of("DTSTAMP"), "20261122T175112Z");
    assert_eq!(
        (of("DTSTART"), of("DTEND")),
        ("20260701T120500Z".into(), "20260701T130500Z".into())
    );
    assert_eq!(of("RECURRENCE-ID"), "20260624T120500Z");
    assert_eq!(of("SUMMARY"), "Besuch – ☕ \\, \"Q\"\\; \\\\n");
    assert_eq!(of("DESCRIPTION"), "Zeile eins\\nZeile zwei");
    assert_eq!(of("LOCATION"), "Büro 3");
    let (organizer, parameters) = find(&event.properties, "ORGANIZER").unwrap();
    assert_eq!(organizer, "mailto:alice@cyr.test");
    assert_eq!(
        parameters,
        [("CN".to_owned(), vec!["Alice 'A'; B".to_owned()])]
    );
    let attendees: Vec<&Property> = event
        .properties
        .iter()
        .filter(|p| p.name == "ATTENDEE")
        .collect();
    assert_eq!(attendees.len(), 2, "nobody was put in");
    let (_, parameters) = find(&event.properties, "ATTENDEE").unwrap();
    assert!(parameters.contains(&("CN".to_owned(), vec!["Müller, Jörg".to_owned()])));
    assert!(parameters.contains(&("PARTSTAT".to_owned(), vec!["ACCEPTED".to_owned()])));
}

#[test]
fn what_is_written_is_read_back() {
    let event = Event {
        organizer: None,
        attendees: vec![visit().attendees.remove(0)],
        ..visit()
    };
    let read = object(&publish(&event, stamp()));
    assert_eq!((read.method.as_str(), read.kind.as_str()), ("", "VEVENT"));
    let instant = |moment: &Option<Moment>| moment.as_ref().unwrap().timestamp().unwrap();
    assert_eq!(instant(&read.event.start), instant(&event.start));
    let times = |event: Event| Event {
        start: None,
        end: None,
        recurrence: None,
        ..event
    };
    assert_eq!(times(read.event), times(event));
}

#[test]
fn days_and_floating_times_stay_what_they_are() {
    let file = |start, end| {
        let event = Event {
            start: Moment::read(start, None),
            end: Moment::read(end, None),
            ..Event::default()
        };
        parsed(&publish(&event, stamp())).1.properties
    };
    let days = file("20261123", "20261126");
    let (start, parameters) = find(&days, "DTSTART").unwrap();
    assert_eq!(
        (start.as_str(), value(&days, "DTEND").unwrap().as_str()),
        ("20261123", "20261126")
    );
    assert_eq!(parameters, [("VALUE".to_owned(), vec!["DATE".to_owned()])]);
    assert_eq!(
        value(&days, "UID").unwrap(),
        "20261122T175112Z@cyrus-notifyd"
    );
    let floating = file("20261123T101500", "20261123T111500");
    assert_eq!(value(&floating, "DTSTART").unwrap(), "20261123T101500");
}

#[test]
fn moments() {
    let berlin = berlin();
    let read = |text, zone| Moment::read(text, zone);
    assert_eq!(
        read("20261122", None),
        Some(Moment::Date(date(2026, 11, 22)))
    );
    assert_eq!(
        read("2026-11-22T19:04:06", None),
        Some(Moment::Local(datetime(2026, 11, 22, 19, 4, 6, 0)))
    );
    let at = |text| {
        read(text, Some(&berlin))
            .unwrap()
            .timestamp()
            .unwrap()
            .to_string()
    };
    assert_eq!(at("20260701T140500"), "2026-07-01T12:05:00Z");
    assert_eq!(at("20260701T140500Z"), "2026-07-01T14:05:00Z");
    // What spring skips is read with the offset before (RFC 5545 section 3.3.5), what autumn has twice is the first.
    assert_eq!(at("20260329T023000"), "2026-03-29T01:30:00Z");
    assert_eq!(at("20261025T023000"), "2026-10-25T00:30:00Z");
    for bad in [
        "",
        "x",
        "20261322",
        "20261122T256000",
        "20261122T19040é",
        "99999999T999999Z",
        "+-:20261122",
    ] {
        assert_eq!(read(bad, None), None, "{bad}");
    }
}

#[test]
fn zones() {
    let name = |text| zone(text).and_then(|zone| zone.iana_name().map(str::to_owned));
    assert_eq!(name("europe/berlin").as_deref(), Some("Europe/Berlin"));
    assert_eq!(
        name("/citadel.org/20210210_1/Europe/Vienna").as_deref(),
        Some("Europe/Vienna")
    );
    assert_eq!(zone("UTC"), Some(TimeZone::UTC));
    for none in [
        "",
        "/",
        "[floating]",
        "custom_X",
        "../../etc/passwd",
        "/etc/passwd",
        "\0",
    ] {
        assert_eq!(zone(none), None, "{none}");
    }
}

#[test]
fn escapes_are_taken_back_once() {
    for (text, meant) in [
        (r"a\nb\Nc", "a\nb\nc"),
        (r"\, \; \\ \\n \: \x", r", ; \ \n \: \x"),
        (r"\\\n", "\\\n"),
        ("end\\", "end\\"),
        ("\\é", "\\é"),
    ] {
        assert_eq!(unescape(text), meant, "{text}");
    }
}

#[test]
fn reads_what_is_folded_quoted_and_nested() {
    let text = "BEGIN:VCALENDAR\r\nmethod:request\r\nBEGIN:VTIMEZONE\r\nTZID:X\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n\
        END:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTART;TZID=\"Europe/Berlin\":20260701T140500\r\n\
        DURATION:P1DT1H\r\nRRULE:FREQ=WEEKLY\r\nSUMMARY;LANGUAGE=de:Lang\r\n er Text\\, ja\r\n\t!\r\nCOMMENT:Gern\\n:-)\r\n\
        ATTENDEE;CN=\"a;b:c, ^'d^'\";PARTSTAT=TENTATIVE:mailto:\r\n b@x\r\nno colon\r\n:\r\n;;=;:x\r\n\
        BEGIN:VALARM\r\nDESCRIPTION:alarm\r\nATTENDEE:mailto:alarm@x\r\nEND:VALARM\r\nEND:VEVENT\r\n\
        BEGIN:VEVENT\r\nSUMMARY:second\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let read = object(text);
    assert_eq!(
        (read.method.as_str(), read.kind.as_str()),
        ("REQUEST", "VEVENT")
    );
    assert_eq!(read.event.summary, "Langer Text, ja!");
    assert_eq!(read.comment, "Gern\n:-)");
    assert_eq!(
        (read.event.description.as_str(), read.event.series.is_some()),
        ("", true)
    );
    assert_eq!(read.event.attendees.len(), 1);
    let attendee = &read.event.attendees[0];
    assert_eq!(
        (attendee.name.as_str(), attendee.address()),
        ("a;b:c, \"d\"", "b@x")
    );
    assert_eq!(attendee.status, "tentative");
    let end = read.event.end.unwrap();
    assert_eq!(end.clock(), datetime(2026, 7, 2, 15, 5, 0, 0));
}

#[test]
fn a_zone_that_nobody_knows_keeps_its_name() {
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;TZID=custom_X:20260701T140500\nEND:VEVENT\n";
    let event = object(text).event;
    let clock = datetime(2026, 7, 1, 14, 5, 0, 0);
    assert_eq!(event.start, Some(Moment::Unknown(clock, "custom_X".into())));
}

proptest! {
    #[test]
    fn any_text_is_read(text in "(BEGIN:|END:|VEVENT|VALARM|VCALENDAR|\r?\n[ \t]?|DTSTART|DURATION:|P1D|[;:=\"^']|[0-9TZ]{1,16}|é|.){0,60}") {
        let _ = object(&text);
    }

    #[test]
    fn every_text_is_written_in_short_lines(
        text in "([a-z ,;\\\\\"éß☕\r\n\0\u{85}]|BEGIN:VEVENT\r\n){0,300}",
        name in "[a-z\"\r\n;:,é]{0,90}",
    ) {
        let event = Event {
            uid: text.clone(),
            summary: text.clone(),
            description: text.clone(),
            organizer: Some(Person { name: name.clone(), uri: format!("mailto:{text}"), ..Person::default() }),
            attendees: vec![Person { name, uri: text.clone(), status: text.clone(), ..Person::default() }],
            ..Event::default()
        };
        let file = publish(&event, stamp());
        prop_assert!(file.ends_with("END:VCALENDAR\r\n"));
        for line in file.split("\r\n") {
            prop_assert!(line.len() <= 75 && !line.contains(['\r', '\n', '\0']), "{}", line);
        }
        prop_assert_eq!(file.matches("\r\nBEGIN:").count(), 1);
        let read = object(&file).event;
        let clean = text.replace("\r\n", "\n").replace('\r', "\n").replace(['\0', '\u{85}'], " ");
        prop_assert_eq!(read.summary, clean);
        prop_assert_eq!(read.attendees.len(), 1);
    }
}
