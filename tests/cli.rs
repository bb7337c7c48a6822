//! The program as a user meets it.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

const SECRET: &str = "hunter2-abc8Q~xyz";

struct Files {
    dir: TempDir,
}

impl Files {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a configuration that is good but for what `change` does to it.
    fn config(&self, change: impl FnOnce(String) -> String) -> PathBuf {
        let text = format!(
            r#"
data_dir = {data_dir:?}

[sources.m365]
type = "office365"

[sources.m365.auth]
client_id = "11111111-2222-4333-8444-555555555555"
client_secret = {{ env = "TEST_CLIENT_SECRET" }}

[[sources.m365.tenants]]
id = "6a98b5da-7b3c-4486-bb0b-66a048c6da62"
domain = "contoso.com"

[sinks.out]
type = "console"
inputs = ["m365"]
"#,
            data_dir = self.path("data/of/it").to_str().unwrap(),
        );
        let path = self.path("config.toml");
        fs::write(&path, change(text)).unwrap();
        path
    }
}

fn program() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("office365-source"));
    command.env("TEST_CLIENT_SECRET", SECRET).env_remove("OFFICE365_LOG");
    command
}

fn with_config(command: &str, config: &Path) -> Output {
    program().arg(command).arg("--config").arg(config).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Asserts the exit code and what the standard error says, and that it says it plainly.
fn assert_fails(output: &Output, code: i32, expected: &[&str]) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    for expected in expected {
        assert!(stderr.contains(expected), "{expected:?} is not in: {stderr}");
    }
    assert!(!stderr.contains("panicked") && !stderr.contains(SECRET), "{stderr}");
    assert!(!stderr.contains("Error {") && !stderr.contains("Some("), "{stderr}");
    assert_eq!(text(&output.stdout), "", "the standard output is for data");
}

#[test]
fn a_good_configuration_is_summed_up_and_nothing_is_left_behind() {
    let files = Files::new();
    let output = with_config("validate", &files.config(|text| text));
    let stdout = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for expected in [
        "The configuration is valid.",
        "sources.m365:",
        "endpoint: https://manage.office.com/ (cloud enterprise)",
        "tenant: 6a98b5da-7b3c-4486-bb0b-66a048c6da62 (contoso.com)",
        "content types: Audit.AzureActiveDirectory, Audit.Exchange, Audit.SharePoint, Audit.General",
        "the secret from the environment variable TEST_CLIENT_SECRET",
        "sinks.out: standard output, from m365",
    ] {
        assert!(stdout.contains(expected), "{expected:?} is not in: {stdout}");
    }
    assert!(!stdout.contains(SECRET));
    assert!(!files.path("data").exists(), "validating is no installation");
}

#[test]
fn an_unknown_key_is_named_with_the_nearest() {
    let files = Files::new();
    let config = files.config(|text| text.replace("domain =", "domian ="));
    let expected = ["sources.m365.tenants[0].domian", "domain"];
    assert_fails(&with_config("validate", &config), 1, &expected);
    assert_fails(&with_config("run", &config), 2, &expected);
}

#[test]
fn every_problem_outside_the_file_is_reported_at_once() {
    let files = Files::new();
    fs::write(files.path("data"), "a file is in the way").unwrap();
    let missing = files.path("missing/out.ndjson");
    let config = files.config(|text| {
        text.replace("TEST_CLIENT_SECRET", "TEST_UNSET_SECRET")
            .replace("type = \"console\"", &format!("type = \"file\"\npath = {missing:?}"))
    });
    let expected = [
        "data_dir: ",
        "sources.m365.auth.client_secret: the environment variable TEST_UNSET_SECRET is not set",
        "sinks.out.path: cannot open ",
        "Create the directory ",
    ];
    let output = with_config("validate", &config);
    assert_fails(&output, 1, &expected);
    assert_eq!(text(&output.stderr).lines().count(), 3, "one problem a line");
}

#[test]
fn a_secret_that_looks_wrong_is_hinted_at() {
    let files = Files::new();
    let config = files.config(|text| text);
    let output = program()
        .env("TEST_CLIENT_SECRET", "6a98b5da-7b3c-4486-bb0b-66a048c6da62")
        .args(["validate", "-c"])
        .arg(config)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("sources.m365.auth.client_secret: the client secret looks like a GUID"));
}

#[test]
fn a_missing_file_is_named() {
    let missing = Files::new().path("none.toml");
    assert_fails(&with_config("validate", &missing), 1, &[missing.to_str().unwrap(), "cannot be read"]);
    assert_fails(&with_config("run", &missing), 2, &[missing.to_str().unwrap(), "cannot be read"]);
}

#[test]
#[cfg(unix)]
fn a_data_directory_without_permission_is_named() {
    use std::os::unix::fs::PermissionsExt;

    let files = Files::new();
    let locked = files.path("data");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(locked.join("probe"), "").is_ok() {
        eprintln!("skipped: this user (root?) may write everywhere");
        return;
    }
    let config = files.config(|text| text);
    for (command, code) in [("validate", 1), ("run", 1)] {
        assert_fails(&with_config(command, &config), code, &["data_dir: cannot make ", "needs write permission on"]);
    }
}

#[test]
fn a_port_in_use_is_named() {
    let files = Files::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = files.config(|text| format!("{text}\n[telemetry]\nlisten = \"{address}\"\n"));
    let expected = format!("telemetry.listen: cannot listen on {address}: ");
    assert_fails(&with_config("run", &config), 1, &[&expected, "Stop the program that has this port"]);
}

#[test]
fn the_schema_is_json_and_survives_a_reader_that_had_enough() {
    let output = program().arg("schema").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema["type"], "object");
    assert!(text(&output.stdout).lines().count() > 100, "for people, too");

    let mut child = program().arg("schema").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::with_capacity(1, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn usage_errors_have_their_own_exit_code() {
    let run = |args: &[&str]| program().args(args).output().unwrap();
    assert_fails(&run(&["collect"]), 2, &["unrecognized subcommand"]);
    assert_fails(&run(&["run"]), 2, &["--config"]);
    assert_fails(&run(&["schema", "-v", "--log-level", "debug"]), 2, &["cannot be used with"]);
    let output = program().env("OFFICE365_LOG", "office365_source=loud").arg("schema").output().unwrap();
    assert_fails(&output, 2, &["OFFICE365_LOG: "]);
    let version = text(&run(&["--version"]).stdout);
    assert_eq!(version.trim(), concat!("office365-source ", env!("CARGO_PKG_VERSION")));
}
