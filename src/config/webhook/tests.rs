//! Every rule of the block, as a user meets it.

use serde_json::{Value, json};

use super::*;
use crate::config::{
    ConfigErrors, Format, Mode, Office365Config, SourceEntry, TopologyConfig, json_schema, parse,
    tests::{SECRET, errors_of, minimal, source, with},
};

const M365: &str = "/sources/m365";

/// A block that is right in mode "webhook", with what `change` sets in it.
fn block(change: &Value) -> Value {
    let mut block = json!({
        "public_url": "https://demo.example.com:8443/wh/o365/",
        "tls": { "crt_file": "webhook.crt", "key_file": "webhook.key" },
    });
    merge(&mut block, change);
    block
}

/// Sets what `change` has, and removes what is `null` in it.
fn merge(target: &mut Value, change: &Value) {
    let (Value::Object(target), Value::Object(change)) = (&mut *target, change) else {
        *target = change.clone();
        return;
    };
    for (key, value) in change {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), value);
        }
    }
}

fn file(mode: &str, webhook: Value) -> String {
    with(&[(&format!("{M365}/mode"), json!(mode)), (&format!("{M365}/webhook"), webhook)])
}

fn errors(mode: &str, webhook: &Value) -> ConfigErrors {
    errors_of(&[(&format!("{M365}/mode"), json!(mode)), (&format!("{M365}/webhook"), webhook.clone())])
}

fn read(change: &Value) -> WebhookConfig {
    let text = file("webhook", block(change));
    let config = parse(&text, Format::Json).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
    source(&config).webhook.clone()
}

fn office365(mode: &str, tenants: Value, publisher: Value) -> Result<TopologyConfig, ConfigErrors> {
    let changes = [
        (&*format!("{M365}/mode"), json!(mode)),
        (&format!("{M365}/webhook"), block(&json!({}))),
        (&format!("{M365}/tenants"), tenants),
        (&format!("{M365}/publisher_identifier"), publisher),
    ];
    parse(&with(&changes), Format::Json)
}

/// Asserts that the only problem is one of `path` below the block, and what it says.
fn assert_told(errors: &ConfigErrors, context: &Value, path: &str, texts: &[&str]) {
    let paths: Vec<_> = errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(paths, [format!("sources.m365.webhook.{path}")], "{context}\n{errors}");
    for text in texts {
        assert!(errors.to_string().contains(text), "{context}: no {text:?} in\n{errors}");
    }
}

#[test]
fn the_least_that_mode_webhook_needs_is_enough() {
    let webhook = read(&json!({}));
    assert_eq!(webhook.public_url().unwrap().as_str(), PUBLIC_URL);
    assert_eq!((webhook.listen.to_string(), webhook.path.as_str()), ("0.0.0.0:8443".to_owned(), "/wh/o365/"));
    assert_eq!((webhook.auth_id.as_ref(), webhook.expiration), (None, WebhookExpiration::Never));
    assert_eq!(webhook.reconcile_interval().as_secs(), 900);
    assert!(webhook.allowed_sources.is_empty() && webhook.trusted_proxies.is_empty());
    assert_eq!(webhook.tls.client_names, ["manage.office.com"]);
    let limits = &webhook.limits;
    assert_eq!(
        (limits.max_body_bytes.to_string(), limits.max_header_bytes.to_string()),
        ("1MiB".into(), "16KiB".into())
    );
    assert_eq!((limits.max_connections, limits.max_connections_per_source), (512, 64));
    assert_eq!(limits.quota_per_minute().get(), 600);
    let timeouts = [limits.header_timeout(), limits.body_timeout(), limits.idle_timeout()];
    assert_eq!(timeouts.map(|timeout| timeout.as_secs()), [10, 10, 60]);
}

