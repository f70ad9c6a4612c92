//! No user can fill the spool for all others: each has a share of it, which counts when the spool is half full.
//!
//! Who has how much is known roughly, at a cost that does not depend on how many users there are: the housekeeper walks
//! through the table now and then and remembers those who have much, and what came since is added. An emptier spool is not
//! walked through. What it is not: an exact limit. A user may have more, until the spool is half full.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many owners are remembered; beyond that those with the least are forgotten.
const OWNERS: usize = 4096;
/// Who has less than this part of all is forgotten first.
const LITTLE: u64 = 1024;
/// What a row takes beside its notification, in bytes, roughly.
const ROW: u64 = 512;

/// Whose a delivery is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A user's of Cyrus.
    User(Vec<u8>),
    /// Nobody's; it was sent by this user of the machine, who is neither root nor Cyrus.
    Sender(u32),
}

impl Owner {
    /// The owner of what names this user and was sent by this uid. `None` for what Cyrus itself sends and nobody owns: it
    /// has no share.
    #[must_use]
    pub fn of(user: Option<&[u8]>, uid: Option<u32>) -> Option<Owner> {
        let is_cyrus = |uid: &u32| *uid == 0 || *uid == rustix::process::geteuid().as_raw();
        match user {
            Some(user) => Some(Owner::User(user.to_vec())),
            None => uid.filter(|uid| !is_cyrus(uid)).map(Owner::Sender),
        }
    }
}

/// Rows, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl Use {
    /// One row with a notification of so many bytes.
    pub(super) fn row(notification: u64) -> Use {
        Use {
            rows: 1,
            bytes: notification + ROW,
        }
    }

    fn add(&mut self, other: Use) {
        self.rows += other.rows;
        self.bytes += other.bytes;
    }
}

/// What makes the spool full: rows and bytes, 0 for no limit; and how much of that one owner may have, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) percent: u64,
}

impl Full {
    /// Whether `used` is so many percent of what makes it full, or more.
    fn is_at(self, percent: u64, used: Use) -> bool {
        let at = |used, full| full > 0 && part(used) >= share(full, percent);
        at(used.rows, self.rows) || at(used.bytes, self.bytes)
    }

    /// Whether that is more than one owner may have. One row everybody may.
    fn is_over(self, has: Use) -> bool {
        let over = |has, full| full > 0 && part(has) > share(full, self.percent);
        has.rows > 1 && (over(has.rows, self.rows) || over(has.bytes, self.bytes))
    }
}

fn part(number: u64) -> u128 {
    u128::from(number) * 100
}

fn share(full: u64, percent: u64) -> u128 {
    u128::from(full) * u128::from(percent)
}

/// Who has how much.
#[derive(Debug, Default)]
pub(super) struct Shares {
    /// How much there was at the last look, and what came since.
    bytes: AtomicU64,
    rows: AtomicI64,
    owners: Mutex<Owners>,
}

#[derive(Debug, Default)]
struct Owners {
    /// At the last count.
    counted: HashMap<Owner, Use>,
    /// What came since.
    since: HashMap<Owner, Use>,
}

