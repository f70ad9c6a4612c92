//! Method `zephyr` where there is no Zephyr; a real one has tests of its own.

use super::stage::{Setup, note, ours};
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
    if ours() {
        // Ours says how each delivery ended.
        n.log.wait("the end of the delivery", |r| {
            String::from_utf8_lossy(&r.text).contains("status=discarded (no recipient")
        });
    }
    n.fence_log();
    assert_eq!(
        n.records().len(),
        if ours() { 2 } else { 0 },
        "the start and the end"
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn no_host_manager() {
    let mut n = Setup::new().own_network().start();
    n.notify(&note("zephyr").class("C").user("alice").message("m"));
    if ours() {
        // Ours knows at once that no host manager listens, and says in its own words what is wrong.
        super::stage::wait_for("the missing host manager", Duration::from_secs(8), || {
            n.log
                .records()
                .into_iter()
                .find(|r| super::complaint(r) && r.has("zephyr"))
        });
        n.fence_log();
    } else {
        // Stock asks it for 10 s, and nothing else is done meanwhile.
        super::stage::wait_for("the complaint", Duration::from_secs(30), || {
            n.log
                .records()
                .into_iter()
                .find(|r| r.pri == 19 && r.text.starts_with(b"IOERROR: cannot initialize zephyr"))
        });
        n.fence_log();
    }
    assert!(n.running());
}
