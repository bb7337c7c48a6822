//! What all records have in common: first what other steps build on, at the end what sums up the others.

use std::borrow::Cow;

use super::{
    categories::categorise,
    email,
    fields::Field as F,
    mapping::Mapping,
    rule::{Family, copied, fills, function, moved},
};
use crate::normalize::{
    audit::scalar_text,
    client_address::{ClientAddress, is_ip},
    damage::Damage,
    json::Node,
};

/// Before the family.
pub(super) const FIRST: Family = Family {
    name: "All records, first",
    codes: &[],
    steps: &[
        function(
            time,
            &[fills(
                F::TIMESTAMP,
                "`CreationTime`; UTC where it has no zone. When it is missing or no time: when the content was created, else when the event was made",
                "",
            )],
        ),
        function(code, &[fills(F::EVENT_CODE, "`RecordType`, by its name in Microsoft's schema", "the id is known")]),
        moved(F::EVENT_ID, &["Id"]).step(),
        moved(F::EVENT_ACTION, &["Operation"]).step(),
        moved(F::EVENT_PROVIDER, &["Workload"]).step(),
        copied(F::EVENT_PROVIDER, &["UserType"]).step(),
        function(
            kind,
            &[fills(F::EVENT_KIND, "`alert` for security alerts and data loss prevention, else `event`", "")],
        ),
        function(
            outcome,
            &[fills(
                F::EVENT_OUTCOME,
                "`ResultStatus`: `failed`, `failure` and `false` in any case are `failure`, as is an `IsSuccess` of `false`; everything else is `success`",
                "",
            )],
        ),
        function(
            severity,
            &[fills(F::EVENT_SEVERITY, "`Severity`, in any case: informational 1, low 2, medium 3, high 4", "")],
        ),
        function(
            categorise,
            &[
                fills(F::EVENT_CATEGORY, "`web`, and what the record type and the operation add (table below)", ""),
                fills(F::EVENT_TYPE, "`info`, and what the record type and the operation add (table below)", ""),
                fills(F::EVENT_ACTION, "renamed for some operations (table below)", ""),
            ],
        ),
        copied(F::HOST_ID, &["OrganizationId"]).lower_case().step(),
        moved(F::ORGANIZATION_ID, &["OrganizationId"]).lower_case().step(),
        function(
            organization_name,
            &[fills(F::ORGANIZATION_NAME, "the tenant's `domain` of the configuration", "the tenant has a domain")],
        ),
        copied(F::USER_ID, &["UserId"]).step(),
        moved(F::USER_AGENT_ORIGINAL, &["ExtendedProperties.UserAgent", "UserAgent"]).step(),
        copied(F::USER_AGENT_ORIGINAL, &["ExtendedProperties.additionalDetails.User-Agent"]).step(),
        function(
            user_agent,
            &[
                fills(F::USER_AGENT_NAME, "`user_agent.original`, parsed", "the patterns of uap-core know it"),
                fills(F::USER_AGENT_VERSION, "`user_agent.original`, parsed", "the patterns of uap-core know it"),
                fills(F::USER_AGENT_OS_NAME, "`user_agent.original`, parsed", "the patterns of uap-core know it"),
                fills(F::USER_AGENT_OS_VERSION, "`user_agent.original`, parsed", "the patterns of uap-core know it"),
                fills(F::USER_AGENT_OS_FULL, "name and version of the operating system", "both are known"),
            ],
        ),
        function(
            client,
            &[
                fills(
                    F::CLIENT_ADDRESS,
                    "the first of `ClientIPAddress`, `ClientIP`, `ActorIpAddress` (moved)",
                    "it is no name",
                ),
                fills(F::CLIENT_DOMAIN, "the same", "it is a name"),
                fills(F::CLIENT_IP, "the same", "it is an IP address"),
                fills(F::CLIENT_PORT, "the same", "it has a port"),
                fills(F::SOURCE_IP, "`client.ip`", ""),
                fills(F::SOURCE_PORT, "`client.port`", ""),
                fills(F::NETWORK_TYPE, "`ipv4` or `ipv6`, after `client.ip`", ""),
            ],
        ),
        copied(F::FILE_EXTENSION, &["FileExtension"]).step(),
        copied(F::FILE_HASH_SHA1, &["Sha1"]).step(),
        copied(F::FILE_HASH_SHA256, &["Sha256"]).step(),
        copied(F::FILE_PATH, &["FilePath", "TargetFilePath"]).step(),
        copied(F::FILE_SIZE, &["FileSizeBytes", "FileSize"]).integer().step(),
        copied(F::URL_DOMAIN, &["OriginatingDomain"]).step(),
        copied(F::APPLICATION_NAME, &["ApplicationDisplayName"]).step(),
        copied(F::SESSION_ID, &["AppAccessContext.AADSessionId"]).step(),
        copied(F::TOKEN_ID, &["AppAccessContext.UniqueTokenId"]).step(),
        copied(F::DEVICE_ID, &["AppAccessContext.DeviceId", "ExtendedProperties.additionalDetails.DeviceId"]).step(),
    ],
};

