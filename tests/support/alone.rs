//! Tests that need a process of their own, since what they look at or change is the process's.

use std::{env, process::Command};

/// Set in such a process.
const ALONE: &str = "TEST_IS_ALONE";

/// Whether this is the process of the test `name` alone, by its path as libtest shows it. Otherwise runs it in one, and
/// fails as it does: the caller has nothing left to do.
pub fn is_alone(name: &str) -> bool {
    if env::var_os(ALONE).is_some() {
        return true;
    }
    let mut command = Command::new(env::current_exe().unwrap());
    let output = command.args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("test result: ok. 1 passed"), "no test is called {name}: {text}");
    false
}
