//! Deliveries that are still owed, kept on disk. The spool knows bytes and due times, not events.
//!
//! A folder (mode 0700) with `spool.db` (SQLite, WAL, mode 0600), `files/` (links to staged
//! messages) and `lock`. One row is one delivery to one method; see [`db`] for the
//! table. A row lives until its delivery is done, or is kept as `failed` for a week.
//!
//! States are Postfix's: `incoming` (never tried), `active` (being tried), `deferred` (to be tried
//! again when due), `hold` (the operator's), `failed`.
//!
//! When the disk cannot be written, new rows go to a second, bounded table in memory, and move to the disk
//! as soon as it takes them: intake goes on. A commit survives the death of the process at
//! once, and a power cut after at most [`sync::EVERY`]; see [`sync`].

mod adopt;
mod clock;
#[cfg(test)]
mod damages;
pub mod db;
pub mod depth;
pub mod files;
mod keep;
pub mod ledger;
mod mend;
mod open;
pub mod queue;
pub mod readers;
mod renew;
mod room;
mod share;
mod space;
pub mod sync;
mod time;
mod turn;

use db::{Db, Lack};
use ledger::Ledger;
use log::{error, warn};
use open::{open_disk, remove_orphans};
use room::Room;
use share::Shares;
use space::Space;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use turn::Turns;

#[cfg(test)]
pub(crate) use clock::FakeTime;
pub use clock::{Clock, Progress, Retiming};
pub use db::{NewRow, Row, Settlement};
pub use room::Limits;
pub use share::Owner;
pub use time::{Micros, id_text, now};

/// How long a disk that refused is left alone.
const RETRY: Duration = Duration::from_secs(1);

/// What became of rows that were to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// They are in the spool file.
    Disk,
    /// They are in memory: the disk refuses.
    Memory,
    /// They are nowhere: there is no room.
    Dropped,
}

/// The spool of this process.
pub struct Spool {
    folder: PathBuf,
    disk: Turns<Db>,
    memory: Mutex<Memory>,
    /// Whether the disk refuses: new rows go to `memory`, and only then may there be any. Changed with `memory`
    /// locked.
    degraded: AtomicBool,
    place: Mutex<renew::Place>,
    /// The file was found to be corrupt.
    corrupt: AtomicBool,
    /// This process is about to end.
    left: AtomicBool,
    last_id: AtomicI64,
    room: Room,
    /// Rows dropped for want of room since the start.
    dropped: AtomicU64,
    space: Space,
    shares: Shares,
    /// What kept messages take on the disk, in bytes, roughly.
    kept_bytes: AtomicU64,
    /// How long the log is, in bytes, as far as the housekeeper knows.
    log_length: AtomicU64,
    clock: Clock,
    /// Rows of another process are here, and their due times were not looked at yet.
    foreign: AtomicBool,
    ledger: Arc<Ledger>,
}

struct Memory {
    db: Db,
    /// Since when the disk refuses; `None` when all is well.
    refuses: Option<Refusal>,
    /// When it was said last that the disk has no room.
    said: Option<Instant>,
}

struct Refusal {
    retry: Instant,
    why: Why,
    /// It was said.
    said: bool,
    /// Rows that were moved to the disk since.
    moved: usize,
}

/// Why the disk takes no new rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// The file could not even be opened: `disk` is an empty table in its place.
    Unopened,
    /// A commit has failed.
    Unwritable,
    /// It could be written, but what is left must stay for claims and settlements.
    Lack,
}

impl Refusal {
    /// One that is said at once, and looked at again later; but for want of room, which there may be at once.
    fn new(why: Why) -> Refusal {
        let wait = match why {
            Why::Lack => Duration::ZERO,
            Why::Unopened | Why::Unwritable => RETRY,
        };
        Refusal {
            retry: Instant::now() + wait,
            why,
            said: why != Why::Lack,
            moved: 0,
        }
    }
}

impl Spool {
    /// Opens the spool in `folder` with the usual limits; see [`Spool::open_with`].
    ///
    /// # Errors
    /// When there is no memory.
    pub fn open(folder: &Path) -> io::Result<Spool> {
        Spool::open_with(folder, Limits::default())
    }

