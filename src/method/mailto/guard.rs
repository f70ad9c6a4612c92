//! Who gets a mail in an attempt: nobody whom a server has it accepted for, and nobody more than the limits allow.
//!
//! All of it is in the ledger, so that it holds over restarts. Keys begin with a letter: `P` what is known of a recipient
//! ([`super::recipient`]), and, without one, the last attempt of a delivery of which all is written down; `O` what was
//! sent once; `B` what is left of a limit, `W` when it was said that one is reached ([`super::limits`]); `T` see
//! [`super::owner`], `Q` quota, `S` networks. (`Z` is of method `zephyr`.)
//!
//! Nothing is written before a first attempt, and nothing after one that is a whole success: the spool counts attempts
//! before they begin, and forgets the delivery when it is done.

use super::limits::{Account, Empty, HOUR, Limits};
use super::mail::{Mail, Once};
use super::mailbox::Mailboxes;
use super::recipient::{Event, State};
use super::transport::Answer;
use crate::config::toml::Config;
use crate::mail::address::Address;
use crate::spool::Micros;
use crate::spool::ledger::{Entries, Ledger};
use log::warn;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// How long what is known of a delivery is kept after its last attempt, beyond the time for which it may be in the spool.
const PROGRESS: Micros = 30 * 24 * HOUR;

/// How many empty buckets are remembered.
const EMPTY: usize = 1000;

/// Which attempt it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    /// The delivery.
    pub(super) id: i64,
    /// How many have begun, with this one.
    pub(super) begun: u32,
    /// How many had begun when the operator last asked for the delivery; 0 for never.
    pub(super) asked: u32,
}

/// What becomes of a recipient in this attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Gets the mail.
    Go,
    /// Gets the mail, with a note in it: may have it already.
    Again,
    /// Gets none, because of what is known ([`State`]).
    Done,
    /// Gets none: had the same by another delivery, or by another address in this one.
    Repeat,
    /// Gets none now: why.
    Limited(String),
    /// Gets none: it is too late.
    TooLate,
}

/// One recipient of one mail, in this attempt.
#[derive(Clone, Debug)]
pub(super) struct Recipient {
    /// What is known.
    pub(super) state: State,
    /// What follows for this attempt.
    pub(super) standing: Standing,
    /// What the submission came to, when there was one.
    pub(super) answer: Option<Answer>,
}

impl Recipient {
    fn new(state: State, standing: Standing) -> Recipient {
        Recipient {
            state,
            standing,
            answer: None,
        }
    }

    /// Whether a submission in this attempt is still to come.
    fn is_pending(&self) -> bool {
        self.answer.is_none() && matches!(self.standing, Standing::Go | Standing::Again)
    }

    /// The submission came to this.
    pub(super) fn answer(&mut self, answer: Answer) {
        let state = std::mem::replace(&mut self.state, State::New);
        self.state = state.next(Event::Answer(&answer));
        self.answer = Some(answer);
    }
}

/// Decides who gets mail, and writes down what became of it.
pub(super) struct Guard {
    ledger: Arc<Ledger>,
    limits: Limits,
    mailboxes: Mailboxes,
    /// Buckets that were found empty: as long as they are, nobody has to look.
    empty: Mutex<HashMap<Vec<u8>, Empty>>,
    /// How long what is known of a delivery is kept after an attempt.
    keep: Micros,
}

impl Guard {
    pub(super) fn new(ledger: Arc<Ledger>, config: &Config, mailboxes: Mailboxes) -> Guard {
        let retry = &config.retry;
        let in_spool = [retry.lifetime, retry.keep_held, retry.keep_failed];
        let in_spool = in_spool.iter().map(|age| micros(age.0));
        Guard {
            ledger,
            limits: Limits::new(&config.mailto),
            mailboxes,
            empty: Mutex::default(),
            keep: in_spool.fold(PROGRESS, Micros::saturating_add),
        }
    }

