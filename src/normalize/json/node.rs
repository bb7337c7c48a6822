//! A piece of JSON: text of the record as it came, or something that was made.

use std::{borrow::Cow, collections::HashMap, io::Write};

use chrono::{DateTime, Datelike, SecondsFormat, Timelike, Utc};
use serde_json::value::RawValue;

use super::{
    pruned::write_pruned,
    scan::{Scanner, decode},
};
use crate::component::{find_special, repair_text};

/// Containers nested deeper become strings with their text: no reader that builds trees goes deeper, and repeated names
/// are not checked there.
pub(super) const MAX_DEPTH: usize = 128;

/// Objects with more members than this look for repeated names in a map.
const MANY_MEMBERS: usize = 24;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node<'a> {
    /// Valid JSON text, written as it is.
    Json(Cow<'a, str>),
    /// A string, without quotes and escapes.
    Text(Cow<'a, str>),
    /// A whole number.
    Integer(i64),
    /// `true` or `false`.
    Bool(bool),
    /// A time, written in RFC 3339 with milliseconds and `Z`.
    Time(DateTime<Utc>),
    /// An array.
    List(Vec<Node<'a>>),
    /// An object.
    Object(Object<'a>),
}

/// Which of several members with the same name counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Repeated {
    /// The first.
    First,
    /// The last, as everywhere.
    Last,
}

/// Text that is no JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NotJson;

/// The members of a JSON object, in order, each name once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, Node<'a>)>);

impl<'a> Node<'a> {
    /// Takes valid JSON text apart, leaving out what is empty: `null`, `""`, `{}`, `[]`, and what is made of these only. Of
    /// members with the same name the last one counts, as everywhere. `None` if nothing is left.
    ///
    /// Strings and numbers keep their text.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        parse(&mut Scanner::new(text), Repeated::Last, 0)
    }

    /// As [`Node::parse`], of text into which nobody will look again: objects and arrays stay text.
    pub(crate) fn pruned(text: &'a str) -> Option<Self> {
        if !text.starts_with(['{', '[']) {
            return Self::parse(text);
        }
        let mut out = Vec::with_capacity(text.len());
        let is_left = write_pruned(text, &mut out);
        if !is_left {
            return None;
        }
        // Text of which pieces are left out is still UTF-8.
        let left = String::from_utf8(out).ok()?;
        Some(Self::Json(if left == text { Cow::Borrowed(text) } else { Cow::Owned(left) }))
    }

    /// As [`Node::parse`], of text that may not be JSON, such as the content of a string.
    ///
    /// # Errors
    ///
    /// When it is no JSON.
    pub(crate) fn parse_embedded(text: &str, repeated: Repeated) -> Result<Option<Node<'static>>, NotJson> {
        // Half a surrogate pair or a control character, escaped in a string that is itself escaped, passes the check of the
        // record.
        let (text, _) = repair_text(text);
        serde_json::from_str::<&RawValue>(&text).map_err(|_| NotJson)?;
        Ok(parse(&mut Scanner::new(&text), repeated, 0).map(Node::into_owned))
    }

    /// A string, from text that is not JSON.
    pub(crate) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// The content, if this is a string.
    pub(crate) fn as_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Json(json) => decode(json),
            Self::Text(text) => Some(Cow::Borrowed(text)),
            _ => None,
        }
    }

    /// The elements, if this is a parsed array.
    pub(crate) fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The members, if this is a parsed object.
    pub(crate) const fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The members, if this is a parsed object, to change.
    pub(crate) const fn as_object_mut(&mut self) -> Option<&mut Object<'a>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Looks up `a.b.c` in objects within objects.
    pub(crate) fn get(&self, path: &str) -> Option<&Self> {
        let (name, rest) = split_path(path);
        let node = self.as_object()?.get(name)?;
        match rest {
            None => Some(node),
            Some(rest) => node.get(rest),
        }
    }

    /// The same, independent of the record's text.
    pub(crate) fn into_owned(self) -> Node<'static> {
        match self {
            Self::Json(json) => Node::Json(Cow::Owned(json.into_owned())),
            Self::Text(text) => Node::Text(Cow::Owned(text.into_owned())),
            Self::Integer(number) => Node::Integer(number),
            Self::Bool(flag) => Node::Bool(flag),
            Self::Time(time) => Node::Time(time),
            Self::List(list) => Node::List(list.into_iter().map(Node::into_owned).collect()),
            Self::Object(Object(members)) => Node::Object(Object(
                members.into_iter().map(|(name, node)| (Cow::Owned(name.into_owned()), node.into_owned())).collect(),
            )),
        }
    }

    /// Appends the value as compact JSON; text of the record keeps its inner white space.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Json(json) => out.extend_from_slice(json.as_bytes()),
            Self::Text(text) => write_string(text, out),
            Self::Integer(number) => write_integer(*number, out),
            Self::Bool(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
            Self::Time(time) => {
                write_time(time, out);
            }
            Self::List(list) => {
                out.push(b'[');
                for (index, node) in list.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    node.write(out);
                }
                out.push(b']');
            }
            Self::Object(object) => object.write(out),
        }
    }
}

