//! Real processes whose disks and outputs are full, taken away or closed.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
#![cfg(all(unix, feature = "cli", feature = "simulator"))]

#[path = "support/program.rs"]
mod program;

use std::{io::Read, time::Duration};

use office365_source::simulator::Faults;
use program::World;
use tokio::time::sleep;

/// A world that writes to the standard output.
async fn with_console() -> World {
    let world = World::new(Faults::default()).await;
    world.configure(|text| {
        let (before, _) = text.split_once("[sinks.out]").unwrap();
        format!("{before}[sinks.out]\ntype = \"console\"\ninputs = [\"m365\"]\n")
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
    while rustix::io::ioctl_fionread(&reader).unwrap() < 32_000 {
        sleep(Duration::from_millis(10)).await;
    }
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
