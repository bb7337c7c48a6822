//! Microsoft Defender and Sentinel: alerts, investigations, simulations, settings.

use super::super::vocabulary::{AREA, Act::*, Area, Subject::*, row};

pub(super) const ALERTS: Area = Area {
    name: "Alerts",
    source: "schema: Security and Compliance Alerts schema; AuditLogRecordType",
    record_types: &["SecurityComplianceAlerts", "MCASAlerts", "WDATPAlerts", "AadRiskDetection", "MSTIC"],
    subject: Alert,
    act: Detect,
    rows: &[
        row(Alert, Detect, &["AlertEntityGenerated", "AlertTriggered", "RiskDetection"]),
        row(Alert, Update, &["AlertStatusChanged", "AlertUpdated"]),
    ],
    ..AREA
};

pub(super) const THREATS: Area = Area {
    name: "Threats that Defender for Office 365 found",
    source: "schema: Microsoft Defender for Office 365 and Threat Investigation and Response schema, Automated investigation and response events",
    record_types: &[
        "ThreatIntelligenceUrl",
        "AirInvestigation",
        "AirManualInvestigation",
        "AirAdminActionInvestigation",
    ],
    subject: Threat,
    act: Detect,
    rows: &[row(Threat, Detect, &["AirInvestigationData", "AlertEntityGenerated", "TIUrlClickData"])],
    ..AREA
};

pub(super) const MAIL_THREATS: Area = Area {
    name: "Threats in mail",
    source: "schema: Email message events",
    record_types: &["ThreatIntelligence"],
    subject: MailItem,
    act: Detect,
    rows: &[row(MailItem, Detect, &["TIMailData"])],
    ..AREA
};

pub(super) const FILE_THREATS: Area = Area {
    name: "Threats in files",
    source: "schema: File events",
    record_types: &["ThreatIntelligenceAtpContent"],
    subject: File,
    act: Detect,
    rows: &[row(File, Detect, &["AtpDetection"])],
    ..AREA
};

pub(super) const SIMULATIONS: Area = Area {
    name: "Attack simulation training",
    source: "schema: Attack Sim schema, Attack Sim Admin schema, User Training schema",
    record_types: &["AttackSim", "AttackSimAdmin", "UserTraining"],
    subject: Content,
    act: Access,
    shared: false,
    rows: &[
        row(
            Content,
            Access,
            &[
                "AttachmentOpened",
                "AttackSimUserTrainingClicked",
                "CampaignReportViewed",
                "CredentialEntered",
                "LinkClicked",
                "MessageRead",
                "MessageReported",
                "OutOfOffice",
                "PermissionGranted",
            ],
        ),
        row(Content, Download, &["CampaignReportDownloaded"]),
        row(
            Content,
            Send,
            &["MessageDelivered", "MessageForwarded", "MessageReplied", "PositiveReinforcementMessageDelivered"],
        ),
        row(Content, Deny, &["MessageFailed"]),
        row(Content, Start, &["CampaignLaunched", "CampaignScheduled"]),
        row(Content, End, &["AutomationCompleted", "CampaignCancelled", "CampaignCompleted"]),
        row(Content, Delete, &["AutomationDeleted", "CampaignDeleted", "MessageDeleted"]),
        row(Content, Create, &["AutomationSubmitted", "TrainingAssigned", "TrainingPreviouslyAssigned"]),
        row(Content, Update, &["SimulationExcluded", "TrainingCompleted", "TrainingNotCompleted", "TrainingUpdated"]),
        row(Content, Enable, &["AutomationTurnOn"]),
        row(Content, Disable, &["AutomationTurnOff"]),
    ],
    ..AREA
};

