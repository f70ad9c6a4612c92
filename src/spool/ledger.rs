//! What methods remember from one delivery to the next, over restarts: who had which mail already, how much
//! may still be sent. Small values under keys, each until a time.
//!
//! `ledger.db` beside the spool's file, so that a method's memory never holds up the intake's commits. Nothing
//! in it is owed: when the file cannot be written the ledger goes on in memory, above what can still be read in the file,
//! and says so once; when it is corrupt it is kept aside and a new one begun. What is lost then is that a repeat is not
//! known as one, and a limit starts anew.
//!
//! What is over is not known any more, and is removed after a day of running time ([`running`]). The secret key is in a
//! file of its own ([`secret`]).

mod running;
pub mod secret;

use super::Micros;
use super::db::{connect, is_corrupt, keep_aside, make_file};
use log::{info, warn};
use running::Running;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use secret::{Bytes, Secret};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Its name in the spool's folder.
const NAME: &str = "ledger.db";
/// How long a file that refused is left alone.
const RETRY: Duration = Duration::from_secs(60);
/// How much of what is over each change removes: more than it adds, so that the table stays small, and no change takes long.
const PURGE: i64 = 16;
/// How often it is written down how long it has run.
const NOTE: Duration = Duration::from_secs(60);
/// Where that is.
const RUNNING: &[u8] = b"C";
/// Where 0.1.0 had the secret key, and may look for it again.
const KEY: &[u8] = b"K";
/// Until when what was removed in memory is known, so that the file's value is not taken for it.
const REMOVED: Micros = Micros::MIN;
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS entry (
        key   BLOB    PRIMARY KEY,
        value BLOB    NOT NULL,
        until INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS entry_until ON entry (until);
";
const GET: &str = "SELECT value, until FROM entry WHERE key = ?1";
const PUT: &str = "INSERT OR REPLACE INTO entry (key, value, until) VALUES (?1, ?2, ?3)";

/// The memory of the methods. It is opened when it is first needed.
pub struct Ledger {
    path: PathBuf,
    open: Mutex<Option<Open>>,
    /// The secret key for as long as there is none that lasts.
    passing: Mutex<Option<Bytes>>,
}

struct Open {
    connection: Connection,
    /// When this is memory.
    stand_in: Option<StandIn>,
    running: Option<Running>,
    /// When the clock was looked at.
    looked: Instant,
    /// When it was written down how long it has run.
    noted: Option<Instant>,
}

/// Memory, while the file cannot be written.
struct StandIn {
    /// When to try the file again.
    retry: Instant,
    /// The file, as far as it can be read.
    file: Option<Connection>,
    /// The file was found to be corrupt.
    is_corrupt: Option<rusqlite::Error>,
}

/// The entries, within one transaction.
pub struct Entries<'a> {
    transaction: &'a Transaction<'a>,
    /// Where to look for what is not in memory.
    file: Option<&'a Connection>,
    now: Micros,
}

impl Entries<'_> {
    /// The value under `key`, unless its time is over.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn get(&self, key: &[u8]) -> rusqlite::Result<Option<Vec<u8>>> {
        let found = match (find(self.transaction, key)?, self.file) {
            // What cannot be read is not known.
            (None, Some(file)) => find(file, key).unwrap_or(None),
            (found, _) => found,
        };
        Ok(found.and_then(|(value, until)| (until > self.now).then_some(value)))
    }

    /// Puts `value` under `key` until `until`.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub fn put(&self, key: &[u8], value: &[u8], until: Micros) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(PUT)?
            .execute(params![key, value, until])?;
        Ok(())
    }

    /// Forgets what is under `key`.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub fn remove(&self, key: &[u8]) -> rusqlite::Result<()> {
        if self.file.is_some() {
            return self.put(key, b"", REMOVED);
        }
        self.transaction
            .prepare_cached("DELETE FROM entry WHERE key = ?1")?
            .execute([key])?;
        Ok(())
    }

    /// The time of this change.
    pub fn now(&self) -> Micros {
        self.now
    }
}

