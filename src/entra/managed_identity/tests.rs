use std::{fs, sync::Mutex};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::transport::Response;

const RESOURCE: &str = "https://manage.office.com";
const NOW: i64 = 1_800_000_000;

fn tenant(number: u128) -> TenantId {
    TenantId(Uuid::from_u128(number))
}

fn token() -> String {
    let claims = json!({ "tid": tenant(1).to_string(), "roles": ["ActivityFeed.Read"] });
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// A service that answers with what it is told, one after the other.
#[derive(Debug, Default)]
struct Service {
    answers: Mutex<Vec<(u16, HeaderMap, String)>>,
    requests: Mutex<Vec<(String, HeaderMap)>>,
}

#[async_trait]
impl Transport for Service {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.requests.lock().unwrap().push((request.url.to_string(), request.headers.clone()));
        let mut answers = self.answers.lock().unwrap();
        if answers.is_empty() {
            return Err(TransportError::new(TransportFailure::Connect, "no route to host"));
        }
        let (status, headers, body) = answers.remove(0);
        let body = stream::iter([Ok(Bytes::from(body))]).boxed();
        Ok(Response { status: StatusCode::from_u16(status).unwrap(), headers, body })
    }
}

fn environment(variables: &[(&str, &str)]) -> IdentityEnvironment {
    let read = |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    IdentityEnvironment {
        identity_endpoint: read("IDENTITY_ENDPOINT"),
        identity_header: read("IDENTITY_HEADER").map(SecretString::from),
        imds_endpoint: read("IMDS_ENDPOINT"),
        imds_host: read("AZURE_POD_IDENTITY_AUTHORITY_HOST"),
    }
}

struct Asked {
    result: Result<IdentityToken, ManagedIdentityError>,
    requests: Vec<(String, HeaderMap)>,
}

async fn ask(endpoint: IdentityEndpoint, choice: IdentityChoice, answers: Vec<(u16, HeaderMap, String)>) -> Asked {
    let service = Arc::new(Service { answers: Mutex::new(answers), requests: Mutex::default() });
    let transport = Arc::clone(&service) as Arc<dyn Transport>;
    let identity = ManagedIdentity { endpoint, choice, transport };
    let result = identity.token(RESOURCE, Some(tenant(1)), NOW).await;
    let requests = service.requests.lock().unwrap().clone();
    Asked { result, requests }
}

fn good(expiry: &serde_json::Value) -> (u16, HeaderMap, String) {
    let mut body = json!({ "access_token": token(), "resource": RESOURCE, "token_type": "Bearer" });
    body.as_object_mut().unwrap().extend(expiry.as_object().unwrap().clone());
    (200, HeaderMap::new(), body.to_string())
}

fn imds() -> IdentityEndpoint {
    environment(&[]).endpoint().unwrap()
}

#[tokio::test]
async fn each_service_is_asked_in_its_own_way() {
    let resource = "https%3A%2F%2Fmanage.office.com";
    let app_service =
        environment(&[("IDENTITY_ENDPOINT", "http://localhost:42/msi/token"), ("IDENTITY_HEADER", "s3cret")]);
    let app_service = app_service.endpoint().unwrap();
    for (endpoint, choice, url, header) in [
        (imds(), IdentityChoice::System, String::new(), ("metadata", "true")),
        (imds(), IdentityChoice::ClientId("c".into()), "&client_id=c".to_owned(), ("metadata", "true")),
        (imds(), IdentityChoice::ResourceId("/s/r".into()), "&msi_res_id=%2Fs%2Fr".to_owned(), ("metadata", "true")),
        (app_service.clone(), IdentityChoice::System, String::new(), ("x-identity-header", "s3cret")),
        (
            app_service,
            IdentityChoice::ResourceId("/s/r".into()),
            "&mi_res_id=%2Fs%2Fr".to_owned(),
            ("x-identity-header", "s3cret"),
        ),
    ] {
        let start = match &endpoint {
            IdentityEndpoint::Imds { .. } => {
                "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
            }
            _ => "http://localhost:42/msi/token?api-version=2019-08-01&resource=",
        };
        let asked = ask(endpoint, choice, vec![good(&json!({ "expires_in": "3599" }))]).await;
        assert_eq!(asked.result.unwrap().expires_in, Duration::from_secs(3_599));
        assert_eq!(asked.requests[0].0, format!("{start}{resource}{url}"));
        assert_eq!(asked.requests[0].1.get(header.0).unwrap(), header.1);
    }
}

#[tokio::test]
async fn expiry_is_read_in_every_form() {
    for (expiry, expected) in [
        (json!({ "expires_in": 86_400 }), 86_400),
        (json!({ "expires_in": "86400" }), 86_400),
        (json!({ "expires_on": (NOW + 60).to_string() }), 60),
        (json!({ "expires_on": NOW + 60 }), 60),
        (json!({ "expires_on": NOW - 60 }), 0),
        (json!({}), 0),
    ] {
        let asked = ask(imds(), IdentityChoice::System, vec![good(&expiry)]).await;
        assert_eq!(asked.result.unwrap().expires_in.as_secs(), expected, "{expiry}");
    }
}

