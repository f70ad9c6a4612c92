//! The program `notifytest`: sends one notification, as Cyrus' `notifyd/notifytest.c` does.
//!
//! Same options, same defaults, same exit codes: 1 for wrong usage, 255 when the notification was not
//! taken. Where stock has a buffer of 8,192 bytes and ten options at most, this has no limit of
//! its own. It speaks both wire forms: which one follows from the socket's type, so that it serves the
//! stock daemon, ours, and any other that Cyrus can send to.
//!
//! What can go wrong: no socket, nobody behind it, a daemon that does not read (we give up after
//! half a minute where stock waits for ever), and for dlist any answer but `OK`. Each has a message of its own. A
//! datagram has no answer: that it was sent says only that the kernel keeps it for the daemon.

use super::Streams;
use crate::config::NotifySocket;
use crate::system::{syslog::printable, user};
use crate::wire::dlist::{self, Parser};
use crate::wire::{Notification, datagram};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::time::Duration;

/// Exit code: wrong arguments, as stock.
pub const USAGE: u8 = 1;
/// Exit code: the notification was not taken, as stock.
pub const NOT_TAKEN: u8 = 255;

/// How long the daemon may take to take it, and to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest part of somebody else's text in a message of ours, in bytes.
const SHOWN: usize = 300;
const HELP: &str = "usage: notifytest -f socket_path -t text [-n method]
              [-c class] [-p priority]
              [-u user] [-m mailbox]
              [option ...]
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    socket: NotifySocket,
    notification: Notification,
}

/// Runs `notifytest` with `args` (without the program's name) and returns the exit code.
pub fn run(args: &[OsString], streams: &mut Streams<'_>) -> u8 {
    let Call {
        socket,
        mut notification,
    } = match parse(args) {
        Ok(call) => call,
        Err(message) => {
            let _ = write!(streams.err, "notifytest: {message}\n{HELP}"); // nobody is left to tell
            return USAGE;
        }
    };
    let sent = match notification.user.is_empty() {
        true => user::login_name().map(|name| notification.user = name.into_bytes()),
        false => Ok(()),
    };
    match sent
        .map_err(|error| format!("{error}; name a user with -u"))
        .and_then(|()| send(&socket, &notification))
    {
        Ok(_) => 0,
        Err(message) => {
            let _ = writeln!(streams.err, "notifytest: {message}"); // as above
            NOT_TAKEN
        }
    }
}

/// getopt(3) with `f:n:c:p:u:m:t:`: values may be joined to their letter, and options may follow arguments.
fn parse(args: &[OsString]) -> Result<Call, String> {
    let (mut path, mut text) = (None, None);
    let mut n = Notification {
        class: b"MESSAGE".to_vec(),
        priority: b"normal".to_vec(),
        ..Notification::default()
    };
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let (letter, joined) = match arg.as_bytes() {
            b"--" => {
                n.options.extend(rest.cloned().map(OsString::into_vec));
                break;
            }
            [b'-', letter, joined @ ..] => (*letter, joined),
            argument => {
                n.options.push(argument.to_vec());
                continue;
            }
        };
        if !b"fncpumt".contains(&letter) {
            let shown = printable(arg.as_bytes(), SHOWN);
            return Err(format!("invalid option {shown}"));
        }
        let value = match joined {
            [] => rest.next().map(|value| value.as_bytes().to_vec()),
            joined => Some(joined.to_vec()),
        };
        let value = value.ok_or_else(|| format!("option -{} needs a value", char::from(letter)))?;
        match letter {
            b'f' => path = Some(value),
            b'n' => n.method = value,
            b'c' => n.class = value,
            b'p' => n.priority = value,
            b'u' => n.user = value,
            b'm' => n.mailbox = value,
            _ => text = Some(value),
        }
    }
    let path = path.ok_or("option -f is missing: the path of the notify socket")?;
    n.message = text.ok_or("option -t is missing: the notification's text")?;
    Ok(Call {
        socket: NotifySocket::from_value(&path),
        notification: n,
    })
}

/// How far a notification has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The kernel keeps it for the daemon.
    Queued,
    /// The daemon has it, and has said so.
    Taken,
}

/// Sends it in the form that the socket speaks; an error is one line for the operator.
pub(super) fn send(socket: &NotifySocket, n: &Notification) -> Result<Sent, String> {
    match socket {
        NotifySocket::Dlist(path) => match connect_stream(path) {
            Ok(stream) => converse(stream, n),
            Err(error) if is_wrong_type(&error) => Err(format!(
                "{} is a datagram socket, which does not speak dlist: leave out dlist:",
                path.display()
            )),
            Err(error) => Err(trouble(path, &error)),
        },
        NotifySocket::Datagram(path) => match send_datagram(path, &datagram::encode(n)) {
            Err(error) if is_wrong_type(&error) => converse(
                connect_stream(path).map_err(|error| trouble(path, &error))?,
                n,
            ),
            other => other
                .map(|()| Sent::Queued)
                .map_err(|error| trouble(path, &error)),
        },
    }
}

fn send_datagram(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.connect(path)?;
    loop {
        match socket.send(bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other.map(drop),
        }
    }
}

/// The standard library connects without a time limit; the kernel takes the one for sending.
fn connect_stream(path: &Path) -> io::Result<UnixStream> {
    let socket = net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
    net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket.into())
}

