//! Time zones by the names that calendar programs write.
//!
//! Names of the IANA database come from the system's copy of it. Windows, Outlook, Exchange and Notes have names of their
//! own, some of them in other languages; `zone_names.txt` says what they mean. What is left may be an offset
//! (`GMT+0100`), a list of cities (`(UTC+07:00) Bangkok, Hanoi, Jakarta`), or a copy of a known name (`Europe/Berlin-1`).

use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::{self, Offset, TimeZone};

/// Longer names are not looked up.
const NAME: usize = 200;
/// Cities and path components of one name that are looked at.
const PARTS: usize = 12;
/// A line each: name, bar, IANA name.
const NAMES: &str = include_str!("zone_names.txt");
/// Files beside the zones: with leap seconds, or what depends on the machine.
const NO_ZONES: [&str; 5] = ["right/", "posix/", "localtime", "posixrules", "Factory"];

/// The time zone that calendar programs mean by `name`; none when that is not certain.
pub fn zone(name: &str) -> Option<TimeZone> {
    let name = name.trim().trim_matches('"').trim();
    if name.is_empty() || name.len() > NAME {
        return None;
    }
    known(name)
        .or_else(|| fixed(name))
        .or_else(|| variant(name))
        .or_else(|| {
            let (offset, rest) = behind_offset(name)?;
            let named = known(rest).or_else(|| variant(rest));
            named.or_else(|| city(rest).filter(|zone| has_offset(zone, offset)))
        })
        .or_else(|| city(name))
}

/// Whether `name` is one of the IANA database, after another registry's prefix or not: `zone` says what anybody says.
pub(super) fn is_iana(name: &str) -> bool {
    iana_with_prefix(name.trim().trim_matches('"')).is_some()
}

fn known(name: &str) -> Option<TimeZone> {
    iana_with_prefix(name).or_else(|| listed(name))
}

/// A name of the IANA database.
fn iana(name: &str) -> Option<TimeZone> {
    let utc = ["UTC", "Z", "GMT", "Etc/UTC", "Etc/GMT"];
    if utc.iter().any(|utc| name.eq_ignore_ascii_case(utc)) {
        return Some(TimeZone::UTC);
    }
    let starts = |no: &&str| {
        let start = name.get(..no.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(no))
    };
    if NO_ZONES.iter().any(starts) {
        return None;
    }
    TimeZone::get(&name.replace(' ', "_")).ok()
}

/// The same after another registry's prefix, which ends with a slash (RFC 5545 section 3.2.19):
/// `/citadel.org/20210210_1/Europe/Vienna`, `tzone://Microsoft/Utc`.
fn iana_with_prefix(name: &str) -> Option<TimeZone> {
    let mut rest = name;
    for _ in 0..PARTS {
        if let Some(zone) = iana(rest).or_else(|| old(rest)) {
            return Some(zone);
        }
        rest = rest.split_once('/')?.1;
    }
    None
}

/// A name that the IANA database had once, on a system that does not install those.
fn old(name: &str) -> Option<TimeZone> {
    name.contains('/').then(|| listed(name)).flatten()
}

/// What `zone_names.txt` says.
fn listed(name: &str) -> Option<TimeZone> {
    let plain = |text: &str| {
        let words = text.split(|c: char| c.is_whitespace() || c == '_');
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        words.join(" ")
    };
    let name = plain(name);
    let same = |line: &str| letters(line).eq(letters(&name));
    let (_, meant) = lines().find(|(line, _)| same(line))?;
    // An older database has the older name.
    let former = || {
        let mut older = lines().filter(|(_, now)| *now == meant);
        older.find_map(|(before, _)| TimeZone::get(before).ok())
    };
    iana(meant).or_else(former)
}

/// The letters of a name, without case and the accents that some have and others leave out: `Brasília`.
fn letters(text: &str) -> impl Iterator<Item = char> {
    let small = text.chars().flat_map(char::to_lowercase);
    small.map(|c| match c {
        '_' => ' ',
        'á' | 'à' | 'â' | 'ã' | 'ä' => 'a',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' => 'i',
        'ó' | 'ò' | 'ô' | 'õ' | 'ö' => 'o',
        'ú' | 'ù' | 'û' | 'ü' => 'u',
        'ç' => 'c',
        'ñ' => 'n',
        other => other,
    })
}

fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    let data = NAMES.lines().filter(|line| !line.starts_with('#'));
    data.filter_map(|line| line.split_once('|'))
}

