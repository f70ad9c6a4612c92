//! What comes in: from bytes to deliveries in the spool. The common part of both wire forms; how the bytes
//! are read is in `datagrams.rs` and `streams.rs`.

use super::commit::Wired;
use super::instances::Instances;
use super::monitor::Monitor;
use super::nameless::Nameless;
use super::route::route;
use super::staged::{Missing, Staged};
use crate::event::Front;
use crate::method::{self, Delivery, Kind, METHODS, Outcome};
use crate::spool::{self, NewRow, Owner, Spool};
use crate::system::cancel::Cancel;
use crate::system::folders::Folders;
use crate::system::socket::Arrival;
use crate::system::syslog::printable;
use crate::system::throttle::{Throttle, and_more};
use crate::wire::{Notification, datagram};
use log::{debug, warn};
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// How many lines a minute bad input of one sort may cost: each has its line, a flood has not.
const BAD: u32 = 100;

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Notifications that came, good and bad.
    pub received: u64,
    /// Those that could not be decoded.
    pub malformed: u64,
    /// Those that were longer than we read.
    pub truncated: u64,
    /// Those from a user who may not send.
    pub refused: u64,
    /// Those that named a method that does not exist.
    pub unknown_method: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "received={}, malformed={}, truncated={}, refused={}, unknown_method={}",
            self.received, self.malformed, self.truncated, self.refused, self.unknown_method
        )
    }
}

/// What has become of a notification that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Taken {
    /// Nothing of it is owed: it was done at once, or leads to no delivery.
    Done,
    /// It leads to deliveries, which the next commit decides about.
    Owed,
    /// It was dropped: its owner has had a share of the spool.
    OverShare,
    /// It was dropped by a bug of ours.
    Lost,
}

/// Takes notifications; collects the deliveries that they lead to.
pub struct Intake {
    spool: Arc<Spool>,
    wired: Wired,
    uid: u32,
    nameless: Nameless,
    owed: Vec<NewRow>,
    throttle: Throttle,
    /// Never raised: what is done at once does not wait.
    never: Cancel,
    monitor: Arc<Monitor>,
    staged: Staged,
    /// Something of the notification that is being taken was dropped, because its owner has had a share of the spool.
    over_share: bool,
    /// The next one is the first of its batch.
    first: bool,
}

