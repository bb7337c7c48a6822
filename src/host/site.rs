//! What the server of a host answers to which path.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{self, CONTENT_TYPE},
};
use http_body_util::Full;
use metrics_exporter_prometheus::PrometheusHandle;

use super::{
    access::{Access, Refusal},
    page::{Page, Tab},
    status::Status,
    telemetry,
};

const TEXT: &str = "text/plain; charset=utf-8";

/// What the server of a host serves.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) metrics: PrometheusHandle,
    pub(super) status: Arc<Status>,
    pub(super) page: Page,
    pub(super) access: Access,
}

impl Site {
    pub(super) async fn answer<B>(&self, request: &Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
        let mut response = match self.respond(request).await {
            Ok(response) => response,
            Err(refusal) => refused(refusal),
        };
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    async fn respond<B>(&self, request: &Request<B>) -> Result<Response<Full<Bytes>>, Refusal> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = with(StatusCode::METHOD_NOT_ALLOWED, TEXT, "Only GET and HEAD are answered here.\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Ok(response);
        }
        let (ok, path) = (StatusCode::OK, request.uri().path());
        Ok(match path {
            "/health" => with(ok, "application/json", r#"{"ok":true}"#),
            "/metrics" => with(ok, "text/plain; version=0.0.4; charset=utf-8", self.metrics.render()),
            "/status" => {
                self.access.to_status(request.uri(), request.headers()).await?;
                with(ok, "application/json", self.status.to_json().to_string())
            }
            path => match Tab::of(path) {
                Some(tab) => {
                    self.access.to_page(request.uri(), request.headers()).await?;
                    page(self.page.get(tab))
                }
                None => with(
                    StatusCode::NOT_FOUND,
                    TEXT,
                    "There is /, /logons, /sharepoint, /labels, /metrics, /health and /status.\n",
                ),
            },
        })
    }
}

fn with(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn page(body: Bytes) -> Response<Full<Bytes>> {
    const HEADERS: [(HeaderName, &str); 4] = [
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    let mut response = with(StatusCode::OK, "text/html; charset=utf-8", body);
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, Page::policy());
    response
}

fn refused(refusal: Refusal) -> Response<Full<Bytes>> {
    telemetry::page_refused(refusal.reason);
    let mut response = with(refusal.status, TEXT, format!("{}\n", refusal.text));
    if refusal.status == StatusCode::UNAUTHORIZED {
        let headers = response.headers_mut();
        headers.append(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(r#"Basic realm="office365-source", charset="UTF-8""#),
        );
        headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="office365-source""#));
    }
    response
}
