//! Who may send notifications, as it is written in a file.

use std::{borrow::Cow, fmt, str::FromStr};

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use snafu::Snafu;

use super::network::{InvalidNetwork, Network};

const SERVICE_TAG: &str = "service_tag:";

/// One entry of `allowed_sources`: `"203.0.113.0/24"`, `"203.0.113.7"` or `"service_tag:NAME"`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum SourceRule {
    /// A network, or a single address as the network with the longest prefix. Never an IPv4 network in the notation of
    /// IPv6: compare with [`IpAddr::to_canonical`](std::net::IpAddr::to_canonical).
    Network(IpNet),
    /// The networks that Microsoft publishes under this name.
    ServiceTag(String),
}

/// A text that is no source.
#[derive(Clone, Debug, Eq, PartialEq, Snafu)]
pub enum InvalidSourceRule {
    /// Something else.
    #[snafu(display(
        "{given:?} is neither a network nor a service tag; write \"203.0.113.0/24\", \"203.0.113.7\" or \
         \"service_tag:M365ManagementActivityApiWebhook\", for instance"
    ))]
    Unreadable {
        /// What was written.
        given: String,
    },
    /// A network that is written in a wrong way.
    #[snafu(transparent)]
    Network {
        /// What is wrong with it.
        source: InvalidNetwork,
    },
    /// A service tag without a usable name.
    #[snafu(display(
        "{given:?} does not name a service tag; write the name as Microsoft's file has it, such as \
         \"service_tag:M365ManagementActivityApiWebhook\""
    ))]
    Tag {
        /// What was written.
        given: String,
    },
}

impl FromStr for SourceRule {
    type Err = InvalidSourceRule;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        if let Some(name) = given.strip_prefix(SERVICE_TAG) {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            if name.is_empty() || !name.chars().all(plain) {
                return TagSnafu { given }.fail();
            }
            return Ok(Self::ServiceTag(name.to_owned()));
        }
        match given.parse::<Network>() {
            Ok(network) => Ok(Self::Network(network.get())),
            Err(InvalidNetwork::Unreadable { given }) => UnreadableSnafu { given }.fail(),
            Err(error) => Err(error.into()),
        }
    }
}

impl fmt::Display for SourceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => Network::from(*network).fmt(f),
            Self::ServiceTag(name) => write!(f, "{SERVICE_TAG}{name}"),
        }
    }
}

impl Serialize for SourceRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SourceRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for SourceRule {
    fn schema_name() -> Cow<'static, str> {
        "SourceRule".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A network such as \"203.0.113.0/24\", a single address, or a service tag of Microsoft's as \
                            \"service_tag:NAME\".",
            "type": "string",
            "examples": ["service_tag:M365ManagementActivityApiWebhook", "203.0.113.0/24"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_and_written_as_text() {
        for text in ["203.0.113.0/24", "203.0.113.7", "2001:db8::/32", "service_tag:AzureFrontDoor.MicrosoftSecurity"] {
            assert_eq!(text.parse::<SourceRule>().unwrap().to_string(), text);
        }
        let tag = SourceRule::ServiceTag("M365ManagementActivityApiWebhook".to_owned());
        assert_eq!("service_tag:M365ManagementActivityApiWebhook".parse(), Ok(tag));
        assert_eq!("203.0.113.7".parse(), Ok(SourceRule::Network("203.0.113.7/32".parse().unwrap())));
    }

    #[test]
    fn what_is_no_rule_is_refused_with_the_right_text() {
        for (bad, advice) in [
            ("service_tag:", "write the name as Microsoft's file has it"),
            ("service_tag: x", "write the name as Microsoft's file has it"),
            ("M365ManagementActivityApiWebhook", "\"service_tag:M365ManagementActivityApiWebhook\", for instance"),
            ("manage.office.com", "write \"203.0.113.0/24\""),
            ("203.0.113.7/24", "write \"203.0.113.0/24\" for the network or \"203.0.113.7\" for the one address"),
        ] {
            let error = bad.parse::<SourceRule>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{bad:?} ")) && error.contains(advice), "{bad}: {error}");
        }
    }
}
