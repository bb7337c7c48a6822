//! The source: one schema for both modes.

use std::env;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use super::{
    audit_search::AuditSearchConfig,
    auth::AuthConfig,
    cloud::{Cloud, TokenVersion},
    duration::HumanDuration,
    filters::FiltersConfig,
    limits::{BatchConfig, DedupeConfig, MemoryConfig, PollConfig, RequestConfig},
    network::{ProxyConfig, TlsConfig},
    normalize::NormalizeConfig,
    state::StateConfig,
    webhook::WebhookConfig,
};
use crate::content::{ContentType, TenantId};

/// Where AKS tells the tenant of a workload identity.
const TENANT_ID: &str = "AZURE_TENANT_ID";

const TOKEN_PATH: &str = "/oauth2/v2.0/token";

/// Collects the audit logs of Microsoft 365 tenants from the Office 365 Management Activity API.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Office365Config {
    /// How new content is found.
    #[serde(default)]
    pub mode: Mode,

    /// The Microsoft cloud that holds the tenants. It stands for `endpoint` and `auth_endpoint`. Default: "enterprise".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<Cloud>,

    /// The content types to collect, in any case. Default: the four audit content types. "DLP.All" is added by name,
    /// because it needs another permission (`ActivityFeed.ReadDlp`).
    #[serde(default = "default_content_types")]
    #[schemars(length(min = 1), example = ContentType::ALL)]
    pub content_types: Vec<ContentType>,

    /// The GUID that Microsoft counts requests by: the tenant id of the company that runs this collector. Required with
    /// several tenants, and without any. Default: the tenant id when there is one tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"6a98b5da-7b3c-4486-bb0b-66a048c6da62")]
    pub publisher_identifier: Option<Uuid>,

    /// The form of the events.
    #[serde(default)]
    pub schema: EventSchema,

    /// How far back the first run of a content type begins, at most "7d": the API holds no more.
    #[serde(default = "default_start_from")]
    #[schemars(extend("x-unit" = "duration"))]
    pub start_from: HumanDuration,

    /// The origin of the Management Activity API, in place of the one of `cloud`, such as that of a proxy. Plain http
    /// is accepted for loopback addresses only. Default: the API endpoint of `cloud`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"https://manage.office.com")]
    pub endpoint: Option<Url>,

    /// The origin of Microsoft Entra's token endpoint, in place of the one of the cloud. Default: the login endpoint of
    /// `cloud`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"https://login.microsoftonline.com")]
    pub auth_endpoint: Option<Url>,

    /// The path of the token endpoint after the tenant id. With "/v2.0/" in it, the request names a `scope`, else a
    /// `resource`, as for "/oauth2/token". Default: "/oauth2/v2.0/token".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/oauth2/v2.0/token")]
    pub token_path: Option<String>,

    /// The app registration that reads the audit logs.
    #[serde(default)]
    pub auth: AuthConfig,

    /// The tenants whose audit logs are collected. Each must have granted the app registration its permissions. Mode
    /// "poll" needs at least one; in mode "webhook" tenants can register.
    #[serde(default)]
    #[schemars(example = [TenantConfig::example()])]
    pub tenants: Vec<TenantConfig>,

    /// Where the source keeps what it must not forget. Default: in a file below `data_dir`.
    #[serde(default)]
    pub state: StateConfig,

    /// The audit search of Microsoft Graph, which finds what the Management Activity API did not deliver. Default: it is not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_search: Option<AuditSearchConfig>,

    /// Which records become events.
    #[serde(default)]
    pub filters: FiltersConfig,

    /// What becomes of a record on its way to an event, apart from its schema.
    #[serde(default)]
    pub normalize: NormalizeConfig,

    /// How content is found in mode "poll".
    #[serde(default)]
    pub poll: PollConfig,

    /// How content is found in mode "webhook".
    #[serde(default)]
    pub webhook: WebhookConfig,

    /// What requests to the API may take.
    #[serde(default)]
    pub request: RequestConfig,

    /// How repeated events are recognised.
    #[serde(default)]
    pub dedupe: DedupeConfig,

    /// How many events go to the pipeline at once.
    #[serde(default)]
    pub batch: BatchConfig,

    /// The bounds of memory.
    #[serde(default)]
    pub memory: MemoryConfig,

    /// TLS towards Microsoft.
    #[serde(default)]
    pub tls: TlsConfig,

    /// The HTTP proxy on the way to Microsoft; what is left out is taken from the top-level `proxy`.
    #[serde(default)]
    pub proxy: ProxyConfig,

    /// Whether events count as delivered only once the sinks say so.
    #[serde(default)]
    pub acknowledgements: AcknowledgementsConfig,
}

