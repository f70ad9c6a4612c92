//! The mails that a notification would lead to, for `notifyctl preview`: made by the same composers as the daemon's,
//! sent to nobody and remembered nowhere.

use super::super::{Context, Delivery};
use super::compose;
use super::mail::{Composed, Notes};
use super::occasion::{Occasion, occasion, wants};
use super::office::Office;
use crate::config::Settings;
use crate::config::toml::{Language, Languages};
use crate::spool::{self, ledger::Ledger};
use crate::system::syslog::{Identity, Syslog};
use crate::wire::Notification;
use log::warn;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// An address that nobody has (RFC 5737).
const ELSEWHERE: &str = "198.51.100.1";

/// What would come of a notification.
#[derive(Debug)]
pub struct Preview {
    /// The mails.
    pub mails: Vec<Letter>,
    /// The files of templates that made their words.
    pub templates: Vec<String>,
    /// Whether notifyd.toml wants such mails, when Cyrus names this method.
    pub wanted: bool,
}

/// A mail and its envelope.
#[derive(Debug)]
pub struct Letter {
    /// The envelope sender; empty for nobody.
    pub sender: String,
    /// The envelope recipients.
    pub recipients: Vec<String>,
    /// The message, as it would be submitted.
    pub message: Vec<u8>,
}

/// What would come of `notification`, if it were received now. With `language`, in that one for everybody.
///
/// # Errors
/// Why no mail would come of it.
pub fn preview(
    settings: &Settings,
    notification: &Notification,
    language: Option<&str>,
) -> Result<Preview, String> {
    let mut settings = settings.clone();
    if let Some(language) = language {
        let templates = &mut settings.own.config.templates;
        templates.language = Language(language.to_owned());
        templates.languages = Languages(BTreeMap::new());
    }
    let ledger = Ledger::in_memory().map_err(|error| error.to_string())?;
    // Composers say nothing there.
    let nobody = Identity {
        ident: String::new(),
        facility: 2,
    };
    let syslog = Syslog::open(Path::new(""), nobody).map_err(|error| error.to_string())?;
    let late: super::super::Late = Arc::new(|_| {});
    let context = Context {
        settings: &settings,
        syslog: &syslog,
        ledger: &Arc::new(ledger),
        late: &late,
    };
    let office = Office::new(&context);
    let delivery = Delivery {
        id: spool::now(),
        attempt: 1,
        begun: 1,
        asked: 0,
        received: SystemTime::now(),
        notification: notification.clone(),
        message_file: PathBuf::new(),
    };
    acquaint(&office, &delivery);
    let mut notes = Notes::default();
    let composed = compose(&office, &delivery, &mut notes);
    notes.warnings.iter().for_each(|line| warn!("{line}"));
    let mails = match composed {
        Composed::Mails(mails) => mails,
        Composed::Nothing(why) | Composed::Wrong(why) => return Err(why),
    };
    let letter = |mail: super::mail::Mail| Letter {
        sender: mail
            .sender
            .map_or(String::new(), |sender| sender.to_string()),
        recipients: mail.recipients.iter().map(ToString::to_string).collect(),
        message: mail.message.to_bytes(),
    };
    Ok(Preview {
        mails: mails.into_iter().map(letter).collect(),
        templates: office.used_templates(),
        wanted: occasion(notification).is_some() && wants(&settings.own.config, notification, true),
    })
}

/// Nothing is said of the first network in which a user is seen, and here nobody has been seen: lets the user sign in
/// from another one before.
fn acquaint(office: &Office, delivery: &Delivery) {
    let notification = &delivery.notification;
    let event = serde_json::from_slice(&notification.message);
    if let (Some(Occasion::SignIn), Ok(Value::Object(mut event))) = (occasion(notification), event)
    {
        event.insert("clientIP".into(), ELSEWHERE.into());
        let mut before = delivery.clone();
        before.notification.message = Value::Object(event).to_string().into_bytes();
        let mut notes = Notes::default();
        compose(office, &before, &mut notes);
        office.note(&notes.changes);
    }
}
