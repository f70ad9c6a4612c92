//! Reads as much of mdoc(7) as a comparison with the code needs.

/// The lines of section `name` (`.Sh name`) of a manual page.
pub(crate) fn section<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let head = format!(".Sh {name}");
    let lines: Vec<&str> = page
        .lines()
        .skip_while(|line| **line != head)
        .skip(1)
        .take_while(|line| !line.starts_with(".Sh "))
        .collect();
    assert!(!lines.is_empty(), "no section {name}");
    lines
}

/// What stands after `.It MACRO ` at the beginning of items: the first word of each.
pub(crate) fn items<'a>(lines: &[&'a str], macro_name: &str) -> Vec<&'a str> {
    let head = format!(".It {macro_name} ");
    lines
        .iter()
        .filter_map(|line| line.strip_prefix(&head)?.split(' ').next())
        .collect()
}

/// The text of a page as one line, without the escapes that this project uses.
pub(crate) fn flat(page: &str) -> String {
    page.replace("\\&", "")
        .replace("\\-", "-")
        .replace("\\(dq", "\"")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// The options in a usage text or a synopsis: each letter after a `-` that begins a word.
pub(crate) fn flags(text: &str) -> Vec<char> {
    let words = text.split(|c: char| c.is_whitespace() || "[],".contains(c));
    let mut flags: Vec<char> = words
        .filter_map(
            |word| match word.strip_prefix('-')?.chars().collect::<Vec<_>>()[..] {
                [letter] if letter.is_ascii_alphabetic() => Some(letter),
                _ => None,
            },
        )
        .collect();
    flags.sort_unstable();
    flags.dedup();
    flags
}
