//! The `AuthID`, by which the listener knows Microsoft.

use secrecy::{ExposeSecret, SecretString};

/// About as long as a random text must be to resist guessing, at six bits a character.
const SHORTEST: usize = 16;

/// What is wrong with an `AuthID` that a header cannot carry.
pub(crate) const NO_HEADER: &str =
    "holds something else than printable ASCII without spaces, which the header Webhook-AuthID cannot carry";

/// Spaces are out as well: at the ends of a header they are not part of its value.
pub(crate) fn fits_header(text: &str) -> bool {
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

    #[test]
    fn a_short_auth_id_is_hinted_at() {
        assert!(auth_id_hint(&SecretString::from("hunter2")).unwrap().contains("16 or more"));
        assert_eq!(auth_id_hint(&SecretString::from("o365activityapinotification")), None);
    }
}
