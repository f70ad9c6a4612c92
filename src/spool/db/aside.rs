//! A spool file that cannot be used is never thrown away: it is moved aside, with SQLite's log of it, without which
//! it would lack the last commits. What can be read of it goes to the new one.

use super::Row;
use super::salvage::{self, Lost};
use crate::spool::{files, now};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Inserts those rows that are not there, and says how many those were.
type Insert<'a> = &'a mut dyn FnMut(&[(Row, String)]) -> rusqlite::Result<usize>;

/// Rows that are inserted at once; and when they have so many bytes, no further ones.
const ROWS: usize = 64;
const BYTES: usize = 1 << 20;

/// Moves a file that is corrupt, or no spool, aside, with a loud line; where it is then.
pub(in crate::spool) fn keep_aside(path: &Path, why: &str) -> io::Result<PathBuf> {
    let aside = move_aside(path, "corrupt")?;
    log::error!(
        "spool: {}: {why}; kept aside as {}, a new one is begun",
        path.display(),
        aside.display()
    );
    Ok(aside)
}

/// What came out of a damaged spool file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Rows that are in the spool now.
    pub taken: usize,
    /// Rows that were there already.
    pub known: usize,
    /// What could not be read.
    pub lost: Lost,
}

/// Takes what can be read out of the spool file at `aside`, which was kept aside; `insert` inserts those rows that are not
/// there and says how many those were. Says how it went.
pub(in crate::spool) fn take_over(aside: &Path, insert: Insert<'_>) {
    match salvage(aside, aside.parent(), false, insert) {
        Ok(Salvaged { taken, lost, .. }) => {
            if taken > 0 {
                log::warn!(
                    "spool: {taken} deliveries were taken over from {}",
                    aside.display()
                );
            }
            if !lost.is_nothing() {
                log::error!("spool: {}: {lost}", aside.display());
            }
        }
        Err(error) => log::error!(
            "spool: cannot take over what is in {}: {error}; try notifyctl import later",
            aside.display()
        ),
    }
}

/// Reads what can be read out of the spool file at `path` and gives it to `insert`, some rows at a time. A kept message that is
/// not in `folder` is no reason to leave the delivery behind.
pub(in crate::spool) fn salvage(
    path: &Path,
    folder: Option<&Path>,
    unused: bool,
    insert: Insert<'_>,
) -> io::Result<Salvaged> {
    let mut all = Salvaged::default();
    let (mut rows, mut bytes) = (Vec::new(), 0);
    let mut flush = |rows: &mut Vec<(Row, String)>| {
        let inserted = insert(rows).map_err(io::Error::other)?;
        all.taken += inserted;
        all.known += rows.len() - inserted;
        rows.clear();
        io::Result::Ok(())
    };
    let is_there = |name: &String| folder.is_some_and(|folder| files::path(folder, name).exists());
    let lost = salvage::read(path, unused, |mut row, state| {
        row.kept.file = row.kept.file.filter(is_there);
        bytes += row.kept.notification.len();
        rows.push((row, state));
        if rows.len() == ROWS || bytes >= BYTES {
            bytes = 0;
            flush(&mut rows)?;
        }
        Ok(())
    })?;
    flush(&mut rows)?;
    all.lost = lost;
    Ok(all)
}

/// Moves what is at `path`, if anything, to `PATH.WORD-TIME`: the file itself and those that SQLite has beside it.
pub(in crate::spool) fn move_aside(path: &Path, word: &str) -> io::Result<PathBuf> {
    let aside = with(path, &format!(".{word}-{}", now()));
    for suffix in ["", "-wal", "-shm"] {
        unless_missing(fs::rename(with(path, suffix), with(&aside, suffix)))?;
    }
    Ok(aside)
}

/// Takes it for success that a file was not there.
pub(in crate::spool) fn unless_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
