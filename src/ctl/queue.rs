//! `notifyctl queue` and `notifyctl show`: what is owed.

use super::arguments::Arguments;
use super::select::{Filter, Listed};
use super::{Failure, NOT_FOUND, Streams, place, write_json};
use crate::spool::{self, Micros, files};
use crate::system::syslog::printable;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::io::{self, Write};

/// Longest reason in the table, in bytes.
const SHOWN: usize = 60;

pub(super) fn list(mut arguments: Arguments, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let now = spool::now();
    let as_json = arguments.flag("--json");
    let settings = place::settings(&mut arguments)?;
    let filter = Filter::take(&mut arguments, now)?;
    let mut count = 0u64;
    if let Some(queue) = place::queue(&settings)? {
        filter.each(&queue, |listed| {
            if count == 0 && !as_json {
                writeln!(
                    streams.out,
                    "{:<16}  {:<8}  {:>6}  {:>5}  {:>6}  {:<8}  {:<8}  {:<12}  WHY",
                    "ID", "STATE", "AGE", "TRIES", "DUE", "METHOD", "CLASS", "USER"
                )?;
            }
            count += 1;
            match as_json {
                true => write_json(streams.out, &brief(&listed))?,
                false => line(streams.out, &listed, now)?,
            }
            Ok(())
        })?;
    }
    if !as_json {
        writeln!(
            streams.out,
            "{}",
            if count == 1 {
                "1 delivery".to_owned()
            } else {
                format!("{count} deliveries")
            }
        )?;
    }
    Ok(())
}

pub(super) fn show(mut arguments: Arguments, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let now = spool::now();
    let as_json = arguments.flag("--json");
    let settings = place::settings(&mut arguments)?;
    let filter = Filter::take(&mut arguments, now)?;
    if filter.is_empty() {
        return Err(Failure::Usage("show: which delivery? Name its id".into()));
    }
    let mut found = false;
    if let Some(queue) = place::queue(&settings)? {
        filter.each(&queue, |listed| {
            if found && !as_json {
                writeln!(streams.out)?;
            }
            found = true;
            let file = listed.row.kept.file.as_deref();
            let cut = file.is_some_and(|name| files::is_cut(queue.folder(), name));
            match as_json {
                true => write_json(streams.out, &whole(&listed, cut))?,
                false => describe(streams.out, &listed, cut, now)?,
            }
            Ok(())
        })?;
    }
    if found {
        Ok(())
    } else {
        Err(Failure::Fatal(
            b"notifyctl: no such delivery".to_vec(),
            NOT_FOUND,
        ))
    }
}

fn line(out: &mut dyn Write, listed: &Listed, now: Micros) -> io::Result<()> {
    let row = &listed.row;
    let class = listed
        .notification
        .as_ref()
        .map(|n| printable(&n.class, 20))
        .unwrap_or_default();
    let due = match listed.state.as_str() {
        "incoming" | "deferred" if row.due > now => short(row.due - now),
        "incoming" | "deferred" => "now".to_owned(),
        _ => "-".to_owned(),
    };
    let text = format!(
        "{:<16}  {:<8}  {:>6}  {:>5}  {due:>6}  {:<8}  {class:<8}  {:<12}  {}",
        row.kept.id,
        listed.state,
        short(now - row.kept.received),
        row.attempts,
        row.kept.method,
        printable(&listed.user(), 40),
        printable(row.error.as_deref().unwrap_or_default().as_bytes(), SHOWN),
    );
    writeln!(out, "{}", text.trim_end())
}

