//! What a subscription's webhook should be, and what is wrong with the one that it has.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use snafu::Snafu;
use url::Url;

use super::DiscoveryError;
use crate::activity::{ListedWebhook, SecretAuthId, WebhookRequest};

/// What is to become of the webhooks of subscriptions.
#[derive(Clone, Debug)]
pub enum WebhookPolicy {
    /// There is to be no webhook. One that this source has set is removed; any other stays.
    Without,
    /// They are left as they are: a run that ends by itself cannot receive notifications.
    Untouched,
    /// There is to be this one.
    With(Arc<WebhookTarget>),
}

impl WebhookPolicy {
    /// The webhook that there is to be.
    pub fn target(&self) -> Option<&Arc<WebhookTarget>> {
        match self {
            Self::With(target) => Some(target),
            Self::Without | Self::Untouched => None,
        }
    }
}

/// The webhook of this source.
#[derive(Clone, Debug)]
pub struct WebhookTarget {
    /// What Microsoft gets.
    pub address: Url,
    /// What notifications must carry.
    pub auth_id: SecretString,
    /// For how long a start asks for notifications; `None` indefinitely.
    pub expires_after: Option<Duration>,
}

/// Why a listed webhook is not the one that it should be.
#[derive(Clone, Debug, Eq, PartialEq, Snafu)]
pub enum WebhookFlaw {
    /// Microsoft sometimes removes it without notice (issue 179 of Microsoft's documentation).
    #[snafu(display("the subscription has no webhook"))]
    Missing,
    /// "If we continue to encounter failures, we reserve the right to disable the webhook" (Microsoft's reference).
    #[snafu(display("Microsoft has disabled the webhook after too many failed notifications"))]
    Disabled,
    /// Its expiration is over.
    #[snafu(display("the webhook has expired"))]
    Expired,
    /// Its expiration is near.
    #[snafu(display("the webhook expires soon"))]
    ExpiresSoon,
    /// Another program's, or ours from before a change of the configuration.
    #[snafu(display("the webhook points to {address}"))]
    Elsewhere {
        /// Where.
        address: String,
    },
    /// It was asked for with a longer life than is configured now.
    #[snafu(display("the webhook expires later than configured"))]
    ExpiresLate,
    /// The AuthID is not ours.
    #[snafu(display("the webhook has another AuthID"))]
    OtherAuthId,
    /// Set by this source, which does not want it any more.
    #[snafu(display("the webhook is not wanted any more"))]
    LeftOver,
}

impl WebhookFlaw {
    /// Whether notifications arrive nevertheless.
    pub const fn is_harmless(&self) -> bool {
        matches!(self, Self::ExpiresSoon | Self::ExpiresLate | Self::LeftOver)
    }

    /// A short name for metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "webhook_missing",
            Self::Disabled => "webhook_disabled",
            Self::Expired => "webhook_expired",
            Self::ExpiresSoon => "webhook_expires_soon",
            Self::ExpiresLate => "webhook_expires_late",
            Self::Elsewhere { .. } => "webhook_elsewhere",
            Self::OtherAuthId => "webhook_other_auth_id",
            Self::LeftOver => "webhook_left_over",
        }
    }
}

/// A flaw that could not be repaired now.
#[derive(Debug, Snafu)]
#[snafu(display("{flaw}; {}", reason(source)))]
pub struct WebhookProblem {
    /// What is wrong.
    pub flaw: WebhookFlaw,
    /// Why it stays so.
    pub source: DiscoveryError,
}

fn reason(source: &DiscoveryError) -> String {
    match source {
        DiscoveryError::TooSoon { last, next, .. } => {
            format!("the subscription was last started at {last}, and Microsoft accepts the next start after {next}")
        }
        other => other.to_string(),
    }
}

/// How much later than configured a webhook may expire: clocks differ.
const LATE: TimeDelta = TimeDelta::hours(1);

impl WebhookTarget {
    /// What to ask Microsoft for.
    pub fn request(&self, now: DateTime<Utc>) -> WebhookRequest {
        let expires_after = self.expires_after.and_then(|life| TimeDelta::from_std(life).ok());
        let expiration = expires_after.and_then(|life| now.checked_add_signed(life));
        WebhookRequest { address: self.address.clone(), auth_id: self.auth_id.clone(), expiration }
    }

    /// The webhook as the API lists it once a start has succeeded.
    pub fn as_listed(&self, now: DateTime<Utc>) -> ListedWebhook {
        ListedWebhook {
            status: Some("enabled".to_owned()),
            address: Some(self.address.to_string()),
            auth_id: Some(SecretAuthId::from(self.auth_id.expose_secret())),
            expiration: self.request(now).expiration,
        }
    }

