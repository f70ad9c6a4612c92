//! `notifyctl config` and Debian's `cyr_info conf` must say the same about the same files.
//!
//! What `cyr_info` says to each case of `config/cases.rs` is recorded in
//! `fixtures/imapd.conf.d/recorded.txt`; we are held to the record everywhere, and the record to the
//! living `cyr_info` where Cyrus is installed. To record anew:
//! `RECORD=1 cargo test --test config -- --include-ignored live`.
#![allow(clippy::unwrap_used)]

#[path = "config/cases.rs"]
mod cases;

use std::cell::Cell;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use cases::Case;
use cyrus_notifyd::config::{Context, ImapdConf, Settings, keys};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tempfile::TempDir;

const CYR_INFO: &str = "/usr/lib/cyrus/bin/cyr_info";
const RECORD: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/imapd.conf.d/recorded.txt"
);

/// What a program said to a case.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    /// The exit status; `None` when a signal ended the program.
    status: Option<i32>,
    /// Standard output of a success, standard error of a failure.
    text: Vec<u8>,
}

impl Answer {
    /// Whether `ours` is what it should be when Cyrus answers this.
    fn allows(&self, ours: &Answer) -> bool {
        match self.status {
            // Cyrus aborts at an empty key and when a message does not fit its buffer.
            None => ours.status == Some(78) && ours.text.starts_with(b"fatal error: "),
            Some(_) => self == ours,
        }
    }
}

/// Makes the files of `case` in a directory that every user can read.
fn make(case: &Case) -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for (name, content) in &case.files {
        let path = dir.path().join(name);
        if name.ends_with('/') {
            fs::create_dir(path).unwrap();
        } else {
            fs::write(path, content).unwrap();
        }
    }
    dir
}

fn ask(command: &mut Command, case: &Case, dir: &Path) -> Answer {
    command.current_dir(dir).env_clear();
    if let Some(prefix) = case.prefix {
        command.env("CYRUS_PREFIX", prefix);
    }
    if command.get_program() != CYR_INFO {
        command.env("CYRUS_SERVICE", case.service);
    }
    let output = command.output().unwrap();
    match output.status.code() {
        Some(0) => Answer {
            status: Some(0),
            text: output.stdout,
        },
        None => Answer {
            status: None,
            text: Vec::new(),
        },
        status => {
            assert_eq!(output.stdout, b"", "{}: output of a failure", case.name);
            Answer {
                status,
                text: output.stderr,
            }
        }
    }
}

fn ours(case: &Case, dir: &Path) -> Answer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_notifyctl"));
    ask(
        command.args(["config", "--secrets", "-C", "imapd.conf"]),
        case,
        dir,
    )
}

/// Asks `cyr_info` as user cyrus: as root it would look for `cyrus_user` first.
fn theirs(case: &Case, dir: &Path) -> Answer {
    let cyrus = nix::unistd::User::from_name("cyrus")
        .unwrap()
        .expect("Debian's user cyrus");
    let mut command = Command::new(CYR_INFO);
    command.uid(cyrus.uid.as_raw()).gid(cyrus.gid.as_raw());
    ask(
        command.args(["-C", "imapd.conf", "-n", case.service, "conf"]),
        case,
        dir,
    )
}

/// The record: sections `=== NAME`, `status: N` or `status: aborted`, and the text.
fn recorded() -> HashMap<String, Answer> {
    let data = fs::read(RECORD).unwrap();
    let mut answers = HashMap::new();
    let mut current: Option<(String, Answer)> = None;
    for line in data.split_inclusive(|&b| b == b'\n') {
        if let Some(name) = line.strip_prefix(b"=== ") {
            answers.extend(current.take());
            let name = String::from_utf8(name.trim_ascii_end().to_vec()).unwrap();
            current = Some((
                name,
                Answer {
                    status: None,
                    text: Vec::new(),
                },
            ));
        } else if let Some((_, answer)) = &mut current {
            match line.strip_prefix(b"status: ") {
                Some(status) if answer.text.is_empty() => {
                    answer.status = std::str::from_utf8(status.trim_ascii())
                        .unwrap()
                        .parse()
                        .ok();
                }
                _ => answer.text.extend_from_slice(line),
            }
        }
    }
    answers.extend(current);
    answers
}

