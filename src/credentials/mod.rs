//! The credential that a configuration describes: where it is read, and what it proves.

mod applications;
mod error;
mod expiry;
mod telemetry;
mod workload;

use std::{
    collections::hash_map::DefaultHasher,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use snafu::ResultExt;
use uuid::Uuid;

use self::error::{CertificateSnafu, ManagedIdentitySnafu, NothingLastingSnafu, TransportSnafu};
pub use self::{applications::Credentials, error::CredentialError, expiry::watch_expiry};
use crate::{
    config::{
        AuthConfig, CertificateConfig, CredentialConfig, ManagedIdentityConfig, ProxyConfig, SigningAlgorithm,
        secret_hint,
    },
    entra::{
        credential::{
            CertificateFiles, ClientCertificate, Credential, CredentialFailure, Proof, ProofRequest, Signing,
        },
        managed_identity::{IdentityChoice, IdentityEnvironment, IdentityToken, ManagedIdentity},
    },
    secrets::{SecretReader, check_files},
    transport::{HttpTransport, TransportOptions},
};

/// What the signature is made of that stands in for a secret; see [`ConfiguredCredential::lasting_secret`].
const LASTING: &str = "office365-source consent links";

/// The credential of one application. Clones share what they keep of it.
#[derive(Clone)]
pub struct ConfiguredCredential {
    auth: AuthConfig,
    key: String,
    secrets: SecretReader,
}

impl fmt::Debug for ConfiguredCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConfiguredCredential").field(&self.key).finish()
    }
}

impl ConfiguredCredential {
    /// The credential of the block `auth` at `key`, such as `sources.m365.auth`. Reads nothing yet.
    pub fn new(auth: &AuthConfig, key: impl Into<String>) -> Self {
        Self { auth: auth.clone(), key: key.into(), secrets: SecretReader::default() }
    }

    /// Where it stands in the configuration, such as `sources.m365.auth`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The Application (client) ID that it belongs to; `None` for a managed identity that need not say which.
    pub fn application_id(&self) -> Option<Uuid> {
        self.auth.application_id()
    }

    /// Reads everything once, so that what cannot be used is an error at the start and not a pause later.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or the certificate is not valid at `now`.
    pub async fn check(&self, now: DateTime<Utc>) -> Result<(), CredentialError> {
        match self.auth.credential() {
            Some(CredentialConfig::Certificate(config)) => {
                let certificate = self.certificate(config).await?;
                certificate.check_time(now).context(CertificateSnafu { key: &self.key })
            }
            Some(CredentialConfig::ManagedIdentity(config)) => self.managed_identity(config).map(drop),
            _ => self.material().await.map(drop),
        }
    }

    /// Looks at what is on this machine of a secret that is in a store: the files of certificates by which it is asked.
    ///
    /// # Errors
    ///
    /// When one cannot be used.
    pub fn check_files(&self) -> Result<(), CredentialError> {
        match self.auth.credential() {
            Some(CredentialConfig::Secret(secret)) => Ok(check_files(secret, &self.key_of("client_secret"))?),
            Some(CredentialConfig::Certificate(CertificateConfig { password: Some(password), .. })) => {
                Ok(check_files(password, &self.key_of("certificate.password"))?)
            }
            _ => Ok(()),
        }
    }

    /// Whether it is read from this machine alone, without a command.
    pub fn is_at_hand(&self) -> bool {
        match self.auth.credential() {
            Some(CredentialConfig::Secret(secret)) => secret.is_at_hand(),
            Some(CredentialConfig::Certificate(config)) => {
                config.password.as_ref().is_none_or(crate::config::SecretRef::is_at_hand)
            }
            _ => true,
        }
    }

