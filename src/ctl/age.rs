//! `notifyctl age`: how old what is owed is, by method, as qshape(1) shows it for Postfix' queue.

use super::arguments::Arguments;
use super::select::Filter;
use super::{Failure, Streams, place, write_json};
use crate::spool;
use serde_json::json;
use std::collections::BTreeMap;

/// Upper ends of the columns, in minutes; one more column follows for what is older.
const MINUTES: [i64; 9] = [5, 10, 20, 40, 80, 160, 320, 640, 1280];
const COLUMNS: usize = MINUTES.len() + 1;

pub(super) fn run(mut arguments: Arguments, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let now = spool::now();
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
        write_json(streams.out, &json!({ "minutes": MINUTES, "methods": rows }))?;
        return Ok(());
    }
    streams.out.write_all(shown(&total, &table).as_bytes())?;
    Ok(())
}

/// The table, with columns as wide as what stands in them, and a blank between at least.
fn shown(total: &[u64; COLUMNS], table: &BTreeMap<String, [u64; COLUMNS]>) -> String {
    let mut head = vec![String::new(), "T".to_owned()];
    head.extend(MINUTES.iter().map(i64::to_string));
    head.push(format!("{}+", MINUTES[COLUMNS - 2]));
    let mut rows = vec![head];
    let methods = table.iter().map(|(name, counts)| (name.as_str(), counts));
    for (name, counts) in [("TOTAL", total)].into_iter().chain(methods) {
        let mut row = vec![name.to_owned(), counts.iter().sum::<u64>().to_string()];
        row.extend(counts.iter().map(u64::to_string));
        rows.push(row);
    }
    let least = [10, 7].into_iter().chain([5; COLUMNS]);
    let widths: Vec<usize> = least
        .enumerate()
        .map(|(column, least)| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(String::len).max().unwrap_or(0).max(least)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, &width)| format!("{cell:>width$}"))
            .collect();
        cells.join(" ") + "\n"
    };
    rows.iter().map(line).collect()
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
    fn columns_never_run_together() {
        let mut counts = [0; COLUMNS];
        (counts[0], counts[1], counts[9]) = (1_000_000, 100, u64::MAX / 2);
        let text = shown(&counts, &BTreeMap::from([("mailto".to_owned(), counts)]));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(
            lines.iter().all(|line| line.len() == lines[0].len()),
            "{text}"
        );
        let cells: Vec<&str> = lines[2].split_whitespace().collect();
        let sum = counts.iter().sum::<u64>().to_string();
        assert_eq!(cells[..4], ["mailto", &sum, "1000000", "100"]);
        assert_eq!(cells.len(), 2 + COLUMNS);
    }

    #[test]
    fn ages_fall_into_their_columns() {
        let minute = 60_000_000;
        assert_eq!(column(-1), 0);
        assert_eq!(column(5 * minute - 1), 0);
        assert_eq!(column(5 * minute), 1);
        assert_eq!(column(1280 * minute), COLUMNS - 1);
    }
}
