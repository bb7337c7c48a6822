//! The parts of a record that could not be read. The event passes nevertheless, and the field keeps its value.

use std::{borrow::Cow, fmt};

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Damage {
    /// The record does not have it.
    Missing,
    /// It has another JSON type than Microsoft documents.
    WrongType,
    /// It is no time.
    InvalidTime,
    /// It is no IP address.
    InvalidAddress,
    /// It should hold JSON in a string, and does not.
    InvalidJson,
    /// The record has the name twice; the last one counts.
    RepeatedName,
    /// It holds text that PowerShell wrote in the place of an object.
    Flattened,
}

impl Damage {
    /// A word for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::WrongType => "wrong_type",
            Self::InvalidTime => "invalid_time",
            Self::InvalidAddress => "invalid_address",
            Self::InvalidJson => "invalid_json",
            Self::RepeatedName => "repeated_name",
            Self::Flattened => "flattened",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Missing => "is missing",
            Self::WrongType => "is not of the type that Microsoft documents",
            Self::InvalidTime => "is no time",
            Self::InvalidAddress => "is no IP address",
            Self::InvalidJson => "is no JSON",
            Self::RepeatedName => "occurs twice",
            Self::Flattened => "has lost its structure in PowerShell; export it with ConvertTo-Json -Depth 100",
        }
    }
}

impl fmt::Display for Damages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, sentence) in self.sentences().enumerate() {
            write!(f, "{}{sentence}", if index > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

/// All that could not be read in a record. Names of fields only, never what is in them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Damages(Vec<(Cow<'static, str>, Damage)>);

impl Damages {
    /// A record made of nothing but damage does not need a list of all of it.
    const MAX: usize = 16;

    /// The longest name of a field that is reported.
    const MAX_NAME: usize = 64;

    pub(crate) fn add(&mut self, field: impl Into<Cow<'static, str>>, damage: Damage) {
        let field = field.into();
        // Our own names, and those that look like Microsoft's. Any other could be content.
        let is_name = field.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte));
        let field = if is_name { field } else { Cow::Borrowed("a member") };
        let field = match field.char_indices().nth(Self::MAX_NAME) {
            Some((end, _)) => Cow::Owned(field[..end].to_owned()),
            None => field,
        };
        if self.0.len() < Self::MAX && !self.0.contains(&(field.clone(), damage)) {
            self.0.push((field, damage));
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Field and damage.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Damage)> {
        self.0.iter().map(|(field, damage)| (field.as_ref(), *damage))
    }

    /// One sentence about each, for `error.message`.
    pub(crate) fn sentences(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(field, damage)| format!("{field} {}", damage.sentence()))
    }
}
