//! A short-lived certificate authority: for listeners that only the simulator has to trust.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// A listener's certificate and the authority that vouches for it, in PEM files.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateFiles {
    /// The authority's certificate, for clients that connect.
    pub ca_file: PathBuf,
    /// The listener's certificate, for `localhost` and `127.0.0.1`.
    pub crt_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

impl CertificateFiles {
    /// Makes them anew in a directory.
    ///
    /// # Errors
    ///
    /// When they cannot be written.
    pub fn make(directory: &Path) -> io::Result<Self> {
        let (ca, certificate, key) = generate().map_err(io::Error::other)?;
        let files = Self {
            ca_file: directory.join("ca.pem"),
            crt_file: directory.join("listener.pem"),
            key_file: directory.join("listener-key.pem"),
        };
        fs::write(&files.ca_file, ca)?;
        fs::write(&files.crt_file, certificate)?;
        fs::write(&files.key_file, key)?;
        Ok(files)
    }
}

fn generate() -> Result<(String, String, String), rcgen::Error> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority.distinguished_name.push(DnType::CommonName, "office365-source simulator");
    let authority_key = KeyPair::generate()?;
    let ca = authority.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(authority, authority_key);

    let listener = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let key = KeyPair::generate()?;
    Ok((ca, listener.signed_by(&key, &issuer)?.pem(), key.serialize_pem()))
}
