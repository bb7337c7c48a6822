//! What became of the notifications of a subscription's webhook.

use bytes::Bytes;
use http::Method;

use super::{
    ActivityClient, ActivityError, Failure, NotificationAttempt, Operation, TimeWindow,
    answer::parse_notification_attempts,
    client::Subject,
    content::{LARGEST_PAGE, api_time},
};
use crate::content::Feed;

/// So many pages say enough: the listing serves diagnosis only.
const PAGES: usize = 10;

impl ActivityClient {
    /// The attempts to notify the webhook of a feed's subscription of content created in `window`, in no particular order,
    /// several for the same content. Of a very long list, the beginning.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    pub async fn list_notifications(
        &self,
        feed: Feed,
        window: TimeWindow,
    ) -> Result<Vec<NotificationAttempt>, ActivityError> {
        let subject = Subject::of(Operation::ListNotifications, feed);
        let (start, end) = (api_time(window.start), api_time(window.end));
        let parameters =
            [("contentType", feed.content_type.as_str()), ("startTime", start.as_str()), ("endTime", end.as_str())];
        let mut url = self.url(feed.tenant, "subscriptions/notifications", &parameters);
        let mut attempts = Vec::new();
        for _ in 0..PAGES {
            let (headers, body) = self.call(subject, Method::GET, url, Bytes::new(), LARGEST_PAGE).await?;
            let page = parse_notification_attempts(&body)
                .map_err(|error| subject.error(Failure::Malformed { problem: error.to_string() }))?;
            attempts.extend(page);
            match self.page_after(subject, &headers)? {
                Some(next) => url = next.0,
                None => break,
            }
        }
        Ok(attempts)
    }
}
