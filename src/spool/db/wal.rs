//! SQLite's write-ahead log of the spool file: how it is set up, and how it is moved into the file.
//!
//! The log grows with each commit until it begins anew, which it can only when all of it is in the file and
//! nobody reads it. Moving is the housekeeper's business; see [`super::super::sync`].

use super::Db;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// Length of the log from which on it is moved into the file, in pages (4 MB).
pub(in crate::spool) const LONG: i64 = 1024;
/// To what part of the longest that it may be the log's file is cut when the log begins anew. Writing over what is
/// there costs less than making a file longer.
const KEPT_PART: u64 = 4;
/// But to no larger part of the disk than this.
const DISK_PART: u64 = 32;
/// From what part of the longest on a commit itself moves the log into the file. The housekeeper does it (see sync.rs);
/// this is only for when it cannot.
const COMMIT_PART: u64 = 2;

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

    /// Sets how long the log may be, in bytes, on a disk of `disk` bytes.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(in crate::spool) fn bound_log(&self, longest: u64, disk: u64) -> rusqlite::Result<()> {
        let kept = (longest / KEPT_PART).min(disk / DISK_PART) as i64;
        self.connection
            .pragma_update(None, "journal_size_limit", kept)?;
        let pages = (longest / COMMIT_PART / self.number("page_size")?.max(512)) as i64;
        self.connection
            .pragma_update(None, "wal_autocheckpoint", pages)
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

/// Moves all of the log into the file and cuts it to nothing. Waits for nobody: false when somebody reads or writes.
pub(super) fn truncate(connection: &mut Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(Duration::ZERO)?;
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        row.get::<_, i64>(0)
    });
    connection.busy_handler(Some(wait_for_others))?;
    match busy {
        Ok(busy) => Ok(busy == 0),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(false),
        Err(error) => Err(error),
    }
}

/// How long the log of the spool file at `path` is, in bytes.
pub(in crate::spool) fn length(path: &Path) -> u64 {
    std::fs::metadata(path.with_extension("db-wal")).map_or(0, |meta| meta.len())
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
    Ok(connection)
}
