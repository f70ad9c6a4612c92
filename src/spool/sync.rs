//! The spool's housekeeper: a thread that brings commits to the platter and moves the log into the file.
//!
//! With `synchronous=NORMAL` a commit is in the kernel's page cache: it survives the death of the process, not
//! a power cut. This thread syncs the log file at most [`EVERY`] after a commit, so that a slow
//! disk never holds up a sender, and a power cut costs at most that time. It checkpoints with a
//! connection of its own, which holds up no writer.

use super::db::{Checkpoint, Lack};
use super::renew::{Identity, identity};
use super::share::{self, Use};
use super::{Owner, Spool, db, files};
use rusqlite::Connection;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Longest time between a commit and its being on the platter, the disk's own time aside.
pub const EVERY: Duration = Duration::from_millis(200);
/// How little of the log may be left for writers to be stopped until it is moved into the file, in pages (1 MB).
const LITTLE: i64 = 256;
/// How often it is tried to leave so little. Writers go on meanwhile, but each time is shorter than the one before.
const ROUNDS: u32 = 8;
/// On a disk where [`db::LONG`] is more than this part of it, the log is moved when it is as long as this part.
const SMALL_PART: u64 = 64;
/// How often it is counted who has how much; it takes a twentieth of the time at most.
const COUNT_PAUSE: Duration = Duration::from_secs(1);
/// How often it is looked what kept messages take; likewise.
const FILES_PAUSE: Duration = Duration::from_secs(10);
/// So many rows are counted without a pause for the log.
const COUNT_ROWS: i64 = 4096;

/// Looks after the spool while it is alive: to be run on a thread of its own.
pub fn keep_house(spool: &Weak<Spool>) {
    let mut housekeeper = Housekeeper {
        log: PathBuf::new(),
        file: None,
        connection: None,
        synced: (0, None),
        owners_at: Instant::now(),
        files_at: Instant::now(),
    };
    let mut well = true;
    loop {
        std::thread::sleep(EVERY);
        let Some(spool) = spool.upgrade() else { return };
        if spool.is_left() {
            return;
        }
        spool.replace_corrupt();
        spool.keep_place();
        housekeeper.log = spool.folder().join("spool.db-wal");
        keep_room(&spool);
        let done = housekeeper.look_after(&spool);
        housekeeper.count_files(&spool);
        let done = done.and_then(|()| housekeeper.count(&spool));
        let done = done.and_then(|()| housekeeper.count_owners(&spool));
        if let Err(error) = &done {
            // The commits are made; the next round tries again.
            housekeeper.connection = None;
            if well {
                log::warn!("spool: cannot bring it to the disk: {error}; trying again");
            }
        }
        well = done.is_ok();
    }
}

struct Housekeeper {
    log: PathBuf,
    /// The spool file that the connection is to.
    file: Identity,
    connection: Option<Connection>,
    /// Length and time of the log when it was last synced.
    synced: (u64, Option<std::time::SystemTime>),
    /// When it is time to count again who has how much.
    owners_at: Instant,
    /// When it is time to look again what kept messages take.
    files_at: Instant,
}

impl Housekeeper {
    fn look_after(&mut self, spool: &Spool) -> io::Result<()> {
        let found = identity(&spool.folder().join("spool.db"));
        if found != self.file {
            (self.file, self.connection) = (found, None);
        }
        if found.is_none() {
            return Ok(()); // a connection would make a file
        }
        let file = match File::open(&self.log) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let meta = file.metadata()?;
        let state = (meta.len(), meta.modified().ok());
        if state == self.synced {
            return Ok(());
        }
        file.sync_data()?;
        // File times are those of the last tick: what is written in the same one from now on would not be noticed.
        let old = state
            .1
            .is_none_or(|time| time.elapsed().map_or(true, |age| age >= EVERY));
        self.synced = if old { state } else { (0, None) };
        let connection = self.connection(spool)?;
        // Asked of SQLite, as the file keeps its length when the log begins anew.
        let log = db::checkpoint(connection, Checkpoint::Noop).map_err(io::Error::other)?;
        // On a small disk sooner: what is in the log takes room that nobody else has.
        let disk = spool.space.look().map_or(u64::MAX, |space| space.total);
        let page = 4096;
        if log.left() > db::LONG.min((disk / SMALL_PART / page) as i64) {
            empty_log(spool, connection)?;
        }
        spool.disk.later().shrink(disk).map_err(io::Error::other)
    }

