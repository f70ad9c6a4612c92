//! How many mails an hour one user may have sent, and to one mailbox.
//!
//! A limit is a bucket that holds an hour's mails and fills up evenly. There is one for each kind of mail and user, and one
//! for each kind, user and mailbox: what scripts send to somebody takes nothing from what the server itself has to say
//! (a sign-in, a quota, an alarm), and who writes to one user takes nothing from another.

use super::mailbox::Mailboxes;
use super::notice::digest;
use super::occasion::Occasion;
use crate::config::toml::Mailto;
use crate::mail::address::Address;
use crate::spool::Micros;
use crate::spool::ledger::Entries;
use crate::system::syslog::printable;

pub(super) const HOUR: Micros = 3_600_000_000;

/// Whom a delivery counts for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account<'a> {
    /// What its mails are about.
    pub(super) kind: Occasion,
    /// The user whose script, calendar or mailbox it is; may be empty.
    pub(super) user: &'a [u8],
}

/// The limits that notifyd.toml sets, in mails an hour; 0 for none.
pub(super) struct Limits {
    owner: u64,
    recipient: u64,
}

/// A bucket.
struct Bucket {
    key: Vec<u8>,
    limit: u64,
    /// Whose mails it counts, for the log.
    whose: String,
}

/// A bucket in which there was nothing left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Empty {
    pub(super) key: Vec<u8>,
    /// What the delivery waits for, for the log.
    pub(super) why: String,
    /// When that was.
    pub(super) at: Micros,
    /// Until when it stays so.
    pub(super) until: Micros,
}

/// What a bucket holds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Level {
    /// How many mails may still be sent.
    left: f64,
    /// When that was so.
    at: Micros,
}

impl Limits {
    pub(super) fn new(config: &Mailto) -> Limits {
        Limits {
            owner: config.owner_limit.0,
            recipient: config.recipient_limit.0,
        }
    }

    /// Whether no mail can be above a limit; `owned` are those that count for their user.
    pub(super) fn are_off(&self, owned: bool) -> bool {
        self.recipient == 0 && (self.owner == 0 || !owned)
    }

    /// The key of the bucket of a user's mails; none when there is no such limit, or the mails are not the user's.
    pub(super) fn owner_key(
        &self,
        mailboxes: &Mailboxes,
        account: &Account<'_>,
    ) -> Option<Vec<u8>> {
        let owned = match account.kind {
            Occasion::Sieve | Occasion::Alarm | Occasion::Imip => !account.user.is_empty(),
            Occasion::Quota | Occasion::NewMail | Occasion::SignIn => false,
        };
        (owned && self.owner > 0).then(|| key(mailboxes, account, b"o", &[]))
    }

    /// Takes one mail to `to` from both buckets, or says which one is empty. `owned`: the user has asked for the mail, so that
    /// it counts for the user as well. A line for the log is added to `told` once an hour and bucket.
    ///
    /// # Errors
    /// When there is neither disk nor memory.
    pub(super) fn take(
        &self,
        entries: &Entries<'_>,
        mailboxes: &Mailboxes,
        account: &Account<'_>,
        owned: bool,
        to: &Address,
        told: &mut Vec<String>,
    ) -> rusqlite::Result<Option<Empty>> {
        let mut levels = Vec::new();
        for bucket in self.buckets(mailboxes, account, owned, to) {
            let level = level(entries, &bucket)?;
            if level.left < 1.0 {
                tell(entries, &bucket, told)?;
                let Bucket { limit, whose, key } = bucket;
                let room = (1.0 - level.left) / limit as f64 * HOUR as f64;
                return Ok(Some(Empty {
                    key,
                    why: format!(
                        "over the limit of {limit} mails an hour {whose}; sent when there is room again"
                    ),
                    at: level.at,
                    until: level.at.saturating_add(room as Micros),
                }));
            }
            levels.push((bucket, level));
        }
        for (bucket, level) in levels {
            let left = level.left - 1.0;
            put(entries, &bucket, Level { left, ..level })?;
        }
        Ok(None)
    }

    fn buckets(
        &self,
        mailboxes: &Mailboxes,
        account: &Account<'_>,
        owned: bool,
        to: &Address,
    ) -> Vec<Bucket> {
        let bucket = |letter: &[u8], limit, parts: &[&[u8]], whose: String| Bucket {
            key: key(mailboxes, account, letter, parts),
            limit,
            whose,
        };
        let of = match account.user {
            b"" => String::new(),
            user => format!("on behalf of user {}", printable(user, 300)),
        };
        let mut all = Vec::new();
        if owned && self.owner > 0 {
            all.push(bucket(b"o", self.owner, &[], of.clone()));
        }
        if self.recipient > 0 {
            let mailbox = mailboxes.of_address(to, account.user);
            let whose = format!("to {} {of}", printable(to.key().as_bytes(), 300));
            let parts = [mailbox.as_bytes()];
            all.push(bucket(
                b"r",
                self.recipient,
                &parts,
                whose.trim_end().to_owned(),
            ));
        }
        all
    }
}

fn key(mailboxes: &Mailboxes, account: &Account<'_>, letter: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let user = mailboxes.of_user(account.user);
    let kind = format!("{:?}", account.kind);
    let digest = digest(&[&[kind.as_bytes(), &user], parts].concat());
    [b"B", letter, &digest].concat()
}

/// What is left in a bucket now. When the clock was set back since it was looked at, it goes on from now.
fn level(entries: &Entries<'_>, bucket: &Bucket) -> rusqlite::Result<Level> {
    let (now, full) = (entries.now(), bucket.limit as f64);
    let known = entries.get(&bucket.key)?;
    let known = known.and_then(|value| {
        let (left, at) = (value.first_chunk::<8>()?, value.last_chunk::<8>()?);
        Some(Level {
            left: f64::from_be_bytes(*left),
            at: Micros::from_be_bytes(*at),
        })
    });
    let Some(Level { left, at }) = known else {
        return Ok(Level {
            left: full,
            at: now,
        });
    };
    if at > now {
        put(entries, bucket, Level { left, at: now })?;
    }
    let passed = now.saturating_sub(at).max(0) as f64 / HOUR as f64;
    let left = (left + passed * full).min(full);
    Ok(Level { left, at: now })
}

fn put(entries: &Entries<'_>, bucket: &Bucket, level: Level) -> rusqlite::Result<()> {
    let value = [level.left.to_be_bytes(), level.at.to_be_bytes()].concat();
    entries.put(&bucket.key, &value, level.at.saturating_add(HOUR))
}

/// Says once an hour that a limit is reached.
fn tell(entries: &Entries<'_>, bucket: &Bucket, told: &mut Vec<String>) -> rusqlite::Result<()> {
    let (key, now) = ([b"W", bucket.key.as_slice()].concat(), entries.now());
    let said = entries.get(&key)?;
    let said = said.and_then(|at| Some(Micros::from_be_bytes(*at.first_chunk()?)));
    if said.is_some_and(|at| (0..HOUR).contains(&now.saturating_sub(at))) {
        return Ok(());
    }
    entries.put(&key, &now.to_be_bytes(), now.saturating_add(HOUR))?;
    let Bucket { limit, whose, .. } = bucket;
    told.push(format!(
        "mailto: {limit} mails were sent within an hour {whose}: the rest waits until there is room; see notifyctl queue --state deferred"
    ));
    Ok(())
}
