//! Who may POST, by address.

mod forwarded;
mod service_tags;

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

pub use self::{
    forwarded::client_address,
    service_tags::{ServiceTagsError, parse_service_tags, read_service_tags},
};

/// The addresses that requests are accepted from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AddressList {
    any: bool,
    /// Disjoint and in ascending order: lists of service tags have thousands.
    networks: Vec<IpNet>,
}

impl AddressList {
    /// Everybody.
    pub const fn any() -> Self {
        Self { any: true, networks: Vec::new() }
    }

    /// Only these networks; without any, no sender.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        let networks = networks.into_iter().map(unmapped).collect();
        Self { any: false, networks: IpNet::aggregate(&networks) }
    }

    /// Whether requests from an address are accepted.
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let after = self.networks.partition_point(|network| network.network() <= address);
        self.any || self.networks[..after].last().is_some_and(|network| network.contains(&address))
    }
}

/// Who is behind an address, for limits: an IPv4 address, or the /64 of an IPv6 address, which is one customer's and has
/// more addresses than any table.
pub(super) fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        IpAddr::V4(address) => IpAddr::V4(address),
    }
}

/// Whether an address is in one of the networks.
pub(super) fn is_in(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| unmapped(*network).contains(&address))
}

/// A network of IPv4 addresses written as IPv6 (`::ffff:192.0.2.0/120`) as one of IPv4: a listener on `::` sees IPv4
/// clients so, and addresses are compared in their shorter form.
fn unmapped(network: IpNet) -> IpNet {
    match (network.network(), network.prefix_len().checked_sub(96)) {
        (IpAddr::V6(address), Some(prefix)) => {
            address.to_ipv4_mapped().and_then(|address| Ipv4Net::new(address, prefix).ok()).map_or(network, IpNet::V4)
        }
        _ => network,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(networks: &[&str]) -> AddressList {
        AddressList::new(networks.iter().map(|network| network.parse().unwrap()))
    }

    #[test]
    fn only_listed_networks_are_let_in() {
        let list = list(&["192.0.2.8/29", "192.0.2.128/25", "2001:db8:1::/48", "::ffff:198.51.100.0/120"]);
        for (address, allowed) in [
            ("192.0.2.8", true),
            ("192.0.2.15", true),
            ("192.0.2.16", false),
            ("192.0.2.7", false),
            ("::ffff:192.0.2.200", true),
            ("::ffff:192.0.2.16", false),
            ("2001:db8:1:ffff::1", true),
            ("2001:db8:2::", false),
            ("198.51.100.7", true),
            ("::ffff:198.51.100.7", true),
            ("::192.0.2.8", false),
        ] {
            assert_eq!(list.allows(address.parse().unwrap()), allowed, "{address}");
        }
    }

    #[test]
    fn any_is_everybody_and_an_empty_list_nobody() {
        for address in ["192.0.2.1", "2001:db8::1"] {
            assert!(AddressList::any().allows(address.parse().unwrap()));
            assert!(!list(&[]).allows(address.parse().unwrap()));
        }
    }

    #[test]
    fn a_customer_is_one_source() {
        for (address, source) in [
            ("2001:db8::1:2:3:4", "2001:db8::"),
            ("2001:db8:0:1::1", "2001:db8:0:1::"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(source_of(address.parse().unwrap()), source.parse::<IpAddr>().unwrap());
        }
    }

    proptest! {
        #[test]
        fn the_list_knows_what_each_network_knows(
            networks in prop::collection::vec((any::<[u8; 2]>(), 0_u8..=32), 0..20),
            probes in prop::collection::vec(any::<[u8; 2]>(), 1..20),
        ) {
            let address = |[a, b]: [u8; 2]| IpAddr::from([10, 0, a, b]);
            let networks: Vec<IpNet> =
                networks.into_iter().map(|(bytes, prefix)| IpNet::new(address(bytes), prefix).unwrap()).collect();
            let list = AddressList::new(networks.clone());
            for probe in probes.into_iter().map(address).chain(networks.iter().map(IpNet::broadcast)) {
                prop_assert_eq!(list.allows(probe), is_in(&networks, probe));
            }
        }
    }
}