/// Names that are nearly known: copies with a number, the name of summer time, short names of Notes, a dash for the slash.
fn variant(name: &str) -> Option<TimeZone> {
    let bare = name.split(['(', '[']).next().unwrap_or_default();
    let bare = bare.trim_end_matches([' ', '-', '_']);
    let number = bare.trim_end_matches(|c: char| c.is_ascii_digit());
    let uncounted = number.trim_end_matches([' ', '-', '_']);
    if bare != uncounted && iana(uncounted) == Some(TimeZone::UTC) {
        return None; // GMT-25 is no copy of GMT
    }
    let dashed = |text: &str| text.replacen('-', "/", 1);
    let endings = [
        " Standard Time",
        " Daylight Time",
        " Summer Time",
        " Standard",
        " Time",
    ];
    let stem = endings
        .iter()
        .find_map(|ending| uncounted.strip_suffix(ending));
    let standard = format!("{} Standard Time", stem.unwrap_or(uncounted));
    let variants = [
        bare,
        uncounted,
        &dashed(bare),
        &dashed(uncounted),
        &standard,
    ];
    variants
        .into_iter()
        .filter(|variant| variant.len() >= 3)
        .find_map(known)
}

/// A name that is an offset and nothing else: `+01:00`, `GMT-0400`, `UTC+3`, `(UTC+05:30)`.
fn fixed(name: &str) -> Option<TimeZone> {
    let inner = name
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    let (offset, rest) = offset(inner.unwrap_or(name))?;
    rest.trim().is_empty().then(|| TimeZone::fixed(offset))
}

/// The offset in brackets before a display name, and the rest: `(UTC+07:00) Bangkok, Hanoi, Jakarta`.
fn behind_offset(name: &str) -> Option<(Offset, &str)> {
    let (inner, rest) = name.strip_prefix('(')?.split_once(')')?;
    let (found, nothing) = match inner.trim() {
        "UTC" | "GMT" => (Offset::UTC, ""),
        inner => offset(inner)?,
    };
    nothing.is_empty().then(|| (found, rest.trim()))
}

/// Reads `UTC+07:00`, `GMT+01.00`, `-0400`, `+1`; what follows is the rest.
fn offset(text: &str) -> Option<(Offset, &str)> {
    let prefix = ["UTC", "GMT"].iter().find_map(|name| {
        let (head, rest) = text.split_at_checked(name.len())?;
        head.eq_ignore_ascii_case(name).then_some(rest)
    });
    let text = prefix.unwrap_or(text).trim_start();
    let mut chars = text.chars();
    let sign = match chars.next()? {
        '+' => 1,
        '-' | '\u{2212}' => -1,
        _ => return None,
    };
    let text = chars.as_str();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = |text: &str| text.parse::<i32>().ok();
    let (hours, minutes, rest) = match digits {
        1 | 2 => {
            let (hours, rest) = text.split_at(digits);
            let minutes = rest
                .strip_prefix([':', '.'])
                .and_then(|rest| rest.split_at_checked(2))
                .and_then(|(minutes, rest)| Some((number(minutes)?, rest)));
            let (minutes, rest) = minutes.unwrap_or((0, rest));
            (number(hours)?, minutes, rest)
        }
        4 => (number(&text[..2])?, number(&text[2..4])?, &text[4..]),
        _ => return None,
    };
    if hours > 14 || !(0..60).contains(&minutes) {
        return None;
    }
    let offset = Offset::from_seconds(sign * (hours * 60 + minutes) * 60).ok()?;
    Some((offset, rest))
}

/// Whether `zone` has `offset` in winter or in summer.
fn has_offset(zone: &TimeZone, offset: Offset) -> bool {
    [date(2026, 1, 1), date(2026, 7, 1)].iter().any(|day| {
        let noon = day.at(12, 0, 0, 0).to_zoned(TimeZone::UTC);
        noon.is_ok_and(|noon| zone.to_offset(noon.timestamp()) == offset)
    })
}

/// The zone of the first of several cities that the database has.
fn city(name: &str) -> Option<TimeZone> {
    const AREAS: [&str; 9] = [
        "Africa",
        "America",
        "Asia",
        "Atlantic",
        "Australia",
        "Europe",
        "Indian",
        "Pacific",
        "Antarctica",
    ];
    let cities = name.split([',', ';', '/', ':']).map(str::trim);
    let cities: Vec<String> = cities
        .filter(|city| city.len() >= 4)
        .map(|city| city.replace(' ', "_"))
        .take(PARTS)
        .collect();
    let zones: Vec<String> = tz::db().available().map(|name| name.to_string()).collect();
    cities.iter().find_map(|city| {
        let found = zones.iter().find(|zone| {
            let (area, last) = match (zone.split_once('/'), zone.rsplit_once('/')) {
                (Some((area, _)), Some((_, last))) => (area, last),
                _ => return false,
            };
            AREAS.contains(&area) && last.eq_ignore_ascii_case(city)
        });
        found.and_then(|zone| TimeZone::get(zone).ok())
    })
}

/// The offset of `zone` at a time of its own.
pub(super) fn offset_at(zone: &TimeZone, clock: jiff::civil::DateTime) -> Option<Offset> {
    let at: Timestamp = zone.to_zoned(clock).ok()?.timestamp();
    Some(zone.to_offset(at))
}
