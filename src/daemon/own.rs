//! What notifyd.toml says, for the parts of the service; and what is said of its mistakes.

use super::commit::Wired;
use super::reminder::Reminder;
use crate::config::Settings;
use crate::config::toml::{Synchronous, WhenFull};
use crate::spool::{Limits, Spool};
use crate::system::lock;
use log::{error, info, warn};
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
        user_share: spool.user_share.0,
        block: spool.when_full == WhenFull::Block,
        sync_each: spool.synchronous == Synchronous::Full,
    }
}

/// Who may send besides root and our own user.
pub(super) fn allowed(settings: &Settings) -> Vec<u32> {
    settings.own.config.intake.allow_uids.ids()
}

/// Takes over what is owed in `usual`, the usual spool, when it is not `spool` and nobody delivers from it.
pub(super) fn take_over(usual: &Path, spool: &Spool, wired: &Wired) {
    if usual == spool.folder() || !usual.exists() {
        return;
    }
    // Whoever holds the lock delivers: another service, or we ourselves by another name of the folder.
    let Ok(Some(_lock)) = lock::try_take(&usual.join("lock")) else {
        return;
    };
    match spool.adopt(usual) {
        Ok(0) => {}
        Ok(count) => {
            info!(
                "spool: {count} deliveries came over from {}",
                usual.display()
            );
            wired.get().waker.wake_all();
        }
        Err(error) => warn!(
            "spool: cannot take over what is owed in {}: {error}",
            usual.display()
        ),
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
