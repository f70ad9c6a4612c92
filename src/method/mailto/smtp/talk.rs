//! One mail over a connection (RFC 5321 section 3.3), in one write as far as the data where that is offered (RFC 2920).

use super::super::transport::{Answer, Letter};
use super::connection::{Clock, Connection, said, set_timeout};
use super::data::{with_dots, without_dots};
use super::offers::Commands;
use super::reply::Reply;
use super::turn::Turn;
use lettre::transport::smtp::client::SmtpConnection;
use std::time::{Duration, Instant};

/// What came of a mail.
pub(super) enum Came {
    /// An answer for each recipient, and whether the connection is as good as new.
    Answers(Vec<Answer>, bool),
    /// The server did not even take MAIL: why. On a kept connection that may be the connection's fault.
    NotBegun(String),
}

impl Connection {
    /// Sends `letter` to the server `name`.
    pub(super) fn send(
        &mut self,
        name: &str,
        letter: &Letter<'_>,
        turn: &Turn,
        clock: &Clock,
    ) -> Came {
        let content = self.offers.content(letter.message);
        let mut commands = self.offers.commands(letter, &content);
        let mut talk = Talk {
            name,
            smtp: &mut self.smtp,
            clock,
            ahead: commands.ahead.take(),
            answers: Vec::new(),
        };
        let came = talk.mail(&commands, &content, turn);
        self.used = Instant::now();
        came
    }
}

/// A conversation about one mail.
struct Talk<'a> {
    name: &'a str,
    smtp: &'a mut SmtpConnection,
    clock: &'a Clock,
    /// What goes out with the first command; empty when it has gone, and only replies are read.
    ahead: Option<String>,
    /// For each recipient, as far as they are known.
    answers: Vec<Option<Answer>>,
}

