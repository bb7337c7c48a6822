use std::path::PathBuf;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::sleep;
use url::Url;
use uuid::Uuid;

use super::*;
use crate::{
    activity::Origin,
    api_clients::{ApiClients, Environment},
    clock::Clock,
    config::{AuthConfig, Office365Config, ProxyConfig, TenantConfig},
    content::{ContentType, TenantId},
    discovery::{SubscriptionBook, WebhookPolicy},
    ledger::{Cursor, CursorMove, MemoryLedger},
    tenancy::{Tenancy, Turns},
    transport::{Request as Sent, Response as Received, Transport, TransportError, TransportFailure},
};

const TENANT: TenantId = TenantId(Uuid::from_u128(7));
const CLIENT: Uuid = Uuid::from_u128(8);
const NOW: &str = "2026-08-01T12:00:00Z";
const FEED: Feed = Feed { tenant: TENANT, content_type: ContentType::Exchange };

/// A ledger in trouble. A notification asks nothing of it but `announce`.
#[derive(Debug)]
struct Troubled {
    /// Each `announce` waits for one of these.
    turns: Semaphore,
    outcome: Result<(), LedgerError>,
}

const UNASKED: &str = "a notification only announces";

#[async_trait]
impl ContentIntake for Troubled {
    async fn announce(
        &self,
        _: Feed,
        refs: Vec<ContentRef>,
        _: usize,
        _: DateTime<Utc>,
    ) -> Result<Announced, LedgerError> {
        self.turns.acquire().await.unwrap().forget();
        self.outcome.clone().map(|()| Announced { added: refs.len(), postponed: 0 })
    }

    async fn record(
        &self,
        _: Feed,
        _: Vec<ContentRef>,
        _: Option<CursorMove>,
        _: DateTime<Utc>,
    ) -> Result<usize, LedgerError> {
        unreachable!("{UNASKED}")
    }

    async fn unknown(&self, _: Vec<ContentRef>) -> Result<Vec<ContentRef>, LedgerError> {
        unreachable!("{UNASKED}")
    }

    async fn cursor(&self, _: Feed) -> Result<Cursor, LedgerError> {
        unreachable!("{UNASKED}")
    }

    async fn cursors(&self) -> Result<Vec<(Feed, Cursor)>, LedgerError> {
        unreachable!("{UNASKED}")
    }
}

/// No request is sent.
#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl Transport for Nowhere {
    async fn send(&self, request: Sent) -> Result<Received, TransportError> {
        Err(TransportError::new(TransportFailure::Connect, request.url.as_str()))
    }
}

/// An endpoint on a ledger in trouble.
struct Bench {
    endpoint: Endpoint,
    failure: mpsc::UnboundedReceiver<LedgerError>,
    ledger: Arc<Troubled>,
    work: WakeUp,
}

impl Bench {
    /// `turns`: how many times the ledger records before it hangs.
    fn new(turns: usize, outcome: Result<(), LedgerError>) -> Self {
        let ledger = Arc::new(Troubled { turns: Semaphore::new(turns), outcome });
        let healthy = Arc::new(MemoryLedger::default());
        let auth = AuthConfig::with_secret(CLIENT, "secret".into());
        let config = Office365Config::new(auth, vec![TenantConfig { id: TENANT, domain: None, auth: None }]);
        let environment =
            Environment { clock: Clock::starting_at(NOW.parse().unwrap()), transport: Some(Arc::new(Nowhere)) };
        let connection = ApiClients::new(&config, "sources.m365", &ProxyConfig::default(), environment).unwrap();
        let client = connection.client;
        let api: Url = "https://manage.office.com/".parse().unwrap();
        let tenancy = Tenancy {
            tenants: Tenants::new(&config.tenants, &[]),
            own: Tenants::none(),
            ledger: healthy.clone(),
            client: client.clone(),
            subscriptions: SubscriptionBook::new(
                client.clone(),
                healthy,
                WebhookPolicy::Untouched,
                Duration::from_secs(60),
            ),
            content_types: vec![ContentType::Exchange],
            progress: Progress::default(),
            turns: Turns::default(),
        };
        let options = EndpointOptions {
            path: "/wh/o365/".to_owned(),
            auth_id: AuthId::from(SecretString::from("ours")),
            needs_certificate: false,
            admission: Admission {
                client_id: CLIENT,
                client_ids: std::collections::HashMap::new(),
                content_types: [ContentType::Exchange].into(),
                origin: Origin::new(&api),
            },
            trusted_proxies: Vec::new(),
            max_body: 1 << 20,
            body_timeout: Duration::from_secs(10),
        };
        let work = WakeUp::default();
        let most = std::num::NonZeroU32::new(1_000).unwrap();
        let parts = EndpointParts {
            rates: SourceRates::new(most, most, 10),
            tenants: tenancy.tenants.clone(),
            ledger: ledger.clone(),
            work: work.clone(),
            announcements: Announcements::default(),
            progress: tenancy.progress.clone(),
            clock: client.clock().clone(),
            registrar: Registrar {
                tenancy,
                tokens: connection.tokens,
                state_key: Arc::new(|| futures::FutureExt::boxed(async { Err("nobody is invited".to_owned()) })),
                redirect_uri: api,
            },
        };
        let (endpoint, failure) = Endpoint::new(options, parts);
        endpoint.allow(AddressList::any());
        Self { endpoint, failure, ledger, work }
    }

