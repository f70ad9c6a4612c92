//! One SQLite file of deliveries. Plain operations on the table; what to do when they fail is
//! the [`Spool`](super::Spool)'s business.

mod aside;
mod carry;
mod depth;
mod due;
mod limit;
mod row;
mod salvage;
mod settle;
mod wal;

pub use aside::Salvaged;
pub(super) use aside::{keep_aside, move_aside, salvage, take_over, unless_missing};
pub(super) use carry::insert_missing;
pub(super) use depth::depths;
pub(super) use limit::{Lack, cost};
pub use row::{NewRow, Row, Settlement};
pub(super) use settle::delete_row;
pub use wal::Log;
pub(super) use wal::{Checkpoint, LONG, checkpoint, connect, length as log_length, make_file};

use super::{Micros, now};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, params};
use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};

/// Version of the table's form, in `PRAGMA user_version`. [`ADDED`] does not change it: 0.1.0 reads and writes a
/// table with those columns, too, so that the way back stays open.
pub(super) const VERSION: i64 = 1;

/// Columns that came after 0.1.0, with their declarations. Each has a default, which 0.1.0 relies on.
///
/// `begun`: attempts begun, also those that do not count in `attempts`. `crashes`: attempts in which the process died,
/// or which it had to abandon. `delay`: for how long it was deferred, in microseconds. `user`: whose it is, for shares.
/// `waited`: how old it was when it was deferred last, in microseconds, of which only those count in which it waited for its
/// next attempt or was tried: no clock that is set, and no time in which no process ran, makes it older.
/// `asked`: how many attempts had begun when the operator last asked for it, after it had failed or was on hold.
const ADDED: &[(&str, &str)] = &[
    ("begun", "INTEGER NOT NULL DEFAULT 0"),
    ("crashes", "INTEGER NOT NULL DEFAULT 0"),
    ("delay", "INTEGER NOT NULL DEFAULT 0"),
    ("user", "BLOB"),
    ("waited", "INTEGER NOT NULL DEFAULT 0"),
    ("asked", "INTEGER NOT NULL DEFAULT 0"),
];

const SCHEMA: &str = "
    CREATE TABLE delivery (
        id           INTEGER PRIMARY KEY,
        method       TEXT    NOT NULL,
        state        TEXT    NOT NULL,
        due          INTEGER NOT NULL,
        received     INTEGER NOT NULL,
        attempts     INTEGER NOT NULL,
        uid          INTEGER,
        file         TEXT,
        error        TEXT,
        notification BLOB    NOT NULL
    ) STRICT;
";
const INDEXES: &str = "
    CREATE INDEX IF NOT EXISTS delivery_due ON delivery (method, due) WHERE state IN ('incoming', 'deferred');
    CREATE INDEX IF NOT EXISTS delivery_active ON delivery (id) WHERE state = 'active';
    CREATE INDEX IF NOT EXISTS delivery_failed ON delivery (due) WHERE state = 'failed';
    CREATE INDEX IF NOT EXISTS delivery_file ON delivery (file) WHERE file IS NOT NULL;
";
const INSERT: &str =
    "INSERT INTO delivery (id, method, state, due, received, attempts, uid, file, notification, user)
     VALUES (?1, ?2, 'incoming', ?3, ?3, 0, ?4, ?5, ?6, ?7)";
pub(super) const COLUMNS: &str = "id, method, due, received, attempts, uid, file, error, notification, begun, crashes, delay, user, waited, asked";

/// No version that did not keep the delay of a deferred row deferred it for longer, in microseconds: 2 hours.
const LONGEST_DELAY: Micros = 7_200_000_000;
/// Most rows that one housekeeping transaction changes: 256 rows take 4 ms, which the intake may have to wait for.
const BATCH: u32 = 256;

/// Most bytes of notifications that are claimed at once; of more than [`FEW`] rows.
const CLAIMED: i64 = 16 << 20;
const FEW: usize = 8;

/// An open spool file.
pub struct Db {
    connection: Connection,
    /// `None` for a table in memory.
    path: Option<PathBuf>,
    until_size: Cell<u32>,
    /// The last `PRAGMA data_version`.
    version: Cell<i64>,
    full: Cell<bool>,
    /// So many bytes more may be written before the disk is looked at again.
    room_known: Cell<u64>,
}

