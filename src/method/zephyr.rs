//! `zephyr`: tells the user, and each name in the options, by a Zephyr notice (zwgc shows it).
//!
//! As Cyrus' `notifyd/notify_zephyr.c`, with the same bytes, but we speak to the host manager (zhm)
//! on this machine ourselves. An unauthenticated notice gets no acknowledgement, so the host manager
//! is asked for its status instead, before (libzephyr asks as well: the answer names the server,
//! and the server tells which of our addresses to put into the packet) and after. It reads in order,
//! so the second answer says that it has read the notice; from then on the notice is in its hands. When there is none, the
//! notice is sent once more, and not again ([`progress`]).
//!
//! What can go wrong: no host manager (known at once) or a silent one (after a second, libzephyr
//! takes ten); a host manager without a server; a class or a name too long for a packet, which no repeat mends.
//!
//! The realm is the one that a libzephyr without Kerberos knows, `local-realm`, unless `[method.zephyr]` names another.

mod progress;

use super::{Delivery, Kind, Method, Outcome};
use crate::spool::ledger::Ledger;
use crate::system::cancel::Cancel;
use crate::system::thread;
use crate::wire::Notification;
use crate::wire::zephyr::{self, Notice, Packet, Status, Uid, Unsendable};
use progress::Progress;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(super) const KIND: Kind = Kind {
    name: "zephyr",
    about: "sends a Zephyr notice to the user and to the names in the options",
    immediate: false,
    wants_message: false,
    wants: super::NAMED,
    permits: 1,
    timeout: Duration::from_secs(10),
    build: |context| {
        Box::new(Zephyr {
            ledger: context.ledger.clone(),
            realm: context
                .settings
                .own
                .config
                .zephyr
                .realm
                .0
                .clone()
                .into_bytes(),
        })
    },
};

/// Where libzephyr looks for the host manager.
const MANAGER: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 2104);
/// Any port of the server does to learn which of our addresses faces it; this is the one libzephyr takes.
const SERVER_PORT: u16 = 2105;
/// The host manager is on this machine and has nothing to think about.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// A slow name server shall not hold up the notice: it goes without our address then.
const RESOLVE_LIMIT: Duration = Duration::from_secs(2);
/// Packets between two questions. Sent all at once, 160 kB overflow the host manager's receive
/// buffer and the kernel drops the rest in silence.
const BURST: usize = 32;
/// Nobody is told a third time.
const TWICE: &str = "sent twice without an answer, so it is not certain that all have it";
const STOPPED: &str = "stopped before the Zephyr host manager had the notice";

struct Zephyr {
    realm: Vec<u8>,
    ledger: Arc<Ledger>,
}

/// How far an attempt has come, in names.
#[derive(Clone, Copy)]
struct Reached {
    /// So many of the first names need nothing more: the host manager has read what they are sent.
    confirmed: usize,
    /// So many have been sent their notice.
    sent: usize,
}

impl Method for Zephyr {
    fn deliver(&self, delivery: &Delivery, limit: Duration, cancel: &Cancel) -> Outcome {
        let notification = &delivery.notification;
        if notification.user.is_empty() {
            // Class EVENT never names a user: as a failure, each login would be one.
            return Outcome::Discarded("no recipient: the notification names no user".into());
        }
        let deadline = Instant::now() + limit;
        let before = Progress::load(&self.ledger, delivery);
        let mut reached = Reached {
            confirmed: before.done,
            sent: before.done,
        };
        let sent = Manager::open(cancel)
            .and_then(|manager| send(&manager, notification, &self.realm, deadline, &mut reached));
        match sent {
            Ok(_) if before.unsure => Outcome::Permanent(TWICE.into()),
            Ok(outcome) => outcome,
            Err(why) if reached.sent == before.done => Outcome::Temporary(why),
            Err(why) => {
                let after = before.after(reached.confirmed, reached.sent);
                after.save(&self.ledger, delivery);
                if after.done > notification.options.len() {
                    Outcome::Permanent(format!("{why}; {TWICE}"))
                } else {
                    Outcome::Temporary(why)
                }
            }
        }
    }
}

