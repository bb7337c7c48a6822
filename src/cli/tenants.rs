//! `office365-source tenants`

use std::process::ExitCode;

use super::{
    args::{SourceArgs, TenantsCommand},
    asking::{ask, confirm, failure, unexpected},
    exit,
    output::{complain, print},
};
use crate::{
    content::TenantId,
    tenancy::{Answer, Answered, Question, Removal, TenantEntry},
};

pub(super) fn tenants(command: TenantsCommand) -> ExitCode {
    match command {
        TenantsCommand::List { source, json } => {
            ask(&source, &Question::List, |Answered { answer, .. }| match answer {
                Answer::Tenants { tenants } if json => match serde_json::to_string_pretty(&tenants) {
                    Ok(text) => print(&text),
                    Err(error) => failure(&error),
                },
                Answer::Tenants { tenants } if tenants.is_empty() => {
                    complain(
                        &"There are no tenants yet; `office365-source register` prints the link with which one is added.",
                    );
                    exit::OK
                }
                Answer::Tenants { tenants } => print(&table(&tenants)),
                _ => unexpected(),
            })
        }
        TenantsCommand::SetDomain { tenant, domain, source } => {
            let done = format!("The events of tenant {tenant} carry the domain {domain} from now on.");
            set_domain(&source, tenant, Some(domain), &done)
        }
        TenantsCommand::UnsetDomain { tenant, source } => {
            let done = format!("The events of tenant {tenant} carry no domain from now on.");
            set_domain(&source, tenant, None, &done)
        }
        TenantsCommand::Remove { tenant, yes, source } => {
            let sure = format!(
                "Remove tenant {tenant}? Its subscriptions are stopped, and what was not delivered yet is dropped."
            );
            if !yes && let Err(refused) = confirm(&sure, "remove the tenant") {
                return refused;
            }
            ask(&source, &Question::Remove { tenant }, |Answered { answer, .. }| match answer {
                Answer::Removed { removal } => print(&removed(tenant, &removal)),
                _ => unexpected(),
            })
        }
    }
}

fn set_domain(source: &SourceArgs, tenant: TenantId, domain: Option<String>, done: &str) -> ExitCode {
    ask(source, &Question::SetDomain { tenant, domain }, |Answered { answer, .. }| match answer {
        Answer::Done => print(done),
        _ => unexpected(),
    })
}

fn removed(tenant: TenantId, Removal { blobs_dropped, still_subscribed }: &Removal) -> String {
    let mut lines = vec![format!(
        "Tenant {tenant} is removed. Content blobs dropped that were not delivered yet: {blobs_dropped}."
    )];
    lines.extend(
        still_subscribed.iter().map(|(content_type, problem)| {
            format!("The subscription of {content_type} could not be stopped: {problem}")
        }),
    );
    if !still_subscribed.is_empty() {
        let text = "Subscriptions that go on may send notifications here, which are turned away. They end when an administrator \
                    of the tenant deletes the enterprise application.";
        lines.push(text.to_owned());
    }
    lines.join("\n")
}

/// One tenant a line, in columns.
fn table(tenants: &[TenantEntry]) -> String {
    let shown = |domain: &Option<String>| domain.clone().unwrap_or_else(|| "-".to_owned());
    let width = tenants.iter().map(|tenant| shown(&tenant.domain).chars().count()).chain([6]).max().unwrap_or_default();
    let mut lines = vec![format!("{:<36}  {:<width$}  {}", "TENANT", "DOMAIN", "FROM")];
    for TenantEntry { id, domain, configured, registered } in tenants {
        let from = match registered {
            _ if *configured => "configuration".to_owned(),
            Some(time) => format!("registered {}", time.format("%Y-%m-%d %H:%M:%S UTC")),
            None => "registered".to_owned(),
        };
        lines.push(format!("{:<36}  {:<width$}  {from}", id.to_string(), shown(domain)));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::content::ContentType;

    #[test]
    fn tenants_are_shown_in_columns() {
        let id = |number| TenantId(Uuid::from_u128(number));
        let tenants = [
            TenantEntry { id: id(1), domain: Some("contoso.com".to_owned()), configured: true, registered: None },
            TenantEntry {
                id: id(2),
                domain: None,
                configured: false,
                registered: DateTime::from_timestamp(1_760_000_000, 0),
            },
        ];
        assert_eq!(
            table(&tenants),
            "TENANT                                DOMAIN       FROM\n\
             00000000-0000-0000-0000-000000000001  contoso.com  configuration\n\
             00000000-0000-0000-0000-000000000002  -            registered 2025-10-09 08:53:20 UTC"
        );
    }

    #[test]
    fn what_could_not_be_stopped_is_told() {
        let tenant = TenantId(Uuid::from_u128(1));
        let gone = Removal { blobs_dropped: 3, still_subscribed: Vec::new() };
        assert!(removed(tenant, &gone).ends_with("not delivered yet: 3."));
        let left = Removal { still_subscribed: vec![(ContentType::Exchange, "no consent".to_owned())], ..gone };
        assert!(
            removed(tenant, &left).contains("\nThe subscription of Audit.Exchange could not be stopped: no consent\n")
        );
    }
}
