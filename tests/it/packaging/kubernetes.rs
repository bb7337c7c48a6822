//! The manifests for Kubernetes: facts of the files themselves, and what kustomize makes of them.
//!
//! They are rendered where there is `kubectl` or `kustomize`, and validated against Kubernetes' schemas where Python has
//! kubernetes-validate: `pip install -r tests/support/kubernetes-requirements.txt`, for another Python than `python3` with
//! `KUBERNETES_PYTHON` set to it.

use std::{
    collections::BTreeSet,
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize as _;
use serde_json::Value;
use tempfile::TempDir;

use super::{Packaged, assert_arguments, at, option, read, text};

const DIRECTORY: &str = "packaging/kubernetes";

/// The documents of a YAML text.
fn documents(yaml: &str) -> Vec<Value> {
    serde_yaml_ng::Deserializer::from_str(yaml).map(|document| Value::deserialize(document).unwrap()).collect()
}

fn manifest(name: &str) -> Value {
    let mut documents = documents(&read(&format!("{DIRECTORY}/{name}")));
    assert_eq!(documents.len(), 1, "{name}");
    documents.remove(0)
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a Vec<Value> {
    value.pointer(pointer).and_then(Value::as_array).unwrap_or_else(|| panic!("{pointer}: {value:#}"))
}

/// The one that has this name.
fn named<'a>(list: &'a [Value], name: &Value) -> &'a Value {
    list.iter().find(|item| &item["name"] == name).unwrap_or_else(|| panic!("{name}: {list:#?}"))
}

/// The pod, its one container, and the configuration that is mounted there.
struct Pod {
    stateful_set: Value,
    configuration: Packaged,
}

impl Pod {
    fn read() -> Self {
        let configuration = Packaged::load(&format!("{DIRECTORY}/config.toml"));
        Self { stateful_set: manifest("statefulset.yaml"), configuration }
    }

    fn spec(&self) -> &Value {
        &self.stateful_set["spec"]["template"]["spec"]
    }

    fn container(&self) -> &Value {
        let [container] = list(self.spec(), "/containers").as_slice() else { panic!("{:#}", self.spec()) };
        container
    }

    fn telemetry(&self) -> SocketAddr {
        self.configuration.topology.telemetry.as_ref().unwrap().listen
    }

    /// The mount at this path.
    fn mount(&self, path: &Path) -> &Value {
        let mounts = list(self.container(), "/volumeMounts");
        let found = mounts.iter().find(|mount| mount["mountPath"].as_str() == path.to_str());
        found.unwrap_or_else(|| panic!("nothing is mounted at {}: {mounts:#?}", path.display()))
    }

    /// The volume of a mount.
    fn volume(&self, path: &Path) -> &Value {
        named(list(self.spec(), "/volumes"), &self.mount(path)["name"])
    }
}

/// What the image runs, to compare.
pub fn arguments() -> Vec<String> {
    strings(&Pod::read().container()["args"])
}

/// User and group.
pub fn user() -> (Option<u64>, Option<u64>) {
    let pod = Pod::read();
    let context = &pod.spec()["securityContext"];
    (context["runAsUser"].as_u64(), context["runAsGroup"].as_u64())
}

#[test]
fn probes_ask_the_port_that_the_configuration_listens_on() {
    let pod = Pod::read();
    let port = named(list(pod.container(), "/ports"), &"telemetry".into());
    assert_eq!(port["containerPort"], pod.telemetry().port());
    assert!(pod.telemetry().ip().is_unspecified(), "a node's probe does not reach a loopback address");
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let get = &pod.container()[probe]["httpGet"];
        assert_eq!((&get["path"], &get["port"]), (&"/health".into(), &port["name"]), "{probe}");
    }
    let service = manifest("service.yaml");
    let [served] = list(&service, "/spec/ports").as_slice() else { panic!("{service:#}") };
    assert_eq!((&served["port"], &served["targetPort"]), (&pod.telemetry().port().into(), &port["name"]));
}

#[test]
fn what_must_survive_is_on_the_claimed_volume() {
    let pod = Pod::read();
    let mount = pod.mount(&pod.configuration.topology.data_dir);
    let [claim] = list(&pod.stateful_set, "/spec/volumeClaimTemplates").as_slice() else { panic!() };
    assert_eq!(claim["metadata"]["name"], mount["name"]);
    assert_ne!(mount["readOnly"], true);
    // One process at a time uses a ledger.
    assert_eq!(pod.stateful_set["spec"]["replicas"], 1);
    assert!(pod.configuration.outputs().is_empty(), "the root file system is read-only");
}

