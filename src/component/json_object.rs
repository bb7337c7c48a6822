//! A JSON object as text, checked once and never built into a tree.
//!
//! A tree per event costs more than everything else together on the way to a JSON sink, and it damages numbers. So an
//! event keeps the text it came as, and a caller that needs a member scans for it.

use std::{borrow::Cow, fmt, sync::Arc};

use bytes::Bytes;
use bytestring::ByteString;
use serde::{
    Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use snafu::Snafu;

use super::{
    Repair,
    json_check::{self, Checked, Member, Span},
    repair::{lone_surrogates, repair_text},
};

/// Text known to be one JSON object: valid UTF-8, valid syntax, every string decodable.
#[derive(Clone)]
pub struct JsonObject {
    text: ByteString,
    /// Where the members are, found while the text was checked; `None` if that is not known.
    members: Option<Arc<Vec<Member>>>,
    may_have_backslash_u: bool,
    may_have_line_breaks: bool,
}

impl PartialEq for JsonObject {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for JsonObject {}

/// Why a record is no JSON object.
#[derive(Debug, Snafu)]
pub enum InvalidRecord {
    /// It is JSON of another kind.
    #[snafu(display("the record is {found}, not an object"))]
    NotAnObject {
        /// What it is.
        found: &'static str,
    },
    /// It is no JSON.
    #[snafu(display("the record is not valid JSON: {reason}"))]
    Syntax {
        /// What is wrong and where.
        reason: String,
    },
}

impl JsonObject {
    /// Checks that `text` is a JSON object.
    ///
    /// # Errors
    ///
    /// When it is not; nothing is repaired.
    pub fn parse(text: Bytes) -> Result<Self, InvalidRecord> {
        Self::parse_visiting(text, |_, _| {})
    }

    /// Checks that `text` is a JSON object and shows `visit` each top-level member on the way: name and raw JSON value.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn parse_visiting(text: Bytes, visit: impl FnMut(&str, &str)) -> Result<Self, InvalidRecord> {
        let text = ByteString::try_from(text)
            .map_err(|error| InvalidRecord::Syntax { reason: format!("not UTF-8: {error:?}") })?;
        Self::check(text, visit)
    }

    fn check(text: ByteString, mut visit: impl FnMut(&str, &str)) -> Result<Self, InvalidRecord> {
        match text.as_bytes().iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => {}
            Some(other) => return Err(InvalidRecord::NotAnObject { found: kind_of(*other) }),
            None => return Err(InvalidRecord::NotAnObject { found: "empty" }),
        }
        if let Some(checked) = json_check::object(&text) {
            return Ok(Self::of_checked(text, checked, visit));
        }
        let mut members = Some(Vec::new());
        visit_members(&text, |name, value| {
            let value = value.get();
            let member = || Some(Member { name: Span::of(name, &text)?, value: Span::of(value, &text)? });
            match (member(), &mut members) {
                (Some(member), Some(members)) => members.push(member),
                // A name with escapes is not in the text as such.
                _ => members = None,
            }
            visit(name, value);
        })
        .map_err(|error| InvalidRecord::Syntax { reason: error.to_string() })?;
        let members = members.map(Arc::new);
        Ok(Self { members, ..Self::unchecked(text) })
    }

    fn of_checked(text: ByteString, checked: Checked, mut visit: impl FnMut(&str, &str)) -> Self {
        let Checked { members, has_backslash_u, has_line_breaks } = checked;
        for member in &members {
            visit(member.name.get(&text), member.value.get(&text));
        }
        Self {
            text,
            members: Some(Arc::new(members)),
            may_have_backslash_u: has_backslash_u,
            may_have_line_breaks: has_line_breaks,
        }
    }

    /// Text of which no more is known than that it is an object.
    const fn unchecked(text: ByteString) -> Self {
        Self { text, members: None, may_have_backslash_u: true, may_have_line_breaks: true }
    }

    /// As [`JsonObject::parse_visiting`], but first repairs what would make a strict reader refuse a record of an audit
    /// log: bytes that are no UTF-8, control characters within strings, and escaped surrogates without their other half.
    ///
    /// # Errors
    ///
    /// When the record is no JSON object even so.
    pub fn parse_repairing(text: Bytes, visit: impl FnMut(&str, &str)) -> Result<(Self, Repair), InvalidRecord> {
        let mut repair = Repair::default();
        let bytes = text.clone();
        let mut text = if let Ok(text) = ByteString::try_from(text) {
            // Nearly every record is accepted here.
            if let Some(checked) = json_check::object(&text)
                && (!checked.has_backslash_u || lone_surrogates(text.as_bytes()).is_empty())
            {
                return Ok((Self::of_checked(text, checked, visit), repair));
            }
            text
        } else {
            repair.invalid_utf8 = true;
            ByteString::from(String::from_utf8_lossy(&bytes).into_owned())
        };
        let repaired = repair_text(&text);
        repair = repair.and(repaired.1);
        if let Cow::Owned(repaired) = repaired.0 {
            text = repaired.into();
        }
        Ok((Self::check(text, visit)?, repair))
    }

    /// Text that was made of a record by code that writes valid JSON only.
    ///
    /// # Errors
    ///
    /// When it is not UTF-8 after all.
    pub(crate) fn written(text: impl Into<Bytes>) -> Result<Self, InvalidRecord> {
        let text = ByteString::try_from(text.into())
            .map_err(|error| InvalidRecord::Syntax { reason: format!("not UTF-8: {error:?}") })?;
        debug_assert!(visit_members(&text, |_, _| {}).is_ok(), "not an object: {text}");
        Ok(Self::unchecked(text))
    }

    /// As [`JsonObject::written`], of which the members will be asked for.
    ///
    /// # Errors
    ///
    /// When it is not UTF-8 after all.
    pub(crate) fn rewritten(text: impl Into<Bytes>) -> Result<Self, InvalidRecord> {
        let object = Self::written(text)?;
        let checked = json_check::object(&object.text);
        Ok(match checked {
            Some(checked) => Self::of_checked(object.text, checked, |_, _| {}),
            None => object,
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text as shared bytes.
    pub fn as_bytes(&self) -> &Bytes {
        self.text.as_bytes()
    }

    /// Whether `\u` may be somewhere in the text: in an escape, or in one of a string within a string.
    pub(crate) const fn may_have_backslash_u(&self) -> bool {
        self.may_have_backslash_u
    }

    /// Whether the text may have more than one line.
    pub(super) const fn may_have_line_breaks(&self) -> bool {
        self.may_have_line_breaks
    }

    /// The same, without the places of the members: for objects that are kept for long and rarely asked for members.
    #[must_use]
    pub fn into_text_only(self) -> Self {
        Self { members: None, ..self }
    }

    /// The members, in the order of the text: name and raw JSON value. `None` if they are not known without looking for
    /// them.
    pub(crate) fn members(&self) -> Option<impl Iterator<Item = (&str, &str)>> {
        let members = self.members.as_ref()?;
        Some(members.iter().map(|member| (member.name.get(&self.text), member.value.get(&self.text))))
    }

    /// Shows `visit` each top-level member: name and raw JSON value, in the order of the text.
    pub fn for_each_member<'a>(&'a self, mut visit: impl FnMut(&str, &'a str)) {
        if let Some(members) = self.members() {
            members.for_each(|(name, value)| visit(name, value));
            return;
        }
        // Cannot fail: the same walk succeeded in the constructor.
        let _ = visit_members(&self.text, |name, value| visit(name, value.get()));
    }

    /// The raw JSON value of a top-level member; the last one where a name comes twice, as in `serde_json`.
    pub fn member(&self, wanted: &str) -> Option<&str> {
        let mut found = None;
        self.for_each_member(|name, value| {
            if name == wanted {
                found = Some(value);
            }
        });
        found
    }

    /// A top-level member that is a string.
    pub fn string_member(&self, wanted: &str) -> Option<String> {
        self.member(wanted).and_then(|raw| serde_json::from_str(raw).ok())
    }

    /// The text between the outer braces, without surrounding white space.
    pub fn inner(&self) -> &str {
        let text = self.as_str().trim_ascii();
        // An object has both braces.
        text.get(1..text.len().saturating_sub(1)).unwrap_or_default().trim_ascii()
    }
}

impl fmt::Debug for JsonObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn kind_of(first: u8) -> &'static str {
    match first {
        b'[' => "an array",
        b'"' => "a string",
        b't' | b'f' => "a boolean",
        b'n' => "null",
        b'-' | b'0'..=b'9' => "a number",
        _ => "not JSON",
    }
}

fn visit_members<'a>(text: &'a str, visit: impl FnMut(&str, &'a RawValue)) -> serde_json::Result<()> {
    struct Members<F>(F);

    impl<'de, F: FnMut(&str, &'de RawValue)> Visitor<'de> for Members<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some((name, value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                (self.0)(&name.0, value);
            }
            Ok(())
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(text);
    (&mut deserializer).deserialize_map(Members(visit))?;
    deserializer.end()
}

