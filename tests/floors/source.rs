//! Reads Rust as far as it takes to see which paths a file names: comments, strings and
//! characters are left out, the rest becomes words and signs.

/// The paths of a file that begin at the crate's root, each cut after its first word:
/// `crate::wire::dlist` is `wire`. For a program the root is the library, `cyrus_notifyd`.
/// `depth` is the number of modules between the root and the file: 1 for `wire/mod.rs`.
pub(crate) fn rooms_named(text: &str, depth: usize) -> Vec<String> {
    let words = words(text);
    let mut found = Vec::new();
    let mut nesting = Nesting::default();
    let mut place = 0;
    while place < words.len() {
        nesting.see(&words, place);
        let begins = place == 0 || words[place - 1] != "::";
        let ups = match words[place].as_str() {
            "crate" | "cyrus_notifyd" if begins => Some(0),
            "super" if begins => Some(
                words[place..]
                    .chunks(2)
                    .take_while(|w| w[0] == "super")
                    .count(),
            ),
            _ => None,
        };
        match ups {
            // `pub(crate)` and the like name nothing.
            Some(0) if words.get(place + 1).is_some_and(|next| next == ")") => place += 1,
            Some(0) => {
                found.extend(first_words(&words[place + 1..]));
                place += 1;
            }
            Some(ups) => {
                let last = place + 2 * ups - 1;
                if ups >= depth + nesting.modules() {
                    found.extend(first_words(&words[last..]));
                }
                place = last;
            }
            None => place += 1,
        }
    }
    found
}

/// The names before each `::`, and those after `use` and `extern crate`: what a file takes from other crates is among them.
pub(crate) fn outermost(text: &str) -> Vec<String> {
    let words = words(text);
    let first = |place: usize| place == 0 || words[place - 1] != "::";
    (0..words.len())
        .filter(|&place| {
            let path = words.get(place + 1).is_some_and(|next| next == "::");
            let used = place > 0 && (words[place - 1] == "use" || words[place - 1] == "crate");
            first(place) && (path || used)
        })
        .map(|place| words[place].clone())
        .collect()
}

/// The modules that a file declares (`mod x;` and `mod x {`).
pub(crate) fn modules(text: &str) -> Vec<String> {
    words(text)
        .windows(2)
        .filter(|pair| pair[0] == "mod")
        .map(|pair| pair[1].clone())
        .collect()
}

/// What follows the root: `:: a`, or `:: { a, b::c }`; anything else gives the whole crate another name, and is told as `*`.
fn first_words(rest: &[String]) -> Vec<String> {
    let word = |n: usize| rest.get(n).map_or("", String::as_str);
    match (word(0), word(1)) {
        ("::", "{") => group(&rest[2..]),
        ("::", name) => vec![name.to_owned()],
        _ => vec!["*".to_owned()],
    }
}

fn group(words: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let (mut depth, mut begins) = (1, true);
    for word in words {
        match word.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 1 => {
                begins = true;
                continue;
            }
            name if begins && depth == 1 => found.push(name.to_owned()),
            _ => {}
        }
        begins = false;
        if depth == 0 {
            break;
        }
    }
    found
}

/// Which braces around a place belong to `mod x { … }`.
#[derive(Default)]
struct Nesting(Vec<bool>);

impl Nesting {
    fn see(&mut self, words: &[String], place: usize) {
        match words[place].as_str() {
            "{" => self.0.push(place >= 2 && words[place - 2] == "mod"),
            "}" => drop(self.0.pop()),
            _ => {}
        }
    }

    fn modules(&self) -> usize {
        self.0.iter().filter(|module| **module).count()
    }
}

/// Words and signs, without comments, strings, characters and lifetimes.
fn words(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let at = |n: usize| chars.get(n).copied().unwrap_or('\0');
    let mut words: Vec<String> = Vec::new();
    let mut n = 0;
    while n < chars.len() {
        match at(n) {
            '/' if at(n + 1) == '/' => n = find(&chars, n, &['\n']),
            '/' if at(n + 1) == '*' => n = after_comment(&chars, n),
            '"' => n = after_quote(&chars, n + 1, '"'),
            '\'' if at(n + 1) == '\\' || at(n + 2) == '\'' => n = after_quote(&chars, n + 1, '\''),
            'r' if !is_word(at(n.wrapping_sub(1))) || at(n.wrapping_sub(1)) == 'b' => {
                match raw(&chars, n) {
                    Some(end) => {
                        if words.last().is_some_and(|word| word == "b") {
                            words.pop();
                        }
                        n = end;
                    }
                    None => n = take_word(&chars, n, &mut words),
                }
            }
            ':' if at(n + 1) == ':' => {
                words.push("::".into());
                n += 2;
            }
            c if is_word(c) => n = take_word(&chars, n, &mut words),
            c if c.is_whitespace() => n += 1,
            c => {
                words.push(c.into());
                n += 1;
            }
        }
    }
    words
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn take_word(chars: &[char], start: usize, words: &mut Vec<String>) -> usize {
    // `br"…"`: the `b` stands alone, so that the `r` is looked at.
    let raw_bytes = chars[start] == 'b' && raw(chars, start + 1).is_some();
    let len = chars[start..].iter().take_while(|c| is_word(**c)).count();
    let end = if raw_bytes { start + 1 } else { start + len };
    words.push(chars[start..end].iter().collect());
    end
}

fn find(chars: &[char], from: usize, any: &[char]) -> usize {
    chars[from..]
        .iter()
        .position(|c| any.contains(c))
        .map_or(chars.len(), |n| from + n)
}

fn after_quote(chars: &[char], mut n: usize, quote: char) -> usize {
    while n < chars.len() && chars[n] != quote {
        n += if chars[n] == '\\' { 2 } else { 1 };
    }
    n + 1
}

fn after_comment(chars: &[char], mut n: usize) -> usize {
    let mut depth = 0;
    while n + 1 < chars.len() {
        match (chars[n], chars[n + 1]) {
            ('/', '*') => (depth, n) = (depth + 1, n + 2),
            ('*', '/') => (depth, n) = (depth - 1, n + 2),
            _ => n += 1,
        }
        if depth == 0 {
            return n;
        }
    }
    chars.len()
}

/// The end of the raw string that begins with the `r` at `n`, if one does.
fn raw(chars: &[char], n: usize) -> Option<usize> {
    if chars.get(n) != Some(&'r') {
        return None;
    }
    let hashes = chars[n + 1..].iter().take_while(|c| **c == '#').count();
    let open = n + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    (open + 1..chars.len())
        .find(|&end| {
            chars[end] == '"'
                && chars[end + 1..]
                    .iter()
                    .take(hashes)
                    .filter(|c| **c == '#')
                    .count()
                    == hashes
        })
        .map(|end| end + 1 + hashes)
}
