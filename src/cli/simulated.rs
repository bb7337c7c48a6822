//! What `demo` and `simulate` share: a configuration file for the source that collects from a simulator.

use std::{
    fmt::Write,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    time::Duration,
};

use url::Url;

use crate::{
    config::ProxyConfig,
    simulator::{CertificateFiles, SimulatedTenant, SimulatorConfig},
    transport::{HttpTransport, Transport, TransportOptions},
};

/// A webhook that only the simulator on this machine has to reach.
pub(super) struct SimulatedWebhook {
    files: CertificateFiles,
    listen: SocketAddr,
}

impl SimulatedWebhook {
    /// Makes certificates in a directory, and picks a free port when `port` is 0.
    pub(super) fn new(directory: &Path, port: u16) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let files = CertificateFiles::make(directory)?;
        // Another process may take the port before the source does; then the source reports it.
        let listen = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.local_addr()?;
        Ok(Self { files, listen })
    }

    /// The way from the simulator to the webhook.
    pub(super) fn transport(&self) -> crate::Result<Arc<dyn Transport>> {
        let options = TransportOptions {
            proxy: ProxyConfig { enabled: false, ..ProxyConfig::default() },
            ca_file: Some(self.files.ca_file.clone()),
            identity: None,
            connect_timeout: Some(Duration::from_secs(2)),
        };
        Ok(Arc::new(HttpTransport::new(&options)?))
    }

    fn configuration(&self) -> String {
        let Self { files, listen } = self;
        format!(
            r#"
[sources.m365.webhook]
listen = "{listen}"
public_url = "https://localhost:{}/wh/o365/"
reconcile_interval_secs = 10

[sources.m365.webhook.tls]
crt_file = {:?}
key_file = {:?}
"#,
            listen.port(),
            files.crt_file.display().to_string(),
            files.key_file.display().to_string(),
        )
    }
}

/// A configuration that collects all content types of these tenants of the simulator at `base`, notified or polling.
pub(super) fn configuration(
    simulator: &SimulatorConfig,
    tenants: &[SimulatedTenant],
    base: &Url,
    data_dir: &str,
    webhook: Option<&SimulatedWebhook>,
) -> String {
    let base = base.as_str().trim_end_matches('/');
    let mode = if webhook.is_some() { "webhook" } else { "poll" };
    let mut text = format!(
        r#"data_dir = {data_dir:?}

[sources.m365]
type = "office365"
mode = "{mode}"
content_types = ["Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", "DLP.All"]
endpoint = "{base}"
auth_endpoint = "{base}"
"#
    );
    // Writing to a `String` cannot fail.
    let Some(application) = simulator.tenants.first() else { return text };
    let _ = write!(
        text,
        r#"publisher_identifier = "{}"

[sources.m365.auth]
client_id = "{}"
client_secret = "{}"
"#,
        application.id, application.client_id, application.client_secret
    );
    for tenant in tenants {
        let _ = write!(text, "\n[[sources.m365.tenants]]\nid = \"{}\"\ndomain = \"{}\"\n", tenant.id, tenant.domain);
    }
    match webhook {
        Some(webhook) => text.push_str(&webhook.configuration()),
        None => text.push_str("\n[sources.m365.poll]\ninterval_secs = 2\n"),
    }
    let _ = write!(text, "\n[sources.m365.audit_search]\nendpoint = \"{base}\"\n");
    text.push_str("\n[sinks.out]\ntype = \"console\"\ninputs = [\"m365\"]\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Format, parse};

    #[test]
    fn the_configuration_is_valid() {
        let simulator = SimulatorConfig::demo();
        let base = "http://127.0.0.1:8080".parse().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let webhook = SimulatedWebhook::new(directory.path(), 0).unwrap();
        for (tenants, webhook) in [(2, None), (2, Some(&webhook)), (0, Some(&webhook))] {
            let text = configuration(&simulator, &simulator.tenants[..tenants], &base, "/tmp/x", webhook);
            parse(&text, Format::Toml).unwrap();
        }
    }
}
