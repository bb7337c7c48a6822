//! Takes out of a record what data loss prevention has detected: card numbers, passwords, and the text around them.
//!
//! Microsoft's schema has them in clear, as `SensitiveInformationDetections.DetectedValues`: a list of `Name` (what was
//! detected) and `Value` (its surroundings). This comes before everything else that is done with a record, so that no
//! schema and no kept original has them. In unclear cases it removes too much rather than too little.

mod token;

use std::{borrow::Cow, collections::HashSet, ops::Range, sync::LazyLock};

use memchr::{memchr2_iter, memmem::Finder};
use serde::de::IgnoredAny;

pub(super) use self::token::{Token, Tokens};
use super::json::{decode, write_string};
use crate::component::{JsonObject, escape_control_characters, repair_text};

/// The name of the member whose content is taken out; compared without regard to case.
const NAME: &str = "DetectedValues";

/// Where the rarest of its letters is, a `v`.
const V: usize = 8;

/// What stands in the place of what was taken out, as JSON.
const REDACTED: &str = r#""[redacted]""#;

/// How deep in strings within strings the name is looked for. Text that is escaped more often is removed without a
/// look: looking at it could take too long.
const DEEPEST: usize = 8;

/// A record without what was detected; `None` if nothing was, which costs one search.
///
/// Within a member of the name, at any depth and also in JSON within strings, every string and every number becomes
/// `[redacted]`. So does a string that has the name in it and is what is left of JSON or the like. All other bytes stay as they are.
pub(super) fn redact(record: &JsonObject) -> Option<JsonObject> {
    let text = record.as_str();
    if !(shows_name(text) || record.may_have_backslash_u() && escapes_hide_letters(text)) {
        return None;
    }
    let rewritten = rewrite(text, 0)?;
    // JSON stays JSON when strings and numbers in it are replaced by strings.
    JsonObject::rewritten(rewritten.into_bytes()).ok()
}

/// Whether the name may be somewhere in JSON text, at whatever depth of strings within strings.
fn may_have_name(text: &str) -> bool {
    shows_name(text) || escapes_hide_letters(text)
}

/// Whether the name is somewhere in JSON text as it is.
fn shows_name(text: &str) -> bool {
    // Every record is searched, and hardly any has it, so that the search must be fast. A name with capitals at unusual
    // places is found only beside one in a usual spelling.
    static PARTS: LazyLock<[Finder<'static>; 2]> = LazyLock::new(|| [Finder::new("etected"), Finder::new("ETECTED")]);
    PARTS.iter().any(|part| part.find(text.as_bytes()).is_some()) && has_name(text)
}

/// Whether the name is in a text, in any case.
fn has_name(text: &str) -> bool {
    places_of_name(text).next().is_some()
}

/// Where the name is in a text, in any case.
fn places_of_name(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    memchr2_iter(b'v', b'V', bytes).filter_map(|at| {
        let start = at.checked_sub(V)?;
        let found = bytes.get(start..start + NAME.len())?;
        found.eq_ignore_ascii_case(NAME.as_bytes()).then_some(start)
    })
}

/// Whether text is, or once was, something with members: JSON, XML, or a table as PowerShell writes it, also with their
/// quotation marks escaped. Only there is the name that of a member. A file, a subject or a user agent with the word in it is
/// not to be hidden: it begins otherwise, or lacks what no file's name has.
fn is_structured(text: &str) -> bool {
    let text = text.trim_ascii_start();
    let begins = text.starts_with(['{', '[', '<', '"', '\\', '%', '&']) || text.starts_with("@{");
    let marks = ['"', ':', '<', '>', '\\'];
    begins && (text.contains(marks) || ["@{", "&quot;", "&lt;", "%22", "%3C"].iter().any(|mark| text.contains(mark)))
}

/// Whether there are escapes such as `\u0044` of which the name, or another such escape, could be made. Those are
/// written only on purpose. Escapes of other characters, such as `\u0026` and `\u003c`, are common.
fn escapes_hide_letters(text: &str) -> bool {
    hidden_letters(text).next().is_some()
}

/// Where those escapes are.
fn hidden_letters(text: &str) -> impl Iterator<Item = usize> {
    static ESCAPE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r"\u00"));
    ESCAPE.find_iter(text.as_bytes()).filter(|at| {
        let code = text.get(at + 4..at + 6).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        code.is_some_and(|code| code == b'\\' || code.is_ascii_alphanumeric())
    })
}

