//! The image.

use std::path::Path;

use super::{Packaged, assert_arguments, at, kubernetes, read};

const DOCKERFILE: &str = "packaging/docker/Dockerfile";

/// A name and its arguments, which are on one line here.
type Instruction = (String, String);

fn instructions() -> Vec<Instruction> {
    let text = read(DOCKERFILE).replace("\\\n", " ");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(' ')).map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect()
}

/// The instructions of the stage that becomes the image, and those before it.
fn stages() -> (Vec<Instruction>, Vec<Instruction>) {
    let mut build = instructions();
    let last = build.iter().rposition(|(name, _)| name == "FROM").unwrap();
    let image = build.split_off(last);
    (image, build)
}

fn value(instructions: &[Instruction], name: &str) -> String {
    let found = instructions.iter().find(|(found, _)| found == name);
    found.unwrap_or_else(|| panic!("{name}: {instructions:#?}")).1.clone()
}

#[test]
fn the_image_runs_the_program_as_a_user_without_rights() {
    let (image, build) = stages();
    assert_eq!(value(&image, "FROM"), "scratch");
    let entry: Vec<String> = serde_json::from_str(&value(&image, "ENTRYPOINT")).unwrap();
    let command: Vec<String> = serde_json::from_str(&value(&image, "CMD")).unwrap();
    assert_arguments(&command);
    assert_eq!(command, kubernetes::arguments());

    let user = value(&image, "USER");
    let (user, group) = user.split_once(':').unwrap();
    assert_ne!(user, "0");
    assert_eq!(kubernetes::user(), (user.parse().ok(), group.parse().ok()));

    // What is put together for the image is below /image, and what its user owns below /owned.
    let copies: Vec<_> = image.iter().filter(|(name, _)| name == "COPY").map(|(_, rest)| &**rest).collect();
    let owned = format!("--from=build --chown={user}:{group} /owned/ /var/lib/");
    assert_eq!(copies, ["--from=build /image/ /", &owned]);
    let words: Vec<_> = build.iter().flat_map(|(_, rest)| rest.split_whitespace()).collect();
    let [program] = entry.as_slice() else { panic!("{entry:?}") };
    let data = Packaged::load("packaging/kubernetes/config.toml").topology.data_dir;
    let data = data.strip_prefix("/var/lib").unwrap().display();
    for path in [format!("/image{program}"), format!("/owned/{data}")] {
        assert!(words.contains(&&*path), "{path}: {words:?}");
    }
}

#[test]
fn the_image_is_built_with_a_rust_that_is_new_enough_and_from_what_is_there() {
    let builder = value(&instructions(), "ARG");
    let version = builder.split_once("rust:").and_then(|(_, tag)| tag.split_once('-')).map(|(version, _)| version);
    let numbers = |version: &str| version.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
    assert!(version.map(numbers) >= Some(numbers(env!("CARGO_PKG_RUST_VERSION"))), "{builder}");

    let ignored = read("packaging/docker/Dockerfile.dockerignore");
    let context: Vec<_> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    for name in &context {
        assert!(at(name).exists(), "{name}");
    }
    let manifest: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap().iter().map(|member| member.as_str().unwrap());
    let first = |path: &str| Path::new(path).components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
    for name in members.filter(|member| *member != ".").map(first).chain(["src".to_owned(), "benches".to_owned()]) {
        assert!(context.contains(&&*name), "{name} is not sent to the builder");
    }
}
