//! TLS of the servers: what they show, and which clients they believe.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore, ServerConfig, crypto::ring, pki_types::CertificateDer, server::WebPkiClientVerifier,
    sign::CertifiedKey,
};
use snafu::{ResultExt, Snafu};

use crate::pem::{self, PemError};

/// HTTP/1.1 is what Microsoft and Prometheus speak, and a small thing to offer to everybody.
const ALPN: &[u8] = b"http/1.1";

/// The files of a server. Errors name the keys by which they are configured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerFiles<'a> {
    /// The table of the configuration, such as `webhook.tls`.
    pub(crate) table: &'static str,
    /// The certificate and those behind it.
    pub(crate) crt_file: &'a Path,
    /// Its key.
    pub(crate) key_file: &'a Path,
    /// The authorities of clients.
    pub(crate) client_ca_file: Option<&'a PathBuf>,
}

/// Why a server's TLS cannot be set up.
#[derive(Debug, Snafu)]
pub enum ServerTlsError {
    /// A file cannot be read.
    #[snafu(display(
        "{table}.{key}: cannot read {path}: {source}; write the path of a PEM file that this process may read"
    ))]
    Read {
        /// Where in the configuration.
        table: &'static str,
        /// Which key.
        key: &'static str,
        /// Its value.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[snafu(display("{table}.{key}: {path} {problem}"))]
    Content {
        /// Where in the configuration.
        table: &'static str,
        /// Which key.
        key: &'static str,
        /// Its value.
        path: String,
        /// What is wrong with it, and what to write there.
        problem: String,
    },
    /// The key is not the certificate's.
    #[snafu(display(
        "{table}: the key in key_file does not belong to the first certificate in crt_file; write the two files of one \
         certificate, the server's own certificate first"
    ))]
    Mismatch {
        /// Where in the configuration.
        table: &'static str,
    },
    /// rustls.
    #[snafu(display("{table}: {source}"))]
    Rustls {
        /// Where in the configuration.
        table: &'static str,
        /// What it said.
        source: rustls::Error,
    },
    /// The client authorities.
    #[snafu(display("{table}.client_ca_file: {source}"))]
    Verifier {
        /// Where in the configuration.
        table: &'static str,
        /// What rustls said.
        source: rustls::server::VerifierBuilderError,
    },
}

/// Reads the files and makes the settings of new connections. TLS 1.2 and 1.3.
///
/// A client certificate, where authorities are configured, is asked for and verified, but may be left out: browsers have
/// none, and a caller that needs one checks for it.
///
/// # Errors
///
/// When the files cannot be used; the message names the key.
pub(crate) fn server_config(files: ServerFiles<'_>) -> Result<ServerConfig, ServerTlsError> {
    let ServerFiles { table, crt_file, key_file, client_ca_file } = files;
    let chain = certificates(table, "crt_file", crt_file)?;
    let key = pem::private_key(key_file).map_err(|error| {
        wrong(table, "key_file", key_file, error, |problem| {
            format!("holds no private key: it {problem}; write one in PEM, without a passphrase")
        })
    })?;
    let provider = Arc::new(ring::default_provider());
    let signing = provider.key_provider.load_private_key(key.clone_key()).context(RustlsSnafu { table })?;
    // Not every key can be compared; for those that cannot, rustls decides.
    if let Err(rustls::Error::InconsistentKeys(_)) = CertifiedKey::new(chain.clone(), signing).keys_match() {
        return MismatchSnafu { table }.fail();
    }
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .context(RustlsSnafu { table })?;
    let builder = match client_ca_file {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(table, "client_ca_file", file)? {
                roots.add(certificate).context(RustlsSnafu { table })?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .context(VerifierSnafu { table })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut server = builder.with_single_cert(chain, key).context(RustlsSnafu { table })?;
    server.alpn_protocols = vec![ALPN.to_vec()];
    Ok(server)
}

fn certificates(
    table: &'static str,
    key: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, ServerTlsError> {
    pem::certificates(path).map_err(|error| {
        wrong(table, key, path, error, |problem| {
            format!("holds no certificate: it {problem}; write certificates in PEM")
        })
    })
}

fn wrong(
    table: &'static str,
    key: &'static str,
    path: &Path,
    error: PemError,
    problem: impl Fn(&str) -> String,
) -> ServerTlsError {
    let path = path.display().to_string();
    match error {
        PemError::Unreadable(source) => ServerTlsError::Read { table, key, path, source },
        PemError::Content(what) => ServerTlsError::Content { table, key, path, problem: problem(what) },
    }
}
