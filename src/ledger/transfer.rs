//! Everything that is durable, piece by piece, for a ledger in another place.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{
    AuditDay, BlobKey, Cursor, DayRecord, DeliveredCounts, EventKey, LedgerError, Relisted, SearchState, TenantRecord,
    counting::is_day,
    row::{BlobState, Row},
};
use crate::content::{Feed, TenantId};

/// How many rows of one table a page has at most.
pub(super) const MOST_ROWS: usize = 500;

/// How many ids of events a page has at most.
pub(super) const MOST_IDS: usize = 2_000;

/// A part of what a ledger holds. Its form as JSON is that of exported state: members may be added with defaults, none may
/// change its meaning.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Piece {
    /// A tenant that registered, or whose domain was set.
    Tenant(TenantRecord),
    /// How far a feed has come, and what is known of its subscription.
    Feed(FeedRecord),
    /// Content: pending, done or dead.
    Content(ContentRecord),
    /// Queries that were created lately.
    Queries {
        /// For which tenant.
        tenant: TenantId,
        /// When.
        times: Vec<DateTime<Utc>>,
    },
    /// A day that is compared with the audit search, or was.
    Day(DayRecord),
    /// How many events of a day were delivered.
    DeliveredCount {
        /// Of which feed.
        #[serde(flatten)]
        feed: Feed,
        /// The day of the events' own time.
        day: NaiveDate,
        /// How many.
        #[serde(flatten)]
        counts: DeliveredCounts,
    },
    /// Events that were delivered on one day.
    Delivered(DeliveredRecord),
    /// Which ids of delivered events are not among them. It is the last piece; state that does not have it is of a version that did not
    /// know which ids it had forgotten.
    Forgotten {
        /// Those of the days before this one; `None` for none.
        before: Option<NaiveDate>,
    },
}

/// How far a feed has come, and what is known of its subscription.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FeedRecord {
    /// Which feed.
    #[serde(flatten)]
    pub feed: Feed,
    /// How far it has been listed.
    #[serde(flatten)]
    pub cursor: Cursor,
    /// When a start of its subscription was last attempted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_start: Option<DateTime<Utc>>,
    /// The addresses of webhooks that this source gave its subscription.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhooks: Vec<String>,
}

/// What is known of a blob.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ContentRecord {
    /// Of which feed it is.
    #[serde(flatten)]
    pub feed: Feed,
    /// `contentId`.
    pub content_id: String,
    /// `contentUri`; done content has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content_uri: String,
    /// `contentCreated`.
    pub created: DateTime<Utc>,
    /// `contentExpiration`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<DateTime<Utc>>,
    /// When it became known.
    pub recorded: DateTime<Utc>,
    /// Whether only a notification announced it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub announced: bool,
    /// What became of it.
    pub state: ContentState,
}

/// What became of a blob.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentState {
    /// It is to be fetched.
    Pending {
        /// Attempts that failed.
        attempts: u32,
        /// How many times the pipeline has rejected events of it.
        rejections: u32,
        /// Not before this time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before: Option<DateTime<Utc>>,
    },
    /// Every event of it was delivered.
    Done {
        /// When.
        at: DateTime<Utc>,
    },
    /// It was given up.
    Dead {
        /// When.
        at: DateTime<Utc>,
        /// Why.
        reason: String,
    },
}

/// Events that were delivered on one day.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DeliveredRecord {
    /// Which day, by UTC.
    pub day: NaiveDate,
    /// The keys of the events: hashes of tenant and `Id`, in hexadecimal digits.
    pub events: Vec<EventKey>,
}

/// Where an export goes on.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportPosition {
    /// At the beginning: with tenants and feeds.
    #[default]
    Beginning,
    /// With the queries of the tenant after this one.
    Queries {
        /// Which; `None` for the first.
        after: Option<TenantId>,
    },
    /// With the compared day after this one.
    Days {
        /// Which; `None` for the first.
        after: Option<AuditDay>,
    },
    /// With the counts after those of this day and feed.
    DeliveredCounts {
        /// Which; `None` for the first.
        after: Option<(Feed, NaiveDate)>,
    },
    /// With the content after this.
    Content {
        /// Which; `None` for the first.
        after: Option<BlobKey>,
    },
    /// With the events of this day or the first one after it.
    Delivered {
        /// Which day.
        day: NaiveDate,
        /// After this one, if there are events of the day.
        after: Option<EventKey>,
    },
    /// With what has been forgotten.
    Forgotten,
}

