//! The operator's hand on a spool: lists rows and changes their state, while the daemon runs and while it does not.
//!
//! The file is the control protocol: the daemon looks at it at least each second. A row that is
//! `active` may be changed as well; what its attempt comes to then only counts when it was delivered.

use super::db::{self, COLUMNS, Row, Salvaged};
use super::{Micros, files};
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, params, params_from_iter};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The states of a row, in the order of its life.
pub const STATES: [&str; 5] = ["incoming", "active", "deferred", "hold", "failed"];
/// Most rows that one transaction changes, and how long it goes on with further rows, so that the daemon never waits long.
const STEP_ROWS: usize = 128;
const STEP_TIME: Duration = Duration::from_millis(2);
/// The pause after a transaction: so many times as long as it took, and no shorter than this. The daemon needs the file
/// meanwhile.
const YIELD_FACTOR: u32 = 3;
const SHORTEST_YIELD: Duration = Duration::from_millis(5);
/// How long somebody else may have the file locked.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is tried meanwhile: less often than the daemon does, which comes first thereby.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Most rows that are read at once.
const PAGE_ROWS: usize = 256;
/// When so many bytes of notifications were read, no further row is read with them.
const PAGE_BYTES: usize = 1 << 20;

/// Which rows. An empty part chooses all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Select {
    /// Any of these.
    pub ids: Vec<i64>,
    /// In any of these states.
    pub states: Vec<String>,
    /// Owed by any of these methods.
    pub methods: Vec<String>,
    /// Received before.
    pub before: Option<Micros>,
    /// Received after.
    pub after: Option<Micros>,
}

/// What to do with rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Try again now what is deferred or has failed.
    Retry,
    /// Keep from delivery until released.
    Hold,
    /// Deliver what is on hold, now.
    Release,
    /// Remove; nothing is owed any more.
    Delete,
}

impl Change {
    /// Which rows it changes.
    fn condition(self) -> &'static str {
        match self {
            Change::Retry => "state IN ('incoming', 'deferred', 'failed')",
            Change::Hold => "state IN ('incoming', 'active', 'deferred')",
            Change::Release => "state = 'hold'",
            Change::Delete => "1",
        }
    }

    /// What it sets them to, with the time now as `?2`; `None` when it removes them.
    fn assignments(self) -> Option<&'static str> {
        match self {
            Change::Retry => Some(
                "asked = iif(state = 'failed', begun, asked), crashes = 0, state = 'deferred', due = ?2, delay = 0",
            ),
            Change::Hold => Some("state = 'hold', due = ?2"),
            Change::Release => {
                Some("asked = begun, crashes = 0, state = 'deferred', due = ?2, delay = 0")
            }
            Change::Delete => None,
        }
    }
}

/// How many rows a method has in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The method.
    pub method: String,
    /// The state.
    pub state: String,
    /// How many.
    pub rows: u64,
    /// When the oldest was received.
    pub oldest: Micros,
}

/// The spool could not be read.
#[derive(Debug)]
pub struct Unreadable(pub io::Error);

/// A spool, opened for the operator.
pub struct Queue {
    folder: PathBuf,
    connection: Connection,
}

