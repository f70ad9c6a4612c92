//! Tests: a spool file that is damaged while no process runs.

use super::queue::{Change, Queue, Select};
use super::{Kept, NewRow, Settlement, Spool, files, now};
use proptest::prelude::*;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Rows that are owed in an example, by id.
type Rows = BTreeMap<i64, (NewRow, String)>;

const PAGE: u64 = 4096;

/// One of many lengths, so that some have pages of their own.
fn row(id: i64) -> NewRow {
    NewRow {
        notification: vec![(id % 251) as u8; (id as usize * 37) % 9000],
        uid: Some(7),
        user: Some(b"alice".to_vec()),
        ..NewRow::example(id)
    }
}

/// A spool of rows in all states, half of which are in the log only; others have gone.
fn example(folder: &Path) -> Rows {
    let spool = Spool::open(folder).unwrap();
    let commit = |ids: std::ops::RangeInclusive<i64>| {
        for id in ids {
            assert_eq!(spool.commit(&[row(id)]), Kept::Disk);
        }
    };
    commit(1..=400);
    let claimed = spool.claim("a", now(), 100).unwrap();
    let done = |n: usize| Settlement::Done(claimed[n].kept.id);
    spool.settle(&mut (0..40).map(done).collect()).unwrap();
    let queue = Queue::open(folder).unwrap().unwrap();
    queue.change(&[300, 301], Change::Hold, now()).unwrap();
    let checkpointed = spool.disk.first().checkpoint().unwrap();
    assert_eq!(checkpointed.left(), 0);
    commit(401..=700);
    spool.settle(&mut (40..90).map(done).collect()).unwrap();
    fs::write(folder.join(files::STATS), "{}").unwrap();
    rows(folder)
}

fn rows(folder: &Path) -> Rows {
    let queue = Queue::open(folder).unwrap().unwrap();
    let mut all = Rows::new();
    let each = |row: super::Row, state: &str| {
        all.insert(row.kept.id, (row.kept, state.to_owned()));
        Result::<(), super::queue::Unreadable>::Ok(())
    };
    queue.each(&Select::default(), each).unwrap();
    all
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

fn sql(folder: &Path, text: &str) {
    let connection = Connection::open(folder.join("spool.db")).unwrap();
    // As a program that does not mind: the log stays beside the file.
    let keep = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    connection.set_db_config(keep, true).unwrap();
    connection.execute_batch(text).unwrap();
}

fn cut(path: &Path, length: u64) {
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(length)
        .unwrap();
}

fn asides(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_aside = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.contains(".corrupt-") && !name.ends_with("-wal") && !name.ends_with("-shm")
    };
    entries.filter(is_aside).collect()
}

/// What is there after a start when an example has met with `damage`; each row must be as it was, and none that had gone may
/// be back. How many are missing.
fn survives(damage: impl FnOnce(&Path)) -> (usize, tempfile::TempDir) {
    let (missing, back, dir) = comes_through(damage);
    assert_eq!(back, 0, "rows are back");
    (missing, dir)
}

/// How many are missing after a start, and how many are back that had gone.
fn comes_through(damage: impl FnOnce(&Path)) -> (usize, usize, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("s");
    let before = example(&folder);
    damage(&folder);
    let spool = Spool::open(&folder).unwrap();
    assert!(!spool.is_degraded());
    // What was missed at the start is found now.
    let _ = spool.claim("a", now(), 9999);
    spool.replace_corrupt();
    let new = row(9000);
    assert_eq!(spool.commit(std::slice::from_ref(&new)), Kept::Disk);
    drop(spool);
    drop(Spool::open(&folder).unwrap()); // what was claimed is due again
    let mut after = rows(&folder);
    assert!(after.remove(&9000).map(|(row, _)| row) == Some(new));
    let back: Vec<i64> = after
        .keys()
        .filter(|id| !before.contains_key(id))
        .copied()
        .collect();
    for id in &back {
        assert!(
            after.remove(id).map(|(back, _)| back) == Some(row(*id)),
            "{id} is another"
        );
    }
    for (id, (row, state)) in &after {
        let (was, was_in) = &before[id];
        // SQLite keeps no sums: garbage in the middle of a row is not known to be garbage. It is nobody else's.
        let is_garbage = row.notification.contains(&0xa5) && was.notification.len() > 3000;
        assert!(row == was || is_garbage, "{id} is another");
        let waits = |state: &str| !matches!(state, "hold" | "failed");
        assert_eq!(waits(state), waits(was_in), "{id}");
    }
    (before.len() - after.len(), back.len(), dir)
}

