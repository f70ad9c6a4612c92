//! Back from memory to a disk that can be written again.

use super::db::Db;
use super::open::open_disk;
use super::{RETRY, Spool};
use log::warn;
use std::sync::atomic::Ordering;
use std::time::Instant;

impl Spool {
    /// Moves rows from memory to a disk that takes them again. To be called now and then; true when
    /// all is well.
    pub fn mend(&self) -> bool {
        if !self.is_degraded() {
            return true;
        }
        let mut memory = self.memory();
        let Some(refusal) = &mut memory.refuses else {
            return true;
        };
        if Instant::now() < refusal.retry {
            return false;
        }
        refusal.retry = Instant::now() + RETRY;
        if refusal.unopened {
            let Ok(disk) = open_disk(&self.folder, self.room.limits()) else {
                return false;
            };
            self.last_id
                .fetch_max(disk.last_id().unwrap_or(0), Ordering::Relaxed);
            *self.disk.first() = disk;
            self.place_is_new();
            refusal.unopened = false;
        }
        match self.move_to_disk(&memory.db) {
            Ok(moved) => {
                warn!("spool: can be written again; {moved} deliveries moved from memory to disk");
                memory.refuses = None;
                self.degraded.store(false, Ordering::Release);
                true
            }
            Err(_) => false,
        }
    }

    fn move_to_disk(&self, memory: &Db) -> rusqlite::Result<usize> {
        let mut moved = 0;
        loop {
            let rows = memory.oldest(64)?;
            if rows.is_empty() {
                return Ok(moved);
            }
            let disk = self.disk.first();
            disk.insert_rows(&rows)?;
            self.room.added(rows.len());
            drop(disk);
            memory.forget(&rows)?;
            moved += rows.len();
        }
    }
}
