//! The members of an audit record while they are mapped.

mod index;

use std::{borrow::Cow, collections::HashMap};

use chrono::{DateTime, Utc};

use self::index::{Index, Prefix};
pub(crate) use self::index::{Path, paths};
use super::{
    damage::{Damage, Damages},
    flattened::has_flattened,
    json::{Members, Node, Object, decode, split_path, write_pruned, write_string},
    spelling,
    time::{is_unset, parse_time},
};
use crate::component::JsonObject;

/// Where an object has a time, best first.
pub(super) const TIME_MEMBERS: [&str; 2] = ["value", "DateTime"];

/// Most records have fewer members.
const EXPECTED_MEMBERS: usize = 40;

/// Records with more members than this look for repeated names in a map.
const MANY_MEMBERS: usize = 64;

/// A record, taken apart as far as its members were asked for.
#[derive(Debug)]
pub(crate) struct Audit<'a> {
    members: Vec<Member<'a>>,
    /// Where each is. Rules ask for many more names than a record has, and this answers most of them.
    index: Index,
    /// What could not be read.
    pub(crate) damages: Damages,
}

#[derive(Debug)]
struct Member<'a> {
    name: Cow<'a, str>,
    value: Value<'a>,
    /// Whether it has moved to a field of the schema and no longer stands where it stood.
    moved: bool,
}