impl Db {
    /// Opens the file at `path`, or makes it. One that is no spool or is damaged is renamed (`.corrupt-TIME`), with a loud
    /// line, and a new one made, which gets what can be read of it.
    ///
    /// # Errors
    /// When it cannot be opened for other reasons, or is of a newer form.
    pub fn open(path: &Path) -> io::Result<Db> {
        if let Some(what) = salvage::damage(path) {
            return Db::begin_anew(path, what);
        }
        make_file(path)?;
        match Db::try_open(path) {
            Err(error) if is_corrupt(&error) => Db::begin_anew(path, &error.to_string()),
            other => other.map_err(|error| named(path, &error)),
        }
    }

    /// Moves the file at `path` aside, makes a new one, and takes over what can be read.
    ///
    /// # Errors
    /// When there can be no new one.
    pub(super) fn begin_anew(path: &Path, why: &str) -> io::Result<Db> {
        let aside = keep_aside(path, why)?;
        make_file(path)?;
        let new = Db::try_open(path).map_err(|error| named(path, &error))?;
        take_over(&aside, &mut |rows| new.insert_missing(rows));
        Ok(new)
    }

    /// A table in memory, gone with the process.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn memory() -> rusqlite::Result<Db> {
        Db::prepare(Connection::open_in_memory()?)
    }

    fn try_open(path: &Path) -> rusqlite::Result<Db> {
        let connection = wal::connect(path)?;
        let mode: String =
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        if mode != "wal" {
            let text = format!("cannot use write-ahead logging here (journal mode is {mode})");
            return Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
                Some(text),
            ));
        }
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        check_log(&connection, path)?;
        let db = Db::prepare(connection)?;
        Ok(Db {
            path: Some(path.to_owned()),
            ..db
        })
    }

    fn prepare(connection: Connection) -> rusqlite::Result<Db> {
        connection.set_prepared_statement_cache_capacity(32);
        connection.pragma_update(None, "cache_size", -2000)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match version {
            0 if has_table(&connection)? => return Err(corrupt("its form is not written down")),
            0 => {
                let create = connection.unchecked_transaction()?;
                create.execute_batch(SCHEMA)?;
                create.pragma_update(None, "user_version", VERSION)?;
                create.commit()?;
            }
            VERSION => check_table(&connection)?,
            newer => {
                let text = format!(
                    "form {newer} of the spool is newer than this program knows ({VERSION})"
                );
                return Err(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ERROR),
                    Some(text),
                ));
            }
        }
        add_columns(&connection)?;
        connection.execute_batch(INDEXES)?;
        connection.execute_batch(depth::INDEXES)?;
        connection.execute_batch(due::INDEX)?;
        Ok(Db {
            connection,
            path: None,
            until_size: Cell::new(0),
            version: Cell::new(0),
            full: Cell::new(false),
            room_known: Cell::new(0),
        })
    }

    /// Sets every `active` row back to due; how many there were. The process died in their attempts, which is counted.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn recover(&self) -> rusqlite::Result<usize> {
        self.connection.execute(
            "UPDATE delivery SET state = 'deferred', crashes = crashes + 1 WHERE state = 'active'",
            [],
        )
    }

    /// The largest id, 0 when empty.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn last_id(&self) -> rusqlite::Result<i64> {
        self.connection
            .query_row("SELECT coalesce(max(id), 0) FROM delivery", [], |row| {
                row.get(0)
            })
    }

    /// Whether a row names the kept message `name`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn names_file(&self, name: &str) -> rusqlite::Result<bool> {
        names_file(&self.connection, name)
    }

    /// Keeps new rows in one transaction; false when that would exceed `max_bytes`.
    ///
    /// # Errors
    /// When they cannot be written; none is kept then.
    pub fn commit(&self, rows: &[NewRow], max_bytes: u64) -> rusqlite::Result<bool> {
        self.commit_beside(rows, max_bytes, 0)
    }

    /// The same when other files take so many bytes of them.
    ///
    /// # Errors
    /// When they cannot be written; none is kept then.
    pub fn commit_beside(
        &self,
        rows: &[NewRow],
        max_bytes: u64,
        beside: u64,
    ) -> rusqlite::Result<bool> {
        if self.is_full(max_bytes, beside)? {
            return Ok(false);
        }
        let transaction = self.connection.unchecked_transaction()?;
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            for row in rows {
                insert.execute(params![
                    row.id,
                    row.method,
                    row.received,
                    row.uid,
                    row.file,
                    row.notification,
                    row.user
                ])?;
            }
        }
        transaction.commit()?;
        Ok(true)
    }

    /// Claims due rows: see [`Spool::claim`](super::Spool::claim).
    ///
    /// # Errors
    /// When the file cannot be written; nothing is claimed then.
    pub fn claim(&self, method: &str, now: Micros, most: usize) -> rusqlite::Result<Vec<Row>> {
        let most = self.few_enough(method, now, most)?;
        let mut claim = self.connection.prepare_cached(&format!(
            "UPDATE delivery SET state = 'active', attempts = attempts + 1, begun = begun + 1 WHERE id IN (
                 SELECT id FROM delivery INDEXED BY delivery_due
                 WHERE method = ?1 AND state IN ('incoming', 'deferred') AND due <= ?2
                 ORDER BY due, id LIMIT ?3)
             RETURNING {COLUMNS}"
        ))?;
        let mut rows: Vec<Row> = claim
            .query_map(params![method, now, most as i64], read_row)?
            .collect::<rusqlite::Result<_>>()?;
        rows.sort_by_key(|row| (row.due, row.kept.id));
        Ok(rows)
    }

    /// How many of the `most` rows that would be claimed have not more than [`CLAIMED`] bytes together; one may have more.
    fn few_enough(&self, method: &str, now: Micros, most: usize) -> rusqlite::Result<usize> {
        if most <= FEW {
            return Ok(most);
        }
        let mut lengths = self.connection.prepare_cached(
            "SELECT length(notification) FROM delivery INDEXED BY delivery_due
             WHERE method = ?1 AND state IN ('incoming', 'deferred') AND due <= ?2
             ORDER BY due, id LIMIT ?3",
        )?;
        let mut rows = lengths.query(params![method, now, most as i64])?;
        let (mut count, mut bytes) = (0, 0);
        while let Some(row) = rows.next()? {
            bytes += row.get::<_, i64>(0)?;
            if bytes > CLAIMED {
                break;
            }
            count += 1;
        }
        Ok(count.max(1))
    }

    /// Whether the row is here.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn has(&self, id: i64) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM delivery WHERE id = ?1)")?
            .query_row([id], |row| row.get(0))
    }

    /// When the next row of `method` is due.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_due(&self, method: &str) -> rusqlite::Result<Option<Micros>> {
        let mut next = self.connection.prepare_cached(
            "SELECT min(due) FROM delivery INDEXED BY delivery_due
             WHERE method = ?1 AND state IN ('incoming', 'deferred')",
        )?;
        next.query_row([method], |row| row.get(0))
    }

    /// For tests: every write fails from now on, or no more.
    #[cfg(test)]
    pub(super) fn refuse_writes(&self, on: bool) {
        self.connection
            .pragma_update(None, "query_only", on)
            .unwrap();
    }
}

