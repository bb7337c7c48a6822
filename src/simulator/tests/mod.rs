//! The simulator is compared with its sources through its routes, as clients use them.

mod blobs;
mod consent;
mod entra;
mod faults;
mod gate;
mod graph;
mod hook;
mod listing;
mod notifications;
mod oracle;
mod subscriptions;
mod webhooks;

use axum::body::Body;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::Value;
use tower::ServiceExt;

use super::*;
use crate::content::ContentType;

const PUBLISHER: &str = "46b472a7-c68e-4adf-8ade-3db49497518e";

/// A client of one tenant, with a token.
struct Caller {
    simulator: Simulator,
    clock: Clock,
    tenant: SimulatedTenant,
    token: String,
}

/// An answer, its body whole unless the connection broke.
#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Result<Bytes, axum::Error>,
}

fn origin() -> DateTime<Utc> {
    "2026-08-01T12:00:00.250Z".parse().unwrap()
}

/// A world in which every content type has been subscribed to for a month.
fn subscribed() -> SimulatorConfig {
    let month = std::time::Duration::from_hours(720);
    SimulatorConfig { tenants: vec![SimulatedTenant::contoso().subscribed_since(month)], ..SimulatorConfig::default() }
}

/// A subscribed world without any content of its own.
fn bare() -> SimulatorConfig {
    let mut config = subscribed();
    config.backlog.blobs_per_feed = 0;
    config
}

impl Caller {
    async fn new(config: SimulatorConfig) -> Self {
        let clock = Clock::starting_at(origin());
        let tenant = config.tenants[0].clone();
        let simulator = Simulator::new(config, clock.clone());
        let mut caller = Self { simulator, clock, tenant, token: String::new() };
        caller.sign_in().await;
        caller
    }

    async fn sign_in(&mut self) {
        let reply = ask_token(&self.simulator, &self.tenant, &[]).await;
        self.token = reply.json()["access_token"].as_str().unwrap().to_owned();
    }

    fn feed(&self, content_type: ContentType) -> Feed {
        Feed { tenant: self.tenant.id, content_type }
    }

    /// Calls an operation as a well-behaved client does.
    async fn call(&self, method: Method, operation: &str) -> Reply {
        let separator = if operation.contains('?') { '&' } else { '?' };
        let path = format!("/api/v1.0/{}/activity/feed/{operation}", self.tenant.id);
        self.send(method, &format!("{path}{separator}PublisherIdentifier={PUBLISHER}"), &[], "").await
    }

    async fn get(&self, operation: &str) -> Reply {
        self.call(Method::GET, operation).await
    }

    async fn start(&self, content_type: &str) -> Reply {
        self.call(Method::POST, &format!("subscriptions/start?contentType={content_type}")).await
    }

    /// Starts a subscription with a webhook that expires at a given time, and returns its `authId`.
    async fn start_with(&self, content_type: &str, address: &str, expiration: Option<&str>) -> Reply {
        let webhook = serde_json::json!({ "address": address, "authId": "me", "expiration": expiration });
        let body = serde_json::json!({ "webhook": webhook }).to_string();
        let path = format!("/api/v1.0/{}/activity/feed/subscriptions/start", self.tenant.id);
        let target = format!("{path}?contentType={content_type}&PublisherIdentifier={PUBLISHER}");
        self.send(Method::POST, &target, &[], &body).await
    }

    /// The webhook of a content type, as the list of subscriptions shows it.
    async fn webhook(&self, content_type: &str) -> Value {
        let listed = self.get("subscriptions/list").await.array();
        let found = listed.into_iter().find(|entry| entry["contentType"] == content_type);
        found.map(|mut entry| entry["webhook"].take()).unwrap_or_default()
    }

    /// Lists General content in a window.
    async fn list(&self, window: &str) -> Reply {
        self.get(&format!("subscriptions/content?contentType=Audit.General{window}")).await
    }

    /// Fetches a link as it stands, with the publisher added.
    async fn follow(&self, uri: &str) -> Reply {
        let url = Url::parse(uri).unwrap();
        let separator = if url.query().is_some() { '&' } else { '?' };
        let path = &uri[url.origin().ascii_serialization().len()..];
        self.send(Method::GET, &format!("{path}{separator}PublisherIdentifier={PUBLISHER}"), &[], "").await
    }

    async fn send(&self, method: Method, target: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut request = Request::builder().method(method).uri(target).header(header::CONTENT_LENGTH, body.len());
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(&self.simulator, request.body(Body::from(body.to_owned())).unwrap()).await
    }
}

/// Asks the v2.0 endpoint for a token, with some fields replaced (or removed, by an empty value).
async fn ask_token(simulator: &Simulator, tenant: &SimulatedTenant, changes: &[(&str, &str)]) -> Reply {
    let client_id = tenant.client_id.to_string();
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id.as_str()),
        ("client_secret", tenant.client_secret.as_str()),
        ("scope", "https://manage.office.com/.default"),
    ];
    post_form(simulator, &format!("/{}/oauth2/v2.0/token", tenant.id), &fields, changes).await
}

async fn post_form(simulator: &Simulator, path: &str, fields: &[(&str, &str)], changes: &[(&str, &str)]) -> Reply {
    let unchanged = fields.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(unchanged.chain(changes)).finish();
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    send(simulator, request.body(Body::from(body)).unwrap()).await
}

async fn send(simulator: &Simulator, request: Request<Body>) -> Reply {
    let response = simulator.router().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await;
    Reply { status: parts.status, headers: parts.headers, body }
}

impl Reply {
    fn bytes(&self) -> &[u8] {
        self.body.as_ref().unwrap()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(self.bytes()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn array(&self) -> Vec<Value> {
        match self.json() {
            Value::Array(entries) => entries,
            other => panic!("not an array: {other}"),
        }
    }

    /// The status and the error code, where there is one.
    fn refusal(&self) -> (u16, String) {
        let code = self.json()["error"]["code"].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), code)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn next_page(&self) -> Option<&str> {
        self.header("NextPageUri").or(self.header("NextPageUrl"))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