    /// Counts the rows when it is time to. Writers wait until what is counted is agreed, not until it is counted.
    fn count(&mut self, spool: &Spool) -> io::Result<()> {
        let mut count = || {
            let snapshot = self.connection(spool)?;
            let snapshot = snapshot.unchecked_transaction().map_err(io::Error::other)?;
            let ask = |sql: &str| snapshot.query_row(sql, [], |row| row.get::<_, i64>(0));
            let known = {
                let _writers = spool.disk.later();
                ask("SELECT EXISTS (SELECT 1 FROM delivery)").map_err(io::Error::other)?; // begins to read
                spool.room.rows()
            };
            let counted = ask("SELECT count(*) FROM delivery").map_err(io::Error::other)?;
            Ok(counted - known)
        };
        spool.room.recount(&mut count)
    }

    /// Looks what kept messages take: a message that a mailbox had too may be only ours by now.
    fn count_files(&mut self, spool: &Spool) {
        let begun = Instant::now();
        if begun < self.files_at {
            return;
        }
        if let Ok(bytes) = files::all_bytes(spool.folder()) {
            spool.kept_bytes.store(bytes, Ordering::Relaxed);
        }
        self.files_at = Instant::now() + FILES_PAUSE.max(begun.elapsed() * 20);
    }

    /// Counts who has how much, when the spool is so full that it matters. Nobody waits: it is read a page at a time.
    fn count_owners(&mut self, spool: &Spool) -> io::Result<()> {
        let limits = spool.room.limits();
        let bytes = spool.disk.later().used_bytes().map_err(io::Error::other)?;
        let used = Use {
            rows: spool.room.rows().max(0).unsigned_abs(),
            bytes: bytes + spool.bytes_beside(),
        };
        let begun = Instant::now();
        if !spool.shares.look(used, limits.full()) || begun < self.owners_at {
            return Ok(());
        }
        spool.shares.begin_count();
        let owners = owners(self.connection(spool)?).map_err(io::Error::other)?;
        spool.shares.end_count(owners);
        self.owners_at = Instant::now() + COUNT_PAUSE.max(begun.elapsed() * 20);
        Ok(())
    }

    fn connection(&mut self, spool: &Spool) -> io::Result<&Connection> {
        if self.connection.is_none() {
            let path = spool.folder().join("spool.db");
            self.connection = Some(db::connect(&path).map_err(io::Error::other)?);
        }
        self.connection
            .as_ref()
            .ok_or_else(|| io::Error::other("no connection"))
    }
}

/// Who has how much on the disk.
fn owners(connection: &Connection) -> rusqlite::Result<HashMap<Owner, Use>> {
    let mut owners = HashMap::new();
    let mut after = i64::MIN;
    loop {
        let mut select = connection.prepare_cached(
            "SELECT id, user, uid, length(notification) FROM delivery WHERE id > ?1 ORDER BY id LIMIT ?2",
        )?;
        let mut rows = select.query([after, COUNT_ROWS])?;
        let before = after;
        while let Some(row) = rows.next()? {
            after = row.get(0)?;
            let user = row.get_ref(1)?.as_blob_or_null()?;
            if let Some(owner) = Owner::of(user, row.get(2)?) {
                share::add(
                    &mut owners,
                    &owner,
                    Use::row(row.get::<_, i64>(3)?.unsigned_abs()),
                );
            }
        }
        if after == before {
            return Ok(owners);
        }
    }
}

