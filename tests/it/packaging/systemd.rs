//! The unit, the user and the rotation of files.

use std::{fs, path::Path, process::Command};

use office365_source::config::WebhookLimits;
use tempfile::TempDir;

use super::{Packaged, assert_arguments, debian, option, read, text};

const UNIT: &str = "packaging/systemd/office365-source.service";

/// In tenths. What is left is what the service does: it talks to the Internet and has a local socket.
const EXPOSURE: &str = "11";

/// The values of a key; a unit may say it several times.
fn values(key: &str) -> Vec<String> {
    let text = read(UNIT);
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines.filter(|(found, _)| *found == key).map(|(_, value)| value.to_owned()).collect()
}

fn value(key: &str) -> String {
    let mut values = values(key);
    assert_eq!(values.len(), 1, "{key}: {values:?}");
    values.remove(0)
}

/// The program and its arguments.
fn command() -> (String, Vec<String>) {
    let line = value("ExecStart");
    let mut words = line.split_whitespace().map(str::to_owned);
    (words.next().unwrap(), words.collect())
}

/// A copy of the unit whose program is there, as it is where the package is installed.
fn installed() -> TempDir {
    let directory = TempDir::new().unwrap();
    let program = assert_cmd::cargo::cargo_bin!("office365-source");
    let unit = read(UNIT).replace(&command().0, program.to_str().unwrap());
    fs::write(directory.path().join("office365-source.service"), unit).unwrap();
    directory
}

/// What `systemd-analyze` says of the unit. `None`, aloud, where there is none, or one that does not read units of others.
fn analyze(arguments: &[&str]) -> Option<(bool, String)> {
    let version = Command::new("systemd-analyze").arg("--version").output();
    let version = version.map(|output| text(&output.stdout)).unwrap_or_default();
    let number: Option<u32> = version.split_whitespace().nth(1).and_then(|number| number.parse().ok());
    if number < Some(250) {
        eprintln!("SKIPPED: there is no systemd-analyze of systemd 250 or newer");
        return None;
    }
    let directory = installed();
    let unit = directory.path().join("office365-source.service");
    let output = Command::new("systemd-analyze").args(arguments).arg(unit).env("LC_ALL", "C").output().unwrap();
    Some((output.status.success(), text(&output.stdout) + &text(&output.stderr)))
}

#[test]
fn systemd_takes_the_unit() {
    if let Some((succeeded, said)) = analyze(&["verify", "--man=no"]) {
        assert!(succeeded && !said.contains("office365-source.service"), "{said}");
    }
}

#[test]
fn systemd_finds_the_service_little_exposed() {
    if let Some((succeeded, said)) = analyze(&["security", "--offline=true", "--no-pager", "--threshold", EXPOSURE]) {
        assert!(succeeded, "{said}");
    }
}

#[test]
fn the_unit_starts_what_the_package_installs() {
    let (program, arguments) = command();
    assert_arguments(&arguments);
    let assets = debian::assets();
    assert_eq!(assets.get(&program).map(String::as_str), Some("target/release/office365-source"), "{assets:?}");
    let configuration = option(&arguments, "--config");
    assert!(assets.contains_key(configuration), "{configuration} is not in the package");
}

#[test]
fn the_packaged_configuration_writes_where_the_unit_lets_it() {
    let configuration = option(&command().1, "--config").to_owned();
    let packaged = Packaged::load(&debian::assets()[&configuration]);
    let topology = &packaged.topology;

    assert_eq!(topology.data_dir, Path::new("/var/lib").join(value("StateDirectory")));
    let logs = Path::new("/var/log").join(value("LogsDirectory"));
    let outputs = packaged.outputs();
    assert!(!outputs.is_empty());
    for output in outputs {
        assert_eq!(output.parent(), Some(&*logs));
    }
    let secrets = packaged.secret_files();
    assert!(!secrets.is_empty());
    for secret in secrets {
        // The package lets the service read no other directory.
        assert_eq!(secret.parent(), Path::new(&configuration).parent());
    }
    let patience: u64 = value("TimeoutStopSec").parse().unwrap();
    assert!(patience > topology.shutdown_timeout_secs);
    let files: u32 = value("LimitNOFILE").parse().unwrap();
    assert!(files > 2 * WebhookLimits::default().max_connections);
}

#[test]
fn one_user_runs_the_service_and_owns_its_files() {
    let (user, group) = (value("User"), value("Group"));
    let sysusers = read("packaging/systemd/office365-source.sysusers");
    let made = sysusers.lines().find_map(|line| line.strip_prefix("u ")?.split_whitespace().next());
    // It also makes a group of this name.
    assert_eq!((made, &*group), (Some(&*user), &*user));

    let postinst = read("packaging/debian/postinst");
    let directory = Path::new(option(&command().1, "--config")).parent().unwrap().to_owned();
    let owned =
        postinst.lines().map(str::trim).any(|line| line == format!("chown root:{group} {}", directory.display()));
    assert!(owned, "{postinst}");
}

#[test]
fn directories_before_the_first_start_are_those_of_the_unit() {
    let (user, group) = (value("User"), value("Group"));
    let expected = [("/var/lib", "StateDirectory"), ("/var/log", "LogsDirectory")]
        .map(|(parent, key)| format!("d {parent}/{} {} {user} {group}", value(key), value(&format!("{key}Mode"))));
    let tmpfile = read("packaging/systemd/office365-source.tmpfile");
    let made: Vec<_> = tmpfile.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(made, expected);
}

#[test]
fn files_of_the_sink_are_rotated_as_its_user() {
    let rotation = read("packaging/systemd/office365-source.logrotate");
    let pattern = rotation.lines().find_map(|line| line.strip_suffix(" {")).unwrap();
    let (directory, extension) = pattern.split_once("/*").unwrap();
    let (user, group) = (value("User"), value("Group"));
    for statement in [format!("su {user} {group}"), format!("create 0600 {user} {group}")] {
        assert!(rotation.lines().any(|line| line.trim() == statement), "{statement}");
    }
    let packaged = Packaged::load(&debian::assets()[option(&command().1, "--config")]);
    for output in packaged.outputs() {
        assert_eq!(output.parent(), Some(Path::new(directory)));
        assert!(output.to_str().unwrap().ends_with(extension), "{} is not rotated", output.display());
    }
}
