//! Finds notifyd.toml and reads it.
//!
//! What can go wrong: `notifyd_config` names a file that is not there, or not by its absolute path, or that cannot be read. Without
//! `notifyd_config` an absent [`DEFAULT_FILE`] is normal.

use super::{Config, Known, Problem};
use crate::config::files::read_regular;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The file that is read when `notifyd_config` names no other; it may be absent.
pub const DEFAULT_FILE: &str = "/etc/notifyd.toml";
/// Most bytes that are read: nobody writes as much by hand.
const LONGEST: u64 = 1 << 20;

/// Our own configuration as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// The file; `None` when there is none, and none was asked for.
    pub file: Option<PathBuf>,
    /// What it says, with defaults for what it does not say and what is wrong in it.
    pub config: Config,
    /// What is wrong in it.
    pub problems: Vec<Problem>,
}

impl Own {
    /// Reads the file that `named` (`notifyd_config`) names, else [`DEFAULT_FILE`]; `prefix` (CYRUS_PREFIX) is put
    /// before its name and tried first.
    #[must_use]
    pub fn load(named: Option<&[u8]>, prefix: Option<&OsStr>, methods: &[Known]) -> Own {
        let path = Path::new(named.map_or(OsStr::new(DEFAULT_FILE), OsStr::from_bytes));
        if !path.is_absolute() {
            // Whose working directory would it be in?
            return Own::unread(path, "notifyd_config must name it with its absolute path");
        }
        let prefixed = prefix.map(|prefix| {
            PathBuf::from([prefix, path.as_os_str()].into_iter().collect::<OsString>())
        });
        for path in prefixed.iter().map(PathBuf::as_path).chain([path]) {
            match read_regular(path, LONGEST) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Own::unread(path, &error.to_string()),
                Ok(bytes) => return Own::parse(path, &bytes, methods),
            }
        }
        match named {
            Some(_) => Own::unread(path, "notifyd_config names it, and there is no such file"),
            None => Own::default(),
        }
    }

    fn unread(path: &Path, why: &str) -> Own {
        let what = format!("cannot be read: {why}");
        Own {
            file: Some(path.to_owned()),
            config: Config::default(),
            problems: vec![Problem { line: 0, what }],
        }
    }

    /// Takes `bytes` for the contents of `path`.
    #[must_use]
    pub fn parse(path: &Path, bytes: &[u8], methods: &[Known]) -> Own {
        let text = String::from_utf8_lossy(bytes);
        let (config, mut problems) = Config::read(&text, methods);
        if let Err(error) = std::str::from_utf8(bytes) {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            problems.push(Problem {
                line,
                what: "not UTF-8".to_owned(),
            });
            problems.sort_by_key(|problem| problem.line);
        }
        Own {
            file: Some(path.to_owned()),
            config,
            problems,
        }
    }

    /// Each mistake with the file's name before it, as `FILE: line N: …`.
    pub fn complaints(&self) -> impl Iterator<Item = String> {
        let file = self
            .file
            .as_deref()
            .unwrap_or(Path::new(DEFAULT_FILE))
            .display();
        self.problems
            .iter()
            .map(move |problem| format!("{file}: {problem}"))
    }
}
