//! Sends notifications to webhooks as content becomes available.

use std::{collections::btree_map::Entry, time::Duration};

use chrono::{DateTime, Utc};
use futures::future::join_all;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{
    content::oldest_listed,
    dice::Dice,
    entry::{Flaws, entry},
    outbound::{self, Message},
    outbox::{Notification, Outbox},
    state::{Service, SimulatorState},
    webhook::Registration,
};
use crate::content::{ContentType, Feed};

/// Serves every webhook, whenever it is set, until dropped. One webhook does not wait for another.
pub(super) async fn run(service: &Service) {
    let feeds = service
        .config
        .tenants
        .iter()
        .flat_map(|tenant| ContentType::ALL.map(|content_type| Feed { tenant: tenant.id, content_type }));
    join_all(feeds.map(|feed| serve(service, feed))).await;
}

async fn serve(service: &Service, feed: Feed) {
    let mut webhooks = service.state().webhook_set.subscribe();
    loop {
        match next(service, feed) {
            Next::Send(sending) => {
                let accepted = outbound::post(service, &sending.to, Message::Notification(sending.body.clone())).await;
                settle(service, feed, &sending, accepted);
            }
            Next::Pause(pause) => sleep(pause).await,
            // Nothing can set one once the service is gone.
            Next::NoWebhook => {
                if webhooks.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// What to do for one feed.
enum Next {
    Send(Sending),
    /// Nothing to send yet.
    Pause(Duration),
    /// There is nothing to do until a webhook is set. Days of that cost nothing.
    NoWebhook,
}

/// A notification on its way.
struct Sending {
    to: Registration,
    /// The serial number of the webhook.
    webhook: u64,
    notification: Notification,
    body: Value,
    sent: DateTime<Utc>,
}

fn next(service: &Service, feed: Feed) -> Next {
    let config = &service.config;
    let now = service.clock.now();
    let mut state = service.state();
    let SimulatorState { subscriptions, outboxes, faults, base_url, .. } = &mut *state;
    let served = subscriptions.get(&feed).and_then(|known| Some((known, known.active_webhook(now)?)));
    let Some((subscription, webhook)) = served else {
        outboxes.remove(&feed);
        return Next::NoWebhook;
    };
    let outbox = match outboxes.entry(feed) {
        Entry::Occupied(known) if known.get().webhook == webhook.serial => known.into_mut(),
        other => other.insert_entry(Outbox::new(Dice::new(config.seed), feed, webhook)).into_mut(),
    };
    let oldest = oldest_listed(service, now);
    outbox.collect(&service.world, faults, now, |created| oldest <= created && subscription.covers(created));

    let waiting = Instant::now();
    // Never nothing: time has to pass for anything to change.
    let interval = config.notification_interval.max(Duration::from_millis(1));
    let notification = match outbox.next(config.notification_batch, faults, waiting) {
        Ok(notification) => notification,
        Err(retry_at) => {
            return Next::Pause(retry_at.map_or(interval, |at| at.duration_since(waiting).min(interval)));
        }
    };
    let items = notification.sources.iter().filter_map(|source| {
        let blob = service.world.blob(feed, *source)?;
        let flaws = Flaws::draw(&mut outbox.rng, faults);
        Some(addressed(entry(base_url, &blob, flaws), feed, webhook.application))
    });
    let body = Value::Array(items.collect());
    Next::Send(Sending { to: webhook.registration.clone(), webhook: webhook.serial, notification, body, sent: now })
}

/// "The same properties returned by the /content operation, together with the GUID of the tenant to which the data belongs
/// and the GUID of your application that created the subscriptions" (MSREF).
fn addressed(mut item: Value, feed: Feed, application: Uuid) -> Value {
    item["tenantId"] = feed.tenant.to_string().into();
    item["clientId"] = application.to_string().into();
    item
}

/// Records how an attempt went. Its webhook may have been replaced or removed meanwhile.
fn settle(service: &Service, feed: Feed, sending: &Sending, accepted: bool) {
    let config = &service.config;
    let now = Instant::now();
    let Sending { webhook, notification, sent, .. } = sending;
    let mut state = service.state();
    let SimulatorState { subscriptions, outboxes, faults, stats, attempts, .. } = &mut *state;
    attempts.record(feed, &notification.sources, *sent, accepted);
    stats.notifications_sent += 1;
    if accepted {
        stats.blobs_notified += if notification.repeated { 0 } else { notification.sources.len() as u64 };
    } else {
        stats.notifications_failed += 1;
    }
    let Some(outbox) = outboxes.get_mut(&feed).filter(|outbox| outbox.webhook == *webhook) else { return };
    if accepted {
        outbox.accepted(faults, now);
    } else if outbox.failed(&config.notification_retry, now) >= config.webhook_disabled_after {
        // What was queued is dropped: the next webhook begins with what comes after it.
        outboxes.remove(&feed);
        if subscriptions.get(&feed).and_then(|known| known.webhook.as_ref()).is_some_and(|of| of.serial == *webhook) {
            state.disable_webhook(feed);
        }
    }
}
