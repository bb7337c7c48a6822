//! Opening a page for the person at the terminal.

use std::{
    env,
    io::{self, IsTerminal},
};

/// Opens `url` if somebody is there to see it, and returns whether it tried with success. The link was printed: that no
/// browser opens is no failure.
pub(super) fn open(url: &str) -> bool {
    io::stdout().is_terminal() && has_display() && ::open::that_detached(url).is_ok()
}

/// Without one, `xdg-open` would start a browser in the terminal.
fn has_display() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(not(target_os = "linux")) || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}
