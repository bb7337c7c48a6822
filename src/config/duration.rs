//! Durations as they are written in a file.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use snafu::Snafu;

use super::quantity::{self, Quantity};

/// The units, largest first: the order in which they are written.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// A duration in whole seconds, written `"24h"`, `"7d"`, `"90s"`, `"1h30m"`, or as an integer number of seconds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HumanDuration(u64);

/// A text that is no duration.
#[derive(Clone, Debug, Eq, PartialEq, Snafu)]
#[snafu(display(
    "{given:?} is not a duration; write whole numbers with the units d, h, m and s, largest first, such as \"7d\", \
     \"24h\", \"1h30m\" or \"90s\""
))]
pub struct InvalidDuration {
    given: String,
}

impl HumanDuration {
    /// A duration of whole seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs)
    }

    /// A duration of whole hours.
    pub const fn from_hours(hours: u32) -> Self {
        Self(hours as u64 * 3_600)
    }

    /// A duration of whole days.
    pub const fn from_days(days: u32) -> Self {
        Self(days as u64 * 86_400)
    }

    /// The duration in seconds.
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// The duration as the standard library has it.
    pub const fn get(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl FromStr for HumanDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text).map(Self).ok_or_else(|| InvalidDuration { given: text.to_owned() })
    }
}

fn read(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut units = UNITS.iter();
    let mut total = 0_u64;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?.trim_start();
        // Each unit at most once and the largest first: "30m1h" is more likely a slip than a wish.
        let (name, secs) = units.find(|(name, _)| rest.starts_with(name))?;
        rest = rest.get(name.len()..)?.trim_start();
        total = total.checked_add(number.checked_mul(*secs)?)?;
        if rest.is_empty() {
            return Some(total);
        }
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        if rest == 0 {
            return f.write_str("0s");
        }
        for (name, secs) in UNITS {
            if rest >= secs {
                write!(f, "{}{name}", rest / secs)?;
                rest %= secs;
            }
        }
        Ok(())
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Quantity for HumanDuration {
    const WHAT: &'static str = "a duration";

    fn from_number(number: u64) -> Self {
        Self(number)
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        quantity::deserialize(deserializer)
    }
}

impl JsonSchema for HumanDuration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration: whole numbers with the units d, h, m and s, largest first, such as \"7d\", \
                            \"24h\", \"1h30m\" or \"90s\"; or an integer number of seconds.",
            "oneOf": [
                { "type": "string", "pattern": "^\\s*(\\d+\\s*d\\s*)?(\\d+\\s*h\\s*)?(\\d+\\s*m\\s*)?(\\d+\\s*s\\s*)?$" },
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
    fn durations_are_read_as_people_write_them() {
        for (text, secs) in [
            ("24h", 86_400),
            ("7d", 604_800),
            ("90s", 90),
            ("1h30m", 5_400),
            ("1h 30m", 5_400),
            (" 2 d ", 172_800),
            ("0s", 0),
            ("0d5m", 300),
        ] {
            assert_eq!(text.parse(), Ok(HumanDuration(secs)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_examples() {
        for bad in ["", "60", "h", "1.5h", "-1h", "1w", "30m1h", "1h1h", "1h30", "99999999999999999d", "24h!", "２h"] {
            let error = bad.parse::<HumanDuration>().unwrap_err().to_string();
            assert!(error.contains("\"24h\""), "{bad}: {error}");
        }
    }

    proptest! {
        #[test]
        fn display_reads_back(secs in any::<u64>()) {
            let duration = HumanDuration::from_secs(secs);
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,12}|[0-9dhms ]{0,16}") {
            let _ = text.parse::<HumanDuration>();
        }
    }
}
