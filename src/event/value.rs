//! From JSON to the types of parameters, and what to make of a value of
//! another type than the one that was declared.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::{CalTime, ImapUrl, Time, Type, UidSet};

/// A parameter's value in its declared type, or what comes nearest.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A string, or what did not fit its declared type.
    Text(Cow<'a, str>),
    /// A number.
    Number(i64),
    /// True or false.
    Truth(bool),
    /// A point in time.
    Time(Time),
    /// A time or date in a calendar.
    CalTime(CalTime),
    /// A list of strings.
    List(Vec<Cow<'a, str>>),
    /// A set of UIDs.
    Uids(UidSet),
    /// An IMAP URL.
    Url(ImapUrl),
    /// An object, or JSON that did not fit.
    Json(&'a Json),
}

/// `json` in that type; null is absent.
pub(super) fn typed(kind: Type, json: &Json) -> Option<Value<'_>> {
    let fitting = match kind {
        Type::Text | Type::Keyed | Type::Json => None,
        Type::Number => number(json).map(Value::Number),
        Type::Truth => truth(json).map(Value::Truth),
        Type::Time => text(json).and_then(|t| Time::parse(&t)).map(Value::Time),
        Type::CalTime => text(json)
            .and_then(|t| CalTime::parse(&t))
            .map(Value::CalTime),
        Type::Uids => text(json).and_then(|t| UidSet::parse(&t)).map(Value::Uids),
        Type::Url => text(json).and_then(|t| ImapUrl::parse(&t)).map(Value::Url),
        Type::List | Type::Words if json.is_object() || json.is_null() => None,
        Type::List => Some(Value::List(list(json, false))),
        Type::Words => Some(Value::List(list(json, true))),
    };
    fitting.or_else(|| match json {
        Json::Null => None,
        Json::Object(_) | Json::Array(_) => Some(Value::Json(json)),
        _ => text(json).map(Value::Text),
    })
}

/// Any JSON as text; null is absent.
pub(super) fn text(json: &Json) -> Option<Cow<'_, str>> {
    match json {
        Json::Null => None,
        Json::String(s) => Some(Cow::Borrowed(s)),
        Json::Array(items) => {
            let words: Vec<_> = items.iter().filter_map(text).collect();
            Some(Cow::Owned(words.join(" ")))
        }
        _ => Some(Cow::Owned(json.to_string())),
    }
}

/// A whole number, be it written as number, truth value or string.
pub(super) fn number(json: &Json) -> Option<i64> {
    match json {
        Json::Bool(truth) => Some(i64::from(*truth)),
        Json::Number(n) => n.as_i64().or_else(|| whole(n.as_f64()?)),
        Json::String(s) => {
            let s = s.trim();
            s.parse().ok().or_else(|| whole(s.parse().ok()?))
        }
        _ => None,
    }
}

/// A float without fraction. At 2^53 floats begin to skip whole numbers.
fn whole(float: f64) -> Option<i64> {
    let exact = float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0;
    exact.then_some(float as i64)
}

/// True or false, as a number, a truth value or a word.
pub(super) fn truth(json: &Json) -> Option<bool> {
    let word = match json {
        Json::String(s) => s.trim().to_ascii_lowercase(),
        _ => return number(json).map(|n| n != 0),
    };
    match word.as_str() {
        "true" | "yes" | "on" | "t" | "y" => Some(true),
        "false" | "no" | "off" | "f" | "n" => Some(false),
        _ => number(json).map(|n| n != 0),
    }
}

/// A list; what is no array is a list of one, or of its words.
pub(super) fn list(json: &Json, words: bool) -> Vec<Cow<'_, str>> {
    match json {
        Json::Array(items) => items.iter().map(|i| text(i).unwrap_or_default()).collect(),
        Json::String(s) if words => s.split_whitespace().map(Cow::Borrowed).collect(),
        _ => text(json).into_iter().collect(),
    }
}
