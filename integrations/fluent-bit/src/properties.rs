//! The properties, in the style of Fluent Bit: flat names, all values texts.
//!
//! Each stands for a key of the source's own configuration, so that both have the same checks. Fluent Bit keeps some names
//! for itself and never shows them to a plugin (`tag`, `alias`, `host`, `port`, `listen`, `tls`, `tls.*`, `net.*`, `storage.*`,
//! everything that begins with `oauth2`; `flb_input_set_property` in its `src/flb_input.c`): none of these is here.

/// One property.
#[derive(Debug)]
pub(crate) struct Property {
    /// Its name, in lower case; Fluent Bit compares names without case.
    pub(crate) name: &'static str,
    /// The key it stands for: a path in the source's table, or one of the file's top level.
    pub(crate) key: Key,
    /// What its text means.
    pub(crate) kind: Kind,
    /// A value that a user may copy.
    pub(crate) example: &'static str,
}

/// Which key a property stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Key {
    /// A key of the source's table.
    Source(&'static str),
    /// A key of the top level.
    Top(&'static str),
    /// None: it is about the plugin.
    Plugin,
}

/// What a text means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// The text itself.
    Text,
    /// A whole number if it is one, else the text: sizes and durations may have a unit.
    Number,
    /// `on` or `off`.
    Switch,
    /// Texts with commas or spaces between.
    List,
    /// Tenants with commas or spaces between: an id each, or `id=domain`.
    Tenants,
}

pub(crate) const CONFIG_FILE: &str = "config_file";
pub(crate) const SOURCE: &str = "source";
pub(crate) const CHUNK_BYTES: &str = "chunk_bytes";
pub(crate) const DATA_DIR: &str = "data_dir";
pub(crate) const SHUTDOWN_TIMEOUT: &str = "shutdown_timeout_secs";

const fn source(name: &'static str, key: &'static str, kind: Kind, example: &'static str) -> Property {
    Property { name, key: Key::Source(key), kind, example }
}

const fn top(name: &'static str, kind: Kind, example: &'static str) -> Property {
    Property { name, key: Key::Top(name), kind, example }
}

const fn plugin(name: &'static str, kind: Kind, example: &'static str) -> Property {
    Property { name, key: Key::Plugin, kind, example }
}

