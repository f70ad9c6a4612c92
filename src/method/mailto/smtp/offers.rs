//! What a server offers (RFC 5321 section 4.1.1.1), and the commands that follow from it.
//!
//! lettre keeps only some of a server's extensions, so that we read the reply to EHLO ourselves.

use super::super::transport::Letter;
use crate::mail::seven_bit;
use lettre::transport::smtp::response::Response;
use std::borrow::Cow;

/// Recipients that are named in one write: their replies must fit into what the system keeps for us, or we and the
/// server wait for each other (RFC 2920 section 3.1).
const AHEAD: usize = 100;

/// The extensions that matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offers {
    eight_bit: bool,
    utf8: bool,
    dsn: bool,
    pipelining: bool,
}

/// A mail in the words of SMTP.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Commands {
    /// The command that begins it.
    pub(super) mail: String,
    /// One for each recipient, or why he cannot be named.
    pub(super) recipients: Vec<Result<String, String>>,
    /// All of it in one write, when that is allowed.
    pub(super) ahead: Option<String>,
}

impl Offers {
    /// Reads the reply to EHLO.
    pub(super) fn of(response: &Response) -> Offers {
        let mut offers = Offers::default();
        // The first line is the server's name.
        for line in response.message().skip(1) {
            let word = line.split_whitespace().next().unwrap_or_default();
            match word.to_ascii_uppercase().as_str() {
                "8BITMIME" => offers.eight_bit = true,
                "SMTPUTF8" => offers.utf8 = true,
                "DSN" => offers.dsn = true,
                "PIPELINING" => offers.pipelining = true,
                _ => {}
            }
        }
        offers
    }

    /// The message as the server takes it: see the head of [`super`] for what has 8 bits.
    pub(super) fn content<'a>(&self, message: &'a [u8]) -> Cow<'a, [u8]> {
        match self.eight_bit || message.is_ascii() {
            true => Cow::Borrowed(message),
            false => seven_bit::recode(message).map_or(Cow::Borrowed(message), Cow::Owned),
        }
    }

    /// The commands for a mail with this envelope and content.
    pub(super) fn commands(&self, letter: &Letter<'_>, content: &[u8]) -> Commands {
        let sender = letter.sender.map(|sender| self.path(&sender.envelope()));
        // Who cannot be named cannot be told either.
        let sender = sender.and_then(Result::ok).unwrap_or_default();
        let recipients: Vec<Result<String, String>> = letter
            .recipients
            .iter()
            .map(|to| self.path(&to.envelope()))
            .collect();
        let mut mail = format!("MAIL FROM:<{sender}>");
        if self.eight_bit && !content.is_ascii() {
            mail += " BODY=8BITMIME";
        }
        // RFC 6531 section 3.4: also for addresses in the header.
        let is_ascii = head(content).is_ascii()
            && sender.is_ascii()
            && recipients.iter().flatten().all(|path| path.is_ascii());
        if self.utf8 && !is_ascii {
            mail += " SMTPUTF8";
        }
        mail += "\r\n";
        // RFC 3834 section 3.3: nobody waits for a report. A sender who is named does.
        let notify = match self.dsn && sender.is_empty() {
            true => " NOTIFY=NEVER",
            false => "",
        };
        let recipients: Vec<Result<String, String>> = recipients
            .into_iter()
            .map(|path| path.map(|path| format!("RCPT TO:<{path}>{notify}\r\n")))
            .collect();
        let ahead = (self.pipelining && recipients.len() <= AHEAD).then(|| {
            let named: String = recipients.iter().flatten().map(String::as_str).collect();
            format!("{mail}{named}DATA\r\n")
        });
        Commands {
            mail,
            recipients,
            ahead,
        }
    }

    /// An address as this server takes it.
    fn path(&self, address: &str) -> Result<String, String> {
        if address.contains(char::is_control) {
            return Err("the address cannot stand in an SMTP command".into());
        }
        if self.utf8 || address.is_ascii() {
            return Ok(address.to_owned());
        }
        let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
        if !local.is_ascii() {
            return Err("does not offer SMTPUTF8, which the address needs".into());
        }
        // RFC 5890: a domain has an ASCII form as well.
        let domain = idna::domain_to_ascii(domain)
            .map_err(|_| "the domain of the address has no form in ASCII".to_owned())?;
        Ok(format!("{local}@{domain}"))
    }
}

