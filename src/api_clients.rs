//! The way to Microsoft that a configuration describes.

use std::{sync::Arc, time::Duration};

use crate::{
    activity::{ActivityClient, ActivityOptions},
    clock::Clock,
    component::ExtraContext,
    config::{Office365Config, ProxyConfig, TokenVersion},
    entra::{Authority, TokenEndpoint, Tokens},
    transport::{HttpTransport, ServerClock, SetupError, Transport, TransportOptions},
};

/// A transport to use instead of HTTP, for the [`ExtraContext`].
#[derive(Clone, Debug)]
pub struct TransportOverride(pub Arc<dyn Transport>);

/// The way to Microsoft: the API, and the tokens for it.
#[derive(Clone, Debug)]
pub struct ApiClients {
    /// The Management Activity API.
    pub client: ActivityClient,
    /// Microsoft Entra.
    pub tokens: Arc<Tokens>,
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
        extra_context: &ExtraContext,
    ) -> Result<Self, SetupError> {
        let clock = ServerClock::new(extra_context.get::<Clock>().cloned().unwrap_or_default());
        let transport = match extra_context.get::<TransportOverride>() {
            Some(TransportOverride(transport)) => Arc::clone(transport),
            None => Arc::new(HttpTransport::new(&TransportOptions {
                proxy: config.proxy.or(proxy),
                ca_file: config.tls.ca_file.clone(),
                connect_timeout: Some(config.request.timeout().min(Duration::from_secs(30))),
            })?),
        };
        let tokens = Arc::new(tokens(config, key, Arc::clone(&transport), clock.clone()));
        let client = ActivityClient::new(activity_options(config), transport, Arc::clone(&tokens), clock);
        Ok(Self { client, tokens })
    }
}

fn tokens(config: &Office365Config, key: &str, transport: Arc<dyn Transport>, clock: ServerClock) -> Tokens {
    let endpoint = match config.token_version() {
        TokenVersion::V1 => TokenEndpoint::V1 { resource: config.resource().to_owned() },
        TokenVersion::V2 => TokenEndpoint::V2 { scope: config.scope() },
    };
    let authority = Authority { origin: config.authority(), path: config.token_path().to_owned(), endpoint };
    let (secret, key) = (config.auth.client_secret.clone(), format!("{key}.auth.client_secret"));
    let read = Arc::new(move || secret.resolve(&key).map_err(|error| error.to_string()));
    Tokens::new(authority, config.auth.client_id.to_string(), read, transport, clock, config.request.timeout())
}

fn activity_options(config: &Office365Config) -> ActivityOptions {
    ActivityOptions {
        endpoint: config.api_endpoint(),
        publisher: config.publisher_identifier(),
        requests_per_minute: config.request.quota_per_minute(),
        timeout: config.request.timeout(),
    }
}
