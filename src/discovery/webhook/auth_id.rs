//! `authId` of a webhook: what Microsoft sends with each request, in the header `Webhook-AuthID`, to show that it is
//! Microsoft.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rand::RngExt;
use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use snafu::ensure;
use subtle::ConstantTimeEq;

use crate::{
    config::{NO_HEADER, WebhookConfig, fits_header},
    secrets::{NoSecretSnafu, SecretError, SecretReader},
};

/// Reads the `AuthID`; `None` when none is configured. `key` is the full path of `auth_id` in the configuration.
///
/// # Errors
///
/// When it cannot be read, or cannot be sent as an HTTP header.
pub async fn configured_auth_id(
    config: &WebhookConfig,
    secrets: &SecretReader,
    key: &str,
) -> Result<Option<SecretString>, SecretError> {
    let Some(reference) = &config.auth_id else { return Ok(None) };
    let auth_id = secrets.read(reference, key).await?.value;
    ensure!(fits_header(auth_id.expose_secret()), NoSecretSnafu { key, place: reference.place(), problem: NO_HEADER });
    Ok(Some(auth_id))
}

/// The secret that Microsoft and the listener share.
#[derive(Clone, Debug)]
pub struct AuthId(SecretString);

impl AuthId {
    /// A new one of 256 random bits, as 43 letters, digits, `-` and `_`.
    pub fn generate() -> Self {
        Self(SecretString::from(BASE64_URL_SAFE_NO_PAD.encode(rand::rng().random::<[u8; 32]>())))
    }

    /// Whether a request's header has it. Takes the same time wherever a wrong one differs, and when there is none. An
    /// empty auth id matches nothing.
    pub fn matches(&self, given: Option<&[u8]>) -> bool {
        // Digests have one length, so that not even the length of the right one shows.
        let expected = digest(&SHA256, self.0.expose_secret().as_bytes());
        let equal = digest(&SHA256, given.unwrap_or_default()).as_ref().ct_eq(expected.as_ref());
        bool::from(equal) && given.is_some_and(|given| !given.is_empty())
    }

    /// The secret, for the request that gives it to Microsoft.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<SecretString> for AuthId {
    fn from(secret: SecretString) -> Self {
        Self(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_one_matches() {
        let auth_id = AuthId::from(SecretString::from("o365activityapinotification"));
        assert!(auth_id.matches(Some(b"o365activityapinotification")));
        for wrong in ["", "o", "O365activityapinotification", "o365activityapinotification ", "x"] {
            assert!(!auth_id.matches(Some(wrong.as_bytes())), "{wrong}");
        }
        assert!(!auth_id.matches(None));
    }

    #[test]
    fn an_empty_one_lets_nobody_in() {
        let auth_id = AuthId::from(SecretString::from(""));
        assert!(!auth_id.matches(None) && !auth_id.matches(Some(b"")));
    }

    #[test]
    fn generated_ones_differ_and_fit_into_a_header() {
        let (one, two) = (AuthId::generate(), AuthId::generate());
        assert!(one.matches(Some(one.expose().as_bytes())) && !one.matches(Some(two.expose().as_bytes())));
        assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(one.expose()).unwrap().len(), 32);
    }

    #[test]
    fn it_is_not_in_debug_output() {
        assert!(!format!("{:?}", AuthId::from(SecretString::from("hunter2"))).contains("hunter2"));
    }
}