impl Queue {
    /// Opens the spool in `folder`; `None` when there is none yet.
    ///
    /// # Errors
    /// When it is there and cannot be opened, or is of a form that we do not know.
    pub fn open(folder: &Path) -> io::Result<Option<Queue>> {
        let path = folder.join("spool.db");
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let named = |error: rusqlite::Error| {
            let error = explained(error);
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        };
        let mut connection = db::connect(&path).map_err(named)?;
        connection
            .busy_handler(Some(wait_for_others))
            .map_err(named)?;
        // The daemon's housekeeper brings commits to the disk, and moves the log into the file; here it would be done while
        // the file is locked.
        for (name, value) in [("synchronous", "NORMAL"), ("wal_autocheckpoint", "32768")] {
            connection.pragma_update(None, name, value).map_err(named)?;
        }
        let version: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(named)?;
        if version != db::VERSION {
            let text = format!(
                "{}: form {version} of the spool, this program knows {}",
                path.display(),
                db::VERSION
            );
            return Err(io::Error::other(text));
        }
        db::add_columns(&connection).map_err(named)?;
        Ok(Some(Queue {
            folder: folder.to_owned(),
            connection,
        }))
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The folder of the spool.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Calls `each` with the rows that `select` chooses and their states, oldest first. A million of them take no memory,
    /// and nothing is being read while `each` runs: an open statement would keep the write-ahead log from being emptied, for
    /// as long as somebody looks at what is printed.
    ///
    /// # Errors
    /// When the file cannot be read, or `each` fails.
    pub fn each<E: From<Unreadable>>(
        &self,
        select: &Select,
        mut each: impl FnMut(Row, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = i64::MIN;
        loop {
            let page = self.page(select, after);
            let page = page.map_err(|error| Unreadable(explained(error)))?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = last.kept.id;
            for (row, state) in page {
                each(row, &state)?;
            }
        }
    }

    /// The first rows that `select` chooses with ids above `after`, as many as [`PAGE_ROWS`] and [`PAGE_BYTES`] allow.
    fn page(&self, select: &Select, after: i64) -> rusqlite::Result<Vec<(Row, String)>> {
        let (condition, mut values) = select.to_sql();
        values.push(after.into());
        let sql = format!(
            "SELECT {COLUMNS}, state FROM delivery WHERE {condition} AND id > ? ORDER BY id LIMIT {PAGE_ROWS}"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut page = Vec::new();
        let mut bytes = 0;
        while bytes < PAGE_BYTES
            && let Some(row) = rows.next()?
        {
            let state = row.get("state")?;
            let row = db::read_row(row)?;
            bytes += row.kept.notification.len();
            page.push((row, state));
        }
        Ok(page)
    }

    /// When the newest row was received; `None` when there is no row.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn newest(&self) -> io::Result<Option<Micros>> {
        let sql = "SELECT received FROM delivery ORDER BY id DESC LIMIT 1";
        let row = self.connection.query_row(sql, [], |row| row.get(0));
        match row {
            Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
            other => other.map(Some).map_err(explained),
        }
    }

    /// Changes the rows `ids`, those for which the change makes sense; how many that were. Works in small steps, and gives
    /// way to the daemon between them.
    ///
    /// # Errors
    /// When the file cannot be written, or somebody else has had it locked for a minute. What was changed before stays
    /// changed.
    pub fn change(&self, ids: &[i64], change: Change, now: Micros) -> io::Result<usize> {
        let (mut done, mut rest) = (0, ids);
        while !rest.is_empty() {
            let begun = Instant::now();
            let (tried, changed) = self.step(rest, change, now).map_err(|error| {
                let text = format!("{error}; {done} of {} deliveries were changed", ids.len());
                io::Error::new(error.kind(), text)
            })?;
            done += changed;
            rest = rest.get(tried..).unwrap_or_default();
            if !rest.is_empty() {
                thread::sleep((begun.elapsed() * YIELD_FACTOR).max(SHORTEST_YIELD));
            }
        }
        Ok(done)
    }

    /// How many of the rows `ids` [`Queue::change`] would change.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn would_change(&self, ids: &[i64], change: Change) -> io::Result<usize> {
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM delivery WHERE id = ?1 AND {})",
            change.condition()
        );
        let mut statement = self.connection.prepare(&sql).map_err(explained)?;
        let mut would = |id: &i64| statement.query_row([id], |row| row.get::<_, bool>(0));
        let mut count = 0;
        for id in ids {
            count += usize::from(would(id).map_err(explained)?);
        }
        Ok(count)
    }

    /// Changes the first of the rows `ids` in one transaction; how many it has gone through, and how many of those it has
    /// changed.
    fn step(&self, ids: &[i64], change: Change, now: Micros) -> io::Result<(usize, usize)> {
        let _turn = self.take_turn()?;
        let (tried, changed, names) = self.transact(ids, change, now).map_err(explained)?;
        for name in names {
            files::remove(&self.folder, &name);
        }
        Ok((tried, changed))
    }

    fn transact(
        &self,
        ids: &[i64],
        change: Change,
        now: Micros,
    ) -> rusqlite::Result<(usize, usize, Vec<String>)> {
        // One that begins by reading ends at once when somebody else has written meanwhile.
        let transaction =
            Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        let begun = Instant::now();
        let (mut tried, mut changed, mut names) = (0, 0, Vec::new());
        for &id in ids.iter().take(STEP_ROWS) {
            tried += 1;
            changed += match change.assignments() {
                None => db::delete_row(&transaction, id, &mut names)?,
                Some(assignments) => {
                    let condition = change.condition();
                    let sql =
                        format!("UPDATE delivery SET {assignments} WHERE id = ?1 AND {condition}");
                    transaction
                        .prepare_cached(&sql)?
                        .execute(params![id, now])?
                }
            };
            if begun.elapsed() >= STEP_TIME {
                break;
            }
        }
        names.retain(|name| !db::names_file(&transaction, name).unwrap_or(true));
        transaction.commit()?;
        Ok((tried, changed, names))
    }

    /// Waits until no other process of an operator changes the spool, so that the daemon has at most one of them before
    /// it. They agree by a lock on the spool's folder, which ends with the file that is returned.
    fn take_turn(&self) -> io::Result<File> {
        let folder = File::open(&self.folder)?;
        let limit = Instant::now() + PATIENCE;
        loop {
            match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(folder),
                Err(Errno::WOULDBLOCK | Errno::INTR) if Instant::now() < limit => {
                    thread::sleep(LOOK_EVERY);
                }
                Err(Errno::WOULDBLOCK | Errno::INTR) => {
                    let text = format!(
                        "another notifyctl has been changing the spool for {} seconds without a pause",
                        PATIENCE.as_secs()
                    );
                    return Err(io::Error::new(io::ErrorKind::WouldBlock, text));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes over what can be read out of another spool file, such as one that was kept aside, but for rows that are here.
    /// What was under way is due again. Of a file without a table the pages are read that have become unused: what was
    /// delivered long ago may be there.
    ///
    /// # Errors
    /// When that file cannot be read, or this one not be written; what came before is here then.
    pub fn import(&self, file: &Path) -> io::Result<Salvaged> {
        let same = |path: &Path| std::fs::canonicalize(path).ok();
        if same(file).is_some() && same(file) == same(&self.folder.join("spool.db")) {
            return Err(io::Error::other("that is the spool itself"));
        }
        std::fs::metadata(file)?;
        db::salvage(file, Some(&self.folder), true, &mut |rows| {
            let mut rows = rows.to_vec();
            for (_, state) in &mut rows {
                if state == "active" {
                    "deferred".clone_into(state);
                }
            }
            db::insert_missing(&self.connection, &rows)
        })
    }

    /// Rows by method and state.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn counts(&self) -> rusqlite::Result<Vec<Count>> {
        let mut statement = self.connection.prepare(
            "SELECT method, state, count(*), min(received) FROM delivery GROUP BY method, state ORDER BY method, state",
        )?;
        let counts = statement.query_map([], |row| {
            Ok(Count {
                method: row.get(0)?,
                state: row.get(1)?,
                rows: row.get::<_, i64>(2)?.unsigned_abs(),
                oldest: row.get(3)?,
            })
        })?;
        counts.collect()
    }
}

/// Called by SQLite when somebody else has the file locked, the how manieth time; whether it shall try again.
fn wait_for_others(times: i32) -> bool {
    let waited = LOOK_EVERY * times.unsigned_abs();
    if waited < PATIENCE {
        thread::sleep(LOOK_EVERY);
    }
    waited < PATIENCE
}

/// The error in words for an operator.
#[must_use]
pub fn explained(error: rusqlite::Error) -> io::Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            let text = format!(
                "another process has had the spool locked for {} seconds, such as sqlite3 by hand; try again when it has ended",
                PATIENCE.as_secs()
            );
            io::Error::new(io::ErrorKind::WouldBlock, text)
        }
        _ => io::Error::other(error),
    }
}

