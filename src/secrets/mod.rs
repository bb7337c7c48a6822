//! Reads secrets from where a configuration says that they are: this machine, or a store of secrets.
//!
//! The stores are asked directly, without the proxy that leads to Microsoft. Redirects are not followed, since they would carry
//! a secret elsewhere.

mod backends;
mod command;
mod cyberark;
mod error;
mod local;
mod reader;
mod service;
mod telemetry;
mod vault;

use chrono::{DateTime, Utc};
use secrecy::SecretString;

pub(crate) use self::error::NoSecretSnafu;
pub(crate) use self::reader::check_files;
pub use self::{
    backends::load,
    error::{CommandProblem, SecretError, ServiceProblem},
    reader::SecretReader,
};

/// A secret that was read.
#[derive(Clone, Debug)]
pub struct Secret {
    /// The secret.
    pub value: SecretString,
    /// When it stops to be one, where the store says so.
    pub expires: Option<DateTime<Utc>>,
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self { value: SecretString::from(value), expires: None }
    }
}
