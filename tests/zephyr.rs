//! Method `zephyr` against the real thing: Debian's zephyrd, zhm and zwgc in namespaces of
//! their own, and what the method says when there is no host manager or a strange one.
#![allow(clippy::unwrap_used)]

#[path = "common/retry.rs"]
mod retry;

use cyrus_notifyd::config::Settings;
use cyrus_notifyd::method::{self, Context, Delivery, Late, Outcome};
use cyrus_notifyd::spool::ledger::Ledger;
use cyrus_notifyd::system::cancel::Cancel;
use cyrus_notifyd::system::syslog::{Identity, Syslog};
use cyrus_notifyd::wire::Notification;
use cyrus_notifyd::wire::zephyr::{Kind, Notice, Packet, Status, Uid, question};
use retry::retry;
use std::fs::{self, File};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Names the directory of a test that runs inside its namespaces already.
const INSIDE: &str = "ZEPHYR_TEST_DIR";
/// Not 127.0.0.1: zhm takes what comes from there for its clients' packets.
const SERVER: &str = "10.99.0.1";
/// What that address, which is also ours, is called.
const FACING: &str = "facing.example";

/// Runs `body` in network, mount and process namespaces of its own: the test calls itself again in there.
fn in_namespace(name: &str, body: fn(&Path)) {
    if let Some(dir) = std::env::var_os(INSIDE) {
        run("ip", &["link", "set", "lo", "up"]);
        return body(&PathBuf::from(dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .args([
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
            "--kill-child",
        ])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env(INSIDE, dir.path())
        .output()
        .unwrap();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() && text.contains("1 passed") {
        return;
    }
    text += &String::from_utf8_lossy(&output.stderr);
    for peer in ["zephyrd", "zhm", "zwgc"] {
        let said = fs::read(dir.path().join(peer)).unwrap_or_default();
        text += &format!("--- {peer}:\n{}", String::from_utf8_lossy(&said));
    }
    panic!("inside the namespace:\n{text}");
}

fn run(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).status().unwrap();
    assert!(status.success(), "{program} {args:?}: {status}");
}

#[allow(clippy::zombie_processes)] // the namespace's end is theirs too
fn start(program: &str, args: &[&str], dir: &Path) {
    let output = File::create(dir.join(Path::new(program).file_name().unwrap())).unwrap();
    Command::new(program)
        .args(args)
        .env("HOME", dir)
        .env("TERM", "dumb")
        .env("WGFILE", dir.join("windowgram"))
        .current_dir(dir)
        .stdin(Stdio::null())
        .stderr(output.try_clone().unwrap())
        .stdout(output)
        .spawn()
        .unwrap();
}

/// Runs a shell line whose failure only means: not yet.
fn run_quietly(dir: &Path, line: &str) {
    Command::new("sh")
        .args(["-c", line])
        .env("HOME", dir)
        .output()
        .unwrap();
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < limit, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A Zephyr realm on loopback; returns when zwgc has shown a first notice.
fn start_zephyr(dir: &Path) {
    run("ip", &["addr", "add", &format!("{SERVER}/32"), "dev", "lo"]);
    run("mount", &["-t", "tmpfs", "tmpfs", "/run"]);
    run(
        "cp",
        &["-r", "/etc/zephyr", dir.join("etc").to_str().unwrap()],
    );
    fs::write(dir.join("etc/server.list"), format!("{SERVER}\n")).unwrap();
    fs::write(
        dir.join("hosts"),
        format!("127.0.0.1 localhost\n{SERVER} {}\n", hostname()),
    )
    .unwrap();
    run(
        "mount",
        &["--bind", dir.join("etc").to_str().unwrap(), "/etc/zephyr"],
    );
    run(
        "mount",
        &["--bind", dir.join("hosts").to_str().unwrap(), "/etc/hosts"],
    );

    start("/usr/sbin/zephyrd", &[], dir);
    until("zephyrd listens", || {
        fs::read_to_string("/proc/net/udp")
            .unwrap()
            .contains(":0837 ")
    });
    start("/usr/sbin/zhm", &["-n", SERVER], dir);
    until("zhm has its server", || {
        manager_status().is_some_and(|status| status.connected)
    });

    // From here on as on Debian: the host's own name does not lead to the address that faces the server.
    let hosts = format!(
        "127.0.0.1 localhost\n127.0.1.1 {}\n{SERVER} {FACING}\n",
        hostname()
    );
    fs::write(dir.join("hosts"), hosts).unwrap();
    fs::write(
        dir.join(".zephyr.subs"),
        "MAIL,*,%me%\nSIEVE,*,%me%\nPROBE,*,%me%\n",
    )
    .unwrap();
    start("/usr/bin/zwgc", &["-nofork", "-ttymode"], dir);
    until("zwgc has subscribed", || {
        let probe = "exec zwrite -d -n -q -c PROBE root -m 'is anybody there' 2>&1";
        run_quietly(dir, probe);
        shown(dir).contains("is anybody there")
    });
}

fn manager_status() -> Option<Status> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect("127.0.0.1:2104").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let uid = Uid {
        address: [0, 0, 0, 0].into(),
        seconds: 1,
        micros: 1,
    };
    let packets = question()
        .packets(socket.local_addr().unwrap().port(), || uid)
        .unwrap();
    let mut buffer = [0; 1024];
    socket.send(&packets[0]).ok()?;
    let len = retry(|| socket.recv(&mut buffer)).ok()?;
    Status::decode(&Packet::decode(&buffer[..len])?.notice.body)
}

fn hostname() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .unwrap()
        .trim()
        .into()
}

/// What zwgc has written, without the terminal's carriage returns.
fn shown(dir: &Path) -> String {
    String::from_utf8_lossy(&fs::read(dir.join("zwgc")).unwrap()).replace('\r', "")
}

fn to_root(class: &str, message: &str) -> Notification {
    Notification {
        method: b"zephyr".to_vec(),
        class: class.into(),
        user: b"root".to_vec(),
        mailbox: b"INBOX".to_vec(),
        message: message.into(),
        ..Notification::default()
    }
}

fn deliver(notification: Notification, cancel: &Cancel) -> Outcome {
    let ledger = Arc::new(Ledger::new(Path::new("/nonexistent")));
    attempt(notification, cancel, (1, 0), &ledger)
}

/// One attempt: how many have begun with it, and had begun when the operator asked last.
fn attempt(
    notification: Notification,
    cancel: &Cancel,
    (begun, asked): (u32, u32),
    ledger: &Arc<Ledger>,
) -> Outcome {
    let kind = method::find(b"zephyr").unwrap();
    let delivery = Delivery {
        id: 1,
        attempt: begun,
        begun,
        asked,
        received: SystemTime::now(),
        notification,
        message_file: PathBuf::new(),
    };
    let nobody = Identity {
        ident: "notify".into(),
        facility: 2,
    };
    let late: Late = Arc::new(|_| ());
    let context = Context {
        settings: &Settings::for_tests(Path::new("/var/lib/cyrus")),
        syslog: &Syslog::open(Path::new("/nonexistent/log"), nobody).unwrap(),
        ledger,
        late: &late,
    };
    (kind.build)(&context).deliver(&delivery, kind.timeout, cancel)
}

#[test]
#[ignore = "needs root, zephyr-server and zephyr-clients: run tests/run"]
fn notices_arrive_at_zwgc() {
    in_namespace("notices_arrive_at_zwgc", |dir| {
        start_zephyr(dir);
        let cancel = Cancel::new().unwrap();
        let one = Outcome::Delivered(format!("host manager took 1, its server is {SERVER}"));
        let send = |notification: Notification| deliver(notification, &cancel);

        assert_eq!(send(to_root("MAIL", "From: x\nSubject: short")), one);
        // zwgc has the host from the packet's address field.
        let hostname = hostname();
        let short = format!(
            "from host: {FACING})\nFrom Post Office {hostname}:\nYou have new mail in INBOX.\n\nFrom: x\nSubject: short\n"
        );
        until("the short one", || shown(dir).contains(&short));

        assert_eq!(send(to_root("SIEVE", "Grüße ☕ 😀 to all")), one);
        until("the 8-bit one", || {
            shown(dir).contains("Grüße ☕ 😀 to all\n")
        });

        for lines in [100, 4000] {
            let long: String = (0..lines)
                .map(|n| format!("line {n} of {lines}, forty bytes long or so\n"))
                .collect();
            assert_eq!(send(to_root("SIEVE", &long)), one);
            until("the long one", || shown(dir).contains(&long));
        }

        let options = vec![b"nobody".to_vec(), b"root".to_vec()];
        let three = Outcome::Delivered(format!("host manager took 3, its server is {SERVER}"));
        assert_eq!(
            send(Notification {
                options,
                ..to_root("MAIL", "to three")
            }),
            three
        );
        until("user and option", || {
            shown(dir).matches("\nto three\n").count() == 2
        });

        let Outcome::Permanent(why) = send(to_root(&"c".repeat(900), "m")) else {
            panic!("a header too long")
        };
        assert!(why.contains("too long"), "{why}");
        let once = [
            "Subject: short",
            "to all",
            "line 0 of 100,",
            "line 0 of 4000,",
        ];
        assert_eq!(once.map(|text| shown(dir).matches(text).count()), [1; 4]);
    });
}

#[test]
#[ignore = "needs root: run tests/run"]
fn without_a_host_manager_another_attempt_is_due() {
    in_namespace("without_a_host_manager_another_attempt_is_due", |_| {
        let cancel = Cancel::new().unwrap();
        let text = "no Zephyr host manager (zhm) on 127.0.0.1 port 2104";
        assert_eq!(
            deliver(to_root("MAIL", "m"), &cancel),
            Outcome::Temporary(text.into())
        );

        let silent = UdpSocket::bind("127.0.0.1:2104").unwrap();
        let text = "the Zephyr host manager on 127.0.0.1 port 2104 does not answer";
        assert_eq!(
            deliver(to_root("MAIL", "m"), &cancel),
            Outcome::Temporary(text.into())
        );

        cancel.raise();
        let text = "stopped before the Zephyr host manager had the notice";
        assert_eq!(
            deliver(to_root("MAIL", "m"), &cancel),
            Outcome::Temporary(text.into())
        );
        drop(silent);
    });
}

/// Answers the method's questions with `answers`, one each, then goes; returns the other packets.
fn strange_manager(answers: Vec<Vec<u8>>) -> std::thread::JoinHandle<Vec<Notice>> {
    let socket = UdpSocket::bind("127.0.0.1:2104").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    std::thread::spawn(move || {
        let (mut notices, mut buffer) = (Vec::new(), [0; 2000]);
        for body in answers {
            loop {
                let (len, from) = retry(|| socket.recv_from(&mut buffer)).unwrap();
                let mut packet = Packet::decode(&buffer[..len]).unwrap();
                assert_eq!(packet.port, from.port());
                if packet.notice.kind != Kind::STAT {
                    notices.push(packet.notice);
                    continue;
                }
                socket.send_to(b"ZEPH0.2 is not all of it", from).unwrap();
                packet.notice.kind = Kind::HMACK;
                packet.notice.body = body;
                socket.send_to(&packet.encode().unwrap(), from).unwrap();
                break;
            }
        }
        notices
    })
}

#[test]
#[ignore = "needs root: run tests/run"]
fn a_host_manager_that_cannot_help_is_temporary() {
    in_namespace("a_host_manager_that_cannot_help_is_temporary", |_| {
        let cancel = Cancel::new().unwrap();
        let good = b"z.invalid\x000\x000\x000\x000\x003.1\0no\x00".to_vec();
        let without_server = b"z.invalid\x000\x000\x000\x000\x003.1\0yes\x00".to_vec();

        let manager = strange_manager(vec![without_server]);
        let text = "the Zephyr host manager has no server that answers";
        assert_eq!(
            deliver(to_root("MAIL", "m"), &cancel),
            Outcome::Temporary(text.into())
        );
        assert_eq!(manager.join().unwrap(), [], "nothing may be sent then");

        // It goes away before the notice is read: the second question tells.
        let manager = strange_manager(vec![good.clone()]);
        assert!(matches!(
            deliver(to_root("MAIL", "m"), &cancel),
            Outcome::Temporary(_)
        ));
        manager.join().unwrap();

        // A server whose name does not resolve, and garbage beside the answers, are no hindrance.
        let manager = strange_manager(vec![good.clone(), good]);
        let text = "host manager took 1, its server is z.invalid";
        assert_eq!(
            deliver(to_root("MAIL", "m"), &cancel),
            Outcome::Delivered(text.into())
        );
        assert_eq!(manager.join().unwrap().len(), 1);
    });
}

/// Reads what the method sends, and answers only the question that comes first, until `count` notices have come; the names.
fn half_deaf_manager(count: usize) -> std::thread::JoinHandle<(Vec<String>, UdpSocket)> {
    let socket = UdpSocket::bind("127.0.0.1:2104").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    std::thread::spawn(move || {
        let (mut names, mut buffer, mut answered) = (Vec::new(), [0; 2000], false);
        while names.len() < count {
            let (len, from) = retry(|| socket.recv_from(&mut buffer)).unwrap();
            let mut packet = Packet::decode(&buffer[..len]).unwrap();
            if packet.notice.kind != Kind::STAT {
                names.push(String::from_utf8(packet.notice.recipient).unwrap());
            } else if !std::mem::replace(&mut answered, true) {
                packet.notice.kind = Kind::HMACK;
                packet.notice.body = b"z.invalid\x000\x000\x000\x000\x003.1\0no\x00".to_vec();
                socket.send_to(&packet.encode().unwrap(), from).unwrap();
            }
        }
        // The last question goes to a socket that is there and that nobody reads: no answer, no refusal.
        (names, socket)
    })
}

#[test]
#[ignore = "needs root: run tests/run"]
fn what_has_no_answer_is_sent_once_more_and_not_again() {
    in_namespace(
        "what_has_no_answer_is_sent_once_more_and_not_again",
        |dir| {
            let cancel = Cancel::new().unwrap();
            let ledger = Arc::new(Ledger::new(dir));
            let to_forty = Notification {
                options: (0..39).map(|n| format!("u{n}").into_bytes()).collect(),
                ..to_root("MAIL", "m")
            };
            // 32 names, then a question, which has no answer.
            let manager = half_deaf_manager(32);
            let first = attempt(to_forty.clone(), &cancel, (1, 0), &ledger);
            assert!(matches!(first, Outcome::Temporary(_)), "{first:?}");
            let (told, _) = manager.join().unwrap();
            // A daemon that was started since knows it, too.
            let ledger = Arc::new(Ledger::new(dir));
            let manager = half_deaf_manager(32);
            let second = attempt(to_forty.clone(), &cancel, (2, 0), &ledger);
            assert!(matches!(second, Outcome::Temporary(_)), "{second:?}");
            assert_eq!(manager.join().unwrap().0, told, "once more");
            // Those who have had two get none; the others have their first, and this time there is an answer.
            let good = b"z.invalid\x000\x000\x000\x000\x003.1\0no\x00".to_vec();
            let manager = strange_manager(vec![good.clone(), good.clone()]);
            let third = attempt(to_forty.clone(), &cancel, (3, 0), &ledger);
            let Outcome::Permanent(why) = third else {
                panic!("{third:?}")
            };
            assert!(why.contains("sent twice without an answer"), "{why}");
            let rest = manager.join().unwrap();
            assert_eq!(rest.len(), 8);
            let name = |notice: &Notice| String::from_utf8(notice.recipient.clone()).unwrap();
            assert!(rest.iter().all(|notice| !told.contains(&name(notice))));
            // What the operator asks for goes to all.
            let manager = strange_manager(vec![good.clone(), good.clone(), good]);
            let asked = attempt(to_forty, &cancel, (4, 3), &ledger);
            assert!(matches!(asked, Outcome::Delivered(_)), "{asked:?}");
            assert_eq!(manager.join().unwrap().len(), 40);
        },
    );
}
