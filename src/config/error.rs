//! What is wrong with a configuration: where, what, and what to write instead.

use std::{fmt, slice, vec};

use snafu::Snafu;

use super::key_path;

/// One problem of a configuration.
#[derive(Clone, Debug, Eq, PartialEq, Snafu)]
#[snafu(display("{}", sentence(path, problem, help)))]
pub struct ConfigError {
    /// The full path of the key, such as `sources.m365.tenants[0].id`; a position in the text for a syntax error.
    pub path: String,
    /// What is wrong, without a full stop.
    pub problem: String,
    /// What to write instead, as whole sentences; empty when the problem says it all.
    pub help: String,
}

impl ConfigError {
    pub(crate) fn new(path: impl Into<String>, problem: impl Into<String>, help: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into(), help: help.into() }
    }
}

fn sentence(path: &str, problem: &str, help: &str) -> String {
    let stop = if problem.ends_with(['.', '?']) { "" } else { "." };
    let gap = if help.is_empty() { "" } else { " " };
    if path.is_empty() { format!("{problem}{stop}{gap}{help}") } else { format!("{path}: {problem}{stop}{gap}{help}") }
}

/// Every problem that one look at a configuration found; never empty.
#[derive(Clone, Debug, Eq, PartialEq, Snafu)]
#[snafu(display("{}", Lines(errors)))]
pub struct ConfigErrors {
    errors: Vec<ConfigError>,
}

struct Lines<'a>(&'a [ConfigError]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl ConfigErrors {
    /// `Ok` when there is nothing to complain about: what keeps the list from being empty.
    pub(crate) fn check(errors: Vec<ConfigError>) -> Result<(), Self> {
        if errors.is_empty() { Ok(()) } else { Err(Self { errors }) }
    }

    /// These problems, and others after them.
    pub(super) fn then(mut self, others: Vec<ConfigError>) -> Self {
        self.errors.extend(others);
        self
    }

    /// Rewrites every text of every problem.
    pub(super) fn rewrite(mut self, rewrite: impl Fn(&mut String)) -> Self {
        for ConfigError { path, problem, help } in &mut self.errors {
            [path, problem, help].into_iter().for_each(&rewrite);
        }
        self
    }

    /// The problems in the order they were found.
    pub fn iter(&self) -> slice::Iter<'_, ConfigError> {
        self.errors.iter()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self { errors: vec![error] }
    }
}

impl IntoIterator for ConfigErrors {
    type Item = ConfigError;
    type IntoIter = vec::IntoIter<ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.errors.into_iter()
    }
}

impl<'a> IntoIterator for &'a ConfigErrors {
    type Item = &'a ConfigError;
    type IntoIter = slice::Iter<'a, ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Collects the problems below one key, so that a user sees all of them at once.
pub(super) struct Problems {
    base: String,
    errors: Vec<ConfigError>,
}

impl Problems {
    pub(super) fn below(base: &str) -> Self {
        Self { base: base.to_owned(), errors: Vec::new() }
    }

    /// Adds a problem of `key`, a path relative to the base.
    pub(super) fn add(&mut self, key: &str, problem: impl Into<String>, help: impl Into<String>) {
        self.errors.push(ConfigError::new(key_path::join(&self.base, key), problem, help));
    }

    /// Takes over the problems that another check found, whose paths are full already.
    pub(super) fn extend(&mut self, result: Result<(), ConfigErrors>) {
        if let Err(errors) = result {
            self.errors.extend(errors);
        }
    }

    /// What was found, by whatever name: for advice that is no error.
    pub(super) fn into_vec(self) -> Vec<ConfigError> {
        self.errors
    }

    pub(super) fn finish(self) -> Result<(), ConfigErrors> {
        ConfigErrors::check(self.errors)
    }
}
