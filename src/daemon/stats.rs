//! The daemon's counts in a file, for `notifyctl stats`: read while the daemon runs, and still there when it does not.
//!
//! A thread writes `stats.json` in the spool's folder each second in which a count has changed, and once more at the
//! end. The file is replaced as a whole, so a reader never sees half of it. A disk that refuses costs the file, no more.

use super::monitor::Monitor;
use crate::method::METHODS;
use crate::spool::files::STATS;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Weak;
use std::time::{Duration, Instant};

/// Longest time between a change and its being in the file.
const EVERY: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Writes the counts while the monitor is alive: to be run on a thread of its own.
pub(super) fn keep(monitor: &Weak<Monitor>) {
    let mut written = Value::Null;
    let mut minute = Instant::now();
    loop {
        let Some(monitor) = monitor.upgrade() else {
            return;
        };
        if minute.elapsed() >= MINUTE {
            monitor.minute();
            minute = Instant::now();
        }
        let counts = counts(&monitor);
        monitor.watchers.look_after(monitor.folder());
        if counts != written || !monitor.folder().join(STATS).exists() {
            match write(&monitor, &counts, false) {
                Ok(()) => written = counts,
                Err(error) => log::debug!("{STATS}: {error}"),
            }
        }
        drop(monitor);
        std::thread::sleep(EVERY);
    }
}

/// Writes the last counts, before the process ends.
pub(super) fn finish(monitor: &Monitor) {
    if let Err(error) = write(monitor, &counts(monitor), true) {
        log::debug!("{STATS}: {error}");
    }
}

fn counts(monitor: &Monitor) -> Value {
    let m = &monitor.metrics;
    let time = Timestamp::from_microsecond(monitor.started()).unwrap_or_default();
    let methods: Map<String, Value> = METHODS
        .iter()
        .enumerate()
        .map(|(place, kind)| {
            let of = m.of(place);
            let counts = json!({
                "routed": of.routed.get(),
                "attempts": of.attempts.get(),
                "delivered": of.delivered.get(),
                "discarded": of.discarded.get(),
                "deferred": of.deferred.get(),
                "failed": of.failed.get(),
                "expired": of.expired.get(),
                "held": of.held.get(),
            });
            (kind.name.to_owned(), counts)
        })
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "started": time.to_string(),
        "received": m.received.get(),
        "malformed": m.malformed.get(),
        "truncated": m.truncated.get(),
        "refused": m.refused.get(),
        "unknown_method": m.unknown_method.get(),
        "spooled": m.to_disk.get(),
        "to_memory": m.to_memory.get(),
        "dropped": monitor.dropped_rows(),
        "stuck": monitor.stuck_in_all(),
        "longest_unread": m.unread.ever().as_secs_f64(),
        "longest_uncommitted": m.uncommitted.ever().as_secs_f64(),
        "lost_log_lines": monitor.lost_lines(),
        "methods": methods,
    })
}

/// Replaces the file, unless its last form was written: whoever comes later has older counts. One writer at a time, as
/// both would write to the same new file.
fn write(monitor: &Monitor, counts: &Value, is_last: bool) -> io::Result<()> {
    let mut finished = monitor.stats_finished();
    if *finished {
        return Ok(());
    }
    *finished = is_last;
    let folder = monitor.folder();
    let new = folder.join(format!("{STATS}.new"));
    let mut file: File = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(&new)?;
    file.write_all(format!("{counts}\n").as_bytes())?; // in one piece: this is in the way of a hand-over
    fs::rename(new, folder.join(STATS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Spool;
    use std::sync::Arc;

    #[test]
    fn nothing_is_written_after_the_last_counts() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Arc::new(Spool::open(&dir.path().join("s")).unwrap());
        let monitor = Monitor::for_tests(spool);
        let read = || fs::read_to_string(monitor.folder().join(STATS)).unwrap();
        write(&monitor, &json!("first"), false).unwrap();
        assert_eq!(read(), "\"first\"\n");
        finish(&monitor);
        let last = read();
        assert!(last.contains("\"received\""));
        write(&monitor, &json!("old"), false).unwrap();
        assert_eq!(read(), last);
    }
}