/// A part of an export.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ExportPage {
    /// What is in it.
    pub pieces: Vec<Piece>,
    /// Where it goes on; `None` at the end.
    pub next: Option<ExportPosition>,
}

/// All that is durable, except the AuthID, which is a secret.
#[async_trait]
pub trait Transfer: fmt::Debug + Send + Sync {
    /// A page of everything.
    ///
    /// What happens between two pages may be missed, and loses no event: cursors come first, so that content which is
    /// recorded meanwhile is listed again, and delivered events come last. Nor does it prove more than is known: counts come before the
    /// ids of the events, so that they are not too high, and what has been forgotten comes after them. A search whose records are not
    /// pending where it is imported, because they were done meanwhile, is for its caller to begin anew.
    async fn export(&self, from: ExportPosition) -> Result<ExportPage, LedgerError>;

    /// Takes pieces, in place of what is known of the same feed, content, tenant or day.
    async fn import(&self, pieces: Vec<Piece>) -> Result<(), LedgerError>;
}

impl ContentRecord {
    pub(super) fn new(BlobKey { feed, content_id }: BlobKey, row: Row) -> Self {
        let Row { uri, created, expiration, recorded, announced, state } = row;
        let state = match state {
            BlobState::Pending { attempts, rejections, not_before } => {
                ContentState::Pending { attempts, rejections, not_before }
            }
            BlobState::Done { at } => ContentState::Done { at },
            BlobState::Dead { at, reason } => ContentState::Dead { at, reason },
        };
        Self { feed, content_id, content_uri: uri, created, expiration, recorded, announced, state }
    }

    pub(super) fn into_row(self) -> (BlobKey, Row) {
        let Self { feed, content_id, content_uri: uri, created, expiration, recorded, announced, state } = self;
        let state = match state {
            ContentState::Pending { attempts, rejections, not_before } => {
                BlobState::Pending { attempts, rejections, not_before }
            }
            ContentState::Done { at } => BlobState::Done { at },
            ContentState::Dead { at, reason } => BlobState::Dead { at, reason },
        };
        (BlobKey { feed, content_id }, Row { uri, created, expiration, recorded, announced, state })
    }
}

impl Piece {
    /// What a ledger cannot hold of it. What a ledger has exported is sound.
    pub fn problem(&self) -> Option<&'static str> {
        match self {
            Self::Tenant(TenantRecord { registered, .. }) => times(*registered),
            Self::Feed(FeedRecord { cursor, last_start, webhooks, .. }) => {
                if webhooks.iter().any(|address| address.contains(char::is_control)) {
                    return Some("an address of a webhook has control characters");
                }
                let started = last_start.filter(|at| *at != DateTime::UNIX_EPOCH);
                let relisted = cursor.relisted.into_iter().flat_map(|Relisted { through, at }| [through, at]);
                let own = [cursor.listed_through, cursor.reconciled_at, cursor.began, started];
                times(own.into_iter().flatten().chain(relisted))
            }
            Self::Content(content) => content.problem(),
            Self::Delivered(DeliveredRecord { day, events }) => {
                if events.len() > MOST_IDS {
                    return Some("it has too many events for one line");
                }
                no_day(*day)
            }
            Self::Queries { times: queries, .. } => times(queries.iter().copied()),
            Self::Day(record) => record.problem_of_piece(),
            Self::DeliveredCount { day, .. } => no_day(*day),
            Self::Forgotten { before } => before.and_then(no_day),
        }
    }
}

impl ContentRecord {
    fn problem(&self) -> Option<&'static str> {
        let (at, is_done) = match &self.state {
            ContentState::Pending { not_before, .. } => (*not_before, false),
            ContentState::Done { at } => (Some(*at), true),
            ContentState::Dead { at, .. } => (Some(*at), false),
        };
        if self.content_id.is_empty() {
            return Some("content_id is empty");
        }
        if self.content_uri.is_empty() && !is_done {
            return Some("content_uri is missing");
        }
        // An expiration beyond the range of years counts as none: content is never fetched that late.
        times([Some(self.created), Some(self.recorded), at].into_iter().flatten())
    }
}

