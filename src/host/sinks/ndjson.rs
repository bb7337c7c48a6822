//! One JSON object a line.

use crate::host::delivery::Delivery;

/// Appends the events of `group` to `out`, each followed by a line end.
pub(super) fn render(group: &[Delivery], out: &mut Vec<u8>) {
    let events = || group.iter().flat_map(Delivery::events);
    out.reserve(events().map(|event| event.json_size() + 1).sum());
    for event in events() {
        event.write_json(out);
        out.push(b'\n');
    }
}
