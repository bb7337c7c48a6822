use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use http::{HeaderMap, StatusCode};
use uuid::Uuid;

use super::*;
use crate::{clock::Clock, transport::Response};

const SECRET: &str = "s3cr~t value+&";

/// Answers every request with the same body, after a second, and counts.
#[derive(Debug)]
struct Entra {
    status: StatusCode,
    body: &'static str,
    retry_after: Option<&'static str>,
    requests: AtomicUsize,
}

#[async_trait]
impl Transport for Entra {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let form: HashMap<_, _> = form_urlencoded::parse(&request.body).into_owned().collect();
        assert_eq!(form["client_secret"], SECRET);
        assert_eq!(form["scope"], "https://manage.office.com/.default");
        assert_eq!(request.url.as_str(), format!("https://login.microsoftonline.com/{}/oauth2/v2.0/token", tenant()));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let body = stream::iter([Ok(self.body.into())]).boxed();
        let mut headers = HeaderMap::new();
        headers.extend(self.retry_after.map(|wait| (header::RETRY_AFTER, HeaderValue::from_static(wait))));
        Ok(Response { status: self.status, headers, body })
    }
}

fn tenant() -> TenantId {
    TenantId(Uuid::from_u128(1))
}

/// A client secret that never changes.
#[derive(Debug)]
struct Fixed;

#[async_trait]
impl Credential for Fixed {
    async fn prove(&self, _: &ProofRequest<'_>) -> Result<Proof, CredentialFailure> {
        Ok(Proof::Secret(SECRET.to_owned().into()))
    }

    async fn version(&self) -> Option<u64> {
        Some(1)
    }

    async fn doubt(&self) {}
}

fn tokens(status: u16, body: &'static str) -> (Arc<Tokens>, Arc<Entra>) {
    tokens_after(status, body, None)
}

fn tokens_after(status: u16, body: &'static str, retry_after: Option<&'static str>) -> (Arc<Tokens>, Arc<Entra>) {
    let status = StatusCode::from_u16(status).unwrap();
    let entra = Arc::new(Entra { status, body, retry_after, requests: AtomicUsize::new(0) });
    let authority = Authority {
        origin: "https://login.microsoftonline.com".parse().unwrap(),
        path: "/oauth2/v2.0/token".into(),
        endpoint: TokenEndpoint::V2 { scope: "https://manage.office.com/.default".into() },
    };
    let clock = ServerClock::new(Clock::system());
    let transport = Arc::clone(&entra) as Arc<dyn Transport>;
    let application = Application { client_id: "app".into(), credential: Arc::new(Fixed) };
    let applications = Applications { default: application, of_tenants: HashMap::new() };
    let tokens = Tokens::new(authority, applications, transport, clock, Duration::from_secs(30));
    (Arc::new(tokens), entra)
}

const GOOD: &str = r#"{"access_token":"a.b.c","expires_in":3599}"#;

