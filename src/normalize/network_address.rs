//! Addresses on a network, in the many forms that the workloads write them.

use std::net::{IpAddr, Ipv6Addr};

use super::placeholder::is_placeholder;

/// What the text of an address says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct NetworkAddress {
    /// The address as it was written, without brackets and port; for hosts, what stands beside their name.
    pub(crate) address: Option<String>,
    /// The address, if it is one; in the text's own spelling.
    pub(crate) ip: Option<String>,
    /// The name of a host.
    pub(crate) domain: Option<String>,
    /// The port.
    pub(crate) port: Option<u16>,
}

/// How well an address shows where a user was, best first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Use {
    /// An IP address that a network routes.
    Address,
    /// The name of a host.
    Name,
    /// The machine's own: a loopback or unspecified address, or its name.
    Local,
    /// Neither address nor name.
    None,
}

/// What separates the addresses of a list, as proxies write them.
const SEPARATORS: [char; 3] = [',', ';', '|'];

impl NetworkAddress {
    /// Reads all addresses of a text: a list, or the only one. A placeholder is not an address.
    ///
    /// An address may be `192.0.2.1` or `2001:db8::1`, in brackets, in quotes, with a port after `:` or `-`, with a
    /// zone, with the length of a prefix, or IPv4 that was mapped into IPv6; or the name of a host that has a dot, with
    /// or without a port; or `NAME (address)`. Any other text is kept as an invalid address.
    pub(crate) fn read(text: &str) -> Vec<Self> {
        let text = unquoted(text);
        if is_placeholder(text) {
            return Vec::new();
        }
        let whole = Self::of_one(text);
        let is_list = |c: char| SEPARATORS.contains(&c) || c.is_whitespace() || c == '"' || c == '\'';
        if whole.usefulness() != Use::None || !text.contains(is_list) {
            return vec![whole];
        }
        let parts: Vec<_> = text
            .split(|c: char| SEPARATORS.contains(&c) || c.is_whitespace())
            .map(element)
            .filter(|part| !is_placeholder(part))
            .map(Self::of_one)
            .collect();
        // Of words that are no list of addresses, nothing is taken.
        if parts.iter().any(|part| part.ip.is_some()) { parts } else { vec![whole] }
    }

    /// How good it is.
    pub(crate) fn usefulness(&self) -> Use {
        match (&self.ip, &self.domain) {
            (Some(ip), _) if is_local(ip) => Use::Local,
            (Some(_), _) => Use::Address,
            (None, Some(name)) if is_localhost(name) => Use::Local,
            (None, Some(_)) => Use::Name,
            (None, None) => Use::None,
        }
    }

    /// `ipv4` or `ipv6`.
    pub(crate) fn network_type(&self) -> Option<&'static str> {
        self.ip.as_deref().map(network_type)
    }

    fn of_one(text: &str) -> Self {
        if let Some(found) = Self::of_ip(text) {
            return found;
        }
        if is_host(text) {
            return Self { domain: Some(text.to_owned()), ..Self::default() };
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        match name_and_address(bare) {
            Some((name, address)) => {
                if let Some(found) = Self::of_ip(name) {
                    return found;
                }
                let found = Self::of_ip(address).unwrap_or_else(|| Self::nothing(address));
                Self { domain: Some(name.to_owned()), ..found }
            }
            None => Self::nothing(text),
        }
    }

    /// An IP address, with what may stand around it.
    fn of_ip(text: &str) -> Option<Self> {
        if let Some((inside, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            return match Self::bare(inside) {
                Some(found) => found.with_port(rest),
                // Some put the port into the brackets.
                None if rest.is_empty() => Self::of_ip(inside),
                None => None,
            };
        }
        Self::bare(text).or_else(|| {
            // Behind the last separator, so that what is before it may be IPv6.
            [':', '-'].into_iter().find_map(|separator| {
                let at = text.rfind(separator)?;
                Self::bare(&text[..at])?.with_port(&text[at..])
            })
        })
    }

    /// An IP address without brackets and port.
    fn bare(text: &str) -> Option<Self> {
        let bare = without_prefix_length(text);
        let ip = match bare.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => bare.to_owned(),
            Ok(IpAddr::V6(ip)) => spelled(bare, ip),
            Err(_) => {
                let without_zone = without_zone(bare);
                match without_zone.parse::<Ipv6Addr>() {
                    Ok(ip) => spelled(without_zone, ip),
                    Err(_) => half_mapped(bare)?.to_owned(),
                }
            }
        };
        // Without the zone of a link-local address: no index takes it for part of an address.
        let address = if ip == without_zone(bare) { bare.to_owned() } else { ip.clone() };
        Some(Self { address: Some(address), ip: Some(ip), ..Self::default() })
    }

    /// The same with the port in `:443` or `-443`; nothing and a separator alone are no port.
    fn with_port(self, text: &str) -> Option<Self> {
        let digits = match text {
            "" => return Some(self),
            text => text.strip_prefix([':', '-'])?,
        };
        if digits.is_empty() {
            return Some(self);
        }
        let port = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()?;
        Some(Self { port: Some(port), ..self })
    }

    /// What is neither address nor name.
    fn nothing(text: &str) -> Self {
        Self { address: Some(text.to_owned()), ..Self::default() }
    }
}

