//! The event classes of OCSF that records become, as the schema defines them.
//!
//! Source: github.com/ocsf/ocsf-schema, tag 1.6.0: `events/**/*.json` with what they inherit, `objects/*.json`, and the profiles
//! `cloud` and `host`, which apply to every event. The definitions are the same in 1.8.0, but for values that are not used here.

/// The version of OCSF that events are written in. It has all that is needed; events of it are valid in later 1.x too.
pub const OCSF_VERSION: &str = "1.6.0";

/// `activity_id` of what a class has no activity for.
pub(super) const OTHER: u8 = 99;

/// An event class.
#[derive(Debug)]
pub struct Class {
    /// `class_uid`.
    pub uid: u16,
    /// `class_name`.
    pub name: &'static str,
    /// `category_uid`.
    pub category_uid: u8,
    /// `category_name`.
    pub category_name: &'static str,
    /// Its activities, `activity_id` and `activity_name`, but for 0 Unknown and 99 Other, which every class has.
    pub activities: &'static [(u8, &'static str)],
    /// Attributes that it requires beside those of [`BASE`].
    pub required: &'static [&'static str],
    /// At least one of these has to be there, if there are any.
    pub at_least_one: &'static [&'static str],
    /// Whether it has `http_request`.
    pub(super) http_request: bool,
    /// Whether it has `src_endpoint`. Without it, endpoints are evidence.
    pub(super) src_endpoint: bool,
    /// What `status_id` means in it.
    pub(super) statuses: &'static [(u8, &'static str)],
}

impl Class {
    /// The name of an activity; `None` if the class has none of this id.
    pub fn activity_name(&self, id: u8) -> Option<&'static str> {
        match id {
            0 => Some("Unknown"),
            OTHER => Some("Other"),
            id => self.activities.iter().find(|(known, _)| *known == id).map(|(_, name)| *name),
        }
    }
}

/// Attributes that every class requires (`events/base_event.json`), and `cloud`, which the profile of that name requires.
pub const BASE: &[&str] =
    &["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid", "cloud"];

/// `status_id` of most classes.
const OUTCOMES: &[(u8, &str)] = &[(0, "Unknown"), (1, "Success"), (2, "Failure")];

/// `status_id` of findings (`events/findings/finding.json`).
const FINDING_STATUSES: &[(u8, &str)] = &[
    (0, "Unknown"),
    (1, "New"),
    (2, "In Progress"),
    (3, "Suppressed"),
    (4, "Resolved"),
    (5, "Archived"),
    (6, "Deleted"),
];

/// `activity_id` of findings.
const FINDING_ACTIVITIES: &[(u8, &str)] = &[(1, "Create"), (2, "Update"), (3, "Close")];

/// A class of the category Identity & Access Management (`events/iam/`).
const IAM: Class = Class {
    uid: 3000,
    name: "",
    category_uid: 3,
    category_name: "Identity & Access Management",
    activities: &[],
    required: &[],
    at_least_one: &[],
    http_request: true,
    src_endpoint: true,
    statuses: OUTCOMES,
};

/// A class of the category Application Activity (`events/application/`).
const APPLICATION: Class = Class { uid: 6000, category_uid: 6, category_name: "Application Activity", ..IAM };

/// A class of the category Findings (`events/findings/`).
const FINDING: Class = Class {
    uid: 2000,
    category_uid: 2,
    category_name: "Findings",
    activities: FINDING_ACTIVITIES,
    required: &["finding_info"],
    http_request: false,
    statuses: FINDING_STATUSES,
    ..IAM
};

/// `events/findings/detection_finding.json`.
pub static DETECTION_FINDING: Class = Class { uid: 2004, name: "Detection Finding", src_endpoint: false, ..FINDING };

/// `events/findings/data_security_finding.json`.
pub static DATA_SECURITY_FINDING: Class = Class { uid: 2006, name: "Data Security Finding", ..FINDING };

/// `events/iam/account_change.json`.
pub static ACCOUNT_CHANGE: Class = Class {
    uid: 3001,
    name: "Account Change",
    activities: &[
        (1, "Create"),
        (2, "Enable"),
        (3, "Password Change"),
        (4, "Password Reset"),
        (5, "Disable"),
        (6, "Delete"),
        (7, "Attach Policy"),
        (8, "Detach Policy"),
        (9, "Lock"),
        (10, "MFA Factor Enable"),
        (11, "MFA Factor Disable"),
        (12, "Unlock"),
    ],
    required: &["user"],
    ..IAM
};

