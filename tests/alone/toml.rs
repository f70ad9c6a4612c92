//! notifyd.toml: what each key does, and what a file with mistakes costs.

use super::ctl::{call, done, queue, wait_queue};
use super::daemon::{Alone, external, mail};
use super::stage::{LIMIT, Signal, note, wait_for};
use rustix::process::geteuid;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Writes notifyd.toml, and an imapd.conf that names it, with these keys changed.
pub(super) fn write_with(alone: &Alone, text: &str, changes: &[(&str, &str)]) {
    let dir = alone.path("");
    let text = text.replace("{dir}", dir.to_str().unwrap().trim_end_matches('/'));
    fs::write(alone.path("notifyd.toml"), text).unwrap();
    let named = [("notifyd_config", "{dir}/notifyd.toml")];
    alone.configure("imapd.conf", &[&named, changes].concat());
}

pub(super) fn write(alone: &Alone, text: &str) {
    write_with(alone, text, &[]);
}

/// A running daemon with this notifyd.toml.
fn start(text: &str) -> Alone {
    let mut alone = Alone::new();
    write(&alone, text);
    alone.spawn_ready();
    alone
}

#[test]
fn a_mistake_costs_its_key_and_stops_nothing() {
    let alone = start(
        "[spool]\nmax_row = 1\npath = '{dir}/conf/other'\n[retry]\nfirst = \"5s\nlifetime = 7.5\n",
    );
    for said in [
        "notifyd.toml: line 2: [spool] max_row: there is no such key; did you mean max_rows?",
        "notifyd.toml: line 5: syntax: ",
        "notifyd.toml: line 6: [retry] lifetime: ",
        "notifyd.toml has 3 mistakes: the default is in force where the mistake is",
    ] {
        alone.wait_line(said);
    }
    assert!(
        alone.path("conf/other/spool.db").exists(),
        "what is right counts"
    );
    alone.send(&mail("bob"));
    alone.wait_run(&["sendmail -i", "bob@example.org"]);
    alone.wait_line("status=delivered");
}

#[test]
fn a_file_that_is_named_and_not_there_is_told_and_stops_nothing() {
    let mut alone = Alone::new();
    alone.configure("imapd.conf", &[("notifyd_config", "/no/such/file.toml")]);
    alone.spawn_ready();
    alone.wait_line(
        "/no/such/file.toml: cannot be read: notifyd_config names it, and there is no such file",
    );
    alone.wait_line("/no/such/file.toml has a mistake");
    alone.send(&mail("bob"));
    alone.wait_run(&["bob@example.org"]);
}

#[test]
fn hangup_with_a_mistake_changes_nothing_and_without_one_all() {
    let mut alone = start("[log]\ndelivered = false\n");
    write(&alone, "[log]\ndelivered = true\nlevle = 'debug'\n");
    alone.signal(Signal::HUP);
    alone.wait_line("line 3: [log] levle: there is no such key; did you mean level?");
    alone.wait_line("SIGHUP: ");
    alone.wait_line("notifyd.toml has a mistake; going on with the configuration as it was");
    write(&alone, ""); // else notifyctl complains as well
    alone.send(&mail("quiet"));
    alone.wait_run(&["quiet@example.org"]);
    wait_queue(&alone, &[], 0);
    assert_eq!(alone.count("status=delivered"), 0, "as it was");
    write(
        &alone,
        "[log]\ndelivered = true\n[spool]\npath = '/elsewhere'\n",
    );
    alone.signal(Signal::HUP);
    alone.wait_line("SIGHUP: another path of the spool counts from the next start on");
    alone.wait_line("SIGHUP: the configuration was read again");
    write(&alone, ""); // notifyctl looks where the file says
    alone.send(&mail("loud"));
    alone.wait_line("status=delivered");
    assert!(alone.running());
}

