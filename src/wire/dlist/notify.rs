//! A `NOTIFY` line as [`Notification`], and back.
//!
//! Cyrus (`notify_dlist` in `imap/notify.c`) always sends all eight keys in one
//! order. We take any order and more keys; `METHOD`, `CLASS` and `MESSAGE`
//! must be there, for a datagram without them is malformed too. `NIL` is an empty
//! field, and for `FILEPATH` an absent one. A NUL inside a field is refused, since the
//! datagram form, which is also the spool's, cannot carry it.

use super::{Error, Item, Line, parse};
use crate::wire::Notification;

/// Reads one `NOTIFY` line from the start of `bytes`; gives it and its length.
///
/// # Errors
/// [`Error`]: not complete, too large, malformed, or not a notification.
pub fn decode(bytes: &[u8]) -> Result<(Notification, usize), Error> {
    let (line, used) = parse(bytes)?;
    Ok((notification(&line)?, used))
}

/// What a line says, if it is a `NOTIFY %(…)`.
///
/// # Errors
/// [`Error::NotNotify`] with the key concerned.
pub fn notification(line: &Line) -> Result<Notification, Error> {
    if !line.name.eq_ignore_ascii_case(b"NOTIFY") {
        return Err(Error::NotNotify("NOTIFY", "is not the request's name"));
    }
    if !matches!(line.value, Item::Map(_)) {
        return Err(Error::NotNotify("NOTIFY", "has no key-value list"));
    }
    let map = &line.value;
    Ok(Notification {
        method: must(map, "METHOD")?,
        class: must(map, "CLASS")?,
        priority: may(map, "PRIORITY")?.unwrap_or_default(),
        user: may(map, "USER")?.unwrap_or_default(),
        mailbox: may(map, "MAILBOX")?.unwrap_or_default(),
        options: options(map)?,
        message: must(map, "MESSAGE")?,
        fname: may(map, "FILEPATH")?,
    })
}

/// Writes `n` as Cyrus does. What is empty is printed as Cyrus' callers have
/// it: method, class and message as `""`, the others as `NIL`.
#[must_use]
pub fn encode(n: &Notification) -> Vec<u8> {
    let text = |bytes: &Vec<u8>| Item::Text(bytes.clone());
    let or_nil = |bytes: &Vec<u8>| {
        if bytes.is_empty() {
            Item::Nil
        } else {
            text(bytes)
        }
    };
    let pairs = [
        ("METHOD", text(&n.method)),
        ("CLASS", text(&n.class)),
        ("PRIORITY", or_nil(&n.priority)),
        ("USER", or_nil(&n.user)),
        ("MAILBOX", or_nil(&n.mailbox)),
        ("OPTIONS", Item::List(n.options.iter().map(text).collect())),
        ("MESSAGE", text(&n.message)),
        ("FILEPATH", n.fname.as_ref().map_or(Item::Nil, text)),
    ];
    let pairs = pairs
        .into_iter()
        .map(|(key, value)| (key.into(), value))
        .collect();
    Line {
        name: b"NOTIFY".to_vec(),
        value: Item::Map(pairs),
    }
    .write()
}

fn must(map: &Item, key: &'static str) -> Result<Vec<u8>, Error> {
    match map.get(key) {
        Some(item) => Ok(string(item, key)?.unwrap_or_default()),
        None => Err(Error::NotNotify(key, "is missing")),
    }
}

fn may(map: &Item, key: &'static str) -> Result<Option<Vec<u8>>, Error> {
    map.get(key).map_or(Ok(None), |item| string(item, key))
}

fn options(map: &Item) -> Result<Vec<Vec<u8>>, Error> {
    match map.get("OPTIONS") {
        None | Some(Item::Nil) => Ok(Vec::new()),
        Some(Item::List(items)) => items
            .iter()
            .map(|item| Ok(string(item, "OPTIONS")?.unwrap_or_default()))
            .collect(),
        Some(_) => Err(Error::NotNotify("OPTIONS", "is not a list")),
    }
}

fn string(item: &Item, key: &'static str) -> Result<Option<Vec<u8>>, Error> {
    match item {
        Item::Nil => Ok(None),
        Item::Text(bytes) | Item::Flag(bytes) if bytes.contains(&0) => {
            Err(Error::NotNotify(key, "holds a NUL"))
        }
        Item::Text(bytes) | Item::Flag(bytes) => Ok(Some(bytes.clone())),
        Item::List(_) | Item::Map(_) | Item::File { .. } => {
            Err(Error::NotNotify(key, "is not a string"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Notification, String> {
        decode(format!("{text}\r\n").as_bytes())
            .map(|(n, _)| n)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn any_order_any_case_more_keys() {
        let n = read(
            "notify %(future %(a (b)) FILEPATH /f MESSAGE \"hello world\" OPTIONS (NIL a) \
             Class SIEVE METHOD mailto METHOD log)",
        )
        .unwrap();
        assert_eq!(n.method, b"mailto", "the first of a repeated key");
        assert_eq!(n.class, b"SIEVE");
        assert_eq!(n.options, [b"".to_vec(), b"a".to_vec()]);
        assert_eq!(n.message, b"hello world");
        assert_eq!(n.fname.as_deref(), Some(&b"/f"[..]));
        assert_eq!((n.priority, n.user, n.mailbox), (vec![], vec![], vec![]));
    }

    #[test]
    fn absent_and_empty_file_differ() {
        let with = |f: &str| {
            read(&format!(
                "NOTIFY %(METHOD NIL CLASS C MESSAGE NIL FILEPATH {f})"
            ))
        };
        assert_eq!(with("NIL").unwrap().fname, None);
        assert_eq!(with("\"\"").unwrap().fname, Some(vec![]));
    }

    #[test]
    fn refusals_name_the_field() {
        for (text, why) in [
            ("OK %()", "field NOTIFY is not the request's name"),
            ("NOTIFY ()", "field NOTIFY has no key-value list"),
            ("NOTIFY %()", "field METHOD is missing"),
            ("NOTIFY %(METHOD a CLASS b)", "field MESSAGE is missing"),
            (
                "NOTIFY %(METHOD (a) CLASS b MESSAGE c)",
                "field METHOD is not a string",
            ),
            (
                "NOTIFY %(METHOD a CLASS b MESSAGE {2+}\r\n\0x)",
                "field MESSAGE holds a NUL",
            ),
            (
                "NOTIFY %(METHOD a CLASS b MESSAGE c OPTIONS o)",
                "field OPTIONS is not a list",
            ),
            (
                "NOTIFY %(METHOD a CLASS b MESSAGE c OPTIONS (()))",
                "field OPTIONS is not a string",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), why);
        }
    }
}