/// `events/iam/authentication.json`.
pub static AUTHENTICATION: Class = Class {
    uid: 3002,
    name: "Authentication",
    activities: &[
        (1, "Logon"),
        (2, "Logoff"),
        (3, "Authentication Ticket"),
        (4, "Service Ticket Request"),
        (5, "Service Ticket Renew"),
        (6, "Preauth"),
        (7, "Account Switch"),
    ],
    required: &["user"],
    at_least_one: &["service", "dst_endpoint"],
    ..IAM
};

/// `events/iam/entity_management.json`.
pub static ENTITY_MANAGEMENT: Class = Class {
    uid: 3004,
    name: "Entity Management",
    activities: &[
        (1, "Create"),
        (2, "Read"),
        (3, "Update"),
        (4, "Delete"),
        (5, "Move"),
        (6, "Enroll"),
        (7, "Unenroll"),
        (8, "Enable"),
        (9, "Disable"),
        (10, "Activate"),
        (11, "Deactivate"),
        (12, "Suspend"),
        (13, "Resume"),
    ],
    required: &["entity"],
    ..IAM
};

/// `events/iam/user_access.json`.
pub static USER_ACCESS: Class = Class {
    uid: 3005,
    name: "User Access Management",
    activities: &[(1, "Assign Privileges"), (2, "Revoke Privileges")],
    required: &["privileges", "user"],
    ..IAM
};

/// `events/iam/group_management.json`.
pub static GROUP_MANAGEMENT: Class = Class {
    uid: 3006,
    name: "Group Management",
    activities: &[
        (1, "Assign Privileges"),
        (2, "Revoke Privileges"),
        (3, "Add User"),
        (4, "Remove User"),
        (5, "Delete"),
        (6, "Create"),
        (7, "Add Subgroup"),
        (8, "Remove Subgroup"),
    ],
    required: &["group"],
    ..IAM
};

/// `events/network/email_activity.json`.
pub static EMAIL_ACTIVITY: Class = Class {
    uid: 4009,
    name: "Email Activity",
    category_uid: 4,
    category_name: "Network Activity",
    activities: &[(1, "Send"), (2, "Receive"), (3, "Scan"), (4, "Trace"), (5, "MTA Relay")],
    required: &["direction_id", "email"],
    http_request: false,
    ..IAM
};

/// `events/application/web_resources_activity.json`.
pub static WEB_RESOURCES_ACTIVITY: Class = Class {
    uid: 6001,
    name: "Web Resources Activity",
    activities: &[
        (1, "Create"),
        (2, "Read"),
        (3, "Update"),
        (4, "Delete"),
        (5, "Search"),
        (6, "Import"),
        (7, "Export"),
        (8, "Share"),
    ],
    required: &["web_resources"],
    ..APPLICATION
};

/// `events/application/api_activity.json`.
pub static API_ACTIVITY: Class = Class {
    uid: 6003,
    name: "API Activity",
    activities: &[(1, "Create"), (2, "Read"), (3, "Update"), (4, "Delete")],
    required: &["actor", "api", "src_endpoint"],
    ..APPLICATION
};

/// `events/application/file_hosting.json`.
pub static FILE_HOSTING_ACTIVITY: Class = Class {
    uid: 6006,
    name: "File Hosting Activity",
    activities: &[
        (1, "Upload"),
        (2, "Download"),
        (3, "Update"),
        (4, "Delete"),
        (5, "Rename"),
        (6, "Copy"),
        (7, "Move"),
        (8, "Restore"),
        (9, "Preview"),
        (10, "Lock"),
        (11, "Unlock"),
        (12, "Share"),
        (13, "Unshare"),
        (14, "Open"),
        (15, "Sync"),
        (16, "Unsync"),
        (17, "Access Check"),
    ],
    required: &["actor", "file", "src_endpoint"],
    ..APPLICATION
};

/// All classes, by their id.
pub static CLASSES: [&Class; 11] = [
    &DETECTION_FINDING,
    &DATA_SECURITY_FINDING,
    &ACCOUNT_CHANGE,
    &AUTHENTICATION,
    &ENTITY_MANAGEMENT,
    &USER_ACCESS,
    &GROUP_MANAGEMENT,
    &EMAIL_ACTIVITY,
    &WEB_RESOURCES_ACTIVITY,
    &API_ACTIVITY,
    &FILE_HOSTING_ACTIVITY,
];
