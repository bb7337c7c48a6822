//! The way to Microsoft that a configuration describes.

use std::{sync::Arc, time::Duration};

use crate::{
    activity::{ActivityClient, ActivityOptions},
    clock::Clock,
    config::{Office365Config, ProxyConfig, TokenVersion},
    credentials::Credentials,
    entra::{Authority, TokenEndpoint, Tokens},
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

/// The way to Microsoft: the API, and the tokens for it.
#[derive(Clone, Debug)]
pub struct ApiClients {
    /// The Management Activity API.
    pub client: ActivityClient,
    /// Microsoft Entra.
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
        let tokens = Arc::new(tokens(config, &credentials, Arc::clone(&transport), clock.clone()));
        let client = ActivityClient::new(activity_options(config), transport, Arc::clone(&tokens), clock);
        Ok(Self { client, tokens, credentials })
    }
}

fn tokens(
    config: &Office365Config,
    credentials: &Credentials,
    transport: Arc<dyn Transport>,
    clock: ServerClock,
) -> Tokens {
    let endpoint = match config.token_version() {
        TokenVersion::V1 => TokenEndpoint::V1 { resource: config.resource().to_owned() },
        TokenVersion::V2 => TokenEndpoint::V2 { scope: config.scope() },
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
