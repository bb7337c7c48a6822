//! What a change has touched, and the messages that say so.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use super::{bucket::Message, subject, transfer::json};
use crate::{
    content::TenantId,
    ledger::{ContentRecord, ContentState, EventKey, Piece, row_key::RowKey, upkeep::COVERAGE},
};

/// How many ids of events a message holds at most: 32 KB.
const MOST_IDS: usize = 2_000;

/// For how much longer than the ledger needs it a row is kept. A row that is forgotten a little late does no harm.
const SPARE: Duration = Duration::from_secs(24 * 3_600);

/// What a change of the ledger has touched.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Rows, in the order in which they may become durable one after the other.
    pub rows: Vec<RowKey>,
    /// Events that were delivered, and on which day. They become durable before the rows.
    pub delivered: Vec<(TenantId, NaiveDate, Vec<EventKey>)>,
    /// Rows that may become durable a minute later.
    pub noted: Vec<RowKey>,
}

impl Change {
    /// Rows.
    pub fn of(rows: impl IntoIterator<Item = RowKey>) -> Self {
        Self { rows: rows.into_iter().collect(), ..Self::default() }
    }

    /// Whether anything of it must become durable now.
    pub fn is_urgent(&self) -> bool {
        !self.rows.is_empty() || !self.delivered.is_empty()
    }

    /// Whose rows and events these are.
    pub fn tenants(&self) -> BTreeSet<TenantId> {
        let of_events = self.delivered.iter().map(|(tenant, ..)| *tenant);
        self.rows.iter().map(RowKey::tenant).chain(of_events).collect()
    }

    /// With events that were delivered.
    #[must_use]
    pub fn with_delivered(mut self, tenant: TenantId, day: NaiveDate, events: Vec<EventKey>) -> Self {
        if !events.is_empty() {
            self.delivered.push((tenant, day, events));
        }
        self
    }
}

/// The changes of many callers, as one.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Each row once, at the place of its last change: a cursor must not become durable before content that comes with its last move.
    pub rows: Vec<RowKey>,
    delivered: BTreeMap<(TenantId, NaiveDate), Vec<EventKey>>,
}

impl Changes {
    /// All of these.
    pub fn of(changes: impl DoubleEndedIterator<Item = Change>) -> Self {
        let (mut rows, mut delivered) = (Vec::new(), BTreeMap::<_, Vec<_>>::new());
        let mut seen = HashSet::new();
        for change in changes.rev() {
            for row in change.rows.into_iter().rev() {
                if seen.insert(row.clone()) {
                    rows.push(row);
                }
            }
            for (tenant, day, events) in change.delivered {
                delivered.entry((tenant, day)).or_default().extend(events);
            }
        }
        rows.reverse();
        Self { rows, delivered }
    }

    /// The messages. `pieces` has the values of `rows` as they are now, and `unique` names what no other message is named.
    pub fn into_messages(
        self,
        pieces: Vec<Option<Piece>>,
        now: DateTime<Utc>,
        mut unique: impl FnMut() -> String,
    ) -> Vec<(TenantId, Message)> {
        let mut messages = Vec::new();
        for ((tenant, day), events) in self.delivered {
            for some in events.chunks(MOST_IDS) {
                let bytes: Vec<u8> = some.iter().flat_map(|event| event.0).collect();
                let subject = subject::ids(tenant, day, &unique());
                messages.push((tenant, message(subject, Some(bytes.into()), None)));
            }
        }
        for (key, piece) in self.rows.into_iter().zip(pieces) {
            let expires_in = piece.as_ref().and_then(|piece| expires_in(piece, now));
            let value = piece.as_ref().map(json);
            messages.push((key.tenant(), message(subject::row(&key), value, expires_in)));
        }
        messages
    }
}

pub(super) const fn message(subject: String, value: Option<Bytes>, expires_in: Option<Duration>) -> Message {
    Message { subject, value, expires_in, fence: None }
}

/// When a row may go by itself. Pending content stays, so that its expiration is seen; so does a day of which searches are under way.
fn expires_in(piece: &Piece, now: DateTime<Utc>) -> Option<Duration> {
    let over = match piece {
        Piece::Content(record @ ContentRecord { state: ContentState::Done { .. } | ContentState::Dead { .. }, .. }) => {
            let (_, row) = record.clone().into_row();
            row.keep_until()
        }
        Piece::Day(record) if !record.is_open() => end_of(record.of.day),
        Piece::DeliveredCount { day, .. } => end_of(*day),
        _ => return None,
    };
    Some((over - now).to_std().unwrap_or_default() + SPARE)
}

/// Until when it is remembered what came of a day.
fn end_of(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc() + COVERAGE
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        content::{ContentType, Feed},
        ledger::BlobKey,
    };

    #[test]
    fn a_row_stands_where_it_was_changed_last() {
        let feed = Feed { tenant: TenantId(Uuid::from_u128(1)), content_type: ContentType::Dlp };
        let content = |id: &str| RowKey::Content(BlobKey { feed, content_id: id.to_owned() });
        let first = Change::of([content("a"), RowKey::Feed(feed)]);
        let second = Change::of([content("b"), content("a"), RowKey::Feed(feed)]);
        let changes = Changes::of([first, second].into_iter());
        assert_eq!(changes.rows, [content("b"), content("a"), RowKey::Feed(feed)]);
    }

    #[test]
    fn ids_of_one_day_share_messages_and_come_first() {
        let feed = Feed { tenant: TenantId(Uuid::from_u128(1)), content_type: ContentType::Dlp };
        let day = NaiveDate::from_ymd_opt(2026, 11, 30).unwrap();
        let change = |from: u128, count: u128| {
            let events = (from..from + count).map(|number| EventKey(number.to_be_bytes())).collect();
            Change::of([RowKey::Feed(feed)]).with_delivered(feed.tenant, day, events)
        };
        let changes = Changes::of([change(0, 1_500), change(1_500, 1_500)].into_iter());
        let mut number = 0;
        let messages = changes.into_messages(vec![None], DateTime::UNIX_EPOCH, || {
            number += 1;
            number.to_string()
        });
        let sizes: Vec<_> = messages.iter().map(|(_, message)| message.value.as_ref().map(Bytes::len)).collect();
        assert_eq!(sizes, [Some(2_000 * 16), Some(1_000 * 16), None]);
    }
}
