//! Appointments: made for a calendar by CalDAV, and read from a mail.

use super::scene::Scene;
use ical::parser::ical::component::{IcalCalendar, IcalEvent};
use ical::property::Property;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned, civil};

/// Alice's calendar.
const CALENDAR: &str = "/dav/calendars/user/alice/Default/";

/// Europe/Berlin, as calendar programs send it along.
pub(super) const BERLIN: &str = "\
BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\n\
BEGIN:DAYLIGHT\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nTZNAME:CEST\r\nDTSTART:19700329T020000\r\n\
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nEND:DAYLIGHT\r\n\
BEGIN:STANDARD\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nTZNAME:CET\r\nDTSTART:19701025T030000\r\n\
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\n\
END:VTIMEZONE\r\n";

/// In so many seconds, a whole second.
pub(super) fn hence(seconds: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap()
}

/// A UTC time of iCalendar.
pub(super) fn utc(time: Timestamp) -> String {
    written(&time.to_zoned(TimeZone::UTC)) + "Z"
}

/// A local time of iCalendar.
pub(super) fn written(time: &Zoned) -> String {
    time.strftime("%Y%m%dT%H%M%S").to_string()
}

/// Makes Alice's calendar.
pub(super) fn make(scene: &Scene) {
    let status = scene
        .server
        .dav("alice", "PROPFIND", CALENDAR, "Depth: 0\r\n", "");
    assert_eq!(status, 207);
}

/// Puts an appointment into it, or a new version of one: the lines of a VEVENT besides UID and DTSTAMP.
pub(super) fn put(scene: &Scene, uid: &str, zone: &str, lines: &str) {
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n{zone}BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:{}\r\n\
         {lines}END:VEVENT\r\nEND:VCALENDAR\r\n",
        utc(hence(0))
    );
    let fields = "Content-Type: text/calendar; charset=utf-8\r\n";
    let status = scene.server.dav("alice", "PUT", &path(uid), fields, &text);
    assert!([201, 204].contains(&status), "{status}: {text}");
}

/// Takes one out again.
pub(super) fn delete(scene: &Scene, uid: &str) {
    let status = scene.server.dav("alice", "DELETE", &path(uid), "", "");
    assert_eq!(status, 204);
}

fn path(uid: &str) -> String {
    format!("{CALENDAR}{uid}.ics")
}

/// Reads a calendar with one appointment in it.
pub(super) fn read(text: &str) -> (IcalCalendar, IcalEvent) {
    let mut all = ical::IcalParser::new(text.as_bytes());
    let calendar = all.next().unwrap_or_else(|| panic!("no calendar: {text}"));
    let mut calendar = calendar.unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(all.next().is_none(), "two calendars: {text}");
    assert_eq!(calendar.events.len(), 1, "{text}");
    let event = calendar.events.remove(0);
    (calendar, event)
}

/// The value of a property; empty when it is not there.
pub(super) fn value<'a>(properties: &'a [Property], name: &str) -> &'a str {
    let found = properties.iter().find(|property| property.name == name);
    found
        .and_then(|property| property.value.as_deref())
        .unwrap_or_default()
}

/// When an appointment begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    At(Timestamp),
    Day(civil::Date),
}

impl Start {
    /// As the event says it.
    pub(super) fn of(event: &IcalEvent) -> Start {
        let all = event.properties.iter();
        let start = all.clone().find(|property| property.name == "DTSTART");
        let start = start.unwrap_or_else(|| panic!("no DTSTART: {event:?}"));
        let text = start.value.as_deref().unwrap_or_default();
        if let Ok(day) = civil::Date::strptime("%Y%m%d", text) {
            return Start::Day(day);
        }
        let zone = match text.ends_with('Z') {
            true => TimeZone::UTC,
            false => zone(start),
        };
        let local = civil::DateTime::strptime("%Y%m%dT%H%M%S", text.trim_end_matches('Z'));
        let local = local.unwrap_or_else(|error| panic!("{error}: {start:?}"));
        Start::At(zone.to_timestamp(local).unwrap())
    }
}

fn zone(property: &Property) -> TimeZone {
    let mut parameters = property.params.iter().flatten();
    let (_, names) = parameters
        .find(|(name, _)| name == "TZID")
        .unwrap_or_else(|| panic!("no zone: {property:?}"));
    TimeZone::get(&names[0]).unwrap()
}
