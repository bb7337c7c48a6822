//! A webhook, from its registration to its end.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{entry, error_reply::ErrorReply, window::parse_time};

/// What a start request says about a webhook.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Registration {
    pub address: String,
    pub auth_id: Option<String>,
    pub expiration: Option<DateTime<Utc>>,
}

/// A webhook that was validated.
#[derive(Clone, Debug)]
pub(super) struct Webhook {
    pub registration: Registration,
    /// The application that started the subscription with it.
    pub application: Uuid,
    /// When it was set. Content created before is never announced to it.
    pub since: DateTime<Utc>,
    /// Distinguishes it from the webhook that the same subscription had before.
    pub serial: u64,
    pub disabled: bool,
}

/// The states that MSREF names ("List current subscriptions").
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum WebhookStatus {
    Enabled,
    Disabled,
    Expired,
}

impl Registration {
    /// The webhook of a start request's body. No body, an empty object and `null` all mean none.
    pub fn read(body: &[u8], now: DateTime<Utc>) -> Result<Option<Self>, ErrorReply> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Given {
            address: String,
            auth_id: Option<String>,
            expiration: Option<String>,
        }
        #[derive(Deserialize)]
        struct Start {
            webhook: Option<Given>,
        }
        if body.trim_ascii().is_empty() {
            return Ok(None);
        }
        let start: Start = serde_json::from_slice(body).map_err(|_| ErrorReply::unreadable_body())?;
        let Some(given) = start.webhook else { return Ok(None) };
        // MSREF's sample sends "" for none.
        let expiration = given.expiration.filter(|text| !text.is_empty());
        let expiration = expiration.map(|text| {
            let time: DateTime<Utc> = text
                .parse()
                .ok()
                .or_else(|| parse_time(&text))
                .ok_or_else(|| ErrorReply::parameter_type("expiration", "datetime"))?;
            if time <= now { Err(ErrorReply::expiration_in_the_past(&text)) } else { Ok(time) }
        });
        Ok(Some(Self { address: given.address, auth_id: given.auth_id, expiration: expiration.transpose()? }))
    }
}

impl Webhook {
    pub fn status(&self, now: DateTime<Utc>) -> WebhookStatus {
        if self.disabled {
            WebhookStatus::Disabled
        } else if self.registration.expiration.is_some_and(|expiration| expiration <= now) {
            WebhookStatus::Expired
        } else {
            WebhookStatus::Enabled
        }
    }

    pub fn to_json(&self, now: DateTime<Utc>) -> Value {
        let Registration { address, auth_id, expiration } = &self.registration;
        json!({
            "status": match self.status(now) {
                WebhookStatus::Enabled => "enabled",
                WebhookStatus::Disabled => "disabled",
                WebhookStatus::Expired => "expired",
            },
            "address": address,
            "authId": auth_id,
            "expiration": expiration.map(entry::time),
        })
    }
}
