//! Arguments, messages and exit codes (sysexits(3)).

use super::daemon::{Alone, external};
use super::stage::{LIMIT, note, wait_for};
use std::fs;
use std::process::{Command, Stdio};

const EX_USAGE: Option<i32> = Some(64);
const EX_OSERR: Option<i32> = Some(71);
const EX_CONFIG: Option<i32> = Some(78);

#[test]
fn help() {
    let alone = Alone::new();
    for option in ["--help", "-h"] {
        let (code, output, errors) = alone.run(&[option]);
        assert_eq!((code, errors.as_str()), (Some(0), ""));
        assert!(output.starts_with("usage: notifyd [-C FILE] [-m METHOD]"));
        for option in ["-C FILE", "-m METHOD", "-X", "-U", "-T", "-D"] {
            assert!(output.contains(option), "{output}");
        }
    }
}

#[test]
fn version() {
    let (code, output, _) = Alone::new().run(&["--version"]);
    let version = concat!("cyrus-notifyd ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!((code, output.as_str()), (Some(0), version));
}

#[test]
fn wrong_arguments() {
    let alone = Alone::new();
    for (args, said) in [
        (&["-Z"][..], "notifyd: unknown option -Z\nusage: "),
        (&["-C"], "notifyd: option -C needs a value\n"),
        (&["-m"], "notifyd: option -m needs a value\n"),
        (&["-U"], "notifyd: option -U needs a value\n"),
        (
            &["-mlog"],
            "notifyd: options and arguments must be separated by white space: -mlog\n",
        ),
        (
            &["-C/etc/imapd.conf"],
            "notifyd: options and arguments must be separated",
        ),
    ] {
        let (code, output, errors) = alone.run(args);
        assert_eq!(
            (code, output.as_str()),
            (EX_USAGE, ""),
            "{args:?}: {errors}"
        );
        assert!(errors.starts_with(said), "{args:?}: {errors}");
    }
}

/// Master would disable a service that ends, and every sender would fail: Cyrus' own goes on with each of these.
#[test]
fn a_mistake_in_cyrus_conf_is_told_and_stops_nothing() {
    for (args, said) in [
        (
            &["extra"][..],
            "command line: 'extra' means nothing and is passed over",
        ),
        (
            &["--", "-C", "x"],
            "command line: '-C' means nothing and is passed over",
        ),
        (
            &["-m", "carrier-pigeon"],
            "command line: -m carrier-pigeon: there is no such method, so what names no method is lost; there are: null, log, mailto, zephyr, external",
        ),
    ] {
        let mut alone = Alone::new();
        let conf = alone.path("imapd.conf");
        let usual = ["-X", "-C", conf.to_str().unwrap()];
        let command = alone.command(&[&usual, args].concat());
        alone.spawn_command(command);
        alone.wait_line(said);
        alone.wait_line(": started: ");
        alone.send(&note("").class("C").user("alice").message("text"));
        alone.send(&external("bob"));
        alone.wait_run(&["-u bob"]);
        assert_eq!(alone.count_runs("-u alice"), 0, "{args:?}");
    }
}

#[test]
fn the_default_method() {
    let mut alone = Alone::new();
    let conf = alone.path("imapd.conf");
    let args = [
        "-X",
        "-C",
        conf.to_str().unwrap(),
        "-m",
        "EXTERNAL",
        "-U",
        "5",
        "-T",
        "60",
        "-D",
    ];
    let command = alone.command(&args);
    alone.spawn_command(command);
    alone.wait_line("default method external");
    alone.send(&note("").class("C").user("alice").message("text"));
    alone.wait_run(&["external -c C -p  -u alice"]);
}

#[test]
fn a_configuration_that_is_not_there() {
    let alone = Alone::new();
    let (code, _, errors) = alone.run(&["-C", "/no/such/file"]);
    assert_eq!(code, EX_CONFIG);
    assert!(errors.contains("/no/such/file"), "{errors}");
}

#[test]
fn configurations_that_cannot_be_used() {
    let alone = Alone::new();
    let conf = alone.path("broken.conf");
    for (text, said) in [
        ("servername: x\n", "configdirectory"),
        (
            "configdirectory: /x\nconfigdirectory: /y\n",
            "option 'configdirectory' was specified twice",
        ),
        ("configdirectory:\n", "empty option value on line 1"),
    ] {
        fs::write(&conf, text).unwrap();
        let (code, _, errors) = alone.run(&["-C", conf.to_str().unwrap()]);
        assert_eq!(code, EX_CONFIG, "{text}: {errors}");
        assert!(errors.contains(said), "{text}: {errors}");
    }
}

#[test]
fn with_x_its_own_log_lines_go_to_standard_error() {
    let alone = Alone::start();
    alone.send(&external("alice"));
    alone.wait_line("class=TEST, user=alice, attempts=1, delay=");
    for line in alone.log().lines() {
        assert!(line.starts_with("notifyd: "), "{line}");
    }
}

#[test]
fn without_x_they_do_not() {
    let mut alone = Alone::new();
    let conf = alone.path("imapd.conf");
    let command = alone.command(&["-C", conf.to_str().unwrap()]);
    alone.spawn_command(command);
    let socket = alone.path("run/notify");
    wait_for("the socket", LIMIT, || socket.exists().then_some(()));
    alone.send(&external("alice"));
    alone.wait_run(&["-u alice"]);
    assert_eq!(alone.log(), "");
}

#[test]
#[ignore = "needs root: run tests/run"]
fn root_becomes_the_cyrus_user_or_nothing() {
    let mut alone = Alone::new();
    for (user, said) in [
        ("no-such-user", "no such user: no-such-user"),
        (
            "root",
            "must not run as root: the Cyrus user root has uid 0",
        ),
    ] {
        alone.configure("imapd.conf", &[("cyrus_user", user)]);
        let conf = alone.path("imapd.conf");
        let (code, _, errors) = alone.run(&["-C", conf.to_str().unwrap()]);
        assert_eq!(
            (code, errors.as_str()),
            (EX_OSERR, format!("notifyd: {said}\n").as_str())
        );
    }
    alone.configure("imapd.conf", &[("cyrus_user", "no-such-user")]);
    let conf = alone.path("imapd.conf");
    let mut command = alone.command(&["-X", "-C", conf.to_str().unwrap()]);
    command.env("CYRUS_USER", "nobody");
    alone.spawn_command(command);
    alone.wait_line(": started: ");
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", alone.pid())).unwrap();
    let uids = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .unwrap();
    let uid = nobody.uid.to_string();
    assert!(uids.split_whitespace().all(|id| id == uid), "{uids}");
}

#[test]
fn without_masters_descriptors_it_does_not_begin() {
    let mut alone = Alone::new();
    let conf = alone.path("imapd.conf");
    for closed in ["3<&- 4<&-", "3>&1 4<&-", "3</dev/null 4</dev/null"] {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec \"$@\" {closed}"), "sh"]);
        shell
            .args([env!("CARGO_BIN_EXE_notifyd"), "-C"])
            .arg(&conf)
            .env("CYRUS_SERVICE", "notify")
            .stdout(Stdio::piped());
        let pid = alone.spawn_command(shell);
        assert_eq!(alone.wait_exit_of(pid).code(), EX_OSERR, "{closed}");
    }
}

#[test]
fn on_a_terminal_its_own_log_lines_go_there() {
    // script(1) is part of every Debian; it gives the program a terminal.
    let call = concat!("'", env!("CARGO_BIN_EXE_notifyd"), "' -m");
    let output = Command::new("script")
        .args(["-qec", call, "/dev/null"])
        .env_remove("CYRUS_SERVICE")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        shown.contains("notifyd: Fatal error: option -m needs a value"),
        "{shown}"
    );
    assert_eq!(output.status.code(), Some(64));
}