impl DayRecord {
    fn problem_of_piece(&self) -> Option<&'static str> {
        let mut numbers: Vec<_> = self.searches.iter().map(|search| search.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.len() < self.searches.len() || numbers.last().is_some_and(|last| *last >= self.next) {
            return Some("the numbers of its searches are not different and below \"next\"");
        }
        // No step would ever settle it, or it would not be open and still have to be searched.
        if self.is_open() == self.searches.is_empty() {
            return Some("it has searches although it is settled, or none although it is not");
        }
        if !self.searches.iter().all(|search| search.scope.has_time()) {
            return Some("a search ends before it starts");
        }
        let of_searches = self.searches.iter().flat_map(|search| {
            let since = match &search.state {
                SearchState::Planned { not_before } => *not_before,
                SearchState::Creating { since, .. } | SearchState::Running { since, .. } => Some(*since),
                SearchState::Reading { .. } => None,
            };
            [Some(search.scope.start), Some(search.scope.end), since]
        });
        no_day(self.of.day)
            .or_else(|| times([Some(self.requested), self.settled].into_iter().chain(of_searches).flatten()))
    }
}

/// Times that a ledger has keys for, with room for the days that rows are kept.
pub(super) fn is_storable(time: DateTime<Utc>) -> bool {
    const YEAR_9999: i64 = 253_402_300_799;
    (1..=YEAR_9999).contains(&time.timestamp())
}

fn times(times: impl IntoIterator<Item = DateTime<Utc>>) -> Option<&'static str> {
    (!times.into_iter().all(is_storable)).then_some("a time is before 1970 or after the year 9999")
}

