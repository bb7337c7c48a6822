//! `office365-source tenants`

use std::{
    io::{self, BufRead, IsTerminal, Write},
    process::ExitCode,
};

use tokio::runtime::Builder;

use super::{
    args::{SourceArgs, TenantsCommand},
    exit,
    output::{complain, print},
};
use crate::{
    content::TenantId,
    secrets,
    tenancy::{Answer, Answered, ConfiguredSource, Question, Removal, TenantEntry, ask_source},
};

pub(super) fn tenants(command: TenantsCommand) -> ExitCode {
    match command {
        TenantsCommand::List { source, json } => ask(&source, &Question::List, |answer| match answer {
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
        }),
        TenantsCommand::SetDomain { tenant, domain, source } => {
            let done = format!("The events of tenant {tenant} carry the domain {domain} from now on.");
            set_domain(&source, tenant, Some(domain), &done)
        }
        TenantsCommand::UnsetDomain { tenant, source } => {
            let done = format!("The events of tenant {tenant} carry no domain from now on.");
            set_domain(&source, tenant, None, &done)
        }
        TenantsCommand::Remove { tenant, yes, source } => {
            if !yes && let Err(refused) = confirm(tenant) {
                return refused;
            }
            ask(&source, &Question::Remove { tenant }, |answer| match answer {
                Answer::Removed { removal } => print(&removed(tenant, &removal)),
                _ => unexpected(),
            })
        }
    }
}

fn set_domain(source: &SourceArgs, tenant: TenantId, domain: Option<String>, done: &str) -> ExitCode {
    ask(source, &Question::SetDomain { tenant, domain }, |answer| match answer {
        Answer::Done => print(done),
        _ => unexpected(),
    })
}

/// Asks the source that is meant, and shows its answer unless it refuses.
fn ask(args: &SourceArgs, question: &Question, show: impl FnOnce(Answer) -> ExitCode) -> ExitCode {
    let topology = match secrets::load(&args.config.config) {
        Ok(topology) => topology,
        Err(errors) => {
            complain(&errors);
            return exit::usage();
        }
    };
    let source = match ConfiguredSource::choose(&topology, args.source.as_deref()) {
        Ok(source) => source,
        Err(error) => {
            complain(&error);
            return exit::usage();
        }
    };
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure(&error),
    };
    match runtime.block_on(ask_source(source, question)) {
        Ok(Answered { answer: Answer::Refused { problem }, .. }) => failure(&problem),
        Ok(Answered { answer, .. }) => show(answer),
        Err(error) => failure(&error),
    }
}

fn failure(problem: &dyn std::fmt::Display) -> ExitCode {
    complain(problem);
    exit::FAILURE
}

/// A source of another version may answer what this one does not expect.
fn unexpected() -> ExitCode {
    failure(&"The running source answered something else than was asked; use the program of the same version.")
}

/// Asks the person at the terminal.
fn confirm(tenant: TenantId) -> Result<(), ExitCode> {
    if !io::stdin().is_terminal() {
        complain(&"The standard input is no terminal, so that nobody can be asked; write --yes to remove the tenant.");
        return Err(exit::usage());
    }
    let mut err = io::stderr();
    let _ = write!(
        err,
        "Remove tenant {tenant}? Its subscriptions are stopped, and what was not delivered yet is dropped. [y/N] "
    );
    let _ = err.flush();
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(_) if matches!(line.trim(), "y" | "Y" | "yes") => Ok(()),
        Ok(_) => {
            complain(&"Nothing was changed.");
            Err(exit::FAILURE)
        }
        Err(error) => Err(failure(&error)),
    }
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
