//! Mail by SMTP (RFC 5321), over connections that are kept.

use super::transport::{Answer, Letter, Transport};
use crate::config::Settings;
use crate::system::cancel::Cancel;
use std::time::Duration;

/// A mail server that imapd.conf names.
pub(super) struct Smtp;

impl Smtp {
    pub(super) fn new(_settings: &Settings) -> Smtp {
        Smtp
    }
}

impl Transport for Smtp {
    fn submit(&self, letter: &Letter<'_>, _limit: Duration, _cancel: &Cancel) -> Vec<Answer> {
        vec![Answer::Temporary("not built yet".into()); letter.recipients.len()]
    }
}
