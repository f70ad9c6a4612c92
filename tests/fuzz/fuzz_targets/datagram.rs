//! A datagram that reads at all is the same notification after it was written: decode∘encode = identity.
//! What Cyrus writes (each string with its NUL, `nopt` in plain digits) comes back byte for byte. And by dlist, too, it is the same notification.
#![no_main]

use cyrus_notifyd::wire::{datagram, dlist};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(notification) = datagram::decode(bytes) else {
        return;
    };
    let written = datagram::encode(&notification);
    assert_eq!(datagram::decode(&written).as_ref(), Ok(&notification));
    // The reader forgives: a missing last NUL, odd ways to say `nopt`, strings behind the last one. Nothing else.
    if bytes.len() == written.len() {
        let nopt = |bytes: &[u8]| bytes.split(|b| *b == 0).nth(5).map(<[u8]>::to_vec);
        assert!(bytes == written || nopt(bytes) != nopt(&written));
    }
    let line = dlist::encode(&notification);
    assert_eq!(dlist::decode(&line), Ok((notification, line.len())));
});
