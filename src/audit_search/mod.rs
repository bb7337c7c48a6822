//! Which days are compared with the audit search of Microsoft Graph, and the queries for that.
//!
//! What a query finds becomes pending content, and the collector does the rest: it reads the records, compares them with what was
//! delivered, and delivers what is missing. Nothing here moves a cursor.

mod plan;
mod report;
mod request;
mod searcher;
mod telemetry;
mod tenants;

pub use self::{
    plan::{Knowledge, Live, Obstacle, RIPE, Wanted},
    report::{DayReport, DayState, Report, Verdict},
    request::{RequestError, report, request},
    searcher::{SearchContext, SearchOptions, SearchTask},
    tenants::{search_once, search_until},
};
