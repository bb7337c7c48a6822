//! Waiting for what has to happen, for as long as even a busy machine needs.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// What ends if something is wrong. Nothing takes nearly as long.
pub const GUARD: Duration = Duration::from_secs(120);

/// Waits until something is so. If that never happens, the test fails with `tell`.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool, tell: impl Fn() -> String) {
    let waiting = async {
        while !is_so() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(timeout(GUARD, waiting).await.is_ok(), "not so after {GUARD:?}: {what}\n{}", tell());
}
