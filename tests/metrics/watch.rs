//! `notifyctl watch`.

use super::daemon::{Alone, external, mail};
use super::stage::{LIMIT, Signal, note, wait_for};
use rustix::net::{AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType};
use serde_json::Value;
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

/// A running watch; dropping it ends it.
struct Watch {
    child: Child,
    name: &'static str,
}

impl Watch {
    /// Starts one; its output goes to the files NAME and NAME.err.
    fn start(alone: &Alone, name: &'static str, args: &[&str]) -> Watch {
        let file = |name: &str| File::create(alone.path(name)).unwrap();
        let child = command(alone, args)
            .stdout(file(name))
            .stderr(file(&format!("{name}.err")))
            .spawn()
            .unwrap();
        Watch { child, name }
    }

    fn lines(&self, alone: &Alone) -> Vec<String> {
        let text = fs::read_to_string(alone.path(self.name)).unwrap();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.split('\n').map(str::to_owned).collect()
    }

    /// Waits until standard error has ended with this.
    fn wait_said(&self, alone: &Alone, what: &str) {
        let path = alone.path(&format!("{}.err", self.name));
        wait_for(what, LIMIT, || {
            let text = fs::read_to_string(&path).unwrap();
            text.ends_with(&format!("notifyctl: {what}\n"))
                .then_some(())
        });
    }

    /// Waits until there is an object with all of these.
    fn wait_object(&self, alone: &Alone, parts: &[(&str, &str)]) -> Value {
        wait_for(&format!("{parts:?}"), LIMIT, || {
            self.objects(alone).into_iter().find(|object| {
                parts
                    .iter()
                    .all(|(name, value)| object[name].as_str() == Some(value))
            })
        })
    }