/// A member name, borrowed from the text unless it holds escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn repaired(text: &str) -> (String, Repair) {
        let (object, repair) = JsonObject::parse_repairing(Bytes::copy_from_slice(text.as_bytes()), |_, _| {}).unwrap();
        (object.as_str().to_owned(), repair)
    }

    #[test]
    fn members_are_found_at_the_top_level_only_and_the_last_one_counts() {
        let object = JsonObject::parse(r#" {"a":{"Id":1}, "Id" : "x", "I\u0064":"y"} "#.into()).unwrap();
        assert_eq!(object.member("Id"), Some("\"y\""));
        assert_eq!(object.string_member("Id").as_deref(), Some("y"));
        assert_eq!(object.member("b"), None);
        assert_eq!(object.inner(), r#""a":{"Id":1}, "Id" : "x", "I\u0064":"y""#);
    }

    #[test]
    fn what_is_no_object_is_named() {
        for (text, found) in
            [("[1]", "an array"), ("null", "null"), ("1", "a number"), ("", "empty"), ("<html>", "not JSON")]
        {
            let error = JsonObject::parse(text.into()).unwrap_err();
            assert!(error.to_string().contains(found), "{text}: {error}");
        }
        for text in ["{", "{\"a\":}", "{} x", "{\"a\":1,}", "{\"a\":01}"] {
            assert!(matches!(JsonObject::parse(text.into()), Err(InvalidRecord::Syntax { .. })), "{text}");
        }
    }

    #[test]
    fn lone_surrogates_are_replaced_and_pairs_and_escaped_backslashes_stay() {
        assert_eq!(repaired(r#"{"a":"\ud83d\ude00"}"#), (r#"{"a":"\ud83d\ude00"}"#.into(), Repair::default()));
        assert_eq!(repaired(r#"{"a":"C:\\ud83d"}"#), (r#"{"a":"C:\\ud83d"}"#.into(), Repair::default()));
        let (text, repair) = repaired(r#"{"a":"x\uD83Dy","\udc00":"\ud83d\ud83d\ude00"}"#);
        assert_eq!(text, r#"{"a":"x\ufffdy","\ufffd":"\ufffd\ud83d\ude00"}"#);
        assert_eq!(repair.lone_surrogates, 3);
    }

    #[test]
    fn bytes_that_are_no_utf8_are_replaced() {
        let (object, repair) =
            JsonObject::parse_repairing(Bytes::from_static(b"{\"a\":\"\xff\xfe\"}"), |_, _| {}).unwrap();
        assert!(repair.invalid_utf8);
        assert_eq!(object.as_str(), "{\"a\":\"\u{fffd}\u{fffd}\"}");
    }

    #[test]
    fn control_characters_in_strings_are_escaped_and_keep_their_value() {
        let (text, repair) =
            repaired("{\n\t\"a\tb\" : \"x\r\ny\u{0}\u{1f}\\n\\\\\n\u{7f}\u{8}\u{c}\u{fc}\" ,\n\"c\":[\"\n\"]}\n");
        assert_eq!(
            text,
            "{\n\t\"a\\tb\" : \"x\\r\\ny\\u0000\\u001f\\n\\\\\\n\u{7f}\\b\\f\u{fc}\" ,\n\"c\":[\"\\n\"]}\n"
        );
        assert_eq!(repair, Repair { control_characters: 9, ..Repair::default() });
        let white_space_only = "{\r\n\t\"a\": \"\\\"\",\r\n\t\"b\": 1}";
        assert_eq!(repaired(white_space_only), (white_space_only.into(), Repair::default()));
        // With what else is repaired.
        let (text, repair) = repaired("{\"a\":\"\\ud800\t\"}");
        assert_eq!(text, "{\"a\":\"\\ufffd\\t\"}");
        assert_eq!(repair, Repair { lone_surrogates: 1, control_characters: 1, ..Repair::default() });
        // What a backslash escapes is not known, and outside of strings nothing is repaired.
        for text in ["{\"a\":\"\\\n\"}", "{\"a\":\u{1}1}", "{\"a\":\"\n", "{\"a\":\"\\"] {
            assert!(JsonObject::parse_repairing(text.into(), |_, _| {}).is_err(), "{text:?}");
        }
    }

    #[test]
    fn nesting_has_no_limit() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(JsonObject::parse(deep.into()).is_ok());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_what_passes_is_json(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok((object, _)) = JsonObject::parse_repairing(bytes.into(), |_, _| {}) {
                serde_json::from_str::<serde_json::Map<_, _>>(object.as_str()).unwrap();
            }
        }

        #[test]
        fn any_string_survives_unescaped(content in "[\\PC\\x00-\\x1f]{0,300}") {
            let bare = content.replace(['"', '\\'], "");
            let text = format!("{{\n\"a\":\"{bare}\"}}");
            let (object, repair) = JsonObject::parse_repairing(text.into(), |_, _| {}).unwrap();
            let controls = bare.chars().filter(|c| *c < ' ').count();
            prop_assert_eq!(object.string_member("a").unwrap(), bare);
            prop_assert_eq!(repair, Repair { control_characters: controls, ..Repair::default() });
        }

        #[test]
        fn any_string_of_utf16_units_survives_escaped(units in prop::collection::vec(any::<u16>(), 0..50)) {
            use std::fmt::Write;
            let escaped = units.iter().fold(String::new(), |mut text, unit| {
                write!(text, "\\u{unit:04x}").unwrap();
                text
            });
            let text = format!("{{\"a\":\"{escaped}\"}}");
            let (object, repair) = JsonObject::parse_repairing(text.into(), |_, _| {}).unwrap();
            prop_assert_eq!(object.string_member("a").unwrap(), String::from_utf16_lossy(&units));
            prop_assert_eq!(repair.is_needed(), String::from_utf16(&units).is_err());
        }
    }
}
