//! `notifyctl stats`: what the daemon has done since its start, and what is owed now.
//!
//! The counts are those that the daemon writes into the spool's folder (`stats.json`); they are as good as a second
//! old, and the last ones when it does not run. What is owed is counted in the spool itself.

use super::arguments::Arguments;
use super::queue::short;
use super::{Failure, Streams, place, write_json};
use crate::spool::depth::Depths;
use crate::spool::files::STATS;
use crate::spool::queue::{STATES, explained};
use crate::spool::{self, Micros};
use crate::system::lock;
use crate::system::syslog::printable;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Counts of the daemon as a whole: the name in the file, and for the eye.
const COUNTS: [(&str, &str); 10] = [
    ("received", "received"),
    ("malformed", "malformed"),
    ("truncated", "truncated"),
    ("refused", "refused"),
    ("unknown_method", "unknown method"),
    ("spooled", "spooled"),
    ("to_memory", "kept in memory"),
    ("dropped", "dropped"),
    ("stuck", "attempts stuck now"),
    ("lost_log_lines", "log lines lost"),
];
const LONGEST: [(&str, &str); 2] = [
    ("longest_unread", "longest unread"),
    ("longest_uncommitted", "longest uncommitted"),
];
const OF_METHOD: [&str; 8] = [
    "routed",
    "attempts",
    "delivered",
    "discarded",
    "deferred",
    "failed",
    "expired",
    "held",
];

pub(super) fn run(mut arguments: Arguments, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let as_json = arguments.flag("--json");
    let settings = place::settings(&mut arguments)?;
    if let Some(what) = arguments.rest()?.first() {
        return Err(Failure::Usage(format!("stats: what is '{what}'?")));
    }
    let depths = match place::queue(&settings)? {
        Some(queue) => queue
            .depths()
            .map_err(|error| place::failed(explained(error)))?,
        None => Depths::new(),
    };
    let folder = settings.spool();
    let runs = lock::is_held(&folder.join("lock")).map_err(place::failed)?;
    let counts = last_counts(&folder).map_err(place::failed)?;
    let now = spool::now();
    if as_json {
        let all = json!({ "running": runs, "daemon": counts, "queue": queue_json(&depths, now) });
        write_json(streams.out, &all)?;
        return Ok(());
    }
    print_counts(streams.out, runs, counts.as_ref(), now)?;
    print_queue(streams.out, &depths, now)?;
    Ok(())
}

/// What the daemon wrote last; `None` when there is nothing, or nothing that we understand.
fn last_counts(folder: &Path) -> io::Result<Option<Value>> {
    match fs::read(folder.join(STATS)) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn queue_json(depths: &Depths, now: Micros) -> Value {
    let one = |(method, depth): (&String, &spool::depth::Depth)| {
        let mut all: serde_json::Map<String, Value> = STATES
            .iter()
            .map(|&state| {
                let rows = depth.states.get(state).copied().unwrap_or(0);
                (state.to_owned(), rows.into())
            })
            .collect();
        let late = depth.due.map(|due| (now - due).max(0) as f64 / 1e6);
        all.insert("oldest_due".into(), late.into());
        (method.clone(), Value::Object(all))
    };
    Value::Object(depths.iter().map(one).collect())
}

fn print_counts(
    out: &mut dyn Write,
    runs: bool,
    counts: Option<&Value>,
    now: Micros,
) -> io::Result<()> {
    let Some(counts) = counts else {
        return writeln!(
            out,
            "notifyd {}; it has left no counts",
            if runs { "runs" } else { "does not run" }
        );
    };
    let text = |name: &str| match &counts[name] {
        Value::String(text) => printable(text.as_bytes(), 100),
        other => other.to_string(),
    };
    let since = text("started")
        .parse::<Timestamp>()
        .map(|time| short(now - time.as_microsecond()))
        .unwrap_or_default();
    let (version, pid, started) = (text("version"), text("pid"), text("started"));
    match runs {
        true => writeln!(
            out,
            "notifyd {version} runs, process {pid}, for {since}; since its start:"
        )?,
        false => writeln!(
            out,
            "notifyd does not run; the last one ({version}, process {pid}) began at {started}; its counts:"
        )?,
    }
    for (name, label) in COUNTS {
        writeln!(out, "  {label:<20} {:>12}", text(name))?;
    }
    for (name, label) in LONGEST {
        let seconds = counts[name].as_f64().unwrap_or_default();
        writeln!(out, "  {label:<20} {seconds:>10.3} s")?;
    }
    let Some(methods) = counts["methods"].as_object() else {
        return Ok(());
    };
    heading(out, &OF_METHOD)?;
    for (method, counts) in methods {
        let cells: String = OF_METHOD
            .iter()
            .map(|name| format!(" {:>10}", counts[name].to_string()))
            .collect();
        writeln!(out, "{:<10}{cells}", printable(method.as_bytes(), 40))?;
    }
    Ok(())
}

fn print_queue(out: &mut dyn Write, depths: &Depths, now: Micros) -> io::Result<()> {
    if depths.is_empty() {
        return writeln!(out, "\nnothing is owed");
    }
    let columns: Vec<&str> = STATES.into_iter().chain(["oldest due"]).collect();
    heading(out, &columns)?;
    for (method, depth) in depths {
        let cells: String = STATES
            .iter()
            .map(|&state| format!(" {:>10}", depth.states.get(state).copied().unwrap_or(0)))
            .collect();
        let late = match depth.due {
            Some(due) if due <= now => short(now - due),
            _ => "-".into(),
        };
        writeln!(
            out,
            "{:<10}{cells} {late:>10}",
            printable(method.as_bytes(), 40)
        )?;
    }
    Ok(())
}

fn heading(out: &mut dyn Write, columns: &[&str]) -> io::Result<()> {
    let cells: String = columns
        .iter()
        .map(|name| format!(" {:>10}", name.to_uppercase()))
        .collect();
    writeln!(out, "\n{:<10}{cells}", "METHOD")
}