    /// Why a delivery waits, of which nobody can get a mail now: its user is above the limit. Then this was the attempt. It
    /// is found out before there are any mails.
    pub(super) fn waits(
        &self,
        now: Micros,
        attempt: &Attempt,
        account: &Account<'_>,
    ) -> Option<String> {
        let key = self.limits.owner_key(&self.mailboxes, account)?;
        let why = {
            let mut empty = self.empty.lock().unwrap_or_else(PoisonError::into_inner);
            let found = empty.get(&key)?;
            if !(found.at..found.until).contains(&now) {
                empty.remove(&key);
                return None;
            }
            found.why.clone()
        };
        let Attempt { id, begun, asked } = *attempt;
        let waits = self.ledger.change(now, |entries| {
            // Nobody may have got or been refused a mail before, nor may the operator have asked for it.
            let known = entries.get(&delivery_key(id))?;
            let is_new = begun <= 1 || known == Some(ended(begun - 1, true));
            if !is_new || asked > 0 && asked + 1 >= begun {
                return Ok(false);
            }
            entries.put(&delivery_key(id), &ended(begun, true), self.until(entries))?;
            Ok(true)
        });
        waits.unwrap_or(false).then_some(why)
    }

    /// The attempt has ended before there were mails, and the delivery is not done.
    pub(super) fn nobody_was_tried(&self, now: Micros, attempt: &Attempt) {
        let Attempt { id, begun, .. } = *attempt;
        let changed = self.ledger.change(now, |entries| {
            let known = entries.get(&delivery_key(id))?;
            let is_new = begun <= 1 || known == Some(ended(begun - 1, true));
            // After one that vanished this one cannot say what became of it.
            if is_new || known == Some(ended(begun - 1, false)) {
                entries.put(
                    &delivery_key(id),
                    &ended(begun, is_new),
                    self.until(entries),
                )?;
            }
            Ok(())
        });
        if let Err(error) = changed {
            warn!("ledger: {error}");
        }
    }

    /// What becomes of each recipient of each mail in this attempt.
    ///
    /// # Errors
    /// When there is neither disk nor memory.
    pub(super) fn admit(
        &self,
        now: Micros,
        attempt: &Attempt,
        account: &Account<'_>,
        mails: &[Mail],
    ) -> rusqlite::Result<Vec<Vec<Recipient>>> {
        let limited = |mail: &Mail| !self.limits.are_off(!mail.owner.is_empty());
        let needs_ledger = attempt.begun > 1
            || mails
                .iter()
                .any(|mail| mail.once.is_some() || limited(mail));
        if !needs_ledger {
            return self.each(account, mails, |_, seat| {
                Ok(match seat.without_ledger() {
                    Some(standing) => Recipient::new(State::New, standing),
                    None => Recipient::new(State::Admitted, Standing::Go),
                })
            });
        }
        let (all, told) = self.ledger.change(now, |entries| {
            let through = match attempt.begun {
                ..=1 => 0,
                _ => through(entries, attempt.id)?,
            };
            let mut told = Vec::new();
            let all = self.each(account, mails, |mail, seat| {
                let state = known(entries, attempt, through, &seat)?;
                self.admit_one(entries, attempt, account, mail, &seat, state, &mut told)
            })?;
            Ok((all, told))
        })?;
        told.iter().for_each(|line| warn!("{line}"));
        Ok(all)
    }

