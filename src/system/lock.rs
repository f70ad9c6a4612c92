//! One process at a time: an advisory lock on a file, held until the process ends.

use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Held `flock(2)`; released when dropped or when the process dies, however it dies.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code)] File);

fn open(path: &Path) -> io::Result<File> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
}

/// Takes the lock if nobody holds it.
///
/// # Errors
/// When the file cannot be opened.
pub fn try_take(path: &Path) -> io::Result<Option<Lock>> {
    let file = open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(Lock(file))),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// Whether somebody holds the lock; a missing file is held by nobody.
///
/// # Errors
/// When the file is there and cannot be opened.
pub fn is_held(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    // Let go at once; who wants it in this moment waits for it as long.
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
        Err(other) => Err(other.into()),
    }
}

/// Waits for the lock, without any limit.
///
/// # Errors
/// When the file cannot be opened.
pub fn wait(path: &Path) -> io::Result<Lock> {
    let file = open(path)?;
    loop {
        match flock(&file, FlockOperation::LockExclusive) {
            Ok(()) => return Ok(Lock(file)),
            Err(rustix::io::Errno::INTR) => {}
            Err(other) => return Err(other.into()),
        }
    }
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
}
