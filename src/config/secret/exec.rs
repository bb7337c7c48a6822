//! Secrets that a command prints.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::error::Problems;

/// A command that prints a secret.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExecSecret {
    /// The program and its arguments. No shell takes part. It gets no input, and 30 seconds; what it prints is the secret.
    #[schemars(length(min = 1), example = ["/usr/local/bin/read-secret", "m365"])]
    pub exec: Vec<String>,
    /// The member of the JSON object that the command prints, when it prints one. Dots lead into objects within. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"data.client_secret")]
    pub field: Option<String>,
}

impl ExecSecret {
    pub(super) fn check(&self, problems: &mut Problems, key: &str) {
        let help = format!("Write {key} = {{ exec = [\"/usr/local/bin/read-secret\", \"m365\"] }}.");
        if self.exec.first().is_none_or(|program| program.trim().is_empty()) {
            problems.add(&format!("{key}.exec"), "names no program", help);
        } else if self.exec.iter().any(|argument| argument.contains('\0')) {
            problems.add(&format!("{key}.exec"), "has an argument with a zero byte in it", help);
        }
        if self.field.as_deref().is_some_and(|field| field.trim().is_empty()) {
            problems.add(&format!("{key}.field"), "is empty", "Write the name of a member, or leave the key out.");
        }
    }
}
