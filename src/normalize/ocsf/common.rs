//! What all classes have in common.

use std::{borrow::Cow, collections::HashSet};

use super::{
    classes::{API_ACTIVITY, AUTHENTICATION, Class, OCSF_VERSION, OTHER},
    endpoint, evidence,
    mapping::{Mapping, list, set_enum, some},
    user,
};
use crate::normalize::{
    Context,
    audit::scalar_text,
    conversation::member_text,
    forwarding,
    json::{Node, Object},
    mail_items,
    named_users::{named_users, principal},
    outcome::{Outcome, logon_error, outcome as outcome_of},
    user_id::UserId,
};

/// `severity_id` and its caption, by `Severity` of the record.
const SEVERITIES: &[(&str, u8)] = &[
    ("unknown", 0),
    ("informational", 1),
    ("information", 1),
    ("low", 2),
    ("medium", 3),
    ("high", 4),
    ("critical", 5),
];

/// Captions of `severity_id`.
const SEVERITY_NAMES: &[&str] = &["Unknown", "Informational", "Low", "Medium", "High", "Critical"];

/// Words of `ResultStatus` that say no more than `status_id` does.
const SUCCEEDED: [&str; 3] = ["succeeded", "success", "true"];
const FAILED: [&str; 3] = ["failed", "failure", "false"];

/// Fills what every event has.
pub(super) fn fill(mapping: &mut Mapping<'_>, context: &Context<'_>) {
    let class = mapping.class;
    let workload = mapping.take("Workload");
    place_endpoints(mapping);
    others(mapping);
    let actor = actor(mapping);
    if class.uid == AUTHENTICATION.uid {
        mapping.set_some("session", actor.get("session").cloned());
    }
    mapping.set("actor", Node::Object(actor));
    api(mapping, workload.clone());
    if class.uid == API_ACTIVITY.uid {
        resources(mapping);
    }
    outcome(mapping);
    severity(mapping);
    message(mapping);
    classification(mapping);
    mapping.set("time", Node::Integer(mapping.time.timestamp_millis()));
    let tenant = mapping.record.text("OrganizationId").map(|id| id.to_lowercase());
    if tenant.is_some() {
        mapping.record.set_moved("OrganizationId");
    }
    cloud(mapping, tenant.as_deref(), context);
    metadata(mapping, workload, tenant, context);
}

