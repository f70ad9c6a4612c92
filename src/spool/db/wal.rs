//! SQLite's write-ahead log of the spool file: how it is set up, and how it is moved into the file.
//!
//! The log grows with each commit until it begins anew, which it can only when all of it is in the file and
//! nobody reads it. Moving is the housekeeper's business; see [`super::super::sync`].

use super::Db;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::path::Path;
use std::time::Duration;

/// To what length the log's file is cut when the log begins anew, in bytes.
pub(in crate::spool) const LOG_LIMIT: i64 = 4 << 20;

impl Db {
    /// Moves the log into the file, as far as no reader needs it. When all of it was moved, the next commit
    /// begins the log anew. Waits for nobody.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn checkpoint(&self) -> rusqlite::Result<Log> {
        checkpoint(&self.connection)
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

/// See [`Db::checkpoint`].
pub(in crate::spool) fn checkpoint(connection: &Connection) -> rusqlite::Result<Log> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok(Log {
            pages: row.get(1)?,
            moved: row.get(2)?,
        })
    })
}

/// A connection to the spool file at `path`, set up for the log; a missing file is made.
pub(in crate::spool) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    // A hand-over must not wait for the disk; the next process goes on with the log as it is.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // Else SQLite plans a statement anew each time another value is bound to it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "journal_size_limit", LOG_LIMIT)?;
    Ok(connection)
}