#[test]
fn what_people_write_is_accepted() {
    for change in [
        json!({ "public_url": "https://demo.example.com" }),
        json!({ "public_url": "https://203.0.113.7:65535/any/other/path" }),
        json!({ "public_url": "http://127.0.0.1:8443/wh/o365/" }),
        json!({ "public_url": "http://localhost/wh/o365/" }),
        json!({ "path": "/" }),
        json!({ "path": "/a-b_c.d~e/F9" }),
        json!({ "auth_id": { "file": "/run/secrets/auth-id" } }),
        json!({ "auth_id": "o365activityapinotification" }),
        json!({ "expiration": "1h" }),
        json!({ "expiration": "365d" }),
        json!({ "expiration": 86_400, "reconcile_interval_secs": 21_600 }),
        json!({ "reconcile_interval_secs": 60 }),
        json!({ "reconcile_interval_secs": 86_400 }),
        json!({ "allowed_sources": ["203.0.113.0/24", "203.0.113.7", "::1"] }),
        json!({ "allowed_sources": ["service_tag:M365ManagementActivityApiWebhook"], "service_tags_file": "tags.json" }),
        json!({ "service_tags_file": "tags.json" }),
        json!({ "trusted_proxies": ["10.0.0.0/8"] }),
        json!({ "tls": { "client_ca_file": "ca.pem", "client_names": ["a.example.com", "b.example.com"] } }),
        json!({ "listen": "127.0.0.1:0", "tls": { "enabled": false, "crt_file": null, "key_file": null } }),
        json!({ "listen": "[::1]:1", "tls": { "enabled": false, "crt_file": null, "key_file": null } }),
        json!({ "tls": { "enabled": false, "allow_plaintext": true, "crt_file": null, "key_file": null } }),
        json!({ "limits": { "max_connections": 1, "max_connections_per_source": 1 } }),
        json!({ "limits": { "max_body_bytes": "64MiB", "max_header_bytes": "8KiB" } }),
    ] {
        read(&change);
    }
}

