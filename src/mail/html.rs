//! Text in HTML as plain text: Google, Teams and others write descriptions of appointments so.
//!
//! Only what a reader sees is kept: text, line ends, the marks of lists, and where links lead to. It is read once from
//! front to end, and no further than [`MOST`].

use mail_parser::decoders::html::add_html_token;
use std::borrow::Cow;

/// How much is read, in bytes.
pub const MOST: usize = 64 << 10;
/// The longest entity, such as `&CounterClockwiseContourIntegral;`, in bytes.
const ENTITY: usize = 40;
/// The longest name of a tag that is looked at, in bytes.
const NAME: usize = 12;

/// What says that a text is HTML.
const TAGS: [&str; 39] = [
    "a",
    "article",
    "b",
    "blockquote",
    "body",
    "br",
    "center",
    "code",
    "div",
    "em",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "hr",
    "html",
    "html-blob",
    "i",
    "img",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "script",
    "section",
    "span",
    "strong",
    "style",
    "table",
    "td",
    "th",
    "tr",
    "u",
    "ul",
];
/// What is not shown, up to its end.
const HIDDEN: [&str; 5] = ["head", "script", "style", "template", "title"];

/// `text`, and when that is HTML, what it shows.
pub fn plain(text: &str) -> Cow<'_, str> {
    match is_html(text) {
        true => Cow::Owned(shown(&text[..text.floor_char_boundary(MOST)])),
        false => Cow::Borrowed(text),
    }
}

fn is_html(text: &str) -> bool {
    let text = &text[..text.floor_char_boundary(MOST)];
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let name = tag_name(rest);
        let after = rest
            .as_bytes()
            .get(name.len() + usize::from(rest.starts_with('/')));
        let ends = after.is_some_and(|b| matches!(b, b'>' | b'/') || b.is_ascii_whitespace());
        if ends && TAGS.contains(&name.to_ascii_lowercase().as_str()) {
            return rest.contains('>');
        }
    }
    false
}

/// The name of the tag whose text behind `<` this is, without the slash of an end.
fn tag_name(tag: &str) -> &str {
    let tag = tag.strip_prefix('/').unwrap_or(tag);
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-';
    let end = tag.bytes().take(NAME).take_while(|b| is_name(b)).count();
    &tag[..end]
}

fn shown(html: &str) -> String {
    // In a whole document line ends are nothing; in a text with a few tags in it they are.
    let start = html.trim_start();
    let is_document = ["<html", "<!doctype", "<body"].iter().any(|begin| {
        let head = start.get(..begin.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(begin))
    });
    let mut page = Page::default();
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        page.text(&rest[..at], is_document);
        rest = &rest[at..];
        rest = match rest.starts_with('&') {
            true => entity(&mut page, rest),
            false => tag(&mut page, rest),
        };
    }
    page.text(rest, is_document);
    page.finish()
}

/// Reads the entity that `rest` begins with; what follows it.
fn entity<'a>(page: &mut Page, rest: &'a str) -> &'a str {
    let name = rest.bytes().take(ENTITY).skip(1);
    let length = name
        .take_while(|b| b.is_ascii_alphanumeric() || *b == b'#')
        .count();
    let end = match rest.as_bytes().get(length + 1) {
        Some(b';') if length > 0 => length + 2,
        _ => 1,
    };
    let mut meant = String::new();
    add_html_token(&mut meant, &rest.as_bytes()[..end], false);
    page.word(&meant.replace('\u{a0}', " "));
    &rest[end..]
}

/// Reads the tag that `rest` begins with; what follows it.
fn tag<'a>(page: &mut Page, rest: &'a str) -> &'a str {
    let inside = &rest[1..];
    if let Some(comment) = inside.strip_prefix("!--") {
        return comment.split_once("-->").map_or("", |(_, after)| after);
    }
    let looks_so = inside.starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c));
    let end = if looks_so && !page.unclosed {
        inside.find('>')
    } else {
        None
    };
    let Some(end) = end else {
        // There is none behind it, either.
        page.unclosed |= looks_so;
        page.word("<");
        return inside;
    };
    let (inside, after) = (&inside[..end], &inside[end + 1..]);
    let name = tag_name(inside).to_ascii_lowercase();
    let closes = inside.starts_with('/');
    if !closes && HIDDEN.contains(&name.as_str()) {
        return behind(after, &name);
    }
    match (name.as_str(), closes) {
        ("br" | "hr", _) => page.line(),
        ("p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "blockquote" | "table", _) => {
            page.paragraph()
        }
        ("li", false) => {
            page.start_line();
            page.word("- ");
        }
        ("div" | "tr" | "ul" | "ol" | "li" | "pre" | "section" | "article" | "center", _) => {
            page.start_line()
        }
        ("td" | "th", true) => page.word(" "),
        ("a", false) => page.link(attribute(inside, "href")),
        ("a", true) => page.end_link(),
        _ => {}
    }
    after
}

/// What follows the end of the element `name` whose content `text` begins with.
fn behind<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("</") {
        if tag_name(after).eq_ignore_ascii_case(name) {
            return after.split_once('>').map_or("", |(_, after)| after);
        }
        rest = after;
    }
    ""
}