#[derive(Debug)]
enum Value<'a> {
    /// As it came.
    Raw(&'a str),
    /// Taken apart; `None` if nothing but emptiness was in it.
    Parsed(Option<Node<'a>>),
}

impl<'a> Audit<'a> {
    /// The members of a record; of those with the same name the last one counts.
    pub(crate) fn new(record: &'a JsonObject) -> Self {
        let mut members: Vec<Member<'a>> = Vec::with_capacity(EXPECTED_MEMBERS);
        let mut index = Index::with_capacity(EXPECTED_MEMBERS);
        let mut damages = Damages::default();
        // Records have some dozens of members. For one that has thousands, looking at all of them for each is too slow.
        let mut places: HashMap<Cow<'a, str>, usize> = HashMap::new();
        let mut add = |name: Cow<'a, str>, raw: &'a str| {
            let prefix = Prefix::of(&name);
            let known = if members.len() < MANY_MEMBERS {
                index.places(prefix).find(|at| members.get(*at).is_some_and(|member| member.name == name))
            } else {
                if places.is_empty() {
                    places = members.iter().enumerate().map(|(at, member)| (member.name.clone(), at)).collect();
                }
                places.get(&name).copied()
            };
            let value = Value::Raw(raw);
            if let Some(known) = known.and_then(|at| members.get_mut(at)) {
                damages.add(name.into_owned(), Damage::RepeatedName);
                known.value = value;
            } else {
                if !places.is_empty() {
                    places.insert(name.clone(), members.len());
                }
                index.push(prefix);
                members.push(Member { name, value, moved: false });
            }
        };
        match record.members() {
            Some(members) => members.for_each(|(name, raw)| add(Cow::Borrowed(name), raw)),
            None => Members::of(record.as_str()).for_each(|(name, raw)| add(name, raw)),
        }
        if has_flattened(record.as_str()) {
            for Member { name, value, .. } in &members {
                if matches!(value, Value::Raw(raw) if has_flattened(raw)) {
                    damages.add(name.clone().into_owned(), Damage::Flattened);
                }
            }
        }
        Self { members, index, damages }
    }

    /// A member as it came, unless it is empty or moved. `a.b` looks into objects.
    #[inline]
    pub(crate) fn node<'p>(&mut self, path: impl Into<Path<'p>>) -> Option<&Node<'a>> {
        let path = path.into();
        if self.may_have(path) { self.find_node(path) } else { None }
    }

    fn find_node(&mut self, path: Path<'_>) -> Option<&Node<'a>> {
        let (place, rest) = self.parse(path)?;
        self.members.get(place)?.node(rest)
    }

    /// The text of a scalar; numbers and booleans as they are written. Empty strings and those that only say that there
    /// is nothing, such as `<null>`, count as absent. An array or object is damage.
    #[inline]
    pub(crate) fn text<'p>(&mut self, path: impl Into<Path<'p>>) -> Option<Cow<'a, str>> {
        let path = path.into();
        if self.may_have(path) { self.find_text(path) } else { None }
    }

    fn find_text(&mut self, path: Path<'_>) -> Option<Cow<'a, str>> {
        scalar_text(self.scalar(path)?)
    }

    /// The text of a string; anything else than a string is damage.
    pub(crate) fn string<'p>(&mut self, path: impl Into<Path<'p>>) -> Option<Cow<'a, str>> {
        let path = path.into();
        match self.scalar(path)? {
            Node::Json(json) if !json.starts_with('"') => {
                self.damages.add(path.as_str().to_owned(), Damage::WrongType);
                None
            }
            node => scalar_text(node),
        }
    }

    /// As [`Audit::text`], but as JSON text with quotes, so that nothing needs to be decoded.
    #[inline]
    pub(crate) fn keyword<'p>(&mut self, path: impl Into<Path<'p>>) -> Option<Node<'a>> {
        let path = path.into();
        if self.may_have(path) { self.find_keyword(path) } else { None }
    }

    fn find_keyword(&mut self, path: Path<'_>) -> Option<Node<'a>> {
        let node = self.scalar(path)?;
        let text = scalar_text(node)?;
        match node {
            Node::Json(json) if json.starts_with('"') => Some(node.clone()),
            _ => Some(Node::Text(text)),
        }
    }

    /// A whole number, also written as a string, or with a fraction of zero or an exponent.
    #[inline]
    pub(crate) fn integer<'p>(&mut self, path: impl Into<Path<'p>>) -> Option<i64> {
        let path = path.into();
        if self.may_have(path) { self.find_integer(path) } else { None }
    }

    fn find_integer(&mut self, path: Path<'_>) -> Option<i64> {
        let text = self.text(path)?;
        let number = parse_integer(&text);
        if number.is_none() {
            self.damages.add(path.as_str().to_owned(), Damage::WrongType);
        }
        number
    }

    /// A time. Without a zone it is UTC. One that was never set is as good as absent.
    pub(crate) fn time<'p>(&mut self, path: impl Into<Path<'p>>) -> Option<DateTime<Utc>> {
        let path = path.into();
        let text = match self.wrapped_time(path) {
            Some(text) => text,
            None => self.text(path)?,
        };
        let time = parse_time(&text);
        if time.is_none() && !is_unset(&text) {
            self.damages.add(path.as_str().to_owned(), Damage::InvalidTime);
        }
        time
    }

    /// The text of a time in an object, as Windows PowerShell writes it: `{"value":"/Date(…)/","DisplayHint":2,"DateTime":"…"}`.
    fn wrapped_time(&mut self, path: Path<'_>) -> Option<Cow<'a, str>> {
        let object = self.node(path)?.as_object()?;
        TIME_MEMBERS.iter().find_map(|name| object.get(name).and_then(scalar_text))
    }

    /// When it happened. That a record does not say it is damage: events must have a time. One that is not written year first, as
    /// Microsoft does, gets that form: an index takes the field for a date.
    pub(crate) fn creation_time(&mut self) -> Option<DateTime<Utc>> {
        const NAME: Path<'static> = Path::new("CreationTime");
        let known = self.damages.len();
        let time = self.time(NAME);
        if time.is_none() && self.damages.len() == known {
            let damage = if self.text(NAME).is_some() { Damage::InvalidTime } else { Damage::Missing };
            self.damages.add(NAME.as_str(), damage);
        }
        if let Some(time) = time
            && (self.wrapped_time(NAME).is_some()
                || self.text(NAME).is_some_and(|text| text.find('-') != Some("2015".len())))
        {
            self.set(NAME.as_str(), Node::text(time.format("%Y-%m-%dT%H:%M:%S%.f").to_string()));
        }
        time
    }

    /// The strings of a member: an array's, or the one that stands there instead of an array.
    #[inline]
    pub(crate) fn texts<'p>(&mut self, path: impl Into<Path<'p>>) -> Vec<Cow<'a, str>> {
        let path = path.into();
        if self.may_have(path) { self.find_texts(path) } else { Vec::new() }
    }

    fn find_texts(&mut self, path: Path<'_>) -> Vec<Cow<'a, str>> {
        match self.find_node(path) {
            Some(Node::List(list)) => list.iter().filter_map(scalar_text).collect(),
            Some(_) => self.find_text(path).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Whether a member has nothing but scalars, and so nothing but what its texts say.
    pub(crate) fn is_plain<'p>(&mut self, path: impl Into<Path<'p>>) -> bool {
        let is_scalar = |node: &Node<'_>| !matches!(node, Node::List(_) | Node::Object(_));
        match self.node(path) {
            Some(Node::List(list)) => list.iter().all(is_scalar),
            Some(node) => is_scalar(node),
            None => false,
        }
    }

    /// Takes a member's content; it no longer stands under `o365.audit`.
    pub(crate) fn set_moved<'p>(&mut self, path: impl Into<Path<'p>>) {
        let path = path.into();
        if path.split().1.is_none() {
            if let Some(member) = self.find(path) {
                member.moved = true;
            }
            return;
        }
        if let Some((place, Some(rest))) = self.parse(path)
            && let Some(member) = self.members.get_mut(place)
            && let Some(Node::Object(object)) = member.node_mut()
            && take_path(object, rest)
        {
            member.value = Value::Parsed(None);
        }
    }

    /// Changes a member in place, or takes it away.
    #[inline]
    pub(crate) fn change<'p>(
        &mut self,
        name: impl Into<Path<'p>>,
        change: impl FnOnce(Node<'a>, &mut Damages) -> Option<Node<'a>>,
    ) {
        let name = name.into();
        if self.may_have(name)
            && let Some(place) = self.place(name)
            && let Some(member) = self.members.get_mut(place).filter(|member| !member.moved)
        {
            let old = match &mut member.value {
                Value::Raw(raw) => Node::parse(raw),
                Value::Parsed(node) => node.take(),
            };
            member.value = Value::Parsed(old.and_then(|old| change(old, &mut self.damages)));
        }
    }

    /// Gives a member another name, unless that exists.
    pub(crate) fn rename(&mut self, name: &str, new: &'static str) {
        let new = Path::new(new);
        if self.find(new).is_none()
            && let Some(place) = self.place(Path::new(name))
            && let Some(member) = self.members.get_mut(place)
        {
            member.name = Cow::Borrowed(new.as_str());
            self.index.replace(place, new.prefix());
        }
    }

    /// Adds or replaces a member.
    pub(crate) fn set(&mut self, name: &'static str, node: Node<'a>) {
        let value = Value::Parsed(Some(node));
        let path = Path::new(name);
        if let Some(member) = self.find(path) {
            (member.value, member.moved) = (value, false);
        } else {
            self.index.push(path.prefix());
            self.members.push(Member { name: Cow::Borrowed(name), value, moved: false });
        }
    }

    /// Appends what has not moved as an object, without what is empty. Nothing, if nothing is left.
    pub(crate) fn write_rest(&self, out: &mut Vec<u8>) {
        let start = out.len();
        for member in self.members.iter().filter(|member| !member.moved) {
            let before = out.len();
            out.push(if before == start { b'{' } else { b',' });
            match member.name {
                // Names that needed no unescaping need no escaping; ours have nothing to escape.
                Cow::Borrowed(name) => {
                    out.push(b'"');
                    out.extend_from_slice(name.as_bytes());
                    out.push(b'"');
                }
                Cow::Owned(ref name) => write_string(name, out),
            }
            out.push(b':');
            let is_written = match &member.value {
                Value::Raw(raw) => write_pruned(raw, out),
                Value::Parsed(Some(node)) => {
                    node.write(out);
                    true
                }
                Value::Parsed(None) => false,
            };
            if !is_written {
                out.truncate(before);
            }
        }
        if out.len() > start {
            out.push(b'}');
        }
    }

    /// What has not moved, without what is empty, and what could not be read.
    pub(crate) fn into_rest(self) -> (Object<'a>, Damages) {
        let rest = self.members.into_iter().filter(|member| !member.moved).filter_map(|member| {
            let node = match member.value {
                Value::Raw(raw) => Node::pruned(raw),
                Value::Parsed(node) => node,
            };
            Some((member.name, node?))
        });
        (Object::from_unique(rest.collect()), self.damages)
    }

    /// A scalar, unless it is absent. An array or object is damage.
    fn scalar(&mut self, path: Path<'_>) -> Option<&Node<'a>> {
        let (place, rest) = self.parse(path)?;
        let node = self.members.get(place)?.node(rest)?;
        if matches!(node, Node::List(_) | Node::Object(_)) {
            self.damages.add(path.as_str().to_owned(), Damage::WrongType);
            return None;
        }
        Some(node)
    }

    /// Whether there may be a member of the first name in a path. Most answers are no, and cost little.
    #[inline]
    fn may_have(&self, path: Path<'_>) -> bool {
        self.index.may_have(path.prefix())
    }

    fn find(&mut self, name: Path<'_>) -> Option<&mut Member<'a>> {
        let place = self.place(name)?;
        self.members.get_mut(place)
    }

    /// Where the member is that a name is of.
    fn place(&mut self, name: Path<'_>) -> Option<usize> {
        let is_it = |place: &usize| self.members.get(*place).is_some_and(|member| member.name == name.as_str());
        let exact = self.index.places(name.prefix()).find(is_it);
        exact.or_else(|| self.place_in_another_case(name))
    }

    /// A member whose name differs in case only, and is no other name of Microsoft's. From now on it has the name that it was
    /// asked for by, so that no field of an index comes in two spellings.
    fn place_in_another_case(&mut self, name: Path<'_>) -> Option<usize> {
        let is_it =
            |member: &Member<'_>| member.name.eq_ignore_ascii_case(name.as_str()) && !spelling::is_known(&member.name);
        let has_it = |place: &usize| self.members.get(*place).is_some_and(is_it);
        // Of several, the first one in the record.
        let place = self.index.places(name.prefix()).filter(has_it).last()?;
        self.members.get_mut(place)?.name = Cow::Owned(name.as_str().to_owned());
        Some(place)
    }

    /// Takes the member apart that is the first in a path, unless it has moved. Returns where it is, and the rest of the path.
    fn parse<'p>(&mut self, path: Path<'p>) -> Option<(usize, Option<&'p str>)> {
        let (name, rest) = path.split();
        let place = self.place(name)?;
        let member = self.members.get_mut(place).filter(|member| !member.moved)?;
        if let Value::Raw(raw) = member.value {
            member.value = Value::Parsed(Node::parse(raw));
        }
        Some((place, rest))
    }
}

impl<'a> Member<'a> {
    /// What it holds, once it has been taken apart; with a path, what is there within it.
    fn node(&self, path: Option<&str>) -> Option<&Node<'a>> {
        match (&self.value, path) {
            (Value::Parsed(Some(node)), None) => Some(node),
            (Value::Parsed(Some(node)), Some(path)) => node.get(path),
            (Value::Parsed(None) | Value::Raw(_), _) => None,
        }
    }

    fn node_mut(&mut self) -> Option<&mut Node<'a>> {
        match &mut self.value {
            Value::Parsed(node) => node.as_mut(),
            Value::Raw(_) => None,
        }
    }
}