/// How new content is found.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Content is listed, per window of time.
    #[default]
    Poll,
    /// Microsoft announces content to a TLS listener.
    Webhook,
}

/// The form of the events.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventSchema {
    /// The Elastic Common Schema.
    #[default]
    Ecs,
    /// The Open Cybersecurity Schema Framework.
    Ocsf,
    /// The audit record as Microsoft sent it.
    Raw,
}

impl EventSchema {
    /// The name that a configuration uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Ecs => "ecs",
            Self::Ocsf => "ocsf",
        }
    }

    /// The top-level field that holds the event's own time as a timestamp. OCSF has it as a number.
    pub const fn timestamp_field(self) -> Option<&'static str> {
        match self {
            Self::Raw => Some("CreationTime"),
            Self::Ecs => Some("@timestamp"),
            Self::Ocsf => None,
        }
    }
}

/// One tenant.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TenantConfig {
    /// The Directory (tenant) ID (Microsoft Entra admin center > Overview).
    #[schemars(example = &"6a98b5da-7b3c-4486-bb0b-66a048c6da62")]
    pub id: TenantId,
    /// A name for people, such as the tenant's primary domain; lands in `meta.src.host` and `organization.name` (OCSF: `cloud.org.name`)
    /// of every event of the tenant.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"contoso.com")]
    pub domain: Option<String>,
    /// The application and credential for this tenant, where it has others than the rest. Default: those of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthConfig>,
}

impl TenantConfig {
    fn example() -> Self {
        Self {
            id: TenantId(Uuid::from_u128(0x6a98_b5da_7b3c_4486_bb0b_66a0_48c6_da62)),
            domain: Some("contoso.com".to_owned()),
            auth: None,
        }
    }
}

/// Whether events count as delivered only once the sinks say so.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AcknowledgementsConfig {
    /// `false` counts an event as delivered once it is handed to the pipeline, and loses what the pipeline then loses.
    /// Default: the top-level setting, and `true` without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = true)]
    pub enabled: Option<bool>,
}

impl AcknowledgementsConfig {
    /// This setting, or the global one where it leaves the question open.
    #[must_use]
    pub fn or(self, global: Self) -> Self {
        Self { enabled: self.enabled.or(global.enabled) }
    }

    /// Whether to wait for the sinks.
    pub fn enabled(self) -> bool {
        self.enabled.unwrap_or(true)
    }
}

fn default_content_types() -> Vec<ContentType> {
    ContentType::ALL.into_iter().filter(|content_type| *content_type != ContentType::Dlp).collect()
}

const fn default_start_from() -> HumanDuration {
    HumanDuration::from_hours(24)
}

impl Office365Config {
    /// A source with all defaults.
    pub fn new(auth: AuthConfig, tenants: Vec<TenantConfig>) -> Self {
        Self {
            mode: Mode::default(),
            cloud: None,
            content_types: default_content_types(),
            publisher_identifier: None,
            schema: EventSchema::default(),
            start_from: default_start_from(),
            endpoint: None,
            auth_endpoint: None,
            token_path: None,
            auth,
            tenants,
            state: StateConfig::default(),
            audit_search: None,
            filters: FiltersConfig::default(),
            normalize: NormalizeConfig::default(),
            poll: PollConfig::default(),
            webhook: WebhookConfig::default(),
            request: RequestConfig::default(),
            dedupe: DedupeConfig::default(),
            batch: BatchConfig::default(),
            memory: MemoryConfig::default(),
            tls: TlsConfig::default(),
            proxy: ProxyConfig::default(),
            acknowledgements: AcknowledgementsConfig::default(),
        }
    }

    /// Takes from the environment what Kubernetes puts there for a workload identity: the tenant, unless one is written or
    /// tenants may have registered.
    pub(super) fn complete(&mut self) {
        let may_have_registered = self.mode == Mode::Webhook || self.webhook.public_url.is_some();
        if self.tenants.is_empty() && !may_have_registered && self.auth.workload_identity.is_some() {
            let id = env::var(TENANT_ID).ok().and_then(|id| id.trim().parse().ok());
            self.tenants.extend(id.map(|id| TenantConfig { id, domain: None, auth: None }));
        }
    }

    /// The application and credential of a tenant that has its own.
    pub fn auth_of(&self, tenant: TenantId) -> Option<AuthConfig> {
        self.tenants.iter().find(|known| known.id == tenant)?.auth.clone()
    }

    /// The cloud: the one written, else the one that `endpoint` belongs to, else "enterprise".
    pub fn effective_cloud(&self) -> Cloud {
        let of_endpoint = || Cloud::of_api_host(self.endpoint.as_ref()?.host_str()?);
        self.cloud.or_else(of_endpoint).unwrap_or_default()
    }

