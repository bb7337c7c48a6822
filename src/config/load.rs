//! From a file to a configuration that can be used: syntax, keys, values, rules. Each step reports all that is
//! wrong before the next begins.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::{
    decode,
    document::{self, Format},
    error::{ConfigError, ConfigErrors},
    redact::Redactor,
    secret_backend::{self, BackendSecrets, SecretBackend, SecretName},
    source::Office365Config,
    structure,
    topology::{SourceEntry, TopologyConfig},
};

/// Reads and checks a configuration file: TOML, or YAML or JSON by its extension.
pub fn load(path: &Path) -> Result<TopologyConfig, ConfigErrors> {
    load_with_secrets(path, |_, _| Ok(BackendSecrets::new()))
}

/// The same, with the secrets of the file's backends in their places. `secrets` reads those that the file refers to.
///
/// # Errors
///
/// What is wrong with the file, or why a secret cannot be had. No secret is in what is told.
pub fn load_with_secrets(
    path: &Path,
    secrets: impl FnOnce(&BTreeMap<String, SecretBackend>, &BTreeSet<SecretName>) -> Result<BackendSecrets, ConfigErrors>,
) -> Result<TopologyConfig, ConfigErrors> {
    let (text, format, name) = read(path)?;
    parse_named(&text, format, &name, |document| {
        let names = secret_backend::names_in(document);
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let backends = decode::secret_backends(document)?;
        secret_backend::check(&backends)?;
        let found = secrets(&backends, &names)?;
        secret_backend::replace(document, &found);
        Ok(found.values().map(|secret| secret.expose_secret().to_owned()).collect())
    })
}

/// Reads and checks a configuration file for a host that is itself where events go, so that the file may have no `sinks`.
/// `defaults` are the keys of the top level whose default is the host's; what the file says goes before.
pub fn load_sources(path: &Path, defaults: &Map<String, Value>) -> Result<TopologyConfig, ConfigErrors> {
    let (text, format, name) = read(path)?;
    parse_named(&text, format, &name, |document| {
        let sources = document.get("sources").and_then(Value::as_object);
        let names: Vec<_> = sources.into_iter().flat_map(|sources| sources.keys().cloned()).collect();
        if let Some(table) = document.as_object_mut().filter(|_| !names.is_empty()) {
            table.entry("sinks").or_insert_with(|| json!({ "host": { "type": "console", "inputs": names } }));
            for (key, value) in defaults {
                table.entry(key).or_insert_with(|| value.clone());
            }
        }
        Ok(Vec::new())
    })
}

fn read(path: &Path) -> Result<(String, Format, String), ConfigErrors> {
    let name = path.display().to_string();
    let format = Format::of(path).ok_or_else(|| {
        let help = "Name it with .toml, or with .yaml, .yml or .json for a file in one of these formats.";
        ConfigError::new(&name, "the name does not say the format of the file", help)
    })?;
    let text = fs::read_to_string(path).map_err(|error| {
        let help = "Write the path of a UTF-8 text file that this process may read.";
        ConfigError::new(&name, format!("cannot be read: {error}"), help)
    })?;
    Ok((text, format, name))
}

/// Reads and checks a configuration text.
pub fn parse(text: &str, format: Format) -> Result<TopologyConfig, ConfigErrors> {
    parse_named(text, format, "", |_| Ok(Vec::new()))
}

/// Reads and checks the block of one source, without its `type`, for hosts with a configuration file of their own. `path`
/// is where the block is, such as `sources.m365`; empty when the host says that itself.
pub fn parse_source(block: Map<String, Value>, path: &str) -> Result<Office365Config, ConfigErrors> {
    let block = Value::Object(block);
    let redactor = Redactor::of(&block);
    let config = structure::check_source(&block, path).and_then(|()| decode::source(block, path));
    let config = config.and_then(|mut config| {
        config.complete();
        config.validate(path).map(|()| config)
    });
    config.map_err(|errors| redactor.clean(errors))
}

/// `complete` changes the document, and returns secrets that it has put there.
fn parse_named(
    text: &str,
    format: Format,
    name: &str,
    complete: impl FnOnce(&mut Value) -> Result<Vec<String>, ConfigErrors>,
) -> Result<TopologyConfig, ConfigErrors> {
    let mut document = document::read(text, format).map_err(|error| {
        let place = match (name, error.place().as_str()) {
            (name, "") => name.to_owned(),
            ("", place) => place.to_owned(),
            (name, place) => format!("{name}, {place}"),
        };
        ConfigError::new(place, error.message, "")
    })?;
    let secrets = complete(&mut document)?;
    let redactor = Redactor::of(&document).and(secrets);
    let config = structure::check(&document).and_then(|()| decode::topology(document));
    let config = config.and_then(|mut config| {
        for SourceEntry::Office365(source) in config.sources.values_mut() {
            source.complete();
        }
        config.validate().map(|()| config)
    });
    config.map_err(|errors| redactor.clean(errors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_takes_the_events_itself_needs_no_sinks() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m365.toml");
        let source = r#"
            [sources.m365]
            type = "office365"
            auth = { client_id = "11111111-2222-4333-8444-555555555555", client_secret = "hunter2" }
            tenants = [{ id = "6a98b5da-7b3c-4486-bb0b-66a048c6da62" }]
        "#;
        fs::write(&path, source).unwrap();
        assert!(load(&path).unwrap_err().to_string().starts_with("sinks: is missing"));
        let defaults = Map::from_iter([("shutdown_timeout_secs".to_owned(), Value::from(5))]);
        let load_sources = |path: &Path| load_sources(path, &defaults);
        let config = load_sources(&path).unwrap();
        assert_eq!((config.sources.len(), config.shutdown_timeout_secs), (1, 5));
        fs::write(&path, format!("shutdown_timeout_secs = 7\n{source}")).unwrap();
        assert_eq!(load_sources(&path).unwrap().shutdown_timeout_secs, 7, "what is written goes before");
        // What is written is checked all the same.
        fs::write(&path, format!("{source}\n[sinks.out]\ntype = \"console\"\ninputs = [\"other\"]")).unwrap();
        assert!(load_sources(&path).unwrap_err().to_string().contains("there is no source \"other\""));
        fs::write(&path, "").unwrap();
        assert!(load_sources(&path).unwrap_err().to_string().contains("sources: is missing"));
    }
}
