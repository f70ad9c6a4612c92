//! The secret key: made once, and kept in a file of its own beside the ledger, so that it outlives a ledger that is damaged,
//! removed or in memory. It never changes by itself: the older one always wins.

use super::super::db::unless_missing;
use log::{error, warn};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Its name in the spool's folder.
const NAME: &str = "ledger.key";
/// How long it is, in bytes.
pub const LENGTH: usize = 32;

/// A secret key.
pub type Bytes = [u8; LENGTH];

/// A secret key, and whether it is the one for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secret {
    /// The key.
    pub key: Bytes,
    /// False when the disk refuses, and it is one for the time being: it is to be asked for again the next time.
    pub lasts: bool,
}

/// The key in `folder`; none when there is none yet. A file that cannot be one is moved aside.
pub(super) fn read(folder: &Path) -> io::Result<Option<Bytes>> {
    let path = folder.join(NAME);
    let mut text = Vec::new();
    match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(file) => file.take(LENGTH as u64 + 1).read_to_end(&mut text)?,
    };
    if let Ok(key) = Bytes::try_from(text) {
        return Ok(Some(key));
    }
    let aside = path.with_extension("key.corrupt");
    fs::rename(&path, &aside)?;
    error!(
        "ledger: {} is no key of {LENGTH} bytes: kept aside as {}",
        path.display(),
        aside.display()
    );
    Ok(None)
}

/// Writes `key` to `folder`, unless there is one: the one that is there then.
pub(super) fn write(folder: &Path, key: &Bytes) -> io::Result<Bytes> {
    let new = folder.join(format!("{NAME}.new"));
    unless_missing(fs::remove_file(&new))?;
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(key)?;
    file.sync_all()?;
    // Whole or not at all; and what is there stays.
    let linked = fs::hard_link(&new, folder.join(NAME));
    remove(&new);
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => {
            File::open(folder)?.sync_all()?;
            read(folder)?.ok_or_else(|| io::Error::other("the key has gone again"))
        }
    }
}

fn remove(path: &PathBuf) {
    if let Err(error) = fs::remove_file(path) {
        warn!("ledger: {}: {error}", path.display());
    }
}
