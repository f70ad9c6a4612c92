//! Invitations: httpd hands those for strangers to notifyd.

use super::calendar::{self, put, read, utc, value};
use super::scene::Scene;
use super::stage::LIMIT;

/// Alice invites somebody, and calls it off.
pub(super) fn arrives(scene: &Scene) {
    let (start, end) = (utc(86_400), utc(90_000));
    let lines = format!(
        "DTSTART:{start}\r\nDTEND:{end}\r\nSUMMARY:Einladung\\, für Gäste 😀\r\nSEQUENCE:0\r\n\
         ORGANIZER;CN=Alice:mailto:alice@cyr.test\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:alice@cyr.test\r\n\
         ATTENDEE;CN=\"Müller, Jörg\";RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:guest@out.test\r\n"
    );
    put(scene, "invitation", "", &lines);
    check(scene, "REQUEST", &start);
    calendar::delete(scene, "invitation");
    check(scene, "CANCEL", &start);
}

fn check(scene: &Scene, method: &str, start: &str) {
    let has_method = format!("method={method}");
    let mail = scene.wait("guest", method, LIMIT, |mail| {
        let is = |(parameters, _): (Vec<String>, String)| parameters.contains(&has_method);
        is(mail.calendar())
    });
    mail.is_proper();
    assert_eq!(mail.to(), ["guest@out.test"], "To, in\n{mail}");
    let organizer = mail.from() == ["alice@cyr.test"]
        || mail
            .field("Reply-To")
            .is_some_and(|to| to.contains("alice@cyr.test"));
    assert!(organizer, "an answer does not reach Alice, in\n{mail}");
    assert!(mail.says("Einladung, für Gäste 😀"), "summary, in\n{mail}");
    let (_, text) = mail.calendar();
    let (calendar, event) = read(&text);
    assert_eq!(value(&calendar.properties, "METHOD"), method, "{text}");
    assert_eq!(value(&event.properties, "UID"), "invitation", "{text}");
    assert_eq!(value(&event.properties, "DTSTART"), start, "{text}");
    scene.settle();
    let all = scene.mails("guest", |mail| mail.calendar().0.contains(&has_method));
    assert_eq!(all.len(), 1, "mails with method {method}");
}
