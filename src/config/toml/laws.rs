//! What holds for every file, however bad.

use super::tests::METHODS;
use super::*;
use proptest::prelude::*;
use std::path::Path;

fn scraps() -> impl Strategy<Value = String> {
    let words = KEYS
        .iter()
        .flat_map(|key| [key.table, key.name, key.default])
        .map(str::to_owned);
    let marks = [
        "[", "]", "[[", "=", " = ", "\n", ".", "\"", "'", "#", "\"\"\"", "{", "}", ",", "1", "-",
        "true", "é",
    ];
    let parts: Vec<String> = words.chain(marks.map(str::to_owned)).collect();
    prop::collection::vec(prop::sample::select(parts), 0..40).prop_map(|parts| parts.concat())
}

/// A file that says something about each key, not necessarily anything good.
fn settings() -> impl Strategy<Value = String> {
    let values = [
        "0",
        "1",
        "100000",
        "\"5m\"",
        "\"1G\"",
        "true",
        "false",
        "\"full\"",
        "\"block\"",
        "\"/x\"",
        "[1, 2]",
        "\"debug\"",
        "\"0600\"",
        "\"always\"",
        "\"rfc5436\"",
        "\"de-AT\"",
        "\"\"",
        "{ \"a\" = \"de\", b = 1, \"@c\" = \"fr\" }",
    ];
    prop::collection::vec(
        (
            prop::sample::select(KEYS.to_vec()),
            prop::sample::select(values.to_vec()),
        ),
        0..6,
    )
    .prop_map(|rows| {
        let mut text = String::new();
        for (key, value) in rows {
            text += &format!(
                "[{}]\n{} = {value}\n",
                key.table.replace("NAME", "mailto"),
                key.name
            );
        }
        text
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes: Vec<u8>) {
        let _ = Own::parse(Path::new("/f"), &bytes, METHODS);
    }

    #[test]
    fn any_scraps_are_read_and_complaints_are_lines(text in scraps()) {
        let (config, problems) = Config::read(&text, METHODS);
        for problem in problems {
            prop_assert!(problem.line >= 1 && problem.line <= text.matches('\n').count() + 1);
            prop_assert!(!problem.what.contains('\n'), "{problem}");
        }
        prop_assert_eq!(Config::read(&config.changed(), METHODS).1, vec![]);
    }

    /// What is shown is what holds, whatever was wrong in the file.
    #[test]
    fn what_is_shown_reads_back(text in settings()) {
        let (config, _) = Config::read(&text, METHODS);
        let (again, problems) = Config::read(&config.changed(), METHODS);
        prop_assert_eq!(problems, vec![]);
        for table in ["mailto", "zephyr"] {
            prop_assert_eq!(again.method(table), config.method(table));
        }
        let rest = |config: &Config| Config { methods: BTreeMap::new(), ..config.clone() };
        prop_assert_eq!(rest(&again), rest(&config));
    }
}
