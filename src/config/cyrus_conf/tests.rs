//! Tests of the reading of cyrus.conf; `tests/cyrus/conf.rs` asks a real master the same.

use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Result<CyrusConf, String> {
    CyrusConf::parse(text.as_bytes(), b"F").map_err(|error| error.to_string())
}

/// The entries as `SECTION/name@line key=value …`.
fn shown(text: &str) -> Vec<String> {
    let show = |entry: &Entry| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let head = format!(
            "{}/{}@{}",
            entry.section.name(),
            text(&entry.name),
            entry.line
        );
        let each = entry
            .arguments
            .iter()
            .map(|(key, value)| format!(" {}={}", text(key), text(value)));
        each.fold(head, |all, one| all + &one)
    };
    parse(text).unwrap().entries.iter().map(show).collect()
}

#[test]
fn sections_and_entries() {
    let text =
        "# c\nSERVICES {\n\timap cmd=\"imapd -U 30\" listen=imap # c\n\n}\nSTART {\n  a cmd=b\n}\n";
    assert_eq!(
        shown(text),
        [
            "START/a@7 cmd=b",
            "SERVICES/imap@3 cmd=imapd -U 30 listen=imap"
        ]
    );
}

#[test]
fn which_sections_are_read() {
    assert_eq!(
        shown("Start {\na cmd=b\n}\nSTARTX {\nc cmd=d\n}\n"),
        ["START/a@2 cmd=b"]
    );
    for text in [
        "start {\na cmd=b\n}\n",
        "START\n{\na cmd=b\n}\n",
        "START {}\na cmd=b\n}\n",
        "OTHER {\nSTART {\na cmd=b\n}\n}\n",
    ] {
        assert_eq!(shown(text), [""; 0], "{text}");
        assert_eq!(parse(text).unwrap().passed_over.len(), 1, "{text}");
    }
    // The second is not found, unless a brace too many has closed it.
    assert_eq!(
        shown("START {\na cmd=b\n}\nSTART {\nc cmd=d\n}\n"),
        ["START/a@2 cmd=b"]
    );
    assert_eq!(
        parse("START {\n}\nSTART {\n}\n").unwrap().passed_over,
        [(3, Section::Start)]
    );
    assert_eq!(
        shown("START {\n}\n}\nSTART {\nc cmd=d\n}\n"),
        ["START/c@5 cmd=d"]
    );
    // What follows the opening brace, and what follows the closing one, is passed over.
    assert_eq!(
        shown("START { x cmd=y\na cmd=b\n} z cmd=z\n"),
        ["START/a@2 cmd=b"]
    );
    assert_eq!(shown("START {\na cmd=b"), ["START/a@2 cmd=b"]);
}

#[test]
fn arguments() {
    assert_eq!(
        shown("START {\na x=\"1\"y=2 =3 z= w=\"\"\n}"),
        ["START/a@2 x=1 y=2 =3 z= w="]
    );
    // The first character of a line that begins with another is lost, and so is the name.
    assert_eq!(
        shown("START {\na\n-cmd=c\n}"),
        ["START/a@2", "START/@3 cmd=c"]
    );
}

#[test]
fn what_master_ends_with() {
    for (entry, message) in [
        ("a-b cmd=c", "bad character '-' in name on line 2"),
        ("a b-c=d", "bad character '-' in argument on line 2"),
        ("a cmd = b", "bad character ' ' in argument on line 2"),
        ("a cmd=\"b # c\"", "missing \" on line 2"),
        ("a cmd=b }", "bad character '}' in argument on line 2"),
        ("a cmd", "bad character '"),
    ] {
        let text = format!("START {{\n{entry}\n}}\n");
        assert_eq!(
            parse(&text),
            Err(format!("configuration file F: {message}"))
        );
    }
    let many = |n: usize| format!("START {{\na {}\n}}\n", "k=v ".repeat(n));
    assert!(parse(&many(64)).is_ok());
    assert_eq!(
        parse(&many(65)),
        Err("configuration file F: too many arguments on line 2".into())
    );
    // Not read, hence no error.
    assert!(parse("OTHER {\na-b cmd\n}\n").is_ok());
}

#[test]
fn values() {
    let conf = parse("START {\na n=12x m=-3 o=x p=-y s=on t=oops n=7 cmd=\" a  b \"\n}").unwrap();
    let entry = &conf.entries[0];
    let ints = ["n", "m", "o", "p", "none"].map(|key| entry.int(key, 5));
    assert_eq!(ints, [12, -3, 5, 5, 5]);
    assert!(entry.switch("s", false) && entry.switch("t", true) && !entry.switch("t", false));
    assert_eq!(entry.command(), [b"a", b"b"]);
}

#[test]
fn a_long_line_is_several() {
    let text = format!("START {{\n{}a cmd=b\n}}\n", " ".repeat(LINE));
    assert_eq!(shown(&text), ["START/a@3 cmd=b"]);
}

proptest! {
    #[test]
    fn never_panics(data in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = CyrusConf::parse(&data, b"F");
        let _ = CyrusConf::parse(&[b"START {\n".as_slice(), &data].concat(), b"F");
    }

    #[test]
    fn what_is_written_is_read(
        name in "[a-zA-Z0-9]{1,9}",
        arguments in prop::collection::vec(("[a-z0-9]{0,8}", "[^\"#\n\0]{0,20}"), 0..10),
    ) {
        let written: String = arguments.iter().map(|(key, value)| format!(" {key}=\"{value}\"")).collect();
        let conf = parse(&format!("EVENTS {{\n {name}{written}\n}}\n")).unwrap();
        let read: Vec<_> = arguments.into_iter().map(|(k, v)| (k.into_bytes(), v.into_bytes())).collect();
        prop_assert_eq!(&conf.entries[0].name, name.as_bytes());
        prop_assert_eq!(&conf.entries[0].arguments, &read);
    }
}