#[test]
fn a_value_that_cannot_be_used_is_told_in_every_mode() {
    for (change, path, texts) in [
        (json!({ "listen": "8443" }), "listen", &["Write listen = \"0.0.0.0:8443\""][..]),
        (json!({ "path": "wh/o365/" }), "path", &["\"wh/o365/\" does not begin with `/`", "path = \"/wh/o365/\""]),
        (json!({ "path": "" }), "path", &["does not begin with `/`"]),
        (json!({ "path": "/wh?x=1" }), "path", &["has a query or fragment"]),
        (json!({ "path": "/wh#x" }), "path", &["has a query or fragment"]),
        (json!({ "path": "/wh o365/" }), "path", &["has characters that no plain path has"]),
        (json!({ "path": "/wh/%2e%2e/" }), "path", &["has characters that no plain path has"]),
        (json!({ "path": "/wh/../o365/" }), "path", &["has `//`, `.` or `..` in it"]),
        (json!({ "path": "/wh/./o365/" }), "path", &["has `//`, `.` or `..` in it"]),
        (json!({ "path": "//wh" }), "path", &["has `//`, `.` or `..` in it"]),
        (json!({ "public_url": "demo.example.com" }), "public_url", &["is not a URL", PUBLIC_URL]),
        (json!({ "public_url": "http://demo.example.com/" }), "public_url", &["is plain http", PUBLIC_URL]),
        (json!({ "public_url": "ftp://demo.example.com/" }), "public_url", &["is not an https URL", PUBLIC_URL]),
        (json!({ "public_url": "https://demo.example.com/?a=b" }), "public_url", &["has a query or fragment"]),
        (json!({ "public_url": "https://demo.example.com/#a" }), "public_url", &["has a query or fragment"]),
        (
            json!({ "public_url": format!("https://me:{SECRET}@demo.example.com/") }),
            "public_url",
            &["has a user name or password in it", "webhook.auth_id"],
        ),
        (
            json!({ "auth_id": 5 }),
            "auth_id",
            &["is not a secret reference. Write auth_id = { env = \"M365_WEBHOOK_AUTH_ID\" } or auth_id = { file ="],
        ),
        (json!({ "auth_id": [SECRET] }), "auth_id", &["is not a secret reference"]),
        (
            json!({ "auth_id": "" }),
            "auth_id",
            &["is empty. Write webhook.auth_id = { env = \"M365_WEBHOOK_AUTH_ID\" }"],
        ),
        (json!({ "auth_id": " " }), "auth_id", &["is empty"]),
        (json!({ "auth_id": "[redacted]" }), "auth_id", &["placeholder"]),
        (json!({ "auth_id": "${AUTH_ID}" }), "auth_id", &["variable reference", "M365_WEBHOOK_AUTH_ID"]),
        (json!({ "auth_id": format!("{SECRET} x") }), "auth_id", &["Webhook-AuthID cannot carry"]),
        (json!({ "auth_id": { "env": "" } }), "auth_id.env", &["not the name of an environment variable"]),
        (json!({ "auth_id": { "file": "" } }), "auth_id.file", &["is empty"]),
        (json!({ "auth_id": { "envv": SECRET } }), "auth_id.envv", &["did you mean `env`?"]),
        (
            json!({ "auth_id": { SECRET: SECRET } }),
            "auth_id",
            &["is a table with an unknown key. Write auth_id = { env = \"M365_WEBHOOK_AUTH_ID\" }"],
        ),
        (json!({ "expiration": "soon" }), "expiration", &["\"soon\" is not an expiration. Write \"never\" or"]),
        (json!({ "expiration": true }), "expiration", &["is true or false where \"never\" or a duration is expected"]),
        (json!({ "expiration": "59m" }), "expiration", &["59m is out of range", "from \"1h\" to \"365d\""]),
        (json!({ "expiration": "366d" }), "expiration", &["366d is out of range"]),
        (
            json!({ "expiration": "23h", "reconcile_interval_secs": 21_600 }),
            "expiration",
            &["23h is less than four times reconcile_interval_secs (6h)", "Write expiration = \"1d\" or more"],
        ),
        (json!({ "reconcile_interval_secs": 9 }), "reconcile_interval_secs", &["from 10 to 86400"]),
        (json!({ "reconcile_interval_secs": 86_401 }), "reconcile_interval_secs", &["from 10 to 86400"]),
        (
            json!({ "allowed_sources": ["::1", "10.0.0.5/8"] }),
            "allowed_sources[1]",
            &["\"10.0.0.5/8\" has bits set behind its prefix. Write \"10.0.0.0/8\" for the network"],
        ),
        (json!({ "allowed_sources": ["service_tag:"] }), "allowed_sources[0]", &["does not name a service tag"]),
        (json!({ "allowed_sources": ["manage.office.com"] }), "allowed_sources[0]", &["neither a network nor"]),
        (json!({ "allowed_sources": [7] }), "allowed_sources[0]", &["where a text is expected"]),
        (json!({ "allowed_sources": "203.0.113.0/24" }), "allowed_sources", &["where a list is expected"]),
        (json!({ "service_tags_file": "" }), "service_tags_file", &["is empty"]),
        (json!({ "trusted_proxies": ["10.0.0.5/8"] }), "trusted_proxies[0]", &["Write \"10.0.0.0/8\""]),
        (json!({ "trusted_proxies": ["service_tag:x"] }), "trusted_proxies[0]", &["is not a network"]),
        (json!({ "tls": { "crt_file": "" } }), "tls.crt_file", &["is empty"]),
        (json!({ "tls": { "key_file": "" } }), "tls.key_file", &["is empty"]),
        (json!({ "tls": { "client_ca_file": "" } }), "tls.client_ca_file", &["is empty"]),
        (json!({ "tls": { "client_names": [] } }), "tls.client_names", &["is empty", "manage.office.com"]),
        (json!({ "tls": { "client_names": ["a b"] } }), "tls.client_names[0]", &["\"a b\" is not a host name"]),
        (json!({ "tls": { "enabled": "no" } }), "tls.enabled", &["where true or false is expected"]),
        (json!({ "limits": { "max_body_bytes": "4095B" } }), "limits.max_body_bytes", &["\"4KiB\" to \"64MiB\""]),
        (json!({ "limits": { "max_body_bytes": "65MiB" } }), "limits.max_body_bytes", &["65MiB is out of range"]),
        (json!({ "limits": { "max_header_bytes": "4KiB" } }), "limits.max_header_bytes", &["\"8KiB\" to \"1MiB\""]),
        (json!({ "limits": { "max_connections": 65_537 } }), "limits.max_connections", &["from 1 to 65536"]),
        (
            json!({ "limits": { "max_connections": 63 } }),
            "limits.max_connections_per_source",
            &["64 is more than max_connections (63)", "max_connections_per_source = 63 or less"],
        ),
        (
            json!({ "limits": { "requests_per_minute_per_source": 0 } }),
            "limits.requests_per_minute_per_source",
            &["from 1 to 1000000"],
        ),
        (json!({ "limits": { "header_timeout_secs": 0 } }), "limits.header_timeout_secs", &["from 1 to 300"]),
        (json!({ "limits": { "body_timeout_secs": 301 } }), "limits.body_timeout_secs", &["from 1 to 300"]),
        (json!({ "limits": { "idle_timeout_secs": 3_601 } }), "limits.idle_timeout_secs", &["from 1 to 3600"]),
    ] {
        let both = [errors("webhook", &block(&change)), errors("poll", &change)];
        assert_eq!(both[0].to_string(), both[1].to_string(), "{change}");
        assert_told(&both[0], &change, path, texts);
    }
}

