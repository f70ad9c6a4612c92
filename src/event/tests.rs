//! Tests of the view as a whole: types that differ, and any bytes.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn parse(raw: &str) -> Event<'_> {
    Event::parse(raw.as_bytes()).unwrap()
}

#[test]
fn a_login() {
    let raw = r#"{"event":"Login","timestamp":"2026-11-22T17:45:41.488Z","serverPort":10143,"uri":"imap://cyr.test","user":"alice","x":1}"#;
    let event = parse(raw);
    assert_eq!(event.kind(), &EventKind::Login);
    assert_eq!(event.raw(), raw.as_bytes());
    assert_eq!(event.get(Param::User), Some(Value::Text("alice".into())));
    assert_eq!(event.get(Param::ServerPort), Some(Value::Number(10143)));
    assert_eq!(
        event.get(Param::Timestamp),
        Some(Value::Time(Time(1_795_369_541_488)))
    );
    assert_eq!(event.url(Param::Uri).unwrap().host, "cyr.test");
    assert_eq!(event.get(Param::ClientIp), None);
    assert_eq!(event.unknown().collect::<Vec<_>>(), [("x", &json!(1))]);
    assert_eq!(event.fields().map(|(k, _)| k).next(), Some("event"));
}

#[test]
fn numbers_and_strings_stand_for_each_other() {
    let event = parse(
        r#"{"event":12,"pid":" 42 ","messages":3.0,"uidnext":"5e2","uid":7,"uidset":8,
            "allDay":"1","is_update":"no","maxMessages":-1,"modseq":18446744073709551615,
            "flagNames":["\\Seen","b"],"alarmRecipients":"mailto:a@b","user":null}"#,
    );
    assert_eq!(event.kind(), &EventKind::Other("12".into()));
    assert_eq!(event.number(Param::Pid), Some(42));
    assert_eq!(event.number(Param::Messages), Some(3));
    assert_eq!(event.number(Param::Uidnext), Some(500));
    assert_eq!(event.number(Param::MaxMessages), Some(-1));
    assert_eq!(event.text(Param::Uid).unwrap(), "7");
    assert!(event.uids(Param::Uidset).unwrap().contains(8));
    assert_eq!(event.truth(Param::AllDay), Some(true));
    assert_eq!(event.truth(Param::IsUpdate), Some(false));
    assert_eq!(
        event.get(Param::Modseq),
        Some(Value::Text("18446744073709551615".into()))
    );
    assert_eq!(event.list(Param::FlagNames), ["\\Seen", "b"]);
    assert_eq!(event.text(Param::FlagNames).unwrap(), "\\Seen b");
    assert_eq!(event.list(Param::AlarmRecipients), ["mailto:a@b"]);
    assert_eq!(
        (event.get(Param::User), event.text(Param::User)),
        (None, None)
    );
}

#[test]
fn what_does_not_fit_is_kept() {
    let event = parse(
        r#"{"event":"MessageNew","pid":"many","timestamp":"yesterday","messageSize":{"a":1},
            "flagNames":"\\Seen  $X","uri":"?","messages":[1]}"#,
    );
    assert_eq!(event.get(Param::Pid), Some(Value::Text("many".into())));
    assert_eq!(
        event.get(Param::Timestamp),
        Some(Value::Text("yesterday".into()))
    );
    assert_eq!(
        event.get(Param::MessageSize),
        Some(Value::Json(&json!({"a":1})))
    );
    assert_eq!(event.get(Param::Messages), Some(Value::Json(&json!([1]))));
    assert_eq!(event.get(Param::Uri), Some(Value::Text("?".into())));
    let flags = Value::List(vec!["\\Seen".into(), "$X".into()]);
    assert_eq!(event.get(Param::FlagNames), Some(flags));
}

