//! `event.category` and `event.type`: what was done to what ([`operations`](crate::normalize::operations)), in the words of ECS.
//!
//! Every event begins as `["web"]` and `["info"]`, as content for Elastic's integration expects; the operation adds to that. What no
//! category of a subject has a type for is an `api` call as well. Elastic's integration says more of some operations than the
//! table, and renames some: those rows are added to the rest.

use super::{fields::Field, mapping::Mapping};
use crate::normalize::{
    json::Node,
    operations::{Act, Deed, Subject, by_parameters, look_up},
};

/// What Elastic's integration says of an operation.
pub(super) struct Row {
    /// The record type; any, if empty.
    code: &'static str,
    /// `event.action` as Microsoft names it; any, if empty.
    actions: &'static [&'static str],
    category: &'static [&'static str],
    types: &'static [&'static str],
    /// What `event.action` becomes.
    action: Option<&'static str>,
}

const fn row(
    code: &'static str,
    actions: &'static [&'static str],
    category: &'static [&'static str],
    types: &'static [&'static str],
) -> Row {
    Row { code, actions, category, types, action: None }
}

const fn renamed(code: &'static str, actions: &'static [&'static str], action: &'static str) -> Row {
    Row { code, actions, category: &[], types: &[], action: Some(action) }
}

/// All rows of Elastic's. Each that fits counts.
pub(super) const ROWS: &[Row] = &[
    renamed("AzureActiveDirectory", &["Add user."], "added-user-account"),
    renamed("AzureActiveDirectory", &["Update user."], "modified-user-account"),
    renamed("AzureActiveDirectory", &["Delete user."], "deleted-user-account"),
    renamed("MicrosoftTeams", &["TeamCreated"], "added-group-account-to"),
    renamed("MicrosoftTeams", &["MemberAdded"], "added-users-to-group"),
    renamed("MicrosoftTeams", &["Delete user."], "deleted-user-account"),
    row("", &["ComplianceSettingChanged"], &["configuration"], &[]),
    row("ComplianceDLPSharePoint", &[], &["file"], &["access"]),
    row("ComplianceDLPExchange", &[], &["file"], &["access"]),
    row("ExchangeItem", &[], &["email"], &[]),
    row("Yammer", &["FileUpdateName"], &[], &["creation"]),
    row("Yammer", &["FileShared", "FileUpdateDescription"], &[], &["access"]),
];

/// `Category` of an alert (Microsoft's schema: `AlertCategory`), and what it is about.
pub(super) const ALERT_CATEGORIES: &[(&str, &str)] = &[
    ("AccessGovernance", "authentication"),
    ("DataGovernance", "file"),
    ("DataLossPrevention", "file"),
    ("ThreatManagement", "malware"),
];

/// Fills `event.category`, `event.type` and, for a few, `event.action`.
pub(super) fn categorise(mapping: &mut Mapping<'_>) {
    mapping.fields.append(Field::EVENT_CATEGORY, ["web"]);
    mapping.fields.append(Field::EVENT_TYPE, ["info"]);
    let action = mapping.fields.text(Field::EVENT_ACTION).unwrap_or_default();
    let deed = by_parameters(&mut mapping.record, &action).or_else(|| look_up(mapping.code, &action));
    if let Some(deed) = deed {
        categories(deed).for_each(|category| mapping.fields.append(Field::EVENT_CATEGORY, [category]));
        types(deed).for_each(|kind| mapping.fields.append(Field::EVENT_TYPE, [kind]));
    }
    for row in ROWS.iter().filter(|row| row.fits(mapping.code, &action)) {
        mapping.fields.append(Field::EVENT_CATEGORY, row.category.iter().copied());
        mapping.fields.append(Field::EVENT_TYPE, row.types.iter().copied());
        if let Some(renamed) = row.action {
            // Microsoft's own name stays where it was.
            mapping.record.set("Operation", Node::Text(action.clone()));
            mapping.fields.set_text(Field::EVENT_ACTION, renamed);
        }
    }
}

/// The categories that a deed adds to `web`.
pub(crate) fn categories(deed: Deed) -> impl Iterator<Item = &'static str> {
    let subject = subject_categories(deed);
    let act: &[&str] = match (deed.act, deed.subject) {
        (Act::Detect, Subject::File) => &["malware"],
        (Act::Detect, Subject::MailItem | Subject::Message) => &["intrusion_detection"],
        // Who may do what is a matter of identities, whatever it is that they may do it with.
        (Act::Grant | Act::Revoke | Act::AddMember | Act::RemoveMember, _) if !subject.contains(&"iam") => &["iam"],
        _ => &[],
    };
    let said =
        |kind: &str| kind == "info" || ["web"].iter().chain(subject).chain(act).any(|known| expects(known, kind));
    let api = (!types(deed).all(said)).then_some("api");
    subject.iter().chain(act).copied().chain(api)
}

