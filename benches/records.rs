//! What an event costs between a blob's body and a line of NDJSON, against parsing the same bytes into a tree and writing
//! them again. Compare the rows of one run with each other; absolute numbers are the machine's.
#![expect(clippy::unwrap_used, reason = "a bench may fail loudly")]

#[path = "../tests/support/mmdb.rs"]
mod mmdb;

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
    normalize::{
        CityDatabase, EventTexts, GeoipDatabases, NetworkDatabase, NormalizeOptions, Normalizer, Origin, Schema,
    },
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

/// Databases with a row for every address, as deep down as rows of real databases are: 24 bits of IPv4, 48 of IPv6.
fn databases() -> GeoipDatabases {
    let place = serde_json::json!({
        "city": {"geoname_id": 1, "names": {"de": "Stadt", "en": "City", "fr": "Ville", "ja": "市", "ru": "Город"}},
        "continent": {"code": "EU", "geoname_id": 2, "names": {"de": "Europa", "en": "Europe", "fr": "Europe"}},
        "country": {"iso_code": "CH", "geoname_id": 3, "names": {"de": "Schweiz", "en": "Switzerland", "fr": "Suisse"}},
        "location": {"accuracy_radius": 20, "latitude": 46.516, "longitude": 6.6328, "time_zone": "Europe/Zurich"},
        "postal": {"code": "1000"},
        "registered_country": {"iso_code": "CH", "geoname_id": 3, "names": {"de": "Schweiz", "en": "Switzerland"}},
        "subdivisions": [{"iso_code": "VD", "geoname_id": 4, "names": {"de": "Waadt", "en": "Vaud", "fr": "Vaud"}}],
    });
    let network = serde_json::json!({"autonomous_system_number": 64_496, "autonomous_system_organization": "Example"});
    let of = |row| {
        // The simulator's addresses are of these networks.
        let networks = ["0.0.0.0/1", "128.0.0.0/1", "2001:db8::/32"].into_iter();
        let deep = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/48"];
        networks.chain(deep).fold(mmdb::Database::new("of a bench", 6), |made, network| made.with(network, row)).bytes()
    };
    GeoipDatabases {
        city: Some(CityDatabase::new(of(&place)).unwrap().into()),
        asn: Some(NetworkDatabase::new(of(&network)).unwrap().into()),
    }
}

/// From a body to lines of NDJSON, in one schema.
fn events(bencher: Bencher<'_, '_>, schema: Schema, databases: GeoipDatabases) {
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
    let origin = Origin::new(&Arc::new("m365".into()), Some("contoso.com"), &content).with_geoip(Arc::new(databases));
    let normalizer = Normalizer::new(NormalizeOptions::new(schema));
    let mut count = 0_usize;
    for_each_element(&body, |_| count += 1);
    bencher.counter(BytesCount::new(body.len())).counter(ItemsCount::new(count)).bench_local(|| {
        let (mut out, mut texts) = (Vec::with_capacity(body.len() * 2), EventTexts::default());
        for_each_element(black_box(&body), |element| {
            let record = read_record(element).unwrap();
            let made = normalizer.event_among(&mut texts, record.object, &record.members, &origin, content.created);
            made.event.write_json(&mut out);
            out.push(b'\n');
        });
        out
    });
}

#[divan::bench]
fn raw(bencher: Bencher<'_, '_>) {
    events(bencher, Schema::Raw, GeoipDatabases::default());
}

#[divan::bench]
fn ecs(bencher: Bencher<'_, '_>) {
    events(bencher, Schema::Ecs, GeoipDatabases::default());
}

#[divan::bench]
fn ecs_with_geoip(bencher: Bencher<'_, '_>) {
    events(bencher, Schema::Ecs, databases());
}

#[divan::bench]
fn ocsf(bencher: Bencher<'_, '_>) {
    events(bencher, Schema::Ocsf, GeoipDatabases::default());
}

#[divan::bench]
fn ocsf_with_geoip(bencher: Bencher<'_, '_>) {
    events(bencher, Schema::Ocsf, databases());
}
