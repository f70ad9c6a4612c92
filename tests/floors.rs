//! The floors of the house (see `src/lib.rs`), held by reading the source: arrows only go down, rooms on one
//! floor do not know each other, the programs are thin, and the top level holds what was agreed.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

#[path = "floors/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, floor by floor, from the ground up.
const FLOORS: [&[&str]; 3] = [
    &["wire", "event", "config", "spool", "mail", "system"],
    &["method"],
    &["daemon", "ctl"],
];
const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE",
    "README.md",
    "src",
    "tests",
    "man",
    "examples",
    ".ci",
    ".gitignore",
];
const MAX_PROGRAM_LINES: usize = 40;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Every file of Rust below `src`, with its path there (`wire/dlist/mod.rs`) and its text.
fn sources() -> Vec<(String, String)> {
    let src = root().join("src");
    let name = |path: &Path| {
        path.strip_prefix(&src)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    files_below(&src)
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .map(|path| (name(path), read(path)))
        .collect()
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Whether code in `from` may name `to`.
fn may(from: &str, to: &str) -> bool {
    from == to || floor(to) < floor(from) && floor(to).is_some()
}

/// What is wrong with the file `name` (below `src`) that holds `text`.
fn wrongs(name: &str, text: &str) -> Vec<String> {
    let parts: Vec<&str> = name
        .trim_end_matches(".rs")
        .split('/')
        .filter(|part| *part != "mod")
        .collect();
    let wrong = |room: &String| format!("src/{name} names {room}");
    if parts[0] == "bin" {
        let named = source::rooms_named(text, 1);
        return named
            .iter()
            .filter(|room| floor(room) != Some(2))
            .map(wrong)
            .collect();
    }
    let room = parts[0].to_owned();
    let named = source::rooms_named(text, parts.len());
    named
        .iter()
        .filter(|to| !may(&room, to))
        .map(wrong)
        .collect()
}

#[test]
fn arrows_only_go_down() {
    let sources = sources();
    let wrongs: Vec<String> = sources
        .iter()
        .filter(|(name, _)| name != "lib.rs")
        .flat_map(|(name, text)| wrongs(name, text))
        .collect();
    assert!(wrongs.is_empty(), "{wrongs:#?}");
    // That the reader sees arrows at all: each of the upper floors names one below it.
    for (room, below) in [("daemon", "method"), ("method", "wire"), ("ctl", "config")] {
        let seen = sources
            .iter()
            .filter(|(name, _)| name.starts_with(&format!("{room}/")));
        let seen: Vec<String> = seen
            .flat_map(|(_, text)| source::rooms_named(text, 9))
            .collect();
        assert!(
            seen.iter().any(|to| to == below),
            "{room} does not name {below}: {seen:?}"
        );
    }
}

#[test]
fn a_made_up_violation_is_seen() {
    let seen = |name: &str, text: &str| wrongs(name, text).len();
    assert_eq!(seen("wire/datagram.rs", "use crate::config::Settings;"), 1);
    assert_eq!(seen("wire/mod.rs", "use super::spool;"), 1);
    assert_eq!(
        seen(
            "wire/dlist/parse.rs",
            "use super::super::super::spool::Row;"
        ),
        1
    );
    assert_eq!(
        seen(
            "wire/datagram.rs",
            "mod tests { use super::super::super::spool::Row; }"
        ),
        1
    );
    assert_eq!(
        seen("mail/header.rs", "fn f() { crate::system::thread(); }"),
        1
    );
    assert_eq!(
        seen(
            "method/log.rs",
            "use crate::{wire::Notification, daemon::{self, retry}, ctl};"
        ),
        2
    );
    assert_eq!(
        seen("daemon/mod.rs", "use crate::ctl;"),
        1,
        "the same floor"
    );
    assert_eq!(
        seen("ctl/mod.rs", "use crate::{config, daemon};"),
        1,
        "the same floor"
    );
    assert_eq!(
        seen("wire/mod.rs", "use crate as everything;"),
        1,
        "a name for the whole house"
    );
    assert_eq!(
        seen("bin/notifyd.rs", "use cyrus_notifyd::wire;"),
        1,
        "programs call the top floor"
    );
    assert_eq!(
        seen(
            "wire/mod.rs",
            "let a = b\"\\\"\"; let c = '\"'; use crate::mail;"
        ),
        1,
        "after strings"
    );
    assert_eq!(
        seen(
            "wire/mod.rs",
            "let a = br#\"\"x\"#; fn f<'a>(x: &'a str) {} use crate::mail;"
        ),
        1
    );
}

#[test]
fn what_is_allowed_is_not_complained_about() {
    for (name, text) in [
        (
            "wire/dlist/parse.rs",
            "use super::{Error, Line}; use super::super::Notification; use crate::wire::laws;",
        ),
        (
            "wire/mod.rs",
            "mod tests { use super::*; pub(crate) fn f() {} } pub(in crate::wire) fn g() {}",
        ),
        (
            "wire/mod.rs",
            "// use crate::spool\n/* crate::mail /* */ crate::mail */ const A: &str = \"crate::mail\";",
        ),
        (
            "wire/mod.rs",
            "const A: &str = r#\"say \"crate::mail\" here\"#;",
        ),
        (
            "method/zephyr.rs",
            "use crate::{config::Settings, wire::{self, zephyr}, system};",
        ),
        (
            "daemon/mod.rs",
            "use crate::method; use crate::config; use self::retry::Policy;",
        ),
        ("bin/notifyd.rs", "cyrus_notifyd::daemon::main(&arguments)"),
    ] {
        assert_eq!(wrongs(name, text), [""; 0], "{text}");
    }
}

#[test]
fn the_house_has_these_rooms_and_no_others() {
    let lib = read(&root().join("src/lib.rs"));
    assert!(lib.lines().any(|line| line == "#![forbid(unsafe_code)]"));
    let declared: BTreeSet<String> = source::modules(&lib).into_iter().collect();
    let rooms: BTreeSet<String> = FLOORS.concat().into_iter().map(str::to_owned).collect();
    assert_eq!(declared, rooms);
    let entries = fs::read_dir(root().join("src")).unwrap();
    let found: BTreeSet<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let wanted: BTreeSet<String> = rooms
        .into_iter()
        .chain(["bin".to_owned(), "lib.rs".to_owned()])
        .collect();
    assert_eq!(found, wanted);
}

#[test]
fn programs_are_thin() {
    let programs: Vec<_> = sources()
        .into_iter()
        .filter(|(name, _)| name.starts_with("bin/"))
        .collect();
    let names: Vec<&str> = programs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["bin/notifyctl.rs", "bin/notifyd.rs", "bin/notifytest.rs"]
    );
    let dependencies = dependencies();
    assert!(
        dependencies.contains(&"rustix".to_owned()),
        "{dependencies:?}"
    );
    for (name, text) in programs {
        let lines = text.lines().count();
        assert!(lines < MAX_PROGRAM_LINES, "src/{name} has {lines} lines");
        assert_eq!(
            source::modules(&text),
            [""; 0],
            "src/{name} declares modules"
        );
        let foreign: Vec<String> = source::outermost(&text)
            .into_iter()
            .filter(|word| dependencies.contains(word))
            .collect();
        assert_eq!(foreign, [""; 0], "src/{name} uses more than the library");
    }
    assert_eq!(
        source::outermost("use nix::unistd; fn f() { log::warn!(); a.b::<u8>() }"),
        ["nix", "log", "b"]
    );
}

/// The names in `[dependencies]`, as code writes them.
fn dependencies() -> Vec<String> {
    let manifest = read(&root().join("Cargo.toml"));
    let section = manifest
        .split("\n[dependencies]\n")
        .nth(1)
        .unwrap()
        .split("\n[")
        .next()
        .unwrap();
    section
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.replace('-', "_"))
        .collect()
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(silent, [""; 0]);
}

#[test]
fn the_top_level_holds_what_was_agreed() {
    let ignored = read(&root().join(".gitignore"));
    let ignored =
        |name: &str| name == ".git" || ignored.lines().any(|line| line.trim_matches('/') == name);
    let entries = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> = entries.filter(|name| !ignored(name)).collect();
    let agreed: BTreeSet<String> = TOP_LEVEL.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(found, agreed);
}
