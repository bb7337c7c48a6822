//! Properties as users write them.

use std::fs;

use office365_source::{
    config::{EventSchema, Mode, StateKind},
    content::ContentType,
};

use super::*;
use crate::properties;

const TENANT: &str = "6a98b5da-7b3c-4486-bb0b-66a048c6da62";
const CLIENT: &str = "11111111-2222-4333-8444-555555555555";

fn read_all(given: &[(&str, &str)]) -> Result<Configuration, String> {
    let property = |name: &str| given.iter().find(|(key, _)| *key == name).map(|(_, text)| (*text).to_owned());
    read(property).map_err(|error| error.to_string())
}

/// What is needed, and what a test adds or replaces; an empty text takes away.
fn with(changes: &[(&str, &str)]) -> Result<Configuration, String> {
    let mut given = vec![("tenant_id", TENANT), ("client_id", CLIENT), ("client_secret", "hunter2hunter2")];
    for (name, text) in changes {
        given.retain(|(known, _)| known != name);
        if !text.is_empty() {
            given.push((name, text));
        }
    }
    read_all(&given)
}

fn refusal(changes: &[(&str, &str)]) -> String {
    with(changes).unwrap_err()
}

#[test]
fn three_properties_are_enough() {
    let configuration = with(&[]).unwrap();
    assert_eq!(configuration.name, "office365");
    assert_eq!(configuration.chunk_bytes, 2_000_000);
    assert_eq!(configuration.shutdown_timeout, Duration::from_secs(5));
    assert_eq!(configuration.data_dir.to_str(), Some("/var/lib/office365-source"));
    let source = configuration.source;
    assert_eq!(source.tenants[0].id.to_string(), TENANT);
    assert_eq!(source.auth.client_id.unwrap().to_string(), CLIENT);
    assert_eq!((source.mode, source.schema), (Mode::Poll, EventSchema::Ecs));
}

#[test]
fn texts_become_what_the_keys_want() {
    let configuration = with(&[
        ("content_types", "Audit.Exchange,  dlp.all"),
        ("schema", "raw"),
        ("poll_interval_secs", "7"),
        ("keep_original", "On"),
        ("parse_user_agent", "no"),
        ("start_from", "2h"),
        ("max_blob_bytes", "5000000"),
        ("max_record_bytes", "2 MiB"),
        ("tenant_domain", "contoso.com"),
        ("no_proxy", "localhost 10.0.0.0/8"),
        ("chunk_bytes", "100KiB"),
        ("data_dir", "/tmp/x"),
        ("source", "m365-a"),
    ])
    .unwrap();
    assert_eq!((configuration.name.as_str(), configuration.chunk_bytes), ("m365-a", 102_400));
    assert_eq!(configuration.data_dir.to_str(), Some("/tmp/x"));
    let source = configuration.source;
    assert_eq!(source.content_types, [ContentType::Exchange, ContentType::Dlp]);
    assert_eq!((source.schema, source.poll.interval_secs), (EventSchema::Raw, 7));
    assert!(source.normalize.keep_original && !source.normalize.parse_user_agent);
    assert_eq!(source.request.max_blob_bytes.as_u64(), 5_000_000);
    assert_eq!(source.tenants[0].domain.as_deref(), Some("contoso.com"));
    assert_eq!(source.proxy.no_proxy, ["localhost", "10.0.0.0/8"]);
}

#[test]
fn several_collectors_share_state() {
    let servers = [("state_type", "nats"), ("state_servers", "nats://n1:4222, tls://n2:4222")];
    let state = with(&servers).unwrap().source.state;
    assert_eq!(state.kind, StateKind::Nats);
    assert_eq!(state.servers.iter().map(ToString::to_string).collect::<Vec<_>>(), ["nats://n1:4222", "tls://n2:4222"]);
    assert!(refusal(&servers[1..]).contains("state_type"));
    let token = [servers[0], servers[1], ("state_token", "a"), ("state_token_env", "B")];
    assert!(refusal(&token).contains("stands beside"));
}

#[test]
fn several_tenants_are_a_list() {
    let other = "0f4b81ca-52b6-4d19-a6e2-fab21ca00002";
    let list = format!("{TENANT}=contoso.com, {other}");
    let source = with(&[("tenant_id", ""), ("tenants", &list), ("publisher_identifier", TENANT)]).unwrap().source;
    assert_eq!(source.tenants.len(), 2);
    assert_eq!(source.tenants[0].domain.as_deref(), Some("contoso.com"));
    assert_eq!(source.tenants[1].id.to_string(), other);
    assert!(refusal(&[("tenants", &list)]).contains("stands beside"));
}

