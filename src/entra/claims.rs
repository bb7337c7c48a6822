//! What an access token says about itself, for hints only: nothing here is verified, the API does that.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::content::TenantId;

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    tid: Option<String>,
}

/// The application permissions in a token, or `None` when the token is not readable (Microsoft may change its form).
pub fn roles(token: &str) -> Option<Vec<String>> {
    claims(token).map(|claims| claims.roles)
}

/// The tenant that a token is for.
pub fn tenant(token: &str) -> Option<TenantId> {
    claims(token)?.tid?.parse().ok()
}

fn claims(token: &str) -> Option<Claims> {
    let payload = token.split('.').nth(1)?;
    let json = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_and_an_opaque_token_has_none() {
        let payload =
            URL_SAFE_NO_PAD.encode(r#"{"roles":["ActivityFeed.Read"],"tid":"6a98b5da-7b3c-4486-bb0b-66a048c6da62"}"#);
        assert_eq!(tenant(&format!("e30.{payload}.sig")).unwrap().to_string(), "6a98b5da-7b3c-4486-bb0b-66a048c6da62");
        assert_eq!(roles(&format!("e30.{payload}.sig")), Some(vec!["ActivityFeed.Read".to_owned()]));
        let none = URL_SAFE_NO_PAD.encode("{}");
        assert_eq!(roles(&format!("e30.{none}.")), Some(vec![]));
        for opaque in ["", "abc", "a.b.c", "a.%%%.c"] {
            assert_eq!(roles(opaque), None);
        }
    }
}
