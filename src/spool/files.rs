//! `files/`: our own links to the staged messages that Sieve notifications name.
//!
//! lmtpd unlinks a staged message when its delivery ends. So the intake has it open when the notification is read, and
//! here it is linked into the spool by its descriptor; where that is impossible (another file system, already unlinked) it
//! is copied from the descriptor.

use super::space::{Free, Space};
use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Name of the socket in the spool's folder at which the daemon tells `notifyctl watch` what happens.
pub const WATCH: &str = "watch";
/// Name of the file there with the daemon's counts, for `notifyctl stats`.
pub const STATS: &str = "stats.json";

/// The folder inside the spool's.
const FILES: &str = "files";
/// Largest message that is copied when it cannot be linked, in bytes.
const MAX_COPY: u64 = 64 << 20;

/// Makes the spool's folders, mode 0700. Ours that others may enter are closed to them, with a line.
///
/// # Errors
/// What the system says, with the folder's name; and when a folder is another user's, who could read and change what is in it.
pub fn make_folders(folder: &Path) -> io::Result<()> {
    for path in [folder.to_owned(), folder.join(FILES)] {
        match fs::mkdir(&path, Mode::RWXU) {
            Ok(()) => {}
            Err(rustix::io::Errno::EXIST) => close(&path)?,
            Err(error) => {
                return Err(io::Error::new(
                    io::Error::from(error).kind(),
                    format!("{}: {error}", path.display()),
                ));
            }
        }
    }
    Ok(())
}

/// Closes a folder of ours to others; refuses one that is not ours.
fn close(path: &Path) -> io::Result<()> {
    let named = |what: String| io::Error::other(format!("{}: {what}", path.display()));
    let meta = std::fs::metadata(path).map_err(|error| named(error.to_string()))?;
    let ours = rustix::process::geteuid().as_raw();
    if !meta.is_dir() {
        return Err(named("is not a folder".into()));
    }
    if meta.uid() != ours {
        return Err(named(format!(
            "belongs to uid {}, not to us, uid {ours}: chown -R it",
            meta.uid()
        )));
    }
    let mode = meta.mode() & 0o7777;
    if mode & 0o077 != 0 {
        fs::chmod(path, Mode::RWXU).map_err(|error| named(error.to_string()))?;
        log::warn!(
            "spool: {} was open to others (mode {mode:04o}); now it is not (0700)",
            path.display()
        );
    }
    Ok(())
}

/// Refuses a file of the spool that is no regular file of ours: somebody else has put it there.
///
/// # Errors
/// Which it is and whose.
pub(super) fn check_owner(path: &Path) -> io::Result<()> {
    let Ok(meta) = std::fs::symlink_metadata(path) else {
        return Ok(()); // it is to be made, or what is wrong shows when it is opened
    };
    match meta.is_file() && meta.uid() == rustix::process::geteuid().as_raw() {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "{}: is not a regular file of ours (uid {}): remove it",
            path.display(),
            meta.uid()
        ))),
    }
}

/// The path of the kept message `name`.
pub fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(FILES).join(name)
}

/// Opens the message at `path`. The name came over a socket: only a regular file of our own user is opened, and no symbolic
/// link is followed.
///
/// # Errors
/// `NotFound` when there is none; else why it is not opened.
pub fn open(path: &Path) -> io::Result<File> {
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = fs::open(path, flags, Mode::empty())?;
    let stat = fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("is not a regular file"));
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("belongs to another user"));
    }
    Ok(file.into())
}

/// Keeps the message under `name`, whether it has another name by now or not. Whether only its beginning was kept, because
/// it had to be copied and is longer than [`MAX_COPY`].
///
/// # Errors
/// When it can be neither linked nor copied.
pub(super) fn keep(folder: &Path, file: File, name: &str) -> io::Result<bool> {
    let target = path(folder, name);
    let magic = format!("/proc/self/fd/{}", file.as_raw_fd());
    match fs::linkat(CWD, magic, CWD, &target, AtFlags::SYMLINK_FOLLOW) {
        Ok(()) => Ok(false),
        Err(_) => {
            let length = file.metadata()?.len();
            if let Ok(Free { free, reserve, .. }) = Space::new(folder).look()
                && free < length.min(MAX_COPY) + 2 * reserve
            {
                return Err(io::Error::other("no room on the spool's disk for a copy"));
            }
            copy(file, &target)?;
            Ok(length > MAX_COPY)
        }
    }
}