/// The value of an attribute in a tag.
fn attribute(tag: &str, wanted: &str) -> String {
    let mut rest = tag;
    while let Some((before, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (value, next) = match quote {
            Some(quote) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
            None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        let name = before.trim_end().rsplit(char::is_whitespace).next();
        if name.is_some_and(|name| name.eq_ignore_ascii_case(wanted)) {
            return value.trim().replace("&amp;", "&");
        }
        rest = next;
    }
    String::new()
}

/// The text so far.
#[derive(Default)]
struct Page {
    out: String,
    /// Where the link leads to that is open, and where its text begins.
    link: Option<(String, usize)>,
    /// A `<` had no `>` behind it: no other one has.
    unclosed: bool,
}

impl Page {
    fn text(&mut self, text: &str, is_document: bool) {
        for (n, line) in text.split('\n').enumerate() {
            match (n, is_document) {
                (0, _) => {}
                (_, true) => self.word(" "),
                (_, false) => self.line(),
            }
            self.word(line);
        }
    }

    /// Text within a line; blanks at its front, and several of them, are one or none.
    fn word(&mut self, text: &str) {
        for c in text.chars() {
            match c.is_whitespace() {
                true if self.out.ends_with([' ', '\n']) || self.out.is_empty() => {}
                true => self.out.push(' '),
                false => self.out.push(c),
            }
        }
    }

    fn line(&mut self) {
        self.out.truncate(self.out.trim_end_matches(' ').len());
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    fn start_line(&mut self) {
        self.out.truncate(self.out.trim_end_matches(' ').len());
        if !self.out.ends_with('\n') {
            self.line();
        }
    }

    fn paragraph(&mut self) {
        self.start_line();
        self.line();
    }

    fn link(&mut self, to: String) {
        let opens = ["http://", "https://", "mailto:"].iter().any(|scheme| {
            let head = to.get(..scheme.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(scheme))
        });
        self.link = opens.then_some((to, self.out.len()));
    }

    fn end_link(&mut self) {
        let Some((to, from)) = self.link.take() else {
            return;
        };
        let text = self.out.get(from..).unwrap_or_default().trim();
        let bare = |link: &str| {
            link.trim_start_matches("mailto:")
                .trim_end_matches('/')
                .to_owned()
        };
        if bare(text) == bare(&to) {
            return;
        }
        let blank = if self.out.is_empty() || self.out.ends_with([' ', '\n']) {
            ""
        } else {
            " "
        };
        self.out
            .push_str(&format!("{blank}<{}>", to.replace(char::is_whitespace, "")));
    }

    fn finish(self) -> String {
        self.out.trim().to_owned()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn descriptions_of_calendar_programs() {
        for (html, text) in [
            // Google.
            (
                "<b>Agenda</b><br>one<br>two &amp; three",
                "Agenda\none\ntwo & three",
            ),
            (
                "Hi&nbsp;all,<br><br>see <a href=\"https://docs.example.com/d/1?a=1&amp;b=2\">the plan</a>.",
                "Hi all,\n\nsee the plan <https://docs.example.com/d/1?a=1&b=2>.",
            ),
            (
                "<html-blob><u></u>Talk<ul><li>figures</li><li>dates</li></ul></html-blob>",
                "Talk\n- figures\n- dates",
            ),
            (
                "<p>One</p><p>Two</p>\n\n-::~:~::~:~\nJoin: https://meet.google.com/abc",
                "One\n\nTwo\n\n-::~:~::~:~\nJoin: https://meet.google.com/abc",
            ),
            // Teams and Outlook.
            (
                "<html>\n<head>\n<style>p {color: red}</style>\n</head>\n<body>\n<div class=\"x\">Line\none</div><div>Line two</div>\n</body></html>",
                "Line one\nLine two",
            ),
            (
                "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 3.2//EN\">\n<HTML><BODY><P DIR=LTR><SPAN LANG=\"de\">Grüße</SPAN></P></BODY></HTML>",
                "Grüße",
            ),
            (
                "<a href=\"https://teams.microsoft.com/l/meetup-join/1\" target=_blank>Click here to join the meeting</a>",
                "Click here to join the meeting <https://teams.microsoft.com/l/meetup-join/1>",
            ),
            (
                "<a href='https://example.org/'>https://example.org</a> <a href=\"mailto:a@b.c\">a@b.c</a> <a href=\"javascript:alert(1)\">x</a>",
                "https://example.org a@b.c x",
            ),
            (
                "<table><tr><th>When</th><td>now</td></tr><tr><td>Where</td><td>here</td></tr></table>",
                "When now\nWhere here",
            ),
            (
                "<script>alert(1)</script>a<!-- b > c -->d<template>e</template>",
                "ad",
            ),
            (
                "&lt;b&gt; &#x2603; &#9731; &euro; &unknown; & &; <br/>x",
                "<b> ☃ ☃ € &unknown; & &;\nx",
            ),
        ] {
            assert_eq!(plain(html), text, "{html}");
        }
    }

    #[test]
    fn text_stays_as_it_is() {
        for text in [
            "",
            "a < b and c > d",
            "Anna <anna@example.org>",
            "<https://example.org/>",
            "if a<b then\n  indented &amp; so on",
            "i <3 you",
            "<b",
        ] {
            assert_eq!(plain(text), text);
        }
    }

    #[test]
    fn it_ends() {
        let long = format!("<b>{}", "x".repeat(200_000));
        assert!(plain(&long).len() <= MOST);
        for piece in [
            "<",
            "<b ",
            "<!--",
            "&",
            "<style>",
            "</",
            "<a href='x",
            "\n",
            "<li>",
            "<b>\u{1f600}",
        ] {
            let many = format!("<br>{}", piece.repeat(MOST / piece.len()));
            assert!(plain(&many).len() <= 3 * MOST);
        }
    }

    proptest! {
        #[test]
        fn anything_is_read(text in "(<|>|&|;|/|!--|-->|a|br|p|li|style| |\n|=|\"|href|é|https://x){0,60}") {
            let shown = plain(&text);
            prop_assert!(shown.len() <= 4 * text.len() + 4);
            prop_assert!(!is_html(&text) || !shown.contains("\n\n\n"));
        }
    }
}
