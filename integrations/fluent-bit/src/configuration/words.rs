//! Messages of the source, in the words of the properties.

use office365_source::config::ConfigError;

use crate::properties::{ALL, Key, Property};

/// How the user calls the keys of the source.
#[derive(Debug)]
pub(crate) struct Words {
    /// The path of the source's table, with a dot; `None` when the user wrote a file and knows the keys.
    base: Option<String>,
    given: Vec<&'static str>,
}

impl Words {
    /// The user wrote a file.
    pub(super) fn of_a_file() -> Self {
        Self { base: None, given: Vec::new() }
    }

    /// The user wrote these properties of a source called `name`.
    pub(super) fn of_properties(name: &str, given: Vec<&'static str>) -> Self {
        Self { base: Some(format!("sources.{name}.")), given }
    }

    /// A problem of the configuration.
    pub(super) fn problem(&self, error: &ConfigError) -> String {
        let problem = self.text(&unquoted(&error.problem));
        let Some(property) = self.property(&error.path) else {
            return format!("{}: {problem}. {}", error.path, self.text(&error.help)).trim_end().to_owned();
        };
        let place = match index(&error.path) {
            Some(index) if !error.path.contains("tenants") => format!(" (value {})", index + 1),
            _ => String::new(),
        };
        let stop = if problem.ends_with(['.', '?']) { "" } else { "." };
        let help: Vec<_> = sentences(&self.text(&error.help)).collect();
        let help = help.join(" ");
        let gap = if help.is_empty() { "" } else { " " };
        let Property { name, example, .. } = property;
        format!("{name}{place}: {problem}{stop}{gap}{help} For instance: {name} {example}")
    }

    /// A text with keys in it.
    pub(crate) fn text(&self, text: &str) -> String {
        let Some(base) = &self.base else { return text.to_owned() };
        let mut text = text
            .replace(base.as_str(), "")
            .replace("enabled = false", "webhook_tls off")
            .replace("write { file = \"…\" }", "use the property that ends with _file");
        let mut keys: Vec<_> = ALL
            .iter()
            .filter_map(|property| match property.key {
                Key::Source(key) if key.contains('.') => Some((key, property.name)),
                _ => None,
            })
            .collect();
        // The longest first: some are the beginning of others.
        keys.sort_by_key(|(key, _)| std::cmp::Reverse(key.len()));
        for (key, name) in keys {
            text = text.replace(key, name);
        }
        text
    }

    /// The property that a path of the source's document stands for.
    fn property(&self, path: &str) -> Option<&'static Property> {
        let base = self.base.as_deref()?;
        let key: String = without_indices(path.strip_prefix(base).unwrap_or(path));
        let of = |fits: &dyn Fn(&str) -> bool| {
            let fitting = || {
                ALL.iter().filter(|property| match property.key {
                    Key::Source(own) | Key::Top(own) => fits(own),
                    Key::Plugin => false,
                })
            };
            fitting().find(|property| self.given.contains(&property.name)).or_else(|| fitting().next())
        };
        let below = |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
        // `tenants` may have been written as a list or as one.
        let as_list = self.given.contains(&"tenants") && key.starts_with("tenants");
        let key = if as_list { "tenants".to_owned() } else { key };
        if key == "tenants" && !as_list {
            return of(&|own| own == "tenants.id");
        }
        of(&|own| own == key).or_else(|| of(&|own| below(own, &key))).or_else(|| of(&|own| below(&key, own)))
    }
}

/// `mode = "webhook"` as properties have it: `mode webhook`.
fn unquoted(text: &str) -> String {
    let mut parts = text.split(" = \"");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push(' ');
        match part.split_once('"') {
            Some((value, rest)) => plain.extend([value, rest]),
            None => plain.push_str(part),
        }
    }
    plain
}

/// Whole sentences, without those that show how a file would have it.
fn sentences(text: &str) -> impl Iterator<Item = String> {
    text.split_inclusive(". ").filter_map(|sentence| {
        let sentence = sentence.trim();
        let plain = match sentence.split_once(", such as ") {
            Some((before, example)) if example.contains(" = ") => format!("{before}."),
            _ => sentence.to_owned(),
        };
        (!plain.is_empty() && !plain.contains(" = ") && !plain.contains("[[")).then_some(plain)
    })
}

/// The first index of a path.
fn index(path: &str) -> Option<usize> {
    let (_, rest) = path.split_once('[')?;
    rest.split(']').next()?.parse().ok()
}

fn without_indices(path: &str) -> String {
    let mut rest = path;
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once('[') {
        plain.push_str(before);
        rest = after.split_once(']').map_or("", |(_, after)| after);
    }
    plain + rest
}
