//! Where addresses are, and whose networks they are in: MaxMind DB files that are in memory.
//!
//! A database is checked as a whole when it is made of a file's bytes. So a look-up never fails: the content of a file
//! cannot make an event fail.

mod check;
mod number;
mod row;

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use maxminddb::Reader;
use serde::Deserialize;

pub use self::check::DatabaseError;
pub(crate) use self::row::{Network, Place};

/// A database of places, such as `GeoLite2-City`.
#[derive(Debug)]
pub struct CityDatabase(Reader<Vec<u8>>);

/// A database of autonomous systems, such as `GeoLite2-ASN`.
#[derive(Debug)]
pub struct NetworkDatabase(Reader<Vec<u8>>);

impl CityDatabase {
    /// A database, of the bytes of its file.
    ///
    /// # Errors
    ///
    /// When any part of it is damaged, or when it has no places in it.
    pub fn new(bytes: Vec<u8>) -> Result<Self, DatabaseError> {
        check::open(bytes, "places", |reader| check::any_row(reader, Place::is_known)).map(Self)
    }

    /// When it was built, in seconds since 1970.
    pub fn built(&self) -> u64 {
        self.0.metadata().build_epoch
    }
}

impl NetworkDatabase {
    /// A database, of the bytes of its file.
    ///
    /// # Errors
    ///
    /// When any part of it is damaged, or when it has no autonomous systems in it.
    pub fn new(bytes: Vec<u8>) -> Result<Self, DatabaseError> {
        check::open(bytes, "autonomous systems", |reader| check::any_row(reader, Network::is_known)).map(Self)
    }

    /// When it was built, in seconds since 1970.
    pub fn built(&self) -> u64 {
        self.0.metadata().build_epoch
    }
}

/// The databases that are in use; each may be missing.
#[derive(Clone, Debug, Default)]
pub struct GeoipDatabases {
    /// The one of places.
    pub city: Option<Arc<CityDatabase>>,
    /// The one of autonomous systems.
    pub asn: Option<Arc<NetworkDatabase>>,
}

impl GeoipDatabases {
    /// Where an address is.
    pub(crate) fn place(&self, address: IpAddr) -> Option<Place<'_>> {
        find(&self.city.as_deref()?.0, address)
    }

    /// In which autonomous system an address is.
    pub(crate) fn network(&self, address: IpAddr) -> Option<Network<'_>> {
        find(&self.asn.as_deref()?.0, address)
    }
}

/// The row of an address. An address of IPv6 has none in a database of IPv4 only.
fn find<'d, T: Deserialize<'d>>(reader: &'d Reader<Vec<u8>>, address: IpAddr) -> Option<T> {
    let address = address.to_canonical();
    if !is_public(address) {
        return None;
    }
    reader.lookup(address).ok()?.decode().ok()?
}

/// Whether an address can have a place: private addresses, which many networks use, have none, whatever a database says
/// of them. Unassigned addresses have no row.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            !(address.is_private() || address.is_loopback() || address.is_link_local() || address.is_unspecified())
        }
        IpAddr::V6(address) => !(address.is_loopback() || address.is_unspecified() || is_local(address)),
    }
}

/// `fc00::/7` (RFC 4193) and `fe80::/10` (RFC 4291).
fn is_local(address: Ipv6Addr) -> bool {
    address.is_unique_local() || address.is_unicast_link_local()
}

#[cfg(test)]
mod tests;
