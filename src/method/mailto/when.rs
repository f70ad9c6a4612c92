//! What templates say of an appointment and of times: the values that calendar mails share.
//!
//! ```text
//!   2026-11-26 14:05 in Berlin   {"year":2026,"month":11,"day":26,"weekday":4,"hour":14,"minute":5,
//!                                 "date":"2026-11-26","time":"14:05","offset":"+01:00"}
//! ```
//!
//! The end of an appointment of whole days is its last day, as people say it, and not the first one after it, as
//! iCalendar does.

use crate::mail::address::Address;
use crate::mail::calendar::{Event, Moment, Person, unquoted, without_mailto};
use crate::mail::uri::percent_decoded;
use jiff::Zoned;
use serde_json::{Map, Value, json};

/// A moment in its parts.
pub(super) fn parts(moment: &Moment) -> Value {
    let clock = moment.clock();
    let offset = match moment {
        Moment::Zoned(zoned) => zoned.strftime("%:z").to_string(),
        _ => String::new(),
    };
    json!({
        "year": clock.year(),
        "month": clock.month(),
        "day": clock.day(),
        "weekday": clock.weekday().to_monday_one_offset(),
        "hour": clock.hour(),
        "minute": clock.minute(),
        "date": clock.strftime("%Y-%m-%d").to_string(),
        "time": clock.strftime("%H:%M").to_string(),
        "offset": offset,
    })
}

/// The same, or null.
pub(super) fn parts_or_null(moment: Option<&Moment>) -> Value {
    moment.map_or(Value::Null, parts)
}

/// What there is to say of `event`.
pub(super) fn appointment(event: &Event) -> Map<String, Value> {
    let last = last(event);
    let same_day = match (&event.start, &last) {
        (Some(start), Some(last)) => start.date() == last.date(),
        _ => true,
    };
    let (zone, abbreviation) = zone(event);
    let recurrence = match (&event.recurrence, &event.start) {
        (Some(recurrence), Some(start)) => Some(recurrence.clone().beside(start)),
        (recurrence, _) => recurrence.clone(),
    };
    let values = json!({
        "summary": event.summary,
        "description": event.description,
        "location": event.location,
        "organizer": event.organizer.as_ref().map(name_and_email),
        "attendees": event.attendees.iter().map(attendee).collect::<Vec<_>>(),
        "all_day": matches!(event.start, Some(Moment::Date(_))),
        "floating": matches!(event.start, Some(Moment::Local(_))) && event.unknown_zone.is_empty(),
        "zone": zone,
        "abbreviation": abbreviation,
        "start": parts_or_null(event.start.as_ref()),
        "end": parts_or_null(last.as_ref()),
        "same_day": same_day,
        "several_days": !same_day,
        "recurrence": parts_or_null(recurrence.as_ref()),
        "repeats": event.repeats,
    });
    match values {
        Value::Object(values) => values,
        _ => Map::new(),
    }
}

/// A person's name and address.
pub(super) fn name_and_email(person: &Person) -> Value {
    json!({ "name": person.name, "email": email(person) })
}

fn attendee(person: &Person) -> Value {
    json!({ "name": person.name, "email": email(person), "status": person.status })
}

/// The address to show; who has none is known by the name, or else by the URI.
fn email(person: &Person) -> String {
    match (mailbox_of(person), person.name.is_empty()) {
        (Ok(address), _) => address.to_string(),
        (Err(_), true) => person.address().to_owned(),
        (Err(_), false) => without_mailto(&person.uri).unwrap_or_default().to_owned(),
    }
}

/// The end as people say it, in the zone of the start. None when it is not behind the start.
fn last(event: &Event) -> Option<Moment> {
    let start = event.start.as_ref()?;
    match (event.end.clone()?.beside(start), start) {
        (Moment::Date(end), Moment::Date(first)) => {
            let last = end.yesterday().ok()?;
            (last >= *first).then_some(Moment::Date(last))
        }
        (Moment::Zoned(end), Moment::Zoned(start)) => (end > *start).then_some(Moment::Zoned(end)),
        (end, start) => (end.clock() > start.clock()).then_some(end),
    }
}

/// The zone's name and its short one at the start; both empty where there is none.
fn zone(event: &Event) -> (String, String) {
    match &event.start {
        Some(Moment::Zoned(start)) => (zone_name(start), start.strftime("%Z").to_string()),
        Some(Moment::Local(_)) => (event.unknown_zone.clone(), event.unknown_zone.clone()),
        _ => (String::new(), String::new()),
    }
}

fn zone_name(zoned: &Zoned) -> String {
    let name = zoned.time_zone().iana_name();
    name.map_or_else(|| zoned.strftime("%Z").to_string(), str::to_owned)
}

