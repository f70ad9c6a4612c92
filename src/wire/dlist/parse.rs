//! Reading: a push parser that looks at each byte once.
//!
//! Follows `dlist_parse` in Cyrus' `imap/dlist.c` and `getxstring` in
//! `imap/imapparse.c`: a backslash in quotes quotes any byte; an atom runs
//! to white space, a parenthesis or a quote; a literal may be `{n}` or `{n+}`;
//! white space between values may be any and is not needed where the next byte
//! says enough. Unlike Cyrus we refuse a line that ends between its name and
//! its list: garbage from a client shall be answered, not waited on.

use super::{Error, Item, Line, MAX_DEPTH, MAX_ITEMS, MAX_SIZE};

/// Reads one line from the start of `bytes`; gives it and its length, CR LF included.
///
/// # Errors
/// [`Error::Incomplete`] when the line has no end in `bytes`.
pub fn parse(bytes: &[u8]) -> Result<(Line, usize), Error> {
    Parser::new().push(bytes)?.ok_or(Error::Incomplete)
}

/// A parser for bytes that come in pieces. It costs the same however they are cut.
#[derive(Debug)]
pub struct Parser {
    /// Bytes taken so far.
    seen: usize,
    items: usize,
    state: State,
    /// The atom, quoted string or literal that is being read.
    token: Vec<u8>,
    /// The line's name, once read.
    name: Option<Vec<u8>>,
    open: Vec<Frame>,
    value: Option<Item>,
}

/// Where in the grammar the next byte falls.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Between values.
    Gap,
    Atom,
    Quoted,
    /// After a backslash in quotes.
    Escaped,
    /// After a `%` where a value begins.
    Percent,
    /// In `{…}`; for a file after its guid, where the size stands bare.
    Length {
        n: Option<usize>,
        plus: bool,
    },
    /// CR expected; a file may go without.
    Cr(usize),
    Lf(usize),
    /// In a literal or a file, so many bytes still to come.
    Literal(usize),
    /// The line's value is read; CR LF or LF expected.
    End,
}

/// A list that is open.
#[derive(Debug)]
enum Frame {
    List(Vec<Item>),
    Map {
        pairs: Vec<(Vec<u8>, Item)>,
        key: Option<Vec<u8>>,
    },
    File {
        partition: Option<Vec<u8>>,
        guid: Option<Vec<u8>>,
    },
}

/// How a text was written, which decides what `NIL` and a backslash mean.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Atom,
    Quoted,
    Literal,
}

impl Default for Parser {
    fn default() -> Self {
        Parser::new()
    }
}

impl Parser {
    /// A parser at the start of a line.
    #[must_use]
    pub fn new() -> Parser {
        Parser {
            seen: 0,
            items: 0,
            state: State::Gap,
            token: Vec::new(),
            name: None,
            open: Vec::new(),
            value: None,
        }
    }

