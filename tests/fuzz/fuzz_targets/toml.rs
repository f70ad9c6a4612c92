//! However wrong a notifyd.toml is, it gives values for all keys, and its mistakes have a line each. What is shown
//! of those values is a file without mistakes that says the same.
#![no_main]

use cyrus_notifyd::config::toml::{Config, Known, Own};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use std::path::Path;

const METHODS: &[Known] = &[
    method("log", false),
    method("mailto", true),
    method("zephyr", true),
];

const fn method(name: &'static str, spooled: bool) -> Known {
    Known {
        name,
        spooled,
        permits: 4,
        timeout: 60,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let own = Own::parse(Path::new("notifyd.toml"), bytes, METHODS);
    let lines = bytes.iter().filter(|b| **b == b'\n').count() + 1;
    for problem in &own.problems {
        assert!((1..=lines).contains(&problem.line), "{problem}");
        assert!(!problem.what.contains('\n'), "{problem}");
    }
    let (again, problems) = Config::read(&own.config.changed(), METHODS);
    assert_eq!(problems, []);
    for known in METHODS {
        assert_eq!(again.method(known.name), own.config.method(known.name));
    }
    // A table without keys is not shown.
    let rest = |config: &Config| Config {
        methods: BTreeMap::new(),
        ..config.clone()
    };
    assert_eq!(rest(&again), rest(&own.config));
});
