//! What all records have in common: first what other steps build on, at the end what sums up the others.

use std::borrow::Cow;

use super::{
    categories::categorise,
    email,
    fields::Field as F,
    geo,
    mapping::Mapping,
    rule::{Family, copied, fills, function, moved},
    users,
};
use crate::normalize::{
    audit::{Path, paths, scalar_text},
    client,
    damage::Damage,
    json::Node,
    network_address::ip_of,
    outcome::{logon_error, outcome as outcome_of},
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
                "`Operation`, `ResultStatus`, `IsSuccess`, and the error of a sign-in (table below)",
                "",
            )],
        ),
        function(reason, &[fills(F::EVENT_REASON, "`LogonError`, unless it says that there is none", "")]),
        function(
            severity,
            &[fills(
                F::EVENT_SEVERITY,
                "`Severity`, in any case: informational 1, low 2, medium 3, high 4, critical 5",
                "",
            )],
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
                    "the first useful one of `ClientIPAddress`, `ClientIP`, `ActorIpAddress`, `UserIp` (moved, unless there is more in it): an IP address before the name of a host, and loopback and unspecified addresses last",
                    "it is no name",
                ),
                fills(F::CLIENT_DOMAIN, "the same", "it is a name with a dot, or `localhost`"),
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
        copied(F::GEN_AI_AGENT_ID, &["AgentId", "AgentID", "CopilotEventData.AgentId"]).step(),
        copied(F::GEN_AI_AGENT_NAME, &["AgentName", "CopilotEventData.AgentName"]).step(),
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
        function(users::split, users::SPLIT),
        copied(F::HOST_NAME, &["DeviceName"]).step(),
        function(host_name, &[fills(F::HOST_NAME, "`organization.name`, else the `user.domain` of an address", "")]),
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
        function(geo::locate, geo::FILLS),
        function(
            related,
            &[
                fills(
                    F::RELATED_IP,
                    "`client.ip`, `server.ip`, `destination.ip`, `SenderIp`, `SenderIP`, `Data.sip`, `ClientIPs`, `SenderIP` and `Address` of `Data.Entities[]`, and all addresses of the members that may name the client",
                    "",
                ),
                fills(F::RELATED_USER, "names, ids and addresses of all users that the record names", ""),
                fills(
                    F::RELATED_HOSTS,
                    "`host.name`, `user.domain`, `user.target.domain`, `url.domain`, `server.domain`, `client.domain`, `destination.domain`",
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
    let outcome = outcome_of(&mut mapping.record, mapping.code, &mapping.operation);
    mapping.fields.set_text(F::EVENT_OUTCOME, outcome.as_str());
}

fn reason(mapping: &mut Mapping<'_>) {
    let error = logon_error(&mut mapping.record);
    mapping.fields.set_some(F::EVENT_REASON, error.map(Node::Text));
}

fn severity(mapping: &mut Mapping<'_>) {
    let severity = mapping.record.text("Severity").and_then(|severity| severity_of(&severity));
    mapping.fields.set_some(F::EVENT_SEVERITY, severity.map(Node::Integer));
}

/// The number of a severity.
pub(super) fn severity_of(name: &str) -> Option<i64> {
    let names = ["informational", "low", "medium", "high", "critical"];
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
    let client = client::take(&mut mapping.record);
    mapping.addresses = client.ips;
    let Some(client) = client.address else { return };
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

fn host_name(mapping: &mut Mapping<'_>) {
    // The domain of a Windows account, such as `NT AUTHORITY`, is no host.
    let domain = mapping.fields.text(F::USER_DOMAIN).filter(|_| mapping.fields.has(F::USER_EMAIL));
    let name = mapping.fields.get(F::ORGANIZATION_NAME).cloned().or(domain.map(Node::Text));
    mapping.fields.set_default(F::HOST_NAME, name);
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
    const LISTS: [Path<'static>; 2] = paths(["Data.flattened.Entities", "Entities"]);
    let mut found = Vec::new();
    for list in LISTS {
        let Some(Node::List(entities)) = mapping.record.node(list) else { continue };
        found.extend(entities.iter().filter_map(|entity| entity.get(name)).flat_map(texts_of));
    }
    found
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
    users::related(mapping);
    for (list, fields) in [
        (
            F::RELATED_HOSTS,
            &[
                F::HOST_NAME,
                F::USER_DOMAIN,
                F::USER_TARGET_DOMAIN,
                F::URL_DOMAIN,
                F::SERVER_DOMAIN,
                F::CLIENT_DOMAIN,
                F::DESTINATION_DOMAIN,
            ][..],
        ),
        (F::RELATED_HASH, &[F::FILE_HASH_SHA1, F::FILE_HASH_SHA256]),
    ] {
        let mut texts: Vec<_> = fields.iter().flat_map(|field| mapping.fields.texts(*field)).collect();
        texts.retain(|text| !text.contains(char::is_whitespace));
        mapping.fields.append(list, texts);
    }
}

/// Members that hold addresses of others than the client: of who sent a mail, and of whom an alert is about.
const OTHER_ADDRESSES: [Path<'static>; 4] = paths(["SenderIp", "SenderIP", ALERT, "ClientIPs"]);
const ALERT: &str = "Data.sip";

/// What entities of alerts have addresses in.
const ENTITY_ADDRESSES: &[&str] = &["SenderIP", "SenderIp", "Address"];

fn related_addresses(mapping: &mut Mapping<'_>) {
    let mut addresses: Vec<Cow<'_, str>> = [F::CLIENT_IP, F::SERVER_IP, F::DESTINATION_IP]
        .into_iter()
        .filter_map(|field| mapping.fields.text(field))
        .collect();
    for member in OTHER_ADDRESSES {
        for text in mapping.record.texts(member) {
            match ip_of(&text).and_then(|address| address.ip) {
                Some(ip) => addresses.push(Cow::Owned(ip)),
                // That of an alert was looked at when its data was read.
                None if member.as_str() != ALERT => mapping.record.damages.add(member.as_str(), Damage::InvalidAddress),
                None => {}
            }
        }
    }
    for name in ENTITY_ADDRESSES {
        let found = entities(mapping, name);
        addresses.extend(found.iter().filter_map(|text| ip_of(text)?.ip).map(Cow::Owned));
    }
    addresses.extend(mapping.addresses.iter().cloned().map(Cow::Owned));
    mapping.fields.append(F::RELATED_IP, addresses);
}
