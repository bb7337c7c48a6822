//! Bodies of error responses.

use std::time::Duration;

use serde_json::Value;

use super::scrub::without_tokens;
use crate::printable::printable;

/// The content of an error response. Any body can be read as one; most fields may be missing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ErrorResponse {
    /// The AF code, such as `AF20023`.
    pub code: Option<String>,
    /// The message, or the beginning of a body that has none; one line, without anything that looks like a token.
    pub message: String,
    /// Whether the body is an HTML page, such as a proxy's.
    pub is_page: bool,
}

/// How much of a message is worth repeating.
const LONGEST: usize = 400;

impl ErrorResponse {
    /// Reads an error body: Microsoft's JSON, the same with single quotes (as its troubleshooting page prints it, and some
    /// front ends send it), `{"Message": …}` of the authorisation layer, or any other text, such as a proxy's page.
    pub fn parse(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = without_tokens(&text);
        let text = text.trim_start_matches('\u{feff}').trim();
        let json = serde_json::from_str::<Value>(text)
            .or_else(|_| serde_json::from_str(&text.replace('\'', "\"")))
            .unwrap_or_default();
        let error = json.get("error").or_else(|| json.get("Error")).unwrap_or(&json);
        let string = |names: [&str; 2]| names.iter().find_map(|name| error.get(*name)?.as_str());
        let message = string(["message", "Message"]).map_or_else(|| readable(&without_tags(text)), readable);
        let given = string(["code", "Code"]).unwrap_or_default();
        // A text that is no JSON may still name its code. And in place of the code there may be the beginning of an
        // exception's text, which continues in the message ("Microsoft.Office.Compliance.Audit.DataServiceException:
        // …").
        let code = Some(given).filter(|code| is_af(code)).map(str::to_owned).or_else(|| af_code_in(text));
        let message = if given.is_empty() || is_af(given) { message } else { format!("{} {message}", readable(given)) };
        Self { code, message: message.chars().take(LONGEST).collect(), is_page: text.starts_with('<') }
    }

    /// Whether this is about starting the same subscription again too soon; comes as 429 and as 403.
    pub fn says_started_too_often(&self) -> bool {
        self.message.contains("subscription start requests")
    }

    /// Whether the code is one of `codes`.
    pub fn is(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }

    /// How long the message asks to wait: "Please retry again after 14m 56s".
    pub fn retry_again_after(&self) -> Option<Duration> {
        let rest = self.message.split_once("retry again after")?.1;
        let mut total = 0;
        let mut found = false;
        for word in rest.split_whitespace() {
            let word = word.trim_end_matches('.');
            let Some(unit) = word.chars().last() else { break };
            let factor = match unit {
                'h' => 3_600,
                'm' => 60,
                's' => 1,
                _ => break,
            };
            let Ok(number) = word[..word.len() - 1].parse::<u32>() else { break };
            total += u64::from(number) * factor;
            found = true;
        }
        found.then(|| Duration::from_secs(total))
    }

    /// Whether the message says that unified auditing is off: "Tenant {id} does not exist." It is no statement about the
    /// tenant id (Microsoft's troubleshooting page).
    pub fn says_auditing_is_off(&self) -> bool {
        self.message.contains("DataServiceException")
            || (self.message.contains("Tenant") && self.message.contains("does not exist"))
    }
}

fn is_af(code: &str) -> bool {
    code.strip_prefix("AF").is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn af_code_in(text: &str) -> Option<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| is_af(word)).map(str::to_owned)
}

/// The text of a page.
fn without_tags(text: &str) -> String {
    let mut in_tag = false;
    let keep = |c: &char| {
        let inside = in_tag || *c == '<';
        in_tag = inside && *c != '>';
        !inside
    };
    text.chars().take(4 * LONGEST).filter(keep).collect()
}

/// One line for a log: no line breaks, with which a message could forge lines of its own.
fn readable(text: &str) -> String {
    let line = printable(text, LONGEST);
    if line.is_empty() { "(no message)".to_owned() } else { line }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_known_form_of_an_error_body_is_read() {
        for (body, code, message) in [
            (r#"{"error":{"code":"AF50000","message":"An internal error."}}"#, Some("AF50000"), "An internal error."),
            (
                "{'error':{'code':'AF429','message':'Too many requests. Method=GetBlob, PublisherId=0'}}",
                Some("AF429"),
                "Too many requests. Method=GetBlob, PublisherId=0",
            ),
            (
                r#"{"Message":"Authorization has been denied for this request."}"#,
                None,
                "Authorization has been denied for this request.",
            ),
            ("\u{feff}{\"error\":{\"code\":\"AF20022\"}}", Some("AF20022"), "\u{7b}\"error\":{\"code\":\"AF20022\"}}"),
            ("<html><h1>502 Bad\nGateway</h1></html>", None, "502 Bad Gateway"),
            ("AF20050: gone", Some("AF20050"), "AF20050: gone"),
            ("", None, "(no message)"),
            ("null", None, "null"),
            (r#"{"error":"text"}"#, None, r#"{"error":"text"}"#),
        ] {
            let refusal = ErrorResponse::parse(body.as_bytes());
            assert_eq!((refusal.code.as_deref(), refusal.message.as_str()), (code, message), "{body}");
        }
    }

    #[test]
    fn a_page_that_repeats_the_request_shows_no_token_and_forges_no_line() {
        let token = format!("eyJ{}", "x".repeat(100));
        let page = format!("<html>Blocked:\r\nAuthorization: Bearer {token}\nERROR forged");
        let refusal = ErrorResponse::parse(page.as_bytes());
        assert!(refusal.is_page);
        assert_eq!(refusal.message, "Blocked: Authorization: Bearer [redacted] ERROR forged");
        let json = format!(r#"{{"error":{{"code":"AF50000","message":"a\nb {token}"}}}}"#);
        assert_eq!(ErrorResponse::parse(json.as_bytes()).message, "a b [redacted]");
    }

    #[test]
    fn the_wait_after_a_start_is_read_from_its_text() {
        let refusal = |message: &str| ErrorResponse { message: message.into(), ..ErrorResponse::default() };
        let text = "Too many frequent subscription start requests. Please retry again after 14m 56s";
        assert_eq!(refusal(text).retry_again_after(), Some(Duration::from_secs(896)));
        assert_eq!(refusal("retry again after 3s.").retry_again_after(), Some(Duration::from_secs(3)));
        assert_eq!(refusal("retry again after a while").retry_again_after(), None);
        assert_eq!(refusal("no").retry_again_after(), None);
    }

    proptest! {
        #[test]
        fn any_body_can_be_read(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let refusal = ErrorResponse::parse(&body);
            refusal.retry_again_after();
            prop_assert!(refusal.message.chars().count() <= LONGEST);
        }

        #[test]
        fn any_text_can_be_read(text in "\\PC*retry again after \\PC*") {
            ErrorResponse { message: text, ..ErrorResponse::default() }.retry_again_after();
        }
    }
}