fn no_day(day: NaiveDate) -> Option<&'static str> {
    (!is_day(day)).then_some("a time is before 1970 or after the year 9999")
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        content::ContentType,
        ledger::{DayRequest, FinishedSearch, Found, SearchScope, SearchStep},
    };

    /// A day with a search in each state.
    fn day(at: DateTime<Utc>) -> DayRecord {
        let of = AuditDay { tenant: TenantId(Uuid::from_u128(1)), day: at.date_naive() };
        let record_types = vec!["exchangeAdmin".to_owned()];
        let scope = SearchScope { start: at, end: at + chrono::TimeDelta::hours(1), record_types };
        let scopes = vec![scope; 5];
        let mut record = DayRecord::begin(DayRequest { of, heals: true, scopes, hidden: vec![ContentType::Dlp], at });
        for number in 1..5 {
            record.step(number, SearchStep::Creating { name: format!("name {number}"), at });
        }
        for number in 2..5 {
            record.step(number, SearchStep::Created { query: format!("query {number}"), at });
        }
        record.read(3);
        record.read(4);
        let found = Found { records: 5, missing: 2 };
        let found = [(ContentType::Exchange, found)].into();
        record.finish(&FinishedSearch { query: "query 4".to_owned(), found, problem: None }, at);
        record.step(0, SearchStep::Replanned { not_before: at, problem: Some("503".to_owned()) });
        record
    }

    #[test]
    fn the_form_of_pieces_stays_as_it_is() {
        let feed = Feed { tenant: TenantId(Uuid::from_u128(1)), content_type: ContentType::Exchange };
        let time = DateTime::from_timestamp(1_760_000_000, 0).unwrap();
        let content = ContentRecord {
            feed,
            content_id: "a$b".to_owned(),
            content_uri: "https://x/a$b".to_owned(),
            created: time,
            expiration: Some(time),
            recorded: time,
            announced: true,
            state: ContentState::Pending { attempts: 1, rejections: 0, not_before: Some(time) },
        };
        let record = FeedRecord {
            feed,
            cursor: Cursor { listed_through: Some(time), ..Cursor::default() },
            last_start: Some(time),
            webhooks: vec!["https://x/".to_owned()],
        };
        let done = ContentRecord {
            content_uri: String::new(),
            expiration: None,
            announced: false,
            state: ContentState::Done { at: time },
            ..content.clone()
        };
        let dead =
            ContentRecord { state: ContentState::Dead { at: time, reason: "gone".to_owned() }, ..content.clone() };
        let events = vec![EventKey::new(feed.tenant, "e")];
        let mut given_up = day(time);
        for number in 0..4 {
            given_up.step(number, SearchStep::GivenUp { problem: "too many".to_owned(), at: time });
        }
        let pieces = [
            Piece::Tenant(TenantRecord { id: feed.tenant, domain: Some("x.example".to_owned()), registered: None }),
            Piece::Feed(record),
            Piece::Content(content),
            Piece::Content(done),
            Piece::Content(dead),
            Piece::Queries { tenant: feed.tenant, times: vec![time] },
            Piece::Day(day(time)),
            Piece::Day(given_up),
            Piece::DeliveredCount { feed, day: time.date_naive(), counts: DeliveredCounts { live: 2, healed: 1 } },
            Piece::Delivered(DeliveredRecord { day: time.date_naive(), events }),
            Piece::Forgotten { before: Some(time.date_naive()) },
            Piece::Forgotten { before: None },
        ];
        let lines: Vec<_> = pieces.iter().map(|piece| serde_json::to_string(piece).unwrap()).collect();
        insta::assert_snapshot!(lines.join("\n"));
        for (line, piece) in lines.iter().zip(&pieces) {
            assert_eq!((&serde_json::from_str::<Piece>(line).unwrap(), piece.problem()), (piece, None));
        }
    }

    #[test]
    fn what_no_ledger_can_hold_is_told() {
        let feed = Feed { tenant: TenantId(Uuid::from_u128(1)), content_type: ContentType::Exchange };
        let time = DateTime::from_timestamp(1_760_000_000, 0).unwrap();
        let content = ContentRecord {
            feed,
            content_id: "a".to_owned(),
            content_uri: "https://x/a".to_owned(),
            created: time,
            expiration: Some(DateTime::<Utc>::MAX_UTC),
            recorded: time,
            announced: false,
            state: ContentState::Pending { attempts: 0, rejections: 0, not_before: None },
        };
        let problem = |content: ContentRecord| Piece::Content(content).problem();
        assert_eq!(problem(content.clone()), None);
        assert!(problem(ContentRecord { content_id: String::new(), ..content.clone() }).is_some());
        assert!(problem(ContentRecord { content_uri: String::new(), ..content.clone() }).is_some());
        for far in [DateTime::<Utc>::MAX_UTC, DateTime::<Utc>::MIN_UTC] {
            assert!(problem(ContentRecord { created: far, ..content.clone() }).is_some());
            assert!(problem(ContentRecord { recorded: far, ..content.clone() }).is_some());
            let state = ContentState::Done { at: far };
            assert!(problem(ContentRecord { state, ..content.clone() }).is_some());
            let cursor = Cursor { listed_through: Some(far), ..Cursor::default() };
            let record = FeedRecord { feed, cursor, last_start: None, webhooks: Vec::new() };
            assert!(Piece::Feed(record).problem().is_some());
        }
        for far in [NaiveDate::MAX, NaiveDate::MIN, NaiveDate::default()] {
            assert!(Piece::DeliveredCount { feed, day: far, counts: DeliveredCounts::default() }.problem().is_some());
            assert!(Piece::Forgotten { before: Some(far) }.problem().is_some());
        }
        let queries = vec![time, DateTime::<Utc>::MAX_UTC];
        assert!(Piece::Queries { tenant: feed.tenant, times: queries }.problem().is_some());
        let webhooks = vec!["https://x/\nhttps://y/".to_owned()];
        let record = FeedRecord { feed, cursor: Cursor::default(), last_start: None, webhooks };
        assert!(Piece::Feed(record).problem().is_some());
    }

    #[test]
    fn what_is_no_comparison_of_a_day_is_told() {
        let time = DateTime::from_timestamp(1_760_000_000, 0).unwrap();
        let problem = |change: &dyn Fn(&mut DayRecord)| {
            let mut record = day(time);
            change(&mut record);
            Piece::Day(record).problem()
        };
        assert_eq!(problem(&|_| {}), None);
        let far = DateTime::<Utc>::MAX_UTC;
        let changes: [&dyn Fn(&mut DayRecord); 11] = [
            &|day| day.of.day = NaiveDate::MAX,
            &|day| day.requested = far,
            &|day| day.settled = Some(time),
            &|day| day.searches.clear(),
            &|day| day.next = 1,
            &|day| day.searches[0].number = day.searches[1].number,
            &|day| day.searches[0].scope.end = day.searches[0].scope.start,
            &|day| day.searches[0].scope.end = far,
            &|day| day.searches[0].state = SearchState::Planned { not_before: Some(far) },
            &|day| day.searches[0].state = SearchState::Creating { name: String::new(), since: far },
            &|day| day.searches[0].state = SearchState::Running { query: String::new(), since: far },
        ];
        for (number, change) in changes.iter().enumerate() {
            assert!(problem(change).is_some(), "{number}");
        }
    }
}
