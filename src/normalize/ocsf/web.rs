//! Web Resources Activity: pages, lists, reports, forms, messages.

use super::{file::last_part, mapping::Mapping};
use crate::normalize::json::{Node, Object};

/// Where the records have names, ids and addresses of resources. The first that there is counts.
const NAMES: &[&str] = &[
    "ReportName",
    "DashboardName",
    "ArtifactName",
    "DatasetName",
    "FormName",
    "ListTitle",
    "FileName",
    "ChannelName",
    "ItemName",
    "WorkSpaceName",
];
const IDS: &[&str] = &[
    "ReportId",
    "DashboardId",
    "ArtifactId",
    "DatasetId",
    "FormId",
    "ListItemUniqueId",
    "ListId",
    "FileId",
    "MessageId",
    "ChatThreadId",
    "ChannelGuid",
    "WorkspaceId",
];
const URLS: &[&str] = &["ReportUrl", "DashboardUrl"];

pub(super) fn fill(mapping: &mut Mapping<'_>) -> Option<()> {
    let object = mapping.object_id();
    let url = mapping.take_first(URLS).or_else(|| {
        let url = object.clone().filter(|object| object.contains("://"))?;
        mapping.record.set_moved("ObjectId");
        Some(Node::Text(url))
    });
    let name = mapping.take_first(NAMES).or_else(|| object.as_ref().and_then(last_part).map(Node::Text));
    let name = name.or_else(|| url.clone());
    let uid = mapping.take_first(IDS).or_else(|| mapping.take_object_id().map(Node::Text));
    let mut resource = Object::new();
    resource.set_some("name", name);
    resource.set_some("uid", uid);
    if resource.is_empty() {
        return None;
    }
    resource.set_some("url_string", url);
    // `ItemType` is the workload's word for what it is.
    resource.set_some("type", mapping.record.keyword("ItemType"));
    let mut resources = vec![Node::Object(resource)];
    for url in mapping.take_texts("MessageURLs") {
        let mut resource = Object::new();
        resource.set("name", Node::Text(url.clone()));
        resource.set("url_string", Node::Text(url));
        resource.set("type", Node::text("Link"));
        resources.push(Node::Object(resource));
    }
    mapping.set("web_resources", Node::List(resources));
    Some(())
}