/// Whether the kept message `name` is only the beginning of a longer one.
#[must_use]
pub fn is_cut(folder: &Path, name: &str) -> bool {
    let meta = std::fs::metadata(path(folder, name));
    meta.is_ok_and(|meta| meta.len() == MAX_COPY && meta.nlink() == 1)
}

/// What the kept message `name` takes on the disk, in bytes: nothing as long as it has another name, in a mailbox.
pub(super) fn bytes(folder: &Path, name: &OsStr) -> u64 {
    let meta = std::fs::metadata(folder.join(FILES).join(name));
    meta.map_or(0, |meta| {
        if meta.nlink() == 1 {
            meta.blocks() * 512
        } else {
            0
        }
    })
}

/// What all kept messages take on the disk, in bytes.
///
/// # Errors
/// When the folder cannot be read.
pub(super) fn all_bytes(folder: &Path) -> io::Result<u64> {
    let entries = std::fs::read_dir(folder.join(FILES))?;
    entries
        .map(|entry| Ok(bytes(folder, &entry?.file_name())))
        .sum()
}

fn copy(mut source: File, target: &Path) -> io::Result<()> {
    use std::io::{Read as _, Seek as _};
    source.rewind()?; // the same file may have been copied for another notification
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut copy = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(target)?;
    let result = io::copy(&mut source.take(MAX_COPY), &mut copy);
    if result.is_err() {
        let _ = std::fs::remove_file(target); // half a message is worse than none
    }
    result.map(|_| ())
}

/// Removes the kept message `name`.
pub fn remove(folder: &Path, name: &str) {
    if let Err(error) = std::fs::remove_file(path(folder, name))
        && error.kind() != io::ErrorKind::NotFound
    {
        log::warn!(
            "spool: cannot remove {}: {error}",
            path(folder, name).display()
        );
    }
}

/// Removes kept messages that no row names: a process died between keeping and committing.
pub(super) fn remove_orphans(folder: &Path, named: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in std::fs::read_dir(folder.join(FILES))? {
        let name = entry?.file_name();
        match name.to_str() {
            Some(name) if named(name) => {}
            _ => {
                let _ = std::fs::remove_file(folder.join(FILES).join(name)); // tried again at the next start
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spool() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        make_folders(&dir.path().join("spool")).unwrap();
        dir
    }

    #[test]
    fn a_message_outlives_its_name() {
        let dir = spool();
        let (folder, source) = (dir.path().join("spool"), dir.path().join("staged"));
        std::fs::write(&source, "a message").unwrap();
        let file = open(&source).unwrap();
        keep(&folder, file, "1").unwrap();
        assert_eq!(
            std::fs::metadata(&source).unwrap().nlink(),
            2,
            "linked, not copied"
        );
        std::fs::remove_file(&source).unwrap();
        assert_eq!(
            std::fs::read_to_string(path(&folder, "1")).unwrap(),
            "a message"
        );
        let gone = open(&source).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
        remove(&folder, "1");
        assert!(!path(&folder, "1").exists());
    }

    #[test]
    fn a_message_without_a_name_is_copied() {
        let dir = spool();
        let (folder, source) = (dir.path().join("spool"), dir.path().join("staged"));
        std::fs::write(&source, "a message").unwrap();
        let file = open(&source).unwrap();
        std::fs::remove_file(&source).unwrap();
        for name in ["1", "2"] {
            keep(&folder, file.try_clone().unwrap(), name).unwrap();
            let copy = std::fs::read_to_string(path(&folder, name)).unwrap();
            assert_eq!(copy, "a message");
        }
    }

    #[test]
    fn only_plain_files_are_opened() {
        let dir = spool();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        for bad in [
            link.as_path(),
            dir.path(),
            Path::new("/dev/zero"),
            Path::new("relative"),
            Path::new(""),
        ] {
            assert!(open(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn orphans_go() {
        let dir = spool();
        let folder = dir.path().join("spool");
        for name in ["1", "2"] {
            std::fs::write(path(&folder, name), "").unwrap();
        }
        remove_orphans(&folder, |name| name == "2").unwrap();
        assert!(!path(&folder, "1").exists() && path(&folder, "2").exists());
    }
}
