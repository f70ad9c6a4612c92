//! What a row of the table is to the rest of the program: [`NewRow`] to be kept, [`Row`] that was claimed,
//! [`Settlement`] that says what became of it. Values only; the table itself is in [`super`].

use crate::spool::Micros;
use std::time::Duration;

/// A delivery that is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRow {
    /// Unique; from [`Spool::new_id`](crate::spool::Spool::new_id).
    pub id: i64,
    /// Name of the method that owes it.
    pub method: String,
    /// When it was received; it is due at once.
    pub received: Micros,
    /// Who sent it, when the kernel said so.
    pub uid: Option<u32>,
    /// Name of the kept staged message in `files/`.
    pub file: Option<String>,
    /// The notification, as a datagram.
    pub notification: Vec<u8>,
    /// Whose it is, when somebody's: the user in the notification, or in its event.
    pub user: Option<Vec<u8>>,
}

/// A delivery that was claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What was kept.
    pub kept: NewRow,
    /// When it was due.
    pub due: Micros,
    /// Attempts so far, this one included.
    pub attempts: u32,
    /// Attempts begun so far, this one included; also those that do not count in `attempts`, because they were cut
    /// short or ended on hold.
    pub begun: u32,
    /// Attempts in which the process died, or which it had to abandon.
    pub crashes: u32,
    /// How many attempts had begun when the operator last asked for it (`notifyctl retry` after it had failed, or
    /// `release`); 0 when that never happened.
    pub asked: u32,
    /// For how long it was deferred after the attempt before, in microseconds; 0 when it was not.
    pub delay: Micros,
    /// How old it was when it was deferred, in microseconds; 0 when it was not. Only time in which it waited for an attempt
    /// or was tried makes it older: see [`age`](Row::age).
    pub waited: Micros,
    /// How the last attempt failed.
    pub error: Option<String>,
}

impl Row {
    /// How old it is after an attempt that took `took`, in microseconds, of which only those count in which it waited for
    /// an attempt or was tried. No clock is asked.
    #[must_use]
    pub fn age(&self, took: Duration) -> Micros {
        let took = Micros::try_from(took.as_micros()).unwrap_or(Micros::MAX);
        self.waited.saturating_add(self.delay).saturating_add(took)
    }
}

/// How an attempt ended, for the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Nothing is owed any more.
    Done(i64),
    /// To be tried again at `due`, because of `error`.
    Defer {
        /// Which.
        id: i64,
        /// When.
        due: Micros,
        /// How long that is from now, in microseconds.
        delay: Micros,
        /// How old it is now, in microseconds: see [`Row::age`].
        waited: Micros,
        /// Why.
        error: String,
    },
    /// Given up at `at`, because of `error`; kept for the operator.
    Fail {
        /// Which.
        id: i64,
        /// When it was given up.
        at: Micros,
        /// Why.
        error: String,
    },
    /// Put on hold at `at`, because of `error`; not counted.
    Hold {
        /// Which.
        id: i64,
        /// When; its lifetime on hold is counted from then on.
        at: Micros,
        /// Why.
        error: String,
    },
    /// The attempt was cut short by us: due at once, and not counted. It has begun, and may have reached somebody.
    Release(i64),
    /// We had to abandon the attempt: it is counted with those in which the process died. What becomes of the row is said
    /// by another settlement, after this one.
    Abandon(i64),
    /// It was claimed, and no attempt was begun: due at once, as if it had not been claimed.
    GiveBack(i64),
}

impl Settlement {
    /// Which row.
    pub fn id(&self) -> i64 {
        match self {
            Settlement::Done(id)
            | Settlement::Release(id)
            | Settlement::GiveBack(id)
            | Settlement::Abandon(id)
            | Settlement::Defer { id, .. }
            | Settlement::Hold { id, .. }
            | Settlement::Fail { id, .. } => *id,
        }
    }
}

#[cfg(test)]
impl NewRow {
    /// For tests: one of method `a`, received at the time that is its number.
    pub(crate) fn example(id: i64) -> NewRow {
        NewRow {
            id,
            method: "a".into(),
            received: id,
            uid: None,
            file: None,
            notification: vec![b'x'; 300],
            user: None,
        }
    }
}
