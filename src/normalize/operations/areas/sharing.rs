//! SharePoint and OneDrive: who may open what.

use super::{
    super::vocabulary::{AREA, Act::*, Area, Subject::*, row},
    sharepoint::NOUNS,
};

pub(super) const SHARING: Area = Area {
    name: "Sharing and access requests",
    source: "Audit log activities: Sharing and access request activities; schema: SharePointAuditOperation",
    record_types: &["SharePointSharingOperation"],
    subject: Sharing,
    nouns: NOUNS,
    rows: &[
        row(
            Sharing,
            Share,
            &[
                "AccessInvitationCreated",
                "AddedToSecureLink",
                "AddedToSharingLink",
                "AnonymousLinkCreated",
                "CompanyLinkCreated",
                "FileShared",
                "SecureLinkCreated",
                "SharedLinkCreated",
                "SharingInvitationCreated",
                "SharingLinkCreated",
                "SharingSet",
            ],
        ),
        row(
            Sharing,
            Unshare,
            &[
                "AccessInvitationExpired",
                "AccessInvitationRevoked",
                "AnonymousLinkRemoved",
                "CompanyLinkRemoved",
                "RemovedFromSecureLink",
                "RemovedFromSharingLink",
                "SecureLinkDeleted",
                "SharedLinkDisabled",
                "SharingInvitationRevoked",
                "SharingLinkDeleted",
                "SharingRevoked",
            ],
        ),
        row(Sharing, Access, &["AnonymousLinkUsed", "CompanyLinkUsed", "SecureLinkUsed", "SharingLinkUsed"]),
        row(
            Sharing,
            Update,
            &[
                "AccessInvitationUpdated",
                "AnonymousLinkUpdated",
                "CompanyLinkUpdated",
                "SecureLinkUpdated",
                "SharingInheritanceBroken",
                "SharingInheritanceReset",
                "SharingInvitationUpdated",
                "SharingLinkUpdated",
            ],
        ),
        row(Sharing, Allow, &["AccessInvitationAccepted", "SharingInvitationAccepted"]),
        row(Sharing, Deny, &["SharingInvitationBlocked"]),
        row(AccessRequest, Request, &["AccessRequestCreated", "AccessRequestUpdated", "SiteAdminChangeRequest"]),
        row(AccessRequest, Allow, &["AccessRequestAccepted", "AccessRequestApproved"]),
        row(AccessRequest, Deny, &["AccessRequestDenied", "AccessRequestRejected"]),
        row(Group, AddMember, &["AddedToGroup", "UserAddedToGroup"]),
        row(Group, RemoveMember, &["RemovedFromGroup", "UserRemovedFromGroup"]),
    ],
    ..AREA
};
