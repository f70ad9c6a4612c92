//! Rules about files that hold secrets: whoever can read them can send mail in the server's name, or be the server.

use super::facts::Facts;
use super::{Finding, Spot, warning};

/// The super-user's group: who is in it is one already.
const ROOT: u32 = 0;

/// A file that holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SecretFile {
    /// Its name.
    pub(super) path: String,
    /// What it holds: an option with a secret as its value, or the option that names the file.
    pub(super) holds: String,
    /// Where in the file; 0 when it is all of it.
    pub(super) line: u32,
    /// Its permission bits.
    pub(super) mode: u32,
    /// Its group.
    pub(super) gid: u32,
}

pub(super) fn secrets(facts: &Facts) -> Vec<Finding> {
    let exposed = |file: &SecretFile| {
        let who = who_else(file, &facts.cyrus_groups)?;
        let what = format!("{who} can read {}, which is a secret", file.holds);
        let spot = Spot {
            file: file.path.clone(),
            line: file.line,
        };
        let advice = format!(
            "chgrp to a group of the Cyrus user, and chmod 640 {}",
            file.path
        );
        Some(warning(what).at(Some(spot)).advice(advice))
    };
    facts.secret_files.iter().filter_map(exposed).collect()
}

/// Who can read the file that need not.
fn who_else(file: &SecretFile, cyrus_groups: &[u32]) -> Option<String> {
    if file.mode & 0o004 != 0 {
        return Some("everybody on this machine".to_owned());
    }
    let strange = file.gid != ROOT && !cyrus_groups.contains(&file.gid);
    (file.mode & 0o040 != 0 && strange).then(|| format!("group {}", file.gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_read_it() {
        let file = |mode, gid| SecretFile {
            path: "/f".into(),
            holds: "sync_password".into(),
            line: 3,
            mode,
            gid,
        };
        for (mode, gid, who) in [
            (0o600, 100, None),
            (0o640, 8, None),
            (0o640, 0, None),
            (0o640, 100, Some("group 100")),
            (0o644, 8, Some("everybody on this machine")),
            (0o604, 8, Some("everybody on this machine")),
        ] {
            assert_eq!(
                who_else(&file(mode, gid), &[8]).as_deref(),
                who,
                "{mode:o} {gid}"
            );
        }
    }
}
