//! Where endpoints are, and whose networks they are in: `location` and `autonomous_system`.

use super::mapping::some;
use crate::normalize::{
    GeoipDatabases,
    geoip::{Network, Place},
    json::{Node, Object},
};

/// Adds what the databases know to the endpoints that acted.
pub(super) fn locate<'a>(event: &mut Object<'a>, databases: &'a GeoipDatabases) {
    locate_one(event.get_mut("src_endpoint"), databases);
    if let Some(Node::List(evidences)) = event.get_mut("evidences") {
        for evidence in evidences.iter_mut().filter_map(Node::as_object_mut) {
            locate_one(evidence.get_mut("src_endpoint"), databases);
        }
    }
}

fn locate_one<'a>(endpoint: Option<&mut Node<'a>>, databases: &'a GeoipDatabases) {
    let Some(endpoint) = endpoint.and_then(Node::as_object_mut) else { return };
    let Some(address) = endpoint.get("ip").and_then(|ip| ip.as_text()?.parse().ok()) else { return };
    let network = databases.network(address).and_then(|network| autonomous_system(&network));
    endpoint.set_some("autonomous_system", network);
    endpoint.set_some("location", databases.place(address).and_then(|place| location(&place)));
}

/// `location` (`objects/location.json`), which wants a city, a country, a postal code or a region.
fn location<'a>(place: &Place<'a>) -> Option<Node<'a>> {
    let mut location = Object::new();
    for (name, text) in
        [("city", place.city.name()), ("country", place.country.code()), ("postal_code", place.postal_code())]
    {
        location.set_some(name, text.map(Node::text));
    }
    location.set_some("region", place.region_code().map(Node::text));
    if location.is_empty() {
        return None;
    }
    location.set_some("continent", place.continent.name().map(Node::text));
    if let Some((latitude, longitude)) = place.coordinates() {
        location.set("lat", Node::Json(format!("{latitude:?}").into()));
        location.set("long", Node::Json(format!("{longitude:?}").into()));
    }
    some(location)
}

fn autonomous_system<'a>(network: &Network<'a>) -> Option<Node<'a>> {
    let mut system = Object::new();
    system.set_some("number", network.number().map(|number| Node::Integer(number.into())));
    system.set_some("name", network.organization().map(Node::text));
    some(system)
}
