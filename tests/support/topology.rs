//! The file of a program that collects from a simulator into a file.

use std::path::Path;

use office365_source::simulator::SimulatedTenant;

/// A source `m365` of these tenants, which have one application, with everything below `directory`; `rest` are further lines of its block.
pub fn topology(directory: &Path, base: &str, tenants: &[SimulatedTenant], rest: &str) -> String {
    let (path, base) = (directory.display(), base.trim_end_matches('/'));
    let tenant = |tenant: &SimulatedTenant| format!("{{ id = \"{}\", domain = \"{}\" }}", tenant.id, tenant.domain);
    let listed: Vec<_> = tenants.iter().map(tenant).collect();
    let application = &tenants[0];
    format!(
        r#"
        data_dir = "{path}/data"
        [sinks.out]
        type = "file"
        inputs = ["m365"]
        path = "{path}/events.ndjson"
        [sources.m365]
        type = "office365"
        endpoint = "{base}"
        auth_endpoint = "{base}"
        auth = {{ client_id = "{}", client_secret = "{}" }}
        publisher_identifier = "{}"
        tenants = [{}]
        {rest}
        "#,
        application.client_id,
        application.client_secret,
        application.id,
        listed.join(", "),
    )
}
