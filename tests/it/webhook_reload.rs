//! Files that change while the webhook's listener runs, which looks at them every 10 seconds. Over real sockets with TLS.
#![cfg(feature = "simulator")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use crate::support;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use office365_source::content::ContentType;
use serde_json::json;
use support::{
    https::Client,
    patience::GUARD,
    site::{Site, post},
};
use tokio::time::{sleep, timeout};

/// Posts on one connection, and now and then on a new one, until told to stop. Returns how often. Panics when one of them
/// fails.
async fn post_all_the_time(client: Client, stop: Arc<AtomicBool>) -> usize {
    let mut kept = client.connect().await.unwrap();
    let mut posted = 0;
    while !stop.load(Ordering::Relaxed) {
        assert_eq!(kept.ask(post("[]")).await.unwrap().status, 200);
        posted += 1;
        if posted % 10 == 0 {
            assert_eq!(client.ask(post("[]")).await.unwrap().status, 200);
        }
        sleep(Duration::from_millis(10)).await;
    }
    posted
}

async fn wait_for_log(site: &Site, times: usize, text: &str) {
    site.until(text, || site.log.text().matches(text).count() == times).await;
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_under_load_and_a_broken_one_is_not() {
    let mut site = Site::new();
    site.config.webhook.limits.requests_per_minute_per_source = 1_000_000;
    let (running, address) = site.start().await;
    site.notified(&running).await;
    let client = site.client(address);
    let shown = async || client.connect().await.unwrap().certificate();
    let mut opened_before = client.connect().await.unwrap();
    let (old, new) = (opened_before.certificate(), site.authority.server());
    let stop = Arc::new(AtomicBool::new(false));
    let posting: Vec<_> = (0..4).map(|_| tokio::spawn(post_all_the_time(client.clone(), Arc::clone(&stop)))).collect();
    let kept_in_use = "a changed file cannot be used; the one before it stays in use";

    // One file after the other; in between, the key is not the certificate's.
    fs::write(site.file("webhook.crt"), &new.certificate).unwrap();
    wait_for_log(&site, 1, kept_in_use).await;
    assert!(site.log.text().contains("does not belong to the first certificate"));
    assert_eq!(shown().await, old);
    site.publish(ContentType::Exchange);
    fs::write(site.file("webhook.key"), &new.key).unwrap();
    timeout(GUARD, async {
        while shown().await != new.der() {
            sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(site.counters.sum("office365_webhook_certificates_loaded_total", ""), 1);

    fs::write(site.file("webhook.crt"), "garbage").unwrap();
    wait_for_log(&site, 2, kept_in_use).await;
    assert!(site.log.text().contains("holds no certificate"));
    assert_eq!(shown().await, new.der());
    site.publish(ContentType::Exchange);
    site.all_arrived().await;
    assert_eq!(site.simulator.stats().notifications_failed, 0);

    stop.store(true, Ordering::Relaxed);
    let mut posted = 0;
    for posting in posting {
        posted += posting.await.unwrap();
    }
    println!("{posted} notifications meanwhile");
    assert!(posted > 100, "{posted}");
    assert_eq!(opened_before.certificate(), old);
    // It has rested for half a minute, which it may.
    assert_eq!(opened_before.ask(post("[]")).await.unwrap().status, 200);
    running.stop().await;
}

#[tokio::test]
async fn service_tags_that_change_are_taken_and_a_broken_file_is_not() {
    const TAG: &str = "M365ManagementActivityApiWebhook";
    let tags = |network: &str| {
        let values = json!([
            { "name": "AzureFrontDoor", "properties": { "addressPrefixes": ["127.0.0.0/8"] } },
            { "name": TAG, "properties": { "addressPrefixes": [network, "2001:db8::/32"] } },
        ]);
        json!({ "changeNumber": 1, "cloud": "Public", "values": values }).to_string()
    };
    let mut site = Site::new();
    site.cut_off();
    let file = site.file("ServiceTags_Public.json");
    fs::write(&file, tags("127.0.0.4/32")).unwrap();
    site.config.webhook.allowed_sources = vec![format!("service_tag:{TAG}").parse().unwrap()];
    site.config.webhook.service_tags_file = Some(file.clone());
    let (running, address) = site.start().await;
    let client = site.client(address);
    let status = async |from: &str| client.at(from).ask(post("[]")).await.unwrap().status;
    assert_eq!((status("127.0.0.4").await, status("127.0.0.5").await), (200, 403));

    fs::write(&file, "<html>").unwrap();
    wait_for_log(&site, 1, "webhook.service_tags_file: this is not Microsoft's file of service tags").await;
    assert_eq!((status("127.0.0.4").await, status("127.0.0.5").await), (200, 403));

    fs::write(&file, tags("127.0.0.5/32")).unwrap();
    timeout(GUARD, async {
        while status("127.0.0.5").await != 200 {
            sleep(Duration::from_millis(200)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(status("127.0.0.4").await, 403);
    running.stop().await;
}
