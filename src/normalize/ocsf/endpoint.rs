//! Where something came from: `src_endpoint`, `device`, `http_request`, `dst_endpoint`.

use super::mapping::{Mapping, set_enum, some};
use crate::normalize::{
    audit::scalar_text,
    client,
    json::{Node, Object},
    network_address::{NetworkAddress, ip_of, name_and_address},
};

/// The endpoint of an address.
pub(super) fn of_address<'a>(client: NetworkAddress) -> Option<Node<'a>> {
    let mut endpoint = Object::new();
    match (client.ip, client.address) {
        (Some(ip), _) => endpoint.set("ip", Node::text(ip)),
        // Neither address nor name of a host, but all that there is.
        (None, Some(address)) if client.domain.is_none() => endpoint.set("name", Node::text(address)),
        _ => {}
    }
    endpoint.set_some("hostname", client.domain.map(Node::text));
    endpoint.set_some("port", client.port.map(|port| Node::Integer(port.into())));
    some(endpoint)
}

/// The endpoint that acted, if the record has one.
pub(super) fn source<'a>(mapping: &mut Mapping<'a>) -> Option<Node<'a>> {
    let client = client::take(&mut mapping.record);
    mapping.others.ips.extend(client.ips);
    client.address.and_then(of_address)
}

/// The endpoint of a class that requires one, when nothing is known of it.
pub(super) fn unknown<'a>() -> Node<'a> {
    let mut endpoint = Object::new();
    endpoint.set("name", Node::text("Unknown"));
    Node::Object(endpoint)
}

/// The server that did the work: Exchange names its own, SharePoint's is in the address of the site.
pub(super) fn destination<'a>(mapping: &mut Mapping<'a>) -> Option<Node<'a>> {
    if let Some(server) = mapping.record.string("OriginatingServer") {
        let server = server.replace(['\r', '\n'], "");
        let server = server.trim();
        let inside = server.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(server);
        let (name, address) = name_and_address(inside).unwrap_or((inside, ""));
        let mut endpoint = Object::new();
        match ip_of(name).or_else(|| ip_of(address)).and_then(|address| address.ip) {
            Some(ip) => {
                endpoint.set("ip", Node::text(ip));
                mapping.record.set_moved("OriginatingServer");
            }
            // Records of cmdlets have the version of the server in the brackets.
            None if address.is_empty() => mapping.record.set_moved("OriginatingServer"),
            None => {}
        }
        if ip_of(name).is_none() {
            endpoint.set("hostname", Node::text(name.to_owned()));
        }
        return Some(Node::Object(endpoint));
    }
    let site = mapping.record.text("SiteUrl")?;
    let (_, rest) = site.split_once("://")?;
    let host = rest.split(['/', ':', '?', '#']).next().filter(|host| !host.is_empty())?;
    let mut endpoint = Object::new();
    endpoint.set("hostname", Node::text(host.to_owned()));
    Some(Node::Object(endpoint))
}

/// The request, as far as it is known.
pub(super) fn http_request<'a>(mapping: &mut Mapping<'a>) -> Option<Node<'a>> {
    let agent = mapping.take_first(&[
        "ExtendedProperties.UserAgent",
        "UserAgent",
        "ExtendedProperties.additionalDetails.User-Agent",
        "ClientInfoString",
    ])?;
    let mut request = Object::new();
    request.set("user_agent", agent);
    Some(Node::Object(request))
}

/// The device that the user sat at, if it has a name or an id.
pub(super) fn device<'a>(mapping: &mut Mapping<'a>) -> Option<Node<'a>> {
    let mut device = Object::new();
    let uid = mapping
        .take_first(&[
            "AppAccessContext.DeviceId",
            "DeviceId",
            "MDATPDeviceId",
            "ExtendedProperties.additionalDetails.DeviceId",
        ])
        .or_else(|| property(mapping, "Id"));
    device.set_some("uid", uid);
    let name = mapping.take_first(&["DeviceName", "Common.DeviceName"]).or_else(|| property(mapping, "DisplayName"));
    device.set_some("hostname", name);
    if device.is_empty() {
        return None;
    }
    // No record says whether it is a desktop or a phone.
    set_enum(&mut device, "type_id", "type", (0, "Unknown"));
    device.set_some("os", os(mapping));
    Some(Node::Object(device))
}

/// The value of a member of `DeviceProperties`, a list of names and values.
fn property<'a>(mapping: &mut Mapping<'a>, name: &str) -> Option<Node<'a>> {
    let Some(Node::List(list)) = mapping.record.node("DeviceProperties") else { return None };
    let pair = list.iter().find(|pair| pair.get("Name").and_then(scalar_text).is_some_and(|known| known == name))?;
    pair.get("Value").and_then(scalar_text).map(Node::Text)
}

/// The session of `DeviceProperties`.
pub(super) fn session<'a>(mapping: &mut Mapping<'a>) -> Option<Node<'a>> {
    property(mapping, "SessionId")
}

fn os<'a>(mapping: &mut Mapping<'a>) -> Option<Node<'a>> {
    let name = ["OsName", "Platform", "Common.Platform", "ExtendedProperties.additionalDetails.DeviceOSType"]
        .iter()
        .find_map(|from| mapping.record.text(from))
        .or_else(|| property(mapping, "OS").and_then(|os| scalar_text(&os)))?;
    let kind = os_type(&name)?;
    let mut os = Object::new();
    os.set("name", Node::Text(name));
    set_enum(&mut os, "type_id", "type", kind);
    Some(Node::Object(os))
}

/// `type_id` and `type` of an operating system (`objects/os.json`); `None` for what is none, such as `Web Browser`.
fn os_type(name: &str) -> Option<(u16, &'static str)> {
    let name = name.to_ascii_lowercase();
    [
        ("win", (100, "Windows")),
        ("linux", (200, "Linux")),
        ("android", (201, "Android")),
        ("mac", (300, "macOS")),
        ("ios", (301, "iOS")),
    ]
    .into_iter()
    .find_map(|(start, kind)| name.starts_with(start).then_some(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        if let Some(node) = NetworkAddress::read(text).into_iter().next().and_then(of_address) {
            node.write(&mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn endpoints_have_addresses_names_or_nothing() {
        assert_eq!(written("[2001:db8::1]:443"), r#"{"ip":"2001:db8::1","port":443}"#);
        assert_eq!(written("DB1 (192.0.2.7)"), r#"{"ip":"192.0.2.7","hostname":"DB1"}"#);
        assert_eq!(written("localhost:1"), r#"{"hostname":"localhost:1"}"#);
        assert_eq!(written("two words"), r#"{"name":"two words"}"#);
        assert_eq!(written(" "), "");
    }

    #[test]
    fn browsers_are_no_operating_systems() {
        assert_eq!(os_type("WinDesktop"), Some((100, "Windows")));
        assert_eq!(os_type("Web Browser"), None);
    }
}
