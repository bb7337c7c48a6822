//! Subscriptions: what must exist before there is content.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use url::Url;

use super::{
    ActivityClient, ActivityError, Failure, Operation, Subscription, answer::parse_array, client::Subject,
    content::api_time,
};
use crate::content::{Feed, TenantId};

/// Answers about subscriptions hold a handful of objects.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// What a start came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Start {
    /// The subscription is as the start asked for.
    Changed,
    /// Microsoft says that it was already: "The subscription is already enabled. No property change." (AF20024).
    Unchanged,
}

/// The webhook that a subscription is to have.
#[derive(Clone, Debug)]
pub struct WebhookRequest {
    /// Where notifications go; https.
    pub address: Url,
    /// What they carry in the header `Webhook-AuthID`.
    pub auth_id: SecretString,
    /// Until when they are sent; `None` indefinitely.
    pub expiration: Option<DateTime<Utc>>,
}

impl WebhookRequest {
    /// The body of `subscriptions/start`. Microsoft's sample writes `""` for a webhook that does not expire.
    fn to_body(&self) -> Bytes {
        let expiration = self.expiration.map_or_else(String::new, |time| format!("{}Z", api_time(time)));
        let webhook = json!({
            "address": self.address.as_str(),
            "authId": self.auth_id.expose_secret(),
            "expiration": expiration,
        });
        json!({ "webhook": webhook }).to_string().into()
    }
}

impl ActivityClient {
    /// The tenant's subscriptions; none when it never had one.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    pub async fn list_subscriptions(&self, tenant: TenantId) -> Result<Vec<Subscription>, ActivityError> {
        let subject = Subject { operation: Operation::ListSubscriptions, tenant, content_type: None };
        let url = self.url(tenant, "subscriptions/list", &[]);
        let (_, body) = self.call(subject, Method::GET, url, Bytes::new(), LARGEST_ANSWER).await?;
        parse_array(&body).map_err(|error| subject.error(Failure::Malformed { problem: error.to_string() }))
    }

    /// Starts a subscription, or gives an enabled one another webhook. One that is as it should be already is no error
    /// (AF20024, which Microsoft's table of errors does not list).
    ///
    /// This changes the tenant: without `webhook`, it removes one that the subscription has. Microsoft refuses a second
    /// start within 15 minutes. With `webhook`, Microsoft posts a validation code there before it answers.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    pub async fn start_subscription(
        &self,
        feed: Feed,
        webhook: Option<&WebhookRequest>,
    ) -> Result<Start, ActivityError> {
        let subject = Subject::of(Operation::StartSubscription, feed);
        let url = self.url(feed.tenant, "subscriptions/start", &[("contentType", feed.content_type.as_str())]);
        let body = webhook.map_or_else(Bytes::new, WebhookRequest::to_body);
        match self.call(subject, Method::POST, url, body, LARGEST_ANSWER).await {
            Ok(_) => Ok(Start::Changed),
            Err(error) => match *error.failure {
                Failure::Refused { ref refusal, .. } if refusal.is(&["AF20024"]) => Ok(Start::Unchanged),
                _ => Err(error),
            },
        }
    }

    /// Stops a subscription. What becomes available until it is started again is lost.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    pub async fn stop_subscription(&self, feed: Feed) -> Result<(), ActivityError> {
        let subject = Subject::of(Operation::StopSubscription, feed);
        let url = self.url(feed.tenant, "subscriptions/stop", &[("contentType", feed.content_type.as_str())]);
        self.call(subject, Method::POST, url, Bytes::new(), LARGEST_ANSWER).await.map(drop)
    }
}
