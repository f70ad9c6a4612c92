//! Reads JSON of anybody's within bounds: so many values of a whole text, or what the front of it tells.

use super::repair::repair;
use super::{Param, value};
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Number, Value as Json};
use std::borrow::Cow;
use std::fmt;

/// How many values an event has at most, with all items of lists and all members of objects. Text is as long as it came,
/// but each value costs a hundred bytes of memory, of which it may have taken two in the text.
pub(super) const VALUES: usize = 65_536;
/// How much of an event is looked at where it must not take time, in bytes. Cyrus puts the name first and the user next.
const FRONT: usize = 16 << 10;

/// The value that `raw` holds. Of one with more than [`VALUES`] the rest is left out.
pub(super) fn read(raw: &[u8]) -> serde_json::Result<Json> {
    let mut left = VALUES;
    let mut text = serde_json::Deserializer::from_slice(raw);
    let value = Bounded(&mut left).deserialize(&mut text)?;
    text.end()?;
    Ok(value)
}

/// What the front of an event tells: [`FRONT`] bytes of it, and no more than it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Front {
    /// The name; none when it does not stand there.
    pub name: Option<String>,
    /// `user`, or `userId` where calendars are concerned; none when neither stands there.
    pub user: Option<String>,
    /// Whether that is all that the event says of it: the front is the whole, and good JSON.
    pub is_all: bool,
}

impl Front {
    /// Reads the name and the user.
    #[must_use]
    pub fn read(raw: &[u8]) -> Front {
        Front::until(raw, |found| found.name.is_some() && found.user.is_some())
    }

    /// Reads the name alone, which is nearly always the first that stands there.
    #[must_use]
    pub fn read_name(raw: &[u8]) -> Front {
        Front::until(raw, |found| found.name.is_some())
    }

    fn until(raw: &[u8], is_enough: fn(&Found) -> bool) -> Front {
        let front = &raw[..raw.len().min(FRONT)];
        let is_whole = front.len() == raw.len();
        let (mut found, mut is_read) = Found::look(front, is_enough);
        if is_whole && !is_read && !is_enough(&found) {
            (found, is_read) = Found::look(repair(raw).as_bytes(), is_enough);
        }
        Front {
            name: found.name,
            user: found.user.or(found.user_id),
            is_all: is_whole && is_read,
        }
    }
}

/// A value with all that is in it, as long as there is something left.
struct Bounded<'a>(&'a mut usize);

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, text: D) -> Result<Json, D::Error> {
        *self.0 = self.0.saturating_sub(1);
        text.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while *self.0 > 0 {
            match list.next_element_seed(Bounded(self.0))? {
                Some(item) => items.push(item),
                None => return Ok(Json::Array(items)),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json, A::Error> {
        let mut members = Map::new();
        while *self.0 > 0 {
            match object.next_key::<String>()? {
                Some(key) => {
                    let value = object.next_value_seed(Bounded(self.0))?;
                    members.insert(key, value);
                }
                None => return Ok(Json::Object(members)),
            }
        }
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Json::Object(members))
    }
}

/// What was found until now.
#[derive(Default)]
struct Found {
    name: Option<String>,
    user: Option<String>,
    user_id: Option<String>,
}

impl Found {
    /// What stands in `text`, and whether it was read to its end.
    fn look(text: &[u8], is_enough: fn(&Found) -> bool) -> (Found, bool) {
        let mut found = Found::default();
        let mut text = serde_json::Deserializer::from_slice(text);
        // It ends with an error where there is enough.
        let read = text.deserialize_map(Looker(&mut found, is_enough));
        (found, read.is_ok())
    }
}

/// Goes over the members of an event until it has enough.
struct Looker<'a>(&'a mut Found, fn(&Found) -> bool);

