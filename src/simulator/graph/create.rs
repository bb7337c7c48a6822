//! `POST /security/auditLog/queries`: a query is created, as often as that is asked for.

use chrono::{DateTime, TimeDelta, Utc};
use http::{StatusCode, header};

use super::{
    auth::Scope,
    call::Call,
    error::GraphError,
    queries::entity,
    query::Query,
    state::{DAY, throttled},
    wanted::Wanted,
};
use crate::{
    content::TenantId,
    simulator::{
        answer::Answer,
        dice::Dice,
        state::{Service, SimulatorState},
        timeline::span,
    },
};

pub(super) fn create(
    service: &Service,
    call: &Call,
    tenant: TenantId,
    scope: Scope,
    now: DateTime<Utc>,
) -> Result<Answer, GraphError> {
    let kind = call.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("application/json") {
        return Err(GraphError::bad_request("Entity only allows writes with a JSON Content-Type header."));
    }
    let wanted = Wanted::read(&call.body)?;
    let mut state = service.state();
    for name in wanted.misspelt() {
        state.stats.violation(format!("a record type that is not in camel case: {name}"));
    }
    let search = wanted.check()?;
    check_active(service, &mut state, tenant, now)?;
    check_day(service, &mut state, tenant, now)?;

    let serial = state.graph.next_query;
    state.graph.next_query += 1;
    let dice = Dice::new(service.config.seed).of("graph", 1);
    let query = Query::new(dice, serial, (&service.config.graph, &state.faults.graph), tenant, (search, scope), now);
    let answer = Answer::json(&entity(&state, call, &query, now)).with_status(StatusCode::CREATED);
    state.stats.graph.submissions.entry(tenant).or_default().push(now);
    state.graph.forget(span(service.config.graph.queries_kept), now);
    state.graph.queries.insert(query.id, query);
    Ok(answer)
}

fn check_active(
    service: &Service,
    state: &mut SimulatorState,
    tenant: TenantId,
    now: DateTime<Utc>,
) -> Result<(), GraphError> {
    let limit = service.config.graph.active_queries as usize;
    if state.graph.active(tenant, now) < limit {
        return Ok(());
    }
    state.stats.violation(format!("a query of {tenant} beside {limit} that are queued or running"));
    Err(throttled(state, 60))
}

fn check_day(
    service: &Service,
    state: &mut SimulatorState,
    tenant: TenantId,
    now: DateTime<Utc>,
) -> Result<(), GraphError> {
    let limit = service.config.graph.submissions_per_day;
    let left = limit.saturating_sub(state.faults.graph.neighbour_submissions) as usize;
    let submissions = state.stats.graph.submissions.get(&tenant).map(Vec::as_slice).unwrap_or_default();
    let of_a_day = &submissions[submissions.partition_point(|at| *at <= now - DAY)..];
    if of_a_day.len() < left {
        return Ok(());
    }
    // With nothing of its own to wait for, an hour is an arbitrary answer.
    let wait = of_a_day.first().map_or(TimeDelta::hours(1), |oldest| *oldest + DAY - now);
    if of_a_day.len() >= limit as usize {
        state.stats.violation(format!("query {} of {tenant} within 24 hours", of_a_day.len() + 1));
    }
    Err(throttled(state, u64::try_from(wait.num_seconds()).unwrap_or_default().max(1)))
}
