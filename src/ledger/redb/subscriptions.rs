//! What is known of subscriptions and their webhooks.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use redb::ReadableTable;
use secrecy::{ExposeSecret, SecretString};

use super::{
    RedbLedger,
    tables::{SECRETS, SUBSCRIPTIONS, WEBHOOKS},
    writer::Rank,
};
use crate::{
    content::Feed,
    ledger::{LedgerError, SubscriptionStore, keys, subscriptions::MOST_ADDRESSES},
};

/// In the table `secrets`.
const AUTH_ID: &str = "auth_id";

#[async_trait]
impl SubscriptionStore for RedbLedger {
    async fn subscription_attempt(&self, feed: Feed) -> Result<Option<DateTime<Utc>>, LedgerError> {
        self.read(move |tx| {
            let attempts = tx.open_table(SUBSCRIPTIONS)?;
            let at = attempts.get(keys::feed(feed).as_slice())?;
            Ok(at.and_then(|at| DateTime::from_timestamp_millis(at.value())))
        })
        .await
    }

    async fn note_subscription_attempt(&self, feed: Feed, at: DateTime<Utc>) -> Result<(), LedgerError> {
        self.writer
            .write(Rank::Urgent, move |tx| {
                tx.open_table(SUBSCRIPTIONS)?.insert(keys::feed(feed).as_slice(), at.timestamp_millis())?;
                Ok(())
            })
            .await
    }

    async fn webhooks(&self, feed: Feed) -> Result<Vec<String>, LedgerError> {
        self.read(move |tx| {
            let webhooks = tx.open_table(WEBHOOKS)?;
            let addresses = webhooks.get(keys::feed(feed).as_slice())?;
            Ok(addresses.map(|addresses| addresses.value().lines().map(str::to_owned).collect()).unwrap_or_default())
        })
        .await
    }

    async fn note_webhook(&self, feed: Feed, address: String) -> Result<(), LedgerError> {
        self.writer
            .write(Rank::Urgent, move |tx| {
                let mut webhooks = tx.open_table(WEBHOOKS)?;
                let key = keys::feed(feed);
                let mut addresses: Vec<String> = match webhooks.get(key.as_slice())? {
                    Some(known) => known.value().lines().filter(|known| *known != address).map(str::to_owned).collect(),
                    None => Vec::new(),
                };
                addresses.push(address);
                let oldest_kept = addresses.len().saturating_sub(MOST_ADDRESSES);
                webhooks.insert(key.as_slice(), addresses[oldest_kept..].join("\n").as_str())?;
                Ok(())
            })
            .await
    }

    async fn forget_webhooks(&self, feed: Feed) -> Result<(), LedgerError> {
        self.writer
            .write(Rank::Urgent, move |tx| {
                tx.open_table(WEBHOOKS)?.remove(keys::feed(feed).as_slice())?;
                Ok(())
            })
            .await
    }

    async fn auth_id(&self, fresh: SecretString) -> Result<SecretString, LedgerError> {
        self.writer
            .write(Rank::Urgent, move |tx| {
                let mut secrets = tx.open_table(SECRETS)?;
                let known = secrets.get(AUTH_ID)?.map(|known| SecretString::from(known.value()));
                if let Some(known) = known {
                    return Ok(known);
                }
                secrets.insert(AUTH_ID, fresh.expose_secret())?;
                Ok(fresh)
            })
            .await
    }
}

#[cfg(feature = "nats")]
impl RedbLedger {
    /// The AuthID that this source has made up, if it has.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub async fn known_auth_id(&self) -> Result<Option<SecretString>, LedgerError> {
        self.read(|tx| Ok(tx.open_table(SECRETS)?.get(AUTH_ID)?.map(|known| SecretString::from(known.value())))).await
    }
}
