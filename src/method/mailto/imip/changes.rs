//! What an organiser has changed: Cyrus sends the event as it was (`jsevent`) and what is other now (`patch`), both in
//! the form of JSCalendar (RFC 8984), when it was built with JMAP.

use crate::event::{Event, Param};
use crate::mail::calendar::{self, Moment, zone};
use jiff::Span;
use serde_json::{Map, Value};

/// What changes are called for templates, and the properties of JSCalendar that they are of. What is not here is
/// nothing that people talk about, such as `sequence`.
const NAMES: [(&str, &[&str]); 8] = [
    (
        "time",
        &[
            "start",
            "timeZone",
            "duration",
            "showWithoutTime",
            "due",
            "endTimeZone",
        ],
    ),
    ("place", &["locations", "location", "mainLocationId"]),
    ("title", &["title"]),
    ("description", &["description"]),
    ("people", &["participants"]),
    ("link", &["virtualLocations", "links"]),
    (
        "series",
        &[
            "recurrenceRule",
            "recurrenceRules",
            "excludedRecurrenceRules",
        ],
    ),
    ("dates", &["recurrenceOverrides"]),
];

/// What was changed.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Changes {
    /// Names of [`NAMES`], in its order.
    pub(super) what: Vec<&'static str>,
    /// When it was, where its time was changed.
    pub(super) before: Option<calendar::Event>,
    /// Whether somebody was taken off the list of those who are invited.
    pub(super) without_somebody: bool,
}

impl Changes {
    /// What `event` tells, of the whole, or of the instance at `instance`; nothing when Cyrus does not.
    pub(super) fn read(event: &Event<'_>, instance: Option<&Moment>) -> Changes {
        let object = |param| event.json(param).and_then(Value::as_object);
        let (Some(old), Some(patch)) = (object(Param::JsEvent), object(Param::Patch)) else {
            return Changes::default();
        };
        let changed = match instance {
            None => patch
                .iter()
                .map(|(path, value)| (path.as_str(), value))
                .collect(),
            Some(instance) => of_instance(patch, instance),
        };
        let is_changed = |names: &[&str]| {
            changed.iter().any(|(path, value)| {
                let (name, within) = path.split_once('/').unwrap_or((path, ""));
                names.contains(&name) && counts(name, within, value)
            })
        };
        let what: Vec<&str> = NAMES
            .iter()
            .filter_map(|(name, of)| is_changed(of).then_some(*name))
            .collect();
        let all_of_it = what.contains(&"time") && instance.is_none();
        Changes {
            before: all_of_it.then(|| times(old)).flatten(),
            without_somebody: changed
                .iter()
                .any(|(path, value)| path.starts_with("participants/") && value.is_null()),
            what,
        }
    }
}

/// What is other now for one instance: Cyrus says it below the time that the instance has in its series.
fn of_instance<'a>(patch: &'a Map<String, Value>, instance: &Moment) -> Vec<(&'a str, &'a Value)> {
    let time = instance.clock().strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let mut all = Vec::new();
    for (path, value) in patch {
        let Some(rest) = path.strip_prefix("recurrenceOverrides/") else {
            continue;
        };
        match (rest.split_once('/'), value) {
            (Some((id, within)), _) if id == time => all.push((within, value)),
            (None, Value::Object(fields)) if rest == time => {
                all.extend(fields.iter().map(|(name, value)| (name.as_str(), value)));
            }
            _ => {}
        }
    }
    all
}

/// Whether it is worth a word. Of the people only who comes and who goes is; what each has answered is not a change of
/// the event.
fn counts(name: &str, within: &str, value: &Value) -> bool {
    match name {
        "participants" => !within.contains('/') && (value.is_null() || value.is_object()),
        // It is null in 3.6 where there is none.
        _ => within.is_empty() || !within.ends_with("/updated"),
    }
}

