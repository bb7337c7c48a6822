//! Exchange: items of mailboxes, mail that Defender examines, quarantine, the portal of encrypted messages.

use super::super::vocabulary::{AREA, Act::*, Area, Subject::*, row};

const NOUNS: &[(&str, super::Subject)] = &[
    ("rule", Mailbox),
    ("permission", Mailbox),
    ("delegation", Mailbox),
    ("folder", Mailbox),
    ("mailbox", Mailbox),
    ("search", Search),
];

pub(super) const MAILBOXES: Area = Area {
    name: "Mailboxes",
    source: "Audit log activities: Exchange mailbox activities; Manage mailbox auditing: Mailbox actions",
    record_types: &["ExchangeItem", "ExchangeItemGroup"],
    subject: MailItem,
    nouns: NOUNS,
    shared: false,
    rows: &[
        row(
            MailItem,
            Access,
            &["AttachmentAccess", "FolderBind", "MailItemsAccessed", "MessageBind", "MessageReadReceiptReceived"],
        ),
        row(MailItem, Create, &["Create"]),
        row(MailItem, Update, &["ApplyPriorityCleanup", "ApplyRecord", "ApplyRecordLabel", "Update"]),
        row(MailItem, Copy, &["Copy"]),
        row(MailItem, Move, &["Move", "MoveToFolder"]),
        row(
            MailItem,
            Delete,
            &[
                "HardDelete",
                "MoveToDeletedItems",
                "PriorityCleanupDelete",
                "PurgedMessages",
                "RecordDelete",
                "SoftDelete",
            ],
        ),
        row(MailItem, Restore, &["RecoverDeletedMessages"]),
        row(MailItem, Send, &["Send", "SendAs", "SendOnBehalf"]),
        row(Search, Query, &["SearchQueryInitiated", "SearchQueryInitiatedExchange"]),
        row(Mailbox, Update, &["UpdateComplianceTag", "UpdateInboxRules"]),
        row(
            Mailbox,
            Grant,
            &["AddFolderPermissions", "ModifyFolderPermissions", "UpdateCalendarDelegation", "UpdateFolderPermissions"],
        ),
        row(Mailbox, Revoke, &["RemoveFolderPermissions"]),
        row(SignIn, Start, &["MailboxLogin"]),
    ],
    ..AREA
};

/// What is sent together: many accesses of one mailbox, or many of its searches.
pub(super) const AGGREGATED: Area = Area {
    name: "Mailboxes, aggregated",
    source: "schema: ExchangeAggregatedMailboxAuditRecord, ExchangeAggregatedOperationRecord",
    record_types: &["ExchangeItemAggregated", "ExchangeAggregatedOperation"],
    subject: MailItem,
    act: Access,
    nouns: NOUNS,
    rows: &[row(MailItem, Access, &["AttachmentAccess", "MailItemsAccessed"])],
    ..AREA
};

pub(super) const SEARCHES: Area = Area {
    name: "Searches of mailboxes",
    source: "Audit log activities: Exchange mailbox activities; Audit (Premium): SearchQueryInitiatedExchange",
    record_types: &["ExchangeSearch"],
    subject: Search,
    act: Query,
    rows: &[row(Search, Query, &["SearchQueryInitiated", "SearchQueryInitiatedExchange", "SearchQueryPerformed"])],
    ..AREA
};

pub(super) const MAIL: Area = Area {
    name: "Mail: quarantine, submissions, encrypted messages",
    source: "Audit log activities: Quarantine activities, Encrypted message portal activities; schema: Submission schema, Hygiene events schema; OMEPortal",
    record_types: &[
        "Quarantine",
        "MailSubmission",
        "OMEPortal",
        "HygieneEvent",
        "Campaign",
        "FilteringMailMetadataExtended",
    ],
    subject: MailItem,
    nouns: &[("policy", Setting), ("setting", Setting)],
    rows: &[
        row(MailItem, Delete, &["QuarantineDelete", "QuarantineDeleteMessage"]),
        row(MailItem, Export, &["QuarantineExport", "QuarantineExportMessage"]),
        row(MailItem, Preview, &["QuarantinePreview", "QuarantinePreviewMessage"]),
        row(MailItem, Allow, &["QuarantineRelease", "QuarantineReleaseMessage", "QuarantineApproveReleaseRequest"]),
        row(MailItem, Deny, &["QuarantineDenyReleaseRequest", "QuarantineReleaseRequestDeny", "QuarantineBlockSender"]),
        row(MailItem, Request, &["QuarantineReleaseRequest", "QuarantineRequestReleaseMessage"]),
        row(MailItem, Access, &["QuarantineViewHeader", "AttachmentReview", "MessageAccess"]),
        row(MailItem, Download, &["AttachmentDownload"]),
        row(MailItem, Send, &["MessageForward", "MessageReply"]),
        row(SignIn, Start, &["AuthenticateRequest", "AuthenticationRequest"]),
        row(
            MailItem,
            Request,
            &[
                "AdminSubmission",
                "AdminSubmissionDeliveryCheck",
                "AdminSubmissionRegistered",
                "AdminSubmissionSubmitted",
                "AdminSubmissionSubmitting",
                "AdminSubmissionTimeout",
                "AdminSubmissionTriage",
                "AttackSimUserSubmission",
                "CustomSubmission",
                "SubmissionNotification",
                "UserSubmission",
                "UserSubmissionTriage",
            ],
        ),
        row(Setting, Create, &["AdminSubmissionTablAllow"]),
    ],
    ..AREA
};