#[test]
fn the_spool_is_where_the_file_says_and_notifyctl_finds_it() {
    let mut alone = Alone::new();
    alone.configure("imapd.conf", &[("notify_external", "/no/such/program")]);
    alone.spawn_ready();
    alone.send(&external("left"));
    wait_queue(&alone, &["--state", "deferred"], 1);
    alone.signal(Signal::TERM);
    alone.wait_exit();
    write_with(
        &alone,
        "[spool]\npath = '{configdirectory}/other'\n",
        &[("notify_external", "/no/such/program")],
    );
    alone.spawn_ready();
    alone.wait_line("spool: 1 deliveries came over from ");
    alone.send(&external("new"));
    let rows = wait_queue(&alone, &[], 2);
    assert_eq!(
        (&rows[0]["user"], &rows[1]["user"]),
        (&"left".into(), &"new".into())
    );
    assert!(alone.log().contains("conf/other, default method null"));
}

#[test]
fn as_many_at_once_as_there_are_permits() {
    let alone = start("[method.external]\npermits = 3\n");
    alone.hang(true);
    for i in 0..5 {
        alone.send(&external(&format!("user{i}.")));
    }
    alone.wait_begun(3);
    wait_queue(&alone, &["--state", "active"], 3);
    assert_eq!(queue(&alone, &["--state", "incoming"]).len(), 2);
    alone.hang(false);
    wait_queue(&alone, &[], 0);
    assert_eq!(alone.count_runs("external"), 5);
}

#[test]
fn an_attempt_ends_with_its_time() {
    let alone = start("[method.external]\ntimeout = '1s'\n");
    alone.hang(true);
    alone.send(&external("alice"));
    alone.wait_line("status=deferred (killed: took longer than 1 s)");
}

#[test]
fn retries_begin_and_end_when_the_file_says() {
    let mut alone = Alone::new();
    write_with(
        &alone,
        "[retry]\nfirst = '1s'\nmaximum = '1s'\nlifetime = '1s'\n[method.mailto]\nlifetime = '0s'\n",
        &[
            ("notify_external", "/no/such/program"),
            ("sendmail", "/no/such/program"),
        ],
    );
    alone.spawn_ready();
    alone.send(&external("alice"));
    alone.send(&mail("bob"));
    let line = |part: &str| {
        wait_for(part, LIMIT, || {
            let log = alone.log();
            let found = log
                .lines()
                .find(|line| line.contains(part) && line.contains("status=expired"));
            found.map(str::to_owned)
        })
    };
    assert!(line("method=mailto").contains("attempts=1,"));
    assert!(
        !line("method=external").contains("attempts=1,"),
        "it was tried again"
    );
}

#[test]
fn what_failed_is_kept_as_long_as_the_file_says() {
    let mut alone = Alone::new();
    alone.configure("imapd.conf", &[("notify_external", "/bin/false")]);
    alone.spawn_ready();
    alone.send(&external("alice"));
    wait_queue(&alone, &["--state", "failed"], 1);
    alone.signal(Signal::TERM);
    alone.wait_exit();
    write(&alone, "[retry]\nkeep_failed = '1d'\n");
    alone.spawn_ready();
    alone.send(&external("bob"));
    alone.wait_run(&["-u bob"]);
    assert_eq!(queue(&alone, &["--state", "failed"]).len(), 1);
    alone.signal(Signal::TERM);
    alone.wait_exit();
    write(&alone, "[retry]\nkeep_failed = '0s'\n");
    alone.spawn_ready();
    alone.wait_line("1 deliveries removed that failed longer ago than keep_failed");
    assert!(queue(&alone, &["--state", "failed"]).is_empty());
}

#[test]
fn a_full_spool_drops_what_is_new() {
    let alone = start("[spool]\nmax_rows = 3\n");
    alone.hang(true);
    for i in 0..5 {
        alone.send(&external(&format!("user{i}.")));
        if i < 3 {
            wait_queue(&alone, &[], i + 1);
        }
    }
    alone.wait_line("deliveries dropped so far");
    alone.hang(false);
    wait_queue(&alone, &[], 0);
    assert_eq!(alone.count_runs("external"), 3);
    // There is room again.
    alone.send(&external("late."));
    alone.wait_run(&["-u late."]);
}

