//! Back from memory to a disk that can be written again.

use super::db::Db;
use super::open::open_disk;
use super::{RETRY, Spool};
use log::{error, warn};
use std::sync::atomic::Ordering;
use std::time::Instant;

impl Spool {
    /// Moves rows from memory to a disk that takes them again. To be called now and then, by who delivers; true when
    /// all is well.
    pub fn mend(&self) -> bool {
        if !self.is_degraded() {
            return true;
        }
        let unopened = match &mut self.memory().refuses {
            None => return true,
            Some(refusal) if Instant::now() < refusal.retry => return false,
            Some(refusal) => {
                refusal.retry = Instant::now() + RETRY;
                refusal.unopened
            }
        };
        // What takes long comes before memory is locked, for which the intake waits.
        if unopened && !self.open_late() {
            return false;
        }
        let ready = self.disk.later().try_to_write();
        let mut memory = self.memory();
        match ready.and_then(|()| self.move_to_disk(&memory.db)) {
            Ok(moved) => {
                warn!("spool: can be written again; {moved} deliveries moved from memory to disk");
                memory.refuses = None;
                self.degraded.store(false, Ordering::Release);
                true
            }
            Err(error) => {
                self.note(&error);
                false
            }
        }
    }

    /// For a process that ends, when nothing comes in any more: mends at once, or says what is lost with it.
    pub fn mend_at_last(&self) {
        if let Some(refusal) = &mut self.memory().refuses {
            refusal.retry = Instant::now();
        }
        if self.mend() {
            return;
        }
        match self.memory().db.count() {
            Ok(0) => {}
            lost => error!(
                "spool: the disk refuses to the end: {} deliveries in memory are lost with this process",
                lost.unwrap_or_default()
            ),
        }
    }

    /// Opens the file that could not be opened at the start.
    fn open_late(&self) -> bool {
        let Ok(disk) = open_disk(&self.folder, self.room.limits()) else {
            return false;
        };
        self.last_id
            .fetch_max(disk.last_id().unwrap_or(0), Ordering::Relaxed);
        *self.disk.first() = disk;
        self.place_is_new();
        self.rows_are_foreign();
        if let Some(refusal) = &mut self.memory().refuses {
            refusal.unopened = false;
        }
        true
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{Kept, NewRow, files, now};
    use super::*;
    use std::time::Duration;

    fn mended(spool: &Spool) {
        let limit = Instant::now() + Duration::from_secs(30);
        while !spool.mend() {
            assert!(Instant::now() < limit);
            std::thread::yield_now();
        }
    }

    /// The folder is there, and takes messages, but what is in the file's place cannot be opened.
    #[test]
    fn kept_messages_of_what_is_in_memory_stay() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("s");
        std::fs::create_dir_all(folder.join("spool.db")).unwrap();
        let spool = Spool::open(&folder).unwrap();
        assert!(spool.is_degraded());
        let row = NewRow {
            file: Some("m".into()),
            ..spool.example()
        };
        std::fs::write(files::path(&folder, "m"), "message").unwrap();
        assert_eq!(spool.commit(std::slice::from_ref(&row)), Kept::Memory);
        std::fs::remove_dir(folder.join("spool.db")).unwrap();
        mended(&spool);
        assert_eq!(spool.claim("a", now(), 9).unwrap()[0].kept, row);
        assert!(files::path(&folder, "m").exists());
    }

    /// An operator's sqlite3 may have the file locked for as long as it likes.
    #[test]
    fn the_intake_does_not_wait_with_the_mending() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(&dir.path().join("s")).unwrap();
        spool.disk.first().refuse_writes(true);
        assert_eq!(spool.commit(&[spool.example()]), Kept::Memory);
        spool.disk.first().refuse_writes(false);
        let other = rusqlite::Connection::open(spool.folder().join("spool.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        std::thread::scope(|scope| {
            let mending = scope.spawn(|| mended(&spool));
            let mut commits = 0;
            // While it is tried, the disk is locked and memory is not.
            while spool.disk.is_free() {
                assert!(!mending.is_finished());
                std::thread::yield_now();
            }
            while !spool.disk.is_free() && commits < 1000 {
                assert_eq!(spool.commit(&[spool.example()]), Kept::Memory);
                commits += 1;
            }
            assert!(commits > 500, "the intake waited: {commits}");
            other.execute_batch("ROLLBACK").unwrap();
        });
        assert!(!spool.is_degraded());
    }
}