/// The first IP address of a text, for members that hold nothing else.
pub(crate) fn ip_of(text: &str) -> Option<NetworkAddress> {
    NetworkAddress::read(text).into_iter().filter(|found| found.ip.is_some()).min_by_key(NetworkAddress::usefulness)
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

/// IPv4 that was mapped into IPv6 becomes IPv4 again: `::ffff:a.b.c.d` in every spelling (RFC 4291, 2.5.5.2), the older
/// `::a.b.c.d` (2.5.5.1) where it is written so, and `::ffff:0:a.b.c.d` (RFC 2765).
fn spelled(text: &str, ip: Ipv6Addr) -> String {
    let has_dots = text.contains('.');
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] => {}
        [0, 0, 0, 0, 0xffff, 0, ..] | [0, 0, 0, 0, 0, 0, 1..=0xffff, _] if has_dots => {}
        _ => return text.to_owned(),
    }
    let [.., a, b, c, d] = ip.octets();
    std::net::Ipv4Addr::new(a, b, c, d).to_string()
}

/// `ffff:a.b.c.d`, a mapped address that lost its beginning.
fn half_mapped(text: &str) -> Option<&str> {
    let rest = text.get(..5).filter(|start| start.eq_ignore_ascii_case("ffff:")).and(text.get(5..))?;
    rest.parse::<std::net::Ipv4Addr>().is_ok().then_some(rest)
}

/// `192.0.2.1/32` without its prefix length.
fn without_prefix_length(text: &str) -> &str {
    match text.split_once('/') {
        Some((address, length)) if length.parse::<u8>().is_ok_and(|length| length <= 128) => address,
        _ => text,
    }
}

fn without_zone(text: &str) -> &str {
    text.split_once('%').map_or(text, |(address, _)| address)
}

/// An element of a list without what stands around it: quotation marks, and the brackets of the list, which are not those of an
/// address.
fn element(text: &str) -> &str {
    let quotes = ['"', '\''];
    let text = match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inside) if inside.contains(quotes) => inside,
        _ => text,
    };
    let text = text.trim_matches(quotes);
    let text = if text.contains(']') { text } else { text.trim_start_matches('[') };
    let text = if text.contains('[') { text } else { text.trim_end_matches(']') };
    text.trim_matches(quotes)
}

fn unquoted(text: &str) -> &str {
    let text = text.trim();
    [('"', '"'), ('\'', '\''), ('<', '>'), ('(', ')')]
        .into_iter()
        .find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close))
        .map_or(text, str::trim)
}

/// Whether it is the machine's own, or none at all.
fn is_local(ip: &str) -> bool {
    // These begin so; most addresses do not, and need not be parsed again.
    let may_be = ip.starts_with(['0', ':']) || ip.starts_with("127.");
    may_be && ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
}

fn is_localhost(name: &str) -> bool {
    host_and_port(name).0.eq_ignore_ascii_case("localhost")
}

