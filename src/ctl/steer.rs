//! `notifyctl retry`, `hold`, `release`, `delete` and `flush`: what shall become of deliveries.
//!
//! Each needs ids, a filter, or `--all`, so that nobody deletes everything by a slip; `--dry-run`
//! says how many it would be.

use super::arguments::Arguments;
use super::select::Filter;
use super::{Failure, Streams, UNAVAILABLE, place};
use crate::spool;
use crate::spool::queue::Change;
use std::ffi::OsString;

pub(super) fn retry(args: &[OsString], streams: &mut Streams<'_>) -> Result<(), Failure> {
    change(
        args,
        streams,
        Change::Retry,
        &["incoming", "deferred", "failed"],
        "due now",
    )
}

pub(super) fn hold(args: &[OsString], streams: &mut Streams<'_>) -> Result<(), Failure> {
    change(
        args,
        streams,
        Change::Hold,
        &["incoming", "active", "deferred"],
        "put on hold",
    )
}

pub(super) fn release(args: &[OsString], streams: &mut Streams<'_>) -> Result<(), Failure> {
    change(args, streams, Change::Release, &["hold"], "released")
}

pub(super) fn delete(args: &[OsString], streams: &mut Streams<'_>) -> Result<(), Failure> {
    change(args, streams, Change::Delete, &[], "deleted")
}

/// `retry --all`, but for what has failed.
pub(super) fn flush(args: &[OsString], streams: &mut Streams<'_>) -> Result<(), Failure> {
    let args = [args, &["--all".into(), "--state".into(), "deferred".into()]].concat();
    change(&args, streams, Change::Retry, &[], "due now")
}

fn change(
    args: &[OsString],
    streams: &mut Streams<'_>,
    change: Change,
    states: &[&str],
    done: &str,
) -> Result<(), Failure> {
    let now = spool::now();
    let mut arguments = Arguments::new(args)?;
    let (dry_run, all) = (arguments.flag("--dry-run"), arguments.flag("--all"));
    let settings = place::settings(&mut arguments)?;
    let mut filter = Filter::take(&mut arguments, now)?;
    if filter.is_empty() && !all {
        return Err(Failure::Usage(
            "which deliveries? Name ids, a filter such as --method, or --all".into(),
        ));
    }
    filter.default_states(states);
    let mut ids = Vec::new();
    let mut count = 0;
    if let Some(queue) = place::queue(&settings)? {
        filter.each(&queue, |listed| {
            ids.push(listed.row.kept.id);
            Ok(())
        })?;
        count = match dry_run {
            true => ids.len(),
            false => queue.change(&ids, change, now).map_err(|error| {
                Failure::Fatal(format!("notifyctl: {error}").into_bytes(), UNAVAILABLE)
            })?,
        };
    }
    let noun = if count == 1 { "delivery" } else { "deliveries" };
    let would = if dry_run { "would be " } else { "" };
    writeln!(streams.out, "{count} {noun} {would}{done}")?;
    Ok(())
}
