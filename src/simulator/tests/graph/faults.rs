use super::*;
use crate::{
    simulator::InProcess,
    transport::{Request as Sent, Transport as _, TransportFailure},
};

async fn with_faults(change: impl FnOnce(&mut GraphFaults)) -> Searcher {
    let searcher = Searcher::new(subscribed()).await;
    searcher.faults(change);
    searcher
}

#[tokio::test(start_paused = true)]
async fn backends_fail_and_gates_refuse() {
    let searcher = with_faults(|faults| faults.error_rate = 1.0).await;
    let mut seen = BTreeSet::new();
    for _ in 0..60 {
        let reply = searcher.get("").await;
        seen.insert((reply.status.as_u16(), reply.text().is_empty(), reply.text().starts_with('<')));
    }
    assert_eq!(
        Vec::from_iter(seen),
        [(500, false, false), (502, false, true), (503, false, false), (503, true, false), (504, false, false)]
    );
    searcher.faults(|faults| *faults = GraphFaults { unauthorized_rate: 1.0, ..GraphFaults::default() });
    assert_eq!(searcher.get("").await.status, 401);
    searcher.faults(|faults| {
        *faults = GraphFaults { throttle_rate: 1.0, without_retry_after: 0.5, ..GraphFaults::default() };
    });
    let mut forms = BTreeSet::new();
    for _ in 0..20 {
        let reply = searcher.get("").await;
        assert_eq!(reply.status, 429);
        forms.insert(reply.header("retry-after").map(str::to_owned));
    }
    assert_eq!(Vec::from_iter(forms), [None, Some("10".into())]);
    searcher.faults(|faults| *faults = GraphFaults { hang_rate: 1.0, ..GraphFaults::default() });
    assert!(tokio::time::timeout(Duration::from_hours(24), searcher.get("")).await.is_err());
    assert_eq!(searcher.stats().graph.faults, 60 + 1 + 20 + 1);
    // The other API has faults of its own.
    let caller = Caller::new(subscribed()).await;
    caller.simulator.faults().update(|faults| faults.graph.error_rate = 1.0);
    assert_eq!(caller.list("").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn bodies_break_off_and_end_early() {
    let searcher = with_faults(|faults| faults.reset_rate = 1.0).await;
    assert!(searcher.get("").await.body.is_err());
    searcher.faults(|faults| *faults = GraphFaults { truncate_rate: 1.0, ..GraphFaults::default() });
    let cut = searcher.get("").await;
    assert_eq!((cut.status.as_u16(), cut.header("content-length")), (200, None));
    assert!(serde_json::from_slice::<Value>(cut.bytes()).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_query_exists_although_its_answer_is_lost() {
    let searcher = with_faults(|faults| faults.lost_answers = 1.0).await;
    let transport = InProcess::new(&searcher.caller.simulator);
    let mut ends = BTreeSet::new();
    for _ in 0..30 {
        let now = searcher.caller.clock.now();
        let body = json!({ "filterStartDateTime": now - TimeDelta::hours(1), "filterEndDateTime": now }).to_string();
        let mut request = Sent {
            method: Method::POST,
            url: Url::parse("https://graph.microsoft.com/v1.0/security/auditLog/queries").unwrap(),
            headers: HeaderMap::new(),
            body: body.into(),
        };
        let bearer = format!("Bearer {}", searcher.caller.token);
        request.headers.insert(header::AUTHORIZATION, bearer.parse().unwrap());
        request.headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        ends.insert(match transport.send(request).await {
            Ok(response) => response.status.as_u16(),
            Err(error) if error.failure() == TransportFailure::Broken => 0,
            Err(error) => panic!("{error}"),
        });
    }
    assert_eq!(Vec::from_iter(ends), [0, 201, 504]);
    assert_eq!(searcher.stats().graph.lost_answers, 30);
    assert_eq!(searcher.stats().graph.submissions[&searcher.caller.tenant.id].len(), 30);
    assert_eq!(searcher.get("").await.json()["value"].as_array().unwrap().len(), 30);
}

#[tokio::test]
async fn a_lost_answer_is_none_over_a_socket_and_links_lead_there() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut config = subscribed();
    config.graph.queued = Duration::ZERO..=Duration::ZERO;
    config.graph.running = Duration::ZERO..=Duration::ZERO;
    config.graph.page_size = 1;
    let searcher = Searcher::new(config).await;
    let running = searcher.caller.simulator.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    let exchange = async |head: String, body: String| {
        let mut socket = tokio::net::TcpStream::connect(running.addr).await.unwrap();
        let request = format!(
            "{head} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            running.addr,
            searcher.caller.token,
            body.len()
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _reset_or_end = socket.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    };
    let path = "/v1.0/security/auditLog/queries";
    let body = json!({ "filterStartDateTime": "2026-08-01T09:00:00Z", "filterEndDateTime": "2026-08-01T12:00:00Z" });
    searcher.faults(|faults| faults.lost_answers = 1.0);
    let mut answers = BTreeSet::new();
    for _ in 0..12 {
        answers.insert(exchange(format!("POST {path}"), body.to_string()).await.chars().take(12).collect::<String>());
    }
    assert_eq!(Vec::from_iter(answers), ["", "HTTP/1.1 201", "HTTP/1.1 504"]);

    let queries = exchange(format!("GET {path}"), String::new()).await;
    let id = queries.split("\"id\":\"").nth(1).unwrap()[..36].to_owned();
    let records = exchange(format!("GET {path}/{id}/records"), String::new()).await;
    let link =
        format!("\"@odata.nextLink\":\"{}v1.0/security/auditLog/queries/{id}/records?$skiptoken=", running.base_url());
    assert!(records.contains(&link), "{records}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_at_once_are_refused() {
    let slowly = Some(Duration::from_secs(1)..=Duration::from_secs(1));
    let searcher = with_faults(|faults| (faults.latency, faults.most_in_flight) = (slowly, Some(10))).await;
    let ask = async |requests: usize| {
        let replies = futures::future::join_all((0..requests).map(|_| searcher.get(""))).await;
        replies.iter().filter(|reply| reply.status == 429).count()
    };
    assert_eq!((ask(10).await, ask(13).await, ask(10).await), (0, 3, 0));
    let stats = searcher.stats();
    assert_eq!((stats.graph.most_in_flight, stats.violations.len()), (13, 3));
}

#[tokio::test(start_paused = true)]
async fn passes_over_one_query_disagree_and_two_in_a_row_show_all() {
    let mut config = subscribed();
    config.graph.page_size = 20;
    let searcher = Searcher::new(config).await;
    let id = searcher.succeed(5, json!({})).await;
    let all = searcher.searchable(5);
    searcher.faults(|faults| faults.omitted_in_pass = 0.2);
    let mut passes = Vec::new();
    for _ in 0..4 {
        passes.push(searcher.ids(&id).await);
    }
    for two in passes.windows(2) {
        assert!(two[0] != two[1] && two.iter().all(|pass| pass.len() < all.len()));
        assert_eq!(&two[0] | &two[1], all);
    }
    // A page that is asked for again is of the same pass.
    let first = searcher.get(&format!("/{id}/records")).await.json();
    let link = text(&first["@odata.nextLink"]);
    assert_eq!(searcher.follow(&link).await.json(), searcher.follow(&link).await.json());
    // And the same world has the same passes.
    let mut config = subscribed();
    config.graph.page_size = 20;
    config.faults.graph.omitted_in_pass = 0.2;
    let again = Searcher::new(config).await;
    let id = again.succeed(5, json!({})).await;
    assert_eq!(again.ids(&id).await, passes[0]);
}

#[tokio::test(start_paused = true)]
async fn some_events_are_lacking_in_every_search() {
    let mut config = subscribed();
    config.faults.graph.lacking = 0.2;
    let searcher = Searcher::new(config).await;
    let tenant = searcher.caller.tenant.id;
    let oracle = searcher.caller.simulator.oracle();
    let lacking = oracle.lacking_in_search(tenant, origin() - TimeDelta::hours(5), origin());
    let all = searcher.searchable(5);
    assert!(lacking.len() > all.len() / 10 && lacking.len() < all.len() / 3, "{}", lacking.len());
    for _ in 0..2 {
        let id = searcher.succeed(5, json!({})).await;
        // Six minutes have passed: the second query looks at a little less.
        let found = searcher.ids(&id).await;
        assert!(found.is_disjoint(&lacking) && found.is_subset(&all));
    }
    let id = searcher.succeed(6, json!({})).await;
    assert_eq!(searcher.ids(&id).await, &all - &lacking);
}
