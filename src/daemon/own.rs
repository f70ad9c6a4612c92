//! What notifyd.toml says, for the parts of the service; and what is said of its mistakes.

use super::reminder::Reminder;
use crate::config::Settings;
use crate::config::toml::{Synchronous, WhenFull};
use crate::spool::Limits;
use crate::spool::queue::Queue;
use log::{error, warn};
use std::path::Path;
use std::time::{Duration, Instant};

/// Folder of the spool in `configdirectory`, unless notifyd.toml names another.
pub(super) const USUAL_SPOOL: &str = "notifyd";

/// What the spool takes.
pub(super) fn limits(settings: &Settings) -> Limits {
    let spool = &settings.own.config.spool;
    Limits {
        rows: spool.max_rows.0,
        bytes: spool.max_bytes.0,
        block: spool.when_full == WhenFull::Block,
        sync_each: spool.synchronous == Synchronous::Full,
    }
}

/// Who may send besides root and our own user.
pub(super) fn allowed(settings: &Settings) -> Vec<u32> {
    settings.own.config.intake.allow_uids.ids()
}

/// Says when deliveries are owed in `usual`, the usual spool, and that is not `ours`: nobody delivers them.
pub(super) fn say_what_is_left(usual: &Path, ours: &Path) {
    if usual == ours {
        return;
    }
    // One that cannot be opened is not worth a word: there is none, mostly.
    let Ok(Some(queue)) = Queue::open(usual) else {
        return;
    };
    let count: u64 = queue
        .counts()
        .map_or(0, |counts| counts.iter().map(|count| count.rows).sum());
    if count > 0 {
        warn!(
            "{count} deliveries are owed in {}, which is not our spool",
            usual.display()
        );
    }
}

/// Says what is wrong; `FILE has N mistakes`, or nothing when all is well.
pub(super) fn complain(settings: &Settings) -> Option<String> {
    let complaints: Vec<String> = settings.own.complaints().collect();
    for complaint in &complaints {
        error!("{complaint}");
    }
    let file = settings.own.file.as_ref()?.display();
    match complaints.len() {
        0 => None,
        1 => Some(format!("{file} has a mistake")),
        count => Some(format!("{file} has {count} mistakes")),
    }
}

/// Says what is wrong with the settings that are put in force, and again each minute.
pub(super) struct Nag {
    reminder: Reminder,
    what: String,
}

impl Nag {
    /// Says it for the first time, unless all is well.
    pub(super) fn new(settings: &Settings, now: Instant) -> Nag {
        let what = complain(settings);
        if let Some(what) = &what {
            error!("{what}: the default is in force where the mistake is");
        }
        Nag {
            reminder: Reminder::new(what.is_some(), now),
            what: what.unwrap_or_default(),
        }
    }

    /// How long until it is to be said again.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.reminder.wait(now)
    }

    /// Says it again when it is time to.
    pub(super) fn remind(&mut self, now: Instant) {
        if self.reminder.is_due(now) {
            error!(
                "{}: the default is in force where the mistake is, until it is corrected and SIGHUP sent",
                self.what
            );
        }
    }
}
