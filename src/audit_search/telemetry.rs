//! What searching reports.

use chrono::{DateTime, Utc};
use metrics::{counter, gauge};
use tracing::{debug, info, warn};

use super::report::{DayState, Report};
use crate::{content::TenantId, graph::GraphError, ledger::AuditDay, telemetry::count_error};

/// A day is to be compared with the audit search.
pub(super) fn day_requested(of: AuditDay, heals: bool) {
    debug!(message = "A day is compared with the audit search.", tenant = %of.tenant, day = %of.day, heals);
}

/// What became of a query.
fn query(of: AuditDay, outcome: &'static str) {
    let labels = [("tenant", of.tenant.to_string()), ("outcome", outcome.to_owned())];
    counter!("office365_search_queries_total", &labels).increment(1);
}

/// A query was created.
pub(super) fn query_created(of: AuditDay, id: &str) {
    query(of, "created");
    debug!(message = "Audit log query created.", tenant = %of.tenant, day = %of.day, query = id);
}

/// A query has succeeded.
pub(super) fn query_finished(of: AuditDay, id: &str) {
    query(of, "succeeded");
    debug!(message = "Audit log query finished; its records are compared.", tenant = %of.tenant, day = %of.day, query = id);
}

/// A query shows a part of what it has found.
pub(super) fn query_cut(of: AuditDay, id: &str) {
    query(of, "cut");
    info!(
        message = "An audit log query has found more records than it shows; smaller ones take its place.",
        tenant = %of.tenant, day = %of.day, query = id
    );
}

/// A search has failed for the so-many-th time.
pub(super) fn search_failed(of: AuditDay, problem: &str, failures: u32) {
    query(of, "failed");
    warn!(
        message = "A search of the audit log failed; it is done again.",
        tenant = %of.tenant, day = %of.day, problem, failures
    );
}

/// A request failed that is made again, or whose failure is reported elsewhere.
pub(super) fn query_failed(error: &GraphError) {
    let code = error.failure.code();
    count_error("request_failed", "receiving", code);
    debug!(message = "A request of the audit search failed.", tenant = %error.tenant, %error, error_code = code);
}

/// A query that is done with could not be deleted. Microsoft does it some day.
pub(super) fn query_left(error: &GraphError) {
    debug!(message = "A query of the audit search that is done with stays.", tenant = %error.tenant, %error);
}

/// No more queries may be created for now.
pub(super) fn budget_spent(tenant: TenantId, budget: u32, free: DateTime<Utc>) {
    info!(
        message = "The budget of audit log queries is spent (audit_search.budget_per_day); searching goes on later.",
        %tenant, budget, %free
    );
}

/// How the last 30 days of a tenant are doing that are old enough to be compared.
pub(super) fn coverage(report: &Report, tenant: TenantId) {
    for state in DayState::ALL {
        let days = report.days.iter().filter(|day| day.state == state).count();
        let labels = [("tenant", tenant.to_string()), ("state", state.label().to_owned())];
        gauge!("office365_coverage_days", &labels).set(f64::from(u32::try_from(days).unwrap_or(u32::MAX)));
    }
}