/// The address in a `mailto:` URI (RFC 6068), or a bare one. `%XX` of a URI is taken back once; quotation marks around
/// all of it and header fields behind it are nothing to us.
///
/// # Errors
/// Why there is none.
pub(super) fn mailbox(uri: &str) -> Result<Address, String> {
    let uri = unquoted(uri);
    let Some(rest) = without_mailto(uri) else {
        return match uri.contains(':') || uri.starts_with('/') {
            true => Err("is no mail address".into()),
            false => Address::parse(uri.as_bytes()),
        };
    };
    let address = rest.split('?').next().unwrap_or_default();
    Address::parse(&percent_decoded(address.as_bytes()))
}

/// The address of a person: that of the URI, else the one that EMAIL names (RFC 7986 section 6.2).
///
/// # Errors
/// Why there is none.
pub(super) fn mailbox_of(person: &Person) -> Result<Address, String> {
    let why = match mailbox(&person.uri) {
        Ok(address) => return Ok(address),
        Err(why) => why,
    };
    match person.email.as_str() {
        "" => Err(why),
        email => mailbox(email).map_err(|why| format!("has an EMAIL that {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::calendar::zone as find;

    fn event(start: &str, end: &str, zone: &str) -> Event {
        let zone = find(zone);
        Event {
            start: Moment::read(start, zone.as_ref()),
            end: Moment::read(end, zone.as_ref()),
            ..Event::default()
        }
    }

    #[test]
    fn times_in_a_zone_with_summer_time() {
        let values = appointment(&event(
            "20261126T140500",
            "20261126T150000",
            "Europe/Berlin",
        ));
        assert_eq!(
            values["start"],
            json!({
                "year": 2026, "month": 11, "day": 26, "weekday": 4, "hour": 14, "minute": 5,
                "date": "2026-11-26", "time": "14:05", "offset": "+01:00"
            })
        );
        assert_eq!(values["zone"], "Europe/Berlin");
        assert_eq!(values["abbreviation"], "CET");
        assert_eq!(
            (&values["same_day"], &values["several_days"]),
            (&json!(true), &json!(false))
        );
        let values = appointment(&event(
            "20260726T220000",
            "20260727T010000",
            "Europe/Berlin",
        ));
        assert_eq!(values["abbreviation"], "CEST");
        assert_eq!(values["start"]["offset"], "+02:00");
        assert_eq!(values["several_days"], true);
    }

    #[test]
    fn days_end_with_their_last_one() {
        let one = appointment(&event("20261123", "20261124", ""));
        assert_eq!(
            (&one["all_day"], &one["floating"]),
            (&json!(true), &json!(false))
        );
        assert_eq!(
            (&one["end"]["date"], &one["same_day"]),
            (&json!("2026-11-23"), &json!(true))
        );
        assert_eq!(
            (&one["zone"], &one["start"]["offset"]),
            (&json!(""), &json!(""))
        );
        let three = appointment(&event("20261230", "20270102", ""));
        assert_eq!(
            (&three["end"]["date"], &three["several_days"]),
            (&json!("2027-01-01"), &json!(true))
        );
        assert_eq!(three["end"]["weekday"], 5);
    }

    #[test]
    fn what_floats_has_no_zone_and_an_end_before_the_start_is_none() {
        let values = appointment(&event("20261123T101500", "20261123T101500", "[floating]"));
        assert_eq!(
            (&values["floating"], &values["zone"]),
            (&json!(true), &json!(""))
        );
        assert_eq!(
            (&values["end"], &values["same_day"]),
            (&Value::Null, &json!(true))
        );
        assert_eq!(appointment(&Event::default())["start"], Value::Null);
    }

    #[test]
    fn a_zone_that_nobody_knows_is_named() {
        let mut event = event("20261123T101500", "20261123T111500", "");
        event.unknown_zone = "W. Europe Standard Time".into();
        let values = appointment(&event);
        assert_eq!(
            (&values["floating"], &values["start"]["offset"]),
            (&json!(false), &json!(""))
        );
        assert_eq!(values["zone"], "W. Europe Standard Time");
    }

    #[test]
    fn addresses_in_uris() {
        for (uri, address) in [
            ("mailto:a@b.example", "a@b.example"),
            (" MAILTO:a%2Bx@b.example?subject=x ", "a+x@b.example"),
            ("mailto:100%2525@b", "100%25@b"),
            ("a@b.example", "a@b.example"),
            ("alice", "alice"),
            ("\"mailto:chef@example.net\"", "chef@example.net"),
            ("\"a b\"@x.example", "\"a b\"@x.example"),
        ] {
            assert_eq!(mailbox(uri).unwrap().to_string(), address, "{uri}");
        }
        for bad in [
            "",
            "mailto:",
            "urn:uuid:1",
            "mailto:a@b%0ABcc:c@d",
            "tel:+1",
            "/aMTIz/principal/",
            "mailto:a@b,c@d",
            "é:",
        ] {
            assert!(mailbox(bad).is_err(), "{bad}");
        }
    }
}
