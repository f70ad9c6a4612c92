//! The file system that the spool is on: how much is free there, and a reserve for when nothing is.
//!
//! A full disk must not stop deliveries: a claim, a settlement, and the move of the log into the file each need a little
//! room, and only they make room again. So new rows stop before the disk is full, and the file `reserve` keeps room from
//! others who fill the same disk. It is removed when the disk has become full after all, and made again when there is room.

use rustix::fs::{self, FallocateFlags};
use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Room that stays for claims and settlements on a disk of 64 MB or more, in bytes.
const RESERVE: u64 = 4 << 20;
/// On a smaller disk it is this part of the whole, but not less than [`LEAST`].
const PART: u64 = 16;
const LEAST: u64 = 64 << 10;
/// A block of a file.
const BLOCK: u64 = 4096;

/// Free and total bytes of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Free {
    /// What we may still write.
    pub(super) free: u64,
    /// What stays for claims and settlements, and as much again for rows that take the place of others.
    pub(super) reserve: u64,
    /// How large it is.
    pub(super) total: u64,
}

/// Where the spool is.
#[derive(Debug)]
pub(super) struct Space {
    folder: PathBuf,
}

impl Space {
    pub(super) fn new(folder: &Path) -> Space {
        Space {
            folder: folder.to_owned(),
        }
    }

    fn reserve(&self) -> PathBuf {
        self.folder.join("reserve")
    }

    /// How much is free; the reserve, which is ours, is.
    ///
    /// # Errors
    /// When the folder cannot be asked.
    pub(super) fn look(&self) -> io::Result<Free> {
        let stat = fs::statvfs(&self.folder)?;
        let total = stat.f_blocks.saturating_mul(stat.f_frsize);
        let held = std::fs::symlink_metadata(self.reserve()).map_or(0, |meta| meta.blocks() * 512);
        Ok(Free {
            free: stat.f_bavail.saturating_mul(stat.f_frsize) + held,
            reserve: reserve_of(total),
            total,
        })
    }

    /// Makes the reserve, unless it is there or there is no room for it beside `wanted` bytes. A file system that cannot
    /// keep room for a file goes without.
    pub(super) fn keep_reserve(&self, wanted: u64) {
        let path = self.reserve();
        if path.exists() {
            return;
        }
        let Ok(Free { free, reserve, .. }) = self.look() else {
            return;
        };
        if free < wanted + reserve + reserve / 2 {
            return;
        }
        let mut options = File::options();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        let made =
            file.and_then(|file| Ok(fs::fallocate(file, FallocateFlags::empty(), 0, reserve)?));
        if made.is_err() {
            let _ = std::fs::remove_file(&path); // an empty one keeps nothing
        }
    }

    /// Gives the reserve up; whether there was one.
    pub(super) fn give_up_reserve(&self) -> bool {
        std::fs::remove_file(self.reserve()).is_ok()
    }
}

/// How much stays for claims and settlements on a disk of `total` bytes.
fn reserve_of(total: u64) -> u64 {
    (total / PART / BLOCK * BLOCK).clamp(LEAST, RESERVE)
}

/// Whether SQLite had no room: the disk is full, a quota or a limit on the size of files was reached, or the index of the
/// log cannot become longer.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_FULL, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_WRITE};
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(
        code,
        Some(SQLITE_FULL | SQLITE_IOERR_WRITE | SQLITE_IOERR_SHMSIZE)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_a_small_part_of_the_disk() {
        for (total, reserve) in [
            (1 << 20, 64 << 10),
            (16 << 20, 1 << 20),
            (24 << 20, 3 << 19),
            (64 << 20, 4 << 20),
            (1 << 40, 4 << 20),
            (0, 64 << 10),
        ] {
            assert_eq!(reserve_of(total), reserve, "{total}");
        }
    }

    #[test]
    fn the_reserve_is_made_and_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let space = Space::new(dir.path());
        space.keep_reserve(u64::MAX / 2);
        assert!(!space.give_up_reserve(), "there is no room for it");
        space.keep_reserve(0);
        let length = std::fs::metadata(space.reserve()).unwrap().len();
        assert_eq!(length, space.look().unwrap().reserve);
        assert!(space.give_up_reserve() && !space.give_up_reserve());
    }
}
