//! `notifyctl watch`: what arrives and how it ends, as it happens.
//!
//! The daemon tells it at the socket `watch` in the spool's folder, one JSON object a packet. When the daemon ends or
//! does not run, this waits for the next one, and says so on standard error.

use super::arguments::Arguments;
use super::{Failure, Streams, place};
use crate::method;
use crate::spool::files::WATCH;
use crate::system::syslog::{printable, printable_json};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType};
use serde_json::Value;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

/// Pause between two attempts to reach the daemon.
const AGAIN: Duration = Duration::from_millis(200);
/// Longest line that the daemon sends, in bytes.
const MAX_LINE: usize = 65_536;

pub(super) fn run(mut arguments: Arguments, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let as_json = arguments.flag("--json");
    let settings = place::settings(&mut arguments)?;
    let filter = Filter::take(&mut arguments)?;
    place::become_cyrus(&settings)?;
    let path = settings.spool().join(WATCH);
    let mut said = None;
    let mut say = |err: &mut dyn Write, what: &'static str| {
        if said.replace(what) != Some(what) {
            let _ = writeln!(err, "notifyctl: {what}"); // nobody is left to tell
        }
    };
    let mut screen = Screen {
        as_json,
        headed: false,
    };
    loop {
        match connect(&path) {
            Ok(socket) => {
                let begun = || say(streams.err, "watching notifyd");
                follow(&socket, &filter, &mut screen, streams.out, begun)?;
                say(streams.err, "notifyd has ended; waiting for the next one");
            }
            Err(Errno::NOENT | Errno::CONNREFUSED) => {
                say(streams.err, "notifyd does not run; waiting for it");
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => {
                let text = format!("{}: {error}", path.display());
                return Err(place::failed(io::Error::other(text)));
            }
        }
        wait(None, Some(AGAIN))?;
    }
}

fn connect(path: &Path) -> rustix::io::Result<OwnedFd> {
    let address = SocketAddrUnix::new(path)?;
    let socket = net::socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    net::connect(&socket, &address)?;
    Ok(socket)
}

