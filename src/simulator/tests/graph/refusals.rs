use super::*;

#[tokio::test(start_paused = true)]
async fn tokens_are_for_one_api_alone() {
    let mut searcher = Searcher::new(subscribed()).await;
    let claims = |token: &str| {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice::<Value>(&payload).unwrap()
    };
    let graph = claims(&searcher.caller.token);
    assert_eq!(
        (&graph["aud"], &graph["roles"]),
        (&json!("https://graph.microsoft.com"), &json!(["AuditLogsQuery.Read.All"]))
    );
    assert_eq!(searcher.caller.list("").await.status, 401);

    let v1 = [
        ("grant_type", "client_credentials"),
        ("client_id", &searcher.caller.tenant.client_id.to_string()),
        ("client_secret", &searcher.caller.tenant.client_secret),
        ("resource", "https://graph.microsoft.com"),
    ];
    let v1 = post_form(&searcher.caller.simulator, "/contoso.com/oauth2/token", &v1, &[]).await.json();
    assert_eq!(claims(&text(&v1["access_token"]))["roles"], graph["roles"]);

    searcher.caller.sign_in().await;
    assert_eq!(claims(&searcher.caller.token)["roles"], json!(["ActivityFeed.Read", "ActivityFeed.ReadDlp"]));
    let refused = searcher.get("/40706737-7eca-49a1-97a5-dedd3260e24a/records").await;
    assert_eq!(refused.refusal(), (401, "InvalidAuthenticationToken".into()));
    assert!(text(&refused.json()["error"]["message"]).contains("Invalid audience"));
    assert!(searcher.stats().violations[0].contains("ListRecords with a token for https://manage.office.com"));

    searcher.caller.token = "forged".to_owned();
    assert_eq!(searcher.get("").await.refusal(), (401, "InvalidAuthenticationToken".into()));
    searcher.caller.token = graph_token(&searcher.caller).await;
    searcher.caller.simulator.revoke_tokens();
    assert_eq!(searcher.get("").await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn without_a_permission_of_its_own_the_search_is_forbidden() {
    let mut config = subscribed();
    config.tenants[0].graph_roles = vec!["User.Read.All".into(), "AuditLog.Read.All".into()];
    let searcher = Searcher::new(config).await;
    let refused = searcher.post(1, json!({})).await;
    assert_eq!(refused.refusal(), (403, "Forbidden".into()));
    let inner = &refused.json()["error"]["innerError"];
    assert_eq!(inner["date"], "2026-08-01T12:00:00");
    assert_eq!(inner["request-id"].as_str(), refused.header("request-id"));

    let mut searcher = Searcher::new(subscribed()).await;
    searcher.caller.simulator.break_tenant(searcher.caller.tenant.id, TenantFault::PermissionsRemoved);
    searcher.caller.token = graph_token(&searcher.caller).await;
    assert_eq!(searcher.get("").await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn queries_that_make_no_sense_are_refused() {
    let searcher = Searcher::new(bare()).await;
    for members in [
        json!({ "filterStartDateTime": null }),
        json!({ "filterEndDateTime": null }),
        json!({ "filterStartDateTime": "yesterday" }),
        json!({ "filterStartDateTime": "2026-08-01T00:00:00" }),
        json!({ "filterStartDateTime": "2026-08-02T00:00:00Z" }),
        json!({ "recordTypeFilters": ["noSuchType"] }),
        json!({ "recordTypeFilters": "exchangeAdmin" }),
        json!({ "noSuchMember": 1 }),
    ] {
        assert_eq!(searcher.post(1, members.clone()).await.refusal(), (400, "BadRequest".into()), "{members}");
    }
    assert_eq!(searcher.send(Method::POST, "", "no JSON").await.status, 400);
    let plain = searcher.caller.send(Method::POST, "/v1.0/security/auditLog/queries", &[], "{}").await;
    assert!(text(&plain.json()["error"]["message"]).contains("JSON Content-Type"));
    assert!(searcher.stats().graph.submissions.is_empty());
    // Offsets other than Z are times as well.
    searcher.create(1, json!({ "filterStartDateTime": "2026-08-01T02:00:00+02:00" })).await;
    assert!(searcher.stats().violations.is_empty());
    searcher.create(1, json!({ "recordTypeFilters": ["ExchangeAdmin"] })).await;
    assert_eq!(searcher.stats().violations, ["a record type that is not in camel case: ExchangeAdmin"]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_not_found() {
    let mut config = subscribed();
    config.tenants.push(SimulatedTenant::fabrikam());
    let mut searcher = Searcher::new(config).await;
    let id = searcher.succeed(1, json!({})).await;
    let unknown = "40706737-7eca-49a1-97a5-dedd3260e24a";
    for below in [format!("/{unknown}"), format!("/{unknown}/records")] {
        let (status, code) = searcher.get(&below).await.refusal();
        assert!(status == 404 && ["UnknownError", "NotFound"].contains(&code.as_str()), "{status} {code}");
    }
    assert_eq!(searcher.send(Method::DELETE, &format!("/{unknown}"), "").await.status, 404);
    assert_eq!(searcher.get("/no-guid").await.status, 400);
    assert_eq!(searcher.get(&format!("/{id}/records/x/y")).await.status, 404);
    assert_eq!(searcher.send(Method::PATCH, &format!("/{id}"), "{}").await.status, 405);
    for token in ["x", "%24"] {
        assert_eq!(searcher.get(&format!("/{id}/records?$skiptoken={token}")).await.status, 400);
        assert_eq!(searcher.get(&format!("?$skiptoken={token}")).await.status, 400);
    }
    // The queries of one tenant are none of another's business.
    searcher.caller.tenant = SimulatedTenant::fabrikam();
    searcher.caller.token = graph_token(&searcher.caller).await;
    assert_eq!(searcher.get(&format!("/{id}")).await.status, 404);
    assert!(searcher.get("").await.json()["value"].as_array().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn v1_can_be_withdrawn_while_beta_works() {
    let mut searcher = Searcher::new(bare()).await;
    searcher.faults(|faults| faults.v1_withdrawn = true);
    let mut codes = BTreeSet::new();
    for _ in 0..20 {
        let refused = searcher.post(1, json!({})).await;
        assert_eq!(refused.json()["error"]["message"], "Resource not found for the segment 'auditLog'.");
        codes.insert(refused.refusal());
        assert_eq!(searcher.get("").await.status, 404);
    }
    assert_eq!(Vec::from_iter(codes), [(404, "BadRequest".into()), (404, "ResourceNotFound".into())]);
    searcher.version = "beta";
    searcher.create(1, json!({})).await;
}

#[tokio::test(start_paused = true)]
async fn without_auditing_the_error_is_within_the_message() {
    let searcher = Searcher::new(bare()).await;
    searcher.caller.simulator.break_tenant(searcher.caller.tenant.id, TenantFault::AuditingDisabled);
    let refused = searcher.post(1, json!({})).await;
    assert_eq!(refused.refusal(), (400, "UnknownError".into()));
    let inner: Value = serde_json::from_str(&text(&refused.json()["error"]["message"])).unwrap();
    assert_eq!(inner["error"]["code"], "AuditingDisabledTenant");
}

#[tokio::test(start_paused = true)]
async fn a_tenant_has_so_many_queries_in_any_24_hours() {
    let mut config = bare();
    config.graph.submissions_per_day = 3;
    let searcher = Searcher::new(config).await;
    let tenant = searcher.caller.tenant.id;
    for _ in 0..3 {
        searcher.create(1, json!({})).await;
        tokio::time::advance(Duration::from_hours(1)).await;
    }
    let refused = searcher.post(1, json!({})).await;
    assert_eq!(refused.refusal(), (429, "TooManyRequests".into()));
    assert_eq!(refused.header("retry-after"), Some((21 * 3600).to_string().as_str()));
    assert_eq!(searcher.stats().violations.len(), 1);
    tokio::time::advance(Duration::from_hours(21)).await;
    searcher.create(1, json!({})).await;
    assert_eq!(searcher.stats().graph.most_submissions_in_a_day(tenant), 3);

    // What neighbours use up is not the caller's fault.
    tokio::time::advance(Duration::from_hours(24)).await;
    searcher.faults(|faults| faults.neighbour_submissions = 3);
    assert_eq!(searcher.post(1, json!({})).await.header("retry-after"), Some("3600"));
    searcher.faults(|faults| faults.without_retry_after = 1.0);
    assert_eq!(searcher.post(1, json!({})).await.header("retry-after"), None);
    searcher.faults(|faults| faults.neighbour_submissions = 2);
    searcher.create(1, json!({})).await;
    assert_eq!((searcher.stats().violations.len(), searcher.stats().graph.throttled), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_has_so_many_queries_at_once() {
    let searcher = Searcher::new(bare()).await;
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(searcher.create(1, json!({})).await);
    }
    assert_eq!(searcher.post(1, json!({})).await.status, 429);
    searcher.send(Method::DELETE, &format!("/{}", ids[0]), "").await;
    searcher.create(1, json!({})).await;
    assert_eq!(searcher.post(1, json!({})).await.status, 429);
    tokio::time::advance(Duration::from_mins(6)).await;
    searcher.create(1, json!({})).await;
}
