//! Counting rows from indexes alone; what for is told in [`crate::spool::depth`].

use super::Db;
use crate::spool::depth::Depths;
use rusqlite::Connection;

/// New rows, and those that are delivered at once, never enter these. Made by each opening that finds it missing.
///
/// Not `state IN (…)` with three words: SQLite would make a table of them, and do so for each row that is inserted, which
/// took longer than all the rest. An earlier form had that.
pub(super) const INDEXES: &str = "DROP INDEX IF EXISTS delivery_aside;
    CREATE INDEX IF NOT EXISTS delivery_tried ON delivery (state, method)
    WHERE state NOT IN ('incoming', 'active');
    CREATE INDEX IF NOT EXISTS delivery_held ON delivery (due) WHERE state = 'hold'";
const ASIDE: &str = "SELECT method, state, count(*) FROM delivery INDEXED BY delivery_tried
     WHERE state NOT IN ('incoming', 'active') GROUP BY state, method";
const ACTIVE: &str = "SELECT method, state, count(*) FROM delivery INDEXED BY delivery_active
     WHERE state = 'active' GROUP BY method";
const WAITING: &str = "SELECT method, count(*), min(due) FROM delivery INDEXED BY delivery_due
     WHERE state IN ('incoming', 'deferred') GROUP BY method";

impl Db {
    /// What is owed in this table.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn depths(&self) -> rusqlite::Result<Depths> {
        depths(&self.connection)
    }
}

/// What is owed in the table of `connection`.
pub(in crate::spool) fn depths(connection: &Connection) -> rusqlite::Result<Depths> {
    let snapshot = connection.unchecked_transaction()?;
    let mut all = Depths::new();
    let mut set = |method: String, state: &str, rows: u64| {
        all.entry(method)
            .or_default()
            .states
            .insert(state.to_owned(), rows);
    };
    let mut count = |sql: &str| -> rusqlite::Result<()> {
        let mut statement = snapshot.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (method, state): (String, String) = (row.get(0)?, row.get(1)?);
            set(method, &state, row.get::<_, i64>(2)?.unsigned_abs());
        }
        Ok(())
    };
    count(ASIDE)?;
    count(ACTIVE)?;
    let mut waiting = snapshot.prepare(WAITING)?;
    let mut rows = waiting.query([])?;
    while let Some(row) = rows.next()? {
        let depth = all.entry(row.get(0)?).or_default();
        let waiting = row.get::<_, i64>(1)?.unsigned_abs();
        let deferred = depth.states.get("deferred").copied().unwrap_or(0);
        if waiting > deferred {
            depth.states.insert("incoming".into(), waiting - deferred);
        }
        depth.due = row.get(2)?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The program of the query reads no column of the table itself, whose pages hold the notifications.
    #[test]
    fn nothing_is_read_but_indexes() {
        let db = Db::memory().unwrap();
        let root: i64 = db
            .connection
            .query_row(
                "SELECT rootpage FROM sqlite_schema WHERE name = 'delivery'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        let columns = |sql: &str| {
            let mut explain = db.connection.prepare(&format!("EXPLAIN {sql}")).unwrap();
            let code = |row: &rusqlite::Row<'_>| {
                Ok((
                    row.get::<_, String>(1)?,
                    row.get::<_, i64>(2)?,
                    row.get::<_, i64>(3)?,
                ))
            };
            let program: Vec<_> = explain
                .query_map([], code)
                .unwrap()
                .map(Result::unwrap)
                .collect();
            let table = program
                .iter()
                .find(|(code, _, page)| code == "OpenRead" && *page == root)
                .map(|(_, cursor, _)| *cursor);
            program
                .iter()
                .filter(|(code, cursor, _)| code == "Column" && Some(*cursor) == table)
                .count()
        };
        assert_eq!((columns(ASIDE), columns(WAITING)), (0, 0));
        assert!(columns(ACTIVE) > 0, "the test sees columns of the table");
    }
}
