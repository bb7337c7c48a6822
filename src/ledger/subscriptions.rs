//! What is known of subscriptions and their webhooks across restarts.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::LedgerError;
use crate::content::Feed;

/// How many addresses of a feed's webhooks are kept: enough for an administrator who changes `public_url` several times
/// between two looks at the subscriptions.
pub(super) const MOST_ADDRESSES: usize = 8;

/// Attempts to start subscriptions, the webhooks that this source has set, and the secret they carry.
#[async_trait]
pub trait SubscriptionStore: fmt::Debug + Send + Sync {
    /// When a start of the feed's subscription was last attempted.
    async fn subscription_attempt(&self, feed: Feed) -> Result<Option<DateTime<Utc>>, LedgerError>;

    /// Notes that a start of the feed's subscription is being attempted.
    async fn note_subscription_attempt(&self, feed: Feed, at: DateTime<Utc>) -> Result<(), LedgerError>;

    /// The addresses of webhooks that this source gave the feed's subscription, or tried to: the last eight, the newest last.
    async fn webhooks(&self, feed: Feed) -> Result<Vec<String>, LedgerError>;

    /// Notes the address of a webhook that the feed's subscription is being given.
    async fn note_webhook(&self, feed: Feed, address: String) -> Result<(), LedgerError>;

    /// Forgets the addresses: the subscription has no webhook.
    async fn forget_webhooks(&self, feed: Feed) -> Result<(), LedgerError>;

    /// The AuthID of this source's webhooks. The first call decides: it keeps `fresh`, and every later call returns that.
    async fn auth_id(&self, fresh: SecretString) -> Result<SecretString, LedgerError>;
}
