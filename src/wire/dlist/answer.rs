//! Answers: what a dlist client waits for, without a time limit.
//!
//! Cyrus (`notify_dlist` in `imap/notify.c`) wants one complete line with a name and a
//! list. `OK` satisfies it, any other name becomes one notice in its log. A name
//! without a list, or an unfinished one, leaves it waiting until we close; an answer
//! with a literal `{n}` makes it write to a stream it does not have, and it dies.

use super::{Item, Line};

/// The longest reason we send, in bytes.
const MAX_REASON: usize = 200;

/// Taken: the notification is safe with us.
#[must_use]
pub fn ok() -> &'static [u8] {
    b"OK %()\r\n"
}

/// Refused, with the reason for people. Whatever a quoted string cannot hold
/// or a log should not (quotes, backslashes, `%`, control and 8-bit bytes)
/// becomes `?`, and a long reason is cut: there is never a literal.
#[must_use]
pub fn no(reason: &str) -> Vec<u8> {
    let plain = |c: char| match c {
        '"' | '\\' | '%' => '?',
        ' '..='~' => c,
        _ => '?',
    };
    let reason: String = reason.chars().take(MAX_REASON).map(plain).collect();
    format!("NO %(REASON \"{reason}\")\r\n").into_bytes()
}

/// An answer, as the asking side sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `OK`, `NO`, or what else came.
    pub name: Vec<u8>,
    /// The text under `REASON`, which only we send.
    pub reason: Option<Vec<u8>>,
}

impl Answer {
    /// True for `OK`, the only name that Cyrus is satisfied with.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.name == b"OK"
    }
}

/// What a line says when it is read as an answer.
#[must_use]
pub fn answer(line: &Line) -> Answer {
    let reason = match line.value.get("REASON") {
        Some(Item::Text(text)) => Some(text.clone()),
        _ => None,
    };
    Answer {
        name: line.name.clone(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::dlist::parse;
    use proptest::prelude::*;

    #[test]
    fn ok_is_ok() {
        let (line, used) = parse(ok()).unwrap();
        assert_eq!(used, ok().len());
        assert!(answer(&line).is_ok());
    }

    #[test]
    fn a_reason_is_told() {
        let bytes = no("field USER holds a NUL");
        assert_eq!(bytes, b"NO %(REASON \"field USER holds a NUL\")\r\n");
        let told = answer(&parse(&bytes).unwrap().0);
        assert_eq!(told.name, b"NO");
        assert_eq!(told.reason.as_deref(), Some(&b"field USER holds a NUL"[..]));
        assert!(!told.is_ok());
    }

    proptest! {
        /// One line of printable bytes, in which no brace stands outside the quotes.
        #[test]
        fn no_reason_can_break_the_answer(reason in "\\PC*|[\"\\\\{}%\r\n\0 -ÿ()]{0,300}") {
            let bytes = no(&reason);
            let (line, used) = parse(&bytes).unwrap();
            prop_assert_eq!(used, bytes.len());
            let told = answer(&line);
            prop_assert_eq!(told.name, b"NO");
            prop_assert_eq!(told.reason.unwrap().len(), reason.chars().count().min(MAX_REASON));
            let body = bytes.strip_suffix(b"\r\n").unwrap();
            prop_assert!(body.iter().all(|b| (b' '..=b'~').contains(b)));
            prop_assert_eq!(bytes.iter().filter(|&&b| b == b'"').count(), 2);
        }
    }
}
