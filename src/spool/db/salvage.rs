//! Rows out of a spool file that SQLite cannot read any more: cut short, overwritten in parts, without its head or its log.
//!
//! It is read as the format is written down (<https://www.sqlite.org/fileformat2.html>): pages of the table's tree, newer
//! ones from the write-ahead log. What is not as it must be is counted and passed over. When a page of the tree is lost, the
//! rows below it are looked for in all pages that nobody has seen, but for those that the file itself calls unused: there
//! are rows that were delivered long ago.
//!
//! A row that is on several pages is only taken when they belong together for certain: of a damaged log nobody knows which
//! pages it had, and the end of one user's notification must not become another's.
//!
//! What can go wrong: nothing that stops it. Each page is read once, and each row is checked like one that comes from
//! outside.

use super::row::{NewRow, Row};
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes in a page; all our files have it.
const PAGE: usize = 4096;
/// The page at which the table begins in a file of ours, when the head does not say.
const ROOT: u32 = 2;
/// Deepest tree that can be; four levels hold more than any disk.
const DEPTH: u32 = 12;
/// Largest row, in bytes. What a notification may have is far less.
const LARGEST: usize = 64 << 20;
/// First byte of a page of a tree of rows, inside and at the leaves.
const INNER: u8 = 0x05;
const LEAF: u8 = 0x0d;
/// Length of the log's head, and of that of each page in it.
const LOG_HEAD: u64 = 32;
const FRAME_HEAD: u64 = 24;
/// Where the index of the log says how much of the log is in the file.
const MOVED: u64 = 96;
/// The columns of the table, as far as the head of the file does not say. Later ones follow there.
const COLUMNS: [&str; 10] = [
    "id",
    "method",
    "state",
    "due",
    "received",
    "attempts",
    "uid",
    "file",
    "error",
    "notification",
];
/// What a row's state may be.
const STATES: [&str; 5] = ["incoming", "active", "deferred", "hold", "failed"];

/// How much could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Rows that are there and make no sense.
    pub rows: u64,
    /// Pages that are not there or make no sense; each may have had several rows.
    pub pages: u64,
    /// There is no table of deliveries at all.
    pub table: bool,
}

impl Lost {
    /// Whether all could be read.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Lost::default()
    }
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.table {
            return f
                .write_str("it has no table of deliveries, and how many there were is not known");
        }
        write!(
            f,
            "{} deliveries and {} pages of the file, which may have held several each, could not be read",
            self.rows, self.pages
        )
    }
}

/// Calls `take` with each row of the spool file at `path` and its state. What could not be read. Of a file without a table
/// the pages are read that have become unused, when `unused`: rows that were delivered long ago may be there.
///
/// # Errors
/// When the file cannot be opened, or `take` fails.
pub(in crate::spool) fn read(
    path: &Path,
    unused: bool,
    mut take: impl FnMut(Row, String) -> io::Result<()>,
) -> io::Result<Lost> {
    let pages = Pages::open(path, true)?;
    if pages.is_whole {
        return read_pages(pages, unused, &mut |_| true, &mut take);
    }
    // As it was before the damage of the log, and then what can be told of later times.
    let mut taken = HashSet::new();
    let each = &mut |row: Row, state| {
        taken.insert(row.kept.id);
        take(row, state)
    };
    read_pages(pages, unused, &mut |_| true, each)?;
    let later = Pages::open(path, false)?;
    read_pages(later, unused, &mut |id| !taken.contains(&id), &mut take)
}

/// Reads those rows of which `wanted` wants the ids.
fn read_pages(
    pages: Pages,
    unused: bool,
    wanted: &mut dyn FnMut(i64) -> bool,
    take: &mut dyn FnMut(Row, String) -> io::Result<()>,
) -> io::Result<Lost> {
    let head = pages
        .page(1)
        .filter(|page| page.starts_with(b"SQLite format 3\0"));
    let table = head.as_deref().and_then(|head| table(&pages, head));
    let mut reading = Reading {
        places: Places::new(table.as_ref().map(|(_, sql)| sql.as_str())),
        pages,
        seen: HashSet::new(),
        lost: Lost::default(),
        wanted,
        take,
    };
    match (&head, table) {
        (Some(_), None) => {
            reading.lost.table = true;
            if unused {
                reading.pages.is_certain = false;
                reading.look_everywhere(None)?;
            }
            return Ok(reading.lost);
        }
        (_, table) => reading.tree(table.map_or(ROOT, |(root, _)| root), DEPTH)?,
    }
    // Among pages that may be unused, what belongs together is not certain.
    reading.pages.is_certain &= head.is_some();
    if reading.lost.pages > 0 {
        reading.look_everywhere(head.as_deref())?;
    }
    Ok(reading.lost)
}

