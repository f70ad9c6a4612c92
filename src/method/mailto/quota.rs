//! Mail for mailboxes that fill up: events `QuotaExceed`, `QuotaWithin`, `QuotaChange` (RFC 5423 section 4.1).
//!
//! What is remembered of each quota, for storage and messages apart, is the percentage that was reached last, of those
//! that notifyd.toml names. A higher one is a mail, and is written down when that was sent; a lower one is written
//! down at once. `QuotaExceed` says that something was refused, whatever is used: it counts as the highest one, each time.
//! The same percentage has no second mail within `grace`, by [`Once`].
//!
//! One mail a delivery: when both resources reach something the worse one is told, and the other by the next event.

use super::super::Delivery;
use super::mail::{Change, Composed, Entry, Mail, Notes, Once};
use super::notice::{self, digest, server, targets_or_user, until};
use super::office::Office;
use crate::event::{Event, EventKind, Param};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

/// Before the key of a quota in the ledger.
const KEY: &[u8] = b"Q";
/// How long a quota that nothing is heard of is known.
const KEEP: Duration = Duration::from_secs(400 * 86_400);

/// The mail that `delivery` leads to.
pub(super) fn compose(office: &Office, delivery: &Delivery, notes: &mut Notes) -> Composed {
    let event = match Event::parse(&delivery.notification.message) {
        Ok(event) => event,
        Err(error) => return Composed::Wrong(error.to_string()),
    };
    let user = event.text(Param::User).unwrap_or_default().into_owned();
    let quota = Quota {
        user: user.clone(),
        root: root(&event),
    };
    let usages = usages(&event);
    if usages.is_empty() {
        return Composed::Nothing(silent(&event).into());
    }
    let exceeded = *event.kind() == EventKind::QuotaExceed;
    let Some(crossing) = crossing(office, &quota, &usages, exceeded, notes) else {
        return Composed::Nothing("no percentage was reached that is not known".into());
    };
    let to = match targets_or_user(office, &office.config.quota.to.0, user.as_bytes()) {
        Ok(to) => to,
        // A shared folder's.
        Err(why) if user.is_empty() => return Composed::Nothing(format!("no recipient: {why}")),
        Err(why) => return Composed::Wrong(format!("no recipient: {why}")),
    };
    let values = values(office, &event, &quota, &crossing);
    let words = office.words("quota", user.as_bytes(), &values);
    let Some(message) = notice::message(office, delivery, 0, &to, &words, &[]) else {
        return Composed::Wrong(notice::UNWRITABLE.into());
    };
    let resource = crossing.usage.resource;
    Composed::Mails(vec![Mail {
        sender: None,
        recipients: to,
        message,
        // Not the user's doing: what he may send by his scripts is left to him.
        owner: Vec::new(),
        once: Some(Once {
            key: quota.digest(&[b"told", resource.as_bytes(), &[crossing.threshold]]),
            keep: office.config.quota.grace.0,
        }),
        until: None,
        wanted: None,
        remember: vec![Entry {
            key: quota.key(resource),
            value: vec![crossing.threshold],
            until: until(SystemTime::now(), KEEP),
        }],
    }])
}

/// Whose quota.
struct Quota {
    user: String,
    root: String,
}

impl Quota {
    fn key(&self, resource: &str) -> Vec<u8> {
        [KEY, &self.digest(&[resource.as_bytes()])].concat()
    }

    fn digest(&self, more: &[&[u8]]) -> Vec<u8> {
        let parts = [
            b"quota".as_slice(),
            self.user.as_bytes(),
            self.root.as_bytes(),
        ];
        digest(&[&parts, more].concat())
    }
}

/// The quota's root, such as `user/bob`.
fn root(event: &Event<'_>) -> String {
    let mailbox = event.url(Param::Uri).and_then(|url| url.mailbox);
    mailbox.unwrap_or_else(|| event.text(Param::Uri).unwrap_or_default().into_owned())
}

/// What is used of a limit: KiB, or messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Usage {
    resource: &'static str,
    used: u64,
    limit: u64,
}

impl Usage {
    fn percent(self) -> u64 {
        match (self.used, self.limit) {
            (0, 0) => 0,
            (_, 0) => 100,
            (used, limit) => {
                u64::try_from(u128::from(used) * 100 / u128::from(limit)).unwrap_or(u64::MAX)
            }
        }
    }
}

