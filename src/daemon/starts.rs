//! Processes that die young, one after the other. Pure but for one small file beside the spool.
//!
//! Cyrus' master gives a service up whose processes die while they count as ready: after five within ten seconds it closes
//! the socket until SIGHUP (`MAX_READY_FAILS` in `master/master.c`). A datagram service says that it is busy as soon as it
//! reads. A stream service has to seem ready, or master starts another process that only waits. So it says that it
//! is busy when those before it have died young: a process that waits costs less than a socket that is closed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// How long a start counts, in seconds: longer than master counts deaths.
const WINDOW: u64 = 30;
/// So many starts before this one within [`WINDOW`], none of which came to an orderly end, are too many.
const MANY: usize = 2;

/// Writes down that a process has begun to serve. Whether those before it have died young. A file that cannot be read or
/// written is no reason not to serve.
pub(super) fn note(folder: &Path) -> bool {
    if !is_ours_alone(folder) {
        return false; // what has that name there may be somebody's link
    }
    let path = path(folder);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let (many, text) = count(&text, now.map_or(0, |now| now.as_secs()));
    let _ = fs::write(path, text);
    many
}

/// This process comes to an orderly end: those before it do not matter any more.
pub(super) fn forget(folder: &Path) {
    let _ = fs::remove_file(path(folder)); // there may be none
}

/// Whether nobody else can put anything into the folder.
fn is_ours_alone(folder: &Path) -> bool {
    let ours = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(folder)
        .is_ok_and(|meta| meta.is_dir() && meta.uid() == ours && meta.mode() & 0o022 == 0)
}

fn path(folder: &Path) -> PathBuf {
    folder.join("starts")
}

/// Whether the starts in `text`, one a line, in seconds since 1970, are too many; and the text with one more, at `now`.
fn count(text: &str, now: u64) -> (bool, String) {
    let starts = text.lines().filter_map(|line| line.parse::<u64>().ok());
    let mut recent: Vec<u64> = starts
        .filter(|start| (now.saturating_sub(WINDOW)..=now).contains(start))
        .collect();
    let many = recent.len() >= MANY;
    recent.push(now);
    let kept = recent.len().saturating_sub(MANY + 1);
    let lines = recent[kept..].iter().map(|start| format!("{start}\n"));
    (many, lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths_within_the_window_count() {
        let (many, text) = count("", 1000);
        assert_eq!((many, text.as_str()), (false, "1000\n"));
        let (many, text) = count(&text, 1010);
        assert_eq!((many, text.as_str()), (false, "1000\n1010\n"));
        let (many, text) = count(&text, 1030);
        assert!(many);
        let (many, text) = count(&text, 1031);
        assert_eq!((many, text.as_str()), (true, "1010\n1030\n1031\n"));
        assert!(!count(&text, 2000).0, "long ago");
        assert!(!count(&text, 900).0, "the clock was set back");
        assert!(!count("x\n-1\n\u{0}", 5).0);
    }

    #[test]
    fn nothing_is_written_where_others_can_put_a_link() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "1\n").unwrap();
        let folder = dir.path().join("spool");
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink(&victim, path(&folder)).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!note(&folder));
        assert_eq!(fs::read_to_string(victim).unwrap(), "1\n");
    }

    #[test]
    fn an_orderly_end_ends_the_count() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!note(dir.path()) && !note(dir.path()) && note(dir.path()));
        forget(dir.path());
        assert!(!note(dir.path()));
    }
}
