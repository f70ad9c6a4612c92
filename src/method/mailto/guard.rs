//! Who gets a mail, and whether he gets it now: nobody twice, nobody more than his share.
//!
//! All of it is in the ledger, so that it holds over restarts. Keys begin with a letter: `P` how far a delivery has come
//! with a recipient, `O` what was sent once, `B` what is left of a limit, `W` who was told that a limit is reached,
//! `K` and `T` see [`super::owner`], `Q` quota, `S` networks.
//!
//! A recipient goes through states: tried, when it is not known whether he got the mail, because the answer was lost;
//! sent; or admitted again. Nothing is written before a first attempt, and nothing after one that is a whole success: the
//! spool counts attempts before they begin, and forgets the delivery when it is done. So who is found in no state at a
//! later attempt got the mail perhaps, too: the daemon died in the one before. He gets it once more, with a
//! note in it, and then never again by itself (RFC 5436 section 2.7 wants no second submission).

use super::mail::{Mail, Once};
use super::transport::Answer;
use crate::config::toml::Mailto;
use crate::mail::address::Address;
use crate::spool::Micros;
use crate::spool::ledger::{Entries, Ledger};
use crate::system::syslog::printable;
use log::warn;
use std::sync::Arc;

const HOUR: Micros = 3_600_000_000;
/// How long the state of a delivery is known: longer than a failed one is kept by default.
const PROGRESS: Micros = 30 * 24 * HOUR;
/// The same for who has it. It is known anew at each attempt that others need; and when the daemon dies before the
/// spool knows that a delivery is done, it comes once more.
const KNOWN_SENT: Micros = 48 * HOUR;

const ADMITTED: u8 = b'a';
const TRIED: u8 = b't';
const TRIED_AGAIN: u8 = b'u';
const SENT: u8 = b's';
const REFUSED: u8 = b'r';
const HELD: u8 = b'h';
/// Above a limit, while others are tried again.
const WAITING: u8 = b'w';

/// How it stands with a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// He shall get it.
    Go,
    /// He shall get it, though he may have it already.
    Again,
    /// He has it.
    Has,
    /// He had the same by another delivery.
    Repeat,
    /// He never gets it, as was found before.
    Refused,
    /// He may have it, and it is not tried again.
    GivenUp,
    /// He does not get it now: why.
    Held(String),
}

/// The guard at the door.
pub(super) struct Guard {
    ledger: Arc<Ledger>,
    owner_limit: u64,
    recipient_limit: u64,
}

impl Guard {
    pub(super) fn new(ledger: Arc<Ledger>, config: &Mailto) -> Guard {
        Guard {
            ledger,
            owner_limit: config.owner_limit.0,
            recipient_limit: config.recipient_limit.0,
        }
    }

    /// How it stands with each recipient of the mail `n` of delivery `id` at this attempt, from 1. Who shall get it at a
    /// later one than the first is marked as tried.
    ///
    /// # Errors
    /// When there is neither disk nor memory.
    pub(super) fn admit(
        &self,
        now: Micros,
        id: i64,
        attempt: u32,
        n: usize,
        mail: &Mail,
    ) -> rusqlite::Result<Vec<Standing>> {
        let unlimited =
            self.recipient_limit == 0 && (self.owner_limit == 0 || mail.owner.is_empty());
        if attempt <= 1 && unlimited && mail.once.is_none() {
            return Ok(vec![Standing::Go; mail.recipients.len()]);
        }
        let (standings, told) = self.ledger.change(now, |entries| {
            let mut told = Vec::new();
            let standings: rusqlite::Result<Vec<Standing>> = mail
                .recipients
                .iter()
                .map(|to| match attempt {
                    // An attempt that ended on hold does not count: this may be a released one.
                    ..=1 if is_held(entries, id, n, to)? => {
                        if let Some(once) = &mail.once {
                            remember(entries, once, id, to)?;
                        }
                        Ok(Standing::Go)
                    }
                    ..=1 => self.first(entries, id, mail, to, &mut told),
                    _ => self.again(entries, id, n, mail, to, &mut told),
                })
                .collect();
            Ok((standings?, told))
        })?;
        told.iter().for_each(|line| warn!("{line}"));
        Ok(standings)
    }

