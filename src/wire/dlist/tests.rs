//! Tests of reading and writing together.

use super::*;
use crate::wire::laws::notification;
use proptest::prelude::*;

fn value(text: &str) -> Result<Item, Error> {
    let bytes = format!("X {text}\r\n");
    let (line, used) = parse(bytes.as_bytes())?;
    assert_eq!((line.name.as_slice(), used), (&b"X"[..], bytes.len()));
    Ok(line.value)
}

fn text(bytes: &str) -> Item {
    Item::Text(bytes.into())
}

fn why(bytes: &[u8]) -> String {
    parse(bytes).unwrap_err().to_string()
}

#[test]
fn every_form_of_a_value() {
    for (written, read) in [
        ("NIL", Item::Nil),
        ("nil", text("nil")),
        ("\"NIL\"", text("NIL")),
        ("{3}\r\nNIL", text("NIL")),
        ("\"\"", text("")),
        ("{0+}\r\n", text("")),
        ("a%{\\}*b", text("a%{\\}*b")),
        ("\"a\\\"b\\\\c\\d\"", text("a\"b\\cd")),
        ("{4+}\r\n(\0\r\n", text("(\0\r\n")),
        ("\\Seen", Item::Flag(b"\\Seen".to_vec())),
        ("()", Item::List(vec![])),
        ("%()", Item::Map(vec![])),
        (
            "( a\t\"b\"\"c\"(d)NIL )",
            Item::List(vec![
                text("a"),
                text("b"),
                text("c"),
                Item::List(vec![text("d")]),
                Item::Nil,
            ]),
        ),
        (
            "%(k v %k {1}\r\nv NIL %(a ()))",
            Item::Map(vec![
                (b"k".to_vec(), text("v")),
                (b"%k".to_vec(), text("v")),
                (
                    b"NIL".to_vec(),
                    Item::Map(vec![(b"a".to_vec(), Item::List(vec![]))]),
                ),
            ]),
        ),
    ] {
        assert_eq!(value(written), Ok(read), "{written:?}");
    }
}

#[test]
fn a_file_is_read_and_written() {
    let guid = "0123456789abcdef0123456789abcdef01234567";
    let written = format!("X (%{{default {guid} 5}}\r\na)\r\nb c)\r\n");
    // Five bytes are "a)\r\nb"; what follows is the list's next value.
    let (line, used) = parse(written.as_bytes()).unwrap();
    assert_eq!(used, written.len());
    let file = Item::File {
        partition: b"default".to_vec(),
        guid: guid.into(),
        data: b"a)\r\nb".to_vec(),
    };
    assert_eq!(line.value, Item::List(vec![file, text("c")]));
    assert_eq!(line.write(), written.as_bytes());
    assert!(value(&format!("%{{p {guid} 1}}\nx")).is_ok());
    assert!(value(&format!("%{{p {guid} \"1\"}}\r\nx")).is_err());
    assert!(value("%{p 0123 1}\r\nx").is_err());
    assert!(value(&format!("%{{p {guid} 1+}}\r\nx")).is_err());
    assert!(value("%{p (").is_err());
}

#[test]
fn what_is_malformed_says_where() {
    assert_eq!(why(b"\r\n"), "no name at byte 0");
    assert_eq!(why(b"GET / HTTP/1.1\r\n"), "more after the list at byte 5");
    assert_eq!(why(b"EHLO\r\n"), "the line ends before its list at byte 4");
    assert_eq!(why(b"\0\0\r\n"), "the line ends before its list at byte 2");
    assert_eq!(why(b"X %(a)\r\n"), "a key without a value at byte 5");
    assert_eq!(
        why(b"X %((a) b)\r\n"),
        "a list where a key belongs at byte 4"
    );
    assert_eq!(why(b"X )\r\n"), "a closing parenthesis too many at byte 2");
    assert_eq!(why(b"X %x\r\n"), "neither %( nor %{ at byte 3");
    assert_eq!(
        why(b"X \"a\r\n\r\n"),
        "the line ends inside a quoted string at byte 4"
    );
    assert_eq!(why(b"X {}\r\n"), "a literal without length at byte 3");
    assert_eq!(why(b"X {1+1}\r\n"), "not a literal's length at byte 5");
    assert_eq!(
        why(b"X {1}x"),
        "no CR LF after a literal's length at byte 5"
    );
    assert_eq!(
        why(b"X {1}\nx"),
        "no CR LF after a literal's length at byte 5"
    );
    assert_eq!(why(b"X () ()\r\n"), "more after the list at byte 4");
}

#[test]
fn depth_size_and_number_are_bounded() {
    let deep = |n: usize| format!("X {}{}\r\n", "(".repeat(n), ")".repeat(n)).into_bytes();
    assert!(parse(&deep(MAX_DEPTH)).is_ok());
    assert_eq!(
        why(&deep(MAX_DEPTH + 1)),
        "too large: lists nested more than 16 deep"
    );
    assert_eq!(
        why(&b"(".repeat(1 << 20)),
        "a list where a key belongs at byte 0"
    );
    assert_eq!(
        why(b"X {16777217+}"),
        "too large: a literal of more than 16 MiB"
    );
    assert_eq!(
        why(b"X {99999999999999999999999+}"),
        "too large: a literal of more than 16 MiB"
    );
    assert_eq!(why(b"X {16777216+}\r\n"), "too large: more than 16 MiB");
    assert_eq!(parse(b"X {16777000+}\r\n"), Err(Error::Incomplete));
    let many = format!("X ({})\r\n", "a ".repeat(MAX_ITEMS));
    assert_eq!(why(many.as_bytes()), "too large: more than 65536 values");
    let mut parser = Parser::new();
    let mut refused = Ok(None);
    for _ in 0..=(MAX_SIZE >> 16) {
        refused = refused.and_then(|_| parser.push(&[b'a'; 1 << 16]));
    }
    assert_eq!(refused.unwrap_err(), Error::TooLarge("more than 16 MiB"));
}

#[test]
fn a_line_ends_where_it_ends() {
    let two = b"OK %()\r\nNOTIFY %(";
    assert_eq!(parse(two).unwrap().1, 8);
    assert_eq!(parse(b"OK %()\n").unwrap().1, 7);
    for cut in 0..8 {
        assert_eq!(parse(&two[..cut]), Err(Error::Incomplete), "{cut}");
    }
}

proptest! {
    #[test]
    fn decode_gives_what_was_encoded(n in notification()) {
        let bytes = encode(&n);
        prop_assert_eq!(decode(&bytes), Ok((n, bytes.len())));
    }

    /// However the bytes are cut, the outcome is the same.
    #[test]
    fn pieces_make_no_difference(n in notification(), size in 1usize..9) {
        let bytes = encode(&n);
        let mut parser = Parser::new();
        let mut found = None;
        for piece in bytes.chunks(size) {
            prop_assert_eq!(&found, &None);
            found = parser.push(piece).unwrap();
        }
        prop_assert_eq!(found.map(|(line, _)| line), Some(parse(&bytes).unwrap().0));
    }

    #[test]
    fn any_bytes_are_harmless(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    /// What reads at all reads the same after it was written.
    #[test]
    fn what_parses_is_stable(text in "X [(]?([ab%(){}0-2+\"\\\\ \r\n]|NIL|%\\(|\\{1[+]?\\}\r\n){0,30}[)]{0,2}\r\n") {
        if let Ok((line, _)) = parse(text.as_bytes()) {
            prop_assert_eq!(parse(&line.write()).map(|(again, _)| again), Ok(line));
        }
    }
}
