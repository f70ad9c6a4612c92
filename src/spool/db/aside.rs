//! A spool file that cannot be used is never thrown away: it is moved aside, with SQLite's log of it, without which
//! it would lack the last commits.

use crate::spool::now;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Moves a file that is corrupt, or no spool, aside, with a loud line.
pub(in crate::spool) fn keep_aside(path: &Path, why: &rusqlite::Error) -> io::Result<()> {
    let aside = move_aside(path, "corrupt")?;
    log::error!(
        "spool: {}: {why}; kept aside as {}, a new one is begun",
        path.display(),
        aside.display()
    );
    Ok(())
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
