//! What templates say of how an appointment repeats.
//!
//! ```text
//!   RRULE:FREQ=WEEKLY;BYDAY=FR;COUNT=6   {"every":"week","interval":1,"weekdays":[5],"count":6, …}
//! ```
//!
//! Words and their order are each language's own: see `series.txt` of the templates.

use crate::mail::calendar::Moment;
use crate::mail::calendar::series::{Dates, End, Every, On, Rule, Series};
use serde_json::{Value, json};

/// How times are given to templates.
pub(super) type Parts = fn(&Moment) -> Value;

/// The values for the series of an appointment that begins at `start`, as it is shown. Where that is another day than the
/// one in the appointment's own zone, `moved`, the days of its rule are no longer those that people see.
pub(super) fn series(series: &Series, start: Option<&Moment>, moved: bool, parts: Parts) -> Value {
    let mut values = json!({
        // "day", "week", "month", "year"; "odd" for a rule that no sentence says; empty for none.
        "every": "",
        "interval": 1,
        // Of a week, 1 is Monday.
        "weekdays": [],
        // Of a month; -1 is the last one.
        "days": [],
        // Which one of a month, and the day of the week; 0 for none.
        "which": 0,
        "weekday": 0,
        // Of a year.
        "month": 0,
        "count": 0,
        "until": null,
        "also": dates(&series.also, start, parts),
        "also_more": series.also.more,
        "without": dates(&series.without, start, parts),
        "without_more": series.without.more,
    });
    match &series.rule {
        None => {}
        Some(Rule::Odd) => values["every"] = json!("odd"),
        Some(Rule::Plain { every, .. }) if moved && *every != Every::Day => {
            values["every"] = json!("odd");
        }
        Some(Rule::Plain {
            every,
            interval,
            end,
        }) => {
            values["interval"] = json!(interval);
            match every {
                Every::Day => values["every"] = json!("day"),
                Every::Week(days) => {
                    values["every"] = json!("week");
                    values["weekdays"] = json!(days);
                }
                Every::Month(on) => {
                    values["every"] = json!("month");
                    put_days(&mut values, on);
                }
                Every::Year(month, on) => {
                    values["every"] = json!("year");
                    values["month"] = json!(month);
                    put_days(&mut values, on);
                }
            }
            match end {
                End::Never => {}
                End::Count(count) => values["count"] = json!(count),
                End::Until(until) => values["until"] = parts(&beside(until, start)),
            }
        }
    }
    values
}

fn put_days(values: &mut Value, on: &On) {
    match on {
        On::Days(days) => values["days"] = json!(days),
        On::Weekday(which, day) => {
            values["which"] = json!(which);
            values["weekday"] = json!(day);
        }
    }
}

/// Dates as a list. `whole` says that the day is enough: it is at the usual time.
pub(super) fn dates(dates: &Dates, start: Option<&Moment>, parts: Parts) -> Value {
    let usual = |moment: &Moment| {
        let clock = |moment: &Moment| moment.clock().time();
        start.is_some_and(|start| clock(start) == clock(moment))
    };
    let all = dates.first.iter().map(|date| {
        let date = beside(date, start);
        let mut values = parts(&date);
        values["whole"] = json!(matches!(date, Moment::Date(_)) || usual(&date));
        values
    });
    all.collect()
}

/// In the zone of `start`, where the two can be compared.
fn beside(moment: &Moment, start: Option<&Moment>) -> Moment {
    let beside = start.and_then(|start| moment.beside(start));
    beside.unwrap_or_else(|| moment.clone())
}
