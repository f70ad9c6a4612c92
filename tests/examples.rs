//! The examples of configuration: read by our own reader, by Cyrus', and by a real master that starts what they say.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

#[path = "docs/mdoc.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod mdoc;
mod stage;

use cyrus_notifyd::config::{Context, NotifySocket, Settings, keys};
use mdoc::flat;
use rustix::process::{Pid, kill_process};
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The keys of an imapd.conf in which every line is one; commented ones (`#key:`) are among them.
fn keys_of(text: &str) -> Vec<&str> {
    let lines = text
        .lines()
        .map(|line| line.strip_prefix('#').unwrap_or(line));
    lines
        .filter_map(|line| line.split_once(": "))
        .map(|(key, _)| key)
        .filter(|key| !key.contains(' '))
        .collect()
}

fn settings(text: &str) -> Settings {
    Settings::parse(text.as_bytes(), &Context::default()).unwrap()
}

#[test]
fn the_example_of_imapd_conf_is_read_without_a_word() {
    let text = read("examples/imapd.conf");
    let all = format!("{text}\n").replace("\n#notifysocket", "\n# notifysocket");
    let uncommented: String = all
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    for text in [text.as_str(), &uncommented] {
        assert_eq!(settings(text).warnings, [""; 0]);
    }
    let known: Vec<&str> = keys::all()
        .map(|key| key.name)
        .chain(["partition-default", "notifyd_config"])
        .collect();
    let keys = keys_of(&text);
    assert!(keys.len() > 10, "{keys:?}");
    for key in keys {
        assert!(
            known.contains(&key),
            "examples/imapd.conf: Cyrus does not know {key}"
        );
    }
    // Every method that it names is there.
    let emitters = settings(&uncommented).emitters;
    for method in [
        emitters.mailnotifier,
        emitters.sievenotifier,
        emitters.event_notifier,
        emitters.imipnotifier,
    ] {
        let method = method.expect("each of them stands in the example");
        assert!(cyrus_notifyd::method::find(&method).is_some());
    }
}

