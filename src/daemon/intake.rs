//! What comes in: from bytes to deliveries in the spool. The common part of both wire forms; how the bytes
//! are read is in `datagrams.rs` and `streams.rs`.

use super::dispatch::Waker;
use super::instances::Instances;
use super::route::{Route, route};
use super::throttle::{Throttle, and_more};
use crate::method::{Delivery, Kind, METHODS, Outcome};
use crate::spool::{self, Kept, NewRow, Spool, files};
use crate::system::cancel::Cancel;
use crate::system::socket::Sender;
use crate::system::syslog::printable;
use crate::wire::{Notification, datagram};
use log::{debug, warn};
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime};

/// How many lines a minute bad input of one sort may cost: each has its line, a flood has not.
const BAD: u32 = 100;

/// How long after the start a datagram may come from nobody knows whom: who was blocked in `sendto(2)` on a full
/// queue when we asked the kernel for names gets through then.
const NAMELESS: Duration = Duration::from_secs(10);

/// What a change of configuration changes for the intake.
#[derive(Clone)]
pub struct Wiring {
    /// The methods, for those that are done at once.
    pub instances: Arc<Instances>,
    /// The method for notifications that name none.
    pub default: &'static Kind,
    /// Who delivers the rest.
    pub waker: Waker,
}

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

/// Takes notifications and collects deliveries until they are committed.
pub struct Intake {
    spool: Arc<Spool>,
    wiring: Wiring,
    /// Where a new wiring comes from.
    rewired: Receiver<Wiring>,
    uid: u32,
    started: Instant,
    batch: Vec<NewRow>,
    throttle: Throttle,
    /// Never raised: what is done at once does not wait.
    never: Cancel,
    counts: Counts,
}

