//! What is known of subscriptions and their webhooks.

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};

use super::{NatsLedger, change::Change, error::RowSnafu, subject};
use crate::{
    content::Feed,
    ledger::{LedgerError, SubscriptionStore, row_key::RowKey},
};

// A consent that another member has received starts the subscriptions of a tenant that is not its own. What it notes goes nowhere, and
// the owner finds them started.
#[async_trait]
impl SubscriptionStore for NatsLedger {
    async fn subscription_attempt(&self, feed: Feed) -> Result<Option<DateTime<Utc>>, LedgerError> {
        self.local.subscription_attempt(feed).await
    }

    async fn note_subscription_attempt(&self, feed: Feed, at: DateTime<Utc>) -> Result<(), LedgerError> {
        let local = self.local();
        self.settle(
            async move { Ok((local.note_subscription_attempt(feed, at).await?, Change::of([RowKey::Feed(feed)]))) },
        )
        .await
    }

    async fn webhooks(&self, feed: Feed) -> Result<Vec<String>, LedgerError> {
        self.local.webhooks(feed).await
    }

    async fn note_webhook(&self, feed: Feed, address: String) -> Result<(), LedgerError> {
        let local = self.local();
        self.settle(async move { Ok((local.note_webhook(feed, address).await?, Change::of([RowKey::Feed(feed)]))) })
            .await
    }

    async fn forget_webhooks(&self, feed: Feed) -> Result<(), LedgerError> {
        let local = self.local();
        self.settle(async move { Ok((local.forget_webhooks(feed).await?, Change::of([RowKey::Feed(feed)]))) }).await
    }

    async fn auth_id(&self, fresh: SecretString) -> Result<SecretString, LedgerError> {
        let own = Bytes::copy_from_slice(fresh.expose_secret().as_bytes());
        if self.bucket.create(subject::AUTH_ID, own).await?.is_some() {
            return Ok(fresh);
        }
        match self.known_auth_id().await? {
            Some(known) => Ok(known),
            None => Err(RowSnafu { subject: subject::AUTH_ID, detail: "it is empty" }.build().into()),
        }
    }
}

impl NatsLedger {
    /// The AuthID that members have made up, if one has.
    ///
    /// # Errors
    ///
    /// When NATS does not answer.
    pub async fn known_auth_id(&self) -> Result<Option<SecretString>, LedgerError> {
        let known = self.bucket.last(subject::AUTH_ID).await?.and_then(|row| row.value);
        let known = known.and_then(|value| String::from_utf8(value.into()).ok()).filter(|known| !known.is_empty());
        Ok(known.map(SecretString::from))
    }
}
