//! The dlist form: one keyed list per `SOCK_STREAM` connection.
//!
//! ```text
//! NOTIFY %(METHOD m CLASS c PRIORITY p USER u MAILBOX b OPTIONS (o1 o2) MESSAGE t FILEPATH f) CR LF
//! ```
//!
//! The grammar is Cyrus' `imap/dlist.c`: atoms, quoted strings, literals, `NIL`,
//! lists `(…)`, key-value lists `%(…)` and files `%{partition guid size}`. Cyrus
//! (`notify_dlist` in `imap/notify.c`) sends one such line, then waits without
//! a time limit for one answer of the same shape and closes.
//!
//! * [`Parser`] takes the bytes as they arrive, each once, and keeps no more
//!   than the tree; [`parse`] is the same for bytes that are all there.
//! * [`Line::write`] prints a tree as Cyrus prints it.
//! * [`decode`] and [`encode`] go between a line and a [`Notification`].
//! * [`ok`] and [`no`] are the answers. A wrong answer hangs the client, and
//!   one with a synchronising literal kills it, so these never hold a literal.
//!
//! What can go wrong: hostile depth, size or number of items. All three are
//! bounded, and nothing recurses on the way in.

mod answer;
mod notify;
mod parse;
mod print;
#[cfg(test)]
mod tests;

pub use answer::{Answer, answer, no, ok};
pub use notify::{decode, encode, notification};
pub use parse::{Parser, parse};

use std::fmt;

#[cfg(doc)]
use super::Notification;

/// The most bytes that one line may have. Cyrus has no limit; the largest
/// that was seen has half a megabyte, an event with a whole message in it has more.
pub const MAX_SIZE: usize = 16 << 20;

/// The most lists that may be open at once. `NOTIFY` needs two.
pub const MAX_DEPTH: usize = 16;

/// The most values and keys in one line: an empty option costs three bytes on
/// the wire and some 50 in memory, so the size alone would not bound memory.
pub const MAX_ITEMS: usize = 1 << 16;

/// One line: a name and its value, such as `NOTIFY %(…)` or `OK %()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The first word, as it came.
    pub name: Vec<u8>,
    /// What follows it, mostly an [`Item::Map`].
    pub value: Item,
}

/// A value of Cyrus' list language.
///
/// Whether a text came as atom, quoted string or literal is not kept: its
/// content decides how it is printed, as in Cyrus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// The bare word `NIL`: absent. `"NIL"` and `nil` are texts.
    Nil,
    /// A text of any bytes.
    Text(Vec<u8>),
    /// A bare word that begins with a backslash, printed as it is.
    Flag(Vec<u8>),
    /// `(a b …)`.
    List(Vec<Item>),
    /// `%(key value …)`, in the order they came, repeated keys kept.
    Map(Vec<(Vec<u8>, Item)>),
    /// `%{partition guid size}` and the file's bytes.
    File {
        /// Cyrus' name of the partition.
        partition: Vec<u8>,
        /// SHA-1 of the content as 40 hexadecimal digits; not checked against it.
        guid: Vec<u8>,
        /// The content.
        data: Vec<u8>,
    },
}

impl Item {
    /// The value of `key` in a [`Item::Map`]; the first one when it is repeated,
    /// as Cyrus' `dlist_getchild` takes it. Keys are compared without case.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Item> {
        let Item::Map(pairs) = self else { return None };
        pairs
            .iter()
            .find(|(k, _)| k.eq_ignore_ascii_case(key.as_bytes()))
            .map(|(_, v)| v)
    }
}

/// Why bytes are not a line, or a line not a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Good so far, but more bytes are needed.
    Incomplete,
    /// One of [`MAX_SIZE`], [`MAX_DEPTH`], [`MAX_ITEMS`] is exceeded; the text says which.
    TooLarge(&'static str),
    /// Not of the grammar.
    Malformed {
        /// Offset in bytes of the first byte that does not fit.
        at: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A good line that is not a notification: the key concerned and why.
    NotNotify(&'static str, &'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Incomplete => write!(f, "the list is not complete"),
            Error::TooLarge(what) => write!(f, "too large: {what}"),
            Error::Malformed { at, why } => write!(f, "{why} at byte {at}"),
            Error::NotNotify(key, why) => write!(f, "field {key} {why}"),
        }
    }
}

impl std::error::Error for Error {}
