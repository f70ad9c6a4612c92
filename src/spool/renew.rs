//! A spool file that is removed, moved or replaced while we run.
//!
//! SQLite goes on with the file that it has open, whatever becomes of its name: every commit succeeds, and all of it
//! is lost when the process ends. So the housekeeper looks, five times a second, whether the file at the spool's path is
//! still the one that we opened, and those that SQLite has beside it as well. When not, all rows are written to a new
//! file there, through the connection that still has them, and we go on with that one.
//!
//! What somebody has put in its place is kept aside and not read: it may be a copy of ours, and would be
//! delivered twice. Nobody can commit while the new file is written: about a second for 500,000 rows.

use super::db::{Db, is_corrupt, keep_aside, make_file, move_aside, take_over, unless_missing};
use super::open::open_file;
use super::{Limits, Spool, files};
use log::{debug, error};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// Which files we have open, by device and inode: the spool file; SQLite's log of it, in which the last commits are; and
/// the index of the log, without which others would write over what we commit.
pub(super) type Identity = Option<[Option<(u64, u64)>; 3]>;

/// Which file the spool has open.
#[derive(Debug)]
pub(super) struct Place {
    /// `None` when none is open.
    opened: Identity,
    /// It could not be written anew, and that was said.
    said: bool,
}

impl Place {
    /// The file that is in `folder` now, if it could be opened.
    pub(super) fn new(folder: &Path, is_open: bool) -> Place {
        Place {
            opened: identity(&folder.join("spool.db")).filter(|_| is_open),
            said: false,
        }
    }
}

impl Spool {
    /// Takes note of an error of the file: one that is found to be corrupt is replaced.
    pub(super) fn note(&self, error: &rusqlite::Error) {
        if is_corrupt(error) {
            self.corrupt.store(true, Ordering::Relaxed);
        }
    }

    /// Puts a file aside that was found to be corrupt while in use, and begins a new one.
    pub(super) fn replace_corrupt(&self) {
        if !self.corrupt.swap(false, Ordering::Relaxed) {
            return;
        }
        let path = self.folder.join("spool.db");
        let mut disk = self.disk.first();
        let limits = self.room.limits();
        let opened = keep_aside(&path, "the file is malformed")
            .and_then(|aside| Ok((aside, open_file(&path, limits)?)));
        match opened {
            Ok((aside, new)) => {
                *disk = new;
                drop(disk);
                self.place_is_new();
                // Attempts that are under way end as they do: their rows come along as they are.
                take_over(&aside, &mut |rows| {
                    let disk = self.disk.later();
                    let count = disk.insert_missing(rows)?;
                    self.room.added(count);
                    Ok(count)
                });
            }
            // Seen again at the next access.
            Err(error) => debug!("spool: {error}"),
        }
    }

    /// The file at the spool's path was opened just now.
    pub(super) fn place_is_new(&self) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Place::new(&self.folder, true);
    }

    /// Looks whether the spool file is in its place, and writes it anew when it is not.
    pub(super) fn keep_place(&self) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.folder.join("spool.db");
        if place.opened.is_none() || place.opened == identity(&path) {
            place.said = false;
            return;
        }
        let mut disk = self.disk.first();
        match renew(&disk, &path, self.room.limits()) {
            Ok(new) => {
                *disk = new;
                *place = Place::new(&self.folder, true);
                error!(
                    "spool: {} was removed or replaced while in use; written anew with {} deliveries",
                    path.display(),
                    disk.count().unwrap_or_default()
                );
            }
            Err(error) if !place.said => {
                place.said = true;
                error!(
                    "spool: {} was removed or replaced while in use and cannot be written anew: {error}; what is owed is lost when this process ends",
                    path.display()
                );
            }
            Err(_) => {}
        }
    }
}

/// Which spool file is at `path`, and which log and index it has.
pub(super) fn identity(path: &Path) -> Identity {
    let file = |path: &Path| {
        let meta = fs::symlink_metadata(path).ok()?;
        Some((meta.dev(), meta.ino()))
    };
    let spool = file(path)?;
    let [log, index] = ["db-wal", "db-shm"].map(|beside| file(&path.with_extension(beside)));
    Some([Some(spool), log, index])
}

/// Writes what `old` holds to a new file at `path`.
fn renew(old: &Db, path: &Path, limits: Limits) -> io::Result<Db> {
    if let Some(folder) = path.parent() {
        files::make_folders(folder)?;
    }
    let new = path.with_extension("db.new");
    unless_missing(fs::remove_file(&new))?;
    make_file(&new)?;
    old.copy_to(&new).map_err(io::Error::other)?;
    File::open(&new)?.sync_all()?;
    // A log that is left there belongs to the old file; SQLite would take it for the new one's.
    move_aside(path, "aside")?;
    fs::rename(&new, path)?;
    open_file(path, limits)
}

#[cfg(test)]
mod tests {
    use super::super::{Kept, now};
    use super::*;