/// The value under `key` and until when it is known.
fn find(connection: &Connection, key: &[u8]) -> rusqlite::Result<Option<(Vec<u8>, Micros)>> {
    connection
        .prepare_cached(GET)?
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

impl Ledger {
    /// The ledger in the spool's `folder`.
    pub fn new(folder: &Path) -> Ledger {
        Ledger {
            path: folder.join(NAME),
            open: Mutex::new(None),
            passing: Mutex::new(None),
        }
    }

    /// A ledger that nobody else sees, and that ends with this process.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn in_memory() -> rusqlite::Result<Ledger> {
        let open = Open::new(Connection::open_in_memory()?, None)?;
        Ok(Ledger {
            path: PathBuf::new(),
            open: Mutex::new(Some(open)),
            passing: Mutex::new(None),
        })
    }

    /// Makes one change of any number of entries, whole or not at all. `change` may be called twice: once for
    /// the file, and for memory when the file refuses.
    ///
    /// # Errors
    /// When there is not even memory.
    pub fn change<T>(
        &self,
        now: Micros,
        change: impl Fn(&Entries<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let state = match open.take() {
            Some(state) => self.at_its_best(state),
            None => self.begin()?,
        };
        let state = open.insert(state);
        match state.change(now, &change) {
            Err(error) if state.stand_in.is_none() => {
                warn_of(&error);
                let was = std::mem::replace(state, Open::new(Connection::open_in_memory()?, None)?);
                state.stand_in = Some(StandIn {
                    retry: Instant::now() + RETRY,
                    file: Some(was.connection),
                    is_corrupt: is_corrupt(&error).then_some(error),
                });
                state.change(now, &change)
            }
            done => done,
        }
    }

    /// The secret key; `make` makes one, should there be none yet. None when it cannot.
    pub fn secret(&self, make: impl Fn() -> Option<Bytes>) -> Option<Secret> {
        let kept = self.kept_secret(&make).unwrap_or_else(|error| {
            if self.passing().is_none() {
                warn!("ledger: no secret key that lasts: {error}");
            }
            None
        });
        if let Some(key) = kept {
            return Some(Secret { key, lasts: true });
        }
        let key = self.passing_or(make)?;
        Some(Secret { key, lasts: false })
    }

    /// The key that is for good; none while nobody can say which one that is.
    fn kept_secret(&self, make: &impl Fn() -> Option<Bytes>) -> io::Result<Option<Bytes>> {
        let Some(folder) = self
            .path
            .parent()
            .filter(|_| !self.path.as_os_str().is_empty())
        else {
            return Ok(None);
        };
        if let Some(key) = secret::read(folder)? {
            return Ok(Some(key));
        }
        // 0.1.0 has it in the ledger. One that cannot be read may have it, too.
        let known = self.change(super::now(), |entries| match entries.file {
            Some(_) => Ok(None),
            None => entries.get(KEY).map(Some),
        });
        if !self.is_on_file() {
            return Ok(None);
        }
        let Some(known) = known.map_err(io::Error::other)? else {
            return Ok(None);
        };
        let known = known.and_then(|key| Bytes::try_from(key).ok());
        let Some(key) = known.or_else(|| self.passing_or(make)) else {
            return Ok(None);
        };
        let key = secret::write(folder, &key)?;
        let noted = self.change(super::now(), |entries| match entries.get(KEY)? {
            Some(_) => Ok(()),
            None => entries.put(KEY, &key, Micros::MAX),
        });
        noted.map_err(io::Error::other)?;
        Ok(Some(key))
    }

    /// A key for the time being, the same as long as this process lives.
    fn passing_or(&self, make: impl Fn() -> Option<Bytes>) -> Option<Bytes> {
        let mut passing = self.passing();
        if passing.is_none() {
            *passing = make();
        }
        *passing
    }

    fn passing(&self) -> MutexGuard<'_, Option<Bytes>> {
        self.passing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_on_file(&self) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().is_some_and(|open| open.stand_in.is_none())
    }

    /// The value under `key` in the ledger of `folder`, for who is not the daemon; `None` when there is none.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn look_up(folder: &Path, key: &[u8], now: Micros) -> io::Result<Option<Vec<u8>>> {
        let path = folder.join(NAME);
        if !path.try_exists()? {
            return Ok(None);
        }
        let named = |error| io::Error::other(format!("{}: {error}", path.display()));
        let mut connection = connect(&path).map_err(named)?;
        let transaction = connection.transaction().map_err(named)?;
        let entries = Entries {
            transaction: &transaction,
            file: None,
            now,
        };
        entries.get(key).map_err(named)
    }

    fn begin(&self) -> rusqlite::Result<Open> {
        open_file(&self.path).or_else(|error| {
            warn_of(&error);
            let stand_in = StandIn {
                retry: Instant::now() + RETRY,
                file: None,
                is_corrupt: None,
            };
            Open::new(Connection::open_in_memory()?, Some(stand_in))
        })
    }

    /// Goes back to the file when it is time to, with what memory has gathered.
    fn at_its_best(&self, mut state: Open) -> Open {
        let Some(stand_in) = &mut state.stand_in else {
            return state;
        };
        if Instant::now() < stand_in.retry {
            return state;
        }
        stand_in.retry = Instant::now() + RETRY;
        if let Some(error) = &stand_in.is_corrupt {
            stand_in.file = None;
            match keep_aside(&self.path, &error.to_string()) {
                Ok(_) => stand_in.is_corrupt = None,
                Err(_) => return state,
            }
        }
        match open_file(&self.path).and_then(|file| carry(&state, &file).map(|()| file)) {
            Ok(file) => {
                info!("ledger: written to the disk again");
                file
            }
            Err(_) => state,
        }
    }
}

