//! One JSON object a line.

use crate::component::LogEvent;

/// Appends `events` to `out`, each followed by a line end.
pub(super) fn render<'e>(events: impl Iterator<Item = &'e LogEvent> + Clone, out: &mut Vec<u8>) {
    out.reserve(events.clone().map(|event| event.json_size() + 1).sum());
    for event in events {
        event.write_json(out);
        out.push(b'\n');
    }
}
