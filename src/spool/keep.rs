//! Rows come into the spool: onto the disk, into memory when the disk refuses, or nowhere when there is no room.
//!
//! What a full spool means is the operator's choice: new rows are dropped, loudly and counted, or their senders wait.

use super::db::cost;
use super::share::Use;
use super::{Kept, Limits, NewRow, Owner, Spool};
use log::{error, warn};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Most bytes in memory while the disk cannot be written.
const MAX_MEMORY: u64 = 32 << 20;
/// How often a full spool is looked at while senders wait.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often it is said that they wait.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// What became of a commit to a disk that can be written.
enum Committed {
    Yes,
    /// The spool has as many bytes as it may have.
    Full,
    /// The disk has not enough.
    NoRoom,
}

impl Spool {
    /// Puts other limits in force. When commits are synced stays as it was at the start.
    pub fn set_limits(&self, limits: Limits) {
        self.room.set(limits);
        let disk = self.space.look().map_or(u64::MAX, |space| space.total);
        // Should it fail, the log is as long as it could be until now.
        let _ = self.disk.first().bound_log(limits.longest_log(), disk);
    }

    /// Keeps `rows`, all or none of them, in one transaction; drops them when the spool is full.
    pub fn commit(&self, rows: &[NewRow]) -> Kept {
        self.commit_up_to(rows, self.room.limits().bytes)
    }

