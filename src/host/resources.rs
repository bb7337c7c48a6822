//! What only one component can have.

use std::net::SocketAddr;

use super::{Component, HostError, error::ResourceConflictSnafu};
use crate::{component::Resource, config::TelemetryConfig};

/// Finds two components that need the same port or file; the telemetry server counts as one.
///
/// # Errors
///
/// [`HostError::ResourceConflict`], naming both.
pub fn check_resources(components: &[Component], telemetry: Option<&TelemetryConfig>) -> Result<(), HostError> {
    let own = telemetry.map(|telemetry| ("telemetry.listen".to_owned(), Resource::tcp(telemetry.listen)));
    let theirs = components.iter().flat_map(|component| {
        let name = format!("sources.{}", component.key);
        component.config.resources().into_iter().map(move |resource| (name.clone(), resource))
    });
    let mut taken: Vec<(String, Resource)> = Vec::new();
    for (second, resource) in own.into_iter().chain(theirs) {
        if let Some((first, _)) = taken.iter().find(|(owner, other)| *owner != second && conflict(other, &resource)) {
            return ResourceConflictSnafu { first, second, resource: name(&resource) }.fail();
        }
        taken.push((second, resource));
    }
    Ok(())
}

fn conflict(one: &Resource, two: &Resource) -> bool {
    match (one, two) {
        (Resource::Tcp(one), Resource::Tcp(two)) => same_socket(*one, *two),
        (one, two) => one == two,
    }
}

/// 0.0.0.0 and [::] take the port on every address; port 0 is a new port each time.
fn same_socket(one: SocketAddr, two: SocketAddr) -> bool {
    let overlap = one.ip() == two.ip() || one.ip().is_unspecified() || two.ip().is_unspecified();
    one.port() == two.port() && one.port() != 0 && overlap
}

fn name(resource: &Resource) -> String {
    match resource {
        Resource::Tcp(address) => format!("the TCP address {address}"),
        Resource::File(path) => format!("the file {path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::TestSource;

    fn needing(key: &str, addresses: &[&str]) -> Component {
        let resources = addresses.iter().map(|address| Resource::tcp(address.parse().unwrap())).collect();
        Component::new(key, "test", Box::new(TestSource::needing(resources)))
    }

    #[test]
    fn two_components_cannot_have_the_same_port() {
        for (one, two, expected) in [
            ("127.0.0.1:443", "127.0.0.1:443", false),
            ("0.0.0.0:443", "127.0.0.1:443", false),
            ("127.0.0.1:443", "127.0.0.2:443", true),
            ("127.0.0.1:0", "127.0.0.1:0", true),
            ("127.0.0.1:443", "127.0.0.1:444", true),
        ] {
            let result = check_resources(&[needing("a", &[one, one]), needing("b", &[two])], None);
            assert_eq!(result.is_ok(), expected, "{one} {two}");
        }
        let telemetry = TelemetryConfig::plain("127.0.0.1:443".parse().unwrap());
        let error = check_resources(&[needing("a", &["[::]:443"])], Some(&telemetry)).unwrap_err().to_string();
        assert!(error.starts_with("telemetry.listen and sources.a both need the TCP address [::]:443"), "{error}");
    }
}
