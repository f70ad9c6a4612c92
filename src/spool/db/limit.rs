//! How large the file may become, and when a commit counts.

use super::{Db, NewRow, wal};
use crate::spool::space::{Free, Space};
use std::io;

/// A file with more pages than this is cut when all rows have gone (64 MB), or with more than an eighth of its disk.
const LARGE: u64 = 64 << 20;
/// How many commits may pass between two looks at the file's size.
const SIZE_EVERY: u32 = 64;
/// What a row takes beside its notification, and a commit beside its rows: the pages of the indexes. In bytes.
const ROW: u64 = 512;
const COMMIT: u64 = 64 << 10;
/// Most bytes of rows that are kept without another look at the disk.
const UNSEEN: u64 = 8 << 20;
/// With less than so many times the reserve left, a disk may soon be full.
const TIGHT: u64 = 64;

/// What keeps new rows from a disk that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::spool) enum Lack {
    /// It has only so many bytes left.
    Space(u64),
    /// The write-ahead log has this length in bytes, and cannot begin anew.
    Log(u64),
}

/// What rows take on the disk at most, in bytes, before the log is moved into the file.
pub(in crate::spool) fn cost<'a>(rows: impl IntoIterator<Item = &'a NewRow>) -> u64 {
    let row = |row: &NewRow| row.notification.len() as u64 + ROW;
    COMMIT + rows.into_iter().map(row).sum::<u64>()
}

impl Db {
    /// Whether rows use `max_bytes` or more, `beside` included, which is taken by other files. Looks at the file now and
    /// then, and each time while it is full.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn is_full(&self, max_bytes: u64, beside: u64) -> rusqlite::Result<bool> {
        if self.until_size.get() == 0 || self.full.get() {
            let used = self.used_bytes()?.saturating_add(beside);
            self.full.set(used >= max_bytes);
            self.until_size.set(SIZE_EVERY);
        }
        self.until_size.set(self.until_size.get() - 1);
        Ok(self.full.get())
    }

    pub(super) fn number(&self, pragma: &str) -> rusqlite::Result<u64> {
        let number = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        let number = self.connection.pragma_query_value(None, pragma, number)?;
        Ok(number.unsigned_abs())
    }

    /// Bytes that rows use.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(in crate::spool) fn used_bytes(&self) -> rusqlite::Result<u64> {
        let pages = self.number("page_count")? - self.number("freelist_count")?;
        Ok(pages * self.number("page_size")?)
    }

    /// What keeps rows that [`cost`] so much from the disk, if anything. When it is `fresh`, or much was written since the
    /// last look, looks at the disk; else it is known that there is room.
    ///
    /// # Errors
    /// When the file or its folder cannot be read.
    pub(in crate::spool) fn lack(
        &self,
        cost: u64,
        space: &Space,
        longest_log: u64,
        fresh: bool,
    ) -> io::Result<Option<Lack>> {
        let known = self.room_known.get();
        if !fresh && cost <= known {
            self.room_known.set(known - cost);
            return Ok(None);
        }
        self.room_known.set(0);
        let Some(path) = &self.path else {
            return Ok(None);
        };
        let log = wal::length(path);
        if log > longest_log {
            return Ok(Some(Lack::Log(log)));
        }
        let sizes = || -> rusqlite::Result<(u64, u64)> {
            let page = self.number("page_size")?;
            let (all, unused) = (self.number("page_count")?, self.number("freelist_count")?);
            Ok((all * page, unused * page))
        };
        let (all, unused) = sizes().map_err(io::Error::other)?;
        let file = std::fs::metadata(path)?.len();
        let Free { free, reserve, .. } = space.look()?;
        // The file grows by what is in the log only, and so much must stay free, or the log can never be moved.
        let growth = all.saturating_sub(file);
        let free = free.saturating_sub(growth);
        let room = room(free, reserve, cost, unused);
        // Others may fill what is left at any moment. Then the reserve must do for the log.
        let is_tight = free < TIGHT * reserve;
        let unseen = if is_tight { reserve / 4 } else { UNSEEN };
        self.room_known.set(room.unwrap_or(0).min(unseen));
        let lacks = room.is_none() || is_tight && growth > reserve / 2;
        Ok(lacks.then_some(Lack::Space(free)))
    }

    /// Moves all of the log into the file and cuts it. Waits for nobody: false when somebody reads or writes the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(in crate::spool) fn empty_log(&mut self) -> rusqlite::Result<bool> {
        self.room_known.set(0);
        wal::truncate(&mut self.connection)
    }

    /// How many bytes the file will be longer when all of the log is moved into it; 0 when that is not known.
    pub(in crate::spool) fn growth(&self) -> u64 {
        let file = |path| std::fs::metadata(path).map_or(0, |meta| meta.len());
        let file = self.path.as_ref().map_or(0, file);
        let pages = self.number("page_count").unwrap_or(0);
        (pages * self.number("page_size").unwrap_or(0)).saturating_sub(file)
    }

    /// Gives a large file back to the system when no row is left: SQLite only reuses what deleted rows leave. With
    /// rows in it that would take long, and writers would wait. `disk` is how large the disk is, in bytes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn shrink(&self, disk: u64) -> rusqlite::Result<()> {
        let length = self.number("page_count")? * self.number("page_size")?;
        if length <= LARGE.min(disk / 8).max(COMMIT) || self.last_id()? > 0 {
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

/// What more may be written after rows that cost so much, on a disk with so much `free`, when the file has `unused` room;
/// `None` when they have no room themselves.
///
/// Rows that take the place of others need room in the log only. Rows for which the file must become longer need it twice,
/// and leave as much as the reserve to those others: else a disk that was full once could take nothing more until all rows
/// have gone.
fn room(free: u64, reserve: u64, cost: u64, unused: u64) -> Option<u64> {
    let in_place = free.checked_sub(reserve + cost);
    if cost <= unused {
        return in_place.map(|room| room.min(unused - cost));
    }
    free.checked_sub(2 * reserve + 2 * cost)
        .map(|room| room / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_rows_leave_room_for_claims_and_for_what_takes_the_place_of_others() {
        assert_eq!(room(100, 10, 5, 0), Some(35));
        assert_eq!(room(30, 10, 5, 0), Some(0));
        assert_eq!(room(29, 10, 5, 0), None, "the file may not become longer");
        assert_eq!(room(29, 10, 5, 7), Some(2), "but there is room in it");
        assert_eq!(room(15, 10, 5, 9), Some(0));
        assert_eq!(room(14, 10, 5, 9), None);
        assert_eq!(room(0, 10, 5, 99), None);
    }
}
