//! Why a credential cannot be used.

use std::{io, path::PathBuf};

use snafu::Snafu;

use super::workload::TOKEN_FILE;
use crate::{
    entra::{credential::CertificateError, managed_identity::ManagedIdentityError},
    secrets::SecretError,
    transport::SetupError,
};

/// Why a credential cannot be used. Names the key; holds no secret.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
pub enum CredentialError {
    /// A secret cannot be read.
    #[snafu(transparent)]
    Secret {
        /// Why.
        source: SecretError,
    },
    /// A certificate cannot be used.
    #[snafu(display("{key}.certificate.{source}"))]
    Certificate {
        /// Where the credential stands, such as `sources.m365.auth`.
        key: String,
        /// Why.
        source: CertificateError,
    },
    /// There is no file with a token.
    #[snafu(display(
        "{key}.workload_identity.token_file: is missing, and the environment variable {TOKEN_FILE} is not set. Write the path of the file \
         with the federated token; on AKS, label the pod azure.workload.identity/use: \"true\"."
    ))]
    NoTokenFile {
        /// As above.
        key: String,
    },
    /// The file with the token cannot be read.
    #[snafu(display("{key}.workload_identity.token_file: cannot read {}: {source}", path.display()))]
    TokenFile {
        /// As above.
        key: String,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds no token.
    #[snafu(display(
        "{key}.workload_identity.token_file: {} holds no token (three parts with dots between them). It may be replaced just now; \
         it is read again for the next request.", path.display()
    ))]
    NoToken {
        /// As above.
        key: String,
        /// Which file.
        path: PathBuf,
    },
    /// A managed identity gives no token.
    #[snafu(display("{key}.managed_identity: {source}"))]
    ManagedIdentity {
        /// As above.
        key: String,
        /// Why.
        source: ManagedIdentityError,
    },
    /// There is no way to the service that gives the tokens of a managed identity.
    #[snafu(display("{key}.managed_identity: {source}"))]
    Transport {
        /// As above.
        key: String,
        /// Why.
        source: SetupError,
    },
    /// The credential has nothing that lasts.
    #[snafu(display(
        "{key}: links for consent are signed with a secret that lasts, which such an identity does not have; use \
         auth.certificate or auth.client_secret to register tenants by consent, or write the tenants into the configuration"
    ))]
    NothingLasting {
        /// Where the identity stands, such as `sources.m365.auth.workload_identity`.
        key: String,
    },
}

impl CredentialError {
    /// Whether the credential may work a moment later, with nothing changed.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Secret { source } => source.is_temporary(),
            Self::ManagedIdentity { source, .. } => source.is_temporary(),
            // The file may be replaced just now.
            Self::NoToken { .. } => true,
            _ => false,
        }
    }
}
