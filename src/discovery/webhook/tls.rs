//! TLS of the listener: what it shows, and whom it believes.

use std::{io, path::Path, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
    server::WebPkiClientVerifier,
    sign::CertifiedKey,
};
use snafu::{ResultExt, Snafu};

use crate::{
    config::WebhookTlsConfig,
    pem::{self, PemError},
};

/// HTTP/1.1 is what Microsoft speaks, and a small thing to offer to everybody.
const ALPN: &[u8] = b"http/1.1";

/// Why the listener's TLS cannot be set up.
#[derive(Debug, Snafu)]
pub enum TlsError {
    /// A file cannot be read.
    #[snafu(display(
        "webhook.tls.{key}: cannot read {path}: {source}; write the path of a PEM file that this process may read"
    ))]
    Read {
        /// Which key.
        key: &'static str,
        /// Its value.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[snafu(display("webhook.tls.{key}: {path} {problem}"))]
    Content {
        /// Which key.
        key: &'static str,
        /// Its value.
        path: String,
        /// What is wrong with it, and what to write there.
        problem: String,
    },
    /// The key is not the certificate's.
    #[snafu(display(
        "webhook.tls: the key in key_file does not belong to the first certificate in crt_file; write the two files of one \
         certificate, the server's own certificate first"
    ))]
    Mismatch,
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
    /// rustls.
    #[snafu(display("webhook.tls: {source}"))]
    Rustls {
        /// What it said.
        source: rustls::Error,
    },
    /// The client authorities.
    #[snafu(display("webhook.tls.client_ca_file: {source}"))]
    Verifier {
        /// What rustls said.
        source: rustls::server::VerifierBuilderError,
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
    let chain = certificates("crt_file", crt_file)?;
    let key = pem::private_key(key_file).map_err(|error| {
        wrong("key_file", key_file, error, |problem| {
            format!("holds no private key: it {problem}; write one in PEM, without a passphrase")
        })
    })?;
    let provider = Arc::new(ring::default_provider());
    let signing = provider.key_provider.load_private_key(key.clone_key()).context(RustlsSnafu)?;
    // Not every key can be compared; for those that cannot, rustls decides.
    if let Err(rustls::Error::InconsistentKeys(_)) = CertifiedKey::new(chain.clone(), signing).keys_match() {
        return Err(TlsError::Mismatch);
    }
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .context(RustlsSnafu)?;
    let builder = match &config.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates("client_ca_file", file)? {
                roots.add(certificate).context(RustlsSnafu)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .context(VerifierSnafu)?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut server = builder.with_single_cert(chain, key).context(RustlsSnafu)?;
    server.alpn_protocols = vec![ALPN.to_vec()];
    Ok(server)
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

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    pem::certificates(path).map_err(|error| {
        wrong(key, path, error, |problem| format!("holds no certificate: it {problem}; write certificates in PEM"))
    })
}

fn wrong(key: &'static str, path: &Path, error: PemError, problem: impl Fn(&str) -> String) -> TlsError {
    let path = path.display().to_string();
    match error {
        PemError::Unreadable(source) => TlsError::Read { key, path, source },
        PemError::Content(what) => TlsError::Content { key, path, problem: problem(what) },
    }
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
        assert!(matches!(server_config(&config), Err(TlsError::Mismatch)));
    }
}
