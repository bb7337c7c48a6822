//! Subscriptions: start, stop, list, and the notifications of their webhooks.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    SimulatedTenant, answer::Answer, auth, call::Call, refusal::Refusal, state::Service, timeline::span, token::Claims,
    window::Window,
};
use crate::content::Feed;

/// How far before the first start content is listed. Documented is none, measured were "blobs created up to 22 h before
/// the subscription" (G2O).
const BEFORE_FIRST_START: TimeDelta = TimeDelta::hours(22);

/// A subscription, from its first start on.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    periods: Vec<Period>,
    webhook: Option<Webhook>,
    last_start: Option<DateTime<Utc>>,
    /// A restart that did not take.
    stuck: bool,
}

/// A time during which the subscription was enabled.
#[derive(Clone, Debug)]
struct Period {
    from: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
}

/// A webhook as it was registered.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Webhook {
    address: String,
    auth_id: Option<String>,
    expiration: Option<DateTime<Utc>>,
}

impl Subscription {
    /// Enabled since a time at which nobody had to start it.
    pub fn since(from: DateTime<Utc>) -> Self {
        Self { periods: vec![Period { from, until: None }], webhook: None, last_start: None, stuck: false }
    }

    pub fn is_enabled(&self) -> bool {
        !self.stuck && self.periods.last().is_some_and(|period| period.until.is_none())
    }

    /// Whether content of this creation time belongs to the subscription: created while it was enabled ("you will not be
    /// able to retrieve content that was available between the time the subscription was stopped and restarted", MSREF),
    /// or within 22 hours before its first start.
    pub fn covers(&self, created: DateTime<Utc>) -> bool {
        self.periods.iter().enumerate().any(|(position, period)| {
            let from = if position == 0 { period.from - BEFORE_FIRST_START } else { period.from };
            from <= created && period.until.is_none_or(|until| created < until)
        })
    }

    /// How long until a start is accepted again.
    fn wait(&self, now: DateTime<Utc>, interval: Duration) -> Option<TimeDelta> {
        let wait = self.last_start? + span(interval) - now;
        (wait > TimeDelta::zero()).then_some(wait)
    }

    fn to_json(&self, feed: Feed, now: DateTime<Utc>) -> Value {
        json!({
            "contentType": feed.content_type.as_str(),
            "status": if self.is_enabled() { "enabled" } else { "disabled" },
            "webhook": self.webhook.as_ref().map(|webhook| webhook.to_json(now)),
        })
    }
}

impl Webhook {
    /// The webhook of a start request's body. No body, an empty object and `null` all mean none.
    fn read(body: &[u8], now: DateTime<Utc>) -> Result<Option<Self>, Refusal> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Given {
            address: String,
            auth_id: Option<String>,
            expiration: Option<String>,
        }
        #[derive(Deserialize)]
        struct Start {
            webhook: Option<Given>,
        }
        if body.trim_ascii().is_empty() {
            return Ok(None);
        }
        let start: Start = serde_json::from_slice(body).map_err(|_| Refusal::unreadable_body())?;
        let Some(given) = start.webhook else { return Ok(None) };
        // MSREF's sample sends "" for none.
        let expiration = given.expiration.filter(|text| !text.is_empty());
        let expiration = expiration.map(|text| {
            let time: DateTime<Utc> = text
                .parse()
                .ok()
                .or_else(|| super::window::parse_time(&text))
                .ok_or_else(|| Refusal::parameter_type("expiration", "datetime"))?;
            if time <= now { Err(Refusal::expiration_in_the_past(&text)) } else { Ok(time) }
        });
        Ok(Some(Self { address: given.address, auth_id: given.auth_id, expiration: expiration.transpose()? }))
    }

    /// Whether notifications can be sent there. The service also posts a validation code and expects 200 ("The endpoint
    /// did not return HTTP 200."); this is the place where that belongs.
    fn validate(&self) -> Result<(), Refusal> {
        if self.address.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")) {
            Ok(())
        } else {
            Err(Refusal::webhook(&self.address, "The address must begin with HTTPS."))
        }
    }

    fn to_json(&self, now: DateTime<Utc>) -> Value {
        let expired = self.expiration.is_some_and(|expiration| expiration <= now);
        json!({
            "status": if expired { "expired" } else { "enabled" },
            "address": self.address,
            "authId": self.auth_id,
            "expiration": self.expiration.map(|time| time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()),
        })
    }
}

