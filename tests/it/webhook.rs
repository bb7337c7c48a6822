//! Mode webhook from Microsoft's notification to the pipeline, in paused time: hours and days of it.
#![cfg(feature = "simulator")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use crate::support;

use std::{collections::BTreeSet, time::Duration};

use chrono::TimeDelta;
use http::{Method, StatusCode};
use office365_source::{
    RunMode,
    component::EventStatus,
    config::Mode,
    content::ContentType,
    transport::{TransportError, TransportFailure},
};
use serde_json::{Value, json};
use support::{
    assert_exactly_once,
    scene::{Scene, minutes},
    webhook::{AUTH_ID, PUBLIC_URL, webhook_config},
    wire::Answer,
};
use tempfile::TempDir;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn notified_content_arrives_at_once_and_exactly_once() {
    let scene = Scene::of(|simulated| {
        simulated.faults.notify_duplicates = 0.3;
        simulated.faults.notify_reordered = 0.3;
    });
    let running = scene.start().await;
    minutes(1).await;
    assert!(scene.healthy(&running), "{}", scene.log.text());
    let before = scene.wire.sent_to("subscriptions/content").len();
    minutes(12).await;
    assert_eq!(scene.wire.sent_to("subscriptions/content").len(), before, "nothing is listed between reconciliations");
    assert_exactly_once(&scene.arrived, &scene.simulator);
    minutes(180).await;
    assert_exactly_once(&scene.arrived, &scene.simulator);
    assert!(scene.found_by("notification") > 10 * scene.found_by("listing").min(25), "{}", scene.log.text());
    assert_eq!(scene.simulator.stats().validations, 5);
    assert_eq!(scene.starts(), 5);
    assert!(scene.exchange(&running).webhook.unwrap().last_notification.is_some());
    running.stop().await;
    support::no_violations(&scene.simulator);
}

