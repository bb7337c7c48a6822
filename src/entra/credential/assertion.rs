//! Client assertions: JWTs that a certificate's key has signed.
//!
//! Microsoft's "Certificate credentials" asks for `PS256` with `x5t#S256`. Its own libraries differ: azure-identity 1.27.0 for
//! Python always writes `RS256` with `x5t`, @azure/identity 4.13.1 for Node always `PS256` with `x5t#S256`, and Entra takes both.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest,
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair},
};
use rustls_pki_types::CertificateDer;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::ProofRequest;

/// For how long an assertion is good. Unit: seconds. As Microsoft's own libraries have it.
const LIFETIME: i64 = 600;

/// How assertions are signed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Signing {
    /// RSASSA-PSS with SHA-256; the certificate is named by its SHA-256 thumbprint (`x5t#S256`).
    #[default]
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256; the certificate is named by its SHA-1 thumbprint (`x5t`).
    Rs256,
}

impl Signing {
    const fn algorithm(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }

    const fn encoding(self) -> &'static dyn RsaEncoding {
        match self {
            Self::Ps256 => &RSA_PSS_SHA256,
            Self::Rs256 => &RSA_PKCS1_SHA256,
        }
    }

    /// The header member that names the certificate, and its value.
    fn thumbprint(self, certificate: &[u8]) -> (&'static str, String) {
        let (name, algorithm) = match self {
            Self::Ps256 => ("x5t#S256", &digest::SHA256),
            Self::Rs256 => ("x5t", &digest::SHA1_FOR_LEGACY_USE_ONLY),
        };
        (name, URL_SAFE_NO_PAD.encode(digest::digest(algorithm, certificate)))
    }
}

/// Signs an assertion. `chain` begins with the key's certificate; the whole of it goes along (`x5c`) with `send_chain`, for
/// applications that trust a certificate by its subject and issuer.
///
/// # Errors
///
/// When the system has no random numbers.
pub(super) fn sign(
    key: &RsaKeyPair,
    chain: &[CertificateDer<'_>],
    signing: Signing,
    send_chain: bool,
    request: &ProofRequest<'_>,
) -> Result<String, ring::error::Unspecified> {
    let certificate = chain.first().map_or(&[][..], |certificate| certificate.as_ref());
    let mut header = Map::new();
    header.insert("alg".to_owned(), signing.algorithm().into());
    header.insert("typ".to_owned(), "JWT".into());
    let (name, thumbprint) = signing.thumbprint(certificate);
    header.insert(name.to_owned(), thumbprint.into());
    if send_chain {
        // Unlike the rest of a JWT, in the usual alphabet and with padding (RFC 7515, section 4.1.6).
        let standard = base64::engine::general_purpose::STANDARD;
        header.insert(
            "x5c".to_owned(),
            chain.iter().map(|certificate| Value::from(standard.encode(certificate))).collect(),
        );
    }
    let now = request.now.timestamp();
    let claims = json!({
        "aud": request.audience.as_str(),
        "iss": request.client_id,
        "sub": request.client_id,
        "jti": Uuid::new_v4().to_string(),
        "iat": now,
        "nbf": now,
        "exp": now + LIFETIME,
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&Value::Object(header)), part(&claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(signing.encoding(), &SystemRandom::new(), signed.as_bytes(), &mut signature)?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
