//! `mailto`: sends a mail through `sendmail` (Cyrus' `notifyd/notify_mailto.c`).
//!
//! `sendmail -i -f <> -- ADDRESS`, where the address is the first option, as it came; without options
//! there is nothing to do. Stock's header fields with stock's values, and what the standards ask for
//! besides: Auto-Submitted with the owner (RFC 5436 section 2.7), MIME that is true, no line end
//! from a field into the header. Message-ID and Date belong to the delivery, not to the attempt,
//! so that a repeat can be recognised.

use super::{Delivery, Kind, Method, Outcome, program};
use crate::config::Settings;
use crate::mail::Message;
use crate::mail::header::{Header, quoted_string};
use crate::system::cancel::Cancel;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) const KIND: Kind = Kind {
    name: "mailto",
    about: "sends a mail to the address in the first option",
    immediate: false,
    wants_message: false,
    permits: 4,
    timeout: Duration::from_secs(300),
    build: |context| Box::new(Mailto::new(context.settings)),
};

/// What Cyrus calls its Sieve in X-Sieve (`sieve/sieve_interface.h`).
const SIEVE_VERSION: &[u8] = b"CMU Sieve 3.0";
/// Cyrus' default for `defaultdomain`: not a domain that anybody has.
const NO_DOMAIN: &[u8] = b"internal";

struct Mailto {
    sendmail: PathBuf,
    postmaster: Vec<u8>,
    servername: Vec<u8>,
    /// What makes an address of a user's name.
    domain: Vec<u8>,
}

impl Method for Mailto {
    fn deliver(&self, delivery: &Delivery, limit: Duration, cancel: &Cancel) -> Outcome {
        let Some(option) = delivery.notification.options.first() else {
            return Outcome::Delivered("nobody to tell: the notification has no address".into());
        };
        let address = option.trim_ascii();
        if address.iter().any(u8::is_ascii_control) {
            return Outcome::Permanent("the address has a control character in it".into());
        }
        let Some(message) = self.message(delivery, address) else {
            return Outcome::Permanent("the address is too long for a header field".into());
        };
        let mut command = Command::new(&self.sendmail);
        command
            .arg0("sendmail")
            .args(["-i", "-f", "<>", "--"])
            .arg(OsStr::from_bytes(address));
        program::run(command, &message.to_bytes(), limit, cancel, judge)
    }
}

impl Mailto {
    fn new(settings: &Settings) -> Mailto {
        let domain = match settings.defaultdomain.as_slice() {
            b"" | NO_DOMAIN => settings.servername.clone(),
            domain => domain.to_vec(),
        };
        Mailto {
            sendmail: settings.sendmail.clone(),
            postmaster: settings.postmaster.clone(),
            servername: settings.servername.clone(),
            domain,
        }
    }

    /// The mail, or `None` when a field of it does not fit a line.
    fn message(&self, delivery: &Delivery, address: &[u8]) -> Option<Message> {
        let n = &delivery.notification;
        let since = delivery
            .received
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let unique = format!("<cmu-sieve-{}-{since}-0@", delivery.id);
        let id = [unique.as_bytes(), &self.servername, b">"].concat();
        let from = [b"Mail Sieve Subsystem <", self.postmaster.as_slice(), b">"].concat();
        let subject = [b"[", n.class.as_slice(), b"] New mail notification"].concat();
        let message = Message::new()
            .field(Header::structured("Message-ID", &id)?)
            .field(Header::structured(
                "Date",
                date(delivery.received).as_bytes(),
            )?)
            .field(Header::structured("X-Sieve", SIEVE_VERSION)?)
            .field(Header::structured("From", &from)?)
            .field(Header::structured("To", &[b"<", address, b">"].concat())?)
            .field(Header::unstructured("Subject", &subject))
            .field(Header::structured(
                "Auto-Submitted",
                &self.auto_submitted(&n.user),
            )?);
        Some(message.text(&n.message))
    }

