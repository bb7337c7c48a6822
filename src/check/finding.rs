//! What a check found.

use std::{fmt::Display, time::Duration};

use serde::Serialize;

/// What one check found.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// What was looked at, such as `sources.m365, TLS`.
    pub subject: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How long it took, where a remote service was asked. Unit: milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<u64>,
}

/// What came of a check. The texts are whole sentences or parts of one, free of secrets.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", tag = "outcome", content = "text")]
pub enum Outcome {
    /// All is well.
    Ok(String),
    /// Nothing is wrong, or it could not be tried; there is something to know.
    Note(String),
    /// Something is wrong; the text says what to change.
    Failed(String),
}

impl Finding {
    pub(super) fn new(subject: impl Into<String>, outcome: Outcome) -> Self {
        Self { subject: subject.into(), outcome, elapsed_ms: None }
    }

    /// The same, with how long it took.
    pub(super) fn taking(self, elapsed: Duration) -> Self {
        Self { elapsed_ms: u64::try_from(elapsed.as_millis()).ok(), ..self }
    }

    /// Whether something is wrong.
    pub const fn is_failure(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_))
    }
}

impl Outcome {
    pub(super) fn ok(text: impl Into<String>) -> Self {
        Self::Ok(text.into())
    }

    pub(super) fn note(text: impl Into<String>) -> Self {
        Self::Note(text.into())
    }

    pub(super) fn failed(problem: impl Display) -> Self {
        Self::Failed(problem.to_string())
    }

    /// What was found, in words.
    pub fn text(&self) -> &str {
        let (Self::Ok(text) | Self::Note(text) | Self::Failed(text)) = self;
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_finding_is_one_flat_object() {
        let finding = Finding::new("DNS", Outcome::failed("no address"));
        assert_eq!(
            serde_json::to_value(&finding).unwrap(),
            json!({ "subject": "DNS", "outcome": "failed", "text": "no address" })
        );
        assert!(finding.is_failure() && !Finding::new("DNS", Outcome::note("x")).is_failure());
    }
}
