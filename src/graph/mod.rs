//! The audit search of Microsoft Graph (`/security/auditLog/queries`), as it behaves (docs/graph-behaviour.md).
//!
//! A query is created, works for minutes or hours, and then has records, which are the records of the Management Activity API in
//! another wrapping. Knows nothing of events, and keeps nothing on disk.

mod answer;
mod client;
mod error;
mod permissions;
mod queries;
mod records;
mod telemetry;

pub use self::{
    answer::{AuditLogRecord, IdsPage, Query, QueryStatus, RecordsPage, names_id},
    client::{GraphClient, GraphOptions},
    error::{GraphError, GraphFailure, GraphOperation},
    permissions::SearchPermissions,
    queries::NewQuery,
    records::RecordsPosition,
};