/// Every property.
#[rustfmt::skip]
pub(crate) const ALL: &[Property] = &[
    plugin(CONFIG_FILE, Kind::Text, "/etc/office365-source/m365.toml"),
    plugin(SOURCE, Kind::Text, "office365"),
    plugin(CHUNK_BYTES, Kind::Number, "2MB"),
    top(DATA_DIR, Kind::Text, "/var/lib/office365-source"),
    top(SHUTDOWN_TIMEOUT, Kind::Number, "5"),
    source("tenant_id", "tenants.id", Kind::Text, "6a98b5da-7b3c-4486-bb0b-66a048c6da62"),
    source("tenant_domain", "tenants.domain", Kind::Text, "contoso.com"),
    source("tenants", "tenants", Kind::Tenants, "6a98b5da-7b3c-4486-bb0b-66a048c6da62=contoso.com"),
    source("client_id", "auth.client_id", Kind::Text, "11111111-2222-4333-8444-555555555555"),
    source("client_secret", "auth.client_secret", Kind::Text, "${M365_CLIENT_SECRET}"),
    source("client_secret_file", "auth.client_secret.file", Kind::Text, "/run/secrets/m365-client-secret"),
    source("client_secret_env", "auth.client_secret.env", Kind::Text, "M365_CLIENT_SECRET"),
    source("certificate_crt_file", "auth.certificate.crt_file", Kind::Text, "/etc/office365-source/app.crt"),
    source("certificate_key_file", "auth.certificate.key_file", Kind::Text, "/etc/office365-source/app.key"),
    source("certificate_password", "auth.certificate.password", Kind::Text, "${M365_CERTIFICATE_PASSWORD}"),
    source("certificate_password_file", "auth.certificate.password.file", Kind::Text, "/run/secrets/m365-certificate-password"),
    source("certificate_password_env", "auth.certificate.password.env", Kind::Text, "M365_CERTIFICATE_PASSWORD"),
    source("certificate_send_chain", "auth.certificate.send_chain", Kind::Switch, "off"),
    source("certificate_signing", "auth.certificate.signing", Kind::Text, "PS256"),
    source("federated_token_file", "auth.workload_identity.token_file", Kind::Text, "/var/run/secrets/azure/tokens/azure-identity-token"),
    source("managed_identity_client_id", "auth.managed_identity.client_id", Kind::Text, "11111111-2222-4333-8444-555555555555"),
    source("managed_identity_resource_id", "auth.managed_identity.resource_id", Kind::Text, "/subscriptions/…/userAssignedIdentities/m365"),
    source("publisher_identifier", "publisher_identifier", Kind::Text, "6a98b5da-7b3c-4486-bb0b-66a048c6da62"),
    source("cloud", "cloud", Kind::Text, "enterprise"),
    source("endpoint", "endpoint", Kind::Text, "https://manage.office.com"),
    source("auth_endpoint", "auth_endpoint", Kind::Text, "https://login.microsoftonline.com"),
    source("token_path", "token_path", Kind::Text, "/oauth2/v2.0/token"),
    source("content_types", "content_types", Kind::List, "Audit.Exchange, Audit.SharePoint"),
    source("mode", "mode", Kind::Text, "poll"),
    source("schema", "schema", Kind::Text, "ecs"),
    source("start_from", "start_from", Kind::Number, "24h"),
    source("keep_original", "normalize.keep_original", Kind::Switch, "off"),
    source("parse_user_agent", "normalize.parse_user_agent", Kind::Switch, "on"),
    source("resolve_sensitive_types", "normalize.resolve_sensitive_types", Kind::Switch, "on"),
    source("redact_detected_values", "normalize.redact_detected_values", Kind::Switch, "on"),
    source("data_stream_namespace", "normalize.data_stream_namespace", Kind::Text, "default"),
    source("geoip_city_db", "normalize.geoip.city_db", Kind::Text, "/var/lib/GeoIP/GeoLite2-City.mmdb"),
    source("geoip_asn_db", "normalize.geoip.asn_db", Kind::Text, "/var/lib/GeoIP/GeoLite2-ASN.mmdb"),
    source("poll_interval_secs", "poll.interval_secs", Kind::Number, "60"),
    source("poll_overlap_secs", "poll.overlap_secs", Kind::Number, "3600"),
    source("poll_reconcile_interval_secs", "poll.reconcile_interval_secs", Kind::Number, "21600"),
    source("webhook_listen", "webhook.listen", Kind::Text, "0.0.0.0:8443"),
    source("webhook_path", "webhook.path", Kind::Text, "/wh/o365/"),
    source("webhook_public_url", "webhook.public_url", Kind::Text, "https://demo.example.com:8443/wh/o365/"),
    source("webhook_auth_id", "webhook.auth_id", Kind::Text, "${M365_WEBHOOK_AUTH_ID}"),
    source("webhook_auth_id_file", "webhook.auth_id.file", Kind::Text, "/run/secrets/m365-webhook-auth-id"),
    source("webhook_auth_id_env", "webhook.auth_id.env", Kind::Text, "M365_WEBHOOK_AUTH_ID"),
    source("webhook_expiration", "webhook.expiration", Kind::Text, "never"),
    source("webhook_reconcile_interval_secs", "webhook.reconcile_interval_secs", Kind::Number, "900"),
    source("webhook_allowed_sources", "webhook.allowed_sources", Kind::List, "203.0.113.0/24"),
    source("webhook_service_tags_file", "webhook.service_tags_file", Kind::Text, "/etc/office365-source/ServiceTags_Public.json"),
    source("webhook_trusted_proxies", "webhook.trusted_proxies", Kind::List, "127.0.0.1"),
    source("webhook_tls", "webhook.tls.enabled", Kind::Switch, "on"),
    source("webhook_crt_file", "webhook.tls.crt_file", Kind::Text, "/etc/office365-source/webhook.crt"),
    source("webhook_key_file", "webhook.tls.key_file", Kind::Text, "/etc/office365-source/webhook.key"),
    source("webhook_client_ca_file", "webhook.tls.client_ca_file", Kind::Text, "/etc/office365-source/client-ca.pem"),
    source("webhook_client_names", "webhook.tls.client_names", Kind::List, "manage.office.com"),
    source("webhook_allow_plaintext", "webhook.tls.allow_plaintext", Kind::Switch, "off"),
    source("webhook_max_body_bytes", "webhook.limits.max_body_bytes", Kind::Number, "1MiB"),
    source("webhook_max_header_bytes", "webhook.limits.max_header_bytes", Kind::Number, "16KiB"),
    source("webhook_max_connections", "webhook.limits.max_connections", Kind::Number, "512"),
    source("webhook_max_connections_per_source", "webhook.limits.max_connections_per_source", Kind::Number, "64"),
    source("webhook_requests_per_minute_per_source", "webhook.limits.requests_per_minute_per_source", Kind::Number, "600"),
    source("webhook_header_timeout_secs", "webhook.limits.header_timeout_secs", Kind::Number, "10"),
    source("webhook_body_timeout_secs", "webhook.limits.body_timeout_secs", Kind::Number, "10"),
    source("webhook_idle_timeout_secs", "webhook.limits.idle_timeout_secs", Kind::Number, "60"),
    source("concurrency", "request.concurrency", Kind::Number, "16"),
    source("requests_per_minute", "request.requests_per_minute", Kind::Number, "2000"),
    source("request_timeout_secs", "request.timeout_secs", Kind::Number, "60"),
    source("max_blob_bytes", "request.max_blob_bytes", Kind::Number, "1GiB"),
    source("dedupe_window", "dedupe.window", Kind::Number, "7d"),
    source("batch_max_events", "batch.max_events", Kind::Number, "1000"),
    source("batch_max_bytes", "batch.max_bytes", Kind::Number, "1MiB"),
    source("spool_threshold", "memory.spool_threshold", Kind::Number, "1MiB"),
    source("max_buffered_bytes", "memory.max_buffered_bytes", Kind::Number, "64MiB"),
    source("max_record_bytes", "memory.max_record_bytes", Kind::Number, "32MiB"),
    source("state_type", "state.type", Kind::Text, "nats"),
    source("state_servers", "state.servers", Kind::List, "nats://n1:4222, nats://n2:4222, nats://n3:4222"),
    source("state_replicas", "state.replicas", Kind::Number, "3"),
    source("state_prefix", "state.prefix", Kind::Text, "o365"),
    source("state_credentials_file", "state.credentials_file", Kind::Text, "/etc/office365-source/nats.creds"),
    source("state_token", "state.token", Kind::Text, "${NATS_TOKEN}"),
    source("state_token_file", "state.token.file", Kind::Text, "/run/secrets/nats-token"),
    source("state_token_env", "state.token.env", Kind::Text, "NATS_TOKEN"),
    source("state_user", "state.user", Kind::Text, "office365"),
    source("state_password", "state.password", Kind::Text, "${NATS_PASSWORD}"),
    source("state_password_file", "state.password.file", Kind::Text, "/run/secrets/nats-password"),
    source("state_password_env", "state.password.env", Kind::Text, "NATS_PASSWORD"),
    source("state_nkey", "state.nkey", Kind::Text, "${NATS_NKEY}"),
    source("state_nkey_file", "state.nkey.file", Kind::Text, "/run/secrets/nats-nkey"),
    source("state_nkey_env", "state.nkey.env", Kind::Text, "NATS_NKEY"),
    source("state_ca_file", "state.tls.ca_file", Kind::Text, "/etc/office365-source/nats-ca.pem"),
    source("state_crt_file", "state.tls.crt_file", Kind::Text, "/etc/office365-source/nats.crt"),
    source("state_key_file", "state.tls.key_file", Kind::Text, "/etc/office365-source/nats.key"),
    source("ca_file", "tls.ca_file", Kind::Text, "/etc/ssl/corporate-ca.pem"),
    source("proxy_enabled", "proxy.enabled", Kind::Switch, "on"),
    source("proxy_http", "proxy.http", Kind::Text, "http://proxy.contoso.com:3128"),
    source("proxy_https", "proxy.https", Kind::Text, "http://proxy.contoso.com:3128"),
    source("no_proxy", "proxy.no_proxy", Kind::List, "localhost, 10.0.0.0/8"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_plain_different_and_not_fluent_bit_s_own() {
        let names: BTreeSet<_> = ALL.iter().map(|property| property.name).collect();
        assert_eq!(names.len(), ALL.len());
        for name in names {
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
            assert!(!name.starts_with("oauth2") && !name.starts_with("rate_"), "{name}");
            let reserved = [
                "tag",
                "alias",
                "host",
                "listen",
                "port",
                "ipv6",
                "log_level",
                "log_suppress_interval",
                "routable",
                "mem_buf_limit",
                "threaded",
                "tls",
                "name",
                "match",
            ];
            assert!(!reserved.contains(&name), "{name}");
        }
    }

    #[test]
    fn every_key_of_a_source_has_a_property() {
        let schema = office365_source::config::source_json_schema();
        let mut keys = BTreeSet::new();
        leaves(&schema, &schema, "", &mut keys);
        // What sinks say has no meaning here; secrets and tenants have forms of their own. `client_id` is the application's,
        // whatever its credential. Filters are lists of tables, which properties cannot say, and the audit
        // search is a table that has a meaning without keys: they need a `config_file`.
        let elsewhere =
            ["acknowledgements.enabled", "auth.workload_identity.client_id", "filters.exclude", "filters.include"];
        keys.retain(|key| !elsewhere.contains(&key.as_str()) && !key.starts_with("audit_search."));
        let known: BTreeSet<_> = ALL
            .iter()
            .filter_map(|property| match property.key {
                Key::Source(key) => Some(key.to_owned()),
                Key::Top(_) | Key::Plugin => None,
            })
            .collect();
        let missing: Vec<_> = keys.difference(&known).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let forms = [
            "auth.client_secret",
            "auth.certificate.password",
            "webhook.auth_id",
            "state.token",
            "state.password",
            "state.nkey",
        ]
        .map(|key| [".env", ".file"].map(|form| format!("{key}{form}")));
        let forms: Vec<_> = forms.iter().flatten().map(String::as_str).collect();
        let forms = forms.iter().chain(&["tenants.id", "tenants.domain"]).map(|key| (*key).to_owned()).collect();
        let unknown: Vec<_> =
            known.difference(&keys).cloned().collect::<BTreeSet<_>>().difference(&forms).cloned().collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    /// The paths of all keys that are no tables.
    fn leaves(root: &serde_json::Value, schema: &serde_json::Value, path: &str, keys: &mut BTreeSet<String>) {
        // A table that may be left out.
        let schema = schema.pointer("/anyOf/0").filter(|first| first.get("$ref").is_some()).unwrap_or(schema);
        let target = schema.get("$ref").and_then(|target| target.as_str()).and_then(|target| target.strip_prefix('#'));
        let schema = target.and_then(|target| root.pointer(target)).unwrap_or(schema);
        let Some(properties) = schema.get("properties").and_then(|properties| properties.as_object()) else {
            keys.insert(path.to_owned());
            return;
        };
        for (key, schema) in properties {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            leaves(root, schema, &path, keys);
        }
    }
}