/// A damage of the spool file at `path` that SQLite would pass over in silence, or find only later, in words.
pub(super) fn damage(path: &Path) -> Option<&'static str> {
    let length = std::fs::metadata(path).map_or(0, |meta| meta.len());
    if is_headless(&log_of(path)) {
        return Some("the head of its log is damaged");
    }
    let pages = Pages::open(path, false).ok()?;
    if length == 0 {
        return (!pages.newer.is_empty()).then_some("it is empty or gone, and its log is not");
    }
    let head = pages.page(1)?;
    // The head knows how many pages there are when the same program wrote both numbers.
    let known = number(&head, 24) == number(&head, 92);
    let in_head = if known { number(&head, 28) } else { 0 };
    let wanted = if pages.committed > 0 {
        pages.committed
    } else {
        in_head
    };
    let first = u32::try_from(length / PAGE as u64).ok()? + 1;
    let is_short = (first..=wanted).any(|page| !pages.newer.contains_key(&page));
    is_short.then_some("it is cut short")
}

/// Which log belongs to the spool file at `path`.
fn log_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-wal");
    name.into()
}

/// Whether the log at `path` has pages and no head.
fn is_headless(path: &Path) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    let mut head = [0; LOG_HEAD as usize];
    let length = file.metadata().map_or(0, |meta| meta.len());
    length > LOG_HEAD && file.read_exact_at(&mut head, 0).is_ok() && !is_log(&head)
}

/// How many pages the log of the spool file at `path` has up to the last commit in it, if nothing in it is damaged.
pub(super) fn pages_in_log(path: &Path) -> i64 {
    let Ok(file) = File::open(log_of(path)) else {
        return 0;
    };
    let length = file.metadata().map_or(0, |meta| meta.len());
    let mut head = [0; LOG_HEAD as usize];
    if file.read_exact_at(&mut head, 0).is_err() {
        return 0;
    }
    let (mut count, mut committed) = (0, 0);
    each_frame(&file, length, |frame, _| {
        count += 1;
        if frame[8..16] == head[16..24] && number(frame, 4) != 0 {
            committed = count;
        }
    });
    committed
}

/// Whether it is the head of a log.
fn is_log(head: &[u8; LOG_HEAD as usize]) -> bool {
    number(head, 0) & !1 == 0x377f_0682 && number(head, 8) as usize == PAGE
}

/// Calls `each` with the head of each page in the log and where the page is.
fn each_frame(log: &File, length: u64, mut each: impl FnMut(&[u8; FRAME_HEAD as usize], u64)) {
    let mut at = LOG_HEAD;
    let mut head = [0; FRAME_HEAD as usize];
    while at + FRAME_HEAD + PAGE as u64 <= length {
        if log.read_exact_at(&mut head, at).is_ok() {
            each(&head, at + FRAME_HEAD);
        }
        at += FRAME_HEAD + PAGE as u64;
    }
}

/// The pages of a spool file, those in its log before those in the file itself.
struct Pages {
    /// `None` when it is gone.
    file: Option<File>,
    log: Option<File>,
    /// Where in the log the newest version of a page is.
    newer: HashMap<u32, u64>,
    /// How many pages the file itself has.
    in_file: u32,
    /// How many pages there were at the last commit in the log; 0 when there is none.
    committed: u32,
    /// Nothing in the log is damaged.
    is_whole: bool,
    /// Which pages belong together is known: what is not in the log is as new in the file.
    is_certain: bool,
}

impl Pages {
    /// With the pages of the log before its first damage when `strict`, else with all that make sense.
    fn open(path: &Path, strict: bool) -> io::Result<Pages> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            other => Some(other?),
        };
        let length = match &file {
            Some(file) => file.metadata()?.len(),
            None => 0,
        };
        let log = File::open(log_of(path)).ok();
        let Newest {
            newer,
            committed,
            whole,
            is_whole,
        } = match &log {
            Some(log) => newest(log, strict),
            None => Newest {
                is_whole: true,
                ..Newest::default()
            },
        };
        // What was moved into the file from behind the damage is too new for what was before.
        let is_certain = is_whole || strict && moved(path).is_some_and(|moved| moved <= whole);
        Ok(Pages {
            in_file: u32::try_from(length.div_ceil(PAGE as u64)).map_err(io::Error::other)?,
            file,
            log,
            newer,
            committed,
            is_whole,
            is_certain,
        })
    }

    /// The page with this number, from 1; `None` when it is not there.
    fn page(&self, number: u32) -> Option<Vec<u8>> {
        let mut page = vec![0; PAGE];
        match self.newer.get(&number) {
            Some(at) => self.log.as_ref()?.read_exact_at(&mut page, *at),
            None => {
                let at = u64::from(number.checked_sub(1)?) * PAGE as u64;
                self.file.as_ref()?.read_exact_at(&mut page, at)
            }
        }
        .ok()?;
        Some(page)
    }

    /// The numbers of all pages.
    fn all(&self) -> impl Iterator<Item = u32> + use<> {
        let mut beyond: Vec<u32> = self.newer.keys().copied().collect();
        beyond.retain(|page| *page > self.in_file);
        beyond.sort_unstable();
        (1..=self.in_file).chain(beyond)
    }
}