#[test]
#[ignore = "needs Debian's cyrus-imapd: run tests/run"]
fn cyrus_knows_all_of_the_example_of_imapd_conf() {
    let output = Command::new("/usr/lib/cyrus/bin/cyr_info")
        .arg("-C")
        .arg(path("examples/imapd.conf"))
        .args(["-n", "notify", "conf-lint"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

#[test]
fn the_example_of_notifyd_toml_is_read_without_a_word() {
    use cyrus_notifyd::config::toml::{Config, KEYS};
    use cyrus_notifyd::method;
    let text = read("examples/notifyd.toml");
    let uncommented: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert_ne!(text, uncommented);
    // Debian has this user, others may not.
    let uncommented = uncommented.replace("www-data", "root");
    for text in [&text, &uncommented] {
        assert_eq!(Config::read(text, &method::known()).1, [], "{text}");
    }
    let changed = Config::read(&text, &method::known()).0.changed();
    assert_eq!(changed, "", "as it is it changes nothing");
    let shown = KEYS.iter().filter(|key| {
        let line = format!("\n{} = ", key.name);
        uncommented.contains(&line)
    });
    assert!(shown.count() >= 10);
}

/// The parameters of a service's line in cyrus.conf.
fn parameters(line: &str) -> HashMap<&str, &str> {
    let mut found = HashMap::new();
    for word in line.split_whitespace().filter(|word| word.contains('=')) {
        let (name, value) = word.split_once('=').unwrap();
        found.insert(name, value.trim_matches('"'));
    }
    found
}

#[test]
fn the_examples_agree_with_each_other() {
    let (cyrus, imapd, readme) = (
        read("examples/cyrus.conf"),
        read("examples/imapd.conf"),
        read("README.md"),
    );
    let services = cyrus
        .split("SERVICES {")
        .nth(1)
        .unwrap()
        .split('}')
        .next()
        .unwrap();
    let lines = |mark: &str| -> Vec<HashMap<&str, &str>> {
        let words = services
            .lines()
            .filter(|line| line.split_whitespace().next() == Some(mark));
        words.map(parameters).collect()
    };
    let (datagram, dlist) = (lines("notify"), lines("#notify"));
    assert_eq!(
        (datagram.len(), dlist.len()),
        (1, 1),
        "one that counts, one variant"
    );
    let install = "/usr/local/lib/cyrus-notifyd/notifyd";
    assert!(readme.contains(&format!("target/release/notifyd    {install}\n")));
    let imapd_dlist = imapd
        .replace("\nnotifysocket", "\n#")
        .replace("\n#notifysocket", "\nnotifysocket");
    for (service, conf, proto, is_datagram) in [
        (&datagram[0], &imapd, Some(&"udp"), true),
        (&dlist[0], &imapd_dlist, None, false),
    ] {
        assert_eq!(service.get("cmd"), Some(&install));
        assert_eq!(service.get("proto"), proto);
        assert_eq!(service.get("prefork"), Some(&"1"));
        let listen = PathBuf::from(service["listen"]);
        let wanted = if is_datagram {
            NotifySocket::Datagram(listen)
        } else {
            NotifySocket::Dlist(listen)
        };
        assert_eq!(settings(conf).notifysocket, wanted);
        // README and manual show the same.
        for line in [
            format!("cmd=\"{install}\""),
            format!("listen=\"{}\"", service["listen"]),
        ] {
            assert!(
                readme.contains(&line) && flat(&read("man/notifyd.8")).contains(&line),
                "{line}"
            );
        }
    }
}

/// A private Cyrus in namespaces of its own, with the example files in /etc, as they are.
struct Cyrus {
    /// `unshare`, which waits for the namespace's first process.
    master: Child,
    log: stage::Syslog,
    dir: tempfile::TempDir,
}

impl Drop for Cyrus {
    fn drop(&mut self) {
        // Its child is the first process of the namespace: all others end with it, and it with them.
        let pid = self.master.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        for child in children.unwrap_or_default().split_whitespace() {
            let pid = child.parse().ok().and_then(Pid::from_raw);
            let _ = pid.map(|pid| kill_process(pid, stage::Signal::KILL)); // it may have ended by itself
        }
        let _ = self.master.wait();
        if std::thread::panicking() {
            let errors = fs::read_to_string(self.dir.path().join("errors"));
            eprintln!("{}", errors.unwrap_or_default());
            for record in self.log.raw() {
                eprintln!("syslog: {}", stage::show(&record));
            }
        }
    }
}

/// $1: a directory that holds what Cyrus shall see at the usual places.
const ENTER: &str = r#"dir=$1
ip link set lo up
mount --bind "$dir/cyrus.conf" /etc/cyrus.conf; mount --bind "$dir/imapd.conf" /etc/imapd.conf
mount --bind "$dir/lib" /var/lib/cyrus; mount --bind "$dir/spool" /var/spool/cyrus; mount --bind "$dir/run" /run/cyrus
mount --bind "$dir/local" /usr/local/lib
mount --rbind /dev "$dir/dev/.real"; mount --rbind "$dir/dev" /dev
exec /usr/sbin/cyrmaster -p /run/cyrus/master.pid -l 32 -C /etc/imapd.conf -M /etc/cyrus.conf"#;

fn start(dlist: bool) -> Cyrus {
    let tmp = tempfile::Builder::new()
        .prefix("notifyd-examples.")
        .tempdir()
        .unwrap();
    let dir = tmp.path();
    fs::set_permissions(dir, PermissionsExt::from_mode(0o755)).unwrap();
    let user = nix::unistd::User::from_name("cyrus")
        .unwrap()
        .expect("user cyrus: run tests/run");
    let folders = [
        "lib",
        "lib/db",
        "lib/proc",
        "lib/socket",
        "spool",
        "spool/mail",
        "run",
        "run/socket",
        "run/proc",
        "run/lock",
    ];
    for name in folders {
        fs::create_dir(dir.join(name)).unwrap();
        chown(
            dir.join(name),
            Some(user.uid.as_raw()),
            Some(user.gid.as_raw()),
        )
        .unwrap();
    }
    fs::create_dir_all(dir.join("dev/.real")).unwrap();
    for name in ["null", "zero", "random", "urandom", "fd", "shm"] {
        std::os::unix::fs::symlink(format!(".real/{name}"), dir.join("dev").join(name)).unwrap();
    }
    fs::create_dir_all(dir.join("local/cyrus-notifyd")).unwrap();
    fs::copy(
        env!("CARGO_BIN_EXE_notifyd"),
        dir.join("local/cyrus-notifyd/notifyd"),
    )
    .unwrap();
    let (mut cyrus, mut imapd) = (read("examples/cyrus.conf"), read("examples/imapd.conf"));
    if dlist {
        // What the comments tell to do.
        cyrus = cyrus
            .replace("\n\tnotify\t", "\n\t#\t")
            .replace("\n\t#notify\t", "\n\tnotify\t");
        imapd = imapd
            .replace("\nnotifysocket", "\n#")
            .replace("\n#notifysocket", "\nnotifysocket");
    }
    fs::write(dir.join("cyrus.conf"), cyrus).unwrap();
    fs::write(dir.join("imapd.conf"), imapd).unwrap();
    let mut log = stage::Syslog::new(&dir.join("dev/log"));
    log.open();
    let mut command = Command::new("unshare");
    command
        .args(["-mnpf", "--mount-proc", "--", "bash", "-ec", ENTER, "bash"])
        .arg(dir);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(dir.join("errors")).unwrap());
    command.env_remove("CYRUS_SERVICE").current_dir("/");
    let master = command.spawn().unwrap();
    Cyrus {
        master,
        log,
        dir: tmp,
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_real_master_starts_what_the_examples_say() {
    for dlist in [false, true] {
        let cyrus = start(dlist);
        let log = &cyrus.log;
        let record = log.wait("our start", |r| r.has("started: socket from master"));
        assert_eq!(record.ident, "cyrus/notify");
        assert!(
            record.has("spool /var/lib/cyrus/notifyd, default method null"),
            "{record:?}"
        );
        let output = Command::new(env!("CARGO_BIN_EXE_notifytest"))
            .arg("-f")
            .arg(cyrus.dir.path().join("run/socket/notify"))
            .args(["-n", "log", "-u", "alice", "-t", "hello"])
            .output()
            .unwrap();
        assert_eq!(
            (
                output.status.code(),
                String::from_utf8_lossy(&output.stderr).as_ref()
            ),
            (Some(0), "")
        );
        log.wait("the record", |r| {
            r.text == b"MESSAGE, normal, alice, ,  \"hello\"" && r.ident == "cyrus/notify"
        });
        let complaint = |r: &stage::Record| r.severity() < 4;
        let complaints: Vec<_> = log.records().into_iter().filter(complaint).collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
}
