//! Subscriptions are listed first and started only when something is amiss: starting changes the tenant, and Microsoft
//! refuses a second start within 15 minutes.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::{sync::Mutex, time::Instant};
use url::Url;

use super::{
    DiscoveryError, telemetry,
    webhook_policy::{WebhookFlaw, WebhookPolicy, WebhookProblem, WebhookTarget},
};
use crate::{
    activity::{ActivityClient, ActivityError, Failure, ListedWebhook, Start},
    content::{ContentType, Feed, TenantId},
    ledger::{LedgerError, SubscriptionStore},
    transport::TransportFailure,
};

/// "A waiting period of 15 minutes is required before another request can be made" (Microsoft's reference), and a little
/// for clocks.
const BETWEEN_STARTS: TimeDelta = TimeDelta::seconds(15 * 60 + 5);

/// Whether a start with this failure may succeed without its webhook: Microsoft asks the webhook before it answers.
fn may_be_the_webhook(failure: &Failure) -> bool {
    match failure {
        Failure::WebhookRefused(_)
        | Failure::Refused { .. }
        | Failure::Unavailable { .. }
        | Failure::Malformed { .. } => true,
        Failure::Transport(error) => error.failure() != TransportFailure::Connect,
        _ => false,
    }
}

/// Whether two addresses are the same, whatever Microsoft did to the spelling.
fn same_url(one: &str, two: &str) -> bool {
    one == two || Url::parse(one).is_ok_and(|one| Url::parse(two).is_ok_and(|two| one == two))
}

/// How a subscription that content can be listed of stands.
#[derive(Debug)]
pub enum Standing {
    /// It is as it should be.
    AsWanted {
        /// Whether that is because it was started a moment ago, which includes that Microsoft has reached its webhook.
        started: bool,
    },
    /// Its webhook is not.
    Impaired(WebhookProblem),
}

/// The subscriptions of all tenants. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SubscriptionBook {
    client: ActivityClient,
    ledger: Arc<dyn SubscriptionStore>,
    policy: WebhookPolicy,
    recheck: Duration,
    tenants: Arc<std::sync::Mutex<HashMap<TenantId, Arc<Subscriptions>>>>,
}

impl SubscriptionBook {
    /// Subscriptions that are to have webhooks as `policy` says, and are looked at again with each reconciliation.
    pub fn new(
        client: ActivityClient,
        ledger: Arc<dyn SubscriptionStore>,
        policy: WebhookPolicy,
        reconcile_interval: Duration,
    ) -> Self {
        let recheck = match policy {
            WebhookPolicy::Without => reconcile_interval,
            // A little less, since each pass reconciles and a little time goes by within one.
            WebhookPolicy::With(_) | WebhookPolicy::Untouched => {
                reconcile_interval.saturating_sub(reconcile_interval / 10)
            }
        };
        Self { client, ledger, policy, recheck, tenants: Arc::default() }
    }

    /// What is to become of webhooks.
    pub const fn policy(&self) -> &WebhookPolicy {
        &self.policy
    }

    /// The subscriptions of a tenant.
    pub fn of(&self, tenant: TenantId) -> Arc<Subscriptions> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let subscriptions = tenants.entry(tenant).or_insert_with(|| {
            let Self { client, ledger, policy, recheck, .. } = self.clone();
            let (state, turns) = Default::default();
            Arc::new(Subscriptions { tenant, client, ledger, policy, recheck, state, turns })
        });
        Arc::clone(subscriptions)
    }

    /// Forgets what is known of a tenant's subscriptions.
    pub fn forget(&self, tenant: TenantId) {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner).remove(&tenant);
    }
}

/// The subscriptions of one tenant.
#[derive(Debug)]
pub struct Subscriptions {
    tenant: TenantId,
    client: ActivityClient,
    ledger: Arc<dyn SubscriptionStore>,
    policy: WebhookPolicy,
    recheck: Duration,
    /// Not held while a subscription is started, which can take a minute: the other content types go on.
    state: Mutex<TenantView>,
    /// Of each content type, so that no subscription is started twice at a time.
    turns: [Mutex<()>; ContentType::ALL.len()],
}

#[derive(Debug, Default)]
struct TenantView {
    listed: HashMap<ContentType, Listed>,
    /// What the API refused to list because the subscription is missing. The list of subscriptions may say otherwise:
    /// it names types without status that were never started, and ones as enabled that are not (issue 479 of
    /// Microsoft's documentation).
    refused: HashSet<ContentType>,
    /// Whose content could be listed since the start of the process or of the subscription, if that was later.
    worked: HashSet<ContentType>,
    /// Where a start with the webhook came to nothing, and what Microsoft said.
    unreachable: HashMap<ContentType, ActivityError>,
    checked: Option<Instant>,
}

