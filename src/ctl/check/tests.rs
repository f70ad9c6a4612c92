//! Each rule fires where it should, and none on a right configuration.

use super::facts::{Disk, Facts, Folder, Program, Type, program};
use super::*;
use crate::config::cyrus_conf::CyrusConf;
use crate::config::toml::Own;
use crate::config::{Context, Settings};
use crate::method;
use std::collections::BTreeSet;

mod situations;

use situations::situations;

const DIR: &str = "configdirectory: /var/lib/cyrus\n";
const IMAPD: &str = "configdirectory: /var/lib/cyrus\nnotifysocket: /run/cyrus/socket/notify\nsievenotifier: mailto\n";
const LISTEN: &str =
    "notify cmd=\"/opt/notifyd\" listen=\"/run/cyrus/socket/notify\" proto=\"udp\" prefork=1";

/// A machine on which all is right, with these files.
fn facts(imapd: &str, cyrus: &str) -> Facts {
    let settings = Settings::parse(
        imapd.as_bytes(),
        &Context {
            lenient: true,
            ..Context::default()
        },
    )
    .unwrap();
    let cyrus = CyrusConf::parse(cyrus.as_bytes(), b"cyrus.conf").unwrap();
    let right = |ours| Program {
        file: true,
        runs: true,
        ours,
    };
    let named = cyrus.entries.iter().filter_map(program);
    let mut programs: std::collections::BTreeMap<_, _> = named
        .map(|path| (path.clone(), right(Some(path.starts_with("/opt")))))
        .collect();
    programs.insert(settings.sendmail.clone(), right(None));
    programs.extend(
        settings
            .notify_external
            .iter()
            .map(|path| (path.clone(), right(None))),
    );
    Facts {
        imapd_file: "/etc/imapd.conf".into(),
        settings,
        refused: None,
        cyrus_file: "/etc/cyrus.conf".into(),
        cyrus: Ok(cyrus),
        programs,
        bad_templates: Vec::new(),
        socket_folder: Some(Folder {
            uid: 104,
            mode: 0o40750,
        }),
        open_sockets: vec![Type::Datagram],
        spool_folder: Some(Folder {
            uid: 104,
            mode: 0o40700,
        }),
        disk: Some(Disk {
            magic: 0xef53,
            free: 1 << 30,
        }),
        cyrus_uid: Some(104),
        cyrus_groups: vec![8],
        secret_files: Vec::new(),
        wmem_default: Some(212_992),
        now: 1_800_000_000,
        built: Some(1_790_000_000),
        newest: Some(1_799_999_999),
    }
}

fn services(entries: &str) -> String {
    format!("SERVICES {{\n{entries}\n}}\n")
}

fn right() -> Facts {
    facts(IMAPD, &services(LISTEN))
}

/// `right()` with more lines in imapd.conf.
fn with(more: &str) -> Facts {
    facts(&format!("{IMAPD}{more}\n"), &services(LISTEN))
}

/// `right()` with more lines in imapd.conf, and this notifyd.toml.
fn with_own(more: &str, toml: &str) -> Facts {
    let mut facts = with(more);
    facts.settings.own = own(toml);
    facts
}

/// `right()` with another line for the service.
fn served(entry: &str) -> Facts {
    facts(IMAPD, &services(entry))
}

fn dlist(entry: &str) -> Facts {
    let imapd = IMAPD.replace("/run", "dlist:/run");
    Facts {
        open_sockets: vec![Type::Stream],
        ..facts(&imapd, &services(entry))
    }
}

fn own(text: &str) -> Own {
    Own::parse(
        Path::new("/etc/notifyd.toml"),
        text.as_bytes(),
        &method::known(),
    )
}

fn changed(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = right();
    change(&mut facts);
    facts
}

/// `RULE LEVEL LINE` of each finding.
fn found(facts: &Facts) -> Vec<String> {
    let show = |(rule, finding): &(&str, Finding)| {
        let line = finding.spot.as_ref().map_or(0, |spot| spot.line);
        format!("{rule} {} {line}", finding.level.name())
    };
    find(facts).iter().map(show).collect()
}

