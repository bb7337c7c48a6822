//! Forms, Sway, Stream, Whiteboard and other makers of content.

use super::super::vocabulary::{AREA, Act::*, Area, Subject::*, row};

pub(super) const FORMS: Area = Area {
    name: "Forms",
    source: "Audit log activities: Microsoft Forms activities",
    record_types: &["MicrosoftForms"],
    subject: Form,
    nouns: &[("settings", Setting)],
    rows: &[
        row(
            Form,
            Create,
            &[
                "AddFormCoauthor",
                "AddSpecificResponder",
                "CollectionCreated",
                "CreateComment",
                "CreateForm",
                "CreateResponse",
                "ProInvitation",
                "SubmitResponse",
            ],
        ),
        row(Form, Access, &["ListForms", "ViewForm", "ViewResponse", "ViewResponses", "ViewRuntimeForm"]),
        row(Form, Preview, &["PreviewForm"]),
        row(
            Form,
            Update,
            &[
                "CollectionUpdated",
                "ConnectToExcelWorkbook",
                "EditForm",
                "UpdateFormSetting",
                "UpdatePhishingStatus",
                "UpdateResponse",
                "UpdateUserPhishingStatus",
                "UpdateUserSetting",
            ],
        ),
        row(
            Form,
            Enable,
            &[
                "AllowAnonymousResponse",
                "EnableSameOrgCollaboration",
                "EnableSpecificCollaboaration",
                "EnableSpecificCollaboration",
                "EnableSpecificResponse",
                "EnableWorkOrSchoolCollaboration",
            ],
        ),
        row(Form, Disable, &["DisableCollaboration", "DisableSpecificResponse", "DisallowAnonymousResponse"]),
        row(Form, Rename, &["CollectionRenamed"]),
        row(Form, Move, &["MoveForm", "MovedFormIntoCollection", "MovedFormOutofCollection"]),
        row(
            Form,
            Delete,
            &[
                "CollectionHardDeleted",
                "CollectionSoftDeleted",
                "DeleteAllResponses",
                "DeleteForm",
                "DeleteResponse",
                "RemoveFormCoauthor",
                "RemoveSpecificResponder",
            ],
        ),
        row(Form, Export, &["ExportForm"]),
        row(Form, Share, &["AllowShareFormForCopy", "GetSummaryLink"]),
        row(Form, Unshare, &["DeleteSummaryLink", "DisallowShareFormForCopy"]),
    ],
    ..AREA
};

pub(super) const SWAY: Area = Area {
    name: "Sway",
    source: "Search the audit log: Sway activities",
    record_types: &["Sway"],
    subject: Content,
    nouns: &[("service", Setting), ("external", Setting)],
    rows: &[
        row(Content, Create, &["SwayCreate"]),
        row(Content, Access, &["SwayView"]),
        row(Content, Update, &["SwayChangeShareLevel", "SwayEdit"]),
        row(Content, Delete, &["SwayDelete"]),
        row(Content, Copy, &["SwayDuplicate"]),
        row(Content, Share, &["SwayShare"]),
        row(Content, Unshare, &["SwayRevokeShare"]),
        row(Content, Enable, &["SwayEnableDuplication"]),
        row(Content, Disable, &["SwayDisableDuplication"]),
        row(Setting, Enable, &["SwayExternalSharingOn", "SwayServiceOn"]),
        row(Setting, Disable, &["SwayExternalSharingOff", "SwayServiceOff"]),
    ],
    ..AREA
};

pub(super) const STREAM: Area = Area {
    name: "Stream",
    source: "Audit Logs in Microsoft Stream: Actions logged in Stream",
    record_types: &["MicrosoftStream"],
    subject: Video,
    nouns: &[("group", Group), ("setting", Setting), ("settings", Setting)],
    rows: &[
        row(Video, Create, &["StreamCreateVideo", "StreamCreateVideoComment", "StreamCreateChannel"]),
        row(
            Video,
            Upload,
            &["StreamInvokeVideoUpload", "StreamInvokeVideoTextTrackUpload", "StreamInvokeVideoThumbnailUpload"],
        ),
        row(Video, Access, &["StreamInvokeVideoView", "StreamInvokeGetTranscript"]),
        row(Video, Download, &["StreamInvokeVideoDownload"]),
        row(
            Video,
            Update,
            &[
                "StreamEditChannel",
                "StreamEditVideo",
                "StreamInvokeChannelSetThumbnail",
                "StreamInvokeChannelThumbnailUpload",
                "StreamInvokeVideoLike",
                "StreamInvokeVideoSetLink",
                "StreamInvokeVideoThumbnailSet",
                "StreamInvokeVideoUnLike",
            ],
        ),
        row(Video, Grant, &["StreamEditVideoPermissions"]),
        row(Video, Share, &["StreamInvokeVideoShare"]),
        row(
            Video,
            Delete,
            &[
                "StreamDeleteChannel",
                "StreamDeleteVideo",
                "StreamDeleteVideoComment",
                "StreamInvokeVideoTextTrackDelete",
            ],
        ),
        row(Group, Create, &["StreamCreateGroup"]),
        row(Group, Update, &["StreamEditGroup", "StreamEditGroupMemberships"]),
        row(Group, Delete, &["StreamDeleteGroup"]),
        row(
            Setting,
            Update,
            &["StreamEditAdminGlobalRoleMembers", "StreamEditAdminTenantSettings", "StreamEditUserSettings"],
        ),
    ],
    ..AREA
};

pub(super) const OTHERS: Area = Area {
    name: "Places, Universal Print, Mesh, Bookings, Whiteboard",
    source: "Audit log activities: Microsoft Places Directory activities, Universal Print activities, Mesh activities, Microsoft Bookings activities, Whiteboard activities; schema: AuditLogRecordType",
    record_types: &[
        "PlacesDirectory",
        "UniversalPrintPrintJob",
        "UniversalPrintManagement",
        "MeshWorlds",
        "PeopleAdminSettings",
        "OfficeNative",
        "OfficeRestrictedModeAction",
    ],
    subject: Content,
    nouns: &[("printer", Device), ("share", Sharing), ("settings", Setting), ("setting", Setting), ("place", Setting)],
    ..AREA
};
