//! `notifyctl check` on real files, and `notifyctl completions` in real shells.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// Rules that are about the machine on which the tests run, and not about the files.
const OF_THE_MACHINE: [&str; 9] = [
    "program",
    "socket-folder",
    "nobody",
    "sendmail",
    "user",
    "spool-folder",
    "file-system",
    "space",
    "clock",
];

fn notifyctl(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_notifyctl"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("CYRUS_SERVICE")
        .output()
        .unwrap()
}

/// What check finds, as `RULE LEVEL`, without what is about the machine.
fn found(imapd: &str, cyrus: &str) -> BTreeSet<String> {
    let output = notifyctl(&["check", "--json", "-C", imapd, "-M", cyrus]);
    assert_eq!(output.stderr, b"");
    let findings: Vec<Value> = output
        .stdout
        .split(|&b| b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let worst = findings.iter().map(|f| {
        ["note", "warning", "error"]
            .iter()
            .position(|level| f["level"] == *level)
            .unwrap()
    });
    assert_eq!(
        output.status.code().unwrap(),
        i32::try_from(worst.max().unwrap_or(0)).unwrap()
    );
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    findings
        .iter()
        .filter(|f| !OF_THE_MACHINE.contains(&f["rule"].as_str().unwrap()))
        .map(|f| format!("{} {}", text(&f["rule"]), text(&f["level"])))
        .collect()
}

fn example(name: &str) -> String {
    fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("examples")
            .join(name),
    )
    .unwrap()
}

/// Writes both files to a folder of its own, which others may enter, as they would be in /etc.
fn pair(imapd: &str, cyrus: &str) -> (tempfile::TempDir, String, String) {
    let tmp = tempfile::tempdir().unwrap();
    fs::set_permissions(tmp.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let path = |name: &str| tmp.path().join(name).to_str().unwrap().to_owned();
    let (imapd_file, cyrus_file) = (path("imapd.conf"), path("cyrus.conf"));
    let cyrus = cyrus.replace("/notifyd\"", &format!("/notifyd -C {imapd_file}\""));
    fs::write(&imapd_file, imapd).unwrap();
    fs::write(&cyrus_file, cyrus).unwrap();
    (tmp, imapd_file, cyrus_file)
}

#[test]
fn the_examples_are_clean() {
    let (_tmp, imapd, cyrus) = pair(&example("imapd.conf"), &example("cyrus.conf"));
    assert_eq!(found(&imapd, &cyrus), BTreeSet::new());
    // With what stands there as a comment.
    let dlist = "notifysocket: dlist:/run/cyrus/socket/notify";
    let more = example("imapd.conf")
        .replace("\nnotifysocket: /run", "\n# /run")
        .replace(&format!("#{dlist}"), dlist)
        .replace("#notify_external", "notify_external")
        .replace("#event_", "event_")
        .replace("#imip", "imip");
    let (before, after) = (
        example("cyrus.conf"),
        example("cyrus.conf")
            .replace("\n\tnotify\t", "\n\t# ")
            .replace("\n\t#notify\t", "\n\tnotify\t"),
    );
    assert_ne!(before, after);
    let (_tmp, imapd, cyrus) = pair(&more, &after);
    // There is no such program here, and no calalarmd in the example.
    let wanted = ["calendar warning", "external error"].map(str::to_owned);
    assert_eq!(found(&imapd, &cyrus), BTreeSet::from(wanted));
}

#[test]
fn our_program_is_known_from_others() {
    let stock = |path: &str| {
        let cyrus = example("cyrus.conf").replace("/usr/local/lib/cyrus-notifyd/notifyd", path);
        let (_tmp, imapd, cyrus) = pair(&example("imapd.conf"), &cyrus);
        found(&imapd, &cyrus).contains("stock warning")
    };
    assert!(!stock(env!("CARGO_BIN_EXE_notifyd")));
    let tmp = tempfile::tempdir().unwrap();
    fs::set_permissions(tmp.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let other = tmp.path().join("notifyd");
    fs::write(&other, "#!/bin/sh\n").unwrap();
    assert!(stock(other.to_str().unwrap()));
}

/// What these commands print is pasted into reports.
#[test]
fn secrets_are_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let included = dir.path().join("more.conf");
    fs::write(&included, "sync_password: geheim-1\n").unwrap();
    fs::set_permissions(&included, PermissionsExt::from_mode(0o640)).unwrap();
    let more = format!(
        "smtp_auth_authname: cyrus\nsmtp_auth_password: geheim-2\nnotify_sql_passwd: geheim-3\nsasl_ldapdb_pw: geheim-4\nsome_secret: geheim-5\nldap_uri: ldap://user:geheim-6@host/\n@include: {}\n",
        included.display()
    );
    let (_tmp, imapd, cyrus) = pair(&(example("imapd.conf") + &more), &example("cyrus.conf"));
    let print = |args: &[&str]| {
        let output = notifyctl(&[args, &["-C", &imapd]].concat());
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).unwrap()
    };
    for args in [
        &["config"][..],
        &["config", "--json"],
        &["check", "-M", &cyrus],
        &["check", "--json", "-M", &cyrus],
        &["queue"],
        &["stats"],
    ] {
        let text = print(args);
        assert!(!text.contains("geheim"), "{args:?}: {text}");
    }
    let hidden = print(&["config"]);
    for line in [
        "sync_password: ***",
        "smtp_auth_password: ***",
        "ldap_uri: ldap://user:***@host/",
        "sasl_ldapdb_pw: ***",
    ] {
        assert!(
            hidden.lines().any(|shown| shown == line),
            "{line}: {hidden}"
        );
    }
    for args in [
        &["config", "--secrets"][..],
        &["config", "--json", "--secrets"],
    ] {
        let shown = print(args);
        for n in 1..=6 {
            assert!(shown.contains(&format!("geheim-{n}")), "{args:?}: {shown}");
        }
    }
    // Everybody can read one of the files, and the right ones the other.
    let found = print(&["check", "-M", &cyrus]);
    assert!(
        found.contains("everybody on this machine can read smtp_auth_password"),
        "{found}"
    );
    assert!(!found.contains("sync_password"), "{found}");
}

