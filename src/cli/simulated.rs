//! What `demo` and `simulate` share: a configuration file for the source that collects from a simulator.

use std::fmt::Write;

use url::Url;

use crate::simulator::SimulatorConfig;

/// A configuration that collects all content types of the simulator at `base`.
pub(super) fn configuration(simulator: &SimulatorConfig, base: &Url, data_dir: &str) -> String {
    let base = base.as_str().trim_end_matches('/');
    let mut text = format!(
        r#"data_dir = {data_dir:?}

[sources.m365]
type = "office365"
mode = "poll"
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
    for tenant in &simulator.tenants {
        let _ = write!(text, "\n[[sources.m365.tenants]]\nid = \"{}\"\ndomain = \"{}\"\n", tenant.id, tenant.domain);
    }
    text.push_str("\n[sources.m365.poll]\ninterval_secs = 2\n\n[sinks.out]\ntype = \"console\"\ninputs = [\"m365\"]\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Format, parse};

    #[test]
    fn the_configuration_is_valid() {
        let text = configuration(&SimulatorConfig::demo(), &"http://127.0.0.1:8080".parse().unwrap(), "/tmp/x");
        parse(&text, Format::Toml).unwrap();
    }
}
