//! Detection Finding: alerts, malware in files, links that were clicked, risky sign-ins, investigations.

use std::borrow::Cow;

use super::{
    common::severity_of,
    evidence, file,
    mapping::{Mapping, list, set_enum},
};
use crate::normalize::{
    audit::scalar_text,
    ecs::common::texts_of,
    json::{Node, Object},
    mail_address::addresses,
};

/// Where the records of a type have what a finding has.
#[derive(Debug)]
struct Source {
    code: &'static str,
    uid: &'static [&'static str],
    title: &'static str,
    /// Whether the title is a name of malware.
    malware: bool,
    kind: &'static str,
    description: &'static str,
    url: &'static str,
    severity: &'static str,
    status: &'static str,
}

/// Of what nothing else is known.
const ANY: Source = Source {
    code: "",
    uid: &[],
    title: "",
    malware: false,
    kind: "",
    description: "",
    url: "EventDeepLink",
    severity: "Severity",
    status: "Status",
};

const SOURCES: &[Source] = &[
    Source {
        code: "SecurityComplianceAlerts",
        uid: &["AlertId"],
        title: "Name",
        kind: "Category",
        description: "Comments",
        url: "AlertLinks",
        ..ANY
    },
    Source {
        code: "MCASAlerts",
        uid: &["ObjectId"],
        title: "AlertDisplayName",
        kind: "AlertCategory",
        description: "AlertDescription",
        url: "AlertUri",
        severity: "AlertSeverity",
        status: "ResultStatus",
        ..ANY
    },
    Source {
        code: "AadRiskDetection",
        uid: &["RiskId"],
        title: "RiskEventType",
        kind: "Activity",
        description: "RiskDetail",
        severity: "RiskLevel",
        status: "RiskState",
        ..ANY
    },
    Source {
        code: "ThreatIntelligenceAtpContent",
        title: "FileData.MalwareFamily",
        malware: true,
        kind: "DetectionMethod",
        ..ANY
    },
    Source {
        code: "AirInvestigation",
        uid: &["InvestigationId"],
        title: "InvestigationName",
        kind: "InvestigationType",
        url: "DeepLinkUrl",
        severity: "Data.flattened.Severity",
        ..ANY
    },
    Source { code: "SharePointFileOperation", title: "VirusInfo", malware: true, ..ANY },
    Source { code: "OneDrive", title: "VirusInfo", malware: true, ..ANY },
    ANY,
];

/// An alert may name thousands of things; all stay in the record's rest.
const MAX_EVIDENCES: usize = 64;

/// What the sources call the states of a finding, and `status_id`.
const STATUSES: &[(&str, u8)] = &[
    ("active", 1),
    ("new", 1),
    ("open", 1),
    ("atRisk", 1),
    ("investigating", 2),
    ("inProgress", 2),
    ("running", 2),
    ("pendingAction", 2),
    ("pending action", 2),
    ("confirmedCompromised", 2),
    ("dismissed", 3),
    ("resolved", 4),
    ("remediated", 4),
    ("closed", 4),
    ("confirmedSafe", 4),
];

/// `UrlClickAction` by Microsoft's number and name (schema, 8a539d33), and `disposition_id` with its caption.
const CLICKS: &[(&str, &str, u16, &str)] = &[
    ("2", "Blockpage", 2, "Blocked"),
    ("3", "PendingDetonationPage", 14, "Delayed"),
    ("4", "BlockPageOverride", 1, "Allowed"),
    ("5", "PendingDetonationPageOverride", 1, "Allowed"),
];

pub(super) fn fill(mapping: &mut Mapping<'_>) -> Option<()> {
    let source = SOURCES.iter().find(|source| source.code.is_empty() || source.code == mapping.code).unwrap_or(&ANY);
    // Where a finding has no id of its own, the record is the finding.
    let uid = mapping.take_first(source.uid).or_else(|| mapping.record.keyword("Id"))?;
    let mut info = Object::new();
    info.set("uid", uid);
    // Names of malware go where malware goes as well.
    let title = if source.malware { mapping.record.keyword(source.title) } else { mapping.take(source.title) };
    let operation = mapping.operation.clone();
    let title = title.or_else(|| (!operation.is_empty()).then_some(Node::Text(operation)));
    info.set_some("analytic", analytic(mapping, title.as_ref()));
    if let Some(title) = &title {
        mapping.set("message", title.clone());
    }
    info.set_some("title", title);
    info.set_some("types", list(mapping.take(source.kind)));
    info.set_some("desc", mapping.take(source.description));
    info.set_some("src_url", url(mapping, source.url));
    info.set_some(
        "created_time",
        mapping.take_time(&["DetectedDateTime", "DetectionDate", "ActivityStartTime", "TimeOfClick", "StartTimeUtc"]),
    );
    info.set_some("modified_time", mapping.take_time(&["LastUpdatedDateTime", "LastUpdatedTime", "LastUpdateTimeUtc"]));
    info.set_some("data_sources", list(mapping.take("Source")));
    mapping.set("finding_info", Node::Object(info));
    mapping.set("is_alert", Node::Bool(true));
    mapping.severity = mapping.record.text(source.severity).and_then(|name| severity_of(&name));
    mapping.status = mapping.record.text(source.status).and_then(|name| status_of(&name));
    if mapping.status == Some(4) && mapping.activity == 2 {
        mapping.activity = 3;
    }
    malware(mapping);
    click(mapping);
    evidences(mapping);
    Some(())
}

