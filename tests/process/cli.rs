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

impl Files {
    /// Writes a configuration of mode "webhook", with files that it can run with but for what `change` does to it.
    fn webhook_config(&self, change: impl FnOnce(String) -> String) -> PathBuf {
        // Signed by its own key only.
        let made = rcgen::generate_simple_self_signed(vec!["demo.example.com".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        for (name, text) in [
            ("webhook.crt", certificate.as_str()),
            ("webhook.key", key.as_str()),
            ("ca.pem", certificate.as_str()),
            ("tags.json", "{}"),
        ] {
            fs::write(self.path(name), text).unwrap();
        }
        self.config(|text| {
            let text = text.replace("type = \"office365\"", "type = \"office365\"\nmode = \"webhook\"");
            change(format!(
                r#"{text}
[sources.m365.webhook]
listen = "127.0.0.1:8443"
public_url = "https://demo.example.com:8443/wh/o365/"
auth_id = {{ env = "TEST_AUTH_ID" }}
allowed_sources = ["service_tag:M365ManagementActivityApiWebhook", "203.0.113.7"]
service_tags_file = {tags:?}

[sources.m365.webhook.tls]
crt_file = {crt:?}
key_file = {key:?}
client_ca_file = {ca:?}
"#,
                tags = self.path("tags.json").to_str().unwrap(),
                crt = self.path("webhook.crt").to_str().unwrap(),
                key = self.path("webhook.key").to_str().unwrap(),
                ca = self.path("ca.pem").to_str().unwrap(),
            ))
        })
    }
}

fn program() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("office365-source"));
    command.env("TEST_CLIENT_SECRET", SECRET).env("TEST_AUTH_ID", "0123456789abcdef").env_remove("OFFICE365_LOG");
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
fn a_good_webhook_is_summed_up() {
    let files = Files::new();
    let output = with_config("validate", &files.webhook_config(|text| text));
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""), "nothing to hint at");
    let shown = |name: &str| files.path(name).display().to_string();
    for expected in [
        "  listener: 127.0.0.1:8443, path /wh/o365/",
        "  public URL: https://demo.example.com:8443/wh/o365/",
        "  AuthID: the environment variable TEST_AUTH_ID",
        &format!("  TLS: certificate {}, key {}, client", shown("webhook.crt"), shown("webhook.key")),
        &format!("client certificates of manage.office.com by {}", shown("ca.pem")),
        "  allowed sources: service_tag:M365ManagementActivityApiWebhook, 203.0.113.7",
        &format!("  service tags: {}", shown("tags.json")),
        "  trusted proxies: none",
        "  expiration: never",
        "  reconciliation: every 900 seconds",
    ] {
        assert!(stdout.contains(expected), "{expected:?} is not in: {stdout}");
    }
    assert!(!stdout.contains("0123456789abcdef"), "{stdout}");
}

#[test]
fn every_file_of_a_webhook_is_looked_at() {
    let files = Files::new();
    let config = files.webhook_config(|text| text.replace("TEST_AUTH_ID", "TEST_UNSET_AUTH_ID"));
    for (name, text) in [
        ("webhook.crt", "-----BEGIN CERTIFICATE-----\nAAAA"),
        ("webhook.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"),
        ("ca.pem", ""),
        ("tags.json", "<html>"),
    ] {
        fs::write(files.path(name), text).unwrap();
    }
    let output = with_config("validate", &config);
    let at = |key: &str, name: &str| format!("sources.m365.webhook.{key}: {} ", files.path(name).display());
    let expected = [
        "sources.m365.webhook.auth_id: the environment variable TEST_UNSET_AUTH_ID is not set",
        &format!("{}is no PEM file of certificates: it ends within a section", at("tls.crt_file", "webhook.crt")),
        &format!("{}is no PEM file of a private key: it holds none. ", at("tls.key_file", "webhook.key")),
        &format!("{}is no PEM file of certificates: it holds no section", at("tls.client_ca_file", "ca.pem")),
        &format!("{}is not JSON: ", at("service_tags_file", "tags.json")),
    ];
    assert_fails(&output, 1, &expected);
    assert_eq!(text(&output.stderr).lines().count(), 5, "{}", text(&output.stderr));

    for name in ["webhook.crt", "webhook.key", "ca.pem", "tags.json"] {
        fs::remove_file(files.path(name)).unwrap();
    }
    let output = with_config("validate", &config);
    let missing = |name: &str| format!("cannot read {}: ", files.path(name).display());
    let expected = ["webhook.crt", "webhook.key", "ca.pem", "tags.json"].map(missing);
    assert_fails(&output, 1, &expected.each_ref().map(String::as_str));
}

