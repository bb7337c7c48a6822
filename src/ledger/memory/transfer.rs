//! Pieces of everything, out of memory and into it.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{NaiveDate, NaiveTime};

use super::{MemoryLedger, Stored};
use crate::{
    content::Feed,
    ledger::{
        AuditDay, ContentRecord, Cursor, DeliveredRecord, EventKey, ExportPage, ExportPosition, FeedRecord,
        LedgerError, Piece, Transfer, counting,
        transfer::{MOST_IDS, MOST_ROWS},
    },
};

#[async_trait]
impl Transfer for MemoryLedger {
    async fn export(&self, from: ExportPosition) -> Result<ExportPage, LedgerError> {
        let stored = self.stored();
        Ok(match from {
            ExportPosition::Beginning => beginning(&stored),
            ExportPosition::Queries { after } => {
                let rest = stored.queries.iter().filter(|(tenant, _)| after.is_none_or(|after| **tenant > after));
                let pieces = rest.map(|(tenant, times)| {
                    let piece = Piece::Queries { tenant: *tenant, times: times.clone() };
                    (piece, ExportPosition::Queries { after: Some(*tenant) })
                });
                page(pieces, ExportPosition::Days { after: None })
            }
            ExportPosition::Days { after } => {
                let rest = stored.days.iter().filter(|(of, _)| after.is_none_or(|after| **of > after));
                let pieces =
                    rest.map(|(of, record)| (Piece::Day(record.clone()), ExportPosition::Days { after: Some(*of) }));
                page(pieces, ExportPosition::DeliveredCounts { after: None })
            }
            ExportPosition::DeliveredCounts { after } => {
                let after = after.map(|(feed, day)| counting::key(feed, day));
                let rest = stored.counts.iter().filter(|(key, _)| after.is_none_or(|after| **key > after));
                let pieces = rest.map(|((AuditDay { tenant, day }, content_type), counts)| {
                    let feed = Feed { tenant: *tenant, content_type: *content_type };
                    let piece = Piece::DeliveredCount { feed, day: *day, counts: *counts };
                    (piece, ExportPosition::DeliveredCounts { after: Some((feed, *day)) })
                });
                page(pieces, ExportPosition::Content { after: None })
            }
            ExportPosition::Content { after } => {
                let rest = stored.blobs.iter().filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after));
                let pieces = rest.map(|(key, row)| {
                    let piece = Piece::Content(ContentRecord::new(key.clone(), row.clone()));
                    (piece, ExportPosition::Content { after: Some(key.clone()) })
                });
                page(pieces, ExportPosition::Delivered { day: NaiveDate::default(), after: None })
            }
            ExportPosition::Delivered { day, after } => delivered(&stored, day, after),
            ExportPosition::Forgotten => {
                ExportPage { pieces: vec![Piece::Forgotten { before: stored.forgotten_before }], next: None }
            }
        })
    }

    async fn import(&self, pieces: Vec<Piece>) -> Result<(), LedgerError> {
        let mut stored = self.stored();
        for piece in pieces {
            match piece {
                Piece::Tenant(record) => _ = stored.tenants.insert(record.id, record),
                Piece::Feed(FeedRecord { feed, cursor, last_start, webhooks }) => {
                    if cursor != Cursor::default() {
                        stored.cursors.insert(feed, cursor);
                    }
                    stored.attempts.extend(last_start.map(|at| (feed, at)));
                    if !webhooks.is_empty() {
                        stored.webhooks.insert(feed, webhooks);
                    }
                }
                Piece::Queries { tenant, times } => _ = stored.queries.insert(tenant, times),
                Piece::Day(record) => _ = stored.days.insert(record.of, record),
                Piece::DeliveredCount { feed, day, counts } => {
                    stored.counts.insert(counting::key(feed, day), counts);
                }
                Piece::Content(record) => {
                    let (key, row) = record.into_row();
                    stored.blobs.insert(key, row);
                }
                Piece::Delivered(DeliveredRecord { day, events }) => {
                    let at = day.and_time(NaiveTime::MIN).and_utc();
                    stored.events.extend(events.into_iter().map(|event| (event, at)));
                }
                Piece::Forgotten { before } => stored.forgotten_before = stored.forgotten_before.max(before),
            }
        }
        Ok(())
    }
}

fn beginning(stored: &Stored) -> ExportPage {
    let tenants = stored.tenants.values().cloned().map(Piece::Tenant);
    let known = stored.cursors.keys().chain(stored.attempts.keys()).chain(stored.webhooks.keys());
    let feeds = known.collect::<BTreeSet<_>>().into_iter().map(|feed| {
        Piece::Feed(FeedRecord {
            feed: *feed,
            cursor: stored.cursors.get(feed).copied().unwrap_or_default(),
            last_start: stored.attempts.get(feed).copied(),
            webhooks: stored.webhooks.get(feed).cloned().unwrap_or_default(),
        })
    });
    ExportPage { pieces: tenants.chain(feeds).collect(), next: Some(ExportPosition::Queries { after: None }) }
}

/// A page of pieces, each with where the export goes on after it. `then` is where it goes on after the last one.
fn page(pieces: impl Iterator<Item = (Piece, ExportPosition)>, then: ExportPosition) -> ExportPage {
    let (pieces, mut positions): (Vec<_>, Vec<_>) = pieces.take(MOST_ROWS).unzip();
    let next = positions.pop().filter(|_| pieces.len() == MOST_ROWS).unwrap_or(then);
    ExportPage { pieces, next: Some(next) }
}

fn delivered(stored: &Stored, day: NaiveDate, after: Option<EventKey>) -> ExportPage {
    let mut events: Vec<_> = stored.events.iter().map(|(event, at)| (at.date_naive(), Some(*event))).collect();
    events.sort_unstable();
    events.retain(|event| *event > (day, after));
    let Some((day, _)) = events.first().copied() else {
        return ExportPage { pieces: Vec::new(), next: Some(ExportPosition::Forgotten) };
    };
    let of_day = events.into_iter().filter(|event| event.0 == day).filter_map(|event| event.1);
    let events: Vec<_> = of_day.take(MOST_IDS).collect();
    let next = Some(ExportPosition::Delivered { day, after: events.last().copied() });
    ExportPage { pieces: vec![Piece::Delivered(DeliveredRecord { day, events })], next }
}
