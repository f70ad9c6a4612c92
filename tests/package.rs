//! What `cargo deb` and systemd are told agrees with what is here. `tests/package` builds the package and tries it.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the package has the daemon.
const DAEMON: &str = "/usr/lib/cyrus-notifyd/notifyd";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn names_in(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(path(folder)).unwrap();
    entries
        .map(|entry| {
            format!(
                "{folder}/{}",
                entry.unwrap().file_name().into_string().unwrap()
            )
        })
        .collect()
}

/// Source, destination and mode of each asset.
fn assets() -> Vec<[String; 3]> {
    let manifest = read("Cargo.toml");
    let list = manifest
        .split("\nassets = [\n")
        .nth(1)
        .unwrap()
        .split("\n]")
        .next()
        .unwrap();
    let row = |line: &str| -> [String; 3] {
        let fields: Vec<String> = line
            .split('"')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect();
        fields.try_into().unwrap_or_else(|_| panic!("{line}"))
    };
    list.lines().map(row).collect()
}

/// The files that a source stands for; those that are built are not here yet.
fn files(source: &str) -> BTreeSet<String> {
    let (folder, name) = source.rsplit_once('/').unwrap_or((".", source));
    match name.split_once('*') {
        None => BTreeSet::from([source.to_owned()]),
        Some((head, tail)) => names_in(folder)
            .into_iter()
            .filter(|file| file[folder.len() + 1..].starts_with(head) && file.ends_with(tail))
            .collect(),
    }
}

#[test]
fn every_asset_exists_and_nothing_is_forgotten() {
    let mut shipped = BTreeSet::new();
    for [source, to, mode] in assets() {
        let files = files(&source);
        assert!(!files.is_empty(), "{source} stands for no file");
        for file in &files {
            let built = file.starts_with("target/");
            assert!(built || path(file).is_file(), "{file} is not there");
            let program = file.starts_with("target/release/");
            assert_eq!(mode, if program { "755" } else { "644" }, "{file}");
            assert!(
                !to.starts_with("usr/lib/cyrus/") && !to.starts_with('/'),
                "{file} goes to {to}"
            );
            if let Some(page) = file.strip_prefix("man/") {
                let section = page.rsplit_once('.').unwrap().1;
                assert_eq!(to, format!("usr/share/man/man{section}/"), "{file}");
            }
        }
        shipped.extend(files);
    }
    let programs = names_in("src/bin")
        .into_iter()
        .map(|file| file.replace("src/bin", "target/release").replace(".rs", ""));
    let wanted = programs
        .chain(names_in("man"))
        .chain(names_in("examples/systemd"))
        .chain(
            ["bash", "zsh", "fish"].map(|shell| format!("target/completions/notifyctl.{shell}")),
        );
    let missing: Vec<String> = wanted.filter(|file| !shipped.contains(file)).collect();
    assert!(missing.is_empty(), "not in the package: {missing:?}");
}

#[test]
fn all_say_the_same_path() {
    let daemon = assets()
        .into_iter()
        .find(|[source, ..]| source == "target/release/notifyd")
        .unwrap();
    assert_eq!(format!("/{}notifyd", daemon[1]), DAEMON);
    for file in [
        "README.md",
        "examples/debian/README.Debian",
        "examples/debian/postinst",
        "examples/debian/prerm",
        "examples/systemd/cyrus-notifyd.service",
        "src/ctl/check/service.rs",
        "tests/package",
    ] {
        assert!(read(file).contains(DAEMON), "{file} does not name {DAEMON}");
    }
    for script in ["postinst", "prerm"] {
        let status = Command::new("sh")
            .arg("-n")
            .arg(path("examples/debian").join(script))
            .status();
        assert!(status.unwrap().success(), "{script}");
    }
}

/// Where cargo builds depends on the environment and on its configuration; a script that knows better is wrong somewhere.
#[test]
fn scripts_ask_cargo_where_it_builds() {
    for script in [
        "examples/demo",
        "tests/package",
        "tests/run",
        "tests/bench/run",
        "tests/built",
    ] {
        let text = read(script);
        assert!(!text.contains("target/release"), "{script}");
    }
    // A cargo that builds elsewhere, asked from elsewhere.
    let tmp = tempfile::tempdir().unwrap();
    let folder = tmp.path().join("with a blank");
    fs::create_dir(&folder).unwrap();
    let cargo = folder.join("cargo");
    let says = format!(
        "#!/bin/sh\nprintf '%s\\n' '{{\"reason\":\"compiler-artifact\",\"executable\":null}}' \
         '{{\"reason\":\"compiler-artifact\",\"executable\":\"{}/notifyd\",\"fresh\":true}}' '{{\"success\":true}}'\n",
        folder.display()
    );
    fs::write(&cargo, says).unwrap();
    let status = Command::new("chmod").arg("755").arg(&cargo).status();
    assert!(status.unwrap().success());
    let output = Command::new(path("tests/built"))
        .arg("notifyd")
        .env("PATH", format!("{}:/usr/bin:/bin", folder.display()))
        .current_dir("/")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, format!("{}/notifyd\n", folder.display()));
}

/// systemd makes folders that are missing as root's (`systemd.socket(5)`): Cyrus' processes must get through them to the socket.
#[test]
fn senders_reach_the_socket_in_folders_that_systemd_has_made() {
    let unit = read("examples/systemd/cyrus-notifyd.socket");
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key));
    let mode = value("DirectoryMode=").map_or(0o755, |mode| u32::from_str_radix(mode, 8).unwrap());
    assert_eq!(mode & 0o005, 0o005, "{mode:o}");
    assert_eq!(value("SocketUser="), Some("cyrus"));
    assert_eq!(value("SocketMode="), Some("0600"));
}

#[test]
#[ignore = "needs systemd: run tests/run"]
fn systemd_understands_the_units() {
    let tmp = tempfile::tempdir().unwrap();
    let mut units = Vec::new();
    for file in names_in("examples/systemd") {
        let to = tmp.path().join(Path::new(&file).file_name().unwrap());
        // It looks for the program, whose path may have a blank.
        let program = concat!("\"", env!("CARGO_BIN_EXE_notifyd"), "\"");
        fs::write(&to, read(&file).replace(DAEMON, program)).unwrap();
        units.push(to);
    }
    assert_eq!(units.len(), 2);
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .args(&units)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // Other units of this machine are not our business.
    let ours: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("notifyd"))
        .collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
    let service = units
        .iter()
        .find(|unit| unit.extension().unwrap() == "service")
        .unwrap();
    // 10 is no protection at all; sendmail must still work, so not 0 either.
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=yes", "--threshold=45", "--no-pager"])
        .arg(service)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
