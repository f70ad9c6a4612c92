//! `mailto`: sends mail (Cyrus' `notifyd/notify_mailto.c`, and far beyond it).
//!
//! ```text
//!   occasion   what the notification is about                 occasion.rs
//!   compose    -> mails, the same at each attempt (pure)       sieve.rs alarm.rs quota.rs imip.rs newmail.rs signin.rs
//!   hold back  one alarm for many instances of a series       alarm/series.rs
//!   admit      who gets it now: nobody twice, within limits    guard.rs recipient.rs limits.rs mailbox.rs
//!   submit     by sendmail or SMTP, as imapd.conf says         transport.rs sendmail.rs smtp.rs
//!   record     what became of it, for each recipient           guard.rs recipient.rs
//!   outcome    what became of the delivery                     tally.rs
//! ```

mod alarm;
mod by_user;
#[cfg(test)]
mod desk;
mod guard;
#[cfg(test)]
mod hostile;
mod imip;
#[cfg(test)]
mod laws;
mod limits;
mod mail;
mod mailbox;
mod newmail;
mod notice;
mod occasion;
mod office;
pub(super) mod owner;
mod preview;
mod quota;
mod recipient;
mod repeats;
mod sendmail;
mod sieve;
mod signin;
mod smtp;
mod tally;
mod transport;
mod when;
#[cfg(test)]
mod work;

pub use preview::{Letter as PreviewLetter, Preview, preview};
pub use smtp::smtp_host;

use super::{Context, Delivery, Kind, Late, Method, Outcome};
use crate::event::Event;
use crate::mail::address::Address;
use crate::mail::header::Header;
use crate::spool;
use crate::system::cancel::Cancel;
use crate::system::syslog::printable;
use crate::system::throttle::{Throttle, and_more};
use crate::wire::Notification;
use guard::{Attempt, Guard, Recipient, Standing};
use limits::Account;
use log::warn;
use mail::{Composed, Mail, Notes};
use mailbox::Mailboxes;
use occasion::{Occasion, occasion, wanted_occasion, wants};
use office::Office;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tally::Tally;
use transport::{Answer, Letter, Transport};

pub(super) const KIND: Kind = Kind {
    name: "mailto",
    about: "sends mail: for Sieve scripts, calendar alarms, invitations, quotas",
    immediate: false,
    wants_message: true,
    wants,
    permits: 4,
    timeout: Duration::from_secs(300),
    build: |context| Box::new(Mailto::new(context)),
};

/// How much of a reason is told, in bytes.
const REASON: usize = 500;

struct Mailto {
    office: Office,
    guard: Guard,
    transport: Box<dyn Transport>,
    late: Late,
    warnings: Mutex<Throttle>,
}

impl Method for Mailto {
    fn deliver(&self, delivery: &Delivery, limit: Duration, cancel: &Cancel) -> Outcome {
        let end = Instant::now() + limit;
        let kind = occasion(&delivery.notification).unwrap_or(Occasion::Sieve);
        let Delivery {
            id, begun, asked, ..
        } = *delivery;
        let attempt = Attempt { id, begun, asked };
        let user = user(&delivery.notification, kind);
        let account = Account { kind, user: &user };
        // What has to wait for its user's other mail is not made before it can go.
        if let Some(why) = self.guard.waits(spool::now(), &attempt, &account) {
            return Outcome::Temporary(why);
        }
        let mut notes = Notes::default();
        let composed = compose(&self.office, delivery, &mut notes);
        self.office.note(&notes.changes);
        if begun <= 1 {
            self.warn(kind, &notes.warnings);
        }
        let outcome = match composed {
            Composed::Mails(_) if cancel.is_raised() => {
                Outcome::Temporary("stopped, because the daemon ends".into())
            }
            Composed::Mails(_) if Instant::now() >= end => Outcome::Temporary(format!(
                "it took longer than {} s to compose the mail",
                limit.as_secs()
            )),
            Composed::Mails(mails) => match hold_back(&self.office, delivery) {
                None => return self.send_all(&attempt, &account, &mails, end, cancel),
                Some(outcome) => outcome,
            },
            Composed::Nothing(why) => Outcome::Discarded(why),
            Composed::Wrong(why) => Outcome::Permanent(why),
        };
        if !is_done(&outcome) {
            self.guard.nobody_was_tried(spool::now(), &attempt);
        }
        outcome
    }
}

