use std::net::IpAddr;

use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

use super::{CityDatabase, DatabaseError, GeoipDatabases, NetworkDatabase};
use crate::mmdb::Database;

fn lausanne() -> Value {
    json!({
        "city": {"names": {"de": "Lausanne (de)", "en": "Lausanne"}, "geoname_id": 2_659_994},
        "continent": {"code": "EU", "names": {"en": "Europe"}},
        "country": {"iso_code": "CH", "names": {"en": "Switzerland"}, "is_in_european_union": false},
        "location": {"latitude": 46.516, "longitude": 6.6328, "time_zone": "Europe/Zurich", "accuracy_radius": 20},
        "postal": {"code": "1000"},
        "subdivisions": [{"iso_code": "XX", "names": {"en": "Larger"}}, {"iso_code": "VD", "names": {"en": "Vaud"}}],
    })
}

fn system() -> Value {
    json!({"autonomous_system_number": 64_496, "autonomous_system_organization": "Example"})
}

fn city(version: u16) -> Database {
    Database::new("GeoLite2-City", version).with("192.0.2.0/24", &lausanne())
}

fn asn() -> Database {
    Database::new("GeoLite2-ASN", 6).with("192.0.2.0/25", &system()).with("2001:db8::/32", &system())
}

fn databases(city: &Database, asn: &Database) -> GeoipDatabases {
    GeoipDatabases {
        city: Some(CityDatabase::new(city.bytes()).unwrap().into()),
        asn: Some(NetworkDatabase::new(asn.bytes()).unwrap().into()),
    }
}

fn city_of(databases: &GeoipDatabases, address: &str) -> Option<String> {
    databases.place(address.parse().unwrap())?.city.name().map(str::to_owned)
}

fn number_of(databases: &GeoipDatabases, address: &str) -> Option<u32> {
    databases.network(address.parse().unwrap())?.number()
}

#[test]
fn a_row_says_where_an_address_is_and_whose_network_it_is_in() {
    let databases = databases(&city(6), &asn());
    let place = databases.place("192.0.2.200".parse().unwrap()).unwrap();
    assert_eq!(
        (place.city.name(), place.country.name(), place.country.code()),
        (Some("Lausanne"), Some("Switzerland"), Some("CH"))
    );
    assert_eq!((place.continent.name(), place.continent.code()), (Some("Europe"), Some("EU")));
    // The smallest subdivision.
    assert_eq!((place.region_name(), place.region_code().as_deref()), (Some("Vaud"), Some("CH-VD")));
    assert_eq!((place.postal_code(), place.time_zone()), (Some("1000"), Some("Europe/Zurich")));
    assert_eq!(place.coordinates(), Some((46.516, 6.6328)));
    let network = databases.network("192.0.2.1".parse().unwrap()).unwrap();
    assert_eq!((network.number(), network.organization()), (Some(64_496), Some("Example")));
}

#[test]
fn addresses_of_ipv4_are_found_in_databases_of_both_versions_and_in_every_spelling() {
    for version in [4, 6] {
        let databases = databases(&city(version), &asn());
        for address in ["192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201"] {
            assert_eq!(city_of(&databases, address).as_deref(), Some("Lausanne"), "{address} in version {version}");
        }
        // A database of IPv4 has no row for it, and that is no error.
        assert_eq!(city_of(&databases, "2001:db8::1"), None);
        assert_eq!(number_of(&databases, "2001:db8::1"), Some(64_496));
        assert_eq!((city_of(&databases, "203.0.113.1"), number_of(&databases, "192.0.2.200")), (None, None));
    }
}

#[test]
fn either_database_is_enough() {
    let both = databases(&city(6), &asn());
    let only_city = GeoipDatabases { asn: None, ..both.clone() };
    let only_asn = GeoipDatabases { city: None, ..both };
    assert_eq!(
        (city_of(&only_city, "192.0.2.1").as_deref(), number_of(&only_city, "192.0.2.1")),
        (Some("Lausanne"), None)
    );
    assert_eq!((city_of(&only_asn, "192.0.2.1"), number_of(&only_asn, "192.0.2.1")), (None, Some(64_496)));
}

#[test]
fn addresses_that_networks_use_for_themselves_are_nowhere() {
    let everywhere = |kind, row: &Value| {
        let networks = ["0.0.0.0/1", "128.0.0.0/1", "8000::/1", "4000::/2", "2000::/3", "::1/128"];
        networks.iter().fold(Database::new(kind, 6), |database, network| database.with(network, row))
    };
    let databases = databases(&everywhere("x", &lausanne()), &everywhere("y", &system()));
    for address in [
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "127.0.0.1",
        "127.9.9.9",
        "169.254.1.1",
        "0.0.0.0",
        "::",
        "::1",
        "fe80::1",
        "febf::1",
        "fc00::1",
        "fd12:3456::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
    ] {
        assert_eq!((city_of(&databases, address), number_of(&databases, address)), (None, None), "{address}");
    }
    for address in ["172.15.0.1", "172.32.0.1", "11.0.0.1", "169.255.1.1", "fec0::1", "2001:db8::1", "fbff::1"] {
        assert_eq!(number_of(&databases, address), Some(64_496), "{address}");
    }
}

