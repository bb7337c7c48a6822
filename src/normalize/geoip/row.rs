//! What the rows of databases have, as far as events show it. The names are MaxMind's; DB-IP's databases have the same.

use serde::Deserialize;

use super::number;

/// A row of a database of places.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(crate) struct Place<'d> {
    /// The city.
    #[serde(borrow)]
    pub(crate) city: Named<'d>,
    /// The continent, with a code of two letters.
    #[serde(borrow)]
    pub(crate) continent: Named<'d>,
    /// The country, with its code of ISO 3166-1.
    #[serde(borrow)]
    pub(crate) country: Named<'d>,
    #[serde(borrow)]
    location: Location<'d>,
    #[serde(borrow)]
    postal: Postal<'d>,
    #[serde(borrow)]
    subdivisions: Vec<Named<'d>>,
}

/// Something that has a name, a code, or both.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(crate) struct Named<'d> {
    #[serde(borrow)]
    code: Option<&'d str>,
    #[serde(borrow)]
    iso_code: Option<&'d str>,
    #[serde(borrow)]
    names: Names<'d>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Names<'d> {
    #[serde(borrow)]
    en: Option<&'d str>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Location<'d> {
    #[serde(deserialize_with = "number::float")]
    latitude: Option<f64>,
    #[serde(deserialize_with = "number::float")]
    longitude: Option<f64>,
    #[serde(borrow)]
    time_zone: Option<&'d str>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Postal<'d> {
    #[serde(borrow)]
    code: Option<&'d str>,
}

/// A row of a database of autonomous systems.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(crate) struct Network<'d> {
    #[serde(deserialize_with = "number::whole")]
    autonomous_system_number: Option<u32>,
    #[serde(borrow)]
    autonomous_system_organization: Option<&'d str>,
}

impl<'d> Named<'d> {
    /// The name in English, which rules and dashboards are written for.
    pub(crate) fn name(&self) -> Option<&'d str> {
        full(self.names.en)
    }

    /// The code.
    pub(crate) fn code(&self) -> Option<&'d str> {
        full(self.iso_code).or_else(|| full(self.code))
    }
}

impl<'d> Place<'d> {
    /// Whether it says where something is.
    pub(super) fn is_known(&self) -> bool {
        let named = [&self.city, &self.continent, &self.country];
        named.iter().any(|named| named.name().or_else(|| named.code()).is_some()) || self.coordinates().is_some()
    }

    /// Latitude and longitude in degrees, if there are such: an index refuses a whole document for others.
    pub(crate) fn coordinates(&self) -> Option<(f64, f64)> {
        let (latitude, longitude) = (self.location.latitude?, self.location.longitude?);
        ((-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude)).then_some((latitude, longitude))
    }

    /// The zone in the names of the IANA, such as `Europe/Berlin`.
    pub(crate) fn time_zone(&self) -> Option<&'d str> {
        full(self.location.time_zone)
    }

    /// The postal code.
    pub(crate) fn postal_code(&self) -> Option<&'d str> {
        full(self.postal.code)
    }

    /// The name of the smallest subdivision of the country that is known.
    pub(crate) fn region_name(&self) -> Option<&'d str> {
        self.region()?.name()
    }

    /// The code of that subdivision in ISO 3166-2, such as `CH-VD`.
    pub(crate) fn region_code(&self) -> Option<String> {
        Some(format!("{}-{}", self.country.code()?, self.region()?.code()?))
    }

    fn region(&self) -> Option<&Named<'d>> {
        self.subdivisions.last()
    }
}

impl<'d> Network<'d> {
    /// Whether it says whose network something is in.
    pub(super) fn is_known(&self) -> bool {
        self.number().is_some() || self.organization().is_some()
    }

    /// The number of the autonomous system; 0 stands for none (RFC 7607).
    pub(crate) fn number(&self) -> Option<u32> {
        self.autonomous_system_number.filter(|number| *number != 0)
    }

    /// The name of the organisation that it belongs to.
    pub(crate) fn organization(&self) -> Option<&'d str> {
        full(self.autonomous_system_organization)
    }
}

fn full(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}