#[test]
fn a_full_spool_makes_senders_wait_when_the_file_says_so() {
    let alone = start("[spool]\nmax_rows = 3\nwhen_full = 'block'\n");
    alone.hang(true);
    std::thread::scope(|scope| {
        let sender =
            scope.spawn(|| (0..60).for_each(|i| alone.send(&external(&format!("user{i}.")))));
        alone.wait_line("spool: the spool is full: senders wait until there is room");
        alone.hang(false);
        sender.join().unwrap();
    });
    wait_for("60 runs", LIMIT * 2, || {
        (alone.count_runs("external") == 60).then_some(())
    });
    for i in 0..60 {
        assert_eq!(alone.count_runs(&format!("-u user{i}.")), 1);
    }
    alone.wait_line("spool: senders wait no longer");
    assert_eq!(alone.count("dropped"), 0);
}

#[test]
fn who_waits_for_room_is_not_lost_when_the_daemon_ends() {
    let mut alone = start("[spool]\nmax_rows = 2\nwhen_full = 'block'\n");
    alone.hang(true);
    for i in 0..6 {
        alone.send(&external(&format!("user{i}.")));
        wait_queue(&alone, &[], (i + 1).min(2));
    }
    alone.wait_line("senders wait until there is room");
    alone.signal(Signal::TERM);
    assert_eq!(alone.wait_exit().code(), Some(0));
    assert_eq!(queue(&alone, &[]).len(), 6, "over the limit, but safe");
    alone.hang(false);
    alone.spawn_ready();
    wait_queue(&alone, &[], 0);
    assert_eq!(alone.runs().len(), 6);
}