/// Keeps the reserve, and looks how long the log is. One that is too long, because somebody reads the file, is emptied as
/// soon as nobody does.
fn keep_room(spool: &Spool) {
    let path = spool.folder().join("spool.db");
    let mut length = db::log_length(&path);
    if length > spool.room.limits().longest_log() {
        if spool.disk.later().empty_log().unwrap_or(false) {
            length = db::log_length(&path);
        } else {
            spool.complain(Lack::Log(length));
        }
    }
    spool.log_length.store(length, Ordering::Relaxed);
    if !spool.is_degraded() {
        let growth = spool.disk.later().growth();
        spool.space.keep_reserve(growth);
    }
}

/// Moves the log into the file until it can begin anew.
fn empty_log(spool: &Spool, connection: &Connection) -> io::Result<()> {
    let ask = |what| db::checkpoint(connection, what).map_err(io::Error::other);
    for _ in 0..ROUNDS {
        ask(Checkpoint::Passive)?; // moves what was in the log when it began
        if ask(Checkpoint::Noop)?.left() <= LITTLE {
            break;
        }
    }
    // With the writers' own connection, so that none of them can go on meanwhile.
    spool.disk.later().checkpoint().map_err(io::Error::other)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Kept, NewRow, Settlement, now};
    use super::*;
    use std::sync::Arc;

    fn row(spool: &Spool, length: usize) -> NewRow {
        NewRow {
            notification: vec![b'x'; length],
            ..spool.example()
        }
    }

    #[test]
    fn a_large_file_is_given_back_when_all_rows_have_gone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("s");
        let spool = Arc::new(Spool::open(&folder).unwrap());
        let weak = Arc::downgrade(&spool);
        let house = std::thread::spawn(move || keep_house(&weak));
        let length = || std::fs::metadata(folder.join("spool.db")).unwrap().len();
        for _ in 0..160 {
            let rows: Vec<_> = (0..10).map(|_| row(&spool, 60_000)).collect();
            assert_eq!(spool.commit(&rows), Kept::Disk);
        }
        let limit = Instant::now() + Duration::from_secs(60);
        while length() < 64 << 20 {
            assert!(Instant::now() < limit);
            std::thread::yield_now();
        }
        let mut claimed = Vec::new();
        while claimed.len() < 1600 {
            claimed.extend(spool.claim("a", now(), 2000).unwrap());
        }
        let done: Vec<_> = claimed
            .iter()
            .map(|r| Settlement::Done(r.kept.id))
            .collect();
        spool.settle(&mut done[1..].to_vec()).unwrap();
        spool.mend();
        assert!(length() > 64 << 20, "not while there are rows");
        spool.settle(&mut done[..1].to_vec()).unwrap();
        while length() > 4 << 20 {
            assert!(Instant::now() < limit, "{} bytes", length());
            std::thread::yield_now();
        }
        assert_eq!(spool.commit(&[row(&spool, 300)]), Kept::Disk);
        drop(spool);
        house.join().unwrap();
    }

    #[test]
    fn the_housekeeper_keeps_the_log_short() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Arc::new(Spool::open(&dir.path().join("s")).unwrap());
        let weak = Arc::downgrade(&spool);
        let house = std::thread::spawn(move || keep_house(&weak));
        let limit = Instant::now() + Duration::from_secs(60);
        let mut longest = 0;
        loop {
            let rows: Vec<_> = (0..64).map(|_| row(&spool, 300)).collect();
            assert_eq!(spool.commit(&rows), Kept::Disk);
            let length = std::fs::metadata(dir.path().join("s/spool.db-wal"))
                .unwrap()
                .len();
            let main = std::fs::metadata(dir.path().join("s/spool.db"))
                .unwrap()
                .len();
            longest = longest.max(length);
            if main > 8 << 20 {
                break; // the log was moved into the file while we wrote
            }
            assert!(Instant::now() < limit && length < 256 << 20);
        }
        drop(spool);
        house.join().unwrap();
    }
}