    /// At the first attempt, or at a later one of which nothing else is known.
    fn first(
        &self,
        entries: &Entries<'_>,
        id: i64,
        mail: &Mail,
        to: &Address,
        told: &mut Vec<String>,
    ) -> rusqlite::Result<Standing> {
        let Some(once) = &mail.once else {
            return Ok(match self.over_limit(entries, &mail.owner, to, told)? {
                Some(why) => Standing::Held(why),
                None => Standing::Go,
            });
        };
        let had = entries.get(&once_key(once, to))?;
        if had.is_some_and(|who| who != id.to_be_bytes()) {
            return Ok(Standing::Repeat);
        }
        if let Some(why) = self.over_limit(entries, &mail.owner, to, told)? {
            return Ok(Standing::Held(why));
        }
        remember(entries, once, id, to)?;
        Ok(Standing::Go)
    }

    fn again(
        &self,
        entries: &Entries<'_>,
        id: i64,
        n: usize,
        mail: &Mail,
        to: &Address,
        told: &mut Vec<String>,
    ) -> rusqlite::Result<Standing> {
        let progress = progress_key(id, n, to);
        let known = entries.get(&progress)?;
        let (standing, state) = match known.and_then(|state| state.first().copied()) {
            Some(SENT) => (Standing::Has, SENT),
            Some(REFUSED) => return Ok(Standing::Refused),
            Some(TRIED_AGAIN) => return Ok(Standing::GivenUp),
            Some(WAITING) => match self.first(entries, id, mail, to, told)? {
                Standing::Go => (Standing::Go, TRIED),
                other => return Ok(other),
            },
            Some(TRIED) => (Standing::Again, TRIED_AGAIN),
            // Held, and here again: the operator has released it.
            Some(_) => (Standing::Go, TRIED),
            // The daemon died in the attempt before. Unless it was the same of another delivery that came first.
            None => match &mail.once {
                Some(once)
                    if entries
                        .get(&once_key(once, to))?
                        .is_some_and(|who| who != id.to_be_bytes()) =>
                {
                    return Ok(Standing::Repeat);
                }
                _ => (Standing::Again, TRIED_AGAIN),
            },
        };
        if let (Some(once), Standing::Go | Standing::Again) = (&mail.once, &standing) {
            remember(entries, once, id, to)?;
        }
        let keep = if state == SENT { KNOWN_SENT } else { PROGRESS };
        entries.put(&progress, &[state], entries.now() + keep)?;
        Ok(standing)
    }

    /// Takes one from what is left of both limits, or says which one is reached.
    fn over_limit(
        &self,
        entries: &Entries<'_>,
        owner: &[u8],
        to: &Address,
        told: &mut Vec<String>,
    ) -> rusqlite::Result<Option<String>> {
        let address = to.key();
        let mut limits = Vec::new();
        if !owner.is_empty() {
            limits.push(("on behalf of user ", owner, b"o", self.owner_limit));
        }
        limits.push(("to ", address.as_bytes(), b"r", self.recipient_limit));
        limits.retain(|(.., limit)| *limit > 0);
        let mut left = Vec::new();
        for (what, who, letter, limit) in limits {
            let key = [b"B".as_slice(), letter, who].concat();
            let have = left_now(entries, &key, limit)?;
            if have < 1.0 {
                let who = printable(who, 300);
                let why = format!("over the limit of {limit} mails an hour {what}{who}");
                let warned = [b"W".as_slice(), letter, key.as_slice()].concat();
                if entries.get(&warned)?.is_none() {
                    entries.put(&warned, b"", entries.now() + HOUR)?;
                    told.push(format!(
                        "mailto: {limit} mails were sent within an hour {what}{who}: the rest is held; see notifyctl queue --state hold"
                    ));
                }
                return Ok(Some(why));
            }
            left.push((key, have));
        }
        for (key, have) in left {
            let value = (have - 1.0).to_be_bytes();
            let value = [value.as_slice(), &entries.now().to_be_bytes()].concat();
            entries.put(&key, &value, entries.now() + HOUR)?;
        }
        Ok(None)
    }