impl<'de> Visitor<'de> for Looker<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let Looker(found, is_enough) = self;
        while let Some(key) = object.next_key_seed(Key)? {
            let Some(key) = key else {
                object.next_value::<IgnoredAny>()?;
                continue;
            };
            let mut left = VALUES;
            let value = object.next_value_seed(Bounded(&mut left))?;
            let place = match key {
                Param::Event => &mut found.name,
                Param::User => &mut found.user,
                _ => &mut found.user_id,
            };
            *place = value::text(&value).map(Cow::into_owned);
            if is_enough(found) {
                return Err(A::Error::custom("enough"));
            }
        }
        Ok(())
    }
}

/// A key that is looked for; none for any other.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<Param>;

    fn deserialize<D: Deserializer<'de>>(self, text: D) -> Result<Option<Param>, D::Error> {
        text.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<Param>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<Param>, E> {
        let wanted = [Param::Event, Param::User, Param::UserId];
        Ok(wanted.into_iter().find(|param| param.name() == key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, EventKind};
    use proptest::prelude::*;

    fn front(text: &str) -> (Option<String>, Option<String>, bool) {
        let Front { name, user, is_all } = Front::read(text.as_bytes());
        (name, user, is_all)
    }

    fn some(name: &str, user: &str, is_all: bool) -> (Option<String>, Option<String>, bool) {
        (Some(name.to_owned()), Some(user.to_owned()), is_all)
    }

    #[test]
    fn the_front_tells_name_and_user() {
        let event = r#"{"event":"Lo\u0067in","x":[{"event":"no","user":"no"}],"user":"anna","#;
        assert_eq!(front(event), some("Login", "anna", false));
        let alarm = r#"{"userId":"anna","event":"CalendarAlarm"}"#;
        assert_eq!(front(alarm), some("CalendarAlarm", "anna", true));
        let both = r#"{"userId":"anna","user":"bob","event":"Login"}"#;
        assert_eq!(front(both), some("Login", "bob", false));
        assert_eq!(
            front(r#"{"event":5,"user":null}"#),
            (Some("5".into()), None, true)
        );
        assert_eq!(front("no JSON"), (None, None, false));
        let far = |n: usize| {
            format!(
                r#"{{"event":"Login","x":"{}","user":"anna"}}"#,
                "x".repeat(n)
            )
        };
        assert_eq!(front(&far(FRONT - 100)), some("Login", "anna", false));
        assert_eq!(front(&far(FRONT)), (Some("Login".into()), None, false));
        assert!(!Front::read_name(far(FRONT).as_bytes()).is_all);
    }

    #[test]
    fn an_event_of_too_many_values_loses_the_rest() {
        let list = |n: usize| format!(r#"{{"event":"Login","x":[{}0],"y":1}}"#, "0,".repeat(n - 1));
        let count = |text: &str| {
            let json = read(text.as_bytes()).unwrap();
            (json["x"].as_array().unwrap().len(), json.get("y").is_some())
        };
        assert_eq!(count(&list(1000)), (1000, true));
        // The event, its name and the list are values too.
        assert_eq!(count(&list(VALUES - 4)), (VALUES - 4, true));
        assert_eq!(count(&list(3 * VALUES)), (VALUES - 3, false));
        assert!(read(br#"{"event":"Login"} x"#).is_err());
    }

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            "\\PC{0,10}".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            let key = "event|user|userId|[a-z]{1,3}";
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
                prop::collection::vec((key, inner), 0..6)
                    .prop_map(|all| Json::Object(all.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_fits_is_read_as_it_is(value in json()) {
            let text = value.to_string();
            prop_assert_eq!(read(text.as_bytes()).unwrap(), serde_json::from_str::<Json>(&text).unwrap());
        }

        #[test]
        fn the_front_says_what_the_event_says(value in json()) {
            let text = value.to_string();
            let front = Front::read(text.as_bytes());
            if let Ok(event) = Event::parse(text.as_bytes()) {
                let name = front.name.unwrap_or_default();
                prop_assert_eq!(&EventKind::from_name(&name), event.kind());
                prop_assert_eq!(front.user, event.user().map(Cow::into_owned));
            }
        }

        #[test]
        fn anything_has_a_front(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Front::read(&text);
        }
    }
}
