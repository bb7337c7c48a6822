//! The webhook's listener with unauthenticated senders: floods, slow senders, and more connections than there may be. Over
//! real sockets with TLS, in real time.
#![cfg(feature = "simulator")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use crate::support;

use std::{future::Future, time::Duration};

use futures::future::join_all;
use office365_source::content::ContentType;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use support::{
    https::{Client, Https},
    patience::GUARD,
    site::{Site, post, probe, request},
    webhook::AUTH_ID,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// Does something on a thread of its own, so that the attackers' share of TLS does not hold up the listener.
fn elsewhere<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::task::spawn_blocking(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { timeout(GUARD, work).await.unwrap() })
    })
}

/// What an unauthenticated sender sends.
const NOISE: usize = 0;
const NOISE_IN_TLS: usize = 1;
const WRONG_PATH: usize = 2;
const WRONG_AUTH_ID: usize = 3;

/// Sends so much junk, one thing after another, and returns how much of each kind.
async fn junk(client: Client, seed: u64, times: usize) -> [u64; 4] {
    let mut random = StdRng::seed_from_u64(seed);
    let mut sent = [0; 4];
    for _ in 0..times {
        let kind = random.random_range(0..4);
        let noise: Vec<u8> = (0..random.random_range(8..600)).map(|_| random.random()).collect();
        match kind {
            NOISE => {
                let mut stream = client.tcp().await.unwrap();
                // It may be refused before the last byte is there.
                let _ = stream.write_all(&noise).await;
                ended(&mut stream).await;
            }
            NOISE_IN_TLS => {
                let answer = client.ask(&noise).await;
                assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 400));
            }
            WRONG_PATH => {
                let path = format!("POST /{:x}/", random.random::<u64>());
                let answer = client.ask(request(&path, &[("Webhook-AuthID", AUTH_ID)], "[]")).await.unwrap();
                assert_eq!((answer.status, answer.body.as_str()), (400, ""));
            }
            _ => {
                let guess = format!("{:x}", random.random::<u64>());
                let body = r#"[{"contentId": "x"}]"#;
                let answer = client.ask(request("POST /wh/o365/", &[("Webhook-AuthID", &guess)], body)).await.unwrap();
                assert_eq!((answer.status, answer.body.as_str()), (403, ""));
            }
        }
        sent[kind] += 1;
    }
    sent
}