/// Waits until `socket` is readable, at most `limit`. A standard output that nobody reads any more is an error, or this would
/// go on for ever behind a `head`.
fn wait(socket: Option<&OwnedFd>, limit: Option<Duration>) -> io::Result<()> {
    let limit = limit
        .map(Timespec::try_from)
        .transpose()
        .map_err(io::Error::other)?;
    let out = rustix::stdio::stdout();
    let mut fds = vec![PollFd::new(&out, PollFlags::empty())];
    fds.extend(socket.map(|socket| PollFd::new(socket, PollFlags::IN)));
    match poll(&mut fds, limit.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    match fds[0].revents().contains(PollFlags::ERR) {
        true => Err(io::ErrorKind::BrokenPipe.into()),
        false => Ok(()),
    }
}

/// Shows what comes until the daemon has ended; calls `begun` when nothing is missed any more.
fn follow(
    socket: &OwnedFd,
    filter: &Filter,
    screen: &mut Screen,
    out: &mut dyn Write,
    mut begun: impl FnMut(),
) -> io::Result<()> {
    let mut buffer = vec![0; MAX_LINE];
    loop {
        wait(Some(socket), None)?;
        let length = match net::recv(socket, buffer.as_mut_slice(), RecvFlags::DONTWAIT) {
            Ok((0, _)) => return Ok(()),
            Ok((length, _)) => length,
            Err(Errno::AGAIN | Errno::INTR) => continue,
            Err(_) => return Ok(()), // as good as ended
        };
        let line = &buffer[..length];
        match serde_json::from_slice::<Value>(line) {
            Ok(value) if value["status"] == "watching" => begun(),
            Ok(value) if filter.matches(&value) => screen.show(out, line, &value)?,
            _ => {}
        }
    }
}

/// What is to be shown. An empty part chooses all.
#[derive(Debug, Default)]
struct Filter {
    statuses: Vec<String>,
    methods: Vec<String>,
    class: Option<String>,
    event: Option<String>,
    user: Option<String>,
}

/// What can become of a notification, in the manual's order.
pub(super) const STATUSES: [&str; 11] = [
    "arrived",
    "delivered",
    "discarded",
    "deferred",
    "failed",
    "expired",
    "held",
    "dropped",
    "refused",
    "malformed",
    "truncated",
];

impl Filter {
    fn take(arguments: &mut Arguments) -> Result<Filter, Failure> {
        let mut filter = Filter::default();
        while let Some(status) = arguments.value("--status") {
            if !STATUSES.contains(&status.as_str()) {
                return Err(Failure::Usage(format!(
                    "no status '{status}'; there are: {}",
                    STATUSES.join(", ")
                )));
            }
            filter.statuses.push(status);
        }
        while let Some(name) = arguments.value("--method") {
            let kind = method::find(name.as_bytes()).ok_or_else(|| {
                Failure::Usage(format!(
                    "no method '{name}'; there are: {}",
                    method::names()
                ))
            })?;
            filter.methods.push(kind.name.to_owned());
        }
        filter.class = arguments.value("--class");
        filter.event = arguments.value("--event");
        filter.user = arguments.value("--user");
        match arguments.rest()?.first() {
            Some(what) => Err(Failure::Usage(format!("watch: what is '{what}'?"))),
            None => Ok(filter),
        }
    }

    fn matches(&self, line: &Value) -> bool {
        let text = |name: &str| line[name].as_str().unwrap_or_default();
        let any = |wanted: &[String], name| {
            wanted.is_empty() || wanted.iter().any(|one| one == text(name))
        };
        let same = |wanted: &Option<String>, name| {
            wanted
                .as_ref()
                .is_none_or(|one| one.eq_ignore_ascii_case(text(name)))
        };
        if text("status") == "lost" {
            return true; // it may have been among them
        }
        any(&self.statuses, "status")
            && any(&self.methods, "method")
            && same(&self.class, "class")
            && same(&self.event, "event")
            && self.user.as_ref().is_none_or(|one| one == text("user"))
    }
}

struct Screen {
    as_json: bool,
    headed: bool,
}

impl Screen {
    fn show(&mut self, out: &mut dyn Write, line: &[u8], value: &Value) -> io::Result<()> {
        if self.as_json {
            // As the daemon has written it, but for what a terminal would misunderstand.
            let text = printable_json(&String::from_utf8_lossy(line));
            writeln!(out, "{text}")?;
            return out.flush();
        }
        if !std::mem::replace(&mut self.headed, true) {
            writeln!(
                out,
                "{:<12}  {:<9}  {:<16}  {:<8}  {:<18}  {:<12}  WHY",
                "TIME", "STATUS", "ID", "METHOD", "CLASS", "USER"
            )?;
        }
        writeln!(out, "{}", row(value))?;
        out.flush()
    }
}

/// One line for the eye; nothing in it can begin another one.
fn row(value: &Value) -> String {
    let text =
        |name: &str, most| printable(value[name].as_str().unwrap_or_default().as_bytes(), most);
    if value["status"] == "lost" {
        return format!("{} lines lost: not read in time", value["lines"]);
    }
    let class = match (text("class", 20), text("event", 40)) {
        (class, event) if event.is_empty() => class,
        (_, event) => event,
    };
    let (why, mut more) = (text("why", 200), Vec::new());
    if let Some(delay) = value["delay"].as_f64() {
        more.push(format!("{delay:.3} s"));
    }
    if let (Some(uid), Some(pid)) = (value["uid"].as_u64(), value["pid"].as_i64()) {
        more.push(format!("uid={uid} pid={pid}"));
    }
    more.extend(Some(why).filter(|why| !why.is_empty()));
    let all = format!(
        "{:<12}  {:<9}  {:<16}  {:<8}  {class:<18}  {:<12}  {}",
        clock(&text("time", 40)),
        text("status", 20),
        text("id", 20),
        text("method", 40),
        text("user", 40),
        more.join(", "),
    );
    all.trim_end().to_owned()
}

/// Local time of day, to the millisecond.
fn clock(time: &str) -> String {
    let Ok(time) = time.parse::<Timestamp>() else {
        return String::new();
    };
    let local = time.to_zoned(TimeZone::system());
    local.strftime("%H:%M:%S.%3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::ffi::OsString;

    fn filter(line: &str) -> Filter {
        let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let options = crate::ctl::options::of("watch");
        Filter::take(&mut Arguments::parse(&arguments, &options).ok().unwrap())
            .ok()
            .unwrap()
    }

    #[test]
    fn filters_must_all_apply() {
        let line = json!({"status": "failed", "method": "mailto", "class": "EVENT", "event": "Login", "user": "al"});
        for (text, chosen) in [
            ("", true),
            ("--status failed --status arrived --method Mailto", true),
            ("--status arrived", false),
            ("--method log", false),
            ("--class event --event login --user al", true),
            ("--user AL", false),
        ] {
            assert_eq!(filter(text).matches(&line), chosen, "{text}");
        }
        assert!(filter("--user x").matches(&json!({"status": "lost", "lines": 3})));
    }

    #[test]
    fn a_row_is_one_line_whatever_it_carries() {
        let line = json!({
            "time": "2026-11-22T10:11:12.345678Z", "status": "delivered", "id": "17", "method": "log\n",
            "class": "A\u{1b}[2J", "user": "x\r\ny\u{2028}", "why": "z\u{85}", "delay": 0.25
        });
        let row = row(&line);
        assert!(
            row.contains("0.250 s") && !row.chars().any(char::is_control),
            "{row}"
        );
        assert!(!row.contains('\u{2028}'));
    }
}
