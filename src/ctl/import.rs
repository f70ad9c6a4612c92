//! `notifyctl import`: takes what can be read out of a spool file that was kept aside.

use super::arguments::Arguments;
use super::{Failure, Streams, UNAVAILABLE, place};
use crate::spool::queue::Queue;
use serde_json::json;
use std::path::Path;

/// Exit code: not all could be read.
const NOT_ALL: u8 = 1;

pub(super) fn run(mut arguments: Arguments, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let as_json = arguments.flag("--json");
    let settings = place::settings(&mut arguments)?;
    let files = arguments.rest()?;
    let [file] = files.as_slice() else {
        return Err(Failure::Usage("import: which file? Name one".into()));
    };
    let failed =
        |why: String| Failure::Fatal(format!("notifyctl: {why}").into_bytes(), UNAVAILABLE);
    let queue: Queue = place::queue(&settings)?
        .ok_or_else(|| failed("there is no spool yet: start notifyd first".into()))?;
    let salvaged = queue
        .import(Path::new(file))
        .map_err(|error| failed(format!("{file}: {error}")))?;
    let lost = salvaged.lost;
    match as_json {
        true => writeln!(
            streams.out,
            "{}",
            json!({ "imported": salvaged.taken, "known": salvaged.known, "unreadable_deliveries": lost.rows,
                    "unreadable_pages": lost.pages, "table": !lost.table })
        )?,
        false => writeln!(
            streams.out,
            "{} imported, {} were in the spool already",
            match salvaged.taken {
                1 => "1 delivery".to_owned(),
                count => format!("{count} deliveries"),
            },
            salvaged.known
        )?,
    }
    if lost.is_nothing() {
        return Ok(());
    }
    writeln!(streams.err, "notifyctl: {file}: {lost}")?;
    Err(Failure::Quiet(NOT_ALL))
}
