//! Where an act came from: the client of a record, out of all members that may say it.

use std::borrow::Cow;

use super::{
    audit::{Audit, Path, paths},
    damage::Damage,
    json::Node,
    network_address::{NetworkAddress, Use},
};

/// Members that name the client, best first. The first that is useful counts.
///
/// `ClientIPAddress` is Exchange's, `ClientIP` that of the common schema, `ActorIpAddress` Entra's, `UserIp` that of a link that was
/// clicked ("Office 365 Management Activity API schema").
const MEMBERS: &[Path<'static>] =
    &paths(["ClientIPAddress", "ClientIP", "ActorIpAddress", "UserIp", "CallerIpAddress", "IpAddress", ALERT]);

/// Where an alert has the address of the user it is about. Damage in it was reported when `Data` was read, and it stays
/// there.
const ALERT: &str = "Data.sip";

/// The client of a record.
#[derive(Debug, Default)]
pub(crate) struct Client {
    /// Its address.
    pub(crate) address: Option<NetworkAddress>,
    /// The IP addresses of all members, each once; local ones only if there are no others.
    pub(crate) ips: Vec<String>,
}

/// Takes the client out of a record. A member that says more than the client's address stays as well, and so does one that
/// cannot be read.
pub(crate) fn take(record: &mut Audit<'_>) -> Client {
    let mut client = Client::default();
    let mut best = (Use::None, None);
    for member in MEMBERS {
        let texts = texts(record, *member);
        let found: Vec<_> = texts
            .iter()
            .flat_map(|text| NetworkAddress::read(text))
            .map(|address| (address.usefulness(), address))
            .collect();
        if found.is_empty() {
            continue;
        }
        let is_alert = member.as_str() == ALERT;
        if !is_alert && found.iter().any(|(usefulness, _)| *usefulness == Use::None) {
            record.damages.add(member.as_str(), Damage::InvalidAddress);
        }
        for (usefulness, address) in &found {
            if let Some(ip) = address.ip.as_ref().filter(|ip| *usefulness == Use::Address && !client.ips.contains(ip)) {
                client.ips.push(ip.clone());
            }
        }
        let is_only = found.len() == 1 && !is_alert;
        for (usefulness, address) in found.into_iter().filter(|(_, address)| !is_alert || address.ip.is_some()) {
            if client.address.is_none() || usefulness < best.0 {
                best = (usefulness, is_only.then_some(*member));
                client.address = Some(address);
            }
        }
    }
    if let (Use::Address | Use::Name | Use::Local, Some(member)) = best
        && record.is_plain(member)
    {
        record.set_moved(member);
    }
    if let Some(ip) = client.address.as_ref().and_then(|address| address.ip.clone())
        && client.ips.is_empty()
    {
        client.ips.push(ip);
    }
    client
}

/// The strings of a member: of a list, or the one.
fn texts<'a>(record: &mut Audit<'a>, member: Path<'_>) -> Vec<Cow<'a, str>> {
    match record.node(member) {
        Some(Node::List(_)) => record.texts(member),
        Some(_) => record.string(member).into_iter().collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::JsonObject;

    fn client(record: &str) -> (Option<String>, Option<u16>, Vec<String>) {
        let record = JsonObject::parse(record.to_owned().into()).unwrap();
        let Client { address, ips } = take(&mut Audit::new(&record));
        let port = address.as_ref().and_then(|address| address.port);
        (address.and_then(|address| address.ip.or(address.domain)), port, ips)
    }

    #[test]
    fn the_first_useful_address_of_all_members_counts() {
        for (record, expected) in [
            (r#"{"ClientIPAddress":"Unknown","ClientIP":"192.0.2.9:443"}"#, "192.0.2.9"),
            (r#"{"ClientIPAddress":"127.0.0.1","ClientIP":"192.0.2.9"}"#, "192.0.2.9"),
            (r#"{"ClientIPAddress":"::1","ActorIpAddress":"192.0.2.9"}"#, "192.0.2.9"),
            (r#"{"ClientIP":"0.0.0.0","UserIp":"2001:db8::9"}"#, "2001:db8::9"),
            (r#"{"ClientIP":"mail.example","ActorIpAddress":"192.0.2.9"}"#, "192.0.2.9"),
            (r#"{"ClientIP":"127.0.0.1","ActorIpAddress":"mail.example"}"#, "mail.example"),
            (r#"{"ClientIP":"127.0.0.1","ActorIpAddress":"::"}"#, "127.0.0.1"),
            (r#"{"ClientIP":["::1","192.0.2.9"]}"#, "192.0.2.9"),
            (r#"{"ClientIP":"192.0.2.9","ActorIpAddress":"198.51.100.1"}"#, "192.0.2.9"),
            (r#"{"Data":{"sip":"192.0.2.9:443"}}"#, "192.0.2.9"),
        ] {
            assert_eq!(client(record).0.as_deref(), Some(expected), "{record}");
        }
        assert_eq!(client(r#"{"ClientIP":"unknown","ActorIpAddress":"-"}"#), (None, None, Vec::new()));
    }

    #[test]
    fn all_addresses_are_told_and_local_ones_only_alone() {
        let ips = |record| client(record).2;
        assert_eq!(
            ips(r#"{"ClientIPAddress":"10.0.0.4, 192.0.2.9","ClientIP":"::1","ActorIpAddress":"192.0.2.9"}"#),
            ["10.0.0.4", "192.0.2.9"]
        );
        assert_eq!(ips(r#"{"ClientIP":"0.0.0.0"}"#), ["0.0.0.0"]);
    }
}