/// Names of the class and the activity.
fn classification(mapping: &mut Mapping<'_>) {
    let (class, activity): (&'static Class, u8) = (mapping.class, mapping.activity);
    let name = class.activity_name(activity).unwrap_or_default();
    mapping.set("activity_id", Node::Integer(activity.into()));
    if activity == OTHER && !mapping.operation.is_empty() {
        let operation = mapping.operation.clone();
        mapping.set("activity_name", Node::Text(operation));
    } else {
        mapping.set_text("activity_name", name);
    }
    set_enum(&mut mapping.event, "category_uid", "category_name", (class.category_uid.into(), class.category_name));
    set_enum(&mut mapping.event, "class_uid", "class_name", (class.uid, class.name));
    mapping.set("type_uid", Node::Integer(i64::from(class.uid) * 100 + i64::from(activity)));
    mapping.set_text("type_name", format!("{}: {name}", class.name));
}

/// Endpoints, device and request, where the class has a place for them.
fn place_endpoints(mapping: &mut Mapping<'_>) {
    let class = mapping.class;
    let source = match mapping.event.get("src_endpoint") {
        Some(_) => None,
        None => endpoint::source(mapping),
    };
    if class.src_endpoint {
        let required = class.required.contains(&"src_endpoint");
        let source = source.or_else(|| required.then(endpoint::unknown));
        mapping.set_some("src_endpoint", source);
        let destination = (class.category_uid != 3).then(|| endpoint::destination(mapping)).flatten();
        // Where a file was going says more than which server did the work.
        if mapping.event.get("dst_endpoint").is_none() {
            mapping.set_some("dst_endpoint", destination);
        }
        if class.http_request {
            let request = endpoint::http_request(mapping);
            mapping.set_some("http_request", request);
        }
    } else {
        let own = source.as_ref().and_then(|source| source.get("ip")).and_then(scalar_text);
        let ips: Vec<_> = mapping.others.ips.iter().filter(|ip| own.as_deref() != Some(ip)).collect();
        let others: Vec<_> = ips.into_iter().filter_map(|ip| evidence::address(ip)).collect();
        evidence::add(&mut mapping.event, others);
        let request = source.is_some().then(|| endpoint::http_request(mapping)).flatten();
        let mut found = Object::new();
        found.set_some("src_endpoint", source);
        // A request alone is no evidence to OCSF.
        found.set_some("http_request", request);
        evidence::add(&mut mapping.event, some(found));
    }
    let device = endpoint::device(mapping);
    mapping.set_some("device", device);
}

/// Whom the record names beside the actor, and where mail is sent on to.
fn others(mapping: &mut Mapping<'_>) {
    let actor = mapping.user.clone().unwrap_or_default();
    let is_actor = |name: &str| {
        ["name", "email_addr"]
            .iter()
            .filter_map(|attribute| actor.get(attribute).and_then(scalar_text))
            .any(|known| known.eq_ignore_ascii_case(name))
    };
    let operation = mapping.operation.clone();
    let mut users = named_users(&mut mapping.record, &operation);
    users.extend(principal(&mut mapping.record, "Target"));
    let mut known = HashSet::new();
    for user in users.iter().filter_map(UserId::parse) {
        if is_actor(&user.id) || user.email.as_deref().is_some_and(is_actor) {
            continue;
        }
        // The bare address first, and what Microsoft has around it.
        for name in user.email.into_iter().chain([user.id]) {
            if known.insert(name.to_lowercase()) {
                mapping.others.users.push(name.into_owned());
            }
        }
    }
    let names = forwarding::names(&mut mapping.record);
    mapping
        .others
        .users
        .extend(names.into_iter().filter(|name| known.insert(name.to_lowercase())).map(Cow::into_owned));
    mapping.others.addresses = forwarding::targets(&mut mapping.record);
}

/// Who did it, in which session, with which application.
fn actor<'a>(mapping: &mut Mapping<'a>) -> Object<'a> {
    let mut actor = Object::new();
    let user = mapping.user.take().unwrap_or_else(user::unknown);
    actor.set("user", Node::Object(user));
    let session =
        mapping.take_first(&["AppAccessContext.AADSessionId", "SessionId"]).or_else(|| endpoint::session(mapping));
    if let Some(uid) = session {
        let mut session = Object::new();
        session.set("uid", uid);
        actor.set("session", Node::Object(session));
    }
    actor.set_some("app_name", mapping.take_first(&["ApplicationDisplayName", "Application", "ClientProcessName"]));
    actor.set_some(
        "app_uid",
        mapping.take_first(&["ApplicationId", "AppAccessContext.ClientAppId", "ClientAppId", "AppIdentity", "AppId"]),
    );
    actor
}

/// The operation, of which service.
fn api<'a>(mapping: &mut Mapping<'a>, workload: Option<Node<'a>>) {
    let mut api = Object::new();
    let operation = if mapping.operation.is_empty() { Cow::Borrowed("Unknown") } else { mapping.operation.clone() };
    api.set("operation", Node::Text(operation));
    if let Some(workload) = workload {
        let mut service = Object::new();
        service.set("name", workload);
        api.set("service", Node::Object(service));
    }
    if let Some(uid) = mapping.take_first(&["RequestId", "ClientRequestId", "IntraSystemId"]) {
        let mut request = Object::new();
        request.set("uid", uid);
        api.set("request", Node::Object(request));
    }
    mapping.set("api", Node::Object(api));
}

/// An act on mails may have been about thousands; all stay in the record's rest.
const MAX_RESOURCES: usize = 256;

