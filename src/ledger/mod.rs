//! The durable state of a source: which content is known, which of it is still pending, and which events were delivered.
//!
//! The rules everything else relies on:
//!
//! - A blob is *pending* from the moment [`ContentIntake::record`] returns until every event in it was acknowledged
//!   ([`ContentQueue::complete`]) or it can never be fetched ([`ContentQueue::dead_letter`]). A crash changes nothing about
//!   that.
//! - A cursor moves when every page of its window is durable, never before.
//! - The ids of delivered events are durable before their blob is done, or in the same transaction.
//! - Delivered events are counted by day in the transaction that notes the last of their ids.
//! - A search is read, and its content pending, in one transaction; the same holds for its end and its content being done.
//! - Rows of done blobs stay until the content has expired, so that a blob which is listed again is recognised.
//!
//! Each trait is one subject, for the module that uses it. `contract.rs` holds the tests that every implementation passes.

#[cfg(test)]
#[macro_use]
mod contract;
mod counting;
mod coverage;
mod error;
mod events;
mod intake;
mod keys;
#[cfg(test)]
mod memory;
#[cfg(feature = "nats")]
mod nats;
mod query_budget;
mod queue;
mod redb;
mod row;
#[cfg(feature = "nats")]
mod row_key;
mod search_scope;
mod subscriptions;
mod tenants;
mod transfer;
mod upkeep;

#[cfg(test)]
pub(crate) use self::memory::MemoryLedger;
#[cfg(feature = "nats")]
pub use self::nats::{
    AnnouncedElsewhere, Announcements, LEASE, Member, NatsError, NatsLedger, NatsLogin, NatsOptions, NatsProbe,
    NatsRoom, Owner,
};
pub use self::{
    coverage::{
        AuditDay, CoverageStore, DayCoverage, DayRecord, DayRequest, DeliveredCounts, FinishedSearch, Found,
        FoundByType, Search, SearchState, SearchStep,
    },
    error::LedgerError,
    events::{DeliveredBatch, DeliveredEvents, EventCount, IdRetention},
    intake::{Announced, ContentIntake, Cursor, CursorMove, RECONCILED, Relisted, Skipped},
    keys::{BlobKey, EventKey},
    queue::{Claim, ContentQueue, Counts, Promoted, Revived, Wanted},
    redb::{DraftLedger, RedbLedger},
    search_scope::{SearchScope, Split},
    subscriptions::SubscriptionStore,
    tenants::{TenantRecord, TenantStore},
    transfer::{ContentRecord, ContentState, DeliveredRecord, ExportPage, ExportPosition, FeedRecord, Piece, Transfer},
    upkeep::{DeadBlob, FeedSummary, Pruned, Upkeep},
};

/// Everything that is durable of one source. A module asks for the part that it needs.
///
/// For every method of every part: what changes something returns after the change is durable, and a caller that stops
/// waiting undoes nothing. The one exception is a cursor that moves on by an hour or less: that may take a minute to become durable,
/// since a crash costs no more than listings.
///
/// # Errors
///
/// Each method fails with [`LedgerError`] when the storage fails. The source stops then, and the next start continues
/// from the last durable state.
pub trait Ledger:
    ContentIntake + ContentQueue + CoverageStore + DeliveredEvents + SubscriptionStore + TenantStore + Transfer + Upkeep
{
}

impl<T> Ledger for T where
    T: ContentIntake
        + ContentQueue
        + CoverageStore
        + DeliveredEvents
        + SubscriptionStore
        + TenantStore
        + Transfer
        + Upkeep
{
}
