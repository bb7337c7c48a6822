//! What Microsoft says about a tenant: its token, permissions, subscriptions and content. Changes nothing.

use std::{collections::BTreeSet, fmt, future::Future, time::Duration};

use chrono::TimeDelta;
use futures::future::join_all;
use tokio::time::timeout;

use super::{Finding, Outcome, no_answer};
use crate::{
    activity::{ActivityError, Failure, ListedWebhook, Subscription, TimeWindow},
    api_clients::ApiClients,
    config::Office365Config,
    content::{ContentType, Feed},
    discovery::{WebhookFlaw, WebhookTarget},
    tenancy::TenantEntry,
};

/// How far back content is listed.
const LOOK_BACK: TimeDelta = TimeDelta::hours(1);

/// A listing that is longer is not followed to its end.
const MOST_PAGES: usize = 20;

/// What all tenants of a source have in common.
pub(super) struct TenantCheck<'a> {
    /// The source, for the subject of findings.
    pub key: &'a str,
    /// What is collected.
    pub config: &'a Office365Config,
    /// The way to Microsoft.
    pub connection: &'a ApiClients,
    /// The webhook that subscriptions should have.
    pub webhook: Option<Webhook>,
    /// How long each request may take.
    pub patience: Duration,
}

/// The webhook that subscriptions should have.
pub(super) struct Webhook {
    /// What it should be.
    pub target: WebhookTarget,
    /// Whether its `AuthID` is known here. One that the source made up is in its ledger.
    pub auth_id_known: bool,
}

impl Webhook {
    fn flaw(&self, listed: Option<&ListedWebhook>, now: chrono::DateTime<chrono::Utc>) -> Option<WebhookFlaw> {
        // One that the API does not tell is not held against the webhook.
        let listed = listed
            .cloned()
            .map(|listed| ListedWebhook { auth_id: listed.auth_id.filter(|_| self.auth_id_known), ..listed });
        self.target.flaw(listed.as_ref(), now)
    }
}

