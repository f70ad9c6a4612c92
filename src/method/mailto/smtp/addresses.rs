//! Which addresses of a mail server are tried, in which order, and how long each.
//!
//! An address may drop packets, such as one of IPv6 that DNS has and the network does not lead to. So the one that worked
//! last is tried first, then the families in turn (RFC 8305 section 4), each for a share of the time, and
//! the last one for all that is left. A look-up cannot be interrupted: it takes as long as resolv.conf(5) says.

use super::place::Place;
use super::reply::io_why;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// How many addresses are tried, as Postfix' `smtp_mx_address_limit` has it.
const MOST: usize = 5;
/// How long one may take that is not the last, from the first packet to the reply to EHLO.
const SHARE: Duration = Duration::from_secs(10);

/// The addresses that the system knows.
pub(super) fn look_up(place: &Place) -> Result<Vec<SocketAddr>, String> {
    let host = (place.host.as_str(), place.port);
    let found = host.to_socket_addrs();
    let found: Vec<SocketAddr> = found
        .map_err(|error| format!("no address: {}", io_why(&error)))?
        .collect();
    match found.is_empty() {
        true => Err("no address".into()),
        false => Ok(found),
    }
}

/// Those of `found` that are tried, in that order; `good` worked last.
pub(super) fn in_order(found: &[SocketAddr], good: Option<SocketAddr>) -> Vec<SocketAddr> {
    let mut order: Vec<SocketAddr> = good
        .into_iter()
        .filter(|good| found.contains(good))
        .collect();
    let is_first = |address: &&SocketAddr| address.is_ipv6() == found[0].is_ipv6();
    let (mut one, mut other) = (
        found.iter().filter(is_first),
        found.iter().filter(|address| !is_first(address)),
    );
    for _ in 0..found.len().min(MOST) {
        order.extend(one.next());
        order.extend(other.next());
    }
    let mut tried = Vec::new();
    for address in order {
        if tried.len() < MOST && !tried.contains(&address) {
            tried.push(address);
        }
    }
    tried
}

/// How long the next address may take when so many are left, it among them, and there is so much time for all.
pub(super) fn share(left: Duration, addresses: usize) -> Duration {
    match u32::try_from(addresses) {
        Ok(0 | 1) | Err(_) => left,
        Ok(several) => (left / several).min(SHARE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_behind_the_one_that_worked() {
        let found = addresses(&[
            "[::1]:1",
            "[::2]:1",
            "[::3]:1",
            "1.1.1.1:1",
            "1.1.1.2:1",
            "1.1.1.3:1",
        ]);
        let order = |good| in_order(&found, good);
        let turns = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"];
        assert_eq!(order(None), addresses(&turns));
        let good = ["1.1.1.3:1", "[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1"];
        assert_eq!(order(Some(found[5])), addresses(&good));
        assert_eq!(
            order("9.9.9.9:1".parse().ok()),
            addresses(&turns),
            "it has gone"
        );
        assert_eq!(in_order(&found[3..5], Some(found[3])), found[3..5]);
        assert_eq!(in_order(&[found[0], found[0]], None), [found[0]]);
        assert!(in_order(&[], None).is_empty());
    }

    #[test]
    fn each_has_a_share_and_the_last_what_is_left() {
        let seconds = Duration::from_secs;
        assert_eq!(share(seconds(60), 1), seconds(60));
        assert_eq!(share(seconds(60), 2), seconds(10));
        assert_eq!(share(seconds(8), 2), seconds(4));
        assert_eq!(share(seconds(10), 5), seconds(2));
        assert_eq!(share(seconds(10), 0), seconds(10));
    }
}
