//! The module as a user meets it: files in, configurations or errors out.

use std::fs;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::content::ContentType;

const TENANT: &str = "6a98b5da-7b3c-4486-bb0b-66a048c6da62";
const OTHER: &str = "c3f0a9b4-0d84-4a51-8f5c-7f6d3c1e2b90";
pub(super) const SECRET: &str = "hunter2~correct.horse-battery_staple";

const FULL: &str = r#"
data_dir = "/var/lib/office365-source"
shutdown_timeout_secs = 30

[telemetry]
listen = "127.0.0.1:9598"

[proxy]
https = "http://proxy.contoso.com:3128"
no_proxy = ["localhost"]

[acknowledgements]
enabled = true

[sources.m365]
type = "office365"
mode = "poll"
cloud = "enterprise"
content_types = ["Audit.AzureActiveDirectory", "audit.exchange", "Audit.SharePoint", "Audit.General", "DLP.All"]
publisher_identifier = "c3f0a9b4-0d84-4a51-8f5c-7f6d3c1e2b90"
schema = "ecs"
start_from = "24h"
token_path = "/oauth2/v2.0/token"

[sources.m365.auth]
client_id = "11111111-2222-4333-8444-555555555555"
client_secret = { env = "M365_CLIENT_SECRET" }

[[sources.m365.tenants]]
id = "6a98b5da-7b3c-4486-bb0b-66a048c6da62"
domain = "contoso.com"

[sources.m365.normalize]
keep_original = false
parse_user_agent = true
resolve_sensitive_types = true
redact_detected_values = true
data_stream_namespace = "contoso"
geoip = { city_db = "/var/lib/GeoIP/GeoLite2-City.mmdb", asn_db = "/var/lib/GeoIP/GeoLite2-ASN.mmdb" }

[sources.m365.poll]
interval_secs = 60
overlap_secs = 3600
reconcile_interval_secs = 21600

[sources.m365.webhook]
listen = "0.0.0.0:8443"
path = "/wh/o365/"
public_url = "https://demo.example.com:8443/wh/o365/"
auth_id = { env = "M365_WEBHOOK_AUTH_ID" }
expiration = "30d"
reconcile_interval_secs = 900
allowed_sources = ["service_tag:M365ManagementActivityApiWebhook", "203.0.113.0/24", "2001:db8::1"]
service_tags_file = "ServiceTags_Public.json"
trusted_proxies = ["10.0.0.0/8", "127.0.0.1"]

[sources.m365.webhook.tls]
enabled = true
crt_file = "/etc/office365-source/webhook.crt"
key_file = "/etc/office365-source/webhook.key"
client_ca_file = "/etc/office365-source/client-ca.pem"
client_names = ["manage.office.com"]
allow_plaintext = false

[sources.m365.webhook.limits]
max_body_bytes = "1MiB"
max_header_bytes = "16KiB"
max_connections = 1024
max_connections_per_source = 64
requests_per_minute_per_source = 600
header_timeout_secs = 10
body_timeout_secs = 10
idle_timeout_secs = 60

[sources.m365.request]
concurrency = 16
requests_per_minute = 2000
timeout_secs = 60
max_blob_bytes = "1GiB"

[sources.m365.dedupe]
window = "7d"

[sources.m365.batch]
max_events = 1000
max_bytes = 1048576

[sources.m365.memory]
spool_threshold = "1MiB"
max_buffered_bytes = "64MiB"
max_record_bytes = "32 MiB"

[sources.m365.tls]
ca_file = "/etc/ssl/ca.pem"

[sources.m365.proxy]
enabled = true

[sources.m365.acknowledgements]
enabled = true

[sinks.out]
type = "console"
inputs = ["m365"]

[sinks.copy]
type = "file"
path = "/var/log/m365.ndjson"
inputs = ["m365"]
"#;

/// The least that a user must write.
pub(super) fn minimal() -> Value {
    json!({
        "sources": { "m365": {
            "type": "office365",
            "auth": { "client_id": "11111111-2222-4333-8444-555555555555", "client_secret": SECRET },
            "tenants": [{ "id": TENANT }],
        } },
        "sinks": { "out": { "type": "console", "inputs": ["m365"] } },
    })
}

/// The minimal file with one value set, or removed with `null`, by its pointer.
pub(super) fn with(changes: &[(&str, Value)]) -> String {
    let mut file = minimal();
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = match file.pointer_mut(parent) {
            Some(Value::Object(map)) => map,
            other => panic!("{pointer}: {other:?}"),
        };
        if value.is_null() {
            parent.remove(key);
        } else {
            parent.insert(key.to_owned(), value.clone());
        }
    }
    file.to_string()
}

pub(super) fn errors_of(changes: &[(&str, Value)]) -> ConfigErrors {
    let errors = parse(&with(changes), Format::Json).unwrap_err();
    assert!(!format!("{errors}\n{errors:?}").contains(SECRET), "{errors}");
    errors
}

pub(super) fn source(config: &TopologyConfig) -> &Office365Config {
    let SourceEntry::Office365(source) = &config.sources["m365"];
    source
}

