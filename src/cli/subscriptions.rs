//! `office365-source subscriptions`

use std::process::ExitCode;

use super::{
    args::{SelectionArgs, SubscriptionsCommand},
    asking::{ask, confirm, failure, unexpected},
    columns::columns,
    exit,
    output::{complain, print},
};
use crate::tenancy::{
    Answer, Answered, ChangeOutcome, ChangedSubscription, Question, SubscriptionChange, SubscriptionEntry, WebhookEntry,
};

/// What is to be known before a subscription is stopped.
const STOPPING: &str = "\
While a subscription is stopped, Microsoft serves none of its content: what has not been fetched yet cannot be fetched, and what \
becomes available until the next start is lost for good. A source that runs and collects the content type starts it again with its \
next passes; to stop for good, take the content type out of content_types and restart the source first.";

pub(super) fn subscriptions(command: SubscriptionsCommand) -> ExitCode {
    match command {
        SubscriptionsCommand::List { selection, json } => {
            let question = Question::Subscriptions { selection: selection.selection() };
            ask(&selection.source, &question, |Answered { answer, .. }| match answer {
                Answer::Subscriptions { subscriptions } => listed(&subscriptions, json),
                _ => unexpected(),
            })
        }
        SubscriptionsCommand::Start { selection, json } => change(&selection, SubscriptionChange::Start, json),
        SubscriptionsCommand::Stop { selection, yes, json } => {
            if !yes {
                complain(&STOPPING);
                if let Err(refused) = confirm(&asked(&selection), "stop the subscriptions") {
                    return refused;
                }
            }
            change(&selection, SubscriptionChange::Stop, json)
        }
    }
}

