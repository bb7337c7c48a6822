//! The bodies of Entra's token endpoints.

use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::aadsts;
use crate::printable::printable;

/// What a token endpoint answered.
#[derive(Debug)]
pub enum TokenAnswer {
    /// A token and how long it lives.
    Token {
        /// The bearer token.
        token: SecretString,
        /// For how long from now.
        expires_in: Duration,
    },
    /// A refusal.
    Refused {
        /// The AADSTS code, where there is one.
        code: Option<u32>,
        /// The first sentence of Entra's description; it holds no secret.
        description: String,
    },
    /// Neither: a proxy's page, an empty body.
    Unreadable,
}

#[derive(Deserialize)]
struct Success {
    access_token: SecretString,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct OAuthError {
    error: String,
    #[serde(default)]
    error_description: String,
    #[serde(default)]
    error_codes: Vec<u32>,
}

/// v1 of the endpoint writes numbers as strings, v2 as numbers (samples in Microsoft's "Get started with Office 365
/// Management APIs").
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    })
}

/// When an answer does not say: the shortest life Entra gives a token.
const ASSUMED_LIFE: u64 = 600;

/// Reads the body of a token endpoint's answer, whatever its status.
pub fn parse_token_answer(body: &[u8]) -> TokenAnswer {
    if let Ok(success) = serde_json::from_slice::<Success>(body) {
        let expires_in = Duration::from_secs(success.expires_in.unwrap_or(ASSUMED_LIFE));
        return TokenAnswer::Token { token: success.access_token, expires_in };
    }
    let Ok(refusal) = serde_json::from_slice::<OAuthError>(body) else { return TokenAnswer::Unreadable };
    let code = refusal.error_codes.first().copied().or_else(|| aadsts::code_in(&refusal.error_description));
    // After the first line come trace and correlation ids.
    let first_line = refusal.error_description.lines().next().unwrap_or_default();
    let sentence = first_line.split(" Trace ID:").next().unwrap_or_default().trim().trim_end_matches('.');
    let description = if sentence.is_empty() { &refusal.error } else { sentence };
    let description = printable(description, 400);
    TokenAnswer::Refused { code, description }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn both_versions_of_a_success_are_read() {
        for (body, life) in [
            (r#"{"token_type":"Bearer","expires_in":"3599","expires_on":"1","access_token":"t"}"#, 3_599),
            (r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"t"}"#, 3_599),
            (r#"{"access_token":"t"}"#, ASSUMED_LIFE),
        ] {
            let TokenAnswer::Token { token, expires_in } = parse_token_answer(body.as_bytes()) else {
                panic!("{body}")
            };
            assert_eq!((token.expose_secret(), expires_in.as_secs()), ("t", life));
        }
    }

    #[test]
    fn a_refusal_keeps_its_code_and_first_sentence() {
        let body = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. Trace ID: 1\r\nCorrelation ID: 2","error_codes":[7000215]}"#;
        let TokenAnswer::Refused { code, description } = parse_token_answer(body.as_bytes()) else { panic!() };
        assert_eq!(code, Some(7_000_215));
        assert_eq!(description, "AADSTS7000215: Invalid client secret provided");
    }

    #[test]
    fn anything_else_is_unreadable() {
        for body in ["", "null", "[]", "<html>", "{\"expires_in\":1}"] {
            assert!(matches!(parse_token_answer(body.as_bytes()), TokenAnswer::Unreadable), "{body}");
        }
    }
}
