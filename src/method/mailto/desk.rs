//! For tests of composers: an office, and notifications as Cyrus sent them.

use super::super::{Context, Delivery, Late};
use super::guard::{Attempt, Guard, Recipient};
use super::limits::Account;
use super::mail::{Composed, Mail, Notes};
use super::mailbox::Mailboxes;
use super::occasion::Occasion;
use super::office::Office;
use super::transport::Answer;
use crate::config::Settings;
use crate::config::toml::Config;
use crate::spool::ledger::Ledger;
use crate::spool::{self, Micros};
use crate::system::syslog::{Identity, Syslog};
use crate::wire::{Notification, datagram};
use mail_parser::MessageParser;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An office with its ledger.
pub(super) struct Desk {
    pub(super) office: Office,
    guard: Guard,
    _dir: tempfile::TempDir,
}

/// One whose notifyd.toml is as `change` leaves it.
pub(super) fn desk(change: impl FnOnce(&mut Config)) -> Desk {
    let dir = tempfile::tempdir().unwrap();
    let imapd = b"configdirectory: /v\nservername: cyr.test\ndefaultdomain: cyr.test\n";
    let mut settings = Settings::parse(imapd, &crate::config::Context::default()).unwrap();
    change(&mut settings.own.config);
    let identity = Identity {
        ident: "test".into(),
        facility: 2,
    };
    let context = Context {
        settings: &settings,
        syslog: &Syslog::open(&dir.path().join("no syslogd"), identity).unwrap(),
        ledger: &Arc::new(Ledger::new(dir.path())),
        late: &(Arc::new(|_| {}) as Late),
    };
    let office = Office::new(&context);
    let mailboxes = Mailboxes::new(&settings, &office.domain);
    let guard = Guard::new(context.ledger.clone(), &settings.own.config, mailboxes);
    Desk {
        office,
        guard,
        _dir: dir,
    }
}

/// What a notification leads to; what was noted is noted.
pub(super) fn compose(office: &Office, delivery: &Delivery) -> Composed {
    let mut notes = Notes::default();
    let composed = super::compose(office, delivery, &mut notes);
    office.note(&notes.changes);
    composed
}

impl Desk {
    /// What becomes of the recipients of a mail of delivery `id` at its first attempt, which is made at `now`.
    pub(super) fn admit(&self, now: Micros, id: i64, mail: &Mail) -> Vec<Recipient> {
        let mails = std::slice::from_ref(mail);
        self.guard
            .admit(now, &first(id), &NOBODY, mails)
            .unwrap()
            .remove(0)
    }

    /// The mail was sent.
    pub(super) fn sent(&self, id: i64, mail: &Mail) {
        let mut all = self.admit(spool::now(), id, mail);
        for one in &mut all {
            one.answer(Answer::Sent("ok".into()));
        }
        self.guard
            .record(spool::now(), &first(id), &NOBODY, 0, mail, &all);
    }
}

fn first(id: i64) -> Attempt {
    Attempt {
        id,
        begun: 1,
        asked: 0,
    }
}

const NOBODY: Account<'static> = Account {
    kind: Occasion::Sieve,
    user: b"",
};

/// A delivery of `notification`, received at `seconds` since 1970.
pub(super) fn delivery(notification: Notification, seconds: f64) -> Delivery {
    Delivery {
        id: (seconds * 1e6) as i64,
        attempt: 1,
        begun: 1,
        asked: 0,
        received: UNIX_EPOCH + Duration::from_secs_f64(seconds),
        notification,
        message_file: PathBuf::new(),
    }
}

/// A delivery of a notification of `class` with `message`.
pub(super) fn of(class: &str, user: &str, message: &str) -> Delivery {
    let notification = Notification {
        method: "mailto".into(),
        class: class.into(),
        user: user.into(),
        message: message.into(),
        ..Notification::default()
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    delivery(notification, now.as_secs_f64())
}

/// The deliveries of `class` in a file of `tests/fixtures` whose messages contain `part`.
pub(super) fn recorded(file: &str, class: &str, part: &str) -> Vec<Delivery> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let all = text.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let encoded = line["b64"].as_str().unwrap();
        let bytes = mail_parser::decoders::base64::base64_decode(encoded.as_bytes()).unwrap();
        let notification = datagram::decode(&bytes).unwrap();
        delivery(notification, line["t"].as_f64().unwrap())
    });
    all.filter(|delivery| {
        let n = &delivery.notification;
        n.class == class.as_bytes() && String::from_utf8_lossy(&n.message).contains(part)
    })
    .collect()
}

/// The mails in `composed`.
pub(super) fn mails(composed: Composed) -> Vec<Mail> {
    match composed {
        Composed::Mails(mails) => mails,
        other => panic!("no mails: {other:?}"),
    }
}

/// Why there are none, and whether that is well.
pub(super) fn why(composed: Composed) -> (bool, String) {
    match composed {
        Composed::Nothing(why) => (true, why),
        Composed::Wrong(why) => (false, why),
        Composed::Mails(mails) => panic!("mails: {mails:?}"),
    }
}

/// The first value of a header field of `mail`, as it stands there, unfolded.
pub(super) fn field(mail: &Mail, name: &str) -> String {
    let text = String::from_utf8(mail.message.to_bytes()).unwrap();
    let head = text.split("\n\n").next().unwrap().replace("\n ", " ");
    let start = format!("{name}: ");
    let found = head.lines().find_map(|line| line.strip_prefix(&start));
    found.unwrap_or_else(|| panic!("{name}: {head}")).to_owned()
}

/// What is in the parts of `mail`: type, file name and content of each.
pub(super) fn parts_of(mail: &Mail) -> Vec<(String, Option<String>, String)> {
    use mail_parser::MimeHeaders;
    let bytes = mail.message.to_bytes();
    let parsed = MessageParser::default().parse(&bytes).unwrap();
    let parts = parsed.parts.iter().map(|part| {
        let of = part.content_type().unwrap();
        let attribute = of.attribute("method").map(|method| format!("; {method}"));
        (
            format!(
                "{}/{}{}",
                of.ctype(),
                of.subtype().unwrap(),
                attribute.unwrap_or_default()
            ),
            part.attachment_name().map(str::to_owned),
            String::from_utf8_lossy(part.contents()).into_owned(),
        )
    });
    parts.collect()
}
