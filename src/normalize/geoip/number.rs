//! Numbers of rows: one database has a member as a float where another has it as a double, or in another width.

use std::fmt;

use serde::{
    Deserializer,
    de::{Error, Visitor},
};

/// A number that may have a fraction.
pub(super) fn float<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    deserializer.deserialize_any(Number).map(Some)
}

/// A whole number.
pub(super) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    deserializer.deserialize_any(Whole).map(Some)
}

struct Number;

impl Visitor<'_> for Number {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<f64, E> {
        Ok(number)
    }

    fn visit_f32<E: Error>(self, number: f32) -> Result<f64, E> {
        // Through its digits: 51.5142 as a float is 51.51419830322266 as a double.
        number.to_string().parse().map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<f64, E> {
        i32::try_from(number).map(f64::from).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<f64, E> {
        u32::try_from(number).map(f64::from).map_err(E::custom)
    }
}

struct Whole;

impl Visitor<'_> for Whole {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of 32 bits")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u32, E> {
        u32::try_from(number).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u32, E> {
        u32::try_from(number).map_err(E::custom)
    }
}
