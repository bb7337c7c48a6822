//! Who is behind a reverse proxy.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::is_in;

/// The address of the client, given that of its connection's other end and the values of `X-Forwarded-For` in their order.
///
/// The header counts only if a `trusted` proxy sent it, and only as far as each proxy that added to it is trusted:
/// proxies append, and entries further to the left may be forged. So the client is the right-most address that is not a
/// trusted proxy. An entry that cannot be read ends the search at the entry after it.
pub fn client_address<'a>(peer: IpAddr, forwarded_for: impl Iterator<Item = &'a str>, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer.to_canonical();
    let entries: Vec<&str> =
        forwarded_for.flat_map(|value| value.split(',')).map(str::trim).filter(|entry| !entry.is_empty()).collect();
    for entry in entries.into_iter().rev() {
        if !is_in(trusted, client) {
            break;
        }
        match read(entry) {
            Some(address) => client = address,
            None => break,
        }
    }
    client
}

/// An address, perhaps with a port, as some load balancers add it; IPv6 perhaps in brackets.
fn read(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']'));
    let address = match bare {
        Some(bare) => bare.parse().ok().map(IpAddr::V6),
        None => entry.parse().ok().or_else(|| entry.parse().ok().map(|socket: SocketAddr| socket.ip())),
    };
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(peer: &str, values: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "2001:db8::/64", "::ffff:172.16.0.0/108"].map(|network| network.parse().unwrap());
        client_address(peer.parse().unwrap(), values.iter().copied(), &trusted).to_string()
    }

    #[test]
    fn the_last_address_that_is_no_trusted_proxy_is_the_client() {
        for (peer, values, expected) in [
            // A peer that is not a proxy may claim anything.
            ("192.0.2.1", &["198.51.100.1"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("172.16.9.9", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.9", "198.51.100.1 , 10.9.9.9,10.8.8.8"], "198.51.100.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["2001:db8:1::7"], "2001:db8:1::7"),
            ("10.0.0.1", &["[2001:db8:1::7]"], "2001:db8:1::7"),
            ("2001:db8::5", &["[2001:db8:1::7]:443"], "2001:db8:1::7"),
            ("10.0.0.1", &["::ffff:198.51.100.1,"], "198.51.100.1"),
            // Unreadable entries: the last good one counts.
            ("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["198.51.100.1, evil"], "10.0.0.1"),
            ("10.0.0.1", &["[198.51.100.1]"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1:99999"], "10.0.0.1"),
        ] {
            assert_eq!(client(peer, values), expected, "{peer} {values:?}");
        }
    }

    proptest! {
        #[test]
        fn what_a_client_writes_itself_is_never_believed(claim in "[0-9a-f.:, \\[\\]]{0,60}", added in any::<[u8; 4]>()) {
            let added = IpAddr::from(added);
            prop_assume!(!is_in(&["10.0.0.0/8".parse().unwrap(), "172.16.0.0/12".parse().unwrap()], added));
            let value = format!("{claim}, {added}");
            prop_assert_eq!(client("10.0.0.1", &[&value]), added.to_string());
        }
    }
}
