//! The datagram form: NUL-separated strings in one `SOCK_DGRAM` datagram.
//!
//! ```text
//! method NUL class NUL priority NUL user NUL mailbox NUL
//!   nopt NUL (option NUL)* message NUL [fname NUL]
//! ```
//!
//! Written by Cyrus' `imap/notify.c`, read by its `notifyd/notifyd.c`, whose
//! reading is followed to the byte: the last NUL may be missing, but an empty
//! message without its NUL is no message; `nopt` is read as `strtol` reads it
//! (`abc` is 0, ` +1x` is 1); what follows `fname` is ignored. Where the stock
//! daemon exits on a malformed request, we return an [`Error`]. A datagram
//! of no bytes at all, for which stock parses what the last one left in its
//! buffer, is malformed here.

use std::ffi::CStr;
use std::fmt;

use super::Notification;

/// Why a datagram is malformed. The text of [`fmt::Display`] names the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The datagram has no bytes.
    Empty,
    /// It ends before the named field (`class`, …, `nopt`, `message`).
    Missing(&'static str),
    /// `nopt` is below zero.
    Negative,
    /// `nopt` does not fit into 64 bits.
    Overflow,
    /// `nopt` promises more options than there are strings left.
    Options {
        /// What `nopt` says.
        promised: i64,
        /// How many strings follow it.
        found: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Empty => write!(f, "empty datagram"),
            Error::Missing(field) => write!(f, "field {field} is missing"),
            Error::Negative => write!(f, "field nopt is negative"),
            Error::Overflow => write!(f, "field nopt is too large a number"),
            Error::Options { promised, found } => write!(
                f,
                "field nopt promises {promised} options, but only {found} strings follow"
            ),
        }
    }
}

impl std::error::Error for Error {}

/// Reads one datagram, as Cyrus' `notifyd` does (see the module's head).
///
/// # Errors
/// [`Error`] when a field up to the message is missing or `nopt` is not usable.
pub fn decode(bytes: &[u8]) -> Result<Notification, Error> {
    if bytes.is_empty() {
        return Err(Error::Empty);
    }
    let mut strings = strings(bytes);
    let mut field = |name| strings.next().ok_or(Error::Missing(name));

    let method = field("method")?.to_vec();
    let class = field("class")?.to_vec();
    let priority = field("priority")?.to_vec();
    let user = field("user")?.to_vec();
    let mailbox = field("mailbox")?.to_vec();
    let promised = leading_number(field("nopt")?)?;

    // Grown by what is there, never by what `nopt` says: it may say 2^62.
    let mut options = Vec::new();
    for found in 0..promised {
        let option = strings.next().ok_or(Error::Options {
            promised,
            found: found as usize,
        })?;
        options.push(option.to_vec());
    }
    let message = strings.next().ok_or(Error::Missing("message"))?.to_vec();
    let fname = strings.next().map(<[u8]>::to_vec);
    Ok(Notification {
        method,
        class,
        priority,
        user,
        mailbox,
        options,
        message,
        fname,
    })
}

/// The strings that `bytes` is made of: each ends at a NUL, the last one perhaps at the end. (The standard library has
/// a fast search for a NUL here only.)
fn strings(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let string = match CStr::from_bytes_until_nul(bytes) {
            Ok(string) => string.to_bytes(),
            Err(_) if bytes.is_empty() => return None,
            Err(_) => bytes,
        };
        bytes = bytes.get(string.len() + 1..).unwrap_or_default();
        Some(string)
    })
}

/// Writes `n` as Cyrus does, with a NUL after every string.
///
/// A NUL inside a field (which [`Notification`] rules out) would end that field.
#[must_use]
pub fn encode(n: &Notification) -> Vec<u8> {
    let nopt = n.options.len().to_string();
    let head = [&n.method, &n.class, &n.priority, &n.user, &n.mailbox].map(Vec::as_slice);
    let tail = [n.message.as_slice()].into_iter().chain(n.fname.as_deref());
    let mut out = Vec::with_capacity(n.message.len() + 256);
    for string in head
        .into_iter()
        .chain([nopt.as_bytes()])
        .chain(n.options.iter().map(Vec::as_slice))
        .chain(tail)
    {
        out.extend_from_slice(string);
        out.push(0);
    }
    out
}

