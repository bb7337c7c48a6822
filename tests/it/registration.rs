//! Tenants come by an administrator's consent and leave again, in mode webhook.
#![cfg(feature = "simulator")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use crate::support;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use http::{Method, StatusCode};
use office365_source::{
    RunMode,
    clock::Clock,
    config::Office365Config,
    content::{ContentType, TenantId},
    registration::{Invitation, StateKey},
    simulator::{Backlog, ConsentOutcome, InProcess, Live, SimulatedTenant, Simulator, SimulatorConfig, TenantFault},
    transport::{Request, Transport},
};
use serde_json::{Value, json};
use support::{
    Running, Setup, assert_exactly_once, patience,
    scene::minutes,
    simulator, start_of_time,
    webhook::{Notifying, PUBLIC_URL, Road, webhook_config},
};
use tempfile::TempDir;
use url::Url;

/// A collector without tenants, and an organisation whose administrator is about to consent.
struct Scene {
    clock: Clock,
    simulator: Simulator,
    road: Road,
    config: Office365Config,
    data: TempDir,
    tenant: TenantId,
    _notifying: Notifying,
}

impl Scene {
    fn new() -> Self {
        Self::of(|_| {})
    }

    fn of(change: impl FnOnce(&mut SimulatorConfig)) -> Self {
        let mut newcomer = SimulatedTenant::fabrikam();
        newcomer.consented = false;
        let mut simulated = SimulatorConfig {
            tenants: vec![newcomer],
            backlog: Backlog { reaches_back: Duration::from_hours(3), blobs_per_feed: 3, events_per_blob: 1..=3 },
            live: Some(Live { every: Duration::from_mins(5), events_per_blob: 1..=3 }),
            ..SimulatorConfig::default()
        };
        change(&mut simulated);
        let clock = Clock::starting_at(start_of_time());
        let simulator = simulator(simulated.clone(), &clock);
        let road = Road::default();
        let mut config = webhook_config(&simulated);
        let tenant = config.tenants.pop().unwrap().id;
        Self {
            _notifying: Notifying::start(&simulator, Arc::new(road.clone())),
            clock,
            simulator,
            road,
            config,
            data: TempDir::new().unwrap(),
            tenant,
        }
    }

    async fn start(&self) -> Running {
        let mut setup = Setup::new(self.config.clone(), &self.simulator, &self.clock, self.data.path());
        setup.mode = RunMode::Continuous;
        setup.webhook = self.road.renew();
        setup.start().await
    }

    fn state(&self, invitation: &Invitation) -> String {
        let secret = SimulatedTenant::fabrikam().client_secret;
        StateKey::derive(&secret.into(), self.config.auth.client_id.unwrap()).seal(invitation)
    }

    fn invitation(&self) -> Invitation {
        Invitation {
            issued: self.clock.now(),
            expires: self.in_an_hour(),
            tenant: None,
            domain: Some("newcomer.example".to_owned()),
        }
    }

    fn in_an_hour(&self) -> DateTime<Utc> {
        self.clock.now() + TimeDelta::hours(1)
    }

    /// Opens a consent page of Entra's and follows it back to the collector.
    async fn consent(&self, page: &str, parameters: &[(&str, &str)], accept: &str) -> (StatusCode, String) {
        let location = self.redirected(page, parameters).await;
        let target = format!("{}?{}", location.path(), location.query().unwrap());
        self.road.ask(Method::GET, &target, &[("accept", accept)], "").await
    }

    /// Where the administrator's browser is sent.
    async fn redirected(&self, page: &str, parameters: &[(&str, &str)]) -> Url {
        let mut url: Url = format!("https://login.microsoftonline.com{page}").parse().unwrap();
        url.query_pairs_mut()
            .append_pair("client_id", &self.config.auth.client_id.unwrap().to_string())
            .append_pair("redirect_uri", PUBLIC_URL)
            .extend_pairs(parameters);
        let response = InProcess::new(&self.simulator).send(Request::new(Method::GET, url)).await.unwrap();
        assert_eq!(response.status, StatusCode::FOUND);
        let location: Url = response.headers["location"].to_str().unwrap().parse().unwrap();
        assert!(location.as_str().starts_with(PUBLIC_URL), "{location}");
        location
    }