#[test]
fn every_example_is_accepted_where_it_stands() {
    for property in properties::ALL {
        let text = property.example.replace("${", "").replace('}', "");
        let mut changes = vec![(property.name, text.as_str())];
        match property.name {
            "config_file" => continue,
            "tenants" => changes.push(("tenant_id", "")),
            "client_secret_file" | "client_secret_env" | "federated_token_file" | "certificate_crt_file" => {
                changes.push(("client_secret", ""));
            }
            name if name.starts_with("state_") => {
                changes.extend([("state_type", "nats"), ("state_servers", "nats://n1:4222")]);
                if name.starts_with("state_password") {
                    changes.push(("state_user", "office365"));
                } else if name == "state_user" {
                    changes.push(("state_password", "hunter2hunter2"));
                } else if name == "state_crt_file" {
                    changes.push(("state_key_file", "/etc/office365-source/nats.key"));
                } else if name == "state_key_file" {
                    changes.push(("state_crt_file", "/etc/office365-source/nats.crt"));
                }
            }
            name if name.starts_with("managed_identity_") => changes.push(("client_secret", "")),
            name if name.starts_with("certificate_") => {
                changes.extend([("client_secret", ""), ("certificate_crt_file", "/etc/office365-source/app.crt")]);
            }
            _ => {}
        }
        if let Err(error) = with(&changes) {
            panic!("{}: {error}", property.name);
        }
    }
}

#[test]
fn complaints_name_the_property_and_say_what_to_write() {
    for (changes, starts, has) in [
        (&[("client_id", "")][..], "client_id: is missing.", "For instance: client_id 11111111"),
        (&[("client_id", "abc")], "client_id: is not a GUID.", "Application (client) ID"),
        (
            &[("client_secret", "")],
            "client_secret: is missing, and there is no other credential.",
            "For instance: client_secret ${M365",
        ),
        (&[("tenant_id", "")], "tenant_id: is missing", "For instance: tenant_id 6a98"),
        (&[("tenant_id", "x")], "tenant_id: ", "is not a tenant id"),
        (&[("mode", "pol")], "mode: \"pol\" is not known here; did you mean \"poll\"?", "For instance: mode poll"),
        (&[("mode", "webhook")], "webhook_public_url: is missing", "For instance: webhook_public_url https://"),
        (&[("poll_interval_secs", "0")], "poll_interval_secs: 0 is out of range.", "from 1 to 86400."),
        (&[("poll_interval_secs", "soon")], "poll_interval_secs: is a text where a whole number is expected.", "60"),
        (&[("content_types", "Audit.Exchange,Audit.Nothing")], "content_types (value 2): ", "Audit.Nothing"),
        (&[("keep_original", "maybe")], "keep_original: is not on or off.", "keep_original off"),
        (&[("chunk_bytes", "1GiB")], "chunk_bytes: 1GiB is out of range.", "64MiB"),
        (&[("chunk_bytes", "much")], "chunk_bytes: ", "is not a size"),
        (&[("source", "../x")], "source: is not a usable name.", ""),
        (&[("client_secret_file", "/x")], "client_secret_file: stands beside client_secret.", "one of the two"),
        (&[("batch_max_bytes", "60MiB")], "max_buffered_bytes: 64MiB is less than four times batch_max_bytes", ""),
        (&[("endpoint", "http://manage.office.com")], "endpoint: plain http", ""),
    ] {
        let text = refusal(changes);
        assert!(text.starts_with(starts) && text.contains(has), "{changes:?}: {text}");
        assert!(!text.contains("sources.") && !text.contains("hunter2"), "{text}");
        assert!(!text.contains(" = "), "{text}");
    }
}

#[test]
fn all_problems_are_told_at_once_and_no_secret() {
    let text = refusal(&[("client_id", "abc"), ("poll_interval_secs", "x"), ("schema", "hunter2hunter2")]);
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_file_is_taken_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m365.toml");
    let source = |name: &str| {
        format!(
            "[sources.{name}]\ntype = \"office365\"\nauth = {{ client_id = \"{CLIENT}\", client_secret = \"s3cret\" }}\n\
             tenants = [{{ id = \"{TENANT}\" }}]\n"
        )
    };
    let read_file = |text: &str, more: &[(&str, &str)]| {
        fs::write(&path, text).unwrap();
        let mut given = vec![("config_file", path.to_str().unwrap())];
        given.extend_from_slice(more);
        read_all(&given)
    };
    let head = "data_dir = \"/tmp/y\"\nshutdown_timeout_secs = 9\n";
    let configuration = read_file(&format!("{head}{}", source("a")), &[("chunk_bytes", "1MB")]).unwrap();
    assert_eq!((configuration.name.as_str(), configuration.chunk_bytes), ("a", 1_000_000));
    assert_eq!(configuration.data_dir.to_str(), Some("/tmp/y"));
    assert_eq!(configuration.shutdown_timeout, Duration::from_secs(9));
    assert_eq!(configuration.words.text("sources.a.auth.client_secret"), "sources.a.auth.client_secret");

    let configuration = read_file(&source("a"), &[]).unwrap();
    assert_eq!(configuration.shutdown_timeout, Duration::from_secs(5), "as with properties");
    assert_eq!(configuration.warnings, [""; 0]);

    let two = format!("{}{}", source("a"), source("b"));
    assert_eq!(read_file(&two, &[("source", "b")]).unwrap().name, "b");
    assert!(read_file(&two, &[]).unwrap_err().contains("source: is missing, and the file has several sources"));
    assert!(read_file(&two, &[("source", "c")]).unwrap_err().contains("a, b"));
    let with_sink = format!("{}[sinks.out]\ntype = \"console\"\ninputs = [\"a\"]\n", source("a"));
    assert_eq!(read_file(&with_sink, &[]).unwrap().name, "a");
    let beside = read_file(&with_sink, &[("client_id", CLIENT)]).unwrap_err();
    assert!(beside.starts_with("client_id: stands beside config_file"), "{beside}");
    let wrong = read_file(&source("a").replace("tenants", "tenant"), &[]).unwrap_err();
    assert!(wrong.starts_with("config_file: sources.a.tenant: unknown key; did you mean `tenants`?"), "{wrong}");
    fs::remove_file(&path).unwrap();
    assert!(read_all(&[("config_file", path.to_str().unwrap())]).unwrap_err().contains("cannot be read"));
}

