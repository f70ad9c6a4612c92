//! Folders in which the kernel tells us of every file that is made or removed (`inotify(7)`).

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Most folders that are watched: a server has one for each partition.
const MOST_FOLDERS: usize = 64;
/// Most events that are read with one call of [`Folders::changes`]; twice what the kernel queues by default.
const MOST_EVENTS: usize = 32_768;

/// A watched folder, until it is watched no more. The kernel does not give a number again.
pub type FolderId = i32;

/// What has happened in a watched folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// There is a new file of this name: made, linked or moved there. Its path follows.
    Created(FolderId, &'a OsStr, &'a Path),
    /// There is no file of this name any more, or another one.
    Removed(FolderId, &'a OsStr),
    /// Changes were lost: nothing is known.
    Lost,
}

/// The folders that are watched. Its descriptor becomes readable when something changes in one of them.
#[derive(Debug)]
pub struct Folders {
    inotify: OwnedFd,
    folders: Vec<Folder>,
}

#[derive(Debug)]
struct Folder {
    id: FolderId,
    path: PathBuf,
}

impl Folders {
    /// None yet.
    ///
    /// # Errors
    /// When the user has too many (`/proc/sys/fs/inotify/max_user_instances`), or the process no descriptor left.
    pub fn new() -> io::Result<Folders> {
        Ok(Folders {
            inotify: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?,
            folders: Vec::new(),
        })
    }

    /// Watches the folder at `path` from now on, too.
    ///
    /// # Errors
    /// When it is no folder, there are too many, or the system allows no more.
    pub fn watch(&mut self, path: &Path) -> io::Result<()> {
        if self.id(path).is_some() {
            return Ok(());
        }
        if self.folders.len() >= MOST_FOLDERS {
            return Err(io::Error::other("too many folders"));
        }
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        // Another path of the same folder has the same number.
        let id = inotify::add_watch(&self.inotify, path, flags)?;
        let path = path.to_owned();
        self.folders.push(Folder { id, path });
        Ok(())
    }

    /// The folder that was watched under this path.
    pub fn id(&self, path: &Path) -> Option<FolderId> {
        let found = self.folders.iter().find(|folder| folder.path == path);
        found.map(|folder| folder.id)
    }

    /// Tells `each` what has changed since the last call, in order. Nothing more is known after an error.
    ///
    /// # Errors
    /// When the changes cannot be read.
    pub fn changes(&mut self, mut each: impl FnMut(Change<'_>)) -> io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        let mut gone = Vec::new();
        for _ in 0..MOST_EVENTS {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => {
                    self.forget(&gone);
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            let (id, flags) = (event.wd(), event.events());
            if flags.intersects(ReadFlags::QUEUE_OVERFLOW) {
                each(Change::Lost);
            } else if flags.intersects(
                ReadFlags::IGNORED
                    | ReadFlags::UNMOUNT
                    | ReadFlags::DELETE_SELF
                    | ReadFlags::MOVE_SELF,
            ) {
                // Its path may be another folder's by now.
                gone.push(id);
                each(Change::Lost);
            } else if let Some(name) = event.file_name() {
                let name = OsStr::from_bytes(name.to_bytes());
                let folder = self.folders.iter().find(|folder| folder.id == id);
                match folder {
                    Some(folder) if flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) => {
                        each(Change::Created(id, name, &folder.path.join(name)));
                    }
                    _ => each(Change::Removed(id, name)),
                }
            }
        }
        self.forget(&gone);
        // They come faster than they are read.
        each(Change::Lost);
        Ok(())
    }

    fn forget(&mut self, gone: &[FolderId]) {
        for id in gone {
            let _ = inotify::remove_watch(&self.inotify, *id); // the kernel has done so already, unless it was moved
        }
        self.folders.retain(|folder| !gone.contains(&folder.id));
    }
}

impl AsFd for Folders {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn changes(folders: &mut Folders) -> Vec<String> {
        let mut all = Vec::new();
        let each = |change: Change<'_>| {
            all.push(match change {
                Change::Created(_, name, path) => {
                    assert_eq!(path.file_name(), Some(name));
                    format!("+{}", name.display())
                }
                Change::Removed(_, name) => format!("-{}", name.display()),
                Change::Lost => "lost".to_owned(),
            });
        };
        folders.changes(each).unwrap();
        all
    }

    #[test]
    fn what_is_made_and_removed_is_told_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stage.");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("before"), "").unwrap();
        let mut folders = Folders::new().unwrap();
        folders.watch(&path).unwrap();
        folders.watch(&path).unwrap();
        assert_eq!(changes(&mut folders), [""; 0]);
        for name in ["a", "a", "b"] {
            fs::write(path.join(name), "text").unwrap();
            fs::hard_link(path.join(name), dir.path().join("link")).unwrap();
            fs::remove_file(dir.path().join("link")).unwrap();
            fs::remove_file(path.join(name)).unwrap();
        }
        fs::rename(path.join("before"), path.join("after")).unwrap();
        let told = changes(&mut folders);
        assert_eq!(
            told,
            ["+a", "-a", "+a", "-a", "+b", "-b", "-before", "+after"]
        );
    }

    #[test]
    fn a_folder_that_has_gone_or_was_moved_is_watched_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stage.");
        let mut folders = Folders::new().unwrap();
        for moved in [false, true] {
            fs::create_dir(&path).unwrap();
            folders.watch(&path).unwrap();
            if moved {
                fs::rename(&path, dir.path().join("other")).unwrap();
            } else {
                fs::remove_dir(&path).unwrap();
            }
            assert!(changes(&mut folders).contains(&"lost".to_owned()));
            assert_eq!(folders.id(&path), None);
        }
        fs::write(dir.path().join("other/x"), "").unwrap();
        assert!(!changes(&mut folders).contains(&"+x".to_owned()));
        assert!(folders.watch(&path).is_err(), "there is none");
    }
}
