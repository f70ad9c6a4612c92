//! Rows come into the spool: onto the disk, into memory when the disk refuses, or nowhere when there is no room.
//!
//! What a full spool means is the operator's choice: new rows are dropped, loudly and counted, or their senders wait.

use super::{Kept, Limits, NewRow, Spool};
use log::{error, warn};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Most bytes in memory while the disk cannot be written.
const MAX_MEMORY: u64 = 32 << 20;
/// How often a full spool is looked at while senders wait.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often it is said that they wait.
const SAY_EVERY: Duration = Duration::from_secs(60);

impl Spool {
    /// Puts other limits in force. When commits are synced stays as it was at the start.
    pub fn set_limits(&self, limits: Limits) {
        self.room.set(limits);
    }

    /// Keeps `rows`, all or none of them, in one transaction; drops them when the spool is full.
    pub fn commit(&self, rows: &[NewRow]) -> Kept {
        self.commit_up_to(rows, self.room.limits().bytes)
    }

    /// Keeps `rows`. When the spool is full and senders shall wait, waits until there is room or `give_up` says so, and
    /// then keeps them all the same.
    pub fn commit_waiting(&self, rows: &[NewRow], give_up: &dyn Fn() -> bool) -> Kept {
        if !self.room.limits().block {
            return self.commit(rows);
        }
        let mut said = None;
        while !rows.is_empty() && self.is_full() && !give_up() {
            if said.is_none_or(|said: Instant| said.elapsed() >= SAY_EVERY) {
                error!("spool: the spool is full: senders wait until there is room");
                said = Some(Instant::now());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        if said.is_some() {
            warn!("spool: senders wait no longer");
        }
        self.commit_up_to(rows, u64::MAX)
    }

    /// Whether new rows have no room where they would go.
    fn is_full(&self) -> bool {
        if self.is_degraded() {
            return self.memory().db.is_full(MAX_MEMORY).unwrap_or(false);
        }
        self.has_all_rows()
            || self
                .disk
                .first()
                .is_full(self.room.limits().bytes)
                .unwrap_or(false)
    }

    /// Whether there are as many rows as may be.
    fn has_all_rows(&self) -> bool {
        let full = self.room.is_full();
        if full {
            self.room.count_soon();
        }
        full
    }

    fn commit_up_to(&self, rows: &[NewRow], bytes: u64) -> Kept {
        if rows.is_empty() {
            return Kept::Disk;
        }
        loop {
            if !self.is_degraded() {
                if bytes < u64::MAX && self.has_all_rows() {
                    return self.drop_rows(rows, "the spool is full");
                }
                match self.disk.first().commit(rows, bytes) {
                    Ok(true) => {
                        self.room.added(rows.len());
                        return Kept::Disk;
                    }
                    Ok(false) => return self.drop_rows(rows, "the spool is full"),
                    Err(error) => self.degrade(&error),
                }
            }
            let memory = self.memory();
            if memory.refuses.is_some() {
                return match memory.db.commit(rows, MAX_MEMORY) {
                    Ok(true) => Kept::Memory,
                    _ => self.drop_rows(rows, "the disk refuses and memory is full"),
                };
            } // else it was mended meanwhile: the disk again
        }
    }

    fn drop_rows(&self, rows: &[NewRow], why: &str) -> Kept {
        let before = self.dropped.fetch_add(rows.len() as u64, Ordering::Relaxed);
        // Loud, but not as loud as the flood that filled the spool.
        if before == 0 || before / 1000 != (before + rows.len() as u64) / 1000 {
            error!(
                "spool: {why}: {} deliveries dropped so far",
                before + rows.len() as u64
            );
        }
        Kept::Dropped
    }
}
