//! Subscriptions: what must exist before there is content.

use bytes::Bytes;
use http::Method;

use super::{ActivityClient, ActivityError, Failure, Operation, Subscription, answer::parse_array, client::Subject};
use crate::content::{Feed, TenantId};

/// Answers about subscriptions hold a handful of objects.
const LARGEST_ANSWER: usize = 1024 * 1024;

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

    /// Starts a subscription without webhook. One that is enabled already is a success (AF20024, which Microsoft's table
    /// of errors does not list).
    ///
    /// This changes the tenant: it removes a webhook that the subscription has. Microsoft refuses a second start within
    /// 15 minutes.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    pub async fn start_subscription(&self, feed: Feed) -> Result<(), ActivityError> {
        let subject = Subject::of(Operation::StartSubscription, feed);
        let url = self.url(feed.tenant, "subscriptions/start", &[("contentType", feed.content_type.as_str())]);
        match self.call(subject, Method::POST, url, Bytes::new(), LARGEST_ANSWER).await {
            Ok(_) => Ok(()),
            Err(error) => match *error.failure {
                Failure::Refused { ref refusal, .. } if refusal.is(&["AF20024"]) => Ok(()),
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
