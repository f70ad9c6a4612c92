//! The values after known traffic.

use super::client::{Place, configure, free_port, metrics_at, serving, unix};
use super::daemon::{Alone, external, mail};
use super::page::Page;
use super::stage::{LIMIT, Program, Record, Setup, Signal, note, wait_for};
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant};

fn send_bytes(alone: &Alone, bytes: &[u8]) {
    let socket = UnixDatagram::unbound().unwrap();
    socket.set_write_timeout(Some(LIMIT)).unwrap();
    socket.send_to(bytes, alone.path("run/notify")).unwrap();
}

#[test]
fn each_notification_is_counted_where_it_belongs() {
    let (mut alone, place) = serving(&[("notify_external", "/bin/false")]);
    alone.send(&note("null").class("TEST").message("one"));
    alone.send(&note("NULL").class("TEST").message("two"));
    alone.send(&note("null"));
    alone.send(&mail("bob"));
    alone.send(&external("alice"));
    alone.send(&note("nonsense"));
    send_bytes(&alone, b"no notification");
    send_bytes(&alone, &[b'x'; 65_537]);
    let page = place.wait("all outcomes", |page| {
        page.value("notifyd_outcomes_total{method=\"mailto\",result=\"delivered\"}") == Some(1.0)
            && page.value("notifyd_queue{method=\"external\",state=\"failed\"}") == Some(1.0)
    });
    for (sample, value) in [
        ("notifyd_received_total", 8.0),
        ("notifyd_malformed_total", 1.0),
        ("notifyd_truncated_total", 1.0),
        ("notifyd_refused_senders_total", 0.0),
        ("notifyd_unknown_method_total", 1.0),
        ("notifyd_routed_total{method=\"log\"}", 0.0),
        ("notifyd_routed_total{method=\"null\"}", 3.0),
        ("notifyd_routed_total{method=\"mailto\"}", 1.0),
        ("notifyd_routed_total{method=\"zephyr\"}", 0.0),
        ("notifyd_spooled_total{to=\"disk\"}", 2.0),
        ("notifyd_spooled_total{to=\"memory\"}", 0.0),
        ("notifyd_dropped_total", 0.0),
        ("notifyd_attempts_total{method=\"external\"}", 1.0),
        (
            "notifyd_outcomes_total{method=\"external\",result=\"failed\"}",
            1.0,
        ),
        (
            "notifyd_outcomes_total{method=\"null\",result=\"delivered\"}",
            3.0,
        ),
        ("notifyd_attempt_seconds_count{method=\"external\"}", 1.0),
        (
            "notifyd_attempt_seconds_bucket{method=\"mailto\",le=\"+Inf\"}",
            1.0,
        ),
        ("notifyd_delay_seconds_count{method=\"mailto\"}", 1.0),
        ("notifyd_delay_seconds_count{method=\"external\"}", 0.0),
        ("notifyd_queue{method=\"mailto\",state=\"incoming\"}", 0.0),
        (
            concat!(
                "notifyd_build_info{version=\"",
                env!("CARGO_PKG_VERSION"),
                "\"}"
            ),
            1.0,
        ),
        ("notifyd_degraded{reason=\"memory\"}", 0.0),
    ] {
        assert_eq!(page.value(sample), Some(value), "{sample}");
    }
    assert!(page.value("notifyd_start_time_seconds").unwrap() > 1.7e9);
    assert!(page.value("notifyd_spool_used_bytes").unwrap() > 4096.0);
    alone.signal(Signal::TERM);
    assert!(alone.wait_exit().success());
    alone.wait_line("ended: received=8, malformed=1, truncated=1, refused=0, unknown_method=1");
}

#[test]
fn what_waits_is_counted_and_its_age() {
    let (alone, place) = serving(&[]);
    alone.hang(true);
    for user in ["a", "b", "c"] {
        alone.send(&external(user));
    }
    let page = place.wait("two that wait", |page| {
        page.value("notifyd_queue{method=\"external\",state=\"incoming\"}") == Some(2.0)
            && page.value("notifyd_queue{method=\"external\",state=\"active\"}") == Some(1.0)
    });
    assert!(
        page.value("notifyd_oldest_due_seconds{method=\"external\"}")
            .unwrap()
            > 0.0
    );
    assert_eq!(
        page.value("notifyd_oldest_due_seconds{method=\"mailto\"}"),
        Some(0.0)
    );
    alone.hang(false);
    place.wait("nothing that waits", |page| {
        page.value("notifyd_queue{method=\"external\",state=\"incoming\"}") == Some(0.0)
            && page.value("notifyd_outcomes_total{method=\"external\",result=\"delivered\"}")
                == Some(3.0)
    });
}

#[test]
fn the_time_that_nobody_read_shows() {
    let (alone, place) = serving(&[]);
    alone.signal(Signal::STOP);
    let threads = format!("/proc/{}/task", alone.pid());
    wait_for("all its threads to stop", LIMIT, || {
        let stopped = |task: fs::DirEntry| {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap();
            stat.rsplit_once(") ").unwrap().1.starts_with('T')
        };
        let mut tasks = fs::read_dir(&threads).unwrap();
        tasks.all(|task| stopped(task.unwrap())).then_some(())
    });
    let sent = Instant::now();
    alone.send(&note("null"));
    wait_for("some time to pass", LIMIT, || {
        (sent.elapsed() > Duration::from_millis(50)).then_some(())
    });
    let asleep = sent.elapsed();
    alone.signal(Signal::CONT);
    // The kernel's clock for arrivals may lag by a tick.
    let least = 0.9 * asleep.as_secs_f64() - 0.02;
    place.wait("the notification and its wait", |page| {
        page.value("notifyd_received_total") == Some(1.0)
            && page.value("notifyd_unread_seconds").unwrap() > least
    });
}

