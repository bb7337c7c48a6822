//! A secret reaches no log line, no `Debug` output, no progress and no file. A process of its own: the log is the whole
//! process's, every thread's and every crate's.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![cfg(feature = "simulator")]

use crate::support::{self, alone::is_alone};

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;

use office365_source::{
    activity::{ActivityClient, ActivityOptions},
    clock::Clock,
    config::AuthConfig,
    credentials::ConfiguredCredential,
    entra::{Application, Applications, Authority, TokenEndpoint, Tokens},
    simulator::{Faults, InProcess, SimulatorConfig, TenantFault},
    transport::{HttpTransport, Request, Response, ServerClock, Transport, TransportError, TransportOptions},
};
use support::{
    Setup,
    lab::{Lab, empty, minutes},
    telemetry::Log,
    wire::Answer,
};

fn files_below(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// Everything that must not be seen: the client secret, as it is and as a form has it, and every token that was used.
fn secrets_of(lab: &Lab, secret: &str) -> BTreeSet<String> {
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let tokens = lab.wire.sent().into_iter().filter_map(|sent| sent.authorization);
    let tokens = tokens.map(|value| value.to_str().unwrap().trim_start_matches("Bearer ").to_owned());
    // The signature alone would do for a thief who knows the rest.
    let tokens: Vec<_> = tokens.collect();
    let signatures = tokens.iter().map(|token| token.rsplit('.').next().unwrap().to_owned());
    // Nor the beginning of one: messages are cut.
    let beginnings = tokens.iter().map(|token| token[..60].to_owned());
    let all: BTreeSet<_> =
        tokens.iter().cloned().chain(signatures).chain(beginnings).chain([secret.to_owned(), form]).collect();
    assert!(tokens.len() > 100 && all.len() > 6, "{} requests, {} secrets", tokens.len(), all.len());
    all
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_seen_anywhere() {
    const SECRET: &str = "Zx9~s3cret/value+&=%";
    if !is_alone("secrets::no_secret_is_seen_anywhere") {
        return;
    }
    let log = Log::default();
    tracing::subscriber::set_global_default(log.subscriber()).unwrap();
    // Crates that log by other means. Fails when the other test was first, which is as good.
    let _ = tracing_log::LogTracer::init();
    let mut config = SimulatorConfig {
        backlog: SimulatorConfig::default().backlog,
        token_lifetime: Duration::from_mins(20),
        page_size: 3,
        faults: Faults { foreign_uri: 0.05, missing_content_uri: 0.05, hang_rate: 0.002, ..Faults::stormy() },
        ..empty()
    };
    config.tenants[0].client_secret = SECRET.into();
    let lab = Lab::of(config);
    let running = lab.start().await;
    minutes(90).await;
    // Entra refuses, echoing what it was sent, as a proxy's error page might.
    lab.wire.rewrite(|sent, answer| {
        if sent.asks("/oauth2/") {
            let body = String::from_utf8(sent.body.to_vec()).unwrap();
            let secret = body.split("client_secret=").nth(1).unwrap().split('&').next().unwrap().to_owned();
            let plain = url::form_urlencoded::parse(&sent.body)
                .find(|(name, _)| name == "client_secret")
                .unwrap()
                .1
                .into_owned();
            let text = format!("AADSTS7000215: Invalid client secret '{plain}' ({secret}) provided.");
            let body = serde_json::json!({ "error": "invalid_client", "error_description": text });
            return Ok(Answer::new(401, body.to_string()));
        }
        Ok(answer)
    });
    lab.simulator.revoke_tokens();
    minutes(60).await;
    let refused = running.problem(lab.feed).unwrap();
    assert!(refused.contains("AADSTS7000215"), "{refused} {:?}", running.progress.feeds());
    lab.wire.rewrite(|sent, answer| {
        // A gateway that shows the request it refuses.
        let token = sent.authorization.as_ref().map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        Ok(if sent.asks("/audit/") { Answer::new(502, format!("<pre>Authorization: {token}</pre>")) } else { answer })
    });
    lab.publish_at(&["a"], lab.ago(1));
    minutes(60).await;
    lab.simulator.break_tenant(lab.feed.tenant, TenantFault::SecretExpired);
    minutes(60).await;
    let progress = running.progress.clone();
    running.stop().await;

    let secrets = secrets_of(&lab, SECRET);
    let mut outputs = vec![
        ("the log of the process", log.text()),
        ("the log of the test's thread", lab.log.text()),
        ("the configuration", format!("{:?} {:#?}", lab.source, lab.source)),
        ("the written configuration", serde_json::to_string(&lab.source).unwrap()),
        ("the progress", format!("{progress:?} {:?} {:?}", progress.feeds(), progress.totals())),
        ("the counters", format!("{:?}", lab.counters)),
    ];
    for path in files_below(lab.data.path()) {
        outputs.push(("a file of the data directory", String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()));
    }
    assert!(outputs.len() > 6, "there is a ledger");
    assert!(outputs[1].1.len() > 10_000 && outputs[1].1.contains("TRACE"), "the log was captured");
    for (place, text) in &outputs {
        for secret in &secrets {
            let at = text.find(secret.as_str());
            assert_eq!(at, None, "{place} holds {secret:.8}…: …{}…", around(text, at.unwrap_or_default()));
        }
    }
}

/// HTTP that notes the bearer tokens it sends.
#[derive(Debug)]
struct Noting {
    http: HttpTransport,
    tokens: Mutex<BTreeSet<String>>,
}

#[async_trait]
impl Transport for Noting {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        if let Some(token) = request.headers.get(http::header::AUTHORIZATION) {
            self.tokens.lock().unwrap().insert(token.to_str().unwrap().trim_start_matches("Bearer ").to_owned());
        }
        self.http.send(request).await
    }
}

#[tokio::test]
async fn no_secret_is_logged_by_the_http_client() {
    const SECRET: &str = "secret-over-http";
    if !is_alone("secrets::no_secret_is_logged_by_the_http_client") {
        return;
    }
    let _ = tracing_log::LogTracer::init();
    let mut config = empty();
    config.tenants[0].client_secret = SECRET.into();
    let mut lab = Lab::of(config);
    lab.publish(&["a"]);
    let server = lab.simulator.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    lab.source.endpoint = Some(server.base_url());
    lab.source.auth_endpoint = Some(server.base_url());
    let http = HttpTransport::new(&TransportOptions::default()).unwrap();
    let transport = Arc::new(Noting { http, tokens: Mutex::default() });
    let mut setup = Setup::new(lab.source.clone(), &lab.simulator, &lab.clock, lab.data.path());
    setup.transport = Some(Arc::clone(&transport) as Arc<dyn Transport>);
    let (result, run) = setup.run().await;
    assert_eq!((result, run.texts.lock().unwrap().len()), (Ok(()), 1));
    let log = lab.log.text();
    // What only the client itself logs.
    assert!(log.contains("hyper_util"), "{log}");
    let tokens = transport.tokens.lock().unwrap();
    assert_eq!(tokens.len(), 1);
    for secret in tokens.iter().map(String::as_str).chain([SECRET]) {
        assert!(!log.contains(secret), "{}", around(&log, log.find(secret).unwrap_or_default()));
    }
}

fn around(text: &str, at: usize) -> String {
    text.chars().skip(text[..at].chars().count().saturating_sub(200)).take(400).collect()
}

#[tokio::test]
async fn no_secret_is_in_debug_output() {
    const SECRET: &str = "plain-s3cret";
    let mut config = empty();
    config.tenants[0].client_secret = SECRET.into();
    let tenant = config.tenants[0].clone();
    let lab = Lab::of(config);
    let authority = Authority {
        origin: "https://login.microsoftonline.com".parse().unwrap(),
        path: "/oauth2/v2.0/token".into(),
        endpoint: TokenEndpoint::V2 { scope: "https://manage.office.com/.default".into() },
    };
    let transport: Arc<dyn Transport> = Arc::new(InProcess::new(&lab.simulator));
    let clock = ServerClock::new(Clock::system());
    let auth = AuthConfig::with_secret(tenant.client_id, SECRET.into());
    let credential = Arc::new(ConfiguredCredential::new(&auth, "sources.m365.auth"));
    let timeout = Duration::from_secs(30);
    let tokens = Tokens::new(
        authority,
        Applications {
            default: Application { client_id: tenant.client_id.to_string(), credential },
            of_tenants: HashMap::new(),
        },
        Arc::clone(&transport),
        clock.clone(),
        timeout,
    );
    let tokens = Arc::new(tokens);
    let token = tokens.get(tenant.id).await.unwrap();
    let options = ActivityOptions {
        endpoint: "https://manage.office.com".parse().unwrap(),
        publisher: tenant.id.0,
        requests_per_minute: 100.try_into().unwrap(),
        timeout,
    };
    let client = ActivityClient::new(options, transport, Arc::clone(&tokens), clock);
    let mut request = Request::new(http::Method::GET, "https://manage.office.com/x".parse().unwrap());
    let header = token.header().unwrap();
    request.headers.insert(http::header::AUTHORIZATION, header.clone());
    request.body = SECRET.into();
    let shown = format!("{tokens:?} {token:?} {client:?} {request:?} {:?} {:?}", request.headers, lab.source);
    let bearer = header.to_str().unwrap().trim_start_matches("Bearer ");
    assert!(!shown.contains(SECRET) && !shown.contains(bearer), "{shown}");
}