    /// The origin of the Management Activity API; the only one a bearer token may be sent to.
    pub fn api_endpoint(&self) -> Url {
        self.endpoint.clone().unwrap_or_else(|| origin(self.effective_cloud().api_endpoint()))
    }

    /// The origin of Microsoft Entra's token endpoint.
    pub fn authority(&self) -> Url {
        self.auth_endpoint.clone().unwrap_or_else(|| origin(self.effective_cloud().authority()))
    }

    /// The path of the token endpoint after the tenant id.
    pub fn token_path(&self) -> &str {
        self.token_path.as_deref().unwrap_or(TOKEN_PATH)
    }

    /// Which shape of token request the token endpoint takes.
    pub fn token_version(&self) -> TokenVersion {
        if self.token_path().contains("/v2.0/") { TokenVersion::V2 } else { TokenVersion::V1 }
    }

    /// Where tokens for this tenant are asked for.
    pub fn token_url(&self, tenant: TenantId) -> Url {
        let mut url = self.authority();
        url.set_path(&format!("/{tenant}{}", self.token_path()));
        url
    }

    /// What a token is asked for, in the words of the first version of the token endpoint: the cloud's API, also behind
    /// another `endpoint`, because Microsoft Entra knows no other.
    pub fn resource(&self) -> &'static str {
        self.effective_cloud().api_endpoint()
    }

    /// The GUID that Microsoft counts requests by. Nil only before validation.
    pub fn publisher_identifier(&self) -> Uuid {
        self.publisher_identifier.or_else(|| self.tenants.first().map(|tenant| tenant.id.0)).unwrap_or_default()
    }
}

#[expect(clippy::expect_used, reason = "only the constants of `Cloud` come here, and a test reads them all")]
fn origin(constant: &'static str) -> Url {
    Url::parse(constant).expect("the clouds' origins are URLs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SecretRef;

    fn config() -> Office365Config {
        let auth = AuthConfig::with_secret(Uuid::from_u128(1), SecretRef::from("hunter2"));
        Office365Config::new(auth, vec![TenantConfig::example()])
    }

    #[test]
    fn every_cloud_has_its_hosts() {
        for (cloud, api, login) in [
            (Cloud::Enterprise, "https://manage.office.com/", "https://login.microsoftonline.com/"),
            (Cloud::Gcc, "https://manage-gcc.office.com/", "https://login.microsoftonline.com/"),
            (Cloud::GccHigh, "https://manage.office365.us/", "https://login.microsoftonline.us/"),
            (Cloud::Dod, "https://manage.protection.apps.mil/", "https://login.microsoftonline.us/"),
            (Cloud::China, "https://manage.office365.cn/", "https://login.partner.microsoftonline.cn/"),
        ] {
            let config = Office365Config { cloud: Some(cloud), ..config() };
            assert_eq!((config.api_endpoint().as_str(), config.authority().as_str()), (api, login));
            assert_eq!(format!("{}/", config.resource()), api);
            let config = Office365Config { endpoint: Some(api.parse().unwrap()), cloud: None, ..config };
            assert_eq!(config.effective_cloud(), cloud, "an endpoint of Microsoft's brings its cloud along");
            assert_eq!(config.authority().as_str(), login);
        }
    }

    #[test]
    fn the_token_endpoint_follows_its_path() {
        let config = config();
        assert_eq!(config.token_version(), TokenVersion::V2);
        assert_eq!(
            config.token_url(config.tenants[0].id).as_str(),
            "https://login.microsoftonline.com/6a98b5da-7b3c-4486-bb0b-66a048c6da62/oauth2/v2.0/token"
        );
        let v1 = Office365Config { token_path: Some("/oauth2/token".to_owned()), ..config };
        assert_eq!(v1.token_version(), TokenVersion::V1);
        assert!(v1.token_url(v1.tenants[0].id).path().ends_with("a62/oauth2/token"));
    }

    #[test]
    fn one_tenant_is_its_own_publisher() {
        let config = config();
        assert_eq!(config.publisher_identifier(), config.tenants[0].id.0);
        let other = Office365Config { publisher_identifier: Some(Uuid::from_u128(7)), ..config };
        assert_eq!(other.publisher_identifier(), Uuid::from_u128(7));
    }

    #[test]
    fn nothing_shows_the_secret() {
        let config = config();
        assert!(!format!("{config:?}").contains("hunter2"));
        assert!(!serde_json::to_string(&config).unwrap().contains("hunter2"));
    }
}
