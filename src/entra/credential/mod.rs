//! How the application proves to Entra that a token request is its own.

mod assertion;
mod certificate;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use url::Url;

pub use self::{
    assertion::Signing,
    certificate::{CertificateError, CertificateFile, CertificateFiles, ClientCertificate},
};

/// What proves that a token request is the application's own.
#[derive(Clone)]
pub enum Proof {
    /// `client_secret`.
    Secret(SecretString),
    /// `client_assertion`: a signed JWT (RFC 7523).
    Assertion(SecretString),
    /// An access token that did not come from Entra's token endpoint, as with a managed identity.
    AccessToken {
        /// The token.
        token: SecretString,
        /// How long it is good from now on.
        expires_in: Duration,
    },
}

/// Why there is no proof.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CredentialFailure {
    /// A text for an administrator that names the key.
    pub problem: String,
    /// Whether the same credential may work a moment later: a store of secrets cannot answer, say.
    pub is_temporary: bool,
}

/// Makes the proof of one token request. Asked for each, so that a credential that was renewed is used without a restart.
#[async_trait]
pub trait Credential: fmt::Debug + Send + Sync {
    /// The proof for a request.
    ///
    /// # Errors
    ///
    /// When the credential cannot be read or used.
    async fn prove(&self, request: &ProofRequest<'_>) -> Result<Proof, CredentialFailure>;

    /// Changes when the credential does, and says nothing of it. A refusal counts only for the credential that was refused.
    /// `None` when the credential cannot be read.
    async fn version(&self) -> Option<u64>;

    /// Entra says that the credential is wrong or has expired: what is kept of it is read again before it is next used.
    async fn doubt(&self);
}

/// What a proof is for.
#[derive(Clone, Copy, Debug)]
pub struct ProofRequest<'a> {
    /// The tenant, or `common` where it is not known yet.
    pub tenant: &'a str,
    /// The application.
    pub client_id: &'a str,
    /// The tenant's token endpoint of version 2.0, such as `https://login.microsoftonline.com/TENANT/oauth2/v2.0/token`. Entra
    /// also wants it where the request goes to version 1 (Microsoft's "Certificate credentials").
    pub audience: &'a Url,
    /// What a token is wanted for, such as `https://manage.office.com`.
    pub resource: &'a str,
    /// The time by Entra's clock.
    pub now: DateTime<Utc>,
}