#[test]
fn what_the_listener_needs_is_told_in_mode_webhook_only() {
    let plain = json!({ "enabled": false, "crt_file": null, "key_file": null });
    let with = |change: Value| {
        let mut tls = plain.clone();
        merge(&mut tls, &change);
        json!({ "listen": "127.0.0.1:8443", "tls": tls })
    };
    for (change, path, texts) in [
        (json!({ "public_url": null }), "public_url", &["is missing, and mode = \"webhook\" needs it", PUBLIC_URL][..]),
        (
            json!({ "allowed_sources": ["::1", "service_tag:Some.Tag"] }),
            "service_tags_file",
            &["is missing, and allowed_sources has \"service_tag:Some.Tag\"", "Download"],
        ),
        (
            json!({ "tls": { "crt_file": null } }),
            "tls.crt_file",
            &["is missing, and TLS needs it", "crt_file = \"/etc/office365-source/webhook.crt\""],
        ),
        (
            json!({ "tls": { "key_file": null } }),
            "tls.key_file",
            &["is missing, and TLS needs it", "key_file = \"/etc/office365-source/webhook.key\"", "enabled = false"],
        ),
        (with(json!({ "crt_file": "a" })), "tls.crt_file", &["stands beside enabled = false", "Remove crt_file"]),
        (with(json!({ "key_file": "a" })), "tls.key_file", &["stands beside enabled = false", "Remove key_file"]),
        (with(json!({ "client_ca_file": "a" })), "tls.client_ca_file", &["Remove client_ca_file"]),
        (
            json!({ "listen": "192.0.2.1:80", "tls": plain.clone() }),
            "listen",
            &["192.0.2.1:80 would take notifications in the clear", "\"127.0.0.1:80\"", "tls.allow_plaintext = true"],
        ),
    ] {
        assert_told(&errors("webhook", &block(&change)), &change, path, texts);
        parse(&file("poll", block(&change)), Format::Json).unwrap_or_else(|errors| panic!("{change}\n{errors}"));
    }
    let nothing = errors("webhook", &json!({}));
    let paths: Vec<_> = nothing.iter().filter_map(|error| error.path.strip_prefix("sources.m365.webhook.")).collect();
    assert_eq!(paths, ["public_url", "tls.crt_file", "tls.key_file"], "{nothing}");
}

