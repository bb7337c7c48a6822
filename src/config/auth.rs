//! The app registration, and how the application proves to be it.

use std::{env, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{error::Problems, secret::SecretRef};

/// Where AKS tells the application of a workload identity.
const CLIENT_ID: &str = "AZURE_CLIENT_ID";

/// The application that reads the audit logs. It has exactly one credential: a client secret, a certificate, a workload identity
/// or a managed identity.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    /// The Application (client) ID of the app registration (Microsoft Entra admin center > App registrations > your
    /// app > Overview). A managed identity needs it in mode "webhook" only. Default: with a workload identity the environment
    /// variable `AZURE_CLIENT_ID`, else none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"11111111-2222-4333-8444-555555555555")]
    pub client_id: Option<Uuid>,
    /// A client secret of the app registration: its Value, not its Secret ID (Microsoft Entra admin center > App
    /// registrations > your app > Certificates & secrets). Read for each token request. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = SecretRef::env("M365_CLIENT_SECRET"))]
    pub client_secret: Option<SecretRef>,
    /// A certificate of the app registration, with its private key. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateConfig>,
    /// A federated credential of the app registration: tokens that another identity provider issues to this workload, as
    /// Kubernetes does. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity: Option<WorkloadIdentityConfig>,
    /// The identity that Azure gives to the machine or app that this runs on. It reads the audit logs of the tenant of its own
    /// subscription. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_identity: Option<ManagedIdentityConfig>,
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
    #[schemars(example = SecretRef::env("M365_CERTIFICATE_PASSWORD"))]
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
    /// The Application (client) ID, when it does not stand in `auth.client_id`. Default: the environment variable
    /// `AZURE_CLIENT_ID`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"11111111-2222-4333-8444-555555555555")]
    pub client_id: Option<Uuid>,
}

/// A managed identity. Without keys it is the one that the system has made for the machine or app.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ManagedIdentityConfig {
    /// The client ID of a user-assigned identity. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"11111111-2222-4333-8444-555555555555")]
    pub client_id: Option<Uuid>,
    /// The resource ID of a user-assigned identity, in place of its client ID. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        example = &"/subscriptions/…/resourceGroups/…/providers/Microsoft.ManagedIdentity/userAssignedIdentities/m365"
    )]
    pub resource_id: Option<String>,
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
    /// `managed_identity`.
    ManagedIdentity(&'a ManagedIdentityConfig),
}

impl AuthConfig {
    /// An application with a client secret.
    pub fn with_secret(client_id: Uuid, client_secret: SecretRef) -> Self {
        Self { client_secret: Some(client_secret), ..Self::without_credential(client_id) }
    }

    /// An application whose credential is still to come.
    pub const fn without_credential(client_id: Uuid) -> Self {
        Self {
            client_id: Some(client_id),
            client_secret: None,
            certificate: None,
            workload_identity: None,
            managed_identity: None,
        }
    }

