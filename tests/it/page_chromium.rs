//! The page in Chromium: what a browser makes of it. Without Chromium there is nothing to drive, and the test says so.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use office365_source::{
    clock::Clock,
    config::TelemetryConfig,
    content::{ContentType, Feed, TenantId},
    host::PageServer,
    insights::Insights,
    telemetry::{Progress, Stage, feed_failed},
};
use uuid::Uuid;

/// Where Chromium is; `None`, said aloud, if it is not installed.
fn chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let directories: Vec<_> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    let found =
        directories.iter().flat_map(|directory| names.map(|name| directory.join(name))).find(|path| path.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: no Chromium is installed (Debian's package is chromium)");
    }
    found
}

/// What a run of Chromium says on its standard output, and on its standard error.
fn run(chromium: &Path, arguments: &[&str], url: &str) -> (String, String) {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(chromium)
        // Tests may run as root, where Chromium has no sandbox.
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments)
        .arg(url)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The page has its style and tells of no violation of its policy.
fn assert_unhindered(log: &str) {
    for trouble in ["Content Security Policy", "Refused to", "CONSOLE"] {
        assert!(!log.contains(trouble), "{log}");
    }
}

#[tokio::test]
async fn html_in_a_problem_and_in_a_name_does_nothing() {
    const HTML: &str =
        "</td></table><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">";
    let Some(chromium) = chromium() else { return };
    let (progress, insights) = (Progress::default(), Insights::default());
    let tenant = TenantId(Uuid::from_u128(1));
    feed_failed(&progress, Feed { tenant, content_type: ContentType::General }, Stage::Listing, "x", HTML);
    let server = PageServer::bind(&TelemetryConfig::plain("127.0.0.1:0".parse().unwrap())).await.unwrap();
    let address: SocketAddr = server.address();
    let names = BTreeMap::from([(tenant, HTML.to_owned())]);
    let serving = tokio::spawn(server.serve(("m365".into(), progress), names, insights, Clock::system()));
    let url = format!("http://{address}/");
    let (dom, log) = tokio::task::spawn_blocking(move || run(&chromium, &["--dump-dom"], &url)).await.unwrap();
    serving.abort();
    assert!(dom.contains("<title>Collection – office365-source</title>"), "{dom}");
    assert!(dom.contains("&lt;script&gt;document.title='owned'&lt;/script&gt;"), "{dom}");
    assert!(!dom.contains("<script") && !dom.contains("<img"), "{dom}");
    assert_unhindered(&log);
}

/// A demo with its page, which ends with this value.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(feature = "simulator")]
#[test]
fn the_page_of_the_demo_is_filled_without_scripts() {
    let Some(chromium) = chromium() else { return };
    let mut demo = Demo(
        Command::new(env!("CARGO_BIN_EXE_office365-source"))
            .args(["demo", "--page", "--seconds", "2", "--events", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(demo.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let url = lines.find_map(|line| line.strip_prefix("The page is at ").map(str::to_owned)).unwrap();
    // Everything that there is has come.
    assert!(lines.any(|line| line.contains("the page stays at")));

    let dom = |path: &str| {
        let (dom, log) = run(&chromium, &["--dump-dom"], &format!("{url}{path}"));
        assert_unhindered(&log);
        assert!(!dom.contains("<script"), "{dom}");
        dom
    };
    let feeds = dom("");
    for text in ["contoso.com", "fabrikam.com", "Audit.AzureActiveDirectory", "enabled", "<path d=\"M"] {
        assert!(feeds.contains(text), "{text} in {feeds}");
    }
    let logons = dom("logons");
    assert!(logons.contains("@contoso.com") && logons.contains("Failed logons by source"), "{logons}");
    let sharepoint = dom("sharepoint");
    assert!(sharepoint.contains("https://contoso.sharepoint.com/sites/"), "{sharepoint}");
    let labels = dom("labels");
    assert!(labels.contains("Highly Confidential") && labels.contains("Applied"), "{labels}");

    // What is drawn is more than an empty area. It needs no scripts: there are none, and the policy lets none run. (Chromium without a
    // window cannot draw or write the DOM with scripts turned off.)
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("page.png");
    let screenshot = format!("--screenshot={}", file.display());
    run(&chromium, &["--window-size=1360,900", &screenshot], &url);
    assert!(fs::metadata(&file).unwrap().len() > 40_000);
}
