//! Names of the rows that a ledger keeps for their current value.

use chrono::NaiveDate;

use super::{AuditDay, BlobKey, Piece};
use crate::content::{Feed, TenantId};

/// Names a row. Ids of delivered events have none: they are added, and never change.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum RowKey {
    /// How far a feed has come, and what is known of its subscription.
    Feed(Feed),
    /// A blob.
    Content(BlobKey),
    /// A day that is compared with the audit search.
    Day(AuditDay),
    /// How many events of a day were delivered.
    Count(Feed, NaiveDate),
    /// The queries that a tenant had created lately.
    Queries(TenantId),
}

impl RowKey {
    /// Whose row it is.
    pub(super) const fn tenant(&self) -> TenantId {
        match self {
            Self::Feed(feed) | Self::Content(BlobKey { feed, .. }) | Self::Count(feed, _) => feed.tenant,
            Self::Day(of) => of.tenant,
            Self::Queries(tenant) => *tenant,
        }
    }

    /// The row that a piece is the value of. `None` for pieces that are no value of a tenant's row.
    pub(super) fn of(piece: &Piece) -> Option<Self> {
        Some(match piece {
            Piece::Feed(record) => Self::Feed(record.feed),
            Piece::Content(record) => {
                Self::Content(BlobKey { feed: record.feed, content_id: record.content_id.clone() })
            }
            Piece::Queries { tenant, .. } => Self::Queries(*tenant),
            Piece::Day(record) => Self::Day(record.of),
            Piece::DeliveredCount { feed, day, .. } => Self::Count(*feed, *day),
            Piece::Tenant(_) | Piece::Delivered(_) | Piece::Forgotten { .. } => return None,
        })
    }
}
