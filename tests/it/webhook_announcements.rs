//! What a sender with the AuthID, which can announce anything, can do: it loses no content, and hardly delays it.
#![cfg(feature = "simulator")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use crate::support;

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use http::StatusCode;
use office365_source::content::ContentType;
use serde_json::{Value, json};
use support::{
    assert_exactly_once,
    scene::{Scene, minutes},
    wire::Answer,
};
use tokio::time::sleep;

/// An item of a notification, about a content id and with the URI of perhaps another.
fn item(scene: &Scene, content_id: &str, named: &str, created: DateTime<Utc>) -> Value {
    let tenant = &scene.simulated.tenants[0];
    let id = tenant.id;
    json!({
        "tenantId": id.to_string(), "clientId": tenant.client_id.to_string(), "contentType": "Audit.Exchange",
        "contentId": content_id,
        "contentUri": format!("https://manage.office.com/api/v1.0/{id}/activity/feed/audit/{named}"),
        "contentCreated": created.to_rfc3339_opts(SecondsFormat::Millis, true),
        "contentExpiration": (created + TimeDelta::days(30)).to_rfc3339_opts(SecondsFormat::Millis, true),
    })
}

fn publish(scene: &Scene, id: &str) -> String {
    let tenant = scene.simulated.tenants[0].id.to_string();
    let event = json!({
        "Id": id, "OrganizationId": tenant, "CreationTime": "2026-08-01T10:00:00", "RecordType": 2, "Operation": "Send",
        "Workload": "Exchange"
    });
    scene.simulator.publish_events(scene.feed(ContentType::Exchange), vec![event], scene.clock.now())
}

/// Nothing happens by itself, and Microsoft's own notifications get lost.
fn quiet() -> Scene {
    Scene::of(|simulated| {
        simulated.live = None;
        simulated.faults.notify_drop = 1.0;
    })
}

fn has_arrived(scene: &Scene, id: &str) -> bool {
    scene.arrived.lock().unwrap().contains_key(&(scene.simulated.tenants[0].id, id.to_owned()))
}