    /// RFC 5436 section 2.7.1: who is to blame for this mail.
    fn auto_submitted(&self, user: &[u8]) -> Vec<u8> {
        let usable = !user.is_empty() && user.iter().all(u8::is_ascii_graphic);
        let owner = if usable { user } else { &self.postmaster };
        let address = match owner.contains(&b'@') {
            true => owner.to_vec(),
            false => [owner, b"@", &self.domain].concat(),
        };
        [
            b"auto-notified; owner-email=".as_slice(),
            &quoted_string(&address),
        ]
        .concat()
    }
}

/// RFC 5322 section 3.3, in local time, as Cyrus' `time_to_rfc5322` writes it.
fn date(time: SystemTime) -> String {
    let timestamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    Zoned::new(timestamp, TimeZone::system())
        .strftime("%a, %d %b %Y %H:%M:%S %z")
        .to_string()
}

/// sysexits(3), as Postfix' `sys_exits.c` reads them: what may pass by itself is temporary.
fn judge(status: ExitStatus) -> fn(String) -> Outcome {
    const EX_UNAVAILABLE: i32 = 69;
    const EX_OSERR: i32 = 71;
    const EX_IOERR: i32 = 74;
    const EX_TEMPFAIL: i32 = 75;
    match status.code() {
        Some(0) => Outcome::Delivered,
        Some(EX_UNAVAILABLE | EX_OSERR | EX_IOERR | EX_TEMPFAIL) | None => Outcome::Temporary,
        Some(_) => Outcome::Permanent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Notification;
    use std::path::Path;

    fn mailto() -> Mailto {
        let mut settings = Settings::for_tests(Path::new("/v"));
        settings.servername = b"cyr.test".to_vec();
        Mailto::new(&settings)
    }

    fn delivery(notification: Notification) -> Delivery {
        Delivery {
            id: 1234,
            received: UNIX_EPOCH + Duration::from_secs(1_795_370_292),
            notification,
            message_file: PathBuf::new(),
        }
    }

    fn render(notification: Notification, address: &str) -> String {
        let message = mailto()
            .message(&delivery(notification), address.as_bytes())
            .unwrap();
        String::from_utf8(message.to_bytes()).unwrap()
    }

    #[test]
    fn stocks_fields_and_who_is_to_blame() {
        let notification = Notification {
            class: b"SIEVE".to_vec(),
            user: b"alice".to_vec(),
            message: b"hello\n".to_vec(),
            ..Notification::default()
        };
        let text = render(notification, "bob@example.org");
        let (id, rest) = text.split_once('\n').unwrap();
        assert_eq!(id, "Message-ID: <cmu-sieve-1234-1795370292-0@cyr.test>");
        let (date, rest) = rest.split_once('\n').unwrap();
        assert!(date.starts_with("Date: Sun, 22 Nov 2026 "), "{date}");
        assert_eq!(
            rest,
            "X-Sieve: CMU Sieve 3.0\nFrom: Mail Sieve Subsystem <postmaster>\nTo: <bob@example.org>\n\
             Subject: [SIEVE] New mail notification\nAuto-Submitted: auto-notified; owner-email=\"alice@cyr.test\"\n\
             \nhello\n\n"
        );
    }

    #[test]
    fn no_field_adds_a_field() {
        let notification = Notification {
            class: b"X\r\nBcc: evil@example.org\r\n\r\nbody".to_vec(),
            user: b"a\nb".to_vec(),
            message: b"m".to_vec(),
            ..Notification::default()
        };
        let text = render(notification, "bob@example.org");
        let header = text.split("\n\n").next().unwrap();
        assert_eq!(
            header.lines().filter(|line| !line.starts_with(' ')).count(),
            7,
            "{header}"
        );
        assert!(
            header.ends_with("Auto-Submitted: auto-notified; owner-email=\"postmaster@cyr.test\"")
        );
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        use std::os::unix::process::ExitStatusExt;
        let judged = |wait: i32| judge(ExitStatus::from_raw(wait))(String::new());
        assert_eq!(judged(0), Outcome::Delivered(String::new()));
        for code in [69, 71, 74, 75] {
            assert_eq!(judged(code << 8), Outcome::Temporary(String::new()));
        }
        assert_eq!(judged(9), Outcome::Temporary(String::new()), "a signal");
        for code in [1, 64, 67, 70, 77] {
            assert_eq!(judged(code << 8), Outcome::Permanent(String::new()));
        }
    }
}
