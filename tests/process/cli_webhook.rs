//! The commands around tenants and their webhooks, as a user meets them: `check`, `register` and `tenants`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(unix, feature = "cli", feature = "simulator"))]

use std::{fs, process::Output};

use chrono::{TimeDelta, Utc};
use office365_source::{
    content::ContentType,
    registration::{Invitation, StateKey},
    simulator::{SimulatedTenant, TenantFault},
};
use rcgen::{CertificateParams, KeyPair};
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use crate::world::{SECRET, World, lines, text, with};

#[tokio::test(flavor = "multi_thread")]
async fn check_says_that_all_is_well_and_changes_nothing() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    let found = lines(&world.run(&["check"]), 0);
    let tenant = format!("sources.m365, tenant {} (contoso.com)", world.tenant.id);
    assert_eq!(found[0], "✓ configuration: the configuration is valid, and so is what it refers to");
    assert!(found.iter().all(|line| line.starts_with('✓')), "{found:?}");
    let found: Vec<_> = found.iter().filter(|line| line.contains(&tenant)).collect();
    let expected = [
        format!("{tenant}, token: Microsoft Entra gives one"),
        format!("{tenant}, ActivityFeed.Read: granted"),
        format!("{tenant}, ActivityFeed.ReadDlp: granted"),
        format!("{tenant}, Audit.AzureActiveDirectory subscription: enabled"),
        format!("{tenant}, Audit.Exchange subscription: enabled"),
        format!("{tenant}, DLP.All subscription: enabled"),
    ];
    assert!(found[..6].iter().copied().eq(&expected.map(|text| format!("✓ {text}"))), "{found:?}");
    // A blob every quarter of an hour, two on a page.
    for (line, content_type) in found[6..].iter().zip(["Audit.AzureActiveDirectory", "Audit.Exchange", "DLP.All"]) {
        let expected = format!("✓ {tenant}, {content_type} content: 4 content blobs became available");
        assert!(line.starts_with(&expected), "{line}");
    }
    assert_eq!(world.subscriptions_started(), 0);
    assert!(!world.path("data").exists(), "checking is no installation");

    let findings: Vec<Value> = serde_json::from_slice(&world.run(&["check", "--json"]).stdout).unwrap();
    let token = findings.iter().find(|finding| finding["subject"].as_str().unwrap().ends_with("token")).unwrap();
    assert_eq!(token["outcome"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_a_wrong_secret_and_asks_no_further() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    let output = world.command(&["check"]).env("TEST_CLIENT_SECRET", "not-the-right-one").output().unwrap();
    let found = lines(&output, 1);
    let failed = with(&found, "✗");
    let last = found.last().unwrap();
    assert!(failed.len() == 1 && failed[0] == last, "{found:?}");
    assert!(last.starts_with("✗ sources.m365, tenant ") && last.contains("token: "), "{found:?}");
    assert!(last.contains("AADSTS7000215") && last.contains("copy its Value"), "{found:?}");
    assert!(!last.contains("not-the-right-one"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_which_part_of_a_tenant_is_in_trouble() {
    for (fault, what, expected) in [
        (
            TenantFault::ContentTypeForbidden(ContentType::Exchange),
            "Audit.Exchange content",
            "the application lacks the permission ActivityFeed.Read",
        ),
        (TenantFault::AuditingDisabled, "audit log", "unified auditing is off in this tenant: turn it on"),
        (TenantFault::PermissionsRemoved, "ActivityFeed.Read", "click \"Grant admin consent\""),
        (TenantFault::ConsentRevoked, "token", "AADSTS65001"),
        (TenantFault::Unavailable, "subscriptions", "the API is unavailable"),
    ] {
        let world = World::subscribed().await;
        world.poll(|text| text.replace(", \"DLP.All\"", ""));
        world.simulator.break_tenant(world.tenant.id, fault);
        let found = lines(&world.run(&["check"]), 1);
        let failed = with(&found, "✗");
        assert!(failed[0].contains(&format!("(contoso.com), {what}: ")) && failed[0].contains(expected), "{failed:?}");
        let others = if fault == TenantFault::Unavailable { 2 } else { 0 };
        assert_eq!(failed.len(), 1 + others, "{fault:?}: what follows from a failure is left out: {failed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_waits_for_nobody_longer_than_it_may() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    world.simulator.break_tenant(world.tenant.id, TenantFault::Hang);
    let found = lines(&world.run(&["check", "--timeout", "5s"]), 1);
    let failed = with(&found, "✗");
    assert!(failed.len() == 1 && failed[0].contains("subscriptions: no answer within 5s; check DNS"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_follows_no_listing_for_ever() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    world.simulator.faults().update(|faults| faults.next_page_loop = true);
    let found = lines(&world.run(&["check"]), 0);
    let endless = found.iter().filter(|line| line.contains("content: more than 40 content blobs became available"));
    assert_eq!(endless.count(), 3, "twenty pages of two: {found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_starts_no_subscription_that_is_missing() {
    let world = World::new(SimulatedTenant::contoso()).await;
    world.poll(|text| text);
    let found = lines(&world.run(&["check"]), 0);
    let notes = with(&found, "–");
    assert!(notes[0].ends_with("Audit.AzureActiveDirectory subscription: missing; the source starts it when it runs"));
    assert!(notes[3].ends_with("content: nothing can be listed before the subscription is enabled"), "{notes:?}");
    assert_eq!((notes.len(), world.subscriptions_started()), (6, 0), "{notes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_what_is_wrong_with_the_file() {
    let world = World::subscribed().await;
    world.poll(|text| text.replace("domain =", "domian ="));
    let found = lines(&world.run(&["check"]), 1);
    assert!(found.len() == 1 && found[0].starts_with("✗ configuration: sources.m365.tenants[0].domian"), "{found:?}");
    world.poll(|text| text.replace("TEST_CLIENT_SECRET", "TEST_UNSET_SECRET"));
    let found = lines(&world.run(&["check"]), 1);
    let expected =
        "✗ configuration: sources.m365.auth.client_secret: the environment variable TEST_UNSET_SECRET is not";
    assert!(found[0].starts_with(expected), "{found:?}");
    world.poll(|text| text);
    let output = world.run(&["check", "--source", "m356"]);
    assert!(lines(&output, 2).is_empty());
    assert!(text(&output.stderr).contains("--source m356: there is no such source in the file; write --source m365"));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_looks_at_the_certificate_as_microsoft_does() {
    let world = World::subscribed().await;
    let (certificate, key) = (world.path("webhook.crt"), world.path("webhook.key"));
    let pair = KeyPair::generate().unwrap();
    let signed = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&pair).unwrap();
    fs::write(&certificate, signed.pem()).unwrap();
    fs::write(&key, pair.serialize_pem()).unwrap();
    let public_url = world.webhook("https", &format!("crt_file = {certificate:?}\nkey_file = {key:?}")).await;
    let address = public_url.socket_addrs(|| None).unwrap()[0];

    let found = lines(&world.run(&["check"]), 1);
    let refused = format!("✗ sources.m365, TCP {address}: ");
    assert!(with(&found, &refused)[0].contains("because the source does not run"), "{found:?}");

    let _source = world.start().await;
    let found = lines(&world.run(&["check"]), 1);
    let unknown = format!("✗ sources.m365, TLS {address}: nobody whom this system trusts has issued the certificate");
    assert_eq!((with(&found, "✗").len(), with(&found, &unknown).len()), (1, 1), "{found:?}");
    let advice = with(&found, "– sources.m365, this machine: ");
    assert!(advice[0].contains("hairpin NAT") && advice[0].contains(public_url.as_str()), "{found:?}");

    // As if it were one of a public authority.
    let output = world.command(&["check"]).env("SSL_CERT_FILE", &certificate).output().unwrap();
    let found = lines(&output, 0);
    for expected in [
        format!("✓ sources.m365, TCP {address}: accepts connections"),
        format!("✓ sources.m365, TLS {address}: the certificate is for 127.0.0.1 and trusted by this system"),
        format!("✓ sources.m365, answer: GET {public_url} answers {{\"status\":\"ok\"}}"),
    ] {
        assert!(found.contains(&expected), "{expected}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_are_managed_while_the_source_runs_and_while_it_does_not() {
    let world = World::subscribed().await;
    let public_url = world.webhook("http", "enabled = false").await;
    let id = world.tenant.id.to_string();
    let registered = |domain: &str| format!("{id}  {domain:<11}  registered 2025-10-09 08:53:20 UTC");

    for (running, domain) in [(false, "one.example"), (true, "two.example")] {
        let source = if running { Some(world.start().await) } else { None };
        let done = lines(&world.run(&["tenants", "set-domain", &id, domain]), 0);
        assert_eq!(done, [format!("The events of tenant {id} carry the domain {domain} from now on.")]);
        let listed = lines(&world.run(&["tenants", "list"]), 0);
        assert_eq!(listed[1..], [registered(domain)], "{running}: {listed:?}");
        let json: Value = serde_json::from_slice(&world.run(&["tenants", "list", "--json"]).stdout).unwrap();
        assert_eq!((&json[0]["id"], &json[0]["domain"]), (&Value::from(id.as_str()), &Value::from(domain)));

        let nobody = "11111111-2222-4333-8444-555555555555";
        let output = world.run(&["tenants", "set-domain", nobody, "x.example"]);
        assert!(lines(&output, 1).is_empty());
        assert!(
            text(&output.stderr).contains(&format!("tenant {nobody} is not collected")),
            "{}",
            text(&output.stderr)
        );

        let output = world.run(&["tenants", "remove", &id]);
        assert!(lines(&output, 2).is_empty());
        assert!(text(&output.stderr).contains("write --yes to remove the tenant"), "{}", text(&output.stderr));

        let found = lines(&world.run(&["check"]), i32::from(!running));
        let runs = with(&found, "– sources.m365: does not run").is_empty();
        assert_eq!(runs, running, "{found:?}");
        let answer = format!("✓ sources.m365, answer: GET {public_url} answers");
        assert_eq!(with(&found, &answer).len(), usize::from(running), "{found:?}");
        let token = format!("✓ sources.m365, tenant {id} ({domain}), token: ");
        assert_eq!(with(&found, &token).len(), 1, "those that registered are checked, too: {found:?}");
        let webhook =
            "Audit.Exchange subscription: enabled, but the subscription has no webhook; the source sets it right";
        assert!(found.iter().any(|line| line.contains(webhook)), "{found:?}");

        if source.is_some() {
            assert_eq!(lines(&world.run(&["tenants", "unset-domain", &id]), 0).len(), 1);
            assert_eq!(
                lines(&world.run(&["tenants", "list"]), 0)[1..],
                [registered("-").replace("-          ", "-     ")]
            );
        }
    }

    let _source = world.start().await;
    let removed = lines(&world.run(&["tenants", "remove", "--yes", &id]), 0);
    assert!(removed.len() == 1 && removed[0].starts_with(&format!("Tenant {id} is removed. ")), "{removed:?}");
    let output = world.run(&["tenants", "list"]);
    assert!(lines(&output, 0).is_empty() && text(&output.stderr).contains("office365-source register"));
    let found = lines(&world.run(&["check"]), 0);
    assert!(with(&found, "– sources.m365, tenants: there is no tenant yet").len() == 1, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_removed_while_nothing_runs() {
    let world = World::subscribed().await;
    world.webhook("http", "enabled = false").await;
    let id = world.tenant.id.to_string();
    // The subscriptions of a tenant that has withdrawn its consent cannot be stopped.
    world.simulator.break_tenant(world.tenant.id, TenantFault::ConsentRevoked);
    let removed = lines(&world.run(&["tenants", "remove", "--yes", &id]), 0);
    assert!(removed[0].ends_with("Content blobs dropped that were not delivered yet: 0."), "{removed:?}");
    assert!(
        removed[1].starts_with("The subscription of Audit.AzureActiveDirectory could not be stopped: "),
        "{removed:?}"
    );
    assert!(removed[1].contains("AADSTS65001") && removed.len() == 5, "{removed:?}");
    assert!(text(&world.run(&["tenants", "list"]).stderr).starts_with("There are no tenants yet"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tenants_of_a_file_are_listed_without_a_ledger() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    let listed = lines(&world.run(&["tenants", "list"]), 0);
    assert_eq!(listed[1..], [format!("{}  contoso.com  configuration", world.tenant.id)]);
    let id = world.tenant.id.to_string();
    let output = world.run(&["tenants", "remove", "--yes", &id]);
    assert!(lines(&output, 1).is_empty());
    assert!(text(&output.stderr).contains("stands in the configuration file"), "{}", text(&output.stderr));
    assert!(!world.path("data").exists());
}

/// What the state of the link on the standard output says.
fn invitation(world: &World, output: &Output) -> (Url, Invitation) {
    let printed = lines(output, 0);
    assert_eq!(printed.len(), 1, "the standard output is the link and nothing else: {printed:?}");
    let url: Url = printed[0].parse().unwrap();
    let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let key = StateKey::derive(&SecretString::from(SECRET), world.tenant.client_id);
    let invitation = key.open(&state, Utc::now()).unwrap();
    (url, invitation)
}

#[tokio::test(flavor = "multi_thread")]
async fn register_prints_a_link_that_the_listener_will_know() {
    let world = World::subscribed().await;
    let public_url = world.webhook("http", "enabled = false").await;
    let output = world.run(&["register"]);
    let (url, opened) = invitation(&world, &output);
    assert_eq!((opened.tenant, opened.domain), (None, None));
    let life = opened.expires - Utc::now();
    assert!(life > TimeDelta::hours(23) && life <= TimeDelta::hours(24), "{life}");
    assert!(url.as_str().starts_with(&format!("{}/organizations/v2.0/adminconsent?client_id=", world.base)), "{url}");
    assert!(url.query_pairs().any(|(name, value)| name == "redirect_uri" && value == public_url.as_str()), "{url}");
    let explanation = text(&output.stderr);
    for expected in [
        &format!("redirect URI (platform Web) {public_url} exactly"),
        &opened.expires.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        "ActivityFeed.Read and ActivityFeed.ReadDlp",
        &world.tenant.client_id.to_string(),
    ] {
        assert!(explanation.contains(expected), "{expected}: {explanation}");
    }

    let id = world.tenant.id.to_string();
    let arguments = ["register", "--tenant", &id, "--domain", "contoso.com", "--valid-for", "1h", "--source", "m365"];
    let (url, opened) = invitation(&world, &world.run(&arguments));
    assert_eq!((opened.tenant, opened.domain.as_deref()), (Some(world.tenant.id), Some("contoso.com")));
    assert!(opened.expires - Utc::now() <= TimeDelta::hours(1));
    assert_eq!(url.path(), format!("/{id}/v2.0/adminconsent"));

    let (url, _) = invitation(&world, &world.run(&["register", "--authorization-code"]));
    assert!(url.as_str().starts_with(&format!("{}/common/oauth2/authorize?response_type=code&", world.base)), "{url}");
}

#[tokio::test(flavor = "multi_thread")]
async fn register_says_what_is_missing() {
    let world = World::subscribed().await;
    let refused = |arguments: &[&str], code: i32| {
        let output = world.run(arguments);
        assert!(lines(&output, code).is_empty());
        text(&output.stderr)
    };
    world.poll(|text| text);
    let error = refused(&["register"], 2);
    assert!(error.contains("sources.m365.mode: is \"poll\"") && error.contains("Write mode = \"webhook\""), "{error}");

    world.webhook("http", "enabled = false").await;
    for (arguments, expected) in [
        (["register", "--valid-for", "31d"], "write a duration from 1m to 30d"),
        (["register", "--tenant", "contoso.com"], "is not a tenant id; write the Directory (tenant) ID"),
        (["register", "--domain", "https://contoso.com"], "not a domain name; write one such as contoso.com"),
        (["register", "--source", "other"], "there is no such source in the file; write --source m365"),
    ] {
        let error = refused(&arguments, 2);
        assert!(error.contains(expected), "{error}");
    }
    let output = world.command(&["register"]).env_remove("TEST_CLIENT_SECRET").output().unwrap();
    assert!(lines(&output, 1).is_empty());
    assert!(text(&output.stderr).contains("the environment variable TEST_CLIENT_SECRET is not set"));
}
