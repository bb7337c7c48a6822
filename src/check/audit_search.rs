//! Whether the audit log can be searched: a query of one minute is created, looked at, read and deleted.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{Finding, Outcome, tenants::TenantCheck};
use crate::{
    content::ContentType,
    graph::{GraphClient, GraphError, NewQuery, QueryStatus, RecordsPosition},
    tenancy::TenantEntry,
};

/// Between looks at the query.
const LOOK: Duration = Duration::from_secs(2);

impl TenantCheck<'_> {
    /// Tries everything that searching needs; nothing where it is not configured.
    pub(super) async fn audit_search(&self, tenant: &TenantEntry) -> Vec<Finding> {
        let Some(client) = &self.connection.search else { return Vec::new() };
        let began = Instant::now();
        let mut findings = Vec::new();
        match self.within(client.permissions(tenant.id)).await {
            Ok(Ok(permissions)) => {
                let shown = |content_type: &&ContentType| permissions.show(**content_type);
                let hidden: Vec<_> = self.config.content_types.iter().filter(|of| !shown(of)).collect();
                if !hidden.is_empty() {
                    let names = hidden.iter().map(|content_type| content_type.as_str()).collect::<Vec<_>>().join(", ");
                    let text = format!(
                        "a search shows nothing of {names}, so that their completeness cannot be told; AuditLogsQuery.Read.All of \
                         Microsoft Graph shows everything"
                    );
                    findings.push(self.of_search(tenant, Outcome::note(text)));
                }
            }
            Ok(Err(error)) => return vec![self.failed_search(tenant, &error)],
            Err(silence) => return vec![self.of_search(tenant, silence)],
        }
        findings.push(self.one_query(client, tenant).await.taking(began.elapsed()));
        findings
    }

    async fn one_query(&self, client: &GraphClient, tenant: &TenantEntry) -> Finding {
        let end = client.clock().now() - TimeDelta::days(1);
        let query = NewQuery {
            name: format!("office365-source check {}", Uuid::new_v4()),
            start: end - TimeDelta::minutes(1),
            end,
            record_types: Vec::new(),
        };
        let id = match self.within(client.create_query(tenant.id, &query)).await {
            Ok(Ok(query)) => query.id,
            Ok(Err(error)) => return self.failed_search(tenant, &error),
            Err(silence) => return self.of_search(tenant, silence),
        };
        let deadline = Instant::now() + self.patience;
        let finding = loop {
            match self.within(client.get_query(tenant.id, &id)).await {
                Ok(Ok(query)) => match query.status {
                    QueryStatus::Succeeded => break self.first_page(client, tenant, &id).await,
                    QueryStatus::Failed | QueryStatus::Cancelled => {
                        let text =
                            format!("Microsoft has ended a query of one minute as {:?}; try again later", query.status);
                        break self.of_search(tenant, Outcome::Failed(text));
                    }
                    QueryStatus::NotStarted | QueryStatus::Running | QueryStatus::Unknown => {}
                },
                Ok(Err(error)) => break self.failed_search(tenant, &error),
                Err(silence) => break self.of_search(tenant, silence),
            }
            if Instant::now() + LOOK > deadline {
                let text =
                    "queries are taken; a query of one minute was not finished in time, as is common (--timeout)";
                break self.of_search(tenant, Outcome::ok(text));
            }
            sleep(LOOK).await;
        };
        // One of those that Microsoft keeps for a tenant; it goes by itself some day.
        let _ = self.within(client.delete_query(tenant.id, &id)).await;
        finding
    }

    async fn first_page(&self, client: &GraphClient, tenant: &TenantEntry, id: &str) -> Finding {
        match self.within(client.records(tenant.id, id, &RecordsPosition::Beginning)).await {
            Ok(Ok(page)) => {
                let text =
                    format!("a query of one minute was created, finished and read: {} records", page.records.len());
                self.of_search(tenant, Outcome::ok(text))
            }
            Ok(Err(error)) => self.failed_search(tenant, &error),
            Err(silence) => self.of_search(tenant, silence),
        }
    }

    fn failed_search(&self, tenant: &TenantEntry, error: &GraphError) -> Finding {
        self.of_search(tenant, Outcome::failed(format_args!("{}: {}", error.operation, error.failure)))
    }

    fn of_search(&self, tenant: &TenantEntry, outcome: Outcome) -> Finding {
        self.finding(tenant, "audit search", outcome)
    }
}
