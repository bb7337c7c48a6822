//! Reading, listing and deleting queries.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use http::StatusCode;
use rand::RngExt;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{call::Call, error::GraphError, query::Query, search::found};
use crate::{
    content::TenantId,
    simulator::{
        answer::Answer,
        state::{Service, SimulatorState},
        timeline::span,
    },
};

/// `GET /security/auditLog/queries/{id}`
pub(super) fn get(service: &Service, call: &Call, tenant: TenantId, now: DateTime<Utc>) -> Result<Answer, GraphError> {
    let id = find(service, call, tenant, now)?.id;
    // What it has found decides whether it was cut.
    let _kept_with_the_query = found(service, id, now);
    let query = find(service, call, tenant, now)?;
    Ok(Answer::json(&entity(&service.state(), call, &query, now)))
}

/// `DELETE /security/auditLog/queries/{id}`
pub(super) fn delete(
    service: &Service,
    call: &Call,
    tenant: TenantId,
    now: DateTime<Utc>,
) -> Result<Answer, GraphError> {
    let query = find(service, call, tenant, now)?;
    service.state().graph.queries.remove(&query.id);
    Ok(Answer::empty().with_status(StatusCode::NO_CONTENT))
}

/// `GET /security/auditLog/queries`: the newest come first. Queries that are created between two pages are not on the second.
pub(super) fn list(service: &Service, call: &Call, tenant: TenantId, now: DateTime<Utc>) -> Result<Answer, GraphError> {
    let before = match call.skip_token() {
        None => u64::MAX,
        Some(token) => token.parse().map_err(|_| invalid_token())?,
    };
    let kept = span(service.config.graph.queries_kept);
    let mut ids: Vec<_> = {
        let state = service.state();
        let of_tenant =
            state.graph.queries.values().filter(|query| query.tenant == tenant && now - query.created < kept);
        of_tenant.map(|query| (query.serial, query.id)).filter(|(serial, _)| *serial < before).collect()
    };
    ids.sort_unstable_by_key(|(serial, _)| Reverse(*serial));
    let size = service.config.graph.query_page_size.max(1);
    let (page, rest) = ids.split_at(size.min(ids.len()));
    for (_, id) in page {
        let _kept_with_the_query = found(service, *id, now);
    }
    let state = service.state();
    let queries = page.iter().filter_map(|(_, id)| Some(state.graph.queries.get(id)?.to_json(now)));
    let mut answer = json!({
        "@odata.context": context(&state, call, "security/auditLog/queries"),
        "value": queries.collect::<Vec<_>>(),
    });
    if let Some((last, _)) = page.last().filter(|_| !rest.is_empty()) {
        answer["@odata.nextLink"] = link(&state, call, "queries", &last.to_string()).into();
    }
    Ok(Answer::json(&answer))
}

/// The query that a path names, if the tenant has it.
pub(super) fn find(service: &Service, call: &Call, tenant: TenantId, now: DateTime<Utc>) -> Result<Query, GraphError> {
    let named = &call.query_id;
    let id: Uuid = named.parse().map_err(|_| GraphError::bad_request(format!("'{named}' is not a valid id.")))?;
    let kept = span(service.config.graph.queries_kept);
    let mut state = service.state();
    let query = state.graph.queries.get(&id).filter(|query| query.tenant == tenant && now - query.created < kept);
    if let Some(query) = query {
        return Ok(query.clone());
    }
    Err(GraphError::no_such_query(named, state.graph.rng.random()))
}

/// A query as an answer of its own.
pub(super) fn entity(state: &SimulatorState, call: &Call, query: &Query, now: DateTime<Utc>) -> Value {
    let mut json = query.to_json(now);
    json["@odata.context"] = context(state, call, "security/auditLog/queries/$entity").into();
    json
}

pub(super) fn context(state: &SimulatorState, call: &Call, of: &str) -> String {
    format!("{}{}/$metadata#{of}", state.graph_base_url(), call.version)
}

/// The absolute URL of the next page. `$` stands unescaped in Microsoft's.
pub(super) fn link(state: &SimulatorState, call: &Call, path: &str, token: &str) -> String {
    let select = call.select().map(|select| format!("$select={select}&")).unwrap_or_default();
    format!("{}{}/security/auditLog/{path}?{select}$skiptoken={token}", state.graph_base_url(), call.version)
}

pub(super) fn invalid_token() -> GraphError {
    GraphError::bad_request("The $skiptoken is invalid.")
}
