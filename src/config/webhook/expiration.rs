//! For how long Microsoft is asked to send notifications.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use snafu::Snafu;

use crate::config::{
    HumanDuration,
    quantity::{self, Quantity},
};

const NEVER: &str = "never";

/// When a webhook ends unless it is renewed, written `"never"` or as a duration.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum WebhookExpiration {
    /// Not at all.
    #[default]
    Never,
    /// This long after it was registered.
    After(HumanDuration),
}

/// A text that is no expiration.
#[derive(Clone, Debug, Eq, PartialEq, Snafu)]
#[snafu(display("{given:?} is not an expiration; write \"never\" or a duration such as \"30d\" or \"12h\""))]
pub struct InvalidExpiration {
    given: String,
}

impl WebhookExpiration {
    /// The time from a registration to its end; `None` for never.
    pub const fn get(self) -> Option<Duration> {
        match self {
            Self::Never => None,
            Self::After(duration) => Some(duration.get()),
        }
    }
}

impl FromStr for WebhookExpiration {
    type Err = InvalidExpiration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == NEVER {
            return Ok(Self::Never);
        }
        text.parse().map(Self::After).map_err(|_| InvalidExpiration { given: text.to_owned() })
    }
}

impl fmt::Display for WebhookExpiration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str(NEVER),
            Self::After(duration) => duration.fmt(f),
        }
    }
}

impl Serialize for WebhookExpiration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Quantity for WebhookExpiration {
    const WHAT: &'static str = "\"never\" or a duration";

    fn from_number(number: u64) -> Self {
        Self::After(HumanDuration::from_secs(number))
    }
}

impl<'de> Deserialize<'de> for WebhookExpiration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        quantity::deserialize(deserializer)
    }
}

impl JsonSchema for WebhookExpiration {
    fn schema_name() -> Cow<'static, str> {
        "WebhookExpiration".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let duration = generator.subschema_for::<HumanDuration>();
        json_schema!({
            "description": "\"never\", or a duration.",
            "oneOf": [{ "const": NEVER, "type": "string" }, duration],
            "examples": [NEVER, "30d"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiration_is_never_or_a_duration() {
        for (json, expected) in [
            ("\"never\"", WebhookExpiration::Never),
            ("\"30d\"", WebhookExpiration::After(HumanDuration::from_days(30))),
            ("3600", WebhookExpiration::After(HumanDuration::from_hours(1))),
        ] {
            let read: WebhookExpiration = serde_json::from_str(json).unwrap();
            assert_eq!(read, expected, "{json}");
            assert_eq!(read.to_string().parse(), Ok(expected));
        }
        assert_eq!(WebhookExpiration::default().get(), None);
        assert_eq!("1h".parse::<WebhookExpiration>().unwrap().get(), Some(Duration::from_secs(3_600)));
        for bad in ["\"Never\"", "\"\"", "\"1w\"", "-1"] {
            let error = serde_json::from_str::<WebhookExpiration>(bad).unwrap_err().to_string();
            assert!(error.contains("write \"never\" or a duration such as \"30d\""), "{bad}: {error}");
        }
    }
}
