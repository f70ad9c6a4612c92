//! Rows on their way from one table to another: from memory to a disk that can be written again, or all to a new file.
//!
//! A row is inserted as it is, state and attempts included, and forgotten in the old table only after that. A
//! process that dies in between loses the table in memory anyway, so no row is ever in two tables on disk.

use super::{COLUMNS, Db, Row, read_row};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use std::path::Path;

/// See [`Db::insert_missing`].
pub(in crate::spool) fn insert_missing(
    connection: &Connection,
    rows: &[(Row, String)],
) -> rusqlite::Result<usize> {
    insert(connection, rows, "INSERT OR IGNORE")
}

fn insert(
    connection: &Connection,
    rows: &[(Row, String)],
    insert: &str,
) -> rusqlite::Result<usize> {
    let transaction = connection.unchecked_transaction()?;
    let mut count = 0;
    for (row, state) in rows {
        let kept = &row.kept;
        count += transaction
            .prepare_cached(&format!(
                "{insert} INTO delivery ({COLUMNS}, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
            ))?
            .execute(params![
                kept.id, kept.method, row.due, kept.received, row.attempts, kept.uid, kept.file, row.error,
                kept.notification, row.begun, row.crashes, row.delay, kept.user, row.waited, row.asked, state
            ])?;
    }
    transaction.commit()?;
    Ok(count)
}

impl Db {
    /// The oldest rows, in whatever state.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn oldest(&self, most: usize) -> rusqlite::Result<Vec<(Row, String)>> {
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS}, state FROM delivery ORDER BY id LIMIT ?1"
        ))?;
        select
            .query_map([most as i64], |row| Ok((read_row(row)?, row.get("state")?)))?
            .collect()
    }

    /// Inserts rows as they are in another table.
    ///
    /// # Errors
    /// When the file cannot be written; none is inserted then.
    pub fn insert_rows(&self, rows: &[(Row, String)]) -> rusqlite::Result<()> {
        insert(&self.connection, rows, "INSERT").map(drop)
    }

    /// The same, but for rows that are here already; how many were not.
    ///
    /// # Errors
    /// When the file cannot be written; none is inserted then.
    pub fn insert_missing(&self, rows: &[(Row, String)]) -> rusqlite::Result<usize> {
        insert_missing(&self.connection, rows)
    }

    /// Whether the file can be locked for writing, which may take as long as another process has it; writes nothing.
    ///
    /// # Errors
    /// When it cannot.
    pub fn try_to_write(&self) -> rusqlite::Result<()> {
        Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?.rollback()
    }

    /// Removes rows that are in another table now.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub fn forget(&self, rows: &[(Row, String)]) -> rusqlite::Result<()> {
        for (row, _) in rows {
            self.connection
                .prepare_cached("DELETE FROM delivery WHERE id = ?1")?
                .execute([row.kept.id])?;
        }
        Ok(())
    }

    /// Writes all rows to the file at `path`, which must be empty.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn copy_to(&self, path: &Path) -> rusqlite::Result<()> {
        let name = path
            .to_str()
            .ok_or_else(|| rusqlite::Error::InvalidPath(path.to_owned()))?;
        self.connection.execute("VACUUM INTO ?1", [name]).map(drop)
    }

    /// How many rows there are.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count(&self) -> rusqlite::Result<i64> {
        self.connection
            .query_row("SELECT count(*) FROM delivery", [], |row| row.get(0))
    }
}
