//! Access tokens: shaped like Entra's, signed with the seed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;
use uuid::Uuid;

use super::dice::Dice;
use crate::content::TenantId;

/// What a token says, under the names of Entra's v1.0 access tokens (MSGS shows one for this API).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Claims {
    pub aud: String,
    pub iss: String,
    pub tid: Uuid,
    pub appid: Uuid,
    /// The application's permissions. Entra leaves the claim out when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The permissions that a signed-in user delegated; only in a user's token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scp: Option<String>,
    pub nbf: i64,
    pub exp: i64,
    /// Tokens are numbered, so that all of them up to one can be revoked.
    pub serial: u64,
}

impl Claims {
    pub fn tenant(&self) -> TenantId {
        TenantId(self.tid)
    }
}

/// Makes and checks tokens. Nothing is remembered: the signature alone distinguishes a token of this mint from a forgery.
pub(super) struct Mint {
    key: (u64, u64),
}

impl Mint {
    pub fn new(seed: Dice) -> Self {
        Self { key: (seed.of("mint", 0).value(), seed.of("mint", 1).value()) }
    }

    /// `header.payload.signature`, each base64url without padding.
    pub fn issue(&self, claims: &Claims) -> String {
        let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"RS256","kid":"simulator"}"#);
        let payload = serde_json::to_string(claims).map(|json| URL_SAFE_NO_PAD.encode(json)).unwrap_or_default();
        let signed = format!("{header}.{payload}");
        let signature = self.sign(&signed);
        format!("{signed}.{signature}")
    }

    /// What a token says, if it is from this mint and in force.
    pub fn check(&self, token: &str, now: DateTime<Utc>, first_valid: u64) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (_, payload) = signed.split_once('.')?;
        if self.sign(signed) != signature {
            return None;
        }
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let in_force = (claims.nbf..claims.exp).contains(&now.timestamp()) && claims.serial >= first_valid;
        in_force.then_some(claims)
    }

    fn sign(&self, text: &str) -> String {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        hasher.write(text.as_bytes());
        URL_SAFE_NO_PAD.encode(hasher.finish128().as_bytes())
    }
}
