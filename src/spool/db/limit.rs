//! How large the file may become, and when a commit counts.

use super::Db;

/// A file with more pages than this is cut when all rows have gone (64 MB).
const LARGE: i64 = 16_384;
/// How many commits may pass between two looks at the file's size.
const SIZE_EVERY: u32 = 64;

impl Db {
    /// Whether rows use `max_bytes` or more. Looks at the file now and then, and each time while it is full.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn is_full(&self, max_bytes: u64) -> rusqlite::Result<bool> {
        if self.until_size.get() == 0 || self.full.get() {
            let pragma = |name: &str| {
                self.connection
                    .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            };
            let used = (pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?;
            self.full.set(u64::try_from(used).unwrap_or(0) >= max_bytes);
            self.until_size.set(SIZE_EVERY);
        }
        self.until_size.set(self.until_size.get() - 1);
        Ok(self.full.get())
    }

    /// Gives a large file back to the system when no row is left: SQLite only reuses what deleted rows leave. With
    /// rows in it that would take long, and writers would wait.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn shrink(&self) -> rusqlite::Result<()> {
        let pages: i64 = self
            .connection
            .pragma_query_value(None, "page_count", |row| row.get(0))?;
        if pages <= LARGE || self.last_id()? > 0 {
            return Ok(());
        }
        self.connection.execute_batch("VACUUM")?;
        self.checkpoint().map(drop) // the file is cut when the log is moved into it
    }

    /// Makes each commit from now on wait for the platter.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn sync_each_commit(&self) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "synchronous", "FULL")
    }

    /// For tests: whether commits wait for the platter.
    #[cfg(test)]
    pub(in crate::spool) fn syncs_each_commit(&self) -> bool {
        let full = 2;
        self.connection
            .pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0))
            .unwrap()
            == full
    }
}
