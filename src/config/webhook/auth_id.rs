//! The `AuthID`, by which the listener knows Microsoft.

use secrecy::{ExposeSecret, SecretString};
use snafu::ensure;

use super::WebhookConfig;
use crate::config::secret::{NoSecretSnafu, SecretError};

/// About as long as a random text must be to resist guessing, at six bits a character.
const SHORTEST: usize = 16;

/// What is wrong with an `AuthID` that a header cannot carry.
pub(super) const NO_HEADER: &str =
    "holds something else than printable ASCII without spaces, which the header Webhook-AuthID cannot carry";

impl WebhookConfig {
    /// Reads the `AuthID`; `None` when none is configured. `key` is the full path of `auth_id`, for the error only.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or cannot be sent as an HTTP header.
    pub fn resolve_auth_id(&self, key: &str) -> Result<Option<SecretString>, SecretError> {
        let Some(reference) = &self.auth_id else { return Ok(None) };
        let auth_id = reference.resolve(key)?;
        ensure!(
            fits_header(auth_id.expose_secret()),
            NoSecretSnafu { key, place: reference.place(), problem: NO_HEADER }
        );
        Ok(Some(auth_id))
    }
}

/// Spaces are out as well: at the ends of a header they are not part of its value.
pub(super) fn fits_header(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Advice on an `AuthID` that works but can be guessed.
pub fn auth_id_hint(auth_id: &SecretString) -> Option<&'static str> {
    (auth_id.expose_secret().len() < SHORTEST).then_some(
        "the AuthID is short enough to be guessed: write 16 or more random characters, or leave the key out for a random \
         one",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SecretRef;

    const KEY: &str = "sources.m365.webhook.auth_id";

    #[test]
    fn an_auth_id_fits_a_header() {
        let read = |text: &str| {
            WebhookConfig { auth_id: Some(SecretRef::from(text)), ..WebhookConfig::default() }.resolve_auth_id(KEY)
        };
        assert_eq!(read("o365activity~!\"").unwrap().unwrap().expose_secret(), "o365activity~!\"");
        for bad in ["two words", " hunter2", "hunter2 ", "hünter2", "hunter2\r\nx: y"] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.starts_with(KEY) && error.contains("Webhook-AuthID") && !error.contains("nter2"), "{error}");
        }
        assert!(WebhookConfig::default().resolve_auth_id(KEY).unwrap().is_none());
    }

    #[test]
    fn a_short_auth_id_is_hinted_at() {
        assert!(auth_id_hint(&SecretString::from("hunter2")).unwrap().contains("16 or more"));
        assert_eq!(auth_id_hint(&SecretString::from("o365activityapinotification")), None);
    }
}
