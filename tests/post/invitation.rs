//! Invitations: httpd hands those for strangers to notifyd.

use super::calendar::{self, hence, put, read, utc, value};
use super::inbox::Received;
use super::scene::Scene;
use super::stage::LIMIT;
use jiff::ToSpan;

const ALICE: &str = "ATTENDEE;CN=Alice;PARTSTAT=ACCEPTED:mailto:alice@cyr.test\r\n";
const GUEST: &str =
    "ATTENDEE;CN=\"Müller, Jörg\";RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:guest@out.test\r\n";

/// Alice invites somebody, and calls it off.
pub(super) fn arrives(scene: &Scene) {
    let (start, lines) = tomorrow();
    let lines = format!("{lines}ORGANIZER;CN=Alice:mailto:alice@cyr.test\r\n{ALICE}{GUEST}");
    put(scene, "invitation", "", &lines);
    check(scene, "REQUEST", "invitation", &start);
    calendar::delete(scene, "invitation");
    check(scene, "CANCEL", "invitation", &start);
}

/// Somebody has invited Alice, and she accepts.
pub(super) fn is_answered(scene: &Scene) {
    let (start, lines) = tomorrow();
    let lines = format!("{lines}ORGANIZER:mailto:guest@out.test\r\n");
    let open = ALICE.replace("ACCEPTED", "NEEDS-ACTION");
    put(scene, "answer", "", &format!("{lines}{open}"));
    put(scene, "answer", "", &format!("{lines}{ALICE}"));
    check(scene, "REPLY", "answer", &start);
}

/// Alice invites somebody who does not exist, and learns of it from the mail server.
pub(super) fn comes_back(scene: &Scene) {
    let (_, lines) = tomorrow();
    let nobody = GUEST.replace("guest", "nobody");
    let lines = format!("{lines}ORGANIZER;CN=Alice:mailto:alice@cyr.test\r\n{ALICE}{nobody}");
    put(scene, "vain", "", &lines);
    scene.wait("alice", "a bounce", LIMIT, |mail| {
        mail.is_bounce() && mail.to() == ["alice@cyr.test"]
    });
}

fn tomorrow() -> (String, String) {
    let start = hence(86_400);
    let (start, end) = (utc(start), utc(start + 1.hour()));
    let lines = format!(
        "DTSTART:{start}\r\nDTEND:{end}\r\nSUMMARY:Einladung\\, für Gäste 😀\r\nSEQUENCE:0\r\n"
    );
    (start, lines)
}

fn check(scene: &Scene, method: &str, uid: &str, start: &str) {
    let mail = scene.wait("guest", method, LIMIT, |mail| has_method(mail, method));
    mail.is_proper();
    assert_eq!(mail.to(), ["guest@out.test"], "To, in\n{mail}");
    assert_eq!(mail.from(), ["alice@cyr.test"], "From, in\n{mail}");
    mail.has_field("Return-Path", "<alice@cyr.test>");
    assert!(mail.says("Einladung, für Gäste 😀"), "summary, in\n{mail}");
    let (_, text) = mail.calendar().unwrap();
    let (calendar, event) = read(&text);
    assert_eq!(value(&calendar.properties, "METHOD"), method, "{text}");
    assert_eq!(value(&event.properties, "UID"), uid, "{text}");
    assert_eq!(value(&event.properties, "DTSTART"), start, "{text}");
    scene.settle();
    let all = scene.mails("guest", |mail| has_method(mail, method));
    assert_eq!(all.len(), 1, "mails with method {method}");
}

/// Calendar programs look for it there, not in the text (RFC 6047 section 2.4).
fn has_method(mail: &Received, method: &str) -> bool {
    let parameter = format!("method={method}");
    mail.calendar()
        .is_some_and(|(parameters, _)| parameters.contains(&parameter))
}
