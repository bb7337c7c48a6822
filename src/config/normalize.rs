//! What becomes of a record on its way to an event, apart from its schema.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
}

impl Default for NormalizeConfig {
    fn default() -> Self {
        Self {
            keep_original: false,
            parse_user_agent: true,
            resolve_sensitive_types: true,
            redact_detected_values: true,
        }
    }
}
