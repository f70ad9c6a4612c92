//! The time zones that an object defines itself (VTIMEZONE, RFC 5545 section 3.6.5), for names that nobody else knows.
//!
//! A mail speaks of one or two times, so that only the year around a time is made of a definition: its change to
//! summer time and back, as a time zone of POSIX, or an offset where the clocks are not changed in that year.

use super::zone::{is_iana, offset_at, zone};
use super::{Moment, read::Line};
use jiff::civil::{Date, DateTime, Weekday, date};
use jiff::tz::{Offset, TimeZone};
use std::cell::RefCell;

/// Definitions that are read at most, and names that are looked up.
const ZONES: usize = 50;
/// Parts of a definition that are read at most, and dates of all its parts. A calendar may have a thousand dates, and each
/// of them is looked up here.
const OBSERVANCES: usize = 100;
const DATES: usize = 400;

/// The time zones of an object.
#[derive(Debug, Default)]
pub(super) struct Zones {
    definitions: Vec<Definition>,
    /// What was found of names until now.
    names: RefCell<Vec<Named>>,
}

/// A name, and what it means everywhere.
#[derive(Clone, Debug)]
struct Named {
    name: String,
    zone: Option<TimeZone>,
    /// Whether it is one of the IANA database.
    iana: bool,
}

#[derive(Debug, Default)]
struct Definition {
    name: String,
    /// How many dates its parts have.
    dates: usize,
    /// X-LIC-LOCATION: the name of the zone in the IANA database.
    location: String,
    observances: Vec<Observance>,
}

/// STANDARD or DAYLIGHT: from when on which offset holds.
#[derive(Debug, Default)]
struct Observance {
    daylight: bool,
    start: Option<DateTime>,
    /// Seconds east of UTC, before and after.
    from: Option<i32>,
    to: Option<i32>,
    /// TZNAME.
    name: String,
    rule: Option<Rule>,
    dates: Vec<DateTime>,
}

/// A day of each year.
#[derive(Debug)]
struct Rule {
    month: i8,
    day: Day,
    /// The day of the last time, or the one after it: UNTIL is in UTC.
    until: Option<Date>,
    /// How many times at most.
    count: Option<i16>,
}

#[derive(Debug)]
enum Day {
    /// Such as the last Sunday: -1.
    Nth(i8, Weekday),
    /// The first such weekday among these days, or the first of these days.
    Among(Vec<i8>, Option<Weekday>),
}

/// When an observance begins.
struct Onset<'a> {
    clock: DateTime,
    observance: &'a Observance,
}

impl Zones {
    /// A definition begins.
    pub(super) fn begin(&mut self) {
        if self.definitions.len() < ZONES {
            self.definitions.push(Definition::default());
        }
    }

    /// A part of the last definition begins.
    pub(super) fn begin_observance(&mut self, kind: &str) {
        if let Some(zone) = self.definitions.last_mut()
            && zone.observances.len() < OBSERVANCES
        {
            zone.observances.push(Observance {
                daylight: kind == "DAYLIGHT",
                ..Observance::default()
            });
        }
    }

    /// A line of the last definition itself.
    pub(super) fn take(&mut self, line: &Line) {
        let Some(zone) = self.definitions.last_mut() else {
            return;
        };
        match line.name.as_str() {
            "TZID" => zone.name = line.value.trim().to_owned(),
            "X-LIC-LOCATION" => zone.location = line.value.trim().to_owned(),
            _ => {}
        }
    }

    /// A line of the last part of the last definition.
    pub(super) fn take_observance(&mut self, line: &Line) {
        let Some(zone) = self.definitions.last_mut() else {
            return;
        };
        let Some(observance) = zone.observances.last_mut() else {
            return;
        };
        let value = line.value.trim();
        match line.name.as_str() {
            "DTSTART" => observance.start = clock(value),
            "TZOFFSETFROM" => observance.from = seconds(value),
            "TZOFFSETTO" => observance.to = seconds(value),
            "TZNAME" => observance.name = value.to_owned(),
            "RRULE" => observance.rule = rule(value, observance.start),
            "RDATE" => {
                let room = DATES.saturating_sub(zone.dates);
                let before = observance.dates.len();
                let dates = value.split(',').filter_map(clock);
                observance.dates.extend(dates.take(room));
                zone.dates += observance.dates.len() - before;
            }
            _ => {}
        }
    }

