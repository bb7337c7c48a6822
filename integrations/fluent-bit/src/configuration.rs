//! From properties to the source's own typed configuration, and its complaints back to the names that the user wrote.
//!
//! The properties become a document such as the standalone host's file, and are read as that file is: the same types, the
//! same rules, and secrets kept out of messages.

mod document;
mod words;

use std::{path::PathBuf, time::Duration};

use office365_source::config::{
    self, AcknowledgementsConfig, ByteSize, ConfigErrors, Format, Office365Config, ProxyConfig, SourceEntry,
    TopologyConfig,
};
use snafu::Snafu;

pub(crate) use self::words::Words;
use crate::properties::{ALL, CHUNK_BYTES, CONFIG_FILE, Key, SOURCE};

/// The name of a source that has no other.
const NAME: &str = "office365";

/// What one callback gives at most when nothing else is said: Fluent Bit closes a chunk at 2,048,000 bytes, and a stock
/// `in_forward` takes 6,144,000.
const DEFAULT_CHUNK: ByteSize = ByteSize::from_bytes(2_000_000);

/// The bounds of `chunk_bytes`.
const CHUNK: [ByteSize; 2] = [ByteSize::from_bytes(16 << 10), ByteSize::from_mib(64)];

/// Everything an instance runs with.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// The source's name: of its directory in `data_dir`, and in log lines.
    pub(crate) name: String,
    pub(crate) source: Office365Config,
    pub(crate) data_dir: PathBuf,
    pub(crate) proxy: ProxyConfig,
    pub(crate) acknowledgements: AcknowledgementsConfig,
    /// How many bytes one callback gives at most, unless a single event has more.
    pub(crate) chunk_bytes: usize,
    /// How long the end of an instance may take.
    pub(crate) shutdown_timeout: Duration,
    /// How the user calls the keys.
    pub(crate) words: Words,
    /// What the user has written without effect.
    pub(crate) warnings: Vec<String>,
}

/// Why an instance cannot run as configured. Each problem names the property, or the key of the file.
#[derive(Debug, Snafu)]
#[snafu(display("{}", problems.join("\n")))]
pub(crate) struct Refused {
    problems: Vec<String>,
}

impl From<String> for Refused {
    fn from(problem: String) -> Self {
        Self { problems: vec![problem] }
    }
}

/// Reads the properties, with `property` to ask for each.
///
/// # Errors
///
/// Everything that is wrong, as far as it can be known at once.
pub(crate) fn read(property: impl Fn(&str) -> Option<String>) -> Result<Configuration, Refused> {
    let mut given = Vec::new();
    for known in ALL {
        if let Some(text) = property(known.name) {
            given.push((known, text));
        }
    }
    let text = |name: &str| given.iter().find(|(known, _)| known.name == name).map(|(_, text)| text.trim());
    let chunk_bytes = chunk_bytes(text(CHUNK_BYTES))?;
    let (topology, name, words) = if let Some(path) = text(CONFIG_FILE) {
        let beside: Vec<_> = given.iter().filter(|(known, _)| known.key != Key::Plugin).collect();
        if let Some((first, _)) = beside.first() {
            return Err(Refused::from(format!(
                "{}: stands beside {CONFIG_FILE}, which has a key for it. Write it in the file, or leave {CONFIG_FILE} out.",
                first.name
            )));
        }
        let topology = config::load_sources(path.as_ref(), &document::defaults()).map_err(|errors| {
            let problems = errors.iter().map(|error| format!("{CONFIG_FILE}: {error}")).collect();
            Refused { problems }
        })?;
        let name = chosen(&topology, text(SOURCE))?;
        (topology, name, Words::of_a_file())
    } else {
        let name = text(SOURCE).unwrap_or(NAME).to_owned();
        check_name(&name)?;
        let words = Words::of_properties(&name, given.iter().map(|(known, _)| known.name).collect());
        let document = document::document(&name, &given)?;
        let topology = config::parse(&document.to_string(), Format::Json).map_err(|errors| refused(&words, &errors))?;
        (topology, name, words)
    };
    let shutdown_timeout = topology.shutdown_timeout();
    let TopologyConfig { data_dir, mut sources, acknowledgements, proxy, telemetry, .. } = topology;
    let Some(SourceEntry::Office365(mut source)) = sources.remove(&name) else {
        return Err(Refused::from(format!("{SOURCE}: there is no source {name:?}.")));
    };
    let mut warnings = Vec::new();
    if !source.acknowledgements.or(acknowledgements).enabled() {
        warnings.push(format!(
            "{CONFIG_FILE}: acknowledgements.enabled = false has no effect here: nothing counts as delivered before Fluent \
             Bit has it. Leave it out."
        ));
    }
    // Without, all that waits in our own queue would count as delivered.
    let acknowledgements = AcknowledgementsConfig { enabled: Some(true) };
    source.acknowledgements = acknowledgements;
    if telemetry.is_some() {
        warnings.push(format!(
            "{CONFIG_FILE}: telemetry has no effect here: the plugin serves no metrics of its own. Leave it out, or run the \
             standalone program."
        ));
    }
    Ok(Configuration {
        name,
        source,
        data_dir,
        proxy,
        acknowledgements,
        chunk_bytes,
        shutdown_timeout,
        words,
        warnings,
    })
}

fn refused(words: &Words, errors: &ConfigErrors) -> Refused {
    Refused { problems: errors.iter().map(|error| words.problem(error)).collect() }
}

fn chunk_bytes(text: Option<&str>) -> Result<usize, Refused> {
    let Some(text) = text else { return Ok(DEFAULT_CHUNK.as_usize()) };
    let value = document::number(text);
    let [least, most] = CHUNK;
    match serde_json::from_value::<ByteSize>(value) {
        Ok(size) if (least..=most).contains(&size) => Ok(size.as_usize()),
        Ok(size) => Err(Refused::from(format!(
            "{CHUNK_BYTES}: {size} is out of range. Write a size from {least} to {most}, such as: {CHUNK_BYTES} 2MB"
        ))),
        Err(error) => Err(Refused::from(format!("{CHUNK_BYTES}: {error}. For instance: {CHUNK_BYTES} 2MB"))),
    }
}

/// The name becomes that of a directory.
fn check_name(name: &str) -> Result<(), Refused> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if plain && (1..=64).contains(&name.len()) {
        return Ok(());
    }
    Err(Refused::from(format!(
        "{SOURCE}: is not a usable name. Write up to 64 letters, digits, _ and -, such as: {SOURCE} {NAME}"
    )))
}

/// Which source of a file is meant.
fn chosen(topology: &TopologyConfig, wanted: Option<&str>) -> Result<String, Refused> {
    let names: Vec<_> = topology.sources.keys().map(String::as_str).collect();
    match (wanted, names.as_slice()) {
        (Some(wanted), names) if names.contains(&wanted) => Ok(wanted.to_owned()),
        (None, [only]) => Ok((*only).to_owned()),
        (Some(wanted), names) => Err(Refused::from(format!(
            "{SOURCE}: the file has no source {wanted:?}. Write one of its sources: {}.",
            names.join(", ")
        ))),
        (None, names) => Err(Refused::from(format!(
            "{SOURCE}: is missing, and the file has several sources. Write one of them: {}.",
            names.join(", ")
        ))),
    }
}

#[cfg(test)]
#[path = "configuration_tests.rs"]
mod tests;