impl Open {
    fn new(connection: Connection, stand_in: Option<StandIn>) -> rusqlite::Result<Open> {
        connection.execute_batch(SCHEMA)?;
        Ok(Open {
            connection,
            stand_in,
            running: None,
            looked: Instant::now(),
            noted: None,
        })
    }

    fn change<T>(
        &mut self,
        now: Micros,
        change: impl Fn(&Entries<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let transaction = self.connection.transaction()?;
        let file = self.stand_in.as_ref().and_then(|one| one.file.as_ref());
        let entries = Entries {
            transaction: &transaction,
            file,
            now,
        };
        let value = change(&entries)?;
        let looked = Instant::now();
        let mut running = match self.running {
            Some(running) => running,
            None => entries
                .get(RUNNING)?
                .and_then(|value| Running::read(&value))
                .unwrap_or_else(|| Running::new(now)),
        };
        let is_news = running.advance(now, looked - self.looked);
        let notes = is_news || self.noted.is_none_or(|noted| looked >= noted + NOTE);
        if notes {
            entries.put(RUNNING, &running.written(), Micros::MAX)?;
        }
        purge(&transaction, running.purge)?;
        transaction.commit()?;
        (self.running, self.looked) = (Some(running), looked);
        if notes {
            self.noted = Some(looked);
        }
        Ok(value)
    }
}

/// Removes some of what was over at `before`. Looks first: SQLite makes a table of its own for the other statement.
fn purge(transaction: &Transaction<'_>, before: Micros) -> rusqlite::Result<()> {
    let is_over = transaction
        .prepare_cached("SELECT 1 FROM entry WHERE until <= ?1 AND until > ?2 LIMIT 1")?
        .exists([before, REMOVED])?;
    if is_over {
        transaction
            .prepare_cached(
                "DELETE FROM entry WHERE key IN
                 (SELECT key FROM entry WHERE until <= ?1 AND until > ?2 LIMIT ?3)",
            )?
            .execute([before, REMOVED, PURGE])?;
    }
    Ok(())
}

fn open_file(path: &Path) -> rusqlite::Result<Open> {
    let unopened = |error: io::Error| {
        rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
            Some(error.to_string()),
        )
    };
    make_file(path).map_err(unopened)?;
    match try_open(path) {
        Err(error) if is_corrupt(&error) => {
            keep_aside(path, &error.to_string()).map_err(unopened)?;
            make_file(path).map_err(unopened)?;
            try_open(path)
        }
        opened => opened,
    }
}

