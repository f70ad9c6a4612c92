//! Who gets mail, and what is said of mail that nobody gets.

use super::daemon::Alone;
use super::stage::note;

const TO_NOBODY: &str = r#"{"recipient":"urn:uuid:1","sender":"anna@example.org","method":"REQUEST","ical":"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1\r\nATTENDEE:urn:uuid:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"}"#;

#[test]
fn what_reaches_nobody_is_never_delivered() {
    let mut alone = Alone::new();
    alone.spawn_ready();
    let imip = note("mailto").class("IMIP").user("anna");
    alone.send(&imip.message(TO_NOBODY));
    alone.wait_line("class=IMIP, user=anna, attempts=1");
    alone.wait_line("status=failed (no recipient: urn:uuid:1 is no mail address)");
    let script = note("mailto").class("SIEVE").user("ben").message("x");
    alone.send(&script);
    alone.wait_line("status=discarded (no recipient: the notification has no address)");
    assert_eq!(alone.count("status=delivered"), 0);
    let with_email = TO_NOBODY.replace("ATTENDEE:", "ATTENDEE;EMAIL=ext@example.net:");
    let imip = note("mailto").class("IMIP").user("anna");
    alone.send(&imip.message(with_email));
    alone.wait_run(&["sendmail -i", "ext@example.net"]);
    alone.wait_line("status=delivered");
}

#[test]
fn a_comma_that_is_coded_divides_addresses() {
    let mut alone = Alone::new();
    alone.spawn_ready();
    let script = note("mailto").class("SIEVE").user("anna").message("Text");
    alone.send(&script.option("one@example.org%2Ctwo@example.net?subject=Neu"));
    alone.wait_run(&["sendmail -i", "one@example.org", "two@example.net"]);
    alone.wait_line("status=delivered");
}
