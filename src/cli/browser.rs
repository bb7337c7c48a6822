//! Opening a page for the person at the terminal.

use std::{
    env,
    io::{self, IsTerminal},
};

/// Opens `url` if there is a desktop session, and returns whether that succeeded. The link was printed already: a
/// browser that does not open is no failure.
pub(super) fn open(url: &str) -> bool {
    io::stdout().is_terminal() && has_display() && ::open::that_detached(url).is_ok()
}

/// Without one, `xdg-open` would start a browser in the terminal.
fn has_display() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(not(target_os = "linux")) || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}
