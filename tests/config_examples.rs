//! Every example that users copy is a configuration that loads.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, path::PathBuf};

use office365_source::config::{self, TopologyConfig};

fn examples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config-examples")
}

fn load(name: &str) -> TopologyConfig {
    config::load(&examples().join(name)).unwrap_or_else(|errors| panic!("{name}:\n{errors}"))
}

#[test]
fn every_example_loads() {
    let mut names: Vec<_> =
        fs::read_dir(examples()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.len() >= 4, "{names:?}");
    for name in names {
        load(&name);
    }
}

#[test]
fn yaml_and_toml_say_the_same() {
    assert_eq!(load("poll.yaml"), load("poll.toml"));
}