/// What a log holds.
#[derive(Default)]
struct Newest {
    /// Where the newest version of each page is, as far as it was committed.
    newer: HashMap<u32, u64>,
    /// How many pages there were at the last commit.
    committed: u32,
    /// How many pages of the log are there before the first damage.
    whole: u32,
    /// Nothing is damaged.
    is_whole: bool,
}

/// What is in the log; before its first damage only, when `strict`. Pages of an earlier round of the log have other marks, and
/// so have those that were overwritten.
fn newest(log: &File, strict: bool) -> Newest {
    let length = log.metadata().map_or(0, |meta| meta.len());
    let mut all = Newest {
        is_whole: true,
        ..Newest::default()
    };
    let mut head = [0; LOG_HEAD as usize];
    if log.read_exact_at(&mut head, 0).is_err() {
        return all;
    }
    let mark = |bytes: &[u8]| <[u8; 8]>::try_from(bytes).ok();
    let mut wanted = is_log(&head).then(|| mark(&head[16..24])).flatten();
    // The head says how the sums are made; without it the second page shows.
    let mut orders: Vec<bool> = match wanted {
        Some(_) => vec![number(&head, 0) & 1 == 1],
        None => vec![false, true],
    };
    let mut sum = wanted.map(|_| (number(&head, 24), number(&head, 28)));
    let (mut pending, mut body, mut count) = (Vec::new(), vec![0; PAGE], 0);
    each_frame(log, length, |frame, at| {
        count += 1;
        // Without a head the first page says what mark to look for, and what the sum is so far.
        let mark = mark(&frame[8..16]);
        wanted = wanted.or(mark);
        let page = number(frame, 0);
        if page == 0 || mark != wanted {
            return;
        }
        let stored = (number(frame, 16), number(frame, 20));
        let mut right = || match sum {
            Some(sum) => {
                let is_read = log.read_exact_at(&mut body, at).is_ok();
                let right = |big: &bool| add(add(sum, &frame[..8], *big), &body, *big) == stored;
                let order = orders.iter().copied().find(|big| is_read && right(big));
                order.map(|order| orders = vec![order]).is_some()
            }
            None => true,
        };
        if all.is_whole && all.whole + 1 == count && right() {
            (sum, all.whole) = (Some(stored), count);
        } else {
            all.is_whole = false;
            if strict {
                return;
            }
        }
        pending.push((page, at));
        if number(frame, 4) != 0 {
            all.committed = number(frame, 4);
            all.newer.extend(pending.drain(..));
        }
    });
    all
}

/// How many pages of the log are in the spool file at `path`, as SQLite's index of the log says; `None` when it is gone.
fn moved(path: &Path) -> Option<u32> {
    let mut name = OsString::from(path);
    name.push("-shm");
    let mut four = [0; 4];
    File::open(PathBuf::from(name))
        .ok()?
        .read_exact_at(&mut four, MOVED)
        .ok()?;
    Some(u32::from_ne_bytes(four))
}

/// Goes on with the sum of a log over `bytes`.
fn add(sum: (u32, u32), bytes: &[u8], big: bool) -> (u32, u32) {
    let word = |four: &[u8]| {
        let four = four.try_into().unwrap_or_default();
        if big {
            u32::from_be_bytes(four)
        } else {
            u32::from_le_bytes(four)
        }
    };
    bytes.chunks_exact(8).fold(sum, |(first, second), eight| {
        let first = first.wrapping_add(word(&eight[..4])).wrapping_add(second);
        let second = second.wrapping_add(word(&eight[4..])).wrapping_add(first);
        (first, second)
    })
}

