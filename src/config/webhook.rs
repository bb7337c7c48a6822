//! Mode "webhook": where Microsoft's notifications arrive, who may send them, and what Microsoft gets.

mod auth_id;
mod expiration;
mod form;
mod hints;
mod limits;
mod network;
mod rules;
mod source_rule;
mod tls;

#[cfg(test)]
mod tests;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{limits::Bounds, secret::SecretRef};

pub use auth_id::auth_id_hint;
pub(crate) use auth_id::{NO_HEADER, fits_header};
pub use expiration::{InvalidExpiration, WebhookExpiration};
pub use limits::WebhookLimits;
pub use network::{InvalidNetwork, Network};
pub use source_rule::{InvalidSourceRule, SourceRule};
pub use tls::WebhookTlsConfig;

/// What a user may copy for `public_url`.
const PUBLIC_URL: &str = "https://demo.example.com:8443/wh/o365/";

/// The variable that is offered for `auth_id`.
const AUTH_ID_VARIABLE: &str = "M365_WEBHOOK_AUTH_ID";

const RECONCILE: Bounds = Bounds { min: 10, max: 86_400 };

/// How content is found in mode "webhook". The block may stay in a file with mode "poll", which then ignores it but for
/// values that could not be used.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookConfig {
    /// Address and port that the listener takes on this machine. Microsoft must reach it, through whatever firewall,
    /// port mapping or proxy is in front of it.
    #[schemars(example = &"0.0.0.0:8443")]
    pub listen: SocketAddr,

    /// The path at which the listener takes notifications.
    #[schemars(example = &"/wh/o365/")]
    pub path: String,

    /// The https URL that Microsoft is told, with any port. Required in mode "webhook". Plain http is accepted for
    /// loopback addresses only, which Microsoft cannot reach but the simulator can. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = PUBLIC_URL)]
    pub public_url: Option<Url>,

    /// What Microsoft sends as `Webhook-AuthID` with each notification, so that others are told apart: printable ASCII
    /// without spaces. Default: a random one, kept in the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = SecretRef::env(AUTH_ID_VARIABLE))]
    pub auth_id: Option<SecretRef>,

    /// For how long Microsoft is told to send notifications, from "1h" to "365d" and at least four times
    /// `reconcile_interval_secs`, or "never" for no end. It is renewed in time.
    #[schemars(extend("x-unit" = "duration"))]
    pub expiration: WebhookExpiration,

    /// How often content is listed all the same, to find what no notification told of. Unit: seconds.
    #[schemars(range(min = RECONCILE.min, max = RECONCILE.max), extend("x-unit" = "seconds"))]
    pub reconcile_interval_secs: u64,

    /// Who may send notifications: networks, addresses, and service tags of Microsoft's as `service_tag:NAME`. When it
    /// is empty, anyone who knows the `AuthID`.
    #[schemars(example = ["service_tag:M365ManagementActivityApiWebhook", "203.0.113.0/24"])]
    pub allowed_sources: Vec<SourceRule>,

    /// The file of service tags that Microsoft publishes ("Azure IP Ranges and Service Tags"), read again when it
    /// changes. Required by rules with `service_tag:`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/office365-source/ServiceTags_Public.json")]
    pub service_tags_file: Option<PathBuf>,

    /// The addresses and networks of the proxies in front of the listener. What they write into `X-Forwarded-For` counts
    /// as the sender's address; from anyone else that header is ignored.
    #[schemars(example = ["127.0.0.1", "10.0.0.0/8"])]
    pub trusted_proxies: Vec<Network>,

    /// TLS of the listener.
    pub tls: WebhookTlsConfig,

    /// What a sender may take from the listener.
    pub limits: WebhookLimits,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8443)),
            path: "/wh/o365/".to_owned(),
            public_url: None,
            auth_id: None,
            expiration: WebhookExpiration::default(),
            reconcile_interval_secs: 900,
            allowed_sources: Vec::new(),
            service_tags_file: None,
            trusted_proxies: Vec::new(),
            tls: WebhookTlsConfig::default(),
            limits: WebhookLimits::default(),
        }
    }
}

impl WebhookConfig {
    /// The URL that Microsoft is told. Always there in mode "webhook" after validation.
    pub const fn public_url(&self) -> Option<&Url> {
        self.public_url.as_ref()
    }

    /// How often content is listed all the same.
    pub const fn reconcile_interval(&self) -> Duration {
        Duration::from_secs(self.reconcile_interval_secs)
    }

    /// The names of the service tags in `allowed_sources`.
    pub fn service_tags(&self) -> impl Iterator<Item = &str> {
        self.allowed_sources.iter().filter_map(|rule| match rule {
            SourceRule::ServiceTag(name) => Some(name.as_str()),
            SourceRule::Network(_) => None,
        })
    }

    /// Whether the listener can be reached from this machine only.
    fn listens_on_loopback(&self) -> bool {
        self.listen.ip().to_canonical().is_loopback()
    }
}
