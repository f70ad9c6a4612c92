//! Machines with something wrong: what each rule of `notifyctl check` is for.

use super::*;
use crate::ctl::check::facts::{Disk, Folder, NoCyrusConf, Type};
use crate::ctl::check::secrets::SecretFile;
use crate::mail::template::Wrong;

/// What each rule is to find: a machine, and all that is found there.
pub(super) fn situations() -> Vec<(Facts, &'static [&'static str])> {
    vec![
        (
            changed(|facts| facts.refused = Some("x".into())),
            &["imapd-conf warning 0"],
        ),
        (with("syslog_facility: kernel"), &["imapd-conf warning 0"]),
        (
            changed(|facts| facts.settings.own = own("\n[spool]\npth = \"/x\"\n")),
            &["notifyd-toml error 3"],
        ),
        (
            changed(|facts| facts.settings.own = own("[spool]\nwhen_full = \"block\"\n")),
            &["full warning 0"],
        ),
        (
            changed(|facts| {
                facts.bad_templates = vec![Wrong {
                    file: "/x/de/alarm.txt".into(),
                    line: 7,
                    what: "x".into(),
                }]
            }),
            &["templates warning 7"],
        ),
        (
            changed(|facts| facts.cyrus = Err(NoCyrusConf::Unreadable("x".into()))),
            &["cyrus-conf warning 0"],
        ),
        (
            changed(|facts| facts.cyrus = Err(NoCyrusConf::Refused("x".into()))),
            &["cyrus-conf error 0"],
        ),
        (
            facts(IMAPD, &(services(LISTEN) + "SERVICES {\n}\n")),
            &["section warning 4"],
        ),
        (
            Facts {
                open_sockets: Vec::new(),
                ..served("imap cmd=imapd listen=imap")
            },
            &["service warning 0", "nobody note 0"],
        ),
        (
            changed(|facts| facts.programs.clear()),
            &["program error 2", "sendmail error 0"],
        ),
        (
            changed(|facts| {
                facts
                    .programs
                    .values_mut()
                    .for_each(|program| program.runs = false)
            }),
            &["program error 2", "sendmail error 0"],
        ),
        (
            served("notify listen=\"/run/cyrus/socket/notify\" proto=\"udp\" prefork=1"),
            &["program error 2"],
        ),
        (served(&LISTEN.replace("/opt/", "")), &["stock warning 2"]),
        (
            dlist("notify cmd=notifyd listen=\"/run/cyrus/socket/notify\" prefork=1"),
            &["stock error 2"],
        ),
        (
            served(&format!("{LISTEN} perfork=1 prefork=2")),
            &["arguments warning 2", "arguments warning 2"],
        ),
        (
            served(&LISTEN.replace("notifyd", "notifyd -C /etc/other")),
            &["options warning 2"],
        ),
        (
            served(&LISTEN.replace("notifyd", "notifyd -m nul")),
            &["options error 2"],
        ),
        (
            served(&LISTEN.replace(" prefork=1", "")),
            &["prefork warning 2"],
        ),
        (
            served(&LISTEN.replace("prefork=1", "prefork=4")),
            &["prefork note 2"],
        ),
        (
            dlist("n cmd=/opt/notifyd listen=/run/cyrus/socket/notify prefork=2"),
            &["prefork note 2"],
        ),
        (
            dlist("n cmd=/opt/notifyd listen=/run/cyrus/socket/notify prefork=1 maxchild=0"),
            &["maxchild error 2"],
        ),
        (
            dlist("n cmd=/opt/notifyd listen=/run/cyrus/socket/notify prefork=1 maxchild=1"),
            &["maxchild warning 2"],
        ),
        (
            served(&LISTEN.replace(" proto=\"udp\"", "")),
            &["proto error 2"],
        ),
        (served(&LISTEN.replace("udp", "tcp4")), &["proto error 2"]),
        (dlist(LISTEN), &["proto error 2"]),
        (
            served(&LISTEN.replace("socket/notify", "socket/other")),
            &["listen error 2"],
        ),
        (
            served(&LISTEN.replace("/run/cyrus/socket/notify", "1234")),
            &["listen error 2"],
        ),
        (
            served("notify cmd=\"/opt/notifyd\" proto=\"udp\" prefork=1"),
            &["listen error 2"],
        ),
        (
            facts(
                &format!("{DIR}notifysocket: run/n\nsievenotifier: log\n"),
                &services(&LISTEN.replace("/run/cyrus/socket/notify", "/run/n")),
            ),
            &["listen error 2", "listen error 2"],
        ),
        (
            facts(
                &format!(
                    "{DIR}notifysocket: /{0}\nsievenotifier: log\n",
                    "n".repeat(107)
                ),
                &services(
                    &LISTEN.replace("/run/cyrus/socket/notify", &format!("/{}", "n".repeat(107))),
                ),
            ),
            &["listen error 2"],
        ),
        (
            served(&format!(
                "{LISTEN}\n{}",
                LISTEN.replace("notify ", "again ")
            )),
            &["several error 3"],
        ),
        (
            changed(|facts| facts.socket_folder = None),
            &["socket-folder error 2"],
        ),
        (
            changed(|facts| {
                facts.socket_folder = Some(Folder {
                    uid: 0,
                    mode: 0o40757,
                })
            }),
            &["socket-folder warning 2"],
        ),
        (
            changed(|facts| {
                facts.socket_folder = Some(Folder {
                    uid: 0,
                    mode: 0o40755,
                })
            }),
            &["socket-folder warning 2"],
        ),
        (
            changed(|facts| facts.open_sockets.clear()),
            &["nobody note 0"],
        ),
        (
            changed(|facts| facts.open_sockets = vec![Type::Stream]),
            &["nobody warning 0"],
        ),
        (
            changed(|facts| facts.wmem_default = Some(50_000)),
            &["size warning 0"],
        ),
        (with("imipnotifier: log"), &["size note 4"]),
        (
            with(
                "event_notifier: log\nevent_extra_params: messageContent\nevent_content_size: 20000",
            ),
            &["size warning 6", "content warning 0"],
        ),
        (
            with("event_notifier: log\nevent_extra_params: messageContent"),
            &["size warning 0", "content warning 0"],
        ),
        (
            with(
                "event_notifier: log\nevent_extra_params: messageContent\nevent_content_size: 2000",
            ),
            &["content warning 0"],
        ),
        (
            with(
                "event_notifier: log\nevent_extra_params: messageContent\nevent_content_size: 200\nevent_content_inclusion_mode: message",
            ),
            &["content error 7"],
        ),
        (with("mailnotifier: logg"), &["notifier error 4"]),
        (with("event_notifier: null"), &["notifier warning 4"]),
        (with("mailnotifier: mailto"), &["notifier warning 4"]),
        (
            with_own("mailnotifier: mailto", "[newmail]\nmail = 'named'"),
            &["notifier warning 4", "newmail warning 0"],
        ),
        (
            with_own(
                "mailnotifier: mailto",
                "[newmail]\nmail = 'named'\nto = 'a@example.org'",
            ),
            &[],
        ),
        (with("imipnotifier: mailto"), &["size note 4"]),
        (with("event_notifier: mailto"), &["notifier warning 4"]),
        (
            with("event_notifier: mailto\nevent_groups: calendar"),
            &["calendar warning 5"],
        ),
        (
            with("event_notifier: mailto\nevent_groups: calendar access"),
            &["notifier warning 4", "calendar warning 5", "access note 5"],
        ),
        (
            with_own(
                "event_notifier: null\nevent_groups: access",
                "[signin]\nmail = 'named'",
            ),
            &[
                "notifier warning 4",
                "mail-unsent warning 4",
                "signin warning 0",
                "access note 5",
            ],
        ),
        (
            with_own(
                "event_notifier: null\nevent_groups: access",
                "[signin]\nmail = 'always'",
            ),
            &["signin warning 0", "access note 5"],
        ),
        (with("mailnotifier: external"), &["notifier error 4"]),
        (
            facts(
                "configdirectory: /var/lib/cyrus\nnotifysocket: /run/cyrus/socket/notify\n",
                &services(LISTEN),
            ),
            &["nothing note 2", "sieve note 0"],
        ),
        (
            facts(
                &IMAPD.replace(
                    "sievenotifier: mailto",
                    "mailnotifier: log\nsieve_extensions: fileinto notify",
                ),
                &services(LISTEN),
            ),
            &["sieve warning 4"],
        ),
        (
            facts(
                &IMAPD.replace(
                    "sievenotifier: mailto",
                    "mailnotifier: log\nsieve_extensions: fileinto",
                ),
                &services(LISTEN),
            ),
            &[],
        ),
        (with("event_groups: message"), &["groups warning 4"]),
        (
            with(
                "event_notifier: log\nevent_groups: access subscription\nconversations: yes\nevent_extra_params: vnd.fastmail.convExists",
            ),
            &["parameters error 7", "access note 5"],
        ),
        (
            with("event_notifier: log\nevent_extra_params: vnd.fastmail.convUnseen"),
            &["parameters warning 5"],
        ),
        (
            with("event_notifier: log\nevent_extra_params: vnd.cmu.emailid"),
            &["parameters warning 5"],
        ),
        (
            with("event_notifier: log\nevent_groups: access"),
            &["access note 5"],
        ),
        (
            with("event_notifier: log\nevent_groups: quota"),
            &["quota warning 5"],
        ),
        (
            with("event_notifier: log\nevent_groups: flags\nevent_exclude_flags: \\Seen"),
            &["exclude-flags warning 6"],
        ),
        (
            with("event_notifier: log\nevent_groups: calendar"),
            &["calendar warning 5"],
        ),
        (
            facts(
                &format!("{IMAPD}event_notifier: log\n"),
                &format!("{}DAEMON {{\nc cmd=calalarmd\n}}\n", services(LISTEN)),
            ),
            &["calendar warning 5"],
        ),
        (
            facts(
                IMAPD,
                &format!("{}DAEMON {{\nc cmd=calalarmd\n}}\n", services(LISTEN)),
            ),
            &["calendar warning 5"],
        ),
        (
            with("event_notifier: log\nevent_groups: applepushservice"),
            &["applepush warning 5"],
        ),
        (
            changed(|facts| facts.settings.sendmail = "/usr/sbin/sendmail -t".into()),
            &["sendmail error 0"],
        ),
        (
            {
                let imapd = IMAPD.replace("sievenotifier: mailto", "mailnotifier: log");
                let mut facts = facts(&imapd, &services(LISTEN));
                facts.settings.sendmail = "/x".into();
                facts
            },
            &["sendmail warning 0", "sieve note 0"],
        ),
        (
            with("smtp_backend: host\nsmtp_host: mail:587\nsmtp_auth_authname: x"),
            &["smtp warning 5"],
        ),
        (
            with_own("", "[quota]\nmail = 'always'\n"),
            &["mail-unsent warning 0"],
        ),
        (
            with_own("event_notifier: log", "[alarm]\nmail = 'always'\n"),
            &["mail-unsent warning 4"],
        ),
        (
            with_own(
                "mailnotifier: log",
                "[newmail]\nmail = 'named'\nto = 'x@example.org'\n",
            ),
            &["mail-unsent warning 4"],
        ),
        (
            with_own("mailnotifier: log", "[newmail]\nmail = 'always'\n"),
            &["newmail warning 0"],
        ),
        (
            with_own(
                "event_notifier: log\nevent_groups: access",
                "[signin]\nmail = 'always'\n",
            ),
            &["signin warning 0", "access note 5"],
        ),
        (
            changed(|facts| facts.settings.notify_external = Some("/nonexistent".into())),
            &["external error 0"],
        ),
        (changed(|facts| facts.cyrus_uid = None), &["user error 0"]),
        (
            changed(|facts| facts.cyrus_uid = Some(0)),
            &["user error 0", "spool-folder error 0"],
        ),
        (
            changed(|facts| {
                facts.secret_files = vec![SecretFile {
                    path: "/etc/imapd.conf".into(),
                    holds: "sync_password".into(),
                    line: 7,
                    mode: 0o100_644,
                    gid: 8,
                }]
            }),
            &["secrets warning 7"],
        ),
        (
            changed(|facts| {
                facts.spool_folder = Some(Folder {
                    uid: 0,
                    mode: 0o40755,
                })
            }),
            &["spool-folder error 0", "spool-folder warning 0"],
        ),
        (
            changed(|facts| {
                facts.disk = Some(Disk {
                    magic: 0x6969,
                    free: 1 << 30,
                })
            }),
            &["file-system error 0"],
        ),
        (
            changed(|facts| {
                facts.disk = Some(Disk {
                    magic: 0x0102_1994,
                    free: 1 << 30,
                })
            }),
            &["file-system warning 0"],
        ),
        (
            changed(|facts| {
                facts.disk = Some(Disk {
                    magic: 0xef53,
                    free: (16 << 20) - 1,
                })
            }),
            &["space error 0"],
        ),
        (
            changed(|facts| {
                facts.now = 1_700_000_000;
                facts.newest = None;
            }),
            &["clock error 0"],
        ),
        (
            changed(|facts| facts.newest = Some(1_800_000_061)),
            &["clock warning 0"],
        ),
        // What is lost where nobody sends anything is worth a note.
        (
            Facts {
                open_sockets: Vec::new(),
                socket_folder: None,
                ..facts(DIR, &services("imap cmd=imapd listen=imap"))
            },
            &[
                "service note 0",
                "socket-folder note 0",
                "nobody note 0",
                "nothing note 0",
                "sieve note 0",
            ],
        ),
        (
            facts(
                DIR,
                &services("notify cmd=\"/opt/notifyd\" listen=\"/elsewhere\" prefork=1"),
            ),
            &[
                "proto note 2",
                "listen note 2",
                "nothing note 0",
                "sieve note 0",
            ],
        ),
        (
            with(
                "event_exclude_specialuse: ALL \\Junk Sent \\junk \\Nosuch \\Ours\nspecialuse_extra: \\Ours",
            ),
            &[
                "special-use warning 4",
                "special-use warning 4",
                "special-use warning 4",
            ],
        ),
        (
            with("smtp_backend: host\nsmtp_host: [::1]:25"),
            &["smtp warning 5"],
        ),
        (
            with("smtp_backend: host\nsmtp_host: mail:nosuch"),
            &["smtp error 5"],
        ),
    ]
}
