//! The options that are a choice of one among a few, as Rust types.
//!
//! Each follows the words of one option: `notifysocket` (`notify` in Cyrus' `imap/notify.c`),
//! `syslog_facility` (`get_facility` in `imap/global.c`), `smtp_backend` and
//! `event_content_inclusion_mode` (`lib/imapoptions`).
//!
//! What can go wrong: a facility that Cyrus does not know; the caller decides.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Where notifications arrive when no master gives us a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotifySocket {
    /// A datagram socket at this path.
    Datagram(PathBuf),
    /// `dlist:PATH`: a stream socket at this path, one dlist conversation per connection.
    Dlist(PathBuf),
}

impl NotifySocket {
    /// Reads the value of `notifysocket`: `dlist:PATH` or a path.
    #[must_use]
    pub fn from_value(value: &[u8]) -> NotifySocket {
        let path = |bytes| PathBuf::from(OsStr::from_bytes(bytes));
        match value.strip_prefix(b"dlist:") {
            Some(rest) => NotifySocket::Dlist(path(rest)),
            None => NotifySocket::Datagram(path(value)),
        }
    }
}

/// `syslog_facility`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names are syslog(3)'s.
pub enum Facility {
    User,
    Mail,
    Daemon,
    News,
    Local0,
    Local1,
    Local2,
    Local3,
    Local4,
    Local5,
    Local6,
    Local7,
}

impl Facility {
    const NAMES: [(&'static str, Facility); 12] = [
        ("DAEMON", Facility::Daemon),
        ("MAIL", Facility::Mail),
        ("NEWS", Facility::News),
        ("USER", Facility::User),
        ("LOCAL0", Facility::Local0),
        ("LOCAL1", Facility::Local1),
        ("LOCAL2", Facility::Local2),
        ("LOCAL3", Facility::Local3),
        ("LOCAL4", Facility::Local4),
        ("LOCAL5", Facility::Local5),
        ("LOCAL6", Facility::Local6),
        ("LOCAL7", Facility::Local7),
    ];

    /// The facility of that name, case-blind; `None` for a name that Cyrus does not know.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Facility> {
        let known = |(n, _): &&(&str, Facility)| n.as_bytes().eq_ignore_ascii_case(name);
        Facility::NAMES
            .iter()
            .find(known)
            .map(|(_, facility)| *facility)
    }

    /// The number that syslog(3) and RFC 5424 give it (mail is 2), not shifted.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Facility::User => 1,
            Facility::Mail => 2,
            Facility::Daemon => 3,
            Facility::News => 7,
            Facility::Local0 => 16,
            Facility::Local1 => 17,
            Facility::Local2 => 18,
            Facility::Local3 => 19,
            Facility::Local4 => 20,
            Facility::Local5 => 21,
            Facility::Local6 => 22,
            Facility::Local7 => 23,
        }
    }
}

/// `smtp_backend`: how mail leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpBackend {
    /// Through the program `sendmail`.
    Sendmail,
    /// By SMTP to `smtp_host`.
    Host,
}

/// `event_content_inclusion_mode`: what of a message goes into an event (RFC 5423 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentInclusion {
    /// The whole message, if it is not too large.
    Standard,
    /// The message up to the size limit.
    Message,
    /// The header.
    Header,
    /// The body up to the size limit.
    Body,
    /// The header whole, the body up to the size limit.
    HeaderBody,
}
