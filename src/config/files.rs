//! The files of one configuration, read as one: `@include` reads another file at its place.
//!
//! What can go wrong: a file that cannot be opened, and one that is included twice.

use rustix::fs::{Mode, OFlags};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::error::{ConfigError, bytes};
use super::lines::{Line, Lines};

/// How a file's bytes are had: called with each path to try. An error means "cannot be opened".
pub type ReadFile<'a> = &'a mut dyn FnMut(&Path) -> io::Result<Vec<u8>>;

/// The files being read: the innermost include is last.
pub(super) struct Files<'a> {
    prefix: Option<&'a OsStr>,
    read: ReadFile<'a>,
    opened: HashSet<Vec<u8>>,
    open: Vec<(Vec<u8>, Lines)>,
}

impl<'a> Files<'a> {
    pub(super) fn new(prefix: Option<&'a OsStr>, read: ReadFile<'a>) -> Files<'a> {
        Files {
            prefix,
            read,
            opened: HashSet::new(),
            open: Vec::new(),
        }
    }

    pub(super) fn open(&mut self, name: &[u8]) -> Result<(), ConfigError> {
        fn path(name: &[u8]) -> &Path {
            Path::new(OsStr::from_bytes(name))
        }
        let prefixed = self
            .prefix
            .and_then(|prefix| (self.read)(path(&bytes!(prefix.as_bytes(), name))).ok());
        let data = match prefixed {
            Some(data) => data,
            None => (self.read)(path(name)).map_err(|error| {
                let what = bytes!("can't open configuration file ", name, ": ", reason(&error));
                ConfigError::limited(what, 4095)
            })?,
        };
        if !self.opened.insert(name.to_vec()) {
            let what = bytes!("configuration file ", name, " included twice");
            return Err(ConfigError::limited(what, 4095));
        }
        self.open.push((name.to_vec(), Lines::new(data)));
        Ok(())
    }

    /// The next line and the name of its file.
    pub(super) fn next_line(&mut self) -> Option<(Vec<u8>, Line)> {
        while let Some((name, lines)) = self.open.last_mut() {
            match lines.next() {
                Some(line) => return Some((name.clone(), line)),
                None => self.open.pop(),
            };
        }
        None
    }
}

/// What is in the file at `path`, of which no more than `longest` bytes are read. A pipe, a terminal or a device would keep us
/// waiting, or never end; only the device that is always empty may stand for an empty file.
///
/// # Errors
/// When it cannot be opened, is no regular file, or is longer.
pub(super) fn read_regular(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    // Opening a pipe waits for somebody who writes to it, unless it is told not to.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let meta = file.metadata()?;
    if meta.file_type().is_char_device() && meta.rdev() == rustix::fs::makedev(1, 3) {
        return Ok(Vec::new());
    }
    if !meta.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut data = Vec::new();
    file.take(longest + 1).read_to_end(&mut data)?;
    match data.len() as u64 > longest {
        true => Err(io::Error::other(format!(
            "it is larger than {} MiB",
            longest >> 20
        ))),
        false => Ok(data),
    }
}

/// The text of strerror(3), without the number that `io::Error` adds.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
