//! Values that are added to events.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

/// Members by their names.
pub type Fields = BTreeMap<String, Field>;

/// A value that is added to events.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Field {
    /// A text.
    Text(String),
    /// A time; in JSON text as RFC 3339 has it, in UTC.
    #[serde(serialize_with = "rfc3339")]
    Timestamp(DateTime<Utc>),
    /// Members of its own.
    Object(Fields),
}

fn rfc3339<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

impl Field {
    /// An object of these members.
    pub fn object<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Object(fields(members))
    }
}

/// These members.
pub fn fields<const N: usize>(members: [(&str, Field); N]) -> Fields {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl From<&str> for Field {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

#[cfg(feature = "vrl")]
impl From<Field> for vrl::value::Value {
    fn from(field: Field) -> Self {
        match field {
            Field::Text(text) => Self::from(text),
            Field::Timestamp(time) => Self::Timestamp(time),
            Field::Object(fields) => {
                Self::Object(fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
            }
        }
    }
}
