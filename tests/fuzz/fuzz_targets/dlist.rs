//! However the bytes are cut, the outcome is the same; what parses reads the same after it was written; and a
//! line that is a notification is the same one by way of a datagram.
#![no_main]

use cyrus_notifyd::wire::{datagram, dlist};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = dlist::parse(bytes);
    let size = bytes.first().map_or(1, |b| usize::from(*b) % 13 + 1);
    assert_eq!(in_pieces(bytes, size), whole);
    let Ok((line, used)) = whole else { return };
    assert!(used <= bytes.len());
    assert_eq!(dlist::parse(&bytes[..used]), Ok((line.clone(), used)));
    let written = line.write();
    assert_eq!(
        dlist::parse(&written),
        Ok((line.clone(), written.len())),
        "{written:?}"
    );
    // Any line may be what a server answers; a client must not trip over it.
    let _ = dlist::answer(&line);
    if let Ok(notification) = dlist::notification(&line) {
        let datagram = datagram::encode(&notification);
        assert_eq!(datagram::decode(&datagram), Ok(notification));
    }
});

/// What [`dlist::parse`] says, with the bytes coming `size` at a time.
fn in_pieces(bytes: &[u8], size: usize) -> Result<(dlist::Line, usize), dlist::Error> {
    let mut parser = dlist::Parser::new();
    for (n, piece) in bytes.chunks(size).enumerate() {
        if let Some((line, used)) = parser.push(piece)? {
            return Ok((line, n * size + used));
        }
    }
    Err(dlist::Error::Incomplete)
}