/// What API Activity was about: the object, the mailbox, its mails, and whom it concerns beside the actor.
fn resources(mapping: &mut Mapping<'_>) {
    let mut resources = match mapping.event.take("resources") {
        Some(Node::List(list)) => list,
        _ => Vec::new(),
    };
    if let Some(name) = mapping.take_object_id() {
        let mut resource = Object::new();
        resource.set("name", Node::Text(name));
        resources.push(Node::Object(resource));
    }
    resources.extend(agent(mapping));
    let mut mailbox = Object::new();
    mailbox.set_some("uid", mapping.take("MailboxGuid"));
    mailbox.set_some("name", mapping.take("MailboxOwnerUPN"));
    if !mailbox.is_empty() {
        mailbox.set("type", Node::text("Mailbox"));
        resources.push(Node::Object(mailbox));
    }
    mail_items::for_each(&mut mapping.record, |item| {
        let text = |name: &str| item.get(name).and_then(scalar_text).map(Node::Text);
        let mut mail = Object::new();
        mail.set_some("uid", text("InternetMessageId"));
        mail.set_some("name", text("Subject"));
        if !mail.is_empty() && resources.len() < MAX_RESOURCES {
            mail.set("type", Node::text("Email"));
            resources.push(Node::Object(mail));
        }
    });
    for (names, kind) in [(&mapping.others.users, "User"), (&mapping.others.addresses, "Forwarding Address")] {
        let room = MAX_RESOURCES.saturating_sub(resources.len());
        resources.extend(names.iter().take(room).map(|name| {
            let mut resource = Object::new();
            resource.set("name", Node::text(name.clone()));
            resource.set("type", Node::text(kind));
            Node::Object(resource)
        }));
    }
    mapping.set_some("resources", list(resources));
}

/// The agent that was talked to, or that an administrator changed.
fn agent<'a>(mapping: &mut Mapping<'a>) -> Option<Node<'a>> {
    let mut agent = Object::new();
    agent.set_some("name", member_text(&mut mapping.record, &["AgentName"]).map(Node::Text));
    agent.set_some("uid", member_text(&mut mapping.record, &["AgentId", "AgentID"]).map(Node::Text));
    if agent.is_empty() {
        return None;
    }
    agent.set("type", Node::text("Agent"));
    Some(Node::Object(agent))
}

/// How it ended.
fn outcome(mapping: &mut Mapping<'_>) {
    let class = mapping.class;
    // Before anything is taken that it hangs on.
    let outcome = outcome_of(&mut mapping.record, mapping.code, &mapping.operation);
    let error = logon_error(&mut mapping.record);
    if error.is_some() {
        mapping.record.set_moved("LogonError");
    }
    let detail = error.map(Node::Text).or_else(|| mapping.take("ExtendedProperties.ResultStatusDetail"));
    let mut status = mapping.status;
    let mut result = None;
    if class.category_uid != 2 {
        status = status.or(Some(match outcome {
            Outcome::Unknown => 0,
            Outcome::Success => 1,
            Outcome::Failure => 2,
        }));
        // What the status says as well is written once.
        let says_more = mapping.record.text("ResultStatus").is_some_and(|text| {
            ![SUCCEEDED, FAILED].concat().iter().any(|word| word.eq_ignore_ascii_case(text.trim()))
        });
        if says_more && detail.is_none() {
            result = mapping.take("ResultStatus");
        }
    }
    let status = status.unwrap_or_default();
    let name = class.statuses.iter().find(|(known, _)| *known == status).map_or("Unknown", |(_, name)| name);
    mapping.set_enum("status_id", "status", (status.into(), name));
    mapping.set_some("status_detail", detail.or(result));
    let code = mapping.take_first(&["ErrorNumber", "LoginStatus", "ErrorCode"]);
    mapping.set_some("status_code", code);
}

