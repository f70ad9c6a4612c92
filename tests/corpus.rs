//! Every datagram and dlist conversation recorded from a real Cyrus (see
//! `tests/fixtures/README.md`) is read, and written back as the same bytes.
#![allow(clippy::unwrap_used)]

mod common;

use common::samples;
use cyrus_notifyd::wire::{datagram, dlist};

#[test]
fn base64_is_read_right() {
    assert_eq!(common::base64(""), b"");
    assert_eq!(common::base64("Zg=="), b"f");
    assert_eq!(common::base64("Zm8="), b"fo");
    assert_eq!(common::base64("Zm9vYmE+/w=="), b"fooba>\xff");
}

#[test]
fn datagrams_of_3_6_1() {
    datagrams("3.6.1", 1102);
}

#[test]
fn datagrams_of_3_13() {
    datagrams("3.13", 581);
}

fn datagrams(folder: &str, count: usize) {
    let all = samples(folder);
    assert_eq!(all.len(), count);
    for sample in all {
        let n = datagram::decode(&sample.bytes).expect(&sample.at);
        assert!(datagram::encode(&n) == sample.bytes, "{}", sample.at);
        // The other form carries the same.
        let line = dlist::encode(&n);
        assert_eq!(dlist::decode(&line), Ok((n, line.len())), "{}", sample.at);
    }
}

#[test]
fn conversations_of_3_6_1() {
    let all = samples("dlist-3.6.1");
    assert_eq!(all.len(), 572);
    let mut silent = 0;
    for sample in all {
        if sample.bytes.is_empty() {
            silent += 1;
            continue;
        }
        let (line, used) = dlist::parse(&sample.bytes).expect(&sample.at);
        assert_eq!(used, sample.bytes.len(), "{}", sample.at);
        assert!(line.write() == sample.bytes, "{}", sample.at);
        let n = dlist::notification(&line).expect(&sample.at);
        assert!(dlist::encode(&n) == sample.bytes, "{}", sample.at);
        assert_eq!(
            datagram::decode(&datagram::encode(&n)),
            Ok(n),
            "{}",
            sample.at
        );
    }
    assert_eq!(silent, 1, "the client that was refused at accept");
}

/// However a conversation is cut into pieces, and wherever it stops.
#[test]
fn conversations_in_pieces() {
    for sample in samples("dlist-3.6.1")
        .iter()
        .filter(|s| (1..1500).contains(&s.bytes.len()))
    {
        let bytes = &sample.bytes;
        let whole = dlist::parse(bytes).expect(&sample.at).0;
        let mut parser = dlist::Parser::new();
        let (last, rest) = bytes.split_last().unwrap();
        for byte in rest {
            assert_eq!(parser.push(&[*byte]), Ok(None), "{}", sample.at);
        }
        assert_eq!(parser.push(&[*last]), Ok(Some((whole, 1))), "{}", sample.at);
    }
}
