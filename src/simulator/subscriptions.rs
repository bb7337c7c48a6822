//! Subscriptions: start, stop and list.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    SimulatedTenant,
    answer::Answer,
    auth,
    call::Call,
    error_reply::ErrorReply,
    state::{Service, SimulatorState},
    timeline::span,
    token::Claims,
    validation::validate,
    webhook::{Registration, Webhook, WebhookStatus},
};
use crate::content::Feed;

/// How far before the first start content is listed. Documented is none, measured were "blobs created up to 22 h before
/// the subscription" (G2O).
const BEFORE_FIRST_START: TimeDelta = TimeDelta::hours(22);

/// A subscription, from its first start on.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    periods: Vec<Period>,
    pub webhook: Option<Webhook>,
    /// A restart that did not take.
    stuck: bool,
}

/// A time during which the subscription was enabled.
#[derive(Clone, Debug)]
struct Period {
    from: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
}

impl Subscription {
    /// Enabled since a given time, without a start.
    pub fn since(from: DateTime<Utc>) -> Self {
        Self { periods: vec![Period { from, until: None }], webhook: None, stuck: false }
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

    /// The webhook, if notifications are sent to it.
    pub fn active_webhook(&self, now: DateTime<Utc>) -> Option<&Webhook> {
        self.webhook.as_ref().filter(|webhook| self.is_enabled() && webhook.status(now) == WebhookStatus::Enabled)
    }

    /// Whether a start with this webhook, or with none, would change nothing. One that is disabled or expired is enabled
    /// again by the same properties.
    fn is_as(&self, given: Option<&Registration>, now: DateTime<Utc>) -> bool {
        let working = match &self.webhook {
            None => given.is_none(),
            Some(webhook) => given == Some(&webhook.registration) && webhook.status(now) == WebhookStatus::Enabled,
        };
        working && self.is_enabled()
    }

    fn to_json(&self, feed: Feed, now: DateTime<Utc>) -> Value {
        json!({
            "contentType": feed.content_type.as_str(),
            "status": if self.is_enabled() { "enabled" } else { "disabled" },
            "webhook": self.webhook.as_ref().map(|webhook| webhook.to_json(now)),
        })
    }
}

/// `POST subscriptions/start`.
pub(super) async fn start(
    service: &Service,
    call: &Call,
    claims: &Claims,
    now: DateTime<Utc>,
) -> Result<Answer, ErrorReply> {
    let feed = call.feed(claims.tenant())?;
    auth::permission(service, claims, feed)?;
    let given = Registration::read(&call.body, now)?;
    admit_start(service, feed, now)?;
    if let Some(given) = &given {
        validate(service, given).await?;
    }
    // The webhook took its time, and the subscription may have changed meanwhile.
    let now = service.clock.now();
    let mut state = service.state();
    let SimulatorState { subscriptions, faults, next_webhook, webhook_set, .. } = &mut *state;
    let known = subscriptions.contains_key(&feed);
    let subscription = subscriptions.entry(feed).or_insert_with(|| Subscription::since(now));
    if known && subscription.is_as(given.as_ref(), now) {
        return Err(ErrorReply::already_enabled());
    }
    if !subscription.is_enabled() {
        subscription.stuck = faults.stuck_after_restart;
        if !subscription.stuck {
            subscription.periods.push(Period { from: now, until: None });
        }
    }
    // A start without a webhook is how a webhook is removed (MSREF).
    subscription.webhook = given.map(|registration| {
        *next_webhook += 1;
        webhook_set.send_replace(());
        let serial = *next_webhook;
        Webhook { registration, application: claims.appid, since: now.trunc_subsecs(3), serial, disabled: false }
    });
    let mut answer = subscription.to_json(feed, now);
    // The start claims success even where it did not take.
    answer["status"] = "enabled".into();
    Ok(Answer::json(&answer))
}

/// "Once you submit a subscription request, a waiting period of 15 minutes is required" (MSREF): whatever becomes of the
/// request.
fn admit_start(service: &Service, feed: Feed, now: DateTime<Utc>) -> Result<(), ErrorReply> {
    let mut state = service.state();
    let SimulatorState { starts, stats, .. } = &mut *state;
    if let Some(last) = starts.get(&feed) {
        let wait = *last + span(service.config.start_interval) - now;
        if wait > TimeDelta::zero() {
            stats.starts_throttled += 1;
            return Err(ErrorReply::start_throttled(wait, stats.starts_throttled.is_multiple_of(2)));
        }
    }
    starts.insert(feed, now);
    Ok(())
}

/// `POST subscriptions/stop`: accepted at any time, answered with an empty body.
pub(super) fn stop(service: &Service, call: &Call, claims: &Claims, now: DateTime<Utc>) -> Result<Answer, ErrorReply> {
    let feed = call.feed(claims.tenant())?;
    auth::permission(service, claims, feed)?;
    let mut state = service.state();
    let subscription = state.subscriptions.get_mut(&feed).ok_or_else(ErrorReply::not_subscribed)?;
    if let Some(period) = subscription.periods.last_mut() {
        period.until.get_or_insert(now);
    }
    Ok(Answer::empty())
}

/// `GET subscriptions/list`: `[]` for a tenant that never subscribed (counteractive/o365beat#4). Otherwise the first content
/// type that was never started is listed too, without a `status`, as the second element of MSREF's sample is.
pub(super) fn list(service: &Service, tenant: &SimulatedTenant, claims: &Claims) -> Result<Answer, ErrorReply> {
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

/// "If a subscription is disabled, you'll not be able to list or retrieve content" (MSREF).
pub(super) fn require_enabled(service: &Service, feed: Feed) -> Result<Subscription, ErrorReply> {
    match service.state().subscriptions.get(&feed) {
        None => Err(ErrorReply::not_subscribed()),
        Some(subscription) if subscription.is_enabled() => Ok(subscription.clone()),
        Some(subscription) if subscription.stuck => Err(ErrorReply::stuck_disabled()),
        Some(_) => Err(ErrorReply::disabled()),
    }
}
