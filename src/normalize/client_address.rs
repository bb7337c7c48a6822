//! The address of a client, in the many forms that the workloads write it.

use std::net::IpAddr;

/// What the text of an address says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ClientAddress {
    /// The address as it was written, without brackets and port; for hosts, what stands beside their name.
    pub(crate) address: Option<String>,
    /// The address, if it is one; in the text's own spelling.
    pub(crate) ip: Option<String>,
    /// The name of a host.
    pub(crate) domain: Option<String>,
    /// The port.
    pub(crate) port: Option<u16>,
}

impl ClientAddress {
    /// Reads `192.0.2.1`, `192.0.2.1:443`, `[2001:db8::1]:443`, `2001:db8::1`, `[192.0.2.1]`, `::ffff:192.0.2.1`, a name
    /// without blanks, and `NAME (address)` with or without brackets around it. Anything else is an address that is none.
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.trim();
        if text.is_empty() {
            return Self::default();
        }
        if let Some((inside, port)) = text.strip_prefix('[').and_then(|rest| rest.split_once("]:"))
            && let (true, Ok(port)) = (is_address(inside), port.parse())
        {
            return Self::of_ip(inside, Some(port));
        }
        if is_address(text) {
            return Self::of_ip(text, None);
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Some(inside) = bare.filter(|inside| is_address(inside)) {
            return Self::of_ip(inside, None);
        }
        if let Some((address, port)) = text.split_once(':')
            && let (true, Ok(port)) = (is_address(address), port.parse())
        {
            return Self::of_ip(address, Some(port));
        }
        if is_host(text) {
            return Self { domain: Some(text.to_owned()), ..Self::default() };
        }
        let Some((name, address)) = name_and_address(bare.unwrap_or(text)) else {
            return Self { address: Some(text.to_owned()), ..Self::default() };
        };
        Self { domain: Some(name.to_owned()), ..Self::of(address) }
    }

    /// `ipv4` or `ipv6`.
    pub(crate) fn network_type(&self) -> Option<&'static str> {
        self.ip.as_deref().map(network_type)
    }

    fn of_ip(ip: &str, port: Option<u16>) -> Self {
        Self { port, ..Self::of(ip) }
    }

    fn of(address: &str) -> Self {
        // Without the zone of a link-local address: no index takes it for part of an address.
        let bare = without_zone(address);
        let (address, ip) = match bare.parse() {
            // IPv4 that was mapped into IPv6 (RFC 4291, 2.5.5.2) becomes IPv4 again.
            Ok(IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
                Some(mapped) => (mapped.to_string(), Some(mapped.to_string())),
                None => (address.to_owned(), Some(bare.to_owned())),
            },
            Ok(IpAddr::V4(_)) if bare == address => (address.to_owned(), Some(address.to_owned())),
            _ => (address.to_owned(), None),
        };
        Self { address: Some(address), ip, ..Self::default() }
    }
}

/// Whether `text` is an IP address and nothing else: an index refuses a whole document for a zone.
pub(crate) fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// The same, but an IPv6 address may have a zone.
fn is_address(text: &str) -> bool {
    is_ip(text) || (text.contains('%') && without_zone(text).parse::<std::net::Ipv6Addr>().is_ok())
}

fn without_zone(text: &str) -> &str {
    text.split_once('%').map_or(text, |(address, _)| address)
}

/// Whether `text` can be the name of a host, also with brackets around it and a port. Names have letters; what has none is an
/// address that is broken.
fn is_host(text: &str) -> bool {
    !text.contains(char::is_whitespace)
        && text.contains(|c: char| c.is_alphabetic())
        && text.contains('[') == text.contains(']')
}

/// `ipv4` or `ipv6`.
pub(crate) fn network_type(ip: &str) -> &'static str {
    if ip.contains(':') { "ipv6" } else { "ipv4" }
}

/// `NAME (address)`, as Exchange writes its servers.
pub(crate) fn name_and_address(text: &str) -> Option<(&str, &str)> {
    let (name, address) = text.strip_suffix(')')?.split_once(" (")?;
    let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
    (is_name && !address.is_empty()).then_some((name, address))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// address, ip, domain, port.
    fn parts(text: &str) -> (Option<String>, Option<String>, Option<String>, Option<u16>) {
        let ClientAddress { address, ip, domain, port } = ClientAddress::parse(text);
        (address, ip, domain, port)
    }

    #[test]
    fn addresses_are_found_in_every_form() {
        for (text, ip, port) in [
            ("192.0.2.1", "192.0.2.1", None),
            ("192.0.2.1:63070", "192.0.2.1", Some(63070)),
            ("[192.0.2.1]:80", "192.0.2.1", Some(80)),
            ("[192.0.2.1]", "192.0.2.1", None),
            ("::ffff:192.0.2.1", "192.0.2.1", None),
            ("[::FFFF:192.0.2.1]:80", "192.0.2.1", Some(80)),
            ("2001:DB8::1", "2001:DB8::1", None),
            ("[2001:db8::1]:443", "2001:db8::1", Some(443)),
            (" 0.0.0.0 ", "0.0.0.0", None),
        ] {
            assert_eq!(parts(text), (Some(ip.into()), Some(ip.into()), None, port), "{text}");
        }
    }

    #[test]
    fn names_and_nonsense_are_kept_apart() {
        let name = |name: &str| (None, None, Some(name.to_owned()), None);
        for text in ["localhost:12345", "[cool.client.local]:12345", "unknown"] {
            assert_eq!(parts(text), name(text));
        }
        assert_eq!(
            parts("DB1 (192.0.2.7)"),
            (Some("192.0.2.7".into()), Some("192.0.2.7".into()), Some("DB1".into()), None)
        );
        assert_eq!(parts("[DB1 (192.0.2.7)]"), parts("DB1 (192.0.2.7)"));
        assert_eq!(parts("DB1 (10.9000.0.1)"), (Some("10.9000.0.1".into()), None, Some("DB1".into()), None));
        for text in ["999.0.2.1", "192.0.2.7:99999", "[2001:db8::1", "3232235777"] {
            assert_eq!(parts(text), (Some(text.into()), None, None, None), "{text}");
        }
        assert_eq!(parts("two words"), (Some("two words".into()), None, None, None));
        assert_eq!(parts("  "), (None, None, None, None));
        assert_eq!(parts("fe80::1%eth0"), (Some("fe80::1%eth0".into()), Some("fe80::1".into()), None, None));
        assert_eq!(ClientAddress::parse("2001:db8::1").network_type(), Some("ipv6"));
    }

    proptest! {
        #[test]
        fn any_text_has_a_reading(text in "[\\PC]{0,30}|[\\[\\]:.() 0-9af%\u{e9}]{0,20}") {
            let found = ClientAddress::parse(&text);
            prop_assert_eq!(text.trim().is_empty(), found == ClientAddress::default());
            prop_assert!(found.port.is_none() || found.ip.is_some());
        }
    }
}