impl TenantCheck<'_> {
    /// Tries everything for one tenant; what follows from a failure is left out.
    pub(super) async fn check(&self, tenant: &TenantEntry) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.token(tenant, &mut findings).await && self.subscriptions(tenant, &mut findings).await {
            let listings = self.config.content_types.iter().map(|content_type| self.content(tenant, *content_type));
            findings.extend(join_all(listings).await);
        }
        findings
    }

    /// Whether there is a token that can read anything at all.
    async fn token(&self, tenant: &TenantEntry, findings: &mut Vec<Finding>) -> bool {
        let token = match self.within(self.connection.tokens.get(tenant.id)).await {
            Ok(Ok(token)) => token,
            Ok(Err(error)) => {
                findings.push(self.finding(tenant, "token", Outcome::failed(error)));
                return false;
            }
            Err(silence) => {
                findings.push(self.finding(tenant, "token", silence));
                return false;
            }
        };
        findings.push(self.finding(tenant, "token", Outcome::ok("Microsoft Entra gives one")));
        let mut can_read = true;
        let granted: BTreeSet<_> =
            self.config.content_types.iter().map(|content_type| content_type.permission()).collect();
        // Without this one nothing can be read, whatever is collected.
        let needed = std::iter::once(READ).chain(granted.into_iter().filter(|permission| *permission != READ));
        for permission in needed {
            let outcome = match token.has_role(permission) {
                Some(true) => Outcome::ok("granted"),
                Some(false) => {
                    can_read &= permission != READ;
                    Outcome::Failed(format!(
                        "the token does not have it: in the Entra admin center open App registrations > your app > API \
                         permissions, add Office 365 Management APIs > Application permissions > {permission}, and click \
                         \"Grant admin consent\" (another company's tenant: its administrator opens the link of \
                         `office365-source register`). Tokens have a new permission after some minutes"
                    ))
                }
                None => Outcome::note("the token does not say whether it has it"),
            };
            findings.push(self.finding(tenant, permission, outcome));
        }
        can_read
    }

    /// Whether the API answers for the tenant.
    async fn subscriptions(&self, tenant: &TenantEntry, findings: &mut Vec<Finding>) -> bool {
        let subscriptions = match self.within(self.connection.client.list_subscriptions(tenant.id)).await {
            Ok(Ok(subscriptions)) => subscriptions,
            Ok(Err(error)) => {
                findings.push(self.finding(tenant, "subscriptions", failed(&error.failure)));
                return !error.failure.concerns_the_tenant() && !matches!(*error.failure, Failure::Transport(_));
            }
            Err(silence) => {
                findings.push(self.finding(tenant, "subscriptions", silence));
                return false;
            }
        };
        for content_type in &self.config.content_types {
            let listed =
                subscriptions.iter().find(|subscription| subscription.content_type.parse().ok() == Some(*content_type));
            let what = format!("{content_type} subscription");
            findings.push(self.finding(tenant, what, self.subscription(listed)));
        }
        true
    }

    fn subscription(&self, listed: Option<&Subscription>) -> Outcome {
        let Some(listed) = listed else {
            return Outcome::note("missing; the source starts it when it runs");
        };
        if !listed.is_enabled() {
            return Outcome::note("disabled; the source starts it again when it runs");
        }
        let Some(webhook) = &self.webhook else { return Outcome::ok("enabled") };
        match webhook.flaw(listed.webhook.as_ref(), self.connection.client.clock().now()) {
            None => Outcome::ok("enabled, with the webhook of this source"),
            Some(flaw @ WebhookFlaw::Disabled) => Outcome::failed(format_args!(
                "enabled, but {flaw}: see what is said about public_url, and the log of the source. The source starts the \
                 webhook again when it runs"
            )),
            Some(flaw @ WebhookFlaw::Elsewhere { .. }) => Outcome::failed(format_args!(
                "enabled, but {flaw}: is that another collector with this app registration, or an old public_url? The source \
                 changes it when it runs; two collectors need two app registrations"
            )),
            Some(flaw) => Outcome::note(format!("enabled, but {flaw}; the source sets it right when it runs")),
        }
    }

    async fn content(&self, tenant: &TenantEntry, content_type: ContentType) -> Finding {
        let feed = Feed { tenant: tenant.id, content_type };
        let outcome = match self.count(feed).await {
            Ok(Ok(count)) => Outcome::ok(count.to_string()),
            Ok(Err(error)) => match &*error.failure {
                failure if failure.concerns_the_subscription() => {
                    Outcome::note("nothing can be listed before the subscription is enabled")
                }
                failure => failed(failure),
            },
            Err(silence) => silence,
        };
        self.finding(tenant, format!("{content_type} content"), outcome)
    }

    /// Counts what became available within the last hour.
    async fn count(&self, feed: Feed) -> Result<Result<Count, ActivityError>, Outcome> {
        let client = &self.connection.client;
        let now = client.clock().now();
        let window = TimeWindow::new(now - LOOK_BACK, now);
        let mut count = Count { blobs: 0, is_all: false };
        let mut page = self.within(client.list_content(feed, window)).await?;
        for _ in 0..MOST_PAGES {
            let (entries, next) = match page {
                Ok(page) => (page.entries, page.next),
                Err(error) => return Ok(Err(error)),
            };
            count.blobs += entries.len();
            match next {
                Ok(Some(next)) => page = self.within(client.list_next(feed, &next)).await?,
                Ok(None) => return Ok(Ok(Count { is_all: true, ..count })),
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(count))
    }

    async fn within<T>(&self, request: impl Future<Output = T>) -> Result<T, Outcome> {
        let silence = |_| Outcome::Failed(no_answer(self.patience, "check DNS, firewall and the proxy settings"));
        timeout(self.patience, request).await.map_err(silence)
    }

    fn finding(&self, tenant: &TenantEntry, what: impl fmt::Display, outcome: Outcome) -> Finding {
        let domain = tenant.domain.as_deref().map_or_else(String::new, |domain| format!(" ({domain})"));
        Finding::new(format!("{}, tenant {}{domain}, {what}", self.key, tenant.id), outcome)
    }
}

