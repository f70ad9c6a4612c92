//! What all mails have in common: who they are from, on whose behalf, and how they are told apart.

use super::super::{Context, Delivery};
use super::by_user::{ByUser, Names};
use super::mail::{Change, Entry, Notes};
use super::owner::Owners;
use crate::config::SmtpBackend;
use crate::config::toml::{Config, OwnerForm};
use crate::mail::Message;
use crate::mail::address::{Address, Mailbox};
use crate::mail::auto_submitted::{Owner, notified};
use crate::mail::header::Header;
use crate::mail::template::{Templates, Words};
use crate::spool::{self, ledger::Ledger};
use crate::system::syslog::printable;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use log::warn;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Cyrus' default for `defaultdomain`: not a domain that anybody has.
pub(super) const NO_DOMAIN: &[u8] = b"internal";

/// How many lines about templates are said.
const SAID: usize = 100;

/// What composers share.
pub(super) struct Office {
    /// notifyd.toml.
    pub(super) config: Config,
    /// `postmaster` of imapd.conf, as it stands there.
    pub(super) postmaster: Vec<u8>,
    /// `servername` of imapd.conf.
    pub(super) servername: Vec<u8>,
    /// The domain of users who have none.
    pub(super) domain: String,
    /// What is remembered from one mail to the next. Composers only read it: see [`Office::recall`].
    pub(super) ledger: Arc<Ledger>,
    templates: Templates,
    /// What was said of templates already: it would be the same at each mail.
    said: Mutex<BTreeSet<String>>,
    /// `[mailto] from`.
    own_from: Option<Mailbox>,
    /// Whether the mail server that gets the mails wants a domain in every address: sendmail adds one itself.
    qualifies: bool,
    owners: Owners,
    /// How users are compared.
    names: Names,
    /// `[templates] languages`.
    languages: ByUser<String>,
    /// `[templates] time_zone` and `time_zones`.
    time_zone: Option<TimeZone>,
    time_zones: ByUser<TimeZone>,
}

impl Office {
    pub(super) fn new(context: &Context<'_>) -> Office {
        let settings = context.settings;
        let domain = match settings.defaultdomain.as_slice() {
            b"" | NO_DOMAIN => &settings.servername,
            domain => domain,
        };
        let folder = settings.own.config.templates.folder.0.as_ref();
        let folder = folder.map(|folder| folder.with(&settings.configdirectory));
        let usual = &settings.own.config.templates.language.0;
        let (templates, wrong) = Templates::open(folder.as_deref(), usual);
        for line in wrong {
            warn!("{line}; the built-in one is used");
        }
        let domain = String::from_utf8_lossy(domain).into_owned();
        let to_lower = settings.conf().switch("username_tolower").unwrap_or(true);
        let names = Names::new(&domain, to_lower);
        let templates_config = &settings.own.config.templates;
        let languages = &templates_config.languages.0;
        let time_zone = &templates_config.time_zone.0;
        let zone = |name: &str| TimeZone::get(name).ok();
        let time_zones = templates_config.time_zones.0.iter();
        let time_zones = time_zones
            .filter_map(|(user, name)| Some((user.clone(), zone(name)?)))
            .collect();
        Office {
            languages: ByUser::new("[templates] languages", languages, &names),
            time_zone: time_zone.as_deref().and_then(zone),
            time_zones: ByUser::new("[templates] time_zones", &time_zones, &names),
            names,
            config: settings.own.config.clone(),
            postmaster: settings.postmaster.clone(),
            servername: settings.servername.clone(),
            domain,
            ledger: context.ledger.clone(),
            templates,
            said: Mutex::default(),
            own_from: read_from(&settings.own.config.mailto.from.0),
            qualifies: settings.smtp_backend != SmtpBackend::Sendmail,
            owners: Owners::new(context.ledger.clone()),
        }
    }

    /// The words of a mail of `kind` to or for `user`, in his language.
    pub(super) fn words(&self, kind: &str, user: &[u8], values: &Value) -> Words {
        let words = self.templates.render(kind, self.language(user), values);
        for line in &words.wrong {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.len() < SAID && said.insert(line.clone()) {
                warn!("{line}; the built-in one is used");
            }
        }
        words
    }

    /// What is remembered under `key`.
    pub(super) fn recall(&self, key: &[u8], notes: &mut Notes) -> Option<Vec<u8>> {
        let found = self.ledger.change(spool::now(), |entries| entries.get(key));
        found.unwrap_or_else(|error| {
            notes.warnings.push(format!("ledger: {error}"));
            None
        })
    }

    /// Makes the changes that a composer noted.
    pub(super) fn note(&self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        let noted = self.ledger.change(spool::now(), |entries| {
            changes.iter().try_for_each(|change| match change {
                Change::Put(Entry { key, value, until }) => entries.put(key, value, *until),
                Change::Remove(key) => entries.remove(key),
            })
        });
        if let Err(error) = noted {
            warn!("ledger: {error}");
        }
    }

    /// The address of `user`; none when no address can be made of that name.
    pub(super) fn user(&self, user: &[u8]) -> Option<Address> {
        Address::of_user(user, &self.domain).ok()
    }