/// After the family.
pub(super) const LAST: Family = Family {
    name: "All records, last",
    codes: &[],
    steps: &[
        copied(F::PROCESS_NAME, &["Application"]).step(),
        function(
            split_users,
            &[
                fills(F::USER_EMAIL, "`user.id` with exactly one `@`; replaces an earlier value", ""),
                fills(F::USER_NAME, "the part of `user.id` before the `@`", ""),
                fills(F::USER_DOMAIN, "the part of `user.id` after the `@`", ""),
                fills(F::USER_TARGET_EMAIL, "`user.target.id` with exactly one `@`", ""),
                fills(F::USER_TARGET_NAME, "the part of `user.target.id` before the `@`", ""),
                fills(F::USER_TARGET_DOMAIN, "the part of `user.target.id` after the `@`", ""),
                fills(F::SOURCE_USER_NAME, "the part of `source.user.email` before the `@`", ""),
                fills(F::SOURCE_USER_DOMAIN, "the part of `source.user.email` after the `@`", ""),
                fills(F::DESTINATION_USER_NAME, "the part of `destination.user.email` before the `@`", "there is one"),
                fills(F::DESTINATION_USER_DOMAIN, "the part of `destination.user.email` after the `@`", "there is one"),
            ],
        ),
        copied(F::HOST_NAME, &["DeviceName"]).step(),
        function(host_name, &[fills(F::HOST_NAME, "`organization.name`, else `user.domain`", "")]),
        function(
            host_os,
            &[
                fills(F::HOST_OS_PLATFORM, "`Platform`, in lower case", "it names an operating system"),
                fills(
                    F::HOST_OS_TYPE,
                    "`Platform`: `windows`, `macos`, `ios`, `android`",
                    "it names an operating system",
                ),
            ],
        ),
        function(email::fill, email::FILLS),
        function(
            related,
            &[
                fills(
                    F::RELATED_IP,
                    "`client.ip`, `server.ip`, `SenderIp`, `SenderIP`, `Data.Entities[].SenderIP`",
                    "",
                ),
                fills(F::RELATED_USER, "names, ids and addresses of all users that the record names", ""),
                fills(
                    F::RELATED_HOSTS,
                    "`host.name`, `user.domain`, `user.target.domain`, `url.domain`, `server.domain`, `client.domain`",
                    "",
                ),
                fills(F::RELATED_HASH, "`file.hash.*`", ""),
            ],
        ),
    ],
};

fn time(mapping: &mut Mapping<'_>) {
    mapping.time = mapping.record.creation_time();
}

fn code(mapping: &mut Mapping<'_>) {
    if !mapping.code.is_empty() {
        mapping.fields.set_text(F::EVENT_CODE, mapping.code);
    }
}

fn kind(mapping: &mut Mapping<'_>) {
    let alert = mapping.is_one_of(&["SecurityComplianceAlerts", "ComplianceDLPSharePoint", "ComplianceDLPExchange"]);
    mapping.fields.set_text(F::EVENT_KIND, if alert { "alert" } else { "event" });
}

fn outcome(mapping: &mut Mapping<'_>) {
    let status = mapping.record.text("ResultStatus").unwrap_or_default();
    let failed = ["failed", "failure", "false"].iter().any(|word| status.eq_ignore_ascii_case(word))
        // Power BI's word for it; its `ResultStatus` is `InProgress` or missing.
        || mapping.record.text("IsSuccess").is_some_and(|word| word.eq_ignore_ascii_case("false"));
    mapping.fields.set_text(F::EVENT_OUTCOME, if failed { "failure" } else { "success" });
}