/// The times of an event of JSCalendar.
fn times(event: &Map<String, Value>) -> Option<calendar::Event> {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let zone = text("timeZone").and_then(zone);
    let start = Moment::read(text("start")?, zone.as_ref())?;
    let whole_days = event.get("showWithoutTime") == Some(&Value::Bool(true));
    let start = match whole_days {
        true => Moment::Date(start.date()),
        false => start,
    };
    let length = text("duration").and_then(|text| text.parse::<Span>().ok());
    Some(calendar::Event {
        end: length.and_then(|length| start.after(length)),
        start: Some(start),
        ..calendar::Event::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(old: Value, patch: Value) -> Changes {
        let message = json!({ "jsevent": old, "patch": patch }).to_string();
        Changes::read(&Event::parse(message.as_bytes()).unwrap(), None)
    }

    #[test]
    fn what_people_talk_about_has_a_name() {
        let old = || json!({"start": "2027-03-01T10:00:00", "timeZone": "Europe/Berlin", "duration": "PT90M"});
        for (patch, what) in [
            (
                json!({"sequence": 1, "updated": "2027-01-01T00:00:00Z"}),
                &[][..],
            ),
            (
                json!({"start": "2027-03-01T11:00:00", "sequence": 1}),
                &["time"],
            ),
            (
                json!({"duration": "PT1H", "title": "x"}),
                &["time", "title"],
            ),
            (
                json!({"locations/1/name": "x", "description": null}),
                &["place", "description"],
            ),
            (json!({"participants/a": null}), &["people"]),
            (json!({"participants/a": {"name": "x"}}), &["people"]),
            (
                json!({"participants/a/participationStatus": "accepted"}),
                &[],
            ),
            (json!({"virtualLocations": null}), &["link"]),
            (
                json!({"recurrenceRule/until": "2027-04-01T00:00:00"}),
                &["series"],
            ),
            (
                json!({"recurrenceOverrides/2027-03-15T10:00:00": {"excluded": true}}),
                &["dates"],
            ),
            (
                json!({"recurrenceOverrides/2027-03-15T10:00:00/start": "2027-03-15T11:00:00"}),
                &["dates"],
            ),
        ] {
            assert_eq!(read(old(), patch.clone()).what, what, "{patch}");
        }
        assert_eq!(
            read(Value::Null, json!({"start": "2027-03-01T11:00:00"})),
            Changes::default()
        );
        assert_eq!(read(old(), Value::Null), Changes::default());
        assert_eq!(read(json!([1]), json!("x")), Changes::default());
    }

    #[test]
    fn when_it_was_before() {
        let before = |old| read(old, json!({"start": "2027-03-01T11:00:00"})).before;
        let timed = before(json!({"start": "2027-03-01T10:00:00", "timeZone": "Europe/Berlin", "duration": "PT90M"})).unwrap();
        let clock = |moment: &Option<Moment>| moment.as_ref().unwrap().clock().to_string();
        assert_eq!(clock(&timed.start), "2027-03-01T10:00:00");
        assert_eq!(clock(&timed.end), "2027-03-01T11:30:00");
        let days = before(
            json!({"start": "2027-03-01T00:00:00", "showWithoutTime": true, "duration": "P2D"}),
        )
        .unwrap();
        assert_eq!(days.end, Moment::read("20270303", None));
        assert_eq!(before(json!({"start": "soon"})), None);
        assert_eq!(before(json!({"start": 5, "duration": []})), None);
    }

    #[test]
    fn of_an_instance_what_is_below_its_time() {
        let message = json!({
            "jsevent": {"start": "2027-03-01T10:00:00"},
            "patch": {
                "title": "all of them",
                "recurrenceOverrides/2027-03-08T10:00:00/locations": null,
                "recurrenceOverrides/2027-03-15T10:00:00/start": "2027-03-15T11:00:00",
                "recurrenceOverrides/2027-03-15T10:00:00/title": "x",
                "recurrenceOverrides/2027-03-22T10:00:00": {"description": "y", "participants/a": null},
            },
        })
        .to_string();
        let event = Event::parse(message.as_bytes()).unwrap();
        let of = |time| Changes::read(&event, Moment::read(time, None).as_ref());
        assert_eq!(of("20270315T100000").what, ["time", "title"]);
        assert_eq!(of("20270315T100000").before, None);
        let other = of("20270322T100000");
        assert_eq!(other.what, ["description", "people"]);
        assert!(other.without_somebody);
        assert_eq!(of("20270329T100000"), Changes::default());
    }
}