/// Sends the notices to all names from `reached` on, and says how far it has come; an error is a reason to try again.
fn send(
    manager: &Manager,
    notification: &Notification,
    realm: &[u8],
    deadline: Instant,
    reached: &mut Reached,
) -> Result<Outcome, String> {
    let status = manager.ask(deadline)?;
    let server = String::from_utf8_lossy(&status.server)
        .escape_debug()
        .to_string();
    if !status.connected {
        return Err("the Zephyr host manager has no server that answers".into());
    }
    let hostname = rustix::system::uname().nodename().to_bytes().to_vec();
    let address = own_address(&status.server, &hostname, deadline, manager.cancel)?;
    let (mut sent, mut refused, mut unread) = (0, Vec::<Unsendable>::new(), 0);
    let first = reached.sent;
    for (place, notice) in notices(notification, &hostname, realm).enumerate() {
        let packets = match notice.packets(manager.port, || next_uid(address)) {
            Ok(packets) => packets,
            Err(why) => {
                refused.push(why);
                reached.sent = reached.sent.max(place + 1);
                continue;
            }
        };
        sent += 1;
        if place < first {
            continue;
        }
        for packet in packets {
            if unread == BURST {
                manager.ask(deadline)?;
                reached.confirmed = place;
                unread = 0;
            }
            // Some of it may be on its way even when the next packet is not.
            reached.sent = place + 1;
            manager.send(&packet)?;
            unread += 1;
        }
        if Instant::now() >= deadline {
            return Err(format!(
                "time limit: sent to the first {} of {} names",
                place + 1,
                notification.options.len() + 1
            ));
        }
    }
    if unread > 0 {
        manager.ask(deadline)?;
    }
    Ok(verdict(sent, refused.first(), &server))
}

fn verdict(sent: usize, refused: Option<&Unsendable>, server: &str) -> Outcome {
    match refused {
        None => Outcome::Delivered(format!("host manager took {sent}, its server is {server}")),
        Some(why) if sent > 0 => {
            Outcome::Permanent(format!("sent to {sent} names, not to all: {why}"))
        }
        Some(why) => Outcome::Permanent(why.to_string()),
    }
}

/// What stock sends for a notification: one notice to the user, then one to each option, the last first.
fn notices(
    notification: &Notification,
    hostname: &[u8],
    realm: &[u8],
) -> impl Iterator<Item = Notice> {
    let Notification {
        class,
        priority,
        user,
        mailbox,
        options,
        message,
        ..
    } = notification;
    let or = |text: &[u8], other: &[u8]| {
        if text.is_empty() {
            other.to_vec()
        } else {
            text.to_vec()
        }
    };
    let mut body = [hostname, b"\0"].concat();
    if !mailbox.is_empty() {
        body.extend([b"You have new mail in ", &mailbox[..], b".\n\n"].concat());
    }
    if !message.is_empty() {
        body.extend_from_slice(message);
        body.push(b'\n');
    }
    body.push(0);
    let template = Notice {
        kind: zephyr::Kind::UNSAFE,
        class: or(class, b"MAIL"),
        instance: or(priority, &or(mailbox, b"INBOX")),
        opcode: Vec::new(),
        sender: in_realm(b"imap", realm),
        recipient: Vec::new(),
        default_format: b"From Post Office $1:\n$2".to_vec(),
        body,
    };
    std::iter::once(user)
        .chain(options.iter().rev())
        .map(move |name| Notice {
            recipient: in_realm(name, realm),
            ..template.clone()
        })
}

/// The name with our realm, unless it has one. An empty name stays so: it means everybody.
fn in_realm(name: &[u8], realm: &[u8]) -> Vec<u8> {
    if name.is_empty() || name.contains(&b'@') {
        name.to_vec()
    } else {
        [name, b"@", realm].concat()
    }
}

/// An id that this process has not given before: receivers drop what they believe to have seen.
fn next_uid(address: Ipv4Addr) -> Uid {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as u64);
    let next = |last: u64| now.max(last + 1);
    let micros = LAST
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
            Some(next(last))
        })
        .map_or(now, next);
    Uid {
        address,
        seconds: (micros / 1_000_000) as u32,
        micros: (micros % 1_000_000) as u32,
    }
}

