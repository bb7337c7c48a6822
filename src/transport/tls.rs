//! TLS as a client: which authorities to trust, and which certificate to present.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{ClientConfig, client::danger::ServerCertVerifier, crypto::ring};
use rustls_pki_types::CertificateDer;
use rustls_platform_verifier::Verifier;
use snafu::{ResultExt, Snafu};

use crate::pem::{self, PemError};

/// Why TLS cannot be set up.
#[derive(Debug, Snafu)]
pub enum ClientTlsError {
    /// A file does not hold what it should, or cannot be read.
    #[snafu(display("tls.{key}: cannot read {what} from {}: {detail}; write the path of a PEM file", path.display()))]
    File {
        /// Which key.
        key: &'static str,
        /// What was looked for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The key is not the certificate's.
    #[snafu(display(
        "tls.crt_file: {source}; write the two files of one certificate, the client's own certificate first"
    ))]
    Identity {
        /// What rustls said.
        source: rustls::Error,
    },
    /// It is not known whom to trust: a minimal container, for example, has no certificate authorities.
    #[snafu(display(
        "tls: the certificate authorities that this system trusts cannot be read ({source}); install them (on Debian the package \
         ca-certificates), or write tls.ca_file"
    ))]
    Roots {
        /// What the platform's verifier said.
        source: rustls::Error,
    },
    /// Anything else.
    #[snafu(display("tls: {source}"))]
    Rustls {
        /// What rustls said.
        source: rustls::Error,
    },
}

/// The files that make a client.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClientFiles<'a> {
    /// Certificate authorities to trust beside the system's.
    pub(crate) ca_file: Option<&'a Path>,
    /// The certificate to show, and its key.
    pub(crate) identity: Option<(&'a Path, &'a Path)>,
}

/// The platform's trust store, plus the extra authorities. ring, because it needs nothing but a C compiler.
pub(crate) fn client_config(files: ClientFiles<'_>) -> Result<ClientConfig, ClientTlsError> {
    client_config_with(files, |verifier| verifier)
}

/// The same, with a verifier around the one that judges.
pub(super) fn client_config_with(
    files: ClientFiles<'_>,
    wrap: impl FnOnce(Arc<dyn ServerCertVerifier>) -> Arc<dyn ServerCertVerifier>,
) -> Result<ClientConfig, ClientTlsError> {
    let provider = Arc::new(ring::default_provider());
    let extra = files.ca_file.map_or_else(|| Ok(Vec::new()), |path| certificates("ca_file", path))?;
    let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&provider)).context(RootsSnafu)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context(RustlsSnafu)?
        .dangerous()
        .with_custom_certificate_verifier(wrap(Arc::new(verifier)));
    let Some((certificate, key)) = files.identity else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates("crt_file", certificate)?;
    let key = pem::private_key(key).map_err(|error| unreadable("key_file", "a private key", key, error))?;
    builder.with_client_auth_cert(chain, key).context(IdentitySnafu)
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ClientTlsError> {
    pem::certificates(path).map_err(|error| unreadable(key, "certificates", path, error))
}

fn unreadable(key: &'static str, what: &'static str, path: &Path, error: PemError) -> ClientTlsError {
    let detail = match error {
        PemError::Unreadable(error) => error.to_string(),
        PemError::Content(problem) => format!("it {problem}"),
    };
    ClientTlsError::File { key, what, path: path.to_owned(), detail }
}