/// The page at which the table `delivery` begins, and how it was declared, as the head of the file says.
fn table(pages: &Pages, head: &[u8]) -> Option<(u32, String)> {
    cells(head, 100).find_map(|cell| {
        let (_, payload) = leaf_cell(pages, head, cell)?;
        match fields(&payload)?[..] {
            [
                Field::Bytes(b"table"),
                Field::Bytes(b"delivery"),
                _,
                Field::Number(page),
                Field::Bytes(sql),
            ] => Some((
                u32::try_from(page).ok()?,
                String::from_utf8_lossy(sql).into_owned(),
            )),
            _ => None,
        }
    })
}

/// In which place of a record a column is.
struct Places(HashMap<String, usize>);

impl Places {
    /// As `sql` declares the table, when it is known. Columns were added at different times.
    fn new(sql: Option<&str>) -> Places {
        let declared = sql.and_then(|sql| Some(sql.split_once('(')?.1.rsplit_once(')')?.0));
        let names: Vec<&str> = match declared {
            Some(declared) => declared
                .split(',')
                .filter_map(|column| column.split_whitespace().next())
                .collect(),
            None => COLUMNS
                .into_iter()
                .chain(super::ADDED.iter().map(|(name, _)| *name))
                .collect(),
        };
        Places(
            names
                .into_iter()
                .enumerate()
                .map(|(place, name)| (name.to_owned(), place))
                .collect(),
        )
    }
}

struct Reading<'a> {
    pages: Pages,
    places: Places,
    seen: HashSet<u32>,
    lost: Lost,
    wanted: &'a mut dyn FnMut(i64) -> bool,
    take: &'a mut dyn FnMut(Row, String) -> io::Result<()>,
}

impl Reading<'_> {
    /// Takes the rows of the tree that begins at a page.
    fn tree(&mut self, number: u32, depth: u32) -> io::Result<()> {
        let page = self.pages.page(number).filter(|_| self.seen.insert(number));
        match page {
            Some(page) if page[0] == LEAF => {
                self.lost.rows += self.leaf(&page)?;
                Ok(())
            }
            Some(page) if page[0] == INNER && depth > 0 => {
                let children = cells(&page, 0).map(|cell| self::number(&page, cell));
                for child in children.chain([self::number(&page, 8)]) {
                    self.tree(child, depth - 1)?;
                }
                Ok(())
            }
            _ => {
                self.lost.pages += 1;
                Ok(())
            }
        }
    }

    /// Takes the rows of a page; how many make no sense.
    fn leaf(&mut self, page: &[u8]) -> io::Result<u64> {
        let mut lost = 0;
        for cell in cells(page, 0) {
            if !cell_id(page, cell).is_none_or(&mut *self.wanted) {
                continue;
            }
            let record = leaf_cell(&self.pages, page, cell);
            match record.and_then(|(id, payload)| row(id, &payload, &self.places)) {
                Some((row, state)) => (self.take)(row, state)?,
                None => lost += 1,
            }
        }
        Ok(lost)
    }

    /// Takes the rows of all pages that were not seen, and that are not unused as far as the head says.
    fn look_everywhere(&mut self, head: Option<&[u8]>) -> io::Result<()> {
        self.seen.insert(1);
        if let Some(head) = head {
            self.mark_unused(number(head, 32));
        }
        for number in self.pages.all() {
            if self.seen.contains(&number) {
                continue;
            }
            if let Some(page) = self.pages.page(number).filter(|page| page[0] == LEAF) {
                self.leaf(&page)?; // what makes no sense there is nothing of ours
            }
        }
        Ok(())
    }

    /// Marks the pages that are unused: a chain of pages that each list others.
    fn mark_unused(&mut self, mut trunk: u32) {
        while let Some(page) = self.pages.page(trunk).filter(|_| self.seen.insert(trunk)) {
            let count = (number(&page, 4) as usize).min(PAGE / 4 - 2);
            self.seen
                .extend((0..count).map(|place| number(&page, 8 + 4 * place)));
            trunk = number(&page, 0);
        }
    }
}

/// A number of four bytes at `at`; 0 when there are not so many.
fn number(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    four.map_or(0, u32::from_be_bytes)
}

/// Where the cells of a page are whose head is at `at`. Those that are not in the page are left out by who reads them.
fn cells(page: &[u8], at: usize) -> impl Iterator<Item = usize> + '_ {
    let short = move |at: usize| {
        let two = page.get(at..at + 2).and_then(|two| two.try_into().ok());
        two.map_or(0, u16::from_be_bytes) as usize
    };
    let head = if page.get(at) == Some(&INNER) { 12 } else { 8 };
    let count = short(at + 3).min(PAGE / 2);
    (0..count).map(move |place| short(at + head + 2 * place))
}

