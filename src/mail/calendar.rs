//! Appointments (iCalendar, RFC 5545): what a mail says of one, read from Cyrus' text and written as an attachment.
//!
//! The text is anybody's. What cannot be read is absent, and nothing that is written can end its line.

pub mod read;
pub mod series;
mod vtimezone;
pub mod write;
mod zone;

pub use zone::zone;

use self::series::Series;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};
use std::borrow::Cow;

/// Characters of an unknown zone's name that are kept.
const ZONE_NAME: usize = 100;

/// An appointment. Texts are as people read them, not escaped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// Its identifier.
    pub uid: String,
    /// SUMMARY.
    pub summary: String,
    /// DESCRIPTION; may have several lines.
    pub description: String,
    /// LOCATION.
    pub location: String,
    /// Who invites.
    pub organizer: Option<Person>,
    /// Who is invited.
    pub attendees: Vec<Person>,
    /// When it begins.
    pub start: Option<Moment>,
    /// When it ends; a day is the first one after it (RFC 5545 section 3.6.1).
    pub end: Option<Moment>,
    /// Which instance of a repeated appointment it is.
    pub recurrence: Option<Moment>,
    /// How it repeats; none when it does not.
    pub series: Option<Series>,
    /// Whether it is this instance of a series and all later ones (RANGE=THISANDFUTURE, RFC 5545 section 3.2.13).
    pub and_later: bool,
    /// Where it takes place as a meeting of a conference service: links, as they came.
    pub meetings: Vec<String>,
    /// URL: where there is more about it, as it came.
    pub url: String,
    /// Whether it is a task (VTODO): its end is when it is due.
    pub task: bool,
}

/// Who takes part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// CN; may be empty.
    pub name: String,
    /// The URI, mostly `mailto:`.
    pub uri: String,
    /// EMAIL (RFC 7986 section 6.2): where mail goes when the URI is none of mail; may be empty.
    pub email: String,
    /// PARTSTAT in lower case.
    pub status: String,
}

impl Person {
    /// The URI without `mailto:`.
    pub fn address(&self) -> &str {
        without_mailto(&self.uri).unwrap_or(&self.uri)
    }
}

/// A URI without the quotation marks that some programs put around it.
pub fn unquoted(uri: &str) -> &str {
    let uri = uri.trim();
    let inside = uri.strip_prefix('"').and_then(|uri| uri.strip_suffix('"'));
    inside.map_or(uri, str::trim)
}

/// A name in one line: RFC 6868 can put line ends into it, and it stands in the middle of sentences.
pub fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ").trim().to_owned()
}

/// The value of a parameter such as CN, without its quotation marks and the escapes of RFC 6868.
pub fn parameter_text(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars().filter(|&c| c != '"').peekable();
    while let Some(c) = chars.next() {
        let meant = match (c, chars.peek()) {
            ('^', Some('n')) => '\n',
            ('^', Some('\'')) => '"',
            ('^', Some('^')) => '^',
            _ => {
                out.push(c);
                continue;
            }
        };
        chars.next();
        out.push(meant);
    }
    out
}

/// What is behind `mailto:`, in any case; none when that is not there.
pub fn without_mailto(uri: &str) -> Option<&str> {
    const SCHEME: &str = "mailto:";
    let uri = uri.trim();
    let (scheme, rest) = uri.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(rest)
}

/// PARTSTAT as we show it; who has not said anything has it open (RFC 5545 section 3.2.12).
pub fn status(partstat: &str) -> String {
    match partstat.trim() {
        "" => "needs-action".to_owned(),
        some => some.to_lowercase(),
    }
}

/// A point in an appointment's time.
#[derive(Clone, Debug, PartialEq)]
pub enum Moment {
    /// A whole day.
    Date(Date),
    /// What clocks show, wherever they are.
    Local(DateTime),
    /// A time in a zone.
    Zoned(Zoned),
    /// What clocks show in a zone of which only the name is known.
    Unknown(DateTime, String),
}

