//! Due times that are set right after the clock was set; what for is told in [`crate::spool::clock`].
//!
//! Each function changes a batch in one statement.

use super::{BATCH, Db};
use crate::spool::Micros;
use rusqlite::params;

/// When rows were deferred, which cannot be in the future. New rows never enter it.
pub(super) const INDEX: &str = "
    CREATE INDEX IF NOT EXISTS delivery_deferred ON delivery (due - delay) WHERE state = 'deferred'";

impl Db {
    /// The end of the next batch of ids: those greater than `from`, up to `last`. `None` when there are no more.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn ids_after(&self, from: i64, last: i64) -> rusqlite::Result<Option<i64>> {
        self.connection
            .prepare_cached(
                "SELECT max(id) FROM (
                     SELECT id FROM delivery WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3)",
            )?
            .query_row(params![from, last, BATCH], |row| row.get(0))
    }

    /// The clock was set by `step` and shows `now`: moves the due times of rows with greater ids than `from`, up to `to`.
    /// What failed or is on hold is kept as long as before, or longer.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn move_due(
        &self,
        from: i64,
        to: i64,
        step: Micros,
        now: Micros,
    ) -> rusqlite::Result<usize> {
        self.connection
            .prepare_cached(
                "UPDATE delivery SET due = CASE state
                     WHEN 'failed' THEN min(due + max(?3, 0), ?4)
                     WHEN 'hold' THEN min(due + max(?3, 0), ?4)
                     ELSE min(due + ?3, ?4 + delay) END
                 WHERE id > ?1 AND id <= ?2",
            )?
            .execute(params![from, to, step, now])
    }

    /// Makes a batch of rows that were deferred after `now` due when they would be if it had been at `now`, and lets
    /// those that failed or were held after `now` have failed or been held at `now`; how many.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn limit_due(&self, now: Micros) -> rusqlite::Result<usize> {
        let deferred = self
            .connection
            .prepare_cached(
                "UPDATE delivery SET due = ?1 + delay WHERE id IN (
                     SELECT id FROM delivery INDEXED BY delivery_deferred
                     WHERE state = 'deferred' AND due - delay > ?1 LIMIT ?2)",
            )?
            .execute(params![now, BATCH])?;
        let failed = self
            .connection
            .prepare_cached(
                "UPDATE delivery SET due = ?1 WHERE id IN (
                     SELECT id FROM delivery INDEXED BY delivery_failed
                     WHERE state = 'failed' AND due > ?1 LIMIT ?2)",
            )?
            .execute(params![now, BATCH])?;
        let held = self
            .connection
            .prepare_cached(
                "UPDATE delivery SET due = ?1 WHERE id IN (
                     SELECT id FROM delivery INDEXED BY delivery_held
                     WHERE state = 'hold' AND due > ?1 LIMIT ?2)",
            )?
            .execute(params![now, BATCH])?;
        Ok(deferred + failed + held)
    }

    /// Makes rows that were never tried due at `now` when they are due later: those with greater ids than `from`, up to
    /// `to`; how many.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn limit_untried(&self, from: i64, to: i64, now: Micros) -> rusqlite::Result<usize> {
        self.connection
            .prepare_cached(
                "UPDATE delivery SET due = ?3
                 WHERE id > ?1 AND id <= ?2 AND state = 'incoming' AND due > ?3",
            )?
            .execute(params![from, to, now])
    }

    /// Whether another process or connection has changed the file since this was asked last.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn changed_by_others(&self) -> rusqlite::Result<bool> {
        let version = self
            .connection
            .pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0))?;
        Ok(self.version.replace(version) != version)
    }
}