    /// The language of `user`: his own, else his domain's, else the usual one.
    fn language(&self, user: &[u8]) -> &str {
        let own = self
            .languages
            .get(&self.names, &String::from_utf8_lossy(user));
        own.unwrap_or(&self.config.templates.language.0)
    }

    /// The time zone of `user`: his own, else his domain's, else the one of all; none when notifyd.toml has none.
    pub(super) fn time_zone(&self, user: &[u8]) -> Option<TimeZone> {
        let own = self
            .time_zones
            .get(&self.names, &String::from_utf8_lossy(user));
        own.or(self.time_zone.as_ref()).cloned()
    }

    /// The address that mails are from: `[mailto] from`, else the postmaster's.
    pub(super) fn from(&self) -> Option<Address> {
        match &self.own_from {
            Some(own) => Some(own.address.clone().in_domain(&self.domain)),
            None => self.postmaster(),
        }
    }

    /// `[mailto] from` with the name that it has; none when it is not set.
    pub(super) fn own_from(&self) -> Option<Mailbox> {
        let Mailbox { name, address } = self.own_from.clone()?;
        let address = address.in_domain(&self.domain);
        Some(Mailbox { name, address })
    }

    /// From as Cyrus' own notifyd writes it. SMTP wants a domain in it.
    pub(super) fn stock_from(&self) -> Option<Header> {
        let postmaster = match self.postmaster() {
            Some(address) if self.qualifies => address.in_header().into_bytes(),
            _ => self.postmaster.clone(),
        };
        let from = [b"Mail Sieve Subsystem <", postmaster.as_slice(), b">"].concat();
        Header::structured("From", &from)
    }

    fn postmaster(&self) -> Option<Address> {
        let address = Address::parse(&self.postmaster).ok()?;
        Some(address.in_domain(&self.domain))
    }

    /// The Message-ID of the mail `n` that `delivery` leads to: the same at each attempt.
    pub(super) fn message_id(&self, delivery: &Delivery, n: usize) -> Vec<u8> {
        let since = delivery.received.duration_since(UNIX_EPOCH);
        let since = since.unwrap_or_default().as_secs();
        let start = format!("cmu-sieve-{}-{since}-{n}", delivery.id);
        let mark = self.owners.mark(&start).unwrap_or_default();
        let local = format!("<{start}.{mark}@");
        [local.as_bytes(), &self.servername, b">"].concat()
    }

    /// Whether a Message-ID is one that we gave.
    pub(super) fn is_ours(&self, message_id: &str) -> bool {
        let local = message_id.trim().trim_start_matches('<').split('@').next();
        local
            .and_then(|local| local.rsplit_once('.'))
            .is_some_and(|(start, mark)| {
                start.starts_with("cmu-sieve-")
                    && self.owners.mark(start).is_some_and(|ours| ours == mark)
            })
    }

    /// A mail with Message-ID and Date.
    pub(super) fn begin(&self, delivery: &Delivery, n: usize) -> Option<Message> {
        let id = self.message_id(delivery, n);
        let date = date(delivery.received);
        let begun = Message::new()
            .field(Header::structured("Message-ID", &id)?)
            .field(Header::structured("Date", date.as_bytes())?);
        Some(begun)
    }

    /// The value of Auto-Submitted for a mail that `user` wanted (RFC 5436 section 2.7.1): who is to blame.
    pub(super) fn auto_notified(&self, user: &[u8]) -> Vec<u8> {
        notified(&self.owner(user))
    }

    /// On whose behalf a mail that `user` wanted is sent. Who has no address in ASCII has a token.
    fn owner(&self, user: &[u8]) -> Owner {
        let token = || self.owners.token(user).map(Owner::Token);
        let by_token = self.config.mailto.owner == OwnerForm::Token;
        if by_token {
            // Never the user's name, also when no token can be made.
            return token().unwrap_or_else(|| Owner::Email(self.postmaster_or_usual()));
        }
        if user.is_empty() {
            return Owner::Email(self.postmaster_or_usual());
        }
        match self.user(user).filter(|user| !user.needs_smtputf8()) {
            Some(user) => Owner::Email(user),
            None => token().unwrap_or_else(|| Owner::Email(self.postmaster_or_usual())),
        }
    }

    fn postmaster_or_usual(&self) -> Address {
        self.postmaster()
            .unwrap_or_else(|| Address::postmaster().in_domain(&self.domain))
    }
}

/// `[mailto] from`; none when it is empty.
fn read_from(text: &str) -> Option<Mailbox> {
    if text.trim().is_empty() {
        return None;
    }
    let read = Mailbox::parse(text.as_bytes());
    if let Err(why) = &read {
        let text = printable(text.as_bytes(), 300);
        warn!("[mailto] from: {text}: the address {why}; the postmaster is used");
    }
    read.ok()
}

impl Office {
    /// The files of templates that were used until now.
    pub(super) fn used_templates(&self) -> Vec<String> {
        self.templates.used()
    }
}

/// RFC 5322 section 3.3, in local time, as Cyrus' `time_to_rfc5322` writes it.
pub(super) fn date(time: SystemTime) -> String {
    let timestamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    Zoned::new(timestamp, TimeZone::system())
        .strftime("%a, %d %b %Y %H:%M:%S %z")
        .to_string()
}
