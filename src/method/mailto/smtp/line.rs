//! A thread with at most one connection, which it keeps from one mail to the next.

use super::super::transport::{Answer, Letter};
use super::connection::{Clock, Connection, Server, set_timeout};
use super::reply::Reply;
use super::talk::Came;
use super::turn::Turn;
use crate::mail::address::Address;
use crate::system::thread;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// How long a connection is kept without a mail. Servers close them after minutes: Postfix after 5, others after 1.
pub(super) const IDLE: Duration = Duration::from_secs(30);
/// How long a connection may have rested without being tried before it is used.
const RESTED: Duration = Duration::from_secs(1);
/// How long the answer to that may take: a dead one is replaced, so it need not be long.
const TRY: Duration = Duration::from_secs(5);

/// One mail to be sent.
pub(super) struct Job {
    sender: Option<Address>,
    recipients: Vec<Address>,
    message: Vec<u8>,
    clock: Clock,
    /// Shared with who waits for it.
    pub(super) turn: Arc<Turn>,
}

impl Job {
    /// A mail that has so long from now. Who has no domain is in `domain`.
    pub(super) fn new(letter: &Letter<'_>, domain: &str, limit: Duration) -> Job {
        let whole = |address: &Address| address.clone().in_domain(domain);
        Job {
            sender: letter.sender.map(whole),
            recipients: letter.recipients.iter().map(|to| whole(to)).collect(),
            message: letter.message.to_vec(),
            clock: Clock::new(limit),
            turn: Arc::default(),
        }
    }

    /// Makes the attempt, on `kept` if it still works; gives the connection back if it may be kept.
    fn attempt(
        &self,
        server: &Server,
        kept: Option<Connection>,
    ) -> (Vec<Answer>, Option<Connection>) {
        let recipients: Vec<&Address> = self.recipients.iter().collect();
        let letter = Letter {
            sender: self.sender.as_ref(),
            recipients: &recipients,
            message: &self.message,
        };
        let name = server.name();
        if let Some(mut connection) = kept.and_then(still_there)
            && let Came::Answers(answers, keep) =
                connection.send(&name, &letter, &self.turn, &self.clock)
        {
            return (answers, keep.then_some(connection));
        }
        let nobody = |why: String| vec![Answer::Temporary(why); recipients.len()];
        match server.connect(&self.clock) {
            Err(why) => (nobody(why), None),
            Ok(mut connection) => match connection.send(&name, &letter, &self.turn, &self.clock) {
                Came::Answers(answers, keep) => (answers, keep.then_some(connection)),
                Came::NotBegun(why) => (nobody(why), None),
            },
        }
    }
}

/// The connection, unless it rested for a while and is dead now.
pub(super) fn still_there(mut connection: Connection) -> Option<Connection> {
    if connection.used.elapsed() < RESTED {
        return Some(connection);
    }
    set_timeout(&mut connection.smtp, TRY).ok()?;
    let reply = Reply::of(connection.smtp.command("RSET\r\n"));
    reply
        .is_ok_and(|reply| reply.is_yes())
        .then_some(connection)
}

/// A job, and where its answers go.
type Post = (Job, Sender<Vec<Answer>>);

/// The thread, as who gives it work sees it. It ends when it is dropped, or when it had no work for [`IDLE`].
pub(super) struct Line {
    jobs: Sender<Post>,
}

impl Line {
    /// Starts one. It holds `living` as long as it lives.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn start(server: &Arc<Server>, living: Option<Sender<()>>) -> std::io::Result<Line> {
        let (jobs, work) = channel();
        let server = server.clone();
        thread("smtp", move || {
            serve(&server, &work);
            drop(living);
        })?;
        Ok(Line { jobs })
    }

    /// Gives it a mail to send: where the answers come. They never do when the thread has ended.
    pub(super) fn begin(&self, job: Job) -> Receiver<Vec<Answer>> {
        let (sender, answers) = channel();
        let _ = self.jobs.send((job, sender)); // who waits sees it
        answers
    }
}

fn serve(server: &Server, work: &Receiver<Post>) {
    let mut kept = None;
    while let Ok((job, sender)) = work.recv_timeout(IDLE) {
        let (answers, connection) = job.attempt(server, kept.take());
        kept = connection;
        let _ = sender.send(answers); // whoever went away knows what it means
    }
    if let Some(connection) = kept {
        connection.quit();
    }
}