#[tokio::test]
async fn what_passes_is_waited_for_and_what_stays_is_told() {
    let error = |text: &str| json!({ "error": "invalid_request", "error_description": text }).to_string();
    for (status, is_temporary) in
        [(404, true), (410, true), (429, true), (500, true), (503, true), (400, false), (403, false)]
    {
        let answers = vec![(status, HeaderMap::new(), error("Identity not found"))];
        let problem = ask(imds(), IdentityChoice::System, answers).await.result.unwrap_err();
        assert_eq!(problem.is_temporary(), is_temporary, "{status}");
        assert!(problem.to_string().contains("Identity not found"), "{problem}");
    }
    let answers = vec![(400, HeaderMap::new(), error("Identity not found"))];
    let problem = ask(imds(), IdentityChoice::ClientId("c".into()), answers).await.result.unwrap_err().to_string();
    assert!(problem.contains("Identity > User assigned"), "{problem}");
    let problem = ask(imds(), IdentityChoice::System, Vec::new()).await.result.unwrap_err();
    assert!(problem.is_temporary() && problem.to_string().contains("run in Azure"), "{problem}");
    let answers = vec![(200, HeaderMap::new(), "<html>".to_owned())];
    let problem = ask(imds(), IdentityChoice::System, answers).await.result.unwrap_err().to_string();
    assert!(problem.contains("without a token"), "{problem}");
}

#[tokio::test]
async fn what_a_service_repeats_of_its_header_is_not_told() {
    let environment =
        environment(&[("IDENTITY_ENDPOINT", "http://localhost:42/x"), ("IDENTITY_HEADER", "s3cret-header")]);
    for status in [400, 401, 404, 500] {
        let body = json!({ "message": "X-IDENTITY-HEADER s3cret-header is unknown" }).to_string();
        let answers = vec![(status, HeaderMap::new(), body)];
        let asked = ask(environment.clone().endpoint().unwrap(), IdentityChoice::System, answers).await;
        let problem = asked.result.unwrap_err().to_string();
        assert!(problem.contains("[redacted] is unknown") && !problem.contains("s3cret"), "{problem}");
        assert_eq!(problem.contains("system-assigned identity on"), status == 400, "{problem}");
    }
}

#[tokio::test]
async fn another_tenant_s_audit_logs_are_not_read() {
    let service = Service { answers: Mutex::new(vec![good(&json!({}))]), requests: Mutex::default() };
    let identity = ManagedIdentity { endpoint: imds(), choice: IdentityChoice::System, transport: Arc::new(service) };
    let problem = identity.token(RESOURCE, Some(tenant(2)), NOW).await.unwrap_err().to_string();
    assert!(problem.contains("own subscription only") && problem.contains(&tenant(2).to_string()), "{problem}");
}

#[tokio::test]
async fn arc_s_challenge_is_answered_from_its_own_directory_only() {
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("challenge.key");
    fs::write(&inside, "the-key\n").unwrap();
    let endpoint = || IdentityEndpoint::Arc {
        url: "http://localhost:40342/metadata/identity/oauth2/token".parse().unwrap(),
        key_directory: directory.path().to_owned(),
    };
    let challenge = |realm: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::WWW_AUTHENTICATE, format!("Basic realm={realm}").parse().unwrap());
        (401, headers, String::new())
    };
    let answers = vec![challenge(inside.to_str().unwrap()), good(&json!({ "expires_in": 60 }))];
    let asked = ask(endpoint(), IdentityChoice::System, answers).await;
    assert_eq!(asked.result.unwrap().expires_in.as_secs(), 60);
    assert!(!asked.requests[0].1.contains_key("authorization"));
    assert_eq!(asked.requests[1].1.get("authorization").unwrap(), "Basic the-key");

    let outside = tempfile::tempdir().unwrap();
    let other = outside.path().join("other.key");
    fs::write(&other, "another").unwrap();
    fs::write(directory.path().join("large.key"), vec![b'a'; 5_000]).unwrap();
    fs::write(directory.path().join("plain.txt"), "text").unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    for (realm, words) in [
        (other.to_str().unwrap().to_owned(), "outside of its own directory"),
        (path("plain.txt"), "outside of its own directory"),
        (path("large.key"), "larger than 4 KiB"),
        (path("missing.key"), "group himds"),
    ] {
        let asked = ask(endpoint(), IdentityChoice::System, vec![challenge(&realm)]).await;
        let problem = asked.result.unwrap_err().to_string();
        assert!(problem.contains(words), "{problem}");
        assert_eq!(asked.requests.len(), 1, "nothing is answered");
    }
    let asked = ask(endpoint(), IdentityChoice::ClientId("c".into()), Vec::new()).await;
    assert!(asked.result.unwrap_err().to_string().contains("system-assigned identities only"));
}

#[test]
fn the_environment_tells_which_service_there_is() {
    let name = |variables: &[(&str, &str)]| environment(variables).endpoint().map(|endpoint| endpoint.name());
    assert_eq!(name(&[]).unwrap(), "the instance metadata service");
    let url = ("IDENTITY_ENDPOINT", "http://localhost:1/x");
    assert!(name(&[url, ("IDENTITY_HEADER", "h")]).unwrap().contains("App Service"));
    assert!(name(&[url, ("IMDS_ENDPOINT", "http://localhost:2")]).unwrap().contains("Arc"));
    // What Service Fabric and others set is not known here.
    assert_eq!(name(&[url]).unwrap(), "the instance metadata service");
    let problem = name(&[("IDENTITY_ENDPOINT", "x"), ("IDENTITY_HEADER", "h")]).unwrap_err().to_string();
    assert!(problem.contains("IDENTITY_ENDPOINT"), "{problem}");
}