/// The resources that have a limit, and of which the event says what is used.
fn usages(event: &Event<'_>) -> Vec<Usage> {
    let number = |param| {
        event
            .number(param)
            .and_then(|number| u64::try_from(number).ok())
    };
    let all = [
        ("storage", Param::DiskUsed, Param::DiskQuota),
        ("messages", Param::Messages, Param::MaxMessages),
    ];
    let one = |(resource, used, limit)| {
        Some(Usage {
            resource,
            used: number(used)?,
            limit: number(limit)?,
        })
    };
    all.into_iter().filter_map(one).collect()
}

/// Why there is nothing to be said of an event without usages.
fn silent(event: &Event<'_>) -> &'static str {
    let limited = event
        .number(Param::DiskQuota)
        .is_some_and(|limit| limit >= 0);
    match limited && event.number(Param::DiskUsed).is_none() {
        true => "it does not say what is used: event_extra_params of imapd.conf needs diskUsed",
        false => "there is no limit",
    }
}

/// A percentage that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Crossing {
    usage: Usage,
    threshold: u8,
    exceeded: bool,
}

/// The worst thing that is to be told. What has become better is noted.
fn crossing(
    office: &Office,
    quota: &Quota,
    usages: &[Usage],
    exceeded: bool,
    notes: &mut Notes,
) -> Option<Crossing> {
    let percentages = &office.config.quota.percentages.0;
    // When the event has both resources, it is the fuller one that was exceeded.
    let worst = usages
        .iter()
        .rev()
        .max_by_key(|usage| usage.percent())
        .copied();
    let mut found = Vec::new();
    for &usage in usages {
        let exceeded = exceeded && worst == Some(usage);
        let threshold = match exceeded {
            true => percentages.last().copied(),
            false => reached(percentages, usage.percent()),
        };
        if rises(office, quota, usage, threshold.unwrap_or(0), notes) || exceeded {
            found.extend(threshold.map(|threshold| Crossing {
                usage,
                threshold,
                exceeded,
            }));
        }
    }
    let rank = |crossing: &Crossing| {
        (
            crossing.exceeded,
            crossing.threshold,
            crossing.usage.percent(),
        )
    };
    found.into_iter().rev().max_by_key(rank)
}

/// The highest of `percentages`, which rise, that is not above `percent`.
fn reached(percentages: &[u8], percent: u64) -> Option<u8> {
    let below = percentages.iter().rev().copied();
    below
        .into_iter()
        .find(|&threshold| u64::from(threshold) <= percent)
}

/// Whether `threshold` is higher than what is known. A lower one is noted.
fn rises(office: &Office, quota: &Quota, usage: Usage, threshold: u8, notes: &mut Notes) -> bool {
    let key = quota.key(usage.resource);
    let known = office.recall(&key, notes);
    let known = known.and_then(|value| value.first().copied()).unwrap_or(0);
    match threshold {
        0 if known > 0 => notes.changes.push(Change::Remove(key)),
        lower if lower < known => notes.changes.push(Change::Put(Entry {
            key,
            value: vec![lower],
            until: until(SystemTime::now(), KEEP),
        })),
        _ => {}
    }
    threshold > known
}

/// What the template gets.
fn values(office: &Office, event: &Event<'_>, quota: &Quota, crossing: &Crossing) -> Value {
    let usage = crossing.usage;
    let text = |number: u64| match usage.resource {
        "storage" => size(number),
        _ => number.to_string(),
    };
    json!({
        "user": quota.user,
        "root": quota.root,
        "resource": usage.resource,
        "used": usage.used,
        "limit": usage.limit,
        "used_text": text(usage.used),
        "limit_text": text(usage.limit),
        "percent": usage.percent(),
        "threshold": crossing.threshold,
        "exceeded": crossing.exceeded,
        "server": server(office, event.text(Param::ServerFqdn).as_deref()),
    })
}

/// `KiB` in the unit that people would use: `1.2 GiB`, `20 MiB`, `512 KiB`.
fn size(kib: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut number, mut unit) = (kib as f64, 0);
    while number >= 1024.0 && unit + 1 < UNITS.len() {
        number /= 1024.0;
        unit += 1;
    }
    // 9.96 would be shown as 10.0.
    let digits = usize::from(number < 9.95 && number.fract() >= 0.05);
    format!("{number:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests;
