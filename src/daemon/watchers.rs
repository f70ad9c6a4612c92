//! Who watches with `notifyctl watch`, and what they are told.
//!
//! A watcher connects to the socket `watch` in the spool's folder, which only the Cyrus user can enter. Each line is one
//! JSON object and one packet (`SOCK_SEQPACKET`), so that a line is never cut. Nobody is waited for: what a watcher does
//! not take at once is lost to it, and it is told how much that was. While nobody watches, an event costs the look
//! at one flag.

use crate::event::{EventKind, Front};
use crate::spool::files::WATCH;
use crate::spool::{id_text, now};
use crate::system::socket::Arrival;
use crate::system::syslog::printable_json;
use crate::wire::Notification;
use jiff::Timestamp;
use log::{debug, warn};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use serde_json::{Map, Value};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Lines that may wait for the watchers' thread.
const MAX_LINES: usize = 4096;
/// Watchers at once.
const MAX_WATCHERS: usize = 16;
/// Longest value that is shown, in bytes.
const SHOWN: usize = 200;
/// Pause between two attempts to make the socket.
const AGAIN: Duration = Duration::from_secs(1);

/// What is told of one event.
pub(super) struct Line(Map<String, Value>);

impl Line {
    /// An event of this sort, now.
    pub(super) fn new(status: &str) -> Line {
        let time = Timestamp::from_microsecond(now()).unwrap_or_default();
        let mut map = Map::new();
        map.insert("time".into(), time.to_string().into());
        map.insert("status".into(), status.into());
        Line(map)
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Line {
        self.0.insert(name.into(), value.into());
        self
    }

    /// As it is sent: nothing of a notification can begin another line.
    fn text(self) -> String {
        printable_json(&Value::Object(self.0).to_string())
    }

    /// Who sent it.
    pub(super) fn arrival(self, arrival: Arrival) -> Line {
        match arrival.sender {
            Some(sender) => self.with("uid", sender.uid).with("pid", sender.pid),
            None => self,
        }
    }

    /// The delivery's id, if there is one.
    pub(super) fn id(self, id: Option<i64>) -> Line {
        match id {
            Some(id) => self.with("id", id_text(id)),
            None => self,
        }
    }

    /// The method's name.
    pub(super) fn method(self, name: &str) -> Line {
        self.with("method", cut(name.as_bytes()))
    }

    /// What the notification is about.
    pub(super) fn notification(self, n: &Notification) -> Line {
        let (event, user) = match n.class.eq_ignore_ascii_case(b"EVENT") {
            true => about(&n.message),
            false => (String::new(), None),
        };
        let user = user
            .filter(|_| n.user.is_empty())
            .unwrap_or_else(|| cut(&n.user));
        self.with("class", cut(&n.class))
            .with("event", event)
            .with("user", user)
            .with("mailbox", cut(&n.mailbox))
            .with("bytes", n.message.len())
    }

    /// How many attempts there were, and how old it is, in seconds.
    pub(super) fn attempts(self, attempts: u32, delay: f64) -> Line {
        self.with("attempts", attempts).with("delay", delay)
    }

    /// Why it ended so.
    pub(super) fn why(self, why: &str) -> Line {
        self.with("why", cut(why.as_bytes()))
    }
}

fn cut(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]).into_owned()
}

/// An event's name and user, as far as its front tells them: the intake's thread tells of each notification.
fn about(message: &[u8]) -> (String, Option<String>) {
    let front = Front::read(message);
    let name = front.name.map_or(String::new(), |name| {
        cut(EventKind::from_name(&name).name().as_bytes())
    });
    (name, front.user.map(|user| cut(user.as_bytes())))
}

/// Those who watch, as the rest of the daemon sees them.
pub struct Watchers {
    there: AtomicBool,
    /// The socket has gone from the folder: another one is to be made.
    gone: AtomicBool,
    queue: Mutex<Queue>,
    /// Wakes the thread when the queue was empty.
    wake: OwnedFd,
}

#[derive(Default)]
struct Queue {
    lines: Vec<Line>,
    lost: u64,
}

