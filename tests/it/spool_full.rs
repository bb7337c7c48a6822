//! A content blob that there is no room for. A process of its own, since the limit of the size of files is the process's.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![cfg(all(feature = "simulator", unix))]

use crate::support::{self, alone::is_alone};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use support::lab::{Lab, minutes};
use tokio::signal::unix::{SignalKind, signal};

/// Lets files grow to `bytes`; `None` for as large as they could be before.
fn limit_files(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum }).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_blob_that_does_not_fit_on_the_disk_waits_for_room_while_others_are_delivered() {
    if !is_alone("spool_full::a_blob_that_does_not_fit_on_the_disk_waits_for_room_while_others_are_delivered") {
        return;
    }
    // Its default would end the process.
    let _ignored = signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).unwrap();
    let mut lab = Lab::new();
    lab.source.memory.spool_threshold = "1MiB".parse().unwrap();
    let filler = format!("\"Filler\":\"{}\"", "x".repeat(1 << 20));
    let large: Vec<_> = (0..12).map(|n| lab.event(&format!("large-{n:02}")).to_string()).collect();
    lab.place(format!("[{}]", large.join(",").replace("\"Version\":1", &filler)));
    lab.publish(&["small"]);
    lab.place(format!("[{}]", lab.event("spooled").to_string().replace("\"Version\":1", &filler)));
    limit_files(Some(8 << 20));
    let running = lab.start().await;
    minutes(20).await;
    lab.assert_arrived_once(&["small", "spooled"]);
    let problem = running.problem(lab.feed).unwrap();
    let directory = lab.data.path().join("m365").display().to_string();
    for expected in [directory.as_str(), "does not fit into", "free some space", "raise memory.spool_threshold"] {
        assert!(problem.contains(expected), "{expected}: {problem}");
    }
    assert_eq!(lab.log.text().matches("Cannot collect; trying again.").count(), 1, "{}", lab.log.text());
    let tried = lab.counters.sum("office365_content_retries_total", "");
    assert!((2..=3).contains(&tried), "slowly: {tried}");

    limit_files(None);
    minutes(20).await;
    assert_eq!(lab.ids().len(), 2 + 12, "{}", lab.log.text());
    assert_eq!(running.problem(lab.feed), None);
    running.stop().await;
}