impl<'a> Object<'a> {
    /// An object without members.
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// An object that will have many members.
    pub(crate) fn with_capacity(members: usize) -> Self {
        Self(Vec::with_capacity(members))
    }

    /// Of members whose names are known to differ.
    pub(crate) const fn from_unique(members: Vec<(Cow<'a, str>, Node<'a>)>) -> Self {
        Self(members)
    }

    /// Whether there are no members.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The members.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Node<'a>)> {
        self.0.iter().map(|(name, node)| (name.as_ref(), node))
    }

    /// The members, to change.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Node<'a>)> {
        self.0.iter_mut().map(|(name, node)| {
            let name: &Cow<'a, str> = name;
            (name.as_ref(), node)
        })
    }

    /// The member of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Node<'a>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, node)| node)
    }

    /// The member of this name, to change.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Node<'a>> {
        self.0.iter_mut().find(|(known, _)| known == name).map(|(_, node)| node)
    }

    /// Sets a member, in its place if there is one of this name, else at the end.
    pub(crate) fn set(&mut self, name: impl Into<Cow<'a, str>>, node: Node<'a>) {
        let name = name.into();
        match self.get_mut(&name) {
            Some(known) => *known = node,
            None => self.0.push((name, node)),
        }
    }

    /// As [`Object::set`], if there is something to set.
    pub(crate) fn set_some(&mut self, name: impl Into<Cow<'a, str>>, node: Option<Node<'a>>) {
        if let Some(node) = node {
            self.set(name, node);
        }
    }

    /// Takes a member out.
    pub(crate) fn take(&mut self, name: &str) -> Option<Node<'a>> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    /// Appends the object as JSON.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (index, (name, node)) in self.0.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_string(name, out);
            out.push(b':');
            node.write(out);
        }
        out.push(b'}');
    }
}