/// Adds those of [`ADDED`] that the table has not got, in one transaction. In a file of 0.1.0 what was counted until now
/// counts as begun, and what is deferred as deferred just now.
pub(super) fn add_columns(connection: &Connection) -> rusqlite::Result<()> {
    let there: Vec<String> = connection
        .prepare("SELECT name FROM pragma_table_info('delivery')")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let is_missing = |(name, _): &&(&str, &str)| !there.iter().any(|column| column == name);
    let missing: Vec<_> = ADDED.iter().filter(is_missing).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let add = connection.unchecked_transaction()?;
    for (name, declaration) in &missing {
        add.execute_batch(&format!(
            "ALTER TABLE delivery ADD COLUMN {name} {declaration}"
        ))?;
    }
    if missing.iter().any(|(name, _)| *name == "begun") {
        add.execute(
            "UPDATE delivery SET begun = attempts WHERE attempts > 0",
            [],
        )?;
    }
    if missing.iter().any(|(name, _)| *name == "delay") {
        add.execute(
            "UPDATE delivery SET delay = max(min(due - ?1, ?2), 0) WHERE state = 'deferred'",
            [now(), LONGEST_DELAY],
        )?;
    }
    add.commit()
}

pub(super) fn names_file(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM delivery WHERE file = ?1)")?
        .query_row([name], |row| row.get(0))
}

pub(super) fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let notification = match row.get_ref(8)? {
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) => bytes.to_vec(),
        _ => Vec::new(),
    };
    Ok(Row {
        kept: NewRow {
            id: row.get(0)?,
            method: row.get(1)?,
            received: row.get(3)?,
            uid: row.get(5)?,
            file: row.get(6)?,
            notification,
            user: row.get(12)?,
        },
        due: row.get(2)?,
        attempts: row.get(4)?,
        begun: row.get(9)?,
        crashes: row.get(10)?,
        delay: row.get(11)?,
        waited: row.get(13)?,
        asked: row.get(14)?,
        error: row.get(7)?,
    })
}

