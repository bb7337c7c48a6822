//! Which records become events.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};

use super::{error::Problems, structure::nearest};
use crate::{content::ContentType, record_types::RECORD_TYPES};

/// Which records become events. What is left out is downloaded, counted and not sent on.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FiltersConfig {
    /// Records that become events: those that one of these tables describes. Default: all records.
    pub include: Vec<FilterConfig>,
    /// Records that are left out, also if `include` describes them. Default: none.
    pub exclude: Vec<FilterConfig>,
}

/// What records a filter describes. Each list that is written must have an item that fits. Texts are compared in any case;
/// `*` stands for any characters, `?` for one.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilterConfig {
    /// The content type that the record came with. Default: any.
    #[serde(deserialize_with = "written", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = ["Audit.SharePoint"])]
    pub content_type: Option<Vec<ContentType>>,
    /// `RecordType`, by its name or its number in Microsoft's schema. Default: any.
    #[serde(deserialize_with = "written", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = ["SharePointFileOperation", "Copilot*"])]
    pub record_type: Option<Vec<RecordTypeConfig>>,
    /// `Workload`. Default: any.
    #[serde(deserialize_with = "written", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = ["OneDrive"])]
    pub workload: Option<Vec<String>>,
    /// `Operation`. Default: any.
    #[serde(deserialize_with = "written", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = ["FileAccessed*", "PageViewed"])]
    pub operation: Option<Vec<String>>,
    /// `UserId` as it is written, or the address in it. Default: any.
    #[serde(deserialize_with = "written", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = ["app@sharepoint", "*@contoso.com"])]
    pub user: Option<Vec<String>>,
}

/// What is written, also if that is nothing: in YAML, a key whose values were all taken out must not widen the filter.
fn written<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A record type, by its name or its number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RecordTypeConfig {
    /// Microsoft's number; also one that has no name yet.
    Number(u32),
    /// Microsoft's name, or a pattern of names.
    Name(String),
}

impl<'de> Deserialize<'de> for RecordTypeConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrNumber;
        impl Visitor<'_> for NameOrNumber {
            type Value = RecordTypeConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name or the number of a record type, such as \"ExchangeItem\" or 2")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
                // A number in quotes is meant as one.
                Ok(name
                    .trim()
                    .parse()
                    .map_or_else(|_| RecordTypeConfig::Name(name.to_owned()), RecordTypeConfig::Number))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                let number = u32::try_from(number);
                number.map(RecordTypeConfig::Number).map_err(|_| E::custom("no record type has such a number"))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                let number = u32::try_from(number);
                number.map(RecordTypeConfig::Number).map_err(|_| E::custom("no record type has such a number"))
            }
        }
        deserializer.deserialize_any(NameOrNumber)
    }
}

impl Serialize for RecordTypeConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u32(*number),
            Self::Name(name) => serializer.serialize_str(name),
        }
    }
}

impl JsonSchema for RecordTypeConfig {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RecordType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "minimum": 0 })
    }
}

impl FiltersConfig {
    /// Checks that each filter says something, and that together they leave events of each content type.
    pub(super) fn check(&self, problems: &mut Problems, content_types: &[ContentType]) {
        for (list, filters) in [("include", &self.include), ("exclude", &self.exclude)] {
            for (index, filter) in filters.iter().enumerate() {
                filter.check(problems, &format!("filters.{list}[{index}]"), content_types);
            }
        }
        for (index, filter) in self.exclude.iter().enumerate() {
            if !filter.is_empty() && filter.fits_all_of_its_types() {
                let of = |content_type: &&ContentType| {
                    filter.content_type.as_ref().is_none_or(|types| types.contains(content_type))
                };
                let gone: Vec<_> = content_types.iter().filter(of).collect();
                report(problems, &format!("filters.exclude[{index}]"), "leaves no event", &gone, content_types.len());
            }
        }
        if !self.include.is_empty() && self.include.iter().all(|filter| filter.content_type.is_some()) {
            let named = |content_type: &ContentType| {
                self.include
                    .iter()
                    .flat_map(|filter| filter.content_type.iter().flatten())
                    .any(|known| known == content_type)
            };
            let gone: Vec<_> = content_types.iter().filter(|content_type| !named(content_type)).collect();
            report(problems, "filters.include", "includes no event", &gone, content_types.len());
        }
    }
}