#[test]
fn what_is_not_there_or_is_no_place_on_earth_is_left_out() {
    let odd = Database::new("x", 6)
        .with("192.0.2.0/28", &json!({"country": {"iso_code": "", "names": {"en": "Somewhere"}}, "subdivisions": [{"iso_code": "VD"}]}))
        .with("192.0.2.16/28", &json!({"country": {"iso_code": "CH"}, "location": {"latitude": 91.5, "longitude": 6.5}}))
        .with("192.0.2.32/28", &json!({"continent": {"code": "EU"}, "location": {"latitude": 46, "longitude": -180}, "traits": {"is_anycast": true}}));
    let none = Database::new("y", 6)
        .with("192.0.2.0/28", &json!({"autonomous_system_number": 0, "autonomous_system_organization": ""}))
        .with("192.0.2.16/28", &system());
    let databases = databases(&odd, &none);
    let place = |address: &str| databases.place(address.parse().unwrap()).unwrap();
    let (first, second, third) = (place("192.0.2.1"), place("192.0.2.17"), place("192.0.2.33"));
    assert_eq!(
        (first.country.code(), first.region_code(), first.region_name(), first.coordinates()),
        (None, None, None, None)
    );
    assert_eq!((second.country.code(), second.coordinates()), (Some("CH"), None));
    assert_eq!((third.continent.code(), third.coordinates()), (Some("EU"), Some((46.0, -180.0))));
    assert_eq!(number_of(&databases, "192.0.2.1"), None);
}

#[test]
fn floats_are_what_they_were_written_as() {
    let database = Database::new("DBIP-City-Lite", 6).with_floats().with("192.0.2.0/24", &lausanne());
    let place = CityDatabase::new(database.bytes()).unwrap();
    let databases = GeoipDatabases { city: Some(place.into()), asn: None };
    assert_eq!(databases.place("192.0.2.1".parse().unwrap()).unwrap().coordinates(), Some((46.516, 6.6328)));
}

#[test]
fn a_database_of_another_kind_is_told_from_a_damaged_one() {
    let error = CityDatabase::new(asn().bytes()).unwrap_err();
    assert!(matches!(&error, DatabaseError::OtherKind { .. }), "{error}");
    assert_eq!(error.to_string(), "has no places in it: it is a database of the type \"GeoLite2-ASN\"");
    let error = NetworkDatabase::new(city(4).bytes()).unwrap_err();
    assert_eq!(error.to_string(), "has no autonomous systems in it: it is a database of the type \"GeoLite2-City\"");
    let bytes = city(6).bytes();
    for damaged in
        [Vec::new(), b"<html>not found</html>".to_vec(), bytes[..bytes.len() / 2].to_vec(), bytes[1..].to_vec()]
    {
        let error = CityDatabase::new(damaged).unwrap_err();
        assert!(matches!(error, DatabaseError::Damaged { .. }), "{error}");
    }
    // A row that is not what its name says would be found by the first event from there.
    let row = json!({"city": {"names": {"en": 7}}});
    let error = CityDatabase::new(city(6).with("203.0.113.0/24", &row).bytes()).unwrap_err();
    assert!(matches!(error, DatabaseError::Damaged { .. }), "{error}");
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_damaged() {
    let bytes = city(6).bytes();
    for length in 0..bytes.len() {
        assert!(CityDatabase::new(bytes[..length].to_vec()).is_err(), "{length} of {}", bytes.len());
    }
}

proptest! {
    /// Whatever is in a file: it is refused, or every look-up finds something or nothing.
    #[test]
    fn no_file_makes_a_look_up_fail(
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<Index>()),
        addresses in prop::collection::vec(any::<IpAddr>(), 1..8),
    ) {
        let database = asn().with("192.0.2.0/28", &lausanne()).with("203.0.113.0/30", &lausanne());
        let mut bytes = database.bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(length) = cut {
            bytes.truncate(length.index(bytes.len()));
        }
        let databases = GeoipDatabases {
            city: CityDatabase::new(bytes.clone()).ok().map(Into::into),
            asn: NetworkDatabase::new(bytes).ok().map(Into::into),
        };
        for address in addresses.into_iter().chain(["192.0.2.1".parse().unwrap(), "203.0.113.1".parse().unwrap()]) {
            let place = databases.place(address);
            prop_assert!(place.and_then(|place| place.coordinates()).is_none_or(|(lat, lon)| lat.abs() <= 90.0 && lon.abs() <= 180.0));
            databases.network(address);
        }
    }
}