impl Intake {
    /// An intake for `spool`.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn new(spool: Arc<Spool>, wired: Wired, monitor: Arc<Monitor>) -> io::Result<Intake> {
        Ok(Intake {
            spool,
            wired,
            uid: rustix::process::geteuid().as_raw(),
            nameless: Nameless::Refused,
            owed: Vec::new(),
            throttle: Throttle::default(),
            never: Cancel::new()?,
            monitor,
            staged: Staged::default(),
            over_share: false,
            first: true,
        })
    }

    /// What came so far.
    pub fn counts(&self) -> Counts {
        self.monitor.counts()
    }

    /// Whether `sender` may send: root, our own user, those in `allow_uids`, and for a while at the start whoever called
    /// `sendto(2)` before the kernel was asked to note who it is.
    pub fn allows(&mut self, arrival: Arrival) -> bool {
        if std::mem::take(&mut self.first) {
            self.monitor.looked_at(arrival);
        }
        let allowed = match arrival.sender {
            Some(sender) => {
                let uid = sender.uid;
                uid == 0 || uid == self.uid || self.wired.get().allowed.contains(&uid)
            }
            None => self.nameless.allowed(Instant::now()),
        };
        self.nameless.read();
        if !allowed {
            self.monitor
                .turned_away("refused", &"this user may not send", arrival);
            let text = format_args!(
                "notification refused: {} is neither root nor our own user, nor in allow_uids",
                from(arrival)
            );
            self.warn(b"refused", BAD, text);
        }
        allowed
    }

    /// Takes a datagram that was longer than we read: it is not whole, so nothing can be done with it.
    pub fn truncated(&mut self, arrival: Arrival) {
        self.monitor
            .turned_away("truncated", &"longer than 65536 bytes", arrival);
        self.warn(
            b"truncated",
            BAD,
            format_args!(
                "notification dropped: longer than 65536 bytes ({})",
                from(arrival)
            ),
        );
    }

    /// Takes something that is no notification.
    pub fn malformed(&mut self, why: &dyn fmt::Display, arrival: Arrival) {
        self.monitor.turned_away("malformed", why, arrival);
        self.warn(
            b"malformed",
            BAD,
            format_args!("malformed notify request: {why} ({})", from(arrival)),
        );
    }

    /// Takes one datagram. One that makes no sense is left when it is not `certain` that it was seen from its first byte; then
    /// false.
    pub fn datagram(&mut self, bytes: &[u8], arrival: Arrival, certain: bool) -> bool {
        match datagram::decode(bytes) {
            Ok(notification) => {
                let is_known = || {
                    let name = notification.method.as_slice();
                    name.is_empty() || method::find(name).is_some()
                };
                if !certain && !is_known() {
                    return false;
                }
                let _ = self.take(notification, arrival); // nobody waits for an answer
            }
            Err(_) if !certain => return false,
            Err(error) => self.malformed(&error, arrival),
        }
        true
    }

    /// Takes one notification: does it now, or owes it.
    pub fn take(&mut self, notification: Notification, arrival: Arrival) -> Taken {
        self.monitor.metrics.received.inc();
        let owed = self.owed.len();
        self.over_share = false;
        // A bug that one notification brings out costs that one; else it would end each process that finds it in the queue.
        let taken = catch_unwind(AssertUnwindSafe(|| self.handle(notification, arrival)));
        if taken.is_err() {
            for name in self.owed.drain(owed..).filter_map(|row| row.file) {
                self.spool.remove_message(&name);
            }
            self.monitor.metrics.malformed.inc();
            let text = format_args!(
                "internal error: a notification is dropped ({})",
                from(arrival)
            );
            self.warn(b"internal", BAD, text);
            return Taken::Lost;
        }
        if self.over_share {
            Taken::OverShare
        } else if self.owed.len() > owed {
            Taken::Owed
        } else {
            Taken::Done
        }
    }

    fn handle(&mut self, notification: Notification, arrival: Arrival) {
        let wiring = self.wired.get();
        let route = route(&notification, wiring.default, &wiring.config);
        if route.unknown {
            self.unknown(&notification, arrival);
        }
        for place in route.places() {
            if METHODS[place].immediate {
                continue;
            }
            if let Some(id) = self.owe(&METHODS[place], &notification, arrival) {
                self.monitor.routed(place, Some(id), &notification, arrival);
            }
        }
        // A notification names one method, and what is done at once wants no others.
        if let Some(place) = route.places().find(|place| METHODS[*place].immediate) {
            self.now(&wiring.instances, place, notification, arrival);
        }
    }

    /// Does it at once, or owes it after all when that is not possible now.
    fn now(
        &mut self,
        instances: &Instances,
        place: usize,
        notification: Notification,
        arrival: Arrival,
    ) {
        let kind = &METHODS[place];
        self.monitor.routed(place, None, &notification, arrival);
        let delivery = Delivery {
            id: 0,
            attempt: 1,
            begun: 1,
            asked: 0,
            received: SystemTime::now(),
            notification,
            message_file: PathBuf::new(),
        };
        match instances
            .get(place)
            .deliver(&delivery, kind.timeout, &self.never)
        {
            Outcome::Delivered(why) | Outcome::Discarded(why) => {
                self.monitor
                    .ended_at_once(place, true, &delivery.notification, &why);
            }
            Outcome::Temporary(why) => {
                self.warn(
                    kind.name.as_bytes(),
                    1,
                    format_args!("method {}: {why}; it is spooled", kind.name),
                );
                self.owe(kind, &delivery.notification, arrival);
            }
            Outcome::Permanent(why) | Outcome::Hold(why) | Outcome::Expired(why) => {
                self.monitor
                    .ended_at_once(place, false, &delivery.notification, &why);
                self.warn(
                    kind.name.as_bytes(),
                    1,
                    format_args!("method {}: failed: {why}", kind.name),
                );
            }
        }
    }

    fn unknown(&mut self, notification: &Notification, arrival: Arrival) {
        self.monitor.unknown(notification, arrival);
        let name = &notification.method;
        let shown = printable(name, 100);
        let class = printable(&notification.class, 100);
        // Names are anybody's: what is remembered of them is bounded.
        let key = [b"method ".as_slice(), &name[..name.len().min(100)]].concat();
        self.warn(
            &key,
            1,
            format_args!(
                "no method '{shown}' (class {class}, {}): notification dropped",
                from(arrival)
            ),
        );
    }

    /// Its id; `None` when its owner has had a share of the spool already.
    fn owe(
        &mut self,
        kind: &'static Kind,
        notification: &Notification,
        arrival: Arrival,
    ) -> Option<i64> {
        let uid = arrival.sender.map(|sender| sender.uid);
        let user = user(notification);
        let bytes = datagram::encode(notification);
        let owner = Owner::of(user.as_deref(), uid);
        if !self.spool.admits(owner.as_ref(), bytes.len()) {
            self.over_share(kind, notification, owner, arrival);
            return None;
        }
        let received = self.spool.now();
        let id = self.spool.new_id(received);
        let file = if kind.wants_message {
            self.keep_message(id, notification, arrival)
        } else {
            None
        };
        self.owed.push(NewRow {
            id,
            method: kind.name.to_owned(),
            received,
            uid,
            file,
            notification: bytes,
            user,
        });
        Some(id)
    }

    /// A notification is dropped, because its owner has had a share of the spool.
    fn over_share(
        &mut self,
        kind: &'static Kind,
        notification: &Notification,
        owner: Option<Owner>,
        arrival: Arrival,
    ) {
        self.over_share = true;
        self.monitor.over_share(kind.name, notification, arrival);
        let owner = match owner {
            Some(Owner::Sender(uid)) => format!("uid {uid}"),
            Some(Owner::User(user)) => format!("user {}", printable(&user, 100)),
            None => return,
        };
        self.warn(
            &[b"share ".as_slice(), owner.as_bytes()].concat(),
            1,
            format_args!(
                "{owner} has as much of the spool as user_share allows: notification dropped ({})",
                from(arrival)
            ),
        );
    }

    /// Keeps the staged message, if it is certain which one that is; the name of ours.
    fn keep_message(
        &mut self,
        id: i64,
        notification: &Notification,
        arrival: Arrival,
    ) -> Option<String> {
        let fname = notification
            .fname
            .as_deref()
            .filter(|fname| !fname.is_empty())?;
        let name = spool::id_text(id);
        let found = self
            .staged
            .find(Path::new(OsStr::from_bytes(fname)), arrival);
        let kept = found.and_then(|file| Ok(self.spool.keep_message(file, &name)?));
        let counts = &self.monitor.metrics.staged;
        match &kept {
            Ok(_) => counts.kept.inc(),
            Err(Missing::Gone) => counts.gone.inc(),
            Err(Missing::Uncertain(_)) => counts.uncertain.inc(),
            Err(Missing::NotStaged | Missing::Refused(_)) => counts.refused.inc(),
        };
        match kept {
            Ok(cut) => {
                if cut {
                    let shown = printable(fname, 300);
                    self.warn(
                        b"cut",
                        BAD,
                        format_args!(
                            "{name}: of the staged message {shown} only the first 64 MiB are kept"
                        ),
                    );
                }
                return Some(name);
            }
            Err(why) => self.say_missing(&name, &printable(fname, 300), why),
        }
        None
    }

    fn say_missing(&mut self, name: &str, message: &str, why: Missing) {
        match why {
            Missing::Gone => debug!("{name}: the staged message {message} has gone already"),
            Missing::NotStaged => debug!("{name}: {message} is not in a staging folder: not kept"),
            Missing::Uncertain(watch) => {
                let trouble = watch.map_or_else(String::new, |error| {
                    format!("; cannot watch its folder: {error}")
                });
                self.warn(
                    b"uncertain",
                    1,
                    format_args!(
                        "{name}: the staged message {message} is not kept: by now it may be another one (not so with dlist){trouble}"
                    ),
                );
            }
            Missing::Refused(error) => self.warn(
                b"fname",
                BAD,
                format_args!("{name}: the staged message {message} is not kept: {error}"),
            ),
        }
    }

    /// Makes ready to know the staged messages that datagrams name; what becomes readable when there is a new one.
    pub(super) fn watch_staging(&mut self) -> Option<&Folders> {
        if let Err(error) = self.staged.prepare() {
            warn!(
                "staging folders cannot be watched: {error}; some staged messages will not be kept"
            );
        }
        self.staged.folders()
    }

    /// The queue of datagrams is about to be looked at.
    pub(super) fn before_reading(&mut self) {
        self.staged.look();
    }

    /// The kernel was not asked until now who sends: what is queued comes from nobody knows whom.
    pub(super) fn senders_were_not_noted(&mut self) {
        self.nameless = Nameless::Queued { read: false };
    }

    /// What was read has been taken out of the queue.
    pub(super) fn taken_out(&mut self) {
        self.nameless.taken(Instant::now());
    }

    /// Nothing unread was queued.
    pub(super) fn queue_was_empty(&mut self) {
        self.staged.queue_was_empty();
        self.nameless.queue_was_empty();
    }

    /// Whether it matters to know soon that nothing unread is queued.
    pub(super) fn wants_another_look(&self) -> bool {
        self.staged.changed()
    }

    /// Another process reads from the socket: what was said of the queue may be wrong.
    pub(super) fn others_read(&mut self) {
        self.staged.forget();
    }

    /// What was taken and is still owed: to be committed, in this order.
    pub fn owed(&mut self) -> Vec<NewRow> {
        self.first = true;
        std::mem::take(&mut self.owed)
    }

    /// Says `text`, at most so often a minute under that key.
    pub(super) fn warn(&mut self, key: &[u8], most: u32, text: fmt::Arguments<'_>) {
        if let Some(kept_back) = self.throttle.may_say(key, most, Instant::now()) {
            warn!("{text}{}", and_more(kept_back));
        }
    }
}

/// Whose notification it is; class `EVENT` has that in the event, and only its front is looked at here.
fn user(notification: &Notification) -> Option<Vec<u8>> {
    if !notification.user.is_empty() {
        return Some(notification.user.clone());
    }
    if notification.class != b"EVENT" {
        return None;
    }
    let user = Front::read(&notification.message).user?;
    (!user.is_empty()).then(|| user.into_bytes())
}

fn from(arrival: Arrival) -> String {
    arrival
        .sender
        .map_or_else(|| "sender unknown".to_owned(), |sender| sender.to_string())
}

#[cfg(test)]
mod tests;