impl Intake {
    /// An intake into `spool`. A new wiring that comes through `rewired` is taken with the next batch.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn new(spool: Arc<Spool>, wiring: Wiring, rewired: Receiver<Wiring>) -> io::Result<Intake> {
        Ok(Intake {
            spool,
            wiring,
            rewired,
            uid: rustix::process::geteuid().as_raw(),
            started: Instant::now(),
            batch: Vec::new(),
            throttle: Throttle::default(),
            never: Cancel::new()?,
            counts: Counts::default(),
        })
    }

    /// What came so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether `sender` may send: root, our own user, and for a while at the start whoever called
    /// `sendto(2)` before the kernel was asked to note who it is.
    pub fn allows(&mut self, sender: Option<Sender>) -> bool {
        let allowed = match sender {
            Some(sender) => sender.uid == 0 || sender.uid == self.uid,
            None => self.started.elapsed() < NAMELESS,
        };
        if !allowed {
            self.counts.received += 1;
            self.counts.refused += 1;
            let text = format_args!(
                "notification refused: {} is neither root nor our own user",
                from(sender)
            );
            self.warn(b"refused", BAD, text);
        }
        allowed
    }

    /// Takes a datagram that was longer than we read: it is not whole, so nothing can be done with it.
    pub fn truncated(&mut self, sender: Option<Sender>) {
        self.counts.received += 1;
        self.counts.truncated += 1;
        self.warn(
            b"truncated",
            BAD,
            format_args!(
                "notification dropped: longer than 65536 bytes ({})",
                from(sender)
            ),
        );
    }

    /// Takes something that is no notification.
    pub fn malformed(&mut self, why: &dyn fmt::Display, sender: Option<Sender>) {
        self.counts.received += 1;
        self.counts.malformed += 1;
        self.warn(
            b"malformed",
            BAD,
            format_args!("malformed notify request: {why} ({})", from(sender)),
        );
    }

    /// Takes one datagram.
    pub fn datagram(&mut self, bytes: &[u8], sender: Option<Sender>) {
        match datagram::decode(bytes) {
            Ok(notification) => self.take(notification, sender),
            Err(error) => self.malformed(&error, sender),
        }
    }

    /// Takes one notification: does it now, or puts it into the batch.
    pub fn take(&mut self, notification: Notification, sender: Option<Sender>) {
        self.counts.received += 1;
        match route(&notification, self.wiring.default) {
            Route::Unknown => self.unknown(&notification, sender),
            Route::Method(place) if METHODS[place].immediate => {
                self.now(place, notification, sender)
            }
            Route::Method(place) => self.owe(&METHODS[place], &notification, sender),
        }
    }

    /// Does it at once, or owes it after all when that is not possible now.
    fn now(&mut self, place: usize, notification: Notification, sender: Option<Sender>) {
        let kind = &METHODS[place];
        let delivery = Delivery {
            id: 0,
            received: SystemTime::now(),
            notification,
            message_file: None,
        };
        match self
            .wiring
            .instances
            .get(place)
            .deliver(&delivery, kind.timeout, &self.never)
        {
            Outcome::Delivered(_) => {}
            Outcome::Temporary(why) => {
                self.warn(
                    kind.name.as_bytes(),
                    1,
                    format_args!("method {}: {why}; it is spooled", kind.name),
                );
                self.owe(kind, &delivery.notification, sender);
            }
            Outcome::Permanent(why) => {
                self.warn(
                    kind.name.as_bytes(),
                    1,
                    format_args!("method {}: failed: {why}", kind.name),
                );
            }
        }
    }

    fn unknown(&mut self, notification: &Notification, sender: Option<Sender>) {
        self.counts.unknown_method += 1;
        let name = &notification.method;
        let shown = printable(name, 100);
        let class = printable(&notification.class, 100);
        let key = [b"method ".as_slice(), name].concat();
        self.warn(
            &key,
            1,
            format_args!(
                "no method '{shown}' (class {class}, {}): notification dropped",
                from(sender)
            ),
        );
    }

    fn owe(&mut self, kind: &'static Kind, notification: &Notification, sender: Option<Sender>) {
        let received = spool::now();
        let id = self.spool.new_id(received);
        let file = if kind.wants_message {
            self.keep_message(id, notification)
        } else {
            None
        };
        self.batch.push(NewRow {
            id,
            method: kind.name.to_owned(),
            received,
            uid: sender.map(|sender| sender.uid),
            file,
            notification: datagram::encode(notification),
        });
    }

    /// Keeps the staged message, before lmtpd unlinks it; the name of ours.
    fn keep_message(&mut self, id: i64, notification: &Notification) -> Option<String> {
        let fname = notification
            .fname
            .as_deref()
            .filter(|fname| !fname.is_empty())?;
        let name = spool::id_text(id);
        match files::keep(
            self.spool.folder(),
            Path::new(OsStr::from_bytes(fname)),
            &name,
        ) {
            Ok(()) => return Some(name),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                debug!(
                    "{name}: the staged message {} has gone already",
                    printable(fname, 300)
                );
            }
            Err(error) => {
                let shown = printable(fname, 300);
                self.warn(
                    b"fname",
                    BAD,
                    format_args!("{name}: the staged message {shown} is not kept: {error}"),
                );
            }
        }
        None
    }

    /// Commits the batch to the spool. When this returns, what was taken is safe, or was counted as dropped.
    pub fn commit(&mut self) -> Kept {
        let owed = !self.batch.is_empty();
        let kept = match owed {
            true => self.commit_batch(),
            false => Kept::Disk,
        };
        // Between commit and wake: a dispatcher that starts later than this sees the batch by itself, an earlier one is woken.
        if let Some(wiring) = self.rewired.try_iter().last() {
            self.wiring = wiring;
        }
        if owed {
            self.wiring.waker.wake();
        }
        kept
    }

    fn commit_batch(&mut self) -> Kept {
        let kept = self.spool.commit(&self.batch);
        if kept == Kept::Dropped {
            for name in self.batch.iter().filter_map(|row| row.file.as_deref()) {
                files::remove(self.spool.folder(), name);
            }
        }
        self.batch.clear();
        kept
    }

    fn warn(&mut self, key: &[u8], most: u32, text: fmt::Arguments<'_>) {
        if let Some(kept_back) = self.throttle.may_say(key, most, Instant::now()) {
            warn!("{text}{}", and_more(kept_back));
        }
    }
}

fn from(sender: Option<Sender>) -> String {
    sender.map_or_else(|| "sender unknown".to_owned(), |sender| sender.to_string())
}
