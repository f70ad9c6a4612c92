//! What is written agrees with what is built: manual pages and README against the code.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

#[path = "docs/mdoc.rs"]
mod mdoc;

use cyrus_notifyd::config::toml::KEYS;
use cyrus_notifyd::daemon::intake::Counts;
use cyrus_notifyd::daemon::options::USAGE;
use cyrus_notifyd::daemon::retry::Policy;
use cyrus_notifyd::method::{Kind, METHODS};
use cyrus_notifyd::spool;
use mdoc::{flags, flat, items, section};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn names_in(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(path(folder)).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_manual_lists_the_methods() {
    let page = read("man/notifyd.8");
    let lines = section(&page, "METHODS");
    let names: Vec<&str> = METHODS.iter().map(|kind| kind.name).collect();
    assert_eq!(items(&lines, "Cm"), names);
    // And their limits, where there is something to wait for.
    let lines = lines.join("\n");
    for kind in METHODS.iter().filter(|kind| !kind.immediate) {
        let item = lines
            .split(&format!(".It Cm {}\n", kind.name))
            .nth(1)
            .unwrap()
            .split("\n.It ")
            .next()
            .unwrap();
        let text = flat(item);
        assert!(
            text.contains(&format!("at most {} seconds", kind.timeout.as_secs())),
            "{}: {text}",
            kind.name
        );
        let permits = match kind.permits {
            1 => "One ".to_owned(),
            more => format!("At most {more} "),
        };
        assert!(text.contains(&permits), "{}: {text}", kind.name);
    }
}

#[test]
fn the_manual_lists_the_options() {
    let of = |lines: Vec<&str>, head: &str| -> Vec<char> {
        let letters = lines
            .iter()
            .filter_map(|line| line.strip_prefix(head)?.chars().next());
        let mut letters: Vec<char> = letters.filter(char::is_ascii_alphabetic).collect();
        letters.sort_unstable();
        letters
    };
    let page = read("man/notifyd.8");
    let wanted = flags(USAGE);
    assert_eq!(wanted, ['C', 'D', 'T', 'U', 'X', 'm']);
    assert_eq!(of(section(&page, "OPTIONS"), ".It Fl "), wanted);
    assert_eq!(of(section(&page, "SYNOPSIS"), ".Op Fl "), wanted);

    let page = read("man/notifytest.1");
    let output = Command::new(env!("CARGO_BIN_EXE_notifytest"))
        .output()
        .unwrap();
    let usage = String::from_utf8(output.stderr).unwrap();
    let wanted = flags(usage.split_once("usage:").unwrap().1);
    assert_eq!(wanted, ['c', 'f', 'm', 'n', 'p', 't', 'u']);
    assert_eq!(of(section(&page, "DESCRIPTION"), ".It Fl "), wanted);

    let page = read("man/notifyctl.8");
    let output = Command::new(env!("CARGO_BIN_EXE_notifyctl"))
        .arg("help")
        .output()
        .unwrap();
    let usage = String::from_utf8(output.stdout).unwrap();
    let commands: Vec<&str> = usage
        .lines()
        .skip(2)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty()) // a summary with a line of its own
        .chain(["help"])
        .collect();
    assert_eq!(items(&section(&page, "DESCRIPTION"), "Cm"), commands);
}

#[test]
fn the_manual_has_the_retry_policy_and_the_form_of_ids() {
    let page = flat(&read("man/notifyd.8"));
    let policy = Policy::default();
    assert_eq!(
        (
            policy.first.as_secs(),
            policy.maximum.as_secs(),
            policy.lifetime.as_secs()
        ),
        (10, 3600, 86_400)
    );
    assert!(page.contains("not before 10 seconds and not later than 1 hour"));
    assert!(page.contains("After 1 day it is given up"));
    for text in [page, read("README.md")] {
        assert!(text.contains(&format!(
            "{}: method=mailto, class=",
            spool::id_text(1_795_370_292_123_456)
        )));
    }
}

/// The default of a key that the declaration leaves to something else.
fn default_of_a_method(key: &str) -> String {
    let spooled = METHODS.iter().filter(|kind| !kind.immediate);
    let each = |value: &dyn Fn(&Kind) -> String| {
        let texts = spooled.map(|kind| format!("{} {}", kind.name, value(kind)));
        texts.collect::<Vec<_>>().join(", ")
    };
    match key {
        "permits" => each(&|kind| kind.permits.to_string()),
        "timeout" => each(&|kind| format!("{}s", kind.timeout.as_secs())),
        _ => "that of [retry]".to_owned(),
    }
}