fn severity(mapping: &mut Mapping<'_>) {
    let severity = mapping.record.text("Severity").and_then(|severity| severity_of(&severity));
    mapping.fields.set_some(F::EVENT_SEVERITY, severity.map(Node::Integer));
}

/// The number of a severity.
pub(super) fn severity_of(name: &str) -> Option<i64> {
    let names = ["informational", "low", "medium", "high"];
    let at = names.iter().position(|known| known.eq_ignore_ascii_case(name.trim()))?;
    i64::try_from(at + 1).ok()
}

fn organization_name(mapping: &mut Mapping<'_>) {
    if let Some(domain) = mapping.domain {
        mapping.fields.set_text(F::ORGANIZATION_NAME, domain);
    }
}

fn user_agent(mapping: &mut Mapping<'_>) {
    let Some(agents) = mapping.user_agents else { return };
    let Some(agent) = mapping.fields.text(F::USER_AGENT_ORIGINAL).and_then(|text| agents.parse(&text)) else { return };
    let node = |text: &Option<String>| text.clone().map(Node::text);
    mapping.fields.set_some(F::USER_AGENT_NAME, node(&agent.name));
    mapping.fields.set_some(F::USER_AGENT_VERSION, node(&agent.version));
    mapping.fields.set_some(F::USER_AGENT_OS_NAME, node(&agent.os_name));
    mapping.fields.set_some(F::USER_AGENT_OS_VERSION, node(&agent.os_version));
    if let (Some(name), Some(version)) = (&agent.os_name, &agent.os_version) {
        mapping.fields.set_text(F::USER_AGENT_OS_FULL, format!("{name} {version}"));
    }
}

fn client(mapping: &mut Mapping<'_>) {
    const FROM: [&str; 3] = ["ClientIPAddress", "ClientIP", "ActorIpAddress"];
    let found = FROM.into_iter().find_map(|from| Some((from, mapping.record.string(from)?)));
    let Some((from, text)) = found else { return };
    let client = ClientAddress::parse(&text);
    if client.ip.is_none() && client.domain.is_none() {
        // It stays where it was as well.
        mapping.record.damages.add(from, Damage::InvalidAddress);
    } else {
        mapping.record.set_moved(from);
    }
    let fields = &mut mapping.fields;
    if let Some(network) = client.network_type() {
        fields.set_text(F::NETWORK_TYPE, network);
    }
    fields.set_some(F::CLIENT_DOMAIN, client.domain.map(Node::text));
    fields.set_some(F::CLIENT_ADDRESS, client.address.map(Node::text));
    if let Some(ip) = client.ip {
        let port = client.port.map(|port| Node::Integer(port.into()));
        fields.set_text(F::SOURCE_IP, ip.clone());
        fields.set_text(F::CLIENT_IP, ip);
        fields.set_some(F::SOURCE_PORT, port.clone());
        fields.set_some(F::CLIENT_PORT, port);
    }
}

/// Name and domain of an address with exactly one `@`.
pub(in crate::normalize) fn split_address<'a>(address: &Cow<'a, str>) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
    let parts = |text: &str| {
        let (name, domain) = text.split_once('@')?;
        (!name.is_empty() && !domain.is_empty() && !domain.contains('@')).then_some(name.len())
    };
    let at = parts(address)?;
    Some(match address {
        Cow::Borrowed(address) => (Cow::Borrowed(&address[..at]), Cow::Borrowed(&address[at + 1..])),
        Cow::Owned(address) => (Cow::Owned(address[..at].to_owned()), Cow::Owned(address[at + 1..].to_owned())),
    })
}

fn split_users(mapping: &mut Mapping<'_>) {
    for (from, email, name, domain) in [
        (F::USER_ID, F::USER_EMAIL, F::USER_NAME, F::USER_DOMAIN),
        (F::USER_TARGET_ID, F::USER_TARGET_EMAIL, F::USER_TARGET_NAME, F::USER_TARGET_DOMAIN),
        (F::SOURCE_USER_EMAIL, F::SOURCE_USER_EMAIL, F::SOURCE_USER_NAME, F::SOURCE_USER_DOMAIN),
        (F::DESTINATION_USER_EMAIL, F::DESTINATION_USER_EMAIL, F::DESTINATION_USER_NAME, F::DESTINATION_USER_DOMAIN),
    ] {
        let texts = mapping.fields.texts(from);
        if let [address] = texts.as_slice()
            && let Some((before, after)) = split_address(address)
        {
            if from != email {
                mapping.fields.set_text(email, address.clone());
            }
            mapping.fields.set_text(name, before);
            mapping.fields.set_text(domain, after);
        }
    }
}

