//! `files/`: our own links to the staged messages that Sieve notifications name.
//!
//! lmtpd unlinks a staged message when its delivery ends. So it is opened when the notification
//! comes, and linked into the spool by its descriptor; where that is impossible (another file system,
//! already unlinked) it is copied from the descriptor. Only regular files of our own user are
//! taken, and no symbolic link is followed: the name came over a socket.

use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Name of the socket in the spool's folder at which the daemon tells `notifyctl watch` what happens.
pub const WATCH: &str = "watch";
/// Name of the file there with the daemon's counts, for `notifyctl stats`.
pub const STATS: &str = "stats.json";

/// The folder inside the spool's.
const FILES: &str = "files";
/// In less time than this no lmtpd ends a delivery, answers, and has received the next message: measured, it takes 3 ms.
const NEXT_MESSAGE: Duration = Duration::from_millis(1);
/// Largest message that is copied when it cannot be linked, in bytes.
const MAX_COPY: u64 = 64 << 20;

/// Makes the spool's folders, mode 0700.
///
/// # Errors
/// What the system says, with the folder's name.
pub fn make_folders(folder: &Path) -> io::Result<()> {
    for path in [folder.to_owned(), folder.join(FILES)] {
        match fs::mkdir(&path, Mode::RWXU) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
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

/// The path of the kept message `name`.
pub fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(FILES).join(name)
}

/// Keeps the message at `source` under `name`. `sent` is when a sender that did not wait named it: a file
/// that may have been made after that is another message, of perhaps another user, and is not taken.
///
/// # Errors
/// `NotFound` when it has gone already, which is normal; else why it was not taken.
pub fn keep(folder: &Path, source: &Path, name: &str, sent: Option<SystemTime>) -> io::Result<()> {
    let file = File::from(open_safely(source)?);
    if let Some(sent) = sent {
        // A file system that does not know when a file was made leaves only what is sure.
        let born = file.metadata()?.created().unwrap_or(sent);
        if may_be_another(SystemTime::now(), sent, born, tick()) {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "another message may have its name",
            ));
        }
    }
    let target = path(folder, name);
    let magic = format!("/proc/self/fd/{}", file.as_raw_fd());
    match fs::linkat(CWD, magic, CWD, &target, AtFlags::SYMLINK_FOLLOW) {
        Ok(()) => Ok(()),
        Err(_) => copy(file, &target),
    }
}

/// Whether a file found at `now` and made at `born` may be another one than that which was named at `sent`.
///
/// lmtpd names the staged messages of one session alike (process, second, number), so the name may belong
/// to the next one already. File times are those of the last tick.
fn may_be_another(now: SystemTime, sent: SystemTime, born: SystemTime, tick: Duration) -> bool {
    let too_soon = now
        .duration_since(sent)
        .is_ok_and(|late| late < NEXT_MESSAGE);
    !too_soon && born + tick > sent
}

/// How far file times may lag behind, which is the kernel's tick.
fn tick() -> Duration {
    let resolution = rustix::time::clock_getres(rustix::time::ClockId::RealtimeCoarse);
    Duration::try_from(resolution).unwrap_or(Duration::from_millis(10))
}

fn open_safely(source: &Path) -> io::Result<OwnedFd> {
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = fs::open(source, flags, Mode::empty())?;
    let stat = fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("is not a regular file"));
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("belongs to another user"));
    }
    Ok(file)
}

fn copy(source: File, target: &Path) -> io::Result<()> {
    use std::io::Read as _;
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
    use std::os::unix::fs::MetadataExt;

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
        keep(&folder, &source, "1", None).unwrap();
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
        assert_eq!(
            keep(&folder, &source, "2", None).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        remove(&folder, "1");
        assert!(!path(&folder, "1").exists());
    }

    #[test]
    fn a_message_that_was_made_later_is_another_one() {
        let dir = spool();
        let (folder, source) = (dir.path().join("spool"), dir.path().join("staged"));
        let before = SystemTime::now() - Duration::from_millis(20);
        std::fs::write(&source, "a message").unwrap();
        let late = keep(&folder, &source, "1", Some(before)).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::NotFound);
        let unknown = keep(&folder, &source, "1", Some(SystemTime::UNIX_EPOCH)).unwrap_err();
        assert_eq!(unknown.kind(), io::ErrorKind::NotFound);
        keep(
            &folder,
            &source,
            "1",
            Some(SystemTime::now() + Duration::from_secs(1)),
        )
        .unwrap();
    }

    #[test]
    fn what_is_sure_is_taken_and_what_is_not_is_left() {
        let start = SystemTime::UNIX_EPOCH;
        let at = |micros| start + Duration::from_micros(micros);
        let tick = Duration::from_millis(4);
        // (found, named, made): taken?
        for (now, sent, born, taken) in [
            (10_060, 10_000, 8_000, true),   // at once
            (12_000, 10_000, 5_000, true),   // late, but made long before
            (12_000, 10_000, 7_000, false),  // late, and the clock of files is too coarse to tell
            (12_000, 10_000, 11_000, false), // made later
        ] {
            assert_eq!(
                !may_be_another(at(now), at(sent), at(born), tick),
                taken,
                "{now} {sent} {born}"
            );
        }
    }

    #[test]
    fn a_message_without_a_name_is_copied() {
        let dir = spool();
        let (source, target) = (dir.path().join("staged"), dir.path().join("copy"));
        std::fs::write(&source, "a message").unwrap();
        let file = open_safely(&source).unwrap();
        std::fs::remove_file(&source).unwrap();
        copy(file.into(), &target).unwrap();
        assert_eq!(std::fs::read_to_string(target).unwrap(), "a message");
    }

    #[test]
    fn only_plain_files_are_taken() {
        let dir = spool();
        let folder = dir.path().join("spool");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        for bad in [
            link.as_path(),
            dir.path(),
            Path::new("/dev/zero"),
            Path::new("relative"),
            Path::new(""),
        ] {
            assert!(keep(&folder, bad, "x", None).is_err(), "{bad:?}");
        }
        assert_eq!(std::fs::read_dir(folder.join(FILES)).unwrap().count(), 0);
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
