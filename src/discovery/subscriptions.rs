//! Subscriptions are listed first and started only when missing: starting changes the tenant, and Microsoft refuses a
//! second start within 15 minutes.

use std::{collections::HashSet, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta};
use tokio::{sync::Mutex, time::Instant};

use super::DiscoveryError;
use crate::{
    activity::{ActivityClient, Failure},
    content::{ContentType, Feed, TenantId},
    ledger::Ledger,
    telemetry,
    transport::TransportFailure,
};

/// "A waiting period of 15 minutes is required before another request can be made" (Microsoft's reference), and a little
/// for clocks.
const BETWEEN_STARTS: TimeDelta = TimeDelta::seconds(15 * 60 + 5);

/// The subscriptions of one tenant.
#[derive(Debug)]
pub struct Subscriptions {
    tenant: TenantId,
    client: ActivityClient,
    ledger: Arc<dyn Ledger>,
    recheck: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    enabled: HashSet<ContentType>,
    /// What the API refused to list for want of a subscription. The list of subscriptions may say otherwise: it names types
    /// without status that were never started, and ones as enabled that are not (issue 479 of Microsoft's
    /// documentation).
    refused: HashSet<ContentType>,
    checked: Option<Instant>,
}

impl Subscriptions {
    /// Subscriptions that are looked at again after `recheck`.
    pub fn new(tenant: TenantId, client: ActivityClient, ledger: Arc<dyn Ledger>, recheck: Duration) -> Self {
        Self { tenant, client, ledger, recheck, state: Mutex::default() }
    }

    /// Makes sure that there is an enabled subscription.
    ///
    /// # Errors
    ///
    /// When there is none and none can be started now.
    pub async fn ensure(&self, content_type: ContentType) -> Result<(), DiscoveryError> {
        // Held while asking: the content types of a tenant share one listing.
        let mut state = self.state.lock().await;
        if state.checked.is_none_or(|checked| checked.elapsed() >= self.recheck) {
            let subscriptions = self.client.list_subscriptions(self.tenant).await?;
            state.enabled = subscriptions
                .iter()
                .filter(|subscription| subscription.is_enabled())
                .filter_map(|subscription| subscription.content_type.parse().ok())
                .collect();
            state.checked = Some(Instant::now());
        }
        if state.enabled.contains(&content_type) && !state.refused.contains(&content_type) {
            return Ok(());
        }
        if let Err(error) = self.start(Feed { tenant: self.tenant, content_type }).await {
            // It may have been started all the same, with only the answer lost: the next look at the list tells.
            state.checked = None;
            return Err(error);
        }
        state.enabled.insert(content_type);
        state.refused.remove(&content_type);
        Ok(())
    }

    /// The API says that there is no subscription, or a disabled one.
    pub async fn distrust(&self, content_type: ContentType) {
        let mut state = self.state.lock().await;
        state.refused.insert(content_type);
        state.checked = None;
    }

    async fn start(&self, feed: Feed) -> Result<(), DiscoveryError> {
        let now = self.client.clock().now();
        if let Some(last) = self.ledger.subscription_attempt(feed).await? {
            let next = last + BETWEEN_STARTS;
            // A last attempt in the future comes from a clock that was wrong.
            if now < next && last <= now {
                return Err(DiscoveryError::TooSoon { feed, last, next });
            }
        }
        // Noted before it is made: a crash in between must not lead to a second start.
        self.ledger.note_subscription_attempt(feed, now).await?;
        match self.client.start_subscription(feed).await {
            Ok(()) => {
                telemetry::subscription_started(feed);
                Ok(())
            }
            Err(error) => {
                // A request that Microsoft never saw, or refused for another reason, starts no waiting period.
                let counts = match &*error.failure {
                    Failure::StartedTooOften { .. } => true,
                    Failure::Transport(error) => error.failure() != TransportFailure::Connect,
                    _ => false,
                };
                if !counts {
                    self.ledger.note_subscription_attempt(feed, DateTime::UNIX_EPOCH).await?;
                }
                Err(error.into())
            }
        }
    }
}