fn named(path: &Path, error: &rusqlite::Error) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}

fn corrupt(what: &str) -> rusqlite::Error {
    let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(corrupt, Some(what.to_owned()))
}

/// SQLite ends to read a log in silence where it is damaged, and forgets the commits behind.
fn check_log(connection: &Connection, path: &Path) -> rusqlite::Result<()> {
    let lacks = || -> rusqlite::Result<bool> {
        let there = salvage::pages_in_log(path);
        Ok(there > checkpoint(connection, Checkpoint::Noop)?.pages)
    };
    // Somebody else may begin it anew between the two looks; not twice.
    match lacks()? && lacks()? {
        true => Err(corrupt("its log is damaged")),
        false => Ok(()),
    }
}

fn has_table(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'delivery')";
    connection.query_row(sql, [], |row| row.get(0))
}

/// The table is there, with all columns that it has always had. Indexes that were dropped are made again.
fn check_table(connection: &Connection) -> rusqlite::Result<()> {
    let there: i64 = connection.query_row(
        "SELECT count(*) FROM pragma_table_info('delivery') WHERE name IN
         ('id', 'method', 'state', 'due', 'received', 'attempts', 'uid', 'file', 'error', 'notification')",
        [],
        |row| row.get(0),
    )?;
    match there {
        10 => Ok(()),
        0 => Err(corrupt("the table of deliveries is missing")),
        _ => Err(corrupt("the table of deliveries lacks columns")),
    }
}