/// Of the 610 rows not more than so many are missing.
#[track_caller]
fn loses_at_most(most: usize, damage: impl FnOnce(&Path)) -> tempfile::TempDir {
    let (missing, dir) = survives(damage);
    eprintln!("{missing} are missing");
    assert!(missing <= most, "{missing} are missing");
    dir
}

fn file(folder: &Path) -> PathBuf {
    folder.join("spool.db")
}

fn log(folder: &Path) -> PathBuf {
    folder.join("spool.db-wal")
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

const GARBAGE: [u8; 3 * PAGE as usize] = [0xa5; 3 * PAGE as usize];

#[test]
fn what_is_not_damaged_is_all_there() {
    let dir = loses_at_most(0, |_| {});
    assert!(asides(&dir.path().join("s")).is_empty());
}

#[test]
fn a_file_that_was_cut_short() {
    // What is behind the cut and not in the log is gone; a row has up to three pages.
    loses_at_most(300, |folder| {
        cut(&file(folder), length(&file(folder)) / 2 / PAGE * PAGE)
    });
    loses_at_most(300, |folder| {
        cut(&file(folder), length(&file(folder)) / 2 + 777)
    });
    loses_at_most(10, |folder| cut(&file(folder), length(&file(folder)) - 1));
}

#[test]
fn a_file_with_garbage_in_it() {
    for part in 1..8 {
        loses_at_most(30, |folder| {
            overwrite(&file(folder), length(&file(folder)) / 8 * part, &GARBAGE);
        });
    }
}

#[test]
fn a_file_without_its_head_or_the_root_of_its_table() {
    loses_at_most(0, |folder| {
        overwrite(&file(folder), 0, &GARBAGE[..PAGE as usize])
    });
    loses_at_most(0, |folder| overwrite(&file(folder), 0, &GARBAGE[..64]));
    loses_at_most(0, |folder| {
        overwrite(&file(folder), PAGE, &GARBAGE[..PAGE as usize])
    });
}

/// The first pages are in the log, too, as long as there is one.
#[test]
fn a_file_without_its_head_has_no_log() {
    for (at, bytes) in [(0, 64), (0, PAGE), (PAGE, PAGE)] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("s");
        let before = example(&folder);
        sql(&folder, "PRAGMA wal_checkpoint(TRUNCATE)");
        fs::remove_file(log(&folder)).unwrap();
        overwrite(&file(&folder), at, &GARBAGE[..bytes as usize]);
        let spool = Spool::open(&folder).unwrap();
        let _ = spool.claim("a", now(), 9999);
        spool.replace_corrupt();
        drop(spool);
        let after = rows(&folder);
        assert_eq!(before.len(), after.len(), "{at}");
        assert!(after.iter().all(|(id, (row, _))| before[id].0 == *row));
        assert_eq!(asides(&folder).len(), 1);
    }
}

#[test]
fn a_file_of_zeros_or_text() {
    // The log has what came last.
    for byte in [0, b'x'] {
        loses_at_most(400, |folder| {
            let bytes = vec![byte; length(&file(folder)) as usize];
            overwrite(&file(folder), 0, &bytes);
        });
    }
}

#[test]
fn a_file_that_was_emptied_or_removed_has_a_log() {
    loses_at_most(400, |folder| cut(&file(folder), 0));
    loses_at_most(400, |folder| fs::remove_file(file(folder)).unwrap());
}

#[test]
fn a_file_that_has_gone_with_its_log_leaves_nothing() {
    let (missing, _dir) = survives(|folder| {
        fs::remove_file(file(folder)).unwrap();
        fs::remove_file(log(folder)).unwrap();
    });
    assert_eq!(missing, 610);
}

