//! `mailto`: sends mail (Cyrus' `notifyd/notify_mailto.c`, and far beyond it).
//!
//! ```text
//!   occasion   what the notification is about                 occasion.rs
//!   compose    -> mails, the same at each attempt (pure)       sieve.rs alarm.rs quota.rs imip.rs newmail.rs signin.rs
//!   admit      nobody twice, nobody more than his share        guard.rs
//!   submit     by sendmail or SMTP, as imapd.conf says         transport.rs sendmail.rs smtp.rs
//!   settle     what became of it, for each recipient           guard.rs
//! ```

mod alarm;
#[cfg(test)]
mod desk;
mod guard;
#[cfg(test)]
mod hostile;
mod imip;
#[cfg(test)]
mod laws;
mod mail;
mod newmail;
mod notice;
mod occasion;
mod office;
pub(super) mod owner;
mod preview;
mod quota;
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

use super::{Context, Delivery, Kind, Late, Method, Outcome};
use crate::mail::address::Address;
use crate::mail::header::Header;
use crate::spool;
use crate::system::cancel::Cancel;
use crate::system::syslog::printable;
use guard::{Guard, Standing};
use mail::{Composed, Mail};
use occasion::{Occasion, wanted_occasion, wants};
use office::Office;
use std::time::{Duration, Instant, SystemTime};
use tally::{End, Tally};
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

/// One mail of an attempt.
struct Part {
    /// The delivery.
    id: i64,
    /// Which attempt it is, from 1.
    attempt: u32,
    /// Which of the delivery's mails, from 0.
    n: usize,
    /// Whether it is the only one.
    whole: bool,
}

impl Part {
    /// Whether the delivery is done with these answers, at once and wholly. Then the spool forgets it, and so need we.
    fn is_done(&self, mail: &Mail, answers: &[Answer]) -> bool {
        self.attempt <= 1
            && self.whole
            && mail.remember.is_empty()
            && answers.len() == mail.recipients.len()
            && answers
                .iter()
                .all(|answer| matches!(answer, Answer::Sent(_)))
    }
}

/// How much of a reason is told, in bytes.
const REASON: usize = 500;

struct Mailto {
    office: Office,
    guard: Guard,
    transport: Box<dyn Transport>,
    late: Late,
}

impl Method for Mailto {
    fn deliver(&self, delivery: &Delivery, limit: Duration, cancel: &Cancel) -> Outcome {
        match compose(&self.office, delivery) {
            Composed::Mails(mails) => {
                let attempt = (delivery.id, delivery.attempt);
                self.send_all(attempt, &mails, limit, cancel)
            }
            Composed::Nothing(why) => Outcome::Delivered(why),
            Composed::Wrong(why) => Outcome::Permanent(why),
        }
    }
}

impl Mailto {
    fn new(context: &Context<'_>) -> Mailto {
        let config = &context.settings.own.config;
        Mailto {
            office: Office::new(context),
            guard: Guard::new(context.ledger.clone(), &config.mailto),
            transport: transport::of(context.settings),
            late: context.late.clone(),
        }
    }

    /// Makes an attempt with all mails of a delivery: its id, and which attempt it is.
    fn send_all(
        &self,
        (id, attempt): (i64, u32),
        mails: &[Mail],
        limit: Duration,
        cancel: &Cancel,
    ) -> Outcome {
        let end = Instant::now() + limit;
        let mut tally = Tally::default();
        for (n, mail) in mails.iter().enumerate() {
            let limit = end.saturating_duration_since(Instant::now());
            let part = Part {
                id,
                attempt,
                n,
                whole: mails.len() == 1,
            };
            match self.send(&part, mail, limit, cancel) {
                Ok(results) => results.into_iter().for_each(|(to, end)| tally.add(to, end)),
                Err(error) => return Outcome::Temporary(format!("ledger: {error}")),
            }
        }
        let outcome = tally.outcome();
        match outcome {
            Outcome::Delivered(_) | Outcome::Temporary(_) => {}
            _ => self.guard.leave_to_operator(spool::now(), id, mails),
        }
        outcome
    }

    /// Sends a mail to those who shall get it.
    fn send<'a>(
        &self,
        part: &Part,
        mail: &'a Mail,
        limit: Duration,
        cancel: &Cancel,
    ) -> rusqlite::Result<Vec<(&'a Address, End)>> {
        let all = mail.recipients.iter();
        if mail.until.is_some_and(|until| SystemTime::now() > until) {
            let why = "too late for it";
            return Ok(all.map(|to| (to, End::TooLate(why.into()))).collect());
        }
        let Part { id, attempt, n, .. } = *part;
        let standings = self.guard.admit(spool::now(), id, attempt, n, mail)?;
        let mut ends = Vec::new();
        for again in [false, true] {
            let wanted = if again { Standing::Again } else { Standing::Go };
            let to: Vec<&Address> = all
                .clone()
                .zip(&standings)
                .filter_map(|(to, standing)| (*standing == wanted).then_some(to))
                .collect();
            if to.is_empty() {
                continue;
            }
            let mut answers = self.submit(mail, &to, again, limit, cancel);
            if !part.is_done(mail, &answers) {
                let pairs = to.iter().copied().zip(&answers);
                self.guard.settle(spool::now(), id, n, mail, pairs)?;
            }
            self.note_lateness(mail, &mut answers);
            ends.extend(to.into_iter().zip(answers.into_iter().map(End::Answer)));
        }
        let held = all.clone().zip(&standings);
        let held = held.filter(|(_, standing)| matches!(standing, Standing::Held(_)));
        let held: Vec<&Address> = held.map(|(to, _)| to).collect();
        if !held.is_empty() {
            self.guard.wait(spool::now(), id, n, &held);
        }
        let others = all.zip(standings);
        ends.extend(others.filter_map(|(to, standing)| match standing {
            Standing::Go | Standing::Again => None,
            other => Some((to, End::Standing(other))),
        }));
        Ok(ends)
    }

    fn submit(
        &self,
        mail: &Mail,
        to: &[&Address],
        again: bool,
        limit: Duration,
        cancel: &Cancel,
    ) -> Vec<Answer> {
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

/// The mails that `delivery` leads to; reasons may quote what came, and are lines of printable text here.
fn compose(office: &Office, delivery: &Delivery) -> Composed {
    let composed = match wanted_occasion(&office.config, &delivery.notification) {
        Some(Occasion::Sieve) => sieve::compose(office, delivery),
        Some(Occasion::Alarm) => alarm::compose(office, delivery),
        Some(Occasion::Quota) => quota::compose(office, delivery),
        Some(Occasion::Imip) => imip::compose(office, delivery),
        Some(Occasion::NewMail) => newmail::compose(office, delivery),
        Some(Occasion::SignIn) => signin::compose(office, delivery),
        None => Composed::Nothing("nobody to tell: no mail is sent for this event".into()),
    };
    match composed {
        Composed::Mails(mails) => Composed::Mails(mails),
        Composed::Nothing(why) => Composed::Nothing(printable(why.as_bytes(), REASON)),
        Composed::Wrong(why) => Composed::Wrong(printable(why.as_bytes(), REASON)),
    }
}

#[cfg(test)]
mod tests;
