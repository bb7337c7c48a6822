//! Waiting for what has to happen, for as long as even a busy machine needs.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// What ends if something is wrong. Nothing takes nearly as long.
pub const GUARD: Duration = Duration::from_secs(300);

/// Waits until something is so. If that never happens, the test fails with `tell`.
pub async fn until(what: &str, is_so: impl FnMut() -> bool, tell: impl Fn() -> String) {
    until_each(Duration::from_millis(2), what, is_so, tell).await;
}

/// The same with a longer pause between looks, for looks that take long.
pub async fn until_each(pause: Duration, what: &str, mut is_so: impl FnMut() -> bool, tell: impl Fn() -> String) {
    let waiting = async {
        while !is_so() {
            sleep(pause).await;
        }
    };
    assert!(timeout(GUARD, waiting).await.is_ok(), "not so after {GUARD:?}: {what}\n{}", tell());
}