/// How bad it is. What is no finding is informational.
fn severity(mapping: &mut Mapping<'_>) {
    let named = mapping.record.text("Severity").and_then(|name| severity_of(&name));
    if named.is_some() {
        mapping.record.set_moved("Severity");
    }
    let default = u8::from(mapping.class.category_uid != 2);
    let severity = mapping.severity.or(named).unwrap_or(default);
    let name = SEVERITY_NAMES.get(usize::from(severity)).copied().unwrap_or("Unknown");
    mapping.set_enum("severity_id", "severity", (severity.into(), name));
}

/// `severity_id` of a name.
pub(super) fn severity_of(name: &str) -> Option<u8> {
    let name = name.trim();
    SEVERITIES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, id)| *id)
}

/// A human-readable sentence, unless the class has a better one.
fn message(mapping: &mut Mapping<'_>) {
    if mapping.event.get("message").is_some() || mapping.operation.is_empty() {
        return;
    }
    let user = mapping.event.get("actor").and_then(|actor| actor.get("user.name")).and_then(scalar_text);
    let message = match user {
        Some(user) => format!("{} by {user}", mapping.operation),
        None => mapping.operation.clone().into_owned(),
    };
    mapping.set_text("message", message);
}

/// Whose cloud it is.
fn cloud<'a>(mapping: &mut Mapping<'a>, tenant: Option<&str>, context: &Context<'_>) {
    let mut organization: Object<'a> = Object::new();
    organization.set_some("uid", tenant.map(|tenant| Node::text(tenant.to_owned())));
    let named = context.domain.map(|domain| Node::text(domain.to_owned()));
    let name = named.or_else(|| mapping.take("OrganizationName"));
    organization.set_some("name", name);
    let mut cloud = Object::new();
    cloud.set("provider", Node::text("Microsoft 365"));
    if !organization.is_empty() {
        let mut account = organization.clone();
        set_enum(&mut account, "type_id", "type", (17, "M365 Tenant"));
        cloud.set("account", Node::Object(account));
        cloud.set("org", Node::Object(organization));
    }
    mapping.set("cloud", Node::Object(cloud));
}

/// Where the event came from.
fn metadata<'a>(mapping: &mut Mapping<'a>, workload: Option<Node<'a>>, tenant: Option<String>, context: &Context<'_>) {
    let mut product = Object::new();
    product.set("name", Node::text("Microsoft 365"));
    product.set("vendor_name", Node::text("Microsoft"));
    if let Some(workload) = workload {
        let mut feature = Object::new();
        feature.set("name", workload);
        product.set("feature", Node::Object(feature));
    }
    let mut metadata = Object::new();
    metadata.set("version", Node::text(OCSF_VERSION));
    metadata.set("product", Node::Object(product));
    let profiles = ["cloud", "host"].into_iter().chain(mapping.security_control.then_some("security_control"));
    metadata.set("profiles", Node::List(profiles.map(Node::text).collect()));
    metadata.set_some("uid", mapping.take("Id"));
    if !mapping.operation.is_empty() {
        metadata.set("event_code", Node::Text(mapping.operation.clone()));
    }
    // The name of the record type, by which Microsoft's documentation is ordered.
    metadata.set_some("labels", list((!mapping.code.is_empty()).then(|| Node::text(mapping.code))));
    metadata.set_some("tenant_uid", tenant.map(Node::text));
    metadata.set_some(
        "correlation_uid",
        mapping.take_first(&["CorrelationId", "AppAccessContext.CorrelationId", "InterSystemsId"]),
    );
    let origin = Node::parse(context.content);
    let log = origin.as_ref().and_then(|origin| origin.get("type")).and_then(Node::as_text);
    metadata.set_some("log_name", log.map(|name| Node::text(name.into_owned())));
    metadata.set("log_provider", Node::text("Office 365 Management Activity API"));
    metadata.set_some("original_time", mapping.take("CreationTime"));
    metadata.set_some("logged_time", context.created.map(|time| Node::Integer(time.timestamp_millis())));
    metadata.set("processed_time", Node::Integer(context.ingested.timestamp_millis()));
    mapping.set("metadata", Node::Object(metadata));
}
