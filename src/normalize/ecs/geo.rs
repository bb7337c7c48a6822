//! Where addresses are, and whose networks they are in: `*.geo` and `*.as`.

use super::{
    fields::Field as F,
    mapping::Mapping,
    rule::{Filled, fills},
};
use crate::normalize::{
    geoip::{Network, Place},
    json::Node,
};

/// The fields of one address.
struct Fields {
    ip: F,
    city_name: F,
    continent_code: F,
    continent_name: F,
    country_iso_code: F,
    country_name: F,
    location: F,
    postal_code: F,
    region_iso_code: F,
    region_name: F,
    timezone: F,
    number: F,
    organization: F,
}

const CLIENT: Fields = Fields {
    ip: F::CLIENT_IP,
    city_name: F::CLIENT_GEO_CITY_NAME,
    continent_code: F::CLIENT_GEO_CONTINENT_CODE,
    continent_name: F::CLIENT_GEO_CONTINENT_NAME,
    country_iso_code: F::CLIENT_GEO_COUNTRY_ISO_CODE,
    country_name: F::CLIENT_GEO_COUNTRY_NAME,
    location: F::CLIENT_GEO_LOCATION,
    postal_code: F::CLIENT_GEO_POSTAL_CODE,
    region_iso_code: F::CLIENT_GEO_REGION_ISO_CODE,
    region_name: F::CLIENT_GEO_REGION_NAME,
    timezone: F::CLIENT_GEO_TIMEZONE,
    number: F::CLIENT_AS_NUMBER,
    organization: F::CLIENT_AS_ORGANIZATION_NAME,
};

const SOURCE: Fields = Fields {
    ip: F::SOURCE_IP,
    city_name: F::SOURCE_GEO_CITY_NAME,
    continent_code: F::SOURCE_GEO_CONTINENT_CODE,
    continent_name: F::SOURCE_GEO_CONTINENT_NAME,
    country_iso_code: F::SOURCE_GEO_COUNTRY_ISO_CODE,
    country_name: F::SOURCE_GEO_COUNTRY_NAME,
    location: F::SOURCE_GEO_LOCATION,
    postal_code: F::SOURCE_GEO_POSTAL_CODE,
    region_iso_code: F::SOURCE_GEO_REGION_ISO_CODE,
    region_name: F::SOURCE_GEO_REGION_NAME,
    timezone: F::SOURCE_GEO_TIMEZONE,
    number: F::SOURCE_AS_NUMBER,
    organization: F::SOURCE_AS_ORGANIZATION_NAME,
};

const CITY: &str = "`normalize.geoip.city_db` has a row for it";
const ASN: &str = "`normalize.geoip.asn_db` has a row for it";

const fn of(fields: &Fields, place: &'static str, network: &'static str) -> [Filled; 12] {
    [
        fills(fields.city_name, place, CITY),
        fills(fields.continent_code, place, CITY),
        fills(fields.continent_name, place, CITY),
        fills(fields.country_iso_code, place, CITY),
        fills(fields.country_name, place, CITY),
        fills(fields.location, place, CITY),
        fills(fields.postal_code, place, CITY),
        fills(fields.region_iso_code, place, CITY),
        fills(fields.region_name, place, CITY),
        fills(fields.timezone, place, CITY),
        fills(fields.number, network, ASN),
        fills(fields.organization, network, ASN),
    ]
}

const OF_BOTH: &[[Filled; 12]] = &[
    of(&CLIENT, "where `client.ip` is", "whose network `client.ip` is in"),
    of(&SOURCE, "where `source.ip` is", "whose network `source.ip` is in"),
];

/// What [`locate`] fills.
pub(super) const FILLS: &[Filled] = OF_BOTH.as_flattened();

/// Fills what the databases know of the addresses.
pub(super) fn locate(mapping: &mut Mapping<'_>) {
    let Some(databases) = mapping.geoip else { return };
    let address = |mapping: &Mapping<'_>, fields: &Fields| mapping.fields.text(fields.ip)?.parse().ok();
    let [client, source] = [address(mapping, &CLIENT), address(mapping, &SOURCE)];
    // Mostly both have the same, and one look-up does for them.
    let known = client.map(|address| (databases.place(address), databases.network(address)));
    if let Some((place, network)) = &known {
        fill(mapping, &CLIENT, place.as_ref(), network.as_ref());
    }
    match (source, &known) {
        (Some(address), Some((place, network))) if client == Some(address) => {
            fill(mapping, &SOURCE, place.as_ref(), network.as_ref());
        }
        (Some(address), _) => {
            fill(mapping, &SOURCE, databases.place(address).as_ref(), databases.network(address).as_ref());
        }
        (None, _) => {}
    }
}

fn fill<'a>(mapping: &mut Mapping<'a>, to: &Fields, place: Option<&Place<'a>>, network: Option<&Network<'a>>) {
    let fields = &mut mapping.fields;
    if let Some(place) = place {
        for (field, text) in [
            (to.city_name, place.city.name()),
            (to.continent_code, place.continent.code()),
            (to.continent_name, place.continent.name()),
            (to.country_iso_code, place.country.code()),
            (to.country_name, place.country.name()),
            (to.postal_code, place.postal_code()),
            (to.region_name, place.region_name()),
            (to.timezone, place.time_zone()),
        ] {
            fields.set_some(field, text.map(Node::text));
        }
        fields.set_some(to.region_iso_code, place.region_code().map(Node::text));
        // With a fraction always, so that no reader takes one for a whole number and the next for a float.
        let point = |(latitude, longitude)| Node::Json(format!(r#"{{"lat":{latitude:?},"lon":{longitude:?}}}"#).into());
        fields.set_some(to.location, place.coordinates().map(point));
    }
    if let Some(network) = network {
        fields.set_some(to.number, network.number().map(|number| Node::Integer(number.into())));
        fields.set_some(to.organization, network.organization().map(Node::text));
    }
}
