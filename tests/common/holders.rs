//! Who holds the spool's lock, and so may read the socket: from /proc/locks. Lines there are like
//! `3: -> FLOCK  ADVISORY  WRITE 77 fe:01:1234 0 EOF`, with an arrow for who waits.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whether it waits, and its process id, for each process at the lock.
pub(crate) fn at_lock(lock: &Path) -> Vec<(bool, u32)> {
    let Ok(meta) = std::fs::metadata(lock) else {
        return Vec::new();
    };
    let inode = format!(":{}", meta.ino());
    let locks = std::fs::read_to_string("/proc/locks").expect("/proc/locks");
    let words = |line: &str| -> Option<(bool, u32)> {
        let words: Vec<&str> = line
            .split_whitespace()
            .filter(|word| *word != "->")
            .collect();
        (words.get(1) == Some(&"FLOCK") && words.get(5)?.ends_with(&inode))
            .then(|| Some((line.contains("->"), words.get(4)?.parse().ok()?)))?
    };
    locks.lines().filter_map(words).collect()
}

/// Who held it, one after the other, as far as looks have shown.
#[derive(Default)]
pub(crate) struct Turns(Vec<u32>);

impl Turns {
    /// Looks once. Panics when two hold it.
    pub(crate) fn look(&mut self, lock: &Path) {
        let look = || -> BTreeSet<u32> {
            let holders = at_lock(lock).into_iter().filter(|(waits, _)| !waits);
            holders.map(|(_, pid)| pid).collect()
        };
        // The kernel writes that file piece by piece: it may show a line twice, and one that went beside one that came.
        let holders = look();
        if holders != look() {
            return;
        }
        assert!(holders.len() < 2, "two at once: {holders:?}");
        if let Some(holder) = holders.first()
            && self.0.last() != Some(holder)
        {
            self.0.push(*holder);
        }
    }

    /// How many turns there were. Panics when somebody had two.
    pub(crate) fn count(mut self) -> usize {
        let all = self.0.clone();
        self.0.sort_unstable();
        self.0.dedup();
        assert_eq!(self.0.len(), all.len(), "one came back: {all:?}");
        all.len()
    }
}
