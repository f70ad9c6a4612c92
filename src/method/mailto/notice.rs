//! A mail that we write ourselves: from us, in our words, to one or few.

use super::super::Delivery;
use super::office::Office;
use crate::mail::Message;
use crate::mail::address::{Address, Mailbox};
use crate::mail::header::Header;
use crate::mail::mime::Part;
use crate::mail::template::Words;
use crate::spool::Micros;
use ring::digest::{Context, SHA256};
use std::time::{SystemTime, UNIX_EPOCH};

/// Addresses that one key may name.
const TARGETS: usize = 20;

/// Why there may be no message.
pub(super) const UNWRITABLE: &str = "an address is too long, or there is none that it is from";

/// The mail `n` of `delivery` to `to` (RFC 3834 section 5.2: auto-generated). None when a field cannot be written.
pub(super) fn message(
    office: &Office,
    delivery: &Delivery,
    n: usize,
    to: &[Address],
    words: &Words,
    parts: &[Part],
) -> Option<Message> {
    let from = office
        .own_from()
        .or_else(|| office.from().map(Mailbox::from));
    let from = from?.in_header();
    let to: Vec<String> = to.iter().map(Address::in_header).collect();
    addressed(
        office,
        delivery,
        n,
        from.as_bytes(),
        to.join(", ").as_bytes(),
        words,
    )
    .map(|message| message.content(words, office.config.mailto.html.0, parts))
}

/// A message to one of several who get the same: the mail `n` of `delivery`, like `first` but to `to`. What is the same is
/// there once.
pub(super) fn readdressed(
    office: &Office,
    delivery: &Delivery,
    n: usize,
    to: &Address,
    first: &Message,
) -> Option<Message> {
    let id = Header::structured("Message-ID", &office.message_id(delivery, n))?;
    let to = Header::structured("To", to.in_header().as_bytes())?;
    Some(first.clone().with(id).with(to))
}

/// The fields of the mail `n` of `delivery`.
pub(super) fn addressed(
    office: &Office,
    delivery: &Delivery,
    n: usize,
    from: &[u8],
    to: &[u8],
    words: &Words,
) -> Option<Message> {
    let begun = office
        .begin(delivery, n)?
        .field(Header::structured("From", from)?)
        .field(Header::structured("To", to)?)
        .field(Header::unstructured("Subject", words.subject.as_bytes()))
        .field(Header::structured("Auto-Submitted", b"auto-generated")?);
    Some(begun)
}

/// Who `to`, a key of notifyd.toml, names: addresses with commas between, in which {user} stands for `user`.
///
/// # Errors
/// Which one is wrong.
pub(super) fn targets(office: &Office, to: &str, user: &[u8]) -> Result<Vec<Address>, String> {
    let mut all: Vec<Address> = Vec::new();
    for one in to
        .split(',')
        .map(str::trim)
        .filter(|one| !one.is_empty())
        .take(TARGETS)
    {
        let filled = match (one.contains("{user}"), std::str::from_utf8(user)) {
            (false, _) => one.to_owned(),
            (true, Ok(user)) if !user.is_empty() => one.replace("{user}", user),
            _ => return Err(format!("{one}: there is no user to put in")),
        };
        let address = Address::parse(filled.as_bytes()).map_err(|why| format!("{one}: {why}"))?;
        let address = address.in_domain(&office.domain);
        if !all.iter().any(|known| known.key() == address.key()) {
            all.push(address);
        }
    }
    Ok(all)
}

/// Who gets a mail that concerns `user`: those whom `to` names, else the user.
///
/// # Errors
/// Why there is nobody.
pub(super) fn targets_or_user(
    office: &Office,
    to: &str,
    user: &[u8],
) -> Result<Vec<Address>, String> {
    match targets(office, to, user)? {
        none if none.is_empty() => match office.user(user) {
            Some(address) if !user.is_empty() => Ok(vec![address]),
            _ => Err("no address can be made of the user's name".into()),
        },
        all => Ok(all),
    }
}

/// The name of the server: the one that the event has, else our own.
pub(super) fn server(office: &Office, named: Option<&str>) -> String {
    match named {
        Some(named) if !named.is_empty() => named.to_owned(),
        _ => String::from_utf8_lossy(&office.servername).into_owned(),
    }
}

/// The same for the same parts in the same order, and of a size that does not depend on them.
pub(super) fn digest(parts: &[&[u8]]) -> Vec<u8> {
    let mut digest = Context::new(&SHA256);
    for part in parts {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finish().as_ref()[..20].to_vec()
}

/// When something of the ledger is forgotten that is known for `keep` from `time` on.
pub(super) fn until(time: SystemTime, keep: std::time::Duration) -> Micros {
    let until = time.duration_since(UNIX_EPOCH).unwrap_or_default() + keep;
    Micros::try_from(until.as_micros()).unwrap_or(Micros::MAX)
}
