//! [`ConfigError`]: why a configuration cannot be used, in the words of Cyrus (`fatal` in `lib/libconfig.c`).
//!
//! A message may hold bytes of the file that are no UTF-8, and is cut where Cyrus' buffer ends.

use std::fmt;

/// Puts byte strings together.
macro_rules! bytes {
    ($($part:expr),+ $(,)?) => {{
        let mut all: Vec<u8> = Vec::new();
        $(all.extend_from_slice($part.as_ref());)+
        all
    }};
}
pub(super) use bytes;

/// Why a configuration cannot be used, in the words of Cyrus.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError(Vec<u8>);

impl ConfigError {
    /// Cyrus formats into 1,024 bytes, the final NUL included.
    pub(super) fn new(message: Vec<u8>) -> ConfigError {
        ConfigError::limited(message, 1023)
    }

    pub(super) fn limited(mut message: Vec<u8>, limit: usize) -> ConfigError {
        message.truncate(limit);
        ConfigError(message)
    }

    /// The message as bytes: file names and values in it need not be UTF-8.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigError({self})")
    }
}

impl std::error::Error for ConfigError {}
