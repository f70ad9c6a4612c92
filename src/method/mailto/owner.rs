//! On whose behalf a mail is sent (RFC 5436 section 2.7.1), and which mails are ours: keyed hashes (HMAC-SHA-256).
//!
//! The key is made once and kept beside the ledger. What a token stands for is in the ledger, for `notifyctl owner`: who
//! gets a complaint must be able to find the user, and nobody else.

use crate::spool::ledger::Ledger;
use crate::spool::ledger::secret;
use ring::hmac::{self, HMAC_SHA256, Key};
use ring::rand::{SecureRandom, SystemRandom};
use std::sync::{Arc, OnceLock};

/// Before a token in the ledger.
const TOKEN: &[u8] = b"T";
const DAY: i64 = 86_400_000_000;
/// How long a token can be resolved after its last mail.
const RESOLVABLE: i64 = 400 * DAY;

/// Makes tokens and marks.
pub(super) struct Owners {
    ledger: Arc<Ledger>,
    /// The one that lasts.
    key: OnceLock<Key>,
}

impl Owners {
    pub(super) fn new(ledger: Arc<Ledger>) -> Owners {
        Owners {
            ledger,
            key: OnceLock::new(),
        }
    }

    /// The token of `user`; none when there is no key to be had.
    pub(super) fn token(&self, user: &[u8]) -> Option<String> {
        let token = self.hash(&[b"owner ", user], 16)?;
        let key = [TOKEN, token.as_bytes()].concat();
        let noted = self.ledger.change(crate::spool::now(), |entries| {
            if entries.get(&key)?.is_none() {
                entries.put(&key, user, entries.now() + RESOLVABLE)?;
            }
            Ok(())
        });
        noted.ok().map(|()| token)
    }

    /// What marks a Message-ID that begins with `start` as ours.
    pub(super) fn mark(&self, start: &str) -> Option<String> {
        self.hash(&[b"id ", start.as_bytes()], 6)
    }

    /// The first `bytes` bytes of the hash, in hexadecimal.
    fn hash(&self, parts: &[&[u8]], bytes: usize) -> Option<String> {
        let mut context = hmac::Context::with_key(&self.key()?);
        parts.iter().for_each(|part| context.update(part));
        let tag = context.sign();
        let hex = tag.as_ref()[..bytes].iter().map(|b| format!("{b:02x}"));
        Some(hex.collect())
    }

    /// While the disk refuses, one for the time being.
    fn key(&self) -> Option<Key> {
        if let Some(key) = self.key.get() {
            return Some(key.clone());
        }
        let secret = self.ledger.secret(make)?;
        let key = Key::new(HMAC_SHA256, &secret.key);
        if secret.lasts {
            let _ = self.key.set(key.clone()); // another thread has set the same
        }
        Some(key)
    }
}

fn make() -> Option<secret::Bytes> {
    let mut key = [0; secret::LENGTH];
    SystemRandom::new().fill(&mut key).ok()?;
    Some(key)
}

/// The user that `token` stands for in the spool in `folder`; none when nobody is known by it.
///
/// # Errors
/// When the ledger is there and cannot be read.
pub fn user_of(folder: &std::path::Path, token: &str) -> std::io::Result<Option<Vec<u8>>> {
    let key = [TOKEN, token.trim().as_bytes()].concat();
    Ledger::look_up(folder, &key, crate::spool::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_same_and_can_be_resolved() {
        let dir = tempfile::tempdir().unwrap();
        let owners = || Owners::new(Arc::new(Ledger::new(dir.path())));
        let token = owners().token(b"alice").unwrap();
        assert_eq!(owners().token(b"alice").unwrap(), token, "after a restart");
        assert_eq!(token.len(), 32);
        assert_ne!(owners().token(b"bob").unwrap(), token);
        assert_eq!(
            user_of(dir.path(), &token).unwrap(),
            Some(b"alice".to_vec())
        );
        assert_eq!(user_of(dir.path(), "00").unwrap(), None);
    }
}
