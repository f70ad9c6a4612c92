//! Rules about the files, and about the service that master starts.

use super::facts::{Facts, NoCyrusConf, program as path_of, shown};
use super::{Finding, Spot, error, events, note, warning};
use crate::config::NotifySocket;
use crate::config::cyrus_conf::Entry;
use crate::method;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The arguments of a service that master knows.
const KNOWN: [&str; 9] = [
    "babysit",
    "cmd",
    "listen",
    "maxchild",
    "maxfds",
    "maxforkrate",
    "prefork",
    "proto",
    "provideuuid",
];

/// The program that cyrus.conf should name.
pub(super) const OURS: &str =
    "cmd=\"/usr/lib/cyrus-notifyd/notifyd\", or where this notifyd is installed";

pub(super) fn imapd_conf(facts: &Facts) -> Vec<Finding> {
    let file = Spot {
        file: facts.imapd_file.clone(),
        line: 0,
    };
    let refused = facts.refused.iter().map(|message| {
        warning(format!("Cyrus 3.6 does not start with it: {message}"))
            .at(file.clone())
            .advice("notifyd passes over such a value, because a newer Cyrus may know it. Look whether yours does: cyr_info conf-lint")
    });
    // What the daemon passes over is what Cyrus 3.6 refuses, and said above.
    let passed = |text: &&String| !text.ends_with("passed over");
    let warnings = facts.settings.warnings.iter().filter(passed);
    refused
        .chain(warnings.map(|text| warning(text.clone()).at(file.clone())))
        .collect()
}

/// Our own file.
pub(super) fn own(facts: &Facts) -> Vec<Finding> {
    let own = &facts.settings.own;
    let Some(file) = &own.file else {
        return Vec::new();
    };
    let found = own.problems.iter().map(|problem| {
        error(format!(
            "{}; notifyd runs as if this were not there",
            problem.what.trim_end_matches('?')
        ))
        .at(Spot {
            file: file.display().to_string(),
            line: u32::try_from(problem.line).unwrap_or(0),
        })
        .advice("See notifyd.toml(5).")
    });
    found.collect()
}

pub(super) fn cyrus_conf(facts: &Facts) -> Vec<Finding> {
    match &facts.cyrus {
        Ok(_) => Vec::new(),
        Err(NoCyrusConf::Unreadable(why)) => vec![
            warning(format!(
                "cannot be read, so what master starts is not known: {why}"
            ))
            .at(facts.cyrus_conf())
            .advice("Name another file with -M."),
        ],
        Err(NoCyrusConf::Refused(message)) => vec![
            error(format!(
                "master ends with it, with all services, at its start and at SIGHUP: {message}"
            ))
            .at(facts.cyrus_conf()),
        ],
    }
}

pub(super) fn section(facts: &Facts) -> Vec<Finding> {
    let Ok(conf) = &facts.cyrus else {
        return Vec::new();
    };
    let passed = conf.passed_over.iter().map(|(line, section)| {
        warning(format!("master does not read this section {}", section.name()))
            .at(Spot {
                file: facts.cyrus_file.clone(),
                line: *line,
            })
            .advice("Master reads the first section of a name only, in capitals, with the opening brace in the same line.")
    });
    passed.collect()
}

pub(super) fn service(facts: &Facts) -> Vec<Finding> {
    // Where one listens all the same, systemd or somebody has started it.
    if facts.cyrus.is_err() || !facts.services().is_empty() || !facts.open_sockets.is_empty() {
        return Vec::new();
    }
    let what = "master starts no notifyd. Unless systemd does, or somebody by hand, every notification is lost: senders log an error and go on";
    let finding = match events::sends_any(facts) {
        true => warning(what),
        false => note("master starts no notifyd, and nobody sends notifications"),
    };
    vec![finding.at(facts.cyrus_conf()).advice(format!(
        "In SERVICES: notify cmd=\"/usr/lib/cyrus-notifyd/notifyd\" listen=\"{}\"{} prefork=1",
        facts.socket_path().display(),
        if facts.dlist() { "" } else { " proto=\"udp\"" },
    ))]
}

pub(super) fn program(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for entry in facts.services() {
        let Some(path) = path_of(entry) else {
            let what = format!(
                "service {} has no cmd: master does not start, and passes the line over at SIGHUP",
                shown(&entry.name)
            );
            found.push(error(what).at(facts.entry(entry)));
            continue;
        };
        let state = facts.programs.get(&path).copied().unwrap_or_default();
        if !state.file || !state.runs {
            let why = if state.file {
                "cannot be run"
            } else {
                "is not there"
            };
            let what = format!(
                "{} {why}: master ends, with all services, at its start and at SIGHUP",
                path.display()
            );
            found.push(error(what).at(facts.entry(entry)).advice("Correct the path before master is told of the file. Master knows no quoting in cmd."));
        }
    }
    found
}

