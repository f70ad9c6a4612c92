//! `notifyctl retry`, `hold`, `release`, `delete` and `flush`: what shall become of deliveries.
//!
//! Each needs ids, a filter, or `--all`, so that nobody deletes everything by a slip; `--dry-run`
//! says how many it would be.

use super::arguments::Arguments;
use super::select::Filter;
use super::{Failure, Streams, place};
use crate::config::Settings;
use crate::spool;
use crate::spool::queue::Change;

pub(super) fn retry(arguments: Arguments, streams: &mut Streams<'_>) -> Result<(), Failure> {
    change_chosen(arguments, streams, RETRY)
}

pub(super) fn hold(arguments: Arguments, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let hold = Act {
        change: Change::Hold,
        states: &["incoming", "active", "deferred"],
        done: "put on hold",
    };
    change_chosen(arguments, streams, hold)
}

pub(super) fn release(arguments: Arguments, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let release = Act {
        change: Change::Release,
        states: &["hold"],
        done: "released",
    };
    change_chosen(arguments, streams, release)
}

pub(super) fn delete(arguments: Arguments, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let delete = Act {
        change: Change::Delete,
        states: &[],
        done: "deleted",
    };
    change_chosen(arguments, streams, delete)
}

/// `retry --all`, but for what has failed.
pub(super) fn flush(mut arguments: Arguments, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let dry_run = arguments.flag("--dry-run");
    let file = arguments.file();
    if let Some(what) = arguments.rest()?.first() {
        return Err(Failure::Usage(format!(
            "flush: what is '{what}'? It takes no deliveries; notifyctl retry does"
        )));
    }
    let settings = place::settings_of(file.as_deref())?;
    let flush = Act {
        states: &["deferred"],
        ..RETRY
    };
    change(&settings, Filter::default(), dry_run, streams, flush)
}

/// What a command does.
struct Act {
    change: Change,
    /// The states that are meant when the operator names none; empty for all.
    states: &'static [&'static str],
    /// What was done, for the eye.
    done: &'static str,
}

const RETRY: Act = Act {
    change: Change::Retry,
    states: &["incoming", "deferred", "failed"],
    done: "due now",
};

fn change_chosen(
    mut arguments: Arguments,
    streams: &mut Streams<'_>,
    act: Act,
) -> Result<(), Failure> {
    let (dry_run, all) = (arguments.flag("--dry-run"), arguments.flag("--all"));
    let file = arguments.file();
    let filter = Filter::take(&mut arguments, spool::now())?;
    if filter.is_empty() && !all {
        return Err(Failure::Usage(
            "which deliveries? Name ids, a filter such as --method, or --all".into(),
        ));
    }
    let settings = place::settings_of(file.as_deref())?;
    change(&settings, filter, dry_run, streams, act)
}

fn change(
    settings: &Settings,
    mut filter: Filter,
    dry_run: bool,
    streams: &mut Streams<'_>,
    act: Act,
) -> Result<(), Failure> {
    filter.default_states(act.states);
    let mut ids = Vec::new();
    let mut count = 0;
    if let Some(queue) = place::queue(settings)? {
        filter.each(&queue, |listed| {
            ids.push(listed.row.kept.id);
            Ok(())
        })?;
        count = match dry_run {
            true => queue.would_change(&ids, act.change),
            false => queue.change(&ids, act.change, spool::now()),
        }
        .map_err(place::failed)?;
    }
    let noun = if count == 1 { "delivery" } else { "deliveries" };
    let would = if dry_run { "would be " } else { "" };
    writeln!(streams.out, "{count} {noun} {would}{}", act.done)?;
    Ok(())
}
