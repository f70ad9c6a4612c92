//! The spool's housekeeper: a thread that brings commits to the platter and moves the log into the file.
//!
//! With `synchronous=NORMAL` a commit is in the kernel's page cache: it survives the death of the process, not
//! a power cut. This thread syncs the log file at most [`EVERY`] after a commit, so that a slow
//! disk never holds up a sender, and a power cut costs at most that time. It checkpoints with a
//! connection of its own, which holds up no writer.

use super::db::Checkpoint;
use super::{Spool, db};
use rusqlite::Connection;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Weak;
use std::time::Duration;

/// Longest time between a commit and its being on the platter, the disk's own time aside.
pub const EVERY: Duration = Duration::from_millis(200);
/// How little of the log may be left for writers to be stopped until it is moved into the file, in pages (1 MB).
const LITTLE: i64 = 256;
/// How often it is tried to leave so little. Writers go on meanwhile, but each time is shorter than the one before.
const ROUNDS: u32 = 8;

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
        let done = housekeeper.look_after(&spool);
        if let Err(error) = done.and_then(|()| housekeeper.count(&spool)) {
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
        file.sync_data()?;
        self.synced = state;
        let connection = self.connection(spool)?;
        // Asked of SQLite, as the file keeps its length when the log begins anew.
        let log = db::checkpoint(connection, Checkpoint::Noop).map_err(io::Error::other)?;
        if log.left() > db::LONG {
            empty_log(spool, connection)?;
        }
        Ok(())
    }

    /// Counts the rows when it is time to; holds up no writer.
    fn count(&mut self, spool: &Spool) -> io::Result<()> {
        spool.room.recount(|| {
            let connection = self.connection(spool)?;
            connection
                .query_row("SELECT count(*) FROM delivery", [], |row| row.get(0))
                .map_err(io::Error::other)
        })
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
