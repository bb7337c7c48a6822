//! Where addresses are: what events show of it, and what becomes of databases that are missing, damaged or replaced.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::mmdb;

use std::sync::Arc;

use chrono::DateTime;
use mmdb::Database;
use office365_source::{
    component::JsonObject,
    normalize::{
        CityDatabase, GeoipDatabases, NetworkDatabase, NormalizeOptions, Normalizer, Origin, RecordMembers, Schema,
    },
};
use serde_json::{Value, json};

fn city(name: &str) -> Vec<u8> {
    let row = json!({
        "city": {"names": {"en": name}},
        "continent": {"code": "EU", "names": {"en": "Europe"}},
        "country": {"iso_code": "CH", "names": {"en": "Switzerland"}},
        "location": {"latitude": 46.0, "longitude": 6.6328, "time_zone": "Europe/Zurich"},
        "postal": {"code": "1000"},
        "subdivisions": [{"iso_code": "VD", "names": {"en": "Vaud"}}],
    });
    let only_country = json!({"location": {"latitude": 1.5, "longitude": 2.5}, "continent": {"code": "AF"}});
    Database::new("GeoLite2-City", 6).with("192.0.2.0/24", &row).with("203.0.113.0/24", &only_country).bytes()
}

fn asn() -> Vec<u8> {
    let row = json!({"autonomous_system_number": 64_496, "autonomous_system_organization": "Example"});
    Database::new("GeoLite2-ASN", 6).with("192.0.2.0/24", &row).bytes()
}

fn databases() -> GeoipDatabases {
    GeoipDatabases {
        city: Some(CityDatabase::new(city("Lausanne")).unwrap().into()),
        asn: Some(NetworkDatabase::new(asn()).unwrap().into()),
    }
}

fn event_with(schema: Schema, databases: GeoipDatabases, record: &Value) -> Value {
    let mut members = RecordMembers::default();
    let (record, _) =
        JsonObject::parse_repairing(record.to_string().into(), |name, raw| members.visit(name, raw)).unwrap();
    let origin = Origin::outside(None).with_geoip(Arc::new(databases));
    let made = Normalizer::new(NormalizeOptions::new(schema)).event(record, &members, &origin, DateTime::UNIX_EPOCH);
    serde_json::from_str(&made.event.to_json()).unwrap()
}

fn event(schema: Schema, record: &Value) -> Value {
    event_with(schema, databases(), record)
}

fn sign_in(address: &str) -> Value {
    json!({
        "Id": "1", "CreationTime": "2026-08-01T12:00:00", "RecordType": 15, "Operation": "UserLoggedIn",
        "UserId": "ada@contoso.com", "ClientIP": address,
    })
}

#[test]
fn ecs_has_the_place_and_the_network_of_client_and_source() {
    let geo = json!({
        "city_name": "Lausanne", "continent_code": "EU", "continent_name": "Europe", "country_iso_code": "CH",
        "country_name": "Switzerland", "location": {"lat": 46.0, "lon": 6.6328}, "postal_code": "1000",
        "region_iso_code": "CH-VD", "region_name": "Vaud", "timezone": "Europe/Zurich",
    });
    let network = json!({"number": 64_496, "organization": {"name": "Example"}});
    for address in ["192.0.2.1", "192.0.2.1:443", "::ffff:192.0.2.1", "[::ffff:192.0.2.1]:443"] {
        let event = event(Schema::Ecs, &sign_in(address));
        for side in ["client", "source"] {
            assert_eq!((&event[side]["geo"], &event[side]["as"]), (&geo, &network), "{side} of {address}");
        }
    }
}

#[test]
fn ocsf_has_the_place_and_the_network_of_the_source_endpoint() {
    let location = json!({
        "city": "Lausanne", "continent": "Europe", "country": "CH", "lat": 46.0, "long": 6.6328, "postal_code": "1000",
        "region": "CH-VD",
    });
    let network = json!({"name": "Example", "number": 64_496});
    let sign_in = event(Schema::Ocsf, &sign_in("192.0.2.1:443"));
    assert_eq!(sign_in["src_endpoint"]["location"], location);
    assert_eq!(sign_in["src_endpoint"]["autonomous_system"], network);
    // A finding has no endpoint of its own, but evidence.
    let alert = json!({
        "Id": "2", "CreationTime": "2026-08-01T12:00:00", "RecordType": 40, "Operation": "AlertTriggered", "Name": "n",
        "AlertId": "a", "ClientIP": "192.0.2.9",
    });
    let alert = event(Schema::Ocsf, &alert);
    let found = &alert["evidences"][0]["src_endpoint"];
    assert_eq!((&found["location"], &found["autonomous_system"]), (&location, &network), "{alert}");
}