    /// What keeps a listed webhook from being this one.
    pub fn flaw(&self, listed: Option<&ListedWebhook>, now: DateTime<Utc>) -> Option<WebhookFlaw> {
        let Some(listed) = listed else { return Some(WebhookFlaw::Missing) };
        let address = listed.address.as_deref().unwrap_or_default();
        if !self.is_at(address) {
            return Some(WebhookFlaw::Elsewhere { address: address.chars().take(200).collect() });
        }
        let status = listed.status.as_deref().unwrap_or("enabled");
        if status.eq_ignore_ascii_case("expired") || listed.expiration.is_some_and(|time| time <= now) {
            return Some(WebhookFlaw::Expired);
        }
        if !status.eq_ignore_ascii_case("enabled") {
            return Some(WebhookFlaw::Disabled);
        }
        if listed.auth_id.as_ref().is_some_and(|listed| !listed.is(self.auth_id.expose_secret())) {
            return Some(WebhookFlaw::OtherAuthId);
        }
        // An end that is not listed is not held against it: Microsoft may leave it out.
        let left = listed.expiration? - now;
        let life = self.expires_after.and_then(|life| TimeDelta::from_std(life).ok());
        match life {
            // Not to expire any more.
            None => Some(WebhookFlaw::ExpiresSoon),
            // Renewed when a third of its life is left.
            Some(life) if left < life / 3 => Some(WebhookFlaw::ExpiresSoon),
            Some(life) if left > life + LATE => Some(WebhookFlaw::ExpiresLate),
            Some(_) => None,
        }
    }

    /// Whether this webhook is at `address`, whatever Microsoft did to the spelling.
    fn is_at(&self, address: &str) -> bool {
        Url::parse(address).is_ok_and(|address| address == self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_760_000_000, 0).unwrap()
    }

    fn target(expires_after: Option<Duration>) -> WebhookTarget {
        let address = "https://collector.example.com:8443/wh/o365/".parse().unwrap();
        WebhookTarget { address, auth_id: "ours".into(), expires_after }
    }

    #[test]
    fn what_a_start_asked_for_is_as_wanted() {
        for life in [None, Some(Duration::from_hours(24))] {
            let target = target(life);
            assert_eq!(target.flaw(Some(&target.as_listed(now())), now()), None);
        }
    }

    #[test]
    fn every_flaw_is_told_apart() {
        let target = target(None);
        let ours = target.as_listed(now());
        let with = |change: fn(&mut ListedWebhook)| {
            let mut webhook = ours.clone();
            change(&mut webhook);
            target.flaw(Some(&webhook), now()).map(|flaw| flaw.code())
        };
        assert_eq!(target.flaw(None, now()), Some(WebhookFlaw::Missing));
        assert_eq!(with(|webhook| webhook.status = Some("Disabled".to_owned())), Some("webhook_disabled"));
        assert_eq!(with(|webhook| webhook.status = Some("expired".to_owned())), Some("webhook_expired"));
        assert_eq!(with(|webhook| webhook.expiration = Some(now())), Some("webhook_expired"));
        assert_eq!(with(|webhook| webhook.address = None), Some("webhook_elsewhere"));
        assert_eq!(
            with(|webhook| webhook.address = Some("https://other.example.com/".to_owned())),
            Some("webhook_elsewhere")
        );
        assert_eq!(with(|webhook| webhook.auth_id = Some(SecretAuthId::from("theirs"))), Some("webhook_other_auth_id"));
        assert_eq!(with(|webhook| webhook.expiration = Some(now() + TimeDelta::days(9))), Some("webhook_expires_soon"));
        assert_eq!(with(|webhook| webhook.status = None), None, "what the API does not say is not held against it");
        assert_eq!(with(|webhook| webhook.auth_id = None), None);
        assert_eq!(
            with(|webhook| webhook.address = Some("HTTPS://Collector.Example.com:8443/wh/o365/".to_owned())),
            None
        );
    }

    #[test]
    fn a_webhook_is_renewed_when_a_third_of_its_life_is_left() {
        let target = target(Some(Duration::from_hours(24)));
        let listed = target.as_listed(now());
        assert_eq!(target.flaw(Some(&listed), now() + TimeDelta::hours(15)), None);
        assert_eq!(target.flaw(Some(&listed), now() + TimeDelta::hours(17)), Some(WebhookFlaw::ExpiresSoon));
        assert_eq!(target.flaw(Some(&listed), now() + TimeDelta::hours(24)), Some(WebhookFlaw::Expired));
        let shorter = super::tests::target(Some(Duration::from_hours(12)));
        assert_eq!(shorter.flaw(Some(&listed), now()), Some(WebhookFlaw::ExpiresLate));
    }
}