#[tokio::test(start_paused = true)]
async fn many_callers_share_one_request_and_the_token_is_renewed_before_it_expires() {
    let (tokens, entra) = tokens(200, GOOD);
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let tokens = Arc::clone(&tokens);
            tokio::spawn(async move { tokens.get(tenant()).await.unwrap() })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap().header().unwrap(), "Bearer a.b.c");
    }
    assert_eq!(entra.requests.load(Ordering::SeqCst), 1);
    tokio::time::sleep(Duration::from_secs(3_200)).await;
    tokens.get(tenant()).await.unwrap();
    assert_eq!(entra.requests.load(Ordering::SeqCst), 1);
    tokio::time::sleep(Duration::from_secs(200)).await;
    tokens.get(tenant()).await.unwrap();
    assert_eq!(entra.requests.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_fetched_once_more_unless_it_is_brand_new() {
    let (tokens, entra) = tokens(200, GOOD);
    let first = tokens.get(tenant()).await.unwrap();
    assert!(!tokens.invalidate(tenant(), &first, Suspicion::OnlyIfOld).await, "a brand new token is not at fault");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(tokens.invalidate(tenant(), &first, Suspicion::OnlyIfOld).await);
    let second = tokens.get(tenant()).await.unwrap();
    assert!(
        tokens.invalidate(tenant(), &first, Suspicion::OnlyIfOld).await,
        "another caller has renewed it: try that one"
    );
    tokens.get(tenant()).await.unwrap();
    assert_eq!(entra.requests.load(Ordering::SeqCst), 2);
    assert!(tokens.invalidate(tenant(), &second, Suspicion::EvenIfNew).await, "it may have been revoked at once");
    let third = tokens.get(tenant()).await.unwrap();
    assert!(!tokens.invalidate(tenant(), &third, Suspicion::EvenIfNew).await, "but hardly twice");
    tokens.get(tenant()).await.unwrap();
    assert_eq!(entra.requests.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_doubted_token_is_replaced_but_not_again_and_again() {
    let (tokens, entra) = tokens(200, GOOD);
    for _ in 0..5 {
        let token = tokens.get(tenant()).await.unwrap();
        tokens.doubt(tenant(), &token).await;
    }
    assert_eq!(entra.requests.load(Ordering::SeqCst), 2, "the first doubt has brought a new one");
    tokio::time::sleep(YOUNG).await;
    let token = tokens.get(tenant()).await.unwrap();
    tokens.doubt(tenant(), &token).await;
    tokens.get(tenant()).await.unwrap();
    assert_eq!(entra.requests.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_what_to_click_and_is_not_asked_again_at_once() {
    let body = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret 's3cr~t value+&' provided (client_secret=s3cr%7Et+value%2B%26)."}"#;
    let (tokens, entra) = tokens(401, body);
    let text = tokens.get(tenant()).await.unwrap_err().to_string();
    assert!(text.contains("Secret ID was pasted") && text.contains(&tenant().to_string()), "{text}");
    assert!(!text.contains(SECRET) && !text.contains("%7Et"), "{text}");
    for _ in 0..10 {
        tokens.get(tenant()).await.unwrap_err();
    }
    assert_eq!(entra.requests.load(Ordering::SeqCst), 1);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    for _ in 0..3_600 {
        tokens.get(tenant()).await.unwrap_err();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(entra.requests.load(Ordering::SeqCst) < 25, "{:?}", entra.requests);
}

#[tokio::test(start_paused = true)]
async fn entra_is_not_asked_before_the_time_that_it_names() {
    for (status, retry_after, wait) in
        [(429, Some("17"), 17), (503, Some("90"), 90), (429, None, 5), (429, Some("9999999"), 3_600)]
    {
        let (tokens, entra) = tokens_after(status, r#"{"error":"temporarily_unavailable"}"#, retry_after);
        let error = tokens.get(tenant()).await.unwrap_err();
        assert_eq!(error.asked_to_wait(), Some(Duration::from_secs(wait)), "{error}");
        tokio::time::sleep(Duration::from_millis(wait * 1_000 - 10)).await;
        tokens.get(tenant()).await.unwrap_err();
        assert_eq!(entra.requests.load(Ordering::SeqCst), 1, "{status} {retry_after:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        tokens.get(tenant()).await.unwrap_err();
        assert_eq!(entra.requests.load(Ordering::SeqCst), 2, "{status} {retry_after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_of_a_proxy_and_silence_are_told_apart() {
    let (with_page, _) = tokens(200, "<html>Please log in</html>");
    assert!(matches!(with_page.get(tenant()).await, Err(EntraError::NotEntra { .. })));
    let (silent, _) = tokens(200, GOOD);
    let silent = Tokens { timeout: Duration::from_millis(10), ..Arc::into_inner(silent).unwrap() };
    assert!(matches!(silent.get(tenant()).await, Err(EntraError::Unreachable { .. })));
}

#[test]
fn debug_shows_no_token() {
    let token = AccessToken {
        secret: "a.b.c".to_owned().into(),
        fetched: Instant::now(),
        refresh: Instant::now(),
        expires: Instant::now(),
        roles: None,
    };
    assert!(!format!("{token:?} {:?}", token.header()).contains("a.b.c"));
}

/// A secret in a store, which is kept until Entra refuses it.
#[derive(Debug, Default)]
struct Kept {
    doubts: AtomicUsize,
}

#[async_trait]
impl Credential for Kept {
    async fn prove(&self, _: &ProofRequest<'_>) -> Result<Proof, CredentialFailure> {
        let secret = if self.doubts.load(Ordering::SeqCst) == 0 { "the-old-one" } else { SECRET };
        Ok(Proof::Secret(secret.to_owned().into()))
    }

    async fn version(&self) -> Option<u64> {
        Some(u64::from(self.doubts.load(Ordering::SeqCst) > 0))
    }

    async fn doubt(&self) {
        self.doubts.fetch_add(1, Ordering::SeqCst);
    }
}

/// Entra after the secret was renewed.
#[derive(Debug, Default)]
struct Renewed {
    secrets: std::sync::Mutex<Vec<String>>,
}

#[async_trait]
impl Transport for Renewed {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let form: HashMap<_, _> = form_urlencoded::parse(&request.body).into_owned().collect();
        let secret = form["client_secret"].clone();
        let (status, body) = if secret == SECRET {
            (StatusCode::OK, GOOD)
        } else {
            (
                StatusCode::UNAUTHORIZED,
                r#"{"error":"invalid_client","error_description":"AADSTS7000222: expired.","error_codes":[7000222]}"#,
            )
        };
        self.secrets.lock().unwrap().push(secret);
        Ok(Response { status, headers: HeaderMap::new(), body: stream::iter([Ok(body.into())]).boxed() })
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_was_renewed_in_its_store_is_read_again_when_entra_refuses_the_old_one() {
    let (entra, kept) = (Arc::new(Renewed::default()), Arc::new(Kept::default()));
    let authority = Authority {
        origin: "https://login.microsoftonline.com".parse().unwrap(),
        path: "/oauth2/v2.0/token".into(),
        endpoint: TokenEndpoint::V2 { scope: "https://manage.office.com/.default".into() },
    };
    let of_others = Application { client_id: "theirs".into(), credential: Arc::new(Fixed) };
    let default = Application { client_id: "app".into(), credential: Arc::clone(&kept) as Arc<dyn Credential> };
    let applications = Applications { default, of_tenants: [(TenantId(Uuid::from_u128(2)), of_others)].into() };
    let clock = ServerClock::new(Clock::system());
    let transport = Arc::clone(&entra) as Arc<dyn Transport>;
    let tokens = Tokens::new(authority, applications, transport, clock, Duration::from_secs(30));
    assert!(tokens.get(tenant()).await.is_ok(), "without a pause");
    assert_eq!(*entra.secrets.lock().unwrap(), ["the-old-one", SECRET]);
    // A tenant with a credential of its own has nothing to do with that.
    assert!(tokens.get(TenantId(Uuid::from_u128(2))).await.is_ok());
    assert_eq!((entra.secrets.lock().unwrap().len(), kept.doubts.load(Ordering::SeqCst)), (3, 1));
}
