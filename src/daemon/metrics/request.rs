//! As much of HTTP/1.1 (RFC 9112) as a scrape needs: a request's head in, an answer out. Pure.
//!
//! Only the first line counts, and of the fields `Accept`. Each answer closes the connection, so nothing after the
//! head matters.

/// Longest head of a request, in bytes.
pub(super) const MAX_HEAD: usize = 8192;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request<'a> {
    /// `HEAD`: the answer goes without its body.
    pub(super) head_only: bool,
    /// Without the query.
    pub(super) path: &'a str,
    /// JSON is wanted: `?json`, or `Accept: application/json`.
    pub(super) json: bool,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) media_type: &'static str,
    pub(super) body: String,
}

impl Answer {
    /// Text.
    pub(super) fn text(code: u16, body: impl Into<String>) -> Answer {
        Answer {
            code,
            media_type: "text/plain; charset=utf-8",
            body: body.into(),
        }
    }

    /// As it goes over the wire.
    pub(super) fn bytes(&self, head_only: bool) -> Vec<u8> {
        let allow = if self.code == 405 {
            "Allow: GET, HEAD\r\n"
        } else {
            ""
        };
        let head = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{allow}Cache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
            self.code,
            reason(self.code),
            self.media_type,
            self.body.len(),
        );
        let body = if head_only { "" } else { &self.body };
        [head.as_bytes(), body.as_bytes()].concat()
    }
}

fn reason(code: u16) -> &'static str {
    match code {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

/// The length of the head when it is complete.
pub(super) fn head_length(bytes: &[u8]) -> Option<usize> {
    let ends = |end: &[u8]| {
        let at = bytes.windows(end.len()).position(|window| window == end)?;
        Some(at + end.len())
    };
    ends(b"\r\n\r\n").into_iter().chain(ends(b"\n\n")).min()
}

/// Reads a complete head; or the answer to one that makes no sense to us.
pub(super) fn parse(head: &[u8]) -> Result<Request<'_>, Answer> {
    let bad = || Answer::text(400, "not an HTTP request\n");
    let head = std::str::from_utf8(head).map_err(|_| bad())?;
    let mut lines = head.lines();
    let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, version] = words[..] else {
        return Err(bad());
    };
    if !version.starts_with("HTTP/1.") {
        return Err(bad());
    }
    let head_only = match method {
        "GET" => false,
        "HEAD" => true,
        _ => return Err(Answer::text(405, "only GET and HEAD\n")),
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let accepts = |line: &str| {
        line.split_once(':').is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("accept") && value.contains("application/json")
        })
    };
    Ok(Request {
        head_only,
        path,
        json: query == "json" || lines.any(accepts),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_scrape_sends_is_read() {
        let head =
            b"GET /metrics?a=b HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text\r\n\r\n";
        assert_eq!(head_length(head), Some(head.len()));
        let request = parse(head).unwrap();
        assert_eq!(
            (request.path, request.head_only, request.json),
            ("/metrics", false, false)
        );
        assert!(parse(b"GET /healthz?json HTTP/1.0\n\n").unwrap().json);
        assert!(
            parse(b"HEAD / HTTP/1.1\r\naccept: application/json\r\n\r\n")
                .unwrap()
                .json
        );
    }

    #[test]
    fn what_makes_no_sense_is_answered() {
        for (head, code) in [
            (b"POST /metrics HTTP/1.1\r\n\r\n".as_slice(), 405),
            (b"GET /metrics\r\n\r\n", 400),
            (b"GET / HTTP/2\r\n\r\n", 400),
            (b"\xff\r\n\r\n", 400),
            (b"\r\n\r\n", 400),
        ] {
            assert_eq!(parse(head).unwrap_err().code, code);
        }
        assert_eq!(head_length(b"GET / HTTP/1.1\r\nHost: x\r\n"), None);
    }

    #[test]
    fn an_answer_says_how_long_it_is_and_that_it_is_the_last() {
        let text = String::from_utf8(Answer::text(405, "no\n").bytes(false)).unwrap();
        assert!(
            text.starts_with("HTTP/1.1 405 Method Not Allowed\r\n")
                && text.ends_with("\r\n\r\nno\n")
        );
        for field in ["Content-Length: 3", "Allow: GET, HEAD", "Connection: close"] {
            assert!(text.contains(&format!("\r\n{field}\r\n")), "{text}");
        }
        assert!(
            Answer::text(200, "yes\n")
                .bytes(true)
                .ends_with(b"\r\n\r\n")
        );
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            let length = head_length(&bytes).unwrap_or(0);
            prop_assert!(length <= bytes.len());
        }
    }
}