#[test]
fn what_no_database_knows_and_what_is_private_stays_as_it_is() {
    for address in ["198.51.100.1", "10.0.0.1", "127.0.0.1", "fe80::1", "fd00::1", "2001:db8::1", "host.example"] {
        for schema in [Schema::Ecs, Schema::Ocsf, Schema::Raw] {
            let record = sign_in(address);
            assert_eq!(event(schema, &record), event_with(schema, GeoipDatabases::default(), &record), "{address}");
        }
    }
    assert_eq!(event(Schema::Raw, &sign_in("192.0.2.1")), sign_in("192.0.2.1"));
}

#[test]
fn either_database_is_enough_and_a_place_without_a_name_is_no_location_of_ocsf() {
    let only_city = event_with(Schema::Ecs, GeoipDatabases { asn: None, ..databases() }, &sign_in("192.0.2.1"));
    assert_eq!(
        (&only_city["source"]["geo"]["city_name"], &only_city["source"]["as"]),
        (&json!("Lausanne"), &Value::Null)
    );
    let only_asn = event_with(Schema::Ecs, GeoipDatabases { city: None, ..databases() }, &sign_in("192.0.2.1"));
    assert_eq!((&only_asn["source"]["as"]["number"], &only_asn["source"]["geo"]), (&json!(64_496), &Value::Null));

    let (ecs, ocsf) = (event(Schema::Ecs, &sign_in("203.0.113.1")), event(Schema::Ocsf, &sign_in("203.0.113.1")));
    assert_eq!(ecs["client"]["geo"], json!({"continent_code": "AF", "location": {"lat": 1.5, "lon": 2.5}}));
    assert_eq!(ocsf["src_endpoint"], json!({"ip": "203.0.113.1"}));
}

#[cfg(feature = "cli")]
mod program {
    use std::{
        fs,
        io::Write,
        path::Path,
        process::{Command, Output, Stdio},
    };

    use super::*;

    fn normalize(args: &[&str], input: &Value) -> Output {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("office365-source"));
        command.arg("normalize").args(args).env_remove("OFFICE365_LOG");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // It may have ended before it has read everything.
        let _ = child.stdin.take().unwrap().write_all(input.to_string().as_bytes());
        child.wait_with_output().unwrap()
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn normalize_takes_databases_and_the_namespace() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let (city_db, asn_db) = (path("city.mmdb"), path("asn.mmdb"));
        fs::write(&city_db, city("Lausanne")).unwrap();
        fs::write(&asn_db, asn()).unwrap();
        let args = ["--geoip-city-db", &city_db, "--geoip-asn-db", &asn_db, "--data-stream-namespace", "contoso"];
        let output = normalize(&args, &sign_in("192.0.2.1"));
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
        let event: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(event["source"]["geo"]["city_name"], "Lausanne");
        assert_eq!(event["source"]["as"]["number"], 64_496);
        assert_eq!(event["data_stream"], json!({"dataset": "o365.audit", "namespace": "contoso", "type": "logs"}));

        for (args, expected) in [
            (["--geoip-city-db", &asn_db], "--geoip-city-db: "),
            (["--geoip-asn-db", &path("missing.mmdb")], "--geoip-asn-db: cannot read "),
        ] {
            let output = normalize(&args, &sign_in("192.0.2.1"));
            let stderr = text(&output.stderr);
            assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
            assert!(stderr.starts_with(expected) && stderr.lines().count() == 1, "{stderr}");
        }
        let output = normalize(&["--data-stream-namespace", "Con-toso"], &sign_in("192.0.2.1"));
        assert_eq!(output.status.code(), Some(2));
    }

    /// What `validate` says of a configuration with this schema and this database of places.
    fn validate(directory: &Path, schema: &str, city_db: &Path) -> Output {
        let config = directory.join("config.toml");
        let text = format!(
            r#"
data_dir = {data_dir:?}
[sources.m365]
type = "office365"
schema = {schema:?}
auth = {{ client_id = "11111111-2222-4333-8444-555555555555", client_secret = "hunter2" }}
tenants = [{{ id = "6a98b5da-7b3c-4486-bb0b-66a048c6da62" }}]
normalize.geoip.city_db = {city_db:?}
[sinks.out]
type = "console"
inputs = ["m365"]
"#,
            data_dir = directory.join("data").to_str().unwrap(),
            city_db = city_db.to_str().unwrap(),
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("office365-source"));
        command.args(["validate", "--config"]).arg(config).env_remove("OFFICE365_LOG").output().unwrap()
    }

    #[test]
    fn validate_looks_into_the_databases() {
        let directory = tempfile::tempdir().unwrap();
        let city_db = directory.path().join("city.mmdb");
        for (bytes, expected) in [
            (None, "cannot read "),
            (Some(asn()), "has no places in it"),
            (Some(city("Lausanne")[..500].to_vec()), "is damaged"),
        ] {
            if let Some(bytes) = bytes {
                fs::write(&city_db, bytes).unwrap();
            }
            let output = validate(directory.path(), "ecs", &city_db);
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{stderr}");
            assert!(
                stderr.starts_with("sources.m365.normalize.geoip.city_db: ") && stderr.contains(expected),
                "{stderr}"
            );
        }
        fs::write(&city_db, city("Lausanne")).unwrap();
        let output = validate(directory.path(), "ocsf", &city_db);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
        let output = validate(directory.path(), "raw", &city_db);
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stderr).contains("normalize.geoip: has no effect"), "{}", text(&output.stderr));
    }
}

