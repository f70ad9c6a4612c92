//! What all mails have in common: who they are from, on whose behalf, and how they are told apart.

use super::super::{Context, Delivery};
use super::owner::Owners;
use crate::config::toml::{Config, OwnerForm};
use crate::mail::Message;
use crate::mail::address::Address;
use crate::mail::header::{Header, quoted_string};
use crate::mail::template::Templates;
use crate::spool::ledger::Ledger;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use log::warn;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Cyrus' default for `defaultdomain`: not a domain that anybody has.
const NO_DOMAIN: &[u8] = b"internal";

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
    /// What is remembered from one mail to the next.
    pub(super) ledger: Arc<Ledger>,
    /// The words of mails.
    pub(super) templates: Templates,
    owners: Owners,
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
        Office {
            config: settings.own.config.clone(),
            postmaster: settings.postmaster.clone(),
            servername: settings.servername.clone(),
            domain: String::from_utf8_lossy(domain).into_owned(),
            ledger: context.ledger.clone(),
            templates,
            owners: Owners::new(context.ledger.clone()),
        }
    }

    /// The address of `user`; none when no address can be made of that name.
    pub(super) fn user(&self, user: &[u8]) -> Option<Address> {
        let address = Address::parse(user).ok()?;
        Some(address.in_domain(&self.domain))
    }

    /// The language of `user`: his own, else his domain's, else the usual one.
    pub(super) fn language(&self, user: &[u8]) -> &str {
        let (user, known) = (String::from_utf8_lossy(user), &self.config.templates);
        let domain = user
            .rsplit_once('@')
            .map_or(self.domain.as_str(), |(_, domain)| domain);
        let languages = &known.languages.0;
        let found = languages
            .get(user.as_ref())
            .or_else(|| languages.get(&format!("@{domain}")));
        found.unwrap_or(&known.language.0)
    }

    /// The address that mails are from: `[mailto] from`, else the postmaster's.
    pub(super) fn from(&self) -> Option<Address> {
        let own = self.config.mailto.from.0.as_bytes();
        let own = Address::parse(own).ok();
        let address = own.or_else(|| Address::parse(&self.postmaster).ok())?;
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
        if self.config.mailto.owner == OwnerForm::Token
            && let Some(token) = self.owners.token(user)
        {
            return format!("auto-notified; owner-token={token}").into_bytes();
        }
        let usable = !user.is_empty() && user.iter().all(u8::is_ascii_graphic);
        let owner = if usable { user } else { &self.postmaster };
        let address = match owner.contains(&b'@') {
            true => owner.to_vec(),
            false => [owner, b"@", self.domain.as_bytes()].concat(),
        };
        let owner = quoted_string(&address);
        [b"auto-notified; owner-email=".as_slice(), &owner].concat()
    }
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