/// The header of a message.
fn head(message: &[u8]) -> &[u8] {
    let end = message.windows(2).position(|two| two == b"\n\n");
    &message[..end.unwrap_or(message.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::address::Address;

    const ALL: Offers = Offers {
        eight_bit: true,
        utf8: true,
        dsn: true,
        pipelining: true,
    };
    const UMLAUT: &[u8] = "To: x\nContent-Transfer-Encoding: 8BIT\n\n\u{fc}\n".as_bytes();

    fn commands(offers: Offers, from: Option<&str>, to: &[&str], content: &[u8]) -> Commands {
        let address = |text: &&str| Address::parse(text.as_bytes()).unwrap();
        let sender = from.as_ref().map(address);
        let to: Vec<Address> = to.iter().map(address).collect();
        let to: Vec<&Address> = to.iter().collect();
        let letter = Letter {
            sender: sender.as_ref(),
            recipients: &to,
            message: content,
        };
        offers.commands(&letter, content)
    }

    #[test]
    fn the_reply_to_ehlo_is_read_without_case() {
        let text =
            "250-mx.example.org says PIPELINING\r\n250-8bitmime\r\n250-SIZE 10\r\n250 DSN\r\n";
        let offers = Offers::of(&text.parse().unwrap());
        assert_eq!(
            offers,
            Offers {
                eight_bit: true,
                dsn: true,
                ..Offers::default()
            }
        );
    }

    #[test]
    fn commands_follow_what_is_offered() {
        let to = ["a@x.test", "b@y.test"];
        let plain = commands(Offers::default(), Some("me@x.test"), &to, b"a\n\nb\n");
        assert_eq!(plain.mail, "MAIL FROM:<me@x.test>\r\n");
        assert_eq!(
            plain.recipients[0].as_ref().unwrap(),
            "RCPT TO:<a@x.test>\r\n"
        );
        assert_eq!(plain.ahead, None);
        let all = commands(ALL, None, &to, UMLAUT);
        assert_eq!(
            all.ahead.unwrap(),
            "MAIL FROM:<> BODY=8BITMIME\r\nRCPT TO:<a@x.test> NOTIFY=NEVER\r\n\
             RCPT TO:<b@y.test> NOTIFY=NEVER\r\nDATA\r\n"
        );
    }

    #[test]
    fn utf8_is_said_only_where_it_is_needed() {
        let utf8 = |to: &[&str], content: &[u8]| {
            commands(ALL, None, to, content).mail.contains("SMTPUTF8")
        };
        assert!(!utf8(&["a@x.test"], UMLAUT), "a body needs none");
        assert!(utf8(&["\u{fc}@x.test"], b"a\n\nb\n"));
        assert!(utf8(&["a@x.test"], "To: \u{fc}@x.test\n\nb\n".as_bytes()));
    }

    #[test]
    fn who_needs_utf8_where_there_is_none_is_refused_alone() {
        let to = ["\u{fc}@x.test", "a@b\u{fc}cher.test", "b@x.test"];
        let some = commands(Offers::default(), Some("\u{fc}@x.test"), &to, b"a\n\nb\n");
        assert_eq!(some.mail, "MAIL FROM:<>\r\n");
        assert!(some.recipients[0].is_err());
        assert_eq!(
            some.recipients[1].as_ref().unwrap(),
            "RCPT TO:<a@xn--bcher-kva.test>\r\n"
        );
        assert!(some.recipients[2].is_ok());
    }

    #[test]
    fn too_many_recipients_are_not_named_ahead() {
        let many = vec!["a@x.test"; AHEAD + 1];
        assert_eq!(commands(ALL, None, &many, b"a\n\nb\n").ahead, None);
    }

    #[test]
    fn eight_bits_are_recoded_for_who_does_not_offer_them() {
        assert_eq!(ALL.content(UMLAUT), UMLAUT);
        assert!(Offers::default().content(UMLAUT).is_ascii());
    }
}
