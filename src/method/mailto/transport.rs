//! How a mail leaves: the trait [`Transport`], and which one imapd.conf asks for.

use super::sendmail::Sendmail;
use super::smtp::Smtp;
use crate::config::{Settings, SmtpBackend};
use crate::mail::address::Address;
use crate::system::cancel::Cancel;
use std::time::Duration;

/// A mail with its envelope.
pub(super) struct Letter<'a> {
    /// Who is told when it does not arrive; none for nobody (`<>`).
    pub(super) sender: Option<&'a Address>,
    /// At least one.
    pub(super) recipients: &'a [&'a Address],
    /// The whole message (RFC 5322), its lines ended by LF.
    pub(super) message: &'a [u8],
}

/// What became of a mail for one recipient. The text says why, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Another server has it now.
    Sent(String),
    /// Not now; nobody has it.
    Temporary(String),
    /// Never.
    Permanent(String),
    /// Perhaps: it was sent, and the answer did not come.
    Lost(String),
}

impl Answer {
    /// Why, in one line.
    pub(super) fn why(&self) -> &str {
        let (Answer::Sent(why)
        | Answer::Temporary(why)
        | Answer::Permanent(why)
        | Answer::Lost(why)) = self;
        why
    }
}

/// Hands mails to a mail server.
pub(super) trait Transport: Send + Sync {
    /// Makes one attempt, in at most `limit`: what became of it for each recipient, in their order. Returns soon after
    /// `cancel` is raised.
    fn submit(&self, letter: &Letter<'_>, limit: Duration, cancel: &Cancel) -> Vec<Answer>;
}

/// The one that imapd.conf asks for.
pub(super) fn of(settings: &Settings) -> Box<dyn Transport> {
    match settings.smtp_backend {
        SmtpBackend::Sendmail => Box::new(Sendmail::new(settings.sendmail.clone())),
        SmtpBackend::Host => Box::new(Smtp::new(settings)),
    }
}
