//! Copilot, agents and other AI.

use super::super::vocabulary::{AREA, Act::*, Area, Subject::*, row};

pub(super) const CONVERSATIONS: Area = Area {
    name: "Conversations with AI",
    source: "Audit log activities: Copilot activities; Audit logs for Copilot and AI applications (learn.microsoft.com/purview/audit-copilot)",
    record_types: &[
        "CopilotInteraction",
        "AIAppInteraction",
        "ConnectedAIAppInteraction",
        "TeamCopilotInteraction",
        "OutlookCopilotAutomation",
        "Microsoft365CopilotScheduledPrompt",
        "CopilotForSecurityTrigger",
        "AIInteractionsExport",
        "AIInteractionsSubscription",
        "AIInteractionsChangeNotification",
    ],
    subject: Conversation,
    act: Ask,
    rows: &[
        row(
            Conversation,
            Ask,
            &[
                "AIAppInteraction",
                "AIInvokeAgent",
                "ConnectedAIAppInteraction",
                "CopilotInteraction",
                "OutlookCopilotAutomation",
                "TeamCopilotInteraction",
            ],
        ),
        row(Conversation, Export, &["AIInteractionsExport", "AIInteractionsExported"]),
        row(Conversation, Create, &["CreateScheduledPrompt"]),
    ],
    ..AREA
};

pub(super) const AGENTS: Area = Area {
    name: "Copilot: plug-ins, workspaces, promptbooks, agents, settings",
    source: "Audit log activities: Copilot activities, AI administration activities; schema: AgentAdminActivity, AgentSettingsAdminActivity, AuditLogRecordType",
    record_types: &[
        "CreateCopilotPlugin",
        "UpdateCopilotPlugin",
        "DeleteCopilotPlugin",
        "EnableCopilotPlugin",
        "DisableCopilotPlugin",
        "CreateCopilotWorkspace",
        "UpdateCopilotWorkspace",
        "DeleteCopilotWorkspace",
        "EnableCopilotWorkspace",
        "DisableCopilotWorkspace",
        "CreateCopilotPromptBook",
        "UpdateCopilotPromptBook",
        "DeleteCopilotPromptBook",
        "EnableCopilotPromptBook",
        "DisableCopilotPromptBook",
        "UpdateCopilotSettings",
        "CopilotAgentManagement",
        "AppAdminActivity",
        "AppSettingsAdminActivity",
        "ApplicationAudit",
        "DragonCopilotAdmin",
    ],
    subject: App,
    nouns: &[("setting", Setting), ("settings", Setting), ("policy", Setting)],
    rows: &[
        row(
            App,
            Create,
            &[
                "CreateCopilotPlugin",
                "CreateCopilotPromptBook",
                "CreateCopilotWorkspace",
                "CreatePlugin",
                "CreatePromptBook",
                "CreateWorkspace",
            ],
        ),
        row(
            App,
            Update,
            &[
                "UpdateCopilotPlugin",
                "UpdateCopilotPromptBook",
                "UpdateCopilotWorkspace",
                "UpdatePlugin",
                "UpdatePromptBook",
                "UpdateWorkspace",
            ],
        ),
        row(
            App,
            Delete,
            &[
                "DeleteCopilotPlugin",
                "DeleteCopilotPromptBook",
                "DeleteCopilotWorkspace",
                "DeletePlugin",
                "DeletePromptBook",
                "DeleteWorkspace",
            ],
        ),
        row(
            App,
            Enable,
            &[
                "EnableCopilotPlugin",
                "EnableCopilotPromptBook",
                "EnableCopilotWorkspace",
                "EnablePlugin",
                "EnablePromptBook",
                "EnableWorkspace",
            ],
        ),
        row(
            App,
            Disable,
            &[
                "DisableCopilotPlugin",
                "DisableCopilotPromptBook",
                "DisableCopilotWorkspace",
                "DisablePlugin",
                "DisablePromptBook",
                "DisableWorkspace",
            ],
        ),
        row(Setting, Update, &["UpdateCopilotSettings", "UpdateTenantCopilotSettings", "UpdateUserCopilotSettings"]),
    ],
    shared: false,
    ..AREA
};
