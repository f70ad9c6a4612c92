//! What templates say of how an appointment repeats.
//!
//! ```text
//!   RRULE:FREQ=WEEKLY;BYDAY=FR;COUNT=6   {"every":"week","interval":1,"weekdays":[5],"count":6, …}
//! ```
//!
//! Words and their order are each language's own: see `series.txt` of the templates.

use super::when::parts;
use crate::mail::calendar::Moment;
use crate::mail::calendar::series::{Dates, End, Every, On, Rule, Series};
use serde_json::{Value, json};

/// The values for the series of an appointment that begins at `start`.
pub(super) fn series(series: &Series, start: Option<&Moment>) -> Value {
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
        "also": dates(&series.also, start),
        "also_more": series.also.more,
        "without": dates(&series.without, start),
        "without_more": series.without.more,
    });
    match &series.rule {
        None => {}
        Some(Rule::Odd) => values["every"] = json!("odd"),
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
pub(super) fn dates(dates: &Dates, start: Option<&Moment>) -> Value {
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

fn beside(moment: &Moment, start: Option<&Moment>) -> Moment {
    match start {
        Some(start) => moment.clone().beside(start),
        None => moment.clone(),
    }
}
