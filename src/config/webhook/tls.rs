//! TLS of the listener.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// TLS of the listener.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookTlsConfig {
    /// `false` takes plain HTTP, from a proxy that terminates TLS: Microsoft speaks https only.
    pub enabled: bool,

    /// A PEM file with the certificate of the listener and the intermediate certificates behind it. Required when TLS is
    /// enabled. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/office365-source/webhook.crt")]
    pub crt_file: Option<PathBuf>,

    /// A PEM file with the private key of the certificate, not encrypted. Required when TLS is enabled. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/office365-source/webhook.key")]
    pub key_file: Option<PathBuf>,

    /// A PEM file of certificate authorities, one of which must have signed the certificate that the client shows
    /// (mutual TLS). Default: none, and no client certificate is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/office365-source/client-ca.pem")]
    pub client_ca_file: Option<PathBuf>,

    // Source: Microsoft's Management Activity API reference ("Receiving notifications": "we will authenticate using the
    // manage.office.com certificate").
    /// The names one of which the client certificate must have, with `client_ca_file`.
    #[schemars(length(min = 1), example = ["manage.office.com"])]
    pub client_names: Vec<String>,

    /// With `enabled = false`: `true` allows `listen` an address that is not a loopback address, for a proxy on another
    /// machine. Anybody on the way between can then read the `AuthID`.
    pub allow_plaintext: bool,
}

impl Default for WebhookTlsConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            crt_file: None,
            key_file: None,
            client_ca_file: None,
            client_names: vec!["manage.office.com".to_owned()],
            allow_plaintext: false,
        }
    }
}

impl WebhookTlsConfig {
    /// The keys that name files, with what they name.
    pub(super) fn files(&self) -> [(&'static str, Option<&PathBuf>); 3] {
        [
            ("crt_file", self.crt_file.as_ref()),
            ("key_file", self.key_file.as_ref()),
            ("client_ca_file", self.client_ca_file.as_ref()),
        ]
    }
}
