//! The page about a demo that runs.

use std::{net::Ipv4Addr, time::Duration};

use tokio::{task::JoinHandle, time::timeout};

use crate::{
    Result, cli::output::complain, config::TelemetryConfig, host::PageServer, host_services::HostServices,
    simulator::SimulatorConfig,
};

/// How long a client may take to let the page go.
const GONE: Duration = Duration::from_secs(1);

/// A page that is served.
pub(super) struct DemoPage {
    url: String,
    serving: JoinHandle<()>,
}

/// Serves a page about the source of this name on a port of this machine, and says where.
pub(super) async fn serve(
    port: u16,
    name: &str,
    simulated: &SimulatorConfig,
    services: &HostServices,
) -> Result<DemoPage> {
    let server = PageServer::bind(&TelemetryConfig::plain((Ipv4Addr::LOCALHOST, port).into())).await?;
    let url = format!("http://{}/", server.address());
    complain(&format_args!("The page is at {url}"));
    let names = simulated.tenants.iter().map(|tenant| (tenant.id, tenant.domain.clone())).collect();
    let HostServices { progress, insights, environment, .. } = services.clone();
    // Before the first event.
    insights.keep();
    let serving = server.serve((name.into(), progress), names, insights, environment.clock);
    Ok(DemoPage { url, serving: tokio::spawn(serving) })
}

impl DemoPage {
    /// Says that the demo goes on.
    pub(super) fn tell(&self) {
        complain(&format_args!("New events keep coming, and the page stays at {} until Ctrl-C.", self.url));
    }

    pub(super) async fn stop(self) {
        self.serving.abort();
        let _ = timeout(GONE, self.serving).await;
    }
}
