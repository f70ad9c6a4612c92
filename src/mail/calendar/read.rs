//! Reads what a mail says of an iCalendar object: its method, and its first event, task or other component.
//!
//! A tolerant reader of lines (RFC 5545 section 3.1): what is wrong in one line costs that line.

use super::{Event, Moment, Person, parameter_text, status, unescape, unquoted, zone};
use jiff::Span;
use jiff::tz::TimeZone;

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
    let mut duration = None;
    // How deep the line is; ours is the component at depth 2, in the calendar.
    let (mut depth, mut ours) = (0_usize, false);
    for line in text.lines().filter_map(Line::read) {
        match line.name.as_str() {
            "BEGIN" => {
                depth += 1;
                let kind = line.value.trim().to_ascii_uppercase();
                if depth == 2 && object.kind.is_empty() && kind != "VTIMEZONE" {
                    object.kind = kind;
                    ours = true;
                }
            }
            "END" => {
                depth = depth.saturating_sub(1);
                ours &= depth >= 2;
            }
            "METHOD" if depth == 1 => object.method = line.value.trim().to_ascii_uppercase(),
            "DURATION" if ours && depth == 2 => duration = line.value.trim().parse::<Span>().ok(),
            "COMMENT" if ours && depth == 2 => object.comment = unescape(&line.value).into_owned(),
            _ if ours && depth == 2 => take(&mut object.event, &line),
            _ => {}
        }
    }
    if object.event.end.is_none() {
        object.event.end = duration.and_then(|span| after(object.event.start.as_ref()?, span));
    }
    object
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
        "DTSTART" => event.start = time(event, line),
        "DTEND" | "DUE" => event.end = time(event, line),
        "RECURRENCE-ID" => event.recurrence = time(event, line),
        _ => {}
    }
}

fn time(event: &mut Event, line: &Line) -> Option<Moment> {
    let name = line.parameter("TZID").unwrap_or_default();
    let known: Option<TimeZone> = (!name.is_empty()).then(|| zone(name)).flatten();
    let moment = Moment::read(&line.value, known.as_ref())?;
    if let (Moment::Local(_), "DTSTART") = (&moment, line.name.as_str()) {
        event.unknown_zone = name.to_owned();
    }
    Some(moment)
}

fn after(start: &Moment, span: Span) -> Option<Moment> {
    Some(match start {
        Moment::Date(date) => Moment::Date(date.checked_add(span).ok()?),
        Moment::Local(local) => Moment::Local(local.checked_add(span).ok()?),
        Moment::Zoned(zoned) => Moment::Zoned(zoned.checked_add(span).ok()?),
    })
}

/// `NAME;PARAMETER=value;…:value`
struct Line {
    /// In upper case.
    name: String,
    /// Names in upper case.
    parameters: Vec<(String, String)>,
    value: String,
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