#[tokio::test(start_paused = true)]
async fn what_no_notification_told_is_found_by_reconciliation() {
    let scene = Scene::of(|simulated| simulated.faults.notify_drop = 1.0);
    let running = scene.start().await;
    minutes(60).await;
    assert_eq!(missing_after(&scene, 16).await, 0, "one interval at most");
    assert_eq!(scene.found_by("notification"), 0);
    assert!(scene.found_by("listing") > 50);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_is_dead_for_an_hour_loses_nothing_and_is_polled_for_meanwhile() {
    let scene = Scene::new();
    let running = scene.start().await;
    minutes(20).await;
    assert!(scene.healthy(&running));
    scene.road.block(true);
    minutes(30).await;
    let webhook = scene.exchange(&running).webhook.unwrap();
    assert!(!webhook.healthy && webhook.problem.as_ref().unwrap().contains("notifications fail"), "{webhook:?}");
    let before = scene.wire.sent_to("subscriptions/content").len();
    minutes(10).await;
    let listings = scene.wire.sent_to("subscriptions/content").len() - before;
    assert!(listings >= 5 * 8, "polled every minute while nothing is told, {listings} listings");
    minutes(20).await;
    // All of it, up to the last minute or so.
    assert_eq!(missing_after(&scene, 3).await, 0, "{}", scene.log.text());

    scene.road.block(false);
    minutes(90).await;
    assert!(scene.healthy(&running), "{:?}\n{}", scene.exchange(&running), scene.log.text());
    assert_exactly_once(&scene.arrived, &scene.simulator);
    running.stop().await;
    assert!(scene.log.text().contains("The webhook does not work; polling until it does."));
    assert!(scene.log.text().contains("Notifications arrive again."));
}

/// How much of what exists now has not arrived so many minutes later.
async fn missing_after(scene: &Scene, wait: u64) -> usize {
    let expected = scene.simulator.oracle().expected_ids();
    minutes(wait).await;
    let arrived = scene.arrived.lock().unwrap();
    expected.iter().filter(|id| !arrived.contains_key(*id)).count()
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_vanishes_or_is_disabled_is_set_again() {
    for disabled in [false, true] {
        let scene = Scene::new();
        let running = scene.start().await;
        minutes(20).await;
        let feed = scene.feed(ContentType::Exchange);
        if disabled {
            scene.simulator.disable_webhook(feed);
        } else {
            scene.simulator.unhook(feed);
        }
        let starts = scene.starts();
        minutes(16).await;
        assert_eq!(scene.starts(), starts + 1, "{}", scene.log.text());
        assert_eq!(scene.listed().await["webhook"]["status"], "enabled");
        assert!(scene.healthy(&running));
        minutes(60).await;
        assert_eq!(scene.starts(), starts + 1, "once is enough");
        assert_exactly_once(&scene.arrived, &scene.simulator);
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_points_elsewhere_is_put_right_but_not_within_fifteen_minutes_of_the_last_start() {
    let scene = Scene::new();
    scene.run_for(2).await;
    minutes(1).await;
    let mut moved = webhook_config(&scene.simulated);
    moved.webhook.public_url = Some("https://collector.example.com:9443/wh/o365/".parse().unwrap());
    let mut setup = scene.setup(RunMode::Continuous);
    setup.config = moved;
    let running = setup.start().await;
    minutes(5).await;
    assert_eq!(scene.starts(), 5);
    let webhook = scene.exchange(&running).webhook.unwrap();
    let problem = webhook.problem.unwrap();
    assert!(problem.contains("points to https://collector.example.com:8443/wh/o365/"), "{problem}");
    assert!(problem.contains("accepts the next start after"), "{problem}");
    assert_eq!(missing_after(&scene, 2).await, 0, "polled meanwhile");
    minutes(15).await;
    assert_eq!(scene.starts(), 10);
    assert_eq!(scene.listed().await["webhook"]["address"], "https://collector.example.com:9443/wh/o365/");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_webhook_with_an_end_is_renewed_before_it() {
    let mut scene = Scene::new();
    let day = "24h".parse().unwrap();
    scene.config.webhook.expiration = office365_source::config::WebhookExpiration::After(day);
    let running = scene.start().await;
    minutes(60).await;
    let first = scene.listed().await["webhook"]["expiration"].as_str().unwrap().to_owned();
    minutes(20 * 60).await;
    let second = scene.listed().await["webhook"]["expiration"].as_str().unwrap().to_owned();
    assert!(second > first, "{first} {second}");
    assert!(scene.healthy(&running));
    minutes(24 * 60).await;
    assert!(scene.healthy(&running));
    assert!(!scene.log.text().contains("does not work"), "{}", scene.log.text());
    assert_exactly_once(&scene.arrived, &scene.simulator);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_reachable_webhook_a_new_tenant_is_polled_and_told_what_to_do() {
    let scene = Scene::of(|simulated| simulated.tenants[0].subscribed_since = None);
    scene.road.block(true);
    let running = scene.start().await;
    minutes(5).await;
    let problem = scene.exchange(&running).problem.unwrap();
    assert!(problem.contains("AF20021") && problem.contains("office365-source check"), "{problem}");
    minutes(30).await;
    let progress = scene.exchange(&running);
    assert_eq!(progress.problem, None, "listed without webhook");
    assert!(progress.webhook.unwrap().problem.unwrap().contains("AF20021"));
    assert_eq!(missing_after(&scene, 3).await, 0, "{}", scene.log.text());

    scene.road.block(false);
    minutes(20).await;
    assert!(scene.healthy(&running), "{:?}", scene.exchange(&running));
    assert_eq!(scene.listed().await["webhook"]["status"], "enabled");
    running.stop().await;
    assert_eq!(scene.simulator.stats().starts_throttled, 0, "never within fifteen minutes of the last try");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_gets_no_answer_is_followed_by_one_without_webhook_also_after_a_restart() {
    for restarts in [false, true] {
        let scene = Scene::of(|simulated| simulated.tenants[0].subscribed_since = None);
        scene.road.block(true);
        // A firewall that drops packets: Microsoft waits for the webhook longer than we wait for Microsoft.
        scene.wire.rewrite(|sent, answer| {
            if sent.asks("subscriptions/start") && !sent.body.is_empty() {
                return Err(TransportError::new(TransportFailure::Timeout, "waited 60 s"));
            }
            Ok(answer)
        });
        let mut running = scene.start().await;
        minutes(5).await;
        if restarts {
            running.stop().await;
            running = scene.start().await;
        }
        minutes(30).await;
        let progress = scene.exchange(&running);
        assert_eq!(progress.problem, None, "{}", scene.log.text());
        assert!(!progress.webhook.unwrap().healthy);
        assert_eq!(missing_after(&scene, 3).await, 0);
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_only_names_a_type_is_no_reason_to_start_it_with_a_webhook_that_came_to_nothing() {
    let mut scene = Scene::of(|simulated| simulated.tenants[0].subscribed_since = None);
    scene.config.content_types = vec![ContentType::Exchange];
    scene.road.block(true);
    // As when another content type has been started meanwhile: from then on the list has an entry without a status.
    let named_from = tokio::time::Instant::now() + Duration::from_mins(15);
    scene.wire.rewrite(move |sent, mut answer| {
        if sent.asks("subscriptions/start") && !sent.body.is_empty() {
            return Err(TransportError::new(TransportFailure::Timeout, "waited 60 s"));
        }
        if sent.asks("subscriptions/list") && &*answer.body == b"[]" && sent.at >= named_from {
            answer.body = r#"[{"contentType":"Audit.Exchange","webhook":null}]"#.into();
        }
        Ok(answer)
    });
    let running = scene.start().await;
    // A quarter of an hour until the next start, and up to five minutes until the next pass.
    minutes(22).await;
    assert_eq!(scene.exchange(&running).problem, None, "{}", scene.log.text());
    assert_eq!(scene.starts(), 2);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn that_nothing_is_to_be_changed_repairs_no_webhook() {
    let scene = Scene::new();
    let running = scene.start().await;
    minutes(20).await;
    let (simulator, feed) = (scene.simulator.clone(), scene.feed(ContentType::Exchange));
    simulator.unhook(feed);
    scene.wire.rewrite(move |sent, answer| {
        if sent.asks("subscriptions/start") {
            // It was changed after all, behind the wire.
            simulator.unhook(feed);
            let body =
                r#"{"error":{"code":"AF20024","message":"The subscription is already enabled. No property change."}}"#;
            return Ok(Answer::new(400, body));
        }
        Ok(answer)
    });
    minutes(30).await;
    for _ in 0..60 {
        let webhook = scene.exchange(&running).webhook.unwrap();
        assert!(!webhook.healthy && webhook.problem.is_some(), "{webhook:?}");
        minutes(1).await;
    }
    assert_eq!(missing_after(&scene, 3).await, 0, "polled meanwhile");
    assert!(!scene.log.text().contains("Notifications arrive again."));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_webhook_stays_ours_after_a_change_of_its_address_that_failed() {
    let mut scene = Scene::new();
    scene.run_for(2).await;
    minutes(20).await;
    let first = scene.config.clone();
    // The new address cannot be reached.
    scene.config.webhook.public_url = Some("https://collector.example.com:9443/wh/o365/".parse().unwrap());
    scene.road.block(true);
    scene.run_for(20).await;
    scene.road.block(false);
    assert_eq!(scene.listed().await["webhook"]["address"], PUBLIC_URL);
    scene.config = first;
    scene.config.mode = Mode::Poll;
    let running = scene.start().await;
    minutes(30).await;
    assert_eq!(scene.listed().await["webhook"], Value::Null);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn content_types_that_were_taken_out_stay_in_the_ledger() {
    let mut scene = Scene::of(|simulated| simulated.live = None);
    // Nothing can be downloaded for a while, so that much is pending and some of it deferred.
    scene.wire.rewrite(|sent, answer| if sent.asks("/audit/") { Err(support::wire::reset()) } else { Ok(answer) });
    scene.run_for(10).await;
    scene.wire.rewrite(|_, answer| Ok(answer));
    scene.config.content_types.retain(|content_type| *content_type != ContentType::Dlp);
    let running = scene.start().await;
    minutes(60).await;
    running.stop().await;
    let arrived = scene.arrived.lock().unwrap();
    let dlp_only = scene.simulator.oracle().expected_ids_of(scene.feed(ContentType::Dlp));
    let others: BTreeSet<_> =
        [ContentType::Exchange, ContentType::General, ContentType::SharePoint, ContentType::AzureActiveDirectory]
            .into_iter()
            .flat_map(|content_type| scene.simulator.oracle().expected_ids_of(scene.feed(content_type)))
            .collect();
    let tenant = scene.simulated.tenants[0].id;
    assert!(others.iter().all(|id| arrived.contains_key(&(tenant, id.clone()))), "{}", scene.log.text());
    assert!(dlp_only.difference(&others).all(|id| !arrived.contains_key(&(tenant, id.clone()))));
}

#[tokio::test(start_paused = true)]
async fn strangers_use_up_nobody_elses_requests() {
    let scene = Scene::of(|simulated| simulated.live = None);
    let running = scene.start().await;
    minutes(1).await;
    // From the very address that Microsoft seems to have, as behind a port mapping.
    let mut refused = 0;
    for _ in 0..2_000 {
        let (status, _) = scene.road.ask(Method::POST, "/wh/o365/", &[("webhook-authid", "guess")], "[]").await;
        refused += u32::from(status == StatusCode::TOO_MANY_REQUESTS);
        let (status, _) = scene.road.ask(Method::GET, "/wh/o365/?state=x&code=y", &[], "").await;
        assert!([StatusCode::TOO_MANY_REQUESTS, StatusCode::BAD_REQUEST].contains(&status));
    }
    assert!(refused > 1_000, "{refused}");
    for _ in 0..2_000 {
        assert_eq!(scene.road.notify(&json!([])).await, StatusCode::OK);
    }
    let lines = scene.log.text().lines().filter(|line| line.contains(" WARN ") || line.contains("ERROR")).count();
    assert!(lines < 20, "{lines} lines for 4,000 requests");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn back_in_mode_poll_the_webhook_goes_and_the_subscription_stays() {
    let mut scene = Scene::new();
    scene.run_for(2).await;
    minutes(20).await;
    assert_eq!(scene.listed().await["webhook"]["address"], PUBLIC_URL);
    scene.config.mode = Mode::Poll;
    let running = scene.start().await;
    minutes(5).await;
    let subscription = scene.listed().await;
    assert_eq!((&subscription["webhook"], &subscription["status"]), (&Value::Null, &"enabled".into()));
    minutes(30).await;
    assert_eq!(scene.starts(), 10);
    assert_eq!(missing_after(&scene, 2).await, 0);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn in_mode_poll_somebody_elses_webhook_is_left_alone() {
    let mut scene = Scene::new();
    scene.run_for(2).await;
    minutes(20).await;
    scene.config.mode = Mode::Poll;
    // Another collector of the same application, with a ledger of its own.
    scene.data = TempDir::new().unwrap();
    let running = scene.start().await;
    minutes(60).await;
    assert_eq!(scene.listed().await["webhook"]["address"], PUBLIC_URL);
    assert_eq!(scene.starts(), 5);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_of_once_lists_and_leaves_the_webhook_alone() {
    let scene = Scene::new();
    scene.run_for(2).await;
    minutes(30).await;
    let (result, _) = scene.setup(RunMode::ONCE).run().await;
    result.unwrap();
    assert_exactly_once(&scene.arrived, &scene.simulator);
    assert_eq!(scene.listed().await["webhook"]["address"], PUBLIC_URL);
    assert_eq!(scene.starts(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_was_answered_with_200_survives_a_crash_before_the_download() {
    let scene = Scene::of(|simulated| simulated.live = None);
    let running = scene.start().await;
    minutes(5).await;
    assert_exactly_once(&scene.arrived, &scene.simulator);
    // Downloads hang from now on; notifications are still accepted.
    scene.simulator.faults().update(|faults| faults.hang_rate = 1.0);
    let now = scene.clock.now();
    for number in 0..5 {
        let event = json!({
            "Id": format!("late-{number}"), "OrganizationId": scene.simulated.tenants[0].id.to_string(),
            "CreationTime": "2026-08-01T10:00:00", "RecordType": 2, "Operation": "Send", "Workload": "Exchange"
        });
        scene.simulator.publish_events(
            scene.feed(ContentType::Exchange),
            vec![event],
            now + TimeDelta::seconds(number),
        );
    }
    sleep(Duration::from_secs(30)).await;
    assert_eq!(scene.found_by("notification"), 5);
    running.crash().await;
    scene.simulator.faults().update(|faults| faults.hang_rate = 0.0);

    // Nothing is listed or notified any more: what arrives comes from the ledger.
    scene.wire.rewrite(
        |sent, answer| {
            if sent.asks("subscriptions/content") { Err(support::wire::reset()) } else { Ok(answer) }
        },
    );
    let running = scene.start().await;
    minutes(5).await;
    assert_exactly_once(&scene.arrived, &scene.simulator);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn forged_notifications_lead_nowhere() {
    let scene = Scene::of(|simulated| simulated.live = None);
    let running = scene.start().await;
    minutes(5).await;
    let before = scene.wire.sent().len();
    let tenant = scene.simulated.tenants[0].id.to_string();
    let client = scene.simulated.tenants[0].client_id.to_string();
    let item = |change: &dyn Fn(&mut Value)| {
        let mut item = json!({
            "tenantId": tenant, "clientId": client, "contentType": "Audit.Exchange", "contentId": "forged",
            "contentUri": format!("https://manage.office.com/api/v1.0/{tenant}/activity/feed/audit/forged"),
            "contentCreated": "2026-08-01T11:59:00.000Z", "contentExpiration": "2026-08-08T11:59:00.000Z",
        });
        change(&mut item);
        item
    };
    let other = uuid::Uuid::from_u128(9).to_string();
    let forged = json!([
        item(&|item| item["tenantId"] = other.as_str().into()),
        item(&|item| item["clientId"] = other.as_str().into()),
        item(
            &|item| item["contentUri"] = format!("https://evil.example/api/v1.0/{tenant}/activity/feed/audit/x").into()
        ),
        item(&|item| item["contentUri"] = "http://manage.office.com/".into()),
        item(&|item| item["contentType"] = "Audit.Nonsense".into()),
        item(&|item| item["contentUri"] =
            format!("https://manage.office.com/api/v1.0/{tenant}/activity/feed/subscriptions/list").into()),
        item(&|item| item["contentCreated"] = "1999-01-01T00:00:00Z".into()),
        7,
        null,
        {}
    ]);
    assert_eq!(scene.road.notify(&forged).await, StatusCode::OK, "no retry would change it");
    minutes(5).await;
    assert_eq!(scene.wire.sent().len(), before, "{:?}", scene.wire.sent().last());
    assert_eq!(scene.counters.sum("office365_webhook_refused_items_total", ""), 10);

    // One bad item does not lose its neighbours, and a replay is known.
    let good = scene.simulator.publish_events(
        scene.feed(ContentType::Exchange),
        vec![json!({
            "Id": "good", "OrganizationId": tenant, "CreationTime": "2026-08-01T10:00:00", "RecordType": 2,
            "Operation": "Send", "Workload": "Exchange"
        })],
        scene.clock.now(),
    );
    let good = item(&|item| {
        item["contentId"] = good.as_str().into();
        item["contentUri"] = format!("https://manage.office.com/api/v1.0/{tenant}/activity/feed/audit/{good}").into();
    });
    let mixed = json!([item(&|item| item["tenantId"] = other.as_str().into()), good]);
    for _ in 0..3 {
        assert_eq!(scene.road.notify(&mixed).await, StatusCode::OK);
    }
    minutes(1).await;
    assert_exactly_once(&scene.arrived, &scene.simulator);

    for (headers, body, status) in [
        (&[][..], "[]", StatusCode::FORBIDDEN),
        (&[("webhook-authid", "wrong")], "[]", StatusCode::FORBIDDEN),
        (&[("webhook-authid", "")], r#"{"validationCode":"x"}"#, StatusCode::FORBIDDEN),
        (&[("webhook-authid", AUTH_ID)], "not json", StatusCode::BAD_REQUEST),
        (&[("webhook-authid", AUTH_ID)], "{}", StatusCode::BAD_REQUEST),
        (&[("webhook-authid", AUTH_ID)], r#"{"validationCode":"x"}"#, StatusCode::OK),
    ] {
        let (answered, text) = scene.road.ask(Method::POST, "/wh/o365/", headers, body).await;
        assert_eq!((answered, text.as_str()), (status, ""), "{body}");
    }
    for (method, target) in [
        (Method::GET, "/"),
        (Method::GET, "/wh/o365"),
        (Method::POST, "/wh/o365//"),
        (Method::PUT, "/wh/o365/"),
        (Method::HEAD, "/wh/o365/"),
        (Method::OPTIONS, "/wh/o365/"),
        (Method::GET, "/metrics"),
    ] {
        let answer = scene.road.ask(method, target, &[("webhook-authid", AUTH_ID)], "[]").await;
        assert_eq!(answer, (StatusCode::BAD_REQUEST, String::new()), "{target}");
    }
    let too_large = format!("[{}]", " ".repeat(1 << 20));
    let answer = scene.road.ask(Method::POST, "/wh/o365/", &[("webhook-authid", AUTH_ID)], too_large).await;
    assert_eq!(answer.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(!scene.log.text().contains(AUTH_ID));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_stops_turns_notifications_away_until_it_has() {
    let scene = Scene::of(|simulated| simulated.live = None);
    let mut setup = scene.setup(RunMode::Continuous);
    // The pipeline never acknowledges, so that the source takes its time to stop.
    let (open, gate) = tokio::sync::watch::channel(false);
    setup.gate = Some(gate);
    setup.verdict = Box::new(|_| EventStatus::Delivered);
    let running = setup.start().await;
    minutes(1).await;
    let stopping = tokio::spawn(running.stop());
    minutes(1).await;
    assert_eq!(scene.road.notify(&json!([])).await, StatusCode::SERVICE_UNAVAILABLE);
    let (status, _) =
        scene.road.ask(Method::POST, "/wh/o365/", &[("webhook-authid", AUTH_ID)], r#"{"validationCode":"x"}"#).await;
    assert_eq!(status, StatusCode::OK);
    open.send(true).unwrap();
    stopping.await.unwrap();
}
