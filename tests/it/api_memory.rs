//! A content blob of any size in bounded memory. A process of its own, since the high-water mark is the process's.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![cfg(all(feature = "simulator", target_os = "linux"))]

use crate::support::{self, alone::is_alone};

use std::{fmt, fs, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, StatusCode};
use office365_source::{
    component::EventStatus,
    simulator::InProcess,
    transport::{Request, Response, Transport, TransportError},
};
use support::{Setup, lab::Lab};

const RECORDS: usize = 50_000;

/// Answers every blob with 100 MB, made as they are read, so that the answer itself takes no memory.
struct Endless {
    simulator: InProcess,
    tenant: String,
}

impl fmt::Debug for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endless")
    }
}

#[async_trait]
impl Transport for Endless {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        if !request.url.path().contains("/activity/feed/audit/") {
            return self.simulator.send(request).await;
        }
        let tenant = self.tenant.clone();
        let record = move |n: usize| {
            let (comma, end) = (if n == 0 { "[" } else { "," }, if n + 1 == RECORDS { "]" } else { "" });
            let filler = "x".repeat(1_950);
            Ok(Bytes::from(format!(r#"{comma}{{"Id":"{n}","OrganizationId":"{tenant}","Filler":"{filler}"}}{end}"#)))
        };
        let body = stream::iter((0..RECORDS).map(record)).boxed();
        Ok(Response { status: StatusCode::OK, headers: HeaderMap::new(), body })
    }
}

/// The most memory this process ever had resident, in bytes.
fn high_water_mark() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test(start_paused = true)]
async fn a_blob_of_a_hundred_megabytes_is_spooled_and_emitted_in_bounded_memory() {
    if !is_alone("api_memory::a_blob_of_a_hundred_megabytes_is_spooled_and_emitted_in_bounded_memory") {
        return;
    }
    let mut lab = Lab::new();
    lab.source.memory.spool_threshold = "1MiB".parse().unwrap();
    lab.source.memory.max_buffered_bytes = "8MiB".parse().unwrap();
    lab.publish(&["placeholder"]);
    let before = high_water_mark();
    let mut setup = Setup::new(lab.source.clone(), &lab.simulator, &lab.clock, lab.data.path());
    let tenant = lab.feed.tenant.to_string();
    setup.transport = Some(Arc::new(Endless { simulator: InProcess::new(&lab.simulator), tenant }));
    setup.keep_texts = false;
    let largest = Arc::new(std::sync::Mutex::new((0, 0)));
    let seen = Arc::clone(&largest);
    setup.verdict = Box::new(move |events| {
        let bytes = events.iter().map(office365_source::component::LogEvent::json_size).sum();
        let mut largest = seen.lock().unwrap();
        *largest = (largest.0.max(events.len()), largest.1.max(bytes));
        EventStatus::Delivered
    });
    let (result, run) = setup.run().await;
    assert_eq!(result, Ok(()));
    let totals = run.progress.totals();
    assert_eq!((totals.events_delivered, totals.blobs_delivered), (RECORDS as u64, 1));
    assert!(totals.bytes_received > 100_000_000, "{totals:?}");
    let (events, bytes) = *largest.lock().unwrap();
    assert!(events <= 1_000 && bytes <= 2 * 1024 * 1024, "{events} events of {bytes} bytes in one batch");
    // What is allowed to wait, the ledger's and the log's own needs, and room for an allocator: far below the blob.
    let grown = high_water_mark() - before;
    assert!(grown < 64 * 1024 * 1024, "grown by {} MiB", grown / 1024 / 1024);
}
