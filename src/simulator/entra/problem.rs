//! Entra's refusals.

use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::simulator::{dice::uuid, state::Service};

/// An error in the form of RFC 6749, with Entra's additions.
pub(super) struct Problem {
    status: StatusCode,
    error: &'static str,
    code: u32,
    text: String,
}

impl Problem {
    pub fn new(status: StatusCode, error: &'static str, code: u32, text: impl Into<String>) -> Self {
        Self { status, error, code, text: text.into() }
    }

    pub fn bad(error: &'static str, code: u32, text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, code, text)
    }

    /// The client did not prove who it is.
    pub fn client(code: u32, text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", code, text)
    }

    /// As the token endpoints answer: JSON.
    pub fn into_response(self, service: &Service) -> Response {
        let Told { description, timestamp, trace, correlation } = self.tell(service);
        let problem = json!({
            "error": self.error,
            "error_description": description,
            "error_codes": [self.code],
            "timestamp": timestamp,
            "trace_id": trace.to_string(),
            "correlation_id": correlation.to_string(),
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
        });
        json_response(self.status, &problem)
    }

    /// As a browser sees it when there is no application that the user could be sent back to.
    pub fn into_page(self, service: &Service) -> Response {
        let text = self.tell(service).description;
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let page = format!(
            "<!DOCTYPE html>\r\n<html><head><title>Sign in to your account</title></head>\r\n<body><h2>Sign in</h2>\
             <p>Sorry, but we're having trouble signing you in.</p><p>{text}</p></body></html>\r\n"
        );
        (StatusCode::BAD_REQUEST, Html(page)).into_response()
    }

    /// What is appended to the redirect URI when the application is to know.
    pub fn into_query(self, service: &Service) -> [(&'static str, String); 2] {
        [("error", self.error.to_owned()), ("error_description", self.tell(service).description)]
    }

    fn tell(&self, service: &Service) -> Told {
        let (trace, correlation) = {
            let mut state = service.state();
            (uuid(&mut state.rng), uuid(&mut state.rng))
        };
        let timestamp = service.clock.now().format("%Y-%m-%d %H:%M:%SZ").to_string();
        let Self { code, text, .. } = self;
        let description =
            format!("AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}");
        Told { description, timestamp, trace, correlation }
    }
}

/// The part of an error that differs each time.
struct Told {
    description: String,
    timestamp: String,
    trace: Uuid,
    correlation: Uuid,
}

pub(super) fn json_response(status: StatusCode, value: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-cache")),
    ];
    (status, headers, value.to_string()).into_response()
}
