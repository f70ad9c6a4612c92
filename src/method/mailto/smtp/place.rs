//! Where imapd.conf says that mail goes: `smtp_host`, read as Cyrus reads it (`imap/backend.c`).
//!
//! `HOST`, `HOST:PORT`, `HOST:PORT/OPTION/OPTION`: the first `:` ends the host, so options need a port before them. The
//! port is a number or the name of a service, 587 by default; `tls` asks for STARTTLS, `noauth` for no AUTH; other
//! options are passed over. Beyond Cyrus, an IPv6 address may stand in brackets, and on port 465 TLS
//! begins at once (RFC 8314 section 3.3), because nobody answers there otherwise.
//!
//! What can go wrong: a path of a socket, which Cyrus takes and we do not; a service that has no number.

use std::fmt;

/// When none is named (RFC 6409 section 3.1).
const SUBMISSION: u16 = 587;
/// TLS from the first byte.
const SUBMISSIONS: u16 = 465;

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    /// When a password needs it.
    ForPassword,
    /// By STARTTLS, or nothing is sent.
    Required,
    /// At once.
    FromStart,
}

/// Where mail goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// A name or an address, without brackets.
    pub(super) host: String,
    /// Its port.
    pub(super) port: u16,
    /// When TLS begins.
    pub(super) tls: Tls,
    /// Whether AUTH is wanted when there is a name for it.
    pub(super) auth: bool,
}

impl Place {
    /// Reads `smtp_host`.
    ///
    /// # Errors
    /// What is wrong with it, for the log.
    pub(super) fn parse(text: &[u8]) -> Result<Place, String> {
        let text = str::from_utf8(text).map_err(|_| "smtp_host is not UTF-8")?;
        let (host, rest) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => text
                .split_once(':')
                .map_or((text, None), |(host, rest)| (host, Some(rest))),
        };
        if text.starts_with('/') {
            return Err(format!(
                "smtp_host: {text}: a socket's path; a host is needed"
            ));
        }
        if host.is_empty() || host.contains(|c: char| c == '/' || c.is_whitespace()) {
            return Err(format!(
                "smtp_host: {text}: no host and port, such as localhost:587"
            ));
        }
        let mut words = rest.unwrap_or_default().split('/');
        let port = match words.next().unwrap_or_default() {
            "" => SUBMISSION,
            service => port(service)?,
        };
        let options: Vec<&str> = words.collect();
        Ok(Place {
            host: host.to_owned(),
            port,
            tls: match port {
                SUBMISSIONS => Tls::FromStart,
                _ if options.contains(&"tls") => Tls::Required,
                _ => Tls::ForPassword,
            },
            auth: !options.contains(&"noauth"),
        })
    }
}

/// A port by number, or by one of the names that mail has (IANA's).
fn port(service: &str) -> Result<u16, String> {
    match service {
        "smtp" | "mail" => Ok(25),
        "submission" => Ok(SUBMISSION),
        "submissions" | "smtps" | "urd" => Ok(SUBMISSIONS),
        "0" => Err("smtp_host: port 0 stands for nowhere".into()),
        number => number
            .parse()
            .map_err(|_| format!("smtp_host: {service}: no port; a number is needed")),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tls::{ForPassword, FromStart, Required};
    use super::*;

    #[test]
    fn hosts_are_read_as_cyrus_reads_them() {
        for (text, shown, tls, auth) in [
            ("localhost", "localhost:587", ForPassword, true),
            ("localhost:587", "localhost:587", ForPassword, true),
            ("mx.example.org:25", "mx.example.org:25", ForPassword, true),
            ("mx:smtp", "mx:25", ForPassword, true),
            ("mx:submission/tls", "mx:587", Required, true),
            ("mx:587/noauth", "mx:587", ForPassword, false),
            ("mx:587/noauth/tls", "mx:587", Required, false),
            ("mx:25/tls/other", "mx:25", Required, true),
            ("mx:25/TLS", "mx:25", ForPassword, true),
            ("mx:/tls", "mx:587", Required, true),
            ("mx:465", "mx:465", FromStart, true),
            ("mx:smtps/tls/noauth", "mx:465", FromStart, false),
            ("192.0.2.1:2525", "192.0.2.1:2525", ForPassword, true),
            ("[::1]:25", "[::1]:25", ForPassword, true),
            ("[2001:db8::1]", "[2001:db8::1]:587", ForPassword, true),
            ("[::1]:465/noauth", "[::1]:465", FromStart, false),
        ] {
            let place = Place::parse(text.as_bytes()).unwrap();
            assert_eq!(
                (place.to_string().as_str(), place.tls, place.auth),
                (shown, tls, auth),
                "{text}"
            );
        }
    }

    #[test]
    fn what_names_no_place_is_told() {
        for (text, told) in [
            ("", "no host and port"),
            (":25", "no host and port"),
            ("mx/tls", "no host and port"),
            ("a b:25", "no host and port"),
            ("/run/smtp.sock", "a socket's path"),
            ("mx:0", "port 0"),
            ("mx:65536", "no port"),
            ("mx:lmtp", "lmtp: no port"),
            ("::1", "no host and port"),
        ] {
            let error = Place::parse(text.as_bytes()).unwrap_err();
            assert!(
                error.starts_with("smtp_host: ") && error.contains(told),
                "{text}: {error}"
            );
        }
        assert!(Place::parse(b"\xff:25").is_err());
    }
}
