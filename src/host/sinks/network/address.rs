//! What a URI says about a connection.

use http::{Uri, uri::Authority};

/// A URL writes IPv6 addresses in brackets; resolvers and certificates do not.
pub(super) fn without_brackets(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Whether TLS is spoken there.
pub(super) fn is_tls(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

/// Host and port of a URI, and whether TLS is spoken there.
pub(super) fn endpoint(uri: &Uri) -> (&str, u16, bool) {
    let is_tls = is_tls(uri);
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    (uri.host().unwrap_or_default(), port, is_tls)
}

/// The URI without path and query, which may hold a token.
pub(super) fn origin(uri: &Uri) -> String {
    let authority = uri.authority().map(Authority::as_str).unwrap_or_default();
    format!("{}://{authority}", uri.scheme_str().unwrap_or_default())
}