impl Watchers {
    /// Nobody yet.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub(super) fn new() -> io::Result<Watchers> {
        Ok(Watchers {
            there: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            queue: Mutex::default(),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    /// Whether there is anybody.
    pub(super) fn are_there(&self) -> bool {
        self.there.load(Ordering::Relaxed)
    }

    /// Tells them.
    pub(super) fn tell(&self, line: Line) {
        let mut queue = self.queue();
        if queue.lines.len() >= MAX_LINES {
            queue.lost += 1;
            return;
        }
        queue.lines.push(line);
        if queue.lines.len() == 1 {
            self.wake();
        }
    }

    fn wake(&self) {
        // Only an overflow of the counter could fail, and then it is awake.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// To be called now and then: the spool's folder may be removed under us, and made again.
    pub(super) fn look_after(&self, folder: &Path) {
        if !folder.join(WATCH).exists() {
            self.gone.store(true, Ordering::Release);
            self.wake();
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves them at the socket in `folder`: to be run on a thread of its own; never returns.
    pub(super) fn serve(&self, folder: &Path) {
        let path = folder.join(WATCH);
        let mut said = false;
        loop {
            match bind(&path) {
                Ok(listener) => {
                    said = false;
                    self.gone.store(false, Ordering::Release);
                    let error = self.serve_at(&listener).err();
                    self.there.store(false, Ordering::Relaxed);
                    debug!("watch: {error:?}");
                }
                Err(error) if !said => {
                    warn!("watch: cannot listen on {}: {error}", path.display());
                    said = true;
                }
                Err(_) => {}
            }
            std::thread::sleep(AGAIN);
        }
    }

    fn serve_at(&self, listener: &OwnedFd) -> io::Result<()> {
        let mut watchers: Vec<Watcher> = Vec::new();
        loop {
            self.there.store(!watchers.is_empty(), Ordering::Relaxed);
            let mut fds = vec![
                PollFd::new(&self.wake, PollFlags::IN),
                PollFd::new(listener, PollFlags::IN),
            ];
            fds.extend(watchers.iter().map(Watcher::poll_fd));
            match poll(&mut fds, None::<&Timespec>) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let ready: Vec<PollFlags> = fds.iter().map(|fd| fd.revents()).collect();
            if self.gone.load(Ordering::Acquire) {
                return Ok(()); // those who watch come again
            }
            let mut place = 1;
            watchers.retain_mut(|watcher| {
                place += 1;
                // They have nothing to say: what can be read is their end.
                let ended =
                    ready[place].intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR);
                !ended && (watcher.lost == 0 || watcher.confess())
            });
            if !ready[0].is_empty() {
                self.pass_on(&mut watchers);
            }
            if !ready[1].is_empty() {
                self.accept(listener, &mut watchers)?;
            }
        }
    }

    /// Takes a new one in, and tells it when it misses nothing any more.
    fn accept(&self, listener: &OwnedFd, watchers: &mut Vec<Watcher>) -> io::Result<()> {
        match net::accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok(socket) => {
                if watchers.len() >= MAX_WATCHERS {
                    watchers.remove(0);
                }
                self.there.store(true, Ordering::SeqCst);
                let mut watcher = Watcher { socket, lost: 0 };
                if watcher.send(&Line::new("watching").text()) {
                    watchers.push(watcher);
                }
            }
            Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                std::thread::sleep(AGAIN); // it keeps the listener readable: without a pause this would spin
            }
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Sends what has come to all of them.
    fn pass_on(&self, watchers: &mut Vec<Watcher>) {
        let _ = rustix::io::read(&self.wake, &mut [0u8; 8]); // not there: then there is nothing to be read
        let Queue { lines, lost } = std::mem::take(&mut *self.queue());
        for line in lines {
            let text = line.text();
            watchers.retain_mut(|watcher| watcher.send(&text));
        }
        watchers.iter_mut().for_each(|watcher| watcher.lost += lost);
    }
}

fn bind(path: &Path) -> io::Result<OwnedFd> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    // Whose it was has ended: we hold the lock.
    match rustix::fs::unlink(path) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    net::bind(&socket, &address)?;
    rustix::fs::chmod(path, Mode::from_raw_mode(0o600))?;
    net::listen(&socket, 16)?;
    Ok(socket)
}

struct Watcher {
    socket: OwnedFd,
    /// Lines that it did not take, and that it was not told of.
    lost: u64,
}

impl Watcher {
    fn poll_fd(&self) -> PollFd<'_> {
        let flags = match self.lost {
            0 => PollFlags::IN,
            _ => PollFlags::IN | PollFlags::OUT,
        };
        PollFd::new(&self.socket, flags)
    }

    /// Sends a line or loses it; false when it has gone.
    fn send(&mut self, line: &str) -> bool {
        if self.lost > 0 && !self.confess() {
            return false;
        }
        if self.lost > 0 {
            self.lost += 1;
            return true;
        }
        match self.try_send(line) {
            Ok(()) => true,
            Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS | Errno::NOMEM) => {
                self.lost += 1;
                true
            }
            Err(_) => false,
        }
    }

    /// Tries to tell it how much it has lost; false when it has gone.
    fn confess(&mut self) -> bool {
        let line = Line::new("lost").with("lines", self.lost);
        match self.try_send(&line.text()) {
            Ok(()) => {
                self.lost = 0;
                true
            }
            Err(error) => matches!(
                error,
                Errno::AGAIN | Errno::INTR | Errno::NOBUFS | Errno::NOMEM
            ),
        }
    }

    fn try_send(&self, line: &str) -> rustix::io::Result<()> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        net::send(&self.socket, line.as_bytes(), flags).map(drop)
    }
}
