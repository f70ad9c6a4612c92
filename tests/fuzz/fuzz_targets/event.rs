//! Whatever an event holds can be asked for, in every type. What was read, printed again, is good JSON and the same event:
//! nothing is repaired twice. What a strict reader reads, ours reads as the same: a repair only adds.
#![no_main]

use cyrus_notifyd::event::{Event, Param};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value as Json};

fuzz_target!(|raw: &[u8]| {
    let strict = serde_json::from_slice::<Map<String, Json>>(raw);
    let Ok(event) = Event::parse(raw) else {
        assert!(strict.is_err(), "good JSON is refused");
        return;
    };
    assert_eq!(event.raw(), raw);
    let object = object(&event);
    if let Ok(strict) = strict {
        assert_eq!(object, strict);
    }
    let printed = serde_json::to_vec(&object).expect("JSON can be printed");
    let again = Event::parse(&printed).expect("what we print is JSON");
    if !event.json(Param::Event).is_some_and(Json::is_number) {
        assert_eq!(again.kind(), event.kind());
    }
    let whole = |event: &Event<'_>| without_fractions(Json::Object(self::object(event)));
    assert_eq!(whole(&again), whole(&event));
    ask(&event);
});

/// serde_json reads some fractions with another last digit than it printed.
fn without_fractions(json: Json) -> Json {
    match json {
        Json::Number(number) if number.is_f64() => Json::Null,
        Json::Array(items) => items.into_iter().map(without_fractions).collect(),
        Json::Object(map) => map
            .into_iter()
            .map(|(key, json)| (key, without_fractions(json)))
            .collect(),
        other => other,
    }
}

fn object(event: &Event<'_>) -> Map<String, Json> {
    event
        .fields()
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .collect()
}

/// Every question that the rest of the program may have.
fn ask(event: &Event<'_>) {
    for &param in Param::ALL {
        let there = event.json(param).is_some_and(|json| !json.is_null());
        assert_eq!(event.get(param).is_some(), there, "{param:?}");
        assert_eq!(event.text(param).is_some(), there, "{param:?}");
        let _ = (event.number(param), event.truth(param), event.list(param));
        let _ = (event.time(param), event.cal_time(param), event.url(param));
        let _ = event.by_uid(param);
        if let Some(set) = event.uids(param) {
            assert!(set.count() > 0 && set.contains(*set.ranges()[0].start()));
        }
    }
    assert!(event.unknown().count() <= event.fields().count());
}
