//! Links to meetings: what people click to join one, from the properties and texts of an appointment.
//!
//! Anybody wrote them. Only links of http and https are shown, in the form that browsers read (a name that is not ASCII
//! stands as an A-label), and none with a user before the host, which makes one host look like another.

use url::{Host, Url};

/// The longest link that is shown, in bytes.
const LONGEST: usize = 2000;
/// How much of a text is looked at, in bytes.
const MOST: usize = 64 << 10;
/// Links of a text that are looked at.
const LOOKS: usize = 200;

/// The link that `text` is; none when it cannot be shown.
pub fn link(text: &str) -> Option<String> {
    safe(text).map(String::from)
}

fn safe(text: &str) -> Option<Url> {
    let text = text.trim();
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !"<>\"\\^`{|}".contains(c);
    if text.len() > LONGEST || !text.chars().all(plain) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    (web && url.username().is_empty() && url.password().is_none()).then_some(url)
}

/// The first link in `text` to a meeting of a service that is known by its host.
pub fn meeting_in(text: &str) -> Option<String> {
    let text = &text[..text.floor_char_boundary(MOST)];
    let starts = text.match_indices("http").take(LOOKS);
    let links = starts.filter_map(|(at, _)| {
        let rest = &text[at..];
        if !["http://", "https://"]
            .iter()
            .any(|scheme| rest.starts_with(scheme))
        {
            return None;
        }
        let end = |c: char| c.is_whitespace() || c.is_control() || "<>\"\\^`{|}".contains(c);
        let rest = &rest[..rest.floor_char_boundary(LONGEST)];
        let link = rest.split(end).next()?;
        safe(link.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '\'', '*', '_']))
    });
    links.filter(is_meeting).map(String::from).next()
}

/// Whether a link that can be shown is one to a meeting.
pub fn is_meeting_link(text: &str) -> bool {
    safe(text).is_some_and(|url| is_meeting(&url))
}

fn is_meeting(url: &Url) -> bool {
    let Some(Host::Domain(host)) = url.host() else {
        return false;
    };
    let path = url.path();
    let within = |domain: &str| {
        let front = host.strip_suffix(domain);
        front.is_some_and(|front| front.is_empty() || front.ends_with('.'))
    };
    let begins = |starts: &[&str]| starts.iter().any(|start| path.starts_with(start));
    match host {
        "meet.google.com" | "meet.jit.si" | "whereby.com" | "meet.lync.com" | "join.skype.com"
        | "meet.goto.com" => path.len() > 1,
        _ if within("teams.microsoft.com")
            || within("teams.microsoft.us")
            || within("teams.live.com") =>
        {
            begins(&["/l/meetup-join/", "/meet/"])
        }
        _ if within("zoom.us") || within("zoomgov.com") || within("zoom.com") => {
            begins(&["/j/", "/my/", "/w/", "/s/", "/wc/"])
        }
        _ if within("webex.com") => ["/meet/", "/j.php", "/join/", "/m/", "/weblink/"]
            .iter()
            .any(|part| path.contains(part)),
        _ if within("gotomeeting.com") => begins(&["/join/"]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_links_of_the_web_are_shown() {
        for (text, shown) in [
            (
                "https://meet.google.com/abc-defg-hij",
                Some("https://meet.google.com/abc-defg-hij"),
            ),
            (" HTTP://Example.ORG ", Some("http://example.org/")),
            ("https://bücher.example/ö?q=a b", None),
            (
                "https://bücher.example/ö",
                Some("https://xn--bcher-kva.example/%C3%B6"),
            ),
            (
                "https://teams.microsoft.com/l/meetup-join/19%3ameeting_x%40thread.v2/0?context=%7b%22Tid%22%3a%221%22%7d",
                Some(
                    "https://teams.microsoft.com/l/meetup-join/19%3ameeting_x%40thread.v2/0?context=%7b%22Tid%22%3a%221%22%7d",
                ),
            ),
            (
                "https://teams.microsoft.com@evil.example/l/meetup-join/1",
                None,
            ),
            ("https://user:pass@example.org/", None),
            ("javascript:alert(1)", None),
            ("data:text/html,x", None),
            ("file:///etc/passwd", None),
            ("tel:+49-30-1", None),
            ("xmpp:room@chat.example", None),
            ("https:example.org\"><script>", None),
            ("https://example.org/\r\nBcc: x", None),
            ("https://", None),
            ("", None),
        ] {
            assert_eq!(link(text).as_deref(), shown, "{text}");
        }
        assert_eq!(
            link(&format!("https://example.org/{}", "x".repeat(LONGEST))),
            None
        );
    }

    #[test]
    fn links_to_meetings_are_found_in_texts() {
        for (text, found) in [
            (
                "Join Zoom Meeting\nhttps://us02web.zoom.us/j/81234567890?pwd=abc\n\nMeeting ID: 812",
                Some("https://us02web.zoom.us/j/81234567890?pwd=abc"),
            ),
            (
                "Click here to join the meeting <https://teams.microsoft.com/l/meetup-join/19%3a>.",
                Some("https://teams.microsoft.com/l/meetup-join/19%3a"),
            ),
            (
                "see https://example.org and (https://meet.google.com/abc-defg-hij).",
                Some("https://meet.google.com/abc-defg-hij"),
            ),
            (
                "https://company.webex.com/company/j.php?MTID=m1",
                Some("https://company.webex.com/company/j.php?MTID=m1"),
            ),
            ("https://meet.jit.si/Room", Some("https://meet.jit.si/Room")),
            (
                "https://zoom.us/pricing https://notzoom.us/j/1 https://zoom.us.evil.example/j/1",
                None,
            ),
            ("https://meet.google.com/", None),
            (
                "https://evil.example/?https://zoom.us/j/1",
                Some("https://zoom.us/j/1"),
            ),
            ("https://zoom.us@evil.example/j/1", None),
            ("no link", None),
        ] {
            assert_eq!(meeting_in(text).as_deref(), found, "{text}");
        }
        let many = "https://example.org ".repeat(100_000) + "https://zoom.us/j/1";
        assert_eq!(meeting_in(&many), None, "not looked at");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_one_plain_link(text in "(https?://|[a-z./:@?&=%\"<> é\\n]){0,40}") {
            for shown in [link(&text), meeting_in(&text)].into_iter().flatten() {
                prop_assert!(shown.starts_with("http") && shown.is_ascii());
                prop_assert!(!shown.contains(|c: char| c.is_control() || " <>\"".contains(c)));
            }
        }
    }
}
