//! Listings that come in pages: which window a caller asked for, where the page is in it, and the link to the next.

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use http::{HeaderName, HeaderValue};
use rand::seq::SliceRandom;
use serde_json::Value;
use url::Url;

use super::{
    answer::Answer,
    call::Call,
    dice::{self, Dice},
    error_reply::ErrorReply,
    state::{Service, SimulatorState},
    window::{Window, write_time},
};
use crate::content::Feed;

/// One page of a listing, as it was asked for.
pub(super) struct Listing {
    /// What is listed, by the last part of its path. A link leads back to the listing it came from.
    name: &'static str,
    feed: Feed,
    pub window: Window,
    page: Page,
}

/// The place of a page.
struct Page {
    /// When the first page was asked for. Later pages list what was there then: what turns up between two pages would
    /// otherwise move entries from one to another.
    as_of: DateTime<Utc>,
    offset: usize,
    /// Whether the caller of the first page chose the window.
    chosen: bool,
}

impl Listing {
    pub fn of(
        service: &Service,
        call: &Call,
        name: &'static str,
        feed: Feed,
        now: DateTime<Utc>,
    ) -> Result<Self, ErrorReply> {
        let mut window = Window::of(call, now, service.config.lookback_tolerance)?;
        let page = match call.parameter("nextPage") {
            None => Page { as_of: now.trunc_subsecs(3), offset: 0, chosen: window.chosen },
            Some(token) => Page::read(token, name, feed, window).ok_or_else(|| ErrorReply::next_page(token))?,
        };
        window.chosen = page.chosen;
        Ok(Self { name, feed, window, page })
    }

    /// The time at which the listing is taken.
    pub fn as_of(&self) -> DateTime<Utc> {
        self.page.as_of
    }

    /// The part of what was found that belongs on this page.
    pub fn on_page<'a, T>(&self, service: &Service, found: &'a [T]) -> &'a [T] {
        let until = self.until(service, found.len());
        found.get(self.page.offset.min(until)..until).unwrap_or_default()
    }

    /// The answer with this page's entries, and with a link if more was found than lies before its end.
    pub fn answer(
        &self,
        service: &Service,
        state: &mut SimulatorState,
        call: &Call,
        mut entries: Vec<Value>,
        found: usize,
    ) -> Result<Answer, ErrorReply> {
        // "Not sorted in a page" is what FB and o365beat prepare for, by sorting.
        entries.shuffle(&mut state.rng);

        let answer = Answer::json(&Value::Array(entries));
        let next = if state.faults.next_page_loop { self.page.offset } else { self.until(service, found) };
        if next >= found {
            return Ok(answer);
        }
        let publisher = call.parameter("PublisherIdentifier").filter(|_| service.config.next_page_repeats_publisher);
        let url = self.link(&state.base_url, publisher, next);
        // MSREF calls the header NextPageUri, MSTRB NextPageUrl.
        let name = if dice::chance(&mut state.rng, 0.75) { "nextpageuri" } else { "nextpageurl" };
        match HeaderValue::from_str(url.as_str()) {
            Ok(value) => Ok(answer.with_next_page(HeaderName::from_static(name), value)),
            Err(_) => Err(ErrorReply::internal()),
        }
    }

    fn until(&self, service: &Service, found: usize) -> usize {
        self.page.offset.saturating_add(service.config.page_size.max(1)).min(found)
    }

    /// The link to the page that begins at an offset: under `/api/v1/` as MSREF shows it, with times in lower-case keys as
    /// CEL sees them. MSREF's sample for notifications leads to `content`, which cannot be meant.
    fn link(&self, base: &Url, publisher: Option<&str>, offset: usize) -> Url {
        let Self { name, feed, window, ref page } = *self;
        let token = Page { offset, ..*page }.write(name, feed, window);
        let mut url = base.clone();
        url.set_path(&format!("/api/v1/{}/activity/feed/subscriptions/{name}", feed.tenant));
        let mut query = url.query_pairs_mut();
        query.append_pair("contentType", feed.content_type.as_str());
        query.append_pair("starttime", &write_time(window.start)).append_pair("endtime", &write_time(window.end));
        query.append_pair("nextPage", &token);
        if let Some(publisher) = publisher {
            query.append_pair("PublisherIdentifier", publisher);
        }
        drop(query);
        url
    }
}

impl Page {
    /// `2015101900R022885001761` in MSREF: a time, an `R`, digits. Here the digits are the offset and a check that ties the
    /// token to its listing, and the letter says who chose the window.
    fn write(&self, name: &str, feed: Feed, window: Window) -> String {
        let as_of = self.as_of.format("%Y%m%d%H%M%S%3f");
        let letter = if self.chosen { 'R' } else { 'D' };
        let position = format!("{as_of}{letter}{:08}", self.offset);
        format!("{position}{:05}", Self::check(&position, name, feed, window))
    }

    fn read(token: &str, name: &str, feed: Feed, window: Window) -> Option<Self> {
        let (position, check) = token.split_at_checked(token.len().checked_sub(5)?)?;
        if check.parse() != Ok(Self::check(position, name, feed, window)) {
            return None;
        }
        let (as_of, offset) = position.split_once(['R', 'D'])?;
        Some(Self {
            as_of: NaiveDateTime::parse_from_str(as_of, "%Y%m%d%H%M%S%3f").ok()?.and_utc(),
            offset: offset.parse().ok()?,
            chosen: position.contains('R'),
        })
    }

    fn check(position: &str, name: &str, feed: Feed, window: Window) -> u64 {
        let listing = format!("{name}{position}{}{}", write_time(window.start), write_time(window.end));
        Dice::new(0).of_uuid(feed.content_type.as_str(), feed.tenant.0).of(&listing, 0).below(100_000)
    }
}