/// The user whose script, calendar or mailbox a notification is about.
fn user(notification: &Notification, kind: Occasion) -> Vec<u8> {
    if !matches!(kind, Occasion::Alarm | Occasion::Quota | Occasion::SignIn) {
        return notification.user.clone();
    }
    let event = Event::parse(&notification.message).ok();
    let user = event.as_ref().and_then(Event::user);
    user.map_or(Vec::new(), |user| user.as_bytes().to_vec())
}

/// Whether the spool forgets the delivery.
fn is_done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Delivered(_) | Outcome::Discarded(_))
}

/// The submissions that an attempt needs: which mail, and whether with a note that it may be a copy.
fn submissions(all: &[Vec<Recipient>]) -> Vec<(usize, bool)> {
    let of = |(n, recipients): (usize, &Vec<Recipient>)| {
        let needed = |again: &bool| {
            let wanted = wanted(*again);
            recipients.iter().any(|one| one.standing == wanted)
        };
        let both = [false, true].into_iter().filter(needed);
        both.map(|again| (n, again)).collect::<Vec<_>>()
    };
    all.iter().enumerate().flat_map(of).collect()
}

/// The standing of those who get a mail with a note, or without.
fn wanted(again: bool) -> Standing {
    match again {
        true => Standing::Again,
        false => Standing::Go,
    }
}

impl Mailto {
    fn new(context: &Context<'_>) -> Mailto {
        let config = &context.settings.own.config;
        let office = Office::new(context);
        let mailboxes = Mailboxes::new(context.settings, &office.domain);
        Mailto {
            office,
            guard: Guard::new(context.ledger.clone(), config, mailboxes),
            transport: transport::of(context.settings),
            late: context.late.clone(),
            warnings: Mutex::default(),
        }
    }

    /// Says what composers found, one line a minute of each kind.
    fn warn(&self, kind: Occasion, lines: &[String]) {
        let mut throttle = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        for line in lines {
            let kind = format!("{kind:?}");
            if let Some(kept_back) = throttle.may_say(kind.as_bytes(), 1, Instant::now()) {
                warn!("{line}{}", and_more(kept_back));
            }
        }
    }

    /// Makes an attempt with all mails of a delivery.
    fn send_all(
        &self,
        attempt: &Attempt,
        account: &Account<'_>,
        mails: &[Mail],
        end: Instant,
        cancel: &Cancel,
    ) -> Outcome {
        let admitted = self.guard.admit(spool::now(), attempt, account, mails);
        let mut all = match admitted {
            Ok(all) => all,
            Err(error) => return Outcome::Temporary(format!("ledger: {error}")),
        };
        let submissions = submissions(&all);
        for (done, &(n, again)) in (1..).zip(&submissions) {
            let (mail, recipients) = (&mails[n], &mut all[n]);
            self.send(mail, recipients, again, end, cancel);
            // Should the process die in the next one, it is known what became of this one.
            if done < submissions.len() || !mail.remember.is_empty() {
                let now = spool::now();
                self.guard
                    .record(now, attempt, account, n, mail, recipients);
            }
        }
        let mut tally = Tally::default();
        for (mail, recipients) in mails.iter().zip(&all) {
            let pairs = mail.recipients.iter().zip(recipients);
            pairs.for_each(|(to, one)| tally.add(to, one));
        }
        let outcome = tally.outcome();
        // What is done at once the spool forgets, and so need we.
        if attempt.begun > 1 || !is_done(&outcome) {
            let now = spool::now();
            self.guard.record_all(now, attempt, account, mails, &all);
        }
        outcome
    }