    /// Calls `decide` for each recipient of each mail.
    fn each(
        &self,
        account: &Account<'_>,
        mails: &[Mail],
        mut decide: impl FnMut(&Mail, Seat<'_>) -> rusqlite::Result<Recipient>,
    ) -> rusqlite::Result<Vec<Vec<Recipient>>> {
        let time = SystemTime::now();
        let mut mailboxes = BTreeSet::new();
        let mut all = Vec::with_capacity(mails.len());
        for (n, mail) in mails.iter().enumerate() {
            let late = mail.until.is_some_and(|until| time > until);
            let mut recipients = Vec::with_capacity(mail.recipients.len());
            for to in &mail.recipients {
                let mailbox = self.mailboxes.of_address(to, account.user);
                let seat = Seat {
                    n,
                    to,
                    late,
                    doubled: !mailboxes.insert(mailbox.clone()),
                    mailbox,
                };
                recipients.push(decide(mail, seat)?);
            }
            all.push(recipients);
        }
        Ok(all)
    }

    #[allow(clippy::too_many_arguments, reason = "one step of `admit`")]
    fn admit_one(
        &self,
        entries: &Entries<'_>,
        attempt: &Attempt,
        account: &Account<'_>,
        mail: &Mail,
        seat: &Seat<'_>,
        state: State,
        told: &mut Vec<String>,
    ) -> rusqlite::Result<Recipient> {
        let standing = match &state {
            State::Sent | State::GivenUp => Some(Standing::Done),
            State::Refused(_) | State::CopyRefused(_) => Some(Standing::Done),
            _ => seat.without_ledger(),
        };
        if let Some(standing) = standing {
            return Ok(Recipient::new(state, standing));
        }
        let id = attempt.id.to_be_bytes();
        if let Some(once) = &mail.once
            && state != State::Admitted
            && let had = entries.get(&once_key(once, &seat.mailbox))?
            && had.is_some_and(|who| who != id)
        {
            return Ok(Recipient::new(state, Standing::Repeat));
        }
        let owned = !mail.owner.is_empty();
        if state == State::New
            && !self.limits.are_off(owned)
            && let Some(empty) =
                self.limits
                    .take(entries, &self.mailboxes, account, owned, seat.to, told)?
        {
            let why = empty.why.clone();
            self.remember(empty);
            return Ok(Recipient::new(state, Standing::Limited(why)));
        }
        if let Some(once) = &mail.once {
            let until = entries.now().saturating_add(micros(once.keep));
            entries.put(&once_key(once, &seat.mailbox), &id, until)?;
        }
        let standing = match state {
            State::Unknown => Standing::Again,
            _ => Standing::Go,
        };
        Ok(Recipient::new(state.next(Event::Admitted), standing))
    }

    /// Writes down what is known of the recipients of the mail `n` now.
    pub(super) fn record(
        &self,
        now: Micros,
        attempt: &Attempt,
        account: &Account<'_>,
        n: usize,
        mail: &Mail,
        recipients: &[Recipient],
    ) {
        let changed = self.ledger.change(now, |entries| {
            self.record_one(entries, attempt, account, n, mail, recipients)
        });
        if let Err(error) = changed {
            warn!("ledger: {error}");
        }
    }

    /// The attempt has ended, and the delivery is not done: writes down that all of it is known.
    pub(super) fn record_all(
        &self,
        now: Micros,
        attempt: &Attempt,
        account: &Account<'_>,
        mails: &[Mail],
        all: &[Vec<Recipient>],
    ) {
        let changed = self.ledger.change(now, |entries| {
            for (n, (mail, recipients)) in mails.iter().zip(all).enumerate() {
                self.record_one(entries, attempt, account, n, mail, recipients)?;
            }
            let through = through(entries, attempt.id)?;
            if through > attempt.begun {
                return Ok(());
            }
            let is_new = all.iter().flatten().all(|one| one.state == State::New);
            let value = ended(attempt.begun, is_new);
            entries.put(&delivery_key(attempt.id), &value, self.until(entries))
        });
        if let Err(error) = changed {
            warn!("ledger: {error}");
        }
    }

    fn record_one(
        &self,
        entries: &Entries<'_>,
        attempt: &Attempt,
        account: &Account<'_>,
        n: usize,
        mail: &Mail,
        recipients: &[Recipient],
    ) -> rusqlite::Result<()> {
        for (to, recipient) in mail.recipients.iter().zip(recipients) {
            // Should the process die now, nobody knows what became of a submission that is still to come.
            if recipient.is_pending() {
                continue;
            }
            let Some(value) = recipient.state.written(attempt.begun) else {
                continue;
            };
            let key = progress_key(attempt.id, n, to);
            let is_sent = recipient.state == State::Sent;
            // This attempt may be one that was abandoned, and ended all the same after a later one.
            let is_old = match entries.get(&key)?.map(|value| State::read(&value)) {
                Some((State::Sent, _)) => true,
                Some((_, Some(written))) => written > attempt.begun,
                _ => false,
            };
            if is_old && !is_sent {
                continue;
            }
            entries.put(&key, &value, self.until(entries))?;
            // Who was refused has it from nobody: another delivery may try.
            if let (Some(once), Standing::Go, State::Refused(_)) =
                (&mail.once, &recipient.standing, &recipient.state)
            {
                let mailbox = self.mailboxes.of_address(to, account.user);
                let key = once_key(once, &mailbox);
                if entries.get(&key)?.as_deref() == Some(&attempt.id.to_be_bytes()) {
                    entries.remove(&key)?;
                }
            }
        }
        let sent_now = |one: &Recipient| matches!(one.answer, Some(Answer::Sent(_)));
        if recipients.iter().any(sent_now) {
            for entry in &mail.remember {
                entries.put(&entry.key, &entry.value, entry.until)?;
            }
        }
        Ok(())
    }

    /// A bucket was found empty.
    fn remember(&self, found: Empty) {
        let mut empty = self.empty.lock().unwrap_or_else(PoisonError::into_inner);
        if empty.len() >= EMPTY {
            empty.clear();
        }
        empty.insert(found.key.clone(), found);
    }

    fn until(&self, entries: &Entries<'_>) -> Micros {
        entries.now().saturating_add(self.keep)
    }
}

/// One recipient's place in a delivery.
struct Seat<'a> {
    /// Which mail, from 0.
    n: usize,
    to: &'a Address,
    /// The mailbox that the address names.
    mailbox: String,
    /// An address before names the same one.
    doubled: bool,
    /// It is too late for the mail.
    late: bool,
}