/// Whether a member of this name holds what was detected. Names may have a path before them, and an index or the like after.
fn is_name(name: &str) -> bool {
    let name = name.as_bytes();
    let ends = |at: usize| name.get(at).is_none_or(|next| !next.is_ascii_alphanumeric());
    (0..name.len()).any(|start| {
        name.get(start..start + NAME.len()).is_some_and(|found| found.eq_ignore_ascii_case(NAME.as_bytes()))
            && ends(start + NAME.len())
    })
}

/// JSON text without what was detected; `None` if nothing was. It is within so many strings in strings.
fn rewrite(text: &str, depth: usize) -> Option<String> {
    let mut marks = Marks::of(text);
    let pairs = if marks.are_in_values { pairs(text) } else { HashSet::new() };
    let mut out = Output { text, copied: 0, rewritten: String::new() };
    let mut open: Vec<Container> = Vec::new();
    let mut containers = 0;
    // Whether the value that comes next is to be taken out.
    let mut taken = false;
    for (token, span) in Tokens::new(text) {
        let within = open.last().is_some_and(|container| container.taken);
        match token {
            Token::Open => {
                open.push(Container { taken: taken || within, is_pair: pairs.contains(&containers), unknown: 0 });
                containers += 1;
            }
            Token::Close => drop(open.pop()),
            Token::Name(raw) => {
                // Within what is taken out, names go as well; elsewhere only those matter that have a mark.
                let is_plain = !marks.are_within(&span) && !raw.contains('\\');
                if let Some(container) = open.last_mut().filter(|container| !is_plain || container.must_read_names()) {
                    let name = content_of(raw);
                    taken = name.as_deref().is_none_or(is_name)
                        || (container.is_pair && name.as_deref().is_some_and(is_value));
                    if container.taken && !name.is_some_and(|name| is_documented(&name)) {
                        out.replace(span, &container.unknown_name());
                    }
                }
                continue;
            }
            Token::String(_) | Token::Number if taken || within => out.replace(span, REDACTED),
            Token::String(raw) => {
                if marks.are_within(&span)
                    && let Some(rewritten) = rewrite_string(raw, depth)
                {
                    out.replace(span, &rewritten);
                }
            }
            Token::Number | Token::Literal => {}
        }
        taken = false;
    }
    out.finish()
}

/// Where a text has the name, and where escapes hide letters that may be of the name.
struct Marks {
    /// In their order.
    places: Vec<usize>,
    /// The first that may be in the spans to come.
    next: usize,
    /// Whether any is elsewhere than in the name of a member.
    are_in_values: bool,
}

impl Marks {
    fn of(text: &str) -> Self {
        let names = places_of_name(text).map(|at| (at, is_end_of_member_name(text, at + NAME.len())));
        let escapes = hidden_letters(text).map(|at| (at, false));
        let mut marks: Vec<_> = names.chain(escapes).collect();
        marks.sort_unstable();
        let are_in_values = marks.iter().any(|(_, is_member)| !is_member);
        Self { places: marks.into_iter().map(|(at, _)| at).collect(), next: 0, are_in_values }
    }

    /// Whether any is in a span. Spans are asked for in their order.
    fn are_within(&mut self, span: &Range<usize>) -> bool {
        let rest = self.places.get(self.next..).unwrap_or_default();
        self.next += rest.iter().take_while(|at| **at < span.start).count();
        self.places.get(self.next).is_some_and(|at| *at < span.end)
    }
}

/// Whether the name of a member ends at a place in valid JSON text: within a string, no quotation mark stands without a
/// backslash before it.
fn is_end_of_member_name(text: &str, end: usize) -> bool {
    text.get(end..).and_then(|rest| rest.strip_prefix('"')).is_some_and(|rest| rest.trim_ascii_start().starts_with(':'))
}

/// An object or array that is being read.
struct Container {
    taken: bool,
    /// Whether it is an object that gives the name in a member and the content in another.
    is_pair: bool,
    /// How many members have had a name that could be a detected value itself.
    unknown: usize,
}