    /// Reads a time of the object; `name` is its TZID, or empty.
    pub(super) fn moment(&self, text: &str, name: &str) -> Option<Moment> {
        let read = Moment::read(text, None)?;
        let zone = self.find(name, read.clock());
        match (read, zone) {
            (Moment::Local(_), None) if !name.is_empty() => {
                Some(Moment::read(text, None)?.in_unknown(name))
            }
            (_, zone) => Moment::read(text, zone.as_ref()),
        }
    }

    /// The zone `name` around a time. A name of the IANA database says what it says everywhere; any other one says what
    /// its definition says, and is known by a better name where both agree.
    fn find(&self, name: &str, near: DateTime) -> Option<TimeZone> {
        if name.is_empty() {
            return None;
        }
        let named = self.named(name);
        if named.iana {
            return named.zone;
        }
        let definition = self.definitions.iter().find(|zone| zone.name == name);
        let Some(definition) = definition else {
            return named.zone;
        };
        let location = || self.named(&definition.location).zone;
        let Some(defined) = definition.zone(near) else {
            return named.zone.or_else(location);
        };
        let offset = offset_at(&defined, near);
        let agrees = |zone: &TimeZone| offset_at(zone, near) == offset;
        let better = named.zone.filter(agrees);
        better
            .or_else(|| location().filter(agrees))
            .or(Some(defined))
    }

    /// What `name` means everywhere: nothing, when too many others were looked up before.
    fn named(&self, name: &str) -> Named {
        let mut names = self.names.borrow_mut();
        if let Some(known) = names.iter().find(|known| known.name == name) {
            return known.clone();
        }
        let look = names.len() < ZONES;
        let named = Named {
            name: name.to_owned(),
            zone: if look { zone(name) } else { None },
            iana: look && is_iana(name),
        };
        if look {
            names.push(named.clone());
        }
        named
    }
}

impl Definition {
    fn zone(&self, near: DateTime) -> Option<TimeZone> {
        let years = near.year().saturating_sub(1)..=near.year().saturating_add(1);
        let each = self.observances.iter();
        let mut onsets: Vec<Onset<'_>> = each
            .flat_map(|observance| observance.onsets(years.clone()))
            .collect();
        onsets.sort_by_key(|onset| onset.clock);
        let here: Vec<&Onset<'_>> = onsets
            .iter()
            .filter(|onset| onset.clock.year() == near.year())
            .collect();
        if let [first, second] = here.as_slice()
            && let Some(zone) = posix(first, second)
        {
            return Some(zone);
        }
        let before = onsets.iter().rfind(|onset| onset.clock <= near);
        let offset = match before {
            Some(onset) => onset.observance.to,
            None => onsets.first().and_then(|onset| onset.observance.from),
        };
        // A definition that ended long ago has one offset since.
        let last = || {
            let started = self.observances.iter().filter(|o| o.start.is_some());
            started.max_by_key(|o| o.start).and_then(|o| o.to)
        };
        let offset = Offset::from_seconds(offset.or_else(last)?).ok()?;
        Some(TimeZone::fixed(offset))
    }
}

impl Observance {
    /// When it begins in these years, and the first time if that was before.
    fn onsets(&self, years: std::ops::RangeInclusive<i16>) -> Vec<Onset<'_>> {
        let Some(start) = self.start else {
            return Vec::new();
        };
        let by_rule = self.rule.iter().flat_map(|rule| {
            years
                .clone()
                .filter_map(|year| Some(rule.day(year)?.to_datetime(start.time())))
                .filter(|clock| rule.until.is_none_or(|until| clock.date() <= until))
                .filter(|clock| {
                    let passed = clock.year().saturating_sub(start.year());
                    rule.count.is_none_or(|count| passed < count)
                })
        });
        let once = (self.rule.is_none()).then_some(start).into_iter();
        let dates = self.dates.iter().copied();
        let clocks = by_rule.chain(once).chain(dates);
        clocks
            .filter(|clock| *clock >= start)
            .map(|clock| Onset {
                clock,
                observance: self,
            })
            .collect()
    }
}

