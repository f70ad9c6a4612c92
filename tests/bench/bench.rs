//! The benchmark: this package's notifyd beside Debian's stock one beside receivers that only discard.
//!
//! `tests/bench/run [MEASURE…] [--rounds N] [--scale F] [--json FILE] [--smoke]`; `--list` names the
//! measures. It plays Cyrus' master for both daemons, as the tests do, so it needs root and Debian's
//! cyrus-imapd. They take turns, round by round, because the machine has moods. A goal that is
//! missed is printed as missed; only what does not work at all is an error.
#![forbid(unsafe_code)]

mod answer;
mod backlog;
mod cost;
mod mail;
mod process;
mod scene;
mod senders;
mod sink;
mod speed;
#[path = "../stage/mod.rs"]
mod stage;
mod stall;
mod table;

use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use table::Figure;

/// What the command line says.
pub(crate) struct Options {
    measures: Vec<String>,
    /// Samples of each figure.
    pub(crate) rounds: usize,
    /// What part of the messages and rows of a full run.
    pub(crate) scale: f64,
    json: Option<PathBuf>,
}

impl Options {
    /// So many messages or rows, scaled.
    pub(crate) fn scaled(&self, count: f64) -> usize {
        ((count * self.scale) as usize).max(100)
    }
}

type Measure = fn(&Options) -> Vec<Figure>;

const MEASURES: &[(&str, &str, Measure)] = &[
    ("null", "datagrams/s of method null", |o| {
        speed::immediate("null", o)
    }),
    ("log", "datagrams/s of method log", |o| {
        speed::immediate("log", o)
    }),
    ("spooled", "datagrams/s to the spool", speed::spooled),
    (
        "disk",
        "datagrams/s to the spool, normal and full, also on a slow disk",
        speed::disk,
    ),
    ("send", "the longest single send", stall::longest),
    (
        "session",
        "the stall of one sender while sendmail is slow",
        stall::session,
    ),
    (
        "handover",
        "the longest send across a SIGHUP",
        stall::hand_over,
    ),
    (
        "dlist",
        "how long a dlist client waits for its answer",
        answer::answer,
    ),
    ("backlog", "memory and start with a backlog", backlog::owed),
    ("blast", "memory after a blast", backlog::blast),
    ("drain", "how fast a backlog is worked off", backlog::drain),
    ("cost", "processor time of a message", cost::cost),
    ("mail", "mails/s by SMTP and by sendmail", mail::mail),
];

const USAGE: &str =
    "usage: tests/bench/run [MEASURE...] [--rounds N] [--scale F] [--json FILE] [--smoke] [--list]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if senders::child(&arguments) {
        return ExitCode::SUCCESS;
    }
    let options = match parse(&arguments) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}\n{USAGE}");
            return ExitCode::from(64);
        }
    };
    let Some(options) = options else {
        for (name, about, _) in MEASURES {
            println!("{name:10}{about}");
        }
        return ExitCode::SUCCESS;
    };
    if !rustix::process::geteuid().is_root() {
        eprintln!("the benchmark plays Cyrus' master: it must be run as root");
        return ExitCode::from(77);
    }
    let machine = machine(&options);
    println!("{machine}");
    let mut figures = Vec::new();
    for (name, about, measure) in MEASURES {
        if options.measures.is_empty() || options.measures.iter().any(|wanted| wanted == name) {
            eprintln!("{name}: {about} ...");
            figures.extend(measure(&options));
        }
    }
    print!("\n{}", table::table(&figures));
    if let Some(path) = &options.json {
        let text = format!("{:#}\n", table::json(&figures, machine));
        if let Err(error) = std::fs::write(path, text) {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// `None` for `--list`.
fn parse(arguments: &[String]) -> Result<Option<Options>, String> {
    let mut options = Options {
        measures: Vec::new(),
        rounds: 5,
        scale: 1.0,
        json: None,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--rounds" => {
                options.rounds = value()?.parse().map_err(|e| format!("--rounds: {e}"))?;
            }
            "--scale" => options.scale = value()?.parse().map_err(|e| format!("--scale: {e}"))?,
            "--json" => options.json = Some(value()?.into()),
            "--smoke" => (options.rounds, options.scale) = (1, 0.001),
            "--list" => return Ok(None),
            "--bench" => {} // cargo adds it
            name if MEASURES.iter().any(|(known, ..)| *known == name) => {
                options.measures.push(name.to_owned());
            }
            other => return Err(format!("unknown: {other}")),
        }
    }
    if options.rounds == 0 || !options.scale.is_finite() || options.scale <= 0.0 {
        return Err("no rounds, or no messages".into());
    }
    Ok(Some(options))
}

/// What it runs on: for comparing runs.
fn machine(options: &Options) -> Value {
    let read = |path: &str| {
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    json!({
        "processors": std::thread::available_parallelism().map_or(0, |n| n.get()),
        "kernel": read("/proc/sys/kernel/osrelease"),
        "load": read("/proc/loadavg"),
        "queue": read("/proc/sys/net/unix/max_dgram_qlen"),
        "rounds": options.rounds,
        "scale": options.scale,
    })
}
