//! What the sinks' tables may say.

use serde_json::{Value, json};

use crate::config::{Format, SinkConfig, TopologyConfig, parse};

/// A file with one sink, as its user writes it.
fn load(sink: &Value) -> Result<TopologyConfig, String> {
    let mut sink = sink.clone();
    sink["inputs"] = json!(["m365"]);
    let document = json!({
        "sources": { "m365": {
            "type": "office365",
            "auth": { "client_id": "6a98b5da-7b3c-4486-bb0b-66a048c6da62", "client_secret": "a-secret-of-the-source" },
            "tenants": [{ "id": "2f5a9ad0-5b0b-4f5e-9f3e-0f7d2f3c1a10" }]
        } },
        "sinks": { "siem": sink }
    });
    parse(&document.to_string(), Format::Json).map_err(|errors| errors.to_string())
}

/// The least that each sink needs.
fn least(kind: &str) -> Value {
    let own = match kind {
        "vector" => json!({ "address": "http://127.0.0.1:6000" }),
        "fluent" => json!({ "servers": ["tcp://127.0.0.1:24224"] }),
        "opentelemetry" => json!({ "endpoint": "http://127.0.0.1:4317" }),
        "http" => json!({ "uri": "https://siem.contoso.com/ingest" }),
        "splunk_hec" => json!({ "endpoint": "https://splunk.contoso.com:8088", "token": "hunter2-token" }),
        other => panic!("{other}"),
    };
    let mut sink = own;
    sink["type"] = json!(kind);
    sink
}

const KINDS: [&str; 5] = ["vector", "fluent", "opentelemetry", "http", "splunk_hec"];

fn with(kind: &str, pointer: &str, value: Value) -> Value {
    let mut sink = least(kind);
    let mut place = &mut sink;
    for key in pointer.split('/') {
        place = &mut place[key];
    }
    *place = value;
    sink
}

#[test]
fn the_least_of_each_is_enough_and_survives_being_printed() {
    for kind in KINDS {
        let topology = load(&least(kind)).unwrap_or_else(|errors| panic!("{kind}: {errors}"));
        let sink = &topology.sinks["siem"];
        assert_eq!(sink.component_type(), kind);
        assert!(sink.network().is_some() && sink.destination().starts_with(kind), "{}", sink.destination());
        let printed = serde_json::to_value(sink).unwrap();
        assert!(!printed.to_string().contains("hunter2"), "{printed}");
        let again: SinkConfig = serde_json::from_value(printed).unwrap();
        assert_eq!(serde_json::to_value(&again).unwrap(), serde_json::to_value(sink).unwrap());
    }
}

