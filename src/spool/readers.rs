//! Who has a file locked, as far as the kernel tells: `/proc/locks` (proc(5)).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes of SQLite's index of the log that readers lock, each of them one: <https://www.sqlite.org/walformat.html>.
const READ_MARKS: std::ops::RangeInclusive<u64> = 123..=127;

/// A process that has a file locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number; 0 for one that is not visible from here, such as one of another container.
    pub pid: u32,
    /// Its name, when it is visible.
    pub name: String,
}

impl Holder {
    /// The number of its parent, as it is now; none for one that is not visible from here.
    #[must_use]
    pub fn parent(&self) -> Option<i32> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        // The name stands in parentheses, and may hold any character.
        let (_, rest) = stat.rsplit_once(')')?;
        rest.split_ascii_whitespace().nth(1)?.parse().ok()
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.pid, self.name.as_str()) {
            (0, _) => f.write_str("a process that is not visible from here"),
            (pid, "") => write!(f, "process {pid}"),
            (pid, name) => write!(f, "process {pid} ({name})"),
        }
    }
}

/// Who has locked the file at `path`, but for ourselves.
#[must_use]
pub fn holders(path: &Path) -> Vec<Holder> {
    locked_by(path, |_, _| true)
}

/// Who reads the spool file in `folder`, for a message.
pub(super) fn names(folder: &Path) -> String {
    let readers = locked_by(&folder.join("spool.db-shm"), |first, last| {
        READ_MARKS.contains(&first) && READ_MARKS.contains(&last)
    });
    let mut names: Vec<String> = readers.iter().map(Holder::to_string).collect();
    if names.is_empty() {
        names.push("somebody".to_owned());
    }
    names.join(", ")
}

fn locked_by(path: &Path, range: impl Fn(u64, u64) -> bool) -> Vec<Holder> {
    let Ok(meta) = fs::metadata(path) else {
        return Vec::new();
    };
    let table = fs::read_to_string("/proc/locks").unwrap_or_default();
    let mut pids: Vec<u32> = table
        .lines()
        .filter_map(lock)
        .filter(|lock| lock.inode == meta.ino() && range(lock.first, lock.last))
        .map(|lock| lock.pid)
        .filter(|pid| *pid != std::process::id())
        .collect();
    pids.sort_unstable();
    pids.dedup();
    pids.into_iter().map(holder).collect()
}

fn holder(pid: u32) -> Holder {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    // Whoever runs it chose the name.
    let shown = |c: char| if c.is_ascii_graphic() { c } else { '?' };
    Holder {
        pid,
        name: name.trim_end().chars().map(shown).collect(),
    }
}

/// A lock that is held.
#[derive(Debug, PartialEq, Eq)]
struct Lock {
    pid: u32,
    inode: u64,
    first: u64,
    last: u64,
}

/// Reads a line such as `1: POSIX  ADVISORY  READ 4711 08:01:131 123 123`. None for one that waits for its lock. The device
/// is not compared: some file systems show another one than stat(2).
fn lock(line: &str) -> Option<Lock> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    if fields.next()? == "->" {
        return None;
    }
    let pid: i64 = fields.nth(2)?.parse().ok()?;
    let inode = fields.next()?.rsplit(':').next()?.parse().ok()?;
    let first = fields.next()?.parse().ok()?;
    let last = match fields.next()? {
        "EOF" => u64::MAX,
        last => last.parse().ok()?,
    };
    Some(Lock {
        pid: u32::try_from(pid).unwrap_or(0),
        inode,
        first,
        last,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_locks() {
        let held = |pid, inode, first, last| {
            Some(Lock {
                pid,
                inode,
                first,
                last,
            })
        };
        for (line, wanted) in [
            (
                "1: POSIX  ADVISORY  READ 4711 08:01:131 123 124",
                held(4711, 131, 123, 124),
            ),
            (
                "2: FLOCK  ADVISORY  WRITE 12 00:2b:7 0 EOF",
                held(12, 7, 0, u64::MAX),
            ),
            ("3: OFDLCK ADVISORY  READ -1 08:01:9 0 0", held(0, 9, 0, 0)),
            ("1: -> FLOCK  ADVISORY  WRITE 13 00:2b:7 0 EOF", None),
            ("", None),
            ("1: POSIX  ADVISORY  READ x 08:01:131 123 124", None),
        ] {
            assert_eq!(lock(line), wanted, "{line}");
        }
    }

    #[test]
    fn who_reads_and_who_holds_is_told() {
        let dir = tempfile::tempdir().unwrap();
        assert!(holders(&dir.path().join("nothing")).is_empty());
        assert_eq!(names(dir.path()), "somebody");
        let path = dir.path().join("lock");
        fs::write(&path, "").unwrap();
        let mut other = std::process::Command::new("flock")
            .arg(&path)
            .args(["-c", "echo locked; read x"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 7];
        std::io::Read::read_exact(other.stdout.as_mut().unwrap(), &mut said).unwrap();
        let found = holders(&path);
        drop(other.stdin.take());
        other.wait().unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        let text = found[0].to_string();
        assert!(
            text.contains(&format!("process {} (flock)", other.id())),
            "{text}"
        );
    }
}