    fn objects(&self, alone: &Alone) -> Vec<Value> {
        let lines = self.lines(alone);
        let lines = lines.iter().filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(alone: &Alone, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_notifyctl"));
    command
        .arg("watch")
        .args(args)
        .arg("-C")
        .arg(alone.path("imapd.conf"))
        .stdin(Stdio::null());
    command
}

#[test]
fn arrivals_and_ends_are_shown_of_every_method() {
    let alone = Alone::start();
    let json = Watch::start(&alone, "json", &["--json"]);
    let text = Watch::start(&alone, "text", &[]);
    for watch in [&json, &text] {
        watch.wait_said(&alone, "watching notifyd");
    }
    alone.send(&note("null").class("TEST").user("lisa").message("x"));
    alone.send(&external("alice"));
    alone.send(&note("nonsense").user("nora"));
    let arrived = json.wait_object(&alone, &[("status", "arrived"), ("user", "alice")]);
    let end = json.wait_object(&alone, &[("status", "delivered"), ("user", "alice")]);
    assert!(
        arrived["id"].is_string() && arrived["id"] == end["id"],
        "{arrived} {end}"
    );
    assert_eq!(
        (&arrived["method"], &arrived["class"]),
        (&"external".into(), &"TEST".into())
    );
    assert_eq!(arrived["pid"], std::process::id());
    assert_eq!(
        (&end["attempts"], &end["why"]),
        (&1.into(), &"exit 0".into())
    );
    for status in ["arrived", "delivered"] {
        let at_once = json.wait_object(&alone, &[("status", status), ("user", "lisa")]);
        assert_eq!(
            (&at_once["method"], &at_once["id"]),
            (&"null".into(), &Value::Null)
        );
    }
    json.wait_object(&alone, &[("status", "dropped"), ("user", "nora")]);
    let shows = |parts: &[&str]| {
        wait_for(&format!("{parts:?}"), LIMIT, || {
            let lines = text.lines(&alone);
            lines
                .iter()
                .any(|line| parts.iter().all(|part| line.contains(part)))
                .then_some(())
        });
    };
    shows(&["TIME ", " STATUS ", " WHY"]);
    shows(&[
        "  delivered  ",
        end["id"].as_str().unwrap(),
        "  alice  ",
        " s, exit 0",
    ]);
    shows(&["  dropped  ", "no such method"]);
}

#[test]
fn filters_choose() {
    let alone = Alone::start();
    let watch = Watch::start(
        &alone,
        "watch",
        &[
            "--json",
            "--status",
            "delivered",
            "--method",
            "external",
            "--user",
            "bob",
        ],
    );
    let events = Watch::start(&alone, "events", &["--json", "--event", "Login"]);
    for watch in [&watch, &events] {
        watch.wait_said(&alone, "watching notifyd");
    }
    let event = note("null")
        .class("EVENT")
        .message(r#"{"event":"Login","user":"erna"}"#);
    alone.send(&event);
    alone.send(&external("alice"));
    alone.send(&mail("bob"));
    alone.send(&external("bob"));
    watch.wait_object(&alone, &[("user", "bob")]);
    assert_eq!(watch.objects(&alone).len(), 1);
    let login = events.wait_object(&alone, &[("event", "Login"), ("status", "delivered")]);
    assert_eq!(login["user"], "erna");
    let all = events.objects(&alone);
    assert!(
        all.iter().all(|object| object["event"] == "Login"),
        "{all:?}"
    );
}

#[test]
fn it_waits_for_a_daemon_and_for_the_next_one() {
    let mut alone = Alone::new();
    let watch = Watch::start(&alone, "watch", &["--json"]);
    watch.wait_said(&alone, "notifyd does not run; waiting for it");
    alone.spawn_ready();
    watch.wait_said(&alone, "watching notifyd");
    alone.send(&note("null").user("first"));
    watch.wait_object(&alone, &[("user", "first")]);
    for end in [Signal::TERM, Signal::KILL] {
        alone.signal(end);
        alone.wait_exit();
        watch.wait_said(&alone, "notifyd has ended; waiting for the next one");
        alone.spawn_ready();
        watch.wait_said(&alone, "watching notifyd");
    }
    alone.send(&note("null").user("last"));
    watch.wait_object(&alone, &[("user", "last")]);
}

#[test]
fn nothing_that_is_sent_can_begin_a_line() {
    let alone = Alone::start();
    let json = Watch::start(&alone, "json", &["--json"]);
    let text = Watch::start(&alone, "text", &[]);
    for watch in [&json, &text] {
        watch.wait_said(&alone, "watching notifyd");
    }
    let evil = "a\r\nb\u{85}c\u{2028}d\u{1b}[2Je\u{202e}\"f\\";
    alone.send(&note("null").class(evil).user(evil).mailbox(evil));
    alone.send(&note(evil).class([0xff, 0x0a]));
    alone.send(&note("null").user("the end"));
    json.wait_object(&alone, &[("user", "the end"), ("status", "delivered")]);
    let objects = json.objects(&alone);
    assert_eq!(objects.len(), 5, "{objects:?}");
    assert_eq!(objects[0]["user"], evil, "the value itself is whole");
    wait_for("the text", LIMIT, || {
        (text.lines(&alone).len() == 6).then_some(()) // one of them is the heading
    });
    for name in ["json", "text"] {
        let all = fs::read_to_string(alone.path(name)).unwrap();
        let bad = |c: &char| *c != '\n' && (c.is_control() || ['\u{2028}', '\u{202e}'].contains(c));
        assert_eq!(all.chars().find(bad), None, "{all:?}");
    }
}

/// A watcher that reads nothing: what it does not take is lost to it and to nobody else, and it is told.
#[test]
fn a_slow_watcher_delays_nobody_and_is_told_what_it_lost() {
    const SENT: u64 = 5000;
    let alone = Alone::start();
    let path = alone.path("conf/notifyd/watch");
    let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
    let slow = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None).unwrap();
    let address = SocketAddrUnix::new(&path).unwrap();
    wait_for("the socket", LIMIT, || {
        rustix::net::connect(&slow, &address).ok()
    });
    // Behind it in the daemon's queue: when this one watches, the other does.
    let watch = Watch::start(&alone, "watch", &["--json", "--user", "the end"]);
    watch.wait_said(&alone, "watching notifyd");
    alone.send(&note("null").user("the end"));
    watch.wait_object(&alone, &[("user", "the end")]);
    for _ in 0..SENT {
        alone.send(&note("null"));
    }
    let (mut shown, mut lost) = (0, 0);
    let mut buffer = vec![0; 65_536];
    wait_for("the tale of its losses", LIMIT, || match rustix::net::recv(
        &slow,
        buffer.as_mut_slice(),
        RecvFlags::DONTWAIT,
    ) {
        Ok((length, _)) => {
            let object: Value = serde_json::from_slice(&buffer[..length]).unwrap();
            match object["status"].as_str().unwrap() {
                "lost" => lost += object["lines"].as_u64().unwrap(),
                "watching" => {}
                _ => shown += 1,
            }
            None
        }
        Err(rustix::io::Errno::AGAIN) => (shown + lost == 2 * (SENT + 1)).then_some(()),
        Err(error) => panic!("{error}"),
    });
    assert!(lost > 0 && shown > 0, "{lost} lost, {shown} shown");
}

#[test]
fn it_ends_when_nobody_reads_it_any_more() {
    let alone = Alone::start();
    let mut child = command(&alone, &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let status = wait_for("the end", LIMIT, || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(74));
}

#[test]
fn wrong_usage_is_told() {
    let alone = Alone::new();
    for args in [
        &["--status", "nonsense"][..],
        &["--method", "nonsense"],
        &["17"],
    ] {
        let output = command(&alone, args).output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{args:?}");
    }
}

#[test]
fn a_spool_that_is_removed_under_the_daemon_ends_no_watch() {
    let alone = Alone::start();
    let watch = Watch::start(&alone, "watch", &["--json"]);
    watch.wait_said(&alone, "watching notifyd");
    fs::remove_dir_all(alone.path("conf/notifyd")).unwrap();
    // In a while the daemon makes it again; until then nobody can find it.
    let mut number = 0;
    wait_for("what comes after that", LIMIT, || {
        number += 1;
        alone.send(&note("null").user(number.to_string()));
        let text = fs::read_to_string(alone.path("watch.err")).unwrap();
        let again = text.matches("watching notifyd").count() == 2;
        let last = watch.objects(&alone).pop()?;
        (again && last["user"].as_str() == Some(number.to_string().as_str())).then_some(())
    });
}
