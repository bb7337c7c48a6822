//! Real processes whose disks and outputs are full, taken away or closed.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
#![cfg(all(unix, feature = "cli", feature = "simulator"))]

use crate::{moment::Seen, program::World};

use std::{
    fs,
    io::Read,
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use chrono::{TimeDelta, Utc};
use office365_source::{
    content::{ContentType, Feed},
    ledger::{RedbLedger, Upkeep},
    simulator::{BlobSpec, Faults, SimulatedTenant},
};

/// Takes the ledger away from a program that runs, by `how` with its directory, and starts it again.
async fn assert_stops_and_nothing_is_missing(how: impl FnOnce(&Path)) {
    let latency = Some(Duration::from_millis(20)..=Duration::from_millis(60));
    let world = World::new(Faults { latency, ..Faults::default() }).await;
    let mut watch = world.watch(Seen::Written);
    let mut child = world.start(&[]);
    world.until("it has written something", || watch.count() > 0).await;
    how(&world.path("data/m365"));
    assert_eq!(world.wait(&mut child).await, 1);
    let log = world.log();
    // Whichever misses its file first says so: a large body has one in the same directory.
    let by_ledger = log.contains("was deleted, moved or replaced while this program used it")
        && log.contains("error_code=\"ledger_replaced\"");
    let by_spool = log.contains("cannot spool a content blob to") && log.contains("error_code=\"spool\"");
    assert!(by_ledger || by_spool, "{log}");
    let mut next = world.start(&["--once"]);
    assert_eq!(world.wait(&mut next).await, 0, "{}", world.log());
    assert_eq!(world.missing(&world.written().0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_that_is_deleted_stops_the_program_and_nothing_is_missing() {
    assert_stops_and_nothing_is_missing(|home| fs::remove_dir_all(home).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_replaced_stops_the_program_and_nothing_is_missing() {
    // As of a restore: another ledger, which knows nothing.
    let other = tempfile::TempDir::new().unwrap();
    drop(RedbLedger::open(other.path(), TimeDelta::days(7)).await.unwrap());
    assert_stops_and_nothing_is_missing(|home| {
        fs::copy(other.path().join("ledger.redb"), home.join("other")).unwrap();
        fs::rename(home.join("other"), home.join("ledger.redb")).unwrap();
    })
    .await;
}

/// Places a blob of 24 MiB and returns its feed.
fn place_a_large_blob(world: &World) -> Feed {
    let feed = Feed { tenant: SimulatedTenant::contoso().id, content_type: ContentType::General };
    let record = format!(r#"{{"Id":"large","OrganizationId":"{}","Filler":"{}"}}"#, feed.tenant, "x".repeat(1 << 20));
    let body = format!("[{}]", [record.as_str(); 24].join(","));
    world.simulator.add_blob(feed, BlobSpec::new(body, Utc::now() - TimeDelta::hours(1)));
    feed
}

/// Asserts that everything was delivered but one blob of `feed`, which is pending and reported.
async fn assert_only_the_large_blob_waits(world: &World, data_dir: &Path, feed: Feed, events: usize) {
    let log = world.log();
    assert!(
        log.contains("error_code=\"no_room\"") && log.contains("free some space there or raise the limit"),
        "{log}"
    );
    assert!(log.contains(&format!("sources.m365: {events} events delivered")), "{log}");
    let ledger = RedbLedger::open(&data_dir.join("m365"), TimeDelta::days(7)).await.unwrap();
    let pending: Vec<_> = ledger.summary().await.unwrap().into_iter().filter(|(_, feed)| feed.pending > 0).collect();
    assert!(pending.len() == 1 && pending[0].0 == feed && pending[0].1.pending == 1, "{pending:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_above_the_limit_of_the_size_of_files_costs_nothing_but_itself() {
    let world = with_console().await;
    let events = world.simulator.oracle().expected_ids().len();
    let feed = place_a_large_blob(&world);
    // 8 MiB or 16, according to the shell. The signal of the limit would end the process.
    let mut child = world.start_in_shell(r#"ulimit -f 16384; exec "$@" >/dev/null"#, &["--once"]);
    assert_eq!(world.wait(&mut child).await, 1, "something stayed undelivered: {}", world.log());
    assert_only_the_large_blob_waits(&world, &world.path("data"), feed, events).await;
}

/// A small file system in memory.
#[cfg(target_os = "linux")]
struct Disk(PathBuf);

#[cfg(target_os = "linux")]
impl Disk {
    /// `None` if this process may not mount.
    fn mount(path: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&path);
        mount.status().is_ok_and(|status| status.success()).then_some(Self(path))
    }
}

#[cfg(target_os = "linux")]
impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn a_full_disk_costs_only_the_blobs_that_do_not_fit() {
    let world = with_console().await;
    let Some(disk) = Disk::mount(world.path("disk"), "24m") else {
        eprintln!("SKIPPED: this user may not mount a file system");
        return;
    };
    world.configure(|text| text.replace("/data\"", "/disk\""));
    let events = world.simulator.oracle().expected_ids().len();
    let feed = place_a_large_blob(&world);
    let mut child = world.start(&["--once"]);
    assert_eq!(world.wait(&mut child).await, 1, "something stayed undelivered: {}", world.log());
    assert_only_the_large_blob_waits(&world, &disk.0, feed, events).await;
}

/// A world that writes to the standard output.
async fn with_console() -> World {
    let world = World::new(Faults::default()).await;
    let file = format!("path = \"{}\"", world.path("events.ndjson").display());
    world.configure(|text| {
        // No other blob is spooled, which would meet the same limit while the large one is on its way.
        let text = text.replace("spool_threshold = \"64KiB\"", "spool_threshold = \"256KiB\"");
        text.replace("type = \"file\"", "type = \"console\"").replace(&file, "")
    });
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_sink_without_a_standard_output_is_refused() {
    for (script, problem) in [
        (r#"exec "$@" >&-"#, "it is closed"),
        (r#"exec "$@" >&- <&-"#, "it is closed"),
        (r#"exec "$@" 1</dev/zero"#, "it is open for reading only"),
    ] {
        let world = with_console().await;
        let mut child = world.start_in_shell(script, &["--once"]);
        assert_eq!(world.wait(&mut child).await, 1, "{script}: {}", world.log());
        let log = world.log();
        assert!(log.contains("sinks.out: cannot write to the standard output: ") && log.contains(problem), "{log}");
        assert!(log.contains("Start the program with a standard output that goes somewhere"), "{log}");
        assert!(!world.path("data/m365").exists(), "nothing has begun");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standard_output_that_was_thrown_away_on_purpose_is_written_to() {
    let world = with_console().await;
    let mut child = world.start_in_shell(r#"exec "$@" >/dev/null"#, &["--once"]);
    assert_eq!(world.wait(&mut child).await, 0, "{}", world.log());
    // What another sink does needs no standard output.
    let world = World::new(Faults::default()).await;
    let mut child = world.start_in_shell(r#"exec "$@" >&-"#, &["--once"]);
    assert_eq!(world.wait(&mut child).await, 0, "{}", world.log());
    assert_eq!(world.missing(&world.written().0), 0);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn what_a_reader_leaves_in_the_pipe_is_told_and_no_more_is_lost() {
    let world = with_console().await;
    // Single events, so that the pipe holds several groups that count as delivered.
    world.configure(|text| text.replace("max_events = 25", "max_events = 1"));
    let (mut child, mut reader) = world.start_piped(&[]);
    let mut read = vec![0; 3_000];
    reader.read_exact(&mut read).unwrap();
    // More than one group, so that the first of it counts as delivered.
    world.until("the pipe fills", || rustix::io::ioctl_fionread(&reader).unwrap() >= 32_000).await;
    drop(reader);
    assert_eq!(world.wait(&mut child).await, 1);
    let log = world.log();
    let (_, told) = log.rsplit_once("not read: at most ").unwrap_or_else(|| panic!("{log}"));
    let told: usize = told.split('.').next().unwrap().parse().unwrap();

    let file = world.path("events.ndjson");
    world.configure(|text| text.replace("\"console\"", &format!("\"file\"\npath = {file:?}")));
    let mut next = world.start(&["--once"]);
    assert_eq!(world.wait(&mut next).await, 0, "{}", world.log());
    let (mut written, _) = world.written();
    // The last line was read in part only.
    let lines = read.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    for event in lines.map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap()) {
        written.insert(event["event"]["id"].as_str().unwrap().to_owned(), 1);
    }
    let lost = world.missing(&written);
    assert!((1..=told).contains(&lost), "{lost} of at most {told}");
}

/// How many entries a page has, of a storage engine that counts on it.
const ENTRIES: Range<usize> = 2..4;

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_page_is_told_in_the_format_of_the_log_and_nowhere_else() {
    let world = World::new(Faults::default()).await;
    let mut child = world.start(&["--once"]);
    assert_eq!(world.wait(&mut child).await, 0, "{}", world.log());
    let ledger = world.path("data/m365/ledger.redb");
    let mut bad = fs::read(&ledger).unwrap();
    // The rows of blobs, which are not read before the source runs.
    let pages = bad.chunks_mut(4096).filter(|page| page.windows(8).any(|text| text == b"\"created"));
    let damage = |page: &mut [u8]| page[ENTRIES].iter_mut().for_each(|byte| *byte = byte.wrapping_add(0x55));
    assert!(pages.map(damage).count() > 0);
    for (format, is_of_format) in [("json", "\"level\":\"ERROR\""), ("text", " ERROR ")] {
        fs::write(&ledger, &bad).unwrap();
        fs::remove_file(world.path("log")).unwrap();
        let mut child = world.start(&["--once", "--log-format", format]);
        assert_eq!(world.wait(&mut child).await, 1);
        let log = world.log();
        let told: Vec<_> = log.lines().filter(|line| line.contains("is damaged")).collect();
        assert_eq!(told.len(), 1, "{log}");
        assert!(told[0].contains(is_of_format) && told[0].contains("Source stops."), "{log}");
        assert!(told[0].contains("ledger_corrupt") && told[0].contains("Restore it from a backup"), "{log}");
        assert!(!log.contains("panicked") && !log.contains("RUST_BACKTRACE"), "{log}");
        let says_changed = told[0].contains("The file has changed since it was opened.");
        assert_eq!(says_changed, fs::read(&ledger).unwrap() != bad, "{log}");
        assert!(says_changed, "every start writes to the file");
    }
}
