//! Every example that users copy is one that works: configurations of ours load, blocks of ours in files of Vector are read as
//! strictly, and detections for Vector are complete. What the detections find is tried by the tests that they bring along, with
//! `vector test`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use office365_source::{
    config::{self, ConfigErrors, Office365Config, SecretName, TopologyConfig},
    normalize::ecs::Field,
};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value, json};

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
    // What backends would give.
    let secrets = |_: &_, names: &BTreeSet<SecretName>| {
        Ok(names.iter().map(|name| (name.clone(), SecretString::from("given"))).collect())
    };
    config::load_with_secrets(&examples().join(name), secrets).unwrap_or_else(|errors| panic!("{name}:\n{errors}"))
}

#[test]
fn every_example_loads() {
    let mut names = files(&examples());
    // Prometheus reads these.
    names.retain(|name| !name.starts_with("alerts."));
    assert!(names.len() >= 4, "{names:?}");
    for name in names {
        load(&name);
    }
}

#[test]
fn yaml_and_toml_say_the_same() {
    assert_eq!(load("poll.yaml"), load("poll.toml"));
}

/// A configuration of Vector's with a source of ours in it. What is not ours is Vector's to check, but for how it hangs
/// together.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Pipeline {
    data_dir: PathBuf,
    #[serde(default)]
    secret: BTreeMap<String, Value>,
    sources: BTreeMap<String, Component>,
    #[serde(default)]
    transforms: BTreeMap<String, Component>,
    sinks: BTreeMap<String, Component>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
struct Component {
    r#type: String,
    #[serde(default)]
    inputs: Vec<String>,
    #[serde(flatten)]
    keys: Map<String, Value>,
}

impl Component {
    /// Reads a block of ours.
    fn office365(&self, name: &str) -> Result<Office365Config, ConfigErrors> {
        let mut block = self.keys.clone();
        // Vector's own keys in every block of a source, and the one that the component adds.
        for key in ["graph", "log_namespace", "proxy"] {
            block.remove(key);
        }
        config::parse_source(block, &format!("sources.{name}"))
    }
}

fn pipeline(name: &str) -> Pipeline {
    let path = examples().join("vector").join(name);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# "), "{name} does not say what it is for");
    let pipeline: Result<Pipeline, String> = match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => toml::from_str(&text).map_err(|error| error.to_string()),
        Some("yaml") => serde_yaml_ng::from_str(&text).map_err(|error| error.to_string()),
        _ => Err("is neither TOML nor YAML".to_owned()),
    };
    pipeline.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The examples for a Vector that has the component, by name.
fn pipelines() -> BTreeMap<String, Pipeline> {
    let names = files(&examples().join("vector")).into_iter().filter(|name| name != "exec.toml");
    names.map(|name| (name.clone(), pipeline(&name))).collect()
}

#[test]
fn every_block_of_ours_in_a_file_of_vector_s_is_one_that_vector_takes() {
    let pipelines = pipelines();
    for subject in ["console", "file", "http", "elasticsearch", "splunk-hec", "s3", "kafka", "loki", "remap"] {
        let (toml, yaml) = (&pipelines[&format!("{subject}.toml")], &pipelines[&format!("{subject}.yaml")]);
        assert_eq!(toml, yaml, "{subject}: TOML and YAML do not say the same");
    }
    for (file, pipeline) in &pipelines {
        for (name, source) in &pipeline.sources {
            assert_eq!(source.r#type, "office365", "{file}");
            source.office365(name).unwrap_or_else(|errors| panic!("{file}:\n{errors}"));

            let mut misspelt = source.clone();
            misspelt.keys.insert("conten_types".to_owned(), Value::from("Audit.General"));
            let errors = misspelt.office365(name).unwrap_err().to_string();
            assert!(errors.starts_with(&format!("sources.{name}.conten_types: unknown key")), "{file}: {errors}");
        }
        for (name, sink) in &pipeline.sinks {
            let acknowledged = &sink.keys["acknowledgements"]["enabled"];
            assert_eq!(acknowledged, &Value::Bool(true), "{file}: {name} would have the source forget too early");
        }
    }
}

#[test]
fn a_file_of_vector_s_hangs_together() {
    for (file, pipeline) in pipelines().into_iter().chain([("exec.toml".to_owned(), pipeline("exec.toml"))]) {
        let Pipeline { secret, sources, transforms, sinks, .. } = &pipeline;
        let outputs: BTreeSet<_> = sources.keys().chain(transforms.keys()).collect();
        let inputs: BTreeSet<_> =
            transforms.values().chain(sinks.values()).flat_map(|component| &component.inputs).collect();
        assert_eq!(inputs, outputs, "{file}: something leads nowhere, or comes from nowhere");
        let text = serde_json::to_string(&sinks.values().map(|sink| &sink.keys).collect::<Vec<_>>()).unwrap();
        for backend in text.split("SECRET[").skip(1).filter_map(|rest| rest.split('.').next()) {
            assert!(secret.contains_key(backend), "{file}: there is no secrets backend {backend}");
        }
    }
}

#[test]
fn the_example_for_elasticsearch_writes_to_the_data_stream_that_its_events_name() {
    let Pipeline { sources, sinks, .. } = pipeline("elasticsearch.toml");
    let source = sources["m365"].office365("m365").unwrap();
    let sink = &sinks["out"].keys;
    let stream = format!("logs-o365.audit-{}", source.normalize.data_stream_namespace);
    assert_eq!(sink["bulk"], json!({"action": "create", "index": stream}));
    assert_eq!((&sink["mode"], &sink["pipeline"]), (&json!("bulk"), &json!("_none")));
    // A repeated id would have whole batches refused.
    assert!(!sink.contains_key("id_key"));
}

/// The paths of the fields that a mapping declares, with their types.
fn declared(path: &str, properties: &Value, found: &mut BTreeMap<String, String>) {
    for (name, field) in properties.as_object().unwrap() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match field.get("properties") {
            Some(properties) => declared(&path, properties, found),
            None => drop(found.insert(path, field["type"].as_str().unwrap().to_owned())),
        }
    }
}

#[test]
fn the_mappings_for_elasticsearch_are_of_fields_that_events_have() {
    let text = fs::read_to_string(examples().join("elasticsearch/component-template.json")).unwrap();
    let template: Value = serde_json::from_str(&text).unwrap();
    let mut fields = BTreeMap::new();
    declared("", &template["template"]["mappings"]["properties"], &mut fields);
    for (path, kind) in fields {
        match Field::ALL.iter().find(|field| field.path() == path) {
            Some(field) => assert_eq!(field.field_type().as_str(), kind, "{path}"),
            None => assert!(path.starts_with("o365.audit.") || path.starts_with("o365.content."), "{path}"),
        }
    }
}

#[test]
fn the_exec_source_runs_a_command_that_exists() {
    let Pipeline { sources, .. } = pipeline("exec.toml");
    let source = &sources["m365"];
    assert_eq!((source.r#type.as_str(), &source.keys["mode"]), ("exec", &Value::from("streaming")));
    assert_eq!(source.keys["decoding"]["codec"], "json");
    assert_eq!(source.keys["include_stderr"], false, "the log would become events");
    let command = source.keys["command"][2].as_str().unwrap();
    assert!(command.starts_with("exec office365-source run --config "), "{command}");
    let longest = source.keys["maximum_buffer_size_bytes"].as_u64().unwrap();
    let largest_record = load("poll.toml")
        .sources
        .into_values()
        .map(|config::SourceEntry::Office365(source)| source.memory.max_record_bytes.as_u64());
    assert!(largest_record.max() < Some(longest), "a long line would be cut");
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
