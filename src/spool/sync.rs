//! The spool's housekeeper: a thread that brings commits to the platter and moves the log into the file.
//!
//! With `synchronous=NORMAL` a commit is in the kernel's page cache: it survives the death of the process, not
//! a power cut. This thread syncs the log file at most [`EVERY`] after a commit, so that a slow
//! disk never holds up a sender, and a power cut costs at most that time. It checkpoints with a
//! connection of its own, which holds up no writer.

use super::{Spool, db};
use rusqlite::Connection;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::time::Duration;

/// Longest time between a commit and its being on the platter, the disk's own time aside.
pub const EVERY: Duration = Duration::from_millis(200);
/// Length of the log above which writers are stopped until it is moved into the file, in pages (64 MB).
const TOO_LONG: i64 = 16_384;

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
        if state == self.synced {
            return Ok(());
        }
        if meta.len() <= db::LOG_LIMIT.unsigned_abs() {
            file.sync_data()?;
            self.synced = state;
            return Ok(());
        }
        // A checkpoint syncs the log as well. Writers go on meanwhile, so it may not catch up with
        // them; when the log has grown too long they wait for what little is left.
        let log = self.checkpoint(&spool.folder().join("spool.db"))?;
        if log.moved < log.pages && log.pages > TOO_LONG {
            spool.disk.later().checkpoint().map_err(io::Error::other)?;
        }
        self.synced = state;
        Ok(())
    }

    fn checkpoint(&mut self, path: &Path) -> io::Result<db::Log> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => db::connect(path).map_err(io::Error::other)?,
        };
        let log = db::checkpoint(&connection).map_err(io::Error::other)?;
        self.connection = Some(connection);
        Ok(log)
    }
}
