//! Sizes as they are written in a file.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use snafu::Snafu;

use super::quantity::{self, Quantity};

/// The units, in the order in which `Display` tries them: binary before decimal, larger before smaller.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// A number of bytes, written `"1GiB"`, `"64 MiB"`, `"10MB"`, or as an integer number of bytes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ByteSize(u64);

/// A text that is no size.
#[derive(Clone, Debug, Eq, PartialEq, Snafu)]
#[snafu(display(
    "{given:?} is not a size; write a whole number with one of the units B, kB, MB, GB, TB, KiB, MiB, GiB and TiB, such as \
     \"64MiB\" or \"1GiB\""
))]
pub struct InvalidSize {
    given: String,
}

impl ByteSize {
    /// A number of bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A number of mebibytes (1,048,576 bytes).
    pub const fn from_mib(mib: u32) -> Self {
        Self((mib as u64) << 20)
    }

    /// A number of gibibytes (1,073,741,824 bytes).
    pub const fn from_gib(gib: u32) -> Self {
        Self((gib as u64) << 30)
    }

    /// The number of bytes.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The number of bytes as a length in memory; the largest length where this machine cannot address as much.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = InvalidSize;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text.trim()).map(Self).ok_or_else(|| InvalidSize { given: text.to_owned() })
    }
}

fn read(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, factor) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim_start()))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, factor) =
            UNITS.iter().find(|(_, factor)| self.0 > 0 && self.0.is_multiple_of(*factor)).unwrap_or(&("B", 1));
        write!(f, "{}{name}", self.0 / factor)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Quantity for ByteSize {
    const WHAT: &'static str = "a size";

    fn from_number(number: u64) -> Self {
        Self(number)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        quantity::deserialize(deserializer)
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of bytes: a whole number with one of the units B, kB, MB, GB, TB, KiB, MiB, GiB and \
                            TiB, such as \"64MiB\" or \"1GiB\"; or an integer number of bytes.",
            "oneOf": [
                { "type": "string", "pattern": "^\\s*\\d+\\s*([kKmMgGtT][iI]?)?[bB]\\s*$" },
                { "type": "integer", "minimum": 0 }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in
            [("1GiB", 1 << 30), ("64 MiB", 64 << 20), ("10MB", 10_000_000), ("500b", 500), ("2KB", 2_000)]
        {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        assert_eq!(ByteSize::from_mib(64).to_string(), "64MiB");
        assert_eq!(ByteSize::from_bytes(10_000_000).to_string(), "10MB");
        assert_eq!(ByteSize::from_bytes(0).to_string(), "0B");
    }

    #[test]
    fn what_is_no_size_is_refused_with_examples() {
        for bad in ["", "64", "MiB", "1G", "1.5GiB", "-1MB", "99999999999TiB", "1 MiB MiB", "1µB"] {
            let error = bad.parse::<ByteSize>().unwrap_err().to_string();
            assert!(error.contains("\"64MiB\""), "{bad}: {error}");
        }
    }

    proptest! {
        #[test]
        fn display_reads_back(bytes in any::<u64>(), shift in 0_u32..50) {
            let size = ByteSize::from_bytes((bytes >> shift) << shift);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,12}|[0-9kKMGTiB ]{0,16}") {
            let _ = text.parse::<ByteSize>();
        }
    }
}