#[test]
fn nothing_is_found_where_all_is_right() {
    for facts in [
        right(),
        dlist("notify cmd=\"/opt/notifyd\" listen=\"/run/cyrus/socket/notify\" prefork=1"),
        dlist(
            "notify cmd=\"/opt/notifyd\" listen=\"/run/cyrus/socket/notify\" proto=\"tcp\" babysit=yes maxchild=2",
        ),
        served(
            "notify cmd=\"/opt/notifyd -C /etc/imapd.conf -m log\" listen=\"/run/cyrus/socket/notify\" proto=\"udp\" prefork=1 maxchild=1",
        ),
        with("mailnotifier: log\nimipnotifier: external\nnotify_external: /x"),
        with(
            "event_notifier: external\nnotify_external: /x\nevent_groups: message flags mailbox\nconversations: yes\nevent_extra_params: timestamp vnd.fastmail.counters vnd.cmu.emailid",
        ),
        with("event_notifier: log\nevent_extra_params: vnd.fastmail.counters"),
        facts(
            &format!("{IMAPD}event_notifier: log\nevent_groups: calendar\n"),
            &format!(
                "{}DAEMON {{\ncalalarmd cmd=\"calalarmd\"\n}}\n",
                services(LISTEN)
            ),
        ),
        with("event_notifier: log\nevent_groups: applepushservice\naps_topic: x"),
        with("smtp_backend: host\nsmtp_host: mail:587\nimipnotifier: mailto"),
        facts(
            &format!("{IMAPD}event_notifier: mailto\nevent_groups: calendar\n"),
            &format!(
                "{}DAEMON {{\ncalalarmd cmd=\"calalarmd\"\n}}\n",
                services(LISTEN)
            ),
        ),
        served("imap cmd=imapd listen=imap"), // systemd has started it
        changed(|facts| facts.spool_folder = None),
        changed(|facts| facts.newest = None),
        changed(|facts| facts.settings.own = own("[spool]\nmax_rows = 10\n")),
    ] {
        let mut found = found(&facts);
        found.retain(|line| !line.starts_with("size note"));
        assert_eq!(found, [""; 0]);
    }
}

#[test]
fn each_rule_finds_what_it_is_for() {
    let mut fired = BTreeSet::new();
    for (place, (facts, wanted)) in situations().into_iter().enumerate() {
        let found = found(&facts);
        let texts: Vec<String> = find(&facts)
            .into_iter()
            .map(|(_, finding)| finding.what)
            .collect();
        assert_eq!(found, wanted, "situation {place}: {texts:#?}");
        fired.extend(
            found
                .iter()
                .filter_map(|line| line.split(' ').next().map(str::to_owned)),
        );
    }
    let rules: BTreeSet<String> = rules::RULES
        .iter()
        .map(|rule| rule.name.to_owned())
        .collect();
    assert_eq!(fired, rules, "a rule without a situation in which it fires");
    assert_eq!(rules.len(), rules::RULES.len(), "two rules of one name");
}

#[test]
fn the_worst_comes_first_and_is_counted() {
    let facts = with("mailnotifier: nonsense\nevent_groups: message\nimipnotifier: log");
    let found = find(&facts);
    let levels: Vec<Level> = found.iter().map(|(_, finding)| finding.level).collect();
    assert_eq!(levels, [Level::Error, Level::Warning, Level::Note]);
    assert_eq!(summary(&found), "1 error, 1 warning, 1 note");
    assert_eq!(summary(&[]), "0 errors, 0 warnings, 0 notes");
    let value = as_value(found[0].0, &found[0].1);
    assert_eq!(
        (&value["level"], &value["rule"], &value["line"]),
        (&json!("error"), &json!("notifier"), &json!(4))
    );
}

#[test]
fn nobody_at_a_dlist_socket_may_be_masters_doing() {
    let entry = "notify cmd=\"/opt/notifyd\" listen=\"/run/cyrus/socket/notify\" prefork=1";
    let advice = |mut facts: Facts| {
        facts.open_sockets.clear();
        let found = find(&facts).into_iter().find(|(rule, _)| *rule == "nobody");
        found.unwrap().1.advice
    };
    assert!(advice(dlist(entry)).contains("until it gets SIGHUP"));
    assert!(!advice(right()).contains("SIGHUP"));
}
