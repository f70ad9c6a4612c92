//! What methods remember from one delivery to the next, over restarts: who had which mail already, how much
//! may still be sent. Small values under keys, each until a time.
//!
//! `ledger.db` beside the spool's file, so that a method's memory never holds up the intake's commits. Nothing
//! in it is owed: when the file cannot be written the ledger goes on in memory and says so once; when it is corrupt it is
//! kept aside and a new one begun. What is lost then is that a repeat is not known as one, and a limit starts anew.

use super::Micros;
use super::db::{connect, is_corrupt, keep_aside, make_file};
use log::{info, warn};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Its name in the spool's folder.
const NAME: &str = "ledger.db";
/// How long a file that refused is left alone.
const RETRY: Duration = Duration::from_secs(60);
/// How much of what is over each change removes: more than it adds, so that the table stays small, and no change takes long.
const PURGE: i64 = 16;
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS entry (
        key   BLOB    PRIMARY KEY,
        value BLOB    NOT NULL,
        until INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS entry_until ON entry (until);
";

/// The memory of the methods. It is opened when it is first needed.
pub struct Ledger {
    path: PathBuf,
    open: Mutex<Option<Open>>,
}

struct Open {
    connection: Connection,
    /// When to try the file again; `None` when this is the file.
    retry: Option<Instant>,
}

/// The entries, within one transaction.
pub struct Entries<'a> {
    transaction: &'a Transaction<'a>,
    now: Micros,
}

impl Entries<'_> {
    /// The value under `key`, unless its time is over.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn get(&self, key: &[u8]) -> rusqlite::Result<Option<Vec<u8>>> {
        self.transaction
            .prepare_cached("SELECT value FROM entry WHERE key = ?1 AND until > ?2")?
            .query_row(params![key, self.now], |row| row.get(0))
            .optional()
    }

    /// Puts `value` under `key` until `until`.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub fn put(&self, key: &[u8], value: &[u8], until: Micros) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached("INSERT OR REPLACE INTO entry (key, value, until) VALUES (?1, ?2, ?3)")?
            .execute(params![key, value, until])?;
        Ok(())
    }

    /// Forgets what is under `key`.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub fn remove(&self, key: &[u8]) -> rusqlite::Result<()> {
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

impl Ledger {
    /// The ledger in the spool's `folder`.
    pub fn new(folder: &Path) -> Ledger {
        Ledger {
            path: folder.join(NAME),
            open: Mutex::new(None),
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
            Err(error) if state.retry.is_none() => {
                *state = in_memory(&error)?;
                state.change(now, &change)
            }
            done => done,
        }
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
            now,
        };
        entries.get(key).map_err(named)
    }

    fn begin(&self) -> rusqlite::Result<Open> {
        open_file(&self.path).or_else(|error| in_memory(&error))
    }

    /// Goes back to the file when it is time to, with what memory has gathered.
    fn at_its_best(&self, state: Open) -> Open {
        if state.retry.is_none_or(|retry| Instant::now() < retry) {
            return state;
        }
        match open_file(&self.path).and_then(|file| carry(&state, &file).map(|()| file)) {
            Ok(file) => {
                info!("ledger: written to the disk again");
                file
            }
            Err(_) => Open {
                retry: Some(Instant::now() + RETRY),
                ..state
            },
        }
    }
}

impl Open {
    fn new(connection: Connection, retry: Option<Instant>) -> rusqlite::Result<Open> {
        connection.execute_batch(SCHEMA)?;
        Ok(Open { connection, retry })
    }

    fn change<T>(
        &mut self,
        now: Micros,
        change: impl Fn(&Entries<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let transaction = self.connection.transaction()?;
        let entries = Entries {
            transaction: &transaction,
            now,
        };
        let value = change(&entries)?;
        purge(&transaction, now)?;
        transaction.commit()?;
        Ok(value)
    }
}

/// Removes some of what is over. Looks first: SQLite makes a table of its own for the other statement.
fn purge(transaction: &Transaction<'_>, now: Micros) -> rusqlite::Result<()> {
    let is_over = transaction
        .prepare_cached("SELECT 1 FROM entry WHERE until <= ?1 LIMIT 1")?
        .exists([now])?;
    if is_over {
        transaction
            .prepare_cached(
                "DELETE FROM entry WHERE key IN (SELECT key FROM entry WHERE until <= ?1 LIMIT ?2)",
            )?
            .execute([now, PURGE])?;
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

fn in_memory(error: &rusqlite::Error) -> rusqlite::Result<Open> {
    warn!("ledger: cannot write: {error}; remembering repeats and limits in memory until it can");
    Open::new(Connection::open_in_memory()?, Some(Instant::now() + RETRY))
}

fn carry(from: &Open, to: &Open) -> rusqlite::Result<()> {
    let transaction = to.connection.unchecked_transaction()?;
    let mut all = from
        .connection
        .prepare("SELECT key, value, until FROM entry")?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        let (key, value): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let until: Micros = row.get(2)?;
        transaction.execute(
            "INSERT OR REPLACE INTO entry (key, value, until) VALUES (?1, ?2, ?3)",
            params![key, value, until],
        )?;
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

    #[test]
    fn what_is_over_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(dir.path());
        put(&ledger, 1, b"a", 10);
        drop(ledger);
        let ledger = Ledger::new(dir.path());
        put(&ledger, 10, b"b", 20);
        let count: i64 = Connection::open(dir.path().join(NAME))
            .unwrap()
            .query_row("SELECT count(*) FROM entry", [], |row| row.get(0))
            .unwrap();
        assert_eq!(count, 1);
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
        ledger.open.lock().unwrap().as_mut().unwrap().retry = Some(Instant::now());
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
