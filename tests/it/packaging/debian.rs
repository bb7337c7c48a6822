//! What goes into the Debian package.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use super::{at, read};

fn metadata() -> toml::Table {
    let manifest: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    manifest["package"]["metadata"]["deb"].as_table().unwrap().clone()
}

/// Sources by the absolute path of what is installed. A pattern stands for its files.
pub fn assets() -> BTreeMap<String, String> {
    let metadata = metadata();
    let assets = metadata["assets"].as_array().unwrap().iter().map(|asset| {
        let [source, place, _mode] = asset.as_array().unwrap().as_slice() else { panic!("{asset}") };
        let (source, place) = (source.as_str().unwrap(), place.as_str().unwrap());
        let name = if place.ends_with('/') { source.rsplit('/').next().unwrap() } else { "" };
        (format!("/{place}{name}"), source.to_owned())
    });
    assets.collect()
}

#[test]
fn what_the_package_takes_from_the_tree_is_there() {
    for source in assets().values() {
        match source.split_once('*') {
            // packaging/build.sh makes them.
            _ if source.starts_with("target/") => {}
            Some((directory, ending)) => {
                let mut files = fs::read_dir(at(directory)).unwrap().map(|entry| entry.unwrap().file_name());
                let ending = ending.trim_start_matches('*');
                assert!(files.any(|name| name.to_str().unwrap().ends_with(ending)), "{source}");
            }
            None => assert!(at(source).is_file(), "{source}"),
        }
    }
}

#[test]
fn the_package_has_the_unit_and_leaves_the_start_to_an_administrator() {
    let units = metadata()["systemd-units"].as_table().unwrap().clone();
    let unit = Path::new(units["unit-scripts"].as_str().unwrap()).join(concat!(env!("CARGO_PKG_NAME"), ".service"));
    assert!(at(unit.to_str().unwrap()).is_file());
    // Its configuration names a tenant that is nobody's.
    assert_eq!((units["enable"].as_bool(), units["start"].as_bool()), (Some(false), Some(false)));
}

#[test]
fn scripts_of_the_package_are_scripts() {
    let directory = at(metadata()["maintainer-scripts"].as_str().unwrap());
    for script in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        let text = fs::read_to_string(&script).unwrap();
        assert!(text.contains("\n#DEBHELPER#\n"), "{}: the user and the unit are set up there", script.display());
        if cfg!(unix) {
            assert!(Command::new("sh").arg("-n").arg(&script).status().unwrap().success(), "{}", script.display());
        }
    }
}