impl Talk<'_> {
    fn mail(&mut self, commands: &Commands, content: &[u8], turn: &Turn) -> Came {
        let refused = |to: &Result<String, String>| {
            let why = to.as_ref().err()?;
            Some(Answer::Permanent(format!("{}: {why}", self.name)))
        };
        self.answers = commands.recipients.iter().map(refused).collect();
        if self.answers.iter().all(Option::is_some) {
            return self.came(String::new(), true);
        }
        let reply = match self.ask("MAIL FROM", &commands.mail) {
            Ok(reply) if !reply.is_closing() => reply,
            Ok(reply) => return Came::NotBegun(said(self.name, &reply, "MAIL FROM")),
            Err(why) => return Came::NotBegun(why),
        };
        let begun = reply.is_yes();
        if !begun {
            self.refuse(&reply, "MAIL FROM");
            if self.ahead.is_none() {
                return self.start_over();
            }
        }
        match self.recipients(commands, begun) {
            Err(why) => self.came(why, false),
            Ok(0) => self.nobody(),
            Ok(_) => self.data(content, turn),
        }
    }

    /// How many recipients the server takes. When it did not take MAIL, its replies are read and mean nothing.
    fn recipients(&mut self, commands: &Commands, begun: bool) -> Result<usize, String> {
        let mut taken = 0;
        for (n, to) in commands.recipients.iter().enumerate() {
            let Ok(command) = to else { continue };
            let reply = self.ask("RCPT TO", command)?;
            if reply.is_closing() {
                return Err(said(self.name, &reply, "RCPT TO"));
            }
            if !begun {
                continue;
            }
            match reply.is_yes() {
                true => taken += 1,
                false => {
                    let told = said(self.name, &reply, "RCPT TO");
                    self.answers[n] = Some(reply.refusal(told));
                }
            }
        }
        Ok(taken)
    }

    /// Nobody is left who could get it.
    fn nobody(&mut self) -> Came {
        if self.ahead.is_some() {
            match self.ask("DATA", "") {
                Err(_) => return self.came(String::new(), false),
                Ok(reply) if reply.is_closing() => return self.came(String::new(), false),
                // RFC 2920 section 3.1: then there must be data, and none are.
                Ok(reply) if reply.code == 354 => {
                    let answer = Reply::of(self.smtp.command(".\r\n"));
                    return self.came(
                        String::new(),
                        answer.is_ok_and(|answer| !answer.is_closing()),
                    );
                }
                Ok(_) => {}
            }
        }
        self.start_over()
    }

    /// Some recipients are taken: sends the message.
    fn data(&mut self, content: &[u8], turn: &Turn) -> Came {
        let reply = match self.ask("DATA", "DATA\r\n") {
            Ok(reply) => reply,
            Err(why) => return self.came(why, false),
        };
        if reply.code != 354 {
            let told = said(self.name, &reply, "DATA");
            if reply.is_yes() || reply.is_closing() {
                return self.came(told, false);
            }
            self.refuse(&reply, "DATA");
            return self.start_over();
        }
        let left = self.clock.end.saturating_duration_since(Instant::now());
        if self.clock.reply().is_err() || !turn.take() {
            return self.came(format!("{}: too slow for the time limit", self.name), false);
        }
        match self.content(content, left) {
            Ok(reply) if reply.is_yes() => {
                self.fill(|_| Answer::Sent(reply.text.clone()));
                self.came(String::new(), true)
            }
            Ok(reply) if reply.code / 100 >= 4 => {
                self.refuse(&reply, "the end of the data");
                self.came(String::new(), !reply.is_closing())
            }
            Ok(reply) => self.lost(said(self.name, &reply, "the end of the data")),
            Err(why) => self.lost(format!("{}: {why} at the end of the data", self.name)),
        }
    }

    /// Sends the message. What is UTF-8, as nearly all is, goes in one write with the dot that ends it: a second
    /// small one would wait until the server has acknowledged the first (RFC 896), and it takes its time for that.
    fn content(&mut self, content: &[u8], left: Duration) -> Result<Reply, String> {
        set_timeout(self.smtp, left.max(Duration::from_millis(1)))?;
        Reply::of(match String::from_utf8(with_dots(content)) {
            Ok(data) => self.smtp.command(data),
            Err(_) => self.smtp.message(&without_dots(content)),
        })
    }

    /// One command and its reply; or only the reply, when it has gone ahead.
    fn ask(&mut self, step: &str, command: &str) -> Result<Reply, String> {
        let asked = self.clock.reply().and_then(|limit| {
            set_timeout(self.smtp, limit)?;
            Reply::of(match &mut self.ahead {
                None => self.smtp.command(command),
                Some(ahead) if ahead.is_empty() => self.smtp.read_response(),
                Some(ahead) => self.smtp.command(std::mem::take(ahead)),
            })
        });
        asked.map_err(|why| format!("{}: {why} at {step}", self.name))
    }

    /// Ends the transaction, so that the connection can be kept.
    fn start_over(&mut self) -> Came {
        let is_reset = self.clock.reply().is_ok_and(|limit| {
            set_timeout(self.smtp, limit).is_ok()
                && Reply::of(self.smtp.command("RSET\r\n")).is_ok_and(|reply| reply.is_yes())
        });
        self.came(String::new(), is_reset)
    }

    /// The same answer for all who have none yet.
    fn fill(&mut self, answer: impl Fn(usize) -> Answer) {
        for (n, one) in self.answers.iter_mut().enumerate() {
            one.get_or_insert_with(|| answer(n));
        }
    }

    fn refuse(&mut self, reply: &Reply, step: &str) {
        let told = said(self.name, reply, step);
        self.fill(|_| reply.refusal(told.clone()));
    }

    fn lost(&mut self, why: String) -> Came {
        self.fill(|_| Answer::Lost(why.clone()));
        self.came(String::new(), false)
    }

    /// What is known now; who has no answer yet may get the mail another time.
    fn came(&mut self, why: String, keep: bool) -> Came {
        self.fill(|_| Answer::Temporary(why.clone()));
        Came::Answers(self.answers.drain(..).flatten().collect(), keep)
    }
}