    /// Writes down what became of the mail `n` of delivery `id` for those that it was tried for.
    ///
    /// # Errors
    /// When there is neither disk nor memory.
    pub(super) fn settle<'a>(
        &self,
        now: Micros,
        id: i64,
        n: usize,
        mail: &Mail,
        answers: impl Iterator<Item = (&'a Address, &'a Answer)> + Clone,
    ) -> rusqlite::Result<()> {
        self.ledger.change(now, |entries| {
            for (to, answer) in answers.clone() {
                let key = progress_key(id, n, to);
                let state = match answer {
                    // Nobody has this one, but perhaps the one before.
                    Answer::Temporary(_)
                        if entries.get(&key)?.as_deref() == Some(&[TRIED_AGAIN]) =>
                    {
                        TRIED
                    }
                    Answer::Sent(_) => SENT,
                    Answer::Temporary(_) => ADMITTED,
                    Answer::Permanent(_) => REFUSED,
                    Answer::Lost(_) if entries.get(&key)?.as_deref() == Some(&[TRIED_AGAIN]) => {
                        continue;
                    }
                    Answer::Lost(_) => TRIED,
                };
                if let (REFUSED, Some(once)) = (state, &mail.once) {
                    entries.remove(&once_key(once, to))?;
                }
                let keep = if state == SENT { KNOWN_SENT } else { PROGRESS };
                entries.put(&key, &[state], now + keep)?;
            }
            let all_sent = answers.clone().all(|(_, a)| matches!(a, Answer::Sent(_)));
            if all_sent {
                for entry in &mail.remember {
                    entries.put(&entry.key, &entry.value, entry.until)?;
                }
            }
            Ok(())
        })
    }

    /// Those of the mail `n` of delivery `id` who are above a limit wait, because others are tried again.
    pub(super) fn wait(&self, now: Micros, id: i64, n: usize, held: &[&Address]) {
        let changed = self.ledger.change(now, |entries| {
            held.iter().try_for_each(|to| {
                entries.put(&progress_key(id, n, to), &[WAITING], now + PROGRESS)
            })
        });
        if let Err(error) = changed {
            warn!("ledger: {error}");
        }
    }

    /// Delivery `id` is left to the operator. When it comes again he wants it: who got it does not get it, and for the
    /// others nothing that was found counts.
    pub(super) fn leave_to_operator(&self, now: Micros, id: i64, mails: &[Mail]) {
        let changed = self.ledger.change(now, |entries| {
            for (n, mail) in mails.iter().enumerate() {
                for to in &mail.recipients {
                    let key = progress_key(id, n, to);
                    if entries.get(&key)?.as_deref() != Some(&[SENT]) {
                        entries.put(&key, &[HELD], now + PROGRESS)?;
                    }
                }
            }
            Ok(())
        });
        if let Err(error) = changed {
            warn!("ledger: {error}");
        }
    }
}

/// Whether delivery `id` was put on hold because of `to`.
fn is_held(entries: &Entries<'_>, id: i64, n: usize, to: &Address) -> rusqlite::Result<bool> {
    Ok(entries.get(&progress_key(id, n, to))?.as_deref() == Some(&[HELD]))
}

/// What is left under `key` of `limit` an hour.
fn left_now(entries: &Entries<'_>, key: &[u8], limit: u64) -> rusqlite::Result<f64> {
    let limit = limit as f64;
    let Some(value) = entries.get(key)? else {
        return Ok(limit);
    };
    let (Some(have), Some(then)) = (value.first_chunk::<8>(), value.last_chunk::<8>()) else {
        return Ok(limit);
    };
    let (have, then) = (f64::from_be_bytes(*have), Micros::from_be_bytes(*then));
    let passed = (entries.now() - then).max(0) as f64 / HOUR as f64;
    Ok((have + passed * limit).min(limit))
}

fn progress_key(id: i64, n: usize, to: &Address) -> Vec<u8> {
    let n = u32::try_from(n).unwrap_or(u32::MAX);
    [
        b"P".as_slice(),
        &id.to_be_bytes(),
        &n.to_be_bytes(),
        to.key().as_bytes(),
    ]
    .concat()
}

/// `to` has, or will have, what is known as `once`.
fn remember(entries: &Entries<'_>, once: &Once, id: i64, to: &Address) -> rusqlite::Result<()> {
    let keep = Micros::try_from(once.keep.as_micros()).unwrap_or(Micros::MAX);
    let until = entries.now().saturating_add(keep);
    entries.put(&once_key(once, to), &id.to_be_bytes(), until)
}

fn once_key(once: &Once, to: &Address) -> Vec<u8> {
    [b"O", once.key.as_slice(), b"\0", to.key().as_bytes()].concat()
}

#[cfg(test)]
mod tests;
