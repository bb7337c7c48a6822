//! How the application proves to Entra that a token request is its own.

mod assertion;
mod certificate;

pub(crate) use self::certificate::CertificateFiles;
use std::fmt;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use url::Url;

pub use self::{
    assertion::Signing,
    certificate::{CertificateError, CertificateFile, ClientCertificate},
};

/// What goes into a token request as proof.
#[derive(Clone)]
pub enum Proof {
    /// `client_secret`.
    Secret(SecretString),
    /// `client_assertion`: a signed JWT (RFC 7523).
    Assertion(SecretString),
}

/// Makes the proof of one token request. Asked for each, so that a credential that was renewed is used without a restart.
pub trait Credential: fmt::Debug + Send + Sync {
    /// The proof for a request at a time, by Entra's clock. `audience` is the tenant's token endpoint of version 2.0, which
    /// Entra also wants where the request goes to version 1 (Microsoft's "Certificate credentials").
    ///
    /// # Errors
    ///
    /// When the credential cannot be read or used: a text for an administrator that names the key.
    fn prove(&self, request: &ProofRequest<'_>) -> Result<Proof, String>;

    /// Changes when the credential does, and says nothing of it. A refusal counts only for the credential that earned it.
    /// `None` when the credential cannot be read.
    fn version(&self) -> Option<u64>;
}

/// What a proof is for.
#[derive(Clone, Copy, Debug)]
pub struct ProofRequest<'a> {
    /// The application.
    pub client_id: &'a str,
    /// Such as `https://login.microsoftonline.com/TENANT/oauth2/v2.0/token`.
    pub audience: &'a Url,
    /// The time by Entra's clock.
    pub now: DateTime<Utc>,
}
