//! What the sink needs to be let in, and where that is written.

use secrecy::SecretString;

use crate::{
    config::FluentAuthConfig,
    secrets::{SecretError, read_at_hand},
};

/// What the sink needs to be let in.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    /// The path of the sink in the configuration.
    key: String,
    auth: Option<FluentAuthConfig>,
}

/// The secrets as they are now.
pub(super) struct Secrets<'a> {
    pub(super) self_hostname: &'a str,
    pub(super) shared_key: SecretString,
    /// With the password.
    pub(super) user: Option<(&'a str, SecretString)>,
}

impl Credentials {
    /// Those of the sink `name`.
    pub(super) fn new(name: &str, auth: Option<FluentAuthConfig>) -> Self {
        Self { key: format!("sinks.{name}"), auth }
    }

    /// The path of a key of the sink in the configuration.
    pub(super) fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.key)
    }

    /// Reads them anew, so that a rotated secret needs no restart; `None` without `auth`.
    ///
    /// # Errors
    ///
    /// When a secret cannot be had now.
    pub(super) fn read(&self) -> Result<Option<Secrets<'_>>, SecretError> {
        let Some(auth) = &self.auth else { return Ok(None) };
        let user = match (&auth.username, &auth.password) {
            (Some(name), Some(password)) => {
                Some((name.as_str(), read_at_hand(password, &self.key("auth.password"))?.value))
            }
            _ => None,
        };
        let shared_key = read_at_hand(&auth.shared_key, &self.key("auth.shared_key"))?.value;
        Ok(Some(Secrets { self_hostname: &auth.self_hostname, shared_key, user }))
    }
}