#[test]
fn what_a_file_says_without_effect_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m365.toml");
    let source = format!(
        "[sources.a]\ntype = \"office365\"\nauth = {{ client_id = \"{CLIENT}\", client_secret = \"s3cret\" }}\n\
         tenants = [{{ id = \"{TENANT}\" }}]\n"
    );
    for (text, warnings) in [
        (format!("{source}acknowledgements.enabled = false\n"), &["acknowledgements.enabled = false"][..]),
        (format!("acknowledgements.enabled = false\n{source}acknowledgements.enabled = true\n"), &[]),
        (
            format!("acknowledgements.enabled = false\ntelemetry.listen = \"127.0.0.1:9598\"\n{source}"),
            &["acknowledgements.enabled = false", "telemetry has no effect here"],
        ),
    ] {
        fs::write(&path, text).unwrap();
        let configuration = read_all(&[("config_file", path.to_str().unwrap())]).unwrap();
        assert_eq!(configuration.warnings.len(), warnings.len(), "{:?}", configuration.warnings);
        for (warning, has) in configuration.warnings.iter().zip(warnings) {
            assert!(warning.starts_with("config_file: ") && warning.contains(has), "{warning}");
        }
        assert!(configuration.source.acknowledgements.or(configuration.acknowledgements).enabled());
    }
}

/// The files of our examples and this plugin's README.
fn documents() -> Vec<(String, String)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = fs::read_dir(root.join("../../config-examples/fluent-bit")).unwrap();
    let paths = examples.map(|entry| entry.unwrap().path()).chain([root.join("README.md")]);
    paths.map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap())).collect()
}

/// Whether Fluent Bit keeps a property for itself.
fn is_fluent_bit_s(name: &str) -> bool {
    matches!(name, "name" | "tag" | "alias" | "mem_buf_limit" | "threaded" | "log_level")
        || name.starts_with("storage.")
}

/// The properties of each input with our name, in either of Fluent Bit's formats.
fn inputs(text: &str) -> Vec<Vec<(String, String)>> {
    let mut inputs: Vec<Vec<(String, String)>> = Vec::new();
    let mut in_one = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') || line.starts_with("```") || line.is_empty() {
            in_one = line == "[INPUT]";
            if in_one {
                inputs.push(Vec::new());
            }
            continue;
        }
        if line.starts_with("- name: office365") {
            in_one = true;
            inputs.push(Vec::new());
        }
        if in_one && !line.starts_with('#') {
            let line = line.trim_start_matches("- ");
            let (name, text) = line.split_once(char::is_whitespace).unwrap();
            let name = name.trim_end_matches(':').to_lowercase();
            inputs.last_mut().unwrap().push((name, text.trim().to_owned()));
        }
    }
    inputs.retain(|input| input.contains(&("name".to_owned(), "office365".to_owned())));
    inputs
}

#[test]
fn every_example_is_valid() {
    let mut count = 0;
    for (file, text) in documents() {
        for input in inputs(&text) {
            count += 1;
            let own: Vec<_> = input.iter().filter(|(name, _)| !is_fluent_bit_s(name)).collect();
            for (name, _) in &own {
                assert!(properties::ALL.iter().any(|property| property.name == name), "{file}: {name}");
            }
            let given: Vec<_> = own.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
            if given.iter().any(|(name, _)| *name == "config_file") {
                continue;
            }
            // Fluent Bit replaces variables before the plugin sees them.
            let given: Vec<_> = given.iter().map(|(name, text)| (*name, text.trim_start_matches("${"))).collect();
            read_all(&given).unwrap_or_else(|error| panic!("{file}: {error}"));
        }
    }
    assert!(count >= 5, "{count} inputs found");
}

#[test]
fn the_readme_has_every_property_with_its_key_and_its_example() {
    let (_, text) = documents().pop().unwrap();
    for property in properties::ALL {
        let row = text.lines().find(|line| line.starts_with(&format!("| `{}` |", property.name)));
        let row = row.unwrap_or_else(|| panic!("{} has no row", property.name));
        assert!(row.ends_with(&format!("| `{}` |", property.example)), "{row}");
        if let Key::Source(key) | Key::Top(key) = property.key {
            let written = key.replace("tenants.", "tenants[0].");
            assert!(row.contains(&format!("`{written}`")), "{row}");
        }
    }
    let rows = text.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, properties::ALL.len());
}