impl Select {
    /// The condition and its values.
    fn to_sql(&self) -> (String, Vec<Value>) {
        let mut conditions = vec!["1".to_owned()];
        let mut values: Vec<Value> = Vec::new();
        let mut any_of = |column: &str, wanted: Vec<Value>| {
            if !wanted.is_empty() {
                conditions.push(format!(
                    "{column} IN ({})",
                    vec!["?"; wanted.len()].join(", ")
                ));
                values.extend(wanted);
            }
        };
        any_of("id", self.ids.iter().map(|&id| id.into()).collect());
        any_of(
            "state",
            self.states
                .iter()
                .map(|state| state.clone().into())
                .collect(),
        );
        any_of(
            "method",
            self.methods
                .iter()
                .map(|method| method.clone().into())
                .collect(),
        );
        for (operator, time) in [("<", self.before), (">", self.after)] {
            if let Some(time) = time {
                conditions.push(format!("received {operator} ?"));
                values.push(time.into());
            }
        }
        (conditions.join(" AND "), values)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NewRow, Settlement, Spool, now};
    use super::*;

    fn spool() -> (tempfile::TempDir, Spool, Queue) {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("s");
        assert!(Queue::open(&folder).unwrap().is_none());
        let spool = Spool::open(&folder).unwrap();
        let queue = Queue::open(&folder).unwrap().unwrap();
        (dir, spool, queue)
    }

