//! How many deliveries there are and how long the oldest has been due, at a cost that a scrape each few seconds can bear.
//!
//! Everything is read from indexes, never from the table with its notifications: a million rows take a tenth
//! of a second. Only `active` rows are looked up, and of those there are as many as the lanes have in hand.

use super::db::depths;
use super::queue::Queue;
use super::{Limits, Micros, Spool};
use std::collections::BTreeMap;

/// What is owed, by method.
pub type Depths = BTreeMap<String, Depth>;

/// What one method owes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// How many rows are in each state.
    pub states: BTreeMap<String, u64>,
    /// When the first of those that wait (`incoming`, `deferred`) is due.
    pub due: Option<Micros>,
}

impl Queue {
    /// What is owed on disk.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn depths(&self) -> rusqlite::Result<Depths> {
        depths(self.connection())
    }

    /// Bytes of the file that are in use.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn used_bytes(&self) -> rusqlite::Result<u64> {
        let pragma = |name: &str| {
            self.connection()
                .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
        };
        let used = (pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?;
        Ok(used.unsigned_abs())
    }
}

impl Spool {
    /// What the spool takes.
    pub fn limits(&self) -> Limits {
        self.room.limits()
    }

    /// What is owed in memory, because the disk refuses; empty when all is well.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn depths_in_memory(&self) -> rusqlite::Result<Depths> {
        let memory = self.memory();
        match memory.refuses {
            Some(_) => memory.db.depths(),
            None => Ok(Depths::new()),
        }
    }
}

/// Adds what `other` owes.
pub fn add(depths: &mut Depths, other: Depths) {
    for (method, more) in other {
        let depth = depths.entry(method).or_default();
        for (state, rows) in more.states {
            *depth.states.entry(state).or_default() += rows;
        }
        depth.due = depth.due.into_iter().chain(more.due).min();
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::Change;
    use super::super::{NewRow, Settlement, now};
    use super::*;

    fn row(id: i64, method: &str) -> NewRow {
        NewRow {
            method: method.into(),
            ..NewRow::example(id)
        }
    }

    fn states(depths: &Depths, method: &str) -> Vec<(String, u64)> {
        depths[method].states.clone().into_iter().collect()
    }

    #[test]
    fn every_state_is_counted_as_the_table_says() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(&dir.path().join("s")).unwrap();
        let queue = Queue::open(&dir.path().join("s")).unwrap().unwrap();
        assert!(queue.depths().unwrap().is_empty());
        spool.commit(&[1, 2, 3, 4, 5].map(|id| row(id, "a")));
        spool.commit(&[row(9, "b")]);
        spool.claim("a", now(), 3).unwrap();
        let error = "x".to_owned();
        spool
            .settle(&mut vec![
                Settlement::Defer {
                    id: 1,
                    due: 1000,
                    delay: 0,
                    waited: 0,
                    error: error.clone(),
                },
                Settlement::Fail {
                    id: 2,
                    at: 50,
                    error,
                },
            ])
            .unwrap();
        queue.change(&[4], Change::Hold, now()).unwrap();
        let depths = queue.depths().unwrap();
        let expected = ["active", "deferred", "failed", "hold", "incoming"].map(|s| (s.into(), 1));
        assert_eq!(states(&depths, "a"), expected);
        assert_eq!(depths["a"].due, Some(5));
        assert_eq!(states(&depths, "b"), [("incoming".to_owned(), 1)]);
        assert!(queue.used_bytes().unwrap() > 4096);
        let listed: u64 = queue.counts().unwrap().iter().map(|count| count.rows).sum();
        let counted: u64 = depths.values().flat_map(|d| d.states.values()).sum();
        assert_eq!((listed, counted), (6, 6));
    }

    #[test]
    fn two_tables_add_up() {
        let one = |method: &str, rows, due| {
            let states = BTreeMap::from([("incoming".to_owned(), rows)]);
            Depths::from([(method.to_owned(), Depth { states, due })])
        };
        let mut all = one("a", 2, Some(7));
        add(&mut all, one("a", 3, Some(5)));
        add(&mut all, one("b", 1, None));
        assert_eq!(states(&all, "a"), [("incoming".to_owned(), 5)]);
        assert_eq!((all["a"].due, all["b"].due), (Some(5), None));
    }
}