fn describe(out: &mut dyn Write, listed: &Listed, cut: bool, now: Micros) -> io::Result<()> {
    let row = &listed.row;
    let mut field = |name: &str, value: &str| match value {
        "" => Ok(()),
        value => writeln!(out, "{name:<10} {value}"),
    };
    field("id", &row.kept.id.to_string())?;
    field("method", &row.kept.method)?;
    field("state", &listed.state)?;
    field(
        "received",
        &format!(
            "{} ({} ago)",
            clock(row.kept.received),
            short(now - row.kept.received)
        ),
    )?;
    if ["incoming", "deferred"].contains(&listed.state.as_str()) {
        field(
            "due",
            &if row.due > now {
                format!("{} (in {})", clock(row.due), short(row.due - now))
            } else {
                "now".into()
            },
        )?;
    }
    field("attempts", &row.attempts.to_string())?;
    field(
        "last error",
        &printable(row.error.as_deref().unwrap_or_default().as_bytes(), 1000),
    )?;
    field(
        "sender",
        &row.kept
            .uid
            .map(|uid| format!("uid {uid}"))
            .unwrap_or_default(),
    )?;
    let kept = row.kept.file.as_deref().unwrap_or_default();
    let cut = if cut { " (only its first 64 MiB)" } else { "" };
    field("kept file", &format!("{kept}{cut}"))?;
    let Some(n) = &listed.notification else {
        return field("damaged", "the notification cannot be decoded");
    };
    field("class", &printable(&n.class, 1000))?;
    field("event", &listed.event())?;
    field("priority", &printable(&n.priority, 1000))?;
    field("user", &printable(&listed.user(), 1000))?;
    field("mailbox", &printable(&n.mailbox, 1000))?;
    for option in &n.options {
        field("option", &printable(option, 1000))?;
    }
    field(
        "fname",
        &printable(n.fname.as_deref().unwrap_or_default(), 1000),
    )?;
    writeln!(out, "message")?;
    for text in String::from_utf8_lossy(&n.message).lines() {
        writeln!(out, "    {}", printable(text.as_bytes(), 10_000))?;
    }
    Ok(())
}

/// One delivery, without its text.
fn brief(listed: &Listed) -> Value {
    let row = &listed.row;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    json!({
        "id": row.kept.id.to_string(),
        "method": row.kept.method,
        "state": listed.state,
        "received": instant(row.kept.received),
        "due": instant(row.due),
        "attempts": row.attempts,
        "error": row.error,
        "class": listed.notification.as_ref().map(|n| text(&n.class)),
        "event": listed.event(),
        "user": text(&listed.user()),
    })
}

/// One delivery with all its fields; `cut` when its message is only the beginning of one.
fn whole(listed: &Listed, cut: bool) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut all = brief(listed);
    all["uid"] = json!(listed.row.kept.uid);
    all["file"] = json!(listed.row.kept.file);
    all["file_is_cut"] = json!(cut);
    if let Some(n) = &listed.notification {
        all["priority"] = json!(text(&n.priority));
        all["mailbox"] = json!(text(&n.mailbox));
        all["options"] = n.options.iter().map(|option| text(option)).collect();
        all["fname"] = json!(n.fname.as_deref().map(text));
        all["message"] = json!(text(&n.message));
    }
    all
}

/// RFC 3339 in UTC.
fn instant(time: Micros) -> String {
    Timestamp::from_microsecond(time)
        .map(|time| time.to_string())
        .unwrap_or_default()
}

/// Local time, to the second.
fn clock(time: Micros) -> String {
    let time = Timestamp::from_microsecond(time).map(|time| time.to_zoned(TimeZone::system()));
    time.map(|time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
        .unwrap_or_default()
}

/// A span of time in at most six characters: `5s`, `12m`, `3h20m`, `2d4h`.
pub(super) fn short(span: Micros) -> String {
    let seconds = span.max(0) / 1_000_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7199 => format!("{minutes}m"),
        7200..=86_399 => format!("{hours}h{:02}m", minutes % 60),
        _ if days < 100 => format!("{days}d{}h", hours % 24),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_fit_their_column() {
        let second = 1_000_000;
        for (seconds, text) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7199, "119m"),
            (7320, "2h02m"),
            (90_000, "1d1h"),
            (86_400 * 400, "400d"),
        ] {
            assert_eq!(short(seconds * second), text);
            assert!(short(seconds * second).len() <= 6);
        }
        assert_eq!(short(-5), "0s");
    }
}
