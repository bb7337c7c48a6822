//! Failures below HTTP.

use std::{error::Error, fmt};

/// Why no response arrived, or why it broke off.
///
/// The text names no URL: a URL in an error could hold what should not be logged, and the caller knows it anyway.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TransportError {
    failure: TransportFailure,
    detail: String,
}

/// The kinds of failure an administrator treats differently.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TransportFailure {
    /// No connection: name resolution, firewall, proxy, TLS.
    Connect,
    /// Nothing came for too long.
    Timeout,
    /// The connection broke off in mid response.
    Broken,
    /// The request could not be made.
    Request,
}

impl TransportError {
    /// An error of a kind, with what the system said.
    pub fn new(failure: TransportFailure, detail: impl Into<String>) -> Self {
        Self { failure, detail: detail.into() }
    }

    /// What the system said, without advice on what to check.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What kind of failure it is.
    pub const fn failure(&self) -> TransportFailure {
        self.failure
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, advice) = match self.failure {
            TransportFailure::Connect => (
                "cannot connect",
                " (check DNS, firewall, the proxy settings and, with a TLS-inspecting proxy, tls.ca_file)",
            ),
            TransportFailure::Timeout => ("no answer in time", ""),
            TransportFailure::Broken => ("the connection broke off", ""),
            TransportFailure::Request => ("the request could not be sent", ""),
        };
        write!(f, "{what}: {}{advice}", self.detail)
    }
}

impl Error for TransportError {}

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        let failure = if error.is_timeout() {
            TransportFailure::Timeout
        } else if error.is_connect() {
            TransportFailure::Connect
        } else if error.is_body() || error.is_decode() || error.is_request() {
            TransportFailure::Broken
        } else {
            TransportFailure::Request
        };
        let error = error.without_url();
        let mut detail = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let text = inner.to_string();
            if !detail.contains(&text) {
                detail.push_str(": ");
                detail.push_str(&text);
            }
            cause = inner.source();
        }
        Self { failure, detail }
    }
}
