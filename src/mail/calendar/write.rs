//! An appointment as a file that calendar programs open.

use super::{Event, Moment, Person};
use icalendar::{Calendar, Component, Parameter, Property};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::borrow::Cow;

/// The longest line, in octets, without its end (RFC 5545 section 3.1).
const LINE: usize = 75;
/// How much of a text is written. More of it is in the mail, and folding takes more than its share of time for
/// very long ones.
const TEXT: usize = 32 * 1024;
const PRODUCT: &str = "-//cyrus-notifyd//EN";

/// `event` as a file: without alarms, which would ring once more, and without METHOD, so that it is no message of RFC 5546,
/// where PUBLISH must not name attendees. `stamp` is the time of its making; the same ones make the same file.
pub fn publish(event: &Event, stamp: Timestamp) -> String {
    let mut calendar = Calendar::empty();
    for (name, value) in [("VERSION", "2.0"), ("PRODID", PRODUCT)] {
        calendar.append_property((name, value));
    }
    calendar.push(component(event, stamp));
    folded(&calendar.to_string())
}

fn component(event: &Event, stamp: Timestamp) -> icalendar::Event {
    let mut out = icalendar::Event::new();
    let stamp = utc(stamp);
    let uid = match clean(&event.uid) {
        uid if uid.is_empty() => Cow::Owned(format!("{stamp}@cyrus-notifyd")),
        uid => uid,
    };
    out.add_property("UID", uid);
    out.add_property("DTSTAMP", stamp);
    let moments = [
        ("DTSTART", event.start.as_ref()),
        ("DTEND", end(event)),
        ("RECURRENCE-ID", event.recurrence.as_ref()),
    ];
    for (name, moment) in moments {
        if let Some(moment) = moment {
            out.append_property(time(name, moment));
        }
    }
    let texts = [
        ("SUMMARY", &event.summary),
        ("DESCRIPTION", &event.description),
        ("LOCATION", &event.location),
    ];
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        out.add_property(name, clean(text));
    }
    if let Some(organizer) = &event.organizer {
        out.append_property(person("ORGANIZER", organizer));
    }
    for attendee in &event.attendees {
        let mut property = person("ATTENDEE", attendee);
        if is_token(&attendee.status) {
            property.add_parameter("PARTSTAT", &attendee.status.to_uppercase());
        }
        out.append_multi_property(property);
    }
    out
}

/// The end, when it is later than the start and of its kind (RFC 5545 section 3.8.2.2). Cyrus has an end where the event
/// has none: the start once more.
fn end(event: &Event) -> Option<&Moment> {
    let (start, end) = (event.start.as_ref()?, event.end.as_ref()?);
    let alike = std::mem::discriminant(start) == std::mem::discriminant(end);
    (alike && end.is_behind(start)).then_some(end)
}

fn time(name: &str, moment: &Moment) -> Property {
    match moment {
        Moment::Date(date) => Property::new(name, date.strftime("%Y%m%d").to_string())
            .append_parameter(Parameter::new("VALUE", "DATE"))
            .done(),
        Moment::Local(local) | Moment::Unknown(local, _) => {
            Property::new(name, local.strftime("%Y%m%dT%H%M%S").to_string())
        }
        Moment::Zoned(zoned) => Property::new(name, utc(zoned.timestamp())),
    }
}

fn utc(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC)
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string()
}

fn person(name: &str, person: &Person) -> Property {
    let uri = match super::without_mailto(&person.uri) {
        Some(address) => format!("mailto:{address}"),
        None => person.uri.clone(),
    };
    let mut property = Property::new(name, on_one_line(&uri));
    // A parameter has no way to write a quotation mark (RFC 5545 section 3.2).
    let shown = on_one_line(&person.name).replace('"', "'");
    if !shown.trim().is_empty() {
        property.add_parameter("CN", &shown);
    }
    property
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Text with LF alone as control character, and not too long.
fn clean(text: &str) -> Cow<'_, str> {
    let end = text.floor_char_boundary(TEXT);
    let text = &text[..end];
    match text.contains(|c: char| c.is_control() && c != '\n') {
        false => Cow::Borrowed(text),
        true => {
            let text = text.replace("\r\n", "\n").replace('\r', "\n");
            Cow::Owned(text.replace(|c: char| c.is_control() && c != '\n', " "))
        }
    }
}

fn on_one_line(text: &str) -> String {
    clean(text).replace('\n', " ")
}

/// The same with no line longer than [`LINE`]: the last one of a folded property may come with one octet more.
fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    for line in text.split_terminator("\r\n") {
        let (mut rest, mut room) = (line, LINE);
        while rest.len() > room {
            let (head, tail) = rest.split_at(rest.floor_char_boundary(room));
            out.push_str(head);
            out.push_str("\r\n ");
            (rest, room) = (tail, LINE - 1);
        }
        out.push_str(rest);
        out.push_str("\r\n");
    }
    out
}
