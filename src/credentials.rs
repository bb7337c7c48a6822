//! The credential that a configuration describes: where it is read, and what it proves.

use std::{
    collections::hash_map::DefaultHasher,
    env, fmt,
    fs::File,
    hash::{Hash, Hasher},
    io::{self, Read},
    path::PathBuf,
};

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use snafu::{ResultExt, Snafu};

use crate::{
    config::{AuthConfig, CertificateConfig, CredentialConfig, SecretError, SigningAlgorithm, WorkloadIdentityConfig},
    entra::credential::{
        CertificateError, CertificateFiles, ClientCertificate, Credential, Proof, ProofRequest, Signing,
    },
};

/// Tokens of identity providers have some kilobytes.
const LARGEST_TOKEN: u64 = 64 * 1024;

/// As AKS sets it.
const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";

/// What the signature is made of that stands in for a secret; see [`ConfiguredCredential::lasting_secret`].
const LASTING: &str = "office365-source consent links";

/// Why a credential cannot be used. Names the key; holds no secret.
#[derive(Debug, Snafu)]
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
    /// A workload identity has nothing that lasts.
    #[snafu(display(
        "{key}.workload_identity: links for consent are signed with a secret that lasts, and a workload identity has none; use \
         auth.certificate or auth.client_secret to register tenants by consent, or write the tenants into the configuration"
    ))]
    NothingLasting {
        /// As above.
        key: String,
    },
}

/// The credential of one source.
#[derive(Clone)]
pub struct ConfiguredCredential {
    auth: AuthConfig,
    /// Such as `sources.m365.auth`.
    key: String,
}

impl fmt::Debug for ConfiguredCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConfiguredCredential").field(&self.key).finish()
    }
}

impl ConfiguredCredential {
    /// The credential of the source at `path`, such as `sources.m365`. Reads nothing yet.
    pub fn new(auth: &AuthConfig, path: &str) -> Self {
        Self { auth: auth.clone(), key: format!("{path}.auth") }
    }

    /// Reads everything once, so that what cannot be used is an error at the start and not a pause later.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or the certificate is not valid at `now`.
    pub fn check(&self, now: DateTime<Utc>) -> Result<(), CredentialError> {
        match self.auth.credential() {
            Some(CredentialConfig::Certificate(config)) => {
                let certificate = self.certificate(config)?;
                certificate.check_time(now).context(CertificateSnafu { key: &self.key })
            }
            _ => self.material().map(drop),
        }
    }

    /// When the certificate expires, if it is one.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn expires(&self) -> Result<Option<DateTime<Utc>>, CredentialError> {
        match self.auth.credential() {
            Some(CredentialConfig::Certificate(config)) => self.certificate(config).map(|found| Some(found.ends())),
            _ => Ok(None),
        }
    }

    /// What only the holder of the credential knows, the same each time: the client secret, or a signature of the
    /// certificate's key.
    ///
    /// # Errors
    ///
    /// When the credential cannot be read, or has nothing that lasts.
    pub fn lasting_secret(&self) -> Result<SecretString, CredentialError> {
        match self.auth.credential() {
            Some(CredentialConfig::Certificate(config)) => {
                let certificate = self.certificate(config)?;
                certificate.sign_always_alike(LASTING).context(CertificateSnafu { key: &self.key })
            }
            Some(CredentialConfig::WorkloadIdentity(_)) => NothingLastingSnafu { key: &self.key }.fail(),
            _ => self.material(),
        }
    }

    /// A word for people.
    pub fn place(&self) -> String {
        match self.auth.credential() {
            Some(CredentialConfig::Secret(secret)) => format!("the secret from {}", secret.place()),
            Some(CredentialConfig::Certificate(config)) => {
                format!("the certificate from {}", config.crt_file.display())
            }
            Some(CredentialConfig::WorkloadIdentity(config)) => match token_file(config) {
                Some(path) => format!("the federated token from {}", path.display()),
                None => "a federated token".to_owned(),
            },
            None => "no single credential".to_owned(),
        }
    }

    /// A secret or token as it is now.
    fn material(&self) -> Result<SecretString, CredentialError> {
        match self.auth.credential() {
            Some(CredentialConfig::Secret(secret)) => Ok(secret.resolve(&format!("{}.client_secret", self.key))?),
            Some(CredentialConfig::WorkloadIdentity(config)) => self.federated_token(config),
            // Validation has seen to it that there is one.
            Some(CredentialConfig::Certificate(_)) | None => Ok(SecretString::default()),
        }
    }

    fn certificate(&self, config: &CertificateConfig) -> Result<ClientCertificate, CredentialError> {
        let key = format!("{}.certificate.password", self.key);
        let password = config.password.as_ref().map(|password| password.resolve(&key)).transpose()?;
        let files = CertificateFiles {
            crt_file: &config.crt_file,
            key_file: config.key_file.as_deref(),
            password: password.as_ref(),
        };
        ClientCertificate::read(files).context(CertificateSnafu { key: &self.key })
    }

    fn federated_token(&self, config: &WorkloadIdentityConfig) -> Result<SecretString, CredentialError> {
        let Some(path) = token_file(config) else { return NoTokenFileSnafu { key: &self.key }.fail() };
        let mut text = String::new();
        File::open(&path)
            .and_then(|file| file.take(LARGEST_TOKEN).read_to_string(&mut text))
            .context(TokenFileSnafu { key: &self.key, path: &path })?;
        let token = text.trim();
        let parts: Vec<_> = token.split('.').collect();
        if parts.len() != 3 || parts.iter().any(|part| part.is_empty()) {
            return NoTokenSnafu { key: &self.key, path }.fail();
        }
        Ok(SecretString::from(token))
    }
}

fn token_file(config: &WorkloadIdentityConfig) -> Option<PathBuf> {
    config.token_file.clone().or_else(|| env::var_os(TOKEN_FILE).map(PathBuf::from))
}

impl Credential for ConfiguredCredential {
    fn prove(&self, request: &ProofRequest<'_>) -> Result<Proof, String> {
        let proof = match self.auth.credential() {
            Some(CredentialConfig::Certificate(config)) => self.certificate(config).and_then(|certificate| {
                let signing = match config.signing {
                    SigningAlgorithm::Ps256 => Signing::Ps256,
                    SigningAlgorithm::Rs256 => Signing::Rs256,
                };
                let assertion = certificate.assertion(signing, config.send_chain, request);
                assertion.map(Proof::Assertion).context(CertificateSnafu { key: &self.key })
            }),
            Some(CredentialConfig::WorkloadIdentity(_)) => self.material().map(Proof::Assertion),
            _ => self.material().map(Proof::Secret),
        };
        proof.map_err(|error| error.to_string())
    }

    fn version(&self) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        match self.auth.credential() {
            Some(CredentialConfig::Certificate(config)) => {
                for file in [Some(&config.crt_file), config.key_file.as_ref()].into_iter().flatten() {
                    std::fs::read(file).ok()?.hash(&mut hasher);
                }
                let key = format!("{}.certificate.password", self.key);
                if let Some(password) = &config.password {
                    password.resolve(&key).ok()?.expose_secret().hash(&mut hasher);
                }
            }
            _ => self.material().ok()?.expose_secret().hash(&mut hasher),
        }
        Some(hasher.finish())
    }
}
