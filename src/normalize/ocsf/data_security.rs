//! Data Security Finding: what data loss prevention found.

use super::{
    common::severity_of,
    file,
    mapping::{Mapping, list, set_enum},
    user,
};
use crate::normalize::{
    audit::{parse_integer, scalar_text},
    ecs::common::texts_of,
    endpoint_dlp::{self, Severity},
    json::{Node, Object},
};

/// What the policies of a match say together.
#[derive(Debug, Default)]
struct Match<'a> {
    policy: Object<'a>,
    rule: Object<'a>,
    rules: Vec<Node<'a>>,
    severity: u8,
    blocks: bool,
}

impl<'a> Match<'a> {
    fn of(policies: &Node<'a>) -> Self {
        let mut found = Self::default();
        for policy in policies.as_list().unwrap_or_default() {
            if found.policy.is_empty() {
                found.policy = named(policy, "PolicyId", "PolicyName");
            }
            for rule in policy.get("Rules").and_then(Node::as_list).unwrap_or_default() {
                found.add(rule);
            }
        }
        found
    }

    fn add(&mut self, rule: &Node<'a>) {
        let named = named(rule, "RuleId", "RuleName");
        self.rules.extend(named.get("name").cloned());
        if self.rule.is_empty() {
            self.rule = named;
        }
        let severity = rule.get("Severity").and_then(scalar_text).and_then(|name| severity_of(&name));
        self.severity = self.severity.max(severity.unwrap_or_default());
        self.blocks |=
            rule.get("Actions").is_some_and(|actions| texts_of(actions).iter().any(|name| name == "BlockAccess"));
    }
}

fn named<'a>(node: &Node<'a>, uid: &str, name: &str) -> Object<'a> {
    let mut object = Object::new();
    object.set_some("uid", node.get(uid).and_then(scalar_text).map(Node::Text));
    object.set_some("name", node.get(name).and_then(scalar_text).map(Node::Text));
    object
}

/// The rest of the record keeps `PolicyDetails`: what was found in the data has no other place.
pub(super) fn fill(mapping: &mut Mapping<'_>) -> Option<()> {
    let uid = mapping.take("IncidentId").or_else(|| mapping.record.keyword("Id"))?;
    let mut found = mapping.record.node("PolicyDetails").map(Match::of).unwrap_or_default();
    if found.policy.is_empty()
        && let Some(info) = mapping.record.node("PolicyMatchInfo")
    {
        found.policy = named(info, "PolicyId", "PolicyName");
        found.rule = named(info, "RuleId", "RuleName");
        found.rules.extend(found.rule.get("name").cloned());
    }
    if mapping.code == endpoint_dlp::CODE {
        endpoint(mapping, &mut found);
    }
    let policy = found.policy.get("name").and_then(scalar_text);
    if let Some(policy) = &policy {
        mapping.set_text("message", format!("{}: {policy}", mapping.operation));
    }
    let title = Node::Text(policy.unwrap_or_else(|| mapping.operation.clone()));
    let mut info = Object::new();
    info.set("uid", uid);
    info.set("title", title);
    if !found.rule.is_empty() {
        let mut analytic = found.rule;
        set_enum(&mut analytic, "type_id", "type", (1, "Rule"));
        info.set("analytic", Node::Object(analytic));
    }
    info.set_some("types", list(found.rules));
    info.set_some("created_time", mapping.take_time(&["EvaluationTime"]));
    mapping.set("finding_info", Node::Object(info));
    data_security(mapping, found.policy);
    disposition(mapping, found.blocks);
    mapping.severity = Some(found.severity);
    mapping.status = Some(match mapping.activity {
        1 => 1,
        3 => 4,
        _ => 0,
    });
    document(mapping);
    mail(mapping);
    Some(())
}