#[test]
fn enriched_forms() {
    let event = parse(
        r#"{"event":"MessageNew","mailboxID":"imap://h/INBOX;UIDVALIDITY=3",
            "messageContent":{"7":"Hello","9":"World"},"messageHeaders":{"7":{"Subject":"x"}}}"#,
    );
    assert_eq!(
        event.url(Param::MailboxId).unwrap().mailbox.as_deref(),
        Some("INBOX")
    );
    let content = event.by_uid(Param::MessageContent);
    assert_eq!(
        content,
        [(Some(7), "Hello".into()), (Some(9), "World".into())]
    );
    let headers = event.by_uid(Param::MessageHeaders);
    assert_eq!(headers, [(Some(7), r#"{"Subject":"x"}"#.into())]);

    let plain = parse(r#"{"messageContent":"Hello","mailboxID":"l5bvdgpr4fxpakw8f7tmkrra"}"#);
    assert_eq!(
        plain.by_uid(Param::MessageContent),
        [(None, "Hello".into())]
    );
    assert_eq!(plain.url(Param::MailboxId), None);
    assert!(plain.by_uid(Param::MessageHeaders).is_empty());
}

#[test]
fn damage_is_repaired_and_the_bytes_kept() {
    let raw = b"{\"event\":\"CalendarAlarm\",\"summary\":\"M\xfcll\\ud800er\",\"uid\":\"a\",\"uid\":\"b\",\"x\":1e999}";
    let event = Event::parse(raw).unwrap();
    assert_eq!(event.kind(), &EventKind::CalendarAlarm);
    assert_eq!(event.text(Param::Summary).unwrap(), "M\u{fffd}ll\u{fffd}er");
    assert_eq!(event.text(Param::Uid).unwrap(), "b");
    assert_eq!(event.raw(), raw);
}

#[test]
fn only_an_object_will_do() {
    for bad in [
        "",
        "[]",
        "1",
        "null",
        "{",
        "{\"event\"",
        "Subject: x",
        "{} {}",
    ] {
        assert!(Event::parse(bad.as_bytes()).is_err(), "{bad:?}");
    }
    assert_eq!(parse("{}").kind(), &EventKind::Other(String::new()));
    assert_eq!(parse(" { }\n").fields().count(), 0);
    let deep = format!(
        "{{\"event\":\"Login\",\"x\":{}1{}}}",
        "[".repeat(5000),
        "]".repeat(5000)
    );
    assert_eq!(parse(&deep).kind(), &EventKind::Login);
}

/// Reads all there is, so that a panic anywhere shows.
fn read_all(event: &Event<'_>) {
    for &param in Param::ALL {
        let _ = (
            event.get(param),
            event.text(param),
            event.number(param),
            event.truth(param),
        );
        let _ = (event.list(param), event.time(param), event.uids(param));
        let _ = (event.url(param), event.by_uid(param), event.cal_time(param));
    }
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        ".{0,8}".prop_map(Json::from),
        "[0-9:,TZ.+-]{0,24}".prop_map(Json::from),
        "imap://[a%;=/@0-9éUID]{0,20}".prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::hash_map("[0-9a-z]{0,4}", inner, 0..4)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_harmless(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(event) = Event::parse(&bytes) {
            read_all(&event);
        }
    }

    /// Inside a string anything goes: no content loses the event.
    #[test]
    fn any_content_of_a_string_is_read(content in "([a-zé\u{1}\n]|\\\\u[dD][89a-fA-F][0-9]{2}|\\\\n){0,20}", bad in 0x80u8..) {
        let mut raw = format!("{{\"event\":\"Login\",\"user\":\"{content}").into_bytes();
        raw.push(bad);
        raw.extend_from_slice(b"\"}");
        let event = Event::parse(&raw).unwrap();
        prop_assert_eq!(event.kind(), &EventKind::Login);
        prop_assert!(event.text(Param::User).unwrap().ends_with(char::REPLACEMENT_CHARACTER));
    }

    /// Any JSON under any known key.
    #[test]
    fn any_type_under_any_key(values in prop::collection::vec((prop::sample::select(Param::ALL), any_json()), 0..6)) {
        let object: serde_json::Map<_, _> = values.into_iter().map(|(p, v)| (p.name().to_owned(), v)).collect();
        let raw = serde_json::to_vec(&object).unwrap();
        let event = Event::parse(&raw).unwrap();
        prop_assert_eq!(event.fields().count(), object.len());
        read_all(&event);
    }
}
