//! The spool's housekeeper: a thread that brings commits to the platter and moves the log into the file.
//!
//! With `synchronous=NORMAL` a commit is in the kernel's page cache: it survives the death of the process, not
//! a power cut. This thread syncs the log file at most [`EVERY`] after a commit, so that a slow
//! disk never holds up a sender, and a power cut costs at most that time. It checkpoints with a
//! connection of its own, which holds up no writer.

use super::Spool;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::time::Duration;

/// Longest time between a commit and its being on the platter, the disk's own time aside.
pub const EVERY: Duration = Duration::from_millis(200);
/// Length of the log above which it is moved into the file, in bytes.
const CHECKPOINT: u64 = 4 << 20;
/// Length of the log above which writers are stopped for a moment, so that it can begin anew.
const RESTART: u64 = 64 << 20;

/// Looks after the spool while it is alive: to be run on a thread of its own.
pub fn keep_house(spool: &Weak<Spool>) {
    let mut housekeeper = Housekeeper {
        log: PathBuf::new(),
        connection: None,
        synced: (0, None),
    };
    loop {
        std::thread::sleep(EVERY);
        let Some(spool) = spool.upgrade() else { return };
        housekeeper.log = spool.folder().join("spool.db-wal");
        if let Err(error) = housekeeper.look_after(&spool) {
            // The commits are made; the next round tries again, and a disk that is really broken shows at the next commit.
            log::debug!("spool: housekeeping: {error}");
            housekeeper.connection = None;
        }
    }
}

struct Housekeeper {
    log: PathBuf,
    connection: Option<Connection>,
    /// Length and time of the log when it was last synced.
    synced: (u64, Option<std::time::SystemTime>),
}

impl Housekeeper {
    fn look_after(&mut self, spool: &Spool) -> io::Result<()> {
        let file = match File::open(&self.log) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let meta = file.metadata()?;
        let state = (meta.len(), meta.modified().ok());
        if state != self.synced {
            file.sync_data()?;
            self.synced = state;
            if meta.len() > CHECKPOINT {
                self.checkpoint(&spool.folder().join("spool.db"))?;
            }
            if meta.len() > RESTART {
                spool.disk.later().restart_log().map_err(io::Error::other)?;
            }
        }
        Ok(())
    }

    fn checkpoint(&mut self, path: &Path) -> io::Result<()> {
        if self.connection.is_none() {
            let connection = Connection::open(path).map_err(io::Error::other)?;
            connection
                .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
                .map_err(io::Error::other)?;
            self.connection = Some(connection);
        }
        if let Some(connection) = &self.connection {
            connection
                .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
                .map_err(io::Error::other)?;
        }
        Ok(())
    }
}
