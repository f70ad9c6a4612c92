//! `notifyctl age`: how old what is owed is, by method, as qshape(1) shows it for Postfix' queue.

use super::arguments::Arguments;
use super::select::Filter;
use super::{Failure, Streams, place};
use crate::spool;
use serde_json::json;
use std::collections::BTreeMap;
use std::ffi::OsString;

/// Upper ends of the columns, in minutes; one more column follows for what is older.
const MINUTES: [i64; 9] = [5, 10, 20, 40, 80, 160, 320, 640, 1280];
const COLUMNS: usize = MINUTES.len() + 1;

pub(super) fn run(args: &[OsString], streams: &mut Streams<'_>) -> Result<(), Failure> {
    let now = spool::now();
    let mut arguments = Arguments::new(args)?;
    let as_json = arguments.flag("--json");
    let settings = place::settings(&mut arguments)?;
    let mut filter = Filter::take(&mut arguments, now)?;
    filter.default_states(&["incoming", "active", "deferred", "hold"]);
    let mut table: BTreeMap<String, [u64; COLUMNS]> = BTreeMap::new();
    if let Some(queue) = place::queue(&settings)? {
        filter.each(&queue, |listed| {
            let column = column(now - listed.row.kept.received);
            table.entry(listed.row.kept.method).or_default()[column] += 1;
            Ok(())
        })?;
    }
    let mut total = [0; COLUMNS];
    for counts in table.values() {
        for (sum, count) in total.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    if as_json {
        let rows: BTreeMap<&str, &[u64]> = table
            .iter()
            .map(|(method, counts)| (method.as_str(), counts.as_slice()))
            .collect();
        writeln!(
            streams.out,
            "{}",
            json!({ "minutes": MINUTES, "methods": rows })
        )?;
        return Ok(());
    }
    let mut head: Vec<String> = MINUTES.iter().map(i64::to_string).collect();
    head.push(format!("{}+", MINUTES[COLUMNS - 2]));
    writeln!(
        streams.out,
        "{:>10} {:>7} {}",
        "",
        "T",
        head.iter()
            .map(|text| format!("{text:>6}"))
            .collect::<String>()
    )?;
    for (name, counts) in [("TOTAL", &total)]
        .into_iter()
        .chain(table.iter().map(|(name, counts)| (name.as_str(), counts)))
    {
        let cells: String = counts.iter().map(|count| format!("{count:>6}")).collect();
        writeln!(
            streams.out,
            "{name:>10} {:>7} {cells}",
            counts.iter().sum::<u64>()
        )?;
    }
    Ok(())
}

fn column(age: spool::Micros) -> usize {
    let minutes = age / 60_000_000;
    MINUTES
        .iter()
        .position(|&end| minutes < end)
        .unwrap_or(MINUTES.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_fall_into_their_columns() {
        let minute = 60_000_000;
        assert_eq!(column(-1), 0);
        assert_eq!(column(5 * minute - 1), 0);
        assert_eq!(column(5 * minute), 1);
        assert_eq!(column(1280 * minute), COLUMNS - 1);
    }
}
