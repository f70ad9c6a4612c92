//! Writing: a tree printed as Cyrus prints it.
//!
//! Follows `dlist_print` in Cyrus' `imap/dlist.c`, `prot_printastring` in `lib/prot.c`
//! and `imparse_isatom` in `lib/imparse.c`, as a client does it: a bare atom
//! where possible, else quotes, else a literal with the plus that nobody waits on.

use super::{Item, Line};

/// From this length on Cyrus prints a literal.
const LONG: usize = 1024;

impl Line {
    /// The line as bytes, with CR LF.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        text(&mut out, &self.name);
        out.push(b' ');
        item(&mut out, &self.value);
        out.extend_from_slice(b"\r\n");
        out
    }
}

/// Recurses as deep as the tree is: at most `MAX_DEPTH` for one that was parsed.
fn item(out: &mut Vec<u8>, value: &Item) {
    match value {
        Item::Nil => out.extend_from_slice(b"NIL"),
        Item::Text(bytes) => text(out, bytes),
        Item::Flag(bytes) => out.extend_from_slice(bytes),
        Item::List(items) => {
            out.push(b'(');
            for (i, value) in items.iter().enumerate() {
                gap(out, i);
                item(out, value);
            }
            out.push(b')');
        }
        Item::Map(pairs) => {
            out.extend_from_slice(b"%(");
            for (i, (key, value)) in pairs.iter().enumerate() {
                gap(out, i);
                text(out, key);
                out.push(b' ');
                item(out, value);
            }
            out.push(b')');
        }
        Item::File {
            partition,
            guid,
            data,
        } => {
            out.extend_from_slice(b"%{");
            text(out, partition);
            out.push(b' ');
            text(out, guid);
            out.extend_from_slice(format!(" {}}}\r\n", data.len()).as_bytes());
            out.extend_from_slice(data);
        }
    }
}

fn gap(out: &mut Vec<u8>, index: usize) {
    if index > 0 {
        out.push(b' ');
    }
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_atom(bytes) {
        out.extend_from_slice(bytes);
    } else if bytes.len() < LONG && bytes.iter().all(|&b| is_quotable(b)) {
        out.push(b'"');
        out.extend_from_slice(bytes);
        out.push(b'"');
    } else {
        out.extend_from_slice(format!("{{{}+}}\r\n", bytes.len()).as_bytes());
        out.extend_from_slice(bytes);
    }
}

/// Cyrus takes 0x1f for an atom's byte, though no RFC does.
fn is_atom(bytes: &[u8]) -> bool {
    let good = |b: &u8| {
        matches!(b, 0x1f | 0x21..=0x7e)
            && !matches!(b, b'{' | b'(' | b')' | b'"' | b'%' | b'*' | b'\\')
    };
    !bytes.is_empty() && bytes.len() < LONG && bytes != b"NIL" && bytes.iter().all(good)
}

/// NUL is not in Cyrus' list, but its strings cannot hold one.
fn is_quotable(b: u8) -> bool {
    b.is_ascii() && !matches!(b, 0 | b'\r' | b'\n' | b'"' | b'%' | b'\\')
}