fn write_record(answers: &[(&str, Answer)]) {
    let mut data = Vec::new();
    for (name, Answer { status, text }) in answers {
        let status = status.map_or("aborted".to_owned(), |status| status.to_string());
        data.extend_from_slice(format!("=== {name}\nstatus: {status}\n").as_bytes());
        data.extend_from_slice(text);
    }
    fs::write(RECORD, data).unwrap();
}

fn show(answer: &Answer) -> String {
    format!(
        "status {:?}\n{}",
        answer.status,
        String::from_utf8_lossy(&answer.text)
    )
}

#[test]
fn ours_equals_the_record() {
    let recorded = recorded();
    let cases = cases::all();
    assert!(cases.len() >= 60);
    assert_eq!(
        recorded.len(),
        cases.len(),
        "a case without record, a record without case, or a name twice"
    );
    let mut wrong = Vec::new();
    for case in &cases {
        let dir = make(case);
        let (cyrus, ours) = (&recorded[case.name], ours(case, dir.path()));
        if !cyrus.allows(&ours) {
            wrong.push(format!(
                "{}\ncyrus: {}\nours: {}",
                case.name,
                show(cyrus),
                show(&ours)
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_record_holds_failures_and_successes() {
    let recorded = recorded();
    let fatal = recorded
        .values()
        .filter(|answer| answer.status == Some(78))
        .count();
    let good = recorded
        .values()
        .filter(|answer| answer.status == Some(0))
        .count();
    assert!(fatal >= 40 && good >= 60, "{fatal} fatal, {good} good");
}

#[test]
#[ignore = "needs Debian's cyrus-imapd: run tests/run"]
fn live_cyr_info_equals_the_record() {
    let cases = cases::all();
    let answers: Vec<_> = cases
        .iter()
        .map(|case| (case.name, theirs(case, make(case).path())))
        .collect();
    if std::env::var_os("RECORD").is_some() {
        write_record(&answers);
    }
    let recorded = recorded();
    for (name, answer) in &answers {
        assert_eq!(show(answer), show(&recorded[*name]), "{name}");
    }
}

#[test]
#[ignore = "needs Debian's cyrus-imapd: run tests/run"]
fn live_defaults_equal_our_table() {
    let case = cases::whole("defaults", "configdirectory: /x\n");
    let dir = make(&case);
    let cyrus = nix::unistd::User::from_name("cyrus")
        .unwrap()
        .expect("Debian's user cyrus");
    let mut command = Command::new(CYR_INFO);
    command.uid(cyrus.uid.as_raw()).gid(cyrus.gid.as_raw());
    let answer = ask(
        command.args(["-C", "imapd.conf", "conf-default"]),
        &case,
        dir.path(),
    );
    assert_eq!(answer.status, Some(0));
    let (cyrus, ours) = (
        String::from_utf8(answer.text).unwrap(),
        cyrus_notifyd::config::defaults(),
    );
    let ours = String::from_utf8(ours).unwrap();
    assert_eq!(ours.lines().count(), keys::all().count());
    // `cyr_info` prints the current value of an enum for its default: equal when nothing is set.
    for (ours, cyrus) in ours.lines().zip(cyrus.lines()) {
        assert_eq!(ours, cyrus);
    }
    assert_eq!(ours, cyrus);
}

/// Lines that are mostly right, over all options and values of all types.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    // With `zoneinfo_dir` Cyrus looks for time zones on the disk, which no parser can know.
    let names: Vec<&'static str> = keys::all()
        .map(|key| key.name)
        .filter(|name| *name != "zoneinfo_dir")
        .collect();
    let words: Vec<&'static str> = keys::all()
        .flat_map(|key| match key.kind {
            keys::Kind::Word(w) | keys::Kind::Listed(w) | keys::Kind::Bits(w) => w.to_vec(),
            _ => Vec::new(),
        })
        .flat_map(|word| word.split('='))
        .collect();
    let name = prop_oneof![
        6 => prop::sample::select(names),
        1 => Just("configdirectory"),
        1 => Just("x"),
    ];
    let prefix =
        prop_oneof![4 => Just(""), 2 => Just("notify_"), 1 => Just(" "), 1 => Just("imap_")];
    let value = prop_oneof![
        3 => prop::sample::select(words.clone()).prop_map(str::to_owned),
        1 => prop::collection::vec(prop::sample::select(words), 1..4).prop_map(|w| w.join(" ")),
        3 => "(0x|0|-|\\+)?[0-9a-f]{1,3}[dhms]?",
        2 => "(on|off|yes|no|t|f|0|1)",
        2 => "(\\{configdirectory\\})?/[a-z]{0,4}",
        1 => "[ -~]{0,8}",
    ];
    let end = prop_oneof![9 => Just("\n"), 1 => Just("\r\n"), 1 => Just("\\\n"), 1 => Just(" \n")];
    prop_oneof![
        20 => (prefix, name, value, end).prop_map(|(p, n, v, e)| format!("{p}{n}: {v}{e}").into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
        1 => Just(b"# comment\n".to_vec()),
    ]
}

fn any_file() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any_line(), 0..5).prop_map(|lines| lines.concat())
}

#[test]
#[ignore = "needs Debian's cyrus-imapd: run tests/run"]
fn live_cyr_info_agrees_on_any_file() {
    let config = Config {
        cases: 400,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let good = Cell::new(0);
    TestRunner::new_with_rng(config, rng)
        .run(&any_file(), |lines| {
            let case = cases::whole(
                "any",
                [b"configdirectory: /var\n", lines.as_slice()].concat(),
            );
            let dir = make(&case);
            let (cyrus, ours) = (theirs(&case, dir.path()), ours(&case, dir.path()));
            good.set(good.get() + usize::from(cyrus.status == Some(0)));
            prop_assert!(
                cyrus.allows(&ours),
                "cyrus: {}\nours: {}",
                show(&cyrus),
                show(&ours)
            );
            Ok(())
        })
        .unwrap();
    let good = good.get();
    assert!(
        (80..360).contains(&good),
        "{good} of 400 files are good: the generator is one-sided"
    );
}

/// Reads `data` under every file name, so that includes are met, too.
fn read(data: &[u8]) -> Result<ImapdConf, String> {
    let mut budget = 20;
    let mut reader = |_: &Path| {
        budget -= 1;
        if budget > 0 {
            Ok(data.to_vec())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    };
    ImapdConf::read(Path::new("f"), b"notify", None, false, &mut reader)
        .map_err(|error| error.to_string())
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(data in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&data).map(|conf| conf.changed());
    }

    #[test]
    fn likely_files_are_read_without_panic(lines in any_file(), head in any::<bool>()) {
        let start: &[u8] = if head { b"configdirectory: /x\n" } else { b"@include: y\n" };
        let data = [start, &lines].concat();
        let _ = read(&data).map(|conf| conf.changed());
        let _ = Settings::parse(&[b"configdirectory: /x\n", lines.as_slice()].concat(), &Context::default());
    }

    #[test]
    fn a_text_comes_back_as_it_was_set(value in "[!-~]([ -~]{0,40}[!-~])?") {
        prop_assume!(!value.starts_with("{configdirectory}") && !value.ends_with('\\'));
        let text = format!("configdirectory: /x\npostmaster: {value}\nnotifyd_config: {value}\n");
        let ours = Settings::parse(text.as_bytes(), &Context::default()).unwrap();
        prop_assert_eq!(&ours.postmaster, value.as_bytes());
        prop_assert_eq!(ours.get("notifyd_config"), Some(value.as_bytes()));
    }
}

#[test]
fn an_unreadable_file_is_named_with_the_reason() {
    let mut denied = |_: &Path| Err(io::Error::from_raw_os_error(13));
    let error = ImapdConf::read(Path::new("/x"), b"notify", None, false, &mut denied).unwrap_err();
    assert_eq!(
        error.to_string(),
        "can't open configuration file /x: Permission denied"
    );
}
