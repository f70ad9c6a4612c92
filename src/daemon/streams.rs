//! Intake from a stream socket: dlist conversations, one notification a connection.
//!
//! The client waits for its answer without any time limit, so each connection gets one: `OK` after the commit, `NO`
//! for what is no notification or could not be kept. A client that says nothing is closed after a time.

use super::commit::Committer;
use super::intake::{Intake, Taken};
use crate::spool::Kept;
use crate::system::cancel::Cancel;
use crate::system::socket::{self, Arrival, Sent};
use crate::wire::dlist::{self, Parser};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{self, SocketFlags};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Connections served at once; others wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 256;
/// How long a client may take for all it has to say.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same when others wait for their turn.
const IMPATIENCE: Duration = Duration::from_secs(2);
/// How long the system may take to get descriptors back from others. The connections that wait keep the listener readable: without a pause this would spin.
const PAUSE: Duration = Duration::from_millis(50);
/// How long connections are still served when leaving.
const LAST_READ: Duration = Duration::from_secs(1);

/// Serves connections of `listener` until `leave` is raised; calls `accepted` for each new one.
///
/// # Errors
/// When the socket is broken.
pub(super) fn serve(
    listener: &OwnedFd,
    intake: &mut Intake,
    committer: &Committer,
    leave: &Cancel,
    mut accepted: impl FnMut(),
) -> io::Result<()> {
    rustix::io::ioctl_fionbio(listener, true)?;
    let mut connections: Vec<Connection> = Vec::new();
    let mut end: Option<Instant> = None;
    let mut most = MAX_CONNECTIONS;
    loop {
        if end.is_some_and(|end| connections.is_empty() || Instant::now() >= end) {
            return Ok(());
        }
        let full = connections.len() >= most;
        let patience = if full { IMPATIENCE } else { PATIENCE };
        let accepting = end.is_none() && !full;
        let ready = wait(listener, leave, &connections, accepting, patience, end)?;
        if ready.leave && end.is_none() {
            end = Some(Instant::now() + LAST_READ);
        }
        for place in ready.connections {
            connections[place].read(intake);
        }
        let kept = committer.commit(&intake.owed());
        let before = connections.len();
        connections.retain_mut(|connection| !connection.finish(kept, patience, intake));
        if connections.len() < before {
            most = MAX_CONNECTIONS;
        }
        if ready.listener && !accept_all(listener, &mut connections, intake, &mut accepted)? {
            // Until one of ours has gone it makes no sense to try again; when we have none, others must give something back.
            most = connections.len();
            if most == 0 {
                most = MAX_CONNECTIONS;
                std::thread::sleep(PAUSE);
            }
        }
    }
}

struct Ready {
    listener: bool,
    leave: bool,
    connections: Vec<usize>,
}

fn wait(
    listener: &OwnedFd,
    leave: &Cancel,
    connections: &[Connection],
    accepting: bool,
    patience: Duration,
    end: Option<Instant>,
) -> io::Result<Ready> {
    let mut fds = vec![
        PollFd::new(
            listener,
            if accepting {
                PollFlags::IN
            } else {
                PollFlags::empty()
            },
        ),
        PollFd::new(
            leave,
            if end.is_none() {
                PollFlags::IN
            } else {
                PollFlags::empty()
            },
        ),
    ];
    fds.extend(
        connections
            .iter()
            .map(|connection| PollFd::new(&connection.socket, PollFlags::IN)),
    );
    let first = connections
        .iter()
        .map(|connection| connection.since + patience)
        .chain(end)
        .min();
    let left = first.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let timeout = left
        .map(Timespec::try_from)
        .transpose()
        .map_err(io::Error::other)?;
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let ready = |n: usize| !fds[n].revents().is_empty();
    Ok(Ready {
        listener: accepting && ready(0),
        leave: ready(1),
        connections: (0..connections.len()).filter(|&n| ready(n + 2)).collect(),
    })
}

