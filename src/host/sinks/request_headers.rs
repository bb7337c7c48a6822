//! The headers of the configuration, which may be secrets.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use secrecy::ExposeSecret;

use super::SinkError;
use crate::{config::SecretRef, secrets::SecretReader};

/// Headers whose values are read anew for each request, so that a rotated secret needs no restart.
#[derive(Clone, Debug, Default)]
pub(super) struct Headers {
    headers: Vec<(HeaderName, SecretHeader)>,
    secrets: SecretReader,
}

#[derive(Clone, Debug)]
struct SecretHeader {
    /// The path of the key in the configuration.
    key: String,
    secret: SecretRef,
    scheme: Scheme,
}

/// What stands before the secret.
#[derive(Clone, Debug)]
pub(super) enum Scheme {
    /// Nothing.
    Plain,
    /// A word and a space, as in `Bearer …`.
    Word(&'static str),
    /// The secret is the password of this user.
    Basic(String),
}

impl Headers {
    /// Adds a header by a name that validation has accepted.
    pub(super) fn add(&mut self, name: &str, key: String, secret: &SecretRef, scheme: Scheme) {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            self.headers.push((name, SecretHeader { key, secret: secret.clone(), scheme }));
        }
    }

    /// Adds `Authorization`.
    pub(super) fn authorize(&mut self, key: String, secret: &SecretRef, scheme: Scheme) {
        self.add(AUTHORIZATION.as_str(), key, secret, scheme);
    }

    /// Reads every value.
    ///
    /// # Errors
    ///
    /// When a secret cannot be read now.
    pub(super) async fn read(&self) -> Result<HeaderMap, SinkError> {
        let mut headers = HeaderMap::new();
        for (name, header) in &self.headers {
            headers.append(name.clone(), header.value(&self.secrets).await?);
        }
        Ok(headers)
    }

    /// Reads every value at the start: a secret that is missing then is a mistake, while one that is missing later may
    /// be being replaced. A store of secrets that cannot answer is not an error either.
    ///
    /// # Errors
    ///
    /// When a secret cannot be read.
    pub(super) async fn check(&self) -> Result<(), SinkError> {
        match self.read().await {
            Err(SinkError::Secret { source }) if source.is_temporary() => Ok(()),
            result => result.map(drop),
        }
    }
}

impl SecretHeader {
    async fn value(&self, secrets: &SecretReader) -> Result<HeaderValue, SinkError> {
        let secret = secrets.read(&self.secret, &self.key).await?.value;
        let secret = secret.expose_secret();
        let text = match &self.scheme {
            Scheme::Plain => secret.to_owned(),
            Scheme::Word(word) => format!("{word} {secret}"),
            Scheme::Basic(user) => format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{secret}"))),
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| SinkError::Header { key: self.key.clone() })?;
        value.set_sensitive(true);
        Ok(value)
    }
}