impl<'a> IntoIterator for Object<'a> {
    type Item = (Cow<'a, str>, Node<'a>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> FromIterator<(Cow<'a, str>, Node<'a>)> for Object<'a> {
    /// Of members with the same name the last one counts, in the place of the first.
    fn from_iter<I: IntoIterator<Item = (Cow<'a, str>, Node<'a>)>>(members: I) -> Self {
        let mut builder = Builder::default();
        members.into_iter().for_each(|(name, node)| builder.set(name, Some(node), Repeated::Last));
        builder.finish()
    }
}

/// Appends a whole number. Events have dozens, and the general way takes several times as long.
fn write_integer(number: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let (mut start, mut rest) = (digits.len(), number.unsigned_abs());
    while rest > 0 || start == digits.len() {
        start -= 1;
        digits[start] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends a time as a string, in RFC 3339 with milliseconds and `Z`.
fn write_time(time: &DateTime<Utc>, out: &mut Vec<u8>) {
    let (Ok(year @ 0..=9999), milliseconds @ 0..=999) = (u32::try_from(time.year()), time.nanosecond() / 1_000_000)
    else {
        // Years of more digits, and leap seconds. Writing to a vector cannot fail.
        let _ = write!(out, "\"{}\"", time.to_rfc3339_opts(SecondsFormat::Millis, true));
        return;
    };
    // The general way takes several times as long, and every event has two times.
    let mut text = *br#""0000-00-00T00:00:00.000Z""#;
    for (number, places) in [
        (year, 1..5),
        (time.month(), 6..8),
        (time.day(), 9..11),
        (time.hour(), 12..14),
        (time.minute(), 15..17),
        (time.second(), 18..20),
        (milliseconds, 21..24),
    ] {
        let mut rest = number;
        for digit in text[places].iter_mut().rev() {
            *digit += u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
    }
    out.extend_from_slice(&text);
}

/// The first name of a path, and what comes after the dot.
pub(crate) fn split_path(path: &str) -> (&str, Option<&str>) {
    match path.bytes().position(|byte| byte == b'.') {
        Some(at) => (&path[..at], Some(&path[at + 1..])),
        None => (path, None),
    }
}

/// Appends a JSON string.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    // Hardly any string has something to escape.
    if find_special(text.as_bytes()).is_none() {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    // A string always serialises, and a vector takes everything.
    let _ = serde_json::to_writer(out, text);
}

/// Collects members, each name once, in linear time whatever their number.
#[derive(Default)]
struct Builder<'a> {
    members: Vec<(Cow<'a, str>, Option<Node<'a>>)>,
    /// Where each is, once there are many.
    places: Option<HashMap<Cow<'a, str>, usize>>,
}

impl<'a> Builder<'a> {
    /// Sets a member; `None` stands for one that is empty.
    fn set(&mut self, name: Cow<'a, str>, node: Option<Node<'a>>, repeated: Repeated) {
        if self.members.len() == MANY_MEMBERS && self.places.is_none() {
            self.places = Some(self.members.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect());
        }
        let place = match &self.places {
            None => self.members.iter().position(|(known, _)| *known == name),
            Some(places) => places.get(&name).copied(),
        };
        match place.and_then(|at| self.members.get_mut(at)) {
            Some((_, Some(_))) if repeated == Repeated::First => {}
            Some((_, known)) => *known = node,
            None => {
                if let Some(places) = &mut self.places {
                    places.insert(name.clone(), self.members.len());
                }
                self.members.push((name, node));
            }
        }
    }

    fn finish(self) -> Object<'a> {
        Object(self.members.into_iter().filter_map(|(name, node)| Some((name, node?))).collect())
    }
}

fn parse<'a>(scanner: &mut Scanner<'a>, repeated: Repeated, depth: usize) -> Option<Node<'a>> {
    match scanner.peek()? {
        b'{' if depth < MAX_DEPTH => {
            scanner.eat(b'{');
            let mut builder = Builder::default();
            while scanner.peek() == Some(b'"') {
                let name = decode(scanner.string())?;
                scanner.eat(b':');
                builder.set(name, parse(scanner, repeated, depth + 1), repeated);
                scanner.eat(b',');
            }
            scanner.eat(b'}');
            let object = builder.finish();
            (!object.is_empty()).then_some(Node::Object(object))
        }
        b'[' if depth < MAX_DEPTH => {
            scanner.eat(b'[');
            let mut list = Vec::new();
            while !matches!(scanner.peek(), None | Some(b']')) {
                list.extend(parse(scanner, repeated, depth + 1));
                scanner.eat(b',');
            }
            scanner.eat(b']');
            (!list.is_empty()).then_some(Node::List(list))
        }
        b'{' | b'[' => Some(Node::Text(Cow::Borrowed(scanner.value()))),
        _ => {
            let raw = scanner.value();
            (!matches!(raw, "null" | "\"\"")).then_some(Node::Json(Cow::Borrowed(raw)))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn written(text: &str) -> Option<String> {
        Node::parse(text).map(|node| {
            let mut out = Vec::new();
            node.write(&mut out);
            String::from_utf8(out).unwrap()
        })
    }

    #[test]
    fn what_is_empty_is_left_out_and_numbers_keep_their_text() {
        let text = r#" { "a" : 1.0, "b":[ ], "c":{"d":null,"e":[{},[""]]}, "f":[null,"x",0,false], "g":12345678901234567890 }"#;
        assert_eq!(written(text).unwrap(), r#"{"a":1.0,"f":["x",0,false],"g":12345678901234567890}"#);
        for nothing in ["null", "\"\"", "[]", "{ }", "[[null]]"] {
            assert_eq!(written(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn of_repeated_names_the_last_counts_in_small_and_large_objects() {
        assert_eq!(written(r#"{"a":1,"b":2,"\u0061":3}"#).unwrap(), r#"{"a":3,"b":2}"#);
        assert_eq!(written(r#"{"a":1,"a":null}"#), None);
        let many: Vec<String> = (0..100).map(|n| format!("\"n{}\":{n}", n % 50)).collect();
        let object: Value = serde_json::from_str(&written(&format!("{{{}}}", many.join(","))).unwrap()).unwrap();
        assert_eq!(object.as_object().unwrap().len(), 50);
        assert_eq!(object["n7"], 57);
    }

    #[test]
    fn embedded_text_keeps_the_first_of_repeated_names_when_asked_and_repairs_surrogates() {
        let text = r#"{"t":"","t":"one","t":"two","s":"\ud83d"}"#;
        let node = Node::parse_embedded(text, Repeated::First).unwrap().unwrap();
        assert_eq!(node.get("t").unwrap().as_text().unwrap(), "one");
        assert_eq!(node.get("s").unwrap().as_text().unwrap(), "\u{fffd}");
    }

    #[test]
    fn whole_numbers_are_written_as_they_are_displayed() {
        for number in [0, 7, 10, -1, -40, 1_760_000_000_123, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            Node::Integer(number).write(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }

    #[test]
    fn times_are_written_as_rfc_3339_has_them() {
        for (seconds, nanoseconds) in [
            (0, 0),
            (1_760_000_000, 5_999_999),
            (-62_167_219_200, 999_999_999),
            (253_402_300_799, 120_000_000),
            (253_402_300_800, 0),
            (-62_167_219_201, 0),
            (1_483_228_799, 1_500_000_000),
        ] {
            let time = DateTime::from_timestamp(seconds, nanoseconds).unwrap();
            let mut out = Vec::new();
            Node::Time(time).write(&mut out);
            let expected = format!("\"{}\"", time.to_rfc3339_opts(SecondsFormat::Millis, true));
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn deep_nesting_becomes_a_string() {
        let nested = |depth: usize, inner: &str| format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth));
        let inner = nested(5000, r#"{"x":1,"x":2}"#);
        let expected = nested(MAX_DEPTH, &Value::from(inner.as_str()).to_string());
        assert_eq!(written(&nested(MAX_DEPTH, &inner)).unwrap(), expected);
    }

    #[test]
    fn members_are_set_and_taken_and_looked_up_by_path() {
        let mut node = Node::parse(r#"{"a":{"b":{"c":"d\u0021"}},"x":1}"#).unwrap();
        assert_eq!(node.get("a.b.c").unwrap().as_text().unwrap(), "d!");
        assert_eq!(node.get("a.c"), None);
        let object = node.as_object_mut().unwrap();
        assert!(object.take("a").is_some() && object.take("a").is_none());
        object.set("x", Node::text("\u{1}\"\n"));
        let mut out = Vec::new();
        node.write(&mut out);
        assert_eq!(out, br#"{"x":"\u0001\"\n"}"#);
    }

    /// What `Node::parse` promises, on a tree.
    fn pruned(value: Value) -> Option<Value> {
        match value {
            Value::Null => None,
            Value::String(text) if text.is_empty() => None,
            Value::Array(list) => {
                let list: Vec<_> = list.into_iter().filter_map(pruned).collect();
                (!list.is_empty()).then_some(Value::Array(list))
            }
            Value::Object(map) => {
                let map: serde_json::Map<_, _> =
                    map.into_iter().filter_map(|(name, value)| Some((name, pruned(value)?))).collect();
                (!map.is_empty()).then_some(Value::Object(map))
            }
            other => Some(other),
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a\"\\\\\u{e9}\n]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-c]{0,2}", inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_loses_nothing_but_what_is_empty(value in json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let found: Option<Value> = written(&text).map(|text| serde_json::from_str(&text).unwrap());
            prop_assert_eq!(&found, &pruned(value));
            let as_text = Node::pruned(&text).map(|node| {
                let mut out = Vec::new();
                node.write(&mut out);
                serde_json::from_slice::<Value>(&out).unwrap()
            });
            prop_assert_eq!(as_text, found);
        }

        #[test]
        fn text_that_is_no_json_is_refused_when_embedded_and_never_panics(
            text in "[\\[\\]{}\",:\\\\ n1\u{e9}]{0,40}",
        ) {
            let _ = Node::parse(&text);
            let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(Node::parse_embedded(&text, Repeated::Last).is_ok(), is_json);
        }
    }
}