impl Moment {
    /// Reads DATE or DATE-TIME (RFC 5545 sections 3.3.4, 3.3.5), also with the dashes and colons of RFC 3339. A time
    /// without `Z` is one in `zone`, where that is known; a time that a zone skips or has twice is the one that
    /// section 3.3.5 names.
    pub fn read(text: &str, zone: Option<&TimeZone>) -> Option<Moment> {
        let plain: String = text.trim().replace(['-', ':'], "");
        if !plain.is_ascii() {
            return None;
        }
        match plain.len() {
            8 => Some(Moment::Date(Date::strptime("%Y%m%d", &plain).ok()?)),
            15 => {
                let local = DateTime::strptime("%Y%m%dT%H%M%S", &plain).ok()?;
                Some(match zone {
                    Some(zone) => Moment::Zoned(zone.to_zoned(local).ok()?),
                    None => Moment::Local(local),
                })
            }
            16 => {
                let utc = DateTime::strptime("%Y%m%dT%H%M%SZ", &plain).ok()?;
                let utc = utc.to_zoned(TimeZone::UTC).ok()?;
                let zone = zone.cloned().unwrap_or(TimeZone::UTC);
                Some(Moment::Zoned(utc.with_time_zone(zone)))
            }
            _ => None,
        }
    }

    /// The time `span` later; none where the calendar ends.
    pub fn after(&self, span: Span) -> Option<Moment> {
        Some(match self {
            Moment::Date(date) => Moment::Date(date.checked_add(span).ok()?),
            Moment::Local(local) => Moment::Local(local.checked_add(span).ok()?),
            Moment::Zoned(zoned) => Moment::Zoned(zoned.checked_add(span).ok()?),
            Moment::Unknown(local, zone) => {
                Moment::Unknown(local.checked_add(span).ok()?, zone.clone())
            }
        })
    }

    /// Its day.
    pub fn date(&self) -> Date {
        match self {
            Moment::Date(date) => *date,
            Moment::Local(local) | Moment::Unknown(local, _) => local.date(),
            Moment::Zoned(zoned) => zoned.date(),
        }
    }

    /// What a clock shows.
    pub fn clock(&self) -> DateTime {
        match self {
            Moment::Date(date) => date.at(0, 0, 0, 0),
            Moment::Local(local) | Moment::Unknown(local, _) => *local,
            Moment::Zoned(zoned) => zoned.datetime(),
        }
    }

    /// The same, when it is a time in the zone `name`, which is not known.
    #[must_use]
    pub fn in_unknown(self, name: &str) -> Moment {
        match self {
            Moment::Local(local) => {
                let name = name.chars().map(|c| if c.is_control() { ' ' } else { c });
                Moment::Unknown(local, name.take(ZONE_NAME).collect())
            }
            other => other,
        }
    }

    /// The same time as it is in the zone of `other`; none when the two cannot be compared: a day and a time, or times
    /// of which one depends on who asks. A time without zone beside one with a zone is meant to be in that one.
    pub fn beside(&self, other: &Moment) -> Option<Moment> {
        match (self, other) {
            (Moment::Date(this), Moment::Date(_)) => Some(Moment::Date(*this)),
            (Moment::Local(this), Moment::Local(_)) => Some(Moment::Local(*this)),
            (Moment::Local(this), Moment::Zoned(other)) => {
                let zone = other.time_zone();
                Some(Moment::Zoned(zone.to_zoned(*this).ok()?))
            }
            (Moment::Local(this), Moment::Unknown(_, name)) => {
                Some(Moment::Unknown(*this, name.clone()))
            }
            (Moment::Zoned(this), Moment::Zoned(other)) => {
                let zone = other.time_zone().clone();
                Some(Moment::Zoned(this.with_time_zone(zone)))
            }
            (Moment::Unknown(this, name), Moment::Unknown(_, other)) if name == other => {
                Some(Moment::Unknown(*this, name.clone()))
            }
            _ => None,
        }
    }

    /// When that is; none where it depends on who asks.
    pub fn timestamp(&self) -> Option<Timestamp> {
        match self {
            Moment::Zoned(zoned) => Some(zoned.timestamp()),
            _ => None,
        }
    }

    /// Whether it is later than `other`, both being of one kind.
    pub fn is_behind(&self, other: &Moment) -> bool {
        match (self, other) {
            (Moment::Zoned(this), Moment::Zoned(other)) => this > other,
            _ => self.clock() > other.clock(),
        }
    }

    /// Whether it is given in UTC, which nobody lives by.
    pub fn is_utc(&self) -> bool {
        matches!(self, Moment::Zoned(zoned) if *zoned.time_zone() == TimeZone::UTC)
    }
}

/// Takes back the escapes of TEXT (RFC 5545 section 3.3.11), once; any other backslash stays.
pub fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let (meant, width) = match after.as_bytes().first() {
            Some(b'n' | b'N') => ('\n', 1),
            Some(b',') => (',', 1),
            Some(b';') => (';', 1),
            Some(b'\\') => ('\\', 1),
            _ => ('\\', 0),
        };
        out.push(meant);
        rest = &after[width..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests;