/// The types that a deed adds to `info`.
pub(crate) fn types(deed: Deed) -> impl Iterator<Item = &'static str> {
    subject_types(deed).iter().chain(act_types(deed)).copied()
}

fn subject_categories(deed: Deed) -> &'static [&'static str] {
    match deed.subject {
        // To use an app is no change of it.
        Subject::App if act_types(deed) != ["access"] => &["configuration"],
        Subject::File | Subject::Folder | Subject::Sharing | Subject::DataLoss => &["file"],
        Subject::AccessRequest
        | Subject::User
        | Subject::Password
        | Subject::StrongAuthentication
        | Subject::Group
        | Subject::Role
        | Subject::Application
        | Subject::Device => &["iam"],
        Subject::Directory => &["iam", "configuration"],
        Subject::Setting | Subject::Site => &["configuration"],
        Subject::SignIn => &["authentication"],
        Subject::Session => &["authentication", "session"],
        Subject::Host => &["host"],
        Subject::MailItem => &["email"],
        Subject::Mailbox => &["email", "configuration"],
        Subject::Alert | Subject::Threat => &["intrusion_detection"],
        // What ECS has no category for.
        Subject::Page
        | Subject::List
        | Subject::Message
        | Subject::Channel
        | Subject::Meeting
        | Subject::Report
        | Subject::Form
        | Subject::Task
        | Subject::Video
        | Subject::App
        | Subject::Search
        | Subject::Case
        | Subject::Conversation
        | Subject::Content => &[],
    }
}

fn subject_types(deed: Deed) -> &'static [&'static str] {
    match (deed.subject, deed.act) {
        (Subject::Role, Act::Grant | Act::Revoke | Act::Request) => &["admin", "user"],
        (Subject::User | Subject::Password | Subject::StrongAuthentication | Subject::AccessRequest, _) => &["user"],
        (Subject::Group, _) => &["group"],
        (Subject::Role | Subject::Application | Subject::Device | Subject::Directory, _) => &["admin"],
        (_, _) => &[],
    }
}

fn act_types(deed: Deed) -> &'static [&'static str] {
    match (deed.act, deed.subject) {
        // As Elastic's: a sign-in is an access too, and what was found in files was accessed.
        (Act::Start, Subject::SignIn) => &["start", "access"],
        (Act::Detect, Subject::DataLoss) => &["access"],
        // ECS expects nothing but `info` of mail that is sent.
        (Act::Send, Subject::MailItem) | (Act::Detect | Act::Request | Act::Other, _) => &[],
        (Act::Create | Act::Upload | Act::Copy | Act::SyncUpload | Act::Import | Act::Register | Act::Send, _) => {
            &["creation"]
        }
        (Act::Access | Act::Download | Act::Preview | Act::SyncDownload | Act::Query | Act::Export | Act::Ask, _) => {
            &["access"]
        }
        (
            Act::Update
            | Act::Rename
            | Act::Move
            | Act::Restore
            | Act::Lock
            | Act::Unlock
            | Act::Share
            | Act::Unshare
            | Act::Enable
            | Act::Disable
            | Act::AddMember
            | Act::RemoveMember
            | Act::Grant
            | Act::Revoke
            | Act::Reset,
            _,
        ) => &["change"],
        (Act::Delete | Act::Unregister, _) => &["deletion"],
        (Act::Start, _) => &["start"],
        (Act::End, _) => &["end"],
        (Act::Allow, _) => &["allowed"],
        (Act::Deny, _) => &["denied"],
    }
}