/// Content types without a single event are better not collected.
fn report(problems: &mut Problems, key: &str, problem: &str, gone: &[&ContentType], all: usize) {
    let names = gone.iter().map(|content_type| format!("\"{content_type}\"")).collect::<Vec<_>>().join(", ");
    match gone.len() {
        0 => {}
        count if count == all => {
            problems.add(key, format!("{problem} at all"), "Write what is less than everything, or remove it.");
        }
        _ => problems.add(
            key,
            format!("{problem} of {names}, which would be downloaded for nothing"),
            format!("Take {names} out of content_types, or leave some of its events."),
        ),
    }
}

impl FilterConfig {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it fits each record of its content types that has the members it looks at.
    fn fits_all_of_its_types(&self) -> bool {
        let all = |patterns: &Option<Vec<String>>| {
            patterns.as_ref().is_none_or(|list| list.iter().any(|text| is_anything(text)))
        };
        let is_all =
            |record_type: &RecordTypeConfig| matches!(record_type, RecordTypeConfig::Name(name) if is_anything(name));
        all(&self.workload)
            && all(&self.operation)
            && all(&self.user)
            && self.record_type.as_ref().is_none_or(|list| list.iter().any(is_all))
    }

    fn check(&self, problems: &mut Problems, path: &str, content_types: &[ContentType]) {
        if self.is_empty() {
            problems.add(
                path,
                "says nothing",
                "Write at least one of content_type, record_type, workload, operation and user, such as operation = \
                 [\"FileAccessed*\"], or remove the table.",
            );
        }
        for (key, length) in [
            ("content_type", self.content_type.as_ref().map(Vec::len)),
            ("record_type", self.record_type.as_ref().map(Vec::len)),
            ("workload", self.workload.as_ref().map(Vec::len)),
            ("operation", self.operation.as_ref().map(Vec::len)),
            ("user", self.user.as_ref().map(Vec::len)),
        ] {
            if length == Some(0) {
                problems.add(
                    &format!("{path}.{key}"),
                    "is empty, and fits nothing",
                    "Write at least one item, or remove the key.",
                );
            }
        }
        for (key, patterns) in [("workload", &self.workload), ("operation", &self.operation), ("user", &self.user)] {
            for (index, pattern) in patterns.iter().flatten().enumerate() {
                if pattern.trim().is_empty() {
                    problems.add(
                        &format!("{path}.{key}[{index}]"),
                        "is empty",
                        "Write a text, with `*` for any characters, or remove it.",
                    );
                }
            }
        }
        for (index, content_type) in self.content_type.iter().flatten().enumerate() {
            if !content_types.contains(content_type) {
                problems.add(
                    &format!("{path}.content_type[{index}]"),
                    format!("\"{content_type}\" is not collected"),
                    "Add it to content_types, or remove it here.",
                );
            }
        }
        for (index, record_type) in self.record_type.iter().flatten().enumerate() {
            if let RecordTypeConfig::Name(name) = record_type {
                check_name(problems, &format!("{path}.record_type[{index}]"), name);
            }
        }
    }
}

/// Microsoft adds record types; one that has no name here yet has a number.
fn check_name(problems: &mut Problems, path: &str, name: &str) {
    let pattern = wildmatch::WildMatch::new_case_insensitive(name.trim());
    if RECORD_TYPES.iter().any(|(_, known)| pattern.matches(known)) {
        return;
    }
    let lower: Vec<_> = RECORD_TYPES.iter().map(|(_, known)| (known.to_lowercase(), *known)).collect();
    let near = nearest(name, lower.iter().map(|(lower, _)| lower.as_str()));
    let near = near.and_then(|near| lower.iter().find(|(lower, _)| lower == near));
    let problem = match near {
        Some((_, known)) => format!("no record type is named {name:?}; did you mean \"{known}\"?"),
        None => format!("no record type is named {name:?}"),
    };
    problems.add(
        path,
        problem,
        "Write a name of Microsoft's table AuditLogRecordType (Office 365 Management Activity API schema), or the number of a \
         record type that is newer than this program.",
    );
}

