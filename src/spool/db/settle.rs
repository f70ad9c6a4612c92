//! The end of rows: how an attempt ended, and the removal of what failed long ago.
//!
//! A kept message may be named by several rows, so a row that goes gives its name back only when no other
//! needs it; the caller removes the file after the commit.

use super::{BATCH, COLUMNS, Db, Row, Settlement, names_file, read_row};
use crate::spool::Micros;
use rusqlite::{Transaction, params};

/// Most rows that are given up at once; each is read with its notification.
const HELD_BATCH: u32 = 16;

impl Db {
    /// Writes down how attempts ended, in one transaction; the names of kept messages that no row needs any more.
    ///
    /// # Errors
    /// When the file cannot be written; nothing is settled then.
    pub fn settle(&self, settlements: &[Settlement]) -> rusqlite::Result<Vec<String>> {
        let transaction = self.connection.unchecked_transaction()?;
        let mut files = Vec::new();
        for settlement in settlements {
            settle_one(&transaction, settlement, &mut files)?;
        }
        files.retain(|name| !names_file(&transaction, name).unwrap_or(true));
        transaction.commit()?;
        Ok(files)
    }

    /// Removes a batch of rows that failed before `before`: how many, and the kept messages that no row needs any more.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn purge_failed(&self, before: Micros) -> rusqlite::Result<(usize, Vec<String>)> {
        let transaction = self.connection.unchecked_transaction()?;
        let mut files = Vec::new();
        let mut count = 0;
        {
            let mut purge = transaction.prepare_cached(
                "DELETE FROM delivery WHERE id IN (
                     SELECT id FROM delivery INDEXED BY delivery_failed
                     WHERE state = 'failed' AND due < ?1 LIMIT ?2)
                 RETURNING file",
            )?;
            let mut rows = purge.query(params![before, BATCH])?;
            while let Some(row) = rows.next()? {
                count += 1;
                files.extend(row.get::<_, Option<String>>(0)?);
            }
        }
        files.retain(|name| !names_file(&transaction, name).unwrap_or(true));
        transaction.commit()?;
        Ok((count, files))
    }

    /// Gives up a batch of rows that were put on hold before `before`: they have failed at `now`. Those rows.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn expire_held(&self, before: Micros, now: Micros) -> rusqlite::Result<Vec<Row>> {
        let mut expire = self.connection.prepare_cached(&format!(
            "UPDATE delivery SET state = 'failed', due = ?2 WHERE id IN (
                 SELECT id FROM delivery INDEXED BY delivery_held
                 WHERE state = 'hold' AND due < ?1 ORDER BY due LIMIT ?3)
             RETURNING {COLUMNS}"
        ))?;
        expire
            .query_map(params![before, now, HELD_BATCH], read_row)?
            .collect()
    }
}

/// Removes a row, if it is there: how many that was. The name of its kept message is added to `files`.
pub(in crate::spool) fn delete_row(
    transaction: &Transaction<'_>,
    id: i64,
    files: &mut Vec<String>,
) -> rusqlite::Result<usize> {
    let mut delete =
        transaction.prepare_cached("DELETE FROM delivery WHERE id = ?1 RETURNING file")?;
    let mut rows = delete.query([id])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        files.extend(row.get::<_, Option<String>>(0)?);
        count += 1;
    }
    Ok(count)
}

fn settle_one(
    transaction: &Transaction<'_>,
    settlement: &Settlement,
    files: &mut Vec<String>,
) -> rusqlite::Result<()> {
    match settlement {
        Settlement::Done(id) => {
            delete_row(transaction, *id, files)?;
        }
        Settlement::Defer {
            id,
            due,
            delay,
            waited,
            error,
        } => {
            transaction
                .prepare_cached(
                    "UPDATE delivery SET state = 'deferred', due = ?2, delay = ?3, waited = ?4, error = ?5
                     WHERE id = ?1 AND state = 'active'",
                )?
                .execute(params![id, due, delay, waited, error])?;
        }
        Settlement::Fail { id, at, error } => {
            transaction
                .prepare_cached(
                    "UPDATE delivery SET state = 'failed', due = ?2, error = ?3
                     WHERE id = ?1 AND state = 'active'",
                )?
                .execute(params![id, at, error])?;
        }
        Settlement::Hold { id, at, error } => {
            transaction
                .prepare_cached(
                    "UPDATE delivery SET state = 'hold', due = ?2, attempts = attempts - 1, error = ?3
                     WHERE id = ?1 AND state = 'active'",
                )?
                .execute(params![id, at, error])?;
        }
        Settlement::Release(id) => {
            transaction
                .prepare_cached(
                    "UPDATE delivery SET state = 'deferred', attempts = attempts - 1
                     WHERE id = ?1 AND state = 'active'",
                )?
                .execute([id])?;
        }
        Settlement::Abandon(id) => {
            transaction
                .prepare_cached(
                    "UPDATE delivery SET crashes = crashes + 1 WHERE id = ?1 AND state = 'active'",
                )?
                .execute([id])?;
        }
        Settlement::GiveBack(id) => {
            transaction
                .prepare_cached(
                    "UPDATE delivery SET state = 'deferred', attempts = attempts - 1, begun = begun - 1
                     WHERE id = ?1 AND state = 'active'",
                )?
                .execute([id])?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::spool::{NewRow, Settlement, Spool};

    #[test]
    fn all_batches_are_gone_through() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(&dir.path().join("s")).unwrap();
        spool.commit(&(1001..=1600).map(NewRow::example).collect::<Vec<_>>());
        let claimed = spool.claim("a", 1600, 1000).unwrap();
        assert_eq!(claimed.len(), 600);
        let fail = |id| Settlement::Fail {
            id,
            at: 9,
            error: "no".into(),
        };
        spool
            .settle(&mut (1001..=1600).map(fail).collect())
            .unwrap();
        assert_eq!(spool.purge_failed(10).unwrap(), 600);
    }
}