/// Each would keep the daemon waiting, or never end.
#[test]
fn only_regular_files_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let pipe = path("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let huge = path("huge");
    fs::File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    let config = |text: &str| {
        let conf = path("imapd.conf");
        fs::write(
            &conf,
            format!("configdirectory: {}\n{text}", dir.path().display()),
        )
        .unwrap();
        // A program that hangs ends with 124.
        let output = Command::new("timeout")
            .args(["60", env!("CARGO_BIN_EXE_notifyctl"), "config", "-C", &conf])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    for (file, why) in [
        (pipe.as_str(), "it is not a regular file"),
        ("/dev/zero", "it is not a regular file"),
        (&huge, "it is larger than"),
    ] {
        let (code, said) = config(&format!("@include: {file}\n"));
        assert_eq!(code, Some(78), "{said}");
        let wanted = format!("can't open configuration file {file}: {why}");
        assert!(
            said.contains(&wanted) && said.lines().count() == 1,
            "{said}"
        );
        let (code, said) = config(&format!("notifyd_config: {file}\n"));
        assert_eq!(code, Some(78), "{said}");
        let wanted = format!("{file}: cannot be read: {why}");
        assert!(
            said.contains(&wanted) && said.lines().count() == 1,
            "{said}"
        );
    }
    assert_eq!(config("@include: /dev/null\n").0, Some(0), "an empty file");
}

#[test]
#[ignore = "needs cyrus-imapd: run tests/run"]
fn debians_own_files() {
    let wanted = ["stock warning", "nothing note", "sieve note"].map(str::to_owned);
    assert_eq!(
        found("/etc/imapd.conf", "/etc/cyrus.conf"),
        BTreeSet::from(wanted)
    );
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let output = notifyctl(&["check", "-C", "/nonexistent/imapd.conf"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("error: /nonexistent/imapd.conf: Cyrus and notifyd do not start: "),
        "{text}"
    );
    assert!(text.ends_with("1 error, 0 warnings, 0 notes\n"), "{text}");
    assert_eq!(notifyctl(&["check", "nonsense"]).status.code(), Some(64));
}

/// What a shell offers, sorted.
fn offered(shell: &str, program: &str) -> Vec<String> {
    let tmp = tempfile::tempdir().unwrap();
    let script = notifyctl(&["completions", shell]);
    assert!(script.status.success());
    let file = tmp.path().join("completions");
    fs::write(&file, script.stdout).unwrap();
    let output = Command::new(shell)
        .args(["-c", program, shell])
        .arg(&file)
        .env("HOME", tmp.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stderr, b"", "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    // fish and zsh put a description behind.
    let mut words: Vec<String> = text
        .lines()
        .map(|line| line.split(['\t', ':']).next().unwrap().to_owned())
        .collect();
    words.sort();
    words
}

/// The names of all commands, from the usage.
fn commands() -> Vec<String> {
    let usage = String::from_utf8(notifyctl(&["help"]).stdout).unwrap();
    let lines = usage.lines().skip(2).take_while(|line| !line.is_empty());
    let mut names: Vec<String> = lines
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty()) // a summary with a line of its own
        .map(str::to_owned)
        .chain(["help".into()])
        .collect();
    names.sort();
    names
}

/// Asks `offer(words)`, where the last word is what the cursor stands behind.
fn completes(offer: impl Fn(&[&str]) -> Vec<String>) {
    assert_eq!(offer(&[""]), commands());
    assert_eq!(
        offer(&["queue", "--state", ""]),
        ["active", "deferred", "failed", "hold", "incoming"]
    );
    assert!(offer(&["hold", "--method", ""]).contains(&"mailto".to_owned()));
    assert_eq!(offer(&["completions", ""]), ["bash", "fish", "zsh"]);
    let options = offer(&["delete", "-"]);
    for option in ["--all", "--dry-run", "--user", "--older"] {
        assert!(
            options.contains(&option.to_owned()),
            "{option}: {options:?}"
        );
    }
    assert!(!options.contains(&"--json".to_owned()), "{options:?}");
    assert_eq!(offer(&["queue", "--user", ""]), [""; 0]);
}

#[test]
fn bash_completes() {
    completes(|words| {
        let program = format!(
            "source \"$1\"; COMP_WORDS=(notifyctl {}); COMP_CWORD={}; _notifyctl; [ ${{#COMPREPLY[@]}} = 0 ] || printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words
                .iter()
                .map(|word| format!("'{word}' "))
                .collect::<String>(),
            words.len()
        );
        offered("bash", &program)
    });
    // Only what begins so, and a file's name where one is meant.
    let program = "source \"$1\"; compopt() { :; }; COMP_WORDS=(notifyctl queue -C /etc/pass); COMP_CWORD=3; _notifyctl; printf '%s\\n' \"${COMPREPLY[@]}\"";
    assert!(offered("bash", program).contains(&"/etc/passwd".to_owned()));
}

#[test]
#[ignore = "needs zsh: run tests/run"]
fn zsh_completes() {
    // What zsh itself would do with the words is its own affair: here they are printed.
    let stubs = "compdef() { :; }; compadd() { shift; print -l -- $@; }; _describe() { print -l -- ${(P)2}; }; _files() { print files; }";
    completes(|words| {
        let program = format!(
            "{stubs}; source \"$1\"; words=(notifyctl {}); CURRENT={}; _notifyctl",
            words
                .iter()
                .map(|word| format!("'{word}' "))
                .collect::<String>(),
            words.len() + 1
        );
        offered("zsh", &program)
    });
}

#[test]
#[ignore = "needs fish: run tests/run"]
fn fish_completes() {
    completes(|words| {
        let program = format!(
            "source $argv[2]; complete -C 'notifyctl {}'",
            words.join(" ")
        );
        offered("fish", &program)
    });
}