#[test]
fn a_log_that_was_removed_costs_what_was_in_it() {
    // Rows that are only in the file may have gone since.
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("s");
    example(&folder);
    fs::remove_file(log(&folder)).unwrap();
    let spool = Spool::open(&folder).unwrap();
    let there = spool.claim("a", now(), 9999).unwrap();
    assert!((300..=360).contains(&there.len()), "{}", there.len());
}

#[test]
fn a_log_with_garbage_in_it() {
    loses_at_most(0, |folder| overwrite(&log(folder), 0, &GARBAGE[..32]));
    for part in 1..8 {
        // What was there before is all there; of what came after that, what is certain. As after a crash, some may be back.
        let (missing, back, _dir) = comes_through(|folder| {
            overwrite(&log(folder), length(&log(folder)) / 8 * part, &GARBAGE);
        });
        assert!(
            missing <= 260 && back <= 50,
            "{missing} are missing, {back} back"
        );
    }
}

#[test]
fn a_log_of_garbage_costs_no_more_than_what_was_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("s");
    example(&folder);
    let bytes = vec![0xa5; length(&log(&folder)) as usize];
    overwrite(&log(&folder), 0, &bytes);
    let spool = Spool::open(&folder).unwrap();
    let there = spool.claim("a", now(), 9999).unwrap();
    assert!((300..=360).contains(&there.len()), "{}", there.len());
    assert_eq!(asides(&folder).len(), 1);
}

#[test]
fn a_table_or_column_or_index_that_was_dropped() {
    let dir = loses_at_most(0, |folder| sql(folder, "DROP INDEX delivery_due"));
    assert!(asides(&dir.path().join("s")).is_empty(), "made again");
    loses_at_most(0, |folder| {
        sql(folder, "ALTER TABLE delivery DROP COLUMN error")
    });
    loses_at_most(0, |folder| sql(folder, "PRAGMA user_version = 0"));
    let (missing, dir) =
        survives(|folder| sql(folder, "PRAGMA secure_delete = 0; DROP TABLE delivery"));
    assert_eq!(
        missing, 610,
        "what was delivered is there, too: nobody knows which"
    );
    // It is the operator's to say that they shall come nevertheless.
    let folder = dir.path().join("s");
    let queue = Queue::open(&folder).unwrap().unwrap();
    let salvaged = queue.import(&asides(&folder)[0]).unwrap();
    assert!(salvaged.lost.table && salvaged.taken > 250, "{salvaged:?}");
}

#[test]
fn what_was_kept_aside_is_imported_once() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    let before = example(&old);
    drop(Spool::open(&new).unwrap());
    let queue = Queue::open(&new).unwrap().unwrap();
    let first = queue.import(&file(&old)).unwrap();
    assert_eq!((first.taken, first.known), (before.len(), 0));
    assert!(first.lost.is_nothing());
    let again = queue.import(&file(&old)).unwrap();
    assert_eq!((again.taken, again.known), (0, before.len()));
    assert!(queue.import(&file(&new)).is_err(), "the spool itself");
    assert!(queue.import(&dir.path().join("nothing")).is_err());
    let all = rows(&new);
    assert!(all.values().all(|(_, state)| state != "active"));
    let kept = |rows: &Rows| {
        rows.values()
            .map(|(row, _)| row.clone())
            .collect::<Vec<_>>()
    };
    assert!(kept(&all) == kept(&before));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever is overwritten: the process starts, new rows are safe, and no row has become another.
    #[test]
    fn any_damage(spots in prop::collection::vec((any::<bool>(), 0.0..1.0f64, any::<Vec<u8>>()), 1..8)) {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("s");
        example(&folder);
        for (in_log, part, bytes) in spots {
            let path = if in_log { log(&folder) } else { file(&folder) };
            let at = (length(&path) as f64 * part) as u64;
            overwrite(&path, at, &bytes);
        }
        let spool = Spool::open(&folder).unwrap();
        let _ = spool.claim("a", now(), 9999);
        spool.replace_corrupt();
        let new = row(9000);
        prop_assert_eq!(spool.commit(std::slice::from_ref(&new)), Kept::Disk);
        drop(spool);
        let kept = rows(&folder).remove(&9000).map(|(row, _)| row);
        prop_assert!(kept == Some(new));
    }
}
