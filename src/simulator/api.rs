//! One request to the Management Activity API, from arrival to answer.

use std::{sync::Arc, time::Duration};

use axum::{
    body,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use http::{Method, header};
use rand::RngExt;
use uuid::Uuid;

use super::{
    Operation, TenantFault,
    answer::{Answer, Damage},
    attempts, auth, blob,
    call::Call,
    content, dice,
    error_reply::ErrorReply,
    quota::Quota,
    resources,
    state::{Service, SimulatorState as Mutable},
    subscriptions,
};
use crate::content::TenantId;

/// More than any request of this API has in its body.
const MAX_BODY: usize = 64 * 1024;

/// Answers any request below `/{tenant}/activity/feed/`.
pub(super) async fn handle(
    State(service): State<Arc<Service>>,
    Path((tenant, operation)): Path<(String, String)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = body::to_bytes(body, MAX_BODY).await else { return ErrorReply::unreadable_body().into_response() };
    let call = Call::new(parts, tenant, &operation, body);
    let mishap = {
        let mut state = service.state();
        state.stats.count(call.operation);
        Mishap::draw(&mut state, call.operation, service.clock.now())
    };
    tokio::time::sleep(mishap.latency).await;
    if mishap.hang || call.tenant.parse().is_ok_and(|tenant| service.has_trouble(tenant, TenantFault::Hang)) {
        return std::future::pending().await;
    }
    let answered = match mishap.refusal {
        Some(refusal) => Err(refusal),
        None => answer(&service, &call).await,
    };
    match answered {
        Ok(answer) => answer.deliver(service.config.gzip && call.accepts_gzip(), mishap.damage),
        Err(refusal) => refusal.into_response(),
    }
}

/// The checks every operation shares, in the order of the layers they belong to: the web framework's, the tenant's, the
/// quota's; then the operation itself.
async fn answer(service: &Service, call: &Call) -> Result<Answer, ErrorReply> {
    let now = service.clock.now();
    let claims = auth::claims(service, call, now)?;
    if call.operation == Operation::Unknown {
        return Err(ErrorReply::no_such_operation(&call.path));
    }
    if call.method != call.required_method() {
        return Err(ErrorReply::method_not_allowed(&call.method));
    }
    // IIS wants the length of every POST, also of one without a body (seanmonstar/reqwest#838).
    let tells_length =
        [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].iter().any(|name| call.headers.contains_key(name));
    if call.method == Method::POST && !tells_length {
        return Err(ErrorReply::length_required());
    }
    let tenant = auth::tenant(service, call, &claims)?;
    auth::publisher(service, call)?;
    take_quota(service, call, tenant.id, now)?;
    if service.has_trouble(tenant.id, TenantFault::Unavailable) {
        return Err(ErrorReply::internal());
    }
    if service.has_trouble(tenant.id, TenantFault::Misconfigured) {
        return Err(ErrorReply::misconfigured_tenant(tenant.id));
    }
    if service.has_trouble(tenant.id, TenantFault::AuditingDisabled) {
        let call_id = dice::uuid(&mut service.state().rng);
        let feed = call.feed(tenant.id).ok();
        return Err(ErrorReply::auditing_disabled(call.operation, feed, tenant.id, claims.appid, call_id));
    }
    match call.operation {
        Operation::Start => subscriptions::start(service, call, &claims, now).await,
        Operation::Stop => subscriptions::stop(service, call, &claims, now),
        Operation::List => subscriptions::list(service, tenant, &claims),
        Operation::Content => content::list(service, call, &claims, now),
        Operation::Notifications => attempts::list(service, call, &claims, now),
        Operation::Blob => blob::fetch(service, call, &claims, now),
        Operation::SensitiveTypes => resources::sensitive_types(service, call, &claims),
        Operation::Unknown => Err(ErrorReply::no_such_operation(&call.path)),
    }
}

fn take_quota(service: &Service, call: &Call, tenant: TenantId, now: DateTime<Utc>) -> Result<(), ErrorReply> {
    let per_minute = service.config.requests_per_minute;
    let mut state = service.state();
    let in_this_minute = state.last_minutes.entry(tenant).or_default().with(now);
    let most = state.stats.most_in_a_minute.entry(tenant).or_default();
    *most = in_this_minute.max(*most);
    let quota = state.quotas.entry(tenant).or_insert_with(|| Quota::full(per_minute, now));
    let Err(wait) = quota.take(per_minute, now) else { return Ok(()) };
    let publisher = call.parameter("PublisherIdentifier").and_then(|id| id.parse().ok()).unwrap_or_default();
    Err(throttle(&mut state, call.operation, publisher, wait, now))
}

/// Refuses because the quota is exhausted: alternately with 403 and with 429.
fn throttle(
    state: &mut Mutable,
    operation: Operation,
    publisher: Uuid,
    wait: TimeDelta,
    now: DateTime<Utc>,
) -> ErrorReply {
    state.stats.throttled += 1;
    let forbidden = state.stats.throttled % 2 == 1;
    ErrorReply::throttled(operation, publisher, forbidden).retry_after(wait, state.rng.random(), now)
}

/// What goes wrong with one request.
struct Mishap {
    latency: Duration,
    hang: bool,
    refusal: Option<ErrorReply>,
    damage: Option<Damage>,
}

impl Mishap {
    /// Draws all of them each time, so that a request's fate does not depend on which other faults are switched on.
    fn draw(state: &mut Mutable, operation: Operation, now: DateTime<Utc>) -> Self {
        let faults = state.faults.clone();
        let rng = &mut state.rng;
        let latency = faults.latency.as_ref().map(|range| dice::duration(rng, range)).unwrap_or_default();
        let mut happens = |rate| dice::chance(rng, rate);
        let is_spared = faults.spares_starts && operation == Operation::Start;
        let mut happens = |rate| happens(rate) && !is_spared;
        let hang = happens(faults.hang_rate);
        let unauthorized = happens(faults.unauthorized_rate);
        let throttled = happens(faults.throttle_rate);
        let error = happens(faults.error_rate);
        let html = happens(faults.html_rate);
        let reset = happens(faults.reset_rate);
        let truncated = happens(faults.truncate_rate);
        let choice = rng.random();

        let refusal = if unauthorized {
            Some(ErrorReply::unauthorized())
        } else if throttled {
            Some(throttle(state, operation, Uuid::nil(), TimeDelta::seconds(1), now))
        } else if error {
            Some(ErrorReply::backend(choice))
        } else if html {
            Some(ErrorReply::html())
        } else {
            None
        };
        let damage = if reset {
            Some(Damage::Reset)
        } else if truncated {
            Some(Damage::Truncated)
        } else {
            None
        };
        state.stats.faults += u64::from(hang || refusal.is_some() || damage.is_some());
        Self { latency, hang, refusal, damage }
    }
}
