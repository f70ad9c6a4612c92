//! Time zones, by the names of the IANA database.
//!
//! What can go wrong: a name that the system does not know. The complaint has the nearest one.

use super::form::{Complain, Form, quoted};
use super::mail::{never_matches, show_table};
use super::reader::distance;
use jiff::tz::{self, TimeZone};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;

/// Unknown names of one value for which the nearest one is looked up: it takes its time.
const HINTS: usize = 20;

/// A time zone; none when it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone(pub Option<String>);

impl Form for Zone {
    const FORM: &'static str = "zone";

    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
        if value.get_ref().as_str() == Some("") {
            return Some(Zone(None));
        }
        let (at, found) = name(value, true);
        match found {
            Ok(name) => Some(Zone(Some(name))),
            Err(why) => {
                complain(at, why);
                None
            }
        }
    }

    fn show(&self) -> Option<String> {
        Some(quoted(self.0.as_deref().unwrap_or_default()))
    }
}

/// Users, or `@` and a domain, with their time zones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zones(pub BTreeMap<String, String>);

impl Form for Zones {
    const FORM: &'static str = "table";

    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
        let DeValue::Table(table) = value.get_ref() else {
            let right = r#"must be a table such as { "anna" = "Europe/Berlin", "@example.fr" = "Europe/Paris" }"#;
            complain(value.span(), right.to_owned());
            return None;
        };
        let mut all = BTreeMap::new();
        let mut hints = HINTS;
        for (user, zone) in table {
            let user_name = user.get_ref();
            if let Some(why) = never_matches(user_name) {
                complain(user.span(), format!("{}: {why}", quoted(user_name)));
                continue;
            }
            match name(zone, hints > 0) {
                (_, Ok(zone)) => drop(all.insert(user_name.to_string(), zone)),
                (at, Err(why)) => {
                    hints = hints.saturating_sub(1);
                    complain(at, format!("{user_name}: {why}"));
                }
            }
        }
        Some(Zones(all))
    }

    fn show(&self) -> Option<String> {
        Some(show_table(&self.0))
    }
}

/// The name of a time zone, as the system writes it, or why it is none; and where it stands.
fn name(value: &Spanned<DeValue<'_>>, hint: bool) -> (Range<usize>, Result<String, String>) {
    let found = match value.get_ref().as_str() {
        Some(text) => match TimeZone::get(text) {
            Ok(zone) => Ok(zone.iana_name().unwrap_or(text).to_owned()),
            Err(_) => Err(unknown(text, hint)),
        },
        None => Err("must be a time zone such as \"Europe/Berlin\"".to_owned()),
    };
    (value.span(), found)
}

fn unknown(text: &str, hint: bool) -> String {
    let shown = quoted(&text.chars().take(60).collect::<String>());
    let names: Vec<String> = match hint {
        true => tz::db().available().map(|name| name.to_string()).collect(),
        false => return format!("{shown} is not a time zone of this system"),
    };
    if names.is_empty() {
        return format!("{shown} cannot be looked up: this system has no time zones (tzdata)");
    }
    match nearest(text, &names) {
        Some(name) => format!("{shown} is not a time zone; did you mean {}?", quoted(name)),
        None => format!("{shown} is not a time zone such as \"Europe/Berlin\""),
    }
}

/// The name that is most like `text`, wholly or in its last part, which is a city.
fn nearest<'a>(text: &str, names: &'a [String]) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace([' ', '-'], "_");
    let text = plain(text);
    let like = |name: &String| {
        let name = plain(name);
        let city = name.rsplit('/').next().unwrap_or(&name);
        let ends = [name.as_str(), city];
        ends.iter()
            .map(|end| (distance(&text, end), end.len()))
            .min()
    };
    let all = names.iter().filter(|name| name.contains('/'));
    let ranked = all.filter_map(|name| Some((like(name)?, name.as_str())));
    let ((distance, length), name) = ranked.min()?;
    (distance <= length.div_ceil(3)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_zone() {
        let names: Vec<String> = tz::db().available().map(|name| name.to_string()).collect();
        for (text, wanted) in [
            ("Europe/Berln", "Europe/Berlin"),
            ("europe berlin", "Europe/Berlin"),
            ("Berlin", "Europe/Berlin"),
            ("Europe/Kijev", "Europe/Kiev"),
            ("America/NewYork", "America/New_York"),
            ("New York", "America/New_York"),
            ("Asia/Tokio", "Asia/Tokyo"),
        ] {
            assert_eq!(nearest(text, &names), Some(wanted), "{text}");
        }
        for nothing in ["", "W. Europe Standard Time", "Mitteleuropa"] {
            assert_eq!(nearest(nothing, &names), None, "{nothing}");
        }
    }
}
