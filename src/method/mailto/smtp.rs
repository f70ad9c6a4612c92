//! Mail by SMTP (RFC 5321), over connections that are kept.
//!
//! ```text
//!   submit   waits for the answer, and looks at the time and at `cancel`    smtp.rs
//!   line     a thread with at most one connection                           smtp/line.rs
//!            connect: TCP, EHLO, TLS, AUTH                                  smtp/connection.rs place.rs addresses.rs trust.rs offers.rs
//!            one mail: MAIL, RCPT, DATA, and what the replies mean          smtp/talk.rs data.rs reply.rs
//! ```
//!
//! A connection is kept for [`line::IDLE`] after a mail; there are as many as there were attempts at once, which the
//! permits of the method bound. One that rested is tried before it is used; one that turns out to be dead before the
//! server took MAIL is replaced at once, once. After any error it is left.
//!
//! lettre waits in `read(2)` and can be told nothing meanwhile, so each connection lives on a thread of its own, and
//! the attempt waits for that thread in steps of [`STEP`]. Time over or `cancel` raised: the attempt goes away, and the
//! thread ends by itself at the attempt's time limit at the latest. [`turn::Turn`] decides between the two what then
//! holds: left before the data, nobody has the mail and it is never sent ([`Answer::Temporary`]); left after, perhaps
//! the server has it ([`Answer::Lost`]). The half of the time limit belongs to the data, so that it is rarely the latter.
//!
//! **8BITMIME** (RFC 6152). A server that does not offer it must not be sent eight bits: "convert, or permanent error". What
//! has eight bits of ours is a plain text in UTF-8; it is recoded as quoted-printable, which loses nothing
//! ([`crate::mail::seven_bit`]). What cannot be recoded (UTF-8 in the header, which an address needed) goes as it is, as
//! many mail servers do: all in use pass eight bits on, and a refusal would lose a mail for a formality.
//!
//! What can go wrong: everything. Each answer says what, in one line, with the server's own words where there are any.

mod addresses;
mod connection;
mod data;
mod line;
mod offers;
mod place;
mod reply;
mod secrets;
mod talk;
mod trust;
mod turn;

use super::transport::{Answer, Letter, Transport};
use crate::config::Settings;
use crate::system::cancel::Cancel;
use connection::Server;
use line::{Job, Line};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often an attempt that waits looks at `cancel`.
const STEP: Duration = Duration::from_millis(50);
/// How long all lines together may take to say goodbye.
const GOODBYE: Duration = Duration::from_millis(200);

/// Whether `smtp_host` of imapd.conf names a mail server.
///
/// # Errors
/// What is wrong with it.
pub fn smtp_host(text: &[u8]) -> Result<(), String> {
    place::Place::parse(text).map(drop)
}

/// The mail server that imapd.conf names, and the lines to it that nobody uses now.
pub(super) struct Smtp {
    server: Arc<Server>,
    idle: Mutex<Vec<Line>>,
    /// Each line holds the sender as long as it lives.
    living: Option<Sender<()>>,
    gone: Mutex<Receiver<()>>,
}

impl Smtp {
    pub(super) fn new(settings: &Settings) -> Smtp {
        let (living, gone) = channel();
        Smtp {
            server: Arc::new(Server::new(settings)),
            idle: Mutex::default(),
            living: Some(living),
            gone: Mutex::new(gone),
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Line>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line that is at rest, the one that was used last; else a new one, and whether it is one.
    fn line(&self) -> std::io::Result<(Line, bool)> {
        let rested = self.idle().pop();
        match rested {
            Some(line) => Ok((line, false)),
            None => Ok((Line::start(&self.server, self.living.clone())?, true)),
        }
    }

    /// Why an attempt was left.
    fn left(&self, cancelled: bool, limit: Duration) -> String {
        match cancelled {
            true => "stopped, because the daemon ends".into(),
            false => format!(
                "{}: took longer than {} s",
                self.server.name(),
                limit.as_secs()
            ),
        }
    }
}

impl Transport for Smtp {
    fn submit(&self, letter: &Letter<'_>, limit: Duration, cancel: &Cancel) -> Vec<Answer> {
        let answers = self.attempt(letter, limit, cancel);
        let told = |answer| self.server.secrets.hide_in(answer);
        answers.into_iter().map(told).collect()
    }
}

impl Smtp {
    fn attempt(&self, letter: &Letter<'_>, limit: Duration, cancel: &Cancel) -> Vec<Answer> {
        let end = Instant::now() + limit;
        let left = || end.saturating_duration_since(Instant::now());
        let all = |answer: Answer| vec![answer; letter.recipients.len()];
        // Each turn uses up a line at rest, or is the last.
        loop {
            let (line, is_new) = match self.line() {
                Ok(line) => line,
                Err(error) => return all(Answer::Temporary(format!("no thread: {error}"))),
            };
            let job = Job::new(letter, &self.server.domain, left());
            let turn = job.turn.clone();
            let why = match wait(&line.begin(job), end, cancel) {
                Waited::Answers(answers) => {
                    self.idle().push(line);
                    return answers;
                }
                // It has just gone to rest for good.
                Waited::Gone if !is_new && !turn.leave() => continue,
                Waited::Gone => "the thread broke down".into(),
                Waited::Enough { cancelled } => self.left(cancelled, limit),
            };
            return all(match turn.leave() {
                true => Answer::Lost(why),
                false => Answer::Temporary(why),
            });
        }
    }
}

enum Waited {
    Answers(Vec<Answer>),
    /// Nobody will answer.
    Gone,
    Enough {
        cancelled: bool,
    },
}

fn wait(answer: &Receiver<Vec<Answer>>, end: Instant, cancel: &Cancel) -> Waited {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match answer.recv_timeout(left.min(STEP)) {
            Ok(answers) => return Waited::Answers(answers),
            Err(RecvTimeoutError::Disconnected) => return Waited::Gone,
            Err(RecvTimeoutError::Timeout) if cancel.is_raised() => {
                return Waited::Enough { cancelled: true };
            }
            Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                return Waited::Enough { cancelled: false };
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.idle().clear();
        self.living = None;
        let gone = self.gone.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Nothing is ever sent: it ends when the last line has ended, or when it takes too long.
        let _ = gone.recv_timeout(GOODBYE);
    }
}

#[cfg(test)]
mod tests;