/// Accepts who waits; false when the system has nothing left for it.
fn accept_all(
    listener: &OwnedFd,
    connections: &mut Vec<Connection>,
    intake: &mut Intake,
    accepted: &mut impl FnMut(),
) -> io::Result<bool> {
    while connections.len() < MAX_CONNECTIONS {
        let socket = match net::accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
        {
            Ok(socket) => socket,
            Err(Errno::AGAIN) => return Ok(true),
            Err(Errno::INTR | Errno::CONNABORTED) => continue,
            Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
                let text = format_args!("cannot accept a connection: {error}; it waits");
                intake.warn(b"accept", 1, text);
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        accepted();
        let arrival = Arrival {
            sender: socket::peer(&socket).ok(),
            sent: Sent::Waits,
        };
        let connection = Connection::new(socket, arrival);
        if !intake.allows(arrival) {
            connection.answer(&dlist::no("sender not allowed"));
            continue;
        }
        connections.push(connection);
    }
    Ok(true)
}

enum State {
    /// The list is not complete yet.
    Reading(Box<Parser>),
    /// A notification was taken; when something of it is owed, the next commit decides.
    Taken { owed: bool },
    /// To be refused, with the reason.
    Answered(String),
    /// The client has gone, or there is nobody to answer.
    Gone,
}

struct Connection {
    socket: OwnedFd,
    arrival: Arrival,
    state: State,
    since: Instant,
}

impl Connection {
    fn new(socket: OwnedFd, arrival: Arrival) -> Connection {
        let state = State::Reading(Box::default());
        Connection {
            socket,
            arrival,
            state,
            since: Instant::now(),
        }
    }

    /// Reads what has come, and takes the notification when it is complete.
    fn read(&mut self, intake: &mut Intake) {
        let mut buffer = [0u8; 65_536];
        while let State::Reading(parser) = &mut self.state {
            let read = match rustix::io::read(&self.socket, &mut buffer[..]) {
                Ok(0) => {
                    intake.malformed(
                        &"the connection was closed before the list was complete",
                        self.arrival,
                    );
                    self.state = State::Gone;
                    return;
                }
                Ok(read) => read,
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => continue,
                Err(_) => {
                    self.state = State::Gone;
                    return;
                }
            };
            let parsed = match parser.push(&buffer[..read]) {
                Ok(None) => continue,
                Ok(Some((line, _))) => dlist::notification(&line),
                Err(error) => Err(error),
            };
            self.state = match parsed {
                Ok(notification) => match intake.take(notification, self.arrival) {
                    Taken::Done => State::Taken { owed: false },
                    Taken::Owed => State::Taken { owed: true },
                    Taken::OverShare => {
                        State::Answered("no room in the spool for this user".to_owned())
                    }
                    Taken::Lost => State::Answered("internal error".to_owned()),
                },
                Err(error) => {
                    intake.malformed(&error, self.arrival);
                    State::Answered(error.to_string())
                }
            };
        }
    }

    /// Answers when there is something to answer; true when the connection is done with.
    fn finish(&mut self, kept: Kept, patience: Duration, intake: &mut Intake) -> bool {
        match &self.state {
            State::Reading(_) if self.since.elapsed() >= patience => {
                let why = "the list was not complete in time";
                intake.malformed(&why, self.arrival);
                self.answer(&dlist::no(why));
                true
            }
            State::Reading(_) => false,
            // The commit was about all connections; what it has dropped is this one's only when it owed something.
            State::Taken { owed: true } if kept == Kept::Dropped => {
                self.answer(&dlist::no("no room in the spool"));
                true
            }
            State::Taken { .. } => {
                self.answer(dlist::ok());
                true
            }
            State::Answered(reason) => {
                self.answer(&dlist::no(reason));
                true
            }
            State::Gone => true,
        }
    }

    /// An answer fits into any socket's buffer; a client that is gone needs none.
    fn answer(&self, answer: &[u8]) {
        let _ = net::send(
            self.socket.as_fd(),
            answer,
            net::SendFlags::NOSIGNAL | net::SendFlags::DONTWAIT,
        );
    }
}
