//! What Microsoft says about a tenant: its token, permissions, subscriptions and content. Changes nothing.

use std::{collections::BTreeSet, fmt, future::Future, sync::Arc, time::Duration};

use chrono::TimeDelta;
use futures::future::join_all;
use tokio::time::{Instant, timeout};

use super::{
    Finding, Outcome,
    blob::{self, Read},
    no_answer,
};
use crate::{
    activity::{ActivityError, ContentEntry, Failure, ListedWebhook, Subscription, TimeWindow},
    api_clients::ApiClients,
    config::Office365Config,
    content::{ContentRef, ContentType, Feed},
    discovery::{WebhookFlaw, WebhookTarget},
    entra::AccessToken,
    normalize::{Normalizer, Origin},
    printable::printable,
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
    /// Makes events of a blob.
    pub normalizer: &'a Normalizer,
    /// The keys of credentials that cannot be used, which was reported.
    pub unusable: &'a BTreeSet<String>,
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
        // One that the API does not show is not counted as a fault of the webhook.
        let listed = listed
            .cloned()
            .map(|listed| ListedWebhook { auth_id: listed.auth_id.filter(|_| self.auth_id_known), ..listed });
        self.target.flaw(listed.as_ref(), now)
    }
}

impl TenantCheck<'_> {
    /// Tries everything for one tenant; what follows from a failure is left out.
    pub(super) async fn check(&self, tenant: &TenantEntry) -> Vec<Finding> {
        if self.unusable.contains(self.connection.credentials.of(tenant.id).key()) {
            let text = "not tried, as the credential cannot be used: see configuration";
            return vec![self.finding(tenant, "token", Outcome::note(text))];
        }
        let mut findings = Vec::new();
        let can_read = self.token(tenant, &mut findings).await;
        if can_read == Some(true) && self.subscriptions(tenant, &mut findings).await {
            let listings = self.config.content_types.iter().map(|content_type| self.content(tenant, *content_type));
            let listings = join_all(listings).await;
            let first = listings.iter().find_map(|listing| listing.first.clone());
            let is_off = listings.iter().any(|listing| listing.is_auditing_off);
            let is_listed = listings.iter().any(|listing| matches!(listing.finding.outcome, Outcome::Ok(_)));
            findings.extend(listings.into_iter().map(|listing| listing.finding));
            if is_off || is_listed {
                findings.push(self.audit_log(tenant, is_off, first.is_some()));
            }
            match first {
                Some(content) => findings.push(self.blob(tenant, &content).await),
                None if is_listed => {
                    let text = "there is none to try within the last hour";
                    findings.push(self.finding(tenant, "one content blob", Outcome::note(text)));
                }
                // The problem is reported already.
                None => {}
            }
        }
        if can_read.is_some() {
            findings.extend(self.audit_search(tenant).await);
        }
        findings
    }

    fn audit_log(&self, tenant: &TenantEntry, is_off: bool, has_content: bool) -> Finding {
        let outcome = if is_off {
            Outcome::failed(&Failure::AuditingDisabled)
        } else if has_content {
            Outcome::ok("is on: content comes")
        } else {
            Outcome::note(
                "nothing came within the last hour. If that is unusual for the tenant, look at the Microsoft Purview portal > Audit: \
                 it offers \"Start recording user and admin activity\" when the audit log is off",
            )
        };
        self.finding(tenant, "audit log", outcome)
    }

    /// Downloads a blob and makes events of it, as the source does.
    async fn blob(&self, tenant: &TenantEntry, content: &ContentRef) -> Finding {
        let began = Instant::now();
        let what = format!("one content blob of {}", content.feed.content_type);
        let client = &self.connection.client;
        let download = async {
            let response = client.retrieve_content(content.feed, &content.content_uri).await?;
            let body = response.read_up_to(blob::MOST_BYTES).await;
            body.map_err(|error| client.retrieval_error(content.feed, Failure::Transport(error)))
        };
        let outcome = match self.within(download).await {
            Ok(Ok(body)) => {
                let component = Arc::new(self.key.trim_start_matches("sources.").into());
                let origin = Origin::new(&component, tenant.domain.as_deref(), content);
                match blob::read(&body, self.normalizer, &origin, client.clock().now()) {
                    Ok(Read { auditing_reduced: Some(change), .. }) => Outcome::note(format!(
                        "{} has turned auditing off, or tried to ({} with {} of {}): make sure that this was intended, because what \
                         is not audited cannot be collected",
                        said(change.user.as_deref(), "somebody"),
                        change.cmdlet,
                        change.parameter,
                        said(change.object.as_deref(), "an unnamed object")
                    )),
                    Ok(Read { discarded: 0, events, damaged_fields: 0, .. }) => {
                        Outcome::ok(format!("{events} events of {} bytes", body.len()))
                    }
                    Ok(Read { discarded, events, damaged_fields, .. }) => Outcome::note(format!(
                        "{events} events of {} bytes; {discarded} elements are no records, and {damaged_fields} fields could not be \
                         read and stay as they came",
                        body.len()
                    )),
                    Err(error) => {
                        Outcome::failed(format_args!("{error}: does a proxy or firewall replace what Microsoft sends?"))
                    }
                }
            }
            Ok(Err(error)) => match &*error.failure {
                // Others have it, and it may be gone before this source comes.
                Failure::ContentGone(_) => Outcome::note(error.failure.to_string()),
                failure => failed(failure),
            },
            Err(silence) => silence,
        };
        self.finding(tenant, what, outcome).taking(began.elapsed())
    }

    /// Whether the token can read anything at all; `None` if there is none.
    async fn token(&self, tenant: &TenantEntry, findings: &mut Vec<Finding>) -> Option<bool> {
        let began = Instant::now();
        let answer = self.within(self.connection.tokens.get(tenant.id)).await;
        let finding = |outcome| self.finding(tenant, "token", outcome).taking(began.elapsed());
        let token = match answer {
            Ok(Ok(token)) => token,
            Ok(Err(error)) => {
                findings.push(finding(Outcome::failed(error)));
                return None;
            }
            Err(silence) => {
                findings.push(finding(silence));
                return None;
            }
        };
        findings.push(finding(Outcome::ok("Microsoft Entra gives one")));
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
        findings.extend(self.unneeded(tenant, &token));
        Some(can_read)
    }

    /// Permissions that the application has and nothing here uses.
    fn unneeded(&self, tenant: &TenantEntry, token: &AccessToken) -> Option<Finding> {
        let needed: BTreeSet<_> =
            self.config.content_types.iter().map(|content_type| content_type.permission()).chain([READ]).collect();
        let mut unneeded: Vec<_> =
            token.roles()?.iter().map(String::as_str).filter(|role| !needed.contains(role)).collect();
        unneeded.sort_unstable();
        let names = unneeded.iter().map(|role| printable(role, 60)).collect::<Vec<_>>().join(", ");
        let text = format!(
            "the application also has {names}, which this configuration does not need. Remove it in the Entra admin center under App \
             registrations > your app > API permissions, unless others use the application"
        );
        (!unneeded.is_empty()).then(|| self.finding(tenant, "other permissions", Outcome::Note(text)))
    }

    /// Whether the API answers for the tenant.
    async fn subscriptions(&self, tenant: &TenantEntry, findings: &mut Vec<Finding>) -> bool {
        let began = Instant::now();
        let answer = self.within(self.connection.client.list_subscriptions(tenant.id)).await;
        let finding = |outcome| self.finding(tenant, "subscriptions", outcome).taking(began.elapsed());
        let subscriptions = match answer {
            Ok(Ok(subscriptions)) => subscriptions,
            Ok(Err(error)) => {
                findings.push(if matches!(*error.failure, Failure::AuditingDisabled) {
                    self.audit_log(tenant, true, false)
                } else {
                    finding(failed(&error.failure))
                });
                return !error.failure.concerns_the_tenant() && !matches!(*error.failure, Failure::Transport(_));
            }
            Err(silence) => {
                findings.push(finding(silence));
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

    async fn content(&self, tenant: &TenantEntry, content_type: ContentType) -> Listed {
        let feed = Feed { tenant: tenant.id, content_type };
        let began = Instant::now();
        let (mut first, mut is_auditing_off) = (None, false);
        let outcome = match self.count(feed).await {
            Ok(Ok((count, found))) => {
                first = found;
                Outcome::ok(count.to_string())
            }
            Ok(Err(error)) => match &*error.failure {
                failure if failure.concerns_the_subscription() => {
                    Outcome::note("nothing can be listed before the subscription is enabled")
                }
                failure => {
                    is_auditing_off = matches!(failure, Failure::AuditingDisabled);
                    failed(failure)
                }
            },
            Err(silence) => silence,
        };
        let finding = self.finding(tenant, format!("{content_type} content"), outcome).taking(began.elapsed());
        Listed { finding, first, is_auditing_off }
    }

    /// Counts what became available within the last hour, and names one blob of it.
    async fn count(&self, feed: Feed) -> Result<Result<(Count, Option<ContentRef>), ActivityError>, Outcome> {
        let client = &self.connection.client;
        let now = client.clock().now();
        let window = TimeWindow::new(now - LOOK_BACK, now);
        let mut count = Count { blobs: 0, is_all: false };
        let mut first = None;
        let mut page = self.within(client.list_content(feed, window)).await?;
        for _ in 0..MOST_PAGES {
            let (entries, next) = match page {
                Ok(page) => (page.entries, page.next),
                Err(error) => return Ok(Err(error)),
            };
            count.blobs += entries.len();
            first = first.or_else(|| entries.iter().find_map(|entry| reference(feed, entry)));
            match next {
                Ok(Some(next)) => page = self.within(client.list_next(feed, &next)).await?,
                Ok(None) => return Ok(Ok((Count { is_all: true, ..count }, first))),
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok((count, first)))
    }

    pub(super) async fn within<T>(&self, request: impl Future<Output = T>) -> Result<T, Outcome> {
        let silence = |_| Outcome::Failed(no_answer(self.patience, "check DNS, firewall and the proxy settings"));
        timeout(self.patience, request).await.map_err(silence)
    }

    pub(super) fn finding(&self, tenant: &TenantEntry, what: impl fmt::Display, outcome: Outcome) -> Finding {
        let domain = tenant.domain.as_deref().map_or_else(String::new, |domain| format!(" ({domain})"));
        Finding::new(format!("{}, tenant {}{domain}, {what}", self.key, tenant.id), outcome)
    }
}

const READ: &str = "ActivityFeed.Read";

/// What listed a content type.
struct Listed {
    finding: Finding,
    /// A blob that it named.
    first: Option<ContentRef>,
    /// Whether Microsoft said that there is no audit log.
    is_auditing_off: bool,
}

/// The blob that an entry names, if it names one.
fn reference(feed: Feed, entry: &ContentEntry) -> Option<ContentRef> {
    let ContentEntry::Blob { content_id, content_uri, created, expiration, .. } = entry else { return None };
    let (content_id, content_uri) = (content_id.clone(), content_uri.clone());
    Some(ContentRef { feed, content_id, content_uri, created: *created, expiration: *expiration })
}

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

/// A text of a record, fit for a line of the report.
fn said(text: Option<&str>, otherwise: &str) -> String {
    text.map(|text| printable(text, 128)).filter(|text| !text.is_empty()).unwrap_or_else(|| otherwise.to_owned())
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
        let normalizer = Normalizer::new(config.normalize_options());
        let unusable = BTreeSet::new();
        let check = TenantCheck {
            unusable: &unusable,
            key: "sources.m365",
            config: &config,
            connection: &connection,
            webhook,
            patience,
            normalizer: &normalizer,
        };
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
