//! `notifyctl config [-C FILE]`: what is set, in imapd.conf and in notifyd.toml.
//!
//! First imapd.conf in the lines of `cyr_info -n SERVICE conf`, then, when there is a notifyd.toml, what in it differs
//! from the defaults. The service is CYRUS_SERVICE, default `notify`. Warnings go to standard error, where Cyrus sends
//! them to syslog. Secrets are hidden unless `--secrets` asks for them: what this prints is pasted into reports. `--defaults` prints a notifyd.toml that says every default.
//!
//! What can go wrong is a file that Cyrus would refuse: its message on standard
//! error, with `cyr_info`'s words `fatal error: ` before it, and its exit code, 78; mistakes in notifyd.toml, each with
//! its line, and the same exit code; templates that are none, likewise. Cyrus' programs refuse one thing more that is not in the file but on the
//! disk: a `zoneinfo_dir` in which libical finds no time zones. That is not looked at here.

use super::arguments::Arguments;
use super::{CONFIG, Failure, Streams, place, write_json};
use crate::config::toml::show;
use crate::config::{Context, Settings};
use crate::mail::template::Wrong;
use crate::method;
use serde_json::{Map, Value, json};
use std::path::Path;

pub(super) fn run(mut arguments: Arguments, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let (defaults, as_json) = (arguments.flag("--defaults"), arguments.flag("--json"));
    let secrets = arguments.flag("--secrets");
    let file = arguments.file();
    if let Some(extra) = arguments.rest()?.first() {
        return Err(Failure::Usage(format!("config: what is '{extra}'?")));
    }
    if defaults {
        let text = show::defaults(&method::known());
        streams.out.write_all(text.as_bytes())?;
        return Ok(());
    }
    let context = Context::from_env();
    let settings = Settings::load(file.as_deref().map(Path::new), &context)
        .map_err(|error| Failure::Fatal([b"fatal error: ", error.message()].concat(), CONFIG))?
        .with_own(&context, &method::known());
    for warning in settings.conf().warnings() {
        writeln!(streams.err, "warning: {warning}")?;
    }
    let templates = place::bad_templates(&settings);
    match as_json {
        true => write_json(streams.out, &object(&settings, &templates, secrets))?,
        false => print(&settings, secrets, streams)?,
    }
    let templates = templates.iter().map(|wrong| format!("template {wrong}"));
    let complaints: Vec<String> = settings.own.complaints().chain(templates).collect();
    match complaints.is_empty() {
        true => Ok(()),
        false => Err(Failure::Fatal(complaints.join("\n").into_bytes(), CONFIG)),
    }
}

fn print(settings: &Settings, secrets: bool, streams: &mut Streams<'_>) -> Result<(), Failure> {
    streams.out.write_all(&imapd(settings, secrets))?;
    if let Some(file) = &settings.own.file {
        let changed = settings.own.config.changed();
        write!(streams.out, "\n# {}\n{changed}", file.display())?;
    }
    Ok(())
}

/// The lines of `cyr_info conf`, with or without secrets.
fn imapd(settings: &Settings, secrets: bool) -> Vec<u8> {
    match secrets {
        true => settings.conf().changed(),
        false => settings.conf().without_secrets(),
    }
}

/// What is set in imapd.conf, and all that holds of notifyd.toml.
fn object(settings: &Settings, templates: &[Wrong], secrets: bool) -> Value {
    let changed = imapd(settings, secrets);
    let lines = changed
        .split(|byte| *byte == b'\n')
        .map(String::from_utf8_lossy);
    let mut options = Map::new();
    for line in lines {
        if let Some((name, value)) = line.split_once(':') {
            options.insert(name.to_owned(), value.trim_start().into());
        }
    }
    let mut tables = Map::new();
    for table in settings.own.config.in_force(&method::known()) {
        // What these values look like in TOML is JSON as well.
        let value = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        let rows = table.rows.into_iter();
        let rows: Map<String, Value> = rows
            .map(|(key, text)| (key.name.to_owned(), value(text).unwrap_or(Value::Null)))
            .collect();
        tables.insert(table.name, rows.into());
    }
    let problem = |problem: &crate::config::toml::Problem| json!({"line": problem.line, "what": problem.what});
    let template =
        |wrong: &Wrong| json!({"file": wrong.file, "line": wrong.line, "what": wrong.what});
    let templates: Vec<Value> = templates.iter().map(template).collect();
    let problems: Vec<Value> = settings.own.problems.iter().map(problem).collect();
    let file = settings
        .own
        .file
        .as_ref()
        .map(|file| file.to_string_lossy().into_owned());
    json!({
        "imapd": options,
        "file": file,
        "notifyd": tables,
        "spool": settings.spool().to_string_lossy(),
        "problems": problems,
        "templates": templates,
    })
}