#[tokio::test(start_paused = true)]
async fn a_wrong_uri_loses_nothing() {
    let scene = quiet();
    let running = scene.start().await;
    minutes(5).await;
    let (bait, victim) = (publish(&scene, "bait"), publish(&scene, "victim"));
    let now = scene.clock.now();
    let lies = json!([
        item(&scene, &victim, &bait, now),
        item(&scene, &victim, &format!("{bait}$IsFromNotification"), now),
        item(&scene, &victim, &format!("{bait}?{victim}"), now),
        item(&scene, &victim, &format!("{victim}/../{bait}"), now),
    ]);
    assert_eq!(scene.road.notify(&lies).await, StatusCode::OK, "no retry would change it");
    minutes(1).await;
    assert!(!has_arrived(&scene, "bait"), "nothing was fetched");
    assert_eq!(scene.counters.sum("office365_webhook_refused_items_total", "reason=implausible"), 4);
    minutes(16).await;
    assert!(has_arrived(&scene, "victim"));
    assert_exactly_once(&scene.arrived, &scene.simulator);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_microsoft_names_otherwise_in_notifications_is_recognised_in_listings() {
    let scene = quiet();
    let tenant = scene.simulated.tenants[0].id;
    scene.wire.rewrite(move |sent, answer| {
        // The simulator knows content by its listed name.
        let asks_for_other = sent.url.path().ends_with("$IsFromNotification");
        Ok(if asks_for_other {
            let event = json!([{
                "Id": "told", "OrganizationId": tenant.to_string(), "CreationTime": "2026-08-01T10:00:00", "RecordType": 2,
                "Operation": "Send", "Workload": "Exchange"
            }]);
            Answer::new(200, event.to_string())
        } else {
            answer
        })
    });
    let running = scene.start().await;
    minutes(5).await;
    let told = publish(&scene, "told");
    let named = format!("{told}$IsFromNotification");
    let notification = json!([item(&scene, &named, &named, scene.clock.now())]);
    assert_eq!(scene.road.notify(&notification).await, StatusCode::OK);
    sleep(Duration::from_secs(10)).await;
    assert!(has_arrived(&scene, "told"));
    let before = scene.wire.sent_to("feed/audit/").len();
    minutes(16).await;
    assert_eq!(scene.wire.sent_to("feed/audit/").len(), before, "the listing names what is known");
    assert_exactly_once(&scene.arrived, &scene.simulator);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn invented_content_hardly_delays_what_is_real() {
    const NOTIFICATIONS: usize = 20;
    const ITEMS: usize = 2_000;

    let scene = quiet();
    let running = scene.start().await;
    minutes(5).await;
    let before = scene.wire.sent_to("feed/audit/").len();
    // Older than anything real, so that it would go first.
    let old = scene.clock.now() - TimeDelta::days(20);
    for notification in 0..NOTIFICATIONS {
        let items = (0..ITEMS).map(|number| {
            let id = format!("invented-{notification}-{number}");
            item(&scene, &id, &id, old)
        });
        assert_eq!(scene.road.notify(&items.collect()).await, StatusCode::OK);
    }
    publish(&scene, "real");
    // What has overflowed makes the feed be listed as in mode poll.
    minutes(3).await;
    assert!(has_arrived(&scene, "real"), "{}", scene.log.text());
    let postponed = scene.counters.sum("office365_announced_content_postponed_total", "");
    assert!(postponed > ((NOTIFICATIONS - 2) * ITEMS) as u64, "{postponed}");
    assert!(scene.counters.sum("office365_announcement_pauses_total", "Audit.Exchange") > 0);
    let asked = scene.wire.sent_to("invented").len();
    assert!((20..200).contains(&asked), "{asked} requests in vain");

    // While it is paused, nothing that is announced is recorded; other feeds are not concerned.
    let postponed = scene.counters.sum("office365_announced_content_postponed_total", "");
    assert_eq!(scene.road.notify(&json!([item(&scene, "more", "more", old)])).await, StatusCode::OK);
    assert_eq!(scene.counters.sum("office365_announced_content_postponed_total", ""), postponed + 1);
    assert_eq!(scene.counters.sum("office365_announced_content_postponed_total", "DLP.All"), 0);

    // Hours later the invented content only causes a request at intervals, and none of it counts as given up.
    minutes(300).await;
    let asked = scene.wire.sent_to("feed/audit/").len() - before;
    assert!(asked < 2_000, "{asked} requests in five hours");
    assert_eq!(scene.counters.sum("office365_content_dead_total", ""), 0);
    let lines = scene.log.text().matches("announced content waits for the next listing").count();
    assert!((1..=3).contains(&lines), "{lines} lines");
    assert_exactly_once(&scene.arrived, &scene.simulator);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn invented_content_takes_only_a_part_of_the_slots() {
    let mut scene = quiet();
    scene.config.request.concurrency = 4;
    let running = scene.start().await;
    minutes(5).await;
    // Whatever is asked for is never answered.
    scene.simulator.faults().update(|faults| faults.hang_rate = 1.0);
    let now = scene.clock.now();
    let invented: Vec<_> =
        (0..50).map(|number| item(&scene, &format!("invented-{number}"), &format!("invented-{number}"), now)).collect();
    assert_eq!(scene.road.notify(&invented.into()).await, StatusCode::OK);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(scene.wire.sent_to("invented").len(), 1, "one of four slots");
    scene.simulator.faults().update(|faults| faults.hang_rate = 0.0);
    publish(&scene, "real");
    minutes(16).await;
    assert_exactly_once(&scene.arrived, &scene.simulator);
    running.stop().await;
}

/// What a URI names for a content id.
type Named = fn(&str) -> String;

/// A record that nothing announced or listed has.
const SOMETHING_ELSE: &str =
    r#"{"Id":"x","OrganizationId":"0a54d1c5-7a10-4c5e-9d3f-c04705000001","Operation":"Send","RecordType":2}"#;

#[tokio::test(start_paused = true)]
async fn whatever_announced_content_was_answered_with_its_listing_brings_what_is_real() {
    // The URI is right, and the API has nothing to say yet; or something in it leads elsewhere.
    let answers: [(&str, Named, Answer); 5] = [
        ("empty", |id| id.to_owned(), Answer::new(200, "[]")),
        ("gone", |id| id.to_owned(), Answer::new(404, "")),
        ("elsewhere", |id| format!("{id}?other=1"), Answer::new(200, format!("[{SOMETHING_ELSE}]"))),
        ("failing", |id| format!("{id}?boom=1"), Answer::new(500, "")),
        ("refused", |id| format!("{id}?no=1"), Answer::new(401, "")),
    ];
    for (name, named, instead) in answers {
        let scene = quiet();
        let running = scene.start().await;
        minutes(5).await;
        let real = publish(&scene, name);
        let named = named(&real);
        let is_odd = named != real;
        let (id, end) = (real.clone(), tokio::time::Instant::now() + Duration::from_mins(4));
        scene.wire.rewrite(move |sent, answer| {
            let concerned = sent.url.path().ends_with(&id)
                && if is_odd {
                    sent.url.query().is_some_and(|query| query.contains("=1"))
                } else {
                    tokio::time::Instant::now() < end
                };
            Ok(if concerned { instead.clone() } else { answer })
        });
        assert_eq!(scene.road.notify(&json!([item(&scene, &real, &named, scene.clock.now())])).await, StatusCode::OK);
        minutes(4).await;
        assert!(!has_arrived(&scene, name), "{name}");
        // With the next listing, and without the pause of the announcement.
        minutes(12).await;
        assert!(has_arrived(&scene, name), "{name}: {}", scene.log.text());
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn announced_content_that_is_answered_for_its_tenant_holds_up_nothing_that_is_listed() {
    let codes = [
        (400, "AF20011", "Auditing is off."),
        (403, "AF20010", "The tenant ID does not match."),
        (400, "AF20022", "No subscription found."),
        (400, "AF20023", "The subscription was disabled."),
        (401, "AF10001", "The permission set () …"),
        (500, "", "Microsoft.Office.Compliance.Audit.DataServiceException: Tenant x does not exist."),
    ];
    for (status, code, message) in codes {
        let scene = quiet();
        scene.wire.rewrite(move |sent, answer| {
            let body = json!({ "error": { "code": code, "message": message } }).to_string();
            Ok(if sent.asks("invented") { Answer::new(status, body) } else { answer })
        });
        let running = scene.start().await;
        minutes(14).await;
        for number in 0..60 {
            let id = format!("invented-{number}");
            let notification = json!([item(&scene, &id, &id, scene.clock.now())]);
            assert_eq!(scene.road.notify(&notification).await, StatusCode::OK);
        }
        publish(&scene, "real");
        minutes(2).await;
        assert!(has_arrived(&scene, "real"), "{code}: {}", scene.log.text());
        assert_eq!(scene.exchange(&running).problem, None, "{code}");
        running.stop().await;
    }
}
