//! Whom we trust: the roots of the system, and the name that a server's certificate must have.
//!
//! Reading the roots takes longer than a mail, so they are kept. A server may move to a certificate of a root that was
//! added since: after a certificate that is not trusted they are read again, once a minute at most.

use super::reply::why;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::TlsParameters;
use std::error::Error as _;
use std::io;
use std::time::{Duration, Instant};

/// How long roots that were read again are good, whatever a server shows.
const AGAIN: Duration = Duration::from_secs(60);

/// The roots, once they have been needed.
#[derive(Default)]
pub(super) struct Trust {
    parameters: Option<TlsParameters>,
    /// When they were read again.
    again: Option<Instant>,
}

impl Trust {
    /// What a connection to `host` needs.
    ///
    /// # Errors
    /// Why there are no roots, for the log.
    pub(super) fn of(&mut self, host: &str) -> Result<TlsParameters, String> {
        if let Some(parameters) = &self.parameters {
            return Ok(parameters.clone());
        }
        let made = TlsParameters::new(host.to_owned());
        let made = made.map_err(|error| format!("TLS: {}", why(&error)))?;
        self.parameters = Some(made.clone());
        Ok(made)
    }

    /// Forgets the roots, so that they are read again; false when that was done within the last minute.
    pub(super) fn renew(&mut self, now: Instant) -> bool {
        let is_due = self
            .again
            .is_none_or(|last| now.duration_since(last) >= AGAIN);
        if is_due {
            (self.parameters, self.again) = (None, Some(now));
        }
        is_due
    }
}

/// Whether it is a server's certificate that went wrong.
pub(super) fn is_certificate(error: &Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        let inner = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        let tls = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if matches!(tls, Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        source = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_read_again_once_a_minute_at_most() {
        let mut trust = Trust::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(trust.of("mx.test").is_ok() && trust.parameters.is_some());
        assert!(trust.renew(at(0)) && trust.parameters.is_none());
        assert!(trust.of("mx.test").is_ok());
        assert!(!trust.renew(at(59)) && trust.parameters.is_some());
        assert!(trust.renew(at(60)) && !trust.renew(at(60)));
    }
}