/// A number of one to nine bytes at `at`, and where it ends.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for place in 0..9 {
        let byte = *bytes.get(at + place)?;
        if place == 8 {
            return Some((value << 8 | u64::from(byte), at + 9));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, at + place + 1));
        }
    }
    None
}

/// The id of a row.
fn cell_id(page: &[u8], at: usize) -> Option<i64> {
    let (_, at) = varint(page, at)?;
    varint(page, at).map(|(id, _)| id.cast_signed())
}

/// The id and the record of a row, the part of it that is on other pages included.
fn leaf_cell(pages: &Pages, page: &[u8], at: usize) -> Option<(i64, Vec<u8>)> {
    let (length, at) = varint(page, at)?;
    let (id, at) = varint(page, at)?;
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= LARGEST)?;
    let local = local_length(length);
    let mut payload = page.get(at..at + local)?.to_vec();
    let mut next = if local < length {
        number(page, at + local)
    } else {
        0
    };
    if local < length && !pages.is_certain {
        return None;
    }
    while payload.len() < length {
        let page = pages.page(next)?;
        let part = (length - payload.len()).min(PAGE - 4);
        payload.extend_from_slice(&page[4..4 + part]);
        next = number(&page, 0);
    }
    // The last page names none.
    (next == 0).then_some((id.cast_signed(), payload))
}

/// How much of a record is on the page of its row.
fn local_length(length: usize) -> usize {
    const MOST: usize = PAGE - 35;
    const LEAST: usize = (PAGE - 12) * 32 / 255 - 23;
    if length <= MOST {
        return length;
    }
    match LEAST + (length - LEAST) % (PAGE - 4) {
        fits if fits <= MOST => fits,
        _ => LEAST,
    }
}

/// A value of a record.
#[derive(Debug, PartialEq)]
enum Field<'a> {
    Null,
    Number(i64),
    Bytes(&'a [u8]),
}

/// The values of a record.
fn fields(record: &[u8]) -> Option<Vec<Field<'_>>> {
    let (head, mut at) = varint(record, 0)?;
    let head = usize::try_from(head)
        .ok()
        .filter(|head| *head <= record.len())?;
    let mut body = head;
    let mut fields = Vec::new();
    while at < head {
        let (kind, next) = varint(record, at)?;
        at = next;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind as usize,
            5 => 6,
            6 => 8,
            7 | 10 | 11 => return None, // we have no fractions
            _ => usize::try_from((kind - 12) / 2).ok()?,
        };
        let bytes = record.get(body..body.checked_add(length)?)?;
        body += length;
        fields.push(match kind {
            0 => Field::Null,
            8 => Field::Number(0),
            9 => Field::Number(1),
            1..=6 => {
                let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
                let begin = if negative { -1 } else { 0 };
                Field::Number(
                    bytes
                        .iter()
                        .fold(begin, |value, byte| value << 8 | i64::from(*byte)),
                )
            }
            _ => Field::Bytes(bytes),
        });
    }
    Some(fields)
}

/// The row in a record, and its state; `None` when it is none of ours.
fn row(id: i64, record: &[u8], places: &Places) -> Option<(Row, String)> {
    let fields = fields(record)?;
    let field = |name: &str| fields.get(*places.0.get(name)?);
    let bytes = |name: &str| match field(name) {
        Some(Field::Bytes(bytes)) => Some(*bytes),
        _ => None,
    };
    let text = |name: &str| str::from_utf8(bytes(name)?).ok().map(str::to_owned);
    let whole = |name: &str| match field(name) {
        Some(Field::Number(number)) => Some(*number),
        _ => None,
    };
    // What a row lacks that was written before its column was there is 0.
    let later = |name: &str| whole(name).unwrap_or(0);
    let count = |number: i64| u32::try_from(number).unwrap_or(0);
    let state = text("state").filter(|state| STATES.contains(&state.as_str()))?;
    // It becomes part of a path.
    let is_name =
        |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    let row = Row {
        kept: NewRow {
            id,
            method: text("method").filter(|method| !method.is_empty())?,
            received: whole("received")?,
            uid: whole("uid").and_then(|uid| u32::try_from(uid).ok()),
            file: text("file").filter(is_name),
            notification: bytes("notification")?.to_vec(),
            user: bytes("user").map(<[u8]>::to_vec),
        },
        due: whole("due")?,
        attempts: count(whole("attempts")?),
        begun: count(later("begun")),
        crashes: count(later("crashes")),
        delay: later("delay"),
        waited: later("waited"),
        asked: count(later("asked")),
        error: text("error"),
    };
    Some((row, state))
}
