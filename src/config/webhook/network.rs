//! A network as it is written in a file.

use std::{borrow::Cow, fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use snafu::{Snafu, ensure};

/// A network, written `"203.0.113.0/24"`, or a single address, written `"203.0.113.7"`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Network(IpNet);

/// A text that is no network.
#[derive(Clone, Debug, Eq, PartialEq, Snafu)]
pub enum InvalidNetwork {
    /// Something else.
    #[snafu(display(
        "{given:?} is not a network; write a network such as \"203.0.113.0/24\" or an address such as \"203.0.113.7\""
    ))]
    Unreadable {
        /// What was written.
        given: String,
    },
    /// An address within a network, where it is anyone's guess which of the two was meant.
    #[snafu(display(
        "{given:?} has bits set behind its prefix; write \"{network}\" for the network or \"{address}\" for the one address"
    ))]
    HostBits {
        /// What was written.
        given: String,
        /// The network that holds it.
        network: IpNet,
        /// The address in it.
        address: IpAddr,
    },
    /// An IPv4 network in the notation of IPv6, which no address is compared in.
    #[snafu(display("{given:?} is an IPv4 network written as IPv6; write \"{network}\""))]
    Mapped {
        /// What was written.
        given: String,
        /// The same network.
        network: Network,
    },
}

impl Network {
    /// The network; a single address is one with the longest prefix.
    pub const fn get(self) -> IpNet {
        self.0
    }

    /// Whether the address is in the network. An IPv4 address that a socket shows as IPv6 counts as IPv4.
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl From<IpNet> for Network {
    fn from(network: IpNet) -> Self {
        Self(network)
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let read = given.parse::<IpNet>().ok().or_else(|| given.parse::<IpAddr>().ok().map(IpNet::from));
        let Some(network) = read else { return UnreadableSnafu { given }.fail() };
        let trunc = network.trunc();
        ensure!(network == trunc, HostBitsSnafu { given, network: trunc, address: network.addr() });
        // 96 bits say that it is mapped; a shorter prefix would have had bits behind it.
        if let IpAddr::V4(address) = network.addr().to_canonical()
            && let Ok(plain) = IpNet::new(address.into(), network.prefix_len().saturating_sub(96))
            && matches!(network, IpNet::V6(_))
        {
            return MappedSnafu { given, network: Self(plain) }.fail();
        }
        Ok(Self(network))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Network {
    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A network such as \"203.0.113.0/24\" or \"2001:db8::/32\", or a single address.",
            "type": "string",
            "examples": ["203.0.113.0/24", "203.0.113.7"]
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn networks_and_addresses_are_read() {
        for text in ["10.0.0.0/8", "203.0.113.7", "0.0.0.0/0", "2001:db8::/32", "2001:db8::1", "::/0", "::1"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        assert_eq!("203.0.113.7/32".parse::<Network>().unwrap().to_string(), "203.0.113.7");
    }

    #[test]
    fn what_is_no_network_is_refused_with_the_right_text() {
        for (bad, advice) in [
            ("10.0.0.5/8", "write \"10.0.0.0/8\" for the network or \"10.0.0.5\" for the one address"),
            ("2001:db8::1/32", "write \"2001:db8::/32\" for the network or \"2001:db8::1\" for the one address"),
            ("::ffff:203.0.113.0/120", "write \"203.0.113.0/24\""),
            ("::ffff:203.0.113.7", "write \"203.0.113.7\""),
            ("10.0.0.0/33", "write a network such as"),
            ("10.0.0", "write a network such as"),
            ("proxy.contoso.com", "write a network such as"),
            ("203.0.113.7:443", "write a network such as"),
            ("", "write a network such as"),
        ] {
            let error = bad.parse::<Network>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{bad:?} ")) && error.contains(advice), "{bad}: {error}");
        }
    }

    #[test]
    fn an_ipv4_address_is_one_whatever_the_socket_calls_it() {
        let network: Network = "203.0.113.0/24".parse().unwrap();
        for (address, expected) in
            [("203.0.113.9", true), ("::ffff:203.0.113.9", true), ("203.0.114.9", false), ("2001:db8::1", false)]
        {
            assert_eq!(network.contains(address.parse().unwrap()), expected, "{address}");
        }
    }

    proptest! {
        #[test]
        fn display_reads_back(bits in any::<u128>(), prefix in 0_u8..=128, v4 in any::<bool>()) {
            let address = if v4 { IpAddr::from(u32::to_be_bytes((bits >> 96) as u32)) } else { IpAddr::from(bits.to_be_bytes()) };
            let prefix = if v4 { prefix % 33 } else { prefix };
            let network = Network(IpNet::new(address, prefix).unwrap().trunc());
            prop_assume!(v4 || matches!(network.get().addr().to_canonical(), IpAddr::V6(_)));
            prop_assert_eq!(network.to_string().parse(), Ok(network));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,12}|[0-9a-f.:/]{0,24}") {
            let _ = text.parse::<Network>();
        }
    }
}
