//! Listing content and retrieving it.

use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use http::{HeaderMap, Method, header::ToStrError};
use url::Url;

use super::{ActivityClient, ActivityError, ContentEntry, Failure, Operation, client::Subject, parse_listing};
use crate::{content::Feed, transport::Response};

/// A page of a listing has a few hundred entries of some 500 bytes.
pub(super) const LARGEST_PAGE: usize = 8 * 1024 * 1024;

/// A half-open window of `contentCreated`, in whole seconds: `start <= created < end`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeWindow {
    /// Inclusive.
    pub start: DateTime<Utc>,
    /// Exclusive.
    pub end: DateTime<Utc>,
}

impl TimeWindow {
    /// The longest window the API lists completely; of a longer one it may silently list only a part.
    pub const LONGEST: TimeDelta = TimeDelta::hours(24);

    /// A window, with both ends rounded to seconds so that it covers at least what was asked for.
    pub fn new(start: DateTime<Utc>, end: DateTime<Utc>) -> Self {
        let up = end.trunc_subsecs(0);
        Self { start: start.trunc_subsecs(0), end: if up < end { up + TimeDelta::seconds(1) } else { up } }
    }
}

impl fmt::Display for TimeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", api_time(self.start), api_time(self.end))
    }
}

/// The form all collectors agree works: UTC, seconds, no zone.
pub(super) fn api_time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%S").to_string()
}

/// The rest of a listing: Microsoft's own URL, used as it is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct NextPage(pub(super) Url);

/// A page of a listing.
#[derive(Clone, Debug)]
pub struct ListingPage {
    /// Its entries, in no particular order.
    pub entries: Vec<ContentEntry>,
    /// Where the next page is, if there is one; an error when that is unknown or no token may be sent there. The
    /// entries of this page are valid even then.
    pub next: Result<Option<NextPage>, ActivityError>,
}

impl ActivityClient {
    /// The first page of the content of a window.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    pub async fn list_content(&self, feed: Feed, window: TimeWindow) -> Result<ListingPage, ActivityError> {
        let (start, end) = (api_time(window.start), api_time(window.end));
        let parameters =
            [("contentType", feed.content_type.as_str()), ("startTime", start.as_str()), ("endTime", end.as_str())];
        self.list(feed, self.url(feed.tenant, "subscriptions/content", &parameters)).await
    }

    /// The next page of a listing.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    pub async fn list_next(&self, feed: Feed, next: &NextPage) -> Result<ListingPage, ActivityError> {
        self.list(feed, next.0.clone()).await
    }

    /// Where the page after the one with these headers is; `None` after the last.
    pub(super) fn page_after(&self, subject: Subject, headers: &HeaderMap) -> Result<Option<NextPage>, ActivityError> {
        let next = match next_page(headers) {
            None => Ok(None),
            // Taken for the last page, it would move the cursor past the rest.
            Some(Err(_)) => Err(Failure::Malformed { problem: "the link to the next page cannot be read".to_owned() }),
            Some(Ok(uri)) => self.origin.check(uri).map(|url| Some(NextPage(url))).map_err(Failure::Foreign),
        };
        next.map_err(|failure| subject.error(failure))
    }

    async fn list(&self, feed: Feed, url: Url) -> Result<ListingPage, ActivityError> {
        let subject = Subject::of(Operation::ListContent, feed);
        let (headers, body) = self.call(subject, Method::GET, url, Bytes::new(), LARGEST_PAGE).await?;
        let entries =
            parse_listing(&body).map_err(|error| subject.error(Failure::Malformed { problem: error.to_string() }))?;
        Ok(ListingPage { entries, next: self.page_after(subject, &headers) })
    }

    /// An error about listing `feed`, for what goes wrong over several pages.
    pub fn listing_error(&self, feed: Feed, failure: Failure) -> ActivityError {
        Subject::of(Operation::ListContent, feed).error(failure)
    }

    /// Starts to retrieve a blob.
    ///
    /// # Errors
    ///
    /// See [`Failure`]; also when `content_uri` leads elsewhere than to the API.
    pub async fn retrieve_content(&self, feed: Feed, content_uri: &str) -> Result<Response, ActivityError> {
        let subject = Subject::of(Operation::RetrieveContent, feed);
        let url = self.origin.check(content_uri).map_err(|error| subject.error(Failure::Foreign(error)))?;
        self.send(subject, Method::GET, url, Bytes::new()).await
    }

    /// An error about retrieving a blob of `feed`, for what goes wrong after the response has begun.
    pub fn retrieval_error(&self, feed: Feed, failure: Failure) -> ActivityError {
        Subject::of(Operation::RetrieveContent, feed).error(failure)
    }
}

/// Microsoft's reference calls the header `NextPageUri`, its troubleshooting page `NextPageUrl`.
///
/// An error when there is a link that cannot be read.
fn next_page(headers: &HeaderMap) -> Option<Result<&str, ToStrError>> {
    let value = ["nextpageuri", "nextpageurl"].iter().find_map(|name| headers.get(*name))?;
    match value.to_str().map(str::trim) {
        Ok("") => None,
        uri => Some(uri),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_at_least_what_was_asked_for() {
        let at = |ms: i64| DateTime::from_timestamp_millis(1_760_000_000_000 + ms).unwrap();
        assert_eq!(TimeWindow::new(at(999), at(1_001)), TimeWindow { start: at(0), end: at(2_000) });
        assert_eq!(TimeWindow::new(at(0), at(1_000)), TimeWindow { start: at(0), end: at(1_000) });
        assert_eq!(TimeWindow::new(at(0), at(1_000)).to_string(), "2025-10-09T08:53:20 to 2025-10-09T08:53:21");
    }

    #[test]
    fn the_next_page_is_found_in_any_case_under_both_names() {
        for name in ["NextPageUri", "nextpageuri", "NEXTPAGEURL", "Nextpageuri"] {
            let headers =
                HeaderMap::from_iter([(name.parse::<http::HeaderName>().unwrap(), " https://x ".parse().unwrap())]);
            assert_eq!(next_page(&headers).unwrap().unwrap(), "https://x");
        }
        let empty = HeaderMap::from_iter([("nextpageuri".parse::<http::HeaderName>().unwrap(), "".parse().unwrap())]);
        assert!(next_page(&empty).is_none());
        let broken = HeaderMap::from_iter([(
            "nextpageuri".parse::<http::HeaderName>().unwrap(),
            http::HeaderValue::from_bytes(b"https://x/\xff").unwrap(),
        )]);
        assert!(next_page(&broken).unwrap().is_err());
    }
}
