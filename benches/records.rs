//! What an event costs between a blob's body and a line of NDJSON, against parsing the same bytes into a tree and writing
//! them again. Compare the rows of one run with each other; absolute numbers are the machine's.
#![expect(clippy::unwrap_used, reason = "a bench may fail loudly")]

use std::{hint::black_box, sync::Arc, time::Duration};

use bytes::Bytes;
use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use office365_source::{
    clock::Clock,
    collector::{Boundary, Splitter, read_record},
    content::{ContentRef, ContentType, Feed},
    normalize::{NormalizeOptions, Normalizer, Origin, Schema},
    simulator::{Backlog, Simulator, SimulatorConfig},
};

fn main() {
    divan::main();
}

/// The records of all workloads, as one body.
fn body() -> Bytes {
    let config = SimulatorConfig {
        backlog: Backlog { reaches_back: Duration::from_hours(6), blobs_per_feed: 20, events_per_blob: 40..=40 },
        ..SimulatorConfig::default()
    };
    let oracle = Simulator::new(config.clone(), Clock::system()).oracle();
    let feeds = ContentType::ALL.map(|content_type| Feed { tenant: config.tenants[0].id, content_type });
    let records: Vec<serde_json::Value> = feeds
        .into_iter()
        .flat_map(|feed| oracle.bodies(feed))
        .flat_map(|body| serde_json::from_slice::<Vec<_>>(&body).unwrap())
        .collect();
    Bytes::from(serde_json::to_vec(&records).unwrap())
}

/// Calls `each` with every element of a body, a slice of it.
fn for_each_element(body: &Bytes, mut each: impl FnMut(Bytes)) {
    let (mut splitter, mut rest) = (Splitter::default(), body.clone());
    while !rest.is_empty() {
        let (consumed, boundary) = splitter.next(&rest).unwrap();
        let part = rest.split_to(consumed);
        if boundary == Some(Boundary::End) {
            each(part);
        }
    }
}

#[divan::bench]
fn tree_and_back(bencher: Bencher<'_, '_>) {
    let body = body();
    let mut count = 0_usize;
    for_each_element(&body, |_| count += 1);
    bencher.counter(BytesCount::new(body.len())).counter(ItemsCount::new(count)).bench_local(|| {
        let records: Vec<serde_json::Value> = serde_json::from_slice(black_box(&body)).unwrap();
        let mut out = Vec::with_capacity(body.len());
        for record in records {
            serde_json::to_writer(&mut out, &record).unwrap();
            out.push(b'\n');
        }
        out
    });
}

/// From a body to lines of NDJSON, in one schema.
fn events(bencher: Bencher<'_, '_>, schema: Schema) {
    let body = body();
    let feed =
        Feed { tenant: "0a54d1c5-7a10-4c5e-9d3f-c04705000001".parse().unwrap(), content_type: ContentType::General };
    let content = ContentRef {
        feed,
        content_id: "20201121063048785077405$20201121063218791111944$audit_general$Audit_General$na0030$na0030".into(),
        content_uri: String::new(),
        created: Clock::system().now(),
        expiration: None,
    };
    let origin = Origin::new(&Arc::new("m365".into()), Some("contoso.com"), &content);
    let normalizer = Normalizer::new(NormalizeOptions::new(schema));
    let mut count = 0_usize;
    for_each_element(&body, |_| count += 1);
    bencher.counter(BytesCount::new(body.len())).counter(ItemsCount::new(count)).bench_local(|| {
        let mut out = Vec::with_capacity(body.len() * 2);
        for_each_element(black_box(&body), |element| {
            let record = read_record(element).unwrap();
            let made = normalizer.event(record.object, &record.members, &origin, content.created);
            made.event.write_json(&mut out);
            out.push(b'\n');
        });
        out
    });
}

#[divan::bench]
fn raw(bencher: Bencher<'_, '_>) {
    events(bencher, Schema::Raw);
}

#[divan::bench]
fn ecs(bencher: Bencher<'_, '_>) {
    events(bencher, Schema::Ecs);
}

#[divan::bench]
fn ocsf(bencher: Bencher<'_, '_>) {
    events(bencher, Schema::Ocsf);
}
