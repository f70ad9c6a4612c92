//! Rules about the socket: where senders send, and where the daemon listens.

use super::events::lost;
use super::facts::{Facts, Type, shown};
use super::service::{is_stream, makes};
use super::{Finding, error, note, warning};
use crate::config::NotifySocket;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Longest path of a Unix socket: `sun_path` with its NUL.
const LONGEST_PATH: usize = 107;
/// Cyrus' NOTIFY_MAXSIZE.
const LARGEST: u64 = 65_536;
/// What the kernel gives a socket on an ordinary Linux.
const USUAL_BUFFER: u64 = 212_992;
/// What else is in a datagram with a message in it.
const AROUND: u64 = 4096;

pub(super) fn proto(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for entry in facts.services() {
        let proto = shown(entry.get("proto").unwrap_or(b"tcp"));
        if ["tcp4", "tcp6"].contains(&proto.as_str()) {
            let what = format!("proto={proto}: master fails to open it, and there is no service");
            found.push(
                error(what)
                    .at(facts.entry(entry))
                    .advice("For datagrams proto=\"udp\"; for dlist leave out proto."),
            );
        } else if facts.dlist() && !is_stream(entry) {
            let what = format!(
                "proto={proto} makes a datagram socket, and notifysocket says dlist: senders cannot connect, every notification is lost"
            );
            found.push(
                lost(facts, what)
                    .at(facts.entry(entry))
                    .advice("Leave out proto here, or dlist: in imapd.conf."),
            );
        } else if !facts.dlist() && is_stream(entry) {
            let what = "without proto=\"udp\" it is a stream socket, and notifysocket says datagrams: senders cannot connect, every notification is lost";
            found.push(
                lost(facts, what)
                    .at(facts.entry(entry))
                    .advice("Add proto=\"udp\", or write notifysocket: dlist:PATH."),
            );
        }
    }
    found
}

pub(super) fn listen(facts: &Facts) -> Vec<Finding> {
    let path = facts.socket_path();
    let services = facts.services();
    let serves = |path: &Path| {
        let made = services.iter().filter_map(|entry| makes(entry));
        made.into_iter().any(
            |made| matches!(made, NotifySocket::Datagram(p) | NotifySocket::Dlist(p) if p == path),
        )
    };
    let mut found = Vec::new();
    if path.as_os_str().len() > LONGEST_PATH {
        let what = format!(
            "the path has more than {LONGEST_PATH} bytes: no socket can have it, every notification is lost"
        );
        found.push(lost(facts, what).at(facts.option("notifysocket")));
    } else if !path.is_absolute() {
        let what = "it must be a path from the root: every notification is lost";
        found.push(lost(facts, what).at(facts.option("notifysocket")));
    }
    for entry in &services {
        match entry.get("listen") {
            None => found.push(
                error("without listen master does not start, and passes the line over at SIGHUP")
                    .at(facts.entry(entry)),
            ),
            Some(listen) if listen.first() != Some(&b'/') => {
                let what = format!(
                    "listen={} is a network port; Cyrus sends notifications to a path only",
                    shown(listen)
                );
                found.push(
                    error(what)
                        .at(facts.entry(entry))
                        .advice(format!("listen=\"{}\"", path.display())),
                );
            }
            Some(listen) if listen != path.as_os_str().as_bytes() && !serves(path) => {
                let what = format!(
                    "it listens at {}, and senders send to {} ({}): every notification is lost",
                    shown(listen),
                    path.display(),
                    whence(facts)
                );
                found.push(
                    lost(facts, what)
                        .at(facts.entry(entry))
                        .advice("listen= and notifysocket must be the same path."),
                );
            }
            Some(_) => {}
        }
    }
    found
}

fn whence(facts: &Facts) -> String {
    match facts.is_set("notifysocket") {
        true => {
            let spot = facts.option("notifysocket");
            format!("{}:{}", spot.file, spot.line)
        }
        false => "the default, because notifysocket is not set".into(),
    }
}

pub(super) fn several(facts: &Facts) -> Vec<Finding> {
    let services = facts.services();
    let path = facts.socket_path().as_os_str().as_bytes();
    let ours = services
        .iter()
        .filter(|entry| entry.get("listen") == Some(path));
    let again = ours.skip(1).map(|entry| {
        let what = format!("a second service at {}: master takes the path away from the first, which hears nothing any more", shown(path));
        error(what).at(facts.entry(entry)).advice("Keep one of them.")
    });
    again.collect()
}