#[test]
fn tenants_may_be_left_to_register_where_there_is_a_webhook() {
    const PUBLISHER: &str = "0d1f6b8e-52a7-4f0c-9a63-1f4f2f0c8a11";
    for tenants in [Value::Null, json!([])] {
        let config = office365("webhook", tenants.clone(), json!(PUBLISHER)).unwrap();
        let config = source(&config);
        assert_eq!((config.tenants.len(), config.publisher_identifier().to_string()), (0, PUBLISHER.to_owned()));
        let errors = office365("webhook", tenants.clone(), Value::Null).unwrap_err().to_string();
        let expected = "sources.m365.publisher_identifier: is missing, and without tenants there is no default. Write";
        assert!(errors.starts_with(expected) && errors.lines().count() == 1, "{errors}");
        // Back in mode poll, those who registered are polled.
        office365("poll", tenants.clone(), json!(PUBLISHER)).unwrap();
        let mut without = minimal();
        without["sources"]["m365"]["tenants"] = tenants;
        let errors = parse(&without.to_string(), Format::Json).unwrap_err().to_string();
        assert!(errors.starts_with("sources.m365.tenants: is"), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
}

#[test]
fn the_block_may_wait_in_a_file_that_polls() {
    let config = parse(&file("poll", block(&json!({}))), Format::Json).unwrap();
    assert_eq!((source(&config).mode, source(&config).webhook.listen.port()), (Mode::Poll, 8443));
    let SourceEntry::Office365(plain) = &parse(&minimal().to_string(), Format::Json).unwrap().sources["m365"];
    assert_eq!(plain.webhook, WebhookConfig::default());
    assert_eq!(plain, &Office365Config::new(plain.auth.clone(), plain.tenants.clone()));
}

#[test]
fn the_auth_id_is_not_shown_wherever_it_was_pasted() {
    const AUTH_ID: &str = "s3cret-auth-id";
    let config = parse(&file("webhook", block(&json!({ "auth_id": AUTH_ID }))), Format::Json).unwrap();
    let printed = serde_json::to_string(&config).unwrap();
    assert!(!format!("{config:?} {printed}").contains(AUTH_ID), "{printed}");
    assert_eq!(source(&config).webhook.auth_id.as_ref().unwrap().place(), "the text in the configuration");
    for change in [
        json!({ "auth_id": AUTH_ID, "path": AUTH_ID }),
        json!({ "auth_id": AUTH_ID, "expiration": AUTH_ID }),
        json!({ "auth_id": AUTH_ID, "allowed_sources": [AUTH_ID] }),
        json!({ "auth_id": AUTH_ID, AUTH_ID: 1 }),
        json!({ "auth_id": { AUTH_ID: 1 } }),
        json!({ "auth_id": { "env": AUTH_ID, "file": AUTH_ID } }),
    ] {
        let errors = errors("webhook", &block(&change)).to_string();
        assert!(!errors.contains(AUTH_ID), "{change}\n{errors}");
    }
    // Below the wrong header, too.
    let misplaced =
        errors_of(&[(&format!("{M365}/auth_id"), json!(AUTH_ID)), (&format!("{M365}/mode"), json!(AUTH_ID))]);
    assert!(!misplaced.to_string().contains(AUTH_ID), "{misplaced}");
}

#[test]
fn what_may_not_be_meant_is_hinted_at() {
    let quiet = json!({ "allowed_sources": ["203.0.113.0/24"] });
    let plain = json!({ "enabled": false, "crt_file": null, "key_file": null });
    let proxied = json!({ "listen": "127.0.0.1:8443", "trusted_proxies": ["127.0.0.1"], "tls": plain });
    for (change, expected) in [
        (json!({}), &[][..]),
        (json!({ "allowed_sources": [] }), &["allowed_sources: is empty: anyone who knows the AuthID may send"]),
        (
            json!({ "public_url": "https://demo.example.com/wh/o365" }),
            &["public_url: its path \"/wh/o365\" lacks the `/` at the end that path = \"/wh/o365/\" has. Add it"],
        ),
        (
            json!({ "public_url": "https://demo.example.com/" }),
            &["public_url: its path \"/\" is not path = \"/wh/o365/\". That works only if a proxy in front"],
        ),
        (json!({ "path": "/wh/o365" }), &["public_url: its path \"/wh/o365/\" is not path = \"/wh/o365\""]),
        (json!({ "public_url": "https://localhost:8443/wh/o365/" }), &["public_url: is an address of this machine"]),
        (json!({ "service_tags_file": "tags.json" }), &["service_tags_file: has no effect"]),
        (json!({ "trusted_proxies": ["0.0.0.0/0"] }), &["trusted_proxies[0]: 0.0.0.0/0 is every address"]),
        (json!({ "tls": { "allow_plaintext": true } }), &["tls.allow_plaintext: has no effect"]),
        (
            json!({ "tls": { "client_names": ["a.example.com"] } }),
            &["tls.client_names: has no effect without client_ca"],
        ),
        (json!({ "tls": { "client_names": ["a.example.com"], "client_ca_file": "ca.pem" } }), &[]),
        (
            proxied.clone(),
            &["tls.enabled: is false: notifications and the AuthID arrive at 127.0.0.1:8443 in the clear"],
        ),
        (
            json!({ "tls": { "enabled": false, "crt_file": null, "key_file": null, "allow_plaintext": true } }),
            &[
                "trusted_proxies: is empty, and so all notifications",
                "tls.enabled: is false: notifications and the AuthID",
            ],
        ),
    ] {
        let mut all = quiet.clone();
        merge(&mut all, &change);
        let hints: Vec<_> = read(&all).hints("webhook").iter().map(ToString::to_string).collect();
        assert_eq!(hints.len(), expected.len(), "{change}\n{hints:#?}");
        for (hint, expected) in hints.iter().zip(expected) {
            assert!(hint.starts_with(&format!("webhook.{expected}")), "{change}\n{hint}");
        }
    }
}

#[test]
fn the_service_tags_of_the_rules_are_known() {
    let webhook = read(&json!({
        "allowed_sources": ["service_tag:B", "203.0.113.0/24", "service_tag:A"], "service_tags_file": "tags.json"
    }));
    assert_eq!(webhook.service_tags().collect::<Vec<_>>(), ["B", "A"]);
    assert_eq!(webhook.allowed_sources[1], SourceRule::Network("203.0.113.0/24".parse().unwrap()));
}

#[test]
fn the_schema_marks_the_auth_id_as_secret() {
    assert!(crate::config::schema::is_secret_key("auth_id") && crate::config::schema::is_secret_key("client_secret"));
    assert!(!crate::config::schema::is_secret_key("auth") && !crate::config::schema::is_secret_key("env"));
    let webhook = &json_schema()["$defs"]["WebhookConfig"]["properties"];
    assert_eq!(webhook["expiration"]["default"], "never");
    assert_eq!(webhook["allowed_sources"]["default"], json!([]));
    assert_eq!(webhook["reconcile_interval_secs"]["maximum"], json!(86_400));
}