#[test]
fn every_mistake_is_named_with_what_to_write_instead() {
    for (sink, path, words) in [
        (with("vector", "address", json!("vector.contoso.com:6000")), "address", "begins with http:// or https://"),
        (with("vector", "address", json!("http://127.0.0.1:6000/x")), "address", "more than scheme, host and port"),
        (with("vector", "address", json!("http://me:hunter2@127.0.0.1")), "address", "user name or password"),
        (with("vector", "adress", json!("x")), "adress", "did you mean `address`?"),
        (with("vector", "batch/max_events", json!(0)), "batch.max_events", "from 1 to 100000"),
        (with("vector", "batch/max_bytes", json!("1GiB")), "batch.max_bytes", "from 1KiB to 64MiB"),
        (with("vector", "request/concurrency", json!(65)), "request.concurrency", "from 1 to 64"),
        (
            with("vector", "request/retry_initial_backoff_secs", json!(31)),
            "request.retry_initial_backoff_secs",
            "at most 30",
        ),
        (with("splunk_hec", "tls/crt_file", json!("/a.pem")), "tls.key_file", "is missing"),
        (with("splunk_hec", "tls/key_file", json!("/a.pem")), "tls.crt_file", "is missing"),
        (with("splunk_hec", "tls/server_name", json!("not a name")), "tls.server_name", "host name"),
        (with("vector", "dead_letter/path", json!("")), "dead_letter.path", "is empty"),
        (with("vector", "tls/ca_file", json!("/ca.pem")), "tls", "speaks no TLS"),
        (with("fluent", "servers", json!(["tcp://a:1", "tls://b:1"])), "servers", "in the clear"),
        (with("http", "headers/Transfer-Encoding", json!("x")), "headers.Transfer-Encoding", "set by the sink itself"),
        (with("http", "headers", json!({ "X-A": "value", "x-a": "value" })), "headers.x-a", "is there twice"),
        (
            with("http", "headers/Proxy-Authorization", json!("x")),
            "headers.Proxy-Authorization",
            "set by the sink itself",
        ),
        (with("http", "proxy/https", json!("socks5://proxy:1080")), "proxy.https", "not the URL of an HTTP proxy"),
        (with("vector", "proxy/http", json!("http://me:hunter2@@proxy")), "proxy.http", "percent-encoded"),
        (with("splunk_hec", "proxy/no_proxy", json!(["a,b"])), "proxy.no_proxy[0]", "is not one host"),
        (with("opentelemetry", "proxy/https", json!("ftp://proxy")), "proxy.https", "not the URL of an HTTP proxy"),
        (with("fluent", "proxy/https", json!("http://proxy:3128")), "proxy", "unknown key"),
        (with("fluent", "servers", json!([])), "servers", "is empty"),
        (with("fluent", "servers", json!(["http://x"])), "servers[0]", "begins with tcp:// or tls://"),
        (
            with("fluent", "servers", json!(["localhost:1"])),
            "servers[0]",
            "Write servers = [\"tls://siem.contoso.com:24224\"]",
        ),
        (
            with("fluent", "servers", json!(["127.0.0.1:1"])),
            "servers[0]",
            "Write servers = [\"tcp://127.0.0.1:24224\"]",
        ),
        (with("fluent", "tag", json!("a b")), "tag", "is not a tag"),
        (with("fluent", "auth", json!({ "shared_key": "k", "username": "u" })), "auth.password", "is missing"),
        (with("opentelemetry", "endpoint", json!("http://127.0.0.1:4317/v1/logs")), "endpoint", "more than scheme"),
        (with("opentelemetry", "headers/content-type", json!("x")), "headers.content-type", "set by the sink itself"),
        (with("http", "headers/a b", json!("x")), "headers.a b", "not the name of an HTTP header"),
        (with("http", "auth", json!({})), "auth", "neither a token nor a user"),
        (with("http", "auth", json!({ "token": "t", "user": "u" })), "auth", "neither a token nor a user"),
        (with("http", "auth", json!({ "user": "a:b", "password": "p" })), "auth.user", "colon"),
        (with("splunk_hec", "compression", json!("zstd")), "compression", "not read by Splunk"),
        (with("splunk_hec", "endpoint", json!("http://splunk.contoso.com:8088")), "token", "in the clear"),
        (
            with("splunk_hec", "indexer_acknowledgements/max_pending_acks", json!(0)),
            "indexer_acknowledgements.max_pending_acks",
            "from 1 to 1024",
        ),
    ] {
        let errors = load(&sink).expect_err(&sink.to_string());
        assert!(errors.starts_with(&format!("sinks.siem.{path}: ")) && errors.contains(words), "{sink}:\n{errors}");
        assert!(!errors.contains("hunter2"), "{errors}");
    }
}

#[test]
fn credentials_do_not_travel_in_the_clear_but_to_this_machine() {
    for (address, is_fine) in
        [("http://127.0.0.1:1/x", true), ("https://siem.contoso.com/x", true), ("http://siem.contoso.com/x", false)]
    {
        for (key, value) in [("auth", json!({ "token": "hunter2-token" })), ("headers/X-Key", json!("hunter2-key"))] {
            let mut sink = with("http", key, value);
            sink["uri"] = json!(address);
            assert_eq!(load(&sink).is_ok(), is_fine, "{sink}");
        }
    }
}

#[test]
fn two_sinks_cannot_write_the_same_file() {
    let text = r#"
        [sources.m365]
        type = "office365"
        auth.client_id = "6a98b5da-7b3c-4486-bb0b-66a048c6da62"
        auth.client_secret = "a-secret-of-the-source"
        tenants = [{ id = "2f5a9ad0-5b0b-4f5e-9f3e-0f7d2f3c1a10" }]
        [sinks.a]
        type = "file"
        inputs = ["m365"]
        path = "/tmp/a"
        [sinks.b]
        type = "vector"
        inputs = ["m365"]
        address = "http://127.0.0.1:6000"
        dead_letter.path = "/tmp/a"
    "#;
    let errors = parse(text, Format::Toml).unwrap_err().to_string();
    assert!(errors.starts_with("sinks.b.dead_letter.path: the sink a writes the same file"), "{errors}");
}

#[test]
fn the_value_of_a_header_is_shown_nowhere_and_its_name_is() {
    let mut sink = with("http", "headers/X-Api-Key", json!("hunter2-key"));
    sink["adress"] = json!("hunter2-key");
    sink["uri"] = json!("http://siem.contoso.com/hunter2-key");
    let errors = load(&sink).unwrap_err();
    assert!(!errors.contains("hunter2"), "{errors}");
    let errors = load(&with("http", "headers/X-Api-Key", json!(["hunter2-key"]))).unwrap_err();
    assert!(errors.contains("headers.X-Api-Key") && !errors.contains("hunter2"), "{errors}");
}
