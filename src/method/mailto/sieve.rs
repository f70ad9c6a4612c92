//! Mail that a Sieve script asks for (RFC 5435, RFC 5436), and any other notification with an address in its options.

use super::super::Delivery;
use super::mail::{Composed, Mail};
use super::office::Office;
use crate::mail::Message;
use crate::mail::address::Address;
use crate::mail::header::Header;

/// What Cyrus calls its Sieve in X-Sieve (`sieve/sieve_interface.h`).
const SIEVE_VERSION: &[u8] = b"CMU Sieve 3.0";

/// The mail that `delivery` leads to.
pub(super) fn compose(office: &Office, delivery: &Delivery) -> Composed {
    let n = &delivery.notification;
    let Some(option) = n.options.first() else {
        return Composed::Nothing("nobody to tell: the notification has no address".into());
    };
    let address = match Address::parse(option) {
        Ok(address) => address,
        Err(why) => return Composed::Wrong(format!("the address {why}")),
    };
    let Some(message) = message(office, delivery, &address) else {
        return Composed::Wrong("the address is too long for a header field".into());
    };
    Composed::Mails(vec![Mail {
        sender: None,
        recipients: vec![address],
        message,
        owner: n.user.clone(),
        once: None,
        until: None,
        wanted: None,
        remember: Vec::new(),
    }])
}

fn message(office: &Office, delivery: &Delivery, address: &Address) -> Option<Message> {
    let n = &delivery.notification;
    let from = [
        b"Mail Sieve Subsystem <",
        office.postmaster.as_slice(),
        b">",
    ]
    .concat();
    let subject = [b"[", n.class.as_slice(), b"] New mail notification"].concat();
    let message = office
        .begin(delivery, 0)?
        .field(Header::structured("X-Sieve", SIEVE_VERSION)?)
        .field(Header::structured("From", &from)?)
        .field(Header::structured("To", format!("<{address}>").as_bytes())?)
        .field(Header::unstructured("Subject", &subject))
        .field(Header::structured(
            "Auto-Submitted",
            &office.auto_notified(&n.user),
        )?);
    Some(message.text(&n.message))
}
