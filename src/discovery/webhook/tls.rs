//! TLS of the listener: what it shows, and whom it believes.

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, ServerName},
};
use snafu::Snafu;

use crate::{
    config::WebhookTlsConfig,
    transport::{ServerFiles, ServerTlsError, server_config as config_of},
};

/// Why the listener's TLS cannot be set up.
#[derive(Debug, Snafu)]
pub enum TlsError {
    /// The files.
    #[snafu(transparent)]
    Files {
        /// What is wrong with them.
        source: ServerTlsError,
    },
    /// A key is missing in the configuration.
    #[snafu(display("webhook.tls.{key}: is missing; write the path of a PEM file"))]
    Missing {
        /// Which.
        key: &'static str,
    },
    /// A client's name.
    #[snafu(display("webhook.tls.client_names: {name:?} is not a DNS name"))]
    Name {
        /// Which.
        name: String,
    },
}

/// Reads the files and makes the settings of new connections. TLS 1.2 and 1.3.
///
/// A client certificate, where authorities are configured, is asked for and verified, but may be left out: browsers have
/// none, and a caller that needs one checks [`names_client`].
///
/// # Errors
///
/// When the files cannot be used; the message names the key.
pub fn server_config(config: &WebhookTlsConfig) -> Result<ServerConfig, TlsError> {
    let crt_file = config.crt_file.as_deref().ok_or(TlsError::Missing { key: "crt_file" })?;
    let key_file = config.key_file.as_deref().ok_or(TlsError::Missing { key: "key_file" })?;
    let client_ca_file = config.client_ca_file.as_ref();
    Ok(config_of(ServerFiles { table: "webhook.tls", crt_file, key_file, client_ca_file })?)
}

/// The names one of which a client certificate must have.
///
/// # Errors
///
/// When one is no DNS name.
pub fn client_names(config: &WebhookTlsConfig) -> Result<Vec<ServerName<'static>>, TlsError> {
    let name = |name: &String| ServerName::try_from(name.clone()).map_err(|_| TlsError::Name { name: name.clone() });
    config.client_names.iter().map(name).collect()
}

/// Whether a client has shown a certificate with one of these names. That it is trusted was checked by the handshake.
pub fn names_client(shown: Option<&[CertificateDer<'_>]>, names: &[ServerName<'_>]) -> bool {
    let Some(certificate) = shown.and_then(<[_]>::first) else { return false };
    webpki::EndEntityCert::try_from(certificate)
        .is_ok_and(|certificate| names.iter().any(|name| certificate.verify_is_valid_for_subject_name(name).is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_file_is_told_of_without_what_is_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| Some(directory.path().join(name));
        let config = WebhookTlsConfig { crt_file: path("crt"), key_file: path("key"), ..WebhookTlsConfig::default() };
        let good = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let secret = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";
        for broken in [
            format!("-----BEGIN PRIVATE KEY-----\\n{secret}\\n-----END PRIVATE KEY-----\\n"),
            format!("-----BEGIN PRIVATE KEY----- {secret} -----END PRIVATE KEY-----"),
            format!("-----BEGIN PRIVATE KEY-----\n{secret}"),
            format!("-----BEGIN PRIVATE KEY-----\n{secret}!!\n-----END PRIVATE KEY-----\n"),
            secret.to_owned(),
        ] {
            std::fs::write(config.crt_file.as_ref().unwrap(), good.cert.pem()).unwrap();
            std::fs::write(config.key_file.as_ref().unwrap(), &broken).unwrap();
            let key = server_config(&config).unwrap_err();
            std::fs::write(config.crt_file.as_ref().unwrap(), &broken).unwrap();
            let crt = server_config(&config).unwrap_err();
            for (error, name) in [(key, "key_file"), (crt, "crt_file")] {
                let bytes = secret.as_bytes().iter().take(4).map(u8::to_string).collect::<Vec<_>>().join(", ");
                for text in [error.to_string(), format!("{error:?}")] {
                    assert!(text.contains(name) && !text.contains(&secret[..8]) && !text.contains(&bytes), "{text}");
                }
            }
        }
        std::fs::write(config.crt_file.as_ref().unwrap(), good.cert.pem()).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(config.key_file.as_ref().unwrap(), other.signing_key.serialize_pem()).unwrap();
        let error = server_config(&config).unwrap_err();
        assert!(matches!(error, TlsError::Files { source: ServerTlsError::Mismatch { .. } }), "{error}");
    }
}
