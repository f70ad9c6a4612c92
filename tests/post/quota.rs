//! A mailbox that is nearly full. Cyrus 3.6.1 dies of an assertion when it is more than full, so the quota is changed instead.

use super::clients::message;
use super::scene::Scene;
use super::stage::LIMIT;

/// In KiB.
const USED: usize = 93;

/// Makes it 93 % full, and a little more.
pub(super) fn one_mail(scene: &Scene) {
    let filler = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n";
    let large = message("quentin", "large") + &filler.repeat(USED * 1024 / filler.len());
    scene.server.imap("quentin").append("INBOX", &large);
    let mut admin = scene.server.imap("cyrus");
    // Of a quota that is new, Cyrus says that nothing is used.
    admin.command("SETQUOTA user/quentin (STORAGE 10000)");
    admin.command("SETQUOTA user/quentin (STORAGE 100)");
    let mail = scene.wait("quentin", "the warning", LIMIT, |mail| mail.says("%"));
    mail.is_proper();
    assert_eq!(mail.from(), ["postmaster@cyr.test"], "From, in\n{mail}");
    assert_eq!(mail.to(), ["quentin@cyr.test"], "To, in\n{mail}");
    mail.has_field("Return-Path", "<>");
    mail.has_field("Auto-Submitted", "auto-generated");
    // The same percentage of the same quota again.
    admin.command("SETQUOTA user/quentin (STORAGE 101)");
    scene.settle();
    assert_eq!(scene.mails("quentin", |mail| mail.says("%")).len(), 1);
}