pub(super) fn is_corrupt(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i64, method: &str) -> NewRow {
        NewRow {
            method: method.into(),
            uid: Some(7),
            notification: vec![0, 255, id as u8],
            ..NewRow::example(id)
        }
    }

    const NO_LIMIT: u64 = u64::MAX;

    /// The condition of an index can need a table of its own, made for each row: see `depth::INDEXES`.
    #[test]
    fn an_insert_makes_no_tables() {
        let db = Db::memory().unwrap();
        let sql = format!("EXPLAIN {INSERT}");
        let mut explain = db.connection.prepare(&sql).unwrap();
        let nothing = params![0, 0, 0, 0, 0, 0, 0];
        let codes: Vec<String> = explain
            .query_map(nothing, |row| row.get(1))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(codes.contains(&"IdxInsert".to_owned()));
        assert!(!codes.contains(&"OpenEphemeral".to_owned()), "{codes:?}");
    }

    #[test]
    fn a_row_is_claimed_once_in_order_and_settled() {
        let db = Db::memory().unwrap();
        assert!(
            db.commit(&[row(3, "a"), row(1, "a"), row(2, "b")], NO_LIMIT)
                .unwrap()
        );
        let claimed = db.claim("a", 10, 10).unwrap();
        assert_eq!(
            claimed.iter().map(|r| r.kept.id).collect::<Vec<_>>(),
            [1, 3]
        );
        assert_eq!(
            (claimed[0].kept.clone(), claimed[0].attempts),
            (row(1, "a"), 1)
        );
        assert!(db.claim("a", 10, 10).unwrap().is_empty());
        db.settle(&[
            Settlement::Done(1),
            Settlement::Defer {
                id: 3,
                due: 50,
                delay: 0,
                waited: 0,
                error: "later".into(),
            },
        ])
        .unwrap();
        assert_eq!(db.next_due("a").unwrap(), Some(50));
        assert!(db.claim("a", 49, 10).unwrap().is_empty());
        let again = db.claim("a", 50, 10).unwrap();
        assert_eq!(
            (again[0].attempts, again[0].error.as_deref()),
            (2, Some("later"))
        );
        let counts = |row: &Row| (row.attempts, row.begun);
        db.settle(&[Settlement::Release(3)]).unwrap();
        assert_eq!(counts(&db.claim("a", 50, 10).unwrap()[0]), (2, 3));
        db.settle(&[Settlement::GiveBack(3)]).unwrap();
        assert_eq!(counts(&db.claim("a", 50, 10).unwrap()[0]), (2, 3));
        let error = "too many".to_owned();
        db.settle(&[Settlement::Hold {
            id: 3,
            at: 77,
            error,
        }])
        .unwrap();
        assert!(db.claim("a", 99, 10).unwrap().is_empty(), "on hold");
    }

    #[test]
    fn what_failed_is_kept_until_it_is_purged() {
        let db = Db::memory().unwrap();
        db.commit(
            &[NewRow {
                file: Some("f".into()),
                ..row(1, "a")
            }],
            NO_LIMIT,
        )
        .unwrap();
        db.claim("a", 1, 1).unwrap();
        let files = db
            .settle(&[Settlement::Fail {
                id: 1,
                at: 100,
                error: "no".into(),
            }])
            .unwrap();
        assert!(files.is_empty());
        assert_eq!(db.next_due("a").unwrap(), None);
        assert_eq!(db.purge_failed(100).unwrap(), (0, vec![]));
        assert_eq!(db.purge_failed(101).unwrap(), (1, vec!["f".to_owned()]));
    }

    #[test]
    fn a_kept_message_goes_with_its_last_row() {
        let db = Db::memory().unwrap();
        let with_file = |id| NewRow {
            file: Some("f".into()),
            ..row(id, "a")
        };
        db.commit(&[with_file(1), with_file(2)], NO_LIMIT).unwrap();
        assert!(db.settle(&[Settlement::Done(1)]).unwrap().is_empty());
        assert_eq!(db.settle(&[Settlement::Done(2)]).unwrap(), ["f"]);
    }

    /// Each of them is in memory until it is done.
    #[test]
    fn not_too_many_bytes_are_claimed_at_once() {
        let db = Db::memory().unwrap();
        let large = |id| NewRow {
            notification: vec![b'x'; CLAIMED as usize / 4],
            ..row(id, "a")
        };
        let all: Vec<NewRow> = (1..=9).map(large).collect();
        db.commit(&all, NO_LIMIT).unwrap();
        assert_eq!(db.claim("a", 10, 512).unwrap().len(), 4);
        assert_eq!(db.claim("a", 10, 2).unwrap().len(), 2);
        let huge = NewRow {
            notification: vec![b'x'; CLAIMED as usize + 1],
            ..row(10, "b")
        };
        db.commit(&[huge], NO_LIMIT).unwrap();
        assert_eq!(db.claim("b", 10, 512).unwrap().len(), 1);
    }

    #[test]
    fn a_full_table_says_so() {
        let db = Db::memory().unwrap();
        assert!(!db.commit(&[row(1, "a")], 1).unwrap());
    }

    #[test]
    fn rows_survive_and_active_ones_are_due_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool.db");
        let db = Db::open(&path).unwrap();
        db.commit(&[row(1, "a"), row(2, "a")], NO_LIMIT).unwrap();
        db.claim("a", 1, 1).unwrap();
        drop(db);
        let db = Db::open(&path).unwrap();
        assert_eq!((db.recover().unwrap(), db.last_id().unwrap()), (1, 2));
        let claimed = db.claim("a", 10, 10).unwrap();
        assert!(claimed.iter().map(|row| row.crashes).eq([1, 0]));
        db.settle(&[Settlement::Abandon(1), Settlement::Release(1)])
            .unwrap();
        assert_eq!(db.claim("a", 10, 10).unwrap()[0].crashes, 2);
    }

    /// 0.1.0 wrote a table without the columns of [`ADDED`], and goes on to write one that has them.
    #[test]
    fn a_file_of_0_1_0_gets_its_columns_and_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(SCHEMA).unwrap();
        old.pragma_update(None, "user_version", VERSION).unwrap();
        let insert = |id: i64, attempts: i64| {
            let sql =
                "INSERT INTO delivery (id, method, state, due, received, attempts, notification)
                 VALUES (?1, 'a', 'deferred', 0, 0, ?2, x'00')";
            old.execute(sql, [id, attempts]).unwrap()
        };
        insert(1, 3);
        let rows = Db::open(&path).unwrap().claim("a", 1, 9).unwrap();
        assert_eq!((rows[0].attempts, rows[0].begun), (4, 4));
        insert(2, 0);
        let rows = Db::open(&path).unwrap().claim("a", 1, 9).unwrap();
        assert_eq!((rows[0].kept.id, rows[0].begun), (2, 1));
    }

    #[test]
    fn a_file_that_is_no_spool_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool.db");
        std::fs::write(&path, vec![b'x'; 10_000]).unwrap();
        Db::open(&path)
            .unwrap()
            .commit(&[row(1, "a")], NO_LIMIT)
            .unwrap();
        let aside = std::fs::read_dir(dir.path()).unwrap().filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .contains("corrupt")
        });
        assert_eq!(aside.count(), 1);
    }
}
