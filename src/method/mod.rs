//! How a notification is delivered: the trait [`Method`], what it answers
//! ([`Outcome`]), and the registry ([`METHODS`]).
//!
//! A method is one file in this folder with a `pub(super) const KIND: Kind`, and one word in
//! the registry below. The man page's list, `notifyd -m NAME` and the checks follow from it.

use crate::config::Settings;
use crate::config::toml::{Config, Known};
use crate::spool::ledger::Ledger;
use crate::system::cancel::Cancel;
use crate::system::syslog::Syslog;
use crate::wire::Notification;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// One notification owed to one method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Identifies the delivery in the spool and in the log: microseconds since 1970 when it was
    /// received, made unique. Stays the same over all attempts.
    pub id: i64,
    /// Which attempt this is, from 1. One that the daemon ended itself, or the operator, does not count; one in which the
    /// daemon died does.
    pub attempt: u32,
    /// How many attempts have begun, with this one, in all: also those that the daemon ended itself. Never set back.
    pub begun: u32,
    /// How many had begun when the operator last asked for the delivery, after it had failed or was on hold; 0 for never.
    pub asked: u32,
    /// When it was received.
    pub received: SystemTime,
    /// What Cyrus sent.
    pub notification: Notification,
    /// The path of our own link to (or copy of) the staged message that `notification.fname` names. There is
    /// no such file when the method did not ask for it ([`Kind::wants_message`]) or it had gone already.
    pub message_file: PathBuf,
}

/// How an attempt ended. The text says why, for the log and the operator: one line, no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; the text says what took it ("exit 0").
    Delivered(String),
    /// Nothing is to be delivered: by the method's own rules nobody gets anything.
    Discarded(String),
    /// Not now; worth another attempt.
    Temporary(String),
    /// Never; another attempt cannot help.
    Permanent(String),
    /// Not until the operator says so: it is put on hold.
    Hold(String),
    /// It is too late for it.
    Expired(String),
}

impl Outcome {
    /// Why it ended so.
    pub fn why(&self) -> &str {
        let (Outcome::Delivered(why)
        | Outcome::Discarded(why)
        | Outcome::Temporary(why)
        | Outcome::Permanent(why)
        | Outcome::Hold(why)
        | Outcome::Expired(why)) = self;
        why
    }
}

/// Delivers notifications in one way. An implementation reports and nothing else: it
/// never retries, never sleeps to wait for better times, and returns soon after the
/// time limit has passed or `cancel` was raised (as [`Outcome::Temporary`]).
pub trait Method: Send + Sync {
    /// Makes one attempt, in at most `limit`.
    fn deliver(&self, delivery: &Delivery, limit: Duration, cancel: &Cancel) -> Outcome;
}

/// What a method is built from.
pub struct Context<'a> {
    /// imapd.conf.
    pub settings: &'a Settings,
    /// The way to syslogd.
    pub syslog: &'a Arc<Syslog>,
    /// What methods remember from one delivery to the next.
    pub ledger: &'a Arc<Ledger>,
    /// Is told how late the mail for each calendar alarm left.
    pub late: &'a Late,
}

/// Is told how late something was.
pub type Late = Arc<dyn Fn(Duration) + Send + Sync>;

/// A kind of method: what the registry knows before any instance exists.
pub struct Kind {
    /// The name in Cyrus' configuration and on the wire; compared without case.
    pub name: &'static str,
    /// One line for the operator.
    pub about: &'static str,
    /// True when it is done at intake, without the spool: it cannot fail in a way that a second try would mend.
    pub immediate: bool,
    /// True when the staged message shall be kept for it.
    pub wants_message: bool,
    /// Whether it gets a notification, which names this method or another: see [`NAMED`].
    pub wants: fn(&Config, &Notification, named: bool) -> bool,
    /// How many deliveries may be under way at once.
    pub permits: usize,
    /// Time limit of one attempt.
    pub timeout: Duration,
    /// Makes an instance. It never fails: what is missing in the settings is the outcome of each attempt.
    pub build: fn(&Context<'_>) -> Box<dyn Method>,
}

/// What nearly every method wants: all that names it, and nothing else.
const NAMED: fn(&Config, &Notification, bool) -> bool = |_, _, named| named;

mod program;

pub use mailto::{Preview, PreviewLetter, preview, smtp_host};

macro_rules! registry {
    ($($name:ident)*) => {
        $(mod $name;)*
        /// Every method there is, in the order of the manual.
        pub static METHODS: &[Kind] = &[$($name::KIND),*];
    };
}

registry! { null log mailto zephyr external }

/// The user whom `owner-token` in a mail of ours stands for.
pub use mailto::owner::user_of as owner_of;

/// The method of that name, compared without case as Cyrus does (`strcasecmp`).
pub fn find(name: &[u8]) -> Option<&'static Kind> {
    METHODS
        .iter()
        .find(|kind| kind.name.as_bytes().eq_ignore_ascii_case(name))
}

/// The method that does nothing.
pub fn nothing() -> &'static Kind {
    &null::KIND
}

/// The names of all methods, with commas between.
pub fn names() -> String {
    let names: Vec<&str> = METHODS.iter().map(|kind| kind.name).collect();
    names.join(", ")
}

/// What notifyd.toml may say about them, and what holds when it says nothing.
pub fn known() -> Vec<Known> {
    let known = |kind: &Kind| Known {
        name: kind.name,
        spooled: !kind.immediate,
        permits: kind.permits as u64,
        timeout: kind.timeout.as_secs(),
    };
    METHODS.iter().map(known).collect()
}