/// One dlist conversation: asks, and reads the answer.
fn converse(mut stream: UnixStream, n: &Notification) -> Result<Sent, String> {
    let broken = |error: io::Error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            format!("no answer in {} s", PATIENCE.as_secs())
        }
        _ => format!("the connection broke: {error}"),
    };
    stream.set_read_timeout(Some(PATIENCE)).map_err(broken)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(broken)?;
    // A server that has refused already may have closed its end: its answer says more than our error.
    let written = stream.write_all(&dlist::encode(n));
    let answer = match read_answer(&mut stream) {
        Ok(answer) => answer,
        Err(error) => return Err(broken(written.err().unwrap_or(error))),
    };
    match answer {
        Some(Ok(answer)) if answer.is_ok() => Ok(Sent::Taken),
        Some(Ok(answer)) => {
            let reason = answer
                .reason
                .map(|reason| format!(": {}", printable(&reason, SHOWN)));
            Err(format!(
                "the answer is {}{}",
                printable(&answer.name, SHOWN),
                reason.unwrap_or_default()
            ))
        }
        Some(Err(error)) => Err(format!("the answer is not to be understood: {error}")),
        None => Err("the connection was closed without a whole answer".into()),
    }
}

/// `None` when the other side closes before an answer is complete.
fn read_answer(stream: &mut UnixStream) -> io::Result<Option<Result<dlist::Answer, dlist::Error>>> {
    let mut parser = Parser::new();
    let mut buffer = [0; 4096];
    loop {
        let read = match stream.read(&mut buffer) {
            Ok(0) => return Ok(None),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        match parser.push(&buffer[..read]) {
            Ok(None) => {}
            Ok(Some((line, _))) => return Ok(Some(Ok(dlist::answer(&line)))),
            Err(error) => return Ok(Some(Err(error))),
        }
    }
}

fn is_wrong_type(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::PROTOTYPE.raw_os_error())
}

/// Why the socket at `path` did not take it, and what to look at.
fn trouble(path: &Path, error: &io::Error) -> String {
    let is_socket = std::fs::metadata(path).map(|meta| meta.file_type().is_socket());
    let what = match (error.kind(), is_socket) {
        (_, Ok(false)) => "is not a socket".into(),
        (ErrorKind::NotFound, _) => "does not exist: is notifyd running, and is this imapd.conf's notifysocket?".into(),
        (ErrorKind::ConnectionRefused, _) => {
            "nobody listens there: notifyd is not running, or Cyrus' master has disabled the service".into()
        }
        (ErrorKind::PermissionDenied, _) => "permission denied: run this as root or as the Cyrus user".into(),
        (ErrorKind::WouldBlock | ErrorKind::TimedOut, _) => {
            format!("not taken in {} s: notifyd does not read", PATIENCE.as_secs())
        }
        _ => error.to_string(),
    };
    format!(
        "{}: {what}",
        printable(OsStr::as_bytes(path.as_os_str()), SHOWN)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn call(args: &[&str]) -> Result<Call, String> {
        parse(&args.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn stocks_defaults() {
        let call = call(&["-f", "/s", "-t", "text"]).unwrap();
        assert_eq!(call.socket, NotifySocket::Datagram("/s".into()));
        let wanted = Notification {
            class: b"MESSAGE".to_vec(),
            priority: b"normal".to_vec(),
            message: b"text".to_vec(),
            ..Notification::default()
        };
        assert_eq!(call.notification, wanted);
    }

    #[test]
    fn options_are_read_as_getopt_reads_them() {
        let line = [
            "one",
            "-fdlist:/s",
            "-t",
            "-n",
            "two",
            "-nlog",
            "-cC",
            "-p",
            "",
            "-m",
            "INBOX",
            "-u",
            "alice",
            "--",
            "-x",
        ];
        let Call {
            socket,
            notification: n,
        } = call(&line).unwrap();
        assert_eq!(socket, NotifySocket::Dlist(PathBuf::from("/s")));
        assert_eq!(n.message, b"-n");
        assert_eq!(
            (n.method, n.class, n.priority),
            (b"log".to_vec(), b"C".to_vec(), vec![])
        );
        assert_eq!((n.user, n.mailbox), (b"alice".to_vec(), b"INBOX".to_vec()));
        assert_eq!(
            n.options,
            [b"one".to_vec(), b"two".to_vec(), b"-x".to_vec()]
        );
        let many: Vec<&str> = ["-f", "/s", "-t", ""]
            .into_iter()
            .chain(["o"; 100])
            .collect();
        assert_eq!(call(&many).unwrap().notification.options.len(), 100);
        assert_eq!(
            call(&["-f", "/s", "-t", "", "-"])
                .unwrap()
                .notification
                .options,
            [b"-"]
        );
    }

    #[test]
    fn mistakes_are_named_and_the_usage_follows() {
        for (args, named) in [
            (&[][..], "-f"),
            (&["-f", "/s"], "-t"),
            (&["-t", "x"], "-f"),
            (&["-f", "/s", "-t"], "-t needs a value"),
            (&["-f", "/s", "-t", "x", "-Z"], "-Z"),
            (&["-f", "/s", "-t", "x", "--help"], "--help"),
        ] {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let args: Vec<OsString> = args.iter().map(OsString::from).collect();
            let code = run(
                &args,
                &mut Streams {
                    out: &mut out,
                    err: &mut err,
                },
            );
            let err = String::from_utf8(err).unwrap();
            assert_eq!((code, out.as_slice()), (USAGE, &b""[..]), "{args:?}");
            assert!(err.lines().next().unwrap().contains(named), "{err}");
            assert!(err.ends_with(HELP), "{err}");
        }
    }
}