#[test]
fn toml_yaml_and_json_say_the_same() {
    let toml = parse(FULL, Format::Toml).unwrap();
    let tree: toml::Table = FULL.parse().unwrap();
    assert_eq!(parse(&serde_json::to_string(&tree).unwrap(), Format::Json).unwrap(), toml);
    assert_eq!(parse(&serde_yaml_ng::to_string(&tree).unwrap(), Format::Yaml).unwrap(), toml);
    let source = source(&toml);
    assert_eq!(source.content_types, ContentType::ALL);
    assert_eq!(source.batch.max_bytes, ByteSize::from_mib(1));
    assert_eq!(source.proxy.or(&toml.proxy).https.unwrap().to_string(), "http://proxy.contoso.com:3128/");
}

#[test]
fn a_configuration_survives_being_written() {
    let config = parse(FULL, Format::Toml).unwrap();
    assert_eq!(parse(&toml::to_string(&config).unwrap(), Format::Toml).unwrap(), config);
    assert_eq!(parse(&serde_json::to_string(&config).unwrap(), Format::Json).unwrap(), config);
}

#[test]
fn what_is_left_out_has_its_documented_default() {
    let config = parse(&minimal().to_string(), Format::Json).unwrap();
    let source = source(&config);
    assert_eq!((source.poll.interval_secs, source.poll.overlap_secs), (60, 3_600));
    assert_eq!(source.content_types.len(), 4);
    assert_eq!(source.schema, EventSchema::Ecs);
    assert!(source.normalize.redact_detected_values && !source.normalize.keep_original);
    assert_eq!(source.publisher_identifier().to_string(), TENANT);
    assert_eq!(source.effective_cloud(), Cloud::Enterprise);
    assert!(source.acknowledgements.or(config.acknowledgements).enabled());
    assert_eq!(config.shutdown_timeout().as_secs(), 30);
    assert_eq!(source, &Office365Config::new(source.auth.clone(), source.tenants.clone()));
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table of what users get wrong")]
fn a_bad_value_is_told_with_its_path_and_what_to_write() {
    let m365 = "/sources/m365";
    let at = |key: &str| format!("{m365}/{key}");
    for (pointer, value, path, texts) in [
        (at("mode"), json!("pol"), "sources.m365.mode", &["did you mean \"poll\"?"][..]),
        (at("mode"), json!("webhok"), "sources.m365.mode", &["did you mean \"webhook\"?"]),
        (at("mode"), json!(7), "sources.m365.mode", &["Write mode = \"poll\" or mode = \"webhook\""]),
        (
            at("schema"),
            json!("esc"),
            "sources.m365.schema",
            &["did you mean \"ecs\"?", "schema = \"ocsf\"", "schema = \"raw\""],
        ),
        (
            at("normalize"),
            json!({ "keep_original": "no" }),
            "sources.m365.normalize.keep_original",
            &["true or false is expected"],
        ),
        (at("normalize"), json!({ "keep_orignal": true }), "sources.m365.normalize.keep_orignal", &["`keep_original`"]),
        (
            at("normalize"),
            json!({ "data_stream_namespace": "Contoso-EU" }),
            "sources.m365.normalize.data_stream_namespace",
            &["\"Contoso-EU\" is not the namespace of a data stream", "data_stream_namespace = \"default\""],
        ),
        (
            at("normalize"),
            json!({ "geoip": { "city_db": "" } }),
            "sources.m365.normalize.geoip.city_db",
            &["is empty", "MaxMind DB file"],
        ),
        (
            at("normalize"),
            json!({ "geoip": { "city": "/x" } }),
            "sources.m365.normalize.geoip.city",
            &["unknown key", "`city_db`"],
        ),
        (at("cloud"), json!("gcc-high"), "sources.m365.cloud", &["did you mean \"gcc_high\"?", "cloud = \"dod\""]),
        (at("content_types"), json!([]), "sources.m365.content_types", &["is empty"]),
        (
            at("content_types"),
            json!("Audit.Exchange"),
            "sources.m365.content_types",
            &["is a text where a list is expected"],
        ),
        (
            at("content_types"),
            json!(["Audit.Teams"]),
            "sources.m365.content_types[0]",
            &["\"Audit.Teams\" is not a content type", "Audit.General"],
        ),
        (
            at("content_types"),
            json!(["DLP.All", "dlp.all"]),
            "sources.m365.content_types[1]",
            &["twice", "content_types[0]"],
        ),
        (
            at("publisher_identifier"),
            json!("TEST365LOGS"),
            "sources.m365.publisher_identifier",
            &["is not a GUID", "tenant id of the company"],
        ),
        (
            at("publisher_identifier"),
            json!("00000000-0000-0000-0000-000000000000"),
            "sources.m365.publisher_identifier",
            &["all zeros"],
        ),
        (at("start_from"), json!("8d"), "sources.m365.start_from", &["8d is out of range", "\"7d\""]),
        (at("start_from"), json!(0), "sources.m365.start_from", &["0s is out of range"]),
        (
            at("start_from"),
            json!("yesterday"),
            "sources.m365.start_from",
            &["\"yesterday\" is not a duration", "Write whole numbers"],
        ),
        (
            at("endpoint"),
            json!("manage.office.com"),
            "sources.m365.endpoint",
            &["is not a URL", "endpoint = \"https://manage.office.com\""],
        ),
        (at("endpoint"), json!("http://manage.office.com"), "sources.m365.endpoint", &["in the clear"]),
        (at("endpoint"), json!("https://manage.office.com/api"), "sources.m365.endpoint", &["has a path"]),
        (at("auth_endpoint"), json!("https://login.windows.net?x=1"), "sources.m365.auth_endpoint", &["has a query"]),
        (at("token_path"), json!("oauth2/token"), "sources.m365.token_path", &["/oauth2/v2.0/token"]),
        (at("token_path"), json!("/oauth2/token?x=y"), "sources.m365.token_path", &["/oauth2/v2.0/token"]),
        (at("auth"), json!(SECRET), "sources.m365.auth", &["is a text where a table is expected"]),
        (
            at("auth/client_id"),
            json!(SECRET),
            "sources.m365.auth.client_id",
            &["is not a GUID", "App registrations > your app > Overview"],
        ),
        (at("auth/client_id"), Value::Null, "sources.m365.auth.client_id", &["is missing", "Write client_id = \"1111"]),
        (
            at("auth/client_secret"),
            Value::Null,
            "sources.m365.auth.client_secret",
            &["is missing", "{ env = \"M365_CLIENT_SECRET\" }"],
        ),
        (
            at("auth/client_secret"),
            json!(123_456),
            "sources.m365.auth.client_secret",
            &[
                "not a secret reference. Write client_secret = { env = \"M365_CLIENT_SECRET\" } or client_secret = { file =",
                "its Value, not its Secret ID",
            ],
        ),
        (at("auth/client_secret"), json!([SECRET]), "sources.m365.auth.client_secret", &["not a secret reference"]),
        (
            at("auth/client_secret"),
            json!({ "envv": SECRET }),
            "sources.m365.auth.client_secret.envv",
            &["did you mean `env`?"],
        ),
        (
            at("auth/client_secret"),
            json!({ SECRET: SECRET }),
            "sources.m365.auth.client_secret",
            &["unknown key", "env ="],
        ),
        (
            at("auth/client_secret"),
            json!({ "env": "A", "file": "b" }),
            "sources.m365.auth.client_secret",
            &["not a secret reference"],
        ),
        // The name of a key is no secret, and the message needs it.
        (
            at("auth/client_secret"),
            json!({ "path": "/run/x" }),
            "sources.m365.auth.client_secret",
            &["{ file = \"/path/to/secret\" }"],
        ),
        (
            at("auth/client_secret"),
            json!({ "exec": "cat /run/x" }),
            "sources.m365.auth.client_secret",
            &["has a key exec that is a text where a list is expected"],
        ),
        (
            at("auth/client_secret"),
            json!({ "vault": { "address": SECRET, "path": "a", "field": "b", "token": { "env": "T" } } }),
            "sources.m365.auth.client_secret",
            &["has a key vault.address that is not a URL (it begins with no scheme, such as https:// or tcp://)"],
        ),
        (
            at("auth/client_secret"),
            json!({ "vault": { "address": "https://vault:x", "path": "a", "field": "b", "token": { "env": "T" } } }),
            "sources.m365.auth.client_secret",
            &["has a key vault.address that is not a URL (invalid port number)"],
        ),
        (at("auth/client_secret"), json!({}), "sources.m365.auth.client_secret", &["not a secret reference"]),
        (
            at("auth/client_secret"),
            json!({ "env": "" }),
            "sources.m365.auth.client_secret.env",
            &["not the name of an environment variable"],
        ),
        (at("auth/client_secret"), json!(" "), "sources.m365.auth.client_secret", &["is empty"]),
        (at("auth/client_secret"), json!("[redacted]"), "sources.m365.auth.client_secret", &["placeholder"]),
        (
            at("auth/client_secret"),
            json!("${M365_CLIENT_SECRET}"),
            "sources.m365.auth.client_secret",
            &["variable reference"],
        ),
        (at("tenants"), Value::Null, "sources.m365.tenants", &["is missing", "id = \"6a98"]),
        (at("tenants"), json!([]), "sources.m365.tenants", &["or empty", "Entra admin center"]),
        (
            at("tenants"),
            json!([{ "id": "abc" }]),
            "sources.m365.tenants[0].id",
            &["\"abc\" is not a tenant id. Write", "Entra admin center > Overview"],
        ),
        (
            at("tenants"),
            json!([{ "domain": "contoso.com" }]),
            "sources.m365.tenants[0].id",
            &["is missing", "Directory (tenant) ID"],
        ),
        (
            at("tenants"),
            json!([{ "id": TENANT, "domain": "https://contoso.com" }]),
            "sources.m365.tenants[0].domain",
            &["not a domain name"],
        ),
        (
            at("tenants"),
            json!([{ "id": TENANT }, { "id": TENANT }]),
            "sources.m365.tenants[1].id",
            &["twice", "tenants[0].id"],
        ),
        (
            at("tenants"),
            json!([{ "id": TENANT }, { "id": OTHER }]),
            "sources.m365.publisher_identifier",
            &["is missing", "your own company"],
        ),
        (
            at("poll"),
            json!({ "interval_secs": 0 }),
            "sources.m365.poll.interval_secs",
            &["0 is out of range", "from 1 to 86400"],
        ),
        (
            at("poll"),
            json!({ "interval_secs": -1 }),
            "sources.m365.poll.interval_secs",
            &["-1 is out of range", "from 1 to 86400, such as interval_secs = 60"],
        ),
        (
            at("poll"),
            json!({ "interval_secs": "60" }),
            "sources.m365.poll.interval_secs",
            &["is a text where a whole number is expected"],
        ),
        (at("poll"), json!({ "interval_secs": 1.5 }), "sources.m365.poll.interval_secs", &["fraction"]),
        (at("poll"), json!({ "overlap_secs": 86_401 }), "sources.m365.poll.overlap_secs", &["from 0 to 86400"]),
        (
            at("poll"),
            json!({ "reconcile_interval_secs": 59 }),
            "sources.m365.poll.reconcile_interval_secs",
            &["from 60"],
        ),
        (at("poll"), json!(60), "sources.m365.poll", &["is a whole number where a table is expected"]),
        (
            at("poll"),
            json!([60, 3_600, 21_600]),
            "sources.m365.poll",
            &["is a list where a table is expected", "[sources.m365.poll]"],
        ),
        (
            at("filters"),
            json!({ "exclude": { "operation": ["A"] } }),
            "sources.m365.filters.exclude",
            &["is a table where a list is expected", "[[sources.m365.filters.exclude]]"],
        ),
        (
            at("filters"),
            json!([{ "operation": ["A"] }]),
            "sources.m365.filters",
            &["is a list where a table is expected", "[sources.m365.filters]"],
        ),
        (at("request"), json!({ "concurrency": 1_025 }), "sources.m365.request.concurrency", &["from 1 to 1024"]),
        (
            at("request"),
            json!({ "concurrency": 5_000_000_000_u64 }),
            "sources.m365.request.concurrency",
            &["5000000000 is out of range"],
        ),
        (
            at("request"),
            json!({ "requests_per_minute": 0 }),
            "sources.m365.request.requests_per_minute",
            &["from 1 to 1000000"],
        ),
        (at("request"), json!({ "timeout_secs": 3_601 }), "sources.m365.request.timeout_secs", &["from 1 to 3600"]),
        (
            at("request"),
            json!({ "max_blob_bytes": "0B" }),
            "sources.m365.request.max_blob_bytes",
            &["max_blob_bytes = \"1GiB\""],
        ),
        (
            at("request"),
            json!({ "max_blob_bytes": "lots" }),
            "sources.m365.request.max_blob_bytes",
            &["\"lots\" is not a size", "64MiB"],
        ),
        (
            at("dedupe"),
            json!({ "window": "59m" }),
            "sources.m365.dedupe.window",
            &["59m is out of range", "\"1h\" to \"30d\""],
        ),
        (at("dedupe"), json!({ "window": "31d" }), "sources.m365.dedupe.window", &["31d is out of range"]),
        (at("batch"), json!({ "max_events": 0 }), "sources.m365.batch.max_events", &["from 1"]),
        (
            at("batch"),
            json!({ "max_bytes": "17MiB" }),
            "sources.m365.memory.max_buffered_bytes",
            &["four times batch.max_bytes (17MiB)", "\"68MiB\""],
        ),
        (
            at("memory"),
            json!({ "spool_threshold": "65MiB" }),
            "sources.m365.memory.max_buffered_bytes",
            &["spool_threshold (65MiB)"],
        ),
        (at("memory"), json!({ "max_record_bytes": 0 }), "sources.m365.memory.max_record_bytes", &["nothing at all"]),
        (at("tls"), json!({ "ca_file": "" }), "sources.m365.tls.ca_file", &["is empty"]),
        (at("proxy"), json!({ "https": "socks5://proxy:1080" }), "sources.m365.proxy.https", &["HTTP proxy"]),
        (
            at("proxy"),
            json!({ "https": "http://me:hunter2~correct.horse-battery_staple@:1" }),
            "sources.m365.proxy.https",
            &["is not a URL"],
        ),
        (at("proxy"), json!({ "no_proxy": ["a,b"] }), "sources.m365.proxy.no_proxy[0]", &["is not one host"]),
        (
            at("acknowledgements"),
            json!(true),
            "sources.m365.acknowledgements",
            &["is true or false where a table is expected"],
        ),
        (at("type"), json!("office356"), "sources.m365.type", &["did you mean \"office365\"?"]),
        (at("type"), Value::Null, "sources.m365.type", &["is missing", "type = \"office365\""]),
        ("/data_dir".to_owned(), json!(""), "data_dir", &["is empty"]),
        ("/data_dir".to_owned(), json!(1), "data_dir", &["where a text is expected"]),
        ("/shutdown_timeout_secs".to_owned(), json!(3_601), "shutdown_timeout_secs", &["from 0 to 3600"]),
        ("/telemetry".to_owned(), json!({}), "telemetry.listen", &["is missing", "listen = \"127.0.0.1:9598\""]),
        ("/telemetry".to_owned(), json!({ "listen": "9598" }), "telemetry.listen", &["listen = \"127.0.0.1:9598\""]),
        ("/sources".to_owned(), Value::Null, "sources", &["is missing"]),
        ("/sources".to_owned(), json!("m365"), "sources", &["is a text where a table is expected"]),
        ("/sources".to_owned(), json!({}), "sources", &["is empty", "[sources.m365]"]),
        ("/sources/m365".to_owned(), json!("x"), "sources.m365", &["is a text where a table is expected"]),
        ("/sinks".to_owned(), Value::Null, "sinks", &["is missing"]),
        ("/sinks".to_owned(), json!({}), "sinks", &["is empty", "[sinks.out]"]),
        (
            "/sinks/out/type".to_owned(),
            json!("consol"),
            "sinks.out.type",
            &["did you mean \"console\"?", "type = \"file\""],
        ),
        (
            "/sinks/out/type".to_owned(),
            json!("file"),
            "sinks.out.path",
            &["is missing", "path = \"/var/log/m365.ndjson\""],
        ),
        ("/sinks/out/inputs".to_owned(), json!([]), "sinks.out.inputs", &["is empty", "m365"]),
        ("/sinks/out/inputs".to_owned(), json!(["m356"]), "sinks.out.inputs[0]", &["did you mean \"m365\"?"]),
        ("/sinks/out/inputs".to_owned(), json!(["m365", "m365"]), "sinks.out.inputs[1]", &["twice"]),
        ("/sinks/out/inputs".to_owned(), json!(["x"]), "sources.m365", &["no sink takes its events"]),
        (
            "/sinks/..".to_owned(),
            json!({ "type": "console", "inputs": ["m365"] }),
            "sinks.\"..\"",
            &["not a usable name"],
        ),
    ] {
        let errors = errors_of(&[(&pointer, value.clone())]);
        let error = errors.iter().find(|error| error.path == path);
        let error = error.unwrap_or_else(|| panic!("{pointer} = {value}: no error of {path} in\n{errors}"));
        for text in texts {
            assert!(error.to_string().contains(text), "{pointer} = {value}: no {text:?} in\n{error}");
        }
        assert!(error.to_string().starts_with(&format!("{path}: ")), "{error}");
    }
}

#[test]
fn an_endpoint_beside_a_cloud_is_refused() {
    let errors = errors_of(&[
        ("/sources/m365/cloud", json!("gcc")),
        ("/sources/m365/endpoint", json!("https://proxy.contoso.com")),
    ]);
    assert!(errors.to_string().contains("sources.m365.endpoint: stands beside cloud = \"gcc\""), "{errors}");
    parse(&with(&[("/sources/m365/endpoint", json!("http://127.0.0.1:9000"))]), Format::Json).unwrap();
    let own_login = [
        ("/sources/m365/cloud", json!("dod")),
        ("/sources/m365/auth_endpoint", json!("https://login.microsoftonline.com")),
    ];
    parse(&with(&own_login), Format::Json).unwrap();
}

#[test]
fn all_unknown_keys_are_told_at_once() {
    let errors = errors_of(&[
        ("/sources/m365/poll", json!({ "intervall_secs": 60, "overlap": 3600 })),
        ("/sources/m365/client_secret", json!(SECRET)),
        ("/sources/m365/zzz", json!(1)),
        ("/sources/m365/tenants", json!([{ "id": TENANT, "domian": "contoso.com" }])),
        ("/sinks/out/path", json!("/tmp/x")),
        ("/datadir", json!("/tmp")),
    ]);
    let text = errors.to_string();
    for expected in [
        "sources.m365.poll.intervall_secs: unknown key; did you mean `interval_secs`?",
        "sources.m365.poll.overlap: unknown key; did you mean `overlap_secs`?",
        "sources.m365.client_secret: is not a key of this table; did you mean `sources.m365.auth.client_secret`?",
        "sources.m365.zzz: unknown key. Known here: acknowledgements, ",
        "sources.m365.tenants[0].domian: unknown key; did you mean `domain`?",
        "sinks.out.path: unknown key. Known here: inputs, type.",
        "datadir: unknown key; did you mean `data_dir`?",
    ] {
        assert!(text.lines().any(|line| line.starts_with(expected)), "{expected}\nis not in\n{text}");
    }
    assert_eq!(errors.iter().count(), 7, "{text}");
}

#[test]
fn a_misspelt_required_key_is_one_problem() {
    let errors = errors_of(&[
        ("/sources/m365/auth", json!({ "clientid": "x", "client_secret": SECRET })),
        ("/sources/m365/tenant", json!([])),
        ("/sources/m365/tenants", Value::Null),
    ]);
    assert_eq!(errors.iter().count(), 2, "{errors}");
}

#[test]
fn a_key_below_the_wrong_header_is_sent_home() {
    let errors = errors_of(&[(
        "/sources/m365/auth",
        json!({ "client_id": "x", "client_secret": SECRET, "content_types": ["Audit.General"] }),
    )]);
    assert!(errors.to_string().contains("did you mean `sources.m365.content_types`?"), "{errors}");
}

#[test]
fn the_keys_of_a_missing_table_are_told() {
    let errors = errors_of(&[("/sources/m365/auth", Value::Null)]);
    let paths: Vec<_> = errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(paths, ["sources.m365.auth.client_id", "sources.m365.auth.client_secret"]);
    let errors = errors_of(&[("/sources/m365/auth/client_secret", Value::Null)]);
    assert!(
        errors.to_string().contains("sources.m365.auth.client_secret: is missing, and there is no other credential")
    );
}

#[test]
fn ids_that_contradict_each_other_are_told() {
    let id = |number: u8| format!("{number}1111111-2222-4333-8444-555555555555");
    let managed = |identity: Value| json!({ "client_id": id(1), "managed_identity": identity });
    for (auth, expected) in [
        (
            managed(json!({ "client_id": id(2) })),
            "auth.managed_identity.client_id: is another application than auth.client_id",
        ),
        (managed(json!({ "resource_id": "" })), "auth.managed_identity.resource_id: is not a resource ID"),
        (managed(json!({ "resource_id": "/a\nb" })), "auth.managed_identity.resource_id: is not a resource ID"),
        (
            managed(json!({ "client_id": id(1), "resource_id": "/a" })),
            "names an identity by client_id and by resource_id",
        ),
        (
            json!({ "client_id": id(1), "workload_identity": { "client_id": id(2) } }),
            "auth.workload_identity.client_id: is another application than auth.client_id",
        ),
    ] {
        let text = errors_of(&[("/sources/m365/auth", auth)]).to_string();
        assert!(text.contains(expected), "{text}");
    }
    for auth in [managed(json!({ "client_id": id(1) })), managed(json!({ "resource_id": "/subscriptions/a" }))] {
        parse(&with(&[("/sources/m365/auth", auth)]), Format::Json).unwrap();
    }
}

#[test]
fn there_is_one_credential() {
    let certificate = json!({ "crt_file": "app.crt", "key_file": "app.key" });
    let errors = errors_of(&[("/sources/m365/auth/certificate", certificate.clone())]);
    let text = errors.to_string();
    assert!(text.contains("sources.m365.auth: has several credentials: client_secret and certificate"), "{text}");
    assert!(!text.contains(SECRET), "{text}");

    let auth = json!({ "client_id": "11111111-2222-4333-8444-555555555555", "certificate": certificate });
    parse(&with(&[("/sources/m365/auth", auth)]), Format::Json).unwrap();
    let errors = errors_of(&[("/sources/m365/auth/certificate", json!({ "crt_file": "", "signing": "ES256" }))]);
    let text = errors.to_string();
    assert!(text.contains("auth.certificate.signing") && text.contains("PS256"), "{text}");
}

#[test]
fn all_wrong_values_are_told_at_once() {
    let errors = errors_of(&[
        ("/sources/m365/mode", json!("webhok")),
        ("/sources/m365/start_from", json!("1w")),
        ("/sources/m365/content_types", json!(["Audit.Teams", "Audit.General", "Audit.Yammer"])),
        ("/sources/m365/auth", json!({ "client_id": "x", "client_secret": 5 })),
        ("/sources/m365/tenants", json!([{ "id": "contoso.com" }, { "id": TENANT, "domain": 3 }])),
        ("/sources/m365/poll", json!(60)),
        ("/sinks/out/inputs", json!("m365")),
        ("/shutdown_timeout_secs", json!("30s")),
    ]);
    let mut paths: Vec<_> = errors.iter().map(|error| error.path.as_str()).collect();
    paths.sort_unstable();
    let expected = [
        "shutdown_timeout_secs",
        "sinks.out.inputs",
        "sources.m365.auth.client_id",
        "sources.m365.auth.client_secret",
        "sources.m365.content_types[0]",
        "sources.m365.content_types[2]",
        "sources.m365.mode",
        "sources.m365.poll",
        "sources.m365.start_from",
        "sources.m365.tenants[0].id",
        "sources.m365.tenants[1].domain",
    ];
    assert_eq!(paths, expected, "{errors}");
}

#[test]
fn all_broken_rules_are_told_at_once() {
    let errors = errors_of(&[
        ("/sources/m365/start_from", json!("8d")),
        ("/sources/m365/poll", json!({ "interval_secs": 0, "overlap_secs": 100_000 })),
        ("/sinks/out/inputs", json!(["m365", "nobody"])),
        ("/data_dir", json!("")),
    ]);
    assert_eq!(errors.iter().count(), 5, "{errors}");
    assert_eq!(errors.to_string().lines().count(), 5, "{errors}");
}

#[test]
fn two_sinks_do_not_share_a_file() {
    let sink = json!({ "type": "file", "path": "/tmp/x", "inputs": ["m365"] });
    let errors = errors_of(&[("/sinks/a", sink.clone()), ("/sinks/b", sink)]);
    assert!(errors.to_string().starts_with("sinks.b.path: the sink a writes the same file"), "{errors}");
}

#[test]
fn a_syntax_error_has_a_position_and_never_the_line() {
    for (text, format, place) in [
        (format!("[sources.m365.auth]\nclient_secret = \"{SECRET}\n"), Format::Toml, "line 2, column "),
        (format!("[sources.m365.auth]\nclient_secret = {SECRET}\n"), Format::Toml, "line 2, column "),
        (format!("client_secret = \"{SECRET}\" \"{SECRET}\"\n"), Format::Toml, "line 1, column "),
        (format!("{SECRET} = 1\n"), Format::Toml, "line 1, column "),
        (format!("\"{SECRET}\" = 1\n\"{SECRET}\" = 2\n"), Format::Toml, "line 2, column "),
        (format!("auth = {{ client_secret = '''{SECRET}'' }}\n"), Format::Toml, "line "),
        ("mode = \"poll\"\nmode = \"poll\"\n".to_owned(), Format::Toml, "line 2, column 1: duplicate key"),
        (format!("client_secret: \"{SECRET}\nx: ]"), Format::Yaml, "line "),
        (format!("client_secret: *{SECRET}\n"), Format::Yaml, "line "),
        (format!("client_secret: !{SECRET} x\n"), Format::Yaml, "line "),
        (format!("a: {{{SECRET}: 1, {SECRET}: 2}}\n"), Format::Yaml, "line "),
        (format!("{SECRET}: {{mode: 1, mode: 2}}\n"), Format::Yaml, "line "),
        (format!("? [{SECRET}]\n: x\n"), Format::Yaml, "line "),
        ("mode: poll\nmode: poll\n".to_owned(), Format::Yaml, "line 1, column 1: duplicate key `mode`."),
        (format!("{{\"client_secret\": \"{SECRET}\" x}}"), Format::Json, "line 1, column "),
        (format!("{{\"{SECRET}\": 1, \"{SECRET}\": 2}}"), Format::Json, "line 1, column "),
        (format!("{{\"client_secret\": {SECRET}}}"), Format::Json, "line 1, column "),
        (format!("\"{SECRET}\""), Format::Json, "the file is not a table"),
        (SECRET.to_owned(), Format::Yaml, "the file is not a table"),
    ] {
        let error = parse(&text, format).unwrap_err().to_string();
        assert!(error.contains(place), "{text}: {error}");
        assert!(!error.contains("hunter2") && !error.contains("staple"), "{error}");
    }
}

#[test]
fn a_secret_in_a_wrong_place_is_not_shown_either() {
    // As Microsoft Entra makes them.
    let entra = "Abc8Q~0123456789abcdefghijklmnopqrstuvwx";
    for pointer in [
        "/sources/m365/mode",
        "/sources/m365/cloud",
        "/sources/m365/start_from",
        "/sources/m365/token_path",
        "/data_dir2",
    ] {
        for secret in [entra, SECRET] {
            let errors = errors_of(&[(pointer, json!(secret))]);
            assert!(!errors.to_string().contains(secret), "{errors}");
        }
    }
    let errors = errors_of(&[("/sources/m365/tenants", json!([{ "id": entra }]))]);
    assert!(errors.to_string().contains("\"[redacted]\" is not a tenant id"), "{errors}");
    let errors = errors_of(&[("/sources/m365/endpoint", json!("http://me:s3cretpass@host/x"))]);
    assert!(!errors.to_string().contains("s3cretpass"), "{errors}");
}

/// The source block of the full file, as a host with a file of its own has it.
fn block() -> serde_json::Map<String, Value> {
    let file: Value = toml::from_str(FULL).unwrap();
    let mut block = file["sources"]["m365"].as_object().unwrap().clone();
    block.remove("type");
    block
}

#[test]
fn a_block_of_another_host_s_file_is_read_as_strictly() {
    let SourceEntry::Office365(expected) = parse(FULL, Format::Toml).unwrap().sources["m365"].clone();
    assert_eq!(parse_source(block(), "sources.m365").unwrap(), expected);
    assert_eq!(parse_source(block(), "").unwrap(), expected);

    let mut wrong = block();
    wrong.insert("intervall".to_owned(), json!(1));
    wrong.insert("auth".to_owned(), json!({ "clientid": "x", "client_secret": SECRET }));
    let errors = parse_source(wrong, "").unwrap_err();
    let paths: Vec<_> = errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(paths, ["auth.clientid", "intervall"], "{errors}");

    let mut wrong = block();
    wrong.insert("start_from".to_owned(), json!("8d"));
    assert!(parse_source(wrong.clone(), "").unwrap_err().to_string().starts_with("start_from: 8d is out of range"));
    wrong.insert("start_from".to_owned(), json!(SECRET));
    let errors = parse_source(wrong, "sources.x").unwrap_err().to_string();
    assert!(errors.starts_with("sources.x.start_from: ") && !errors.contains(SECRET), "{errors}");
}

#[test]
fn the_embedded_schema_refers_to_nothing_and_has_every_key() {
    let schema = embedded_source_json_schema();
    let text = schema.to_string();
    assert!(!text.contains("$ref") && !text.contains("$defs") && !text.contains("$schema"), "{text}");
    let keys = |schema: &Value| schema["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&schema), keys(&source_json_schema()));
    assert!(schema["properties"]["webhook"]["properties"]["tls"]["properties"].is_object(), "{text}");
    assert_eq!(schema.get("additionalProperties"), None);
}

#[test]
fn an_inline_secret_is_in_no_output() {
    let config = parse(&minimal().to_string(), Format::Json).unwrap();
    assert!(!format!("{config:?}").contains(SECRET));
    let printed = serde_json::to_string(&config).unwrap();
    assert!(!printed.contains(SECRET) && printed.contains("[redacted]"));
    assert!(parse(&printed, Format::Json).unwrap_err().to_string().contains("placeholder"));
}

#[test]
fn a_file_is_read_by_its_extension() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let json = minimal().to_string();
    let toml = load(&file("a.toml", FULL)).unwrap();
    assert_eq!(load(&file("bom.TOML", &format!("\u{feff}{FULL}"))).unwrap(), toml);
    assert_eq!(load(&file("a.json", &json)).unwrap(), load(&file("a.yml", &json)).unwrap());
    for (path, text) in [
        (file("a.conf", FULL), "a.conf: the name does not say the format of the file. Name it with .toml"),
        (dir.path().join("none.toml"), "none.toml: cannot be read: "),
        (file("bad.toml", "x = \n"), "bad.toml, line 1, column 5: "),
        (file("empty.yaml", ""), "sources: is missing"),
    ] {
        let error = load(&path).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn the_source_alone_can_be_read_and_checked() {
    let mut block = minimal()["sources"]["m365"].take();
    block.as_object_mut().unwrap().remove("type");
    let config: Office365Config = serde_json::from_value(block.clone()).unwrap();
    config.validate("").unwrap();
    block["intervall"] = json!(1);
    assert!(serde_json::from_value::<Office365Config>(block).unwrap_err().to_string().contains("intervall"));
    let empty = Office365Config { tenants: Vec::new(), ..config };
    assert_eq!(empty.validate("").unwrap_err().iter().next().unwrap().path, "tenants");
}

#[test]
fn every_key_is_documented() {
    fn walk(path: &str, schema: &Value, seen: &mut usize) {
        let Value::Object(map) = schema else { return };
        let required: Vec<_> = map.get("required").and_then(Value::as_array).into_iter().flatten().collect();
        for (key, property) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let path = format!("{path}.{key}");
            if property.get("const").is_none() {
                *seen += 1;
                let description = property["description"].as_str().unwrap_or_default();
                assert!(!description.is_empty(), "{path} has no description");
                assert!(
                    required.iter().any(|name| *name == key)
                        || property.get("default").is_some_and(|default| !default.is_null())
                        || description.replace('\n', " ").contains("Default: "),
                    "{path} does not say its default"
                );
                let unit = key.ends_with("_secs") || key.ends_with("_bytes");
                assert!(!unit || property.get("x-unit").is_some(), "{path} does not say its unit");
            }
            walk(&path, property, seen);
        }
        for (key, value) in map {
            match value {
                Value::Object(children) if key == "$defs" => {
                    for (name, child) in children {
                        walk(name, child, seen);
                    }
                }
                Value::Array(children) => children.iter().for_each(|child| walk(path, child, seen)),
                Value::Object(_) if key != "properties" && key != "default" => walk(path, value, seen),
                _ => {}
            }
        }
    }
    for (schema, title) in
        [(json_schema(), "office365-source configuration file"), (source_json_schema(), "office365 source")]
    {
        let mut seen = 0;
        walk("", &schema, &mut seen);
        assert!(seen > 35, "{seen}");
        assert_eq!(schema["title"], title);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    }
}

#[test]
fn the_schema_knows_defaults_and_bounds() {
    let schema = source_json_schema();
    let poll = &schema["$defs"]["PollConfig"]["properties"]["interval_secs"];
    assert_eq!((&poll["default"], &poll["minimum"], &poll["maximum"]), (&json!(60), &json!(1), &json!(86_400)));
    assert_eq!(schema["properties"]["start_from"]["default"], "1d");
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["$defs"]["SecretRef"]["writeOnly"], true);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_panics(text in "\\PC{0,200}|[\\[\\]{}=:\",.\\n a-z0-9-]{0,200}") {
        for format in [Format::Toml, Format::Yaml, Format::Json] {
            let _ = parse(&text, format);
        }
    }

    #[test]
    fn no_cut_and_no_slip_panics_or_shows_the_secret(cut in 0_usize..1_000, slip in "\\PC{0,3}") {
        let inline = format!("client_secret = \"{SECRET}\"");
        let text = FULL.replace("client_secret = { env = \"M365_CLIENT_SECRET\" }", &inline);
        let cut = text.char_indices().map(|(index, _)| index).rfind(|index| *index <= cut).unwrap_or(0);
        for text in [text[..cut].to_owned(), format!("{}{slip}{}", &text[..cut], &text[cut..])] {
            if let Err(errors) = parse(&text, Format::Toml) {
                prop_assert!(!format!("{errors}{errors:?}").contains("hunter2"), "{}", errors);
            }
        }
    }

    #[test]
    fn any_value_at_any_key_is_an_answer(key in "mode|auth|tenants|normalize|poll|webhook|start_from|endpoint|proxy|content_types", value in any_json()) {
        let _ = parse(&with(&[(&format!("/sources/m365/{key}"), value)]), Format::Json);
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(
                "id|env|file|interval_secs|https|listen|path|auth_id|expiration|allowed_sources|tls|[a-z]{1,8}",
                inner,
                0..4
            )
            .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
