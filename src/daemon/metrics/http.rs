//! The server for `/metrics` and `/healthz`: small, bounded, on a thread of its own.
//!
//! It never stops the daemon. A port that is taken is tried again until it is had: under Cyrus' master the
//! successor starts while we end. Clients are bounded in number, in time and in what they may send; when there are
//! too many, the oldest has to go, so that clients that say nothing keep no scrape out.

use super::listen::{self, name};
use super::request::{Answer, MAX_HEAD, head_length, parse};
use crate::config::toml::Listen;
use crate::daemon::monitor::Monitor;
use crate::system::cancel::Cancel;
use crate::system::thread;
use log::{info, warn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{self, SendFlags, Shutdown, SocketFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections served at once.
const MAX_CONNECTIONS: usize = 32;
/// How long a connection may take in all.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two attempts to get the address.
const AGAIN: Duration = Duration::from_millis(100);
/// How long that may go on without a word: a predecessor may still have it.
const WORDLESS: Duration = Duration::from_secs(3);
/// Pause when the process has no descriptor left.
const PAUSE: Duration = Duration::from_millis(50);

/// A running server; dropping it ends it.
pub struct Server {
    listen: Listen,
    leave: Arc<Cancel>,
}

impl Server {
    /// Serves what `monitor` knows on `listen`, as soon as that can be had.
    ///
    /// # Errors
    /// When the system has no thread or descriptor left.
    fn start(listen: Listen, monitor: Arc<Monitor>) -> io::Result<Server> {
        let leave = Arc::new(Cancel::new()?);
        let server = Server {
            listen: listen.clone(),
            leave: leave.clone(),
        };
        thread("metrics", move || {
            let Some(listener) = bind(&listen, &leave) else {
                return;
            };
            if let Err(error) = serve(&listener, &leave, &monitor) {
                warn!("metrics: no longer served: {error}");
            }
            listen::clean(&listen);
        })?;
        Ok(server)
    }

    /// Makes `running` serve on `listen`, and nowhere else. What cannot be done is said in the log.
    pub fn serve_at(running: &mut Option<Server>, listen: &Listen, monitor: &Arc<Monitor>) {
        if running
            .as_ref()
            .is_some_and(|server| server.listen == *listen)
        {
            return;
        }
        *running = None; // frees the address
        if *listen == Listen::Off {
            return;
        }
        match Server::start(listen.clone(), monitor.clone()) {
            Ok(server) => *running = Some(server),
            Err(error) => warn!("metrics: not served: {error}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.leave.raise();
    }
}

/// Tries until the address is had; `None` when told to leave.
fn bind(listen: &Listen, leave: &Cancel) -> Option<OwnedFd> {
    let start = Instant::now();
    let mut said = false;
    loop {
        match listen::bind(listen) {
            Ok(listener) => {
                info!("metrics: listening on {}", name(listen));
                return Some(listener);
            }
            Err(error) if !said && start.elapsed() >= WORDLESS => {
                warn!(
                    "metrics: cannot listen on {}: {error}; trying again",
                    name(listen)
                );
                said = true;
            }
            Err(_) => {}
        }
        let mut fds = [PollFd::new(leave, PollFlags::IN)];
        match wait(&mut fds, Some(if said { AGAIN * 10 } else { AGAIN })) {
            Ok(0) | Err(_) => {}
            Ok(_) => return None,
        }
    }
}

/// Waits for one of `fds`, at most `limit`; how many are ready.
fn wait(fds: &mut [PollFd<'_>], limit: Option<Duration>) -> io::Result<usize> {
    let limit = limit
        .map(Timespec::try_from)
        .transpose()
        .map_err(io::Error::other)?;
    match poll(fds, limit.as_ref()) {
        Err(Errno::INTR) => Ok(0),
        other => Ok(other?),
    }
}

fn serve(listener: &OwnedFd, leave: &Cancel, monitor: &Monitor) -> io::Result<()> {
    let mut connections: Vec<Connection> = Vec::new();
    loop {
        let mut fds = vec![
            PollFd::new(leave, PollFlags::IN),
            PollFd::new(listener, PollFlags::IN),
        ];
        fds.extend(connections.iter().map(Connection::poll_fd));
        let first = connections.iter().map(|one| one.since + PATIENCE).min();
        let left = first.map(|end| end.saturating_duration_since(Instant::now()));
        wait(&mut fds, left)?;
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        if ready[0] {
            return Ok(());
        }
        let mut place = 1;
        connections.retain_mut(|connection| {
            place += 1;
            (!ready[place] || connection.go_on(monitor)) && connection.since.elapsed() < PATIENCE
        });
        if ready[1] {
            accept(listener, &mut connections)?;
        }
    }
}

fn accept(listener: &OwnedFd, connections: &mut Vec<Connection>) -> io::Result<()> {
    match net::accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
        Ok(socket) => {
            if connections.len() >= MAX_CONNECTIONS {
                connections.remove(0); // they stand in the order in which they came
            }
            connections.push(Connection {
                socket,
                since: Instant::now(),
                stage: Stage::Reading(Vec::new()),
            });
        }
        Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
            std::thread::sleep(PAUSE); // it keeps the listener readable: without a pause this would spin
        }
        Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED | Errno::PROTO | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

struct Connection {
    socket: OwnedFd,
    since: Instant,
    stage: Stage,
}

enum Stage {
    /// The head is not complete yet.
    Reading(Vec<u8>),
    /// What is left of the answer.
    Writing(Vec<u8>),
    /// Waiting for the client to close: closing first with something unread would reset the connection and could
    /// cost the client our answer.
    Ending,
}

impl Connection {
    fn poll_fd(&self) -> PollFd<'_> {
        let flags = match self.stage {
            Stage::Writing(_) => PollFlags::OUT,
            Stage::Reading(_) | Stage::Ending => PollFlags::IN,
        };
        PollFd::new(&self.socket, flags)
    }

    /// Does what can be done; false when it is done with.
    fn go_on(&mut self, monitor: &Monitor) -> bool {
        let mut buffer = [0; 4096];
        match &mut self.stage {
            Stage::Reading(head) => match rustix::io::read(&self.socket, &mut buffer[..]) {
                Ok(0) => return false,
                Ok(count) => {
                    head.extend_from_slice(&buffer[..count]);
                    let Some(answer) = answer(head, monitor) else {
                        return true;
                    };
                    self.stage = Stage::Writing(answer);
                }
                Err(error) => return matches!(error, Errno::AGAIN | Errno::INTR),
            },
            Stage::Ending => {
                return match rustix::io::read(&self.socket, &mut buffer[..]) {
                    Ok(count) => count > 0,
                    Err(error) => matches!(error, Errno::AGAIN | Errno::INTR),
                };
            }
            Stage::Writing(_) => {}
        }
        self.write()
    }

    fn write(&mut self) -> bool {
        let Stage::Writing(rest) = &mut self.stage else {
            return true;
        };
        match net::send(
            &self.socket,
            rest,
            SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
        ) {
            Ok(count) => drop(rest.drain(..count)),
            Err(error) => return matches!(error, Errno::AGAIN | Errno::INTR),
        }
        if rest.is_empty() {
            self.stage = Stage::Ending;
            return net::shutdown(&self.socket, Shutdown::Write).is_ok();
        }
        true
    }
}

/// The answer to a head, `None` while it is not complete.
fn answer(head: &[u8], monitor: &Monitor) -> Option<Vec<u8>> {
    let Some(length) = head_length(head).filter(|&length| length <= MAX_HEAD) else {
        let too_long = head.len() > MAX_HEAD;
        return too_long.then(|| Answer::text(431, "the request is too long\n").bytes(false));
    };
    let request = match parse(&head[..length]) {
        Ok(request) => request,
        Err(answer) => return Some(answer.bytes(false)),
    };
    let answer = match request.path {
        "/metrics" => Answer {
            code: 200,
            media_type: "application/openmetrics-text; version=1.0.0; charset=utf-8",
            body: monitor.scrape(),
        },
        "/healthz" => {
            let health = monitor.health();
            let code = if health.is_failing() { 503 } else { 200 };
            match request.json {
                true => Answer {
                    code,
                    media_type: "application/json",
                    body: health.json(),
                },
                false => Answer::text(code, health.to_string()),
            }
        }
        _ => Answer::text(404, "there is /metrics and /healthz\n"),
    };
    Some(answer.bytes(request.head_only))
}
