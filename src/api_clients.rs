//! The way to Microsoft that a configuration describes.

use std::{sync::Arc, time::Duration};

use crate::{
    activity::{ActivityClient, ActivityOptions},
    clock::Clock,
    config::{AuditSearchConfig, Office365Config, ProxyConfig, TokenVersion},
    credentials::Credentials,
    entra::{Authority, TokenEndpoint, Tokens},
    graph::{GraphClient, GraphOptions},
    transport::{HttpTransport, ServerClock, SetupError, Transport, TransportOptions},
};

/// A connection that takes longer is given up.
const LONGEST_CONNECT: Duration = Duration::from_secs(30);

/// What the way to Microsoft depends on besides the configuration.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// What time it is.
    pub clock: Clock,
    /// Sends the requests; `None` for HTTP as the configuration says.
    pub transport: Option<Arc<dyn Transport>>,
}

/// The way to Microsoft: the APIs, and the tokens for them.
#[derive(Clone, Debug)]
pub struct ApiClients {
    /// The Management Activity API.
    pub client: ActivityClient,
    /// The audit search of Microsoft Graph, if the configuration has it and the cloud too.
    pub search: Option<GraphClient>,
    /// Microsoft Entra, for the Management Activity API.
    pub tokens: Arc<Tokens>,
    /// What proves that the tokens are the application's.
    pub credentials: Credentials,
}

impl ApiClients {
    /// Makes ready; connects to nothing. `key` is where the source stands in the configuration, such as `sources.m365`.
    ///
    /// # Errors
    ///
    /// When the CA file or a proxy's URL cannot be used.
    pub fn new(
        config: &Office365Config,
        key: &str,
        proxy: &ProxyConfig,
        Environment { clock, transport }: Environment,
    ) -> Result<Self, SetupError> {
        let clock = ServerClock::new(clock);
        let transport = match transport {
            Some(transport) => transport,
            None => Arc::new(HttpTransport::new(&TransportOptions {
                proxy: config.proxy.or(proxy),
                ca_file: config.tls.ca_file.clone(),
                identity: None,
                connect_timeout: Some(config.request.timeout().min(LONGEST_CONNECT)),
            })?),
        };
        let credentials = Credentials::new(config, key);
        let tokens = |resource| Arc::new(tokens(config, &credentials, Arc::clone(&transport), clock.clone(), resource));
        let searches = config.audit_search.as_ref().filter(|_| AuditSearchConfig::is_in(config.effective_cloud()));
        let search = searches.map(|search| {
            let options = GraphOptions { endpoint: search.endpoint(), timeout: config.request.timeout() };
            let tokens = tokens(AuditSearchConfig::RESOURCE);
            GraphClient::new(&options, Arc::clone(&transport), tokens, clock.clone())
        });
        let tokens = tokens(config.resource());
        let client =
            ActivityClient::new(activity_options(config), Arc::clone(&transport), Arc::clone(&tokens), clock.clone());
        Ok(Self { client, search, tokens, credentials })
    }
}

/// The tokens for one of Microsoft's APIs.
fn tokens(
    config: &Office365Config,
    credentials: &Credentials,
    transport: Arc<dyn Transport>,
    clock: ServerClock,
    resource: &str,
) -> Tokens {
    let endpoint = match config.token_version() {
        TokenVersion::V1 => TokenEndpoint::V1 { resource: resource.to_owned() },
        TokenVersion::V2 => TokenEndpoint::V2 { scope: format!("{resource}/.default") },
    };
    let authority = Authority { origin: config.authority(), path: config.token_path().to_owned(), endpoint };
    Tokens::new(authority, credentials.applications(), transport, clock, config.request.timeout())
}

fn activity_options(config: &Office365Config) -> ActivityOptions {
    ActivityOptions {
        endpoint: config.api_endpoint(),
        publisher: config.publisher_identifier(),
        requests_per_minute: config.request.quota_per_minute(),
        timeout: config.request.timeout(),
    }
}