impl TenantView {
    /// Microsoft's last error about the webhook is more informative than the refusal of a start that comes too soon.
    fn best_reason(&self, content_type: ContentType, error: DiscoveryError) -> DiscoveryError {
        match (self.unreachable.get(&content_type), error) {
            (Some(said), DiscoveryError::TooSoon { .. }) => said.clone().into(),
            (_, error) => error,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Listed {
    enabled: bool,
    /// Whether its entry says more than its name: the list may name types that were never started.
    is_stated: bool,
    webhook: Option<ListedWebhook>,
}

impl Subscriptions {
    /// Makes sure that there is an enabled subscription, and that its webhook is as it should be.
    ///
    /// # Errors
    ///
    /// When there is no enabled subscription and none can be started now. That only the webhook is amiss is no error:
    /// content can be listed.
    pub async fn ensure(&self, content_type: ContentType) -> Result<Standing, DiscoveryError> {
        let feed = Feed { tenant: self.tenant, content_type };
        let _turn = self.turns[content_type as usize].lock().await;
        let (listed, enabled, is_unreachable) = {
            // Held while asking: the content types of a tenant share one listing.
            let mut state = self.state.lock().await;
            if state.checked.is_none_or(|checked| checked.elapsed() >= self.recheck) {
                self.list(&mut state).await?;
            }
            let listed = state.listed.get(&content_type).cloned().unwrap_or_default();
            let enabled = listed.enabled && !state.refused.contains(&content_type);
            if !enabled && state.worked.remove(&content_type) {
                telemetry::subscription_lost(feed);
            }
            (listed, enabled, state.unreachable.contains_key(&content_type))
        };
        let flaw = self.flaw(feed, listed.webhook.as_ref()).await?;
        if enabled && flaw.is_none() {
            return Ok(Standing::AsWanted { started: false });
        }
        if matches!(self.policy, WebhookPolicy::Untouched) && listed.enabled && listed.webhook.is_some() {
            // A start without a webhook would take it away.
            return Err(DiscoveryError::LeftAlone { feed });
        }
        let target = self.target(is_unreachable, feed, enabled && listed.is_stated).await?;
        let started = self.start(feed, target).await;
        let mut state = self.state.lock().await;
        let start = match started {
            Ok(start) => start,
            Err(error) => {
                // It may have been started, with only the answer lost: the next list shows it, and takes
                // precedence over the API's last answer.
                state.checked = None;
                if let DiscoveryError::Activity { source } = &error {
                    // With a webhook it is more likely that Microsoft could not reach that, and the list may name types that
                    // were never started.
                    if source.failure.may_pass() && target.is_none() {
                        state.refused.remove(&content_type);
                    }
                    if target.is_some() && may_be_the_webhook(&source.failure) {
                        state.unreachable.insert(content_type, source.clone());
                    }
                }
                let error = match state.best_reason(content_type, error) {
                    DiscoveryError::TooSoon { feed, last, next } if listed.enabled && !enabled => {
                        DiscoveryError::StaysRefused { feed, last, next }
                    }
                    error => error,
                };
                return match flaw {
                    Some(flaw) if enabled && !matches!(error, DiscoveryError::Ledger { .. }) => {
                        Ok(Standing::Impaired(WebhookProblem { flaw, source: error }))
                    }
                    _ => Err(error),
                };
            }
        };
        state.refused.remove(&content_type);
        if let (Start::Unchanged, Some(flaw), true) = (start, &flaw, enabled) {
            // Nothing was repaired, whatever Microsoft says.
            state.checked = None;
            return Ok(Standing::Impaired(WebhookProblem {
                flaw: flaw.clone(),
                source: DiscoveryError::Unchanged { feed },
            }));
        }
        if let Some(flaw) = &flaw
            && enabled
        {
            telemetry::webhook_set_right(feed, flaw);
        }
        let now = self.client.clock().now();
        let webhook = target.map(|target| target.as_listed(now));
        state.listed.insert(content_type, Listed { enabled: true, is_stated: true, webhook });
        if self.policy.target().is_some() && target.is_none() {
            let too_soon = DiscoveryError::TooSoon { feed, last: now, next: now + BETWEEN_STARTS };
            let source = state.best_reason(content_type, too_soon);
            return Ok(Standing::Impaired(WebhookProblem { flaw: WebhookFlaw::Missing, source }));
        }
        state.unreachable.remove(&content_type);
        Ok(Standing::AsWanted { started: true })
    }

    /// As [`ensure`](Self::ensure), whenever the list was read last: the caller has changed something.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn ensure_anew(&self, content_type: ContentType) -> Result<Standing, DiscoveryError> {
        self.state.lock().await.checked = None;
        self.ensure(content_type).await
    }

    /// The webhook to start with, if any. Without a subscription nothing can be listed either. So after a start with
    /// the webhook has failed, the next start goes without it, and a later one adds it.
    async fn target(
        &self,
        is_unreachable: bool,
        feed: Feed,
        surely_enabled: bool,
    ) -> Result<Option<&Arc<WebhookTarget>>, LedgerError> {
        let Some(target) = self.policy.target() else { return Ok(None) };
        // A start with a webhook was noted, perhaps before a restart, and the subscription is still missing.
        let came_to_nothing = is_unreachable || !self.ledger.webhooks(feed).await?.is_empty();
        Ok((surely_enabled || !came_to_nothing).then_some(target))
    }

    /// The API says that there is no subscription, or a disabled one.
    pub async fn distrust(&self, content_type: ContentType) {
        let mut state = self.state.lock().await;
        state.refused.insert(content_type);
        state.checked = None;
    }

    /// Content was listed, as it is only with a subscription.
    pub async fn confirm(&self, content_type: ContentType) {
        self.state.lock().await.worked.insert(content_type);
    }

    /// Stops a subscription; returns whether there was one to stop.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    pub async fn stop(&self, content_type: ContentType) -> Result<bool, ActivityError> {
        let _turn = self.turns[content_type as usize].lock().await;
        {
            let mut state = self.state.lock().await;
            state.checked = None;
            state.worked.remove(&content_type);
        }
        match self.client.stop_subscription(Feed { tenant: self.tenant, content_type }).await {
            Err(error) if error.failure.concerns_the_subscription() => Ok(false),
            stopped => stopped.map(|()| true),
        }
    }

    async fn list(&self, state: &mut TenantView) -> Result<(), ActivityError> {
        let subscriptions = self.client.list_subscriptions(self.tenant).await?;
        let listed = subscriptions.into_iter().filter_map(|subscription| {
            let content_type = subscription.content_type.parse().ok()?;
            let is_stated = subscription.status.is_some() || subscription.webhook.is_some();
            Some((
                content_type,
                Listed { enabled: subscription.is_enabled(), is_stated, webhook: subscription.webhook },
            ))
        });
        state.listed = listed.collect();
        state.checked = Some(Instant::now());
        Ok(())
    }

    /// What is wrong with the webhook of a subscription.
    async fn flaw(&self, feed: Feed, listed: Option<&ListedWebhook>) -> Result<Option<WebhookFlaw>, LedgerError> {
        Ok(match &self.policy {
            WebhookPolicy::Untouched => None,
            WebhookPolicy::With(target) => target.flaw(listed, self.client.clock().now()),
            WebhookPolicy::Without => {
                let ours = self.ledger.webhooks(feed).await?;
                match listed {
                    None if ours.is_empty() => None,
                    None => {
                        self.ledger.forget_webhooks(feed).await?;
                        None
                    }
                    // Another program's is left alone: two collectors may share an app registration.
                    Some(listed) => {
                        let address = listed.address.as_deref().unwrap_or_default();
                        ours.iter().any(|ours| same_url(ours, address)).then_some(WebhookFlaw::LeftOver)
                    }
                }
            }
        })
    }

    async fn start(&self, feed: Feed, webhook: Option<&Arc<WebhookTarget>>) -> Result<Start, DiscoveryError> {
        let now = self.client.clock().now();
        if let Some(last) = self.ledger.subscription_attempt(feed).await? {
            let next = last + BETWEEN_STARTS;
            // A last attempt in the future comes from a clock that was wrong.
            if now < next && last <= now {
                return Err(DiscoveryError::TooSoon { feed, last, next });
            }
        }
        // Noted before it is made: a crash in between must not lead to a second start, nor to a webhook that is not
        // recorded as ours.
        self.ledger.note_subscription_attempt(feed, now).await?;
        if let Some(target) = webhook {
            self.ledger.note_webhook(feed, target.address.to_string()).await?;
        }
        let request = webhook.map(|target| target.request(now));
        match self.client.start_subscription(feed, request.as_ref()).await {
            Ok(start) => {
                telemetry::subscription_started(feed, webhook.map(|target| &target.address));
                Ok(start)
            }
            Err(error) => {
                // A request that Microsoft never saw, or refused for another reason, starts no waiting period.
                let counts = match &*error.failure {
                    Failure::StartedTooOften { .. } => true,
                    Failure::Transport(error) => error.failure() != TransportFailure::Connect,
                    // Microsoft has tried the webhook, or may have.
                    failure => webhook.is_some() && may_be_the_webhook(failure),
                };
                if !counts {
                    self.ledger.note_subscription_attempt(feed, DateTime::<Utc>::UNIX_EPOCH).await?;
                }
                Err(error.into())
            }
        }
    }
}