/// Reads until the other side has had enough.
async fn ended(stream: &mut TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// Sends a byte a second of something that never ends, until the other side has had enough.
async fn dribble(mut connection: Https) {
    connection.send("GET /wh/o365/ HTTP/1.1\r\nX-Slow: ").await.unwrap();
    while connection.send("x").await.is_ok() {
        if timeout(Duration::from_secs(1), connection.closed()).await.is_ok() {
            return;
        }
    }
}

/// A body that is announced and does not come.
async fn stall(mut connection: Https) {
    let headers = [("Webhook-AuthID", AUTH_ID), ("Content-Length", "2")];
    connection.send(request("POST /wh/o365/", &headers, "")).await.unwrap();
    assert_eq!(connection.answer().await.unwrap().status, 408);
    connection.closed().await;
}

/// A TLS handshake of which only the beginning comes, if that.
async fn half_a_handshake(mut stream: TcpStream, so_far: &[u8]) {
    stream.write_all(so_far).await.unwrap();
    ended(&mut stream).await;
}

#[tokio::test]
async fn ten_thousand_junk_requests_and_two_hundred_dawdlers_hold_up_no_notification() {
    const WORKERS: u8 = 40;
    const DAWDLERS: u8 = 50;
    let mut site = Site::new();
    let limits = &mut site.config.webhook.limits;
    (limits.header_timeout_secs, limits.body_timeout_secs) = (5, 5);
    let (running, address) = site.start().await;
    site.notified(&running).await;

    let client = site.client(address);
    let attack = elsewhere(async move {
        let mut dawdlers = Vec::new();
        for number in 0..DAWDLERS {
            // Many addresses, so that none has more than its share of connections.
            let client = client.at(&format!("127.0.2.{}", 1 + number % 10));
            let (slow, stalled) = (client.connect().await.unwrap(), client.connect().await.unwrap());
            let (silent, begun) = (client.tcp().await.unwrap(), client.tcp().await.unwrap());
            dawdlers.push(tokio::spawn(async move {
                tokio::join!(
                    dribble(slow),
                    stall(stalled),
                    half_a_handshake(silent, &[]),
                    half_a_handshake(begun, &[0x16, 3, 1, 2, 0, 1, 0]),
                );
            }));
        }
        let workers = (0..WORKERS).map(|number| {
            tokio::spawn(junk(client.at(&format!("127.0.1.{}", 1 + number)), number.into(), 10_000 / WORKERS as usize))
        });
        let sent = join_all(workers.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap);
        let sent = sent.fold([0; 4], |sum, sent| std::array::from_fn(|kind| sum[kind] + sent[kind]));
        for dawdler in dawdlers {
            dawdler.await.unwrap();
        }
        sent
    });
    let mut published = 0;
    while !attack.is_finished() {
        site.publish(ContentType::Exchange);
        published += 1;
        sleep(Duration::from_millis(50)).await;
    }
    let sent = attack.await.unwrap();
    site.all_arrived().await;
    let stats = site.simulator.stats();
    assert_eq!((stats.blobs_notified, stats.notifications_failed), (published, 0));
    assert_eq!(site.found_by("notification"), published);

    assert_eq!(sent.iter().sum::<u64>(), 10_000);
    assert_eq!(site.refused("no_such_endpoint"), sent[WRONG_PATH]);
    assert_eq!(site.refused("wrong_auth_id"), sent[WRONG_AUTH_ID]);
    let dawdlers = u64::from(DAWDLERS);
    assert_eq!(site.refused("body_too_slow"), dawdlers);
    assert!(site.refused("headers_too_slow") >= dawdlers);
    assert!(site.refused("tls_too_slow") >= 2 * dawdlers);
    let noise = ["tls_failed", "tls_too_slow", "unreadable_request", "head_too_large", "headers_too_slow"];
    let refused: u64 = noise.iter().map(|reason| site.refused(reason)).sum();
    assert_eq!(refused, sent[NOISE] + sent[NOISE_IN_TLS] + 3 * dawdlers, "nothing is refused in silence");
    assert_eq!(site.refused("connection_evicted"), 0);
    let lines = site.log.text().lines().filter(|line| line.contains("WARN")).count();
    assert!(lines < 60, "a flood is no flood of log lines: {lines}");
    println!("{published} notifications among {sent:?}");
    running.stop().await;
}

/// A connection that was good for one request and is kept.
async fn kept(client: &Client) -> Https {
    let mut connection = client.connect().await.unwrap();
    assert_eq!(connection.ask(probe()).await.unwrap().status, 200);
    connection
}

async fn is_open(connection: &mut Https) -> bool {
    connection.ask(probe()).await.is_ok_and(|answer| answer.status == 200)
}

#[tokio::test]
async fn the_oldest_idle_connection_gives_way_to_a_new_one() {
    let mut site = Site::new();
    site.cut_off();
    let limits = &mut site.config.webhook.limits;
    (limits.max_connections, limits.max_connections_per_source) = (6, 4);
    let (running, address) = site.start().await;
    let client = site.client(address);
    let [two, three, four] = ["127.0.0.2", "127.0.0.3", "127.0.0.4"].map(|from| client.at(from));

    let mut first = Vec::new();
    for _ in 0..4 {
        first.push(kept(&two).await);
    }
    // A fifth of the same source.
    first.push(kept(&two).await);
    timeout(GUARD, first[0].closed()).await.unwrap();
    for connection in &mut first[1..] {
        assert!(is_open(connection).await);
    }
    assert_eq!(site.refused("connection_evicted"), 1);

    // Six in all; for the seventh, the source that has most gives up its oldest.
    let mut second = [kept(&three).await, kept(&three).await];
    let mut third = kept(&four).await;
    timeout(GUARD, first[1].closed()).await.unwrap();
    for connection in first[2..].iter_mut().chain(&mut second).chain([&mut third]) {
        assert!(is_open(connection).await);
    }
    assert_eq!(site.refused("connection_evicted"), 2);

    // Those that never speak give way as well.
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(four.tcp().await.unwrap());
    }
    assert!(is_open(&mut kept(&three).await).await);
    for stream in &mut silent[..16] {
        timeout(GUARD, ended(stream)).await.unwrap();
    }
    running.stop().await;
}

#[tokio::test]
async fn a_connection_that_works_on_a_request_is_not_sacrificed() {
    let mut site = Site::new();
    site.cut_off();
    let limits = &mut site.config.webhook.limits;
    (limits.max_connections, limits.max_connections_per_source) = (2, 1);
    let (running, address) = site.start().await;
    let client = site.client(address);
    let mut busy = Vec::new();
    for from in ["127.0.0.2", "127.0.0.3"] {
        let mut connection = client.at(from).connect().await.unwrap();
        let headers = [("Webhook-AuthID", AUTH_ID), ("Expect", "100-continue"), ("Content-Length", "2")];
        connection.send(request("POST /wh/o365/", &headers, "")).await.unwrap();
        assert_eq!(connection.answer().await.unwrap().status, 100, "it waits for the body");
        busy.push(connection);
    }
    for (from, reason) in [("127.0.0.2", "source_busy"), ("127.0.0.4", "listener_busy")] {
        assert!(client.at(from).connect().await.is_err(), "there is no room");
        assert_eq!((site.refused(reason), site.refused("connection_evicted")), (1, 0));
    }
    for mut connection in busy {
        connection.send("[]").await.unwrap();
        assert_eq!(connection.answer().await.unwrap().status, 200);
    }
    assert_eq!(client.at("127.0.0.4").ask(post("[]")).await.unwrap().status, 200);
    running.stop().await;
}

#[tokio::test]
async fn a_source_that_asks_too_often_is_told_so_and_others_are_not() {
    let mut site = Site::new();
    site.config.webhook.limits.requests_per_minute_per_source = 60;
    let (running, address) = site.start().await;
    let client = site.client(address);
    let mut statuses = Vec::new();
    // For as long as it takes: the allowance grows meanwhile, by one request a second.
    while statuses.iter().filter(|status| **status == 429).count() < 10 {
        statuses.push(client.at("127.0.0.2").ask(probe()).await.unwrap().status);
    }
    assert_eq!(statuses[..15], [200; 15], "a quarter of a minute's worth at once");
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert!(refused as u64 == site.refused("too_many_requests"), "{statuses:?}");
    site.notified(&running).await;
    site.publish(ContentType::Exchange);
    site.all_arrived().await;
    assert_eq!(site.simulator.stats().notifications_failed, 0);
    running.stop().await;
}