#[test]
fn a_key_of_another_certificate_is_told_and_not_shown() {
    let files = Files::new();
    let config = files.webhook_config(|text| text);
    let key = fs::read_to_string(files.path("webhook.key")).unwrap();
    fs::write(files.path("webhook.key"), rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let expected = ["sources.m365.webhook.tls.key_file: ", "cannot serve with the certificate in ", "made together"];
    assert_fails(&with_config("validate", &config), 1, &expected);
    // Where the parser would quote the line.
    let (head, body) = key.split_once("PRIVATE KEY-----").unwrap();
    assert!(body.trim_start().starts_with("MIGH"), "the beginning of every key of this kind");
    fs::write(files.path("webhook.key"), format!("{head}PRIVATE KEY-----{}", body.trim_start())).unwrap();
    let output = with_config("validate", &config);
    assert_fails(&output, 1, &["sources.m365.webhook.tls.key_file: "]);
    assert!(!text(&output.stderr).contains("MIGH"), "{}", text(&output.stderr));
    assert!(!text(&output.stderr).contains("77, 73, 71, 72"), "{}", text(&output.stderr));
}

#[test]
fn what_a_webhook_may_not_mean_is_hinted_at() {
    let files = Files::new();
    let config = files.webhook_config(|text| {
        text.replace("https://demo.example.com:8443/wh/o365/", "https://other.example.com/wh/o365")
    });
    let output = program().env("TEST_AUTH_ID", "short").args(["validate", "-c"]).arg(config).output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    for expected in [
        "sources.m365.webhook.public_url: its path \"/wh/o365\" lacks the `/` at the end",
        "sources.m365.webhook.auth_id: the AuthID is short enough to be guessed",
        "sources.m365.webhook.tls.crt_file: the certificate is not for other.example.com",
    ] {
        assert!(stderr.contains(expected), "{expected:?} is not in: {stderr}");
    }
    assert_eq!(stderr.lines().count(), 3, "{stderr}");
}

#[test]
fn the_listener_and_the_metrics_cannot_share_a_port() {
    let files = Files::new();
    let config = files.webhook_config(|text| format!("{text}\n[telemetry]\nlisten = \"127.0.0.1:8443\"\n"));
    let expected = ["telemetry.listen and sources.m365 both need the TCP address 127.0.0.1:8443"];
    assert_fails(&with_config("validate", &config), 1, &expected);
}

#[test]
fn what_the_page_needs_is_looked_at_before_it_is_served() {
    let files = Files::new();
    fs::write(files.path("empty"), "\n").unwrap();
    for (token, expected) in [("nowhere", "nowhere"), ("empty", "is empty")] {
        let path = files.path(token);
        let telemetry =
            format!("[telemetry]\nlisten = \"127.0.0.1:0\"\ntoken = {{ file = {:?} }}\n", path.display().to_string());
        let config = files.config(|text| format!("{text}\n{telemetry}"));
        assert_fails(&with_config("validate", &config), 1, &["telemetry.token", expected]);
    }
}

#[test]
fn filters_are_shown() {
    let files = Files::new();
    let filter = "[[sources.m365.filters.exclude]]\noperation = [\"FileAccessed*\"]\n";
    let config = files.config(|text| format!("{text}\n{filter}"));
    let output = with_config("validate", &config);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("0 of include (0: all records), 1 of exclude"), "{text}");
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

#[test]
fn completions_and_manual_pages_are_printed_and_readers_may_have_enough() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = program().args(["completions", shell]).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
        let script = text(&output.stdout);
        assert!(script.contains("office365-source") && script.contains("retry-dead"), "{shell}: {script}");
    }
    assert_fails(&program().args(["completions", "tcsh"]).output().unwrap(), 2, &["invalid value 'tcsh'"]);
    let page = text(&program().arg("man").output().unwrap().stdout);
    assert!(page.contains(".TH office365-source 1") && page.contains("subscriptions"), "{page}");
    let page = text(&program().args(["man", "state", "export"]).output().unwrap().stdout);
    assert!(page.contains(".TH office365-source-state-export 1"), "{page}");
    assert_fails(&program().args(["man", "collect"]).output().unwrap(), 2, &["There is no command \"collect\""]);

    let mut child =
        program().args(["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::with_capacity(1, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}
