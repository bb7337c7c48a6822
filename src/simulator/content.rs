//! `GET subscriptions/content`: what is there to be fetched.

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use http::{HeaderName, HeaderValue};
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use url::Url;

use super::{
    answer::Answer,
    auth,
    call::Call,
    dice::{self, Dice},
    refusal::Refusal,
    state::{Service, State},
    subscriptions::{self, Subscription},
    timeline::span,
    token::Claims,
    window::{Window, write_time},
    world::{Blob, LOOKBACK, Source},
};
use crate::content::{ContentType, Feed};

/// A page of the listing of one window.
struct Page {
    /// When the first page was asked for. Later pages list what was there then: what turns up between two pages would
    /// otherwise move entries from one to another.
    as_of: DateTime<Utc>,
    offset: usize,
    /// Whether the caller of the first page chose the window.
    chosen: bool,
}

pub(super) fn list(service: &Service, call: &Call, claims: &Claims, now: DateTime<Utc>) -> Result<Answer, Refusal> {
    let feed = call.feed(claims.tenant())?;
    auth::permission(service, claims, feed)?;
    let subscription = subscriptions::require_enabled(service, feed)?;
    let mut window = Window::of(call, now, service.config.lookback_tolerance)?;
    let page = match call.parameter("nextPage") {
        None => Page { as_of: now.trunc_subsecs(3), offset: 0, chosen: window.chosen },
        Some(token) => Page::read(token, feed, window).ok_or_else(|| Refusal::next_page(token))?,
    };
    window.chosen = page.chosen;

    let found = listable(service, feed, &subscription, window, page.as_of);
    let until = page.offset.saturating_add(service.config.page_size.max(1)).min(found.len());
    let on_page = found.get(page.offset.min(until)..until).unwrap_or_default();
    let blobs: Vec<_> = on_page.iter().filter_map(|source| service.world.blob(feed, *source)).collect();

    let mut state = service.state();
    let mut entries: Vec<_> = blobs.iter().map(|blob| state.announce(window, blob)).collect();
    // "Not sorted in a page" is what FB and o365beat prepare for, by sorting.
    entries.shuffle(&mut state.rng);

    let answer = Answer::json(&Value::Array(entries));
    let next = if state.faults.next_page_loop { page.offset } else { until };
    if next >= found.len() {
        return Ok(answer);
    }
    let token = Page { offset: next, ..page }.write(feed, window);
    let publisher = call.parameter("PublisherIdentifier").filter(|_| service.config.next_page_repeats_publisher);
    let url = next_page_url(&state.base_url, feed, window, publisher, &token);
    // MSREF calls the header NextPageUri, MSTRB NextPageUrl.
    let name = if dice::chance(&mut state.rng, 0.75) { "nextpageuri" } else { "nextpageurl" };
    match HeaderValue::from_str(url.as_str()) {
        Ok(value) => Ok(answer.with_next_page(HeaderName::from_static(name), value)),
        Err(_) => Err(Refusal::internal()),
    }
}

/// The blobs a window lists at a time, oldest first.
pub(super) fn listable(
    service: &Service,
    feed: Feed,
    subscription: &Subscription,
    window: Window,
    at: DateTime<Utc>,
) -> Vec<Source> {
    let oldest = at - span(LOOKBACK) - span(service.config.lookback_tolerance);
    let created = service.world.created_within(feed, window.start.max(oldest), window.end);
    created
        .into_iter()
        .filter(|(created, _)| *created <= at && subscription.covers(*created))
        .filter(|(_, source)| service.world.available_from(feed, *source).is_some_and(|from| from <= at))
        .map(|(_, source)| source)
        .collect()
}

impl State {
    fn announce(&mut self, window: Window, blob: &Blob) -> Value {
        let flaws = Flaws::draw(self);
        if window.cuts(blob.created) {
            self.stats.partial_refs += 1;
            return entry(&self.base_url, &blob.halved(), flaws);
        }
        entry(&self.base_url, blob, flaws)
    }
}

/// What is wrong with one entry.
#[derive(Clone, Copy)]
struct Flaws {
    foreign: bool,
    without_uri: bool,
    wrong_type: bool,
}

impl Flaws {
    fn draw(state: &mut State) -> Self {
        let State { rng, faults, .. } = state;
        Self {
            foreign: dice::chance(rng, faults.foreign_uri),
            without_uri: dice::chance(rng, faults.missing_content_uri),
            wrong_type: dice::chance(rng, faults.wrong_content_type),
        }
    }
}

fn entry(base: &Url, blob: &Blob, flaws: Flaws) -> Value {
    let time = |time: DateTime<Utc>| time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    let content_type = match blob.feed.content_type {
        ContentType::General if flaws.wrong_type => ContentType::Exchange,
        _ if flaws.wrong_type => ContentType::General,
        right => right,
    };
    let mut entry = json!({
        "contentType": content_type.as_str(),
        "contentId": blob.content_id,
        "contentUri": content_uri(base, blob, flaws.foreign),
        "contentCreated": time(blob.created),
        "contentExpiration": time(blob.expiration),
    });
    if flaws.without_uri
        && let Some(members) = entry.as_object_mut()
    {
        members.remove("contentUri");
    }
    entry
}

/// Where a blob is fetched: its `$` stand unescaped.
pub(super) fn content_uri(base: &Url, blob: &Blob, foreign: bool) -> String {
    let origin = if foreign { "https://manage.office.com.example.net" } else { base.as_str().trim_end_matches('/') };
    format!("{origin}/api/v1.0/{}/activity/feed/audit/{}", blob.feed.tenant, blob.content_id)
}

/// The link to the next page: under `/api/v1/` as MSREF shows it, with times in lower-case keys as CEL sees them.
fn next_page_url(base: &Url, feed: Feed, window: Window, publisher: Option<&str>, token: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("/api/v1/{}/activity/feed/subscriptions/content", feed.tenant));
    let mut query = url.query_pairs_mut();
    query.append_pair("contentType", feed.content_type.as_str());
    query.append_pair("starttime", &write_time(window.start)).append_pair("endtime", &write_time(window.end));
    query.append_pair("nextPage", token);
    if let Some(publisher) = publisher {
        query.append_pair("PublisherIdentifier", publisher);
    }
    drop(query);
    url
}

impl Page {
    /// `2015101900R022885001761` in MSREF: a time, an `R`, digits. Here the digits are the offset and a check that ties the
    /// token to its listing, and the letter tells who chose the window.
    fn write(&self, feed: Feed, window: Window) -> String {
        let as_of = self.as_of.format("%Y%m%d%H%M%S%3f");
        let letter = if self.chosen { 'R' } else { 'D' };
        let position = format!("{as_of}{letter}{:08}", self.offset);
        format!("{position}{:05}", Self::check(&position, feed, window))
    }

    fn read(token: &str, feed: Feed, window: Window) -> Option<Self> {
        let (position, check) = token.split_at_checked(token.len().checked_sub(5)?)?;
        if check.parse() != Ok(Self::check(position, feed, window)) {
            return None;
        }
        let (as_of, offset) = position.split_once(['R', 'D'])?;
        Some(Self {
            as_of: NaiveDateTime::parse_from_str(as_of, "%Y%m%d%H%M%S%3f").ok()?.and_utc(),
            offset: offset.parse().ok()?,
            chosen: position.contains('R'),
        })
    }

    fn check(position: &str, feed: Feed, window: Window) -> u64 {
        let listing = format!("{position}{}{}", write_time(window.start), write_time(window.end));
        Dice::new(0).of_uuid(feed.content_type.as_str(), feed.tenant.0).of(&listing, 0).below(100_000)
    }
}