/// `POST subscriptions/start`.
pub(super) fn start(service: &Service, call: &Call, claims: &Claims, now: DateTime<Utc>) -> Result<Answer, Refusal> {
    let feed = call.feed(claims.tenant())?;
    auth::permission(service, claims, feed)?;
    let webhook = Webhook::read(&call.body, now)?;
    let mut state = service.state();
    if let Some(wait) = state.subscriptions.get(&feed).and_then(|known| known.wait(now, service.config.start_interval))
    {
        state.stats.starts_throttled += 1;
        return Err(Refusal::start_throttled(wait, state.stats.starts_throttled.is_multiple_of(2)));
    }
    if let Some(webhook) = &webhook {
        webhook.validate()?;
    }
    let stuck_after_restart = state.faults.stuck_after_restart;
    let known = state.subscriptions.contains_key(&feed);
    let subscription = state.subscriptions.entry(feed).or_insert_with(|| Subscription::since(now));
    subscription.last_start = Some(now);
    // A start without a webhook is how a webhook is removed (MSREF).
    if known && subscription.is_enabled() && subscription.webhook == webhook {
        return Err(Refusal::already_enabled());
    }
    if !subscription.is_enabled() {
        subscription.stuck = stuck_after_restart;
        if !stuck_after_restart {
            subscription.periods.push(Period { from: now, until: None });
        }
    }
    subscription.webhook = webhook;
    let mut answer = subscription.to_json(feed, now);
    // The start claims success even where it did not take.
    answer["status"] = "enabled".into();
    Ok(Answer::json(&answer))
}

/// `POST subscriptions/stop`: accepted at any time, answered with an empty body.
pub(super) fn stop(service: &Service, call: &Call, claims: &Claims, now: DateTime<Utc>) -> Result<Answer, Refusal> {
    let feed = call.feed(claims.tenant())?;
    auth::permission(service, claims, feed)?;
    let mut state = service.state();
    let subscription = state.subscriptions.get_mut(&feed).ok_or_else(Refusal::not_subscribed)?;
    if let Some(period) = subscription.periods.last_mut() {
        period.until.get_or_insert(now);
    }
    Ok(Answer::empty())
}

/// `GET subscriptions/list`: `[]` for a tenant that never subscribed (counteractive/o365beat#4). Otherwise the first content
/// type that was never started is listed too, without a `status`, as the second element of MSREF's sample is.
pub(super) fn list(service: &Service, tenant: &SimulatedTenant, claims: &Claims) -> Result<Answer, Refusal> {
    auth::any_permission(service, claims)?;
    let now = service.clock.now();
    let state = service.state();
    let mut listed = Vec::new();
    let mut missing = None;
    for feed in tenant.content_types.iter().map(|of| Feed { tenant: tenant.id, content_type: *of }) {
        match state.subscriptions.get(&feed) {
            // What a stuck restart leaves behind is not listed (MicrosoftDocs/office-365-management-api#479).
            Some(subscription) if subscription.stuck => {}
            Some(subscription) => listed.push(subscription.to_json(feed, now)),
            None => missing = missing.or(Some(json!({ "contentType": feed.content_type.as_str(), "webhook": null }))),
        }
    }
    if !listed.is_empty() {
        listed.extend(missing);
    }
    Ok(Answer::json(&Value::Array(listed)))
}

/// `GET subscriptions/notifications`: none, as long as no notification is ever sent.
pub(super) fn notifications(
    service: &Service,
    call: &Call,
    claims: &Claims,
    now: DateTime<Utc>,
) -> Result<Answer, Refusal> {
    let feed = call.feed(claims.tenant())?;
    auth::permission(service, claims, feed)?;
    require_enabled(service, feed)?;
    Window::of(call, now, service.config.lookback_tolerance)?;
    Ok(Answer::json(&json!([])))
}

/// "If a subscription is disabled, you'll not be able to list or retrieve content" (MSREF).
pub(super) fn require_enabled(service: &Service, feed: Feed) -> Result<Subscription, Refusal> {
    match service.state().subscriptions.get(&feed) {
        None => Err(Refusal::not_subscribed()),
        Some(subscription) if subscription.is_enabled() => Ok(subscription.clone()),
        Some(subscription) if subscription.stuck => Err(Refusal::stuck_disabled()),
        Some(_) => Err(Refusal::disabled()),
    }
}
