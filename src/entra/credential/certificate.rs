//! A certificate and its key, from PEM files or from a PFX file.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
use pkcs8::EncryptedPrivateKeyInfoRef;
use ring::{
    rand::SystemRandom,
    signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use secrecy::{ExposeSecret, SecretString};
use snafu::{OptionExt, ResultExt, Snafu, ensure};
use x509_cert::{Certificate, der::Decode};

use super::{
    ProofRequest,
    assertion::{self, Signing},
};

/// Certificates and keys are small; a larger file is something else.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Which of the two files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CertificateFile {
    /// The one with the certificate, or a PFX file with both.
    Certificate,
    /// The one with the private key.
    Key,
}

impl CertificateFile {
    const fn key(self) -> &'static str {
        match self {
            Self::Certificate => "crt_file",
            Self::Key => "key_file",
        }
    }
}

/// Why a certificate cannot be used. Holds nothing of the key or the password.
#[derive(Debug, Snafu)]
pub enum CertificateError {
    /// A file cannot be read.
    #[snafu(display("{}: cannot read {}: {source}; write the path of a file that this process may read", file.key(), path.display()))]
    Read {
        /// Which.
        file: CertificateFile,
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[snafu(display("{}: {} {problem}", file.key(), path.display()))]
    Content {
        /// Which.
        file: CertificateFile,
        /// Where.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
    /// The key is not one that Entra takes.
    #[snafu(display(
        "key_file: the key is not an RSA key of 2048 to 4096 bits. Microsoft Entra takes RSA keys only: make a new certificate with one"
    ))]
    NotRsa,
    /// The key is not the certificate's.
    #[snafu(display(
        "key_file: the key does not belong to the first certificate in crt_file; write the two files of one certificate, the \
         application's own certificate first"
    ))]
    Mismatch,
    /// The certificate is not valid yet.
    #[snafu(display(
        "crt_file: the certificate is not valid before {begins}: check the clock of this machine, or use another"
    ))]
    TooEarly {
        /// When it begins to be.
        begins: DateTime<Utc>,
    },
    /// The certificate has expired.
    #[snafu(display(
        "crt_file: the certificate expired at {ended}: make a new one, and upload its public part in the Entra admin center under App \
         registrations > your app > Certificates & secrets > Certificates"
    ))]
    Expired {
        /// When.
        ended: DateTime<Utc>,
    },
    /// It cannot sign.
    #[snafu(display("the key cannot sign: the system has no random numbers"))]
    Sign,
}

/// Where a certificate and its key are.
#[derive(Clone, Copy, Debug)]
pub struct CertificateFiles<'a> {
    /// PEM, or PFX.
    pub crt_file: &'a Path,
    /// PEM; `None` when `crt_file` is a PFX file, or a PEM file with both.
    pub key_file: Option<&'a Path>,
    /// Of the key or the PFX file.
    pub password: Option<&'a SecretString>,
}

/// A certificate with its key, ready to sign.
pub struct ClientCertificate {
    key: RsaKeyPair,
    chain: Vec<CertificateDer<'static>>,
    begins: DateTime<Utc>,
    ends: DateTime<Utc>,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("ends", &self.ends).finish_non_exhaustive()
    }
}

impl ClientCertificate {
    /// Reads a certificate and its key, and looks whether they belong together.
    ///
    /// # Errors
    ///
    /// See [`CertificateError`]; whether the certificate is valid now, [`Self::check_time`] says.
    pub fn read(files: CertificateFiles<'_>) -> Result<Self, CertificateError> {
        let (chain, key) = load(files)?;
        let certificate = chain.first().context(ContentSnafu {
            file: CertificateFile::Certificate,
            path: files.crt_file,
            problem: "holds no certificate; write the path of a PEM or PFX file",
        })?;
        let parsed = Certificate::from_der(certificate).ok().context(ContentSnafu {
            file: CertificateFile::Certificate,
            path: files.crt_file,
            problem: "holds a certificate that cannot be understood; export it again",
        })?;
        let key = rsa_key(&key).context(NotRsaSnafu)?;
        let public = parsed.tbs_certificate().subject_public_key_info();
        ensure!(public.subject_public_key.raw_bytes() == key.public_key().as_ref(), MismatchSnafu);
        let validity = parsed.tbs_certificate().validity();
        let (begins, ends) = (validity.not_before.to_system_time().into(), validity.not_after.to_system_time().into());
        Ok(Self { key, chain, begins, ends })
    }

    /// Whether it is valid at a time.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn check_time(&self, now: DateTime<Utc>) -> Result<(), CertificateError> {
        ensure!(self.begins <= now, TooEarlySnafu { begins: self.begins });
        ensure!(now < self.ends, ExpiredSnafu { ended: self.ends });
        Ok(())
    }

    /// When it expires.
    pub const fn ends(&self) -> DateTime<Utc> {
        self.ends
    }

    /// Signs the assertion for a token request.
    ///
    /// # Errors
    ///
    /// When the certificate is not valid now, or cannot sign.
    pub(crate) fn assertion(
        &self,
        signing: Signing,
        send_chain: bool,
        request: &ProofRequest<'_>,
    ) -> Result<SecretString, CertificateError> {
        self.check_time(request.now)?;
        let signed = assertion::sign(&self.key, &self.chain, signing, send_chain, request);
        signed.map(SecretString::from).ok().context(SignSnafu)
    }
}

