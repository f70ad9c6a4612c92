//! `notifyctl check`: what will happen with notifications on this machine, and what will not, in plain words.
//!
//! `gather.rs` collects [`facts`] from the configuration files and the machine, and decides nothing. Each rule
//! is one row of [`rules::RULES`]: a name and a pure function from the facts to findings. To add a rule is to add
//! a row, and a test that it fires and that it does not.
//!
//! The exit code says how bad it is: 0 nothing but notes, 1 warnings, 2 errors. It does not need the daemon, and changes nothing.

mod delivery;
mod events;
mod facts;
mod gather;
mod machine;
mod mail;
mod rules;
mod secrets;
mod service;
mod socket;
#[cfg(test)]
mod tests;

use super::arguments::Arguments;
use super::{Failure, Streams, write_json};
use facts::Facts;
use serde_json::json;
use std::io;
use std::path::Path;

/// Exit code: there are warnings, and no errors.
const WARNINGS: u8 = 1;
/// Exit code: there are errors.
const ERRORS: u8 = 2;
/// The file that Cyrus' master reads when no `-M` names another.
const CYRUS_CONF: &str = "/etc/cyrus.conf";

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// Worth knowing; nothing is wrong.
    Note,
    /// Something will not be as somebody may expect.
    Warning,
    /// Notifications will be lost, or Cyrus' processes will end.
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// A place in a file; line 0 stands for the whole of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Spot {
    file: String,
    line: u32,
}

/// What a rule has found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    level: Level,
    spot: Option<Spot>,
    /// What happens, in plain words.
    what: String,
    /// What to do; empty when there is nothing.
    advice: String,
}

impl Finding {
    fn new(level: Level, what: impl Into<String>) -> Finding {
        Finding {
            level,
            spot: None,
            what: what.into(),
            advice: String::new(),
        }
    }

    fn at(mut self, spot: impl Into<Option<Spot>>) -> Finding {
        self.spot = spot.into();
        self
    }

    fn advice(mut self, advice: impl Into<String>) -> Finding {
        self.advice = advice.into();
        self
    }
}

fn note(what: impl Into<String>) -> Finding {
    Finding::new(Level::Note, what)
}

fn warning(what: impl Into<String>) -> Finding {
    Finding::new(Level::Warning, what)
}

fn error(what: impl Into<String>) -> Finding {
    Finding::new(Level::Error, what)
}

pub(super) fn run(mut arguments: Arguments, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let as_json = arguments.flag("--json");
    let imapd = arguments.file();
    let cyrus = arguments.value("-M");
    if let Some(extra) = arguments.rest()?.first() {
        return Err(Failure::Usage(format!("check: what is '{extra}'?")));
    }
    let imapd = imapd.as_deref().unwrap_or(crate::config::DEFAULT_FILE);
    let cyrus = cyrus.as_deref().unwrap_or(CYRUS_CONF);
    let found = match gather::gather(Path::new(imapd), Path::new(cyrus)) {
        Ok(facts) => find(&facts),
        // Without it nothing else can be judged: Cyrus does not start either.
        Err(refused) => vec![(
            "imapd-conf",
            error(format!("Cyrus and notifyd do not start: {refused}"))
                .at(Spot {
                    file: imapd.to_owned(),
                    line: 0,
                })
                .advice("Correct it; `notifyctl config` says the same."),
        )],
    };
    for (rule, finding) in &found {
        match as_json {
            true => write_json(streams.out, &as_value(rule, finding))?,
            false => print(streams.out, finding)?,
        }
    }
    if !as_json {
        writeln!(streams.out, "{}", summary(&found))?;
    }
    match found.iter().map(|(_, finding)| finding.level).max() {
        Some(Level::Error) => Err(Failure::Quiet(ERRORS)),
        Some(Level::Warning) => Err(Failure::Quiet(WARNINGS)),
        _ => Ok(()),
    }
}

/// Everything that the rules find, worst first, with the rule's name.
fn find(facts: &Facts) -> Vec<(&'static str, Finding)> {
    let mut found = Vec::new();
    for rule in rules::RULES {
        found.extend(
            (rule.find)(facts)
                .into_iter()
                .map(|finding| (rule.name, finding)),
        );
    }
    found.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.level));
    found
}

fn print(out: &mut dyn io::Write, finding: &Finding) -> io::Result<()> {
    write!(out, "{}: ", finding.level.name())?;
    match &finding.spot {
        Some(Spot { file, line: 0 }) => write!(out, "{file}: ")?,
        Some(Spot { file, line }) => write!(out, "{file}:{line}: ")?,
        None => {}
    }
    writeln!(out, "{}", finding.what)?;
    if !finding.advice.is_empty() {
        writeln!(out, "    {}", finding.advice)?;
    }
    Ok(())
}

fn as_value(rule: &str, finding: &Finding) -> serde_json::Value {
    let line = finding
        .spot
        .as_ref()
        .map(|spot| spot.line)
        .filter(|&line| line > 0);
    json!({
        "level": finding.level.name(),
        "rule": rule,
        "file": finding.spot.as_ref().map(|spot| &spot.file),
        "line": line,
        "what": finding.what,
        "advice": finding.advice,
    })
}

fn summary(found: &[(&str, Finding)]) -> String {
    let count = |level, one: &str, many: &str| {
        let count = found
            .iter()
            .filter(|(_, finding)| finding.level == level)
            .count();
        format!("{count} {}", if count == 1 { one } else { many })
    };
    [
        count(Level::Error, "error", "errors"),
        count(Level::Warning, "warning", "warnings"),
        count(Level::Note, "note", "notes"),
    ]
    .join(", ")
}