    /// When it expires, as far as that is known: a certificate says it, and some stores of secrets do.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub async fn expires(&self) -> Result<Option<DateTime<Utc>>, CredentialError> {
        match self.auth.credential() {
            Some(CredentialConfig::Certificate(config)) => {
                self.certificate(config).await.map(|found| Some(found.ends()))
            }
            Some(CredentialConfig::Secret(secret)) => {
                Ok(self.secrets.read(secret, &self.key_of("client_secret")).await?.expires)
            }
            _ => Ok(None),
        }
    }

    /// A secret that only the holder of the credential knows, the same each time: the client secret, or a signature of
    /// the certificate's key.
    ///
    /// # Errors
    ///
    /// When the credential cannot be read, or has nothing that lasts.
    pub async fn lasting_secret(&self) -> Result<SecretString, CredentialError> {
        match self.auth.credential() {
            Some(CredentialConfig::Certificate(config)) => {
                let certificate = self.certificate(config).await?;
                certificate.sign_always_alike(LASTING).context(CertificateSnafu { key: &self.key })
            }
            Some(CredentialConfig::WorkloadIdentity(_)) => {
                NothingLastingSnafu { key: self.key_of("workload_identity") }.fail()
            }
            Some(CredentialConfig::ManagedIdentity(_)) => {
                NothingLastingSnafu { key: self.key_of("managed_identity") }.fail()
            }
            _ => self.material().await,
        }
    }

    /// What it is, for display.
    pub fn place(&self) -> String {
        match self.auth.credential() {
            Some(CredentialConfig::Secret(secret)) => format!("the secret from {}", secret.place()),
            Some(CredentialConfig::Certificate(config)) => {
                format!("the certificate from {}", config.crt_file.display())
            }
            Some(CredentialConfig::WorkloadIdentity(config)) => match workload::token_file(config) {
                Some(path) => format!("the federated token from {}", path.display()),
                None => "a federated token".to_owned(),
            },
            Some(CredentialConfig::ManagedIdentity(config)) => match (&config.client_id, &config.resource_id) {
                (Some(id), _) => format!("the managed identity {id}"),
                (None, Some(id)) => format!("the managed identity {id}"),
                (None, None) => "the managed identity of this machine".to_owned(),
            },
            None => "no single credential".to_owned(),
        }
    }

    /// Advice on a client secret that was read but will hardly work.
    pub async fn secret_hint(&self) -> Option<&'static str> {
        let Some(CredentialConfig::Secret(_)) = self.auth.credential() else { return None };
        secret_hint(&self.material().await.ok()?)
    }

    fn key_of(&self, name: &str) -> String {
        format!("{}.{name}", self.key)
    }

    /// A secret or token as it is now.
    async fn material(&self) -> Result<SecretString, CredentialError> {
        match self.auth.credential() {
            Some(CredentialConfig::Secret(secret)) => {
                Ok(self.secrets.read(secret, &self.key_of("client_secret")).await?.value)
            }
            Some(CredentialConfig::WorkloadIdentity(config)) => workload::token(config, &self.key),
            // Validation has seen to it that there is one.
            Some(CredentialConfig::Certificate(_) | CredentialConfig::ManagedIdentity(_)) | None => {
                Ok(SecretString::default())
            }
        }
    }

    async fn password(&self, config: &CertificateConfig) -> Result<Option<SecretString>, CredentialError> {
        let Some(password) = &config.password else { return Ok(None) };
        Ok(Some(self.secrets.read(password, &self.key_of("certificate.password")).await?.value))
    }

    async fn certificate(&self, config: &CertificateConfig) -> Result<ClientCertificate, CredentialError> {
        let password = self.password(config).await?;
        let files = CertificateFiles {
            crt_file: &config.crt_file,
            key_file: config.key_file.as_deref(),
            password: password.as_ref(),
        };
        ClientCertificate::read(files).context(CertificateSnafu { key: &self.key })
    }

    fn managed_identity(&self, config: &ManagedIdentityConfig) -> Result<ManagedIdentity, CredentialError> {
        let choice = match (config.client_id, &config.resource_id) {
            (Some(id), _) => IdentityChoice::ClientId(id.to_string()),
            (None, Some(id)) => IdentityChoice::ResourceId(id.clone()),
            (None, None) => IdentityChoice::System,
        };
        let endpoint = IdentityEnvironment::of_process().endpoint().context(ManagedIdentitySnafu { key: &self.key })?;
        let transport = HttpTransport::new(&TransportOptions {
            proxy: ProxyConfig { enabled: false, ..ProxyConfig::default() },
            ..TransportOptions::default()
        })
        .context(TransportSnafu { key: &self.key })?;
        Ok(ManagedIdentity { endpoint, choice, transport: Arc::new(transport) })
    }

    async fn proof(&self, request: &ProofRequest<'_>) -> Result<Proof, CredentialError> {
        match self.auth.credential() {
            Some(CredentialConfig::Certificate(config)) => {
                let signing = match config.signing {
                    SigningAlgorithm::Ps256 => Signing::Ps256,
                    SigningAlgorithm::Rs256 => Signing::Rs256,
                };
                let certificate = self.certificate(config).await?;
                let assertion = certificate.assertion(signing, config.send_chain, request);
                assertion.map(Proof::Assertion).context(CertificateSnafu { key: &self.key })
            }
            Some(CredentialConfig::WorkloadIdentity(_)) => self.material().await.map(Proof::Assertion),
            Some(CredentialConfig::ManagedIdentity(config)) => {
                let identity = self.managed_identity(config)?;
                let token =
                    identity.token(request.resource, request.tenant.parse().ok(), request.now.timestamp()).await;
                let IdentityToken { token, expires_in } = token.context(ManagedIdentitySnafu { key: &self.key })?;
                Ok(Proof::AccessToken { token, expires_in })
            }
            Some(CredentialConfig::Secret(_)) | None => self.material().await.map(Proof::Secret),
        }
    }
}

#[async_trait]
impl Credential for ConfiguredCredential {
    async fn prove(&self, request: &ProofRequest<'_>) -> Result<Proof, CredentialFailure> {
        self.proof(request)
            .await
            .map_err(|error| CredentialFailure { is_temporary: error.is_temporary(), problem: error.to_string() })
    }

    async fn version(&self) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        match self.auth.credential() {
            Some(CredentialConfig::Certificate(config)) => {
                for file in [Some(&config.crt_file), config.key_file.as_ref()].into_iter().flatten() {
                    std::fs::read(file).ok()?.hash(&mut hasher);
                }
                if let Some(password) = self.password(config).await.ok()? {
                    password.expose_secret().hash(&mut hasher);
                }
            }
            _ => self.material().await.ok()?.expose_secret().hash(&mut hasher),
        }
        Some(hasher.finish())
    }

    async fn doubt(&self) {
        for name in ["client_secret", "certificate.password"] {
            self.secrets.doubt(&self.key_of(name)).await;
        }
    }
}
