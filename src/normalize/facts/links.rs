//! Sharing links of SharePoint and OneDrive.
//!
//! Source of the operations: "Audit log activities: Sharing and access request activities". Links of the newer operations
//! `SharingLink…` name no kind there and are left out.

use super::{item, user};
use crate::normalize::audit::Audit;

/// Whom a link lets in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LinkKind {
    /// Anybody who has it.
    Anonymous,
    /// Everybody of the organisation who has it.
    Company,
    /// Named people.
    Secure,
}

/// What was done with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LinkAct {
    /// It was made.
    Made,
    /// Something was opened with it.
    Used,
    /// It was changed; also whom it lets in.
    Changed,
    /// It was removed.
    Removed,
}

/// Something about a link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct LinkFact {
    /// Whom it lets in.
    pub(crate) kind: LinkKind,
    /// What was done with it.
    pub(crate) act: LinkAct,
    /// What it leads to.
    pub(crate) item: Option<String>,
    /// Who did it.
    pub(crate) user: Option<String>,
}

const OPERATIONS: &[(&str, LinkKind, LinkAct)] = &[
    ("AnonymousLinkCreated", LinkKind::Anonymous, LinkAct::Made),
    ("AnonymousLinkUsed", LinkKind::Anonymous, LinkAct::Used),
    ("AnonymousLinkUpdated", LinkKind::Anonymous, LinkAct::Changed),
    ("AnonymousLinkRemoved", LinkKind::Anonymous, LinkAct::Removed),
    ("CompanyLinkCreated", LinkKind::Company, LinkAct::Made),
    ("CompanyLinkUsed", LinkKind::Company, LinkAct::Used),
    ("CompanyLinkUpdated", LinkKind::Company, LinkAct::Changed),
    ("CompanyLinkRemoved", LinkKind::Company, LinkAct::Removed),
    ("SecureLinkCreated", LinkKind::Secure, LinkAct::Made),
    ("SecureLinkUsed", LinkKind::Secure, LinkAct::Used),
    ("SecureLinkUpdated", LinkKind::Secure, LinkAct::Changed),
    ("AddedToSecureLink", LinkKind::Secure, LinkAct::Changed),
    ("RemovedFromSecureLink", LinkKind::Secure, LinkAct::Changed),
    ("SecureLinkDeleted", LinkKind::Secure, LinkAct::Removed),
];

/// What an operation does with which kind of link.
pub(super) fn sort(operation: &str) -> Option<(LinkKind, LinkAct)> {
    let (_, kind, act) = OPERATIONS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(operation))?;
    Some((*kind, *act))
}

pub(super) fn read(audit: &mut Audit<'_>, kind: LinkKind, act: LinkAct) -> LinkFact {
    LinkFact { kind, act, item: item(audit), user: user(audit) }
}
