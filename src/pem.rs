//! Certificates and keys from PEM files.

use std::{fs, io, path::Path};

use chrono::{DateTime, Utc};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};
use x509_cert::{Certificate, der::Decode};

/// Why a PEM file cannot be used.
#[derive(Debug)]
pub enum PemError {
    /// It cannot be read.
    Unreadable(io::Error),
    /// It does not hold what it should. The text is our own and follows "it": the parser quotes lines of the file,
    /// which may contain a part of a private key.
    Content(&'static str),
}

/// The certificates of a file, at least one.
///
/// # Errors
///
/// See [`PemError`].
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let bytes = fs::read(path).map_err(PemError::Unreadable)?;
    let found = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>().map_err(content)?;
    if found.is_empty() { Err(PemError::Content("holds no section \"CERTIFICATE\"")) } else { Ok(found) }
}

/// The first private key of a file that is not encrypted.
///
/// # Errors
///
/// See [`PemError`].
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    let bytes = fs::read(path).map_err(PemError::Unreadable)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(content)
}

/// When the first certificate of a file expires, if that can be read.
pub fn expiry(path: &Path) -> Option<DateTime<Utc>> {
    let chain = certificates(path).ok()?;
    let certificate = Certificate::from_der(chain.first()?).ok()?;
    Some(certificate.tbs_certificate().validity().not_after.to_system_time().into())
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn content(error: pem::Error) -> PemError {
    PemError::Content(match error {
        pem::Error::NoItemsFound => "holds none",
        pem::Error::MissingSectionEnd { .. } => "ends within a section",
        pem::Error::Base64Decode(_) => "has characters that are not Base64",
        _ => "cannot be understood",
    })
}