/// Whether a category has a type, of those that are used here (ECS 9.4: allowed values of `event.category`).
///
/// ECS expects only `info` for mail. The type of the action is added nevertheless, since no other field has it.
fn expects(category: &str, kind: &str) -> bool {
    let types: &[&str] = match category {
        "web" => &["access"],
        "file" | "configuration" | "email" => &["access", "change", "creation", "deletion"],
        "iam" => &["admin", "change", "creation", "deletion", "group", "user"],
        "authentication" | "session" => &["start", "end"],
        "intrusion_detection" => &["allowed", "denied"],
        "host" => &["access", "change", "end", "start"],
        _ => &[],
    };
    types.contains(&kind)
}

impl Row {
    fn fits(&self, code: &str, action: &str) -> bool {
        (self.code.is_empty() || self.code == code) && (self.actions.is_empty() || self.actions.contains(&action))
    }

    /// The human-readable row: when, category, type, action.
    pub(super) fn columns(&self) -> [String; 4] {
        let code = if self.code.is_empty() { "any".to_owned() } else { format!("`{}`", self.code) };
        let list = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        [
            if self.actions.is_empty() { code } else { format!("{code}: {}", list(self.actions)) },
            list(self.category),
            list(self.types),
            self.action.map(|action| format!("`{action}`")).unwrap_or_default(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::operations::{AREAS, VERBS};

    /// Expected event types, from the allowed values of `event.category` in ECS 9.4 (github.com/elastic/ecs, schemas/event.yml).
    const EXPECTED: &[(&str, &[&str])] = &[
        (
            "api",
            &["access", "admin", "allowed", "change", "creation", "deletion", "denied", "end", "info", "start", "user"],
        ),
        ("authentication", &["start", "end", "info"]),
        ("configuration", &["access", "change", "creation", "deletion", "info"]),
        ("email", &["info"]),
        ("file", &["access", "change", "creation", "deletion", "info"]),
        ("host", &["access", "change", "end", "info", "start"]),
        ("iam", &["admin", "change", "creation", "deletion", "group", "info", "user"]),
        ("intrusion_detection", &["allowed", "denied", "info"]),
        ("malware", &["info"]),
        ("session", &["start", "end", "info"]),
        ("web", &["access", "error", "info"]),
    ];

    /// What this dialect says of mail beyond ECS.
    const MAIL: &[&str] = &["access", "change", "creation", "deletion"];

    fn deeds() -> impl Iterator<Item = Deed> {
        let subjects =
            || AREAS.iter().flat_map(|area| area.rows.iter().map(|row| row.deed.subject).chain([area.subject]));
        AREAS
            .iter()
            .flat_map(|area| area.rows.iter().map(|row| row.deed))
            .chain(subjects().flat_map(|subject| VERBS.iter().map(move |verb| Deed { subject, act: verb.act })))
    }

    #[test]
    fn ecs_expects_each_type_of_a_category_of_the_event() {
        for deed in deeds() {
            let categories: Vec<_> = ["web"].into_iter().chain(categories(deed)).collect();
            for kind in types(deed) {
                let expected = categories.iter().any(|category| {
                    let types = EXPECTED.iter().find(|(known, _)| known == category).map(|(_, types)| *types);
                    types.unwrap_or_else(|| panic!("{category} is no category")).contains(&kind)
                        || (*category == "email" && MAIL.contains(&kind))
                });
                assert!(expected, "{deed:?}: {kind} of {categories:?}");
            }
        }
    }

    #[test]
    fn nothing_is_said_twice() {
        for deed in deeds() {
            let all: Vec<_> = categories(deed).chain(types(deed)).collect();
            for (at, word) in all.iter().enumerate() {
                assert!(!all[..at].contains(word), "{deed:?}: {all:?}");
            }
        }
    }
}
