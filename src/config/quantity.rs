//! Quantities that are written as a text with a unit, or as a whole number of the smallest unit.

use std::{fmt, marker::PhantomData, str::FromStr};

use serde::{Deserializer, de};

/// A quantity of the configuration.
pub(super) trait Quantity: FromStr<Err: fmt::Display> {
    /// What it is, for errors.
    const WHAT: &'static str;

    /// So many of the smallest unit.
    fn from_number(number: u64) -> Self;
}

/// Reads a quantity; what cannot be read is quoted by the error of its `FromStr`.
pub(super) fn deserialize<'de, T: Quantity, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(Visitor(PhantomData))
}

struct Visitor<T>(PhantomData<T>);

impl<T: Quantity> de::Visitor<'_> for Visitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WHAT)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        Ok(T::from_number(number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        // A negative number reads as no quantity does, and is refused with the same advice as a wrong text.
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => self.visit_str(&number.to_string()),
        }
    }
}
