//! What the operator said: Cyrus' imapd.conf, read exactly as Cyrus reads it.

use std::path::PathBuf;

/// What imapd.conf means for us: typed, with defaults filled in and `{configdirectory}` replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `configdirectory`: absolute, not `/`.
    pub configdirectory: PathBuf,
    /// `notify_external`: the program of method `external`.
    pub notify_external: Option<PathBuf>,
    /// `sendmail`: the program of method `mailto`.
    pub sendmail: PathBuf,
    /// `postmaster`: the address in From.
    pub postmaster: Vec<u8>,
    /// `servername`, or the host's name.
    pub servername: Vec<u8>,
    /// `defaultdomain`.
    pub defaultdomain: Vec<u8>,
}