/// Takes a value out, and the objects that have nothing else. Returns whether `object` is empty now.
fn take_path(object: &mut Object<'_>, path: &str) -> bool {
    match split_path(path) {
        (name, None) => drop(object.take(name)),
        (name, Some(rest)) => {
            if let Some(Node::Object(inner)) = object.get_mut(name)
                && take_path(inner, rest)
            {
                object.take(name);
            }
        }
    }
    object.is_empty()
}

/// The text of a scalar. Numbers and booleans have the text that they came with.
pub(crate) fn scalar_text<'a>(node: &Node<'a>) -> Option<Cow<'a, str>> {
    let text = match node {
        Node::Json(json) if json.starts_with('"') => match json {
            Cow::Borrowed(json) => decode(json)?,
            Cow::Owned(json) => Cow::Owned(decode(json)?.into_owned()),
        },
        Node::Json(json) => json.clone(),
        Node::Text(text) => text.clone(),
        _ => return None,
    };
    (!is_absent(&text)).then_some(text)
}

/// Whether a node's text is this one, which is not absent.
pub(crate) fn has_text(node: &Node<'_>, text: &str) -> bool {
    match node {
        Node::Text(known) => known == text && !is_absent(text),
        node => scalar_text(node).is_some_and(|known| known == text),
    }
}

