//! How a process begins with the spool on disk: folders, file, what the last process left.
//!
//! What was under way when the last process ended is due again, and kept messages that no delivery names are removed.
//! A file that is corrupt is kept aside, and a new one is begun.

use super::db::{self, Db};
use super::space::Space;
use super::{Limits, files};
use log::{error, info, warn};
use std::io;
use std::path::Path;

/// Opens the spool file at `path`, or makes it.
pub(super) fn open_file(path: &Path, limits: Limits) -> io::Result<Db> {
    let disk = Db::open(path)?;
    let space = path.parent().map(|folder| Space::new(folder).look());
    let total = space
        .and_then(Result::ok)
        .map_or(u64::MAX, |space| space.total);
    disk.bound_log(limits.longest_log(), total)
        .map_err(io::Error::other)?;
    if limits.sync_each {
        disk.sync_each_commit().map_err(io::Error::other)?;
    }
    Ok(disk)
}

/// Opens the spool in `folder`, or makes it; nobody else may have it open to deliver from it.
pub(super) fn open_disk(folder: &Path, limits: Limits) -> io::Result<Db> {
    files::make_folders(folder)?;
    let path = folder.join("spool.db");
    for beside in ["db", "db-wal", "db-shm"] {
        files::check_owner(&path.with_extension(beside))?;
    }
    say_what_is_missing(&path);
    let mut disk = open_file(&path, limits)?;
    let mut recovered = disk.recover();
    if let Err(error) = &recovered
        && db::is_corrupt(error)
    {
        drop(disk);
        drop(Db::begin_anew(&path, &error.to_string())?);
        disk = open_file(&path, limits)?;
        recovered = disk.recover();
    }
    let recovered = recovered.map_err(io::Error::other)?;
    if recovered > 0 {
        info!(
            "spool: {recovered} deliveries were under way when the last process ended; they are due again"
        );
    }
    Ok(disk)
}

/// Says what SQLite would make anew in silence: a spool file that is gone, or its log.
fn say_what_is_missing(path: &Path) {
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
    let has_log = path.with_extension("db-wal").exists();
    let was_used = path.with_file_name(files::STATS).exists();
    match length(path) {
        0 if was_used && !has_log => error!(
            "spool: {} was removed or emptied while no process ran; what was owed in it is lost",
            path.display()
        ),
        0 => {}
        _ if has_log => {}
        _ => warn!(
            "spool: {} has no log beside it: another program has moved it into the file, or it was removed, and the last deliveries with it",
            path.display()
        ),
    }
}

/// Removes kept messages that no delivery names. Only before anything is taken in: what is in memory or about to be
/// committed is not in `disk`.
pub(super) fn remove_orphans(folder: &Path, disk: &Db) -> io::Result<()> {
    files::remove_orphans(folder, |name| disk.names_file(name).unwrap_or(true))
}
