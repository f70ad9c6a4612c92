//! Rules about the machine: the user, the spool's disk, the clock.

use super::facts::{Disk, Facts, shown};
use super::{Finding, Spot, error, warning};
use crate::config::toml::WhenFull;

/// With less than this free, the spool may soon be unable to grow.
const LITTLE: u64 = 16 << 20;
/// File systems that other machines share: SQLite's write-ahead log needs memory that all its users share.
const NETWORK: [(u64, &str); 11] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x0102_1997, "9P"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0x0bd0_0bd0, "Lustre"),
    (0x6573_5546, "FUSE"),
];
/// File systems in memory.
const VOLATILE: [u64; 2] = [0x0102_1994, 0x8584_58f6];
/// How far the clock may be behind the newest delivery, in seconds.
const BEHIND: i64 = 60;

pub(super) fn user(facts: &Facts) -> Vec<Finding> {
    let name = shown(&facts.settings.cyrus_user);
    let what = match facts.cyrus_uid {
        None => format!("there is no user {name}: notifyd does not start"),
        Some(0) => format!(
            "the Cyrus user {name} has uid 0: notifyd does not run as root, and does not start"
        ),
        Some(_) => return Vec::new(),
    };
    vec![error(what).at(facts.option("cyrus_user"))]
}

pub(super) fn spool_folder(facts: &Facts) -> Vec<Finding> {
    let (Some(folder), Some(uid)) = (facts.spool_folder, facts.cyrus_uid) else {
        return Vec::new();
    };
    let path = facts.settings.spool();
    let (path, user) = (path.display(), shown(&facts.settings.cyrus_user));
    let mut found = Vec::new();
    if folder.uid != uid {
        let what = format!(
            "{path} belongs to uid {}, not to {user}: notifyd cannot write there, and keeps what is owed in memory",
            folder.uid
        );
        found.push(error(what).advice(format!("chown -R {user} {path}")));
    }
    if folder.mode & 0o077 != 0 {
        let what = format!(
            "{path} is open to others (mode {:04o}): it holds what users are told",
            folder.mode & 0o7777
        );
        found.push(warning(what).advice(format!("chmod 700 {path}")));
    }
    found
}

pub(super) fn file_system(facts: &Facts) -> Vec<Finding> {
    let Some(Disk { magic, .. }) = facts.disk else {
        return Vec::new();
    };
    let path = facts.settings.spool();
    let path = path.display();
    if let Some((_, name)) = NETWORK.iter().find(|(number, _)| *number == magic) {
        let what = format!(
            "{path} is on {name}: SQLite's write-ahead log is not safe there, and a network that hangs stops notifyd"
        );
        return vec![
            error(what)
                .advice("Put configdirectory, or at least this folder, on a disk of this machine."),
        ];
    }
    if VOLATILE.contains(&magic) {
        let what =
            format!("{path} is in memory: what is owed is lost when the machine starts again");
        return vec![warning(what).advice("Put it on a disk.")];
    }
    Vec::new()
}

pub(super) fn space(facts: &Facts) -> Vec<Finding> {
    let Some(Disk { free, .. }) = facts.disk.filter(|disk| disk.free < LITTLE) else {
        return Vec::new();
    };
    let path = facts.settings.spool();
    let what = format!(
        "{path} has {} KiB left: when its disk is full, notifyd keeps what is owed in memory, where a crash loses it",
        free >> 10,
        path = path.display()
    );
    vec![error(what).advice(format!("Make room for {} MiB at least.", LITTLE >> 20))]
}

pub(super) fn full(facts: &Facts) -> Vec<Finding> {
    let own = &facts.settings.own;
    if own.config.spool.when_full != WhenFull::Block {
        return Vec::new();
    }
    let file = own.file.as_ref().map(|file| Spot {
        file: file.display().to_string(),
        line: 0,
    });
    let what = "[spool] when_full is block: when the spool is full, lmtpd and imapd wait until something is delivered";
    vec![
        warning(what)
            .at(file)
            .advice("drop never holds Cyrus up, and logs what it costs."),
    ]
}

pub(super) fn clock(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    if facts.built.is_some_and(|built| facts.now < built) {
        let what = "the clock is before the day when this program was built: mails have wrong dates, and deliveries wait for the wrong time";
        found.push(error(what).advice("Set the clock, and keep it by NTP."));
    }
    if let Some(newest) = facts.newest.filter(|newest| facts.now + BEHIND < *newest) {
        let what = format!(
            "the clock is {} s behind the newest delivery in the spool: it was set back, or the spool comes from another machine",
            newest - facts.now
        );
        found.push(
            warning(what)
                .advice("Set the clock, and keep it by NTP. Deliveries wait no longer for it: notifyd moves their due times."),
        );
    }
    found
}