    /// Sends a mail to those who shall get it, with a note (`again`) or without.
    fn send(
        &self,
        mail: &Mail,
        recipients: &mut [Recipient],
        again: bool,
        end: Instant,
        cancel: &Cancel,
    ) {
        let (to, wait): (Vec<&Address>, Vec<&mut Recipient>) = mail
            .recipients
            .iter()
            .zip(recipients)
            .filter(|(_, one)| one.standing == wanted(again))
            .unzip();
        let mut answers = self.submit(mail, &to, again, end, cancel);
        self.note_lateness(mail, &mut answers);
        for (one, answer) in wait.into_iter().zip(answers) {
            one.answer(answer);
        }
    }

    fn submit(
        &self,
        mail: &Mail,
        to: &[&Address],
        again: bool,
        end: Instant,
        cancel: &Cancel,
    ) -> Vec<Answer> {
        let limit = end.saturating_duration_since(Instant::now());
        let not_begun = match (cancel.is_raised(), limit.is_zero()) {
            (true, _) => Some("stopped, because the daemon ends"),
            (false, true) => Some("no time was left in the attempt"),
            (false, false) => None,
        };
        if let Some(why) = not_begun {
            return vec![Answer::Temporary(why.into()); to.len()];
        }
        let mut message = mail.message.clone();
        if again {
            let note = b"the answer to the first submission was lost: this may be a copy";
            message = message.field(Header::unstructured("X-Notifyd-Again", note));
        }
        let letter = Letter {
            sender: mail.sender.as_ref(),
            recipients: to,
            message: &message.to_bytes(),
        };
        self.transport.submit(&letter, limit, cancel)
    }

    /// Tells how late it is, where that matters: to the metrics, and in what the log says of it.
    fn note_lateness(&self, mail: &Mail, answers: &mut [Answer]) {
        let Some(wanted) = mail.wanted else { return };
        let late = SystemTime::now().duration_since(wanted).unwrap_or_default();
        let mut sent = answers.iter_mut().filter_map(|answer| match answer {
            Answer::Sent(why) => Some(why),
            _ => None,
        });
        if let Some(why) = sent.next() {
            why.push_str(&format!(", {} s late", late.as_secs()));
            (self.late)(late);
        }
    }
}

/// What becomes of a delivery because of others; none when its mails are sent.
fn hold_back(office: &Office, delivery: &Delivery) -> Option<Outcome> {
    match occasion(&delivery.notification) {
        Some(Occasion::Alarm) => alarm::hold_back(office, delivery),
        _ => None,
    }
}

/// The mails that `delivery` leads to; reasons may quote what came, and are lines of printable text here.
fn compose(office: &Office, delivery: &Delivery, notes: &mut Notes) -> Composed {
    let composed = match wanted_occasion(&office.config, &delivery.notification) {
        Some(Occasion::Sieve) => sieve::compose(office, delivery, notes),
        Some(Occasion::Alarm) => alarm::compose(office, delivery, notes),
        Some(Occasion::Quota) => quota::compose(office, delivery, notes),
        Some(Occasion::Imip) => imip::compose(office, delivery),
        Some(Occasion::NewMail) => newmail::compose(office, delivery),
        Some(Occasion::SignIn) => signin::compose(office, delivery, notes),
        None => Composed::Nothing("no mail is sent for this event".into()),
    };
    match composed {
        Composed::Mails(mails) => Composed::Mails(mails),
        Composed::Nothing(why) => Composed::Nothing(printable(why.as_bytes(), REASON)),
        Composed::Wrong(why) => Composed::Wrong(printable(why.as_bytes(), REASON)),
    }
}

#[cfg(test)]
mod tests;