/// Whether a string says that there is nothing: Exchange and Entra write `<null>` and `undefined` so.
pub(crate) fn is_absent(text: &str) -> bool {
    const LONGEST: usize = 16;
    // Nearly every text begins with another letter or digit, which is no white space either.
    if text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric() && !matches!(first, b'n' | b'u')) {
        return false;
    }
    let text = if text.len() > LONGEST && !text.starts_with(char::is_whitespace) { return false } else { text.trim() };
    text.is_empty() || matches!(text, "<null>" | "null" | "undefined" | "\"undefined\"")
}

/// An `f64` is exact for so many digits; what has more, and is no plain number, is no id or size.
const EXACT_DIGITS: usize = 15;

/// Reads `7`, `7.0`, `1e3` and the like; no fraction is dropped.
pub(crate) fn parse_integer(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    if text.bytes().filter(u8::is_ascii_digit).count() > EXACT_DIGITS {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "the number has no fraction and is small")]
    (number.fract() == 0.0 && number.abs() < 9.0e15).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &'static str) -> JsonObject {
        JsonObject::parse(text.into()).unwrap()
    }

    fn rest(audit: Audit<'_>) -> String {
        let (object, _) = audit.into_rest();
        let mut out = Vec::new();
        object.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn scalars_are_text_and_the_absent_is_absent() {
        let record = record(r#"{"s":"a\u0062","n":1.0,"b":true,"e":"","x":"<null>","u":"undefined","o":{},"l":[1]}"#);
        let mut audit = Audit::new(&record);
        for (name, expected) in [("s", Some("ab")), ("n", Some("1.0")), ("b", Some("true"))] {
            assert_eq!(audit.text(name).as_deref(), expected);
        }
        for name in ["e", "x", "u", "o", "missing", "l"] {
            assert_eq!(audit.text(name), None, "{name}");
        }
        assert_eq!(audit.integer("n"), Some(1));
        assert_eq!(audit.damages.len(), 1, "an array is no scalar");
        assert_eq!(audit.integer("s"), None);
        assert_eq!(audit.string("b"), None);
        assert_eq!(audit.damages.len(), 3);
    }

    #[test]
    fn what_moves_leaves_its_place() {
        let record = record(r#"{"a":{"b":1,"c":{"d":2}},"e":"x","f":null,"g":[{"h":""}]}"#);
        let mut audit = Audit::new(&record);
        audit.set_moved("a.c.d");
        audit.set_moved("e");
        audit.set_moved("missing.x");
        assert_eq!(audit.text("e"), None, "it cannot be moved twice");
        audit.change("a", |node, _| Some(node));
        audit.set("new", Node::Integer(1));
        audit.rename("new", "newer");
        assert_eq!(rest(audit), r#"{"a":{"b":1},"newer":1}"#);
    }

    #[test]
    fn names_in_another_case_are_read_and_an_exact_one_wins() {
        let record =
            record(r#"{"clientip":"a","ClientIP":"b","RECORDTYPE":15,"userid":"u","SenderIp":"s","x":{"y":1}}"#);
        let mut audit = Audit::new(&record);
        assert_eq!(audit.text("ClientIP").as_deref(), Some("b"));
        assert_eq!(audit.integer("RecordType"), Some(15));
        assert_eq!(audit.text("UserId").as_deref(), Some("u"));
        assert_eq!(audit.text("UserId").as_deref(), Some("u"), "again");
        assert_eq!(audit.text("SenderIP"), None, "Microsoft has both");
        assert_eq!(audit.integer("X.y"), Some(1));
        assert!(audit.damages.is_empty());
        audit.set_moved("RecordType");
        assert_eq!(rest(audit), r#"{"clientip":"a","ClientIP":"b","UserId":"u","SenderIp":"s","X":{"y":1}}"#);
    }

    #[test]
    fn a_time_that_was_never_set_is_absent_but_for_the_events_own() {
        let record =
            record(r#"{"a":"0001-01-01T00:00:00","b":"soon","CreationTime":"0001-01-01T00:00:00Z","c":1435608199000}"#);
        let mut audit = Audit::new(&record);
        assert_eq!((audit.time("a"), audit.damages.len()), (None, 0));
        assert_eq!(audit.time("c").unwrap().timestamp(), 1_435_608_199);
        assert_eq!((audit.time("b"), audit.creation_time()), (None, None));
        assert_eq!(audit.damages.to_string(), "b is no time; CreationTime is no time");
    }

    #[test]
    fn the_time_of_an_event_has_the_form_of_microsoft() {
        for (text, expected) in [
            (r#"{"CreationTime":"2015-06-29T20:03:19Z"}"#, "2015-06-29T20:03:19Z"),
            (r#"{"CreationTime":1435608199000}"#, "2015-06-29T20:03:19"),
            (r#"{"CreationTime":{"value":"/Date(1435608199000)/","DateTime":"x"}}"#, "2015-06-29T20:03:19"),
            (r#"{"CreationTime":{"value":"2015-06-29T20:03:19Z","DisplayHint":2}}"#, "2015-06-29T20:03:19"),
            (r#"{"creationtime":"/Date(1435608199500)/"}"#, "2015-06-29T20:03:19.500"),
        ] {
            let record = record(text);
            let mut audit = Audit::new(&record);
            audit.creation_time().unwrap();
            assert_eq!(rest(audit), format!(r#"{{"CreationTime":"{expected}"}}"#));
        }
    }

    #[test]
    fn what_convert_to_json_did_not_go_into_is_damage() {
        let record = record(r#"{"a":"@{Name=x}","b":[{"c":"System.Object[]"}],"d":"a @{b=c}"}"#);
        let told = Audit::new(&record).damages.to_string();
        assert!(
            told.starts_with("a has lost its structure")
                && told.contains("; b has lost")
                && told.contains("-Depth 100")
        );
        assert!(!told.contains("d has"), "{told}");
    }

    #[test]
    fn of_repeated_names_the_last_counts() {
        let record = record(r#"{"a":1,"b":2,"a":[3]}"#);
        let audit = Audit::new(&record);
        assert_eq!(audit.damages.len(), 1);
        assert_eq!(rest(audit), r#"{"a":[3],"b":2}"#);
    }

    #[test]
    fn integers_have_many_forms() {
        for (text, expected) in [
            ("7", Some(7)),
            ("-1", Some(-1)),
            ("1e3", Some(1000)),
            ("1000.0", Some(1000)),
            (" 7 ", Some(7)),
            ("1.5", None),
            ("1e30", None),
            ("0.99999999999999999999", None),
            ("x", None),
            ("NaN", None),
            ("", None),
        ] {
            assert_eq!(parse_integer(text), expected, "{text}");
        }
    }
}