    /// Opens the spool in `folder`, makes it when it is not there, and sets every `active` row
    /// back to due: who holds the lock knows that its owner is dead. A file that is no spool or is
    /// corrupt is kept aside and a new one begun. When nothing can be opened the spool starts in
    /// memory, and goes on trying.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn open_with(folder: &Path, limits: Limits) -> io::Result<Spool> {
        Spool::open_at(folder, limits, Clock::system())
    }

    /// Opens the spool, by another clock than the system's.
    ///
    /// # Errors
    /// As [`Spool::open_with`].
    pub(crate) fn open_at(folder: &Path, limits: Limits, clock: Clock) -> io::Result<Spool> {
        let memory = Db::memory().map_err(io::Error::other)?;
        let opened =
            open_disk(folder, limits).and_then(|disk| remove_orphans(folder, &disk).map(|()| disk));
        let (disk, refuses) = match opened {
            Ok(disk) => (disk, None),
            Err(error) => {
                error!("spool: cannot open: {error}; keeping deliveries in memory until it can");
                (
                    Db::memory().map_err(io::Error::other)?,
                    Some(Refusal::new(Why::Unopened)),
                )
            }
        };
        let last = disk.last_id().map_err(io::Error::other)?;
        let space = Space::new(folder);
        if refuses.is_none() {
            space.keep_reserve(disk.growth());
        }
        let degraded = AtomicBool::new(refuses.is_some());
        Ok(Spool {
            folder: folder.to_owned(),
            place: Mutex::new(renew::Place::new(folder, refuses.is_none())),
            corrupt: AtomicBool::new(false),
            left: AtomicBool::new(false),
            disk: Turns::new(disk),
            memory: Mutex::new(Memory {
                db: memory,
                refuses,
                said: None,
            }),
            degraded,
            last_id: AtomicI64::new(last),
            room: Room::new(limits),
            dropped: AtomicU64::new(0),
            space,
            shares: Shares::default(),
            kept_bytes: AtomicU64::new(0),
            log_length: AtomicU64::new(0),
            clock,
            foreign: AtomicBool::new(true),
            ledger: Arc::new(Ledger::new(folder)),
        })
    }

    /// Ends the housekeeping: a process cannot end before a sync that it has begun. The next process brings
    /// to the disk what this one has committed.
    pub fn leave(&self) {
        self.left.store(true, Ordering::Relaxed);
        // Should it fail, somebody may wait for the disk once.
        let _ = self.disk.first().let_log_grow();
    }

    fn is_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }

    /// What methods remember from one delivery to the next.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Where the spool is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// An id for a row received at `received`: that time, or the next free number.
    pub fn new_id(&self, received: Micros) -> i64 {
        let next = |last: i64| Some(received.max(last + 1));
        match self
            .last_id
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
        {
            Ok(last) | Err(last) => received.max(last + 1),
        }
    }

    /// Whether the disk refuses, and new rows are kept in memory.
    pub fn is_degraded(&self) -> bool {
        self.degraded.load(Ordering::Acquire)
    }

    fn degrade(&self, error: &rusqlite::Error) {
        self.note(error);
        let mut memory = self.memory();
        if memory.refuses.is_none() {
            error!("spool: cannot write: {error}; keeping new deliveries in memory until it can");
            memory.refuses = Some(Refusal::new(Why::Unwritable));
            self.degraded.store(true, Ordering::Release);
        }
    }

    /// New rows go to memory, because the disk has no room for them. Whether that stays so shows when it is tried to mend.
    fn step_aside(&self) {
        let mut memory = self.memory();
        if memory.refuses.is_none() {
            memory.refuses = Some(Refusal::new(Why::Lack));
            self.degraded.store(true, Ordering::Release);
        }
    }

    /// What keeps rows of this cost from the disk. When that cannot be found out, the commit shows it.
    fn lack(&self, disk: &Db, cost: u64, fresh: bool) -> Option<Lack> {
        let longest = self.room.limits().longest_log();
        disk.lack(cost, &self.space, longest, fresh).ok().flatten()
    }

    /// Changes what is on the disk. When that is full, the reserve is given up for it.
    fn change<T>(&self, change: impl Fn(&Db) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let done = change(&self.disk.later());
        let Err(error) = &done else { return done };
        self.note(error);
        if !space::is_full(error) || !self.make_room() {
            return done;
        }
        change(&self.disk.later()).inspect_err(|error| self.note(error))
    }

    /// Gives up the reserve and empties the log; false when neither was possible.
    fn make_room(&self) -> bool {
        let given_up = self.space.give_up_reserve();
        if given_up {
            warn!("spool: its disk is full; the room that was reserved is used for what is owed");
        }
        self.disk.later().empty_log().unwrap_or(false) || given_up
    }

    /// Bytes that the spool takes beside its file: kept messages that nobody else has, and what the log has more than it may
    /// keep.
    pub fn bytes_beside(&self) -> u64 {
        let kept = self.room.limits().longest_log() / 4;
        let log = self.log_length.load(Ordering::Relaxed).saturating_sub(kept);
        log + self.kept_bytes.load(Ordering::Relaxed)
    }

    /// Keeps a staged message under `name`; whether it was cut. See [`files::keep`].
    ///
    /// # Errors
    /// When it can be neither linked nor copied.
    pub fn keep_message(&self, file: File, name: &str) -> io::Result<bool> {
        let cut = files::keep(&self.folder, file, name)?;
        let bytes = files::bytes(&self.folder, name.as_ref());
        self.kept_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(cut)
    }

    /// Removes the kept message `name`.
    pub fn remove_message(&self, name: &str) {
        let bytes = files::bytes(&self.folder, name.as_ref());
        // The housekeeper may have counted without it meanwhile.
        let less = |all: u64| Some(all.saturating_sub(bytes));
        let _ = self
            .kept_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        files::remove(&self.folder, name);
    }

    /// Whether the log is twice as long as it may be: nothing is taken from the disk any more then, as each claim makes
    /// the log longer. What is in memory is delivered.
    fn is_log_overlong(&self) -> bool {
        self.log_length.load(Ordering::Relaxed) / 2 > self.room.limits().longest_log()
    }

    /// Rows dropped for want of room since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Takes up to `most` rows of `method` that are due at `now`, oldest due first; they are `active` then.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn claim(&self, method: &str, now: Micros, most: usize) -> rusqlite::Result<Vec<Row>> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let mut rows = match self.is_degraded() {
            true => self.memory().db.claim(method, now, most)?,
            false => Vec::new(),
        };
        if rows.len() < most && !self.is_log_overlong() {
            let rest = most - rows.len();
            match self.change(|disk| disk.claim(method, now, rest)) {
                Ok(more) => rows.extend(more),
                Err(error) if rows.is_empty() => return Err(error),
                Err(_) => {} // what memory gave is claimed already
            }
        }
        Ok(rows)
    }

    /// Writes down how attempts ended, and takes what is written down out of `settlements`. Rows that are done are
    /// gone, and so are their files.
    ///
    /// # Errors
    /// When the disk refuses: what it did not take is left in `settlements`, and is to be tried again.
    pub fn settle(&self, settlements: &mut Vec<Settlement>) -> rusqlite::Result<()> {
        let mut files = self.settle_in_memory(settlements)?;
        let on_disk = self.settle_on_disk(settlements);
        let on_disk = on_disk.map(|freed| files.extend(freed));
        for name in files {
            self.remove_message(&name);
        }
        on_disk
    }

    fn settle_on_disk(&self, settlements: &mut Vec<Settlement>) -> rusqlite::Result<Vec<String>> {
        if settlements.is_empty() {
            return Ok(Vec::new());
        }
        let done = |settlement: &&Settlement| matches!(settlement, Settlement::Done(_));
        let done = settlements.iter().filter(done).count();
        let files = self.change(|disk| {
            let files = disk.settle(settlements)?;
            self.room.removed(done);
            Ok(files)
        })?;
        settlements.clear();
        Ok(files)
    }

    /// Settles those that are in memory. They must not be settled again: their rows may be tried again by then.
    fn settle_in_memory(&self, settlements: &mut Vec<Settlement>) -> rusqlite::Result<Vec<String>> {
        if settlements.is_empty() || !self.is_degraded() {
            return Ok(Vec::new());
        }
        let memory = self.memory();
        let is_here = |settlement: &Settlement| memory.db.has(settlement.id()).unwrap_or(false);
        let (here, on_disk) = settlements.drain(..).partition(is_here);
        *settlements = on_disk;
        let here: Vec<Settlement> = here;
        memory.db.settle(&here)
    }

    /// When the next row of `method` is due.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn next_due(&self, method: &str) -> rusqlite::Result<Option<Micros>> {
        let in_memory = match self.is_degraded() {
            true => self.memory().db.next_due(method)?,
            false => None,
        };
        let on_disk = self.disk.later().next_due(method);
        match on_disk.inspect_err(|error| self.note(error)) {
            Ok(on_disk) => Ok(in_memory.into_iter().chain(on_disk).min()),
            // What is in memory does not wait for a disk that cannot even be read.
            Err(error) => in_memory.map_or(Err(error), |due| Ok(Some(due))),
        }
    }

    /// Whether somebody else, as `notifyctl`, has changed what is on disk since this was asked last.
    pub fn changed_by_others(&self) -> bool {
        // What is wrong with the disk shows in the next claim.
        self.disk.later().changed_by_others().unwrap_or(false)
    }

    /// Removes rows that failed before `before`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn purge_failed(&self, before: Micros) -> rusqlite::Result<usize> {
        let mut all = 0;
        loop {
            // The intake goes before each batch.
            let (count, files) = self.change(|disk| {
                let (count, files) = disk.purge_failed(before)?;
                self.room.removed(count);
                Ok((count, files))
            })?;
            for name in files {
                self.remove_message(&name);
            }
            if count == 0 {
                return Ok(all);
            }
            all += count;
        }
    }

    /// Gives up rows that were put on hold before `before`, some of them; they have failed at `now`. Empty when there are no
    /// more.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn expire_held(&self, before: Micros, now: Micros) -> rusqlite::Result<Vec<Row>> {
        if self.is_degraded() {
            let rows = self.memory().db.expire_held(before, now)?;
            if !rows.is_empty() {
                return Ok(rows);
            }
        }
        self.change(|disk| disk.expire_held(before, now))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For tests: a new delivery.
    #[cfg(test)]
    fn example(&self) -> NewRow {
        let received = now();
        NewRow {
            received,
            ..NewRow::example(self.new_id(received))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_grow_whatever_the_clock_does() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(&dir.path().join("s")).unwrap();
        assert_eq!(spool.new_id(1000), 1000);
        assert_eq!(spool.new_id(1000), 1001);
        assert_eq!(spool.new_id(5), 1002);
    }

    #[test]
    fn what_was_kept_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("s");
        let spool = Spool::open(&folder).unwrap();
        let rows = [spool.example(), spool.example()];
        assert_eq!(spool.commit(&rows), Kept::Disk);
        assert_eq!(spool.claim("a", now(), 1).unwrap().len(), 1);
        drop(spool);
        let spool = Spool::open(&folder).unwrap();
        let claimed = spool.claim("a", now(), 10).unwrap();
        assert_eq!(
            claimed.into_iter().map(|r| r.kept).collect::<Vec<_>>(),
            rows
        );
    }

    /// A read-only data base stands for every disk that refuses.
    #[test]
    fn a_disk_that_refuses_costs_nothing_while_memory_lasts() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(&dir.path().join("s")).unwrap();
        let refuse = |on: bool| spool.disk.first().refuse_writes(on);
        let before = spool.example();
        assert_eq!(spool.commit(std::slice::from_ref(&before)), Kept::Disk);
        refuse(true);
        let during = spool.example();
        assert_eq!(spool.commit(std::slice::from_ref(&during)), Kept::Memory);
        assert!(spool.next_due("a").unwrap().is_some());
        let claimed = spool.claim("a", now(), 1).unwrap();
        assert_eq!(claimed[0].kept, during, "delivered from memory");
        let later = spool.example();
        assert_eq!(spool.commit(std::slice::from_ref(&later)), Kept::Memory);
        refuse(false);
        let limit = Instant::now() + Duration::from_secs(30);
        while !spool.mend() {
            assert!(Instant::now() < limit);
            std::thread::yield_now();
        }
        spool
            .settle(&mut vec![Settlement::Done(during.id)])
            .unwrap();
        let rest: Vec<_> = spool
            .claim("a", now(), 9)
            .unwrap()
            .into_iter()
            .map(|r| r.kept)
            .collect();
        assert_eq!(rest, [before, later]);
        let after = spool.example();
        assert_eq!(spool.commit(&[after]), Kept::Disk);
    }

    /// Else a row of memory would be taken for due, and tried twice at a time, while the disk refuses another one.
    #[test]
    fn what_memory_has_settled_is_not_settled_again() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(&dir.path().join("s")).unwrap();
        let on_disk = spool.example();
        spool.commit(std::slice::from_ref(&on_disk));
        assert_eq!(spool.claim("a", now(), 1).unwrap().len(), 1);
        spool.disk.first().refuse_writes(true);
        let in_memory = spool.example();
        assert_eq!(spool.commit(std::slice::from_ref(&in_memory)), Kept::Memory);
        assert_eq!(spool.claim("a", now(), 1).unwrap()[0].kept, in_memory);
        let done = Settlement::Done(on_disk.id);
        let defer = Settlement::Defer {
            id: in_memory.id,
            due: now(),
            delay: 0,
            waited: 0,
            error: "later".into(),
        };
        let mut ends = vec![done.clone(), defer];
        assert!(spool.settle(&mut ends).is_err());
        assert_eq!(ends, [done]);
        assert_eq!(spool.claim("a", now(), 1).unwrap()[0].kept, in_memory);
        assert!(spool.settle(&mut ends).is_err());
        assert!(spool.claim("a", now(), 1).is_err(), "it is being tried");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let parent = dir.path().join("not yet");
        let spool = Spool::open(&parent.join("s")).unwrap();
        let early = spool.example();
        assert_eq!(spool.commit(std::slice::from_ref(&early)), Kept::Memory);
        std::fs::create_dir(&parent).unwrap();
        let limit = Instant::now() + Duration::from_secs(30);
        while !spool.mend() {
            assert!(Instant::now() < limit);
            std::thread::yield_now();
        }
        drop(spool);
        let spool = Spool::open(&parent.join("s")).unwrap();
        assert_eq!(spool.claim("a", now(), 9).unwrap()[0].kept, early);
    }
}
