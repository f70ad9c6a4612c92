//! A mail as a composer hands it over.

use crate::mail::Message;
use crate::mail::address::Address;
use crate::spool::Micros;
use std::time::{Duration, SystemTime};

/// What becomes of a notification.
#[derive(Debug)]
pub(super) enum Composed {
    /// These mails.
    Mails(Vec<Mail>),
    /// No mail, because nobody shall get one: why, for the log. Where somebody should, and cannot, it is
    /// [`Composed::Wrong`].
    Nothing(String),
    /// No mail, because there is something wrong with it: what, for the log.
    Wrong(String),
}

/// What a composer found besides mails: values, which others act upon.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Notes {
    /// Lines for the log, said once a delivery.
    pub(super) warnings: Vec<String>,
    /// What is known now whether a mail is sent or not.
    pub(super) changes: Vec<Change>,
}

/// A change of the ledger.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Puts it there.
    Put(Entry),
    /// Removes what is under this key.
    Remove(Vec<u8>),
}

/// One mail.
#[derive(Debug)]
pub(super) struct Mail {
    /// Envelope sender; none for nobody (`<>`).
    pub(super) sender: Option<Address>,
    /// Envelope recipients; a composer that finds none composes [`Composed::Nothing`].
    pub(super) recipients: Vec<Address>,
    /// The message; it is the same at each attempt.
    pub(super) message: Message,
    /// The user on whose behalf it is sent, for the limit; empty for nobody.
    pub(super) owner: Vec<u8>,
    /// When the same was sent to a recipient already, it is not sent to him again.
    pub(super) once: Option<Once>,
    /// Not sent later than this.
    pub(super) until: Option<SystemTime>,
    /// When it ought to have been sent: its lateness is measured.
    pub(super) wanted: Option<SystemTime>,
    /// What is remembered when it has been sent: entries of the ledger.
    pub(super) remember: Vec<Entry>,
}

/// What makes two mails the same.
#[derive(Debug)]
pub(super) struct Once {
    /// The same for both.
    pub(super) key: Vec<u8>,
    /// How long it is known.
    pub(super) keep: Duration,
}

/// An entry of the ledger.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its key; begins with a letter of its own, see [`super::guard`].
    pub(super) key: Vec<u8>,
    /// Its value.
    pub(super) value: Vec<u8>,
    /// When it is forgotten.
    pub(super) until: Micros,
}