/// The number `text` starts with, as `strtol(text, NULL, 10)` sees it: white
/// space, a sign, digits; nothing of that is 0. Negative is refused.
fn leading_number(text: &[u8]) -> Result<i64, Error> {
    let space = |b: &u8| matches!(b, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|b| !space(b)).unwrap_or(text.len());
    let (negative, digits) = match &text[start..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mut value: i64 = 0;
    for digit in digits.iter().take_while(|b| b.is_ascii_digit()) {
        value = value
            .checked_mul(10)
            .and_then(|v| v.checked_add(i64::from(digit - b'0')))
            .ok_or(if negative {
                Error::Negative
            } else {
                Error::Overflow
            })?;
    }
    if negative && value > 0 {
        Err(Error::Negative)
    } else {
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::laws::notification;
    use proptest::prelude::*;

    fn with_nopt(nopt: &str, rest: &str) -> Result<Notification, Error> {
        decode(format!("log\0C\0p\0u\0m\0{nopt}\0{rest}").as_bytes())
    }

    #[test]
    fn reads_what_cyrus_writes() {
        let n = decode(b"mailto\0SIEVE\0low\0alice\0\x002\0a\0b\0text\0/stage./1\0").unwrap();
        assert_eq!(n.method, b"mailto");
        assert_eq!(n.class, b"SIEVE");
        assert_eq!(n.priority, b"low");
        assert_eq!(n.user, b"alice");
        assert_eq!(n.mailbox, b"");
        assert_eq!(n.options, [b"a", b"b"]);
        assert_eq!(n.message, b"text");
        assert_eq!(n.fname.as_deref(), Some(&b"/stage./1"[..]));
    }

    #[test]
    fn the_last_nul_may_be_missing() {
        assert_eq!(with_nopt("0", "text"), with_nopt("0", "text\0"));
        assert_eq!(with_nopt("0", "text\0/f"), with_nopt("0", "text\0/f\0"));
        assert_eq!(with_nopt("0", "text").unwrap().fname, None);
        assert_eq!(with_nopt("0", ""), Err(Error::Missing("message")));
        assert_eq!(with_nopt("1", "opt\0"), Err(Error::Missing("message")));
        assert_eq!(with_nopt("0", "\0").unwrap().message, b"");
        assert_eq!(with_nopt("0", "text\0\0").unwrap().fname, Some(vec![]));
    }

    #[test]
    fn nul_bytes_only() {
        assert_eq!(decode(b""), Err(Error::Empty));
        assert_eq!(decode(b"no nul at all"), Err(Error::Missing("class")));
        let fields = ["class", "priority", "user", "mailbox", "nopt", "message"];
        for (count, field) in (1..).zip(fields) {
            assert_eq!(decode(&vec![0; count]), Err(Error::Missing(field)));
        }
        assert_eq!(decode(&[0; 7]), Ok(Notification::default()));
        let empty_fname = Notification {
            fname: Some(vec![]),
            ..Notification::default()
        };
        assert_eq!(decode(&[0; 8]), Ok(empty_fname.clone()));
        assert_eq!(decode(&[0; 100]), Ok(empty_fname));
    }

    #[test]
    fn nopt_is_read_as_strtol_does() {
        for zero in ["", "0", "abc", "0x1", "-0", "+", "-", " ", "- 1"] {
            let n = with_nopt(zero, "a\0b\0c\0").unwrap();
            assert!(n.options.is_empty() && n.message == b"a", "{zero:?}");
        }
        for one in ["1", "1x", " 1", "+1", "01", "\t\n\x0b\x0c\r +1 2"] {
            let n = with_nopt(one, "a\0b\0c\0").unwrap();
            assert_eq!(
                (n.options, n.message),
                (vec![b"a".to_vec()], b"b".to_vec()),
                "{one:?}"
            );
        }
        for negative in ["-1", " -7x", "-99999999999999999999"] {
            assert_eq!(
                with_nopt(negative, "a\0b\0"),
                Err(Error::Negative),
                "{negative:?}"
            );
        }
        assert_eq!(
            with_nopt("9223372036854775808", "a\0"),
            Err(Error::Overflow)
        );
        for large in [2, 1 << 31, 1 << 32, i64::MAX] {
            let found = Error::Options {
                promised: large,
                found: 1,
            };
            assert_eq!(with_nopt(&large.to_string(), "a\0"), Err(found));
        }
    }

    #[test]
    fn nopt_that_does_not_fit_the_strings() {
        let n = with_nopt("2", "option\0message\0fname\0").unwrap();
        assert_eq!((n.message.as_slice(), n.fname), (&b"fname"[..], None));
        let n = with_nopt("1", "a\0b\0message\0fname\0").unwrap();
        assert_eq!(
            (n.message.as_slice(), n.fname),
            (&b"b"[..], Some(b"message".to_vec()))
        );
    }

    #[test]
    fn an_error_names_the_field() {
        assert_eq!(Error::Missing("user").to_string(), "field user is missing");
        assert_eq!(
            with_nopt("3", "a\0b\0").unwrap_err().to_string(),
            "field nopt promises 3 options, but only 2 strings follow"
        );
    }

    proptest! {
        #[test]
        fn decode_gives_what_was_encoded(n in notification()) {
            prop_assert_eq!(decode(&encode(&n)), Ok(n));
        }

        #[test]
        fn strings_are_split_at_each_nul(text in "[a\0]{1,12}") {
            let whole = text.strip_suffix('\0').unwrap_or(&text);
            let expected: Vec<&[u8]> = whole.as_bytes().split(|b| *b == 0).collect();
            prop_assert_eq!(strings(text.as_bytes()).collect::<Vec<_>>(), expected);
        }

        #[test]
        fn any_bytes_are_harmless(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn what_decodes_is_stable(text in "[0-3a\0 +-]{0,40}") {
            if let Ok(n) = decode(text.as_bytes()) {
                prop_assert_eq!(decode(&encode(&n)), Ok(n));
            }
        }
    }
}
