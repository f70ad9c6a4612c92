//! A note about a sign-in from a network that is new for the user: event `Login` (RFC 5423 section 4.3).
//!
//! A network is a /24 of IPv4 or a /64 of IPv6: what a household or a provider's customer has. An address of IPv4 that
//! stands in one of IPv6 is looked at as one of IPv4. What is remembered is that a user was seen, and each network that
//! the user was seen in, as digests. The first network of a user is learned without a note: at the start all of them
//! would be new.

use super::super::Delivery;
use super::mail::{Change, Composed, Entry, Mail, Notes, Once};
use super::notice::{self, digest, server, targets_or_user, until};
use super::office::Office;
use super::when::parts;
use crate::event::{Event, Param};
use crate::mail::calendar::Moment;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

/// Before the keys of users and networks in the ledger.
const KEY: &[u8] = b"S";
/// A mail client opens several connections at once: all but one of them are repeats.
const REPEATS: Duration = Duration::from_secs(86_400);
/// Who signs in without a name.
const ANONYMOUS: &str = "anonymous";

/// The mail that `delivery` leads to.
pub(super) fn compose(office: &Office, delivery: &Delivery, notes: &mut Notes) -> Composed {
    let event = match Event::parse(&delivery.notification.message) {
        Ok(event) => event,
        Err(error) => return Composed::Wrong(error.to_string()),
    };
    let user = event.text(Param::User).unwrap_or_default().into_owned();
    if user.is_empty() || user == ANONYMOUS {
        return Composed::Nothing("nobody signed in".into());
    }
    let Some(client) = event.text(Param::ClientIp) else {
        let why =
            "it does not say from where: event_extra_params of imapd.conf needs clientAddress";
        return Composed::Nothing(why.into());
    };
    let Some(address) = address(&client) else {
        return Composed::Nothing("it does not say from where: clientIP is no address".into());
    };
    if address.is_loopback() {
        return Composed::Nothing("from this very machine".into());
    }
    let keys = keys(&user, address);
    match look(office, &keys, notes) {
        Known::Network => return Composed::Nothing("the network is known".into()),
        Known::Nobody => {
            return Composed::Nothing("the user's first network is learned".into());
        }
        Known::User => {}
    }
    mail(office, delivery, &event, &user, address, keys)
}

fn mail(
    office: &Office,
    delivery: &Delivery,
    event: &Event<'_>,
    user: &str,
    address: IpAddr,
    keys: Keys,
) -> Composed {
    let to = match targets_or_user(office, &office.config.signin.to.0, user.as_bytes()) {
        Ok(to) => to,
        Err(why) => return Composed::Wrong(format!("no recipient: {why}")),
    };
    let values = values(office, delivery, event, user, address);
    let words = office.words("signin", user.as_bytes(), &values);
    let Some(message) = notice::message(office, delivery, 0, &to, &words, &[]) else {
        return Composed::Wrong(notice::UNWRITABLE.into());
    };
    let forgotten = until(SystemTime::now(), office.config.signin.remember.0);
    let entry = |key: &Vec<u8>| Entry {
        key: key.clone(),
        value: Vec::new(),
        until: forgotten,
    };
    Composed::Mails(vec![Mail {
        sender: None,
        recipients: to,
        message,
        // Whoever signs in, it is not the user who sends.
        owner: Vec::new(),
        remember: vec![entry(&keys.user), entry(&keys.network)],
        once: Some(Once {
            key: keys.network,
            keep: REPEATS,
        }),
        until: None,
        wanted: None,
    }])
}

/// Where the ledger has what is known.
struct Keys {
    user: Vec<u8>,
    network: Vec<u8>,
}

fn keys(user: &str, address: IpAddr) -> Keys {
    let key = |parts: &[&[u8]]| [KEY, &digest(parts)].concat();
    let network = network(address);
    Keys {
        user: key(&[user.as_bytes()]),
        network: key(&[user.as_bytes(), network.as_bytes()]),
    }
}

