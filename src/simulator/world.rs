//! All content: what follows from the configuration and what a test has placed.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, NaiveDateTime, SubsecRound, TimeDelta, Utc};

use super::{
    SimulatorConfig,
    bodies::{Author, Slot},
    dice::Dice,
    placed::{Placed, PlacedRecord, first_half},
    timeline::{Timeline, span},
};
use crate::content::{ContentType, Feed, TenantId};

/// A blob for [`Simulator::add_blob`](super::Simulator::add_blob).
#[derive(Clone, Debug)]
pub struct BlobSpec {
    /// The body, byte for byte. It need not be valid JSON; the oracle expects those events whose `Id` can be read from it.
    pub body: Bytes,
    /// `contentCreated`, cut to milliseconds.
    pub created: DateTime<Utc>,
    /// `contentExpiration`; by default the configured retention after `created`.
    pub expiration: Option<DateTime<Utc>>,
    /// When it is first listed; by default at `created`. Real content is sometimes listed later.
    pub available_from: Option<DateTime<Utc>>,
    /// Whether no listing and no notification ever names it. The audit search finds its events all the same.
    pub unlisted: bool,
}

impl BlobSpec {
    /// A blob that is listed from its creation on and expires as configured.
    pub fn new(body: impl Into<Bytes>, created: DateTime<Utc>) -> Self {
        Self { body: body.into(), created, expiration: None, available_from: None, unlisted: false }
    }

    /// The same blob, listed only from `time` on.
    pub fn available_from(mut self, time: DateTime<Utc>) -> Self {
        self.available_from = Some(time);
        self
    }

    /// The same blob, not to be fetched after `time`.
    pub fn expiring(mut self, time: DateTime<Utc>) -> Self {
        self.expiration = Some(time);
        self
    }

    /// The same blob, never listed and never announced.
    pub fn unlisted(mut self) -> Self {
        self.unlisted = true;
        self
    }
}

/// A blob and where its body comes from.
#[derive(Clone, Debug)]
pub(super) struct Blob {
    pub feed: Feed,
    pub content_id: String,
    pub created: DateTime<Utc>,
    pub expiration: DateTime<Utc>,
    pub available_from: DateTime<Utc>,
    /// Only the first half of the events (FB: a window that starts where the blob was created gets "a partial one").
    pub partial: bool,
    pub source: Source,
}

/// What distinguishes one blob of a feed from another.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Source {
    Generated(u64),
    Placed(u64),
}

/// How far a reader has seen the content of one feed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    generated: u64,
    placed: usize,
}

/// All content of all tenants.
pub(super) struct World {
    retention: TimeDelta,
    timelines: BTreeMap<Feed, Timeline>,
    author: Author,
    placed: Mutex<BTreeMap<Feed, Vec<Placed>>>,
}

impl World {
    pub fn new(config: &SimulatorConfig, start: DateTime<Utc>) -> Self {
        let seed = Dice::new(config.seed);
        let timeline =
            |feed| Timeline::new(feed, seed, start, config.backlog.clone(), config.live.clone(), &config.faults);
        let feeds = config.tenants.iter().flat_map(|tenant| {
            tenant.content_types.iter().map(|content_type| Feed { tenant: tenant.id, content_type: *content_type })
        });
        Self {
            retention: span(config.retention),
            timelines: feeds.map(|feed| (feed, timeline(feed))).collect(),
            author: Author::new(config),
            placed: Mutex::default(),
        }
    }

    /// Adds a blob to those that follow from the configuration.
    pub fn place(&self, feed: Feed, mut spec: BlobSpec) -> String {
        spec.created = spec.created.trunc_subsecs(3);
        let mut placed = self.placed();
        let of_feed = placed.entry(feed).or_default();
        let number = of_feed.len() as u64;
        let created = spec.created;
        of_feed.push(Placed::new(spec));
        content_id(feed.content_type, created, Source::Placed(number), false)
    }

    /// Every feed that has, or could have, content.
    pub fn feeds(&self) -> Vec<Feed> {
        let placed = self.placed();
        let mut feeds: Vec<_> = self.timelines.keys().chain(placed.keys()).copied().collect();
        feeds.sort_unstable();
        feeds.dedup();
        feeds
    }

