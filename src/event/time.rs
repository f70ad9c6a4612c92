//! Points in time: RFC 3339 (`2026-11-22T17:45:41.488Z`, with any offset), as
//! `timestamp` has it, and RFC 5545 in UTC (`20261122T185406Z`). A local time
//! without zone is none, but calendar alarms have those and bare dates too: see [`CalTime`].

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

impl Time {
    /// Reads either form. A leap second counts as the next one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Time> {
        let mut rest = text.trim().as_bytes();
        let year = digits(&mut rest, 4)?;
        let dashed = take(&mut rest, b'-');
        let month = digits(&mut rest, 2)?;
        if dashed && !take(&mut rest, b'-') {
            return None;
        }
        let day = digits(&mut rest, 2)?;
        if !(take(&mut rest, b'T') || take(&mut rest, b't') || take(&mut rest, b' ')) {
            return None;
        }
        let hour = digits(&mut rest, 2)?;
        let colons = take(&mut rest, b':');
        let minute = digits(&mut rest, 2)?;
        if colons && !take(&mut rest, b':') {
            return None;
        }
        let second = digits(&mut rest, 2)?;
        let milli = if take(&mut rest, b'.') {
            fraction(&mut rest)?
        } else {
            0
        };
        let offset = offset(rest)?;
        let good = (1..=12).contains(&month)
            && (1..=days_in(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60;
        let minutes = (days_before(year, month, day) * 24 + hour) * 60 + minute - offset;
        good.then_some(Time((minutes * 60 + second) * 1000 + milli))
    }
}

/// A time in a calendar alarm, as RFC 5545 writes DATE-TIME and DATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CalTime {
    /// `20261122T185406Z`.
    Utc(Time),
    /// `20261122T185406`: what a clock shows in the event's time zone, here as if that were
    /// UTC. With the time zone `[floating]` it is so in every zone.
    Local(Time),
    /// `20261122`: a whole day, here its midnight as if in UTC.
    Date(Time),
}

impl CalTime {
    /// Reads any of the three forms; `None` when it is none of them.
    #[must_use]
    pub fn parse(text: &str) -> Option<CalTime> {
        let text = text.trim();
        match text.len() {
            8 => Time::parse(&format!("{text}T000000Z")).map(CalTime::Date),
            15 => Time::parse(&format!("{text}Z")).map(CalTime::Local),
            16 => Time::parse(text).map(CalTime::Utc),
            _ => None,
        }
    }
}

fn take(rest: &mut &[u8], byte: u8) -> bool {
    let found = rest.first() == Some(&byte);
    if found {
        *rest = &rest[1..];
    }
    found
}

fn digits(rest: &mut &[u8], count: usize) -> Option<i64> {
    let (head, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    head.iter().try_fold(0, |n, b| {
        b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0'))
    })
}

/// Milliseconds of a fraction of any length; finer ones are cut.
fn fraction(rest: &mut &[u8]) -> Option<i64> {
    let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (head, tail) = rest.split_at(count);
    *rest = tail;
    let digit = |i: usize| head.get(i).map_or(0, |b| i64::from(b - b'0'));
    (count > 0).then(|| digit(0) * 100 + digit(1) * 10 + digit(2))
}

/// Minutes east of UTC.
fn offset(mut rest: &[u8]) -> Option<i64> {
    if rest.eq_ignore_ascii_case(b"Z") {
        return Some(0);
    }
    let sign = if take(&mut rest, b'-') { -1 } else { 1 };
    if sign == 1 && !take(&mut rest, b'+') {
        return None;
    }
    let hours = digits(&mut rest, 2)?;
    take(&mut rest, b':');
    let minutes = digits(&mut rest, 2)?;
    (rest.is_empty() && hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to that day, in the Gregorian calendar. Years are
/// counted from March, so that the leap day is a year's last.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719468 days lie between 0000-03-01 and 1970-01-01.
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_and_offsets() {
        for (text, milliseconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2026-11-22T17:45:41.488Z", 1_795_369_541_488),
            ("2026-11-22T18:45:41.488+01:00", 1_795_369_541_488),
            ("2026-11-22t12:15:41.4889-0530", 1_795_369_541_488),
            ("20261122T174541Z", 1_795_369_541_000),
            ("2024-02-29 00:00:00z", 1_709_164_800_000),
            ("2000-03-01T00:00:00Z", 951_868_800_000),
        ] {
            assert_eq!(Time::parse(text), Some(Time(milliseconds)), "{text}");
        }
    }

    #[test]
    fn the_three_forms_of_a_calendar() {
        let noon = Time(1_795_348_800_000);
        assert_eq!(CalTime::parse("20261122T120000Z"), Some(CalTime::Utc(noon)));
        assert_eq!(
            CalTime::parse("20261122T120000"),
            Some(CalTime::Local(noon))
        );
        let midnight = Time(1_795_305_600_000);
        assert_eq!(CalTime::parse("20261122"), Some(CalTime::Date(midnight)));
        for bad in [
            "",
            "today!!!",
            "20261132",
            "20261122T1200",
            "20261122T12000é",
        ] {
            assert_eq!(CalTime::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn refuses_what_is_none() {
        for bad in [
            "",
            "now",
            "2026-11-22",
            "20261122",
            "20261122T174541",
            "2026-11-22T17:45:41",
            "2026-13-01T00:00:00Z",
            "2025-02-29T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T17:45:41.Z",
            "2026-11-22T17:45:41Zx",
            "2026-1122T17:45:41Z",
            "2026-11-22T17:4541Z",
            "2026-11-22T17:45:41+1:00",
            "é026-11-22T17:45:41Z",
        ] {
            assert_eq!(Time::parse(bad), None, "{bad:?}");
        }
    }
}