    /// Keeps `rows`. When the spool is full and senders shall wait, waits until there is room or `give_up` says so, and
    /// then keeps them all the same.
    pub fn commit_waiting(&self, rows: &[NewRow], give_up: &dyn Fn() -> bool) -> Kept {
        let mut said = None;
        loop {
            if !self.room.limits().block {
                return self.commit(rows); // or no longer, since other limits were put in force
            }
            if rows.is_empty() || !self.is_full() || give_up() {
                break;
            }
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

    /// Whether the spool takes another notification of so many bytes that is `owner`'s. What comes over this share is to be
    /// refused: the rest of the spool is the others'.
    pub fn admits(&self, owner: Option<&Owner>, bytes: usize) -> bool {
        let full = self.room.limits().full();
        self.shares.admits(owner, Use::row(bytes as u64), full)
    }

    /// Whether new rows have no room where they would go.
    fn is_full(&self) -> bool {
        if self.is_degraded() {
            return self.memory().db.is_full(MAX_MEMORY, 0).unwrap_or(false);
        }
        self.has_all_rows()
            || self
                .disk
                .first()
                .is_full(self.room.limits().bytes, self.bytes_beside())
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
                match self.commit_to_disk(rows, bytes) {
                    Ok(Committed::Yes) => return Kept::Disk,
                    Ok(Committed::Full) => return self.drop_rows(rows, "the spool is full"),
                    Ok(Committed::NoRoom) => self.step_aside(),
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

    /// Counts while nobody else can write, and lets go of the disk before anything else is locked.
    fn commit_to_disk(&self, rows: &[NewRow], bytes: u64) -> rusqlite::Result<Committed> {
        let disk = self.disk.first();
        if self.lack(&disk, cost(rows), false).is_some() {
            return Ok(Committed::NoRoom);
        }
        if !disk.commit_beside(rows, bytes, self.bytes_beside())? {
            return Ok(Committed::Full);
        }
        self.room.added(rows.len());
        Ok(Committed::Yes)
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::spool::{Settlement, files, now, sync};
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    fn spool(limits: Limits) -> (tempfile::TempDir, Arc<Spool>) {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open_with(&dir.path().join("s"), limits).unwrap();
        (dir, Arc::new(spool))
    }

    #[test]
    fn commits_wait_for_the_platter_when_told_to() {
        for sync_each in [false, true] {
            let limits = Limits {
                sync_each,
                ..Limits::default()
            };
            let (_dir, spool) = spool(limits);
            assert_eq!(spool.disk.first().syncs_each_commit(), sync_each);
        }
    }

    #[test]
    fn as_many_rows_as_there_may_be() {
        let (_dir, spool) = spool(Limits {
            rows: 2,
            ..Limits::default()
        });
        let first = spool.example();
        assert_eq!(spool.commit(std::slice::from_ref(&first)), Kept::Disk);
        assert_eq!(spool.commit(&[spool.example()]), Kept::Disk);
        assert_eq!(spool.commit(&[spool.example()]), Kept::Dropped);
        assert_eq!(spool.dropped(), 1);
        spool.settle(&mut vec![Settlement::Done(first.id)]).unwrap();
        assert_eq!(spool.commit(&[spool.example()]), Kept::Disk);
        assert_eq!(spool.commit(&[spool.example()]), Kept::Dropped);
        spool.set_limits(Limits::default());
        assert_eq!(spool.commit(&[spool.example()]), Kept::Disk);
    }

    #[test]
    fn as_many_bytes_as_there_may_be() {
        let (_dir, spool) = spool(Limits {
            bytes: 64 << 10,
            ..Limits::default()
        });
        let kept = |_: &u32| spool.commit(&[spool.example()]) == Kept::Disk;
        let count = (0..10_000).take_while(kept).count();
        assert!(
            (100..1000).contains(&count),
            "{count} rows of 300 bytes in 64 KiB"
        );
    }

    /// A file without a name can only be copied.
    fn unlinked(spool: &Spool, bytes: u64) -> std::fs::File {
        let path = spool.folder().join("staged");
        std::fs::write(&path, vec![b'm'; bytes.min(1 << 20) as usize]).unwrap();
        let file = std::fs::File::open(&path).unwrap();
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(bytes)
            .unwrap();
        std::fs::remove_file(&path).unwrap();
        file
    }

    #[test]
    fn copies_of_messages_count() {
        let (_dir, spool) = spool(Limits {
            bytes: 4 << 20,
            ..Limits::default()
        });
        for name in 1..=5 {
            let cut = spool.keep_message(unlinked(&spool, 1 << 20), &name.to_string());
            assert!(!cut.unwrap());
        }
        assert_eq!(spool.commit(&[spool.example()]), Kept::Dropped);
        spool.remove_message("1");
        spool.remove_message("2");
        assert_eq!(spool.bytes_beside(), 3 << 20);
        assert_eq!(spool.commit(&[spool.example()]), Kept::Disk);
        // A link to what a mailbox has as well takes nothing, until the mailbox has it no more.
        let mailbox = spool.folder().join("mailbox");
        std::fs::write(&mailbox, vec![b'm'; 1 << 20]).unwrap();
        spool
            .keep_message(std::fs::File::open(&mailbox).unwrap(), "6")
            .unwrap();
        assert_eq!(spool.bytes_beside(), 3 << 20);
        std::fs::remove_file(&mailbox).unwrap();
        assert_eq!(files::all_bytes(spool.folder()).unwrap(), 4 << 20);
    }

    #[test]
    fn a_copy_that_is_cut_is_known_to_be() {
        let (_dir, spool) = spool(Limits::default());
        let large = 64 << 20;
        assert!(
            !spool
                .keep_message(unlinked(&spool, large - 1), "1")
                .unwrap()
        );
        assert!(
            spool
                .keep_message(unlinked(&spool, large + 1), "2")
                .unwrap()
        );
        let is_cut = |name| files::is_cut(spool.folder(), name);
        assert_eq!(
            (is_cut("1"), is_cut("2"), is_cut("3")),
            (false, true, false)
        );
    }

    /// Rows that were there before the start, and those that `notifyctl` deletes, are known to the housekeeper only.
    #[test]
    fn the_housekeeper_counts_what_nobody_else_knows() {
        let limits = Limits {
            rows: 3,
            ..Limits::default()
        };
        let (dir, before) = spool(Limits::default());
        assert_eq!(
            before.commit(&[before.example(), before.example(), before.example()]),
            Kept::Disk
        );
        drop(before);
        let spool = Arc::new(Spool::open_with(&dir.path().join("s"), limits).unwrap());
        let weak = Arc::downgrade(&spool);
        let house = std::thread::spawn(move || sync::keep_house(&weak));
        let wait_for = |what: &str, done: &dyn Fn() -> bool| {
            let limit = Instant::now() + Duration::from_secs(30);
            while !done() {
                assert!(Instant::now() < limit, "{what}");
                std::thread::yield_now();
            }
        };
        wait_for("full", &|| spool.has_all_rows());
        let other = crate::spool::queue::Queue::open(&dir.path().join("s"))
            .unwrap()
            .unwrap();
        let ids: Vec<i64> = spool
            .claim("a", now(), 3)
            .unwrap()
            .iter()
            .map(|row| row.kept.id)
            .collect();
        let deleted = other.change(&ids[..1], crate::spool::queue::Change::Delete, now());
        assert_eq!(deleted.unwrap(), 1);
        wait_for("room again", &|| !spool.has_all_rows());
        drop(spool);
        house.join().unwrap();
    }

    #[test]
    fn who_waits_goes_on_when_there_is_room_or_no_time_left() {
        let (_dir, spool) = spool(Limits {
            rows: 1,
            block: true,
            ..Limits::default()
        });
        let first = spool.example();
        assert_eq!(
            spool.commit_waiting(std::slice::from_ref(&first), &|| false),
            Kept::Disk
        );
        assert_eq!(
            spool.commit(&[spool.example()]),
            Kept::Dropped,
            "who cannot wait is refused"
        );
        let asked = AtomicBool::new(false);
        let second = spool.example();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| {
                let asked = &|| {
                    asked.store(true, Ordering::SeqCst);
                    false
                };
                spool.commit_waiting(std::slice::from_ref(&second), asked)
            });
            while !asked.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            assert!(spool.claim("a", 0, 9).unwrap().is_empty());
            spool.settle(&mut vec![Settlement::Done(first.id)]).unwrap();
            assert_eq!(waits.join().unwrap(), Kept::Disk);
        });
        assert_eq!(
            spool.commit_waiting(&[spool.example()], &|| true),
            Kept::Disk,
            "over the limit"
        );
        assert_eq!(spool.claim("a", now(), 9).unwrap().len(), 2);
        let told_to_drop = || {
            let block = false;
            spool.set_limits(Limits {
                block,
                ..spool.limits()
            });
            false
        };
        let third = spool.commit_waiting(&[spool.example()], &told_to_drop);
        assert_eq!(third, Kept::Dropped, "other limits count at once");
    }
}