impl Shares {
    fn owners(&self) -> MutexGuard<'_, Owners> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn used(&self) -> Use {
        Use {
            rows: self.rows.load(Ordering::Relaxed).max(0).unsigned_abs(),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// Whether `owner` may have one row more; it has it then.
    pub(super) fn admits(&self, owner: Option<&Owner>, row: Use, full: Full) -> bool {
        self.rows.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(row.bytes, Ordering::Relaxed);
        let Some(owner) = owner.filter(|_| full.percent > 0) else {
            return true;
        };
        let mut owners = self.owners();
        let mut has = owners.counted.get(owner).copied().unwrap_or_default();
        has.add(owners.since.get(owner).copied().unwrap_or_default());
        has.add(row);
        if full.is_at(50, self.used()) && full.is_over(has) {
            return false;
        }
        add(&mut owners.since, owner, row);
        true
    }

    /// How much there is. Whether it is so much that owners are to be counted; else it is forgotten who has how much.
    pub(super) fn look(&self, used: Use, full: Full) -> bool {
        self.rows.store(used.rows.cast_signed(), Ordering::Relaxed);
        self.bytes.store(used.bytes, Ordering::Relaxed);
        let counts = full.percent > 0 && full.is_at(50, used);
        if !counts {
            *self.owners() = Owners::default();
        }
        counts
    }

    /// A count begins. What comes from now on may be in it or not; better counted twice until the next one.
    pub(super) fn begin_count(&self) {
        self.owners().since.clear();
    }

    /// What was counted.
    pub(super) fn end_count(&self, counted: HashMap<Owner, Use>) {
        self.owners().counted = counted;
    }
}

/// Adds to what `owner` has. When there are too many owners, those with little are forgotten: what they lack is a small part
/// of all, and a share is not.
pub(super) fn add(owners: &mut HashMap<Owner, Use>, owner: &Owner, more: Use) {
    if let Some(has) = owners.get_mut(owner) {
        has.add(more);
        return;
    }
    if owners.len() >= OWNERS {
        let mut all = Use::default();
        owners.values().for_each(|has| all.add(*has));
        owners.retain(|_, has| has.rows > all.rows / LITTLE || has.bytes > all.bytes / LITTLE);
    }
    owners.insert(owner.clone(), more);
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: Full = Full {
        rows: 100,
        bytes: 0,
        percent: 25,
    };

    fn user(name: &str) -> Option<Owner> {
        Owner::of(Some(name.as_bytes()), None)
    }

    fn admitted(shares: &Shares, owner: &Option<Owner>, rows: usize) -> usize {
        let admits = |_: &usize| shares.admits(owner.as_ref(), Use::row(100), FULL);
        (0..rows).filter(admits).count()
    }

    #[test]
    fn one_user_leaves_room_for_the_others() {
        let shares = Shares::default();
        assert_eq!(
            admitted(&shares, &user("eve"), 300),
            49,
            "until it is half full"
        );
        assert_eq!(admitted(&shares, &user("alice"), 40), 25, "her share");
        assert_eq!(admitted(&shares, &None, 40), 40, "Cyrus itself");
        assert!(!shares.look(Use { rows: 49, bytes: 0 }, FULL));
        assert_eq!(admitted(&shares, &user("eve"), 1), 1, "it is emptier again");
    }

    #[test]
    fn a_count_tells_who_has_much() {
        let shares = Shares::default();
        assert!(shares.look(Use { rows: 60, bytes: 0 }, FULL));
        shares.begin_count();
        let eve = Owner::User(b"eve".to_vec());
        shares.end_count(HashMap::from([(eve, Use { rows: 30, bytes: 0 })]));
        assert_eq!(admitted(&shares, &user("eve"), 9), 0);
        assert_eq!(admitted(&shares, &user("bob"), 9), 9);
        let none = Full { percent: 0, ..FULL };
        assert!(shares.admits(user("eve").as_ref(), Use::row(1), none));
    }

    #[test]
    fn everybody_may_have_one() {
        let full = Full { rows: 3, ..FULL };
        let shares = Shares::default();
        for name in ["a", "b", "c"] {
            assert!(shares.admits(user(name).as_ref(), Use::row(1), full));
        }
        assert!(!shares.admits(user("a").as_ref(), Use::row(1), full));
    }

    #[test]
    fn bytes_count_as_rows_do() {
        let full = Full {
            rows: 0,
            bytes: 100_000,
            percent: 10,
        };
        let shares = Shares::default();
        shares.look(
            Use {
                rows: 9,
                bytes: 50_000,
            },
            full,
        );
        let row = Use::row(4_000);
        let admits = |_: &usize| shares.admits(user("eve").as_ref(), row, full);
        assert_eq!((0..9).filter(admits).count(), 2);
    }

    #[test]
    fn many_users_take_no_more_memory_than_some() {
        let mut owners = HashMap::new();
        let eve = Owner::User(b"eve".to_vec());
        for number in 0..100_000u32 {
            add(&mut owners, &Owner::Sender(number), Use::row(10));
            if number % 2 == 0 {
                add(&mut owners, &eve, Use::row(10));
            }
        }
        assert!(owners.len() <= OWNERS);
        assert_eq!(owners[&eve].rows, 50_000);
    }

    #[test]
    fn what_cyrus_sends_for_nobody_has_no_share() {
        assert_eq!(Owner::of(None, Some(0)), None);
        assert_eq!(Owner::of(None, None), None);
        assert_eq!(Owner::of(None, Some(4711)), Some(Owner::Sender(4711)));
    }
}