fn try_open(path: &Path) -> rusqlite::Result<Open> {
    let connection = connect(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Open::new(connection, None)
}

fn warn_of(error: &rusqlite::Error) {
    warn!("ledger: cannot write: {error}; remembering repeats and limits in memory until it can");
}

/// Writes what memory has gathered to the file. The secret key that stands there is the older one, and stays.
fn carry(from: &Open, to: &Open) -> rusqlite::Result<()> {
    let transaction = to.connection.unchecked_transaction()?;
    let mut all = from
        .connection
        .prepare("SELECT key, value, until FROM entry WHERE key NOT IN (?1, ?2)")?;
    let mut rows = all.query([KEY, RUNNING])?;
    while let Some(row) = rows.next()? {
        let (key, value): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let until: Micros = row.get(2)?;
        if until == REMOVED {
            transaction.execute("DELETE FROM entry WHERE key = ?1", [key])?;
        } else {
            transaction.execute(PUT, params![key, value, until])?;
        }
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(ledger: &Ledger, now: Micros, key: &[u8], until: Micros) {
        ledger
            .change(now, |entries| entries.put(key, b"v", until))
            .unwrap();
    }

    fn has(ledger: &Ledger, now: Micros, key: &[u8]) -> bool {
        ledger
            .change(now, |entries| entries.get(key))
            .unwrap()
            .is_some()
    }

    #[test]
    fn an_entry_is_there_until_its_time_over_restarts() {
        let dir = tempfile::tempdir().unwrap();
        put(&Ledger::new(dir.path()), 1, b"a", 10);
        let again = Ledger::new(dir.path());
        assert!(has(&again, 9, b"a") && !has(&again, 1, b"b"));
        assert!(
            Ledger::look_up(dir.path(), b"a", 1).unwrap().is_some()
                && Ledger::look_up(dir.path(), b"a", 10).unwrap().is_none()
                && Ledger::look_up(dir.path(), b"b", 1).unwrap().is_none()
                && Ledger::look_up(&dir.path().join("none"), b"a", 1)
                    .unwrap()
                    .is_none()
        );
    }

    /// Lets running time pass.
    fn run_for(ledger: &Ledger, time: Duration) {
        let mut open = ledger.open.lock().unwrap();
        open.as_mut().unwrap().looked -= time;
    }

    const HOUR: Duration = Duration::from_secs(3600);
    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn what_is_over_is_removed_after_a_day_of_running_time() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(dir.path());
        put(&ledger, 1, b"a", 10);
        let keys = |ledger: &Ledger, now: Micros| -> i64 {
            put(ledger, now, b"b", Micros::MAX);
            let file = Connection::open(dir.path().join(NAME)).unwrap();
            let count = "SELECT count(*) FROM entry WHERE key <> ?1";
            file.query_row(count, [RUNNING], |row| row.get(0)).unwrap()
        };
        run_for(&ledger, HOUR);
        assert_eq!(keys(&ledger, 20), 2);
        run_for(&ledger, DAY);
        assert_eq!(keys(&ledger, 20), 2, "it was over for an hour");
        run_for(&ledger, DAY);
        assert_eq!(keys(&ledger, 20), 1);
    }

    #[test]
    fn a_clock_that_jumps_forward_and_back_makes_nothing_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(dir.path());
        let day: Micros = 86_400_000_000;
        put(&ledger, 0, b"alarm", day);
        for n in 0..100u8 {
            put(&ledger, 10 * day + i64::from(n), &[b'x', n], 11 * day);
        }
        assert!(!has(&ledger, 10 * day, b"alarm"));
        drop(ledger);
        assert!(has(&Ledger::new(dir.path()), day / 2, b"alarm"));
    }

    fn key(n: u8) -> impl Fn() -> Option<Bytes> {
        move || Some([n; secret::LENGTH])
    }

    fn expire_retry(ledger: &Ledger) {
        let mut open = ledger.open.lock().unwrap();
        let stand_in = open.as_mut().unwrap().stand_in.as_mut();
        stand_in.unwrap().retry = Instant::now();
    }

    #[test]
    fn the_secret_key_outlives_the_ledger() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = || Ledger::new(dir.path());
        let first = ledger().secret(key(1)).unwrap();
        let lasting = |n| Secret {
            key: [n; secret::LENGTH],
            lasts: true,
        };
        assert_eq!(first, lasting(1));
        std::fs::write(dir.path().join(NAME), vec![b'x'; 10_000]).unwrap();
        assert_eq!(ledger().secret(key(2)), Some(first), "damaged");
        std::fs::remove_file(dir.path().join(NAME)).unwrap();
        assert_eq!(ledger().secret(key(3)), Some(first), "removed");
        // 0.1.0 finds it where it had it.
        let in_ledger = ledger().change(1, |entries| entries.get(KEY)).unwrap();
        assert_eq!(in_ledger, None, "it was there already");
    }

    #[test]
    fn the_secret_key_of_version_0_1_0_stays() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(dir.path());
        let old = [7; secret::LENGTH];
        ledger
            .change(1, |entries| entries.put(KEY, &old, Micros::MAX))
            .unwrap();
        assert_eq!(ledger.secret(key(1)).unwrap().key, old);
        assert_eq!(Ledger::new(dir.path()).secret(key(1)).unwrap().key, old);
    }

    /// At start, or at SIGHUP, the file cannot be opened for a while.
    #[test]
    fn the_secret_key_is_the_old_one_again_when_the_disk_is_back() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, away) = (dir.path().join("s"), dir.path().join("away"));
        std::fs::create_dir(&folder).unwrap();
        let old = Ledger::new(&folder).secret(key(1)).unwrap();
        std::fs::rename(&folder, &away).unwrap();
        let ledger = Ledger::new(&folder);
        let passing = ledger.secret(key(2)).unwrap();
        assert!(!passing.lasts && passing.key != old.key);
        assert_eq!(ledger.secret(key(3)), Some(passing), "one for a process");
        std::fs::rename(&away, &folder).unwrap();
        assert_eq!(ledger.secret(key(4)), Some(old));
        expire_retry(&ledger);
        put(&ledger, 1, b"a", 10);
        assert_eq!(Ledger::new(&folder).secret(key(5)), Some(old));
    }

    #[test]
    fn a_key_that_is_none_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        Ledger::new(dir.path()).secret(key(1)).unwrap();
        std::fs::write(dir.path().join("ledger.key"), "short").unwrap();
        let again = Ledger::new(dir.path()).secret(key(2)).unwrap();
        assert_eq!(again.key, [1; secret::LENGTH], "the ledger has it, too");
        assert!(dir.path().join("ledger.key.corrupt").exists());
    }

    /// What was sent is known while the file can only be read.
    #[test]
    fn what_the_file_knows_is_known_while_it_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(dir.path());
        put(&ledger, 1, b"a", 10);
        put(&ledger, 1, b"b", 10);
        {
            let open = ledger.open.lock().unwrap();
            let file = &open.as_ref().unwrap().connection;
            file.pragma_update(None, "query_only", true).unwrap();
        }
        put(&ledger, 2, b"c", 10);
        assert!(has(&ledger, 2, b"a") && has(&ledger, 2, b"b") && has(&ledger, 2, b"c"));
        ledger.change(2, |entries| entries.remove(b"b")).unwrap();
        assert!(!has(&ledger, 2, b"b"));
        expire_retry(&ledger);
        assert!(has(&ledger, 3, b"a") && !has(&ledger, 3, b"b") && has(&ledger, 3, b"c"));
        drop(ledger);
        let again = Ledger::new(dir.path());
        assert!(has(&again, 3, b"a") && !has(&again, 3, b"b") && has(&again, 3, b"c"));
    }

    #[test]
    fn a_change_is_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(dir.path());
        put(&ledger, 1, b"a", 10);
        let broken = ledger
            .open
            .lock()
            .unwrap()
            .as_mut()
            .unwrap()
            .change(1, |entries| {
                entries.put(b"b", b"v", 10)?;
                Err::<(), _>(rusqlite::Error::InvalidQuery)
            });
        assert!(broken.is_err() && !has(&ledger, 1, b"b"));
    }

    #[test]
    fn a_disk_that_refuses_is_gone_without() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("not yet");
        let ledger = Ledger::new(&folder);
        put(&ledger, 1, b"a", 10);
        assert!(has(&ledger, 1, b"a"));
        std::fs::create_dir(&folder).unwrap();
        expire_retry(&ledger);
        assert!(has(&ledger, 1, b"a"), "carried over");
        assert!(Ledger::look_up(&folder, b"a", 1).unwrap().is_some());
    }

    #[test]
    fn a_corrupt_file_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(NAME), vec![b'x'; 10_000]).unwrap();
        put(&Ledger::new(dir.path()), 1, b"a", 10);
        assert!(Ledger::look_up(dir.path(), b"a", 1).unwrap().is_some());
    }
}
