//! What becomes of a record on its way to an event, apart from its schema.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::Problems;

/// What becomes of a record on its way to an event, apart from its schema.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "four switches of a configuration file, independent of each other")]
pub struct NormalizeConfig {
    /// Whether events carry the text of the record they were made of: `event.original` with schema "ecs", `raw_data` with
    /// schema "ocsf". It doubles the size of events.
    pub keep_original: bool,
    /// Whether the parts of user agents are told apart, in builds with the feature `user-agent`.
    pub parse_user_agent: bool,
    /// Whether events of data loss prevention get the names of the sensitive information types that they have as GUIDs, with
    /// schemas "ecs" and "ocsf". The names are read once a day for each tenant with "DLP.All".
    pub resolve_sensitive_types: bool,
    /// Whether what data loss prevention has found, such as the number of a credit card and the text around it, is replaced
    /// by `[redacted]` wherever it is in a record, with every schema.
    pub redact_detected_values: bool,
    /// `data_stream.namespace` of events with schema "ecs": the last part of the name of the data stream that they are meant
    /// for, `logs-o365.audit-<namespace>`. Elastic's rules for it hold: lower case, without hyphens, blanks and
    /// `\ / * ? " < > | , # :`, at most 100 bytes.
    #[schemars(length(min = 1, max = 100))]
    pub data_stream_namespace: String,
    /// Databases that tell where the client's address is and whose network it is in, with schemas "ecs" and "ocsf".
    pub geoip: GeoipConfig,
}

/// Databases that tell where the client's address is and whose network it is in, with schemas "ecs" and "ocsf".
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct GeoipConfig {
    /// A MaxMind DB file of places, such as `GeoLite2-City.mmdb`: fills `source.geo` and `client.geo` (OCSF:
    /// `src_endpoint.location`). It is in memory, and read again when it changes. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/var/lib/GeoIP/GeoLite2-City.mmdb")]
    pub city_db: Option<PathBuf>,
    /// A MaxMind DB file of autonomous systems, such as `GeoLite2-ASN.mmdb`: fills `source.as` and `client.as` (OCSF:
    /// `src_endpoint.autonomous_system`). It is in memory, and read again when it changes. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/var/lib/GeoIP/GeoLite2-ASN.mmdb")]
    pub asn_db: Option<PathBuf>,
}

/// The longest namespace, in bytes.
const LONGEST_NAMESPACE: usize = 100;

/// Characters that a namespace may not have.
const NOT_IN_A_NAMESPACE: &[char] = &['\\', '/', '*', '?', '"', '<', '>', '|', ',', '#', ':', '-'];

/// Whether a text can be the namespace of a data stream, by Elastic's rules.
pub fn is_data_stream_namespace(text: &str) -> bool {
    (1..=LONGEST_NAMESPACE).contains(&text.len())
        && !text.contains(NOT_IN_A_NAMESPACE)
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
        && text.to_lowercase() == text
}

impl NormalizeConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        if !is_data_stream_namespace(&self.data_stream_namespace) {
            problems.add(
                "normalize.data_stream_namespace",
                format!("{:?} is not the namespace of a data stream", self.data_stream_namespace),
                "Write at most 100 bytes in lower case, without blanks, hyphens and any of \\ / * ? \" < > | , # :, such as \
                 data_stream_namespace = \"default\".",
            );
        }
        for (key, file) in [("city_db", &self.geoip.city_db), ("asn_db", &self.geoip.asn_db)] {
            if file.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
                problems.add(
                    &format!("normalize.geoip.{key}"),
                    "is empty",
                    "Write the path of a MaxMind DB file, or leave the key out.",
                );
            }
        }
    }
}

impl Default for NormalizeConfig {
    fn default() -> Self {
        Self {
            keep_original: false,
            parse_user_agent: true,
            resolve_sensitive_types: true,
            redact_detected_values: true,
            data_stream_namespace: "default".to_owned(),
            geoip: GeoipConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_those_that_elastic_takes() {
        for good in ["default", "contoso", "eu_1.prod", "日本", &"x".repeat(100)] {
            assert!(is_data_stream_namespace(good), "{good}");
        }
        let long = ["x".repeat(101), "日".repeat(34)];
        for bad in
            ["", "a-b", "A", "Ä", "a b", "a\tb", "a\u{a0}b", "a\0"].into_iter().chain(long.iter().map(String::as_str))
        {
            assert!(!is_data_stream_namespace(bad), "{bad:?}");
        }
        for character in "\\/*?\"<>|,#:-".chars() {
            assert!(!is_data_stream_namespace(&format!("a{character}b")), "{character}");
        }
    }
}