/// Our address that faces the server, else the one that our host name has, else zero, as in
/// libzephyr. It is for the reader's information and part of the packet's id, nothing is sent to it.
fn own_address(
    server: &[u8],
    hostname: &[u8],
    deadline: Instant,
    cancel: &Cancel,
) -> Result<Ipv4Addr, String> {
    let [server, hostname] =
        [server, hostname].map(|name| String::from_utf8_lossy(name).into_owned());
    let (answer, answered) = mpsc::channel();
    let done = Arc::new(Cancel::new().map_err(|error| error.to_string())?);
    let raise = Arc::clone(&done);
    // The resolver of the C library has no time limit that we could set; a thread of its own may wait for it.
    let look_up = move || {
        let address = resolve(&server)
            .and_then(facing)
            .or_else(|| resolve(&hostname));
        let _ = answer.send(address); // fails when it comes too late
        raise.raise();
    };
    thread("zephyr-resolve", look_up).map_err(|error| error.to_string())?;
    match wait(
        [done.as_fd(), cancel.as_fd()],
        deadline.min(Instant::now() + RESOLVE_LIMIT),
    ) {
        [_, true] => Err(STOPPED.into()),
        _ => Ok(answered
            .try_recv()
            .ok()
            .flatten()
            .unwrap_or(Ipv4Addr::UNSPECIFIED)),
    }
}

fn resolve(name: &str) -> Option<Ipv4Addr> {
    (name, SERVER_PORT)
        .to_socket_addrs()
        .ok()?
        .find_map(|address| match address {
            SocketAddr::V4(address) => Some(*address.ip()),
            SocketAddr::V6(_) => None,
        })
}

fn facing(server: Ipv4Addr) -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((server, SERVER_PORT)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(address) if !address.is_unspecified() => Some(address),
        _ => None,
    }
}

/// The host manager on this machine.
struct Manager<'a> {
    socket: UdpSocket,
    port: u16,
    cancel: &'a Cancel,
}

impl<'a> Manager<'a> {
    fn open(cancel: &'a Cancel) -> Result<Self, String> {
        // Connected, so that the kernel tells us when nobody listens, and only the host manager can answer.
        let open = || {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.connect(MANAGER)?;
            socket.set_nonblocking(true)?;
            Ok((socket.local_addr()?.port(), socket))
        };
        let (port, socket) = open().map_err(trouble)?;
        Ok(Manager {
            socket,
            port,
            cancel,
        })
    }

    fn send(&self, packet: &[u8]) -> Result<(), String> {
        self.socket.send(packet).map(|_| ()).map_err(trouble)
    }

    /// Asks for its status. When the answer is there, it has read all that we sent before.
    fn ask(&self, deadline: Instant) -> Result<Status, String> {
        // libzephyr does not know its address yet when it asks.
        let uid = next_uid(Ipv4Addr::UNSPECIFIED);
        for packet in zephyr::question()
            .packets(self.port, || uid)
            .map_err(|why| why.to_string())?
        {
            self.send(&packet)?;
        }
        let deadline = deadline.min(Instant::now() + ANSWER_LIMIT);
        let mut buffer = [0; zephyr::MAX_PACKET];
        loop {
            let [answered, cancelled] = wait([self.socket.as_fd(), self.cancel.as_fd()], deadline);
            if cancelled {
                return Err(STOPPED.into());
            }
            if !answered {
                return Err(
                    "the Zephyr host manager on 127.0.0.1 port 2104 does not answer".into(),
                );
            }
            let len = match self.socket.recv(&mut buffer) {
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(trouble(error)),
            };
            let answer = Packet::decode(&buffer[..len]);
            let answer = answer
                .filter(|answer| answer.notice.kind == zephyr::Kind::HMACK && answer.uid == uid);
            if let Some(status) = answer.and_then(|answer| Status::decode(&answer.notice.body)) {
                return Ok(status);
            }
        }
    }
}

fn trouble(error: std::io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => {
            "no Zephyr host manager (zhm) on 127.0.0.1 port 2104".into()
        }
        _ => format!("Zephyr host manager on 127.0.0.1 port 2104: {error}"),
    }
}

/// Waits until one of the two has something to read or the time is over; tells which has.
fn wait(fds: [std::os::fd::BorrowedFd<'_>; 2], deadline: Instant) -> [bool; 2] {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut polled = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        match poll(&mut polled, Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => continue,
            // An error of poll itself (no memory) reads as time over: the caller tries again later.
            _ => return polled.map(|fd| !fd.revents().is_empty()),
        }
    }
}

#[cfg(test)]
mod tests;
