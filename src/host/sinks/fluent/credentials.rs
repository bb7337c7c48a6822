//! What the sink needs to be let in, and where that is written.

use secrecy::SecretString;

use crate::{
    config::FluentAuthConfig,
    secrets::{SecretError, SecretReader},
};

/// What the sink needs to be let in.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    /// The path of the sink in the configuration.
    key: String,
    auth: Option<FluentAuthConfig>,
    secrets: SecretReader,
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
        Self { key: format!("sinks.{name}"), auth, secrets: SecretReader::default() }
    }

    /// The path of a key of the sink in the configuration.
    pub(super) fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.key)
    }

    /// Reads them anew, so that a rotated secret needs no restart; `None` without `auth`.
    ///
    /// # Errors
    ///
    /// When a secret cannot be read now.
    pub(super) async fn read(&self) -> Result<Option<Secrets<'_>>, SecretError> {
        let Some(auth) = &self.auth else { return Ok(None) };
        let user = match (&auth.username, &auth.password) {
            (Some(name), Some(password)) => {
                Some((name.as_str(), self.secrets.read(password, &self.key("auth.password")).await?.value))
            }
            _ => None,
        };
        let shared_key = self.secrets.read(&auth.shared_key, &self.key("auth.shared_key")).await?.value;
        Ok(Some(Secrets { self_hostname: &auth.self_hostname, shared_key, user }))
    }
}
