//! `log`: one syslog record a notification (Cyrus' `notifyd/notify_log.c`).
//!
//! The record is byte for byte what stock sends: nothing in it is escaped, that is syslogd's business.
//! It is delivered when syslogd's socket has it; as long as syslogd does not take it, it is owed.
//! Options are not cut (Cyrus 3.6 cuts them together at 1,021 characters; 3.13 no longer does).

use super::{Delivery, Kind, Method, Outcome};
use crate::system::cancel::Cancel;
use crate::system::syslog::{self, Syslog};
use crate::wire::Notification;
use std::io;
use std::sync::Arc;
use std::time::Duration;

pub(super) const KIND: Kind = Kind {
    name: "log",
    about: "writes a syslog record",
    immediate: true,
    wants_message: false,
    wants: super::NAMED,
    permits: 1,
    timeout: Duration::from_secs(5),
    build: |context| {
        Box::new(Log {
            syslog: context.syslog.clone(),
        })
    },
};

struct Log {
    syslog: Arc<Syslog>,
}

impl Method for Log {
    fn deliver(&self, delivery: &Delivery, _: Duration, _: &Cancel) -> Outcome {
        let record = record(&delivery.notification);
        match self.syslog.hand_over(syslog::INFO, &record) {
            Ok(()) => Outcome::Delivered("handed to syslogd".into()),
            Err(error) if syslog::is_too_large(&error) => {
                Outcome::Permanent("larger than syslogd takes".into())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Outcome::Temporary("syslogd does not keep up".into())
            }
            Err(error) => Outcome::Temporary(format!("no syslogd: {error}")),
        }
    }
}

/// `CLASS, PRIORITY, USER, MAILBOX, (opt1, opt2) "MESSAGE"`.
fn record(n: &Notification) -> Vec<u8> {
    let mut out = [n.class.as_slice(), &n.priority, &n.user, &n.mailbox].join(b", ".as_slice());
    out.extend_from_slice(b", ");
    if !n.options.is_empty() {
        out.push(b'(');
        out.extend_from_slice(&n.options.join(b", ".as_slice()));
        out.push(b')');
    }
    out.extend_from_slice(b" \"");
    out.extend_from_slice(&n.message);
    out.push(b'"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_stocks() {
        let mut n = Notification {
            class: b"MAIL".to_vec(),
            user: b"alice".to_vec(),
            mailbox: b"INBOX".to_vec(),
            message: b"hello\nworld".to_vec(),
            ..Notification::default()
        };
        assert_eq!(record(&n), b"MAIL, , alice, INBOX,  \"hello\nworld\"");
        n.options = vec![b"".to_vec()];
        assert_eq!(record(&n), b"MAIL, , alice, INBOX, () \"hello\nworld\"");
        n.options = vec![b"a".to_vec(), b"b".to_vec()];
        assert_eq!(record(&n), b"MAIL, , alice, INBOX, (a, b) \"hello\nworld\"");
    }
}
