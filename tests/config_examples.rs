//! Every example that users copy is one that works: configurations of ours load, and detections for Vector are complete.
//! What the detections find is tried by the tests that they bring along, with `vector test`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use office365_source::config::{self, TopologyConfig};
use serde::Deserialize;

fn examples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config-examples")
}

/// The names of the files of a folder, without those of the folders in it.
fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn load(name: &str) -> TopologyConfig {
    config::load(&examples().join(name)).unwrap_or_else(|errors| panic!("{name}:\n{errors}"))
}

#[test]
fn every_example_loads() {
    let names = files(&examples());
    assert!(names.len() >= 4, "{names:?}");
    for name in names {
        load(&name);
    }
}

#[test]
fn yaml_and_toml_say_the_same() {
    assert_eq!(load("poll.yaml"), load("poll.toml"));
}

/// A Vector configuration, as far as we look at it.
#[derive(Deserialize)]
struct Detection {
    transforms: BTreeMap<String, Transform>,
    tests: Vec<DetectionTest>,
}

#[derive(Deserialize)]
struct Transform {
    inputs: Vec<String>,
}

#[derive(Deserialize)]
struct DetectionTest {
    name: String,
    inputs: Vec<serde_yaml_ng::Value>,
    #[serde(default)]
    outputs: Vec<Output>,
    #[serde(default)]
    no_outputs_from: Vec<String>,
}

#[derive(Deserialize)]
struct Output {
    extract_from: String,
}

/// The detections by subject: all files but the one that says where events come from.
fn detections() -> BTreeMap<String, Detection> {
    let folder = examples().join("detections");
    files(&folder)
        .into_iter()
        .filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned))
        .filter(|subject| subject != "pipeline")
        .map(|subject| {
            let text = fs::read_to_string(folder.join(format!("{subject}.yaml"))).unwrap();
            assert!(text.starts_with("# "), "{subject} does not say what it finds");
            let detection = serde_yaml_ng::from_str(&text).unwrap_or_else(|error| panic!("{subject}: {error}"));
            (subject, detection)
        })
        .collect()
}

#[test]
fn a_detection_goes_from_the_source_to_one_finding() {
    let detections = detections();
    assert!(detections.len() >= 13, "{:?}", detections.keys());
    for (subject, Detection { transforms, .. }) in &detections {
        let id = subject.replace('-', "_");
        let mut name = format!("finding_{id}");
        let mut seen = BTreeSet::new();
        while name != "office365" {
            let transform = transforms.get(&name).unwrap_or_else(|| panic!("{subject}: {name} is missing"));
            assert!(name.contains(&id), "{subject}: {name} may be the name of another file's transform");
            assert!(seen.insert(name.clone()), "{subject}: {name} reads itself");
            let [input] = transform.inputs.as_slice() else { panic!("{subject}: {name} has not one input") };
            name.clone_from(input);
        }
        assert_eq!(seen.len(), transforms.len(), "{subject}: a transform leads nowhere");
    }
}

#[test]
fn a_detection_is_tried_with_what_it_must_find_and_what_it_must_not() {
    let mut names = BTreeSet::new();
    for (subject, Detection { tests, .. }) in detections() {
        let finding = format!("finding_{}", subject.replace('-', "_"));
        assert!(tests.iter().any(|test| test.outputs.iter().any(|output| output.extract_from == finding)), "{subject}");
        assert!(tests.iter().any(|test| !test.no_outputs_from.is_empty()), "{subject}");
        for test in tests {
            assert!(!test.inputs.is_empty(), "{subject}: {}", test.name);
            // Vector refuses two tests of one name, and the files are there to be loaded together.
            assert!(names.insert(test.name.clone()), "{subject}: there are two tests {:?}", test.name);
        }
    }
}

#[test]
fn the_readme_of_the_detections_names_them_all() {
    let folder = examples().join("detections");
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    for name in files(&folder).into_iter().filter(|name| name != "README.md").chain(files(&folder.join("sigma"))) {
        assert!(readme.contains(&format!("({name})")) || readme.contains(&format!("(sigma/{name})")), "{name}");
    }
}
