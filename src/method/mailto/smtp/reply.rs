//! What a server answers, and what it means for who shall get the mail.

use super::super::transport::Answer;
use crate::system::syslog::printable;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::response::Response;
use std::error::Error as _;
use std::io::{self, ErrorKind};

/// How much of a reply is read, in bytes; less of it is told (see [`super::secrets`]).
const TOLD: usize = 2000;
/// The server goes away (RFC 5321 section 3.8).
const CLOSING: u16 = 421;
/// It wants AUTH or TLS first, or the password is wrong (RFC 4954 section 6, RFC 3207 section 4).
const OURS: [u16; 4] = [530, 534, 535, 538];

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// Its three digits.
    pub(super) code: u16,
    /// All of it in one line, fit for the log.
    pub(super) text: String,
}

impl Reply {
    /// What lettre read: the reply, or why there is none.
    pub(super) fn of(result: Result<Response, Error>) -> Result<Reply, String> {
        match result {
            Ok(response) => {
                let lines: Vec<&str> = response.message().collect();
                Ok(Reply::new(response.code().into(), &lines.join(" ")))
            }
            Err(error) if error.status().is_some() => Ok(Reply::of_error(&error)),
            Err(error) => Err(why(&error)),
        }
    }

    /// The reply in an error that is one.
    pub(super) fn of_error(error: &Error) -> Reply {
        let text = error.source().map(ToString::to_string);
        Reply::new(
            error.status().map_or(0, u16::from),
            &text.unwrap_or_default(),
        )
    }

    fn new(code: u16, text: &str) -> Reply {
        Reply {
            code,
            text: printable(format!("{code} {text}").trim_end().as_bytes(), TOLD),
        }
    }

    /// Yes.
    pub(super) fn is_yes(&self) -> bool {
        self.code / 100 == 2
    }

    /// The connection ends after it.
    pub(super) fn is_closing(&self) -> bool {
        self.code == CLOSING
    }

    /// What a reply that is not yes means: 5xx is for ever, but for what an administrator has to mend on our side.
    pub(super) fn refusal(&self, told: String) -> Answer {
        match self.code / 100 == 5 && !OURS.contains(&self.code) {
            true => Answer::Permanent(told),
            false => Answer::Temporary(told),
        }
    }
}

/// Why there was no reply, in a few words.
pub(super) fn why(error: &Error) -> String {
    let mut source = error.source();
    let mut last = None;
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return io_why(error);
        }
        last = Some(cause.to_string());
        source = cause.source();
    }
    match last {
        Some(text) if text == "incomplete response" => "connection lost".into(),
        Some(text) if error.is_response() => {
            format!(
                "no reply that can be read: {}",
                printable(text.as_bytes(), TOLD)
            )
        }
        Some(text) => printable(text.as_bytes(), TOLD),
        None => error.to_string(),
    }
}

/// The same of an error of the system.
pub(super) fn io_why(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused".into(),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "no answer in time".into(),
        ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe => "connection lost".into(),
        _ => printable(error.to_string().as_bytes(), TOLD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &str) -> Reply {
        Reply::of(text.parse()).unwrap()
    }

    #[test]
    fn a_reply_is_one_line_whatever_is_in_it() {
        let text = reply("250-one\r\n250 t\u{7}wo\r\n").text;
        assert_eq!(text, "250 one t\\u{7}wo");
        let long = reply(&format!("250 {}\r\n", "x".repeat(9000)));
        assert!(long.text.len() < 2010);
        assert!(reply("250 2.0.0 Ok: queued as ABC\r\n").is_yes());
    }

    #[test]
    fn only_what_another_try_cannot_mend_is_for_ever() {
        let refusal = |text: &str| reply(text).refusal(String::new());
        for text in [
            "450 x\r\n",
            "421 x\r\n",
            "530 x\r\n",
            "535 x\r\n",
            "354 x\r\n",
        ] {
            assert_eq!(refusal(text), Answer::Temporary(String::new()), "{text}");
        }
        for text in ["550 x\r\n", "500 x\r\n", "554 x\r\n"] {
            assert_eq!(refusal(text), Answer::Permanent(String::new()), "{text}");
        }
    }
}