pub(super) fn folder(facts: &Facts) -> Vec<Finding> {
    let Some(folder) = facts.socket_path().parent() else {
        return Vec::new();
    };
    let named = folder.display();
    let Some(state) = facts.socket_folder else {
        let what = format!(
            "{named} is not there, or the Cyrus user cannot look into the folder above: every notification is lost"
        );
        return vec![
            lost(facts, what)
                .at(facts.option("notifysocket"))
                .advice(format!(
                    "Make it: install -d -o cyrus -g mail -m 750 {named}"
                )),
        ];
    };
    let what = if state.mode & 0o002 != 0 {
        format!(
            "everybody on this machine may write in {named}, and so put a socket of his own there and read what Cyrus sends"
        )
    } else if state.mode & 0o001 != 0 {
        format!(
            "everybody on this machine reaches the socket in {named}, which master makes with mode 0777. This notifyd refuses strangers, but they can fill its queue, and then lmtpd and imapd wait"
        )
    } else {
        return Vec::new();
    };
    vec![
        warning(what)
            .at(facts.option("notifysocket"))
            .advice(format!("chmod 750 {named}")),
    ]
}

pub(super) fn nobody(facts: &Facts) -> Vec<Finding> {
    let wanted = if facts.dlist() {
        Type::Stream
    } else {
        Type::Datagram
    };
    let path = facts.socket_path().display();
    match facts.open_sockets.as_slice() {
        [] => {
            let advice = if facts.dlist() && !facts.services().is_empty() {
                "Right when Cyrus is stopped. Else see what master and notifyd have logged: after five deaths within seconds \
                 master gives a dlist service up (\"too many failures\"), until it gets SIGHUP."
            } else {
                "Right when Cyrus is stopped. Else see what master and notifyd have logged."
            };
            vec![note(format!("nobody listens at {path} now")).advice(advice)]
        }
        open if open.contains(&wanted) => Vec::new(),
        _ => {
            let what = format!(
                "the socket that is open at {path} now is of the other type: master has not been told of these files, or they do not agree"
            );
            vec![
                warning(what)
                    .advice("Restart Cyrus: SIGHUP does not suffice to change a socket's type."),
            ]
        }
    }
}

/// The largest datagram that a sender makes; larger ones it drops with a line in the log.
fn limit(facts: &Facts) -> u64 {
    let buffer = facts.wmem_default.unwrap_or(USUAL_BUFFER);
    (buffer / 10).saturating_sub(32).min(LARGEST)
}

pub(super) fn size(facts: &Facts) -> Vec<Finding> {
    if facts.dlist() {
        return Vec::new();
    }
    let limit = limit(facts);
    let emitters = &facts.settings.emitters;
    let dropped = format!(
        "A sender drops a notification of more than {limit} bytes here (net.core.wmem_default), and logs 'datagram too large'"
    );
    let advice =
        "Nothing is too large by dlist: notifysocket: dlist:PATH, and no proto in cyrus.conf.";
    let mut found = Vec::new();
    if limit < (USUAL_BUFFER / 10) - 32 {
        found.push(warning(format!("{dropped}; usual are 21267")).advice(advice));
    }
    let with_content = emitters.event_notifier.is_some()
        && emitters.event_groups.contains(&"message")
        && emitters.event_extra_params.contains(&"messageContent");
    let content = u64::try_from(emitters.event_content_size).unwrap_or(0);
    // In JSON a byte may need two, as line ends do.
    if with_content && (content == 0 || content.saturating_mul(2) + AROUND > limit) {
        let size = match content {
            0 => "without event_content_size a message's content has no limit".to_owned(),
            size => format!("with event_content_size {size} an event may be larger"),
        };
        found.push(
            warning(format!("{size}. {dropped}"))
                .at(facts.option("event_content_size"))
                .advice(advice),
        );
    }
    if emitters.imipnotifier.is_some() {
        let what = format!("invitations carry the whole iCalendar object. {dropped}");
        found.push(note(what).at(facts.option("imipnotifier")).advice(advice));
    }
    found
}