    fn post(&self, body: &Value) -> impl Future<Output = StatusCode> + Send + use<> {
        let request = Request::post("/wh/o365/").header(AUTH_ID, "ours").body(Full::<Bytes>::from(body.to_string()));
        let peer = Peer { address: IpAddr::from([192, 0, 2, 1]), has_certificate: false };
        let endpoint = self.endpoint.clone();
        async move { endpoint.answer(peer, request.unwrap()).await.status() }
    }
}

fn notification() -> Value {
    json!([{
        "tenantId": TENANT.to_string(), "clientId": CLIENT.to_string(), "contentType": "Audit.Exchange",
        "contentId": "blob", "contentCreated": NOW, "contentExpiration": "2026-08-08T12:00:00Z",
        "contentUri": format!("https://manage.office.com/api/v1.0/{TENANT}/activity/feed/audit/blob"),
    }])
}

fn validation() -> Value {
    json!({ "validationCode": "x" })
}

#[tokio::test(start_paused = true)]
async fn what_the_ledger_cannot_take_is_to_be_sent_again_and_the_source_is_told() {
    let full = LedgerError::DiskFull { path: PathBuf::from("ledger.redb") };
    let mut bench = Bench::new(1, Err(full));
    assert_eq!(bench.post(&notification()).await, StatusCode::SERVICE_UNAVAILABLE);
    let told = bench.failure.try_recv().unwrap();
    assert!(matches!(told, LedgerError::DiskFull { .. }), "{told}");
    assert!(bench.work.is_empty(), "there is nothing to collect");
    assert_eq!(bench.post(&validation()).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_hangs_holds_up_notifications_and_nothing_else() {
    let bench = Bench::new(0, Ok(()));
    let waiting = tokio::spawn(bench.post(&notification()));
    // Time is paused: an hour goes by at once, but only while nothing can be done.
    sleep(Duration::from_secs(3_600)).await;
    assert!(!waiting.is_finished(), "200 is a promise");
    let began = Instant::now();
    assert_eq!(bench.post(&validation()).await, StatusCode::OK);
    // What is not ours needs no ledger.
    assert_eq!(bench.post(&json!([])).await, StatusCode::OK);
    assert_eq!(began.elapsed(), Duration::ZERO);

    bench.ledger.turns.add_permits(1);
    assert_eq!(waiting.await.unwrap(), StatusCode::OK);
    assert!(bench.work.changed().await.contains(&FEED));
}

#[tokio::test(start_paused = true)]
async fn what_becomes_durable_is_collected_though_microsoft_has_hung_up() {
    let bench = Bench::new(0, Ok(()));
    let waiting = tokio::spawn(bench.post(&notification()));
    sleep(Duration::from_secs(1)).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    bench.ledger.turns.add_permits(1);
    let announced = timeout(Duration::from_secs(1), bench.work.changed()).await.unwrap();
    assert!(announced.contains(&FEED));
}