const READ: &str = "ActivityFeed.Read";

/// Throttling says nothing about what is configured.
fn failed(failure: &Failure) -> Outcome {
    match failure {
        Failure::Throttled { .. } => Outcome::note(failure.to_string()),
        failure => Outcome::failed(failure),
    }
}

/// How much was listed.
#[derive(Clone, Copy)]
struct Count {
    blobs: usize,
    is_all: bool,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { blobs: 0, is_all: true } => {
                f.write_str("no content became available within the last hour, as is usual for a quiet tenant")
            }
            Self { blobs, is_all: true } => write!(f, "{blobs} content blobs became available within the last hour"),
            Self { blobs, is_all: false } => {
                write!(f, "more than {blobs} content blobs became available within the last hour")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use uuid::Uuid;

    use super::*;
    use crate::{
        activity::SecretAuthId,
        api_clients::Environment,
        config::{AuthConfig, ProxyConfig, SecretRef},
    };

    fn target() -> WebhookTarget {
        let address = "https://demo.example.com:8443/wh/o365/".parse().unwrap();
        WebhookTarget { address, auth_id: "ours".into(), expires_after: None }
    }

    /// What is said of an enabled subscription with this webhook.
    fn said(listed: Option<ListedWebhook>, auth_id_known: bool) -> Outcome {
        let auth = AuthConfig::with_secret(Uuid::from_u128(1), SecretRef::from("hunter2"));
        let config = Office365Config::new(auth, Vec::new());
        let connection =
            ApiClients::new(&config, "sources.m365", &ProxyConfig::default(), Environment::default()).unwrap();
        let webhook = Some(Webhook { target: target(), auth_id_known });
        let patience = Duration::from_secs(1);
        let check = TenantCheck { key: "sources.m365", config: &config, connection: &connection, webhook, patience };
        let status = Some("enabled".to_owned());
        check.subscription(Some(&Subscription { content_type: "Audit.Exchange".to_owned(), status, webhook: listed }))
    }

    #[tokio::test]
    async fn a_webhook_that_needs_a_human_is_a_failure_and_others_are_set_right() {
        let ours = || target().as_listed(Utc::now());
        assert!(matches!(said(Some(ours()), true), Outcome::Ok(_)));
        let disabled = said(Some(ListedWebhook { status: Some("disabled".to_owned()), ..ours() }), true);
        assert!(
            matches!(&disabled, Outcome::Failed(text) if text.contains("too many failed notifications")),
            "{disabled:?}"
        );
        let address = Some("https://other.example.com/".to_owned());
        let elsewhere = said(Some(ListedWebhook { address, ..ours() }), true);
        assert!(
            matches!(&elsewhere, Outcome::Failed(text) if text.contains("points to https://other")),
            "{elsewhere:?}"
        );
        let expired = ListedWebhook { expiration: Some(DateTime::UNIX_EPOCH), ..ours() };
        for listed in [None, Some(expired)] {
            let outcome = said(listed, true);
            assert!(matches!(&outcome, Outcome::Note(text) if text.contains("sets it right")), "{outcome:?}");
        }
    }

    #[tokio::test]
    async fn an_auth_id_that_is_not_known_here_is_not_compared() {
        let other = || ListedWebhook { auth_id: Some(SecretAuthId::from("theirs")), ..target().as_listed(Utc::now()) };
        assert!(matches!(said(Some(other()), true), Outcome::Note(text) if text.contains("another AuthID")));
        assert!(matches!(said(Some(other()), false), Outcome::Ok(_)));
    }
}