    /// A spool with three rows, the first of them active, whose folder then meets with `accident`. All of them must be
    /// there after a restart. How many spool files are aside then.
    fn survives(accident: impl FnOnce(&Path)) -> usize {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("s");
        let spool = Spool::open(&folder).unwrap();
        spool.keep_place();
        let rows = [
            spool.example(),
            spool.example(),
            spool.example(),
            spool.example(),
        ];
        assert_eq!(spool.commit(&rows[..2]), Kept::Disk);
        assert_eq!(spool.claim("a", now(), 1).unwrap().len(), 1);
        accident(&folder);
        assert_eq!(spool.commit(&rows[2..3]), Kept::Disk, "not seen yet");
        spool.keep_place();
        assert_eq!(spool.commit(&rows[3..]), Kept::Disk);
        let rest = spool.claim("a", now(), 9).unwrap().len();
        assert_eq!(rest, 3, "the active one stays ours");
        let file = identity(&folder.join("spool.db"));
        spool.keep_place();
        assert_eq!(identity(&folder.join("spool.db")), file, "written once");
        drop(spool);
        let spool = Spool::open(&folder).unwrap();
        let claimed = spool.claim("a", now(), 9).unwrap();
        let kept: Vec<_> = claimed.into_iter().map(|row| row.kept).collect();
        assert_eq!(kept, rows);
        for name in ["spool.db", "spool.db-wal", "spool.db-shm"] {
            let mode = fs::metadata(folder.join(name)).unwrap().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}, whatever the umask");
        }
        let names = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| {
                name.contains("aside") && !name.ends_with("-wal") && !name.ends_with("-shm")
            })
            .count()
    }

    #[test]
    fn a_spool_file_that_is_removed_is_written_anew() {
        let remove = |folder: &Path| fs::remove_file(folder.join("spool.db")).unwrap();
        assert_eq!(survives(remove), 0);
        for name in ["spool.db-wal", "spool.db-shm"] {
            let remove = |folder: &Path| fs::remove_file(folder.join(name)).unwrap();
            assert_eq!(survives(remove), 1, "{name}");
        }
        let remove_all = |folder: &Path| {
            for name in ["spool.db", "spool.db-wal", "spool.db-shm"] {
                fs::remove_file(folder.join(name)).unwrap();
            }
        };
        assert_eq!(survives(remove_all), 0);
    }

    #[test]
    fn a_folder_that_is_removed_is_made_again() {
        assert_eq!(survives(|folder| fs::remove_dir_all(folder).unwrap()), 0);
        let moved = |folder: &Path| fs::rename(folder, folder.with_extension("away")).unwrap();
        assert_eq!(survives(moved), 0);
    }

    #[test]
    fn what_was_put_in_its_place_is_kept_aside() {
        let copy = |folder: &Path| {
            fs::copy(folder.join("spool.db"), folder.join("copy")).unwrap();
            fs::rename(folder.join("copy"), folder.join("spool.db")).unwrap();
        };
        assert_eq!(survives(copy), 1);
        let another = |folder: &Path| {
            let other = folder.with_extension("other");
            let spool = Spool::open(&other).unwrap();
            spool.commit(&[spool.example()]);
            drop(spool);
            fs::remove_dir_all(folder).unwrap();
            fs::rename(other, folder).unwrap();
        };
        assert_eq!(survives(another), 1);
    }

    #[test]
    fn as_long_as_it_cannot_be_written_anew_all_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let parent = dir.path().join("p");
        fs::create_dir(&parent).unwrap();
        let spool = Spool::open(&parent.join("s")).unwrap();
        fs::rename(&parent, dir.path().join("away")).unwrap();
        let early = spool.example();
        spool.keep_place();
        assert_eq!(spool.commit(std::slice::from_ref(&early)), Kept::Disk);
        fs::create_dir(&parent).unwrap();
        spool.keep_place();
        drop(spool);
        let spool = Spool::open(&parent.join("s")).unwrap();
        assert_eq!(spool.claim("a", now(), 9).unwrap()[0].kept, early);
    }

    /// Overwrites the middle of the spool file, where the rows are.
    fn damage(folder: &Path) {
        use std::os::unix::fs::FileExt;
        let file = File::options()
            .write(true)
            .open(folder.join("spool.db"))
            .unwrap();
        let length = file.metadata().unwrap().len();
        file.write_all_at(&vec![0xa5; length as usize - 4096], 4096)
            .unwrap();
    }

    fn asides(folder: &Path) -> usize {
        let names = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains("corrupt")).count()
    }

    #[test]
    fn a_file_that_is_found_to_be_corrupt_while_in_use_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("s");
        let spool = Spool::open(&folder).unwrap();
        let rows: Vec<_> = (0..5000).map(|_| spool.example()).collect();
        assert_eq!(spool.commit(&rows), Kept::Disk);
        spool.disk.first().checkpoint().unwrap();
        // What SQLite has in its cache is not read again.
        *spool.disk.first() = Db::open(&folder.join("spool.db")).unwrap();
        damage(&folder);
        let after = spool.example();
        let kept = spool.commit(std::slice::from_ref(&after));
        assert!(spool.claim("a", now(), 9999).is_err() || kept == Kept::Memory);
        spool.replace_corrupt();
        assert!(asides(&folder) > 0);
        let another = spool.example();
        assert_ne!(spool.commit(std::slice::from_ref(&another)), Kept::Dropped);
        assert!(!spool.claim("a", now(), 9).unwrap().is_empty());
    }

    #[test]
    fn a_file_that_is_found_to_be_corrupt_at_the_start_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("s");
        let spool = Spool::open(&folder).unwrap();
        let rows: Vec<_> = (0..5000).map(|_| spool.example()).collect();
        assert_eq!(spool.commit(&rows), Kept::Disk);
        assert!(!spool.claim("a", now(), 9).unwrap().is_empty());
        spool.disk.first().checkpoint().unwrap();
        drop(spool);
        damage(&folder);
        fs::remove_file(folder.join("spool.db-wal")).unwrap(); // it has all pages once more
        let spool = Spool::open(&folder).unwrap();
        let _ = spool.claim("a", now(), 9); // what was missed at the start is found now
        spool.replace_corrupt();
        assert!(asides(&folder) > 0);
        let after = spool.example();
        assert_eq!(spool.commit(std::slice::from_ref(&after)), Kept::Disk);
        assert_eq!(spool.claim("a", now(), 9).unwrap()[0].kept, after);
    }
}
