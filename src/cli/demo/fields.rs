//! The fields of an ECS event.

use serde_json::Value;

use crate::component::LogEvent;

/// The fields of an ECS event, to look at.
pub(super) struct Fields(Value);

impl From<Value> for Fields {
    fn from(event: Value) -> Self {
        Self(event)
    }
}

impl Fields {
    pub(super) fn of(event: &LogEvent) -> Self {
        // Every record of the simulator makes an event that can be read back; of any other there is nothing to show.
        Self(serde_json::from_str(event.record().as_str()).unwrap_or_default())
    }

    /// A text by its JSON pointer; empty without one.
    pub(super) fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// All of them, with indentation.
    pub(super) fn in_full(&self) -> String {
        format!("{:#}", self.0)
    }
}