    fn row(id: i64, method: &str) -> NewRow {
        NewRow {
            method: method.into(),
            ..NewRow::example(id)
        }
    }

    fn chosen(queue: &Queue, select: &Select) -> Vec<(i64, String)> {
        let mut all = Vec::new();
        queue
            .each(select, |row, state| {
                all.push((row.kept.id, state.to_owned()));
                Ok::<(), Unreadable>(())
            })
            .unwrap();
        all
    }

    #[test]
    fn rows_are_chosen() {
        let (_dir, spool, queue) = spool();
        spool.commit(&[row(1, "a"), row(2, "b"), row(3, "a")]);
        spool.claim("b", now(), 1).unwrap();
        let ids = |select: Select| {
            chosen(&queue, &select)
                .into_iter()
                .map(|(id, _)| id)
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(Select::default()), [1, 2, 3]);
        assert_eq!(
            ids(Select {
                methods: vec!["a".into()],
                ..Select::default()
            }),
            [1, 3]
        );
        assert_eq!(
            ids(Select {
                states: vec!["active".into()],
                ..Select::default()
            }),
            [2]
        );
        assert_eq!(
            ids(Select {
                ids: vec![3, 1],
                before: Some(3),
                ..Select::default()
            }),
            [1]
        );
        assert_eq!(
            ids(Select {
                after: Some(1),
                ..Select::default()
            }),
            [2, 3]
        );
        assert_eq!(queue.counts().unwrap().len(), 2);
    }

    /// `notifyctl queue | less` may stand for hours.
    #[test]
    fn who_looks_at_the_rows_keeps_nothing_from_being_emptied() {
        let (_dir, spool, queue) = spool();
        spool.commit(&(1..=600).map(|id| row(id, "a")).collect::<Vec<_>>());
        let mut seen = Vec::new();
        let each = |row: Row, _: &str| {
            seen.push(row.kept.id);
            spool.commit(&[spool.example()]);
            let log = spool.disk.first().checkpoint().unwrap();
            assert_eq!(log.left(), 0, "all of the log can be moved");
            Ok::<(), Unreadable>(())
        };
        let select = Select {
            before: Some(601),
            ..Select::default()
        };
        queue.each(&select, each).unwrap();
        assert!(seen.into_iter().eq(1..=600));
    }

    #[test]
    fn rows_are_read_a_few_at_a_time() {
        let (_dir, spool, queue) = spool();
        let large = |id| NewRow {
            notification: vec![b'x'; PAGE_BYTES / 2],
            ..row(id, "a")
        };
        spool.commit(&(1..=5).map(large).collect::<Vec<_>>());
        assert_eq!(queue.page(&Select::default(), 0).unwrap().len(), 2);
        assert_eq!(chosen(&queue, &Select::default()).len(), 5);
    }

