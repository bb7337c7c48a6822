//! Viva Engage and the rest of Viva.

use super::super::vocabulary::{AREA, Act::*, Area, Subject::*, row};

const NOUNS: &[(&str, super::Subject)] = &[
    ("file", File),
    ("message", Message),
    ("thread", Message),
    ("group", Group),
    ("community", Group),
    ("user", User),
    ("network", Setting),
    ("setting", Setting),
];

pub(super) const ENGAGE: Area = Area {
    name: "Viva Engage",
    source: "Audit log activities: Viva Engage activities",
    record_types: &["Yammer", "VivaEngageNetworkAssociation", "VivaEngageSegment", "VivaEngageEvents"],
    subject: Message,
    nouns: NOUNS,
    rows: &[
        row(Group, Create, &["GroupCreation"]),
        row(Group, Delete, &["GroupDeletion"]),
        row(Group, Deny, &["CommunityAccessFailure"]),
        row(User, Disable, &["NetworkUserSuspended", "UserSuspension"]),
        row(File, Upload, &["FileCreated"]),
        row(File, Access, &["FileVisited"]),
        row(File, Download, &["FileDownloaded"]),
        row(File, Share, &["FileShared"]),
        row(File, Update, &["FileUpdateDescription"]),
        row(File, Rename, &["FileUpdateName"]),
        row(File, Delete, &["FileDeleted"]),
        row(File, Deny, &["FileAccessFailure"]),
        row(Message, Create, &["MessageCreated", "MessageCreation"]),
        row(Message, Access, &["MessageViewed", "ThreadViewed"]),
        row(Message, Update, &["MarkedMessageChanged", "MessageUpdated"]),
        row(Message, Delete, &["MessageDeleted"]),
        row(Message, Deny, &["MessageAccessFailure", "ThreadAccessFailure"]),
        row(Content, Export, &["DataExport"]),
        row(
            Setting,
            Update,
            &[
                "NetworkConfigurationUpdated",
                "ProcessProfileFields",
                "SoftDeleteSettingsUpdated",
                "SupervisorAdminToggled",
            ],
        ),
        // What the network asks of passwords and addresses.
        row(Directory, Update, &["NetworkSecurityConfigurationUpdated"]),
    ],
    ..AREA
};

pub(super) const GOALS: Area = Area {
    name: "Viva Goals",
    source: "Audit log activities: Viva Goals activities",
    record_types: &["VivaGoals"],
    subject: Task,
    nouns: &[("user", User), ("team", Group), ("settings", Setting), ("policy", Setting), ("dashboard", Report)],
    shared: false,
    rows: &[
        row(Directory, Create, &["Organization created"]),
        row(User, Create, &["User added"]),
        row(User, Disable, &["User deactivated"]),
        row(User, Delete, &["User deleted"]),
        row(SignIn, Start, &["User logged in"]),
        row(Group, Create, &["Team added"]),
        row(Group, Update, &["Team updated"]),
        row(Group, Delete, &["Team deleted"]),
        row(Task, Export, &["Data exported"]),
        row(
            Setting,
            Update,
            &[
                "Goals policy updated",
                "Organisation integrations updated",
                "Organisation settings updated",
                "Organization integrations updated",
                "Organization settings updated",
            ],
        ),
        row(Task, Create, &["OKR or Project created"]),
        row(Task, Update, &["OKR or Project updated"]),
        row(Task, Delete, &["OKR or Project deleted"]),
        row(Report, Create, &["Dashboard created"]),
        row(Report, Update, &["Dashboard updated"]),
        row(Report, Delete, &["Dashboard deleted"]),
    ],
    ..AREA
};

pub(super) const INSIGHTS: Area = Area {
    name: "Viva Insights, personal insights and Briefing email",
    source: "Audit log activities: Microsoft Viva Insights activities, Personal insights activities, Briefing email activities, Report activities",
    record_types: &[
        "WorkplaceAnalytics",
        "MyAnalyticsSettings",
        "CortanaBriefing",
        "CoreReportingSettings",
        "InformationWorkerProtection",
    ],
    subject: Report,
    nouns: &[("setting", Setting), ("settings", Setting)],
    rows: &[
        row(Report, Access, &["AccessedOdataLink", "ViewedExplore"]),
        row(Report, Query, &["ExecutedQuery"]),
        row(Report, End, &["CanceledQuery"]),
        row(Report, Delete, &["DeletedResult"]),
        row(Report, Download, &["DownloadedReport"]),
        row(Report, Upload, &["UploadedOrgData"]),
        row(Setting, Create, &["MeetingExclusionCreated"]),
        row(
            Setting,
            Update,
            &[
                "UpdateUsageReportsPrivacySetting",
                "UpdatedDataAccessSetting",
                "UpdatedOrganizationBriefingSettings",
                "UpdatedOrganizationMyAnalyticsSettings",
                "UpdatedPrivacySetting",
                "UpdatedUserBriefingSettings",
                "UpdatedUserMyAnalyticsSettings",
                "UpdatedUserPrivacySetting",
            ],
        ),
    ],
    ..AREA
};

pub(super) const VIVA: Area = Area {
    name: "Viva Learning, Pulse, Glint, Amplify and access management",
    source: "Audit log activities: Microsoft Viva Learning, Viva Pulse, Viva Glint and Viva access management activities; schema: Viva Glint schema",
    record_types: &[
        "VivaLearning",
        "VivaLearningAdmin",
        "VivaPulseResponse",
        "VivaPulseOrganizer",
        "VivaPulseAdmin",
        "VivaPulseReport",
        "VivaGlintAdvancedConfiguration",
        "VivaGlintPulseProgram",
        "VivaGlintPulseProgramRespondentRate",
        "VivaGlintQuestion",
        "VivaGlintRole",
        "VivaGlintRubicon",
        "VivaGlintSupportAccess",
        "VivaGlintSystem",
        "VivaGlintUser",
        "VivaGlintUserGroup",
        "VivaGlintFeedbackProgram",
        "VivaGlintAgenticCampaign",
        "VivaAmplifyOutlookSensitivityLabel",
        "VfamCreatePolicy",
        "VfamUpdatePolicy",
        "VfamDeletePolicy",
    ],
    subject: Content,
    nouns: &[
        ("policy", Setting),
        ("setting", Setting),
        ("configuration", Setting),
        ("role", Role),
        ("user", User),
        ("report", Report),
        ("survey", Form),
    ],
    rows: &[
        row(Setting, Create, &["VfamCreatePolicy"]),
        row(Setting, Update, &["VfamUpdatePolicy"]),
        row(Setting, Delete, &["VfamDeletePolicy"]),
    ],
    ..AREA
};
