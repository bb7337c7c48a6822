//! No command shows a secret, wherever the secret is and whatever goes wrong with it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(unix, feature = "cli", feature = "simulator"))]

use std::{fs, os::unix::fs::PermissionsExt, process::Output};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::{
    support::http_peer::{HttpPeer, Received, Reply},
    world::{SECRET, World, text},
};

const VAULT_TOKEN: &str = "hvs.token-of-the-vault";
const AUTH_ID: &str = "auth-id-of-the-webhook";
const PROXY_PASSWORD: &str = "password-of-the-proxy";
const SINK_TOKEN: &str = "token-of-the-sink";
const CCP_SECRET: &str = "secret-in-cyberark";
const CERTIFICATE_PASSWORD: &str = "open-sesame-of-the-key";

/// Secrets as they are, as forms and URLs have them, and as headers do.
fn forms() -> Vec<String> {
    let all = [SECRET, VAULT_TOKEN, AUTH_ID, PROXY_PASSWORD, SINK_TOKEN, CCP_SECRET, CERTIFICATE_PASSWORD];
    all.into_iter()
        .flat_map(|secret| {
            let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let basic = BASE64_STANDARD.encode(format!("me:{secret}"));
            [secret.to_owned(), form, BASE64_STANDARD.encode(secret), basic]
        })
        .collect()
}

/// Vault and CyberArk in one, whose refusals repeat what they were sent, as a proxy's error page might.
fn store(request: &Received) -> Reply {
    if request.path.starts_with("/AIMWebService") {
        return Reply::Made(200, json!({ "Content": CCP_SECRET }).to_string());
    }
    if request.header("x-vault-token") != Some(VAULT_TOKEN) || request.path.contains("other") {
        return Reply::Made(403, json!({ "errors": [request.head] }).to_string());
    }
    match request.path.as_str() {
        "/v1/kv/m365" => Reply::Made(200, json!({ "data": { "client_secret": SECRET } }).to_string()),
        _ => Reply::Made(404, json!({ "errors": [] }).to_string()),
    }
}

fn assert_shows_nothing(output: &Output, title: &str) {
    let shown = text(&output.stdout) + &text(&output.stderr);
    for secret in forms() {
        assert!(!shown.contains(&secret), "{title} shows {secret}:\n{shown}");
    }
    assert!(!shown.contains("panicked"), "{title}: {shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_shows_a_secret() {
    let world = World::subscribed().await;
    let stores = HttpPeer::answering(store).await;
    let address = stores.address;
    fs::write(world.path("proxy-password"), format!("{PROXY_PASSWORD}\n")).unwrap();
    let script = world.path("sink-token");
    fs::write(&script, format!("#!/bin/sh\necho '{{\"token\":\"{SINK_TOKEN}\"}}'\n")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let vault = |path: &str| {
        format!(
            "client_secret = {{ vault = {{ address = \"http://{address}\", path = \"{path}\", field = \"client_secret\", token = {{ \
             env = \"TEST_VAULT_TOKEN\" }} }} }}"
        )
    };
    let inline = "client_secret = { env = \"TEST_CLIENT_SECRET\" }";
    let base = |text: String, credential: &str| {
        let text = text.replace(inline, credential);
        format!(
            r#"{text}
[sources.m365.webhook]
auth_id = {{ cyberark_ccp = {{ url = "http://{address}", app_id = "m365", safe = "s", object = "o" }} }}
[secret.files]
type = "directory"
path = "{directory}"
remove_trailing_whitespace = true
[proxy]
https = "http://me:SECRET[files.proxy-password]@127.0.0.1:9"
[sinks.http]
type = "http"
inputs = ["m365"]
uri = "http://{address}/events"
auth = {{ token = {{ exec = ["{script}"], field = "token" }} }}
dead_letter = {{ path = "{directory}/dead.ndjson" }}
"#,
            directory = world.path("").display(),
            script = script.display(),
        )
    };
    let id = world.tenant.id.to_string();
    let export = world.path("export.ndjson").display().to_string();
    let commands: &[&[&str]] = &[
        &["validate"],
        &["check"],
        &["check", "--json"],
        &["run", "--once", "--patience", "2s"],
        &["subscriptions", "list"],
        &["subscriptions", "start"],
        &["state", "show"],
        &["state", "retry-dead"],
        &["state", "export", &export],
        &["tenants", "list"],
        &["tenants", "remove", "--yes", &id],
        &["register", "--no-browser"],
        &["fetch", "--since", "1h", "--patience", "2s"],
    ];
    let certificate = format!(
        "certificate = {{ crt_file = \"{}/app.crt\", key_file = \"{}/app.key\", password = \"{CERTIFICATE_PASSWORD}\" }}",
        world.path("").display(),
        world.path("").display()
    );
    for (title, credential) in [
        ("a secret in Vault", vault("kv/m365")),
        ("a secret that Vault refuses", vault("kv/other")),
        ("a secret that is not the right one", inline.replace("TEST_CLIENT_SECRET", "TEST_VAULT_TOKEN")),
        ("a certificate that is missing", certificate),
        ("two credentials", format!("{}, {}", vault("kv/m365"), "certificate = { crt_file = \"x\" }")),
    ] {
        world.poll(|text| base(text, &credential));
        for command in commands {
            let _ = fs::remove_file(&export);
            let output = world.command(command).args(["-vv"]).env("TEST_VAULT_TOKEN", VAULT_TOKEN).output().unwrap();
            assert_shows_nothing(&output, &format!("{title}: {command:?}"));
        }
    }
    // What is left behind is looked at as well.
    for name in ["export.ndjson", "dead.ndjson", "data/m365/ledger.redb"] {
        let bytes = fs::read(world.path(name)).unwrap_or_default();
        let left = String::from_utf8_lossy(&bytes);
        assert!(!forms().iter().any(|secret| left.contains(secret)), "{name}");
    }
    assert!(world.path("data/m365/ledger.redb").exists(), "something was collected");
}
