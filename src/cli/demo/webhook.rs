//! Mode webhook in the demo: Microsoft's notifications over TLS, and an administrator who consents.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use http::{Method, StatusCode, header};
use rand::RngExt;
use tokio::task::JoinHandle;
use url::Url;

use crate::{
    Result,
    cli::simulated::SimulatedWebhook,
    config::Office365Config,
    content::TenantId,
    registration::{ConsentFlow, ConsentRequest, Invitation},
    simulator::{Simulator, SimulatorConfig},
    transport::{Request, Response, Transport, TransportError, TransportFailure},
};

/// How much of what Microsoft sends is lost on the way.
const LOST: f64 = 0.15;

/// What turns a simulated service into one that notifies, with the troubles of that.
pub(super) fn notifying(mut simulated: SimulatorConfig) -> SimulatorConfig {
    simulated.notification_interval = Duration::from_millis(200);
    simulated.notification_retry = Duration::from_millis(500)..=Duration::from_secs(2);
    simulated.faults.notify_duplicates = 0.05;
    simulated.faults.notify_reordered = 0.05;
    simulated.faults.notify_drop = 0.02;
    // The second organisation joins later, when its administrator consents.
    if let Some(newcomer) = simulated.tenants.get_mut(1) {
        newcomer.consented = false;
    }
    simulated
}

/// The webhook of the demo.
pub(super) struct Hook {
    pub webhook: SimulatedWebhook,
    road: Arc<Road>,
    notifying: JoinHandle<()>,
}

impl Hook {
    /// Makes certificates, and lets the simulator notify.
    pub fn new(directory: &Path, simulator: &Simulator) -> Result<Self> {
        let webhook = SimulatedWebhook::new(directory, 0)?;
        let road = Arc::new(Road { transport: webhook.transport()?, lost: AtomicU64::new(0) });
        simulator.set_webhook_transport(Arc::clone(&road) as Arc<dyn Transport>);
        Ok(Self { webhook, road, notifying: tokio::spawn(simulator.run_notifications()) })
    }

    /// How many requests of the service's were lost on the way.
    pub fn lost(&self) -> u64 {
        self.road.lost.load(Ordering::Relaxed)
    }

    /// Plays an administrator who opens the link of `office365-source register` and accepts. Returns what the collector
    /// answered the browser.
    pub async fn consent(
        &self,
        path: &str,
        config: &Office365Config,
        newcomer: TenantId,
        domain: &str,
    ) -> Result<String> {
        let redirect_uri = config.webhook.public_url().ok_or("the demo has no public URL")?;
        let issued = Utc::now();
        let expires = issued + TimeDelta::hours(1);
        let invitation = Invitation { issued, expires, tenant: Some(newcomer), domain: Some(domain.to_owned()) };
        let request = ConsentRequest {
            authority: &config.authority(),
            flow: ConsentFlow::AdminConsent,
            tenant: Some(newcomer),
            client_id: config.auth.application_id().unwrap_or_default(),
            resource: config.resource(),
            redirect_uri,
            state: &config.state_key(path).await?.seal(&invitation),
        };
        let page = self.get(request.url()).await?;
        let redirect = page.headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
        let redirect: Url = redirect.ok_or("the consent page did not lead back")?.parse()?;
        let answer = self.get(redirect).await?;
        let status = answer.status;
        let text = String::from_utf8_lossy(&answer.read_up_to(64 * 1024).await?).into_owned();
        if status == StatusCode::OK { Ok(text) } else { Err(format!("the registration failed: {text}").into()) }
    }

    async fn get(&self, url: Url) -> Result<Response> {
        Ok(self.road.transport.send(Request::new(Method::GET, url)).await?)
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.notifying.abort();
    }
}

/// The Internet: most of what is sent arrives.
#[derive(Debug)]
struct Road {
    transport: Arc<dyn Transport>,
    lost: AtomicU64,
}

#[async_trait]
impl Transport for Road {
    async fn send(&self, request: Request) -> std::result::Result<Response, TransportError> {
        // Validations pass: a subscription that was refused may be started again only after a quarter of an hour.
        let validates = request.headers.contains_key("webhook-validationcode");
        if !validates && rand::rng().random_bool(LOST) {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return Err(TransportError::new(TransportFailure::Connect, "lost on the way"));
        }
        self.transport.send(request).await
    }
}
