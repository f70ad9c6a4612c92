//! Which names have their notice after attempts to which the host manager has not answered.
//!
//! A notice has no answer of its own. When the host manager does not answer the question that follows, or too late, it may have
//! the notices or not: they are sent once more in a later attempt, and not again after that.

use crate::method::Delivery;
use crate::spool::ledger::Ledger;
use crate::spool::{Micros, now};
use log::warn;

/// How long it is remembered: longer than a delivery may be in the spool, as [`super::super::mailto`] does.
const KEEP: Micros = 30 * 24 * 3600 * 1_000_000;

/// What is known, in the order in which the names are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// So many of the first names get nothing more.
    pub(super) done: usize,
    /// So many have been sent their notice at least once.
    pub(super) sent: usize,
    /// Some of those that are done were sent it twice, and it is not certain that they have it.
    pub(super) unsure: bool,
}

impl Progress {
    /// After an attempt that began with the first name that was not done, has sent as far as `reached`, and knows that the host
    /// manager has read as far as `confirmed`.
    pub(super) fn after(self, confirmed: usize, reached: usize) -> Progress {
        let twice = self.sent.min(reached);
        let done = self.done.max(confirmed);
        Progress {
            done: done.max(twice),
            sent: self.sent.max(reached),
            unsure: self.unsure || twice > done,
        }
    }

    /// What is known of a delivery. When the operator asks for it once more, all get it once more.
    pub(super) fn load(ledger: &Ledger, delivery: &Delivery) -> Progress {
        if delivery.begun <= 1 || delivery.begun == delivery.asked + 1 {
            return Progress::default(); // the usual case costs nothing
        }
        let found = ledger.change(now(), |entries| entries.get(&key(delivery)));
        let found = found.unwrap_or_else(|error| {
            warn!("ledger: {error}");
            None
        });
        found
            .and_then(|bytes| Progress::decode(&bytes))
            .unwrap_or_default()
    }

    /// Remembers it.
    pub(super) fn save(self, ledger: &Ledger, delivery: &Delivery) {
        let (key, value) = (key(delivery), self.encode());
        let saved = ledger.change(now(), |entries| {
            entries.put(&key, &value, entries.now() + KEEP)
        });
        if let Err(error) = saved {
            warn!("ledger: {error}");
        }
    }

    fn encode(self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.unsure)];
        for number in [self.done, self.sent] {
            bytes.extend_from_slice(&(number as u64).to_be_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Progress> {
        let (unsure, numbers) = bytes.split_first()?;
        let (done, sent) = numbers.split_first_chunk::<8>()?;
        let number = |bytes: &[u8; 8]| usize::try_from(u64::from_be_bytes(*bytes)).ok();
        Some(Progress {
            done: number(done)?,
            sent: number(sent.first_chunk()?)?,
            unsure: *unsure != 0,
        })
    }
}

fn key(delivery: &Delivery) -> Vec<u8> {
    [b"Z".as_slice(), &delivery.id.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the host manager answers and when, no name is sent more than twice, and none twice that was confirmed.
        #[test]
        fn nobody_is_told_more_than_twice(total in 1..20usize, attempts in proptest::collection::vec((0..30usize, 0..30usize), 1..40)) {
            let mut progress = Progress::default();
            let mut told = vec![0; total];
            let mut confirmed_until = 0;
            for (reached, confirmed) in attempts {
                if progress.done == total {
                    break;
                }
                let reached = (progress.done + reached).min(total);
                let confirmed = (progress.done + confirmed).min(reached);
                for (name, count) in told.iter_mut().enumerate().take(reached).skip(progress.done) {
                    prop_assert!(name >= confirmed_until, "{} has it", name);
                    *count += 1;
                }
                confirmed_until = confirmed_until.max(if confirmed > progress.done { confirmed } else { 0 });
                progress = progress.after(confirmed, reached);
                prop_assert_eq!(Progress::decode(&progress.encode()), Some(progress));
                prop_assert!(told.iter().all(|count| *count <= 2), "{:?}", told);
                prop_assert!(told[..progress.done].iter().all(|count| *count > 0));
            }
        }
    }
}