#[test]
fn a_unix_socket_serves_the_same() {
    let mut alone = Alone::new();
    let place = unix(&alone);
    configure(&alone, &metrics_at(&place), &[]);
    alone.spawn_ready();
    let page = place.wait("a scrape", |_| true);
    assert_eq!(page.value("notifyd_received_total"), Some(0.0));
    // A daemon that was killed leaves its socket behind; the next one replaces it.
    alone.signal(Signal::KILL);
    alone.wait_exit();
    assert!(alone.path("run/metrics").exists() && place.page().is_none());
    alone.spawn_ready();
    place.wait("a scrape of the next one", |_| true);
}

#[test]
fn sighup_moves_it_and_switches_it_off() {
    let (alone, first) = serving(&[]);
    let second = unix(&alone);
    configure(&alone, &metrics_at(&second), &[]);
    alone.signal(Signal::HUP);
    second.wait("a scrape at the new place", |_| true);
    wait_for("the old place to be free", LIMIT, || {
        first.get("/metrics").is_err().then_some(())
    });
    configure(&alone, "", &[]);
    alone.signal(Signal::HUP);
    wait_for("the socket to go", LIMIT, || {
        (!alone.path("run/metrics").exists()).then_some(())
    });
    assert_eq!(alone.count("metrics: listening on "), 2);
}

#[test]
fn a_port_that_is_taken_stops_nothing_and_is_had_in_the_end() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Place::Tcp(holder.local_addr().unwrap());
    let mut alone = Alone::new();
    configure(&alone, &metrics_at(&place), &[]);
    alone.spawn_ready();
    alone.send(&external("alice"));
    alone.wait_run(&["alice"]);
    alone.wait_line(&format!("metrics: cannot listen on {}: ", place.name()));
    drop(holder);
    place.wait("a scrape", |page| {
        page.value("notifyd_received_total") == Some(1.0)
    });
}

#[test]
fn a_successor_gets_the_port() {
    let (mut alone, place) = serving(&[]);
    let first = alone.pid();
    let toml = ("notifyd_config", "{dir}/notifyd.toml");
    let other = ("notifysocket", "{dir}/run/other");
    alone.configure("other.conf", &[toml, other]);
    // It waits for its turn: there is one reader of a spool.
    alone.spawn_with("other.conf");
    alone.send(&note("null"));
    place.wait("the first one's counts", |page| {
        page.value("notifyd_received_total") == Some(1.0)
    });
    alone.signal_to(first, Signal::TERM);
    assert!(alone.wait_exit_of(first).success());
    place.wait("the second one's counts", |page| {
        page.value("notifyd_received_total") == Some(0.0)
    });
}

#[test]
fn it_is_off_unless_asked_for() {
    let mut alone = Alone::new();
    let port = free_port();
    configure(&alone, "", &[]);
    alone.spawn_ready();
    alone.send(&external("alice"));
    alone.wait_run(&["alice"]);
    assert_eq!(alone.count("metrics"), 0);
    assert!(Place::Tcp(port).get("/metrics").is_err());
}

#[test]
#[ignore = "needs root, to send as somebody else: run tests/run"]
fn who_may_not_send_is_counted() {
    let mut alone = Alone::new();
    let place = Place::Tcp(free_port());
    let toml = format!("[intake]\nsocket_mode = \"0666\"\n{}", metrics_at(&place));
    configure(&alone, &toml, &[]);
    alone.spawn_ready();
    let status = Command::new("setpriv")
        .args(["--reuid", "54321", "--clear-groups", "logger", "-d", "-u"])
        .arg(alone.path("run/notify"))
        .arg("text")
        .status()
        .unwrap();
    assert!(status.success());
    let page = place.wait("the refusal", |page| {
        page.value("notifyd_refused_senders_total") == Some(1.0)
    });
    assert_eq!(page.value("notifyd_received_total"), Some(1.0));
    assert_eq!(page.value("notifyd_malformed_total"), Some(0.0));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn under_master_the_port_goes_from_one_to_the_next() {
    let place = Place::Tcp(free_port());
    let folder = tempfile::tempdir().unwrap();
    let all = Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), all).unwrap();
    let toml = folder.path().join("notifyd.toml");
    fs::write(&toml, metrics_at(&place)).unwrap();
    let setup = Setup::new().program(Program::Ours);
    let mut n = setup.conf("notifyd_config", toml.to_str().unwrap()).start();
    n.notify(&note("log").message("to the first"));
    let started = |page: &Page| page.value("notifyd_start_time_seconds").unwrap();
    let received = |page: &Page| page.value("notifyd_received_total") == Some(1.0);
    let mut before = started(&place.wait("the first one", received));
    for _ in 0..3 {
        let first = n.pid();
        n.wait_ready();
        n.signal(Signal::HUP);
        n.spawn(); // while the first one ends
        assert!(n.wait_exit_of(first, LIMIT).success());
        n.notify(&note("log").message("to the next"));
        let now = started(&place.wait("the next one", |page| {
            started(page) > before && received(page)
        }));
        before = now;
    }
    let failed = |record: &Record| record.has("cannot listen");
    assert!(!n.log.records().iter().any(failed), "it is had soon");
}
