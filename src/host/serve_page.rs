//! The page without the rest of a host, for a program that has its sources in its own process.

use std::{collections::BTreeMap, net::SocketAddr};

use super::{HostError, page::Page, server::Server, status::Status};
use crate::{
    RunMode, clock::Clock, component::ComponentKey, config::TelemetryConfig, content::TenantId, insights::Insights,
    telemetry::Progress,
};

/// Whether what `telemetry` refers to can be used: secrets (those of commands and stores only if `asks_stores`), certificate and key.
///
/// # Errors
///
/// When it cannot.
pub async fn check_telemetry(config: &TelemetryConfig, asks_stores: bool) -> Result<(), HostError> {
    Server::check(config, asks_stores).await
}

/// Serves the page, `/status`, `/metrics` and `/health` of one source.
pub struct PageServer {
    server: Server,
    address: SocketAddr,
}

impl PageServer {
    /// Takes the port.
    ///
    /// # Errors
    ///
    /// When it cannot be used.
    pub async fn bind(config: &TelemetryConfig) -> Result<Self, HostError> {
        let server = Server::bind(config).await?;
        let address = server.address().unwrap_or(config.listen);
        Ok(Self { server, address })
    }

    /// Where it listens: with the port that it got when 0 was configured.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is dropped. `names` are those of tenants for people.
    pub async fn serve(
        self,
        source: (ComponentKey, Progress),
        names: BTreeMap<TenantId, String>,
        insights: Insights,
        clock: Clock,
    ) {
        insights.keep();
        let sources = vec![source];
        let status = Status::of_sources(sources.clone(), RunMode::Continuous);
        self.server.serve(status, Page::new(sources, names, insights, clock)).await;
    }
}