pub(super) fn stock(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for entry in facts.services() {
        let Some(path) = path_of(entry).filter(|path| is_stock(facts, path)) else {
            continue;
        };
        let what = match facts.dlist() {
            true => events::lost(
                facts,
                format!(
                    "{} is Cyrus' own notifyd, which cannot serve dlist: every notification is lost, or lmtpd waits for an answer",
                    path.display()
                ),
            ),
            false => warning(format!(
                "{} is Cyrus' own notifyd: senders wait for each delivery, and what fails is forgotten",
                path.display()
            )),
        };
        found.push(what.at(facts.entry(entry)).advice(OURS));
    }
    found
}

fn is_stock(facts: &Facts, path: &Path) -> bool {
    let named = path.file_name().is_some_and(|name| name == "notifyd");
    named
        && facts
            .programs
            .get(path)
            .is_some_and(|program| program.ours == Some(false))
}

pub(super) fn arguments(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for entry in facts.services() {
        for (at, (key, _)) in entry.arguments.iter().enumerate() {
            let known = KNOWN.iter().any(|known| known.as_bytes() == key);
            let what = if !known {
                format!("{}= is unknown to master, and has no effect", shown(key))
            } else if entry.arguments[..at]
                .iter()
                .any(|(before, _)| before == key)
            {
                format!("{}= stands twice; the first counts", shown(key))
            } else {
                continue;
            };
            found.push(
                warning(what)
                    .at(facts.entry(entry))
                    .advice("See cyrus.conf(5)."),
            );
        }
    }
    found
}

/// The options of our daemon, and whether it reads the file that is checked here.
pub(super) fn options(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for entry in facts.services() {
        let command = entry.command();
        let value = |option: &[u8]| {
            let at = command.iter().position(|word| *word == option)?;
            command.get(at + 1).copied()
        };
        let file = value(b"-C").unwrap_or(crate::config::DEFAULT_FILE.as_bytes());
        if file != facts.imapd_file.as_bytes() {
            let what = format!(
                "service {} reads {}, and this check has read {}",
                shown(&entry.name),
                shown(file),
                facts.imapd_file
            );
            found.push(
                warning(what)
                    .at(facts.entry(entry))
                    .advice(format!("notifyctl check -C {}", shown(file))),
            );
        }
        if let Some(name) = value(b"-m").filter(|name| method::find(name).is_none()) {
            let what = format!(
                "-m {}: there is no such method, so what names no method is lost",
                shown(name)
            );
            found.push(
                error(what)
                    .at(facts.entry(entry))
                    .advice(format!("There are: {}.", method::names())),
            );
        }
    }
    found
}

pub(super) fn prefork(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for entry in facts.services() {
        let wanted = entry.int("prefork", 0);
        if wanted <= 0 && !(is_stream(entry) && entry.switch("babysit", false)) {
            let what = "prefork=0: it starts at the first notification. What was still owed when Cyrus was stopped waits until then";
            found.push(warning(what).at(facts.entry(entry)).advice("prefork=1"));
        } else if wanted > 1 {
            let what = match is_stream(entry) {
                true => format!(
                    "prefork={wanted}: one process reads and delivers, the others only wait for it to end"
                ),
                false => {
                    format!("prefork={wanted}: master starts one, as for every datagram service")
                }
            };
            found.push(note(what).at(facts.entry(entry)).advice("prefork=1"));
        }
    }
    found
}

pub(super) fn maxchild(facts: &Facts) -> Vec<Finding> {
    let streams = facts
        .services()
        .into_iter()
        .filter(|entry| is_stream(entry));
    let judged = streams.filter_map(|entry| match entry.int("maxchild", -1) {
        0 => Some(error("maxchild=0: master never starts it, and lmtpd waits for an answer for ever").at(facts.entry(entry)).advice("Leave out maxchild.")),
        1 => Some(warning("maxchild=1: at each SIGHUP the next process cannot start before the last one has ended, which takes up to 20 seconds; senders wait as long").at(facts.entry(entry)).advice("Leave out maxchild, or maxchild=2.")),
        _ => None,
    });
    judged.collect()
}

/// Whether master opens a stream socket for it, when `listen` is a path.
pub(super) fn is_stream(entry: &Entry) -> bool {
    entry.get("proto").unwrap_or(b"tcp") == b"tcp"
}

/// The socket that the entry's path and type make.
pub(super) fn makes(entry: &Entry) -> Option<NotifySocket> {
    let listen = entry
        .get("listen")
        .filter(|listen| listen.first() == Some(&b'/'))?;
    let path = Path::new(OsStr::from_bytes(listen)).to_owned();
    Some(match is_stream(entry) {
        true => NotifySocket::Dlist(path),
        false => NotifySocket::Datagram(path),
    })
}
