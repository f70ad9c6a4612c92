//! How an appointment repeats (RFC 5545 sections 3.3.10 and 3.8.5), as far as people say it in one sentence.
//!
//! Words are the templates' business: here a rule becomes the few things that a sentence needs. A rule that no such
//! sentence says is [`Rule::Odd`].

use super::Moment;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Dates of a list that are kept; the others are counted.
pub const DATES: usize = 10;
/// Dates of an appointment that are read at most.
const READ: usize = 1000;
/// The longest rule that is read, in bytes.
const LONGEST: usize = 500;

/// How an appointment repeats.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// RRULE; none where all dates are in a list.
    pub rule: Option<Rule>,
    /// RDATE: when it is besides.
    pub also: Dates,
    /// EXDATE: when it is not.
    pub without: Dates,
}

/// A list of dates, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dates {
    /// The first ones.
    pub first: Vec<Moment>,
    /// How many there are besides.
    pub more: usize,
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// One that can be said.
    Plain {
        /// When it is within each period.
        every: Every,
        /// Each how manieth period.
        interval: u32,
        /// When it ends.
        end: End,
    },
    /// Any other.
    Odd,
}

/// The period of a rule, and when it is in that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Every {
    /// Every day.
    Day,
    /// On these days of the week: 1 is Monday.
    Week(Vec<i8>),
    /// On these days of a month.
    Month(On),
    /// On these days of this month.
    Year(i8, On),
}

/// Days of a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// These; -1 is the last one.
    Days(Vec<i8>),
    /// A day of the week: which one (-1 is the last), and the day (1 is Monday).
    Weekday(i8, i8),
}

/// When a rule ends.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// Never.
    Never,
    /// After so many times.
    Count(u32),
    /// With this time, or before it.
    Until(Moment),
}

/// The lines of an appointment that say how it repeats, before its time zones are known.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    rules: Vec<String>,
    /// TZID and value of each line.
    also: Vec<(String, String)>,
    without: Vec<(String, String)>,
}

impl Lines {
    /// Takes the line of that name, with its TZID and its value, when it is one of these.
    pub(super) fn take(&mut self, name: &str, zone: &str, value: &str) -> bool {
        let dates = || (zone.to_owned(), value.to_owned());
        match name {
            "RRULE" if self.rules.len() < 2 => self.rules.push(value.trim().to_ascii_uppercase()),
            "RRULE" => {}
            // RFC 5545 has it no more; nobody says such a rule in a sentence.
            "EXRULE" if self.rules.len() < 2 => self.rules.extend([String::new(), String::new()]),
            "EXRULE" => {}
            "RDATE" => self.also.push(dates()),
            "EXDATE" => self.without.push(dates()),
            _ => return false,
        }
        true
    }

    /// What they say of an appointment that begins at `start`; none when it does not repeat. `moment` reads a time in
    /// the zone of that name.
    pub(super) fn series(
        &self,
        start: Option<&Moment>,
        moment: impl Fn(&str, &str) -> Option<Moment>,
    ) -> Option<Series> {
        let rule = match self.rules.as_slice() {
            [] => None,
            [one] => Some(
                start
                    .and_then(|start| rule(one, start))
                    .unwrap_or(Rule::Odd),
            ),
            _ => Some(Rule::Odd),
        };
        let begins = |date: &Moment| start.is_some_and(|start| is_same(date, start));
        let also = Dates::read(&self.also, &moment, |date| !begins(date));
        if rule.is_none() && also.is_empty() {
            return None;
        }
        Some(Series {
            rule,
            also,
            without: Dates::read(&self.without, &moment, |_| true),
        })
    }
}

/// Whether both are the same moment, or show the same where they cannot be compared.
fn is_same(one: &Moment, other: &Moment) -> bool {
    match (one.timestamp(), other.timestamp()) {
        (Some(one), Some(other)) => one == other,
        _ => one.clock() == other.clock(),
    }
}

impl Dates {
    /// Reads the dates of lines: TZID and value.
    pub(super) fn read(
        lines: &[(String, String)],
        moment: &impl Fn(&str, &str) -> Option<Moment>,
        counts: impl Fn(&Moment) -> bool,
    ) -> Dates {
        let dates = lines
            .iter()
            .flat_map(|(zone, value)| value.split(',').map(move |date| (zone, date)));
        // Of a period (RFC 5545 section 3.3.9) the beginning.
        let begin = |date: &str| date.split('/').next().unwrap_or_default().to_owned();
        let unread = dates.clone().skip(READ).count();
        let read = dates.take(READ);
        let mut all: Vec<Moment> = read
            .filter_map(|(zone, date)| moment(zone, &begin(date)))
            .filter(counts)
            .collect();
        all.sort_by_key(Moment::clock);
        all.dedup_by(|one, other| is_same(one, other));
        let more = all.len().saturating_sub(DATES) + unread;
        all.truncate(DATES);
        Dates { first: all, more }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }
}

/// The parts of a rule (RFC 5545 section 3.3.10).
#[derive(Default)]
struct Parts<'a> {
    frequency: &'a str,
    interval: Option<u32>,
    count: Option<u32>,
    until: Option<&'a str>,
    weekdays: Vec<(i8, i8)>,
    days: Vec<i8>,
    months: Vec<i8>,
    positions: Vec<i8>,
}

/// The rule, or none when it is odd.
fn rule(text: &str, start: &Moment) -> Option<Rule> {
    let parts = parts(text, start)?;
    let interval = parts.interval.unwrap_or(1);
    let end = match (parts.count, parts.until) {
        (None, None) => End::Never,
        (Some(count), None) => End::Count(count),
        (None, Some(until)) => End::Until(until_when(until, start)?),
        (Some(_), Some(_)) => return None,
    };
    let every = every(&parts, interval, start.date())?;
    Some(Rule::Plain {
        every,
        interval,
        end,
    })
}

