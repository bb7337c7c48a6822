//! The items of a mailbox that an act on several of them was about.

use super::{
    audit::{Audit, Path, paths},
    json::Node,
};

/// Lists of items: of `ExchangeMailboxAuditGroupRecord`, and of aggregated records such as `MailItemsAccessed`, whose lists have the
/// last two names after [`shape`](super::shape).
const LISTS: &[Path<'static>] =
    &paths(["AffectedItems", "Folders", "Messages", "ExchangeAggregatedFolders", "ExchangeAggregatedMessages"]);

/// What a folder has its items in.
const FOLDER_ITEMS: &str = "FolderItems";

/// Calls `visit` with each item; folders are not visited, but what is in them.
pub(crate) fn for_each<'a>(record: &mut Audit<'a>, mut visit: impl FnMut(&Node<'a>)) {
    for list in LISTS {
        let items = match record.node(list) {
            Some(Node::List(items)) => items.as_slice(),
            Some(item @ Node::Object(_)) => std::slice::from_ref(item),
            _ => &[],
        };
        for item in items {
            match item.get(FOLDER_ITEMS) {
                Some(Node::List(items)) => items.iter().for_each(&mut visit),
                Some(only @ Node::Object(_)) => visit(only),
                _ => visit(item),
            }
        }
    }
}
