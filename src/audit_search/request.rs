//! Asking for comparisons, and for what is known of them.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use snafu::Snafu;

use super::{
    plan::{Knowledge, Live, Obstacle, scopes_of},
    report::{DayState, Report},
    searcher::{SearchContext, SearchTask},
    telemetry,
};
use crate::{
    content::{ContentType, Feed, TenantId},
    graph::GraphError,
    ledger::{AuditDay, DayCoverage, DayRequest, FeedSummary, Ledger, LedgerError},
};

/// Why comparisons could not be asked for.
#[derive(Debug, Snafu)]
pub enum RequestError {
    /// The ledger failed.
    #[snafu(display("{source}"), context(false))]
    Ledger {
        /// How.
        source: LedgerError,
    },
    /// The tenant cannot be searched.
    #[snafu(display("{source}"), context(false))]
    Graph {
        /// Why.
        source: GraphError,
    },
}

impl Knowledge {
    /// What a ledger knows of a tenant and its days. `summary` is the ledger's.
    ///
    /// # Errors
    ///
    /// When the ledger fails.
    pub async fn of(
        ledger: &dyn Ledger,
        tenant: TenantId,
        content_types: &[ContentType],
        (from, through): (NaiveDate, NaiveDate),
        summary: &BTreeMap<Feed, FeedSummary>,
    ) -> Result<Self, LedgerError> {
        let mut feeds = Vec::new();
        for content_type in content_types {
            let feed = Feed { tenant, content_type: *content_type };
            let oldest = summary.get(&feed).and_then(|summary| summary.oldest_pending);
            feeds.push((ledger.cursor(feed).await?, oldest));
        }
        let days = ledger.coverage(Some(tenant), from, through).await?;
        Ok(Self {
            live: Live::of(&feeds),
            days: days.into_iter().map(|day| (day.of.day, day)).collect(),
            forgotten: ledger.ids_forgotten_before().await?,
        })
    }
}

/// Asks for the comparison of days of a tenant that can be compared, and are not known to be complete unless that is to be done again.
///
/// # Errors
///
/// When there is no token for Microsoft Graph, or the ledger fails.
pub async fn request(context: &SearchContext, tenant: TenantId, task: SearchTask) -> Result<(), RequestError> {
    let (ledger, content_types) = (&*context.ledger, &context.options.content_types);
    let range = (task.from, task.through);
    let summary = ledger.summary().await?.into_iter().collect();
    let knowledge = Knowledge::of(ledger, tenant, content_types, range, &summary).await?;
    let now = context.client.clock().now();
    let hidden = hidden(context, tenant).await?;
    let is_complete = |day: &NaiveDate| knowledge.days.get(day).is_some_and(|known| state(known) == DayState::Complete);
    let days = task.from.iter_days().take_while(|day| *day <= task.through);
    for day in days.filter(|day| (task.again || !is_complete(day)) && knowledge.obstacle(*day, now).is_none()) {
        let of = AuditDay { tenant, day };
        let (scopes, hidden) = (scopes_of(day), hidden.clone());
        if ledger.request_day(DayRequest { of, heals: task.heals, scopes, hidden, at: now }).await? {
            telemetry::day_requested(of, task.heals);
        }
    }
    context.requested.send_modify(|()| {});
    Ok(())
}

/// The content types that the source collects and of which a search shows nothing.
///
/// # Errors
///
/// When there is no token for Microsoft Graph, or it says that it may search nothing.
pub(super) async fn hidden(context: &SearchContext, tenant: TenantId) -> Result<Vec<ContentType>, GraphError> {
    let permissions = context.client.permissions(tenant).await?;
    let collected = context.options.content_types.iter().copied();
    Ok(collected.filter(|content_type| !permissions.show(*content_type)).collect())
}

fn state(known: &DayCoverage) -> DayState {
    known.record.as_ref().map_or(DayState::NotCompared, super::report::state_of)
}

/// What is known of days of tenants, given with their display names.
///
/// # Errors
///
/// When the ledger fails.
pub async fn report(
    ledger: &dyn Ledger,
    tenants: &BTreeMap<TenantId, Option<String>>,
    content_types: &[ContentType],
    range: (NaiveDate, NaiveDate),
    now: DateTime<Utc>,
) -> Result<Report, LedgerError> {
    let summary = ledger.summary().await?.into_iter().collect();
    let mut known = BTreeMap::new();
    for tenant in tenants.keys() {
        known.insert(*tenant, Knowledge::of(ledger, *tenant, content_types, range, &summary).await?);
    }
    let obstacle =
        |tenant: TenantId, day| -> Option<Obstacle> { known.get(&tenant).and_then(|known| known.obstacle(day, now)) };
    let coverage = known.values().flat_map(|known| known.days.values().cloned()).collect();
    Ok(Report::new(tenants, range, coverage, now).with_obstacles(obstacle))
}