pub(super) const DEFENDER: Area = Area {
    name: "Defender XDR, Defender for Identity and Endpoint",
    source: "Audit log activities: Microsoft Defender XDR custom detection, incident and suppression rule activities, Microsoft Defender for Endpoint settings, indicator, response and roles activities, Microsoft Defender for Identity activities, Microsoft Defender Experts activities",
    record_types: &[
        "MS365DCustomDetection",
        "MicrosoftDefenderForIdentityAudit",
        "DefenderExpertsforXDRAdmin",
        "DeviceDiscoverySettings",
        "DeviceDiscoverySettingsExclusion",
        "DeviceDiscoverySettingsAuthenticatedScans",
        "WebContentFiltering",
        "NoisyAlertPolicy",
        "USXWorkspaceOnboarding",
    ],
    subject: Setting,
    nouns: &[
        ("role", Role),
        ("permission", Role),
        ("incident", Alert),
        ("machine", Device),
        ("device", Device),
        ("file", File),
    ],
    rows: &[
        row(
            Setting,
            Create,
            &["AddIndicator", "AddSuppressionRule", "CreateSuppressionRule", "CustomDetectionCreated"],
        ),
        row(
            Setting,
            Update,
            &[
                "AdvancedFeaturesChanged",
                "ChangeCustomDetectionRuleStatus",
                "CustomDetectionEdited",
                "EditCustomDetection",
                "EditIndicator",
                "EditSuppressionRule",
                "SetAdvancedFeatures",
            ],
        ),
        row(
            Setting,
            Delete,
            &["CustomDetectionDeleted", "DeleteCustomDetection", "DeleteIndicator", "DeleteSuppressionRule"],
        ),
        row(Setting, Start, &["RunCustomDetection", "CustomDetectionRun"]),
        row(Setting, Enable, &["EnableSuppressionRule"]),
        row(Setting, Disable, &["DisableSuppressionRule"]),
        row(Role, Create, &["AddRole"]),
        row(Role, Update, &["EditRole"]),
        row(Role, Delete, &["DeleteRole"]),
        row(Role, Grant, &["DefenderExpertsAnalystPermissionCreated", "DefenderExpertsAnalystPermissionModified"]),
        row(Device, Disable, &["IsolateDevice", "OffboardDevice", "RestrictAppExecution"]),
        row(Device, Enable, &["ReleaseDeviceFromIsolation", "ReleaseFromIsolation", "RemoveAppRestrictions"]),
        row(Device, Start, &["InitiateAutomatedInvestigation", "RunAntiVirusScan", "RunLiveResponseSession"]),
        row(Device, Access, &["CollectInvestigationPackage", "DownloadOffboardingPkg", "LiveResponseGetFile"]),
        row(File, Delete, &["StopAndQuarantineFile"]),
        row(File, Download, &["DownloadFile"]),
        row(
            Alert,
            Update,
            &[
                "AddCommentToIncident",
                "AddTagsToIncident",
                "AssignUserToIncident",
                "RemoveTagsFromIncident",
                "UnassignUserFromIncident",
                "UpdateIncidentStatus",
            ],
        ),
    ],
    shared: false,
    ..AREA
};

pub(super) const SENTINEL: Area = Area {
    name: "Sentinel",
    source: "Audit log activities: Microsoft Sentinel data lake, KQL, notebook, job, AI tool and graph activities; schema: AuditLogRecordType",
    record_types: &[
        "SentinelNotebookOnLake",
        "SentinelJob",
        "SentinelKQLOnLake",
        "SentinelLakeOnboarding",
        "SentinelLakeDataOnboarding",
        "SentinelAITool",
        "SentinelGraph",
    ],
    subject: Content,
    nouns: &[("tool", App), ("query", Search), ("onboarding", Setting), ("setup", Setting)],
    rows: &[
        row(Search, Query, &["KQLQueryCompleted", "RunKQLQuery"]),
        row(Content, Start, &["JobStarted", "NotebookSessionStarted"]),
        row(Content, End, &["JobFinished", "NotebookSessionStopped"]),
    ],
    ..AREA
};
