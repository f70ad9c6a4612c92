//! Back from memory to a disk that can be written again, or has room again.

use super::db::{Lack, cost};
use super::open::open_disk;
use super::{RETRY, Refusal, Spool, Why, readers};
use log::{error, warn};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Rows that are moved at once. Memory is locked meanwhile, for which the intake waits.
const BATCH: usize = 64;
/// How often it is said that there is no room.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// How moving rows to the disk went on.
enum Moved {
    /// Some are there now.
    Some,
    /// None is left, and new ones go to the disk.
    All,
    /// The next ones have no room.
    Not(Lack),
}

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
                refusal.why == Why::Unopened
            }
        };
        // What takes long comes before memory is locked, for which the intake waits.
        if unopened && !self.open_late() {
            return false;
        }
        if let Err(error) = self.disk.later().try_to_write() {
            self.note(&error);
            return false;
        }
        let mut tried = false;
        loop {
            match self.move_some() {
                Ok(Moved::All) => return true,
                Ok(Moved::Some) => tried = false,
                // A log that can be emptied gives room for others.
                Ok(Moved::Not(_)) if !tried => {
                    tried = true;
                    let _ = self.disk.later().empty_log(); // else there is still no room
                }
                Ok(Moved::Not(lack)) => {
                    self.complain(lack);
                    return false;
                }
                Err(error) => {
                    self.note(&error);
                    return false;
                }
            }
        }
    }

    /// For a process that ends, when nothing comes in any more: mends at once, uses up what room was reserved, and says
    /// what is lost all the same.
    pub fn mend_at_last(&self) {
        if let Some(refusal) = &mut self.memory().refuses {
            refusal.retry = Instant::now();
        }
        if self.mend() {
            return;
        }
        let saved = self.use_up_reserve();
        match (self.memory().db.count(), saved) {
            (Ok(0), 0) => {}
            (Ok(0), saved) => {
                warn!(
                    "spool: {saved} deliveries in memory were written to the room that was reserved"
                );
            }
            (lost, saved) => error!(
                "spool: the disk refuses to the end: {} deliveries in memory are lost with this process, {saved} were written",
                lost.unwrap_or_default()
            ),
        }
    }

    /// Writes what is in memory to the disk, as far as there is room at all: how many rows.
    fn use_up_reserve(&self) -> usize {
        let mut saved = 0;
        let mut batch = BATCH;
        while batch > 0 {
            let memory = self.memory();
            let rows = match memory.db.oldest(batch) {
                Ok(rows) if !rows.is_empty() => rows,
                _ => break,
            };
            let write = || self.disk.first().insert_rows(&rows);
            match write().or_else(|error| match self.make_room() {
                true => write(),
                false => Err(error),
            }) {
                Ok(()) if memory.db.forget(&rows).is_ok() => saved += rows.len(),
                _ => batch /= 2, // fewer may have room
            }
        }
        saved
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
            refusal.why = Why::Unwritable;
        }
        true
    }

    /// Moves a batch of rows, so that neither the intake nor settlements wait long.
    fn move_some(&self) -> rusqlite::Result<Moved> {
        let mut memory = self.memory();
        let rows = memory.db.oldest(BATCH)?;
        {
            let disk = self.disk.first();
            let cost = cost(rows.iter().map(|(row, _)| &row.kept));
            if let Some(lack) = self.lack(&disk, cost, true) {
                return Ok(Moved::Not(lack));
            }
            if !rows.is_empty() {
                disk.insert_rows(&rows)?;
                self.room.added(rows.len());
            }
        }
        if let Some(refusal) = &mut memory.refuses {
            refusal.moved += rows.len();
        }
        memory.db.forget(&rows)?;
        if !rows.is_empty() {
            return Ok(Moved::Some);
        }
        if let Some(Refusal { said, moved, .. }) = memory.refuses.take()
            && (said || memory.said.take().is_some())
        {
            warn!("spool: can be written again; {moved} deliveries moved from memory to disk");
        }
        self.degraded.store(false, Ordering::Release);
        Ok(Moved::All)
    }

    /// Says now and then what keeps new rows from the disk.
    pub(super) fn complain(&self, lack: Lack) {
        let mut memory = self.memory();
        if memory
            .said
            .is_some_and(|said: Instant| said.elapsed() < SAY_EVERY)
        {
            return;
        }
        memory.said = Some(Instant::now());
        drop(memory);
        match lack {
            Lack::Space(free) => error!(
                "spool: no room on its disk, which has {} KiB left: keeping new deliveries in memory until there is",
                free >> 10
            ),
            Lack::Log(length) => error!(
                "spool: its log has {} MiB and cannot be emptied while {} reads spool.db: keeping new deliveries in memory until it can",
                length >> 20,
                readers::names(&self.folder)
            ),
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
