//! What may stand where a request with a bearer token or a secret goes.

use std::path::Path;

use url::{Host, Url};

use super::error::Problems;

/// Adds what keeps `url` from being an origin that a credential may be sent to. `example` is what to write instead.
///
/// The value itself is left out of the messages: a user name and password may stand in it.
pub(super) fn check(problems: &mut Problems, key: &str, url: &Url, example: &str) {
    let help = format!("Write scheme and host only, such as {key} = \"{example}\".");
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(url) => {}
        "http" => problems.add(
            key,
            "plain http would send credentials in the clear",
            format!("{help} Plain http is accepted for 127.0.0.0/8, ::1 and localhost only."),
        ),
        _ => problems.add(key, "is not an https URL", help.as_str()),
    }
    if url.cannot_be_a_base() || url.host().is_none() {
        problems.add(key, "has no host", help);
        return;
    }
    if !url.username().is_empty() || url.password().is_some() {
        problems.add(key, "has a user name or password in it", help.as_str());
    }
    if !matches!(url.path(), "" | "/") {
        problems.add(key, "has a path", help.as_str());
    }
    if url.query().is_some() || url.fragment().is_some() {
        problems.add(key, "has a query or fragment", help);
    }
}

/// The same for a service that may have a path.
pub(super) fn check_service(problems: &mut Problems, key: &str, url: &Url, example: &str) {
    let mut origin = url.clone();
    origin.set_path("");
    check(problems, key, &origin, example);
}

/// Adds that one of the two files of a client's certificate is missing or has an empty path.
pub(super) fn check_identity(problems: &mut Problems, key: &str, crt_file: Option<&Path>, key_file: Option<&Path>) {
    let help = "Write both, the PEM file of the certificate and that of its key, or leave both out.";
    match (crt_file, key_file) {
        (Some(_), None) => problems.add(&format!("{key}.key_file"), "is missing beside crt_file", help),
        (None, Some(_)) => problems.add(&format!("{key}.crt_file"), "is missing beside key_file", help),
        _ => {}
    }
    for (name, file) in [("crt_file", crt_file), ("key_file", key_file)] {
        if file.is_some_and(|file| file.as_os_str().is_empty()) {
            problems.add(&format!("{key}.{name}"), "is empty", help);
        }
    }
}

/// Whether the host is this machine by its address or by name.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_of(url: &str) -> String {
        let mut problems = Problems::below("sources.m365");
        check(&mut problems, "endpoint", &Url::parse(url).unwrap(), "https://manage.office.com");
        problems.finish().map_or_else(|errors| errors.to_string(), |()| String::new())
    }

    #[test]
    fn credentials_go_to_https_or_loopback_origins_only() {
        for good in [
            "https://manage.office.com",
            "https://proxy.contoso.com:8443/",
            "http://127.0.0.1:8080",
            "http://127.9.9.9",
            "http://[::1]:1",
            "http://localhost:9",
        ] {
            assert_eq!(problems_of(good), "", "{good}");
        }
        for (bad, why) in [
            ("http://manage.office.com", "in the clear"),
            ("http://localhost.evil.com", "in the clear"),
            ("http://10.0.0.1", "in the clear"),
            ("ftp://127.0.0.1", "not an https URL"),
            ("data:text/plain,x", "has no host"),
            ("https://manage.office.com/api/v1.0", "has a path"),
            ("https://manage.office.com/?a=b", "has a query"),
            ("https://manage.office.com#x", "has a query or fragment"),
            ("https://me:hunter2@manage.office.com", "has a user name or password"),
        ] {
            let text = problems_of(bad);
            assert!(text.contains(why) && text.contains("endpoint = \"https://manage.office.com\""), "{bad}: {text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