impl Container {
    /// Whether any name in it may matter.
    const fn must_read_names(&self) -> bool {
        self.taken || self.is_pair
    }

    /// The next name for a member whose own name is taken out; each is another, as names are within an object.
    fn unknown_name(&mut self) -> String {
        self.unknown += 1;
        if self.unknown == 1 { REDACTED.to_owned() } else { format!("\"[redacted {}]\"", self.unknown) }
    }
}

/// The members that Microsoft documents for a detected value. Under any other name there could be anything, also in the name.
fn is_documented(name: &str) -> bool {
    ["Name", "Value"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether this is the member of a name and value that has the value, such as `Value` or `NewValue`.
fn is_value(name: &str) -> bool {
    let name = name.strip_suffix(['s', 'S']).unwrap_or(name);
    name.len().checked_sub(5).and_then(|start| name.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case("value"))
}

/// Which objects, counted with the arrays in the order of the text, have a member `Name` that says the name.
fn pairs(text: &str) -> HashSet<usize> {
    let mut pairs = HashSet::new();
    let (mut open, mut containers) = (Vec::new(), 0);
    let mut names_it = false;
    for (token, _) in Tokens::new(text) {
        match token {
            Token::Open => {
                open.push(containers);
                containers += 1;
            }
            Token::Close => drop(open.pop()),
            Token::Name(raw) => {
                names_it = content_of(raw)
                    .is_some_and(|name| name.eq_ignore_ascii_case("name") || name.eq_ignore_ascii_case("key"));
                continue;
            }
            Token::String(raw) if names_it && content_of(raw).is_none_or(|name| is_name(&name)) => {
                pairs.extend(open.last());
            }
            Token::String(_) | Token::Number | Token::Literal => {}
        }
        names_it = false;
    }
    pairs
}

/// The content of a string, also of one with half a surrogate pair; `None` if it cannot be read even so.
fn content_of(raw: &str) -> Option<Cow<'_, str>> {
    decode(raw).or_else(|| decode(&repair_text(raw).0).map(|name| Cow::Owned(name.into_owned())))
}

/// A string without what was detected, as JSON; `None` if nothing was.
fn rewrite_string(raw: &str, depth: usize) -> Option<String> {
    if !may_have_name(raw) {
        return None;
    }
    let Some(content) = content_of(raw).filter(|_| depth < DEEPEST) else { return Some(REDACTED.to_owned()) };
    let (repaired, _) = escape_control_characters(&content);
    if serde_json::from_str::<IgnoredAny>(&repaired).is_ok() {
        let mut out = Vec::new();
        write_string(&rewrite(&repaired, depth + 1)?, &mut out);
        return String::from_utf8(out).ok();
    }
    (is_structured(&content) && may_show_name(content)).then(|| REDACTED.to_owned())
}

/// Whether text that is no JSON has the name in it, however it is escaped.
fn may_show_name(mut text: Cow<'_, str>) -> bool {
    for _ in 0..DEEPEST {
        if has_name(&text) {
            return true;
        }
        if !escapes_hide_letters(&text) {
            return false;
        }
        text = Cow::Owned(unescape_once(&text));
    }
    true
}

/// Replaces escapes of ASCII characters by the characters.
fn unescape_once(text: &str) -> String {
    let mut parts = text.split(r"\u00");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(u8::is_ascii);
        let rest = if let Some(code) = code {
            out.push(char::from(code));
            part.get(2..).unwrap_or_default()
        } else {
            out.push_str(r"\u00");
            part
        };
        out.push_str(rest);
    }
    out
}

/// Text of which pieces are replaced.
struct Output<'a> {
    text: &'a str,
    /// Up to here the text is in the output.
    copied: usize,
    rewritten: String,
}

impl Output<'_> {
    fn replace(&mut self, span: Range<usize>, with: &str) {
        self.rewritten.push_str(self.text.get(self.copied..span.start).unwrap_or_default());
        self.rewritten.push_str(with);
        self.copied = span.end;
    }

    /// The whole text; `None` if nothing was replaced.
    fn finish(mut self) -> Option<String> {
        if self.copied == 0 {
            return None;
        }
        self.rewritten.push_str(self.text.get(self.copied..).unwrap_or_default());
        Some(self.rewritten)
    }
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