    /// Takes the next bytes. `Some` is the line and how many of `bytes` belong
    /// to it; after that, and after an error, the parser is of no more use.
    ///
    /// # Errors
    /// [`Error::TooLarge`] or [`Error::Malformed`], never [`Error::Incomplete`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<(Line, usize)>, Error> {
        let mut at = 0;
        while at < bytes.len() {
            if let State::Literal(left) = self.state {
                let n = left.min(bytes.len() - at);
                self.token.extend_from_slice(&bytes[at..at + n]);
                at += n;
                self.seen += n;
                self.literal(left - n)?;
                continue;
            }
            if self.seen >= MAX_SIZE {
                return Err(Error::TooLarge("more than 16 MiB"));
            }
            let done = self.byte(bytes[at])?;
            at += 1;
            self.seen += 1;
            if done {
                return Ok(self.finish().map(|line| (line, at)));
            }
        }
        Ok(None)
    }

    /// Takes one byte outside a literal; true at the line's end.
    fn byte(&mut self, c: u8) -> Result<bool, Error> {
        match self.state {
            State::Gap => self.gap(c)?,
            State::Atom if ends_atom(c) => {
                self.text(Form::Atom)?;
                return self.byte_after_atom(c);
            }
            State::Quoted if c == b'"' => self.text(Form::Quoted)?,
            State::Quoted if c == b'\\' => self.state = State::Escaped,
            State::Quoted if c == b'\r' || c == b'\n' => {
                return self.wrong("the line ends inside a quoted string");
            }
            State::Atom | State::Quoted => self.token.push(c),
            State::Escaped => {
                self.token.push(c);
                self.state = State::Quoted;
            }
            State::Percent => self.percent(c)?,
            State::Length { n, plus } => self.length(c, n, plus)?,
            State::Cr(n) if c == b'\r' => self.state = State::Lf(n),
            State::Lf(n) if c == b'\n' => self.literal(n)?,
            // A file's header may end in a bare LF.
            State::Cr(n) if c == b'\n' && self.file_size_next() => self.literal(n)?,
            State::Cr(_) | State::Lf(_) => return self.wrong("no CR LF after a literal's length"),
            State::End => return self.end(c),
            State::Literal(_) => {} // taken by push()
        }
        Ok(false)
    }

    /// The byte that ended an atom belongs to what comes next.
    fn byte_after_atom(&mut self, c: u8) -> Result<bool, Error> {
        match self.state {
            State::End => self.end(c),
            _ => self.gap(c).map(|()| false),
        }
    }

    fn gap(&mut self, c: u8) -> Result<(), Error> {
        let key = self.wants_key();
        match c {
            _ if is_space(c) && self.name.is_none() => return self.wrong("no name"),
            b'\r' | b'\n' if self.open.is_empty() => {
                return self.wrong("the line ends before its list");
            }
            _ if is_space(c) => {}
            b'"' => self.state = State::Quoted,
            b'{' => {
                self.state = State::Length {
                    n: None,
                    plus: false,
                }
            }
            b')' => self.close()?,
            b'(' if key => return self.wrong("a list where a key belongs"),
            b'(' => self.push_frame(Frame::List(Vec::new()))?,
            b'%' if !key => self.state = State::Percent,
            _ if self.file_size_next() => {
                self.state = State::Length {
                    n: None,
                    plus: false,
                };
                self.length(c, None, false)?;
            }
            _ => {
                self.token.push(c);
                self.state = State::Atom;
            }
        }
        Ok(())
    }

    fn percent(&mut self, c: u8) -> Result<(), Error> {
        match c {
            b'(' => self.push_frame(Frame::Map {
                pairs: Vec::new(),
                key: None,
            }),
            b'{' => self.push_frame(Frame::File {
                partition: None,
                guid: None,
            }),
            _ => self.wrong("neither %( nor %{"),
        }
    }

    fn length(&mut self, c: u8, n: Option<usize>, plus: bool) -> Result<(), Error> {
        match c {
            b'0'..=b'9' if !plus => {
                let n = n.unwrap_or(0) * 10 + usize::from(c - b'0');
                if n > MAX_SIZE {
                    return Err(Error::TooLarge("a literal of more than 16 MiB"));
                }
                self.state = State::Length { n: Some(n), plus };
            }
            b'+' if !plus && n.is_some() && !self.file_size_next() => {
                self.state = State::Length { n, plus: true };
            }
            b'}' => match n {
                Some(n) => self.state = State::Cr(n),
                None => return self.wrong("a literal without length"),
            },
            _ => return self.wrong("not a literal's length"),
        }
        Ok(())
    }

    /// `left` bytes of a literal are still to come, maybe none.
    fn literal(&mut self, left: usize) -> Result<(), Error> {
        if self.seen.saturating_add(left) > MAX_SIZE {
            return Err(Error::TooLarge("more than 16 MiB"));
        }
        self.state = State::Literal(left);
        if left > 0 {
            return Ok(());
        }
        if self.file_size_next() {
            let data = std::mem::take(&mut self.token);
            if let Some(Frame::File {
                partition: Some(partition),
                guid: Some(guid),
            }) = self.open.pop()
            {
                return self.value(Item::File {
                    partition,
                    guid,
                    data,
                });
            }
        }
        self.text(Form::Literal)
    }

    /// A text is complete: it is the name, a key, or a value.
    fn text(&mut self, form: Form) -> Result<(), Error> {
        let text = std::mem::take(&mut self.token);
        self.state = State::Gap;
        self.count()?;
        if self.name.is_none() {
            self.name = Some(text);
            return Ok(());
        }
        match self.open.last_mut() {
            Some(Frame::Map {
                key: key @ None, ..
            }) => {
                *key = Some(text);
                Ok(())
            }
            Some(Frame::File {
                partition: partition @ None,
                ..
            }) => {
                *partition = Some(text);
                Ok(())
            }
            Some(Frame::File {
                guid: guid @ None, ..
            }) => {
                if text.len() != 40 || !text.iter().all(u8::is_ascii_hexdigit) {
                    return self.wrong("a file's guid is not 40 hexadecimal digits");
                }
                *guid = Some(text);
                Ok(())
            }
            _ => self.value(match form {
                Form::Atom if text == b"NIL" => Item::Nil,
                Form::Atom if text.starts_with(b"\\") => Item::Flag(text),
                _ => Item::Text(text),
            }),
        }
    }

    /// Puts a value where it belongs.
    fn value(&mut self, item: Item) -> Result<(), Error> {
        self.state = State::Gap;
        match self.open.last_mut() {
            Some(Frame::List(items)) => items.push(item),
            Some(Frame::Map { pairs, key }) => match key.take() {
                Some(key) => pairs.push((key, item)),
                None => return self.wrong("a value where a key belongs"),
            },
            Some(Frame::File { .. }) => return self.wrong("not a file's header"),
            None => {
                self.value = Some(item);
                self.state = State::End;
            }
        }
        Ok(())
    }

    fn push_frame(&mut self, frame: Frame) -> Result<(), Error> {
        if matches!(self.open.last(), Some(Frame::File { .. })) {
            return self.wrong("not a file's header");
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(Error::TooLarge("lists nested more than 16 deep"));
        }
        self.count()?;
        self.open.push(frame);
        self.state = State::Gap;
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        match self.open.pop() {
            Some(Frame::List(items)) => self.value(Item::List(items)),
            Some(Frame::Map { pairs, key: None }) => self.value(Item::Map(pairs)),
            Some(Frame::Map { key: Some(_), .. }) => self.wrong("a key without a value"),
            Some(Frame::File { .. }) => self.wrong("not a file's header"),
            None => self.wrong("a closing parenthesis too many"),
        }
    }

    fn end(&mut self, c: u8) -> Result<bool, Error> {
        match c {
            b'\n' => Ok(true),
            // Cyrus wants LF right after it; a CR more does no harm.
            b'\r' => Ok(false),
            _ => self.wrong("more after the list"),
        }
    }

    fn finish(&mut self) -> Option<Line> {
        Some(Line {
            name: self.name.take()?,
            value: self.value.take()?,
        })
    }

    fn count(&mut self) -> Result<(), Error> {
        self.items += 1;
        if self.items > MAX_ITEMS {
            return Err(Error::TooLarge("more than 65536 values"));
        }
        Ok(())
    }

    fn wants_key(&self) -> bool {
        match self.open.last() {
            None => self.name.is_none(),
            Some(Frame::Map { key, .. }) => key.is_none(),
            Some(Frame::List(_)) => false,
            Some(Frame::File { .. }) => true,
        }
    }

    fn file_size_next(&self) -> bool {
        matches!(self.open.last(), Some(Frame::File { guid: Some(_), .. }))
    }

    fn wrong<T>(&self, why: &'static str) -> Result<T, Error> {
        Err(Error::Malformed { at: self.seen, why })
    }
}

/// C's `isspace`.
fn is_space(c: u8) -> bool {
    matches!(c, b' ' | b'\t'..=b'\r')
}

fn ends_atom(c: u8) -> bool {
    is_space(c) || matches!(c, b'(' | b')' | b'"')
}