/// What a device reports beside the policy: how far the rule went, and where the file was going.
fn endpoint<'a>(mapping: &mut Mapping<'a>, found: &mut Match<'a>) {
    if found.severity == 0 {
        found.severity = match endpoint_dlp::severity(&mut mapping.record) {
            Severity::Low => 2,
            Severity::Medium => 3,
            Severity::High => 4,
        };
    }
    found.blocks = endpoint_dlp::is_blocked(&mut mapping.record, found.blocks);
    if found.policy.is_empty()
        && let Some(one) = endpoint_dlp::matches(&mut mapping.record).into_iter().next()
    {
        found.policy.set_some("uid", one.policy_id.map(Node::Text));
        found.policy.set_some("name", one.policy_name.map(Node::Text));
        found.rules.extend(one.rule_name.clone().map(Node::Text));
        found.rule.set_some("uid", one.rule_id.map(Node::Text));
        found.rule.set_some("name", one.rule_name.map(Node::Text));
    }
    let Some(target) = endpoint_dlp::target(&mut mapping.record) else { return };
    if target.kind == "Domain" || target.kind == "Network Share" {
        let mut host = Object::new();
        host.set("hostname", Node::text(target.name));
        mapping.set("dst_endpoint", Node::Object(host));
    } else {
        let mut resource = Object::new();
        resource.set("name", Node::text(target.name));
        resource.set_some("uid", target.id.map(Node::text));
        resource.set("type", Node::text(target.kind));
        mapping.set("resources", Node::List(vec![Node::Object(resource)]));
    }
}

/// `objects/data_security.json`.
fn data_security<'a>(mapping: &mut Mapping<'a>, policy: Object<'a>) {
    let mut security = Object::new();
    let (system, state) = match mapping.code {
        "DLPEndpoint" => ((1, "Endpoint"), (3, "Data in-Use")),
        "ComplianceDLPExchange" | "ComplianceDLPExchangeClassification" => {
            ((10, "Application-Level DLP"), (2, "Data in-Transit"))
        }
        _ => ((10, "Application-Level DLP"), (1, "Data at-Rest")),
    };
    set_enum(&mut security, "detection_system_id", "detection_system", system);
    set_enum(&mut security, "data_lifecycle_state_id", "data_lifecycle_state", state);
    if !policy.is_empty() {
        security.set("policy", Node::Object(policy));
    }
    mapping.set("data_security", Node::Object(security));
}

/// Whether access was blocked, or would have been but for a user who gave a reason.
fn disposition(mapping: &mut Mapping<'_>, blocks: bool) {
    let overridden = mapping.activity == 3 || (mapping.activity == 1 && mapping.record.node("ExceptionInfo").is_some());
    let (disposition, action) = match (blocks, overridden) {
        (_, true) => ((1, "Allowed"), (1, "Allowed")),
        (true, false) => ((2, "Blocked"), (2, "Denied")),
        (false, false) => ((15, "Detected"), (3, "Observed")),
    };
    mapping.set_enum("disposition_id", "disposition", disposition);
    mapping.set_enum("action_id", "action", action);
    mapping.set("is_alert", Node::Bool(mapping.activity == 1));
    mapping.security_control = true;
}

/// The document of SharePoint or an endpoint.
fn document(mapping: &mut Mapping<'_>) {
    let document = match mapping.record.node("SharePointMetaData") {
        Some(data) => shared(data),
        None => file::hosted(mapping),
    };
    mapping.set_some("file", document.map(Node::Object));
}

fn shared<'a>(data: &Node<'a>) -> Option<Object<'a>> {
    let text = |name: &str| data.get(name).and_then(scalar_text);
    let url = text("FilePathUrl");
    let mut document = file::named(text("FileName").or_else(|| url.as_ref().and_then(file::last_part))?);
    document.set_some("uri", url.map(Node::Text));
    document.set_some("uid", text("UniqueID").or_else(|| text("UniqueId")).map(Node::Text));
    document.set_some("size", text("FileSize").and_then(|size| parse_integer(&size)).map(Node::Integer));
    document.set_some("owner", user::named(text("FileOwner"), None).map(Node::Object));
    let modified = text("LastModifiedTime").and_then(|time| crate::normalize::time::parse_time(&time));
    document.set_some("modified_time", modified.map(|time| Node::Integer(time.timestamp_millis())));
    Some(document)
}

/// The class has no place for a mail. It is a resource, of which sender and recipients stay in the record's rest.
fn mail(mapping: &mut Mapping<'_>) {
    let Some(data) = mapping.record.node("ExchangeMetaData") else { return };
    let mut resource = Object::new();
    resource.set_some("uid", data.get("MessageID").and_then(scalar_text).map(Node::Text));
    resource.set_some("name", data.get("Subject").and_then(scalar_text).map(Node::Text));
    if !resource.is_empty() {
        resource.set("type", Node::text("Email"));
        mapping.set_some("resources", list([Node::Object(resource)]));
    }
}
