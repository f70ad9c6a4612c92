//! What templates say of an appointment and of times: the values that calendar mails share.
//!
//! ```text
//!   2026-11-26 14:05 in Berlin   {"year":2026,"month":11,"day":26,"weekday":4,"hour":14,"minute":5,
//!                                 "date":"2026-11-26","time":"14:05","offset":"+01:00",
//!                                 "zone":"Europe/Berlin","abbreviation":"CET","unknown_zone":"",
//!                                 "all_day":false}
//! ```
//!
//! The end of an appointment of whole days is its last day, as people say it, and not the first one after it, as
//! iCalendar does. Times are compared as moments, and shown in the zone that the appointment names; those in UTC, which
//! programs store and nobody lives by, in the other zone of the appointment, else in that of the reader.

use super::repeats;
use crate::mail::address::Address;
use crate::mail::calendar::{Event, Moment, Person, unquoted, without_mailto};
use crate::mail::html;
use crate::mail::links::{is_meeting_link, link, meeting_in};
use crate::mail::uri::percent_decoded;
use jiff::Zoned;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

/// A moment in its parts.
pub(super) fn parts(moment: &Moment) -> Value {
    let clock = moment.clock();
    let offset = match moment {
        Moment::Zoned(zoned) => zoned.strftime("%:z").to_string(),
        _ => String::new(),
    };
    let (zone, abbreviation) = zone(moment);
    let unknown = match moment {
        Moment::Unknown(_, name) => name.as_str(),
        _ => "",
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
        "zone": zone,
        "abbreviation": abbreviation,
        "unknown_zone": unknown,
        "all_day": matches!(moment, Moment::Date(_)),
    })
}

/// The same, or null.
pub(super) fn parts_or_null(moment: Option<&Moment>) -> Value {
    moment.map_or(Value::Null, parts)
}

/// What there is to say of `event` to somebody who lives in `reader`.
pub(super) fn appointment(event: &Event, reader: Option<&TimeZone>) -> Map<String, Value> {
    let times = Times::of(event, reader);
    let start = times.start.as_ref();
    let same_day = match (start, times.end.as_ref().or(times.end_elsewhere.as_ref())) {
        (Some(start), Some(last)) => start.date() == last.date(),
        _ => true,
    };
    let (zone, abbreviation) = start.map(zone).unwrap_or_default();
    let values = json!({
        "summary": event.summary,
        "description": html::plain(&event.description),
        "location": event.location,
        "organizer": event.organizer.as_ref().map(name_and_email),
        "attendees": event.attendees.iter().map(attendee).collect::<Vec<_>>(),
        "task": times.due.is_some() || event.task,
        "all_day": matches!(start, Some(Moment::Date(_))),
        "floating": matches!(start, Some(Moment::Local(_))),
        "zone": zone,
        "abbreviation": abbreviation,
        "start": parts_or_null(start),
        "end": parts_or_null(times.end.as_ref()),
        "end_elsewhere": parts_or_null(times.end_elsewhere.as_ref()),
        "due": parts_or_null(times.due.as_ref()),
        "same_day": same_day,
        "several_days": !same_day,
        "recurrence": parts_or_null(times.recurrence.as_ref()),
        "moved_from": parts_or_null(times.moved_from.as_ref()),
        "series": event.series.as_ref().map(|series| {
            let date = |moment: Option<&Moment>| moment.map(Moment::date);
            let moved = date(start) != date(event.start.as_ref());
            repeats::series(series, start, moved, parts)
        }),
        "and_later": event.and_later,
        "join": join(event),
        "url": link(&event.url).filter(|url| !is_meeting_link(url)),
    });
    match values {
        Value::Object(values) => values,
        _ => Map::new(),
    }
}

/// Links to the meeting: those that a property names, else the first one of a known service in the texts.
fn join(event: &Event) -> Vec<String> {
    let named: Vec<String> = event.meetings.iter().filter_map(|uri| link(uri)).collect();
    if !named.is_empty() {
        return named;
    }
    let texts = [&event.url, &event.location, &event.description];
    let found = texts.iter().find_map(|text| meeting_in(&html::plain(text)));
    found.into_iter().collect()
}

/// The times of an appointment as they are shown.
#[derive(Default)]
struct Times {
    start: Option<Moment>,
    /// The end as people say it, in the zone of the start. None when it is not behind the start, or cannot be compared.
    end: Option<Moment>,
    /// The end in its own zone, when clocks show another time there, or when nobody knows how the two compare.
    end_elsewhere: Option<Moment>,
    /// When a task must be done.
    due: Option<Moment>,
    /// Which instance of a series it is.
    recurrence: Option<Moment>,
    /// When that would have been, when it is at another time and both can be compared.
    moved_from: Option<Moment>,
}

impl Times {
    fn of(event: &Event, reader: Option<&TimeZone>) -> Times {
        let all = [&event.start, &event.end];
        let named = all
            .into_iter()
            .flatten()
            .find(|moment| matches!(moment, Moment::Zoned(_)) && !moment.is_utc());
        let usual = match named {
            Some(Moment::Zoned(zoned)) => Some(zoned.time_zone()),
            _ => reader,
        };
        let shown = |moment: &Option<Moment>| Some(out_of_utc(moment.as_ref()?, usual));
        let (start, end) = (shown(&event.start), shown(&event.end));
        // A start without zone beside an end with one is in that zone, as Cyrus takes it, too.
        let start = match (start, &end) {
            (Some(start @ Moment::Local(_)), Some(end)) if !end.is_utc() => {
                Some(beside_or_own(&start, Some(end)))
            }
            (start, _) => start,
        };
        // An event has a start: what has an end alone is a task.
        if event.task || start.is_none() {
            return Times {
                due: end.map(|end| beside_or_own(&end, start.as_ref())),
                ..Times::of_start(start, shown(&event.recurrence))
            };
        }
        let (end, end_elsewhere) = ends(start.as_ref(), end);
        Times {
            end,
            end_elsewhere,
            ..Times::of_start(start, shown(&event.recurrence))
        }
    }

