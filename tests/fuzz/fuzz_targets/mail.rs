//! Whatever a Sieve script has for an address and a message for a header: what is read of it can stand in a mail. No
//! address has a blank outside quotes or a control character, none is there twice, no field is one that is ours, and
//! what is written of an address is read as the same.
#![no_main]

use cyrus_notifyd::mail::address::Address;
use cyrus_notifyd::mail::header::Header;
use cyrus_notifyd::mail::trigger::Trigger;
use cyrus_notifyd::mail::uri::{MAX_FIELDS, MAX_RECIPIENTS, MailtoUri};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;

fuzz_target!(|raw: &[u8]| {
    let trigger = Trigger::parse(raw);
    let field = Header::unstructured("Subject", trigger.subject_text().as_bytes());
    assert_eq!(fields(field.as_bytes()), 1);
    let _ = (trigger.thread(), trigger.from_text());
    let Ok(uri) = MailtoUri::parse(raw) else {
        return;
    };
    let all: Vec<&Address> = uri.to.iter().chain(&uri.cc).collect();
    assert!((1..=MAX_RECIPIENTS).contains(&all.len()));
    let keys: BTreeSet<String> = all.iter().map(|address| address.key()).collect();
    assert_eq!(keys.len(), all.len());
    all.iter().for_each(|address| check(address));
    assert!(uri.fields.len() <= MAX_FIELDS);
    for (name, value) in &uri.fields {
        assert!(!["from", "bcc", "to", "cc", "sender"].contains(&name.to_lowercase().as_str()));
        let field = Header::unstructured(name, value.as_bytes());
        assert_eq!(fields(field.as_bytes()), 1);
    }
});

fn check(address: &Address) {
    let envelope = address.envelope();
    assert!(!envelope.contains(char::is_control), "{envelope:?}");
    let again = Address::parse(envelope.as_bytes()).expect("what is written is read");
    assert_eq!(again.envelope(), envelope);
}

/// How many header fields there are in `bytes`.
fn fields(bytes: &[u8]) -> usize {
    let lines = bytes
        .strip_suffix(b"\n")
        .expect("a line end")
        .split(|&b| b == b'\n');
    lines.filter(|line| !line.starts_with(b" ")).count()
}
