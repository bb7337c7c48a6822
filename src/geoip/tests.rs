use std::{fs, path::Path, time::Duration};

use serde_json::json;

use super::GeoipFiles;
use crate::{config::GeoipConfig, mmdb::Database, normalize::GeoipDatabases, watched};

fn city(name: &str) -> Vec<u8> {
    Database::new("GeoLite2-City", 6).with("192.0.2.0/24", &json!({"city": {"names": {"en": name}}})).bytes()
}

fn asn() -> Vec<u8> {
    Database::new("GeoLite2-ASN", 6).with("192.0.2.0/24", &json!({"autonomous_system_number": 64_496})).bytes()
}

fn config(directory: &Path) -> GeoipConfig {
    GeoipConfig { city_db: Some(directory.join("city.mmdb")), asn_db: Some(directory.join("asn.mmdb")) }
}

fn city_of(databases: &GeoipDatabases) -> Option<&str> {
    databases.place("192.0.2.1".parse().unwrap())?.city.name()
}

#[test]
fn a_file_that_cannot_be_used_is_told_with_its_key_and_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let config = config(path);
    let error =
        |config: &GeoipConfig| GeoipFiles::open(config, "sources.m365.normalize.geoip").unwrap_err().to_string();
    let (city_db, asn_db) = (path.join("city.mmdb"), path.join("asn.mmdb"));

    let text = error(&config);
    assert!(
        text.starts_with("sources.m365.normalize.geoip.city_db: cannot read ") && text.contains("GeoLite2-City.mmdb"),
        "{text}"
    );
    fs::write(&city_db, asn()).unwrap();
    let text = error(&config);
    assert!(
        text.contains("city.mmdb has no places in it: it is a database of the type \"GeoLite2-ASN\". Download"),
        "{text}"
    );
    fs::write(&city_db, &city("Basel")[..100]).unwrap();
    let text = error(&config);
    assert!(text.contains("city.mmdb is damaged, or no MaxMind DB file: ") && text.ends_with(", again."), "{text}");
    fs::write(&city_db, city("Basel")).unwrap();
    fs::create_dir(&asn_db).unwrap();
    let text = error(&config);
    assert!(text.starts_with("sources.m365.normalize.geoip.asn_db: ") && text.contains("GeoLite2-ASN.mmdb"), "{text}");

    let only_city = GeoipConfig { asn_db: None, ..config };
    let files = GeoipFiles::open(&only_city, "x").unwrap().unwrap();
    let databases = files.databases().current();
    assert_eq!((city_of(&databases), databases.asn.is_some()), (Some("Basel"), false));
    assert!(GeoipFiles::open(&GeoipConfig::default(), "x").unwrap().is_none());
}

/// Until files have been looked at again, and what was found was read.
async fn look() {
    tokio::time::sleep(watched::EVERY + Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_changes_is_read_again_and_one_that_is_damaged_is_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (city_db, new) = (path.join("city.mmdb"), path.join("new"));
    fs::write(&city_db, city("Basel")).unwrap();
    fs::write(path.join("asn.mmdb"), asn()).unwrap();
    let files = GeoipFiles::open(&config(path), "x").unwrap().unwrap();
    let databases = files.databases();
    let first = databases.current();
    let watching = tokio::spawn(files.watch());
    look().await;
    assert_eq!(city_of(&databases.current()), Some("Basel"));

    // As geoipupdate does it.
    fs::write(&new, city("Geneva")).unwrap();
    fs::rename(&new, &city_db).unwrap();
    look().await;
    assert_eq!(city_of(&databases.current()), Some("Geneva"));
    assert!(databases.current().asn.is_some(), "the other file stays as it was");
    assert_eq!(city_of(&first), Some("Basel"), "a blob has the same databases to its end");

    for damaged in [&city("Zug")[..200], b"<html>", &asn()] {
        fs::write(&city_db, damaged).unwrap();
        look().await;
        assert_eq!(city_of(&databases.current()), Some("Geneva"));
    }
    fs::remove_file(&city_db).unwrap();
    look().await;
    assert_eq!(city_of(&databases.current()), Some("Geneva"));
    fs::write(&city_db, city("Lugano")).unwrap();
    look().await;
    assert_eq!(city_of(&databases.current()), Some("Lugano"));
    watching.abort();
}
