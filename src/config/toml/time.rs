//! Spans of time: `"10s"`, `"1h30m"`, `"7d"`, or a number of seconds.
//!
//! What can go wrong: a unit that does not exist, and a time that makes no sense, such as none at all between two attempts.

use super::form::{Complain, Form, number, quoted, read_or};
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

/// `1d2h3m4s`, or a number of seconds. The units must not stand twice, but in any order.
fn duration(value: &DeValue<'_>) -> Option<Duration> {
    let DeValue::String(text) = value else {
        return number(value).map(Duration::from_secs);
    };
    let mut seconds: u64 = 0;
    let mut rest = text.as_ref();
    while let Some(end) = rest.find(|c: char| !c.is_ascii_digit()) {
        let unit = match rest.as_bytes()[end] {
            b'd' => 86_400,
            b'h' => 3_600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        let number: u64 = rest[..end].parse().ok()?;
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[end + 1..];
    }
    (rest.is_empty() && !text.is_empty()).then_some(Duration::from_secs(seconds))
}

fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    match units
        .into_iter()
        .find(|(length, _)| seconds > 0 && seconds.is_multiple_of(*length))
    {
        Some((length, letter)) => quoted(&format!("{}{letter}", seconds / length)),
        None => quoted(&format!("{seconds}s")),
    }
}

/// A time to wait, from a second to 30 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub Duration);

impl Form for Wait {
    const FORM: &'static str = "duration";

    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
        let range = Duration::from_secs(1)..=Duration::from_secs(30 * 86_400);
        let fits = |value: &DeValue<'_>| duration(value).filter(|time| range.contains(time));
        read_or(
            value,
            complain,
            "a time from \"1s\" to \"30d\", such as \"90s\" or \"1h30m\"",
            fits,
        )
        .map(Wait)
    }

    fn show(&self) -> Option<String> {
        Some(show_duration(self.0))
    }
}

/// An age, up to ten years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age(pub Duration);

impl Form for Age {
    const FORM: &'static str = "duration";

    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
        let longest = Duration::from_secs(3650 * 86_400);
        let fits = |value: &DeValue<'_>| duration(value).filter(|time| *time <= longest);
        read_or(
            value,
            complain,
            "a time up to \"3650d\", such as \"12h\" or \"7d\"",
            fits,
        )
        .map(Age)
    }

    fn show(&self) -> Option<String> {
        Some(show_duration(self.0))
    }
}