    /// The usual way: the page for administrators, and JSON back.
    async fn accept(&self, invitation: &Invitation) -> (StatusCode, Value) {
        let state = self.state(invitation);
        let parameters = [("scope", "https://manage.office.com/.default"), ("state", state.as_str())];
        let (status, text) = self.consent("/organizations/v2.0/adminconsent", &parameters, "*/*").await;
        (status, serde_json::from_str(&text).unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn an_administrators_consent_makes_a_tenant() {
    let scene = Scene::new();
    let running = scene.start().await;
    minutes(1).await;
    assert!(running.progress.missing().unwrap().contains("office365-source register"));
    assert_eq!(scene.road.notify(&json!([])).await, StatusCode::SERVICE_UNAVAILABLE, "nobody whose they could be");
    assert_eq!(
        scene.road.ask(Method::GET, "/wh/o365/", &[], "").await,
        (StatusCode::OK, r#"{"status":"ok"}"#.to_owned())
    );

    let (status, document) = scene.accept(&scene.invitation()).await;
    assert_eq!(status, StatusCode::OK, "{document:#}");
    assert_eq!(document["status"], "OK");
    assert_eq!(document["msg"], format!("Tenant registration result tenant_id: {}", scene.tenant));
    assert_eq!(document["content"].as_array().unwrap().len(), 5);
    assert_eq!(document["content"][0]["webhook"]["address"], PUBLIC_URL);
    assert_eq!(document["registeredContent"]["Audit.Exchange"], "enabled");
    let results = document["result_subscribe_content"].as_array().unwrap();
    assert!(results.iter().any(|result| result == &json!({ "DLP.All": "OK" })), "{document:#}");
    assert!(!document.to_string().contains(support::webhook::AUTH_ID));

    minutes(60).await;
    assert_eq!(running.progress.missing(), None);
    assert_exactly_once(&running.arrived, &scene.simulator);
    {
        let texts = running.texts.lock().unwrap();
        let event: Value = serde_json::from_str(&texts[0]).unwrap();
        assert_eq!(event["meta"]["src"]["host"], "newcomer.example");
    }
    assert_eq!(scene.simulator.stats().start_calls(), 5, "the pollers start nothing again");

    // The tenant outlives the process.
    let arrived = running.stop().await.0;
    let mut setup = Setup::new(scene.config.clone(), &scene.simulator, &scene.clock, scene.data.path());
    setup.mode = RunMode::Continuous;
    setup.webhook = scene.road.renew();
    setup.arrived = arrived;
    let running = setup.start().await;
    minutes(30).await;
    assert_exactly_once(&running.arrived, &scene.simulator);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_authorization_code_makes_a_tenant_and_works_once() {
    let scene = Scene::new();
    let running = scene.start().await;
    let state = scene.state(&scene.invitation());
    let parameters = [
        ("response_type", "code"),
        ("prompt", "admin_consent"),
        ("resource", "https://manage.office.com"),
        ("state", state.as_str()),
    ];
    let back = scene.redirected("/common/oauth2/authorize", &parameters).await;
    let target = format!("{}?{}", back.path(), back.query().unwrap());
    let html = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    let (status, page) = scene.road.ask(Method::GET, &target, &html, "").await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(page.contains("The tenant is registered") && page.contains(&scene.tenant.to_string()), "{page}");

    let (status, page) = scene.road.ask(Method::GET, &target, &html, "").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY, "{page}");
    assert!(page.contains("authorization code is used up or too old"), "{page}");
    minutes(20).await;
    assert_exactly_once(&running.arrived, &scene.simulator);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn only_an_invited_administrator_can_register() {
    let scene = Scene::new();
    let running = scene.start().await;
    let hour = scene.in_an_hour();
    let forged =
        StateKey::derive(&"another secret".into(), scene.config.auth.client_id.unwrap()).seal(&scene.invitation());
    let other = Invitation {
        issued: scene.clock.now(),
        expires: hour,
        tenant: Some(SimulatedTenant::contoso().id),
        domain: None,
    };
    let expired = Invitation {
        issued: scene.clock.now() - TimeDelta::days(1),
        expires: scene.clock.now() - TimeDelta::seconds(1),
        tenant: None,
        domain: None,
    };
    let early = Invitation { issued: scene.clock.now() + TimeDelta::days(1), ..scene.invitation() };
    for (state, expected) in [
        (String::new(), "state is missing"),
        ("nonsense".to_owned(), "cannot be read"),
        (forged, "not made with this client_id and client_secret"),
        (scene.state(&expired), "expired"),
        (scene.state(&early), "lies in the future"),
        (scene.state(&other), "the administrator belongs to tenant"),
    ] {
        let target = format!("/wh/o365/?admin_consent=True&tenant={}&state={state}", scene.tenant);
        let (status, text) = scene.road.ask(Method::GET, &target, &[], "").await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{text}");
        assert!(text.contains(expected), "{text}");
    }
    // An administrator who never consented, with a good invitation.
    let target =
        format!("/wh/o365/?admin_consent=True&tenant={}&state={}", scene.tenant, scene.state(&scene.invitation()));
    let (status, text) = scene.road.ask(Method::GET, &target, &[], "").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(text.contains("AADSTS700016") && text.contains("consented"), "{text}");

    minutes(5).await;
    assert!(running.progress.missing().is_some());
    assert_eq!(scene.simulator.stats().start_calls(), 0);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_administrator_who_was_invited_once_cannot_touch_a_tenant_that_is_there() {
    let scene = Scene::of(|simulated| simulated.live = None);
    let running = scene.start().await;
    assert_eq!(scene.accept(&scene.invitation()).await.0, StatusCode::OK);
    let starts = scene.simulator.stats().start_calls();
    // Another customer's administrator, with an invitation that names no tenant.
    let theirs = Invitation { domain: Some("attacker.example".to_owned()), ..scene.invitation() };
    let (status, document) = scene.accept(&theirs).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(!document.to_string().contains("Audit."), "{document}");
    assert_eq!(scene.simulator.stats().start_calls(), starts);
    // An invitation for that very tenant may change it, and so may a code, which proves who consented.
    let ours = Invitation { tenant: Some(scene.tenant), domain: Some("ours.example".to_owned()), ..scene.invitation() };
    assert_eq!(scene.accept(&ours).await.0, StatusCode::OK);
    minutes(5).await;
    assert_exactly_once(&running.arrived, &scene.simulator);
    assert!(running.texts.lock().unwrap().iter().all(|text| !text.contains("attacker.example")));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_consent_that_is_refused_says_what_to_change() {
    let scene = Scene::new();
    let running = scene.start().await;
    scene.simulator.set_consent(ConsentOutcome::Cancelled);
    let state = scene.state(&scene.invitation());
    let scope = ("scope", "https://manage.office.com/.default");
    for (page, parameters) in [
        ("/organizations/v2.0/adminconsent", vec![scope, ("state", state.as_str())]),
        ("/common/adminconsent", vec![("state", state.as_str())]),
        (
            "/common/oauth2/authorize",
            vec![("response_type", "code"), ("resource", "https://manage.office.com"), ("state", state.as_str())],
        ),
    ] {
        let (status, text) = scene.consent(page, &parameters, "application/json").await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{page}");
        assert!(text.contains("consent was not given"), "{page}: {text}");
    }
    // Untrusted texts are not repeated.
    let target = "/wh/o365/?error=access_denied&error_description=Call+0900-SCAM";
    let (status, text) = scene.road.ask(Method::GET, target, &[], "").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(!text.contains("0900"), "{text}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_not_ready_is_registered_and_collected_once_it_is() {
    let scene = Scene::new();
    let running = scene.start().await;
    scene.simulator.break_tenant(scene.tenant, TenantFault::AuditingDisabled);
    let (status, document) = scene.accept(&scene.invitation()).await;
    assert_eq!((status, &document["status"]), (StatusCode::OK, &"ERROR".into()), "{document:#}");
    assert!(document["result_subscribe_content"][0].to_string().contains("unified auditing is off"), "{document:#}");
    scene.simulator.heal_tenant(scene.tenant);
    minutes(60).await;
    assert_exactly_once(&running.arrived, &scene.simulator);

    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_costs_its_content_type_only() {
    let scene = Scene::of(|simulated| simulated.tenants[0].roles = vec!["ActivityFeed.Read".to_owned()]);
    let running = scene.start().await;
    let (_, document) = scene.accept(&scene.invitation()).await;
    let results = document["result_subscribe_content"].as_array().unwrap();
    let dlp = results.iter().find_map(|result| result.get("DLP.All")).unwrap().as_str().unwrap();
    assert!(dlp.contains("ActivityFeed.ReadDlp") && dlp.contains("Grant admin consent"), "{dlp}");
    assert!(results.iter().filter(|result| result.as_object().unwrap().values().all(|text| text == "OK")).count() == 4);
    minutes(30).await;
    let oracle = scene.simulator.oracle();
    for content_type in [ContentType::Exchange, ContentType::General] {
        let expected = oracle.expected_ids_of(office365_source::content::Feed { tenant: scene.tenant, content_type });
        let arrived = running.arrived.lock().unwrap();
        assert!(expected.iter().all(|id| arrived.contains_key(&(scene.tenant, id.clone()))), "{content_type}");
    }
    running.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_tenant_is_shown_renamed_and_removed_while_the_source_runs() {
    use office365_source::tenancy::control::{Answer, Question, ask};

    let scene = Scene::of(|simulated| simulated.live = None);
    let running = scene.start().await;
    let (_, document) = scene.accept(&scene.invitation()).await;
    assert_eq!(document["status"], "OK", "{document:#}");
    let directory = support::webhook::source_directory(scene.data.path());
    let question = |question| {
        let directory = directory.clone();
        async move { ask(&directory, &question).await.unwrap().unwrap() }
    };
    let Answer::Tenants { tenants } = question(Question::List).await else { panic!() };
    assert_eq!((tenants[0].id, tenants[0].domain.as_deref()), (scene.tenant, Some("newcomer.example")));

    let renamed = Question::SetDomain { tenant: scene.tenant, domain: Some("fabrikam.example".to_owned()) };
    assert_eq!(question(renamed).await, Answer::Done);
    let event = json!({
        "Id": "after", "OrganizationId": scene.tenant.to_string(), "CreationTime": "2026-08-01T10:00:00",
        "RecordType": 2, "Operation": "Send", "Workload": "Exchange"
    });
    let feed = office365_source::content::Feed { tenant: scene.tenant, content_type: ContentType::Exchange };
    scene.simulator.publish_events(feed, vec![event], scene.clock.now());
    let after = || running.texts.lock().unwrap().iter().find(|text| text.contains(r#""Id":"after""#)).cloned();
    patience::until("the event arrives", || after().is_some(), || format!("{:?}", running.progress.feeds())).await;
    let after = after().unwrap();
    assert!(after.contains(r#""host":"fabrikam.example""#), "{after}");

    let Answer::Removed { removal } = question(Question::Remove { tenant: scene.tenant }).await else { panic!() };
    assert!(removal.still_subscribed.is_empty(), "{removal:?}");
    assert_eq!(question(Question::List).await, Answer::Tenants { tenants: Vec::new() });
    assert_eq!(scene.road.notify(&json!([])).await, StatusCode::SERVICE_UNAVAILABLE);
    let Answer::Refused { problem } = question(Question::Remove { tenant: scene.tenant }).await else { panic!() };
    assert!(problem.contains("is not collected"), "{problem}");
    assert!(running.progress.feeds().is_empty());
    running.stop().await;
    assert_eq!(ask(&directory, &Question::List).await.unwrap(), None, "nobody runs any more");
}

#[cfg(unix)]
#[tokio::test]
async fn a_client_that_says_nothing_on_the_control_socket_keeps_no_other_waiting() {
    use std::os::unix::net::UnixStream;

    use office365_source::tenancy::control::{Answer, Question, ask};

    let scene = Scene::of(|simulated| simulated.live = None);
    let running = scene.start().await;
    let directory = support::webhook::source_directory(scene.data.path());
    let list = || ask(&directory, &Question::List);
    while list().await.unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let silent = || UnixStream::connect(directory.join("control.sock")).unwrap();
    let mut strangers = vec![silent()];
    assert!(matches!(list().await, Ok(Some(Answer::Tenants { .. }))), "another is answered meanwhile");
    // So many that there is no turn left: a further visitor is refused at once.
    let busy = loop {
        strangers.push(silent());
        match list().await.unwrap().unwrap() {
            Answer::Refused { problem } => break problem,
            _ => assert!(strangers.len() < 100, "connections are bounded"),
        }
    };
    assert!(busy.contains("ask again in 10 seconds"), "{busy}");
    drop(strangers);
    while matches!(list().await, Ok(Some(Answer::Refused { .. }))) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn subscriptions_are_shown_with_their_webhooks_and_changed_while_the_source_runs() {
    use office365_source::tenancy::{
        ChangeOutcome, Selection, SubscriptionChange,
        control::{Answer, Question, ask},
    };

    let scene = Scene::of(|simulated| simulated.live = None);
    let running = scene.start().await;
    let (_, document) = scene.accept(&scene.invitation()).await;
    assert_eq!(document["status"], "OK", "{document:#}");
    let directory = support::webhook::source_directory(scene.data.path());
    let selection = Selection { tenant: Some(scene.tenant), content_types: vec![ContentType::Exchange] };
    let list = async || match ask(&directory, &Question::Subscriptions { selection: selection.clone() }).await {
        Ok(Some(Answer::Subscriptions { subscriptions })) => subscriptions,
        other => panic!("{other:?}"),
    };
    let change = async |change| {
        let question = Question::ChangeSubscriptions { change, selection: selection.clone() };
        match ask(&directory, &question).await {
            Ok(Some(Answer::SubscriptionsChanged { changes })) => changes,
            other => panic!("{other:?}"),
        }
    };
    let listed = list().await;
    let webhook = listed[0].webhook.as_ref().unwrap();
    assert_eq!(
        (listed.len(), listed[0].status.as_deref(), webhook.status.as_deref()),
        (1, Some("enabled"), Some("enabled"))
    );
    assert!(webhook.address.as_ref().unwrap().starts_with("https://") && listed[0].last_start.is_some(), "{listed:?}");

    assert_eq!(change(SubscriptionChange::Start).await[0].outcome, ChangeOutcome::Unchanged);
    assert_eq!(change(SubscriptionChange::Stop).await[0].outcome, ChangeOutcome::Stopped);
    assert_eq!(list().await[0].status.as_deref(), Some("disabled"));
    // Microsoft takes a second stop as well as the first.
    assert_eq!(change(SubscriptionChange::Stop).await[0].outcome, ChangeOutcome::Stopped);
    let too_soon = change(SubscriptionChange::Start).await.remove(0);
    assert_eq!(too_soon.outcome, ChangeOutcome::Failed);
    assert!(too_soon.problem.unwrap().contains("every 15 minutes"));
    running.stop().await;
}