#[test]
fn a_dlist_client_is_never_made_to_wait_by_a_full_spool() {
    let mut alone = Alone::new();
    write_with(
        &alone,
        "[spool]\nmax_rows = 1\nwhen_full = 'block'\n",
        &[("notifysocket", "dlist:{dir}/run/notify")],
    );
    alone.spawn_ready();
    alone.hang(true);
    let answer = || {
        let mut stream = UnixStream::connect(alone.path("run/notify")).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let list =
            "METHOD external CLASS c PRIORITY p USER u MAILBOX m OPTIONS () MESSAGE t FILEPATH NIL";
        stream
            .write_all(format!("NOTIFY %({list})\r\n").as_bytes())
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(answer().starts_with("OK "));
    assert!(answer().starts_with("NO "), "{}", alone.log());
    alone.hang(false);
}

#[test]
fn the_socket_has_the_mode_that_the_file_says() {
    for (text, mode) in [("", 0o600), ("[intake]\nsocket_mode = '0666'\n", 0o666)] {
        let alone = start(text);
        let found = fs::metadata(alone.path("run/notify"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(found & 0o777, mode);
    }
}

#[test]
#[ignore = "needs root: run tests/run"]
fn users_who_are_named_may_send_and_nobody_else() {
    assert!(geteuid().is_root());
    let mut alone =
        start("[intake]\nsocket_mode = '0666'\nallow_uids = ['daemon', 'no such user']\n");
    alone.wait_line("[intake] allow_uids: there is no user \"no such user\"");
    let program = alone.path("prog/notifytest");
    let mut install = Command::new("install");
    install
        .args(["-m", "755", env!("CARGO_BIN_EXE_notifytest")])
        .arg(&program);
    assert!(install.status().unwrap().success());
    let send = |uid: u32, text: &str| {
        let mut command = Command::new(&program);
        command.uid(uid).gid(uid).current_dir("/");
        command.arg("-f").arg(alone.path("run/notify"));
        command.args(["-n", "external", "-u", text, "-t", "text"]);
        assert!(command.status().unwrap().success());
    };
    let daemon = nix::unistd::User::from_name("daemon")
        .unwrap()
        .unwrap()
        .uid
        .as_raw();
    send(daemon, "one.");
    alone.wait_run(&["-u one."]);
    send(3, "two.");
    alone.wait_line("notification refused: uid=3 ");
    alone.wait_line("is neither root nor our own user, nor in allow_uids");
    send(0, "three.");
    alone.wait_run(&["-u three."]);
    // And at SIGHUP.
    write(&alone, "[intake]\nsocket_mode = '0666'\nallow_uids = [3]\n");
    alone.signal(Signal::HUP);
    alone.wait_line("SIGHUP: the configuration was read again");
    send(3, "four.");
    alone.wait_run(&["-u four."]);
    send(daemon, "five.");
    alone.wait_line(&format!("notification refused: uid={daemon} "));
    assert_eq!(
        alone.count_runs("-u five.") + alone.count_runs("-u two."),
        0
    );
    assert!(alone.running());
}

#[test]
fn only_what_is_important_enough_is_logged() {
    let mut alone = Alone::new();
    write(&alone, "[log]\nlevel = 'error'\n");
    alone.spawn();
    wait_for("the socket", LIMIT, || {
        let probe = std::os::unix::net::UnixDatagram::unbound().unwrap();
        probe
            .send_to(&mail("bob").bytes(), alone.path("run/notify"))
            .ok()
    });
    alone.wait_run(&["bob@example.org"]);
    alone.send(&note("nonsense"));
    alone.send(&mail("carol"));
    alone.wait_run(&["carol@example.org"]);
    assert_eq!(alone.log(), "");
    write(&alone, "[log]\nlevel = 'debug'\n");
    alone.signal(Signal::HUP);
    alone.wait_line("SIGHUP: the configuration was read again");
    alone.send(&external("alice").fname("/no/such/file"));
    alone.wait_line("/no/such/file is not in a staging folder: not kept");
}

#[test]
fn notifyctl_prints_the_file_of_defaults_and_reads_it_back() {
    let alone = Alone::new();
    let defaults = done(&alone, &["config", "--defaults"]);
    write(&alone, &defaults);
    let imapd = done(&alone, &["config"]);
    assert!(
        imapd.contains("\nnotifyd_config: ") && imapd.contains("\n# "),
        "{imapd}"
    );
    let said: serde_json::Value =
        serde_json::from_str(&done(&alone, &["config", "--json"])).unwrap();
    assert_eq!(said["problems"], serde_json::json!([]));
    assert_eq!(said["notifyd"]["retry"]["maximum"], "1h");
    assert_eq!(said["notifyd"]["method.mailto"]["permits"], 4);
    assert_eq!(
        said["notifyd"]["intake"]["allow_uids"],
        serde_json::json!([])
    );
    assert!(said["spool"].as_str().unwrap().ends_with("/conf/notifyd"));
    assert_eq!(said["imapd"]["servername"], "alone.test");
}

#[test]
fn notifyctl_says_what_is_wrong_with_the_file() {
    let alone = Alone::new();
    write(&alone, "[spool]\nmax_rows = 5\n[retyr]\n[log]\nlevel = 1\n");
    let (code, out, err) = call(&alone, &["config"]);
    assert_eq!(code, Some(78));
    assert!(
        out.ends_with("/notifyd.toml\n[spool]\nmax_rows = 5\n"),
        "{out}"
    );
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines.len(), 2, "{err}");
    assert!(
        lines[0].ends_with(
            "notifyd.toml: line 3: [retyr]: there is no such table; did you mean retry?"
        )
    );
    assert!(lines[1].ends_with("line 5: [log] level: 1 is not one of error, warning, info, debug"));
    // Other commands warn, and go on.
    let (code, out, err) = call(&alone, &["queue"]);
    assert_eq!((code, out.as_str()), (Some(0), "0 deliveries\n"));
    assert!(err.starts_with("warning: "), "{err}");
}