    /// The blobs of a feed created within a half-open range of time, oldest first, whether or not they are available.
    pub fn created_within(
        &self,
        feed: Feed,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Vec<(DateTime<Utc>, Source)> {
        let mut found = Vec::new();
        if let Some(timeline) = self.timelines.get(&feed) {
            let generated = timeline.numbers(from, until);
            found.extend(generated.map(|number| (timeline.created(number), Source::Generated(number))));
        }
        if let Some(placed) = self.placed().get(&feed) {
            let numbered = (0..).zip(placed).map(|(number, blob)| (blob.spec.created, Source::Placed(number)));
            found.extend(numbered.filter(|(created, _)| (from..until).contains(created)));
        }
        found.sort_unstable();
        found
    }

    /// What `seen` does not know yet of a feed's content created since a time. Content that a test places can lie in the
    /// future, or in the past; all other content comes in the order of its creation.
    pub fn news(&self, feed: Feed, seen: &mut Seen, since: DateTime<Utc>, now: DateTime<Utc>) -> Vec<Source> {
        let mut news = Vec::new();
        if let Some(timeline) = self.timelines.get(&feed) {
            let created = timeline.numbers(since, now + TimeDelta::milliseconds(1));
            let unseen = created.start.max(seen.generated)..created.end;
            seen.generated = unseen.end.max(seen.generated);
            news.extend(unseen.map(Source::Generated));
        }
        if let Some(placed) = self.placed().get(&feed) {
            let unseen = (0..).zip(placed).skip(seen.placed);
            news.extend(
                unseen.filter(|(_, blob)| since <= blob.spec.created).map(|(number, _)| Source::Placed(number)),
            );
            seen.placed = placed.len();
        }
        news
    }

    /// When a blob was created.
    pub fn created(&self, feed: Feed, source: Source) -> Option<DateTime<Utc>> {
        match source {
            Source::Generated(number) => Some(self.timelines.get(&feed)?.created(number)),
            Source::Placed(number) => self.placed_spec(feed, number, |spec| spec.created),
        }
    }

    /// From when on a blob is listed; `None` if it never is. Cheaper than the whole blob when only this is asked.
    pub fn available_from(&self, feed: Feed, source: Source) -> Option<DateTime<Utc>> {
        match source {
            Source::Generated(number) => self.timelines.get(&feed)?.available_from(number),
            Source::Placed(number) => {
                let listed = |spec: &BlobSpec| (!spec.unlisted).then(|| spec.available_from.unwrap_or(spec.created));
                self.placed_spec(feed, number, listed)?
            }
        }
    }

    /// A blob by what [`Self::created_within`] returned. `None` if it is never listed: nobody can ask for it.
    pub fn blob(&self, feed: Feed, source: Source) -> Option<Blob> {
        let (created, expiration) = match source {
            Source::Generated(number) => (self.timelines.get(&feed)?.created(number), None),
            Source::Placed(number) => self.placed_spec(feed, number, |spec| (spec.created, spec.expiration))?,
        };
        Some(Blob {
            feed,
            content_id: content_id(feed.content_type, created, source, false),
            created,
            expiration: expiration.unwrap_or(created + self.retention),
            available_from: self.available_from(feed, source)?,
            partial: false,
            source,
        })
    }

    /// A blob by its id, partial ones included.
    pub fn find(&self, tenant: TenantId, id: &str) -> Option<Blob> {
        let content_type = ContentType::ALL.into_iter().find(|content_type| id.contains(&marker(*content_type)))?;
        let feed = Feed { tenant, content_type };
        let created = created_in(id)?;
        let same_time = self.created_within(feed, created, created + TimeDelta::milliseconds(1));
        same_time.into_iter().find_map(|(_, source)| {
            let blob = self.blob(feed, source)?;
            [blob.clone(), blob.halved()].into_iter().find(|blob| blob.content_id == id)
        })
    }

    /// A blob's body as JSON text (or as whatever a test placed).
    pub fn body(&self, blob: &Blob) -> Bytes {
        match blob.source {
            Source::Generated(number) => {
                let events = self.timelines.get(&blob.feed).map_or(0, |timeline| timeline.events(number));
                let events = if blob.partial { events / 2 } else { events };
                self.author.body(&self.timelines, blob.feed, number, events)
            }
            Source::Placed(number) => {
                let whole = self.placed_body(blob.feed, number).unwrap_or_default();
                if blob.partial { first_half(&whole) } else { whole }
            }
        }
    }

    /// The `Id` of each event in a whole blob, repeated ones included.
    pub fn event_ids(&self, feed: Feed, source: Source) -> Vec<String> {
        match source {
            Source::Generated(number) => {
                let Some(timeline) = self.timelines.get(&feed) else { return Vec::new() };
                (0..timeline.events(number))
                    .map(|event| self.author.id(self.author.origin(&self.timelines, Slot { feed, number, event })))
                    .map(|id| id.to_string())
                    .collect()
            }
            Source::Placed(number) => {
                let ids = |blob: &Placed| blob.records.iter().filter_map(|record| record.id.clone()).collect();
                self.placed_blob(feed, number, ids).unwrap_or_default()
            }
        }
    }

    fn placed_body(&self, feed: Feed, number: u64) -> Option<Bytes> {
        self.placed_spec(feed, number, |spec| spec.body.clone())
    }

    fn placed_spec<T>(&self, feed: Feed, number: u64, read: impl FnOnce(&BlobSpec) -> T) -> Option<T> {
        self.placed_blob(feed, number, |blob| read(&blob.spec))
    }

    /// One record of a placed blob.
    pub fn placed_record<T>(
        &self,
        feed: Feed,
        number: u64,
        event: u32,
        read: impl FnOnce(&PlacedRecord) -> T,
    ) -> Option<T> {
        self.placed_blob(feed, number, |blob| blob.records.get(usize::try_from(event).ok()?).map(read))?
    }

    fn placed_blob<T>(&self, feed: Feed, number: u64, read: impl FnOnce(&Placed) -> T) -> Option<T> {
        self.placed().get(&feed)?.get(usize::try_from(number).ok()?).map(read)
    }

    pub fn timelines(&self) -> &BTreeMap<Feed, Timeline> {
        &self.timelines
    }

    pub fn author(&self) -> &Author {
        &self.author
    }

    pub fn placed(&self) -> MutexGuard<'_, BTreeMap<Feed, Vec<Placed>>> {
        // A panic elsewhere cannot leave this map half changed.
        self.placed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Blob {
    /// The partial blob that the API may list in this one's place. It has an id of its own.
    pub fn halved(&self) -> Self {
        let content_id = content_id(self.feed.content_type, self.created, self.source, true);
        Self { content_id, partial: true, ..self.clone() }
    }
}

/// The shape of real ids, as in Azure/api-management-developer-portal#1063: two times of 23 digits, two names of the
/// content type and the region twice, with `$` between them. The second time holds `contentCreated` in its milliseconds
/// and the blob's number in the rest; the first is when aggregation began (at once, for a partial blob).
fn content_id(content_type: ContentType, created: DateTime<Utc>, source: Source, partial: bool) -> String {
    let began = if partial { created } else { created - TimeDelta::milliseconds(92_433) };
    let (number, region) = match source {
        Source::Generated(number) => (number, "na0030"),
        Source::Placed(number) => (number, "emea0017"),
    };
    let stamp = |time: DateTime<Utc>| format!("{}{:06}", time.format("%Y%m%d%H%M%S%3f"), number % 1_000_000);
    format!("{}${}{}${region}${region}", stamp(began), stamp(created), marker(content_type))
}

/// The part of an id that names the content type: `$audit_sharepoint$Audit_SharePoint`.
fn marker(content_type: ContentType) -> String {
    let name = content_type.as_str().replace('.', "_");
    format!("${}${name}", name.to_ascii_lowercase())
}

/// The creation time within an id.
fn created_in(id: &str) -> Option<DateTime<Utc>> {
    let stamp = id.split('$').nth(1)?.get(..17)?;
    NaiveDateTime::parse_from_str(stamp, "%Y%m%d%H%M%S%3f").ok().map(|time| time.and_utc())
}

/// Whether an id has the shape of an id at all; AF20052 if not.
pub(super) fn is_content_id(id: &str) -> bool {
    let parts: Vec<_> = id.split('$').collect();
    parts.len() >= 4
        && parts.iter().all(|part| !part.is_empty())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'$' | b'_' | b'-'))
}

/// How far back the API lists content (MSREF: 7 days).
pub(super) const LOOKBACK: Duration = Duration::from_hours(7 * 24);