fn host_name(mapping: &mut Mapping<'_>) {
    for from in [F::ORGANIZATION_NAME, F::USER_DOMAIN] {
        let name = mapping.fields.get(from).cloned();
        mapping.fields.set_default(F::HOST_NAME, name);
    }
}

fn host_os(mapping: &mut Mapping<'_>) {
    let Some(platform) = mapping.record.text("Platform") else { return };
    let platform = platform.to_lowercase();
    let os = match platform.as_str() {
        "windows" | "win" => "windows",
        "macos" | "mac" => "macos",
        "ios" => "ios",
        "android" => "android",
        "linux" => "linux",
        _ => return,
    };
    mapping.fields.set_text(F::HOST_OS_TYPE, os);
    mapping.fields.set_text(F::HOST_OS_PLATFORM, platform);
}

/// All values that the entities of an alert have under a name.
pub(super) fn entities<'a>(mapping: &mut Mapping<'a>, name: &str) -> Vec<Cow<'a, str>> {
    let Some(Node::List(entities)) = mapping.record.node("Data.flattened.Entities") else { return Vec::new() };
    entities.iter().filter_map(|entity| entity.get(name)).flat_map(texts_of).collect()
}

/// The strings of a list, or the one.
pub(in crate::normalize) fn texts_of<'a>(node: &Node<'a>) -> Vec<Cow<'a, str>> {
    match node {
        Node::List(list) => list.iter().filter_map(scalar_text).collect(),
        node => scalar_text(node).into_iter().collect(),
    }
}

fn related(mapping: &mut Mapping<'_>) {
    related_addresses(mapping);
    related_users(mapping);
    for (list, fields) in [
        (
            F::RELATED_HOSTS,
            &[F::HOST_NAME, F::USER_DOMAIN, F::USER_TARGET_DOMAIN, F::URL_DOMAIN, F::SERVER_DOMAIN, F::CLIENT_DOMAIN][..],
        ),
        (F::RELATED_HASH, &[F::FILE_HASH_SHA1, F::FILE_HASH_SHA256]),
    ] {
        for field in fields {
            let text = mapping.fields.text(*field);
            mapping.fields.append(list, text);
        }
    }
}

fn related_addresses(mapping: &mut Mapping<'_>) {
    let mut addresses: Vec<_> =
        [F::CLIENT_IP, F::SERVER_IP].into_iter().filter_map(|field| mapping.fields.text(field)).collect();
    for sender in ["SenderIp", "SenderIP"] {
        if let Some(address) = mapping.record.text(sender) {
            if is_ip(&address) {
                addresses.push(address);
            } else {
                mapping.record.damages.add(sender, Damage::InvalidAddress);
            }
        }
    }
    addresses.extend(entities(mapping, "SenderIP").into_iter().filter(|address| is_ip(address)));
    mapping.fields.append(F::RELATED_IP, addresses);
}

fn related_users(mapping: &mut Mapping<'_>) {
    for field in [F::USER_NAME, F::USER_TARGET_NAME, F::FILE_OWNER] {
        let text = mapping.fields.text(field);
        mapping.fields.append(F::RELATED_USER, text);
    }
    for key in ["Data.f3u", "Data.suid", "Data.tsd", "Data.trc"] {
        let texts = mapping.record.texts(key);
        mapping.fields.append(F::RELATED_USER, texts);
    }
    let principals = entities(mapping, "Upn");
    mapping.fields.append(F::RELATED_USER, principals);
    for field in [F::USER_ID, F::USER_TARGET_ID, F::USER_TARGET_EMAIL, F::USER_EMAIL] {
        let text = mapping.fields.text(field);
        mapping.fields.append(F::RELATED_USER, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_exactly_one_at_sign() {
        let split = |text: &'static str| split_address(&Cow::Borrowed(text));
        assert_eq!(split("a@b.example"), Some(("a".into(), "b.example".into())));
        for text in ["a", "@b", "a@", "a@b@c", ""] {
            assert_eq!(split(text), None, "{text}");
        }
    }
}
