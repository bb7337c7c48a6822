use std::{io::Read as _, time::Duration};

use chrono::TimeDelta;
use serde_json::json;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_blob_is_found_by_exactly_its_id() {
    let caller = Caller::new(bare()).await;
    let feed = caller.feed(ContentType::SharePoint);
    let id = caller.simulator.publish_events(feed, vec![json!({ "Id": "1" })], origin());
    assert!(id.contains("$audit_sharepoint$Audit_SharePoint$"), "{id}");

    let good = caller.get(&format!("audit/{id}")).await;
    assert_eq!(good.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(good.json(), json!([{ "Id": "1" }]));
    assert_eq!(caller.get(&format!("audit/{id}x")).await.refusal(), (404, "AF20050".to_owned()));
    assert_eq!(caller.get("audit/4711").await.refusal(), (400, "AF20052".to_owned()));
    assert_eq!(caller.get(&format!("audit/{id}%20")).await.refusal(), (400, "AF20052".to_owned()));

    assert!(caller.simulator.stats().violations.is_empty());
    let escaped = caller.get(&format!("audit/{}", id.replace('$', "%24"))).await;
    assert_eq!((escaped.status.as_u16(), caller.simulator.stats().violations.len()), (200, 1));
}

#[tokio::test(start_paused = true)]
async fn a_blob_expires_between_listing_and_fetching() {
    let mut caller = Caller::new(bare()).await;
    let feed = caller.feed(ContentType::General);
    let usual = caller.simulator.publish_events(feed, vec![], origin());
    let short = caller.simulator.add_blob(feed, BlobSpec::new("[]", origin()).expiring(origin() + TimeDelta::hours(1)));
    assert_eq!(
        caller.list(&format!("&startTime={}&endTime={}", "2026-08-01T11:00", "2026-08-01T13:00")).await.array().len(),
        2
    );

    tokio::time::advance(Duration::from_hours(1)).await;
    caller.sign_in().await;
    assert_eq!(caller.get(&format!("audit/{short}")).await.refusal(), (400, "AF20051".to_owned()));
    assert_eq!(caller.get(&format!("audit/{usual}")).await.status, 200);
    tokio::time::advance(Duration::from_hours(168)).await;
    caller.sign_in().await;
    assert_eq!(caller.get(&format!("audit/{usual}")).await.refusal(), (400, "AF20051".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn bodies_are_as_placed_and_compressed_on_request() {
    let caller = Caller::new(bare()).await;
    let body: &[u8] = b"\xef\xbb\xbf[{\"Id\":\"1\",\"Subject\":\"\\ud83d\"}] trailing";
    let id = caller.simulator.add_blob(caller.feed(ContentType::General), BlobSpec::new(body, origin()));
    assert_eq!(caller.get(&format!("audit/{id}")).await.bytes(), body);

    let path = format!("/api/v1.0/{}/activity/feed/audit/{id}?PublisherIdentifier={PUBLISHER}", caller.tenant.id);
    let zipped = caller.send(Method::GET, &path, &[("Accept-Encoding", "br, gzip;q=0.8")], "").await;
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    let mut unzipped = Vec::new();
    flate2::read::GzDecoder::new(zipped.bytes()).read_to_end(&mut unzipped).unwrap();
    assert_eq!(unzipped, body);
}

#[tokio::test(start_paused = true)]
async fn generated_blobs_are_the_same_each_time_and_of_their_tenant() {
    let config = SimulatorConfig { tenants: SimulatorConfig::demo().tenants, ..SimulatorConfig::default() };
    let caller = Caller::new(config.clone()).await;
    caller.start("Audit.General").await;
    let twin = Caller::new(config).await;
    twin.start("Audit.General").await;
    for entry in caller.list("").await.array() {
        let uri = text(&entry["contentUri"]);
        let events = caller.follow(&uri).await;
        assert_eq!(events.bytes(), twin.follow(&uri).await.bytes());
        for event in events.array() {
            assert_eq!(event["OrganizationId"], caller.tenant.id.to_string());
            assert!(text(&event["CreationTime"]) < text(&entry["contentCreated"]));
        }
    }
}