fn until_when(text: &str, start: &Moment) -> Option<Moment> {
    let zone: Option<&TimeZone> = match start {
        Moment::Zoned(start) => Some(start.time_zone()),
        _ => None,
    };
    Moment::read(text, zone)
}

fn parts<'a>(text: &'a str, start: &Moment) -> Option<Parts<'a>> {
    if text.len() > LONGEST {
        return None;
    }
    let clock = start.clock();
    let mut parts = Parts::default();
    for part in text.split(';').filter(|part| !part.trim().is_empty()) {
        let (name, value) = part.split_once('=')?;
        let value = value.trim();
        let number = || value.parse::<u32>().ok().filter(|n| *n > 0);
        // What says the time of the start once more says nothing.
        let says_again = |of_start: i8| value.parse() == Ok(of_start);
        match name.trim() {
            "FREQ" => parts.frequency = value,
            "INTERVAL" => parts.interval = Some(number()?),
            "COUNT" => parts.count = Some(number()?),
            "UNTIL" => parts.until = Some(value),
            "BYDAY" => parts.weekdays = list(value, weekday)?,
            "BYMONTHDAY" => parts.days = list(value, |day| in_range(day, 31))?,
            "BYMONTH" => {
                parts.months = list(value, |month| in_range(month, 12).filter(|m| *m > 0))?
            }
            "BYSETPOS" => parts.positions = list(value, |place| in_range(place, 31))?,
            "BYHOUR" if says_again(clock.hour()) => {}
            "BYMINUTE" if says_again(clock.minute()) => {}
            "BYSECOND" if says_again(clock.second()) => {}
            // When the week begins matters for the dates, and not for the words.
            "WKST" => {}
            "RSCALE" if value == "GREGORIAN" => {}
            _ => return None,
        }
    }
    Some(parts)
}

fn list<T>(text: &str, one: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(',').map(|item| one(item.trim())).collect()
}

/// A number from 1 to `most`, or from the end.
fn in_range(text: &str, most: i8) -> Option<i8> {
    let number: i8 = text.parse().ok()?;
    (number != 0 && (-most..=most).contains(&number)).then_some(number)
}

/// `MO`, `2TU`, `-1FR`: which one, 0 for each, and the day.
fn weekday(text: &str) -> Option<(i8, i8)> {
    const NAMES: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
    let (which, name) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let day = (1..).zip(NAMES).find(|(_, known)| *known == name)?.0;
    let which = match which {
        "" => 0,
        which => in_range(which.trim_start_matches('+'), 53)?,
    };
    Some((which, day))
}

fn every(parts: &Parts<'_>, interval: u32, start: Date) -> Option<Every> {
    let Parts {
        weekdays,
        days,
        months,
        positions,
        ..
    } = parts;
    let of_week = start.weekday().to_monday_one_offset();
    let each: Option<Vec<i8>> = weekdays
        .iter()
        .map(|(which, day)| (*which == 0).then_some(*day))
        .collect();
    let plain = days.is_empty() && months.is_empty() && positions.is_empty();
    match parts.frequency {
        "DAILY" if plain && weekdays.is_empty() => Some(Every::Day),
        "DAILY" if plain && interval == 1 => Some(week(each?, 1)),
        "WEEKLY" if plain && weekdays.is_empty() => Some(Every::Week(vec![of_week])),
        "WEEKLY" if plain => Some(week(each?, interval)),
        "MONTHLY" if months.is_empty() => match (weekdays.as_slice(), each.as_deref()) {
            // Every Tuesday of a month is every Tuesday.
            ([_, ..], Some(each)) if plain && interval == 1 => Some(week(each.to_vec(), 1)),
            _ => Some(Every::Month(on(parts, start.day())?)),
        },
        "YEARLY" => {
            let month = match months.as_slice() {
                [month] => *month,
                // Without a month these are days of each month, or weeks of the year.
                [] if weekdays.is_empty() && days.is_empty() => start.month(),
                _ => return None,
            };
            Some(Every::Year(month, on(parts, start.day())?))
        }
        _ => None,
    }
}

fn week(mut days: Vec<i8>, interval: u32) -> Every {
    days.sort_unstable();
    days.dedup();
    match (days.len(), interval) {
        (7, 1) => Every::Day,
        _ => Every::Week(days),
    }
}

fn on(parts: &Parts<'_>, start: i8) -> Option<On> {
    // There are words for these.
    let sayable = |which: i8| matches!(which, 1..=5 | -1);
    match (
        parts.weekdays.as_slice(),
        parts.days.as_slice(),
        parts.positions.as_slice(),
    ) {
        ([], [], []) => Some(On::Days(vec![start])),
        ([], days, []) if days.iter().all(|day| *day >= -1) => {
            let mut days = days.to_vec();
            // The last one stands last.
            days.sort_unstable_by_key(|day| if *day < 0 { i8::MAX } else { *day });
            days.dedup();
            Some(On::Days(days))
        }
        ([(0, day)], [], [which]) | ([(which, day)], [], []) if sayable(*which) => {
            Some(On::Weekday(*which, *day))
        }
        // The first or last of all days (Outlook).
        (all, [], [which]) if sayable(*which) && is_week(all) => Some(On::Days(vec![*which])),
        _ => None,
    }
}

fn is_week(days: &[(i8, i8)]) -> bool {
    let mut found = [false; 8];
    for (which, day) in days {
        found[usize::try_from(*day).unwrap_or(0)] |= *which == 0;
    }
    days.len() == 7 && found[1..].iter().all(|found| *found)
}

#[cfg(test)]
mod tests;
