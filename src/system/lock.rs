//! One process at a time: an advisory lock on a file, held until the process ends.

use rustix::fs::{FlockOperation, flock};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Held `flock(2)`; released when dropped or when the process dies, however it dies.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Whether the file at `path` is still the one that is locked. When it was removed, others can lock another one there.
    #[must_use]
    pub fn is_at(&self, path: &Path) -> bool {
        let identity = |meta: &Metadata| (meta.dev(), meta.ino());
        matches!((self.0.metadata(), std::fs::metadata(path)), (Ok(ref ours), Ok(ref there)) if identity(ours) == identity(there))
    }
}

/// Locks the file that is at `path` afterwards, too.
fn take(path: &Path, how: FlockOperation) -> io::Result<Lock> {
    loop {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path)?;
        match flock(&file, how) {
            Ok(()) => {
                let lock = Lock(file);
                if lock.is_at(path) {
                    return Ok(lock);
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(other) => return Err(other.into()),
        }
    }
}

/// Takes the lock if nobody holds it.
///
/// # Errors
/// When the file cannot be opened.
pub fn try_take(path: &Path) -> io::Result<Option<Lock>> {
    match take(path, FlockOperation::NonBlockingLockExclusive) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        other => other.map(Some),
    }
}

/// Waits for the lock, without any limit.
///
/// # Errors
/// When the file cannot be opened.
pub fn wait(path: &Path) -> io::Result<Lock> {
    take(path, FlockOperation::LockExclusive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = try_take(&path).unwrap().unwrap();
        assert!(try_take(&path).unwrap().is_none());
        let waiter = {
            let path = path.clone();
            std::thread::spawn(move || wait(&path).unwrap())
        };
        drop(first);
        let second = waiter.join().unwrap();
        assert!(try_take(&path).unwrap().is_none());
        drop(second);
        assert!(try_take(&path).unwrap().is_some());
    }

    #[test]
    fn who_waited_for_a_file_that_was_removed_waits_for_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = try_take(&path).unwrap().unwrap();
        assert!(first.is_at(&path));
        let waiter = {
            let path = path.clone();
            std::thread::spawn(move || wait(&path).unwrap())
        };
        std::fs::remove_file(&path).unwrap();
        assert!(!first.is_at(&path));
        let second = try_take(&path).unwrap();
        drop(first);
        // Either the waiter had not begun to wait, and has the new file, or it goes for it now.
        drop(second);
        assert!(waiter.join().unwrap().is_at(&path));
    }
}
