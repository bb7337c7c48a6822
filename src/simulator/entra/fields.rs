//! The fields of a form, or of a query.

use std::collections::HashMap;

use url::form_urlencoded;

use super::problem::Problem;

/// Fields by name. Empty ones count as missing.
#[derive(Default)]
pub(super) struct Fields(HashMap<String, String>);

impl Fields {
    pub fn read(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub fn required(&self, name: &str) -> Result<&str, Problem> {
        let text = || format!("The request body must contain the following parameter: '{name}'.");
        self.get(name).ok_or_else(|| Problem::bad("invalid_request", 900_144, text()))
    }
}
