//! Method `zephyr` where there is no Zephyr; a real one has tests of its own.

use super::common::{Setup, note, ours};
use std::time::Duration;

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn no_user_no_notice() {
    let mut n = Setup::new().own_network().start();
    n.notify(
        &note("zephyr")
            .class("C")
            .mailbox("INBOX")
            .option("bob")
            .message("m"),
    );
    n.fence_log();
    assert!(n.records().is_empty());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn no_host_manager() {
    let mut n = Setup::new().own_network().start();
    n.notify(&note("zephyr").class("C").user("alice").message("m"));
    if ours() {
        // Ours doesn't wait for the host manager and says in its own words what is wrong.
        n.fence_log();
        n.log.wait("the missing host manager", |r| {
            super::complaint(r) && r.has("zephyr")
        });
    } else {
        // Stock asks it for 10 s, and nothing else is done meanwhile.
        super::common::wait_for("the complaint", Duration::from_secs(30), || {
            n.log
                .records()
                .into_iter()
                .find(|r| r.pri == 19 && r.text.starts_with(b"IOERROR: cannot initialize zephyr"))
        });
        n.fence_log();
    }
    assert!(n.running());
}