/// Whether a pattern fits each text that is not empty.
fn is_anything(pattern: &str) -> bool {
    let pattern = pattern.trim();
    let (any, one) = (pattern.matches('*').count(), pattern.matches('?').count());
    any > 0 && one <= 1 && any + one == pattern.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let filters: FiltersConfig = toml::from_str(text).unwrap();
        let mut problems = Problems::below("sources.m365");
        filters.check(&mut problems, &[ContentType::Exchange, ContentType::SharePoint]);
        problems.finish().err().map(|errors| errors.iter().map(ToString::to_string).collect()).unwrap_or_default()
    }

    #[test]
    fn filters_that_leave_something_of_everything_are_fine() {
        for text in [
            "",
            "exclude = [{ operation = [\"FileAccessed*\"] }]",
            "include = [{ record_type = [6, \"14\", \"exchange*\", 99999] }]",
            "include = [{ content_type = [\"Audit.Exchange\"] }, { content_type = [\"audit.sharepoint\"], user = [\"*@contoso.com\"] }]",
            "exclude = [{ content_type = [\"Audit.SharePoint\"], operation = [\"PageViewed\"] }]",
        ] {
            assert_eq!(problems(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn filters_that_are_slips_are_named_with_what_to_write() {
        for (text, expected) in [
            ("exclude = [{}]", "sources.m365.filters.exclude[0]: says nothing. Write at least one of content_type,"),
            ("include = [{ operation = [] }]", "include[0].operation: is empty, and fits nothing."),
            ("include = [{ user = [\" \"] }]", "include[0].user[0]: is empty."),
            (
                "exclude = [{ record_type = [\"SharePointFileOperations\"] }]",
                "did you mean \"SharePointFileOperation\"?",
            ),
            (
                "exclude = [{ record_type = [\"Fax*\"] }]",
                "exclude[0].record_type[0]: no record type is named \"Fax*\". Write a name",
            ),
            ("exclude = [{ content_type = [\"DLP.All\"] }]", "\"DLP.All\" is not collected. Add it to content_types,"),
            ("exclude = [{ operation = [\"*\"] }]", "exclude[0]: leaves no event at all."),
            ("exclude = [{ operation = [\"?*\"] }]", "exclude[0]: leaves no event at all."),
            ("exclude = [{ record_type = [\"*\", 3] }]", "exclude[0]: leaves no event at all."),
            (
                "exclude = [{ content_type = [\"Audit.SharePoint\"], workload = [\"**\"] }]",
                "leaves no event of \"Audit.SharePoint\", which would be downloaded for nothing. Take \"Audit.SharePoint\" out of",
            ),
            (
                "include = [{ content_type = [\"Audit.Exchange\"], operation = [\"New-InboxRule\"] }]",
                "filters.include: includes no event of \"Audit.SharePoint\"",
            ),
        ] {
            let found = problems(text);
            assert!(found.len() == 1 && found[0].contains(expected), "{text}: {found:?}");
        }
    }

    #[test]
    fn a_record_type_is_a_name_or_a_number() {
        for (text, expected) in
            [("1.5", "the name or the number of a record type"), ("-1", "no record type has such a number")]
        {
            let error =
                toml::from_str::<FiltersConfig>(&format!("exclude = [{{ record_type = [{text}] }}]")).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        let error =
            serde_json::from_str::<FiltersConfig>(r#"{"exclude":[{"user":["a"],"operation":null}]}"#).unwrap_err();
        assert!(error.to_string().contains("null"), "{error}");
        let text = r#"{"include":[{"record_type":[2,"ExchangeItem*"]}],"exclude":[]}"#;
        let filters: FiltersConfig = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&filters).unwrap(), text);
    }
}