    fn of_start(start: Option<Moment>, recurrence: Option<Moment>) -> Times {
        let compared = match (&start, &recurrence) {
            (Some(start), Some(recurrence)) => recurrence.beside(start),
            _ => None,
        };
        let moved_from = compared
            .clone()
            .filter(|before| Some(before) != start.as_ref());
        Times {
            start,
            recurrence: compared.or(recurrence),
            moved_from,
            ..Times::default()
        }
    }
}

/// A time in UTC as it is in `zone`, any other one as it is.
pub(super) fn out_of_utc(moment: &Moment, zone: Option<&TimeZone>) -> Moment {
    match (moment, zone) {
        (Moment::Zoned(time), Some(zone)) if moment.is_utc() => {
            Moment::Zoned(time.with_time_zone(zone.clone()))
        }
        _ => moment.clone(),
    }
}

fn beside_or_own(moment: &Moment, other: Option<&Moment>) -> Moment {
    let beside = other.and_then(|other| moment.beside(other));
    beside.unwrap_or_else(|| moment.clone())
}

/// The end in the zone of the start, and as it is shown where that is another one.
fn ends(start: Option<&Moment>, end: Option<Moment>) -> (Option<Moment>, Option<Moment>) {
    let (Some(start), Some(end)) = (start, end) else {
        return (None, None);
    };
    let Some(last) = end.beside(start) else {
        let named = |moment: &Moment| !zone(moment).0.is_empty();
        let both = named(start) && named(&end);
        return (None, Some(end).filter(|_| both));
    };
    let last = match (last, start) {
        (Moment::Date(after), Moment::Date(first)) => {
            let last = after.yesterday().ok();
            last.filter(|last| last >= first).map(Moment::Date)
        }
        (last, start) => last.is_behind(start).then_some(last),
    };
    let differs = |last: &Moment| zone(last).1 != zone(&end).1 || last.clock() != end.clock();
    let named = |end: &Moment| !zone(end).0.is_empty();
    let elsewhere = last.as_ref().is_some_and(differs) && named(&end);
    (last, elsewhere.then_some(end))
}

/// The name of the moment's zone and its short one at that time; both empty where there is none.
fn zone(moment: &Moment) -> (String, String) {
    match moment {
        Moment::Zoned(time) => zone_names(time),
        Moment::Unknown(_, name) => (name.clone(), name.clone()),
        _ => (String::new(), String::new()),
    }
}

fn zone_names(time: &Zoned) -> (String, String) {
    let zone = time.time_zone();
    let info = zone.to_offset_info(time.timestamp());
    let short = info.abbreviation().to_owned();
    let name = zone.iana_name().unwrap_or(&short).to_owned();
    (name, short)
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

    fn shown(event: &Event) -> Map<String, Value> {
        appointment(event, None)
    }

    #[test]
    fn times_in_a_zone_with_summer_time() {
        let values = shown(&event(
            "20261126T140500",
            "20261126T150000",
            "Europe/Berlin",
        ));
        assert_eq!(
            values["start"],
            json!({
                "year": 2026, "month": 11, "day": 26, "weekday": 4, "hour": 14, "minute": 5,
                "date": "2026-11-26", "time": "14:05", "offset": "+01:00",
                "zone": "Europe/Berlin", "abbreviation": "CET", "unknown_zone": "", "all_day": false
            })
        );
        assert_eq!(values["zone"], "Europe/Berlin");
        assert_eq!(values["abbreviation"], "CET");
        assert_eq!(
            (&values["same_day"], &values["several_days"]),
            (&json!(true), &json!(false))
        );
        let values = shown(&event(
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
        let one = shown(&event("20261123", "20261124", ""));
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
        let three = shown(&event("20261230", "20270102", ""));
        assert_eq!(
            (&three["end"]["date"], &three["several_days"]),
            (&json!("2027-01-01"), &json!(true))
        );
        assert_eq!(three["end"]["weekday"], 5);
    }

    #[test]
    fn what_floats_has_no_zone_and_an_end_before_the_start_is_none() {
        let values = shown(&event("20261123T101500", "20261123T101500", "[floating]"));
        assert_eq!(
            (&values["floating"], &values["zone"]),
            (&json!(true), &json!(""))
        );
        assert_eq!(
            (&values["end"], &values["same_day"]),
            (&Value::Null, &json!(true))
        );
        assert_eq!(shown(&Event::default())["start"], Value::Null);
    }

    #[test]
    fn a_zone_that_nobody_knows_is_named() {
        let mut event = event("20261123T101500", "20261123T111500", "");
        event.start = event.start.map(|start| start.in_unknown("custom_X"));
        event.end = event.end.map(|end| end.in_unknown("custom_X"));
        let values = shown(&event);
        assert_eq!(
            (&values["floating"], &values["start"]["offset"]),
            (&json!(false), &json!(""))
        );
        assert_eq!(
            (&values["zone"], &values["start"]["unknown_zone"]),
            (&json!("custom_X"), &json!("custom_X"))
        );
        assert_eq!(values["end"]["time"], "11:15");
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