impl ClientCertificate {
    /// A signature of a text: the same each time, and only the holder of the key can make it. Not for an assertion.
    ///
    /// # Errors
    ///
    /// When it cannot sign.
    pub(crate) fn sign_always_alike(&self, text: &str) -> Result<SecretString, CertificateError> {
        let mut signature = vec![0; self.key.public().modulus_len()];
        let signed = self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature);
        signed.ok().context(SignSnafu)?;
        Ok(SecretString::from(URL_SAFE_NO_PAD.encode(signature)))
    }
}

type Loaded = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn load(files: CertificateFiles<'_>) -> Result<Loaded, CertificateError> {
    let bytes = read(CertificateFile::Certificate, files.crt_file)?;
    if !is_pem(&bytes) {
        return from_pfx(&bytes, files);
    }
    let damaged = ContentSnafu {
        file: CertificateFile::Certificate,
        path: files.crt_file,
        problem: "is a damaged PEM file; export the certificate again",
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.ok().context(damaged)?;
    let (path, bytes) = match files.key_file {
        Some(path) => (path, read(CertificateFile::Key, path)?),
        None => (files.crt_file, bytes),
    };
    Ok((chain, private_key(path, &bytes, files.password)?))
}

/// A PEM file has a line that begins a section.
fn is_pem(bytes: &[u8]) -> bool {
    bytes.windows(11).any(|window| window == b"-----BEGIN ")
}

fn private_key(
    path: &Path,
    pem: &[u8],
    password: Option<&SecretString>,
) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let content = |problem| ContentSnafu { file: CertificateFile::Key, path, problem };
    let text = String::from_utf8_lossy(pem);
    // The way of OpenSSL before version 1.0, with a digest that nothing else uses any more.
    ensure!(
        !text.contains("Proc-Type: 4,ENCRYPTED"),
        content(
            "is encrypted in a form that is no longer used; convert it with \"openssl pkcs8 -topk8 -in OLD -out NEW\""
        )
    );
    let Some(encrypted) = encrypted_section(pem) else {
        return PrivateKeyDer::from_pem_slice(pem)
            .ok()
            .context(content("holds no private key; write key_file = \"/path/to/key.pem\""));
    };
    let password = password.context(content(
        "holds an encrypted private key, and there is no password; write auth.certificate.password",
    ))?;
    let key = EncryptedPrivateKeyInfoRef::try_from(&*encrypted).ok().context(content(
        "holds an encrypted private key that cannot be understood; convert it with \"openssl pkcs8 -topk8\"",
    ))?;
    let key = key
        .decrypt(password.expose_secret())
        .ok()
        .context(content("cannot be decrypted: auth.certificate.password is not its password"))?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}

/// The first encrypted key of a PEM file. The parser for TLS passes such sections over.
fn encrypted_section(pem: &[u8]) -> Option<Vec<u8>> {
    let text = str::from_utf8(pem).ok()?;
    let body = text.split_once("-----BEGIN ENCRYPTED PRIVATE KEY-----")?.1;
    let body = body.split_once("-----END ENCRYPTED PRIVATE KEY-----")?.0;
    // As a certificate, so that the one PEM parser reads it.
    let disguised = format!("-----BEGIN CERTIFICATE-----{body}-----END CERTIFICATE-----\n");
    CertificateDer::from_pem_slice(disguised.as_bytes()).ok().map(|der| der.to_vec())
}

fn from_pfx(bytes: &[u8], files: CertificateFiles<'_>) -> Result<Loaded, CertificateError> {
    let content = |problem| ContentSnafu { file: CertificateFile::Certificate, path: files.crt_file, problem };
    let password = files.password.map_or("", |password| password.expose_secret());
    let store = KeyStore::from_pkcs12(bytes, password, Pkcs12ImportPolicy::Strict)
        .ok()
        .context(content("is neither a PEM file nor a PFX file that auth.certificate.password opens"))?;
    let (_, chain) = store.private_key_chain().context(content("holds no private key; export it with its key"))?;
    let certificates = chain.certs().iter().map(|one| CertificateDer::from(one.as_der().to_vec())).collect();
    Ok((certificates, PrivatePkcs8KeyDer::from(chain.key().as_der().to_vec()).into()))
}

fn rsa_key(key: &PrivateKeyDer<'_>) -> Option<RsaKeyPair> {
    match key {
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).ok(),
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()).ok(),
        _ => None,
    }
}

fn read(file: CertificateFile, path: &Path) -> Result<Vec<u8>, CertificateError> {
    use io::Read;
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|opened| opened.take(LARGEST_FILE + 1).read_to_end(&mut bytes))
        .context(ReadSnafu { file, path })?;
    ensure!(
        bytes.len() as u64 <= LARGEST_FILE,
        ContentSnafu { file, path, problem: "is larger than 1 MiB, and so not a certificate or key" }
    );
    Ok(bytes)
}
