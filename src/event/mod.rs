//! Mail store events (RFC 5423), as Cyrus sends them in class `EVENT`.
//!
//! The message of such a notification is one JSON object, made by Cyrus'
//! `imap/mboxevent.c`: `{"event":"MessageNew","timestamp":…,"uri":…}`. [`Event`]
//! is a *view* of it for rules and templates: it lends out typed parameters and
//! changes nothing. What is forwarded are [`Event::raw`], the bytes Cyrus sent.
//!
//! Cyrus' versions, patches and configurations differ in what they send and as
//! which JSON type, so reading is lenient. Unknown kinds and keys are kept,
//! missing ones are no error, numbers may be strings and strings numbers, and bad
//! UTF-8 or lone surrogates are replaced. The one error is [`NotAnObject`].
//!
//! Reading is bounded: of an event with more than 65,536 values the rest is left out, and where nobody may wait
//! only the [`Front`] of it is looked at.
//!
//! Every kind is one row in `kind.rs`, every parameter one in `params.rs`. Class
//! `IMIP` has the same shape without `event`; its keys are in the table too.

mod json;
mod kind;
mod params;
mod repair;
mod time;
mod uidset;
mod url;
mod value;

pub use json::Front;
pub use kind::{EventGroup, EventKind};
pub use params::{Param, Type};
pub use time::{CalTime, Time};
pub use uidset::UidSet;
pub use url::ImapUrl;
pub use value::Value;

use std::borrow::Cow;
use std::fmt;

use serde_json::Value as Json;

/// The message is not a JSON object; the text says why, in serde_json's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnObject(String);

impl fmt::Display for NotAnObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a JSON object: {}", self.0)
    }
}

impl std::error::Error for NotAnObject {}

/// One event: the bytes as they came, and what they say.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    raw: &'a [u8],
    kind: EventKind,
    object: serde_json::Map<String, Json>,
}

impl<'a> Event<'a> {
    /// Reads the message of a notification of class `EVENT` or `IMIP`.
    ///
    /// # Errors
    /// [`NotAnObject`] when the bytes are no JSON object. Nothing that
    /// an object may hold is an error; of a repeated key the last value counts.
    pub fn parse(raw: &'a [u8]) -> Result<Event<'a>, NotAnObject> {
        // Nearly all events are good JSON: only what fails is repaired and read again.
        let json = json::read(raw)
            .or_else(|_| json::read(repair::repair(raw).as_bytes()))
            .map_err(|e| NotAnObject(e.to_string()))?;
        let Json::Object(object) = json else {
            return Err(NotAnObject("another JSON value".into()));
        };
        let name = object
            .get(Param::Event.name())
            .and_then(value::text)
            .unwrap_or_default();
        Ok(Event {
            raw,
            kind: EventKind::from_name(&name),
            object,
        })
    }

    /// The JSON as Cyrus sent it.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// What happened. `Other("")` when the object has no `event`, as in class `IMIP`.
    #[must_use]
    pub fn kind(&self) -> &EventKind {
        &self.kind
    }

    /// The parameter in its declared type; when its value does not fit that
    /// type, as [`Value::Text`] or [`Value::Json`]. `None` when absent or null.
    #[must_use]
    pub fn get(&self, param: Param) -> Option<Value<'_>> {
        value::typed(param.kind(), self.json(param)?)
    }

    /// The parameter as text, whatever its JSON type: a list with blanks
    /// between, an object as JSON.
    #[must_use]
    pub fn text(&self, param: Param) -> Option<Cow<'_, str>> {
        value::text(self.json(param)?)
    }

    /// Whose event it is: `user`, or `userId` where calendars are concerned.
    #[must_use]
    pub fn user(&self) -> Option<Cow<'_, str>> {
        self.text(Param::User).or_else(|| self.text(Param::UserId))
    }

    /// The parameter as number, be it a number, a truth value or a string with a number.
    #[must_use]
    pub fn number(&self, param: Param) -> Option<i64> {
        value::number(self.json(param)?)
    }

    /// The parameter as truth value: `true`, a number, or a word such as `yes`.
    #[must_use]
    pub fn truth(&self, param: Param) -> Option<bool> {
        value::truth(self.json(param)?)
    }

    /// The parameter as list. A string is a list of one; where words are
    /// declared (`flagNames`) it is split at white space. Absent: an empty list.
    #[must_use]
    pub fn list(&self, param: Param) -> Vec<Cow<'_, str>> {
        self.json(param)
            .map(|json| value::list(json, param.kind() == Type::Words))
            .unwrap_or_default()
    }

    /// The parameter as point in time.
    #[must_use]
    pub fn time(&self, param: Param) -> Option<Time> {
        Time::parse(&self.text(param)?)
    }

    /// The parameter as time or date in a calendar, as in `CalendarAlarm`.
    #[must_use]
    pub fn cal_time(&self, param: Param) -> Option<CalTime> {
        CalTime::parse(&self.text(param)?)
    }

    /// The parameter as set of UIDs. One number is a set of one.
    #[must_use]
    pub fn uids(&self, param: Param) -> Option<UidSet> {
        UidSet::parse(&self.text(param)?)
    }

    /// The parameter as IMAP URL, if it is one. `mailboxID` is a URL in RFC 5423,
    /// but a bare identifier in Cyrus.
    #[must_use]
    pub fn url(&self, param: Param) -> Option<ImapUrl> {
        ImapUrl::parse(&self.text(param)?)
    }

    /// `messageContent` or `messageHeaders`, one entry a message. Cyrus sends one
    /// string for one message; enriched events carry an object keyed by UID.
    #[must_use]
    pub fn by_uid(&self, param: Param) -> Vec<(Option<u32>, Cow<'_, str>)> {
        match self.json(param) {
            Some(Json::Object(map)) => map
                .iter()
                .filter_map(|(uid, json)| Some((uid.parse().ok(), value::text(json)?)))
                .collect(),
            Some(json) => value::text(json)
                .map(|text| (None, text))
                .into_iter()
                .collect(),
            None => Vec::new(),
        }
    }

    /// The parameter as it stands in the JSON; `None` when absent.
    #[must_use]
    pub fn json(&self, param: Param) -> Option<&Json> {
        self.object.get(param.name())
    }

    /// Every key and value in the order they came, known or not.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.object.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The keys that are not in our table.
    pub fn unknown(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.fields()
            .filter(|(key, _)| Param::from_name(key).is_none())
    }
}

#[cfg(test)]
mod tests;
