//! Subscriptions as the command line shows, starts and stops them.

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::{Administration, Selection, TenancyError};
use crate::{
    activity::{ListedWebhook, Subscription},
    content::{ContentType, Feed, TenantId},
    discovery::{Standing, WebhookPolicy},
    ledger::LedgerError,
    printable::printable,
};

/// How many requests to Microsoft are made at a time.
const AT_A_TIME: usize = 16;

/// How much of a text that Microsoft sent is shown. Unit: characters.
const LONGEST_TEXT: usize = 300;

/// A subscription as the API reports it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SubscriptionEntry {
    /// Whose.
    pub tenant: TenantId,
    /// The tenant's display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Of what. `None` when nothing could be learnt of the tenant's subscriptions.
    pub content_type: Option<ContentType>,
    /// Whether the configuration names the content type.
    pub collected: bool,
    /// `enabled` or `disabled`, as the API says it; `missing` when it lists none. `None` when it does not say.
    pub status: Option<String>,
    /// The webhook, if it has one.
    pub webhook: Option<WebhookEntry>,
    /// When this source last tried to start it.
    pub last_start: Option<DateTime<Utc>>,
    /// Why nothing could be learnt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A webhook as the API reports it; without its AuthID.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct WebhookEntry {
    /// Where notifications go.
    pub address: Option<String>,
    /// `enabled`, `disabled` or `expired`.
    pub status: Option<String>,
    /// Until when notifications are sent; `None` indefinitely.
    pub expires: Option<DateTime<Utc>>,
}

/// What to do to subscriptions.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionChange {
    /// Start those that are not as they should be.
    Start,
    /// Stop those that are enabled.
    Stop,
}

/// What became of a subscription that was to be changed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ChangedSubscription {
    /// Whose.
    pub tenant: TenantId,
    /// Of what.
    pub content_type: ContentType,
    /// What became of it.
    pub outcome: ChangeOutcome,
    /// What is to be known beside that: why it failed, say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What became of a subscription that was to be changed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeOutcome {
    /// It was started.
    Started,
    /// It was as it should be.
    Unchanged,
    /// It is enabled, but its webhook is not as it should be.
    Impaired,
    /// It is stopped.
    Stopped,
    /// It is as it was.
    Failed,
}

impl Administration {
    /// What the API reports of subscriptions, tenant by tenant.
    ///
    /// # Errors
    ///
    /// When the tenant that is meant is not collected, or the ledger fails. That Microsoft does not answer for a tenant is an
    /// entry.
    pub(super) async fn subscriptions(&self, selection: &Selection) -> Result<Vec<SubscriptionEntry>, TenancyError> {
        let tenants = stream::iter(self.tenants(selection)?)
            .map(|(tenant, domain)| self.subscriptions_of(tenant, domain, selection))
            .buffered(AT_A_TIME);
        let listed: Vec<Result<_, LedgerError>> = tenants.collect().await;
        let listed: Vec<Vec<_>> = listed.into_iter().collect::<Result<_, _>>()?;
        Ok(listed.into_iter().flatten().collect())
    }

    async fn subscriptions_of(
        &self,
        tenant: TenantId,
        domain: Option<String>,
        selection: &Selection,
    ) -> Result<Vec<SubscriptionEntry>, LedgerError> {
        let listed = match self.tenancy.client.list_subscriptions(tenant).await {
            Ok(listed) => listed,
            Err(error) => {
                let entry = SubscriptionEntry {
                    tenant,
                    domain,
                    content_type: None,
                    collected: true,
                    status: None,
                    webhook: None,
                    last_start: None,
                    problem: Some(error.to_string()),
                };
                return Ok(vec![entry]);
            }
        };
        let mut entries = Vec::new();
        for content_type in ContentType::ALL.into_iter().filter(|content_type| selection.takes(*content_type)) {
            let found = listed.iter().find(|subscription| subscription.content_type.parse() == Ok(content_type));
            let collected = self.tenancy.content_types.contains(&content_type);
            // What was asked for by name is shown in any case.
            if found.is_none() && !collected && selection.content_types.is_empty() {
                continue;
            }
            entries.push(SubscriptionEntry {
                tenant,
                domain: domain.clone(),
                content_type: Some(content_type),
                collected,
                status: Some(status(found)),
                webhook: found.and_then(|subscription| subscription.webhook.as_ref()).map(webhook),
                last_start: self.last_start(Feed { tenant, content_type }).await?,
                problem: None,
            });
        }
        Ok(entries)
    }

    /// When a start was last attempted. One that did not count is kept as the beginning of time.
    async fn last_start(&self, feed: Feed) -> Result<Option<DateTime<Utc>>, LedgerError> {
        let attempt = self.ledger.subscription_attempt(feed).await?;
        Ok(attempt.filter(|at| *at != DateTime::UNIX_EPOCH))
    }

    /// Starts or stops subscriptions, and reports what became of each.
    ///
    /// # Errors
    ///
    /// When the tenant that is meant is not collected, or a start would need a webhook that is not served.
    pub(super) async fn change_subscriptions(
        &self,
        change: SubscriptionChange,
        selection: &Selection,
    ) -> Result<Vec<ChangedSubscription>, TenancyError> {
        let feeds = self.feeds(selection)?;
        let policy = self.tenancy.subscriptions.policy();
        if change == SubscriptionChange::Start && matches!(policy, WebhookPolicy::Untouched) {
            return Err(TenancyError::NotListening);
        }
        let changed = stream::iter(feeds).map(|feed| async move {
            let (outcome, problem) = match change {
                SubscriptionChange::Start => self.start(feed).await,
                SubscriptionChange::Stop => self.stop(feed).await,
            };
            ChangedSubscription { tenant: feed.tenant, content_type: feed.content_type, outcome, problem }
        });
        Ok(changed.buffered(AT_A_TIME).collect().await)
    }

    async fn start(&self, feed: Feed) -> (ChangeOutcome, Option<String>) {
        match self.tenancy.subscriptions.of(feed.tenant).ensure_anew(feed.content_type).await {
            Ok(Standing::AsWanted { started: true }) => (ChangeOutcome::Started, None),
            Ok(Standing::AsWanted { started: false }) => (ChangeOutcome::Unchanged, None),
            Ok(Standing::Impaired(problem)) => (ChangeOutcome::Impaired, Some(problem.to_string())),
            Err(error) => (ChangeOutcome::Failed, Some(error.to_string())),
        }
    }

    async fn stop(&self, feed: Feed) -> (ChangeOutcome, Option<String>) {
        match self.tenancy.subscriptions.of(feed.tenant).stop(feed.content_type).await {
            Ok(true) => (ChangeOutcome::Stopped, None),
            Ok(false) => (ChangeOutcome::Unchanged, None),
            Err(error) => (ChangeOutcome::Failed, Some(error.failure.to_string())),
        }
    }
}

fn status(subscription: Option<&Subscription>) -> String {
    match subscription {
        None => "missing".to_owned(),
        // One that does not say counts as there.
        Some(subscription) => {
            printable(subscription.status.as_deref().unwrap_or("enabled"), LONGEST_TEXT).to_ascii_lowercase()
        }
    }
}

fn webhook(ListedWebhook { status, address, expiration, .. }: &ListedWebhook) -> WebhookEntry {
    let shown = |text: &Option<String>| text.as_deref().map(|text| printable(text, LONGEST_TEXT));
    WebhookEntry { address: shown(address), status: shown(status), expires: *expiration }
}
