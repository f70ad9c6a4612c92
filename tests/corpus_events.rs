//! Every event and iMIP message recorded from a real Cyrus is of a known kind,
//! has known keys only, and each value is of the type that its key declares.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::samples;
use cyrus_notifyd::event::{Event, EventKind, Param, Type, Value};
use cyrus_notifyd::wire::{Notification, datagram};

fn of_class(class: &[u8]) -> Vec<(String, Notification)> {
    let all = samples("3.6.1").into_iter().chain(samples("3.13"));
    let read = all.map(|s| (datagram::decode(&s.bytes).expect(&s.at), s.at));
    read.filter(|(n, _)| n.class == class)
        .map(|(n, at)| (at, n))
        .collect()
}

#[test]
fn every_event_is_known_through_and_through() {
    let events = of_class(b"EVENT");
    assert_eq!(events.len(), 1494);
    let mut seen = BTreeSet::new();
    for (at, n) in &events {
        let event = Event::parse(&n.message).expect(at);
        assert!(
            EventKind::ALL.contains(event.kind()),
            "{at}: {:?}",
            event.kind()
        );
        assert_eq!(event.unknown().collect::<Vec<_>>(), [], "{at}");
        assert_eq!(event.raw(), n.message);
        has_declared_types(&event, at);
        seen.insert(event.kind().name().to_owned());
    }
    let all: BTreeSet<_> = EventKind::ALL.iter().map(|k| k.name().to_owned()).collect();
    assert_eq!(seen, all, "each kind was recorded");
}

#[test]
fn imip_can_be_viewed_too() {
    let messages = of_class(b"IMIP");
    assert_eq!(messages.len(), 21);
    for (at, n) in &messages {
        let event = Event::parse(&n.message).expect(at);
        assert_eq!(event.unknown().collect::<Vec<_>>(), [], "{at}");
        assert!(
            event
                .text(Param::Ical)
                .unwrap()
                .starts_with("BEGIN:VCALENDAR"),
            "{at}"
        );
        assert!(event.truth(Param::IsUpdate).is_some(), "{at}");
        has_declared_types(&event, at);
    }
}

fn has_declared_types(event: &Event<'_>, at: &str) {
    for (key, json) in event.fields().filter(|(_, json)| !json.is_null()) {
        let param = Param::from_name(key).unwrap();
        let value = event.get(param).unwrap();
        let fits = match param.kind() {
            Type::Text | Type::Keyed => matches!(value, Value::Text(_)),
            Type::Number => matches!(value, Value::Number(_)),
            Type::Truth => matches!(value, Value::Truth(_)),
            Type::Time => matches!(value, Value::Time(_)),
            Type::CalTime => matches!(value, Value::CalTime(_)),
            Type::List | Type::Words => matches!(value, Value::List(_)),
            Type::Uids => matches!(value, Value::Uids(_)),
            Type::Url => matches!(value, Value::Url(_)),
            Type::Json => matches!(value, Value::Json(_)),
        };
        assert!(fits, "{at}: {key} is {json}, read as {value:?}");
    }
}
