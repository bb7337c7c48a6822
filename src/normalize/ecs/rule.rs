//! The mapping as data: which field comes from what, and when.
//!
//! What can be said in a line is a [`Rule`]. The rest are functions, which declare what they fill, so that the documentation
//! of the fields (docs/fields.md) is made from the same tables as the events.

use super::{fields::Field, mapping::Mapping};
use crate::normalize::{
    audit::{Path, scalar_text},
    json::Node,
};

/// A workload family: the record types that it has, and what is done with them, in this order.
#[derive(Debug)]
pub struct Family {
    /// A display name.
    pub name: &'static str,
    /// Names of record types.
    pub codes: &'static [&'static str],
    /// The mapping.
    pub(super) steps: &'static [Step],
}

/// One step of a mapping.
#[derive(Debug)]
pub(super) enum Step {
    /// One field from one place.
    Rule(Rule),
    /// Anything else.
    Function(Function),
}

/// One field from one place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    field: Field,
    /// The first that there is counts. `a.b` looks into objects.
    from: Sources,
    form: Form,
    /// Whether it leaves its place under `o365.audit`.
    moves: bool,
    existing: Existing,
    /// Only for these record types; for all of the family without any.
    only: &'static [&'static str],
}

/// Where a value may be. No rule has more places than there is room for.
#[derive(Clone, Copy, Debug)]
struct Sources {
    paths: [Path<'static>; Self::MOST],
    count: usize,
}

impl Sources {
    const MOST: usize = 6;

    const fn new(texts: &'static [&'static str]) -> Self {
        let mut paths = [Path::new(""); Self::MOST];
        let mut at = 0;
        while at < texts.len() {
            paths[at] = Path::new(texts[at]);
            at += 1;
        }
        Self { paths, count: texts.len() }
    }

    fn iter(&self) -> impl Iterator<Item = Path<'static>> {
        self.paths.iter().copied().take(self.count)
    }
}

/// What is done with the value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Keyword,
    LowerCase,
    Integer,
    Texts,
    Time,
}

/// What happens to a value that the field has already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Existing {
    Kept,
    Appended,
}

/// A step that no table can say.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) run: fn(&mut Mapping<'_>),
    pub(super) fills: &'static [Filled],
}

/// What a function fills, for the documentation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filled {
    pub(super) field: Field,
    pub(super) from: &'static str,
    pub(super) when: &'static str,
}

/// A row of the documentation.
#[derive(Clone, Debug)]
pub struct Line {
    /// The field.
    pub field: Field,
    /// Members of the record, or what is done.
    pub from: String,
    /// The condition; empty for always.
    pub when: String,
}

/// A copy of a scalar member.
pub(super) const fn copied(field: Field, from: &'static [&'static str]) -> Rule {
    Rule { field, from: Sources::new(from), form: Form::Keyword, moves: false, existing: Existing::Kept, only: &[] }
}

/// A scalar member that leaves its place.
pub(super) const fn moved(field: Field, from: &'static [&'static str]) -> Rule {
    Rule { moves: true, ..copied(field, from) }
}

/// A function as a step.
pub(super) const fn function(run: fn(&mut Mapping<'_>), fills: &'static [Filled]) -> Step {
    Step::Function(Function { run, fills })
}

/// What a function fills.
pub(super) const fn fills(field: Field, from: &'static str, when: &'static str) -> Filled {
    Filled { field, from, when }
}

impl Rule {
    pub(super) const fn lower_case(self) -> Self {
        Self { form: Form::LowerCase, ..self }
    }

    pub(super) const fn integer(self) -> Self {
        Self { form: Form::Integer, ..self }
    }

    pub(super) const fn time(self) -> Self {
        Self { form: Form::Time, ..self }
    }

    /// All strings, of an array or of a single value.
    pub(super) const fn texts(self) -> Self {
        Self { form: Form::Texts, existing: Existing::Appended, ..self }
    }

    /// Only for these record types.
    pub(super) const fn only(self, only: &'static [&'static str]) -> Self {
        Self { only, ..self }
    }

    /// The rule as a step.
    pub(super) const fn step(self) -> Step {
        Step::Rule(self)
    }

    fn apply(&self, mapping: &mut Mapping<'_>) {
        if !self.only.is_empty() && !self.only.contains(&mapping.code) {
            return;
        }
        if self.existing == Existing::Kept && mapping.fields.has(self.field) {
            return;
        }
        for from in self.from.iter() {
            if self.take(from, mapping) {
                // Of a list, only texts are in the field.
                if self.moves && (self.form != Form::Texts || mapping.record.is_plain(from)) {
                    mapping.record.set_moved(from);
                }
                return;
            }
        }
    }

    fn take(&self, from: Path<'static>, mapping: &mut Mapping<'_>) -> bool {
        let node = match self.form {
            Form::Keyword => mapping.record.keyword(from),
            Form::LowerCase => mapping.record.text(from).map(|text| {
                let is_lower = text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
                if is_lower { Node::Text(text) } else { Node::text(text.to_lowercase()) }
            }),
            Form::Integer => mapping.record.integer(from).map(Node::Integer),
            Form::Time => mapping.record.time(from).map(Node::Time),
            Form::Texts => {
                let texts = mapping.record.texts(from);
                let found = !texts.is_empty();
                mapping.fields.append(self.field, texts);
                return found;
            }
        };
        let found = node.is_some();
        match node {
            Some(node) if self.existing == Existing::Appended => {
                mapping.fields.append(self.field, scalar_text(&node));
            }
            node => mapping.fields.set_some(self.field, node),
        }
        found
    }
}

impl Step {
    pub(super) fn apply(&self, mapping: &mut Mapping<'_>) {
        match self {
            Self::Rule(rule) => rule.apply(mapping),
            Self::Function(function) => (function.run)(mapping),
        }
    }

    fn lines(&self) -> Vec<Line> {
        match self {
            Self::Rule(rule) => {
                let from: Vec<_> = rule.from.iter().map(|from| format!("`{}`", from.as_str())).collect();
                let form = match rule.form {
                    Form::Keyword | Form::Texts => "",
                    Form::LowerCase => ", in lower case",
                    Form::Integer => ", as a whole number",
                    Form::Time => ", as a time",
                };
                let place = if rule.moves { " (moved)" } else { "" };
                let existing = match rule.existing {
                    Existing::Kept => "",
                    Existing::Appended => ", added to the list",
                };
                let when = rule.only.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ");
                vec![Line { field: rule.field, from: format!("{}{form}{place}{existing}", from.join(", else ")), when }]
            }
            Self::Function(function) => function
                .fills
                .iter()
                .map(|filled| Line { field: filled.field, from: filled.from.to_owned(), when: filled.when.to_owned() })
                .collect(),
        }
    }
}

impl Family {
    /// The rows of the family, in the order of the mapping.
    pub fn lines(&self) -> Vec<Line> {
        self.steps.iter().flat_map(Step::lines).collect()
    }
}
