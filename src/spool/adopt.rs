//! Takes over what is owed in another spool, whose owner is gone.
//!
//! When `[spool] path` is changed, or was mistyped for a while, what is in the usual folder must not be left behind.
//! A row is inserted here before it is forgotten there: who dies in between delivers it twice, and loses nothing.

use super::db::Db;
use super::{Row, Spool, files, id_text};
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

/// Rows in one transaction.
const BATCH: usize = 64;

impl Spool {
    /// Moves all rows of the spool in `folder` here, with their kept messages; how many. The caller holds that spool's lock.
    ///
    /// # Errors
    /// When one of the two cannot be read or written; the rest is still there then.
    pub fn adopt(&self, folder: &Path) -> io::Result<usize> {
        let file = folder.join("spool.db");
        if !file.exists() {
            return Ok(0);
        }
        let other = Db::open(&file)?;
        other.recover().map_err(io::Error::other)?;
        let mut moved = 0;
        while !self.is_degraded() {
            let rows = other.oldest(BATCH).map_err(io::Error::other)?;
            if rows.is_empty() {
                break;
            }
            self.adopt_rows(folder, &other, &rows)
                .map_err(io::Error::other)?;
            moved += rows.len();
            self.rows_are_foreign();
        }
        Ok(moved)
    }

    fn adopt_rows(
        &self,
        folder: &Path,
        other: &Db,
        rows: &[(Row, String)],
    ) -> rusqlite::Result<()> {
        let mut ours = rows.to_vec();
        for (row, _) in &mut ours {
            if self.disk.later().has(row.kept.id)? {
                row.kept.id = self.new_id(row.kept.received);
            }
            // Its time may be to come, by a clock that was wrong: no new row may get the same number then.
            self.last_id.fetch_max(row.kept.id, Ordering::Relaxed);
            row.kept.file = row.kept.file.take().and_then(|name| {
                let new = id_text(row.kept.id);
                let there = files::path(folder, &name);
                let here = files::path(&self.folder, &new);
                let copied = std::fs::hard_link(&there, &here)
                    .or_else(|_| std::fs::copy(&there, &here).map(|_| ()));
                // A message that has gone is no reason to leave the delivery behind.
                copied.is_ok().then_some(new)
            });
        }
        {
            let disk = self.disk.later();
            disk.insert_rows(&ours)?;
            self.room.added(ours.len());
        }
        other.forget(rows)?;
        for name in rows.iter().filter_map(|(row, _)| row.kept.file.as_deref()) {
            if !other.names_file(name)? {
                files::remove(folder, name);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::spool::{Kept, NewRow, Settlement, now};

    fn row(spool: &Spool, file: Option<&str>) -> NewRow {
        NewRow {
            uid: Some(5),
            file: file.map(str::to_owned),
            ..spool.example()
        }
    }

    #[test]
    fn what_is_owed_elsewhere_comes_along_in_its_state() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        let there = Spool::open(&old).unwrap();
        let mut rows: Vec<NewRow> = (0..150).map(|_| row(&there, None)).collect();
        rows[149].file = Some("m".into());
        std::fs::write(files::path(&old, "m"), "message").unwrap();
        assert_eq!(there.commit(&rows), Kept::Disk);
        let claimed = there.claim("a", now(), 2).unwrap();
        let (failed, active) = (claimed[0].kept.id, claimed[1].kept.id);
        let fail = Settlement::Fail {
            id: failed,
            at: 5,
            error: "why".into(),
        };
        there.settle(&mut vec![fail]).unwrap();
        drop(there);

        let here = Spool::open(&new).unwrap();
        // The same number for another delivery.
        let same = NewRow {
            id: rows[2].id,
            ..row(&here, None)
        };
        assert_eq!(here.commit(std::slice::from_ref(&same)), Kept::Disk);
        assert_eq!(here.adopt(&old).unwrap(), 150);
        let claimed = here.claim("a", now(), 1000).unwrap();
        assert_eq!(claimed.len(), 150, "149 of them, and our own");
        assert!(claimed.iter().any(|row| row.kept == same));
        let was_active = claimed.iter().find(|row| row.kept.id == active).unwrap();
        assert_eq!(was_active.attempts, 2);
        let with_file = claimed
            .iter()
            .find_map(|row| row.kept.file.clone())
            .unwrap();
        assert_eq!(
            std::fs::read(files::path(&new, &with_file)).unwrap(),
            b"message"
        );
        assert!(!files::path(&old, "m").exists());
        assert_eq!(
            here.purge_failed(now()).unwrap(),
            1,
            "the one that had failed"
        );
        assert_eq!(here.adopt(&old).unwrap(), 0, "nothing is left");
        assert_eq!(here.adopt(&dir.path().join("none")).unwrap(), 0);
        assert!(!dir.path().join("none").exists(), "looking makes nothing");
    }
}