    /// The credential; `None` unless there is exactly one, which validation rules out.
    pub const fn credential(&self) -> Option<CredentialConfig<'_>> {
        match (&self.client_secret, &self.certificate, &self.workload_identity, &self.managed_identity) {
            (Some(secret), None, None, None) => Some(CredentialConfig::Secret(secret)),
            (None, Some(certificate), None, None) => Some(CredentialConfig::Certificate(certificate)),
            (None, None, Some(identity), None) => Some(CredentialConfig::WorkloadIdentity(identity)),
            (None, None, None, Some(identity)) => Some(CredentialConfig::ManagedIdentity(identity)),
            _ => None,
        }
    }

    /// The Application (client) ID. `None` only for a managed identity that need not say which, and before validation.
    pub fn application_id(&self) -> Option<Uuid> {
        let workload = self.workload_identity.as_ref();
        let of_environment = || Uuid::parse_str(env::var(CLIENT_ID).ok()?.trim()).ok();
        self.client_id
            .or_else(|| workload?.client_id)
            .or_else(|| self.managed_identity.as_ref()?.client_id)
            .or_else(|| workload.and_then(|_| of_environment()))
    }

    pub(super) fn check(&self, problems: &mut Problems, base: &str, needs_application_id: bool) {
        let key = |name: &str| format!("{base}.{name}");
        self.check_application_id(problems, &key("client_id"), needs_application_id);
        let given: Vec<_> = [
            ("client_secret", self.client_secret.is_some()),
            ("certificate", self.certificate.is_some()),
            ("workload_identity", self.workload_identity.is_some()),
            ("managed_identity", self.managed_identity.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect();
        match given[..] {
            [] => problems.add(
                &key("client_secret"),
                "is missing, and there is no other credential",
                "Write auth.client_secret = { env = \"M365_CLIENT_SECRET\" }, or auth.certificate = { crt_file = \"…\", key_file = \
                 \"…\" }, or auth.workload_identity = {}, or auth.managed_identity = {}.",
            ),
            [_] => {}
            _ => problems.add(
                base,
                format!("has several credentials: {}", given.join(" and ")),
                "Keep the one that is to be used, and remove the others.",
            ),
        }
        if let Some(secret) = &self.client_secret {
            secret.check(problems, &key("client_secret"), "M365_CLIENT_SECRET");
        }
        if let Some(certificate) = &self.certificate {
            certificate.check(problems, &key("certificate"));
        }
        if let Some(ManagedIdentityConfig { client_id, resource_id: Some(resource_id) }) = &self.managed_identity {
            if client_id.is_some() {
                problems.add(
                    &key("managed_identity"),
                    "names an identity by client_id and by resource_id",
                    "Keep one of them, and remove the other.",
                );
            }
            if !resource_id.starts_with('/') || resource_id.contains(char::is_control) {
                problems.add(
                    &key("managed_identity.resource_id"),
                    "is not a resource ID",
                    "Write resource_id = \"/subscriptions/…/userAssignedIdentities/m365\" (Azure portal > the identity > Properties).",
                );
            }
        }
        let managed = self.managed_identity.as_ref().map(|identity| ("managed_identity.client_id", identity.client_id));
        let workload =
            self.workload_identity.as_ref().map(|identity| ("workload_identity.client_id", identity.client_id));
        for (name, id) in [managed, workload].into_iter().flatten() {
            if id.is_some() && self.client_id.is_some() && id != self.client_id {
                problems.add(
                    &key(name),
                    format!("is another application than {base}.client_id"),
                    "Keep the one that is to be used, and remove the other.",
                );
            }
        }
    }

    fn check_application_id(&self, problems: &mut Problems, key: &str, is_needed: bool) {
        let example = "client_id = \"11111111-2222-4333-8444-555555555555\"";
        let place = "Microsoft Entra admin center > App registrations > your app > Overview";
        match (self.application_id(), &self.managed_identity) {
            (Some(id), _) if id.is_nil() => {
                problems.add(key, "is all zeros", format!("Write the Application (client) ID ({place})."));
            }
            (None, Some(_)) if is_needed => problems.add(
                key,
                "is missing, and notifications of mode \"webhook\" are known by it",
                format!(
                    "Write {example}, the identity's Application ID (Microsoft Entra admin center > Enterprise applications > \
                     Managed identities)."
                ),
            ),
            (Some(_), _) | (None, Some(_)) => {}
            (None, None) => {
                let problem = match &self.workload_identity {
                    Some(_) => "is missing, and the environment variable AZURE_CLIENT_ID holds no GUID",
                    None => "is missing",
                };
                problems.add(key, problem, format!("Write {example}. The Application (client) ID ({place})."));
            }
        }
    }
}

impl CertificateConfig {
    fn check(&self, problems: &mut Problems, key: &str) {
        if self.crt_file.as_os_str().is_empty() {
            problems.add(&format!("{key}.crt_file"), "is empty", "Write the path of a PEM or PFX file.");
        }
        if self.key_file.as_ref().is_some_and(|file| file.as_os_str().is_empty()) {
            problems.add(&format!("{key}.key_file"), "is empty", "Write the path of a PEM file, or remove the key.");
        }
        if let Some(password) = &self.password {
            password.check(problems, &format!("{key}.password"), "M365_CERTIFICATE_PASSWORD");
        }
    }
}
