//! The commit: deliveries that the intake has taken become safe.

use super::instances::Instances;
use super::monitor::Monitor;
use super::waker::Waker;
use crate::config::toml::Config;
use crate::method::Kind;
use crate::spool::{Kept, NewRow, Spool};
use crate::system::cancel::Cancel;
use std::sync::{Arc, PoisonError, RwLock};

/// What a change of configuration changes for the intake.
pub struct Wiring {
    /// The methods, for those that are done at once.
    pub instances: Arc<Instances>,
    /// What notifyd.toml says, for the routes.
    pub config: Config,
    /// The method for notifications that name none.
    pub default: &'static Kind,
    /// Who delivers the rest.
    pub waker: Waker,
    /// Users who may send besides root and our own.
    pub allowed: Vec<u32>,
}

/// The wiring in force; replaced as a whole.
#[derive(Clone)]
pub struct Wired(Arc<RwLock<Arc<Wiring>>>);

impl Wired {
    /// With this wiring at first.
    pub fn new(wiring: Wiring) -> Wired {
        Wired(Arc::new(RwLock::new(Arc::new(wiring))))
    }

    /// The wiring in force.
    pub fn get(&self) -> Arc<Wiring> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts another one in force.
    pub fn set(&self, wiring: Wiring) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(wiring);
    }
}

/// Commits to the spool and tells the dispatcher.
#[derive(Clone)]
pub struct Committer {
    spool: Arc<Spool>,
    wired: Wired,
    monitor: Arc<Monitor>,
}

impl Committer {
    /// Commits to `spool`.
    pub fn new(spool: Arc<Spool>, wired: Wired, monitor: Arc<Monitor>) -> Committer {
        Committer {
            spool,
            wired,
            monitor,
        }
    }

    /// Commits `rows`. When this returns they are safe, or were counted as dropped.
    pub fn commit(&self, rows: &[NewRow]) -> Kept {
        self.committed(rows, |spool| spool.commit(rows))
    }

    /// The same, but while the spool is full and senders shall wait, waits until `leave` is raised.
    pub fn commit_waiting(&self, rows: &[NewRow], leave: &Cancel) -> Kept {
        self.committed(rows, |spool| {
            spool.commit_waiting(rows, &|| leave.is_raised())
        })
    }

    fn committed(&self, rows: &[NewRow], commit: impl FnOnce(&Spool) -> Kept) -> Kept {
        if rows.is_empty() {
            return Kept::Disk;
        }
        self.monitor.commit_begins();
        let kept = commit(&self.spool);
        self.monitor.committed(rows, kept);
        if kept == Kept::Dropped {
            for name in rows.iter().filter_map(|row| row.file.as_deref()) {
                self.spool.remove_message(name);
            }
        }
        // After the commit: a dispatcher that was put in force later than this is woken by who did it.
        let waker = &self.wired.get().waker;
        rows.chunk_by(|a, b| a.method == b.method)
            .for_each(|same| waker.wake(&same[0].method));
        kept
    }
}
