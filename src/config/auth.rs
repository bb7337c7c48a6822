//! The app registration, and how the application proves to be it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{error::Problems, secret::SecretRef};

/// The app registration that reads the audit logs. It has exactly one credential: a client secret, a certificate or a
/// workload identity.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    /// The Application (client) ID of the app registration (Microsoft Entra admin center > App registrations > your
    /// app > Overview).
    #[schemars(example = &"11111111-2222-4333-8444-555555555555")]
    pub client_id: Uuid,
    /// A client secret of the app registration: its Value, not its Secret ID (Microsoft Entra admin center > App
    /// registrations > your app > Certificates & secrets). Read for each token request. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = SecretRef::Env("M365_CLIENT_SECRET".to_owned()))]
    pub client_secret: Option<SecretRef>,
    /// A certificate of the app registration, with its private key. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateConfig>,
    /// A federated credential of the app registration: tokens that another identity provider issues to this workload, as
    /// Kubernetes does. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity: Option<WorkloadIdentityConfig>,
}

/// A certificate and its private key. The files are read for each token request, so that a renewed certificate needs no
/// restart.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateConfig {
    /// A PEM file with the certificate whose public part was uploaded (Microsoft Entra admin center > App registrations >
    /// your app > Certificates & secrets > Certificates), the application's own one first; or a PFX file with certificate
    /// and key.
    #[schemars(example = &"/etc/office365-source/app.crt")]
    pub crt_file: PathBuf,
    /// A PEM file with the certificate's private key, an RSA key. Default: it is in `crt_file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/office365-source/app.key")]
    pub key_file: Option<PathBuf>,
    /// The password of an encrypted private key, or of a PFX file. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = SecretRef::Env("M365_CERTIFICATE_PASSWORD".to_owned()))]
    pub password: Option<SecretRef>,
    /// Whether the certificate and its intermediates go along with each token request, for an app registration that trusts
    /// certificates by subject and issuer.
    #[serde(default)]
    pub send_chain: bool,
    /// How assertions are signed. `PS256` is what Microsoft recommends; `RS256` is what older tools and some HSMs make.
    #[serde(default)]
    pub signing: SigningAlgorithm,
}

/// How a client assertion is signed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum SigningAlgorithm {
    /// RSASSA-PSS with SHA-256.
    #[default]
    #[serde(rename = "PS256")]
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
}

/// A federated credential.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkloadIdentityConfig {
    /// The file with the token of the other identity provider. Read for each token request, as it is replaced every hour or
    /// so. Default: the file that the environment variable `AZURE_FEDERATED_TOKEN_FILE` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/var/run/secrets/azure/tokens/azure-identity-token")]
    pub token_file: Option<PathBuf>,
}

/// The one credential of an app registration.
#[derive(Clone, Copy, Debug)]
pub enum CredentialConfig<'a> {
    /// `client_secret`.
    Secret(&'a SecretRef),
    /// `certificate`.
    Certificate(&'a CertificateConfig),
    /// `workload_identity`.
    WorkloadIdentity(&'a WorkloadIdentityConfig),
}

impl AuthConfig {
    /// An application with a client secret.
    pub const fn with_secret(client_id: Uuid, client_secret: SecretRef) -> Self {
        Self { client_id, client_secret: Some(client_secret), certificate: None, workload_identity: None }
    }

    /// The credential; `None` unless there is exactly one, which validation rules out.
    pub const fn credential(&self) -> Option<CredentialConfig<'_>> {
        match (&self.client_secret, &self.certificate, &self.workload_identity) {
            (Some(secret), None, None) => Some(CredentialConfig::Secret(secret)),
            (None, Some(certificate), None) => Some(CredentialConfig::Certificate(certificate)),
            (None, None, Some(identity)) => Some(CredentialConfig::WorkloadIdentity(identity)),
            _ => None,
        }
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        if self.client_id.is_nil() {
            problems.add(
                "auth.client_id",
                "is all zeros",
                "Write the Application (client) ID (Microsoft Entra admin center > App registrations > your app > Overview).",
            );
        }
        let given: Vec<_> = [
            ("client_secret", self.client_secret.is_some()),
            ("certificate", self.certificate.is_some()),
            ("workload_identity", self.workload_identity.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, given)| given.then_some(key))
        .collect();
        match given[..] {
            [] => problems.add(
                "auth.client_secret",
                "is missing, and there is no other credential",
                "Write auth.client_secret = { env = \"M365_CLIENT_SECRET\" }, or auth.certificate = { crt_file = \"…\", key_file = \
                 \"…\" }, or auth.workload_identity = {}.",
            ),
            [_] => {}
            _ => problems.add(
                "auth",
                format!("has several credentials: {}", given.join(" and ")),
                "Keep the one that is to be used, and remove the others.",
            ),
        }
        if let Some(secret) = &self.client_secret {
            secret.check(problems, "auth.client_secret", "M365_CLIENT_SECRET");
        }
        if let Some(CertificateConfig { crt_file, key_file, password, .. }) = &self.certificate {
            if crt_file.as_os_str().is_empty() {
                problems.add("auth.certificate.crt_file", "is empty", "Write the path of a PEM or PFX file.");
            }
            if key_file.as_ref().is_some_and(|file| file.as_os_str().is_empty()) {
                problems.add(
                    "auth.certificate.key_file",
                    "is empty",
                    "Write the path of a PEM file, or remove the key.",
                );
            }
            if let Some(password) = password {
                password.check(problems, "auth.certificate.password", "M365_CERTIFICATE_PASSWORD");
            }
        }
    }
}
