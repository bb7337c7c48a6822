//! What a user writes: one schema for both modes, its defaults and its rules, and the standalone host's file.
//!
//! This module knows nothing of how anything runs. It promises two things to the writer of a configuration: every
//! problem is reported with the key's full path and what to write instead, as many at once as can be known; and no secret
//! is in a report.
//!
//! A file goes through `document` (text to tree), `structure` (unknown and missing keys, by the JSON Schema),
//! `decode` (tree to types) and `validate` (the rules), in this order.

mod audit_search;
mod auth;
mod cloud;
mod data_dir;
mod decode;
mod document;
mod duration;
mod error;
mod filters;
mod key_path;
mod limits;
mod load;
mod network;
mod normalize;
mod origin;
mod quantity;
mod redact;
mod schema;
mod secret;
mod secret_backend;
mod sinks;
mod size;
mod source;
mod state;
mod structure;
mod telemetry;
mod topology;
mod validate;
mod webhook;

#[cfg(test)]
mod tests;

pub use audit_search::{AuditSearchConfig, VerifyRhythm};
pub use auth::{
    AuthConfig, CertificateConfig, CredentialConfig, ManagedIdentityConfig, SigningAlgorithm, WorkloadIdentityConfig,
};
pub use cloud::{Cloud, TokenVersion};
pub use data_dir::{DataDirError, check_data_dir};
pub use document::Format;
pub use duration::{HumanDuration, InvalidDuration};
pub use error::{ConfigError, ConfigErrors};
pub use filters::{FilterConfig, FiltersConfig, RecordTypeConfig};
pub use limits::{BatchConfig, DedupeConfig, MemoryConfig, PollConfig, RequestConfig};
pub use load::{load, load_sources, load_with_secrets, parse, parse_source};
pub use network::{ProxyConfig, ProxyUrl, TlsConfig};
pub use normalize::{GeoipConfig, NormalizeConfig, is_data_stream_namespace};
pub use schema::{embedded_source_json_schema, json_schema, source_json_schema};
pub(crate) use secret::REDACTED;
pub use secret::{
    CyberarkCcpSecret, CyberarkCpSecret, ExecSecret, LocalSecret, SecretRef, VaultAppRole, VaultKubernetes, VaultLogin,
    VaultSecret, secret_hint,
};
pub use secret_backend::{BackendSecrets, SecretBackend, SecretName};
#[cfg(feature = "cli")]
pub(crate) use sinks::for_each_sink;
pub use sinks::{
    Compression, ConsoleSinkConfig, DeadLetterConfig, FileSinkConfig, FluentAuthConfig, FluentSinkConfig,
    HttpAuthConfig, HttpFraming, HttpSinkConfig, IndexerAcknowledgementsConfig, NetworkConfig, OpentelemetryProtocol,
    OpentelemetrySinkConfig, SinkBatchConfig, SinkConfig, SinkRequestConfig, SinkTlsConfig, SplunkHecSinkConfig,
    VectorSinkConfig,
};
pub use size::{ByteSize, InvalidSize};
pub use source::{AcknowledgementsConfig, EventSchema, Mode, Office365Config, TenantConfig};
pub use state::{NatsTlsConfig, StateConfig, StateKind};
pub use telemetry::{TelemetryBasicAuthConfig, TelemetryConfig, TelemetryTlsConfig};
pub use topology::{SourceEntry, TopologyConfig};
pub use validate::is_domain;
pub use webhook::{
    InvalidExpiration, InvalidNetwork, InvalidSourceRule, Network, SourceRule, WebhookConfig, WebhookExpiration,
    WebhookLimits, WebhookTlsConfig, auth_id_hint,
};
pub(crate) use webhook::{NO_HEADER, fits_header};
