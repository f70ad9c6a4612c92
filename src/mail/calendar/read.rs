//! Reads what a mail says of an iCalendar object: its method, and its first event, task or other component.
//!
//! A tolerant reader of lines (RFC 5545 section 3.1): what is wrong in one line costs that line.

use super::series::{Dates, Lines};
use super::vtimezone::Zones;
use super::{Event, Person, one_line, parameter_text, status, unescape, unquoted};
use jiff::Span;

/// Attendees that are read at most.
const ATTENDEES: usize = 1000;

/// Links to a meeting that are kept.
const LINKS: usize = 3;

/// What was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    /// METHOD in upper case; empty when there is none.
    pub method: String,
    /// Kind of the component that was read, such as `VEVENT`; empty when there is none.
    pub kind: String,
    /// The component: of a series the one that is all of it, else the first one.
    pub event: Event,
    /// The instances of a series that the other components are.
    pub others: Dates,
    /// COMMENT, as an attendee gives it with an answer.
    pub comment: String,
}

/// Reads `text`.
pub fn object(text: &str) -> Object {
    let text = unfolded(text);
    let mut object = Object::default();
    let mut zones = Zones::default();
    let mut components = Components::default();
    // How deep the line is; components are at depth 2, in the calendar.
    let (mut depth, mut within) = (0_usize, Within::Other);
    for line in text.lines().filter_map(Line::read) {
        match (line.name.as_str(), within, depth) {
            ("BEGIN", ..) => {
                depth += 1;
                let kind = line.value.trim().to_ascii_uppercase();
                match (depth, kind.as_str(), within) {
                    (2, "VTIMEZONE", _) => {
                        within = Within::Zone;
                        zones.begin();
                    }
                    (2, ..) => {
                        within = Within::Component;
                        components.begin(kind);
                    }
                    (3, _, Within::Zone) => zones.begin_observance(&kind),
                    _ => {}
                }
            }
            ("END", ..) => {
                depth = depth.saturating_sub(1);
                if depth < 2 {
                    within = Within::Other;
                }
            }
            ("METHOD", _, 1) => object.method = line.value.trim().to_ascii_uppercase(),
            (_, Within::Zone, 2) => zones.take(&line),
            (_, Within::Zone, 3) => zones.take_observance(&line),
            (_, Within::Component, 2) => components.take(&line),
            _ => {}
        }
    }
    // A time zone may be defined behind the times that name it.
    components.finish(&zones, &mut object);
    object
}

/// What a line belongs to.
#[derive(Clone, Copy)]
enum Within {
    /// An event, a task or another component.
    Component,
    /// VTIMEZONE.
    Zone,
    /// None that counts.
    Other,
}

/// The components of an object. One of them is kept, of the others which instance they are.
#[derive(Default)]
struct Components {
    kept: Option<Component>,
    open: Option<Component>,
    instances: Vec<(String, String)>,
}

/// One component, as far as it is read.
#[derive(Default)]
struct Component {
    kind: String,
    event: Event,
    times: Times,
    series: Lines,
    comment: String,
}

impl Components {
    fn begin(&mut self, kind: String) {
        self.close();
        self.open = Some(Component {
            kind,
            ..Component::default()
        });
    }

    fn take(&mut self, line: &Line) {
        let Some(open) = &mut self.open else { return };
        let zone = line.parameter("TZID").unwrap_or_default().trim();
        if line.name == "COMMENT" {
            open.comment = unescape(&line.value).into_owned();
        } else if !open.times.take(line) && !open.series.take(&line.name, zone, &line.value) {
            take(&mut open.event, line);
        }
        open.event.and_later |= line.name == "RECURRENCE-ID"
            && line
                .parameter("RANGE")
                .is_some_and(|range| range.eq_ignore_ascii_case("THISANDFUTURE"));
    }

    /// What is open has ended.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let instance = match &mut self.kept {
            None => {
                self.kept = Some(open);
                None
            }
            // The series goes before its instances, wherever it stands.
            Some(kept)
                if kept.times.recurrence.is_some()
                    && open.times.recurrence.is_none()
                    && kept.kind == open.kind =>
            {
                std::mem::replace(kept, open).times.recurrence
            }
            Some(_) => open.times.recurrence,
        };
        self.instances.extend(instance);
    }

    fn finish(mut self, zones: &Zones, object: &mut Object) {
        self.close();
        let Some(kept) = self.kept else { return };
        let moment = |zone: &str, text: &str| zones.moment(text, zone);
        object.others = Dates::read(&self.instances, &moment, |_| true);
        object.kind = kept.kind;
        object.comment = kept.comment;
        object.event = kept.event;
        object.event.task = object.kind == "VTODO";
        kept.times.put(zones, &mut object.event);
        object.event.series = kept.series.series(object.event.start.as_ref(), moment);
    }
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
            event.end = length.and_then(|span| event.start.as_ref()?.after(span));
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
        // What programs write besides, or instead.
        "STYLED-DESCRIPTION" | "X-ALT-DESC" if event.description.is_empty() => {
            event.description = text()
        }
        "LOCATION" => event.location = text(),
        "URL" => event.url = line.value.trim().to_owned(),
        // RFC 7986 section 5.11, and what Google and Microsoft had before it.
        "CONFERENCE"
        | "X-GOOGLE-CONFERENCE"
        | "X-MICROSOFT-SKYPETEAMSMEETINGURL"
        | "X-MICROSOFT-ONLINEMEETINGCONFLINK"
        | "X-MICROSOFT-ONLINEMEETINGEXTERNALLINK" => {
            let link = unquoted(&line.value);
            let is_web = link
                .get(..4)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("http"));
            // Telephone numbers and chat rooms may stand before it.
            if is_web
                && event.meetings.len() < LINKS
                && !event.meetings.iter().any(|known| known == link)
            {
                event.meetings.push(link.to_owned());
            }
        }
        "ORGANIZER" => event.organizer = Some(line.person()),
        "ATTENDEE" if event.attendees.len() < ATTENDEES => event.attendees.push(line.person()),
        _ => {}
    }
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
    pub(super) fn read(line: &str) -> Option<Line> {
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
            name: one_line(self.parameter("CN").unwrap_or_default()),
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
