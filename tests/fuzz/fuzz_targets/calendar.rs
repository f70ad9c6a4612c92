//! Whatever an iCalendar object holds, what is written of it is one object of short lines that nothing in it can end, and
//! that is read as the same appointment.
#![no_main]

use cyrus_notifyd::mail::calendar::{read, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    let object = read::object(&String::from_utf8_lossy(raw));
    let written = write::publish(&object.event, jiff::Timestamp::UNIX_EPOCH);
    for line in written.split("\r\n") {
        assert!(line.len() <= 75 && !line.contains(['\r', '\n']), "{line:?}");
    }
    let begun = written.split("\r\n").filter(|line| *line == "BEGIN:VEVENT");
    assert_eq!(begun.count(), 1);
    let again = read::object(&written).event;
    assert_eq!(again.attendees.len(), object.event.attendees.len());
    assert_eq!(again.start.is_some(), object.event.start.is_some());
});