impl Seat<'_> {
    /// Why there is no mail, as far as that can be said without the ledger.
    fn without_ledger(&self) -> Option<Standing> {
        match (self.doubled, self.late) {
            (true, _) => Some(Standing::Repeat),
            (false, true) => Some(Standing::TooLate),
            (false, false) => None,
        }
    }
}

/// What is known of a recipient as the attempt begins.
fn known(
    entries: &Entries<'_>,
    attempt: &Attempt,
    through: u32,
    seat: &Seat<'_>,
) -> rusqlite::Result<State> {
    let Attempt { id, begun, asked } = *attempt;
    if begun <= 1 {
        return Ok(State::New);
    }
    let key = progress_key(id, seat.n, seat.to);
    let Some(value) = entries.get(&key)? else {
        return Ok(State::New.caught_up(through, asked, begun));
    };
    match State::read(&value) {
        (state, Some(written)) => Ok(state.caught_up(written.max(through), asked, begun)),
        // From 0.1.0, and right until now; from now on it must be known when it was written.
        (state, None) => {
            if let Some(value) = state.written(begun - 1) {
                entries.put(&key, &value, entries.now().saturating_add(PROGRESS))?;
            }
            Ok(state)
        }
    }
}

/// The last attempt of a delivery of which all is written down; 0 for none.
fn through(entries: &Entries<'_>, id: i64) -> rusqlite::Result<u32> {
    let value = entries.get(&delivery_key(id))?;
    let through = value.and_then(|value| value.first_chunk().copied());
    Ok(through.map_or(0, u32::from_be_bytes))
}

/// What stands for a delivery: attempt `begun` has ended, all of it is written down, and nobody was tried until now.
fn ended(begun: u32, is_new: bool) -> Vec<u8> {
    [begun.to_be_bytes().as_slice(), &[u8::from(is_new)]].concat()
}

fn delivery_key(id: i64) -> Vec<u8> {
    [b"P".as_slice(), &id.to_be_bytes()].concat()
}

fn progress_key(id: i64, n: usize, to: &Address) -> Vec<u8> {
    let n = u32::try_from(n).unwrap_or(u32::MAX);
    [
        &delivery_key(id),
        n.to_be_bytes().as_slice(),
        to.key().as_bytes(),
    ]
    .concat()
}

fn once_key(once: &Once, mailbox: &str) -> Vec<u8> {
    [b"O", once.key.as_slice(), b"\0", mailbox.as_bytes()].concat()
}

fn micros(time: Duration) -> Micros {
    Micros::try_from(time.as_micros()).unwrap_or(Micros::MAX)
}

#[cfg(test)]
mod tests;