fn asked(SelectionArgs { tenant, content_types, .. }: &SelectionArgs) -> String {
    let what = match &content_types[..] {
        [] => "all content types that are collected".to_owned(),
        some => some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    match tenant {
        Some(tenant) => format!("Stop the subscriptions of tenant {tenant} to {what}?"),
        None => format!("Stop the subscriptions of all tenants to {what}?"),
    }
}

fn listed(subscriptions: &[SubscriptionEntry], json: bool) -> ExitCode {
    let printed = if json { print_json(&subscriptions) } else { print(&table(subscriptions)) };
    let mut problems = subscriptions.iter().filter_map(|entry| entry.problem.as_deref()).peekable();
    if problems.peek().is_none() {
        return printed;
    }
    problems.for_each(|problem| complain(&problem));
    exit::FAILURE
}

fn change(selection: &SelectionArgs, change: SubscriptionChange, json: bool) -> ExitCode {
    let question = Question::ChangeSubscriptions { change, selection: selection.selection() };
    ask(&selection.source, &question, |Answered { answer, .. }| match answer {
        Answer::SubscriptionsChanged { changes } => {
            let printed = if json { print_json(&changes) } else { print(&changed(change, &changes)) };
            let failed =
                changes.iter().any(|change| matches!(change.outcome, ChangeOutcome::Failed | ChangeOutcome::Impaired));
            if failed { exit::FAILURE } else { printed }
        }
        _ => unexpected(),
    })
}

fn print_json(value: &impl serde::Serialize) -> ExitCode {
    match serde_json::to_string_pretty(value) {
        Ok(text) => print(&text),
        Err(error) => failure(&error),
    }
}

fn table(subscriptions: &[SubscriptionEntry]) -> String {
    let row = |entry: &SubscriptionEntry| {
        let status = match (&entry.status, entry.collected) {
            (None, _) => "unknown".to_owned(),
            (Some(status), true) => status.clone(),
            (Some(status), false) => format!("{status}, not collected"),
        };
        [
            entry.domain.clone().unwrap_or_else(|| entry.tenant.to_string()),
            entry.content_type.map_or_else(|| "-".to_owned(), |content_type| content_type.to_string()),
            status,
            entry.webhook.as_ref().map_or_else(|| "-".to_owned(), webhook),
            entry.last_start.map_or_else(|| "-".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string()),
        ]
    };
    let rows: Vec<_> = subscriptions.iter().map(row).collect();
    columns(["TENANT", "CONTENT TYPE", "STATUS", "WEBHOOK", "LAST STARTED"], &rows)
}

fn webhook(WebhookEntry { address, status, expires }: &WebhookEntry) -> String {
    let address = address.as_deref().unwrap_or("of an unknown address");
    let status = status.as_deref().map_or_else(String::new, |status| format!(" {status}"));
    let expires = expires.map_or_else(String::new, |at| format!(" until {}", at.format("%Y-%m-%d %H:%M:%S UTC")));
    format!("{address}{status}{expires}")
}

fn changed(change: SubscriptionChange, changes: &[ChangedSubscription]) -> String {
    let line = |ChangedSubscription { tenant, content_type, outcome, problem }: &ChangedSubscription| {
        let word = match (outcome, change) {
            (ChangeOutcome::Started, _) => "started",
            (ChangeOutcome::Unchanged, SubscriptionChange::Start) => "enabled already, nothing was changed",
            (ChangeOutcome::Impaired, _) => "enabled, but its webhook is not as it should be",
            (ChangeOutcome::Stopped, _) => "stopped",
            (ChangeOutcome::Unchanged, SubscriptionChange::Stop) => "not enabled, nothing was changed",
            (ChangeOutcome::Failed, SubscriptionChange::Start) => "NOT STARTED",
            (ChangeOutcome::Failed, SubscriptionChange::Stop) => "NOT STOPPED",
        };
        let problem = problem.as_deref().map_or_else(String::new, |problem| format!(": {problem}"));
        format!("{content_type} of tenant {tenant}: {word}{problem}")
    };
    changes.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::content::{ContentType, TenantId};

    fn entry(content_type: ContentType) -> SubscriptionEntry {
        SubscriptionEntry {
            tenant: TenantId(Uuid::from_u128(1)),
            domain: Some("contoso.com".to_owned()),
            content_type: Some(content_type),
            collected: true,
            status: Some("enabled".to_owned()),
            webhook: None,
            last_start: None,
            problem: None,
        }
    }

    #[test]
    fn subscriptions_are_shown_in_columns() {
        let time = DateTime::from_timestamp(1_760_000_000, 0);
        let webhook = WebhookEntry {
            address: Some("https://demo.example.com/".to_owned()),
            status: Some("expired".to_owned()),
            expires: time,
        };
        let rows = [
            SubscriptionEntry { webhook: Some(webhook), last_start: time, ..entry(ContentType::Exchange) },
            SubscriptionEntry { domain: None, collected: false, ..entry(ContentType::Dlp) },
            SubscriptionEntry { content_type: None, status: None, ..entry(ContentType::Dlp) },
        ];
        let table = table(&rows);
        let lines: Vec<Vec<_>> = table
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!(
            lines[1],
            [
                "contoso.com",
                "Audit.Exchange",
                "enabled",
                "https://demo.example.com/ expired until 2025-10-09 08:53:20 UTC",
                "2025-10-09 08:53:20 UTC"
            ]
        );
        let tenant = "00000000-0000-0000-0000-000000000001";
        assert_eq!(lines[2], [tenant, "DLP.All", "enabled, not collected", "-", "-"]);
        assert_eq!(lines[3], ["contoso.com", "-", "unknown", "-", "-"]);
    }

    #[test]
    fn what_became_of_a_subscription_is_one_line() {
        let of = |outcome, problem: Option<&str>| ChangedSubscription {
            tenant: TenantId(Uuid::from_u128(1)),
            content_type: ContentType::Exchange,
            outcome,
            problem: problem.map(str::to_owned),
        };
        let changes = [of(ChangeOutcome::Started, None), of(ChangeOutcome::Failed, Some("too soon"))];
        assert_eq!(
            changed(SubscriptionChange::Start, &changes),
            "Audit.Exchange of tenant 00000000-0000-0000-0000-000000000001: started\n\
             Audit.Exchange of tenant 00000000-0000-0000-0000-000000000001: NOT STARTED: too soon"
        );
    }
}