    #[test]
    fn what_is_on_hold_stays_and_what_is_released_goes() {
        let (_dir, spool, queue) = spool();
        spool.commit(&[row(1, "a"), row(2, "a")]);
        assert_eq!(queue.change(&[1, 9], Change::Hold, now()).unwrap(), 1);
        assert_eq!(spool.claim("a", now(), 9).unwrap().len(), 1);
        assert_eq!(queue.change(&[1, 2], Change::Release, now()).unwrap(), 1);
        assert_eq!(spool.claim("a", now(), 9).unwrap()[0].kept.id, 1);
    }

    #[test]
    fn what_would_change_is_what_changes() {
        let all = [Change::Retry, Change::Hold, Change::Release, Change::Delete];
        for change in all {
            let (_dir, spool, queue) = spool();
            spool.commit(&[1, 2, 3, 4, 5].map(|id| row(id, "a")));
            spool.claim("a", now(), 2).unwrap();
            let (at, error) = (now(), "no".to_owned());
            spool
                .settle(&mut vec![Settlement::Fail { id: 1, at, error }])
                .unwrap();
            queue.change(&[5], Change::Hold, now()).unwrap();
            let ids = [1, 2, 3, 4, 5, 99];
            let would = queue.would_change(&ids, change).unwrap();
            assert_eq!(
                queue.change(&ids, change, now()).unwrap(),
                would,
                "{change:?}"
            );
        }
    }

    /// One that begins by reading would end at once with `database is locked`.
    #[test]
    fn what_others_write_meanwhile_is_waited_for() {
        let (_dir, spool, queue) = spool();
        let rows: Vec<_> = (1..=2000).map(|id| row(id, "a")).collect();
        spool.commit(&rows);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for id in 10_000..11_000 {
                    spool.commit(&[row(id, "b")]);
                }
            });
            let ids: Vec<i64> = (1..=2000).collect();
            while !writer.is_finished() {
                assert_eq!(queue.change(&ids, Change::Hold, now()).unwrap(), 2000);
                assert_eq!(queue.change(&ids, Change::Release, now()).unwrap(), 2000);
            }
        });
        assert!(!spool.is_degraded());
    }

    #[test]
    fn a_lock_that_stays_is_told_in_plain_words() {
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        let text = explained(rusqlite::Error::SqliteFailure(busy, None)).to_string();
        assert!(text.starts_with("another process has had the spool locked"));
    }

    #[test]
    fn a_row_that_is_held_while_it_is_tried_stays_on_hold() {
        let (_dir, spool, queue) = spool();
        spool.commit(&[row(1, "a")]);
        spool.claim("a", now(), 1).unwrap();
        assert_eq!(queue.change(&[1], Change::Hold, now()).unwrap(), 1);
        spool
            .settle(&mut vec![Settlement::Defer {
                id: 1,
                due: now(),
                delay: 0,
                waited: 0,
                error: "x".into(),
            }])
            .unwrap();
        assert_eq!(chosen(&queue, &Select::default()), [(1, "hold".to_owned())]);
        spool.settle(&mut vec![Settlement::Done(1)]).unwrap();
        assert_eq!(chosen(&queue, &Select::default()), []);
    }

    #[test]
    fn what_failed_can_be_tried_again_and_deleted_with_its_file() {
        let (_dir, spool, queue) = spool();
        spool.commit(&[NewRow {
            file: Some("f".into()),
            ..row(1, "a")
        }]);
        std::fs::write(files::path(queue.folder(), "f"), "message").unwrap();
        spool.claim("a", now(), 1).unwrap();
        spool
            .settle(&mut vec![Settlement::Fail {
                id: 1,
                at: now(),
                error: "no".into(),
            }])
            .unwrap();
        assert_eq!(queue.change(&[1], Change::Retry, now()).unwrap(), 1);
        let again = &spool.claim("a", now(), 1).unwrap()[0];
        assert_eq!((again.attempts, again.begun, again.asked), (2, 2, 1));
        assert_eq!(queue.change(&[1], Change::Delete, now()).unwrap(), 1);
        assert!(!files::path(queue.folder(), "f").exists());
    }
}
