//! What Cyrus says on the notify socket: a [`Notification`], in its two wire forms.
//!
//! Bytes in, values out; nothing here does I/O. The forms are those of Cyrus'
//! `imap/notify.c`: [`datagram`] (NUL-separated strings in one `SOCK_DGRAM`
//! datagram) and [`dlist`] (one `NOTIFY` list per `SOCK_STREAM` connection).
//! [`zephyr`] is the other way round: what we say to a Zephyr host manager.

pub mod datagram;
pub mod dlist;
pub mod zephyr;

#[cfg(test)]
mod laws;

/// One notification, as a Cyrus process sends it. All fields are byte strings
/// as they came: Cyrus promises no character set. None of them holds a NUL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Notification {
    /// Name of the method that shall deliver it (`mailto`, `log`, …); empty means the default method.
    pub method: Vec<u8>,
    /// `SIEVE`, `MAIL`, `EVENT`, `IMIP`, …
    pub class: Vec<u8>,
    /// `high`, `normal`, `low` for class `SIEVE`; else mostly empty.
    pub priority: Vec<u8>,
    /// The user concerned, or empty.
    pub user: Vec<u8>,
    /// The mailbox concerned, or empty.
    pub mailbox: Vec<u8>,
    /// The method's options; for `mailto` the first one is the address.
    pub options: Vec<Vec<u8>>,
    /// The text, or for class `EVENT` a JSON object.
    pub message: Vec<u8>,
    /// Path of the staged message that triggered it (class `SIEVE`), which lmtpd
    /// unlinks when its delivery ends. `None` when the field was absent.
    pub fname: Option<Vec<u8>>,
}
