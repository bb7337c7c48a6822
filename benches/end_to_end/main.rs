//! What the whole program costs: it drains a backlog from a simulator that is a process of its own, into a file.
//!
//!     cargo bench --bench end_to_end                                     # medians of three runs each
//!     cargo bench --bench end_to_end -- --against PATH                   # another binary in turn, and ratios
//!     cargo bench --bench end_to_end -- --runs 1 --schema raw --blobs small
//!     cargo bench --bench end_to_end -- --way backfill --blobs million   # a million records of the audit search
//!
//! CPU seconds and memory are those of the collecting process, as the Linux kernel counts them (`/proc`); seconds come in
//! steps of 10 ms. Every run compares the ids in the file with those that exist.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench may fail loudly and prints its result, of some hundred thousand events"
)]

mod measure;
mod serve;

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use self::{
    measure::{Cost, run},
    serve::{Served, Size, Way},
};

const SCHEMAS: [&str; 3] = ["raw", "ecs", "ocsf"];

const USAGE: &str =
    "usage: [--against BINARY] [--runs N] [--schema raw|ecs|ocsf] [--blobs small|large|million] [--way live|backfill]";

struct Options {
    binaries: Vec<PathBuf>,
    runs: usize,
    schemas: Vec<&'static str>,
    sizes: Vec<Size>,
    ways: Vec<Way>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.first().map(String::as_str) {
        // `cargo test --benches` and filters are not for this one.
        Some("--test" | "--list") => {}
        Some(serve::COMMAND) => serve::main(&arguments[1..]),
        _ => compare(&options(arguments)),
    }
}

fn options(arguments: Vec<String>) -> Options {
    let mut options = Options {
        binaries: vec![PathBuf::from(env!("CARGO_BIN_EXE_office365-source"))],
        runs: 3,
        schemas: SCHEMAS.to_vec(),
        sizes: vec![Size::SMALL, Size::LARGE],
        ways: Way::ALL.to_vec(),
    };
    let mut arguments = arguments.into_iter();
    while let Some(name) = arguments.next() {
        let value = arguments.next().expect(USAGE);
        match name.as_str() {
            "--against" => options.binaries.push(PathBuf::from(value)),
            "--runs" => options.runs = value.parse().expect(USAGE),
            "--schema" => options.schemas.retain(|schema| *schema == value),
            "--blobs" if value == Size::MILLION.name => options.sizes = vec![Size::MILLION],
            "--blobs" => options.sizes.retain(|size| size.name == value),
            "--way" => options.ways.retain(|way| way.name() == value),
            _ => panic!("{USAGE}"),
        }
    }
    options
}

fn compare(options: &Options) {
    for binary in &options.binaries {
        println!("{}", binary.display());
    }
    println!(
        "\n{:<6} {:<8} {:<22} {:>7} {:>7} {:>8} {:>12} {:>8} {:>8}",
        "schema", "way", "blobs × events", "wall s", "CPU s", "RSS MiB", "events/CPU s", "missing", "repeated"
    );
    let runs = options.sizes.iter().flat_map(|size| options.ways.iter().map(move |way| (size, *way)));
    for (size, way) in runs {
        let served = Served::start(*size, way);
        for schema in &options.schemas {
            // In turn, so that what else the machine does hits all of them.
            let mut costs = vec![Vec::new(); options.binaries.len()];
            for _ in 0..options.runs {
                for (binary, costs) in options.binaries.iter().zip(&mut costs) {
                    costs.push(drain(binary, &served, schema));
                }
            }
            let medians: Vec<Cost> = costs.iter().map(|costs| Cost::median(costs)).collect();
            for cost in &medians {
                println!(
                    "{schema:<6} {:<8} {:<22} {:>7.2} {:>7.2} {:>8.1} {:>12.0} {:>8} {:>8}",
                    way.name(),
                    size.to_string(),
                    cost.wall.as_secs_f64(),
                    cost.cpu.as_secs_f64(),
                    cost.peak_mib,
                    served.ids.len() as f64 / cost.cpu.as_secs_f64(),
                    cost.missing,
                    cost.repeated
                );
            }
            for other in &medians[1..] {
                let ours = medians[0];
                println!(
                    "       ratio {:<25} {:>7.2} {:>7.2} {:>8.2}",
                    "",
                    ours.wall.as_secs_f64() / other.wall.as_secs_f64(),
                    ours.cpu.as_secs_f64() / other.cpu.as_secs_f64(),
                    ours.peak_mib / other.peak_mib
                );
            }
        }
    }
}

/// One run over everything that is there, into a file.
fn drain(binary: &Path, served: &Served, schema: &str) -> Cost {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("source.toml");
    let output = directory.path().join("events.ndjson");
    fs::write(&config, served.configuration(schema, directory.path(), &output)).unwrap();
    let mut cost = run(binary, &served.arguments(), &config);
    let ids = ids(&output, schema);
    cost.missing = served.ids.iter().filter(|id| !ids.contains_key(*id)).count();
    cost.repeated = ids.values().filter(|count| **count > 1).count();
    let invented = ids.keys().filter(|id| !served.ids.contains(*id)).count();
    assert_eq!(invented, 0, "events that do not exist");
    cost
}

/// How often each id is in the file.
fn ids(output: &Path, schema: &str) -> HashMap<String, usize> {
    let pointer = match schema {
        "raw" => "/Id",
        "ecs" => "/event/id",
        _ => "/metadata/uid",
    };
    let mut ids = HashMap::new();
    for line in BufReader::new(fs::File::open(output).unwrap()).lines() {
        let event: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        let id = event.pointer(pointer).and_then(|id| id.as_str()).unwrap_or_else(|| panic!("no {pointer}: {event}"));
        *ids.entry(id.to_owned()).or_default() += 1;
    }
    ids
}

/// The ids of all events, as the simulator has written them down.
fn expected(file: &Path) -> HashSet<String> {
    fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}