/// Whether `text` is the name of a host, also with brackets around it and a port. A word without a dot is none: where a
/// workload has no address, it writes words.
fn is_host(text: &str) -> bool {
    let (name, port) = host_and_port(text);
    let is_label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    let name = name.strip_suffix('.').unwrap_or(name);
    let labels = || name.split('.');
    port.is_none_or(|port| port.parse::<u16>().is_ok())
        && labels().all(is_label)
        && (is_localhost(name) || labels().count() > 1)
        // The last label of an address is a number; that of a name is a word.
        && labels().next_back().is_some_and(|label| label.contains(|c: char| c.is_alphabetic()))
}

/// `name:port`, `[name]:port`, `[name]` or `name`.
fn host_and_port(text: &str) -> (&str, Option<&str>) {
    match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, "")) => (name, None),
        Some((name, rest)) => (name, Some(rest.strip_prefix(':').unwrap_or("?"))),
        None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// address, ip, domain, port.
    type Parts = (Option<String>, Option<String>, Option<String>, Option<u16>);

    fn all(text: &str) -> Vec<Parts> {
        let parts = |NetworkAddress { address, ip, domain, port }| (address, ip, domain, port);
        NetworkAddress::read(text).into_iter().map(parts).collect()
    }

    fn parts(text: &str) -> Parts {
        let all = all(text);
        assert_eq!(all.len(), 1, "{text}");
        all.into_iter().next().unwrap()
    }

    #[test]
    fn addresses_are_found_in_every_form() {
        for (text, ip, port) in [
            ("192.0.2.1", "192.0.2.1", None),
            ("192.0.2.1:63070", "192.0.2.1", Some(63070)),
            ("192.0.2.1-63070", "192.0.2.1", Some(63070)),
            ("192.0.2.1:0", "192.0.2.1", Some(0)),
            ("192.0.2.1:", "192.0.2.1", None),
            ("192.0.2.1/32", "192.0.2.1", None),
            ("\"192.0.2.1\"", "192.0.2.1", None),
            ("'192.0.2.1:80'", "192.0.2.1", Some(80)),
            ("[192.0.2.1]:80", "192.0.2.1", Some(80)),
            ("[192.0.2.1]-80", "192.0.2.1", Some(80)),
            ("[192.0.2.1-80]", "192.0.2.1", Some(80)),
            ("<192.0.2.1>", "192.0.2.1", None),
            ("(192.0.2.1)", "192.0.2.1", None),
            ("[192.0.2.1]", "192.0.2.1", None),
            ("::ffff:192.0.2.1", "192.0.2.1", None),
            ("::FFFF:c000:201", "192.0.2.1", None),
            ("0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1", None),
            ("::ffff:0:192.0.2.1", "192.0.2.1", None),
            ("::192.0.2.1", "192.0.2.1", None),
            ("ffff:192.0.2.1", "192.0.2.1", None),
            ("FFFF:192.0.2.1:443", "192.0.2.1", Some(443)),
            ("::ffff:192.0.2.1:52144", "192.0.2.1", Some(52144)),
            ("[::FFFF:192.0.2.1]:80", "192.0.2.1", Some(80)),
            ("::ffff:192.0.2.1/128", "192.0.2.1", None),
            ("2001:DB8::1", "2001:DB8::1", None),
            ("2001:db8::1-443", "2001:db8::1", Some(443)),
            ("2001:db8::7:52144", "2001:db8::7", Some(52144)),
            ("2001:db8:0:0:0:0:0:7:443", "2001:db8:0:0:0:0:0:7", Some(443)),
            ("2001:db8::1/64", "2001:db8::1", None),
            ("[2001:db8::1]:443", "2001:db8::1", Some(443)),
            ("[2001:db8::1]:", "2001:db8::1", None),
            ("[2001:db8::1/64]", "2001:db8::1", None),
            (" 0.0.0.0 ", "0.0.0.0", None),
        ] {
            assert_eq!(parts(text), (Some(ip.into()), Some(ip.into()), None, port), "{text}");
        }
        // What a reader of IPv6 takes for its last group is no port.
        assert_eq!(parts("2001:db8::7:443").1.as_deref(), Some("2001:db8::7:443"));
        for (text, address, port) in
            [("fe80::1%eth0", "fe80::1%eth0", None), ("[fe80::1%12]:443", "fe80::1%12", Some(443))]
        {
            assert_eq!(parts(text), (Some(address.into()), Some("fe80::1".into()), None, port), "{text}");
        }
    }

    #[test]
    fn names_and_nonsense_are_kept_apart() {
        for text in [
            "localhost",
            "localhost:12345",
            "[cool.client.local]:12345",
            "2001-db8--7.ipv6.example",
            "mail.contoso.com.",
            "m\u{fc}nchen.example",
        ] {
            assert_eq!(parts(text), (None, None, Some(text.to_owned()), None), "{text}");
        }
        assert_eq!(
            parts("DB1 (192.0.2.7)"),
            (Some("192.0.2.7".into()), Some("192.0.2.7".into()), Some("DB1".into()), None)
        );
        assert_eq!(parts("[DB1 (192.0.2.7)]"), parts("DB1 (192.0.2.7)"));
        assert_eq!(parts("DB1 (10.9000.0.1)"), (Some("10.9000.0.1".into()), None, Some("DB1".into()), None));
        for text in [
            "999.0.2.1",
            "192.0.2.7:99999",
            "192.0.2.7:1:2",
            "[2001:db8::1",
            "3232235777",
            "two words",
            "word",
            "word:80",
            "a..b",
            "host.example:port",
            "192.0.2.007",
        ] {
            assert_eq!(parts(text), (Some(text.into()), None, None, None), "{text}");
        }
        assert_eq!(NetworkAddress::read("2001:db8::1")[0].network_type(), Some("ipv6"));
    }

    #[test]
    fn placeholders_are_no_addresses() {
        for text in ["", "  ", "unknown", "Not Available", "-", "<null>", "\"\""] {
            assert_eq!(all(text), [], "{text}");
        }
    }

    #[test]
    fn lists_have_all_their_addresses_and_the_first_useful_counts() {
        let ips = |text: &str| NetworkAddress::read(text).into_iter().filter_map(|found| found.ip).collect::<Vec<_>>();
        assert_eq!(ips("192.0.2.1,10.0.0.4"), ["192.0.2.1", "10.0.0.4"]);
        assert_eq!(ips("10.0.0.4; 192.0.2.1:443"), ["10.0.0.4", "192.0.2.1"]);
        assert_eq!(ips("unknown, [2001:db8::1]:443"), ["2001:db8::1"]);
        assert_eq!(ips("192.0.2.1 10.0.0.4"), ["192.0.2.1", "10.0.0.4"]);
        assert_eq!(ips("\"192.0.2.1\", \"10.0.0.4\""), ["192.0.2.1", "10.0.0.4"]);
        assert_eq!(ips("['192.0.2.1', '10.0.0.4']"), ["192.0.2.1", "10.0.0.4"]);
        assert_eq!(ips("[\"192.0.2.1\"]"), ["192.0.2.1"]);
        assert_eq!(ips("192.0.2.1 (proxy)"), ["192.0.2.1"]);
        assert_eq!(ips("a, b.example"), [""; 0]);
        let first = |text: &str| ip_of(text).and_then(|found| found.ip);
        assert_eq!(first("127.0.0.1, ::, 192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(first("127.0.0.1").as_deref(), Some("127.0.0.1"));
        assert_eq!(first("mail.contoso.com"), None);
    }

    proptest! {
        #[test]
        fn any_text_has_a_reading(text in "[\\PC]{0,30}|[\\[\\]:.() 0-9af%/,;\"-]{0,24}") {
            for found in NetworkAddress::read(&text) {
                prop_assert!(found != NetworkAddress::default());
                prop_assert!(found.port.is_none() || found.ip.is_some());
                // An index refuses a whole document for a zone.
                prop_assert!(found.ip.is_none_or(|ip| ip.parse::<IpAddr>().is_ok()));
            }
        }
    }
}