impl Rule {
    fn day(&self, year: i16) -> Option<Date> {
        let first = Date::new(year, self.month, 1).ok()?;
        match &self.day {
            Day::Nth(n, weekday) => first.nth_weekday_of_month(*n, *weekday).ok(),
            Day::Among(days, weekday) => {
                let days = days.iter();
                let mut dates = days.filter_map(|day| Date::new(year, self.month, *day).ok());
                dates.find(|date| weekday.is_none_or(|weekday| date.weekday() == weekday))
            }
        }
    }
}

/// The zone in which clocks change at these two times of a year.
fn posix(first: &Onset<'_>, second: &Onset<'_>) -> Option<TimeZone> {
    let (a, b) = (first.observance, second.observance);
    let standard_first = match (a.daylight, b.daylight) {
        (true, false) => false,
        (false, true) => true,
        _ => a.to? < b.to?,
    };
    let (standard, summer) = match standard_first {
        true => (first, second),
        false => (second, first),
    };
    let text = format!(
        "{}{},{},{}",
        half(standard.observance)?,
        half(summer.observance)?,
        change(summer),
        change(standard)
    );
    TimeZone::posix(&text).ok()
}

/// Name and offset, as POSIX writes them: with the sign of what is west.
fn half(observance: &Observance) -> Option<String> {
    let seconds = observance.to?;
    let short = |name: &str| {
        (3..=8).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
    let [east, west] = match seconds < 0 {
        true => ['-', '+'],
        false => ['+', '-'],
    };
    let name = match (short(&observance.name), minutes) {
        (true, _) => observance.name.clone(),
        (false, 0) => format!("{east}{hours:02}"),
        (false, _) => format!("{east}{hours:02}{minutes:02}"),
    };
    Some(format!("<{name}>{west}{hours}:{minutes:02}"))
}

/// A day of the year without 29 February, and a time.
fn change(onset: &Onset<'_>) -> String {
    let day = onset.clock.date();
    let leap = i16::from(day.in_leap_year() && day > date(day.year(), 2, 28));
    let time = onset.clock.time();
    format!(
        "J{}/{}:{:02}:{:02}",
        day.day_of_year() - leap,
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// A time, or the midnight of a day.
fn clock(text: &str) -> Option<DateTime> {
    Some(Moment::read(text, None)?.clock())
}

/// UTC-OFFSET (RFC 5545 section 3.3.14) in seconds.
fn seconds(text: &str) -> Option<i32> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let plain = digits.replace(':', "");
    let two = |at: usize| plain.get(at..at + 2)?.parse::<i32>().ok();
    let rest = if plain.len() == 6 { two(4)? } else { 0 };
    if ![4, 6].contains(&plain.len()) {
        return None;
    }
    let all = two(0)? * 3600 + two(2)? * 60 + rest;
    (all < 86_400).then_some(sign * all)
}

/// A rule of each year; others do not occur in time zones.
fn rule(text: &str, start: Option<DateTime>) -> Option<Rule> {
    let part = |name: &str| {
        let mut parts = text.split(';').filter_map(|part| part.split_once('='));
        parts.find_map(|(key, value)| {
            (key.trim().eq_ignore_ascii_case(name)).then_some(value.trim())
        })
    };
    if !part("FREQ")?.eq_ignore_ascii_case("YEARLY") {
        return None;
    }
    let month = match part("BYMONTH") {
        Some(month) => month.parse().ok()?,
        None => start?.month(),
    };
    let among: Vec<i8> = part("BYMONTHDAY").map_or(Vec::new(), |days| {
        days.split(',')
            .filter_map(|day| day.parse().ok())
            .take(31)
            .collect()
    });
    let (n, weekday) = part("BYDAY").map_or((None, None), numbered_day);
    let n = n.or_else(|| part("BYSETPOS")?.parse().ok());
    let day = match (n, weekday) {
        (_, weekday) if !among.is_empty() => Day::Among(among, weekday),
        (Some(n), Some(weekday)) => Day::Nth(n, weekday),
        _ => Day::Among(vec![start?.day()], None),
    };
    Some(Rule {
        month,
        day,
        until: part("UNTIL").and_then(|until| clock(until)?.date().tomorrow().ok()),
        count: part("COUNT").and_then(|count| count.parse().ok()),
    })
}

/// `-1SU`, `2SU`, `SU`.
fn numbered_day(text: &str) -> (Option<i8>, Option<Weekday>) {
    let at = text.len().saturating_sub(2);
    let (Some(number), Some(day)) = (text.get(..at), text.get(at..)) else {
        return (None, None);
    };
    let weekday = match day.to_ascii_uppercase().as_str() {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return (None, None),
    };
    (number.parse().ok(), Some(weekday))
}

#[cfg(test)]
mod tests {
    use super::super::read::object;
    use super::*;
    use jiff::ToSpan;

    /// The times of a year in a zone that is defined by `lines`, six hours apart.
    fn times(lines: &str) -> Vec<Moment> {
        let mut text = format!("BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:X\n{lines}END:VTIMEZONE\n");
        text.push_str("END:VCALENDAR\n");
        let zones = zones(&text);
        let hours = (0..365 * 4).map(|n| {
            date(2027, 1, 1)
                .at(0, 30, 0, 0)
                .saturating_add((n * 6).hours())
        });
        let read = |clock: DateTime| {
            let text = clock.strftime("%Y%m%dT%H%M%S").to_string();
            zones.moment(&text, "X").unwrap()
        };
        hours.map(read).collect()
    }

    /// The zones of an object.
    fn zones(text: &str) -> Zones {
        let mut zones = Zones::default();
        let mut depth = 0;
        for line in text.lines().filter_map(Line::read) {
            match (line.name.as_str(), line.value.as_str(), depth) {
                ("BEGIN", "VTIMEZONE", _) => zones.begin(),
                ("BEGIN", kind, 2) => zones.begin_observance(kind),
                (_, _, 2) => zones.take(&line),
                (_, _, 3) => zones.take_observance(&line),
                _ => {}
            }
            match line.name.as_str() {
                "BEGIN" => depth += 1,
                "END" => depth -= 1,
                _ => {}
            }
        }
        zones
    }

    fn part(kind: &str, start: &str, from: &str, to: &str, rule: &str) -> String {
        format!(
            "BEGIN:{kind}\nDTSTART:{start}\nTZOFFSETFROM:{from}\nTZOFFSETTO:{to}\n{rule}\nEND:{kind}\n"
        )
    }

    /// Definitions as programs write them say what the system's database says, all year.
    #[test]
    fn definitions_and_the_database_agree() {
        const YEARLY: &str = "RRULE:FREQ=YEARLY;";
        let berlin = [
            part(
                "STANDARD",
                "16010101T030000",
                "+0200",
                "+0100",
                &format!("{YEARLY}BYDAY=-1SU;BYMONTH=10"),
            ),
            part(
                "DAYLIGHT",
                "16010101T020000",
                "+0100",
                "+0200",
                &format!("{YEARLY}BYDAY=-1SU;BYMONTH=3"),
            ),
        ];
        let new_york = [
            part(
                "DAYLIGHT",
                "19870405T020000",
                "-0500",
                "-0400",
                &format!("{YEARLY}BYDAY=1SU;BYMONTH=4;UNTIL=20060402T070000Z"),
            ),
            part(
                "DAYLIGHT",
                "19670430T020000",
                "-0500",
                "-0400",
                &format!("{YEARLY}BYDAY=-1SU;BYMONTH=4;COUNT=7"),
            ),
            part(
                "DAYLIGHT",
                "20070311T020000",
                "-0500",
                "-0400",
                &format!("{YEARLY}BYDAY=2SU;BYMONTH=3"),
            ),
            part(
                "STANDARD",
                "20071104T020000",
                "-0400",
                "-0500",
                &format!("{YEARLY}BYMONTH=11;BYDAY=SU;BYMONTHDAY=1,2,3,4,5,6,7"),
            ),
        ];
        let sydney = [
            part(
                "STANDARD",
                "20080406T030000",
                "+1100",
                "+1000",
                &format!("{YEARLY}BYMONTH=4;BYDAY=SU;BYSETPOS=1"),
            ),
            part(
                "DAYLIGHT",
                "20081005T020000",
                "+1000",
                "+1100",
                &format!("{YEARLY}BYMONTH=10;BYDAY=1SU"),
            ),
        ];
        let dublin = [
            part(
                "STANDARD",
                "16010101T010000",
                "+0000",
                "+0100",
                &format!("{YEARLY}BYDAY=-1SU;BYMONTH=3"),
            ),
            part(
                "DAYLIGHT",
                "16010101T020000",
                "+0100",
                "+0000",
                &format!("{YEARLY}BYDAY=-1SU;BYMONTH=10"),
            ),
        ];
        let kolkata = [part(
            "STANDARD",
            "19700101T000000",
            "+0530",
            "+0530",
            "TZNAME:IST",
        )];
        let by_dates = [
            part(
                "STANDARD",
                "20261025T030000",
                "+0200",
                "+0100",
                "RDATE:20261025T030000,20271031T030000",
            ),
            part(
                "DAYLIGHT",
                "20260329T020000",
                "+0100",
                "+0200",
                "RDATE:20260329T020000\nRDATE:20270328T020000",
            ),
        ];
        for (name, parts) in [
            ("Europe/Berlin", berlin.concat()),
            ("America/New_York", new_york.concat()),
            ("Australia/Sydney", sydney.concat()),
            ("Europe/Dublin", dublin.concat()),
            ("Asia/Kolkata", kolkata.concat()),
            ("Europe/Berlin", by_dates.concat()),
        ] {
            let known = zone(name).unwrap();
            for moment in times(&parts) {
                let wanted = known.to_zoned(moment.clock()).unwrap().timestamp();
                assert_eq!(
                    moment.timestamp(),
                    Some(wanted),
                    "{name} {}",
                    moment.clock()
                );
            }
        }
    }

    #[test]
    fn what_is_no_definition_leaves_the_zone_unknown() {
        for lines in [
            "",
            "BEGIN:STANDARD\nEND:STANDARD\n",
            "BEGIN:STANDARD\nDTSTART:x\nTZOFFSETTO:x\nEND:STANDARD\n",
            "BEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETTO:+9900\nEND:STANDARD\n",
            "BEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETTO:+\u{e9}\u{e9}\nEND:STANDARD\n",
        ] {
            let object = object(&format!(
                "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:X\n{lines}END:VTIMEZONE\nBEGIN:VEVENT\nDTSTART;TZID=X:20270402T100000\nEND:VEVENT\nEND:VCALENDAR\n"
            ));
            assert!(
                matches!(object.event.start, Some(Moment::Unknown(..))),
                "{lines}"
            );
        }
    }

    #[test]
    fn only_so_many_names_and_dates_are_looked_at() {
        let dates = "RDATE:20270101T000000\n".repeat(1000);
        let part = format!("BEGIN:STANDARD\nDTSTART:19700101T000000\n{dates}END:STANDARD\n");
        let definition = format!("BEGIN:VTIMEZONE\nTZID:X\n{}END:VTIMEZONE\n", part.repeat(3));
        let zones = zones(&format!(
            "BEGIN:VCALENDAR\n{}END:VCALENDAR\n",
            definition.repeat(100)
        ));
        assert_eq!(zones.definitions.len(), ZONES);
        assert_eq!(zones.definitions[0].dates, DATES);
        for n in 0..1000 {
            let read = zones.moment("20270402T100000", &format!("Nowhere {n}"));
            assert!(matches!(read, Some(Moment::Unknown(..))));
        }
        assert_eq!(zones.names.borrow().len(), ZONES);
    }
}