#[test]
fn the_manual_of_notifyd_toml_is_its_declaration() {
    let page = read("man/notifyd.toml.5");
    let lines = section(&page, "TABLES AND KEYS");
    let mut table = "";
    let mut found = Vec::new();
    // Items that stand together share the text of the last.
    let mut waiting: Vec<(&str, &str, &str)> = Vec::new();
    let mut text = String::new();
    let ends = |line: &str| line.starts_with(".It ") || line.starts_with(".Ss ");
    for line in lines.iter().chain([&".Ss end"]) {
        if ends(line) && !text.is_empty() {
            found.extend(waiting.drain(..).map(|item| (item, flat(&text))));
            text.clear();
        }
        if let Some(name) = line.strip_prefix(".Ss ") {
            table = name.trim_end_matches("\\&").trim_matches(['[', ']']);
            waiting.clear();
        } else if let Some(item) = line.strip_prefix(".It Cm ") {
            let (name, form) = item.split_once(" No = Ar ").unwrap();
            waiting.push((table, name, form));
        } else if !waiting.is_empty() && *line != ".El" {
            let word = line.strip_prefix(".Li ").or(line.strip_prefix(".Ql "));
            text += &format!("{}\n", word.unwrap_or(line));
        }
    }
    let declared: Vec<_> = KEYS
        .iter()
        .map(|key| (key.table, key.name, key.form))
        .collect();
    let items: Vec<_> = found.iter().map(|(item, _)| *item).collect();
    assert_eq!(items, declared);
    for (key, (_, text)) in KEYS.iter().zip(&found) {
        let default = match key.default {
            "" => default_of_a_method(key.name),
            default => default.to_owned(),
        };
        let said = text.split("Default: ").nth(1).unwrap_or_default();
        let end = said.strip_prefix(&default);
        assert!(
            end.is_some_and(|end| [" .", ".", " ,"].iter().any(|mark| end.starts_with(mark))),
            "{}: the default is {default}, not {said}",
            key.name
        );
    }
}

/// The parts that do not change of each line that the file logs above level debug.
fn logged(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let mut found = Vec::new();
    for call in ["error!(", "warn!(", "info!(", "format_args!("] {
        for rest in code.split(call).skip(1) {
            let Some(literal) = rest.trim_start().strip_prefix('"') else {
                continue;
            };
            let literal = literal.split('"').next().unwrap();
            let parts = literal.split(['{', '}']).step_by(2);
            found.extend(
                parts
                    .map(|part| part.trim().to_owned())
                    .max_by_key(String::len),
            );
        }
    }
    found
}

#[test]
fn the_manual_shows_every_line_of_the_log() {
    let page = flat(&read("man/notifyd.8"));
    let mut seen = 0;
    for folder in [
        "src/daemon",
        "src/daemon/metrics",
        "src/method",
        "src/method/mailto",
        "src/spool",
    ] {
        for name in names_in(folder).iter().filter(|name| name.ends_with(".rs")) {
            for part in logged(&read(&format!("{folder}/{name}")))
                .iter()
                .filter(|part| part.len() > 2)
            {
                seen += 1;
                assert!(
                    page.contains(part.as_str()),
                    "{folder}/{name} logs '{part}', and notifyd.8 does not say so"
                );
            }
        }
    }
    for count in Counts::default().to_string().split(", ") {
        assert!(page.contains(count.trim_end_matches('0')), "{count}");
    }
    assert!(seen > 15, "only {seen} lines found");
    assert_eq!(
        logged("warn!(\n  \"spool: {count} are gone {x}\", y)"),
        ["are gone"]
    );
}

#[test]
fn what_the_readme_and_the_manuals_name_is_there() {
    let readme = read("README.md");
    let pages = names_in("man");
    assert_eq!(
        pages,
        ["notifyctl.8", "notifyd.8", "notifyd.toml.5", "notifytest.1"]
    );
    for page in &pages {
        assert!(
            readme.contains(&format!("man/{page}")),
            "README.md does not name {page}"
        );
        let (name, number) = page.rsplit_once('.').unwrap();
        let other = if name == "notifyd" {
            "notifytest.1"
        } else {
            "notifyd.8"
        };
        let other = read(&format!("man/{other}"));
        let link = format!(".Xr {name} {number}");
        let listed = section(&other, "SEE ALSO")
            .iter()
            .any(|line| line.starts_with(&link));
        assert!(
            listed || name.starts_with("notify") && read("man/notifyd.8").contains(&link),
            "{page}"
        );
    }
    // A command stands with its arguments.
    let quoted: Vec<&str> = readme
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|text| text.split_whitespace().next())
        .collect();
    let ours = ["src/", "tests/", "man/", "examples/"];
    let ours = quoted
        .iter()
        .filter(|name| ours.iter().any(|folder| name.starts_with(folder)));
    let file = |name: &str| path(name.split(' ').next().unwrap_or(name));
    let missing: Vec<_> = ours.filter(|name| !file(name).exists()).collect();
    assert!(
        missing.is_empty(),
        "README.md names what is not there: {missing:?}"
    );
    for command in ["    examples/demo\n", "    tests/run\n"] {
        assert!(readme.contains(command));
    }
    let before_the_changes = readme.lines().take_while(|line| *line != "## Changes");
    assert!(before_the_changes.count() < 240);
    assert!(
        readme.contains(concat!("### ", env!("CARGO_PKG_VERSION"), "\n")),
        "no changes for this version"
    );
}

#[test]
#[ignore = "needs mandoc: run tests/run"]
fn mandoc_finds_nothing_wrong() {
    for name in names_in("man") {
        let output = Command::new("mandoc")
            .args(["-Tlint", "-W", "style"])
            .arg(path("man").join(&name))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        // Which manuals this machine has says nothing about ours.
        let wrong: Vec<&str> = text
            .lines()
            .filter(|line| {
                !line.contains("referenced manual not found") && !line.contains("mandoc.db")
            })
            .collect();
        assert!(wrong.is_empty(), "{name}: {wrong:#?}");
    }
}
