//! An imitation of the audit search of Microsoft Graph, `/security/auditLog/queries`: the second way to the same events.
//!
//! A client creates a query, waits until it has succeeded, and reads its records page by page. The search looks through the
//! events themselves, by the time at which they happened, so it also finds those that the Management Activity API never
//! lists ([`Faults::unlisted`](super::Faults::unlisted)) or no longer does.
//!
//! Facts without another source are from Microsoft's pages of `auditLogQuery` and `auditLogRecord` (*GRAPH*), or reports of
//! those who use the search (*SEEN*).

mod api;
mod auth;
mod call;
mod config;
mod create;
mod error;
mod faults;
mod in_flight;
mod mishap;
mod names;
mod queries;
mod query;
mod record;
mod records;
mod search;
mod state;
mod stats;
mod wanted;

pub(super) use self::{api::handle, search::is_lacking, state::GraphState};
pub use self::{
    config::GraphConfig,
    faults::{GraphFaults, Slow},
    stats::{GraphOperation, GraphStats},
};

/// What tokens for Microsoft Graph are issued for: their `aud`, and the `resource` or scope they are asked for with.
pub(super) const RESOURCE: &str = "https://graph.microsoft.com";
