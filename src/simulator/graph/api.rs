//! One request to the audit search, from arrival to answer.

use std::sync::Arc;

use axum::{
    body,
    extract::{Request, State},
    response::Response,
};
use chrono::{DateTime, Utc};
use http::HeaderValue;
use rand::RngExt;
use uuid::Uuid;

use super::{
    GraphOperation, auth,
    call::{Call, Version},
    create,
    error::GraphError,
    in_flight::InFlight,
    mishap::{Loss, Mishap},
    queries, records,
    state::throttled,
};
use crate::simulator::{
    TenantFault,
    answer::{Answer, Damage},
    call::accepts_gzip,
    dice,
    state::Service,
    token::Claims,
};

/// More than any request of this API has in its body.
const MAX_BODY: usize = 256 * 1024;

/// Answers any request below `/{version}/security/auditLog/`.
pub(in crate::simulator) async fn handle(State(service): State<Arc<Service>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = body::to_bytes(body, MAX_BODY).await;
    let is_readable = body.is_ok();
    let call = Call::new(parts, body.unwrap_or_default());
    let arrived = service.clock.now();
    let claims = auth::claims(&service, &call, arrived);
    let in_flight = claims.as_ref().ok().map(|claims| InFlight::enter(&service, claims.tenant()));
    let (mishap, request_id) = {
        let mut state = service.state();
        *state.stats.graph.requests.entry(call.operation).or_default() += 1;
        (Mishap::draw(&mut state, call.operation), dice::uuid(&mut state.graph.rng))
    };
    tokio::time::sleep(mishap.latency).await;
    if mishap.hang {
        return std::future::pending().await;
    }
    let mut response = match claims.and_then(|claims| {
        let refusal = mishap.refusal.or_else(|| crowded(&service, in_flight.as_ref()));
        let unreadable = (!is_readable).then(|| GraphError::bad_request("The request body cannot be read."));
        refusal.or(unreadable).map_or_else(|| answer(&service, &call, &claims), Err)
    }) {
        Ok(answer) => {
            let gzip = service.config.gzip && accepts_gzip(&call.headers);
            deliver(&service, answer, gzip, mishap.damage, mishap.loss, request_id)
        }
        Err(refusal) => refusal.into_response(service.clock.now(), request_id),
    };
    if let Ok(id) = HeaderValue::from_str(&request_id.to_string()) {
        response.headers_mut().insert("request-id", id);
    }
    response
}

/// Sends a good answer, or what becomes of it on the way.
fn deliver(
    service: &Service,
    answer: Answer,
    gzip: bool,
    damage: Option<Damage>,
    loss: Option<Loss>,
    request_id: Uuid,
) -> Response {
    let Some(loss) = loss else { return answer.deliver(gzip, damage) };
    service.state().stats.graph.lost_answers += 1;
    match loss {
        Loss::NoAnswer => answer.deliver(gzip, Some(Damage::NoAnswer)),
        Loss::Broken => answer.deliver(gzip, Some(Damage::Reset)),
        Loss::GatewayTimeout => GraphError::gateway_timeout().into_response(service.clock.now(), request_id),
    }
}

/// Refuses a request because too many others are under way.
fn crowded(service: &Service, in_flight: Option<&InFlight>) -> Option<GraphError> {
    let mut state = service.state();
    let most = state.faults.graph.most_in_flight?;
    (in_flight?.count > most).then(|| throttled(&mut state, 5))
}

/// The checks that every operation shares, then the operation itself.
fn answer(service: &Service, call: &Call, claims: &Claims) -> Result<Answer, GraphError> {
    let now = service.clock.now();
    check_path(service, call)?;
    let scope = auth::scope(claims)?;
    let tenant = claims.tenant();
    if service.has_trouble(tenant, TenantFault::AuditingDisabled) {
        return Err(GraphError::auditing_disabled());
    }
    match call.operation {
        GraphOperation::CreateQuery => create::create(service, call, tenant, scope, now),
        GraphOperation::GetQuery => queries::get(service, call, tenant, now),
        GraphOperation::ListQueries => queries::list(service, call, tenant, now),
        GraphOperation::DeleteQuery => queries::delete(service, call, tenant, now),
        GraphOperation::ListRecords => records::list(service, call, tenant, now),
        GraphOperation::Unknown => Err(GraphError::method_not_allowed()),
    }
}

fn check_path(service: &Service, call: &Call) -> Result<(), GraphError> {
    let mut state = service.state();
    if call.version == Version::V1 && state.faults.graph.v1_withdrawn {
        return Err(GraphError::no_such_segment("auditLog", state.graph.rng.random()));
    }
    if !call.has_known_path {
        return Err(GraphError::no_such_segment(call.path.rsplit('/').next().unwrap_or_default(), 0));
    }
    Ok(())
}

/// How the search writes times: UTC, with a fraction only where there is one.
pub(super) fn write_time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}