#[test]
fn configuration_and_secrets_are_mounted_where_they_are_read() {
    let pod = Pod::read();
    let arguments = arguments();
    assert_arguments(&arguments);
    let path = Path::new(option(&arguments, "--config"));
    let volume = pod.volume(path.parent().unwrap());
    let kustomization = manifest("kustomization.yaml");
    let generator = named(list(&kustomization, "/configMapGenerator"), &volume["configMap"]["name"]);
    assert_eq!(strings(&generator["files"]), [path.file_name().unwrap().to_str().unwrap()]);

    let secrets = pod.configuration.secret_files();
    assert!(!secrets.is_empty());
    for secret in secrets {
        let volume = pod.volume(secret.parent().unwrap());
        assert!(volume["secret"]["secretName"].is_string(), "{volume:#}");
    }
    // What is mounted with it stays as it was when the secret is renewed.
    let mounts = list(pod.container(), "/volumeMounts");
    assert!(mounts.iter().all(|mount| mount.get("subPath").is_none()));
}

#[test]
fn the_pod_has_no_right_that_it_does_not_need() {
    let pod = Pod::read();
    let (spec, container) = (pod.spec(), pod.container());
    let (of_pod, of_container) = (&spec["securityContext"], &container["securityContext"]);
    assert_eq!(of_pod["runAsNonRoot"], true);
    assert_eq!(of_pod["fsGroup"], of_pod["runAsGroup"]);
    assert_eq!(of_pod["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(of_container["allowPrivilegeEscalation"], false);
    assert_eq!(of_container["readOnlyRootFilesystem"], true);
    assert_eq!(of_container["capabilities"]["drop"], serde_json::json!(["ALL"]));
    assert_eq!(spec["automountServiceAccountToken"], false);
    let patience = spec["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(patience > pod.configuration.topology.shutdown_timeout_secs);
}

#[test]
fn kustomize_is_told_of_every_manifest_and_of_this_version() {
    let kustomization = manifest("kustomization.yaml");
    let files = fs::read_dir(at(DIRECTORY)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut known: BTreeSet<_> = strings(&kustomization["resources"]).into_iter().collect();
    known.extend(["config.toml".to_owned(), "kustomization.yaml".to_owned()]);
    assert_eq!(known, files.collect());
    let image = named(list(&kustomization, "/images"), &Pod::read().container()["image"]).clone();
    assert_eq!(image["newTag"], env!("CARGO_PKG_VERSION"));
}

/// What kustomize makes of the manifests. `None`, aloud, where there is none.
fn rendered() -> Option<String> {
    let directory = at(DIRECTORY);
    let tools: [(&str, &[&str]); 2] = [("kustomize", &["build"]), ("kubectl", &["kustomize"])];
    for (tool, arguments) in tools {
        if let Ok(output) = Command::new(tool).args(arguments).arg(&directory).output() {
            assert!(output.status.success(), "{}", text(&output.stderr));
            return Some(text(&output.stdout));
        }
    }
    eprintln!("SKIPPED: there is neither kustomize nor kubectl");
    None
}

#[test]
fn what_kustomize_makes_hangs_together() {
    let Some(yaml) = rendered() else { return };
    let documents = documents(&yaml);
    let of_kind = |kind: &str| documents.iter().find(|document| document["kind"] == kind).unwrap();
    let (set, service, map) = (of_kind("StatefulSet"), of_kind("Service"), of_kind("ConfigMap"));
    let pod = &set["spec"]["template"];

    let labels = &pod["metadata"]["labels"];
    assert!(labels.is_object());
    assert_eq!(&set["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&service["spec"]["selector"], labels);
    assert_eq!(set["spec"]["serviceName"], service["metadata"]["name"]);
    assert_eq!(pod["spec"]["serviceAccountName"], of_kind("ServiceAccount")["metadata"]["name"]);

    // The hash in its name starts the pod again when the configuration changes.
    let volumes = list(pod, "/spec/volumes");
    assert!(volumes.iter().any(|volume| volume["configMap"]["name"] == map["metadata"]["name"]), "{volumes:#?}");
    assert_ne!(map["metadata"]["name"], "office365-source-config");
    assert_eq!(map["data"]["config.toml"], read(&format!("{DIRECTORY}/config.toml")));
}

#[test]
fn kubernetes_takes_what_kustomize_makes() {
    let Some(yaml) = rendered() else { return };
    let python = env::var("KUBERNETES_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let validator = || {
        let mut command = Command::new(&python);
        command.args(["-m", "kubernetes_validate"]);
        command
    };
    if !validator().arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: {python} has no kubernetes-validate");
        return;
    }
    let directory = TempDir::new().unwrap();
    let validate = |yaml: &str| {
        let path: PathBuf = directory.path().join("rendered.yaml");
        fs::write(&path, yaml).unwrap();
        validator().arg("--strict").arg(path).output().unwrap()
    };
    let output = validate(&yaml);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let misspelt = yaml.replace("readOnlyRootFilesystem", "readonlyRootFilesystem");
    assert!(misspelt != yaml && !validate(&misspelt).status.success(), "an unknown key is not seen");
}
