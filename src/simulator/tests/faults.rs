use std::{collections::BTreeSet, time::Duration};

use super::*;

async fn with_faults(change: impl FnOnce(&mut Faults)) -> Caller {
    let caller = Caller::new(subscribed()).await;
    caller.simulator.faults().update(change);
    caller
}

#[tokio::test(start_paused = true)]
async fn backends_fail_in_several_ways() {
    let caller = with_faults(|faults| faults.error_rate = 1.0).await;
    let mut seen = BTreeSet::new();
    for _ in 0..50 {
        let reply = caller.list("").await;
        seen.insert((reply.status.as_u16(), reply.text().is_empty(), reply.text().starts_with('<')));
    }
    assert_eq!(
        Vec::from_iter(seen),
        [(408, true, false), (500, false, false), (500, false, true), (503, false, true), (503, true, false)]
    );
    caller.simulator.set_faults(Faults::default());
    assert_eq!(caller.list("").await.status, 200);
    assert_eq!(caller.simulator.stats().faults, 50);
}

#[tokio::test(start_paused = true)]
async fn bodies_break_off_and_end_early() {
    let caller = with_faults(|faults| faults.reset_rate = 1.0).await;
    assert!(caller.list("").await.body.is_err());
    caller.simulator.faults().update(|faults| *faults = Faults { truncate_rate: 1.0, ..Faults::default() });
    let cut = caller.list("").await;
    assert_eq!(cut.header("content-length"), None);
    assert!(serde_json::from_slice::<Value>(cut.bytes()).is_err());
}

#[tokio::test(start_paused = true)]
async fn switches_of_the_gate() {
    let caller = with_faults(|faults| faults.unauthorized_rate = 1.0).await;
    assert_eq!(caller.list("").await.status, 401);
    caller.simulator.set_faults(Faults { throttle_rate: 1.0, ..Faults::default() });
    assert!(caller.list("").await.text().contains("AF429"));
    caller.simulator.set_faults(Faults { html_rate: 1.0, ..Faults::default() });
    let html = caller.list("").await;
    assert_eq!((html.status.as_u16(), html.header("content-type")), (200, Some("text/html")));
    caller.simulator.set_faults(Faults { token_error_rate: 1.0, ..Faults::default() });
    assert_eq!(ask_token(&caller.simulator, &caller.tenant, &[]).await.status, 503);
    caller.simulator.set_faults(Faults { hang_rate: 1.0, ..Faults::default() });
    assert!(tokio::time::timeout(Duration::from_hours(24), caller.list("")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn answers_take_their_time() {
    let caller = with_faults(|faults| faults.latency = Some(Duration::from_secs(2)..=Duration::from_secs(5))).await;
    let before = caller.clock.now();
    caller.list("").await;
    assert!((2..=5).contains(&(caller.clock.now() - before).num_seconds()));
}

#[tokio::test(start_paused = true)]
async fn entries_are_flawed_on_demand() {
    let caller = with_faults(|faults| (faults.foreign_uri, faults.wrong_content_type) = (1.0, 1.0)).await;
    for entry in caller.list("").await.array() {
        assert!(text(&entry["contentUri"]).starts_with("https://manage.office.com.example.net/"));
        assert_eq!(entry["contentType"], "Audit.Exchange");
    }
    caller.simulator.set_faults(Faults { missing_content_uri: 1.0, ..Faults::default() });
    assert!(caller.list("").await.array().iter().all(|entry| entry.get("contentUri").is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_page_may_name_itself_as_the_next() {
    let caller = Caller::new(SimulatorConfig { page_size: 5, ..subscribed() }).await;
    caller.simulator.faults().update(|faults| faults.next_page_loop = true);
    let first = caller.list("").await;
    let second = caller.follow(first.next_page().unwrap()).await;
    assert_eq!(first.next_page(), second.next_page());
}

#[tokio::test(start_paused = true)]
async fn the_same_requests_meet_the_same_fate() {
    let fates = async || {
        let caller = with_faults(|faults| *faults = Faults::stormy()).await;
        let mut fates = Vec::new();
        for _ in 0..100 {
            let reply = caller.list("").await;
            fates.push((reply.status.as_u16(), reply.body.ok(), caller.clock.now() - origin()));
        }
        fates
    };
    assert_eq!(fates().await, fates().await);
}

#[tokio::test]
async fn broken_answers_break_real_connections() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let caller = with_faults(|faults| faults.reset_rate = 1.0).await;
    let running = caller.simulator.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    let ask = async || {
        let mut socket = tokio::net::TcpStream::connect(running.addr).await.unwrap();
        let request = format!(
            "GET /api/v1.0/{}/activity/feed/subscriptions/content?contentType=DLP.All&PublisherIdentifier={PUBLISHER} \
             HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            caller.tenant.id, running.addr, caller.token
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _reset_or_end = socket.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    };
    // A chunked body without its final chunk: broken off for any client.
    let broken = ask().await;
    assert!(broken.starts_with("HTTP/1.1 200 OK") && !broken.ends_with("0\r\n\r\n"), "{broken}");
    caller.simulator.set_faults(Faults { truncate_rate: 1.0, ..Faults::default() });
    let short = ask().await;
    assert!(short.ends_with("0\r\n\r\n") && !short.contains("content-length"), "{short}");
    caller.simulator.set_faults(Faults::default());
    let whole = ask().await;
    assert!(whole.ends_with(']') && whole.contains(&format!("\"contentUri\":\"{}", running.base_url())), "{whole}");
    running.stop().await;
}