fn status_of(name: &str) -> Option<u8> {
    STATUSES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.trim())).map(|(_, id)| *id)
}

/// The policy that raised an alert (`objects/analytic.json`).
fn analytic<'a>(mapping: &mut Mapping<'a>, title: Option<&Node<'a>>) -> Option<Node<'a>> {
    let uid = mapping.take("PolicyId")?;
    let mut analytic = Object::new();
    analytic.set("uid", uid);
    analytic.set_some("name", title.cloned());
    set_enum(&mut analytic, "type_id", "type", (1, "Rule"));
    Some(Node::Object(analytic))
}

/// The first of some links; several stay in the record's rest.
fn url<'a>(mapping: &mut Mapping<'a>, from: &str) -> Option<Node<'a>> {
    let mut urls = mapping.record.texts(from);
    if urls.len() == 1 && mapping.is_plain(from) {
        mapping.record.set_moved(from);
    }
    (!urls.is_empty()).then(|| Node::Text(urls.swap_remove(0)))
}

/// The malware that was found (`objects/malware.json`). Its class is only in its name, which is free text.
fn malware(mapping: &mut Mapping<'_>) {
    let Some(name) = mapping.take_first(&["VirusInfo", "FileData.MalwareFamily"]) else { return };
    let mut malware = Object::new();
    malware.set("name", name);
    malware.set_some("provider", mapping.take("VirusVendor"));
    malware.set("classification_ids", Node::List(vec![Node::Integer(0)]));
    mapping.set("malware", Node::List(vec![Node::Object(malware)]));
}

/// What happened to who clicked.
fn click(mapping: &mut Mapping<'_>) {
    let Some(action) = ["UrlClickAction", "URLClickAction"].iter().find_map(|name| mapping.record.text(name)) else {
        return;
    };
    let row = CLICKS.iter().find(|(number, name, ..)| *number == action || name.eq_ignore_ascii_case(&action));
    if let Some((.., id, caption)) = row {
        mapping.set_enum("disposition_id", "disposition", (*id, caption));
        mapping.security_control = true;
    }
}

fn evidences(mapping: &mut Mapping<'_>) {
    let mut found = Vec::new();
    if matches!(mapping.code, "SharePointFileOperation" | "OneDrive") {
        found.extend(evidence::of("file", file::hosted(mapping).map(Node::Object)));
    }
    if let Some(data) = mapping.record.node("FileData") {
        found.extend(evidence::of("file", file::examined(data).map(Node::Object)));
    }
    found.extend(mapping.take_text("Url").and_then(|text| evidence::of("url", Some(evidence::url(text)))));
    // Of these, the user is not the one who acts but the one to whom it happened.
    if matches!(mapping.code, "MCASAlerts" | "AadRiskDetection" | "ThreatIntelligenceUrl") {
        let name = mapping.user.as_ref().and_then(|user| user.get("name")).and_then(scalar_text);
        found.extend(name.and_then(evidence::user));
    }
    for address in mapping.record.texts("ClientIPs") {
        found.extend(evidence::address(&address));
    }
    alert(mapping, &mut found);
    for from in ["Data.flattened.Entities", "Entities"] {
        if let Some(Node::List(list)) = mapping.record.node(from) {
            found.extend(list.iter().filter_map(evidence::of_entity));
        }
    }
    found.truncate(MAX_EVIDENCES);
    evidence::add(&mut mapping.event, found);
}

/// The short keys of `Data` of alerts: who (`f3u`), and a mail's sender (`tsd`), recipients (`trc`), subject and address.
fn alert<'a>(mapping: &mut Mapping<'a>, found: &mut Vec<Node<'a>>) {
    let kind = mapping.record.text("EntityType");
    let is_users =
        kind.is_some_and(|kind| ["user", "recipients"].iter().any(|known| known.eq_ignore_ascii_case(&kind)));
    let about = mapping.record.text("AlertEntityId").filter(|_| is_users);
    let users = about.as_ref().map(|text| addresses(text)).unwrap_or_default();
    if users.len() > 1 {
        found.extend(users.into_iter().map(Cow::Owned).filter_map(evidence::user));
    } else {
        if about.is_some() {
            mapping.record.set_moved("AlertEntityId");
        }
        found.extend(about.or_else(|| mapping.record.text("Data.f3u")).and_then(evidence::user));
    }
    let to = mapping.record.node("Data.trc").map(texts_of).unwrap_or_default();
    let to: Vec<_> = to.iter().flat_map(|text| addresses(text)).map(Cow::Owned).collect();
    let mut text = |name: &str| mapping.record.node(name).and_then(scalar_text);
    let mail = evidence::email(text("Data.tsd").as_ref(), &to, text("Data.ms"), text("Data.imsgid"));
    found.extend(evidence::of("email", mail));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_known_in_any_case() {
        assert_eq!(status_of(" RESOLVED "), Some(4));
        assert_eq!(status_of("atrisk"), Some(1));
        assert_eq!(status_of("succeeded"), None);
    }
}