#[cfg(feature = "simulator")]
use crate::support;

#[cfg(feature = "simulator")]
mod source {
    use std::{fs, path::Path};

    use office365_source::config::{EventSchema, GeoipConfig};

    use super::{
        support::{
            Running,
            lab::{Lab, minutes},
        },
        *,
    };

    /// A lab with a database of places and a way to place an event from there.
    fn lab(city_db: &Path) -> Lab {
        let mut lab = Lab::new();
        lab.source.schema = EventSchema::Ecs;
        lab.source.normalize.geoip = GeoipConfig { city_db: Some(city_db.to_owned()), asn_db: None };
        lab
    }

    fn publish(lab: &Lab, id: &str) {
        let mut event = lab.event(id);
        event["ClientIP"] = "192.0.2.1".into();
        lab.place(json!([event]).to_string());
    }

    fn city_of(running: &Running, id: &str) -> Option<Value> {
        let texts = running.texts.lock().unwrap();
        let mut events = texts.iter().map(|text| serde_json::from_str::<Value>(text).unwrap());
        events.find(|event| event["event"]["id"] == id).map(|mut event| event["source"]["geo"]["city_name"].take())
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_is_replaced_while_the_source_runs() {
        let directory = tempfile::tempdir().unwrap();
        let (city_db, new) = (directory.path().join("city.mmdb"), directory.path().join("new"));
        fs::write(&city_db, city("Lausanne")).unwrap();
        let lab = lab(&city_db);
        let running = lab.start().await;
        publish(&lab, "first");
        minutes(30).await;
        assert_eq!(city_of(&running, "first"), Some(json!("Lausanne")));

        fs::write(&new, city("Vevey")).unwrap();
        fs::rename(&new, &city_db).unwrap();
        minutes(5).await;
        publish(&lab, "second");
        minutes(30).await;
        assert_eq!(city_of(&running, "second"), Some(json!("Vevey")));

        for damaged in ["no database", "nor this"] {
            fs::write(&city_db, damaged).unwrap();
            minutes(5).await;
        }
        fs::remove_file(&city_db).unwrap();
        minutes(5).await;
        publish(&lab, "third");
        minutes(30).await;
        assert_eq!(city_of(&running, "third"), Some(json!("Vevey")));
        let told = lab.log.text().matches("A changed GeoIP database cannot be used").count();
        let counted = lab.counters.sum("component_errors_total", "error_code=geoip_reload");
        assert_eq!((told, counted), (1, 1), "once, until a file can be used again");
        assert_eq!(lab.counters.sum("office365_geoip_databases_loaded_total", "database=city"), 2);
        running.stop().await;
    }

    #[tokio::test]
    async fn a_source_does_not_start_with_a_damaged_database() {
        use office365_source::component::{GlobalOptions, SourceConfig, SourceContext, SourceSender};

        let directory = tempfile::tempdir().unwrap();
        let city_db = directory.path().join("city.mmdb");
        fs::write(&city_db, "no database").unwrap();
        let lab = lab(&city_db);
        let globals = GlobalOptions { data_dir: Some(directory.path().to_owned()), ..GlobalOptions::default() };
        let context = SourceContext::new("m365", globals, SourceSender::builder().build());
        let Err(error) = lab.source.build(context).await else { panic!("it starts") };
        let text = error.to_string();
        assert!(text.starts_with("sources.m365.normalize.geoip.city_db: ") && text.contains("is damaged"), "{text}");
    }
}
