//! Reads what a mail says of an iCalendar object: its method, and its first event, task or other component.
//!
//! A tolerant reader of lines (RFC 5545 section 3.1): what is wrong in one line costs that line.

use super::vtimezone::Zones;
use super::{Event, Moment, Person, parameter_text, status, unescape, unquoted};
use jiff::Span;

/// Attendees that are read at most.
const ATTENDEES: usize = 1000;

/// What was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    /// METHOD in upper case; empty when there is none.
    pub method: String,
    /// Kind of the component that was read, such as `VEVENT`; empty when there is none.
    pub kind: String,
    /// The component.
    pub event: Event,
    /// COMMENT, as an attendee gives it with an answer.
    pub comment: String,
}

/// Reads `text`.
pub fn object(text: &str) -> Object {
    let text = unfolded(text);
    let mut object = Object::default();
    let mut zones = Zones::default();
    let mut times = Times::default();
    // How deep the line is; components are at depth 2, in the calendar.
    let (mut depth, mut component) = (0_usize, Component::Other);
    for line in text.lines().filter_map(Line::read) {
        match (line.name.as_str(), component, depth) {
            ("BEGIN", ..) => {
                depth += 1;
                let kind = line.value.trim().to_ascii_uppercase();
                match (depth, kind.as_str(), component) {
                    (2, "VTIMEZONE", _) => {
                        component = Component::Zone;
                        zones.begin();
                    }
                    (2, ..) if object.kind.is_empty() => {
                        component = Component::Ours;
                        object.kind = kind;
                    }
                    (2, ..) => component = Component::Other,
                    (3, _, Component::Zone) => zones.begin_observance(&kind),
                    _ => {}
                }
            }
            ("END", ..) => {
                depth = depth.saturating_sub(1);
                if depth < 2 {
                    component = Component::Other;
                }
            }
            ("METHOD", _, 1) => object.method = line.value.trim().to_ascii_uppercase(),
            (_, Component::Zone, 2) => zones.take(&line),
            (_, Component::Zone, 3) => zones.take_observance(&line),
            ("COMMENT", Component::Ours, 2) => object.comment = unescape(&line.value).into_owned(),
            (_, Component::Ours, 2) if !times.take(&line) => take(&mut object.event, &line),
            _ => {}
        }
    }
    object.event.task = object.kind == "VTODO";
    // A time zone may be defined behind the times that name it.
    times.put(&zones, &mut object.event);
    object
}

/// What a line belongs to.
#[derive(Clone, Copy)]
enum Component {
    /// The one that is read.
    Ours,
    /// VTIMEZONE.
    Zone,
    /// None that counts.
    Other,
}

/// The times of a component, before its time zones are known: TZID and value.
#[derive(Default)]
struct Times {
    start: Option<(String, String)>,
    end: Option<(String, String)>,
    recurrence: Option<(String, String)>,
    duration: Option<Span>,
}

impl Times {
    /// Takes a line, when it is one of these.
    fn take(&mut self, line: &Line) -> bool {
        let zone = line.parameter("TZID").unwrap_or_default().trim();
        let stated = || Some((zone.to_owned(), line.value.trim().to_owned()));
        match line.name.as_str() {
            "DTSTART" => self.start = stated(),
            "DTEND" | "DUE" => self.end = stated(),
            "RECURRENCE-ID" => self.recurrence = stated(),
            "DURATION" => self.duration = line.value.trim().parse().ok(),
            _ => return false,
        }
        true
    }

    fn put(self, zones: &Zones, event: &mut Event) {
        let moment = |stated: &Option<(String, String)>| {
            let (zone, text) = stated.as_ref()?;
            zones.moment(text, zone)
        };
        event.start = moment(&self.start);
        event.end = moment(&self.end);
        event.recurrence = moment(&self.recurrence);
        if event.end.is_none() {
            let length = self.duration;
            event.end = length.and_then(|span| after(event.start.as_ref()?, span));
        }
    }
}

/// RFC 5545 section 3.1: a line end before a blank or tab is none.
fn unfolded(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.replace("\n ", "").replace("\n\t", "")
}

fn take(event: &mut Event, line: &Line) {
    let text = || unescape(&line.value).into_owned();
    match line.name.as_str() {
        "UID" => event.uid = text(),
        "SUMMARY" => event.summary = text(),
        "DESCRIPTION" => event.description = text(),
        "LOCATION" => event.location = text(),
        "RRULE" | "RDATE" => event.repeats = true,
        "ORGANIZER" => event.organizer = Some(line.person()),
        "ATTENDEE" if event.attendees.len() < ATTENDEES => event.attendees.push(line.person()),
        _ => {}
    }
}

fn after(start: &Moment, span: Span) -> Option<Moment> {
    Some(match start {
        Moment::Date(date) => Moment::Date(date.checked_add(span).ok()?),
        Moment::Local(local) => Moment::Local(local.checked_add(span).ok()?),
        Moment::Zoned(zoned) => Moment::Zoned(zoned.checked_add(span).ok()?),
        Moment::Unknown(local, zone) => {
            Moment::Unknown(local.checked_add(span).ok()?, zone.clone())
        }
    })
}

/// `NAME;PARAMETER=value;…:value`
pub(super) struct Line {
    /// In upper case.
    pub(super) name: String,
    /// Names in upper case.
    parameters: Vec<(String, String)>,
    pub(super) value: String,
}

impl Line {
    fn read(line: &str) -> Option<Line> {
        let colon = outside_quotes(line, ':')?;
        let (head, value) = (&line[..colon], &line[colon + 1..]);
        let mut parts = Vec::new();
        let mut rest = head;
        while let Some(end) = outside_quotes(rest, ';') {
            parts.push(&rest[..end]);
            rest = &rest[end + 1..];
        }
        parts.push(rest);
        let mut parts = parts.into_iter();
        let name = parts.next()?.trim().to_ascii_uppercase();
        let parameter = |part: &str| {
            let (name, value) = part.split_once('=')?;
            Some((name.trim().to_ascii_uppercase(), parameter_text(value)))
        };
        Some(Line {
            name,
            parameters: parts.filter_map(parameter).collect(),
            value: value.to_owned(),
        })
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn person(&self) -> Person {
        Person {
            name: self.parameter("CN").unwrap_or_default().trim().to_owned(),
            uri: unquoted(&self.value).to_owned(),
            email: self
                .parameter("EMAIL")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            status: status(self.parameter("PARTSTAT").unwrap_or_default()),
        }
    }
}

/// Where `wanted` is, outside of quotation marks.
fn outside_quotes(text: &str, wanted: char) -> Option<usize> {
    let mut quoted = false;
    text.find(|c: char| {
        quoted ^= c == '"';
        c == wanted && !quoted
    })
}
