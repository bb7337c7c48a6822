//! Hosts, tokens and permissions, and tenants that are not ready.

use std::time::Duration;

use office365_source::{
    content::ContentType,
    simulator::{Denial, TenantFault},
};
use serde_json::json;

use super::{BLOB, LIST, TOKEN, error_body, first};
use crate::support::{
    lab::{Lab, empty, minutes},
    wire::Answer,
};

#[tokio::test(start_paused = true)]
async fn the_older_token_endpoint_writes_numbers_as_strings() {
    let mut lab = Lab::new();
    lab.source.token_path = Some("/oauth2/token".into());
    lab.publish(&["a"]);
    let running = lab.start().await;
    minutes(3 * 60).await;
    running.stop().await;
    lab.assert_arrived_once(&["a"]);
    let requests = lab.wire.sent_to(TOKEN);
    assert!(requests.iter().all(|sent| sent.url.path().ends_with("/oauth2/token")));
    let form = String::from_utf8(requests[0].body.to_vec()).unwrap();
    assert!(form.contains("resource=https%3A%2F%2Fmanage.office.com") && !form.contains("scope="), "{form}");
    // A life of "3599" that went unread would be taken for ten minutes, and cost a token every few.
    assert!((3..=5).contains(&requests.len()), "{}", requests.len());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_entra_says_what_to_click() {
    for (code, advice) in [
        (7_000_215, "Secret ID was pasted instead of the Value"),
        (7_000_222, "the client secret has expired"),
        (70_002, "the client secret is wrong"),
        (7_000_218, "no credential reached Entra"),
        (700_211, "no federated credential matches"),
        (700_016, "check auth.client_id"),
        (700_011, "check auth.client_id"),
        (70_001, "Enterprise applications"),
        (7_000_112, "Enterprise applications"),
        (700_027, "upload its public part"),
        (700_030, "not one of the application's"),
        (90_002, "there is no such tenant in this cloud"),
        (900_382, "change `cloud`"),
        (900_432, "change `cloud`"),
        (90_038, "change `cloud`"),
        (65_001, "Grant admin consent"),
        (90_094, "Grant admin consent"),
        (650_056, "Grant admin consent"),
        (650_052, "check its licences"),
        (53_003, "Conditional Access"),
        (530_035, "Conditional Access"),
        (50_196, "another program"),
        (90_055, "tries again by itself"),
        (90_006, "tries again by itself"),
        (90_012, "tries again by itself"),
        (90_024, "tries again by itself"),
        (90_033, "tries again by itself"),
        // An unknown code keeps its text.
        (999_999, "AADSTS999999: Something new"),
    ] {
        let lab = Lab::new();
        lab.publish(&["a"]);
        let body = json!({ "error": "invalid_client", "error_description":
            format!("AADSTS{code}: Something new. Trace ID: 1 Correlation ID: 2"), "error_codes": [code] });
        lab.wire.rewrite(first(1, TOKEN, Answer::new(400, body.to_string())));
        let running = lab.start().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let problem = running.problem(lab.feed).unwrap();
        assert!(problem.contains(advice) && problem.contains(&lab.feed.tenant.to_string()), "{code}: {problem}");
        assert!(lab.wire.sent_to("/activity/").is_empty(), "no request without a token");
        // And once the cause is gone, collecting begins without a restart.
        minutes(30).await;
        assert_eq!(running.problem(lab.feed), None);
        running.stop().await;
        lab.assert_arrived_once(&["a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_is_missing_is_named_and_costs_no_other_content_type() {
    for denial in [Denial::Coded, Denial::Bare] {
        let mut config = empty();
        config.denial = denial;
        config.tenants[0].roles = vec!["ActivityFeed.Read".into()];
        let mut lab = Lab::of(config);
        lab.source.content_types = vec![ContentType::Dlp, ContentType::General];
        lab.publish(&["a"]);
        let running = lab.start().await;
        minutes(10).await;
        let problem = running.problem(lab.feed_of(ContentType::Dlp)).unwrap();
        assert!(problem.contains("lacks the permission ActivityFeed.ReadDlp"), "{denial:?}: {problem}");
        assert!(problem.contains("Grant admin consent"), "{problem}");
        assert_eq!(running.problem(lab.feed), None, "{denial:?}");
        lab.assert_arrived_once(&["a"]);
        running.stop().await;
        // One for each pass at the most, since a permission may have been granted meanwhile; in ten minutes there are six.
        assert!(lab.simulator.stats().tokens_issued <= 7, "a 401 is no reason to ask for token after token");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_without_any_role_lacks_activity_feed_read() {
    let mut lab = Lab::new();
    lab.source.content_types = vec![ContentType::Dlp, ContentType::General];
    lab.simulator.break_tenant(lab.feed.tenant, TenantFault::PermissionsRemoved);
    let (result, run) = lab.once().await;
    assert_eq!(result, Err(()));
    for content_type in [ContentType::Dlp, ContentType::General] {
        let problem = run.problem(lab.feed_of(content_type)).unwrap();
        assert!(problem.contains("lacks the permission ActivityFeed.Read:"), "{problem}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_401_for_one_blob_is_its_own_trouble_and_gets_a_new_token() {
    for body in [
        "",
        r#"{"Message":"Authorization has been denied for this request."}"#,
        &error_body("AF10001", "The permission set () …"),
    ] {
        let lab = Lab::new();
        lab.publish(&["a"]);
        lab.publish(&["b"]);
        lab.wire.rewrite(first(1, BLOB, Answer::new(401, body.to_owned())));
        let (result, run) = lab.once().await;
        assert_eq!(result, Ok(()), "{}", lab.log.text());
        assert_eq!(run.problem(lab.feed), None, "{body}");
        lab.assert_arrived_once(&["a", "b"]);
        assert!(!lab.log.text().contains("lacks the permission"), "{}", lab.log.text());
        let tokens: std::collections::HashSet<_> =
            lab.wire.sent_to(BLOB).into_iter().filter_map(|sent| sent.authorization).collect();
        assert_eq!(tokens.len(), 2, "the retry had a token of its own");
    }
}

#[tokio::test(start_paused = true)]
async fn entra_is_obeyed_when_it_asks_to_wait_also_by_a_run_that_ends() {
    let busy = |status: u16| Answer::new(status, r#"{"error":"temporarily_unavailable"}"#).with("retry-after", "40");
    for status in [429, 503] {
        let lab = Lab::new();
        lab.publish(&["a"]);
        lab.wire.rewrite(first(2, TOKEN, busy(status)));
        let (result, _) = lab.once().await;
        assert_eq!(result, Ok(()), "{}", lab.log.text());
        lab.assert_arrived_once(&["a"]);
        let asked: Vec<_> = lab.wire.sent_to(TOKEN).iter().map(|sent| sent.at).collect();
        let pauses: Vec<_> = asked.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
        assert!(pauses.len() == 2 && pauses.iter().all(|pause| (40..45).contains(pause)), "{pauses:?}");
    }
    // But a run that ends does not wait indefinitely.
    let lab = Lab::new();
    lab.wire.rewrite(first(u32::MAX, TOKEN, busy(429)));
    let began = tokio::time::Instant::now();
    let (result, _) = lab.once().await;
    assert_eq!(result, Err(()));
    assert!(began.elapsed() < Duration::from_secs(150), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_page_in_the_place_of_a_401_is_told_with_what_to_check() {
    let lab = Lab::new();
    lab.publish(&["a"]);
    for status in [401, 403] {
        let page = format!("<!DOCTYPE html><html><title>{status} - Unauthorized</title></html>");
        lab.wire.rewrite(first(u32::MAX, LIST, Answer::new(status, page)));
        let (result, run) = lab.once().await;
        assert_eq!(result, Err(()));
        let problem = run.problem(lab.feed).unwrap();
        assert!(problem.contains("proxy or firewall") && problem.contains(" - Unauthorized"), "{problem}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_new_token_is_neither_called_a_missing_permission_nor_waited_out() {
    for operation in [LIST, BLOB, "subscriptions/list"] {
        let lab = Lab::new();
        lab.publish(&["a"]);
        // The token is seconds old each time.
        lab.wire.rewrite(first(1, operation, Answer::new(401, "")));
        let began = tokio::time::Instant::now();
        assert_eq!(lab.once().await.0, Ok(()), "{operation}: {}", lab.log.text());
        assert!(began.elapsed() < Duration::from_secs(10), "{operation}: {:?}", began.elapsed());
        lab.assert_arrived_once(&["a"]);
        assert!(!lab.log.text().contains("lacks the permission"), "{operation}: {}", lab.log.text());
        assert_eq!(lab.simulator.stats().tokens_issued, 2, "{operation}");
    }
    // For minutes, as after a revocation that has not reached all of Microsoft's machines.
    let lab = Lab::new();
    lab.publish(&["a"]);
    let end = tokio::time::Instant::now() + Duration::from_mins(3);
    lab.wire.rewrite(move |sent, answer| {
        let refused = tokio::time::Instant::now() < end && sent.asks("/activity/feed/");
        Ok(if refused { Answer::new(401, "") } else { answer })
    });
    let running = lab.start().await;
    minutes(1).await;
    let problem = running.problem(lab.feed).unwrap();
    assert!(problem.contains("refuses an access token that has the permission ActivityFeed.Read;"), "{problem}");
    assert!(problem.contains("Conditional Access"), "{problem}");
    minutes(7).await;
    assert_eq!(running.problem(lab.feed), None);
    lab.assert_arrived_once(&["a"]);
    assert!(lab.simulator.stats().tokens_issued < 40, "{} tokens", lab.simulator.stats().tokens_issued);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn revoked_tokens_are_replaced_in_mid_run() {
    let lab = Lab::new();
    let running = lab.start().await;
    minutes(10).await;
    lab.simulator.revoke_tokens();
    lab.publish(&["a"]);
    minutes(2).await;
    lab.assert_arrived_once(&["a"]);
    assert_eq!(running.problem(lab.feed), None);
    running.stop().await;
    assert_eq!(lab.simulator.stats().tokens_issued, 2);
    assert!(!lab.log.text().contains("lacks the permission"), "{}", lab.log.text());
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_does_not_exist_has_auditing_off() {
    for status in [400, 401, 403, 500] {
        let lab = Lab::new();
        lab.publish(&["a"]);
        let text = format!(
            "Microsoft.Office.Compliance.Audit.DataServiceException: Tenant {} does not exist.",
            lab.feed.tenant
        );
        lab.wire.rewrite(first(1, LIST, Answer::new(status, error_body("", &text))));
        let running = lab.start().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let problem = running.problem(lab.feed).unwrap_or_default();
        if status == 401 {
            // A token just issued is not replaced; but the text still says what is wrong.
            assert!(!problem.contains("lacks the permission"), "{problem}");
        }
        assert!(problem.contains("unified auditing is off"), "{status}: {problem}");
        minutes(30).await;
        running.stop().await;
        lab.assert_arrived_once(&["a"]);
    }
    let lab = Lab::new();
    lab.simulator.break_tenant(lab.feed.tenant, TenantFault::AuditingDisabled);
    let (result, run) = lab.once().await;
    assert_eq!(result, Err(()));
    assert!(run.problem(lab.feed).unwrap().contains("unified auditing is off"));
}
