//! Client assertions: of a certificate's key (Microsoft's "Certificate credentials"), or of another identity provider
//! ("Workload identity federation").

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ring::{
    digest,
    signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm},
};
use serde::{Deserialize, de::DeserializeOwned};
use uuid::Uuid;
use x509_cert::{Certificate, der::Decode};

use super::problem::Problem;
use crate::simulator::{SimulatedTenant, state::Service};

/// msal for Python pads thumbprints, msal-node does not; Entra takes both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Entra forgives five minutes of clock skew. Unit: seconds.
const SKEW: f64 = 300.0;

#[derive(Deserialize)]
struct Header {
    alg: String,
    x5t: Option<String>,
    #[serde(rename = "x5t#S256")]
    x5t_s256: Option<String>,
}

/// msal for Python writes times as floats.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    #[serde(default)]
    aud: String,
    #[serde(default)]
    jti: String,
    exp: f64,
    #[serde(default)]
    nbf: f64,
}

pub(super) fn check_assertion(service: &Service, tenant: &SimulatedTenant, assertion: &str) -> Result<(), Problem> {
    if tenant.federated_tokens.iter().any(|token| token == assertion) {
        return Ok(());
    }
    let Some((header, claims)) = read::<Header>(assertion, 0).zip(read::<Claims>(assertion, 1)) else {
        return Err(Problem::client(50_027, "JWT token is invalid or malformed."));
    };
    let app = tenant.client_id;
    if claims.iss.parse::<Uuid>() != Ok(app) {
        let text = format!(
            "No matching federated identity record found for presented assertion issuer '{}'. Check your federated identity \
             credential Subject, Audience and Issuer against the presented assertion.",
            claims.iss
        );
        return Err(Problem::client(700_211, text));
    }
    let now = service.clock.now().timestamp();
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below where a float loses precision")]
    let now = now as f64;
    if now + SKEW < claims.nbf || claims.exp + SKEW <= now {
        let text = "Client assertion is not within its valid time range. Review the client assertion's timestamps.";
        return Err(Problem::client(700_024, text));
    }
    let has_claims = claims.sub.parse::<Uuid>() == Ok(app)
        && (tenant.certificates.is_empty() || (is_token_endpoint(&claims.aud) && !claims.jti.is_empty()));
    if !has_claims || !is_signed(tenant, assertion, &header) {
        return Err(Problem::client(
            700_027,
            "The certificate with identifier used to sign the client assertion is not registered on application, or the \
             assertion is not valid.",
        ));
    }
    Ok(())
}

fn is_token_endpoint(audience: &str) -> bool {
    audience.starts_with("https://") && audience.ends_with("/oauth2/v2.0/token")
}

fn read<T: DeserializeOwned>(assertion: &str, part: usize) -> Option<T> {
    serde_json::from_slice(&BASE64.decode(assertion.split('.').nth(part)?).ok()?).ok()
}

/// Whether the key of an uploaded certificate has made the signature. Without certificates nothing can be said.
fn is_signed(tenant: &SimulatedTenant, assertion: &str, header: &Header) -> bool {
    if tenant.certificates.is_empty() {
        return true;
    }
    let (algorithm, hash, thumbprint): (&dyn VerificationAlgorithm, _, _) = match header.alg.as_str() {
        "PS256" => (&RSA_PSS_2048_8192_SHA256, &digest::SHA256, &header.x5t_s256),
        "RS256" => (&RSA_PKCS1_2048_8192_SHA256, &digest::SHA1_FOR_LEGACY_USE_ONLY, &header.x5t),
        _ => return false,
    };
    let Some(thumbprint) = thumbprint.as_ref().and_then(|text| BASE64.decode(text).ok()) else { return false };
    let named = tenant.certificates.iter().find(|one| digest::digest(hash, one).as_ref() == thumbprint);
    let key = named.and_then(|one| Certificate::from_der(one).ok());
    let Some((signed, signature)) = assertion.rsplit_once('.') else { return false };
    key.is_some_and(|certificate| {
        let key = certificate.tbs_certificate().subject_public_key_info().subject_public_key.raw_bytes();
        let Ok(signature) = BASE64.decode(signature) else { return false };
        UnparsedPublicKey::new(algorithm, key).verify(signed.as_bytes(), &signature).is_ok()
    })
}