/// What is known.
enum Known {
    /// That the user was seen in this network.
    Network,
    /// That he was seen elsewhere.
    User,
    /// Nothing until now.
    Nobody,
}

/// Looks what is known, and notes what needs no mail.
fn look(office: &Office, keys: &Keys, notes: &mut Notes) -> Known {
    let network = office.recall(&keys.network, notes);
    let user = office.recall(&keys.user, notes);
    let known = match (network, user) {
        (Some(_), _) => Known::Network,
        (None, Some(_)) => return Known::User,
        (None, None) => Known::Nobody,
    };
    let forgotten = until(SystemTime::now(), office.config.signin.remember.0);
    let seen = [&keys.user, &keys.network].map(|key| {
        Change::Put(Entry {
            key: key.clone(),
            value: Vec::new(),
            until: forgotten,
        })
    });
    notes.changes.extend(seen);
    known
}

/// Reads an address, in brackets or not, with a zone or not. One of IPv4 in one of IPv6 is one of IPv4.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim().trim_start_matches('[').trim_end_matches(']');
    let bare = bare.split('%').next().unwrap_or_default();
    let address = bare.parse::<IpAddr>().ok()?;
    Some(match address {
        IpAddr::V6(outer) => embedded(outer).map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    })
}

/// The address of IPv4 in one of IPv6. Else all of IPv4 would be one network behind a translator.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = address.to_bits();
    // Of each part what lies `shift` bits from the end.
    let from = |shift: u32| Some(Ipv4Addr::from_bits((bits >> shift) as u32));
    match address.segments() {
        // ::1 is the machine itself, and :: no address.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // IPv4-mapped and the older IPv4-compatible (RFC 4291 section 2.5.5), IPv4-translated (RFC 7915, RFC 2765).
        [0, 0, 0, 0, 0, 0xffff | 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => from(0),
        // NAT64 (RFC 6052 section 2.1).
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => from(0),
        // NAT64 with a prefix of the site's own (RFC 8215) of 96 bits, or of the whole 48, where the octet from bit 64
        // on is left out (RFC 6052 section 2.2).
        [0x64, 0xff9b, 1, _, _, _, 0, 0] => {
            let bits = address.octets();
            Some(Ipv4Addr::new(bits[6], bits[7], bits[9], bits[10]))
        }
        [0x64, 0xff9b, 1, ..] => from(0),
        // 6to4 (RFC 3056): the router at home or at the provider.
        [0x2002, ..] => from(80),
        // Teredo (RFC 4380 section 4): the client's, with each bit turned over.
        [0x2001, 0, ..] => from(0).map(|address| Ipv4Addr::from_bits(!address.to_bits())),
        _ => None,
    }
}

/// The network of `address`, as people write it.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let network = address.to_bits() & (u32::MAX << 8);
            format!("{}/24", Ipv4Addr::from_bits(network))
        }
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << 64);
            format!("{}/64", Ipv6Addr::from_bits(network))
        }
    }
}

/// What the template gets.
fn values(
    office: &Office,
    delivery: &Delivery,
    event: &Event<'_>,
    user: &str,
    address: IpAddr,
) -> Value {
    let zone = office.time_zone(user.as_bytes());
    let stated = event.time(Param::Timestamp);
    let stated = stated.and_then(|time| Timestamp::from_millisecond(time.0).ok());
    let time = stated.or_else(|| Timestamp::try_from(delivery.received).ok());
    let time = time
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_zoned(zone.unwrap_or_else(TimeZone::system));
    json!({
        "user": user,
        "address": address.to_string(),
        "network": network(address),
        "service": event.text(Param::Service).unwrap_or_default(),
        "time": parts(&Moment::Zoned(time)),
        "server": server(office, event.text(Param::ServerFqdn).as_deref()),
    })
}

#[cfg(test)]
mod tests;
