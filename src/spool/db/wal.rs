//! SQLite's write-ahead log of the spool file: how it is set up, and how it is moved into the file.
//!
//! The log grows with each commit until it begins anew, which it can only when all of it is in the file and
//! nobody reads it. Moving is the housekeeper's business; see [`super::super::sync`].

use super::Db;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// Length of the log from which on it is moved into the file, in pages (4 MB).
pub(in crate::spool) const LONG: i64 = 1024;
/// To what length the log's file is cut when the log begins anew, in bytes. Writing over what is there costs less
/// than making a file longer.
const KEPT_LENGTH: u64 = 64 << 20;

/// How long another process may have the file locked.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is tried meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(1);

impl Db {
    /// Moves the log into the file, as far as no reader needs it. When all of it was moved, the next commit
    /// begins the log anew. Waits for nobody.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn checkpoint(&self) -> rusqlite::Result<Log> {
        checkpoint(&self.connection, Checkpoint::Passive)
    }

    /// From now on no commit moves the log into the file, however long it is: what comes in the last moments of a process
    /// may be much, and senders would wait for it.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn let_log_grow(&self) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "wal_autocheckpoint", 0)
    }
}

/// How long the log is and how much of it is in the file already, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// Pages in the log.
    pub pages: i64,
    /// Those of them that are in the file.
    pub moved: i64,
}

impl Log {
    /// Pages that are not in the file yet.
    pub(in crate::spool) fn left(self) -> i64 {
        self.pages - self.moved
    }
}

/// What a checkpoint is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::spool) enum Checkpoint {
    /// Nothing: only say how long the log is.
    Noop,
    /// Move what no reader needs; wait for nobody.
    Passive,
}

/// See [`Db::checkpoint`].
pub(in crate::spool) fn checkpoint(
    connection: &Connection,
    what: Checkpoint,
) -> rusqlite::Result<Log> {
    let pragma = match what {
        Checkpoint::Noop => "PRAGMA wal_checkpoint(NOOP)",
        Checkpoint::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
    };
    connection.query_row(pragma, [], |row| {
        Ok(Log {
            pages: row.get(1)?,
            moved: row.get(2)?,
        })
    })
}

/// Makes the spool file at `path`, empty, unless it is there: SQLite would make one that others may read, as far as
/// the umask lets them. The files beside it get its mode.
pub(in crate::spool) fn make_file(path: &Path) -> io::Result<()> {
    let mut options = File::options();
    match options.write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Called by SQLite when another process has the file locked, the how manieth time; whether it shall try again. It tries
/// more often than SQLite would by itself: senders wait, and others lock the file for a few milliseconds.
fn wait_for_others(times: i32) -> bool {
    let goes_on = LOOK_EVERY * times.unsigned_abs() < PATIENCE;
    if goes_on {
        std::thread::sleep(LOOK_EVERY);
    }
    goes_on
}

/// A connection to the spool file at `path`, set up for the log.
pub(in crate::spool) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // It makes no file: who only looks would put one in the place of a spool that was removed.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_handler(Some(wait_for_others))?;
    // A hand-over must not wait for the disk; the next process goes on with the log as it is.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // Else SQLite plans a statement anew each time another value is bound to it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "journal_size_limit", KEPT_LENGTH as i64)?;
    Ok(connection)
}
